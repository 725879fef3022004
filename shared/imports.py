"""The large libraries, which one thread has to import before others use them."""

from __future__ import annotations

import threading

from shared.hub import unlock_after_fork

_lock = threading.Lock()
_done = False
unlock_after_fork(_lock)


def import_transformers() -> None:
    """Import transformers and peft, in some seconds at the first call. Their modules import each other when
    they are asked for a name: where two threads ask at the same time, as the first runs of two Spaces do, one
    gets an ImportError.
    """
    global _done
    if _done:
        return
    with _lock:
        import peft  # noqa: F401
        from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: F401

        _done = True
