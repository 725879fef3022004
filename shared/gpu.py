"""ZeroGPU: the only module that knows it.

`spaces` must be imported before torch, so an `app.py` imports this module first. Off ZeroGPU `spaces.GPU`
returns the function unchanged and all of this is plain Python.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import spaces
from shared import owner
from shared.errors import VisitorError

Parameters = ParamSpec("Parameters")
Item = TypeVar("Item")

# What a GPU takes, as `make gpu-check` measured it on one NVIDIA H200 beside 16 processor cores (2026-11-26,
# torch 2.11.0, transformers 5.23.0, Llamas of 0.13 to 8.0 billion random weights): no measurement is above
# what these constants say, see tests/shared/test_gpu.py. Small models wait for Python, not for the GPU, so a
# slower processor counts as much as a smaller card. ZeroGPU's cards, parts of larger ones, were not measured.
START = 1.0
"""Seconds until a fresh process has used the GPU once."""
MOVE = 0.22
"""Seconds for 10⁹ bytes of weights on their way to the GPU."""
PASS = 0.04
"""Seconds of a forward pass over texts, beside what follows."""
READ = {"float32": 0.046, "bfloat16": 0.004, "float16": 0.004}
"""Seconds for 10⁹ parameters and 1,000 tokens that such passes read, by dtype of the weights; float16 was not
measured and stands with bfloat16.
"""
STEP = 0.045
"""Seconds of a step that writes a token of every row of a batch, beside what follows."""
WRITE = {"float32": 0.0025, "bfloat16": 0.0005, "float16": 0.0005}
"""Seconds of such a step for 10⁹ parameters."""
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
MARGIN, LEAST = 1.4, 10
"""What is asked for: so many times what was measured, and at least so many seconds, since a run that is cut
off is worth nothing.
"""

DRIVERS = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg", "/dev/kfd")
"""What Linux has where there is a driver: NVIDIA's, that of Windows around it, AMD's."""


def on_zero_gpu() -> bool:
    """Whether this process runs on ZeroGPU hardware (or its emulation)."""
    from spaces.config import Config

    return bool(Config.zero_gpu)


def has_gpu() -> bool:
    """Whether runs will get a GPU: one is present, or ZeroGPU lends one."""
    if on_zero_gpu():
        return True
    if "torch" not in sys.modules and not _has_driver():
        return False
    import torch

    return bool(torch.cuda.is_available())


def _has_driver() -> bool:
    """Whether a driver may lend torch a GPU: so a page without one need not import torch to say so."""
    if sys.platform != "linux":
        return sys.platform != "darwin"
    return any(Path(name).exists() for name in DRIVERS)


def device() -> str:
    """The device to compute on, `"cuda"` or `"cpu"`; call it inside a function wrapped by `on_gpu`."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def seconds_for(
    parameters: int,
    *,
    passes: int = 1,
    read: int = 0,
    steps: int = 0,
    more: float = 0.0,
    models: int = 1,
    dtype: str = "float32",
) -> int:
    """GPU seconds to ask ZeroGPU for.

    Args:
        parameters: of the model, see `models.most_parameters`.
        passes: forward passes that read texts.
        read: tokens that all of them read together.
        steps: forward passes that each write a token of every row.
        more: seconds of the Space's own work.
        models: how many models of that size go to the GPU.
        dtype: of the weights, "float32", "bfloat16" or "float16".
    """
    billions = parameters / 1e9
    move = models * billions * BYTES[dtype] * MOVE
    reading = passes * PASS + billions * read / 1_000 * READ[dtype]
    writing = steps * (STEP + billions * WRITE[dtype])
    return max(LEAST, math.ceil(MARGIN * (START + move + reading + writing + more)))


def charged(seconds: int) -> int:
    """Seconds that ZeroGPU counts for so many that a run asks for: by its own factor, which depends on the
    card; elsewhere the same.
    """
    if not on_zero_gpu():
        return seconds
    from spaces.zero.client import get_duration_seconds

    return round(get_duration_seconds(timedelta(seconds=seconds), None))


@dataclass(frozen=True)
class _Failure:
    """A VisitorError on its way out of the forked worker, which passes on only the class name of an
    exception.
    """

    what: str
    remedy: str


def on_gpu(
    duration: Callable[..., int],
) -> Callable[[Callable[Parameters, Iterator[Item]]], Callable[Parameters, Iterator[Item]]]:
    """Run a generator function on a GPU that ZeroGPU lends; elsewhere leave its behaviour alone.

    On ZeroGPU it runs in a forked process: arguments and yields are pickled, and what it changes in memory is
    lost. It must not be `async`.

    Args:
        duration: estimates the seconds to ask for, from the same arguments; it must accept `*args, **kwargs`.

    Raises:
        VisitorError: what the function raised, or that no GPU could be had, the quota is used up or the
            worker died.
    """

    def decorate(function: Callable[Parameters, Iterator[Item]]) -> Callable[Parameters, Iterator[Item]]:
        @wraps(function)
        def inside(who: str | None, *args: Any, **kwargs: Any) -> Iterator[Item | _Failure]:
            if on_zero_gpu():
                owner.work_for(who)  # the process may have been forked for somebody else
            try:
                yield from function(*args, **kwargs)
            except VisitorError as error:
                yield _Failure(error.what, error.remedy)

        def asked(who: str | None, *args: Any, **kwargs: Any) -> int:
            del who
            return duration(*args, **kwargs)

        lent: Callable[..., Iterator[Item | _Failure]] = spaces.GPU(duration=asked)(inside)

        @wraps(function)
        def outside(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Iterator[Item]:
            import gradio as gr

            try:
                for item in lent(owner.visitor(), *args, **kwargs):
                    if isinstance(item, _Failure):
                        raise VisitorError(item.what, item.remedy)
                    yield item
            except gr.Error as error:
                raise _explain(error) from error

        return outside

    return decorate


_LEFT = re.compile(
    r"(free |Pro )?ZeroGPU quota \((\d+)s requested vs\. (-?\d+)s left\)\. Try again in ([^.]+)"
)
_DURATION = re.compile(r"duration \((\d+)s\)")


def _explain(error: Any) -> VisitorError:
    """ZeroGPU's own errors, by their titles and words, as one sentence of what happened and one of what to
    do; the words are those of `spaces.zero.client`.
    """
    title, message = str(getattr(error, "title", "")), str(getattr(error, "message", error))
    if "illegal duration" in title:
        stated = _DURATION.search(message)
        much = f"{stated[1]} s of GPU" if stated else "GPU time"
        return VisitorError(
            f"The run asks for {much}, more than one call may have.", "Ask for less in one run."
        )
    if found := _LEFT.search(message):
        plan, asked, left, wait = found.groups()
        ways = ["ask for less"] if int(left) >= charged(LEAST) else []
        if not plan:  # "free" and "Pro" are said of visitors whom the Hub knows
            ways.append("sign in to huggingface.co, which gives more, and open the Space there")
        ways.append(f"try again in {wait} (hours, minutes, seconds)")
        what = f"The run asks for {asked} s of GPU, and {max(0, int(left))} s of your quota are left."
        advice = ", or ".join(ways)
        return VisitorError(what, f"{advice[0].upper()}{advice[1:]}.")
    if "runs limit" in message:
        return VisitorError("You have used up your GPU runs for this period.", "Try again later.")
    if "pending credits" in title:
        return VisitorError(
            "Your ZeroGPU credits are tied up in runs that are still going on.",
            "Try again when one of them has ended.",
        )
    if "No GPU was available after" in message:
        return VisitorError("ZeroGPU had no free GPU for a minute.", "Try again in a few minutes.")
    if "quota" in title:  # of a call without the token that the Hub gives to visitors of its pages
        return VisitorError(
            "The GPU time of calls from outside the Space's page is used up.",
            "Open the Space on huggingface.co, or try again later.",
        )
    if "proxy token" in message:
        return VisitorError("ZeroGPU no longer knows this page's visitor.", "Reload the page and try again.")
    if "client error" in title:
        return VisitorError("ZeroGPU has no free GPU at the moment.", "Try again in a minute.")
    if "worker" in title:
        return VisitorError(
            f"The GPU process stopped before the run was done ({message[:80]}).",
            "Try again; a shorter run is more likely to finish.",
        )
    return VisitorError(f"The GPU could not be used ({(message or title)[:80]}).", "Try again in a minute.")
