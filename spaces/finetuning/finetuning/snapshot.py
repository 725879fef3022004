"""A run after so many steps: the adapter as peft's files, and the optimizer, so that it can go on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from finetuning.lora import Adapter

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Snapshot:
    """A run after so many steps.

    Args:
        run: 0 for the first, 1 for the one beside it.
        step: steps that were made.
        adapter: adapter_model.safetensors.
        config: adapter_config.json.
        optimizer: AdamW's two means of every parameter, as safetensors.
    """

    run: int
    step: int
    adapter: bytes
    config: str
    optimizer: bytes


def taken(run: int, step: int, adapter: Adapter, optimizer: torch.optim.Optimizer, model_id: str) -> Snapshot:
    """A snapshot of a run."""
    from safetensors.torch import save

    moments: dict[str, Tensor] = {}
    for name, value in adapter.parameters.items():
        for key, moment in optimizer.state.get(value, {}).items():
            if key.startswith("exp_avg"):
                moments[f"{key}:{name}"] = moment.detach().cpu().contiguous()
    return Snapshot(
        run,
        step,
        save(adapter.tensors(), metadata={"format": "pt"}),
        adapter.settings(model_id),
        save(moments) if moments else b"",
    )


def restore(snapshot: Snapshot, named: Mapping[str, Tensor], optimizer: torch.optim.Optimizer) -> None:
    """Put a snapshot into an adapter and its optimizer.

    Args:
        snapshot: of an adapter of the same shape.
        named: the adapter's parameters.
        optimizer: AdamW over them, without a state.

    Raises:
        ValueError: the shapes differ.
    """
    import torch
    from safetensors.torch import load

    kept = load(snapshot.adapter)
    moments = load(snapshot.optimizer) if snapshot.optimizer else {}
    with torch.no_grad():
        for name, value in named.items():
            value.copy_(kept[in_file(name)])
            if f"exp_avg:{name}" in moments:
                optimizer.state[value] = {
                    "step": torch.tensor(float(snapshot.step)),
                    "exp_avg": moments[f"exp_avg:{name}"].to(value.device),
                    "exp_avg_sq": moments[f"exp_avg_sq:{name}"].to(value.device),
                }


def in_file(name: str) -> str:
    """A parameter's name in peft's files."""
    return "base_model.model." + name.replace(".default.", ".")
