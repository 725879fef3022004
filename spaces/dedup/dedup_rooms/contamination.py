"""The room that finds rows of one split in another: train against test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import FileData

from dedup import examples, programs
from dedup.contamination import Contamination, compare, title
from dedup.report import splits_waiting
from dedup.request import SplitsRequest
from dedup_rooms.common import RENDERER, TITLE, example
from dedup_rooms.kept import EXAMPLE
from dedup_rooms.source import open_splits, source_fields
from dedup_rooms.splits_results import download, keep, push, shelved, written
from shared import entrances, hub, page
from shared.errors import VisitorError, for_visitor
from shared.figure import Figure
from shared.room import LIGHT, QUIET, Data, Room, Values, cancel_button, chip, open_room, run_button
from shared.steps import last, paced

QUEUE: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "splits"}
CANCELLED = VisitorError("The comparison was cancelled.", "Press Compare to start again.")


def contamination(request: SplitsRequest, files: list[FileData] | None = None) -> dict[str, Any]:
    """Compare every split (or file) with every other and with itself, exactly.

    Args:
        files: two files or more, each a split.

    Returns:
        matrix[i][j] with the rows of split i that split j holds too and their share, and leaks[] with split,
        row, in, match, jaccard and containment.
    """
    result = last(compare(open_splits(request, files, hub.local_token()), request))
    assert isinstance(result, Contamination)
    return dict(result.to_json())


def decontaminate(
    request: SplitsRequest, files: list[FileData] | None = None
) -> tuple[dict[str, Any], FileData, FileData]:
    """Remove from a split the rows that the others hold, such as the test's from train, exactly.

    Args:
        files: two files or more, each a split; the first, or that named by clean, loses rows.

    Returns:
        What contamination returns, the clean split in its own format, and every row that has a match as JSON
        lines.
    """
    result = last(compare(open_splits(request, files, hub.local_token()), request))
    assert isinstance(result, Contamination)
    clean, leaks, *_ = (FileData(path=path, orig_name=Path(path).name) for path in written(result))
    return dict(result.to_json()), clean, leaks


def programs_of(request: SplitsRequest, data: Data) -> dict[str, str]:
    """The program below a figure."""
    return {"The same comparison in plain Python": programs.splits_program(request, data["provenance"])}


def build(demo: gr.Blocks, tabs: gr.Tabs) -> Room:
    """Controls, figure, and their events."""
    first = examples.QUIZ
    with gr.Row(equal_height=True):
        files, dataset = source_fields(
            "Two files or more, each a split",
            first.dataset,
            examples.PAIRS,
            prefix="splits-",
            file_count="multiple",
        )
        splits = gr.Textbox(", ".join(first.splits), label="its splits", max_lines=1, scale=2, min_width=120)
        threshold = gr.Slider(0.1, 1, first.threshold, step=0.01, label="threshold", scale=3, min_width=160)
        buttons = run_button("Compare", elem_id="compare"), cancel_button(elem_id="compare-cancel")
    with gr.Accordion("Advanced: measure, config, shingles, the split to clean", open=False), gr.Row():
        measure = gr.Dropdown(
            [
                ("containment: share of the row’s shingles", "containment"),
                ("jaccard: shared by all shingles", "jaccard"),
                ("overlap: any ngram words in a row", "overlap"),
                ("longest: longest common run", "longest"),
            ],
            value=first.measure,
            label="measure",
            min_width=220,
        )
        ngram = gr.Textbox(
            str(first.ngram), label="ngram (words; 8 or 13 for overlap)", max_lines=1, min_width=150
        )
        clean = gr.Textbox("", label="split to clean", placeholder="the first", max_lines=1, min_width=150)
        config = gr.Textbox("", label="config of the Hub dataset", max_lines=1, min_width=150)
    with gr.Row(elem_classes="chips"):
        quiz = chip("Quiz questions")
    stored = example("quiz")
    figure = Figure(stored, folder=RENDERER, title="Contamination", elem_id="contamination")
    save = gr.Button("Prepare the clean split as a file", scale=0, min_width=260, elem_id="splits-save")
    taken = gr.Files(
        label="The split without rows that others hold, and every row that has a match",
        visible=False,
        interactive=False,
        elem_id="splits-files",
    )
    opens = entrances.result()
    result = gr.State(EXAMPLE)

    def run(request: SplitsRequest, values: Values) -> Iterator[Values]:
        parts = open_splits(request, values[files], hub.local_token())
        name = title([part.name for part in parts])
        for step in paced(compare(parts, request), lambda step: isinstance(step, Contamination)):
            if isinstance(step, Contamination):
                yield {figure: step.to_json(), result: keep(step)}
            else:
                yield {figure: splits_waiting(step, request, name)}

    room = open_room(
        demo,
        tabs=tabs,
        name="contamination",
        title=TITLE,
        request=SplitsRequest,
        controls={
            "dataset": dataset,
            "splits": splits,
            "threshold": threshold,
            "measure": measure,
            "config": config,
            "ngram": ngram,
            "clean": clean,
        },
        buttons=buttons,
        figure=figure,
        run=run,
        programs=programs_of,
        inputs=[files],
        outputs=[files, taken, result, opens],
        clears={taken: gr.Files(visible=False), result: None, opens: ""},
        stored=[stored],
        stopped=CANCELLED,
        queue=QUEUE,
    )
    files.upload(lambda: "", None, [dataset], **LIGHT)
    room.update(
        quiz.click,
        lambda _: {figure: stored, files: None, **room.form(first), **room.clears, result: EXAMPLE},
    )
    with gr.Accordion("Push the clean split to the Hub", open=False):
        page.push_row("Dataset to create or update, owner/name", push, [result])

    def prepare(state: Any) -> Any:
        try:
            paths = download(state)
            return gr.Files(value=paths, visible=True), entrances.links(shelved(state, Path(paths[0])))
        except Exception as error:  # noqa: BLE001  the page must go on whatever happened
            gr.Warning(str(for_visitor(error)))
            return gr.skip(), gr.skip()

    save.click(prepare, [result], [taken, opens], **{**QUEUE, **QUIET})
    return room
