"""The process in which a visitor's regular expression runs, see `shared.rules`; it imports nothing of this
suite.

It reads a line of JSON with `pattern` and `texts`, and writes one with `found`, whether the pattern is in
each text, or with `error`. Where that takes too much of the processor's time or of memory the system ends the
process.
"""

from __future__ import annotations

import contextlib
import json
import re
import signal
import sys
import warnings
from typing import Any


def answer(pattern: str, texts: list[str]) -> dict[str, Any]:
    """Whether a pattern is somewhere in each text; or why it is no pattern."""
    try:
        compiled = re.compile(pattern)
        return {"found": [compiled.search(text) is not None for text in texts]}
    except (re.error, OverflowError, RecursionError, MemoryError) as error:
        return {"error": str(error)[:120] or type(error).__name__}


def main(seconds: float, memory: int) -> None:
    """Answer every line until the input ends."""
    warnings.simplefilter("ignore")
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


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]))
