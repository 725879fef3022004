"""The loop of a process that answers for strangers' patterns and templates, see `shared.worker`."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
from collections.abc import Callable
from typing import Any


def serve(answer: Callable[..., dict[str, Any]], seconds: float, memory: int) -> None:
    """Answer every line of JSON on standard input with one, until the input ends.

    Args:
        answer: gets a line's values by name.
        seconds: of the processor that one answer may take; the system ends the process that takes more.
        memory: bytes that the process may have.
    """
    with contextlib.suppress(ImportError, ValueError, OSError):  # not on Windows
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    timer = getattr(signal, "setitimer", None)
    for line in sys.stdin:
        if timer:
            timer(signal.ITIMER_PROF, seconds)  # the default action of its signal ends the process
        text = json.dumps(answer(**json.loads(line)))
        if timer:
            timer(signal.ITIMER_PROF, 0)
        print(text, flush=True)
