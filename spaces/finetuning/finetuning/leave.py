"""A run elsewhere: TRL's own trainer as a script, an Unsloth notebook, Axolotl's YAML, a job of the Hub."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from finetuning import grpo_programs, plan, questions
from finetuning.axolotl_files import axolotl, axolotl_rows, no_axolotl
from finetuning.grpo_request import GrpoRequest
from finetuning.notebook import unsloth
from finetuning.pairs import stored_source
from finetuning.plan import PlanRequest, Shape
from finetuning.row_programs import TAKEN, rows_listing
from finetuning.rows import READ_AS, objects
from finetuning.same_run import TRAINERS, config, formed, targets
from finetuning.train_programs import named, opening, use_adapter
from finetuning.train_request import TrainRequest
from shared import experts, jobs

TRL = "1.16.0"
"""The version of which what follows is true."""


def trl(request: TrainRequest, data: Mapping[str, Any]) -> str:
    """A program that trains as the first run did with TRL's own trainer, in float32, and logs every step."""
    module, name = TRAINERS[request.objective]
    ends, layers = targets(data)
    versions = data["provenance"]["versions"]
    return (
        "# /// script\n"
        f'# dependencies = ["trl=={TRL}", "transformers=={versions["transformers"]}", '
        f'"peft=={versions["peft"]}"{", " + chr(34) + "bitsandbytes" + chr(34) if request.qlora else ""}]\n'
        "# ///\n"
        "import json\nimport math\nimport os\n\nimport torch\nfrom datasets import Dataset\n"
        "from peft import LoraConfig, get_peft_model\n"
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n"
        f"from {module} import {name}Config, {name}Trainer\n\n"
        f"{formed(request, data)}\n"
        f"{named(request.model)}"
        "tokenizer = AutoTokenizer.from_pretrained(name)\n"
        f"{opening(qlora=request.qlora)}"
        "lora = LoraConfig(\n"
        f"    r={request.rank}, lora_alpha={request.alpha:g}, target_modules={ends!r},\n"
        f'    layers_to_transform={layers!r}, task_type="CAUSAL_LM",\n'
        ")\n"
        "model = get_peft_model(model, lora).eval()\n"
        "model.train = lambda mode=True: model  # no dropout, as here; the trainer would turn it on\n"
        f"generator = torch.Generator().manual_seed({request.seed})\n"
        "for key, value in model.named_parameters():  # A as here: TRL would draw another\n"
        '    if ".lora_A." in key:\n'
        "        torch.nn.init.kaiming_uniform_(value.data, a=math.sqrt(5), generator=generator)\n"
        f"config = {name}Config(\n"
        f"{config(request)}"
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
    return _beside(request, rows_listing(request, data["trained"]))


def _beside(request: TrainRequest | GrpoRequest, program: str) -> dict[str, bytes]:
    found = expert_files(request.model)
    if request.rows.strip() and f"{TAKEN[0]}/rows.jsonl" in program:
        rows, _, _ = objects(request)
        found["rows.jsonl"] = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    return found


def expert_files(model: str) -> dict[str, bytes]:
    """The adapter of an expert, by its path in the folder `data`; nothing of another model."""
    if model not in experts.NAMES:
        return {}
    names = ("adapter_config.json", "adapter_model.safetensors")
    return {f"{model}/{name}": (experts.folder(model) / name).read_bytes() for name in names}


def rewarded(request: GrpoRequest, data: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, bytes], str]:
    """The programs of a run of GRPO by file name, what they read in the folder `data`, and the file of rows
    that a visitor has and the page has not, "" for none.
    """
    found = {
        "train.py": grpo_programs.trl(request, data),
        "loop.py": grpo_programs.loop(request, data),
        "use.py": use_adapter(request.model),
    }
    lacks = _lacks(request, str(data["questions"]["source"]), questions.stored_source(request.data))
    return found, _beside(request, found["train.py"]), lacks


def missing(request: TrainRequest, data: Mapping[str, Any]) -> str:
    """The file of rows that a visitor has and the page has not, "" for none."""
    return _lacks(request, str(data["trained"]["source"]), stored_source(request.data))


def _lacks(request: TrainRequest | GrpoRequest, source: str, stored: str) -> str:
    return "" if request.own or source == stored else source.partition(READ_AS)[0]


def files(request: TrainRequest, data: Mapping[str, Any]) -> dict[str, str]:
    """Everything to run elsewhere, by file name."""
    found = {
        "train.py": trl(request, data),
        "unsloth.ipynb": json.dumps(unsloth(request, data), ensure_ascii=False, indent=1) + "\n",
    }
    if not no_axolotl(request, data):
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
