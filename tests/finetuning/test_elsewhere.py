"""The same run in three programs, setting by setting, and what an objective does not read of rows."""

from __future__ import annotations

import ast
import json
from dataclasses import replace

import pytest
import yaml

from shared.suite import load_app
from tests import zoo
from tests.finetuning.training import LABELLED, ROWS

load_app("finetuning")
from finetuning import axolotl_files, leave, notebook, pairs, same_run
from finetuning.engine import mask
from finetuning.request import MaskRequest
from finetuning.tokenizer import opened
from finetuning.train_request import OBJECTIVES, TrainRequest

REPLACED = {
    *("per_device_train_batch_size", "gradient_accumulation_steps", "auto_find_batch_size", "padding_free"),
    *("learning_rate", "weight_decay", "warmup_steps", "optim", "seed"),
}
"""Where Unsloth puts a default of its own in the place of TRL's (`unsloth/models/rl.py`, versions of 2025 and
2026), of what changes a run.
"""
FIGURE = {
    "provenance": {"model": "some/model", "blocks": 4, "versions": {"transformers": "5", "peft": "0"}},
    "trained": {"source": "pasted rows", "separate": True, "left_out": []},
    "runs": [{"marks": [{"norms": [["blocks.3.q_proj", 3, 0.0]]}]}],
}


def stated(text: str) -> dict:
    """What a program says to TRL's config."""
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    (config,) = [
        call
        for call in calls
        if isinstance(call.func, ast.Name)
        and call.func.id[:-6].lower() in OBJECTIVES
        and call.func.id.endswith("Config")
    ]
    found = {}
    for one in config.keywords:
        try:
            found[one.arg] = ast.literal_eval(one.value)
        except ValueError:  # of the machine, as use_cpu
            found[one.arg] = None
    return found


def code_of(cells: list[dict]) -> str:
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    return "\n".join(text for text in code if not text.startswith("%"))


def test_the_three_programs_of_a_run_have_the_same_settings():
    """Unsloth has defaults of its own: what a notebook leaves out is another run."""
    only = {"sft": {"packing"}, "dpo": {"beta"}, "orpo": {"beta"}, "kto": {"beta", "desirable_weight"}}
    for objective, more in only.items():
        rows = json.dumps(LABELLED if objective == "kto" else ROWS)
        request = TrainRequest.parse(model="some/model", objective=objective, rows=rows, seed=7, batch=3)
        asked = [request, replace(request, packing=True)] if objective == "sft" else [request]
        for one in asked:
            script = stated(leave.trl(one, FIGURE))
            notes = stated(code_of(notebook.unsloth(one, FIGURE)["cells"]))
            wanted = (REPLACED - {"padding_free"} if objective != "sft" or one.packing else REPLACED) | more
            wanted |= {"max_steps", "max_length", "lr_scheduler_type", "max_grad_norm"}
            assert wanted <= set(notes), wanted - set(notes)
            here = {"use_cpu", "bf16", "gradient_checkpointing"}  # of the machine, not of the run
            assert {name: value for name, value in script.items() if name not in here} == notes
            if objective == "kto":
                continue
            config = yaml.safe_load(axolotl_files.axolotl(one, FIGURE))
            known = axolotl_files.KNOWN_AS | {"beta": axolotl_files.BETA.get(objective)}
            settings = same_run.settings(one)
            assert set(settings) <= set(known) | {"padding_free"}
            assert {name: config[known[name]] for name in settings if name in known} == {
                name: script[name] for name in settings if name in known
            }
            assert (config["lora_r"], config["lora_dropout"]) == (one.rank, 0)


def test_a_notebook_ends_texts_and_runs_with_what_unsloth_brings():
    request = TrainRequest.parse(model="some/model", rows=json.dumps([{"text": "a"}]), qlora=True)
    texts = {**FIGURE, "trained": {**FIGURE["trained"], "form": "texts"}}
    cells = notebook.unsloth(request, texts)["cells"]
    code = code_of(cells)
    assert "tokenizer.eos_token" in code and "except TypeError" in code
    assert "eos_token" not in code_of(notebook.unsloth(request, FIGURE)["cells"])
    intro = "".join(cells[0]["source"])
    installed = next("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    assert installed == f'%pip install unsloth=={notebook.UNSLOTH} "transformers>=5"'  # no warmup_ratio there
    assert "half precision" in intro and "rounded scales" in intro
    orpo = notebook.unsloth(replace(request, objective="orpo", rows=json.dumps(ROWS)), FIGURE)
    assert "except ImportError" in code_of(orpo["cells"])


@pytest.fixture(scope="module")
def model():
    return str(zoo.folder("qwen3"))


def ignored(model: str, rows: list[dict], objective: str = "sft") -> list[str]:
    request = TrainRequest.parse(model=model, objective=objective, rows=json.dumps(rows), batch=2)
    return list(pairs.read(request, opened(model, "")).ignored)


def test_what_an_objective_does_not_read_is_said(model):
    unwanted = ignored(model, LABELLED)
    assert (
        unwanted[0].startswith("SFT ignores “label”: 3 of 7 rows are unwanted answers") and len(unwanted) == 1
    )
    assert ignored(model, LABELLED, "kto") == []
    chosen = ignored(model, [{**row, "score": 1} for row in ROWS])
    assert "ignores “rejected” (7 of 7 rows)" in chosen[0]
    assert chosen[1] == "SFT ignores the column “score”."
    assert ignored(model, [{**row, "a": 1, "b": None, "c": 2} for row in ROWS], "dpo") == [
        "DPO ignores the columns “a”, “c”."
    ]
    talk = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    assert ignored(model, [{"messages": talk}, {"messages": [talk[0], {**talk[1], "content": "c"}]}]) == []
    assert ignored(model, [{"messages": talk, "text": "x"}]) == ["SFT ignores the column “text”."]
    with_tools = {"messages": talk, "tools": [], "chat_template_kwargs": {}, "system": "s", "label": True}
    assert ignored(model, [with_tools]) == ["SFT ignores the columns “system”, “label”."]


def test_the_first_room_finds_unwanted_answers(model):
    asked = MaskRequest.parse(model=model, rows=json.dumps(LABELLED), template="chatml")
    found = [one for one in mask(asked)["findings"] if one["code"] == "unwanted"]
    assert [one["rows"] for one in found] == [[2, 4, 6]] and "3 of 7 rows" in found[0]["says"]
    wanted = MaskRequest.parse(model=model, rows=json.dumps(LABELLED[::2]), template="chatml")
    assert not [one for one in mask(wanted)["findings"] if one["code"] == "unwanted"]
