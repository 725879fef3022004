"""The room that removes near-duplicates from one dataset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.data_classes import FileData

from dedup import examples, programs, reading, semantic
from dedup.chat import PARTS
from dedup.clusters import METHODS
from dedup.data import Plan as PlanData
from dedup.engine import Progress, Result, make_plan, settled
from dedup.engine import deduplicate as steps_of
from dedup.kinds import KINDS
from dedup.minhash import Plan
from dedup.outcome import outcome
from dedup.report import report, to_json, waiting
from dedup.request import KEEP, Request
from dedup.shingles import UNITS
from dedup.texts import compared, likely_columns
from dedup_rooms.common import RENDERER, TITLE, example
from dedup_rooms.kept import EXAMPLE, STATEMENTS
from dedup_rooms.results import download, keep, kept_file, push, shelved
from dedup_rooms.source import checkpoints, either, open_rows, source_fields
from shared import entrances, hub, limits, page
from shared.errors import VisitorError, for_visitor
from shared.figure import Figure
from shared.numbers import counted
from shared.room import LIGHT, QUIET, Data, Room, Values, cancel_button, chip, open_room, run_button
from shared.steps import last, paced

QUEUE: dict[str, Any] = {"concurrency_limit": 2, "concurrency_id": "rows"}
"""Two visitors' rows at a time."""

MAX_CHOICES = 200
"""Columns to choose from; any other can be written."""

CANCELLED = VisitorError(
    "The run was cancelled.", "Its signatures are kept for a day: press Deduplicate to go on."
)

MEASURES = [
    ("jaccard: words, each pair proven", "jaccard"),
    ("cosine: vectors, a hint", "cosine"),
    ("meaning: vectors, then read by a model", "meaning"),
]
PLANS = {
    "cosine": f"Plan: at most {limits.MAX_SEMANTIC_ROWS:,} different rows, by the cosine of static vectors · "
    f"up to {semantic.EXACT_ROWS:,} every pair is compared, past that those that share a cell",
    "meaning": "Plan: pairs whose vectors are near · without those that differ in a number, a sign, a "
    f"negation or a name · the rest read by a language model, up to {reading.MAX_READ['cpu']:,} tokens on a "
    "processor",
}
"""Where rows are compared by vectors, by the measure."""


def deduplicate(
    request: Request, file: FileData | None = None, files: list[FileData] | None = None
) -> tuple[dict[str, Any], FileData]:
    """Remove near-duplicate rows from a dataset; under the measure jaccard every pair that joins two rows is
    proven exactly.

    With the method leader each removed row is itself that similar to the row that stays in its place. With
    components, or a goal, it may be joined to that row through others: removed_rows gives the exact
    similarity of the two.

    Args:
        file: CSV, TSV, JSONL, JSON, Parquet, Arrow, XLSX or text.
        files: instead of it several such files, which are one dataset.

    Returns:
        A report (rows, kept, removed, clusters, pairs, precision and recall of pairs, recall_interval,
        seconds, removed_rows with row, keeper and jaccard) and the kept rows as a file of the input's format.
        Of several files they are a zip archive with one of each, and row_in and keeper_in tell file and row.
        Where the measure is cosine or meaning, precision is null and jaccard is the cosine; by_labels says
        what your labels of the drawn pairs do.
    """
    result = last(
        steps_of(open_rows(request, either(file, files), hub.local_token()), request, checkpoints())
    )
    assert isinstance(result, Result)
    kept = outcome(result)
    path = kept_file(result, kept.kept)
    return dict(report(result, kept)), FileData(path=str(path), orig_name=path.name)


def plan(
    request: Request, file: FileData | None = None, files: list[FileData] | None = None
) -> dict[str, Any]:
    """What a deduplication would cost and find, before it is run; parameters as of deduplicate.

    Args:
        file: CSV, TSV, JSONL, JSON, Parquet, Arrow, XLSX or text.
        files: instead of it several such files, which are one dataset.

    Returns:
        num_perm, num_bands, rows_per_band, expected_recall (of a pair at the threshold), candidates, seconds,
        megabytes, rows, columns, and curve: pairs of similarity and probability of becoming a candidate.
    """
    rows = open_rows(request, either(file, files), hub.local_token())
    texts = compared(rows, request)
    bands = make_plan(texts.texts, settled(request, texts))
    return {**bands.to_json(), "rows": rows.rows, "columns": list(texts.columns)}


def programs_of(request: Request, data: Data) -> dict[str, str]:
    """The programs below a figure."""
    origin = data["provenance"]
    columns, held = origin["columns"], origin.get("held", ())
    source = [file["name"] for file in origin.get("files", ())] or origin["source"]
    if request.by_vectors:
        program = programs.cosine_program(request, columns, source, origin["embedding"], held)
        name = "The same comparison" if request.measure == "cosine" else "The candidates alone,"
        return {f"{name} with model2vec": program}
    bands = Plan(**{name: data["plan"][name] for name in Plan.__dataclass_fields__})
    listings = {
        "The same run with rensa alone": programs.rensa_program(request, bands, columns, source, held)
    }
    try:
        program = programs.datatrove_program(request, bands, columns, source)
    except VisitorError as error:  # datatrove compares words only
        program = f"# {error}"
    return {**listings, "The same run past one machine, with datatrove": program}


def plan_sentence(values: Mapping[str, Any], file: Any) -> str:
    """The plan for the controls' values in words, or the sentences of the error."""
    try:
        request = Request.parse(**values)
        if request.by_vectors:
            return PLANS[request.measure]
        rows = open_rows(request, file)
        text = compared(rows, request)
        bands = make_plan(text.texts, settled(request, text))
    except VisitorError as error:
        return str(error)
    return plan_words(bands.to_json(), rows.rows, request.threshold, rows.name)


def plan_words(bands: PlanData, rows: int, threshold: float, name: str) -> str:
    """A plan as a sentence that says which rows it is for."""
    expected = f"{bands['expected_recall']:.4f}" if bands["expected_recall"] < 0.9999 else "0.9999 or more"
    return (
        f"Plan for {name[:60]}: {counted(rows, 'row')} · {bands['num_bands']} × {bands['rows_per_band']} "
        f"bands find a pair at {threshold:g} with probability {expected} · about "
        f"{counted(bands['candidates'] or 0, 'candidate')} to verify · about "
        f"{max(bands['megabytes'], 0.1):,.1f} MB and {max(bands['seconds'], 0.1):,.1f} s"
    )


def build(demo: gr.Blocks, tabs: gr.Tabs) -> Room:
    """Controls, figure, and their events."""
    first = examples.KITCHEN
    with gr.Row(equal_height=True):
        file, dataset = source_fields(
            "Files: CSV, JSONL, Parquet …", first.dataset, examples.DATASETS, file_count="multiple"
        )
        columns = gr.Dropdown(
            list(first.columns),
            value=list(first.columns),
            label="Columns to compare",
            multiselect=True,
            allow_custom_value=True,
            scale=3,
            min_width=180,
            elem_id="columns",
            elem_classes="one-line",
        )
        threshold = gr.Slider(
            *(0.1, 1, first.threshold),
            step=0.01,
            label="threshold",
            scale=3,
            min_width=170,
            elem_id="threshold",
        )
        buttons = run_button("Deduplicate", elem_id="start"), cancel_button(elem_id="cancel")
    with gr.Accordion("Advanced: words or meaning, split, shingles, keep, recall, limits", open=False):
        controls = {
            "dataset": dataset,
            "columns": columns,
            "threshold": threshold,
            **_advanced(first),
        }
    stored, meaning = example("kitchen"), example("statements")
    words = page.quiet(plan_words(stored["plan"], stored["rows"], first.threshold, first.dataset))
    with gr.Row(elem_classes="chips"):
        kitchen = chip("Kitchen notes")
        statements = chip("Same meaning?")
        sentence = gr.HTML(words, elem_classes="quiet", elem_id="plan", padding=False)
    figure = Figure(
        stored,
        folder=RENDERER,
        events=("choice", "threshold", "spare", "labels"),
        title=TITLE,
        elem_id="figure",
    )
    save = gr.Button("Prepare the kept rows as a file", scale=0, min_width=260, elem_id="save")
    files = gr.Files(
        label="Kept rows in the input's format, and the removed rows with their keepers",
        visible=False,
        interactive=False,
        elem_id="files",
    )
    opens = entrances.result()
    result, choice = gr.State(EXAMPLE), gr.State(None)

    def run(request: Request, values: Values) -> Iterator[Values]:
        upload = values[file]
        name = ", ".join(Path(path).name for path in upload or ()) or request.dataset
        begun = waiting(Progress("read", "Reading the rows", 0, 1), request, name)
        yield {figure: begun, sentence: page.quiet("")}
        rows = open_rows(request, upload, hub.local_token())
        for step in paced(steps_of(rows, request, checkpoints()), lambda step: isinstance(step, Result)):
            if isinstance(step, Result):
                data = to_json(step, outcome(step))
                said = PLANS.get(request.measure, "")
                if data["plan"] is not None:
                    said = plan_words(data["plan"], step.dataset.rows, request.threshold, step.dataset.name)
                yield {figure: data, result: keep(step), sentence: page.quiet(said)}
            else:
                yield {figure: waiting(step, request, rows.name)}

    room = open_room(
        demo,
        tabs=tabs,
        name="duplicates",
        title=TITLE,
        request=Request,
        controls=controls,
        buttons=buttons,
        figure=figure,
        run=run,
        programs=programs_of,
        inputs=[file, choice],
        outputs=[file, sentence, files, result, choice, opens],
        clears={files: gr.Files(visible=False), result: None, choice: None, opens: ""},
        marks=["dataset="],
        seconds=lambda _, request: seconds_of(request),
        stored=[meaning],
        stopped=CANCELLED,
        queue=QUEUE,
    )
    with gr.Accordion("Push the kept rows to the Hub", open=False):
        page.push_row("Dataset to create or update, owner/name", push, [result, choice, controls["labels"]])

    def again(values: Values) -> Iterator[Values]:
        """At the threshold of the figure, with its pins."""
        pinned = (values[choice] or {}).get("pinned") or []
        request = replace(room.parse(values), pinned=Request.parse(pinned=pinned).pinned)
        yield from run(request, values)

    def plan_now(values: Values) -> Values:
        settings = {name: values[box] for name, box in controls.items()}
        known = values[file] or settings["dataset"] in examples.DATASETS  # a Hub dataset waits for the run
        return {sentence: page.quiet(plan_sentence(settings, values[file]) if known else "")}

    def offer_columns(values: Values) -> Values:
        """The columns to choose from, and the plan, for a file that was just dropped."""
        nothing = gr.Dropdown(choices=[], value=[])
        if not values[file]:
            return {columns: nothing, sentence: page.quiet("")}
        try:
            rows = open_rows(Request(), values[file])
            likely = list(likely_columns(rows).columns)
        except VisitorError as error:
            return {columns: nothing, sentence: page.quiet(str(error))}
        choices = gr.Dropdown(
            choices=list(dict.fromkeys([*likely, *rows.columns[:MAX_CHOICES]])), value=likely
        )
        return {columns: choices, **plan_now({**values, columns: likely, dataset: ""})}

    def show(_: Values) -> Values:
        """The stored example."""
        controls_as_first = {file: None, sentence: words, **room.form(first)}
        return {figure: stored, **controls_as_first, **room.clears, result: EXAMPLE}

    def show_meaning(_: Values) -> Values:
        """The stored example of a run by meaning."""
        said = page.quiet(PLANS["meaning"])
        controls_as_then = {file: None, sentence: said, **room.form(examples.STATEMENTS)}
        return {figure: meaning, **controls_as_then, **room.clears, result: STATEMENTS}

    def prepare(state: Any, choice: Data | None, labels: str) -> Any:
        try:
            paths = download(state, choice, labels)
            return gr.Files(value=paths, visible=True), entrances.links(shelved(state, Path(paths[0])))
        except Exception as error:  # noqa: BLE001  the page must go on whatever happened
            gr.Warning(str(for_visitor(error)))
            return gr.skip(), gr.skip()

    settings: dict[str, Any] = {**QUEUE, **QUIET, "trigger_mode": "always_last"}
    boxes = {file, *controls.values()}
    upload = file.upload(lambda: "", None, [dataset], **LIGHT)
    upload.then(offer_columns, boxes, [columns, sentence], **{**QUEUE, **QUIET})
    changes = [file.clear, *(box.input for box in controls.values() if hasattr(box, "input"))]
    gr.on(changes, plan_now, boxes, [sentence], **settings)
    figure.choice(choice_of, None, [choice], **LIGHT)
    new_threshold = figure.threshold(threshold_of, None, [threshold, controls["goal"]], **LIGHT)
    room.connect(new_threshold.then, again)
    figure.labels(labels_of, None, [controls["labels"]], **LIGHT)
    spared = figure.spare(spare_of, None, [controls["spare"], threshold], **LIGHT)
    room.connect(spared.then, again)
    room.update(kitchen.click, show)
    room.update(statements.click, show_meaning)
    save.click(prepare, [result, choice, controls["labels"]], [files, opens], **{**QUEUE, **QUIET})
    return room


def choice_of(event: gr.EventData) -> dict[str, Any]:
    """What the visitor chose in the figure."""
    return {"threshold": event.threshold, "pinned": list(event.pinned)}


def threshold_of(event: gr.EventData) -> tuple[float, str]:
    """The figure's threshold as the control's, in the place of a goal."""
    return Request.parse(threshold=event.threshold).threshold, ""


def labels_of(event: gr.EventData) -> str:
    """The visitor's labels, for the field that every run reads."""
    return "\n".join(Request.parse(labels=list(event.labels)).labels)


def seconds_of(request: Request) -> int:
    """GPU seconds that a run asks for."""
    return {"jaccard": 0, "cosine": semantic.SECONDS, "meaning": semantic.SECONDS + reading.seconds()}[
        request.measure
    ]


def spare_of(event: gr.EventData) -> tuple[list[str], Any]:
    """What the visitor spares in the figure, and its threshold where it was moved."""
    spare = list(Request.parse(spare=list(event.spare)).spare)
    if event.threshold is None:
        return spare, gr.skip()
    return spare, Request.parse(threshold=event.threshold).threshold


def _advanced(first: Request) -> dict[str, Component]:
    """The settings that most visitors leave alone."""
    narrow: dict[str, Any] = {"min_width": 150}
    line = {**narrow, "max_lines": 1}
    with gr.Row():
        config = gr.Textbox("", label="config of the Hub dataset", placeholder="default", **line)
        split = gr.Textbox(first.split, label="split", **line)
        keep = gr.Dropdown(
            [*KEEP, "max:column"], value=first.keep, label="keep", allow_custom_value=True, **narrow
        )
        method = gr.Dropdown(list(METHODS), value=first.method, label="method", **narrow)
    with gr.Row():
        part = gr.Dropdown(list(PARTS), value=first.part, label="part of conversations", **narrow)
        unit = gr.Dropdown(list(UNITS), value=first.unit, label="unit (auto: words, or symbols)", **narrow)
        ngram = gr.Textbox(str(first.ngram), label="ngram", **line)
        recall = gr.Textbox(f"{first.recall:g}", label="wanted recall", **line)
    with gr.Row():
        limit = gr.Textbox(str(first.limit), label="row limit", **line)
        goal = gr.Textbox("", label="goal: end with this many rows", placeholder="none", **line)
        seed = gr.Textbox(str(first.seed), label="seed", **line)
        measure = gr.Dropdown(
            MEASURES, value=first.measure, label="measure", min_width=240, elem_id="measure"
        )
        embedding = gr.Textbox(
            "", label="embedding model for cosine, meaning", placeholder="default; or a model2vec id", **line
        )
    with gr.Row():
        labels = gr.Textbox("", label="labels of pairs", visible="hidden", elem_id="labels")
        spare = gr.Dropdown(
            list(KINDS),
            value=list(first.spare),
            label="spare: rows that differ in this stay",
            multiselect=True,
            min_width=200,
            elem_id="spare",
        )
    return {
        "config": config,
        "split": split,
        "part": part,
        "ngram": ngram,
        "unit": unit,
        "keep": keep,
        "method": method,
        "recall": recall,
        "limit": limit,
        "goal": goal,
        "seed": seed,
        "measure": measure,
        "embedding": embedding,
        "spare": spare,
        "labels": labels,
    }
