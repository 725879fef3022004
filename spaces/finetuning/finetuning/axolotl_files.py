"""A run as Axolotl's YAML, with a program that writes its rows as Axolotl reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from finetuning.same_run import form_of, formed, settings, targets
from finetuning.train_request import TrainRequest
from shared import experts

VERSION = "0.19.0"
"""Of which what follows is true."""


def no_axolotl(request: TrainRequest, data: Mapping[str, Any]) -> str:
    """Why there is no configuration for Axolotl, as a sentence; "" where there is one."""
    if request.objective == "kto":
        return "Axolotl has no strategy for the conversations of KTO."
    if not request.alpha.is_integer():
        return f"Axolotl takes whole numbers alone as lora_alpha, not {request.alpha:g}."
    if form_of(data) == "both":
        return "Some rows are conversations and some are texts, and Axolotl reads a file as one kind."
    if request.objective == "orpo" and form_of(data) == "texts":
        return "Axolotl reads conversations alone for ORPO, and these rows are texts."
    return ""


_ENDED = '''end = tokenizer.eos_token or ""
start = tokenizer.bos_token if tokenizer("a")["input_ids"][:1] == [tokenizer.bos_token_id] else ""


def told(row):
    """Parts of a text, of which what has the label true is trained on; BOS and EOS as TRL puts them."""
    before, after = (row["prompt"], row["completion"]) if "completion" in row else ("", row["text"])
    after = after if after.endswith(end) else after + end
    parts = [(False, start + before), (True, after)]
    return {"segments": [{"label": label, "text": text} for label, text in parts if text]}
'''
_TOLD = {
    "sft": '''def told(row):
    """A conversation of which the last answer alone is trained on."""
    talk = [{**one, "train": False} for one in row["prompt"]]
    said = {"messages": talk + [{**one, "train": True} for one in row["completion"]]}
    return {**said, "tools": row["tools"]} if row.get("tools") else said
''',
    "dpo": '''def told(row):
    """The prompt, and each answer as one message."""
    return {"prompt": row["prompt"], "chosen": row["chosen"][-1], "rejected": row["rejected"][-1]}
''',
    "orpo": '''def told(row):
    """Both conversations with the question, which they share."""
    return {key: row["prompt"] + row[key] for key in ("chosen", "rejected")}
''',
    "dpo texts": '''def told(row):
    """The prompt and both answers, as TRL reads texts."""
    return {key: row[key] for key in ("prompt", "chosen", "rejected")}
''',
}


def axolotl_rows(request: TrainRequest, data: Mapping[str, Any]) -> str:
    """A program that writes the rows as Axolotl reads them; it reads all before it opens its file."""
    texts = form_of(data) == "texts"
    if texts and request.objective == "sft":
        opened = (
            "from transformers import AutoTokenizer\n\n"
            f"tokenizer = AutoTokenizer.from_pretrained({request.model!r})\n"
        )
        written = opened + _ENDED
    else:
        written = _TOLD[f"{request.objective}{' texts' if texts else ''}"]
    return (
        f"import json\n\n{formed(request, data)}\n\n{written}\n\n"
        "lines = [json.dumps(told(row), ensure_ascii=False) + chr(10) for row in rows]\n"
        'with open("train.jsonl", "w", encoding="utf-8") as file:\n'
        "    file.writelines(lines)\n"
    )


_TYPES: dict[str, dict[str, Any]] = {
    "sft": {
        "ds_type": "json",
        "type": "chat_template",
        "field_messages": "messages",
        "message_field_training": "train",
    },
    "dpo": {"type": "chat_template.default", "field_messages": "prompt"},
    "orpo": {"type": "chat_template.argilla"},
    "sft texts": {"ds_type": "json", "type": "input_output"},
    "dpo texts": {"type": "passthrough"},
}
"""How Axolotl is to read the rows that `axolotl_rows` writes."""
KNOWN_AS = {
    "max_steps": "max_steps",
    "per_device_train_batch_size": "micro_batch_size",
    "gradient_accumulation_steps": "gradient_accumulation_steps",
    "auto_find_batch_size": "auto_find_batch_size",
    "max_length": "sequence_len",
    "learning_rate": "learning_rate",
    "lr_scheduler_type": "lr_scheduler",
    "warmup_steps": "warmup_steps",
    "optim": "optimizer",
    "weight_decay": "weight_decay",
    "max_grad_norm": "max_grad_norm",
    "seed": "seed",
    "packing": "sample_packing",
}
"""What Axolotl calls the settings of TRL; the rest, `beta` by its objective, `padding_free` it has not."""
BETA = {"dpo": "rl_beta", "orpo": "orpo_alpha"}


def axolotl(request: TrainRequest, data: Mapping[str, Any]) -> str:
    """Axolotl's configuration, for the rows that `axolotl_rows` writes."""
    import yaml

    ends, layers = targets(data)
    texts = form_of(data) == "texts"
    rows = _TYPES[f"{request.objective}{' texts' if texts else ''}"]
    kind: dict[str, Any] = {} if request.objective == "sft" else {"rl": request.objective}
    if request.objective in BETA:
        kind[BETA[request.objective]] = request.beta
    if request.objective == "orpo":
        kind["remove_unused_columns"] = False
    stated = {KNOWN_AS[name]: value for name, value in settings(request).items() if name in KNOWN_AS}
    whole = {
        "base_model": request.model,
        **kind,
        **({} if texts else {"chat_template": "tokenizer_default"}),
        "datasets": [{"path": "train.jsonl", "split": "train", **rows}],
        "shuffle_merged_datasets": False,  # the trainer draws the order, as TRL's
        "adapter": "qlora" if request.qlora else "lora",
        **(
            {"load_in_4bit": True, "bnb_config_kwargs": {"bnb_4bit_use_double_quant": False}}
            if request.qlora
            else {}
        ),
        "lora_r": request.rank,
        "lora_alpha": int(request.alpha),
        "lora_dropout": 0.0,
        "lora_target_modules": ends,
        **({"peft_layers_to_transform": layers} if layers else {}),
        **stated,
        "excess_length_strategy": "truncate",  # by default such rows are dropped
        # without such attention Axolotl lets the rows of a pack see each other
        **({"attn_implementation": "flash_attention_2"} if request.packing else {}),
        "bf16": "auto",
        "output_dir": "./adapter",
    }
    head = f"# Axolotl {VERSION}: python rows.py, then axolotl train axolotl.yml\n"
    if request.model in experts.NAMES:
        head += f"# {request.model} is an expert of this suite: its folder is what train.py makes\n"
    if texts and request.objective == "sft":
        head += "# prompt and completion are tokenized apart; at their border TRL's tokens may be others\n"
    return head + str(yaml.safe_dump(whole, sort_keys=False, allow_unicode=True))
