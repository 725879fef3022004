"""The rooms on models of every shape: the direction against transformers' own hidden states, the edit in the
weights against the run-time edit, an edit of strength 0 against none; and what is refused, with the reason.
"""

from __future__ import annotations

import copy
import re
from dataclasses import replace

import pytest
import torch

from abliteration.architecture import inspect
from abliteration.outcome import find, measure, remove, run, take
from abliteration.request import Request
from shared import models, talk
from shared.errors import VisitorError
from shared.models import Loaded
from shared.steps import last
from tests import zoo
from tests.abliteration.conftest import returned

LEFT = [f"Paint wall {number}." for number in range(6)]
RIGHT = [f"Where is {number}?" for number in range(6)]


def supported(name: str) -> bool:
    try:
        inspect(zoo.opened(name).model)
    except VisitorError:
        return False
    return True


EDITED = [name for name in zoo.names() if supported(name)]
"""Animals that can be edited."""


def request(name: str, **values) -> Request:
    """A small run that reads the direction at the last layer, before which a convolution sees all words."""
    form = "chat" if "chat" in zoo.ANIMALS[name].traits else "plain"
    layer = zoo.opened(name).model.config.get_text_config().num_hidden_layers - 1
    defaults = {"positive": LEFT, "negative": RIGHT, "format": form, "layer": layer, "candidates": 1}
    return Request.parse(**{**defaults, "answer_tokens": 4, "prompts": ["Paint it."], **values})


def hidden(loaded: Loaded, prompts: list[str], form: str) -> torch.Tensor:
    """transformers' own hidden states at each prompt's last token, one run a prompt: (layers + 1, prompts,
    width).
    """
    states = []
    for prompt in prompts:
        ids = torch.tensor([talk.prompt_ids(loaded, prompt, form)])
        with torch.inference_mode():
            output = loaded.model(ids, output_hidden_states=True, use_cache=False)
        states.append(torch.stack([state[0, -1] for state in output.hidden_states]))
    return torch.stack(states, 1)


def test_every_family_of_the_zoo_that_can_be_edited_is():
    families = {inspect(zoo.opened(name).model).family.name for name in EDITED}
    assert len(families) >= 9 and {"Llama", "Gemma 2", "GPT-2", "LFM2"} <= families


@pytest.mark.parametrize("name", EDITED)
def test_the_direction_is_that_of_transformers_hidden_states(name):
    loaded, asked = zoo.opened(name), request(name)
    data = last(find.find(asked, loaded))
    fit = data["split"]["fit"]
    sides = [hidden(loaded, fit[side], asked.format)[:-1] for side in ("positive", "negative")]
    difference = sides[0].mean(1) - sides[1].mean(1)
    assert [layer["norm"] for layer in data["layers"]] == pytest.approx(
        difference.norm(dim=-1).tolist(), rel=2e-3, abs=1e-4
    )
    unit = difference[asked.layer] / difference[asked.layer].norm()
    select = hidden(loaded, data["split"]["select"]["positive"], asked.format)[asked.layer]
    layer = data["layers"][asked.layer]
    assert layer["projections"]["positive"] == pytest.approx((select @ unit).tolist(), rel=5e-3, abs=1e-3)
    assert data["choice"]["layer"] == asked.layer and layer["candidate"]["kl"] >= 0


@pytest.mark.parametrize("name", EDITED)
def test_the_weights_do_what_the_run_time_edit_does(name):
    loaded = zoo.opened(name)
    proof = last(take.certificate(request(name), loaded))["certificate"]
    assert proof["audit"] < 1e-5, "a write into the stream was overlooked"
    assert all(row["after"] < 1e-4 * max(1, row["before"]) for row in proof["matrices"])
    assert proof["in_stream"] is not None and proof["in_stream"] < 1e-4
    if proof["verdict"] == "exact":
        assert proof["gap"] < 1e-3 * proof["scale"]
    tied = "tied" in zoo.ANIMALS[name].traits
    assert proof["head"].startswith("untied" if tied else "the head was not tied")


@pytest.mark.parametrize("name", EDITED)
def test_no_strength_no_change(name):
    loaded = zoo.opened(name)
    measures = last(measure.measure(request(name, strength=0), loaded))["measures"]
    for side in ("positive", "negative"):
        assert measures["first_token"][side]["kl"]["mean"] == 0
        assert measures["behaviour"][side]["base"] == measures["behaviour"][side]["edited"]
    assert measures["text"]["delta"]["mean"] == measures["text"]["delta"]["sigma"] == 0
    assert measures["text"]["base"]["clusters"] == 4 and measures["text"]["base"]["mean"] > 0
    pair = last(remove.ablate(request(name, strength=0), loaded))["pairs"][0]
    assert pair["base"] == pair["edited"] and set(pair["kl"]) <= {0}


@pytest.mark.parametrize("name", [name for name in zoo.names() if name not in EDITED])
def test_what_cannot_be_edited_is_refused_with_the_reason(name):
    with pytest.raises(VisitorError) as caught:
        last(find.find(request(name), zoo.opened(name)))
    assert re.search("experts|images|no attention|nobody has stated", caught.value.what)
    assert "Llama" in caught.value.remedy


@pytest.mark.parametrize("name", [name for name in EDITED if "chat" not in zoo.ANIMALS[name].traits])
def test_without_a_chat_template_the_plain_format_is_named(name):
    with pytest.raises(VisitorError, match="chat template") as caught:
        last(find.find(request(name, format="chat"), zoo.opened(name)))
    assert "plain" in caught.value.remedy


def test_what_does_not_fit_into_a_short_model_is_refused():
    with pytest.raises(VisitorError, match="tokens") as caught:
        last(
            find.find(request("short", positive=[prompt + " a" * 60 for prompt in LEFT]), zoo.opened("short"))
        )
    assert "1 to 48 tokens" in caught.value.remedy  # 64, less what the base model answers to be asked


def test_a_model_in_bfloat16_is_read_as_on_a_gpu():
    loaded = zoo.opened("qwen2")
    half = replace(
        loaded, id="zoo/half", model=copy.deepcopy(loaded.model).to(torch.bfloat16), dtype="bfloat16"
    )
    found, exact = (last(find.find(request("qwen2"), model)) for model in (half, loaded))
    norms, expected = ([layer["norm"] for layer in data["layers"]] for data in (found, exact))
    assert norms == pytest.approx(expected, rel=0.02, abs=0.01) and norms != expected
    assert found["provenance"]["dtype"] == "bfloat16"
    measures = last(measure.measure(request("qwen2", strength=0), half))["measures"]
    assert measures["first_token"]["positive"]["kl"]["mean"] == measures["text"]["delta"]["mean"] == 0


@pytest.mark.parametrize(("kind", "exact"), [("find", False), ("certificate", True), ("export", True)])
def test_what_is_published_is_computed_in_float32(monkeypatch, kind, exact):
    asked = []
    monkeypatch.setattr(models, "load", lambda _, *, exact=False: asked.append(exact) or zoo.opened("qwen2"))
    list(run.prepare(kind, request("qwen2")))
    returned(run.opened(kind, request("qwen2"), None))
    assert asked == [exact] * (3 if kind == "export" else 2)  # an export is compared with an expert's base
