"""The command: see the package's text."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from tests.gpu_check import setting

NO_GPU = (
    "torch sees no GPU here: run it on a machine with an NVIDIA GPU and a CUDA build of torch, or with "
    "--tiny to try the script itself on the CPU."
)


def main() -> int:
    """Run the parts; 0 where everything agrees, 1 where something does not or failed, 2 without a GPU."""
    parser = argparse.ArgumentParser(prog="python -m tests.gpu_check", description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="small sizes; needs no GPU")
    parser.add_argument("--out", type=Path, default=setting.ROOT / "build" / "gpu-check.json")
    parser.add_argument("--seconds", type=float, default=420, help="after which nothing new is timed")
    parser.add_argument(
        "--part", choices=("agreement", "generate", "speed"), action="append", help="only this"
    )
    options = parser.parse_args()
    setting.prepare()
    import torch

    if not torch.cuda.is_available() and not options.tiny:
        print(NO_GPU, file=sys.stderr)
        return 2
    from transformers.utils import logging

    from tests.gpu_check import constants, parts, report
    from tests.gpu_check.outcome import Outcome

    logging.set_verbosity_error()
    # cuDNN's attention makes a plan for every new length: tens of milliseconds a token in bfloat16
    torch.backends.cuda.enable_cudnn_sdp(False)
    until = time.monotonic() + options.seconds
    outcome = Outcome(options.out, report.about(options.tiny))
    print(", ".join(f"{name} {value}" for name, value in outcome.about.items() if value), flush=True)
    for name, part in parts.PARTS.items():
        if name in (options.part or parts.PARTS):
            part(outcome, options.tiny, *([until] if name == "speed" else []))
    fits = constants.fits(outcome.starts, outcome.records)
    outcome.save(fits={name: found.to_json() for name, found in fits.items()})
    print(report.text(outcome, fits))
    return int(bool(outcome.failed or outcome.skipped))


if __name__ == "__main__":
    sys.exit(main())
