"""What the programs of a run elsewhere share: its trainer, its rows, and every setting that makes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from finetuning.row_programs import rows_listing
from finetuning.train_request import TrainRequest

TRAINERS = {
    "sft": ("trl", "SFT"),
    "dpo": ("trl", "DPO"),
    "orpo": ("trl.experimental.orpo", "ORPO"),
    "kto": ("trl", "KTO"),
}
"""Where TRL has each trainer, and how its names begin."""


def settings(request: TrainRequest) -> dict[str, Any]:
    """All that makes a run, by the names of TRL's configs. Nothing is left to a default: Unsloth replaces
    TRL's by its own (accumulation over 2 batches, decay, warmup, an 8-bit optimizer, `unsloth/models/rl.py`).
    """
    found: dict[str, Any] = {
        "max_steps": request.steps,
        "per_device_train_batch_size": request.batch,
        "gradient_accumulation_steps": 1,
        "auto_find_batch_size": False,
        "max_length": request.max_length,
        "learning_rate": request.learning_rate,
        "lr_scheduler_type": request.schedule,
        "warmup_steps": 0,
        "optim": "adamw_torch",
        "weight_decay": 0.0,
        "max_grad_norm": 1.0,
        "seed": request.seed,
    }
    if request.objective == "sft":
        found["packing"] = request.packing
        if not request.packing:
            found["padding_free"] = False
    else:
        found["beta"] = request.beta
    if request.objective == "kto":
        found["desirable_weight"] = request.desirable_weight
        found["undesirable_weight"] = request.undesirable_weight
    return found


def config(request: TrainRequest) -> str:
    """The settings as lines of a config of TRL."""
    return "".join(f"    {name}={value!r},\n" for name, value in settings(request).items())


def targets(data: Mapping[str, Any]) -> tuple[list[str], list[int] | None]:
    """The ends of the adapted layers' names, and their blocks; None for all."""
    norms = data["runs"][0]["marks"][0]["norms"] if data["runs"] and data["runs"][0]["marks"] else []
    some = sorted({at for _, at, *_ in norms})
    ends = sorted({name.rpartition(".")[2] for name, *_ in norms})
    return ends, None if len(some) == data["provenance"]["blocks"] else some


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


def formed(request: TrainRequest, data: Mapping[str, Any]) -> str:
    form = "pairs" if request.paired else request.objective
    return f"{rows_listing(request, data['trained'])}\n\n{_FORMS[form]}"


def form_of(data: Mapping[str, Any]) -> str:
    """What the rows of a run are: "talks", "texts", or "both"."""
    return str(data["trained"].get("form", "talks"))
