"""The process that tries what a tokenizer does with a text, see `shared.patterns`; of this suite
it imports the loop.

It reads a line of JSON with `path`, of a tokenizer's file, and `text`, and writes one with `tokens`, their
number, or with `error`. Where that takes too much of the processor's time or of memory the system ends the
process.
"""

from __future__ import annotations

import sys
from functools import lru_cache

from tokenizers import Tokenizer

from shared.worker_loop import serve


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


if __name__ == "__main__":
    serve(answer, float(sys.argv[1]), int(sys.argv[2]))
