"""The code that reproduces a figure: the same labels with the trainers themselves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from finetuning.request import MaskRequest
from finetuning.templates import PRESETS
from shared import experts
from shared.embedded_model import EMBEDDED_MODEL


def listings(request: MaskRequest, provenance: Mapping[str, Any]) -> dict[str, str]:
    """The programs below a figure, by what each is."""
    found = {
        "The same labels with TRL": trl(request, provenance),
        "The same run with Axolotl": axolotl(request),
    }
    if provenance["markers"]:
        found["The same labels with Unsloth"] = unsloth(request, provenance)
    return found


def _model(request: MaskRequest) -> str:
    """The model as the Hub knows it: an expert reads as its base does."""
    return EMBEDDED_MODEL if request.model in experts.NAMES else request.model


def _rows(request: MaskRequest) -> str:
    if request.dataset:
        config = f", {request.config!r}" if request.config else ""
        return (
            f"dataset = load_dataset({request.dataset!r}{config}, split={request.split!r})"
            f".select(range({request.limit}))\n"
        )
    return f'dataset = load_dataset("json", data_files="rows.jsonl", split="train[:{request.limit}]")\n'


def _tokenizer(request: MaskRequest, provenance: Mapping[str, Any]) -> str:
    text = f"tokenizer = AutoTokenizer.from_pretrained({_model(request)!r})\n"
    preset = PRESETS.get(request.template)
    template = preset.template if preset else request.template
    if template:
        text += f"tokenizer.chat_template = {template!r}\n"
    if provenance["added"]:
        text += f"tokenizer.add_tokens({provenance['added']!r}, special_tokens=True)\n"
    if preset and preset.eos:
        text += f"tokenizer.eos_token = {preset.eos!r}\n"
    if request.pad_token:
        text += f"tokenizer.pad_token = {request.pad_token!r}\n"
    return text


def trl(request: MaskRequest, provenance: Mapping[str, Any]) -> str:
    """A program with `SFTTrainer`, which prints every token with its label."""
    arguments = [f"max_length={request.max_length or None}"]
    if request.trainer == "trl_assistant":
        arguments.append("assistant_only_loss=True")
    if request.packing:
        arguments.append("packing=True")
    arguments += ["use_cpu=True", "bf16=False", "gradient_checkpointing=False", 'report_to="none"']
    return (
        "# pip install trl==1.16.0\n"
        "from datasets import load_dataset\n"
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n"
        "from trl import SFTConfig, SFTTrainer\n\n"
        + _rows(request)
        + _tokenizer(request, provenance)
        + f"model = AutoModelForCausalLM.from_pretrained({_model(request)!r})\n"
        + ("model.resize_token_embeddings(len(tokenizer))\n" if provenance["added"] else "")
        + f"args = SFTConfig({', '.join(arguments)})\n"
        "trainer = SFTTrainer(model, args, train_dataset=dataset, processing_class=tokenizer)\n"
        "for row in trainer.train_dataset:\n"
        '    for token, label in zip(row["input_ids"], row["labels"]):\n'
        '        print("trained" if label != -100 else "       ", repr(tokenizer.decode([token])))\n'
    )


def axolotl(request: MaskRequest) -> str:
    """A configuration; `axolotl preprocess --debug` prints every token with its label."""
    source = json.dumps(request.dataset or "rows.jsonl")
    lines = [
        "# axolotl preprocess config.yaml --debug",
        f"base_model: {json.dumps(_model(request))}",
        "adapter: lora",
        "lora_r: 16",
        "lora_alpha: 32",
        "lora_target_linear: true",
        "datasets:",
        f"  - path: {source}",
    ]
    if request.config:
        lines.append(f"    name: {json.dumps(request.config)}")
    if request.dataset:
        lines.append(f"    split: {json.dumps(request.split)}")
    else:
        lines.append("    ds_type: json")
    lines += ["    type: chat_template", "    roles_to_train: [assistant]", "    train_on_eos: turn"]
    preset = PRESETS.get(request.template)
    template = preset.template if preset else request.template
    if template:
        lines += ["chat_template: jinja", f"chat_template_jinja: {json.dumps(template, ensure_ascii=False)}"]
    if names := [name.strip() for name in request.eot_tokens.split(",") if name.strip()]:
        lines += ["eot_tokens:", *(f"  - {json.dumps(name)}" for name in names)]
    special = {}
    if preset and preset.eos:
        special["eos_token"] = preset.eos
    if request.pad_token:
        special["pad_token"] = request.pad_token
    if special:
        lines += ["special_tokens:", *(f"  {name}: {json.dumps(value)}" for name, value in special.items())]
    lines += [
        f"sequence_len: {request.max_length or 1_000_000}",
        "micro_batch_size: 1",
        "num_epochs: 1",
        "learning_rate: 0.0002",
        "output_dir: ./out",
    ]
    return "\n".join(lines) + "\n"


def unsloth(request: MaskRequest, provenance: Mapping[str, Any]) -> str:
    """The call that masks what is no response."""
    instruction, response = provenance["markers"]
    return (
        "from unsloth.chat_templates import train_on_responses_only\n\n"
        "# trainer: an SFTTrainer over a column of rendered text, as in Unsloth's notebooks\n"
        "trainer = train_on_responses_only(\n"
        "    trainer,\n"
        f"    instruction_part={instruction!r},\n"
        f"    response_part={response!r},\n"
        ")\n"
        'for row in trainer.train_dataset.select(range(3)):\n    print(row["labels"])\n'
    )
