"""Each Space's main job over its API: what must work wherever the Space runs."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class MainJob:
    """A call of the API and whether its answer is right."""

    endpoint: str
    values: dict[str, Any]
    is_right: Callable[[Any], bool]


def of(name: str) -> MainJob:
    """A Space's main job, from `tests/<name>/main_job.py`."""
    job = importlib.import_module(f"tests.{name}.main_job").MAIN_JOB
    assert isinstance(job, MainJob)
    return job
