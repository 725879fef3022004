"""Sessions: what Gradio remembers of each visitor, and when it is forgotten.

Gradio keeps a copy of a page's whole configuration for every session, up to ten thousand of them, and every
call of the API without a client is a session of its own: hundreds of kilobytes each, for ever. It keeps every
message to a visitor until they read it, and what was sent with a run until its turn comes, whatever their
size.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.state_holder import SessionState, StateHolder

from shared import limits
from shared.cache import size_of
from shared.errors import VisitorError
from shared.files import RESULT_SECONDS, SWEEP_SECONDS

if TYPE_CHECKING:
    from gradio.queueing import Event, Queue
    from gradio.routes import App

MAX_NAME = 200
"""Longest name of a session, in characters; a browser's has 11."""

UNREAD_SECONDS = 600
"""How long the messages of a run that is over wait to be read."""

MAX_UNREAD = 1_000
"""Sessions of a page with messages that may still be read."""


class Sessions(StateHolder):
    """Gradio's sessions, with names of a bounded length."""

    def __getitem__(self, session_id: str) -> SessionState:
        _check_name(session_id)
        return super().__getitem__(session_id)


def _check_name(name: Any) -> None:
    if not isinstance(name, str) or len(name) > MAX_NAME:
        raise VisitorError("That is no name of a session.", "Reload the page.")


def bound(server: App) -> None:
    """Bound what a page's server remembers of its visitors."""
    sessions = Sessions()
    sessions.set_blocks(server.get_blocks())
    sessions.capacity = limits.MAX_SESSIONS
    server.state_holder = sessions
    queue = server.get_blocks()._queue
    queue.pending_messages_per_session = Unread(queue)  # type: ignore[assignment]
    queue.ANALYTICS_MAX_EVENTS = 100  # nobody may look at them
    push, send = queue.push, queue.send_message

    async def bounded_push(body: Any, request: Any, username: str | None) -> Any:
        _check_name(body.session_hash or "")
        waiting = [event for line in queue.event_queue_per_concurrency_id.values() for event in line.queue]
        bodies = [_body_bytes(one) for one in (request, *(event.request for event in waiting))]
        if waiting and sum(bodies) > limits.MAX_WAITING_BYTES:
            return False, "The queue is full: too much waits in it. Try again in a minute.", "queue_full"
        return await push(body=body, request=request, username=username)

    def bounded_send(event: Event, event_message: Any) -> None:
        if event.alive:
            send(event, event_message)
            queue.pending_messages_per_session.sent(event, event_message)  # type: ignore[attr-defined]

    queue.push = bounded_push  # type: ignore[method-assign]
    queue.send_message = bounded_send  # type: ignore[method-assign]


def _body_bytes(request: Any) -> int:
    from shared.uploads import BODY

    return int(request.scope.get(BODY, 0)) if request is not None else 0


class Unread(dict[str, Any]):
    """Messages by session until they are read, in the place of Gradio's own, which forgets of two thousand
    the oldest, also where its run goes on, and has no limit of bytes.
    """

    def __init__(self, queue: Queue) -> None:
        super().__init__()
        self.queue = queue

    def __setitem__(self, name: str, messages: Any) -> None:
        messages.count, messages.size, messages.last = 0, 0, time.monotonic()
        super().__setitem__(name, messages)
        self.make_room(name)

    def sent(self, event: Event, message: Any) -> None:
        """Count a message that was sent, and end the run where its visitor reads nothing."""
        messages = self[event.session_hash]
        messages.count += 1
        messages.size += size_of(getattr(message, "output", None))
        messages.last = time.monotonic()
        if unread([messages]) > limits.MAX_UNREAD_BYTES / 2:
            event.alive = False
        self.make_room(event.session_hash)

    def make_room(self, keep: str) -> None:
        """Drop what sessions whose runs are over have not read, the oldest first, where it is too much."""
        while len(self) > MAX_UNREAD or unread(list(self.values())) > limits.MAX_UNREAD_BYTES:
            over = next((name for name in self.over() if name != keep), None)
            if over is None:
                return
            self.drop(over)

    def over(self, names: Iterable[str] | None = None) -> list[str]:
        """Those sessions, or all, for which nothing runs or waits."""
        busy = {event.session_hash for event in list(self.queue.event_ids_to_events.values())}
        return [name for name in (list(self) if names is None else names) if name not in busy]

    def drop(self, name: str) -> None:
        """Forget a session's messages."""
        self.pop(name, None)
        self.queue.pending_event_ids_session.pop(name, None)


def unread(messages: Iterable[Any]) -> float:
    """Bytes of what was not read yet, each message taken for as large as its session's mean."""
    return sum(one.qsize() * one.size / max(1, one.count) for one in messages)


def forget(demo: gr.Blocks) -> None:
    """Drop the sessions of a page that are over: those that keep nothing after a minute, any other when its
    files are gone too; and what nobody reads.
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
    waiting = demo._queue.pending_messages_per_session
    if isinstance(waiting, Unread):
        for name in waiting.over():
            messages = waiting.get(name)
            if messages is not None and time.monotonic() - messages.last > UNREAD_SECONDS:
                waiting.drop(name)
        known = list(demo._queue.pending_event_ids_session)  # a new one has its messages first
        for name in set(waiting.over(known)) - set(waiting):
            waiting.drop(name)


def _is_fresh(demo: gr.Blocks, session: Any) -> bool:
    """Whether a session is what a new one would be: no state, no changed component, nothing rendered for it
    alone.
    """
    mine, everyones = session.blocks_config, demo.default_config
    return not session.state_data and mine.blocks == everyones.blocks and len(mine.fns) == len(everyones.fns)
