"""The process that tries what a tokenizer does with a text, see `shared.patterns`; it imports nothing of
this suite.

It reads a line of JSON with `path`, of a tokenizer's file, and `text`, and writes one with `tokens`, their
number, or with `error`. Where that takes too much of the processor's time or of memory the system ends the
process.
"""

from __future__ import annotations

import contextlib
import json
import signal
import sys
from functools import lru_cache

from tokenizers import Tokenizer


@lru_cache(4)
def opened(path: str) -> Tokenizer:
    """A tokenizer from its file."""
    return Tokenizer.from_file(path)


def answer(path: str, text: str) -> dict[str, int | str]:
    """How many tokens a text has and its text again; or the error."""
    try:
        tokenizer = opened(path)
        ids = tokenizer.encode(text).ids
        tokenizer.decode(ids, skip_special_tokens=False)
        return {"tokens": len(ids)}
    except BaseException as error:  # noqa: BLE001  the library's panic is no Exception
        return {"error": type(error).__name__}


def main(seconds: float, memory: int) -> None:
    """Answer every line until the input ends."""
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
