"""What a finished run is worth taking home: the kept rows as a file, a report, a dataset on the Hub."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from dedup import examples
from dedup.card import dataset_card
from dedup.engine import Result, deduplicate
from dedup.outcome import Outcome, outcome
from dedup.report import report
from dedup.request import Request
from dedup.several import file_names, plain_stem, write_aparts, write_each
from dedup_rooms.kept import EXAMPLE, STATEMENTS, Kept
from dedup_rooms.source import open_rows
from shared import files, hub, shelf
from shared.steps import last


def _example(request: Request) -> Result:
    result = last(deduplicate(open_rows(request), request))
    assert isinstance(result, Result)
    return result


_kept = Kept(
    "Deduplicate",
    {EXAMPLE: partial(_example, examples.KITCHEN), STATEMENTS: partial(_example, examples.STATEMENTS)},
)
keep, result_of = _kept.keep, _kept.result_of


def outcome_of(result: Result, choice: Mapping[str, Any] | None) -> Outcome:
    """The outcome at the threshold and with the pins that the figure reports; without a threshold at the
    request's own, or with its goal.

    Raises:
        VisitorError: as `Request.parse` and `outcome`.
    """
    if not choice:
        return outcome(result)
    pinned = Request.parse(pinned=choice.get("pinned") or []).pinned
    threshold = choice.get("threshold")
    if threshold is not None:
        threshold = Request.parse(threshold=threshold).threshold
    return outcome(result, threshold, pinned)


def kept_files(result: Result, keep: list[int]) -> list[Path]:
    """Write the kept rows into a folder of their own, a file for each file that was read."""
    names = file_names(result.dataset, plain_stem(result.dataset.name), "-deduplicated")
    folder = files.result_folder()
    paths = [folder / name for name in names]
    write_each(result.dataset, keep, paths)
    return paths


def kept_file(result: Result, keep: list[int]) -> Path:
    """The same as one file: several are packed as a zip archive."""
    paths = kept_files(result, keep)
    if len(paths) == 1:
        return paths[0]
    packed = paths[0].with_name("deduplicated.zip")
    with (
        files.written_whole(packed, "the kept rows") as part,
        zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for path in paths:
            archive.write(path, path.name)
    return packed


def judged(result: Result, labels: Any) -> Result:
    """A result with the labels that a visitor has given since."""
    return replace(result, request=replace(result.request, labels=Request.parse(labels=labels or []).labels))


def download(state: str | None, choice: Mapping[str, Any] | None, labels: Any = None) -> list[str]:
    """The kept rows, and the removed ones with their keepers, as files, at the threshold and pins of the
    figure, with the visitor's labels.
    """
    result = judged(result_of(state), labels)
    kept = outcome_of(result, choice)
    rows = kept_files(result, kept.kept)
    removed = rows[0].with_name("removed_rows.json")
    text = json.dumps(report(result, kept), ensure_ascii=False, indent=1)
    with files.written_whole(removed, "the report") as part:
        part.write_text(text, encoding="utf-8")
    return list(map(str, [*rows, removed, *write_aparts(result.dataset, removed.parent)]))


def shelved(state: str | None, path: Path) -> shelf.Made | None:
    """Put the kept rows on the shelf of whoever asked for them: the first file, where several were read."""
    result = result_of(state)
    name = result.dataset.name
    return shelf.put(
        path.parent,
        "rows",
        f"deduplicated {Path(name).stem}",
        says=f"deduplicated at {result.request.threshold:g} from",
        parents=[name],
        relation="",
        file=path.name,
    )


def push(
    state: str | None,
    choice: Mapping[str, Any] | None,
    labels: Any,
    repository: str,
    token: str | None,
) -> str:
    """Upload the kept rows and a card that says how they were made; the dataset's URL.

    Raises:
        VisitorError: there is no result, or as `hub.push`.
    """
    result = judged(result_of(state), labels)
    kept = outcome_of(result, choice)
    rows = {f"data/{path.name}": path for path in kept_files(result, kept.kept)}
    return hub.push(repository, "dataset", dict(rows), dataset_card(result, kept, list(rows)), token)
