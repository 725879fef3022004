"""The compiled loops, ready before a run needs them."""

from __future__ import annotations

import threading
from functools import cache

import numpy as np

from dedup.minhash import Plan, band_keys
from dedup.overlap import Index
from dedup.read import Dataset
from dedup.request import Request
from dedup.shingles import shingle, to_arrow
from dedup.texts import compared
from dedup.verify import Sample, jaccard_of_pairs


@cache
def warm() -> threading.Thread:
    """Compile or load all of it beside whatever else goes on, once, so that no run waits for that; the thread
    that does.
    """
    thread = threading.Thread(target=_use_each, name="dedup-compile", daemon=True)
    thread.start()
    return thread


def _use_each() -> None:
    part = shingle(to_arrow(["a b c d", "a b c e"]), 3, "word")
    band_keys(part, Plan(2, 1, 2, 1.0, None, 0.0, 0.0), 0)
    compared(Dataset("", "text", 2, ("text",), [b"a", b"b"]), Request())
    jaccard_of_pairs(part, np.array([[0, 1]]))
    Sample(part, 0.5).against(part, 0)
    list(Index(["a b c d"], 3, "word").stream([["a b c d"]], "longest", 0.5))
