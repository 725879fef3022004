"""What is taken home: files, cards, and the same run elsewhere."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml

from shared import models
from shared.embedded_model import EMBEDDED_MODEL, EMBEDDED_SOURCE, HUB_SOURCE
from shared.errors import VisitorError
from shared.suite import load_app
from tests import zoo
from tests.finetuning.training import LABELLED, ROWS

load_app("finetuning")
from finetuning import grpo, leave, take
from finetuning import plan as planning
from finetuning import train as training
from finetuning.grpo_request import GrpoRequest
from finetuning.train_request import TrainRequest
from finetuning_rooms import take as room

SETTINGS = {"steps": 4, "batch": 3, "rank": 2, "layers": 0, "learning_rate": 0.01, "answers": 1}


@pytest.fixture(scope="module", autouse=True)
def little():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "load", lambda *_, **__: zoo.opened("qwen3"))
        patch.setattr("finetuning.watch.WINDOWS", 2)
        patch.setattr("finetuning.watch.ANSWER_TOKENS", 2)
        yield


def run_of(objective: str, **settings):
    rows = LABELLED if objective == "kto" else ROWS
    request = TrainRequest.parse(
        model=str(zoo.folder("qwen3")), objective=objective, rows=json.dumps(rows), **{**SETTINGS, **settings}
    )
    steps = list(training.train(request, *training.prepared(request)))
    return request, steps[-1][0], {one.step: one for _, one in steps if one}


@pytest.fixture(scope="module")
def sft():
    return run_of("sft")


def test_the_merged_model_opened_anew_has_the_trained_logits(sft, tmp_path):
    from transformers import AutoModelForCausalLM

    request, data, kept = sft
    loaded, rows = training.prepared(request)
    before = {name: value.clone() for name, value in loaded.model.state_dict().items()}
    found = room.written(kept[4], data, "merged", tmp_path / "model")
    assert {"model.safetensors", "config.json", "tokenizer.json", "README.md"} <= {
        Path(path).name for path in found.files
    }
    text = rows.held[0].chosen
    opened = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    with torch.no_grad():
        logits = opened(torch.tensor([text.ids])).logits[0, text.start - 1 : -1].float()
    losses = torch.nn.functional.cross_entropy(logits, torch.tensor(text.ids[text.start :]), reduction="none")
    assert losses.tolist() == pytest.approx(data["runs"][0]["marks"][-1]["tokens"][0], abs=2e-4)
    after = loaded.model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before), "the shared model is untouched"


def test_a_card_says_what_was_measured_before_and_after(sft, tmp_path):
    _, data, kept = sft
    found = room.written(kept[4], data, "adapter", tmp_path / "model")
    first, last = (data["runs"][0]["marks"][at]["held_out"] for at in (0, -1))
    line = next(one for one in found.card.splitlines() if "loss of held-out answers" in one)
    assert f"{first['mean']:.4g}" in line and f"{last['mean']:.4g}" in line
    assert f"n = {first['clusters']}" in line and "cut at 0" in found.card
    assert "| max_length |" in found.card and "| packing |" in found.card
    assert "beta" not in found.card and "desirable" not in found.card
    assert "Seed 42; one run" in found.card and "base_model: zoo/qwen3" in found.card
    assert str(tmp_path) not in found.card and "library_name: peft" in found.card
    assert (tmp_path / "model" / "README.md").read_text(encoding="utf-8") == found.card


def test_an_interval_of_a_loss_ends_at_nothing():
    from finetuning.watch import spread_of

    few = [torch.tensor([0.01]), torch.tensor([3.0])]
    assert spread_of(few)["low"] < 0 and spread_of(few, least=0)["low"] == 0


def test_a_run_on_an_expert_names_what_the_hub_can_load(sft, tmp_path):
    """An expert is an adapter of this repository: neither a card's base_model nor a job can name it."""
    request, data, kept = sft
    request = replace(request, model="concise")
    source = "expert of this suite on the embedded copy, dequantized from Q4_1"
    data = {**data, "provenance": {**data["provenance"], "model": "concise", "source": source}}
    card = room.written(kept[4], data, "adapter", tmp_path / "model").card
    assert "base_model: HuggingFaceTB/SmolLM2-135M-Instruct\n" in card and "license: apache-2.0" in card
    assert "the expert `concise` on `HuggingFaceTB/SmolLM2-135M-Instruct`" in card and "4-bit copy" in card
    assert "'data/concise'" in card and "from_pretrained(name)" in card
    found = leave.data_files(request, data)
    assert set(found) == {"concise/adapter_config.json", "concise/adapter_model.safetensors"}
    script = leave.trl(request, data)
    assert "'/data/concise'" in script and "from_pretrained('HuggingFaceTB/SmolLM2-135M-Instruct'" in script
    small = planning.Shape(134_515_008, 106_168_320, 2_442_240, 30, 8, 576, 1536, 49_152)
    job = leave.job(request, small, 256, taken=True)
    assert job and "--volume ./data:/data train.py" in job.command


def test_a_job_leaves_its_adapter_on_the_hub_and_finds_long_rows(sft):
    request, data, _ = sft
    long = [*ROWS, {**ROWS[0], "rejected": [{"role": "assistant", "content": "sea " * 9_000}]}]
    request = replace(request, rows=json.dumps(long))
    found = leave.data_files(request, data)
    assert [json.loads(line) for line in found["rows.jsonl"].decode().splitlines()] == long
    assert "PUSH_TO" in leave.trl(request, data) and not leave.missing(request, data)
    assert leave.data_files(sft[0], data) == {}
    uploaded = {**data, "trained": {**data["trained"], "source": "mine.jsonl"}}
    assert leave.missing(replace(request, rows=""), uploaded) == "mine.jsonl"


def test_packing_and_qlora_go_elsewhere_too(sft):
    request = replace(sft[0], packing=True, qlora=True)
    found = leave.files(request, sft[1])
    compile(found["train.py"], "train.py", "exec")
    assert "packing=True" in found["train.py"] and 'quant_type="nf4"' in found["train.py"]
    assert "load_in_4bit=True" in found["unsloth.ipynb"]
    assert "load_in_4bit=False" in leave.files(sft[0], sft[1])["unsloth.ipynb"]
    config = yaml.safe_load(found["axolotl.yml"])
    assert (config["adapter"], config["load_in_4bit"], config["sample_packing"]) == ("qlora", True, True)


def test_a_merged_qlora_model_has_the_weights_that_its_adapter_learnt_on(tmp_path):
    from transformers import AutoModelForCausalLM

    request, data, kept = run_of("sft", qlora=True, steps=2)
    found = room.written(kept[2], data, "merged", tmp_path / "model")
    text = training.prepared(request)[1].held[0].chosen
    opened = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    with torch.no_grad():
        logits = opened(torch.tensor([text.ids])).logits[0, text.start - 1 : -1].float()
    losses = torch.nn.functional.cross_entropy(logits, torch.tensor(text.ids[text.start :]), reduction="none")
    assert losses.tolist() == pytest.approx(data["runs"][0]["marks"][-1]["tokens"][0], abs=2e-4)
    assert "rounded to NF4" in found.card


def test_no_path_of_this_machine_leaves_with_an_adapter(sft):
    assert json.loads(sft[2][4].config)["base_model_name_or_path"] == "qwen3"


def test_the_original_weights_are_called_no_copy(sft, tmp_path):
    _, data, kept = sft
    here = {**data["provenance"], "model": EMBEDDED_MODEL}
    for source, copied in ((HUB_SOURCE, False), (EMBEDDED_SOURCE, True)):
        now = {**data, "provenance": {**here, "source": source}}
        card = take.model_card(now, kept[4], "adapter")
        assert ("4-bit copy" in card) is copied


def test_a_card_of_grpo_says_the_reward(tmp_path):
    request = GrpoRequest.parse(
        model=str(zoo.folder("qwen3")), rows="a\nb", steps=1, group=2, tokens=4, layers=1, answers=1
    )
    *_, (_, snapshot), (data, _) = grpo.train(request, *grpo.prepared(request))
    card = room.written(snapshot, data, "adapter", tmp_path / "model").card
    assert "`about 50 characters` × 1" in card and "reward, held-out prompts" in card
    texts, beside, lacks = leave.rewarded(request, data)
    assert set(texts) == {"train.py", "loop.py", "use.py"} and not beside and not lacks
    assert all(compile(text, name, "exec") for name, text in texts.items())
    assert "GRPOTrainer" in texts["train.py"]
    expert = leave.rewarded(replace(request, model="concise"), data)
    assert "concise/adapter_model.safetensors" in expert[1]
    uploaded = {**data, "questions": {**data["questions"], "source": "mine.csv, read as CP1252"}}
    assert leave.rewarded(replace(request, rows=""), uploaded)[2] == "mine.csv"


def test_what_is_not_kept_is_not_taken(sft, tmp_path):
    _, data, kept = sft
    with pytest.raises(VisitorError, match="no run to take home"):
        room.chosen(None, data, 0)
    now = room.Kept(tmp_path).with_one(kept[0]).with_one(kept[4])
    assert room.chosen(now, data, 0)[0].adapter == kept[4].adapter
    assert room.chosen(now, data, "0")[0].step == 4
    with pytest.raises(VisitorError, match="No adapter of step 3 is kept"):
        room.chosen(now, data, 3)
    with pytest.raises(VisitorError, match="nothing to push"):
        room.push(None, "a/b", "token")


def test_a_run_of_one_step_says_so_in_the_singular(sft, tmp_path):
    _, data, kept = sft
    made = room.written(replace(kept[4], step=1), data, "adapter", tmp_path / "adapter")
    assert "1 steps" not in made.card + made.says
    assert "1 step on" in made.says and "after 1 step of SFT" in made.card


@pytest.mark.parametrize("objective", ["sft", "dpo", "orpo", "kto"])
def test_programs_for_elsewhere_are_programs(objective, tmp_path, monkeypatch, sft):
    request, data, _ = sft if objective == "sft" else run_of(objective, steps=1)
    found = leave.files(request, data)
    compile(found["train.py"], "train.py", "exec")
    notebook = json.loads(found["unsloth.ipynb"])
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
    for cell in notebook["cells"]:
        code = {"execution_count", "outputs"} if cell["cell_type"] == "code" else set()
        assert set(cell) == {"id", "cell_type", "metadata", "source"} | code
        if code and not cell["source"][0].startswith("%"):
            compile("".join(cell["source"]), "cell", "exec")
    if objective == "kto":
        assert "axolotl.yml" not in found
        return
    monkeypatch.chdir(tmp_path)
    exec(compile(found["rows.py"], "rows.py", "exec"), {"__name__": "printed"})
    rows = [json.loads(line) for line in (tmp_path / "train.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(rows) == data["trained"]["rows"]
    if objective == "sft":
        assert [one["train"] for one in rows[0]["messages"]] == [False, True]


def test_a_job_takes_the_smallest_card_that_it_fits_on():
    request = TrainRequest()
    small = planning.Shape(134_515_008, 106_168_320, 2_442_240, 30, 8, 576, 1536, 49_152)
    job = leave.job(request, small, 256)
    assert job and job.flavor == "t4-small" and job.needed <= planning.FREE * 16e9
    large = planning.Shape(8_000_000_000, 6_500_000_000, 20_000_000, 32, 32, 4_096, 14_336, 128_256)
    found = leave.job(request, large, 256)
    assert found and found.card == 80 and found.hours > job.hours
    assert leave.job(request, planning.Shape(*(9 * value for value in vars(large).values())), 256) is None
    assert "assumed, not measured" in job.words and job.command.startswith("hf jobs uv run --flavor t4-small")
    assert "--secrets HF_TOKEN --env PUSH_TO=OWNER/NAME train.py" in job.command
