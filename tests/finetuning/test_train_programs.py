"""The printed program gives the run's losses, and its adapter."""

from __future__ import annotations

import contextlib
import io
import json
import re
from pathlib import Path

import pytest

from shared import models
from shared.suite import load_app
from tests import zoo
from tests.finetuning.training import LABELLED, ROWS

load_app("finetuning")
from finetuning import row_programs, sets, train_programs
from finetuning import train as training
from finetuning.train_request import TrainRequest

PLAIN = [
    {"prompt": one["prompt"][0]["content"], "completion": f" {one['chosen'][0]['content']}"} for one in ROWS
]
SHARED = [{name: [*one["prompt"], *one[name]] for name in ("chosen", "rejected")} for one in ROWS]
LONG = {"messages": [{"role": "user", "content": "sea " * 60}, *ROWS[0]["chosen"]]}
TALKS = [{"messages": [*one["prompt"], *one["chosen"]]} for one in ROWS]


@pytest.mark.parametrize(
    ("objective", "rows", "settings"),
    [
        ("sft", PLAIN, {"schedule": "constant"}),
        ("sft", TALKS, {"layers": 1, "targets": "attention"}),
        ("sft", TALKS, {"packing": True, "batch": 2, "max_length": 60, "qlora": True}),
        ("dpo", ROWS, {"max_length": 60}),
        ("sft", [], {"data": "pirate", "limit": 6}),
        ("dpo", SHARED, {}),
        ("kto", LABELLED, {"desirable_weight": 2}),
        ("kto", [], {"data": "pirate", "limit": 3, "max_length": 60}),
        ("orpo", ROWS, {"max_length": 60, "beta": 0.5}),
        ("sft", [LONG, *TALKS], {"max_length": 60}),
    ],
)
def test_the_printed_program_gives_the_same_losses(tmp_path, monkeypatch, objective, rows, settings):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(models, "load", lambda *_, **__: zoo.opened("qwen3"))
    monkeypatch.setattr("finetuning.watch.WINDOWS", 1)
    monkeypatch.setattr("finetuning.watch.ANSWER_TOKENS", 2)
    request = TrainRequest.parse(
        **{
            "objective": objective,
            "rows": json.dumps(rows) if rows else "",
            "model": str(zoo.folder("qwen3")),
            "steps": 4,
            "batch": 3,
            "rank": 2,
            "layers": 0,
            "learning_rate": 0.01,
            "answers": 1,
            **settings,
        }
    )
    *_, (data, _) = training.train(request, *training.prepared(request))
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(train_programs.loop(request, data), {"__name__": "printed"})
    found = [
        tuple(map(float, one)) for one in re.findall(r"loss (\S+), gradient norm (\S+)", printed.getvalue())
    ]
    wanted = [(step["loss"], step["norm"]) for step in data["runs"][0]["steps"]]
    assert [one for one, _ in found] == pytest.approx([one for one, _ in wanted], rel=2e-5, abs=2e-6)
    assert [one for _, one in found] == pytest.approx([one for _, one in wanted], rel=2e-4, abs=2e-6)
    assert (tmp_path / "adapter" / "adapter_config.json").exists()


def test_rows_of_a_file_are_not_taken_for_the_stored_set(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.jsonl").write_text("\n".join(map(json.dumps, PLAIN)), encoding="utf-8")
    trained = {"left_out": [], "source": "mine.jsonl"}
    seen: dict = {"json": json}
    exec(row_programs.rows_listing(TrainRequest(), trained), seen)
    assert seen["rows"] == [*PLAIN[:4], *PLAIN[5:]]
    (tmp_path / "mine.jsonl").unlink()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine.jsonl").write_text(json.dumps(PLAIN), encoding="utf-8")
    exec(row_programs.rows_listing(TrainRequest(), trained), seen)
    assert seen["rows"] == [*PLAIN[:4], *PLAIN[5:]]


def test_what_is_trained_on_is_not_what_is_measured():
    for name in sets.SETS:
        train, held = ({row["prompt"][0]["content"] for row in rows} for rows in sets.stored(name))
        assert not train & held and len(held) >= 6 and len(train) >= 16
        assert not train & {prompt for prompt, _ in sets.elsewhere(name)}


def test_programs_make_an_expert_that_no_hub_has(tmp_path, monkeypatch):
    import peft
    import transformers

    calls = []

    class Fake:
        def __init__(self, *given):
            calls.append(given)

        def from_pretrained(self, *given, **_):
            return Fake(*given)

        def merge_and_unload(self):
            return self

        def save_pretrained(self, folder):
            calls.append(("saved", folder))

    for module, name in (
        (transformers, "AutoModelForCausalLM"),
        (transformers, "AutoTokenizer"),
        (peft, "PeftModel"),
    ):
        monkeypatch.setattr(module, name, Fake())
    monkeypatch.chdir(tmp_path)
    assert (Path(__file__).parents[2] / "shared" / "experts" / "concise" / "adapter_config.json").exists()
    for place in ("data/concise", "shared/experts/concise"):  # taken home, and in this repository
        (tmp_path / place).mkdir(parents=True)
        calls.clear()
        exec(train_programs.named("concise"), seen := {})
        assert seen["name"] == "concise" and calls.count(("saved", "concise")) == 2
        assert calls[0] == ("HuggingFaceTB/SmolLM2-135M-Instruct",) and calls[1][1] == place
    assert train_programs.named("owner/name") == "name = 'owner/name'\n"
