"""The room of two models: what is refused before time is spent, what the figure is sent, and the program
below it.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections import OrderedDict

import pytest

from decoding import vocabulary
from decoding.data import Pair
from decoding.pair.presets import EXAMPLES, example_request
from decoding.pair.programs import transformers_program
from decoding.pair.request import PairRequest
from decoding_rooms import pair as room
from shared import gpu, hub, models
from shared.embedded_model import EMBEDDED_MODEL, EMBEDDED_SOURCE
from shared.errors import VisitorError
from tests import zoo

PROMPT = "Once upon a time"


def asked(name: str, **values) -> PairRequest:
    return PairRequest.parse(
        **{"prompt": PROMPT, "model": str(zoo.folder(name)), "max_new_tokens": 5, "seed": 7, **values}
    )


@pytest.mark.parametrize(
    "values",
    [
        {"rounding": "Q4_0"},
        {"rounding": "Q8_0", "strategy": {"do_sample": True, "top_p": 0.9}},
        {"rounding": "Q4_0", "chat": True, "strategy": {"repetition_penalty": 1.3}},
    ],
    ids=["greedy", "sample", "chat"],
)
@pytest.mark.parametrize("name", ["llama3", "qwen2", "tinyllama"])
def test_the_program_gives_the_figures_numbers(name, values):
    request = asked(name, **values)
    *_, pair = room.steps(request)
    program = transformers_program(request, pair)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(program, "listing", "exec"), {})
    lines = [eval(line) for line in out.getvalue().splitlines()]
    told = [line for line in lines if isinstance(line, dict)]
    steps = [line for line in lines if isinstance(line, tuple)]
    assert len(told) == len(pair["texts"])
    assert [ranks for *_, ranks in steps] == [
        [side[0] for side in step["ranks"]] for text in pair["texts"] for step in text["steps"]
    ]
    for line, text in zip(told, pair["texts"], strict=True):
        assert line["log p in either"] == pytest.approx(text["logprob"], abs=1e-3)
        for words, key in (
            ("mean KL(first, second)", "forward"),
            ("mean KL(second, first)", "backward"),
            ("mean total variation", "variation"),
        ):
            assert line[words] == pytest.approx(text[key]["mean"], abs=1e-4, rel=1e-3)
        assert line["same likeliest token"] == text["same_top"]["count"]


def test_a_program_says_whose_weights_it_loads():
    pair = room.example("pair_expert")
    program = transformers_program(PairRequest.parse(**pair["request"]), pair)
    compile(program, "listing", "exec")
    assert program.count("stored as Q4_1") == 2 and EMBEDDED_SOURCE in pair["models"][0]["source"]
    assert "PeftModel.from_pretrained(second, 'shared/experts/pirate')" in program
    assert f"first = AutoModelForCausalLM.from_pretrained({EMBEDDED_MODEL!r}" in program


def test_a_run_sends_what_is_new_and_at_the_end_everything(monkeypatch):
    monkeypatch.setattr(models, "_loaded", OrderedDict())  # another test may have loaded it
    first, *_, last = steps = list(room.steps(asked("mistral", rounding="Q5_0")))
    assert first["drawable"] is False and first["progress"]["label"].startswith("Loading ")
    assert any(not step["drawable"] and "Rounding" in step["progress"]["label"] for step in steps)
    assert last["done"] and last["trace"]["done"] and "growth" not in last["trace"]
    grown: list[Pair] = [step for step in steps if step["drawable"] and not step["done"]]
    assert grown[0]["trace"]["growth"]["version"] == 1 and not grown[0]["texts"]
    json.dumps(steps, allow_nan=False)


def test_another_vocabulary_is_refused_before_the_second_model_is_downloaded(monkeypatch, tmp_path):
    first = models.load(str(zoo.folder("llama3")), exact=True)
    monkeypatch.setattr(hub, "reachable", lambda: True)
    monkeypatch.setattr(hub, "has_snapshot", lambda *_: False)
    monkeypatch.setattr(hub, "inspect", lambda *_: ("abc", 1, 1))
    monkeypatch.setattr(hub, "download", lambda *_: pytest.fail("it was downloaded"))

    def small(animal):
        def copy(model, revision, folder):
            assert (model, revision) == ("owner/other", "abc")
            for path in zoo.folder(animal).iterdir():
                if path.suffix != ".safetensors":
                    shutil.copy(path, folder)

        return copy

    monkeypatch.setattr(hub, "small_files", small("tinyllama"))
    with pytest.raises(VisitorError, match="have different vocabularies"):
        list(room.steps(asked("llama3", other="owner/other")))
    monkeypatch.setattr(hub, "small_files", small("llama31"))
    vocabulary.check_before_download(first, "owner/other", ("one", "two"))
    for name in (EMBEDDED_MODEL, "pirate", str(zoo.folder("gpt2"))):
        monkeypatch.setattr(hub, "small_files", lambda *_: pytest.fail("nothing has to be asked"))
        vocabulary.check_before_download(first, name, ("one", "two"))


def test_two_folders_of_one_base_are_compared():
    """The second model beside the first, and its own template left aside."""
    request = asked("llama3", other=str(zoo.folder("llama31")), rounding="Q8_0")
    *_, pair = room.steps(request)
    assert [run["name"] for run in pair["trace"]["runs"]] == ["llama3", "llama31 in Q8_0"] or pair["done"]
    assert pair["models"][0]["model"] != pair["models"][1]["model"]
    answer = room.compare_models(request)
    assert answer["finding"] == pair["finding"] and answer["texts"] == pair["texts"]
    assert "trace" not in answer and answer["prompt"]["text"] == PROMPT


def test_more_text_asks_for_more_seconds():
    few, many = (room.seconds(PairRequest.parse(prompt="a", max_new_tokens=n)) for n in (1, 128))
    assert gpu.LEAST <= few < many


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_stored_example_is_its_request(name):
    stored = room.example(name)
    assert PairRequest.parse(**stored["request"]) == example_request(name)
    assert stored["done"] and stored["finding"]
