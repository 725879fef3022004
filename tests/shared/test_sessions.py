"""What a page's server remembers of visitors who send much and read nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from gradio.data_classes import PredictBodyInternal

from shared import limits, server, sessions, uploads
from shared.app import App
from shared.errors import VisitorError
from tests.conftest import in_a_loop


@pytest.fixture
def served(monkeypatch) -> Any:
    """A page's server that is bounded, whose queue nobody works at."""
    from gradio.routes import App as Server

    monkeypatch.setattr(server.files, "chores", [])
    with App() as demo:
        box = gr.Textbox()
        gr.Button().click(lambda text: text, box, box)
    made = Server.create_app(server.queue(demo))
    sessions.bound(made)
    return made


def join(served: Any, session: Any, size: int = 0) -> Any:
    """What the queue says to a run of that session, sent with so many bytes."""
    request = SimpleNamespace(scope={uploads.BODY: size})
    body = PredictBodyInternal.model_construct(
        session_hash=session, fn_index=0, data=["x"], request=request, event_id=None
    )
    return in_a_loop(served.get_blocks()._queue.push(body=body, request=request, username=None))


def event_of(served: Any, answer: Any) -> Any:
    return served.get_blocks()._queue.event_ids_to_events[answer[1]]


def told(served: Any, event: Any, size: int) -> None:
    """Send a result of so many bytes to a visitor."""
    message = SimpleNamespace(output={"data": ["x" * size]}, event_id=None)
    served.get_blocks()._queue.send_message(event, message)


def over(served: Any, event: Any) -> None:
    """End a run."""
    queue = served.get_blocks()._queue
    for line in queue.event_queue_per_concurrency_id.values():
        line.queue = [one for one in line.queue if one is not event]
    queue.event_ids_to_events.pop(event._id)


def test_a_visitor_who_never_reads_is_told_so_much_and_no_more(served, monkeypatch):
    monkeypatch.setattr(limits, "MAX_UNREAD_BYTES", 100_000)
    queue = served.get_blocks()._queue
    silent = event_of(served, join(served, "silent"))
    for _ in range(40):
        told(served, silent, 5_000)
    assert not silent.alive, "Gradio ends a run that nobody listens to"
    assert sessions.unread([queue.pending_messages_per_session["silent"]]) < 70_000
    for number in range(30):
        event = event_of(served, join(served, f"once {number}"))
        told(served, event, 20_000)
        over(served, event)
    assert sessions.unread(queue.pending_messages_per_session.values()) <= 100_000
    left = [name for name in queue.pending_messages_per_session if name.startswith("once")]
    assert "silent" in queue.pending_messages_per_session and 0 < len(left) < 5
    assert set(queue.pending_event_ids_session) == set(queue.pending_messages_per_session)


def test_a_visitor_who_reads_is_told_everything(served, monkeypatch):
    monkeypatch.setattr(limits, "MAX_UNREAD_BYTES", 100_000)
    queue = served.get_blocks()._queue
    event = event_of(served, join(served, "reader"))
    for _ in range(100):
        told(served, event, 20_000)
        while queue.pending_messages_per_session["reader"].qsize():
            queue.pending_messages_per_session["reader"].get_nowait()
    assert event.alive


def test_a_run_is_not_forgotten_for_those_that_came_after_it(served, monkeypatch):
    """Gradio forgets of two thousand sessions the first, also where its run goes on."""
    monkeypatch.setattr(sessions, "MAX_UNREAD", 10)
    mine = event_of(served, join(served, "mine"))
    for number in range(50):
        over(served, event_of(served, join(served, f"other {number}")))
    told(served, mine, 10)
    assert mine.alive and len(served.get_blocks()._queue.pending_messages_per_session) == 10


def test_what_nobody_has_read_goes_after_a_while(served):
    demo = served.get_blocks()
    queue = demo._queue
    waits = event_of(served, join(served, "waits"))
    over(served, event_of(served, join(served, "over")))
    queue.pending_event_ids_session["left behind"] = {"x"}
    sessions.forget(demo)
    assert (
        set(queue.pending_messages_per_session) == {"waits", "over"} == set(queue.pending_event_ids_session)
    )
    for messages in queue.pending_messages_per_session.values():
        messages.last -= sessions.UNREAD_SECONDS + 1
    sessions.forget(demo)
    assert set(queue.pending_messages_per_session) == {"waits"} == set(queue.pending_event_ids_session)
    assert waits.alive


def test_what_waits_in_a_queue_has_a_size(served, monkeypatch):
    monkeypatch.setattr(limits, "MAX_WAITING_BYTES", 1_000)
    assert join(served, "a", 5_000)[0], "alone"
    assert [join(served, name, 600)[2] for name in "bc"] == ["queue_full"] * 2
    over(served, next(iter(served.get_blocks()._queue.event_ids_to_events.values())))
    assert [join(served, name, 600)[2] for name in "de"] == ["success", "queue_full"]


def test_sessions_have_a_number_and_short_names(served, monkeypatch):
    holder = served.state_holder
    assert served.get_blocks().state_holder is holder and holder.capacity == limits.MAX_SESSIONS
    holder.capacity = 5
    for number in range(20):
        holder[f"session {number}"]
    assert len(holder.session_data) == 5 and "session 19" in holder
    for name in ("x" * 1_000, None, 5, ["x"]):
        with pytest.raises(VisitorError, match="no name of a session"):
            holder[name]
    with pytest.raises(VisitorError, match="no name of a session"):
        join(served, "x" * 1_000)
