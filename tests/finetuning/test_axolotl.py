"""Axolotl's own schema reads the configuration that a run is taken home as."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import yaml

from shared.suite import load_app
from tests import zoo
from tests.finetuning.training import ROWS

load_app("finetuning")
from finetuning import axolotl_files, fixes, pairs, programs
from finetuning.request import MaskRequest
from finetuning.tokenizer import opened
from finetuning.train_request import TrainRequest

AXOLOTL = Path(sys.prefix) / "axolotl"
"""Where `make test` installs it, beside this environment."""
FIGURE = {
    "provenance": {"model": "some/model", "blocks": 4},
    "trained": {"source": "pasted rows", "separate": False},
    "runs": [{"marks": [{"norms": [[f"blocks.{at}.q_proj", at, 0.0] for at in (2, 3)]}]}],
}
TEXTS = {**FIGURE, "trained": {**FIGURE["trained"], "form": "texts", "left_out": []}}
READ = """
import json, logging, sys, yaml
from axolotl.utils.schemas.config import AxolotlConfigWCapabilities
from axolotl.utils.schemas.datasets import DPODataset, SFTDataset

class Kept(logging.Handler):
    def emit(self, record):
        said.append(record.getMessage())

logging.getLogger("axolotl").addHandler(Kept())
answers = {}
for name, text in json.load(sys.stdin).items():
    said, stated = [], yaml.safe_load(text)
    gpu = {"bf16": True, "fp8": False, "n_gpu": 1, "n_node": 1, "compute_capability": "sm_90"}
    try:
        AxolotlConfigWCapabilities(**stated, capabilities=gpu, env_capabilities={"torch_version": "2.9.0"})
        error = ""
    except ValueError as wrong:
        error = str(wrong)
    kind = DPODataset if "rl" in stated else SFTDataset
    unknown = [*(set(stated) - set(AxolotlConfigWCapabilities.model_fields))]
    unknown += set().union(*stated["datasets"]) - set(kind.model_fields)
    answers[name] = {"error": error, "unknown": unknown, "said": said}
print(json.dumps(answers))
"""


def axolotl(texts: dict[str, str]) -> dict[str, dict]:
    """What Axolotl's schema says of each configuration, in a process of its own."""
    seen = {**os.environ, "PYTHONPATH": str(AXOLOTL)}
    run = subprocess.run(
        [sys.executable, "-c", READ], input=json.dumps(texts), env=seen, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr[-2000:]
    return json.loads(run.stdout.splitlines()[-1])


def test_its_schema_reads_every_kind_of_run():
    plain = TrainRequest.parse(model="some/model", rows=json.dumps(ROWS), rank=4, batch=2)
    asked = {
        "sft": plain,
        "packed": replace(plain, packing=True, qlora=True),
        "dpo": replace(plain, objective="dpo"),
        "orpo": replace(plain, objective="orpo", schedule="cosine"),
    }
    texts = {name: axolotl_files.axolotl(request, FIGURE) for name, request in asked.items()}
    for name in ("sft", "dpo"):
        texts[f"{name} texts"] = axolotl_files.axolotl(asked[name], TEXTS)
    wrong = {**texts, "wrong": texts["sft"].replace("adapter: lora", "adapter: qlora")}
    wrong["leaks"] = texts["packed"].replace("attn_implementation: flash_attention_2\n", "")
    half = axolotl_files.axolotl(replace(plain, alpha=0.5), FIGURE)
    wrong["half"] = half.replace("lora_alpha: 0", "lora_alpha: 0.5")
    answers = axolotl(wrong)
    assert all(not answers[name]["error"] and not answers[name]["unknown"] for name in texts), answers
    assert not any("decontamination" in said for name in texts for said in answers[name]["said"])
    # the same two faults are seen where they are
    assert "load_in_4bit" in answers["wrong"]["error"] and "int_from_float" in answers["half"]["error"]
    assert any("decontamination" in said for said in answers["leaks"]["said"])


def test_what_it_cannot_read_is_said_instead():
    plain = TrainRequest.parse(model="some/model", rows=json.dumps(ROWS), alpha=0.5)
    assert "whole numbers" in axolotl_files.no_axolotl(plain, FIGURE)
    whole = replace(plain, alpha=4.0)
    assert "KTO" in axolotl_files.no_axolotl(replace(whole, objective="kto"), FIGURE)
    assert "are texts" in axolotl_files.no_axolotl(replace(whole, objective="orpo"), TEXTS)
    both = {**TEXTS, "trained": {**TEXTS["trained"], "form": "both"}}
    assert "as one kind" in axolotl_files.no_axolotl(whole, both)
    assert not axolotl_files.no_axolotl(whole, TEXTS) and not axolotl_files.no_axolotl(whole, FIGURE)


def test_its_schema_reads_what_mends_a_finding():
    asked = MaskRequest.parse(
        model="some/model", template="gemma", eot_tokens="<end_of_turn>", pad_token="<pad>"
    )
    whole = programs.axolotl(asked)
    mended = [
        fixes.eot(["<|im_end|>", 'a "b"']),
        fixes.special("<|im_end|>"),
        *fixes.pad("<pad>"),
        *fixes.length(4096),
        *fixes.add_tokens(["<|im_start|>", "<|im_end|>"]),
        fixes.ROLES_AXOLOTL,
        *fixes.BOS,
        *fixes.SYSTEM,
    ]
    texts = {f"{at}": one["text"] for at, one in enumerate(mended) if one["label"] == fixes.AXOLOTL}
    plain = yaml.safe_load(programs.axolotl(MaskRequest.parse(model="some/model")))
    told = {at: yaml.safe_dump(plain | (yaml.safe_load(text) or {})) for at, text in texts.items()}
    answers = axolotl({**told, "whole": whole})
    assert len(told) == 8
    assert not any(one["error"] or one["unknown"] for one in answers.values()), answers


TELL = """
import json, sys, types
colours = types.ModuleType("colorama")  # of its messages
colours.Fore = type("Fore", (), {"__getattr__": lambda *_: ""})()
sys.modules["colorama"] = colours
from axolotl.prompt_strategies.input_output import load
from transformers import AutoTokenizer

config = types.SimpleNamespace(train_on_inputs=False, sequence_len=64)
for model in sys.argv[1:]:
    rows = [json.loads(line) for line in open(f"{model}/train.jsonl", encoding="utf-8")]
    strategy = load(AutoTokenizer.from_pretrained(model), config)
    print(json.dumps([strategy.tokenize_prompt(row) for row in rows]))
"""


def test_axolotl_trains_on_the_same_tokens_of_texts(tmp_path, monkeypatch):
    rows = [{"prompt": f"Sea {at}:", "completion": " salty and deep."} for at in range(3)]
    rows += [{"text": f"Sand {at} is dry."} for at in range(3)]
    wanted = []
    for animal in ("qwen3", "llama3"):  # without BOS, and with it
        folder = shutil.copytree(zoo.folder(animal), tmp_path / animal)
        request = TrainRequest.parse(model=str(folder), rows=json.dumps(rows))
        read = pairs.read(request, opened(str(folder), ""))
        assert read.form == "texts"
        wanted.append(read.train)
        monkeypatch.chdir(folder)
        exec(compile(axolotl_files.axolotl_rows(request, TEXTS), "rows.py", "exec"), {"__name__": "printed"})
    seen = {**os.environ, "PYTHONPATH": str(AXOLOTL)}
    command = [sys.executable, "-c", TELL, *(str(tmp_path / name) for name in ("qwen3", "llama3"))]
    run = subprocess.run(command, env=seen, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
    for line, train in zip(run.stdout.splitlines()[-2:], wanted, strict=True):
        told = json.loads(line)
        assert [one["input_ids"] for one in told] == [list(pair.chosen.ids) for pair in train]
        for one, pair in zip(told, train, strict=True):
            trained = [label != -100 for label in one["labels"][1:]]
            assert trained == [at >= pair.chosen.start for at in range(1, len(pair.chosen.ids))]
