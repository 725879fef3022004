"""Where the check runs: the Spaces' engines on the path, a stand-in for `spaces`, the two devices."""

from __future__ import annotations

import contextlib
import copy
import gc
import importlib.util
import os
import sys
import time
import types
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def prepare() -> None:
    """Make the engines importable, before torch is: no network, and `spaces` where it is missing."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    sys.path[:0] = [str(ROOT), *(str(app.parent) for app in sorted(ROOT.glob("spaces/*/app.py")))]
    if not _has_spaces():
        _stand_in_for_spaces()


def _has_spaces() -> bool:
    """Whether the package is installed: the repository's folder of that name is none."""
    try:
        found = importlib.util.find_spec("spaces")
    except ValueError:  # somebody has put None or a stand-in in its place
        return False
    return found is not None and found.origin is not None


def _stand_in_for_spaces() -> None:
    """What `shared.gpu` needs of the package, which brings gradio with it: off ZeroGPU it does nothing."""
    package, config = types.ModuleType("spaces"), types.ModuleType("spaces.config")
    package.__path__ = []
    package.GPU = lambda *_, **__: lambda function: function  # type: ignore[attr-defined]
    config.Config = types.SimpleNamespace(zero_gpu=False)  # type: ignore[attr-defined]
    sys.modules |= {"spaces": package, "spaces.config": config}


def device() -> str:
    """The device that is checked: "cuda", or "cpu" where there is none."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


@contextlib.contextmanager
def on(name: str) -> Iterator[None]:
    """Let the engines compute on a device, whatever there is."""
    from shared import gpu

    usual = gpu.device
    gpu.device = lambda: name
    try:
        yield
    finally:
        gpu.device = usual


def moved(loaded: Any, name: str) -> Any:
    """A copy of a model on a device; `models.on_device` would move the model itself."""
    return replace(loaded, model=copy.deepcopy(loaded.model).to(name), device=name)


def free() -> None:
    """Give back the memory of models that are gone."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def seconds_of(function: Callable[[], Any]) -> float:
    """How long a call takes, until the GPU is done with it."""
    _finish()
    began = time.perf_counter()
    function()
    _finish()
    return time.perf_counter() - began


def _finish() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()
