"""The room in which the model as it is and the edited one answer the same messages side by side."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import gradio as gr

from abliteration import data, programs
from abliteration.chat_request import BETWEEN, ChatRequest, written
from abliteration.outcome import chat as outcome
from abliteration.outcome.run import prepare
from abliteration.request import with_direction
from abliteration_rooms.controls import (
    RENDERER,
    TITLE,
    Controls,
    example,
    is_done,
    open_tab,
    show,
)
from shared import gpu, page
from shared.errors import VisitorError
from shared.figure import Figure
from shared.room import LIGHT, Data, Room, Values, cancel_button, say_cost
from shared.steps import last, paced

SECONDS, FOR_AN_EDIT, FOR_A_TOKEN = 40, 25, 0.05
NONE, STORED = ("no second edit", ""), "the best ablation of the stored search"


def seconds(request: ChatRequest, known: Sequence[data.Turn] = ()) -> int:
    """GPU seconds to ask for, by the edits and by the tokens that all models may write; not measured on
    ZeroGPU yet, so generous.

    Args:
        request: of the run.
        known: turns that are answered already.
    """
    edits = 2 if request.second else 1
    tokens = max(1, len(request.messages) - len(known)) * request.reply_tokens * (1 + edits)
    return SECONDS + FOR_AN_EDIT * edits + math.ceil(FOR_A_TOKEN * tokens)


@gpu.on_gpu(duration=seconds)
def compute(request: ChatRequest, known: Sequence[data.Turn]) -> Iterator[Data]:
    """The part of a run that has the GPU."""
    yield from paced(outcome.chat(request, known), is_done)


def steps(request: ChatRequest, known: Sequence[data.Turn] = ()) -> Iterator[Data]:
    """A run: the growing figure, the complete one last.

    Args:
        request: of the run.
        known: turns that the same settings have answered.

    Raises:
        VisitorError: there is no message, or as `prepare`.
    """
    if not request.messages:
        raise VisitorError("There is no message.", "Write one, and press Send.")
    for one in request.edits():
        yield from prepare("chat", one)
    yield from compute(request, known)


def chat(request: ChatRequest) -> dict[str, Any]:
    """Send messages to the model as it is and to the edited one, each going on with its own answers, and say
    where their answers part.

    Returns:
        turns (base, edited and second with text, parts: tokens shared with the base's answer, and kl of the
        first token in nats).
    """
    return dict(last(steps(request)))


def request_of(**values: Any) -> ChatRequest:
    """The request of an API call, as `with_direction`."""
    made = with_direction(kind=ChatRequest, **values)
    assert isinstance(made, ChatRequest)
    return made


def going_on(request: ChatRequest, shown: Any) -> tuple[ChatRequest, list[data.Turn]]:
    """The conversation that the page shows with further messages, and the turns of it that stay: those that
    all models have answered to the end, so that a link asks the same again.

    Answers of other settings are not kept: the messages are then asked anew.

    Args:
        request: with the new messages alone.
        shown: the figure's data.

    Raises:
        VisitorError: the conversation becomes too long.
    """
    if not talked(shown):
        return request, []
    turns = [turn for turn in shown["turns"] if turn["done"]]
    messages = [*(turn["message"] for turn in turns), *request.messages]
    whole = ChatRequest.parse(**{**request.to_json(), "messages": messages})
    # not parsed: what it names may have expired since
    same = {**whole.to_json(), "messages": shown["request"]["messages"]} == shown["request"]
    return whole, turns if same else []


def talked(shown: Any) -> bool:
    """Whether a figure's data has a conversation of the visitor's, be it whole or stopped."""
    return isinstance(shown, dict) and bool(shown.get("turns")) and not shown.get("example")


def programs_of(request: ChatRequest, _: Data) -> dict[str, str]:
    """The program below a figure."""
    return {
        "The same conversation from the API of a running demo": programs.chat_program(request, page.ADDRESS)
    }


def build(demo: gr.Blocks, tabs: gr.Tabs, controls: Controls) -> Room[ChatRequest]:
    """The message's field, buttons, figure, and their events."""
    first = example("chat")
    request = ChatRequest.parse(**first["request"])
    bare: dict[str, Any] = {"container": False, "show_label": False}
    with gr.Row(equal_height=True):
        message = gr.Textbox(
            label="Message to both models",
            placeholder=f"A message to both models; a line {BETWEEN} stands between two",
            lines=1,
            max_lines=6,
            scale=4,
            min_width=240,
            elem_id="chat-message",
            **bare,
        )
        second = gr.Dropdown(
            _listed([]),
            allow_custom_value=True,
            label="A second edit, of this session",
            scale=2,
            min_width=180,
            elem_id="chat-second",
            **bare,
        )
        send = gr.Button(
            "Send",
            variant="primary",
            scale=0,
            min_width=110,
            elem_classes="run",
            elem_id="run-chat",
        )
        new = gr.Button("New chat", scale=0, min_width=110, elem_classes="run", elem_id="new-chat")
        cancel = cancel_button(elem_id="cancel-chat")
    figure = Figure(first, folder=RENDERER, title=f"{TITLE}: chat", elem_id="chat")
    with gr.Accordion("How they answer: length, temperature, seed", open=False), gr.Row():
        own: dict[str, Any] = {"messages": message, "second": second}
        for name, label in (
            ("reply_tokens", "tokens of an answer"),
            ("temperature", "temperature (0: likeliest token)"),
            ("chat_seed", "seed of the draws"),
        ):
            own[name] = gr.Textbox(label=label, max_lines=1, min_width=150, elem_id=f"chat-{name}")
    show(request, own)

    def run(asked: ChatRequest, values: Values) -> Iterator[Values]:
        if not str(values[message]).strip() and asked == room.parse(values):  # New chat, and nothing to ask
            yield {figure: None, room.state: None, room.panel: None}
            return
        yield from emptied(controls.follow(figure, steps(asked), values))

    def emptied(shown: Iterator[Values]) -> Iterator[Values]:
        for step in shown:
            yield {**step, message: ""} if is_done(step[figure]) else step

    room = open_tab(
        demo,
        tabs,
        controls,
        figure,
        run,
        name="chat",
        request=ChatRequest,
        own=own,
        buttons=(new, cancel),
        outputs=[message],
        programs=programs_of,
        stopped=None,  # what was said until then stays
        seconds=lambda _, asked: seconds(asked),
    )

    def go_on(values: Values) -> Iterator[Values]:
        asked = room.parse(values)
        if not str(values[message]).strip():
            asked = replace(asked, messages=())
        shown = values[room.state]
        whole, known = going_on(asked, shown)
        grown = controls.follow(figure, steps(whole, known) if asked.messages else steps(asked), values)
        for step in emptied(grown):
            if talked(shown) and not step[figure]["drawable"]:  # what was said stays in view
                step[figure] = {**shown, "done": False, "progress": step[figure]["progress"]}
            yield step

    room.connect([send.click, message.submit], go_on)
    if gpu.on_zero_gpu():
        say_cost(room, send, seconds)
    controls.kept.change(_choices, [controls.kept], [second], **LIGHT)
    return room


def _choices(kept: list[dict[str, Any]]) -> gr.Dropdown:
    """The list of a session's edits."""
    return gr.Dropdown(choices=_listed(kept))


def _listed(kept: list[dict[str, Any]]) -> list[tuple[str, str]]:
    stored = ChatRequest.parse(**example("chat")["request"]).second
    return [NONE, (STORED, written(stored)), *((one["label"], written(one["settings"])) for one in kept)]
