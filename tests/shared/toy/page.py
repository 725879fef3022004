"""The toy's page, and its server: `python -m tests.shared.toy.page`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from shared import page, server
from shared.api import Argument, endpoint
from shared.errors import VisitorError
from shared.figure import Figure, stylesheet
from shared.gpu import on_gpu
from shared.room import Data, Room, Values, cancel_button, drawing, open_room, run_button
from shared.steps import last
from tests.shared.toy.request import Request

RENDERER = Path(__file__).parent / "js"


def seconds(request: Request) -> int:
    """GPU seconds to ask for."""
    return 5 + request.times


def words(request: Request, kind: str = "say") -> Iterator[Data]:
    """Say the word again and again, yielding what was said so far."""
    if request.word == "impossible":
        raise VisitorError("That word cannot be said.", "Say another.")
    said: list[str] = []
    for count in range(1, request.times + 1):
        time.sleep(request.pace)
        if request.word == "bug" and count == 2:
            raise ValueError("nobody foresaw this")
        word = request.word.upper() if request.loud else request.word
        said.append((word[::-1] if kind == "reverse" else word) + request.ending)
        done = count == request.times
        yield {"kind": kind, "done": done, "request": request.to_json(), "said": list(said)}


saying = on_gpu(duration=lambda request, *_: seconds(request))(words)


def say(request: Request, prefix: str = "", tally: int | None = None) -> dict[str, Any]:
    """Say a word several times.

    Args:
        prefix: what is said first;
            it may be long.
        tally: a number that comes back.

    Returns:
        said, a list of words.
    """
    data = last(saying(request))
    return {**data, "said": [*([prefix] if prefix else []), *data["said"]], "tally": tally}


def plain(text: str, times: int = 2) -> str:
    """Repeat a text.

    Args:
        text: what is repeated.
        times: how often.
    """
    if times > 5:
        raise VisitorError("That is too often.", "Use at most 5.")
    return text * times


def greet(request: Request) -> str:
    """Greet somebody."""
    return " ".join(last(words(request))["said"])


def greeting(name: str, times: int) -> Request:
    """The request of a greeting."""
    return Request.parse(word=f"Hello {name}", times=times)


def example(word: str) -> Data:
    """A stored figure."""
    return {**last(words(Request.parse(word=word))), "example": True}


def programs(request: Request, data: Data) -> dict[str, str]:
    """The program below the figure."""
    return {"The same in Python": f"print({request.word!r} * {request.times})  # {data['kind']}\n"}


def build_say(demo: gr.Blocks, tabs: gr.Tabs) -> Room[Request]:
    """A room with two runs, stored figures, and events of its own."""
    with gr.Row(equal_height=True):
        word = gr.Textbox("stored", label="word", elem_id="word")
        times = gr.Slider(1, 400, 3, step=1, label="times", elem_id="times")
        buttons = run_button("Say", elem_id="say"), cancel_button(elem_id="cancel")
        reverse, echo = gr.Button("Reverse", elem_id="reverse"), gr.Button("Echo", elem_id="echo")
    with gr.Row():
        pace = gr.Number(0, label="pace", elem_id="pace")
        loud = gr.Checkbox(label="loud", elem_id="loud")
        ending = gr.Textbox("!", label="ending", elem_id="ending")
        marks = gr.Textbox("", label="marks", lines=2, elem_id="marks")
    figure = Figure(example("stored"), folder=RENDERER, events=("more", "shout"), elem_id="figure")
    note = gr.Textbox("", label="note", elem_id="note")
    shadow = Figure(None, folder=RENDERER, elem_id="echo-figure")

    def run(request: Request, values: Values) -> Iterator[Values]:
        for data in saying(request):
            yield {figure: data, note: f"{values[note]} {len(data['said'])}".strip()}

    room = open_room(
        demo,
        tabs=tabs,
        name="say",
        title="Toy",
        request=Request,
        controls={"word": word, "times": times, "pace": pace, "loud": loud, "ending": ending, "marks": marks},
        buttons=buttons,
        figure=figure,
        run=run,
        programs=programs,
        inputs=[note],
        outputs=[note],
        clears={note: "cleared"},
        triggers=[word.submit],
        more_runs={"reverse": (reverse, drawing(figure, lambda request: saying(request, "reverse")))},
        marks=["word"],
        stored=[example("stored"), example("second")],
        seconds=lambda name, request: seconds(request) + (name == "reverse"),
    )

    def more(values: Values, event: gr.EventData) -> Iterator[Values]:
        said = values[room.state]["said"]
        yield {figure: {**values[room.state], "said": said * int(event.times)}}

    def shout(values: Values, event: gr.EventData) -> Values:
        if not values[room.state]["said"]:
            raise VisitorError("There is nothing to shout.", "Say something first.")
        return {
            figure: {**values[room.state], "said": [word + event.mark for word in values[room.state]["said"]]}
        }

    def repeat(values: Values) -> Iterator[Values]:
        for data in saying(room.parse({**values, loud: False, ending: "…"})):
            yield {shadow: data}

    room.connect(figure.more, more)
    room.connect(echo.click, repeat, figure=shadow)
    room.update(figure.shout, shout)
    return room


def build_sing(demo: gr.Blocks, tabs: gr.Tabs) -> Room[Request]:
    """A room without a first figure, whose cancelled run leaves nothing."""
    with gr.Row(equal_height=True):
        word = gr.Textbox("", label="song", elem_id="song")
        times = gr.Number(20, label="verses", elem_id="verses")
        pace = gr.Number(0, label="rest", elem_id="rest")
        buttons = run_button("Sing", elem_id="sing"), cancel_button(elem_id="hush")
    figure = Figure(None, folder=RENDERER, elem_id="song-figure")
    return open_room(
        demo,
        tabs=tabs,
        name="sing",
        title="Toy",
        request=Request,
        controls={"word": word, "times": times, "pace": pace},
        buttons=buttons,
        figure=figure,
        run=drawing(figure, lambda request: saying(request, "sing")),
        programs=programs,
        tab="song",
        stopped=VisitorError("The song was cut short.", "Sing again."),
    )


with page.page("Toy", "Words, said again and again.") as demo:
    with gr.Tabs(selected="say") as tabs:
        with gr.Tab("Say", id="say"):
            build_say(demo, tabs)
        with gr.Tab("Sing", id="song"):
            build_sing(demo, tabs)
    endpoint(say, Request, ["word", "times", "loud", "marks", "parts", "weights", "prefix", "tally"])
    endpoint(plain)
    whom = Argument("name", str, "you", "who is greeted")
    endpoint(greet, Request, [whom, Argument("times", int, 2, "how often")], parse=greeting)

if __name__ == "__main__":
    server.launch(demo, stylesheet(RENDERER))
