"""The check's outcome as a table, as JSON, and as constants to paste."""

from __future__ import annotations

import datetime
import platform
import shutil
import subprocess
from collections.abc import Sequence
from typing import Any

from tests.gpu_check import setting
from tests.gpu_check.checks import Check, worst
from tests.gpu_check.constants import Fit
from tests.gpu_check.outcome import Outcome


def about(tiny: bool) -> dict[str, Any]:
    """Which device, which versions, which day, which commit."""
    import torch
    import transformers

    cuda = torch.cuda.is_available()
    commit = ""
    if shutil.which("git"):
        command = ["git", "rev-parse", "--short", "HEAD"]
        commit = subprocess.run(command, cwd=setting.ROOT, capture_output=True, text=True).stdout.strip()
    return {
        "device": torch.cuda.get_device_name() if cuda else f"CPU ({platform.machine()})",
        "memory": torch.cuda.get_device_properties(0).total_memory if cuda else None,
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "transformers": transformers.__version__,
        "python": platform.python_version(),
        "date": datetime.date.today().isoformat(),
        "commit": commit or None,
        "tiny": tiny,
    }


def text(outcome: Outcome, fits: dict[str, Fit]) -> str:
    """The whole outcome as a table."""
    parts = ["", "CUDA against the CPU, and against generate()", agreement(outcome.checks)]
    parts.append("dedup has nothing that runs on a GPU.")
    if outcome.records:
        parts += ["", "Seconds by model size", speeds(outcome.records)]
        parts += ["", "Constants", constants(fits)]
    parts += [f"skipped: {line}" for line in outcome.skipped]
    parts += [f"no time left for {line}" for line in outcome.late]
    held = len(outcome.checks) - len(outcome.failed)
    parts += ["", f"{held} of {len(outcome.checks)} checks hold; all numbers are in {outcome.path}"]
    parts += [f"FAILS: {_line(check, check.model)}" for check in outcome.failed]
    return "\n".join(parts)


def agreement(checks: Sequence[Check]) -> str:
    """One line for each kind of check: its worst model."""
    return "\n".join(
        _line(check, f"worst of {models}: {check.model}" if models > 1 else check.model)
        for check, models in worst(checks)
    )


def _line(check: Check, models: str) -> str:
    verdict = "info" if check.tolerance is None else "ok" if check.holds else "FAILS"
    most = "" if check.tolerance is None else f" ≤ {check.tolerance:g}"
    number = f"{check.difference:9.3g}{most:9}"
    return f"{verdict:5}  {check.space:12}  {check.dtype:8}  {number}  {check.what} ({models})"


def speeds(records: Sequence[dict[str, Any]]) -> str:
    """A line for each size and dtype, then one for its jobs, and what was left out."""
    lines = ["size   dtype      to the GPU   reads 1,024   writes, by rows of a step"]
    for record in records:
        read = dict(map(tuple, record.get("passes", ())))
        steps = "  ".join(f"{rows}: {rows / seconds:,.0f}/s" for rows, seconds in record.get("steps", ()))
        rate = f"{1024 / read[1024]:,.0f}/s" if 1024 in read else "—"
        move = f"{record['move']:.2f} s" if "move" in record else "—"
        lines.append(f"{record['size']:6} {record['dtype']:10} {move:>10} {rate:>13}   {steps}")
        if record["jobs"]:
            jobs = ", ".join(f"{title} {job['seconds']:.1f} s" for title, job in record["jobs"].items())
            lines.append(f"       {jobs}")
        lines += [f"       skipped {title}: {why}" for title, why in record["skipped"].items()]
    return "\n".join(lines)


def constants(fits: dict[str, Fit]) -> str:
    """Every fit in a line; the names are those of `shared.gpu`."""
    return "\n".join(f"{name:45} {found}" for name, found in fits.items())
