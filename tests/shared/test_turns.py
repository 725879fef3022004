"""What answers beside the queue: one at a time, a few wait, the rest is told so and holds nobody up."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import gradio as gr
import pytest

from shared import files, limits, server, sessions
from shared.errors import VisitorError
from shared.figure import Figure
from shared.turns import BUSY
from tests.conftest import ROOT, ask

FOLDER = ROOT / "shared/panel"
CALLS = 60


class Room:
    """A page whose figure has a function that answers when it is let."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.asked: list[int] = []

        def slow(argument: int) -> int:
            self.asked.append(argument)
            self.go.wait(60)
            return argument

        def counted(number: int) -> int:
            return number + 1

        with gr.Blocks(analytics_enabled=False) as demo:
            self.figure = Figure(folder=FOLDER, fetch=(slow,))
            self.state = gr.State(0)
            demo.load(lambda: None, api_name="queued")
            gr.api(counted, api_name="counted")
        server.queue(demo)
        _, self.url, _ = demo.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False)
        self.demo = demo

    def post(self, path: str, body: dict) -> tuple[int, object]:
        request = urllib.request.Request(
            f"{self.url}gradio_api/{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=90) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def call(self, number: int) -> object:
        body = {"session_hash": f"s{number}", "component_id": self.figure._id, "fn_name": "slow"}
        return self.post("component_server", {**body, "data": number})[1]


@pytest.fixture
def room():
    made = Room()
    yield made
    made.go.set()
    made.demo.close(verbose=False)


def test_many_calls_of_a_slow_function_stop_no_page(room):
    """Sixty small posts took every thread of the server; now all but a few are refused while the first
    computes.
    """
    with ThreadPoolExecutor(CALLS) as pool:
        calls = [pool.submit(room.call, number) for number in range(CALLS)]
        refused: list = []
        while len(refused) < CALLS - limits.MAX_WAITING - 1:
            refused = [call for call in calls if call.done()]
            time.sleep(0.01)
        assert all(call.result() == BUSY.to_json() for call in refused)
        assert len(room.asked) == 1
        # Gradio answers this in one of its threads
        assert urllib.request.urlopen(f"{room.url}theme.css", timeout=30).status == 200
        room.go.set()
        answers = [call.result() for call in calls if call not in refused]
    assert sorted(answers) == sorted(room.asked) and len(answers) == limits.MAX_WAITING + 1
    assert room.call(1_000) == 1_000


def test_nobody_passes_the_queue_by(room):
    status, _ = room.post("run/queued", {"data": [], "session_hash": "s"})
    assert status == 404


def test_an_error_reaches_the_figure_in_two_sentences(caplog):
    def refuses(_: object) -> None:
        raise VisitorError("No.", "Ask another.")

    def breaks(argument: dict) -> None:
        return argument["missing"]

    assert ask(refuses, {}) == {"error": {"what": "No.", "remedy": "Ask another."}}
    assert "KeyError" in ask(breaks, {})["error"]["what"]


def test_a_figures_functions_are_all_in_turn():
    """Gradio awaits them: none takes one of the threads that the pages share."""
    import inspect

    def text(_: object) -> str:
        return "x"

    made = Figure(folder=Path(FOLDER), fetch=(text,))
    names = {function.__name__ for function in made.server_fns}
    assert names == {"standalone_file", "text", "first", "script"}
    assert all(inspect.iscoroutinefunction(function) for function in made.server_fns)


def test_a_session_that_keeps_nothing_is_forgotten(room):
    """Gradio remembers a copy of a page's configuration for ten thousand sessions, and a call of the API
    without a client is a session of its own.
    """
    for number in range(30):
        status, answer = room.post("call/counted", {"data": [number]})
        assert status == 200
        with urllib.request.urlopen(
            f"{room.url}gradio_api/call/counted/{answer['event_id']}", timeout=30
        ) as stream:
            assert f"[{number + 1}]" in stream.read().decode()
    holder = room.demo.state_holder
    before = len(holder.session_data)
    assert before >= 30
    holder["a-page"][room.state._id] = 5
    holder["choices"][room.figure._id] = Figure(folder=FOLDER)  # a handler gave the component new settings
    sessions.forget(room.demo)
    assert len(holder.session_data) == before + 2  # each may be in the middle of a run
    for name in holder.time_last_used:
        holder.time_last_used[name] -= timedelta(seconds=2 * files.SWEEP_SECONDS)
    sessions.forget(room.demo)
    assert set(holder.session_data) == {"a-page", "choices"} == set(holder.time_last_used)
    for name in holder.time_last_used:
        holder.time_last_used[name] -= timedelta(seconds=files.RESULT_SECONDS)
    sessions.forget(room.demo)
    assert not holder.session_data
