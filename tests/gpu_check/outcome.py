"""What is known so far, written after every step: a run that is cut off keeps what it measured."""

from __future__ import annotations

import json
import os
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.gpu_check import setting
from tests.gpu_check.checks import Check


class Outcome:
    """A run of the check.

    Args:
        path: of the JSON.
        about: device, versions, date.
    """

    def __init__(self, path: Path, about: dict[str, Any]) -> None:
        self.path, self.about = path, about
        self.checks: list[Check] = []
        self.skipped: list[str] = []  # what raised
        self.late: list[str] = []  # what there was no time for
        self.starts: list[float] = []
        self.records: list[dict[str, Any]] = []

    @property
    def failed(self) -> list[Check]:
        """The checks that do not hold."""
        return [check for check in self.checks if not check.holds]

    def save(self, **more: Any) -> None:
        """Write the JSON."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        content = {
            **self.about,
            "checks": [check.to_json() for check in self.checks],
            "skipped": self.skipped,
            "late": self.late,
            "starts": self.starts,
            "speed": self.records,
            **more,
        }
        self.path.write_text(json.dumps(content, indent=1, default=str), encoding="utf-8")

    def add(self, title: str, steps: Callable[..., Iterator[Check]], *arguments: Any) -> None:
        """Run some checks; what raises is named and left out, and the others go on."""
        began = time.monotonic()
        try:
            for check in steps(*arguments):
                self.checks.append(check)
        except Exception as error:
            lines = str(error).strip().splitlines() or [""]
            self.skipped.append(f"{title}: {type(error).__name__}: {lines[0][:200]}")
            if os.environ.get("GPU_CHECK_TRACE"):
                traceback.print_exc()
        print(f"  {title}: {time.monotonic() - began:.1f} s", flush=True)
        setting.free()
        self.save()
