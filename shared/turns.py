"""Functions that answer beside the queue: one call at a time; a few wait, and whoever comes after them is
told so at once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial, wraps
from typing import Any

from shared import limits
from shared.errors import VisitorError, for_visitor

BUSY = VisitorError("The server is busy with other visitors.", "Try again in a moment.")


def in_turn(
    function: Callable[..., Any],
    refusal: Callable[[VisitorError], Any],
    most: int = limits.MAX_WAITING,
) -> Callable[..., Awaitable[Any]]:
    """A function of a page, for Gradio to await: its calls are answered one after the other.

    Gradio runs a plain function in one of the forty threads that all pages share, where 60 calls that wait
    for each other stop them all. Here a call that waits takes no thread, and no more than a few wait.

    Args:
        function: is called in a thread.
        refusal: the answer in the place of an error, of `BUSY` too.
        most: calls that may wait.
    """
    import anyio

    one = anyio.CapacityLimiter(1)
    present = 0  # of the event loop alone, so no lock

    @wraps(function)
    async def asked(*arguments: Any) -> Any:
        nonlocal present
        if present > most:
            return refusal(BUSY)
        present += 1
        try:
            return await anyio.to_thread.run_sync(partial(function, *arguments), limiter=one)
        except Exception as error:  # noqa: BLE001  the page must go on whatever happened
            return refusal(for_visitor(error))
        finally:
            present -= 1

    return asked
