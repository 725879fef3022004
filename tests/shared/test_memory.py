"""Memory: a call that is over leaves nothing behind."""

from __future__ import annotations

import gc
import tracemalloc

import pytest

from tests.small_calls import small_calls, two_models

WARM, CALLS = 40, 60
A_CALL = 5_000
"""Bytes that a call may leave at most: what grows once has some 25 kB, the plan of a small merge 80 kB."""
SLOW = {"merging: check", "quantization: handle"}
"""A fifth as many of these: each takes a quarter of a second."""


@pytest.fixture(scope="module")
def calls(tmp_path_factory):
    root = tmp_path_factory.mktemp("memory")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(root / "uploads"))
        patch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        yield small_calls(*two_models(root))


@pytest.mark.parametrize(
    "name",
    [
        "merging: check",
        "merging: form",
        "quantization: plan",
        "quantization: block",
        "quantization: handle",
        "dedup: plan",
        "dedup: run",
        "decoding: presets",
        "decoding: form",
        "decoding: run",
        "decoding: two models",
        "decoding: odds",
        "abliteration: kernel",
    ],
)
def test_a_small_call_leaves_nothing_behind(calls, name):
    """What a process has from its system says little (its allocator keeps what was freed): this counts what
    is still in use.
    """
    share = 5 if name in SLOW else 1
    tracemalloc.start()  # before the warm-up, so that what takes another's place is no growth
    try:
        for _ in range(WARM // share):
            calls[name]()
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(CALLS // share):
            calls[name]()
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (after - before) / (CALLS // share) < A_CALL
