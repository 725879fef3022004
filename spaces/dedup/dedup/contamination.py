"""Rows of one split that another holds as well: every split against every split, exactly."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from dedup import data
from dedup.cautions import file_warnings
from dedup.engine import Progress
from dedup.overlap import Index, Matches
from dedup.read import Dataset
from dedup.report import digest_of
from dedup.request import SplitsRequest
from dedup.shingles import clean, parted
from dedup.signing import chunks
from dedup.texts import Compared
from dedup.units import unit_name
from shared import limits
from shared.errors import VisitorError

MAX_LEAKS = 500
MAX_TEXT = 4_000


@dataclass(frozen=True)
class Split:
    """Rows that are compared with those of others.

    Args:
        name: for captions.
        source: the file's name, or the name of the Hub dataset's split.
        compared: its texts.
        cut: rows left out because of the limit; None where some were and nobody counted them.
        dataset: its rows, to write some of them.
    """

    name: str
    source: str
    compared: Compared
    cut: int | None = 0
    dataset: Dataset | None = None


@dataclass(frozen=True)
class Leak:
    """A row of one split and its best match in another (or the same).

    Args:
        run: units of the longest common run; 0 where that is not the measure.
        value: by the measure.
    """

    split: int
    row: int
    other: int
    match: int
    jaccard: float
    containment: float
    run: int = 0
    value: float = 0.0


@dataclass(frozen=True)
class Contamination:
    """What every split shares with every split.

    Args:
        leaks: for each ordered pair of splits, the rows of the first that have a match in the second.
        short: rows of each split with fewer units than a shingle has.
        alone: splits that were not compared with themselves, for their size.
    """

    request: SplitsRequest
    splits: list[Split]
    leaks: dict[tuple[int, int], list[Leak]]
    short: tuple[int, ...] = ()
    alone: tuple[int, ...] = ()

    def split_to_clean(self) -> int:
        """The split that is to lose the rows that others hold: the one that the request names, else the
        first.

        Raises:
            VisitorError: no split has that name.
        """
        names = [split.name for split in self.splits]
        if not self.request.clean:
            return 0
        if self.request.clean not in names:
            raise VisitorError(
                f"No split is called “{self.request.clean[:60]}”.", f"Choose from: {', '.join(names)[:200]}."
            )
        return names.index(self.request.clean)

    def clean_rows(self, split: int) -> list[int]:
        """The rows of a split that no other split holds, ascending."""
        stays = np.ones(len(self.splits[split].compared.texts), dtype=bool)
        for other in range(len(self.splits)):
            if other != split:
                stays[[leak.row for leak in self.leaks[split, other]]] = False
        return np.flatnonzero(stays).tolist()

    def lines(self) -> Iterator[data.LeakLine]:
        """Every row that has a match, by the names of the splits."""
        ids = [_ids(split.dataset) for split in self.splits]
        for leaks in self.leaks.values():
            for leak in leaks:
                line: data.LeakLine = {
                    "split": self.splits[leak.split].name,
                    "row": leak.row,
                    "in": self.splits[leak.other].name,
                    "match": leak.match,
                    "jaccard": round(leak.jaccard, 6),
                    "containment": round(leak.containment, 6),
                }
                if self.request.measure == "longest":
                    line["run"] = leak.run
                if (own := ids[leak.split]) is not None:
                    line["id"] = own[leak.row]
                if (others := ids[leak.other]) is not None:
                    line["match_id"] = others[leak.match]
                yield line

    def to_json(self) -> data.Contamination:
        """The figure's data; at most `MAX_LEAKS` leaks of each pair of splits, the strongest first."""
        names = [split.name for split in self.splits]
        rows = [len(split.compared.texts) for split in self.splits]
        strongest = self._strongest()
        split = self.split_to_clean()
        places = {(leak.split, leak.row) for leak in strongest} | {
            (leak.other, leak.match) for leak in strongest
        }
        settings = cast(data.SplitsRequest, self.request.to_json())
        counts = [[len(self.leaks[a, b]) for b in range(len(rows))] for a in range(len(rows))]
        return {
            "kind": "contamination",
            "run_id": digest_of([names, rows, settings, counts]),
            "drawable": True,
            "done": True,
            "title": title(names),
            "request": settings,
            "splits": names,
            "rows": rows,
            "measure": settings["measure"],
            "threshold": self.request.threshold,
            "matrix": [
                [
                    {"rows": None, "share": 0.0}
                    if here == there and here in self.alone
                    else {"rows": count, "share": count / total if total else 0.0}
                    for there, count in enumerate(line)
                ]
                for here, (line, total) in enumerate(zip(counts, rows, strict=True))
            ],
            "leaks": [self._shown(leak) for leak in strongest],
            "texts": {
                f"{split}:{row}": clean(parted(self.splits[split].compared.texts[row])[1])[:MAX_TEXT]
                for split, row in sorted(places)
            },
            "clean": {"split": split, "rows": len(self.clean_rows(split))},
            "warnings": self._warnings(),
            "provenance": {
                "source": ", ".join(names),
                "files": [split.source for split in self.splits],
                "columns": [list(split.compared.columns) for split in self.splits],
                "held": [list(split.compared.held) for split in self.splits],
                "ngram": self.request.ngram,
                "unit": settings["unit"],
            },
        }

    def _shown(self, leak: Leak) -> data.Leak:
        """A leak as a figure has it."""
        shown: data.Leak = {
            "split": leak.split,
            "row": leak.row,
            "in": leak.other,
            "match": leak.match,
            "jaccard": round(leak.jaccard, 6),
            "containment": round(leak.containment, 6),
        }
        if self.request.measure == "longest":
            shown["run"], shown["run_share"] = leak.run, round(leak.value, 6)
        return shown

    def _warnings(self) -> list[str]:
        """What a careful visitor should know."""
        lines = [
            f"Of {split.name} only the first {len(split.compared.texts):,} rows were read."
            for split in self.splits
            if split.cut != 0
        ]
        for split in self.splits:
            of_file = file_warnings(split.dataset) if split.dataset else []
            lines += [f"{split.name}: {line}" for line in of_file]
        ngram = self.request.ngram
        unit = unit_name(self.request.unit, ngram)
        for split, count in zip(self.splits, self.short, strict=False):
            if count:
                rows = "1 row has" if count == 1 else f"{count:,} rows have"
                lines.append(
                    f"{rows} fewer than {ngram} {unit} in {split.name}: such a row is compared as a whole, "
                    "and only one of the same words holds it."
                )
        for split in self.splits:
            if count := split.compared.unseen:
                rows = "row holds" if count == 1 else "rows hold"
                lines.append(
                    f"{count:,} {rows} an image or the like in {split.name} that is not in the file and "
                    "cannot be compared."
                )
        lines += [
            f"{self.splits[split].name} was not compared with itself: it has more than "
            f"{limits.MAX_CONTAMINATION_ROWS:,} rows. The other tab finds what repeats in it."
            for split in self.alone
        ]
        return lines

    def _strongest(self) -> list[Leak]:
        return [
            leak
            for leaks in self.leaks.values()
            for leak in sorted(leaks, key=lambda leak: (-leak.value, leak.row))[:MAX_LEAKS]
        ]


ID_COLUMNS = ("id", "_id", "uid", "uuid", "idx", "index", "question_id", "example_id", "key")
"""Columns that name a row."""

MAX_ID = 200
"""Characters of such a name."""


def _ids(dataset: Dataset | None) -> list[data.Name] | None:
    """What names each row of a dataset, where a column does."""
    if dataset is None:
        return None
    known = {name.lower(): name for name in reversed(dataset.columns)}
    column = next((known[name] for name in ID_COLUMNS if name in known), None)
    ids = [] if column is None else [_plain(cell) for cell in dataset.column(column)]
    # a text of pages is no name, and a line for each of many rows would repeat it
    longest = max((len(own) for own in ids if isinstance(own, str)), default=0)
    return None if column is None or longest > MAX_ID else ids


def _plain(cell: object) -> data.Name:
    """A cell that JSON can hold."""
    if isinstance(cell, float) and not math.isfinite(cell):
        return None if math.isnan(cell) else str(cell)
    return cell if cell is None or isinstance(cell, (str, int, float)) else str(cell)


def title(names: list[str]) -> str:
    """Of the comparison of splits with these names."""
    return " against ".join(names)


def compare(splits: list[Split], request: SplitsRequest) -> Iterator[Progress | Contamination]:
    """Compare every split with every split and with itself.

    Containment of a row A in a row B is |A ∩ B| / |A|: a short question inside a long document has a
    containment of 1 and a low Jaccard similarity.

    All splits but the largest are indexed, one after the other, and the larger ones stream past.

    Yields:
        Progress, and the Contamination last.

    Raises:
        VisitorError: too many rows; no split to clean has that name.
    """
    rows = [len(split.compared.texts) for split in splits]
    most = limits.MAX_CONTAMINATION_ROWS
    order = sorted(range(len(rows)), key=lambda split: (rows[split], split))
    if sum(rows) - max(rows) > most:
        raise VisitorError(
            f"The splits beside the largest have {sum(rows) - max(rows):,} rows together; at most {most:,} "
            "are compared.",
            "Lower the limit of rows, or compare fewer splits.",
        )
    Contamination(request, splits, {}).split_to_clean()  # before time is spent
    request = replace(request, unit=common_unit([split.compared for split in splits]))
    indexed = [split for split in order if rows[split] <= most]
    leaks: dict[tuple[int, int], list[Leak]] = {
        (a, b): [] for a in range(len(rows)) for b in range(len(rows))
    }
    short = [0] * len(rows)
    done, total = 0, sum(sum(rows[other] for other in order[order.index(own) :]) for own in indexed)
    for own in indexed:
        index = Index(splits[own].compared.texts, request.ngram, request.unit)
        for other in order[order.index(own) :]:
            texts = splits[other].compared.texts
            parts = (texts[slice(*span)] for span in chunks(map(len, texts)))
            back = Matches.none(0)
            for first, units, found, so_far in index.stream(
                parts, request.measure, request.threshold, other == own
            ):
                back = so_far
                leaks[other, own] += _leaks(other, own, found, first)
                if own == indexed[0]:
                    short[other] += int(((units.counts > 0) & (units.counts < request.ngram)).sum())
                done += len(units.counts)
                yield Progress("compare", "Comparing splits", done, total)
            if other != own:
                leaks[own, other] += _leaks(own, other, back, 0)
    alone = tuple(split for split in order if rows[split] > most)
    yield Contamination(request, splits, leaks, tuple(short), alone)


def _leaks(split: int, other: int, found: Matches, first: int) -> list[Leak]:
    places = np.flatnonzero(found.rows >= 0)
    values = found.values[places].tolist()
    return [
        Leak(split, first + row, other, match, jaccard, containment, int(run), value)
        for row, match, (value, jaccard, containment, run) in zip(
            places.tolist(), found.rows[places].tolist(), values, strict=True
        )
    ]


def common_unit(compared: list[Compared]) -> str:
    """The units that all splits are compared by: signs count where they do in one of them."""
    units = {one.unit for one in compared}
    return "symbol" if "symbol" in units else compared[0].unit
