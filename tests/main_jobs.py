"""Each Space's main job over its API: what must work wherever the Space runs."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class MainJob:
    """A call of the API and whether its answer is right.

    Args:
        endpoint: its name.
        values: by name.
        is_right: takes the answer.
        quick: the same call on a tiny model, where the usual one takes the better part of a minute: for a
            test that asks whether every file is there.
    """

    endpoint: str
    values: dict[str, Any]
    is_right: Callable[[Any], bool]
    quick: MainJob | None = None


def of(name: str) -> MainJob:
    """A Space's main job, from `tests/<name>/main_job.py`."""
    job = importlib.import_module(f"tests.{name}.main_job").MAIN_JOB
    assert isinstance(job, MainJob)
    return job
