"""The process in which a visitor's regular expression runs, see `shared.rules`; of this suite it
imports the loop.

It reads a line of JSON with `pattern`, `texts` and perhaps `way`, and writes one with `found`, whether the
pattern is in each text, all that it finds there ("all"), or the text without that ("without"); or with
`error`. Where that takes too much of the processor's time or of memory the system ends the
process.
"""

from __future__ import annotations

import re
import sys
import warnings
from typing import Any

from shared.worker_loop import serve


def answer(pattern: str, texts: list[str], way: str = "whether") -> dict[str, Any]:
    """What a pattern finds in each text; or why it is no pattern."""
    try:
        compiled = re.compile(pattern)
        if way == "all":
            return {"found": [compiled.findall(text) for text in texts]}
        if way == "without":
            return {"found": [compiled.sub("", text) for text in texts]}
        return {"found": [compiled.search(text) is not None for text in texts]}
    except (re.error, OverflowError, RecursionError, MemoryError) as error:
        return {"error": str(error)[:120] or type(error).__name__}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    serve(answer, float(sys.argv[1]), int(sys.argv[2]))
