"""What a finished run is worth taking home: the kept rows as a file, a report, a dataset on the Hub."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dedup import examples
from dedup.card import dataset_card
from dedup.engine import Result, deduplicate
from dedup.outcome import Outcome, outcome
from dedup.read import SUFFIX, write, write_apart
from dedup.report import report
from dedup.request import Request
from dedup_rooms.kept import Kept
from dedup_rooms.source import open_rows
from shared import files, hub
from shared.steps import last


def _example() -> Result:
    result = last(deduplicate(open_rows(examples.KITCHEN), examples.KITCHEN))
    assert isinstance(result, Result)
    return result


_kept = Kept("Deduplicate", _example)
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


def stem_of(name: str) -> str:
    """The beginning of a file's name, from that of a dataset."""
    plain = "".join(character if character.isprintable() and character != "/" else "-" for character in name)
    return Path(plain).stem[:40] or "dataset"


def kept_file(result: Result, keep: list[int]) -> Path:
    """Write the kept rows into a folder of their own, under a name that every system takes."""
    stem = stem_of(result.dataset.name)
    path = files.result_folder() / f"{stem}-deduplicated{SUFFIX[result.dataset.format]}"
    write(result.dataset, keep, path)
    return path


def download(state: str | None, choice: Mapping[str, Any] | None) -> list[str]:
    """The kept rows, and the removed ones with their keepers, as files, at the threshold and pins of the
    figure.
    """
    result = result_of(state)
    kept = outcome_of(result, choice)
    rows = kept_file(result, kept.kept)
    removed = rows.with_name("removed_rows.json")
    text = json.dumps(report(result, kept), ensure_ascii=False, indent=1)
    with files.written_whole(removed, "the report") as part:
        part.write_text(text, encoding="utf-8")
    if not result.dataset.apart:
        return [str(rows), str(removed)]
    apart = rows.with_name("lines_apart.csv")
    write_apart(result.dataset, apart)
    return [str(rows), str(removed), str(apart)]


def push(state: str | None, choice: Mapping[str, Any] | None, repository: str, token: str | None) -> str:
    """Upload the kept rows and a card that says how they were made; the dataset's URL.

    Raises:
        VisitorError: there is no result, or as `hub.push`.
    """
    result = result_of(state)
    kept = outcome_of(result, choice)
    rows = kept_file(result, kept.kept)
    card = dataset_card(result, kept, rows.name)
    return hub.push(repository, "dataset", {f"data/{rows.name}": rows}, card, token)
