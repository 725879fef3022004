"""A run elsewhere: TRL's own trainer as a script, an Unsloth notebook, Axolotl's YAML, a job of the Hub."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from finetuning import plan
from finetuning.pairs import stored_source
from finetuning.plan import PlanRequest, Shape
from finetuning.row_programs import TAKEN, rows_listing
from finetuning.rows import READ_AS, objects
from finetuning.train_programs import named, opening
from finetuning.train_request import TrainRequest
from shared import experts, jobs

VERSIONS = {"trl": "1.16.0", "axolotl": "0.19.0"}
"""Of which what follows is true."""
TRAINERS = {
    "sft": ("trl", "SFT"),
    "dpo": ("trl", "DPO"),
    "orpo": ("trl.experimental.orpo", "ORPO"),
    "kto": ("trl", "KTO"),
}
"""Where TRL has each trainer, and how its names begin."""


def _targets(data: Mapping[str, Any]) -> tuple[list[str], list[int] | None]:
    """The ends of the adapted layers' names, and their blocks; None for all."""
    norms = data["runs"][0]["marks"][0]["norms"] if data["runs"] and data["runs"][0]["marks"] else []
    some = sorted({at for _, at, *_ in norms})
    ends = sorted({name.rpartition(".")[2] for name, *_ in norms})
    return ends, None if len(some) == data["provenance"]["blocks"] else some


def _config(request: TrainRequest) -> str:
    """The settings as lines of a config of TRL."""
    lines = [
        f"max_steps={request.steps}, per_device_train_batch_size={request.batch}",
        f"max_length={request.max_length}, seed={request.seed}",
        f'learning_rate={request.learning_rate!r}, lr_scheduler_type="{request.schedule}"',
    ]
    if request.packing:
        lines.append("packing=True")
    if request.objective != "sft":
        lines.append(f"beta={request.beta:g}")
    if request.objective == "kto":
        lines[-1] += (
            f", desirable_weight={request.desirable_weight:g}, "
            f"undesirable_weight={request.undesirable_weight:g}"
        )
    return "".join(f"    {line},\n" for line in lines)


_FORMS = {
    "sft": """if "chosen" in rows[0]:
    rows = [{"prompt": row["prompt"], "completion": row["chosen"]} for row in rows]
""",
    "pairs": "",
    "kto": """if "chosen" in rows[0]:  # a chosen answer, then the rejected one of the row half the set away
    half = (len(rows) + 1) // 2
    rows = [
        {"prompt": one["prompt"], "completion": one[name], "label": name == "chosen"}
        for row, other in zip(rows, rows[half:] + rows[:half])
        for one, name in ((row, "chosen"), (other, "rejected"))
    ]
""",
}


def _formed(request: TrainRequest, data: Mapping[str, Any]) -> str:
    form = "pairs" if request.paired else request.objective
    return f"{rows_listing(request, data['trained'])}\n\n{_FORMS[form]}"


def trl(request: TrainRequest, data: Mapping[str, Any]) -> str:
    """A program that trains as the first run did with TRL's own trainer, in float32, and logs every step."""
    module, name = TRAINERS[request.objective]
    ends, layers = _targets(data)
    versions = data["provenance"]["versions"]
    return (
        "# /// script\n"
        f'# dependencies = ["trl=={VERSIONS["trl"]}", "transformers=={versions["transformers"]}", '
        f'"peft=={versions["peft"]}"{", " + chr(34) + "bitsandbytes" + chr(34) if request.qlora else ""}]\n'
        "# ///\n"
        "import json\nimport math\nimport os\n\nimport torch\nfrom datasets import Dataset\n"
        "from peft import LoraConfig, get_peft_model\n"
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n"
        f"from {module} import {name}Config, {name}Trainer\n\n"
        f"{_formed(request, data)}\n"
        f"{named(request.model)}"
        "tokenizer = AutoTokenizer.from_pretrained(name)\n"
        f"{opening(qlora=request.qlora)}"
        "lora = LoraConfig(\n"
        f"    r={request.rank}, lora_alpha={request.alpha:g}, target_modules={ends!r},\n"
        f'    layers_to_transform={layers!r}, task_type="CAUSAL_LM",\n'
        ")\n"
        "model = get_peft_model(model, lora)\n"
        f"generator = torch.Generator().manual_seed({request.seed})\n"
        "for key, value in model.named_parameters():  # A as here: TRL would draw another\n"
        '    if ".lora_A." in key:\n'
        "        torch.nn.init.kaiming_uniform_(value.data, a=math.sqrt(5), generator=generator)\n"
        f"config = {name}Config(\n"
        f"{_config(request)}"
        '    output_dir="run", report_to="none", save_strategy="no", logging_steps=1,\n'
        "    bf16=False, gradient_checkpointing=False, use_cpu=not torch.cuda.is_available(),\n"
        ")\n"
        'data = Dataset.from_list(rows, on_mixed_types="use_json")  # else a table adds nulls\n'
        f"trainer = {name}Trainer(\n"
        "    model, args=config, train_dataset=data, processing_class=tokenizer\n"
        ")\n"
        "trainer.train()\n"
        'model.save_pretrained("adapter")\n'
        'if repository := os.environ.get("PUSH_TO"):  # what a job writes is gone when it ends\n'
        "    model.push_to_hub(repository, private=True)\n"
    )


def unsloth(request: TrainRequest, data: Mapping[str, Any]) -> dict[str, Any]:
    """A notebook (nbformat 4.5) that trains with Unsloth on a GPU: the same rows and settings. Not run
    here.
    """
    module, name = TRAINERS[request.objective]
    ends, layers = _targets(data)
    blocks = f"\n    layers_to_transform={layers!r}," if layers else ""
    cells = [
        (
            "markdown",
            f"# {name} with Unsloth\n\nThe rows and settings of a run in a Space, for a GPU, in half "
            "precision, and with A of the adapter drawn anew, so that losses are near and not the same.",
        ),
        ("code", "%pip install unsloth"),
        *([("code", named(request.model).rstrip())] if request.model in experts.NAMES else []),
        (
            "code",
            "from unsloth import FastLanguageModel\n\n"
            "model, tokenizer = FastLanguageModel.from_pretrained(\n"
            f"    {request.model!r}, max_seq_length={request.max_length}, "
            f"load_in_4bit={request.qlora}\n"
            ")\n"
            "model = FastLanguageModel.get_peft_model(\n"
            f'    model, r={request.rank}, lora_alpha={request.alpha:g}, lora_dropout=0, bias="none",\n'
            f"    target_modules={ends!r},{blocks}\n"
            f'    use_gradient_checkpointing="unsloth", random_state={request.seed},\n'
            ")",
        ),
        ("code", f"import json\n\n{_formed(request, data)}".rstrip()),
        (
            "code",
            "from datasets import Dataset\n"
            f"from {module} import {name}Config, {name}Trainer\n\n"
            f"config = {name}Config(\n{_config(request)}"
            '    output_dir="run", report_to="none", save_strategy="no", logging_steps=1,\n'
            ")\n"
            'data = Dataset.from_list(rows, on_mixed_types="use_json")\n'
            f"trainer = {name}Trainer(\n"
            "    model, args=config, train_dataset=data, processing_class=tokenizer\n"
            ")\n"
            "trainer.train()",
        ),
        ("code", 'model.save_pretrained("adapter")\ntokenizer.save_pretrained("adapter")'),
    ]
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "cells": [_cell(at, kind, text) for at, (kind, text) in enumerate(cells)],
    }


def _cell(at: int, kind: str, text: str) -> dict[str, Any]:
    own = hashlib.sha256(f"{at} {text}".encode()).hexdigest()[:12]
    cell: dict[str, Any] = {
        "id": own,
        "cell_type": kind,
        "metadata": {},
        "source": text.splitlines(keepends=True),
    }
    return cell if kind == "markdown" else {**cell, "execution_count": None, "outputs": []}


def no_axolotl(request: TrainRequest) -> str:
    """Why there is no configuration for Axolotl, as a sentence; "" where there is one."""
    if request.objective == "kto":
        return "Axolotl has no strategy for the conversations of KTO."
    if not request.alpha.is_integer():
        return f"Axolotl takes whole numbers alone as lora_alpha, not {request.alpha:g}."
    return ""


def axolotl_rows(request: TrainRequest, data: Mapping[str, Any]) -> str:
    """A program that writes the rows as Axolotl reads them."""
    written = {
        "sft": '''def told(row):
    """A conversation of which the last answer alone is trained on."""
    if isinstance(row.get("prompt", ""), str):
        raise SystemExit("Axolotl's type chat_template wants lists of messages, and these rows are texts.")
    talk = [{**one, "train": False} for one in row["prompt"]]
    return {"messages": talk + [{**one, "train": True} for one in row["completion"]]}
''',
        "dpo": '''def told(row):
    """The prompt, and each answer as one message."""
    return {"prompt": row["prompt"], "chosen": row["chosen"][-1], "rejected": row["rejected"][-1]}
''',
        "orpo": '''def told(row):
    """Both conversations with the question, which they share."""
    return {key: row["prompt"] + row[key] for key in ("chosen", "rejected")}
''',
    }[request.objective]
    return (
        f"import json\n\n{_formed(request, data)}\n\n{written}\n\n"
        'with open("train.jsonl", "w", encoding="utf-8") as file:\n'
        "    for row in rows:\n"
        "        file.write(json.dumps(told(row), ensure_ascii=False) + chr(10))\n"
    )


def axolotl(request: TrainRequest, data: Mapping[str, Any]) -> str:
    """Axolotl's configuration, for the rows that `axolotl_rows` writes."""
    import yaml

    ends, layers = _targets(data)
    rows: dict[str, Any] = {
        "sft": {
            "ds_type": "json",
            "type": "chat_template",
            "field_messages": "messages",
            "message_field_training": "train",
        },
        "dpo": {"type": "chat_template.default", "field_messages": "prompt"},
        "orpo": {"type": "chat_template.argilla"},
    }[request.objective]
    kind: dict[str, Any] = {} if request.objective == "sft" else {"rl": request.objective}
    if request.objective == "dpo":
        kind["rl_beta"] = request.beta
    if request.objective == "orpo":
        kind["orpo_alpha"] = request.beta
    if request.objective == "orpo":
        kind["remove_unused_columns"] = False
    stated = {
        "base_model": request.model,
        **kind,
        "chat_template": "tokenizer_default",
        "datasets": [{"path": "train.jsonl", "split": "train", **rows}],
        "adapter": "qlora" if request.qlora else "lora",
        **({"load_in_4bit": True} if request.qlora else {}),
        "lora_r": request.rank,
        "lora_alpha": int(request.alpha),
        "lora_dropout": 0.0,
        "lora_target_modules": ends,
        **({"peft_layers_to_transform": layers} if layers else {}),
        "sequence_len": request.max_length,
        # without such attention Axolotl lets the rows of a pack see each other
        **({"sample_packing": True, "attn_implementation": "flash_attention_2"} if request.packing else {}),
        "micro_batch_size": request.batch,
        "gradient_accumulation_steps": 1,
        "max_steps": request.steps,
        "optimizer": "adamw_torch",
        "learning_rate": request.learning_rate,
        "lr_scheduler": request.schedule,
        "warmup_steps": 0,
        "weight_decay": 0.0,
        "max_grad_norm": 1.0,
        "bf16": "auto",
        "seed": request.seed,
        "output_dir": "./adapter",
    }
    head = f"# Axolotl {VERSIONS['axolotl']}: python rows.py, then axolotl train axolotl.yml\n"
    if request.model in experts.NAMES:
        head += f"# {request.model} is an expert of this suite: its folder is what train.py makes\n"
    return head + str(yaml.safe_dump(stated, sort_keys=False, allow_unicode=True))


@dataclass(frozen=True)
class Job:
    """A job of the Hub.

    Args:
        flavor: of hardware.
        card: its GPU memory, GB of 10⁹ bytes.
        needed: bytes at the peak.
        hours: to ask for.
        words: the formula with its numbers.
        command: that starts it, where the files were taken to; its adapter goes into a private repository.
    """

    flavor: str
    card: int
    needed: int
    hours: float
    words: str
    command: str


def job(request: TrainRequest, shape: Shape, longest: int, *, taken: bool = False) -> Job | None:
    """The smallest hardware that a run of the TRL script fits on, and how long it takes; None for none.

    Bytes as `plan.peak`; floating-point operations 6 for every parameter and token read (2 forward, 4 back;
    a LoRA does without some of the latter), over `jobs.USED` of what the card states.

    Args:
        request: of the run.
        shape: of the model.
        longest: tokens of the longest row.
        taken: whether the script reads the folder `data`.
    """
    texts = 1 if request.objective == "sft" else 2
    tokens = request.batch * texts * longest
    needed = plan.peak(shape, "lora", "float32", tokens, checkpointing=False)
    flavor = jobs.smallest(needed)
    if flavor is None:
        return None
    operations = 6 * shape.parameters * tokens * request.steps * (1 if request.objective == "sft" else 1.5)
    hours = jobs.hours(operations, flavor)
    command = ["hf", "jobs", "uv", "run", "--flavor", flavor.name]
    command += ["--timeout", f"{jobs.limit_minutes(hours)}m"]
    command += ["--secrets", "HF_TOKEN", "--env", "PUSH_TO=OWNER/NAME"]
    command += ["--volume", f"./{TAKEN[0]}:{TAKEN[1]}"] if taken else []
    before = "" if texts == 1 else " · 1.5 with the model before training"
    words = (
        f"{needed / 1e9:.1f} GB at the peak (float32 LoRA, {tokens:,} tokens a step); {operations:.2g} "
        f"operations = 6 · parameters · tokens of all steps{before}, at {100 * jobs.USED:.0f} % of the "
        f"{flavor.teraflops} teraflops that the card states, and {jobs.START_MINUTES} minutes to start: "
        "assumed, not measured; the time limit is twice that"
    )
    return Job(flavor.name, flavor.card, needed, hours, words, shlex.join([*command, "train.py"]))


def data_files(request: TrainRequest, data: Mapping[str, Any]) -> dict[str, bytes]:
    """What the script reads beside itself, by its path in the folder `data`: the adapter of an expert, and
    pasted rows that are too long for it. Rows of a file are no longer here.
    """
    found: dict[str, bytes] = {}
    if request.model in experts.NAMES:
        for name in ("adapter_config.json", "adapter_model.safetensors"):
            found[f"{request.model}/{name}"] = (experts.folder(request.model) / name).read_bytes()
    if request.rows.strip() and f"{TAKEN[0]}/rows.jsonl" in rows_listing(request, data["trained"]):
        rows, _, _ = objects(request)
        found["rows.jsonl"] = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    return found


def missing(request: TrainRequest, data: Mapping[str, Any]) -> str | None:
    """The file of rows that a visitor has and the page has not; None where there is none."""
    stored = data["trained"]["source"] == stored_source(request.data)
    return None if request.own or stored else str(data["trained"]["source"]).partition(READ_AS)[0]


def files(request: TrainRequest, data: Mapping[str, Any]) -> dict[str, str]:
    """Everything to run elsewhere, by file name."""
    found = {
        "train.py": trl(request, data),
        "unsloth.ipynb": json.dumps(unsloth(request, data), ensure_ascii=False, indent=1) + "\n",
    }
    if not no_axolotl(request):
        found |= {"axolotl.yml": axolotl(request, data), "rows.py": axolotl_rows(request, data)}
    return found


def plan_request(request: TrainRequest) -> PlanRequest:
    """What is planned for a run."""
    return PlanRequest(
        model=request.model,
        rank=request.rank,
        targets=request.targets,
        layers=request.layers,
        dtype="float32",
    )
