"""`make bench`: what the demos cost, as ratios to a plain alternative measured in the same run."""

from __future__ import annotations

import datetime
import importlib
import os
import platform
import sys

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["TQDM_DISABLE"] = "1"

from shared import suite
from tests.conftest import ROOT

os.environ["HF_HUB_OFFLINE"] = str(int("public_dedup" not in sys.argv))  # the only part that needs the Hub

SPACES = [name for name in suite.names() if (ROOT / f"tests/bench/{name}.py").exists()]


def main(*chosen: str) -> None:
    """Measure and print the table, of all Spaces and of memory, or of those named."""
    import gradio
    import torch
    import transformers

    machine = f"{platform.machine()}, {os.cpu_count()} cores · Python {platform.python_version()}"
    print(
        f"{datetime.date.today()} · {machine} · "
        f"torch {torch.__version__}, transformers {transformers.__version__}, gradio {gradio.__version__}\n"
    )
    print("| figure | measured | goal | range |\n|---|---|---|---|")
    missed = False
    for name in chosen or [*SPACES, "memory"]:
        sys.path.insert(0, str(ROOT / "spaces" / name.removeprefix("public_")))
        for row in importlib.import_module(f"tests.bench.{name}").rows():
            missed |= not row.met
            value = f"{row.value:.2f}{row.unit}{'' if row.met else ' **missed**'}"
            print(f"| {name}: {row.name} | {value} | {row.goal} | {row.detail} |", flush=True)
    sys.exit(missed)


if __name__ == "__main__":
    main(*sys.argv[1:])
