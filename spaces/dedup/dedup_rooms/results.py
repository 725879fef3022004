"""What a finished run is worth taking home: the kept rows as a file, a report, a dataset on the Hub."""

from __future__ import annotations

import json
import secrets
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
from dedup_rooms.source import open_rows
from shared import files, hub, limits
from shared.cache import Cache
from shared.errors import VisitorError
from shared.steps import last

EXAMPLE = "example"
"""Stands for the stored example's Result, which is computed when somebody wants it."""


_kept: Cache[Result] = Cache(limits.RESULTS_BYTES)
"""By a name that nobody can guess: a page holds the name, or all open pages would hold their datasets."""


def keep(result: Result) -> str:
    """Keep a result for as long as there is room; its name."""
    name = secrets.token_urlsafe(16)
    _kept.put(name, result)
    return name


def result_of(state: str | None) -> Result:
    """The result that the figure shows; for the stored example it is computed again, in a fraction of a
    second.

    Args:
        state: what `keep` gave, or `EXAMPLE`.

    Raises:
        VisitorError: the last run has no result, or it is no longer kept.
    """
    if state is None:
        raise VisitorError("There is no result yet.", "Press Deduplicate first.")
    if state != EXAMPLE:
        known = _kept.get(state)
        if known is None:
            raise VisitorError("This result made room for those of later runs.", "Press Deduplicate again.")
        return known
    result = last(deduplicate(open_rows(examples.KITCHEN), examples.KITCHEN))
    assert isinstance(result, Result)
    return result


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
