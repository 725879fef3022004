"""The dedup Space: controls and events. The maths is in the package `dedup`, the picture in `dedup/js`."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = (
    HERE if (HERE / "shared").is_dir() else HERE.parents[1]
)  # a staged Space carries `shared`, the repository shares it
sys.path[:0] = [path for path in (str(HERE), str(ROOT)) if path not in sys.path]

import json
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import gradio as gr
from gradio.data_classes import FileData

from dedup import examples
from dedup.request import KEEP, Request, validate
from shared import files, frame, hub, limits, models
from shared.errors import VisitorError
from shared.figure import Figure, stylesheet

TITLE = "Dedup"
LEDE = (
    "Find rows of a dataset that say nearly the same, look at every pair side by side, and keep one of each. "
    "Pairs are found by their words and verified exactly, and the page measures how many it missed."
)
RENDERER = HERE / "dedup" / "js"
EXAMPLES = HERE / "examples"
UPDATE_SECONDS = 0.25
"""Time between two updates of a running figure."""

css = stylesheet(RENDERER)
example = partial(frame.stored, EXAMPLES, "kitchen")

CONTROLS = (
    "dataset",
    "config",
    "split",
    "columns",
    "threshold",
    "part",
    "unit",
    "ngram",
    "keep",
    "method",
    "recall",
    "limit",
    "goal",
    "seed",
    "measure",
    "embedding",
)
"""The controls beside the file, by the request's own names."""


def checkpoints() -> Path:
    """Where interrupted runs leave their signatures; they hold hashes only, no text, and go after a day."""
    folder = files.cache_folder() / "dedup"
    frame.expire(folder, "*.npz", 86_400)
    return folder


def uploaded(file: Any) -> tuple[Path, str] | None:
    """The path and name of an uploaded file, from a component or from an API call.

    Raises:
        VisitorError: the path is no upload of this server.
    """
    if not file:
        return None
    try:
        path = Path(file["path"] if isinstance(file, dict) else file)
        name = str((isinstance(file, dict) and file.get("orig_name")) or path.name)
        known = frame.upload_folder() in path.resolve().parents and path.is_file()
    except (TypeError, KeyError, ValueError, OSError):  # no path at all, or one that no file can have
        known = False
    if not known:
        raise VisitorError("That file was not uploaded here.", "Upload it again.")
    return path, name


def read(file: Any, request: Request, token: str | None = None) -> Any:
    """The rows that a request is about: the uploaded file, else the Hub's dataset, else an example of that
    name.
    """
    from dedup.read import read_file, read_hub

    found = uploaded(file)
    if found and request.dataset and request.dataset not in examples.EXAMPLES:
        raise VisitorError("Both a file and a dataset are given.", "Clear one of them.")
    if found:
        return read_file(*found, request.limit)
    if request.dataset in examples.EXAMPLES:
        return read_file(EXAMPLES / request.dataset, request.dataset, request.limit)
    if not request.dataset:
        raise VisitorError("There is nothing to read yet.", "Drop a file, or name a dataset of the Hub.")
    return read_hub(request.dataset, request.config, request.split, request.limit, token)


def deduplicate(
    file: FileData | None = None,
    dataset: str = "",
    split: str = "train",
    columns: list[str] | None = None,
    threshold: float = 0.8,
    ngram: int = 3,
    keep: str = "first",
    recall: float = 0.99,
    limit: int = limits.MAX_DATASET_ROWS,
    config: str = "",
    part: str = "all",
    unit: str = "word",
    method: str = "leader",
    goal: int | None = None,
    pinned: list[int] | None = None,
    seed: int = 42,
    measure: str = "jaccard",
    embedding: str = "",
) -> tuple[dict[str, Any], FileData]:
    """Remove near-duplicate rows from a dataset; under the measure jaccard every pair that joins two rows is
    proven exactly.

    With the method leader each removed row is itself that similar to the row that stays in its place. With
    components, or a goal, it may be joined to that row through others: removed_rows gives the exact
    similarity of the two.

    Args:
        file: CSV, TSV, JSONL, JSON, Parquet or text.
        dataset: instead of a file, a dataset's id on the Hub.
        split: of that dataset.
        columns: columns to compare, joined; by default the likeliest one.
        threshold: Jaccard similarity of shingles from which two rows count as duplicates, 0.1 to 1.
        ngram: words (or characters) in a shingle.
        keep: first, last, longest, central or max:<column>.
        recall: wanted probability that a pair at the threshold is found.
        limit: rows to read at most.
        config: configuration of the Hub dataset.
        part: of conversations: all, prompt, answer or turn.
        unit: word, character or turn.
        method: leader or components.
        goal: rows to end with exactly, instead of a threshold.
        pinned: row numbers that stay whatever they repeat.
        seed: of the MinHash permutations.
        measure: jaccard (of words, proven) or cosine (of static text vectors, a hint).
        embedding: for cosine: embedded, or a model2vec model's id on the Hub.

    Returns:
        A report (rows, kept, removed, clusters, pairs, precision and recall of pairs, recall_interval,
        seconds, removed_rows with row, keeper and jaccard) and the kept rows as a file of the input's format.
        Where the measure is cosine, precision is null and jaccard is the cosine.
    """
    from dedup import engine
    from dedup.outcome import api_json, outcome

    request = validate(
        dataset=dataset,
        config=config,
        split=split,
        columns=columns or [],
        part=part,
        threshold=threshold,
        ngram=ngram,
        unit=unit,
        keep=keep,
        method=method,
        recall=recall,
        limit=limit,
        goal=goal,
        pinned=pinned or [],
        seed=seed,
        measure=measure,
        embedding=embedding,
    )
    result = frame.last(engine.deduplicate(read(file, request, hub.local_token()), request, checkpoints()))
    assert isinstance(result, engine.Result)
    decided = outcome(result)
    path = kept_file(result, decided.kept)
    return api_json(result, decided), FileData(path=path, orig_name=Path(path).name)


def plan(
    file: FileData | None = None,
    dataset: str = "",
    split: str = "train",
    columns: list[str] | None = None,
    threshold: float = 0.8,
    ngram: int = 3,
    recall: float = 0.99,
    limit: int = limits.MAX_DATASET_ROWS,
    config: str = "",
    part: str = "all",
    unit: str = "word",
) -> dict[str, Any]:
    """What a deduplication would cost and find, before it is run; parameters as of deduplicate.

    Returns:
        num_perm, num_bands, rows_per_band, expected_recall (of a pair at the threshold), candidates, seconds,
        megabytes, rows, columns, and curve: pairs of similarity and probability to become a candidate.
    """
    from dedup.engine import make_plan
    from dedup.texts import compared

    request = validate(
        dataset=dataset,
        config=config,
        split=split,
        columns=columns or [],
        threshold=threshold,
        ngram=ngram,
        recall=recall,
        limit=limit,
        part=part,
        unit=unit,
    )
    rows = read(file, request, hub.local_token())
    texts = compared(rows, request)
    return {**make_plan(texts.texts, request).to_json(), "rows": rows.rows, "columns": list(texts.columns)}


def contamination(
    files: list[FileData] | None = None,
    dataset: str = "",
    splits: list[str] | None = None,
    columns: list[str] | None = None,
    threshold: float = 0.8,
    ngram: int = 3,
    measure: str = "containment",
    limit: int = limits.MAX_CONTAMINATION_ROWS,
    config: str = "",
    unit: str = "word",
) -> dict[str, Any]:
    """Compare every split (or file) with every other and with itself, exactly.

    Args:
        files: two files or more, each a split.
        dataset: instead of files, a dataset's id on the Hub.
        splits: of that dataset, two or more.
        columns: columns to compare; by default the likeliest one of each.
        threshold: from which a row counts as contained in the other split.
        ngram: words in a shingle.
        measure: jaccard, or containment (shared shingles of the row itself).
        limit: rows to read of each split.
        config: configuration of the Hub dataset.
        unit: word or character.

    Returns:
        matrix[i][j] with the rows of split i that split j holds too and their share, and leaks[] with split,
        row, in, match, jaccard and containment.
    """
    return frame.last(
        compare_splits(
            files or [], dataset, splits or [], columns or [], threshold, ngram, measure, limit, config, unit
        )
    )


def compare_splits(
    files: list[Any],
    dataset: str,
    splits: list[str],
    columns: list[str],
    threshold: float,
    ngram: int,
    measure: str,
    limit: int,
    config: str,
    unit: str,
) -> Iterator[dict[str, Any]]:
    """The contamination figure's data as it is computed."""
    from dedup.contamination import Contamination
    from dedup.contamination import contamination as compare
    from dedup.texts import compared

    request = validate(
        dataset=dataset,
        config=config,
        columns=columns,
        threshold=threshold,
        ngram=ngram,
        limit=limit,
        unit=unit,
    )
    names, rows = [], []
    if not isinstance(files, list) or not isinstance(splits, list):
        raise VisitorError("The files or the splits are no list.", "Give a list of each.")
    if len(files) > limits.MAX_UPLOADS or len(splits) > limits.MAX_UPLOADS:
        raise VisitorError(f"More than {limits.MAX_UPLOADS} splits were given.", "Compare fewer at once.")
    if dataset in examples.PAIRS:
        for name in examples.PAIRS[dataset]:
            rows.append(read(None, validate(**{**request.to_json(), "dataset": name})))
            names.append(Path(name).stem.removeprefix(f"{dataset}_"))
    elif dataset:
        for split in splits:
            rows.append(read(None, validate(**{**request.to_json(), "split": split}), hub.local_token()))
            names.append(split)
    else:
        for file in files:
            rows.append(read(file, request))
            names.append(Path(rows[-1].name).stem)
    if len(rows) < 2:
        raise VisitorError(
            "At least two splits are needed.", "Upload two files, or name two splits of a dataset."
        )
    texts = [compared(split, request).texts for split in rows]
    shown = time.monotonic()
    for part in compare(names, texts, request, measure):
        if isinstance(part, Contamination):
            yield {
                **part.to_json(texts, request),
                "warnings": [
                    f"Of {name} only the first {split.rows:,} rows were read."
                    for name, split in zip(names, rows, strict=True)
                    if split.cut != 0
                ],
                "run_id": str(time.time()),
                "provenance": {"source": ", ".join(names), "ngram": ngram, "unit": unit},
            }
        elif time.monotonic() - shown > UPDATE_SECONDS:
            shown = time.monotonic()
            value, most = part
            progress = {
                "stage": "compare",
                "label": "Comparing splits",
                "value": value,
                "max": most,
                "counts": {},
            }
            yield {
                "kind": "contamination",
                "drawable": False,
                "done": False,
                "title": " against ".join(names),
                "progress": progress,
            }


def kept_file(result: Any, keep: list[int]) -> str:
    """Write the kept rows into a folder of their own."""
    from dedup.read import SUFFIX, write

    name = "".join(
        character if character.isprintable() and character != "/" else "-"
        for character in result.dataset.name
    )
    stem = Path(name).stem[:40] or "dataset"
    path = frame.result_folder() / f"{stem}-deduplicated{SUFFIX[result.dataset.format]}"
    write(result.dataset, keep, path)
    return str(path)


def request_of(values: tuple[Any, ...], pinned: list[int]) -> Request:
    """The controls' values and the pinned rows as a checked request."""
    return validate(**dict(zip(CONTROLS, values, strict=True)), pinned=pinned)


def panel_of(data: dict[str, Any]) -> dict[str, Any]:
    """What stands below a finished figure: its code and its link."""
    from dedup.minhash import Plan
    from dedup.script import datatrove_script, rensa_script

    request = validate(**data["request"])
    if request.measure == "cosine":
        from dedup.semantic import code

        listing = code(request, data["provenance"]["columns"][0])
        query = request.to_query() if request.dataset else ""
        return frame.panel_value(TITLE, {"The same comparison with model2vec": listing}, query)
    columns, source = tuple(data["provenance"]["columns"]), request.dataset or data["provenance"]["source"]
    plan = Plan(**{name: data["plan"][name] for name in Plan.__dataclass_fields__})
    listings = {"The same run with rensa alone": rensa_script(request, plan, columns, source)}
    try:
        listings["The same run past one machine, with datatrove"] = datatrove_script(
            request, plan, columns, source
        )
    except VisitorError as error:  # datatrove compares words only
        listings["The same run past one machine, with datatrove"] = f"# {error}"
    return frame.panel_value(
        TITLE, listings, request.to_query() if request.dataset else "", live=not data.get("example")
    )


OUTPUTS = 4  # figure, state, choice, panel
EXAMPLE = "example"
"""The state of a page that shows the stored example; afterwards it is the run's Result, or None without
one.
"""


def again_page(file: Any, choice: dict[str, Any] | None, *values: Any) -> Iterator[tuple[Any, ...]]:
    """Run again at the threshold of the figure, with its pins."""
    yield from run_page(file, *values, pinned=(choice or {}).get("pinned") or [])


def run_page(file: Any, *values: Any, pinned: list[int] | None = None) -> Iterator[tuple[Any, ...]]:
    """Run the controls' request; the figure follows the run, the rest comes at the end."""
    from dedup import engine
    from dedup.outcome import outcome, progress_json, to_json

    request = request_of(values, pinned or [])
    said = Path(file).name if file else request.dataset
    yield (
        progress_json(engine.Progress("read", "Reading the rows", 0, 1), request.to_json(), said),
        None,
        None,
        gr.skip(),
    )
    rows = read(file, request, hub.local_token())
    shown = time.monotonic()
    for step in engine.deduplicate(rows, request, checkpoints()):
        if isinstance(step, engine.Result):
            data = to_json(step, outcome(step))
            yield data, step, None, panel_of(data)
        elif time.monotonic() - shown >= UPDATE_SECONDS:
            shown = time.monotonic()
            yield progress_json(step, request.to_json(), rows.name), gr.skip(), gr.skip(), gr.skip()


def result_of(state: Any) -> Any:
    """The result that the figure shows; for the stored example it is computed again, in a fraction of a
    second.

    Raises:
        VisitorError: the last run has no result.
    """
    from dedup import engine

    if state is None:
        raise VisitorError("There is no result yet.", "Press Deduplicate first.")
    if not isinstance(state, str):
        return state
    request = validate(**examples.FIRST)
    return frame.last(engine.deduplicate(read(None, request), request))


def download_page(state: Any, choice: dict[str, Any] | None) -> tuple[Any, Any]:
    """The kept rows, and the removed ones with their keepers, as files, at the threshold and pins of the
    figure.
    """
    from dedup.outcome import api_json, outcome

    try:
        result = result_of(state)
        decided = outcome(result, **_choice(result, choice))
    except VisitorError as error:
        gr.Warning(str(error))
        return gr.skip(), gr.skip()
    kept = kept_file(result, decided.kept)
    report = Path(kept).with_name("removed_rows.json")
    report.write_text(json.dumps(api_json(result, decided), ensure_ascii=False, indent=1), encoding="utf-8")
    return [kept, str(report)], gr.Files(visible=True)


def _choice(result: Any, choice: dict[str, Any] | None) -> dict[str, Any]:
    """The threshold and pins that the figure reports, checked; without a threshold the request's own, or its
    goal.
    """
    if not choice:
        return {}
    pinned = validate(pinned=choice.get("pinned") or []).pinned
    if choice.get("threshold") is None:
        return {"pinned": pinned}
    return {"threshold": validate(threshold=choice["threshold"]).threshold, "pinned": pinned}


def chosen_page(event: gr.EventData) -> dict[str, Any]:
    """What the visitor chose in the figure."""
    return {"threshold": event.threshold, "pinned": list(event.pinned)}


def threshold_page(event: gr.EventData) -> tuple[float, str]:
    """The figure's threshold as the control's, in the place of a goal."""
    return validate(threshold=event.threshold).threshold, ""


CANCELLED = VisitorError(
    "The run was cancelled.", "Its signatures are kept for a day: press Deduplicate to go on."
)


MAX_CHOICES = 200
"""Columns to choose from; any other can be written."""


def file_page(file: Any, *values: Any) -> tuple[Any, str]:
    """The columns to choose from, and the plan, for a file that was just dropped."""
    from dedup.texts import likely_column

    if not file:
        return gr.Dropdown(choices=[], value=[]), frame.quiet("")
    try:
        rows = read(file, Request())
        column = likely_column(rows)
    except VisitorError as error:
        return gr.Dropdown(choices=[], value=[]), frame.quiet(str(error))
    settings = {**dict(zip(CONTROLS, values, strict=True)), "columns": [column], "dataset": ""}
    return gr.Dropdown(choices=list(rows.columns[:MAX_CHOICES]), value=[column]), frame.quiet(
        plan_sentence(file, settings)
    )


def plan_page(file: Any, *values: Any) -> str:
    """The plan's sentence for the controls as they are; a Hub dataset is not read before the run."""
    settings = dict(zip(CONTROLS, values, strict=True))
    if not file and settings["dataset"] not in examples.EXAMPLES:
        return frame.quiet("")
    return frame.quiet(plan_sentence(file, settings))


def plan_sentence(file: Any, settings: dict[str, Any]) -> str:
    """The plan in words, or the sentence of the error."""
    from dedup.engine import make_plan
    from dedup.texts import compared

    try:
        request = validate(**settings)
        if request.measure == "cosine":
            return f"Plan: every pair of at most {limits.MAX_SEMANTIC_ROWS:,} different rows is compared by the cosine of static vectors."
        rows = read(file, request)
        made = make_plan(compared(rows, request).texts, request)
    except VisitorError as error:
        return str(error)
    return plan_words(made.to_json(), rows.rows, request.threshold)


def plan_words(made: dict[str, Any], rows: int, threshold: float) -> str:
    """A plan as a sentence."""
    expected = f"{made['expected_recall']:.4f}" if made["expected_recall"] < 0.9999 else "0.9999 or more"
    return (
        f"Plan: {rows:,} rows · {made['num_bands']} × {made['rows_per_band']} bands find a pair at {threshold:g} with probability "
        f"{expected} · about {made['candidates'] or 0:,} candidates to verify · "
        f"about {max(made['megabytes'], 0.1):,.1f} MB and {max(made['seconds'], 0.1):,.1f} s"
    )


def control_values(request: Request) -> list[Any]:
    """A request as the values of the controls."""
    values: list[Any] = []
    for name in CONTROLS:
        value = getattr(request, name)
        if name == "columns":
            value = gr.Dropdown(choices=list(value), value=list(value))
        values.append(value if value is not None else "")
    return values


def open_page(query: str) -> Iterator[tuple[Any, ...]]:
    """Set the controls from the URL's query and run what it describes."""
    request = Request.from_query(query)
    yield (*control_values(request), None, None, None, gr.skip())
    values = tuple(getattr(request, name) for name in CONTROLS)
    for outputs in run_page(None, *values, pinned=list(request.pinned)):
        yield (*(gr.skip(),) * len(CONTROLS), *outputs)


def compare_page(
    files: list[str] | None,
    dataset: str,
    splits: str,
    config: str,
    threshold: float,
    measure: str,
    ngram: int,
) -> Iterator[Any]:
    """Run the comparison of splits."""
    chosen = [name.strip() for name in splits.split(",") if name.strip()]
    yield from compare_splits(
        files or [],
        dataset.strip(),
        chosen,
        [],
        threshold,
        ngram,
        measure,
        limits.MAX_CONTAMINATION_ROWS,
        config,
        "word",
    )


KINDS = [".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet", ".txt"]


def build_advanced(first: Request) -> list[Any]:
    """The settings that most visitors leave alone, in the order of `CONTROLS` from `part` on."""
    with gr.Row():
        part = gr.Dropdown(
            ["all", "prompt", "answer", "turn"],
            value=first.part,
            label="part (of conversations)",
            min_width=150,
        )
        unit = gr.Dropdown(["word", "character", "turn"], value=first.unit, label="unit", min_width=150)
        ngram = gr.Textbox(str(first.ngram), label="ngram", max_lines=1, min_width=100)
        keep = gr.Dropdown(
            [*KEEP, "max:column"], value=first.keep, label="keep", allow_custom_value=True, min_width=150
        )
        method = gr.Dropdown(["leader", "components"], value=first.method, label="method", min_width=150)
    with gr.Row():
        recall = gr.Textbox(f"{first.recall:g}", label="recall wanted", max_lines=1, min_width=100)
        limit = gr.Textbox(str(first.limit), label="limit of rows", max_lines=1, min_width=100)
        goal = gr.Textbox(
            "", label="goal: exactly this many rows", placeholder="none", max_lines=1, min_width=150
        )
        seed = gr.Textbox(str(first.seed), label="seed", max_lines=1, min_width=100)
    with gr.Row():
        measure = gr.Dropdown(
            ["jaccard", "cosine"],
            value=first.measure,
            label="measure: jaccard (words) or cosine (meaning)",
            min_width=200,
        )
        embedding = gr.Textbox(
            "",
            label="embedding model for cosine",
            placeholder="default; or a model2vec id",
            max_lines=1,
            min_width=200,
        )
    return [part, unit, ngram, keep, method, recall, limit, goal, seed, measure, embedding]


def build_duplicates(demo: gr.Blocks) -> None:
    """The tab that deduplicates one dataset."""
    first = validate(**examples.FIRST)
    with gr.Row(equal_height=True):
        file = gr.File(
            label="Your file: CSV, JSONL, Parquet, text",
            file_types=KINDS,
            height=150,
            scale=2,
            min_width=240,
            elem_id="file",
        )
        with gr.Column(scale=2, min_width=240):
            dataset = gr.Textbox(
                first.dataset,
                label="or a dataset of the Hub, owner/name, or an example",
                max_lines=1,
                elem_id="dataset",
            )
            columns = gr.Dropdown(
                list(first.columns),
                value=list(first.columns),
                label="Columns to compare",
                multiselect=True,
                allow_custom_value=True,
                elem_id="columns",
            )
        threshold = gr.Slider(
            0.1,
            1,
            first.threshold,
            step=0.01,
            label="threshold (Jaccard)",
            scale=1,
            min_width=180,
            elem_id="threshold",
        )
    with gr.Accordion("Advanced: config and split, shingles, which row to keep, recall, limits", open=False):
        with gr.Row():
            config = gr.Textbox(
                "", label="config of the Hub dataset", placeholder="default", max_lines=1, min_width=150
            )
            split = gr.Textbox(first.split, label="split", max_lines=1, min_width=150)
        rest = build_advanced(first)
    said = gr.HTML(
        frame.quiet(plan_words(example()["plan"], example()["rows"], first.threshold)),
        elem_classes="quiet",
        elem_id="plan",
        padding=False,
    )
    with gr.Row():
        start = gr.Button("Deduplicate", variant="primary", scale=2, elem_id="start")
        cancel = frame.cancel_button(elem_id="cancel")
    figure = Figure(example(), folder=RENDERER, events=("choice", "threshold"), title=TITLE, elem_id="figure")
    with gr.Row():
        save = gr.Button("Prepare the kept rows as a file", scale=1, elem_id="save")
    files = gr.Files(
        label="Kept rows in the input's format, and the removed rows with their keepers",
        visible=False,
        interactive=False,
        elem_id="files",
    )
    state = gr.State(EXAMPLE)
    choice = gr.State(None)
    panel = frame.panel(panel_of(example()))
    with gr.Accordion("Push the kept rows to the Hub", open=False):
        frame.push_row("Dataset to create or update, owner/name", push, [state, choice])

    controls = [dataset, config, split, columns, threshold, *rest]
    outputs = [figure, state, choice, panel]
    heavy: dict[str, Any] = {"concurrency_limit": 2, "concurrency_id": "rows", **frame.QUIET}
    run_event = start.click(frame.for_page(run_page, 0, OUTPUTS), [file, *controls], outputs, **heavy)
    answer = frame.for_page(open_page, len(CONTROLS), len(CONTROLS) + OUTPUTS)
    opened = frame.on_link(demo, "dataset=", answer, [*controls, *outputs], **heavy)
    file.upload(lambda: "", None, [dataset], **frame.LIGHT).then(
        file_page, [file, *controls], [columns, said], **heavy
    )
    gr.on(
        [threshold.release, columns.input],
        plan_page,
        [file, *controls],
        [said],
        **{**heavy, "trigger_mode": "always_last"},
    )
    figure.choice(chosen_page, None, [choice], **frame.LIGHT)
    goal = rest[CONTROLS.index("goal") - CONTROLS.index("part")]
    taken_over = figure.threshold(threshold_page, None, [threshold, goal], **frame.LIGHT)
    again = taken_over.then(
        frame.for_page(again_page, 0, OUTPUTS), [file, choice, *controls], outputs, **heavy
    )
    runs = [run_event, again, opened]
    frame.on_cancel(cancel, runs, [figure], CANCELLED)
    for run in runs:  # files of another result would be taken for this one's
        run.then(lambda: gr.Files(visible=False), None, [files], **frame.LIGHT)
    save.click(download_page, [state, choice], [files, files], **heavy)


def push(state: Any, choice: Any, repository: str, token: str | None) -> str:
    """Upload the kept rows and a card that says how they were made; the dataset's URL.

    Raises:
        VisitorError: there is no result, or as `hub.push`.
    """
    from dedup.card import dataset_card
    from dedup.outcome import outcome

    result = result_of(state)
    decided = outcome(result, **_choice(result, choice))
    kept = Path(kept_file(result, decided.kept))
    return hub.push(
        repository, "dataset", {f"data/{kept.name}": kept}, dataset_card(result, decided, kept.name), token
    )


def build_contamination() -> None:
    """The tab that compares splits."""
    with gr.Row(equal_height=True):
        files = gr.File(
            label="Two files or more, each a split",
            file_count="multiple",
            file_types=KINDS,
            height=150,
            scale=2,
            elem_id="splits-files",
        )
        with gr.Column(scale=2, min_width=240):
            dataset = gr.Textbox("quiz", label="or a dataset of the Hub, or the example “quiz”", max_lines=1)
            splits = gr.Textbox("train, test", label="its splits", max_lines=1)
        with gr.Column(scale=1, min_width=180):
            threshold = gr.Slider(0.1, 1, 0.7, step=0.01, label="threshold")
            measure = gr.Dropdown(["containment", "jaccard"], value="containment", label="measure")
    with gr.Accordion("Advanced", open=False), gr.Row():
        config = gr.Textbox("", label="config of the Hub dataset", max_lines=1)
        ngram = gr.Textbox("3", label="ngram (words)", max_lines=1)
    with gr.Row():
        start = gr.Button("Compare", variant="primary", scale=2, elem_id="compare")
        cancel = frame.cancel_button()
    figure = Figure(
        {"kind": "contamination"}, folder=RENDERER, title="Contamination", elem_id="contamination"
    )
    run_event = start.click(
        frame.for_page(compare_page),
        [files, dataset, splits, config, threshold, measure, ngram],
        [figure],
        concurrency_limit=1,
        concurrency_id="splits",
        **frame.QUIET,
    )
    frame.on_cancel(
        cancel,
        [run_event],
        [figure],
        VisitorError("The comparison was cancelled.", "Press Compare to start again."),
    )
    files.upload(lambda: "", None, [dataset], queue=False, **frame.QUIET)


def build() -> gr.Blocks:
    """The page."""
    with frame.page(TITLE, LEDE) as demo:
        with gr.Tabs():
            with gr.Tab("One dataset"):
                build_duplicates(demo)
            with gr.Tab("Train against test"):
                build_contamination()
        frame.about(HERE / "README.md")
        gr.api(frame.for_api(deduplicate), api_name="deduplicate", concurrency_limit=2, concurrency_id="rows")
        gr.api(frame.for_api(plan), api_name="plan", concurrency_limit=2, concurrency_id="rows")
        gr.api(
            frame.for_api(contamination),
            api_name="contamination",
            concurrency_limit=1,
            concurrency_id="splits",
        )
    return demo


demo = build()

if __name__ == "__main__":
    frame.launch(demo, css)
