"""The process in which a visitor's regular expression runs, see `shared.rules`; of this suite it
imports the loop.

It reads a line of JSON with `pattern` and `texts`, and writes one with `found`, whether the pattern is in
each text, or with `error`. Where that takes too much of the processor's time or of memory the system ends the
process.
"""

from __future__ import annotations

import re
import sys
import warnings
from typing import Any

from shared.worker_loop import serve


def answer(pattern: str, texts: list[str]) -> dict[str, Any]:
    """Whether a pattern is somewhere in each text; or why it is no pattern."""
    try:
        compiled = re.compile(pattern)
        return {"found": [compiled.search(text) is not None for text in texts]}
    except (re.error, OverflowError, RecursionError, MemoryError) as error:
        return {"error": str(error)[:120] or type(error).__name__}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    serve(answer, float(sys.argv[1]), int(sys.argv[2]))
