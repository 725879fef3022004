"""One room of a page: controls that make a request, a run that yields the growing figure, code and link
below.

A room is wired once, here: the button, Cancel, the link that opens it, errors in the figure's place, the
panel. Handlers get the values of the components by component, and yield new ones in the same way:

    def run(request: Request, values: Values) -> Iterator[Values]:
        for data in engine(request):
            yield {figure: data}

What is special about a room stays plain Gradio events beside it. The module is long because whatever happens
in a room is wired in this one place.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, wraps
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qs

import gradio as gr
from gradio.components import Component

from shared import gpu
from shared.app import App, Entrance
from shared.data import Tour
from shared.entrances import FILL
from shared.errors import VisitorError, for_visitor
from shared.figure import PACKED, UNPACK, Figure
from shared.page import PANEL, code_and_link, code_and_link_value, stored
from shared.request import Request
from shared.tour import Step

Asked = TypeVar("Asked", bound=Request)
Data = Mapping[str, Any]
"""What a figure shows."""
Values = dict[Any, Any]
"""Values by component."""
Run = Callable[[Any, Values], Iterator[Values]]
"""Called with a request and the values of the room's components; yields values, the figure's among them."""
Programs = Callable[[Any, Any], dict[str, str]]
"""Listings that reproduce a complete figure, by what each is, of its request and data."""

QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
"""Settings of a page's events: they are no endpoints, and the figure shows the progress."""

LIGHT: dict[str, Any] = {"queue": False, **QUIET}
"""Of events that answer at once and raise nothing: Gradio shows what queued events raise, no others."""

MODEL: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "model"}
"""Of events and endpoints that run a model: one at a time."""

LATEST: dict[str, Any] = {**LIGHT, "trigger_mode": "always_last"}
"""Of events that follow what a visitor types: no earlier answer arrives after a later one."""


def run_button(verb: str, **settings: Any) -> gr.Button:
    """A room's primary button, for the row of its main controls."""
    return gr.Button(verb, variant="primary", scale=0, min_width=140, elem_classes="run", **settings)


def cancel_button(**settings: Any) -> gr.Button:
    """The button beside a primary one."""
    return gr.Button("Cancel", scale=0, min_width=90, elem_classes="run", **settings)


def chip(label: str) -> gr.Button:
    """A small button for a stored example, for a row of class `chips`."""
    return gr.Button(label, size="sm", scale=0, min_width=60)


@dataclass(frozen=True)
class Room(Generic[Asked]):
    """A room that is wired, for what a page connects beside it.

    Args as those of `open_room`, and
        panel: code and link below the figure.
        state: what the figure shows, kept on the server.
        runs: by their names in links; the room's own comes first.
    """

    title: str
    request: type[Asked]
    controls: Mapping[str, Any]
    figure: Figure
    panel: Figure
    state: gr.State
    cancel: gr.Button
    programs: Programs
    inputs: Sequence[Component]
    outputs: Sequence[Component]
    clears: Values
    queue: Mapping[str, Any]
    runs: Mapping[str, Run]
    stopped: VisitorError | None

    def parse(self, values: Values) -> Asked:
        """The request that the controls make.

        Raises:
            VisitorError: as `Request.parse`.
        """
        return self.request.parse(**{name: values[box] for name, box in self.controls.items()})

    def form(self, request: Asked) -> Values:
        """A request as the values of the controls."""
        shown = request.to_form()
        return {box: control_value(box, shown[name]) for name, box in self.controls.items()}

    def follow(self, values: Values) -> Values:
        """Values with what follows from the figure's data: the state, and the panel once it is complete."""
        data = values.get(self.figure)
        if not isinstance(data, Mapping) or data.get("error"):
            return values
        complete = "request" in data and data.get("done", True)
        panel = below(self.title, self.request, self.programs, self.runs, data) if complete else gr.skip()
        return {self.state: data, self.panel: panel, **values}

    def stop(self, figure: Figure) -> None:
        """Let Cancel say in a figure that its run was stopped."""
        self.cancel.click(None, [figure, self.cancel], [figure, self.cancel], js=self._cancelling(), **LIGHT)

    def _cancelling(self) -> str:
        """JavaScript from a figure's value and Cancel's label to what they are once the run was stopped."""
        script = _CANCEL.replace("STOPPED", json.dumps(self.stopped.to_json() if self.stopped else None))
        script = script.replace("NOTHING", json.dumps(NOTHING.to_json())).replace("UNPACK", UNPACK)
        return script.replace("PACKED", PACKED)

    def connect(
        self,
        triggers: Any,
        handler: Callable[..., Iterator[Values]],
        *,
        figure: Figure | None = None,
        inputs: Sequence[Component] = (),
        outputs: Sequence[Any] = (),
        **settings: Any,
    ) -> Any:
        """Connect a run to events: `handler(values)` or `handler(values, event)`, ended by the room's Cancel.

        Args:
            triggers: an event listener such as `button.click` or `event.then`, or a list of the first.
            handler: yields values by component; an error stands in the figure's place.
            figure: a second figure that shows this run in the place of the room's own.
            inputs: whose values it gets beside the room's controls, state and inputs.
            outputs: what it may set beside the room's outputs.
            settings: of the event.

        Returns:
            The event, for `then`.
        """

        @wraps(handler)
        def started(*args: Any) -> Iterator[Values]:
            if self.clears and figure is None:
                yield self.clears
            yield from handler(*args)

        listen = partial(gr.on, triggers) if isinstance(triggers, list) else triggers
        event = listen(
            guarded(started, figure) if figure else guarded(started, self.figure, self.follow),
            {*self.controls.values(), self.state, *self.inputs, *inputs},
            [figure or self.figure, self.state, self.panel, *self.outputs, *outputs],
            **{**self.queue, **QUIET, **settings},
        )
        self.end(event, figure or self.figure)
        if figure:
            self.stop(figure)
        return event

    def update(self, trigger: Any, handler: Callable[..., Values], **settings: Any) -> Any:
        """Connect an event that needs no run: `handler(values)` or `handler(values, event)` answers at once.

        Args:
            trigger: an event listener.
            handler: returns values by component; an error stands in the figure's place.
            settings: of the event.
        """

        @wraps(handler)
        def answer(*args: Any) -> Values:
            try:
                return self.follow(handler(*args))
            except Exception as error:  # noqa: BLE001  the page must go on whatever happened
                return {self.figure: for_visitor(error).to_json()}

        given = {*self.controls.values(), self.state, *self.inputs}
        into = [self.figure, self.state, self.panel, *self.controls.values(), *self.outputs]
        return trigger(answer, given, into, **{**LIGHT, **settings})

    def end(self, event: Any, figure: Figure) -> None:
        """Let the room's Cancel end an event too, which draws into a figure.

        Gradio starts nothing more until the step that was running has ended; until then the button says so.
        What was on its way when Cancel was pressed may have been drawn over its word, so the figure is told
        once more.
        """
        self.cancel.click(None, cancels=[event], **LIGHT)
        plain = json.dumps(self.cancel.value)
        script = f"""async (value, label) =>
          [label === {plain} ? value : (await ({self._cancelling()})(value, label))[0], {plain}]"""
        event.then(None, [figure, self.cancel], [figure, self.cancel], js=script, **LIGHT)


def below(
    title: str, request: type[Request], programs: Programs, runs: Mapping[str, Run], data: Data
) -> Data:
    """Code and link of a complete figure; the link names the run that the data names as `kind`, or the
    first.
    """
    made_by = request.parse(**data["request"])
    query = made_by.to_query()
    link = "" if query is None else "&".join(filter(None, (f"room={_run_of(data, runs)}", query)))
    listings = programs(made_by, data)
    return code_and_link_value(title, listings, link, live=not data.get("example"), asked=data["request"])


def _run_of(data: Data, runs: Mapping[str, Run]) -> str:
    """The run that made a figure: the one that its data names as `kind`, or the first."""
    return str(data["kind"]) if data.get("kind") in runs else next(iter(runs))


def open_room(
    demo: gr.Blocks,
    *,
    name: str,
    title: str,
    request: type[Asked],
    controls: Mapping[str, Any],
    buttons: tuple[gr.Button, gr.Button],
    figure: Figure,
    run: Run,
    programs: Programs,
    inputs: Sequence[Component] = (),
    outputs: Sequence[Component] = (),
    clears: Values | None = None,
    triggers: Sequence[Any] = (),
    more_runs: Mapping[str, tuple[gr.Button, Run]] | None = None,
    tabs: gr.Tabs | None = None,
    tab: str | None = None,
    marks: Sequence[str] = (),
    stored: Sequence[Data] = (),
    seconds: Callable[[str, Any], int] | None = None,
    stopped: VisitorError | None = None,
    queue: Mapping[str, Any] = MODEL,
) -> Room[Asked]:
    """Connect a room's parts, and put the panel with code and link below its figure.

    Args:
        demo: the page.
        name: of the run in links.
        title: of the page.
        request: what the controls make.
        controls: by the request's own names; settings that no control shows keep their defaults.
        buttons: the one that starts `run`, and the one that ends it.
        figure: with the stored figure that is shown first.
        run: see `Run`.
        programs: listings that reproduce a complete figure, by what each is, of its request and data.
        inputs: whose values the run gets beside the request.
        outputs: what the run may set beside the figure.
        clears: what every run sets first, whatever comes of it: files and states of an earlier result go.
        triggers: events that start the run beside the button.
        more_runs: further buttons with their runs, by their names in links.
        tabs: the page's tabs, where a link has to open the room's.
        tab: the tab's id, where it is not `name`.
        marks: settings by which a link that names no room, as those of earlier versions, opens this one.
        stored: complete figures that a link with the same request shows without a run.
        seconds: GPU seconds that a run asks for, of its name and request; on ZeroGPU its button says so
            unless they are none.
        stopped: stands in the figure of a cancelled run; without it the figure keeps what it has, marked
            `cancelled`.
        queue: concurrency settings.
    """
    start, cancel = buttons
    starts = {name: start, **{other: button for other, (button, _) in (more_runs or {}).items()}}
    runs = {name: run, **{other: more for other, (_, more) in (more_runs or {}).items()}}
    first = figure.data
    panel = code_and_link(
        below(title, request, programs, runs, first) if first and "request" in first else None
    )
    room = Room(
        title=title,
        request=request,
        controls=controls,
        figure=figure,
        panel=panel,
        state=gr.State(first),
        cancel=cancel,
        programs=programs,
        inputs=inputs,
        outputs=outputs,
        clears=clears or {},
        queue=queue,
        runs=runs,
        stopped=stopped,
    )
    if isinstance(demo, App):
        demo.rooms |= _entrances(figure, request, runs, stored)
        if tabs:
            demo.tabs.setdefault(tab or name, []).extend(runs)
    room.stop(figure)
    for which, button in starts.items():
        room.connect([button.click, *(triggers if button is start else ())], _pressed(room, runs[which]))
    verbs = {run: str(button.value) for run, button in starts.items()}
    _open_links(demo, room, verbs, marks, stored, tabs, tab or name)
    if isinstance(demo, App) and demo.folder and name in demo.tours:
        _show_steps(demo.folder / "examples", room, name, demo.tours[name])
    if seconds and gpu.on_zero_gpu():
        for which, button in starts.items():
            say_cost(room, button, partial(seconds, which))
    return room


def _entrances(
    figure: Figure, request: type[Request], runs: Mapping[str, Run], stored: Sequence[Data]
) -> dict[str, Entrance]:
    """What links to a room's runs open, by the runs' names."""
    first, room = figure.data, next(iter(runs))
    with_request = [data for data in (first, *stored) if data and "request" in data]
    links: dict[str, list[str]] = {run: [] for run in runs}
    for data in with_request:
        query = request.parse(**data["request"]).to_query()
        if query is not None:
            links[_run_of(data, runs)].append(query)
    shown = links[_run_of(first, runs)][0] if first in with_request and links[_run_of(first, runs)] else ""
    return {
        run: Entrance(
            figure.document_title,
            figure.elem_id or "",
            room,
            request,
            tuple(dict.fromkeys(queries)),
            shown if first and _run_of(first, runs) == run else "",
        )
        for run, queries in links.items()
    }


def drawing(figure: Figure, steps: Callable[[Any], Iterator[Data]]) -> Run:
    """A run that draws what `steps` yields for a request, and sets nothing beside the figure."""

    def run(request: Request, _: Values) -> Iterator[Values]:
        for data in steps(request):
            yield {figure: data}

    return run


def _pressed(room: Room[Any], run: Run) -> Callable[[Values], Iterator[Values]]:
    def handler(values: Values) -> Iterator[Values]:
        yield from run(room.parse(values), values)

    return handler


def _open_links(
    demo: gr.Blocks,
    room: Room[Any],
    verbs: Mapping[str, str],
    marks: Sequence[str],
    stored: Sequence[Data],
    tabs: gr.Tabs | None,
    tab: str,
) -> None:
    """Run what the address of a visitor's page describes, where it names one of the room's runs; without any
    setting it opens the room's tab.

    A load event that answers "nothing to do" would wait in the queue behind the runs of others and then touch
    the controls that the visitor has already begun to fill in: so a hidden field takes the query, at once.
    """
    folds = {name: _folds_around(box) for name, box in room.controls.items()}
    link = gr.Textbox("", visible="hidden", label="Link")  # a State would call its own skip a change
    place = gr.Textbox("", visible="hidden", label="Tab")

    def query_of(page: gr.Request) -> list[Any]:
        query = str(page.query_params)
        given = parse_qs(query, keep_blank_values=True)
        known = room.runs if "room" in given else {mark.removesuffix("=") for mark in marks}
        names = given["room"][-1:] if "room" in given else given
        named = any(name in known for name in names)
        return [query if named and room.request.is_in(query) else gr.skip(), tab if named else gr.skip()]

    def opened(values: Values) -> Iterator[Values]:
        query = values[link]
        named = parse_qs(query).get("room", [next(iter(room.runs))])[-1]
        if FILL in parse_qs(query):
            shown = {name: values[box] for name, box in room.controls.items()}
            request = room.request.from_query(query, shown)
            said = f"The fields hold what the link names; this figure is not of it yet. Press {verbs[named]}."
            panel = room.follow({room.figure: values[room.state]}).get(room.panel)
            aside = {room.panel: {**panel, "filled": said}} if isinstance(panel, Mapping) else {}
            named_in = room.request.names_in(query)
            unfolded = {fold: gr.Accordion(open=True) for name in named_in for fold in folds.get(name, ())}
            # the figure too: where Gradio sets a field that no tab has shown yet, it empties its neighbours
            yield {room.figure: values[room.state], **room.form(request), **aside, **unfolded}
            return
        request = room.request.from_query(query)
        for data in stored:
            if _run_of(data, room.runs) == named and room.request.parse(**data["request"]) == request:
                yield told(query, {room.figure: data, **room.form(request)})
                return
        yield {room.figure: None, **room.form(request)}
        for news in room.runs[named](request, values):
            yield told(query, news)

    def told(query: str, values: Values) -> Values:
        """Values whose panel knows that the page's address asked for them."""
        values = room.follow(values)
        panel = values.get(room.panel)
        return {**values, room.panel: {**panel, "opened": query}} if isinstance(panel, Mapping) else values

    demo.load(query_of, None, [link, place], **LIGHT)
    if tabs:
        # An event that has the tabs among its outputs and leaves them as they are has the page write down
        # which tab it sees open. Where it comes right behind the event that opens another, that is the old
        # one: so the tabs are the output of this event alone.
        place.change(lambda: gr.Tabs(selected=tab), None, tabs, **LIGHT)
    unfoldable = dict.fromkeys(fold for around in folds.values() for fold in around)
    room.connect(link.change, opened, inputs=[link], outputs=[*room.controls.values(), *unfoldable])


def _folds_around(box: Component) -> list[gr.Accordion]:
    """The closed accordions that a control lies in."""
    around, parent = [], box.parent
    while parent is not None:
        if isinstance(parent, gr.Accordion) and not parent.open:
            around.append(parent)
        parent = parent.parent
    return around


def _show_steps(folder: Path, room: Room[Any], name: str, steps: Sequence[Step]) -> None:
    """What walks through stored results; at the end the visitor's own comes back."""
    results = [stored(folder, step.example) for step in steps]
    value: Tour = {
        "room": name,
        "steps": [
            {
                "says": step.sentence(data),
                "view": step.view,
                "seen": dict(step.seen),
                "asked": data["request"],
            }
            for step, data in zip(steps, results, strict=True)
        ],
    }
    tour = Figure(value, folder=PANEL, events=("step", "leave"), elem_classes="tour")
    before = gr.State(None)
    boxes = list(room.controls.values())

    def step(values: Values, event: gr.EventData) -> Values:
        data = results[min(max(int(event.at), 0), len(results) - 1)]
        kept = None if event.own else values[before]  # what a visitor ran in between is theirs now
        kept = kept or ({box: values[box] for box in boxes}, values[room.state])
        request = room.request.parse(**data["request"])
        return {before: kept, **room.follow({room.figure: data, **room.form(request)})}

    def leave(values: Values, event: gr.EventData) -> Values:
        if values[before] is None or event.own:
            return {before: None}
        form, data = values[before]
        return {before: None, **form, **room.follow({room.figure: data}), room.state: data}

    into = [room.figure, room.state, room.panel, before, *boxes]
    tour.step(step, {*boxes, room.state, before}, into, **LIGHT)
    tour.leave(leave, {before}, into, **LIGHT)


def say_cost(room: Room[Any], button: gr.Button, seconds: Callable[[Any], int]) -> None:
    """Let a button say how many GPU seconds the controls' request asks for, on ZeroGPU."""
    verb = button.value

    def label(request: Request) -> str:
        asked = seconds(request)
        return f"{verb} · up to {gpu.charged(asked)} s of GPU" if asked else verb

    def relabelled(values: Values) -> Any:
        try:
            return label(room.parse(values))
        except VisitorError:
            return gr.skip()

    first = room.figure.data
    button.value = label(
        room.request.parse(**first["request"]) if first and "request" in first else room.request()
    )
    boxes = set(room.controls.values())
    gr.on([box.change for box in boxes], relabelled, boxes, [button], **LATEST)


def guarded(
    handler: Callable[..., Iterator[Values]],
    figure: Figure,
    follow: Callable[[Values], Values] = lambda values: values,
) -> Callable[..., Iterator[Values]]:
    """A page's generator with errors in the figure's place; everything else keeps its value."""

    @wraps(handler)
    def safe(*args: Any) -> Iterator[Values]:
        try:
            for values in handler(*args):
                yield follow(values)
            # Gradio sends the last value once more with the word that a run is over: let it be none
            yield {figure: gr.skip()}
        except Exception as error:  # noqa: BLE001  the page must go on whatever happened
            yield {figure: for_visitor(error).to_json()}

    return safe


def control_value(box: Component, value: Any) -> Any:
    """A setting as its control shows it: text in a text field, a list or a number elsewhere."""
    if isinstance(value, tuple):
        value = list(value)
    if not isinstance(box, gr.Textbox):
        return value
    if isinstance(value, list):
        return "\n".join(map(str, value))
    if isinstance(value, dict):
        return json.dumps(value)
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None else str(value)


NOTHING = VisitorError("The run was cancelled.", "Start it again.")
"""What is left of a run that was cancelled before anything of it could be drawn."""
_CANCEL = """(value, label) => {
  const stopped = (text) => {
    const data = text ? JSON.parse(text) : null;
    if (data?.done !== false || data.cancelled) return [value, label];
    const left = data.drawable === false ? NOTHING : { ...data, cancelled: true };
    return [JSON.stringify(STOPPED ?? left), "Stopping …"];
  };
  return value?.startsWith("PACKED") ? (UNPACK)(value).then(stopped) : stopped(value);
}"""
