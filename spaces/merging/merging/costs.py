"""What a merge takes: disk, memory and time, from the headers and from times that were measured once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merging.recipe import Finding, is_moe
from merging.sources import BYTES, Source

SECONDS = {
    "linear": 1, "slerp": 1, "nuslerp": 1, "multislerp": 2, "karcher": 1, "task_arithmetic": 1, "ties": 18, "dare_linear": 5,
    "dare_ties": 5, "della": 14, "della_linear": 14, "breadcrumbs": 25, "breadcrumbs_ties": 40, "model_stock": 1, "nearswap": 2,
    "arcee_fusion": 15, "sce": 15, "ram": 2, "ramplus_tl": 3, "passthrough": 1,
}  # fmt: skip
"""Seconds of one merge of 134.5 million weights on two CPU cores in float32."""
MEASURED_ON = 134.5e6
START = 6.0
"""Seconds that the subprocess takes to start."""
DTYPE_BYTES = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True)
class Cost:
    """What a merge takes.

    Args:
        parameters: weights of the child.
        disk: bytes of the child.
        download: bytes still to be downloaded.
        memory: bytes at the peak, about: the parents' files are mapped, and the child is held until it is written.
        seconds: about, on two CPU cores.
        free: bytes free where results lie.
    """

    parameters: int
    disk: int
    download: int
    memory: int
    seconds: float
    free: int

    def to_json(self) -> dict[str, Any]:
        """The cost as the API returns it."""
        return {**self.__dict__, "seconds": round(self.seconds)}

    def findings(self) -> Iterator[Finding]:
        """An error where the disk is too small."""
        if self.disk + self.download > self.free:
            need = (self.disk + self.download) / 1e6
            yield Finding(
                "error",
                "",
                f"The merge needs {need:,.0f} MB of disk; {self.free / 1e6:,.0f} MB are free.",
                "Free some, or set out_dtype: bfloat16.",
            )

    def sentence(self) -> str:
        """The cost in one line."""
        download = f" · {self.download / 1e6:,.0f} MB to download" if self.download else ""
        return (
            f"{self.parameters / 1e6:,.1f} million weights · {self.disk / 1e6:,.0f} MB on disk · about {self.memory / 1e9:.1f} GB of memory"
            f" · about {self.seconds:,.0f} s on two CPU cores{download}"
        )


def cost_of(recipe: dict[str, Any], sources: dict[str, Source], planned: tuple[int, int]) -> Cost:
    """Estimate a planned merge.

    Args:
        recipe: as written.
        sources: its models.
        planned: tensors and layers that it writes.
    """
    some = next(iter(sources.values()))
    layers = max(1, int(some.config.get("num_hidden_layers", 1) or 1))
    in_layers = sum(_size(shape) for name, (_, shape) in some.tensors.items() if _in_layer(name))
    per_layer = in_layers / layers
    parameters = int(some.parameters + per_layer * (planned[1] - layers))
    if is_moe(recipe):
        mlp = sum(_size(shape) for name, (_, shape) in some.tensors.items() if _in_layer(name) and "mlp" in name)
        parameters = some.parameters + mlp * (len(recipe["experts"]) - 1)
    stated = str(recipe.get("out_dtype") or recipe.get("dtype") or "").removeprefix("torch.")
    each = DTYPE_BYTES.get(stated, BYTES.get(some.dtype, 4))
    working = DTYPE_BYTES.get(str(recipe.get("dtype") or "").removeprefix("torch."), 4)
    largest = max((_size(shape) for _, shape in some.tensors.values()), default=0)
    download = sum(source.bytes for source in sources.values() if not source.here)
    speed = SECONDS.get(str(recipe.get("merge_method")), 10)
    return Cost(
        parameters=parameters, disk=parameters * each, download=download,
        memory=int(parameters * each + largest * working * 3 + sum(source.bytes for source in sources.values()) + 6e8),
        seconds=START + speed * parameters / MEASURED_ON * max(1.0, len(sources) / 3), free=shutil.disk_usage(Path.home()).free,
    )  # fmt: skip


def _size(shape: tuple[int, ...]) -> int:
    total = 1
    for size in shape:
        total *= size
    return total


def _in_layer(name: str) -> bool:
    return any(part.isdigit() for part in name.split("."))
