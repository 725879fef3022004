"""Sessions: what Gradio remembers of each visitor, and when it is forgotten.

Gradio keeps a copy of a page's whole configuration for every session, up to ten thousand of them, and every
call of the API without a client is a session of its own: hundreds of kilobytes each, for ever.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import gradio as gr

from shared.files import RESULT_SECONDS, SWEEP_SECONDS


def forget(demo: gr.Blocks) -> None:
    """Drop the sessions of a page that are over: those that keep nothing after a minute, any other when its
    files are gone too.
    """
    holder: Any = getattr(demo, "state_holder", None)  # of a page that is served
    if holder is None:
        return
    for name, last in list(holder.time_last_used.items()):
        idle = (datetime.now() - last).total_seconds()
        session = holder.session_data.get(name)
        if idle > (SWEEP_SECONDS if session is None or _is_fresh(demo, session) else RESULT_SECONDS):
            with holder.lock:
                holder.session_data.pop(name, None)
                holder.time_last_used.pop(name, None)


def _is_fresh(demo: gr.Blocks, session: Any) -> bool:
    """Whether a session is what a new one would be: no state, no changed component, nothing rendered for it
    alone.
    """
    mine, everyones = session.blocks_config, demo.default_config
    return not session.state_data and mine.blocks == everyones.blocks and len(mine.fns) == len(everyones.fns)
