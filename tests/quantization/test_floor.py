"""The noise floor, and divergence by kind of text: both are nothing where nothing is changed."""

from __future__ import annotations

import pytest
import torch

from quantization import floor, kinds, metrics, rowcache
from quantization.compare import compare
from quantization.plan import estimate
from quantization.request import Request
from shared import measure, texts
from shared.embedded_model import quiet_progress
from tests import zoo


@pytest.fixture(scope="module")
def base(tiny_gguf):
    windows = measure.text_windows(tiny_gguf.tokenizer, texts.sample("evaluation"), 64, 6)
    *_, found = metrics.base_pass(tiny_gguf.model, windows)
    return found


def test_nothing_is_added_where_nothing_is_changed(tiny_gguf, base):
    scores = floor._scored(floor._changed(tiny_gguf.model, lambda weight: weight), base)
    assert not scores.kl.any() and bool(scores.same_top.all())


def test_every_weight_is_the_next_number(tiny_gguf):
    made = floor.nudged(tiny_gguf.model, 0)
    ups = []
    for (name, new), old in zip(made.named_parameters(), tiny_gguf.model.parameters(), strict=True):
        up, down = (torch.nextafter(old, torch.full_like(old, end)) for end in (torch.inf, -torch.inf))
        assert bool(((new == up) | (new == down)).all()), name
        ups.append((new > old).float().mean())
    assert 0.3 < float(torch.stack(ups).mean()) < 0.7
    assert made.get_output_embeddings().weight is made.get_input_embeddings().weight, "tied stays tied"


def test_bfloat16_is_the_model_as_transformers_loads_it_in_bfloat16(tiny_gguf, base, tmp_path):
    tiny_gguf.model.save_pretrained(tmp_path)
    with quiet_progress():
        other = type(tiny_gguf.model).from_pretrained(tmp_path, dtype=torch.bfloat16)
    made, ids = floor.rounded(tiny_gguf.model), base.windows.ids[:1]
    with torch.inference_mode():
        assert torch.equal(made(ids).logits, other(ids).logits)
    assert tiny_gguf.model.dtype == torch.float32


def test_the_floor_is_in_the_comparison(tiny_gguf):
    asked = {
        "formats": ["own:rtn-int4-g32"],
        "context": 64,
        "windows": 6,
        "prompt": "",
        "model": "tiny/llama",
    }
    rowcache.rows.forget()
    threads = torch.get_num_threads()
    *_, plain = compare(Request.parse(**asked), tiny_gguf)
    *_, run = compare(Request.parse(**asked, floor=True), tiny_gguf)
    assert plain.floor is None and torch.get_num_threads() == threads
    assert run.rows[0].facts is plain.rows[0].facts, "a row does not depend on it"
    found = run.to_json()["floor"]
    by_name = {noise["name"]: noise for noise in found["noises"]}
    assert found["windows"] == 4 and list(by_name) == ["rounding", "threads", "bfloat16"]
    assert by_name["rounding"]["kld"]["mean"] < 1e-7 and by_name["threads"]["kld"]["mean"] < 1e-9
    row = run.to_json()["rows"][0]["kld"]["mean"]
    assert 1e-7 < by_name["bfloat16"]["kld"]["mean"] < row / 10
    costs = [estimate(Request.parse(**asked, **more), 10**8)["seconds"] for more in ({}, {"floor": True})]
    assert costs[0] < costs[1]


def test_kinds_are_measured_apart(tiny_gguf):
    *_, found = kinds.base_pass(tiny_gguf)
    *_, same = kinds.measured(tiny_gguf.model, found)
    assert [one["name"] for one in same] == list(kinds.KINDS)
    assert all(one["mean"] == one["low"] == one["high"] == 0 for one in same)
    other = floor.rounded(tiny_gguf.model)
    *_, parts = kinds.measured(other, found)
    for part in parts:
        windows = measure.text_windows(
            tiny_gguf.tokenizer, kinds.text_of(tiny_gguf, part["name"]), kinds.CONTEXT, kinds.WINDOWS
        )
        *_, base = metrics.base_pass(tiny_gguf.model, windows)
        alone = metrics.statistics(floor._scored(other, base), base.scores)["kld"]
        assert [part[key] for key in ("mean", "low", "high")] == pytest.approx(
            [alone[key] for key in ("mean", "low", "high")]
        )


def test_every_kind_fills_its_windows_and_a_chat_is_in_its_template():
    loaded = zoo.opened("qwen2")
    for kind in kinds.KINDS:
        text = kinds.text_of(loaded, kind)
        assert len(loaded.tokenizer(text).input_ids) >= kinds.CONTEXT * kinds.WINDOWS, kind
    assert "<|im_start|>assistant\n" in kinds.text_of(loaded, "chat")
    assert kinds.text_of(zoo.opened("gpt2"), "chat").startswith("User: ")


def test_rows_have_their_kinds(tiny_gguf):
    request = Request.parse(
        formats=["own:rtn-int4-g32", "own:rtn-int2-g32"], context=64, windows=1, prompt="", kinds=True
    )
    *_, run = compare(request, tiny_gguf)
    data = run.to_json()
    assert [kind["label"] for kind in data["kinds"]] == list(kinds.KINDS.values())
    assert all(kind["ppl"] > 1 and kind["windows"] == 4 and kind["scored"] == 188 for kind in data["kinds"])
    four, two = (row["kinds"] for row in data["rows"])
    assert all(one["mean"] < other["mean"] for one, other in zip(four, two, strict=True))
