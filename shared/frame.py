"""The former home of what is now in page, room, server, files, steps, api and errors; goes with its last
user.
"""

import functools
import json
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from shared.api import _guarded as for_api  # noqa: F401
from shared.errors import (
    VisitorError,
    unexpected,
)
from shared.figure import Figure
from shared.files import RESULT_SECONDS, expire, result_folder, upload_folder, zipped  # noqa: F401
from shared.page import *  # noqa: F403
from shared.page import code_and_link as panel  # noqa: F401
from shared.page import code_and_link_value as panel_value  # noqa: F401
from shared.room import LIGHT, QUIET, cancel_button  # noqa: F401
from shared.server import COMPRESSION, address, launch, queue  # noqa: F401
from shared.steps import last  # noqa: F401
from shared.theme import theme  # noqa: F401

HEAVY = {"concurrency_limit": 1, "concurrency_id": "model", **QUIET}


def for_page(
    function: Callable[..., Iterator[Any]], figure_index: int = 0, outputs: int = 1
) -> Callable[..., Iterator[Any]]:
    """Wrap a page's generator so that an error stands where the figure would; the other outputs keep their
    values.

    Args:
        function: generator that yields `outputs` values, or one value where `outputs` is 1.
        figure_index: which output is the figure.
        outputs: how many outputs there are.
    """

    @functools.wraps(function)
    def safe(*args: Any) -> Iterator[Any]:
        try:
            yield from function(*args)
        except Exception as error:  # noqa: BLE001  the page must go on whatever happened
            shown = error if isinstance(error, VisitorError) else unexpected(error)
            values = [gr.skip()] * outputs
            values[figure_index] = shown.to_json()
            yield values[0] if outputs == 1 else values

    return safe


def on_link(
    demo: gr.Blocks, mark: str, function: Callable[[str], Iterator[Any]], outputs: list[Any], **settings: Any
) -> Any:
    """Run `function` for a visitor whose URL has `mark` in its query; every other visitor's page is left as
    it is.

    A load event that answers "nothing to do" would wait in the queue behind the runs of others and then
    touch the controls that the visitor has already begun to fill in.

    Args:
        demo: the app.
        mark: what every link of this page has in its query, such as `prompt=`.
        function: generator that gets the query string and yields `outputs`.
        outputs: the components.
        settings: of the event that runs `function`.

    Returns:
        The event, for `cancels`.
    """

    def query_of(page: gr.Request) -> Any:
        query = str(page.query_params)
        return query if mark in query else gr.skip()

    link = gr.Textbox("", visible="hidden", label="Link")  # a State would call its own skip a change
    demo.load(query_of, None, [link], queue=False, show_progress="hidden", api_visibility="private")
    return link.change(function, [link], outputs, **settings)


_CANCEL = """(...values) => {
  let running = false;
  const shown = values.slice(0, -1).map((value) => {
    const data = value ? JSON.parse(value) : null;
    if (data?.done !== false || data.cancelled) return value;
    running = true;
    return JSON.stringify(STOPPED ?? { ...data, cancelled: true });
  });
  return [...shown, running ? "Stopping …" : values.at(-1)];
}"""


def on_cancel(
    button: gr.Button, runs: list[Any], figures: list[Figure], stopped: VisitorError | None = None
) -> None:
    """Make a button cancel runs, and leave the page as it is where nothing runs.

    Gradio starts nothing more until the step that was running has ended; until then the button says so.

    Args:
        button: of the page.
        runs: the events to cancel.
        figures: where they show what they do; their data has `done: false` while a run goes on.
        stopped: what stands in a figure whose run was cancelled; without it the figure keeps what it has,
            marked `cancelled`.
    """
    script = _CANCEL.replace("STOPPED", json.dumps(stopped.to_json() if stopped else None))
    button.click(
        None,
        [*figures, button],
        [*figures, button],
        js=script,
        cancels=runs,
        queue=False,
        api_visibility="private",
        show_progress="hidden",
    )
    for run in runs:
        run.then(None, None, [button], js=f"() => {json.dumps(button.value)}")
