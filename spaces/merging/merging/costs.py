"""What a merge takes: disk, memory and time, from the headers and from times that were measured once."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merging import data, jobs
from merging.finding import Finding, error
from merging.planner import Plan
from merging.sources import Source
from merging.tensors import BYTES
from merging.written import stated
from shared import models
from shared.files import upload_folder

SECONDS = {
    "linear": 1,
    "slerp": 1,
    "nuslerp": 1,
    "multislerp": 2,
    "karcher": 1,
    "task_arithmetic": 1,
    "ties": 18,
    "dare_linear": 5,
    "dare_ties": 5,
    "della": 14,
    "della_linear": 14,
    "breadcrumbs": 25,
    "breadcrumbs_ties": 40,
    "model_stock": 1,
    "nearswap": 2,
    "arcee_fusion": 15,
    "sce": 15,
    "ram": 2,
    "ramplus_tl": 3,
    "passthrough": 1,
}
"""Seconds of one merge of 134.5 million weights on two CPU cores in float32."""
MEASURED_ON = 134.5e6
START = 6.0
"""Seconds that mergekit takes to be imported, once."""


@dataclass(frozen=True)
class Cost:
    """What a merge takes.

    Args:
        parameters: weights of the child.
        disk: bytes of the child.
        download: bytes still to be downloaded.
        memory: bytes at the peak, about: the parents' files are mapped, and the child is held until it is
            written.
        seconds: about, on two idle CPU cores, from the start of mergekit to the written child; what measures
            parents and child comes after it.
        free: bytes free where results lie.
    """

    parameters: int
    disk: int
    download: int
    memory: int
    seconds: float
    free: int

    def to_json(self) -> data.Cost:
        """The cost as the API returns it."""
        return {
            "parameters": self.parameters,
            "disk": self.disk,
            "download": self.download,
            "memory": self.memory,
            "seconds": round(self.seconds),
            "free": self.free,
        }

    def findings(self) -> Iterator[Finding]:
        """An error where the child is too large, or a disk too small."""
        most = models.largest_model(exact=True)
        if self.parameters > most:
            yield error(
                "",
                f"The child would have {self.parameters / 1e9:.1f} billion weights; the limit here is "
                f"{most / 1e9:.1f} billion.",
                "Merge it elsewhere with the commands below, or choose smaller models.",
            )
        # the child, and its archive
        yield from shortage(2 * self.disk, self.download, "Free some, or set out_dtype: bfloat16.")


def shortage(results: int, download: int, fix: str) -> Iterator[Finding]:
    """An error for each disk that is too small.

    Args:
        results: bytes that are written where results lie.
        download: bytes that are written where the Hub's files lie, perhaps the same disk.
        fix: what to do where the results do not fit.
    """
    from huggingface_hub import constants

    here, cache = _existing(upload_folder()), _existing(Path(constants.HF_HUB_CACHE))
    same = here.stat().st_dev == cache.stat().st_dev
    for folder, need, remedy in (
        (here, results + (download if same else 0), fix),
        (cache, 0 if same else download, "Free some, or choose smaller models."),
    ):
        free = shutil.disk_usage(folder).free
        if need > free:
            need_and_free = f"This needs {need / 1e6:,.0f} MB of disk; {free / 1e6:,.0f} MB are free."
            yield error("", need_and_free, remedy)


def _existing(path: Path) -> Path:
    """A path, or the nearest folder above that exists."""
    return next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.exists())


def cost_of(recipe: dict[str, Any], sources: Mapping[str, Source], plan: Plan) -> Cost:
    """Estimate a planned merge.

    Args:
        recipe: as written.
        sources: its models.
        plan: what it writes.
    """
    sizes = [(math.prod(shape), BYTES.get(dtype, 4)) for dtype, shape in plan.written.values()]
    parameters = sum(count for count, _ in sizes)
    disk = sum(count * each for count, each in sizes)
    working = BYTES.get(stated(recipe.get("dtype")), 4)
    largest = max((count for count, _ in sizes), default=0)
    # the experts of this suite have one base
    absent = {source.folder for source in sources.values() if not source.here}
    download = sum(path.stat().st_size for folder in absent for path in folder.glob("*.safetensors"))
    speed = SECONDS.get(str(recipe.get("merge_method")), 10)
    parents = sum(source.bytes for source in sources.values())
    seconds = speed * parameters / MEASURED_ON * max(1.0, len(sources) / 3)
    return Cost(
        parameters=parameters,
        disk=disk,
        download=download,
        memory=int(disk + largest * working * 3 + parents + 6e8),
        seconds=seconds + (0 if jobs.running() else START),
        free=shutil.disk_usage(_existing(upload_folder())).free,
    )
