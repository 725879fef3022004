"""JSONL files larger than memory: what is known of a row lies on disk, and the file is read twice.

The first time a part of the rows at a time is signed as `dedup.signing` does it; band keys and shingles are
appended to files. Candidates come band by band, are compared exactly in the shingles on disk, and the second
reading copies the lines that stay. In memory are some hundred bytes a row, and the part that is read.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np

from dedup import clusters, recall
from dedup.arrays import Bool, Int64, UInt64
from dedup.engine import make_plan, settled
from dedup.groups import Groups
from dedup.keep import priorities
from dedup.minhash import Plan, band_keys, candidates
from dedup.read import Dataset, jsonl_parts
from dedup.request import Request
from dedup.shingles import Shingles, shingle, to_arrow
from dedup.signing import chunks, keys_of
from dedup.texts import compared
from dedup.verify import Pairs, Sample, jaccard_of_runs
from shared.errors import VisitorError
from shared.files import written_whole

PART_BYTES = 16_000_000
"""Of the rows that are in memory together."""

PAIRS_AT_ONCE = 200_000
"""Candidates that are compared together."""

HASHES_AT_ONCE = 2_000_000
"""Shingles that are compared with the sample together: 16 MB."""

SAMPLE_HASHES = 500_000
"""Shingles of the texts that are compared with all others."""

KEEP = ("first", "last", "central")
"""Policies that need no look at the row."""


@dataclass(frozen=True)
class Signed:
    """What the first reading left.

    Args:
        folder: with the files.
        plan: whose bands they are.
        request: with columns and units settled.
        columns: that were compared.
        files: rows of each file.
        apart: of each file the lines that are no rows, with their numbers.
    """

    folder: Path
    plan: Plan
    request: Request
    columns: tuple[str, ...]
    files: tuple[int, ...]
    apart: tuple[tuple[tuple[int, bytes], ...], ...]

    @property
    def rows(self) -> int:
        """Of all files."""
        return sum(self.files)

    def array(self, name: str, dtype: Any) -> Any:
        """One of the files as an array that lies on disk."""
        path = self.folder / name
        if not path.stat().st_size:
            return np.zeros(0, dtype=dtype)
        return np.asarray(np.memmap(path, dtype=dtype, mode="r"))


def deduplicate(paths: Sequence[Path], output: Path, **settings: Any) -> dict[str, Any]:
    """Write the kept lines of some JSONL files of UTF-8, a file for each, with `removed_rows.jsonl` and the
    lines that are no rows; the report.

    Args:
        paths: one dataset together.
        output: folder for what is written; the working files lie in it too, and go.
        settings: those of `dedup.request.Request`; words only, and no policy but those of `KEEP`.

    Raises:
        VisitorError: a setting or a file that cannot be used.
    """
    request = Request.parse(**settings)
    _check(paths, request)
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output, prefix=".signed-") as folder:
        signed = sign(paths, request, Path(folder))
        return _decided(paths, output, signed)


def _check(paths: Sequence[Path], request: Request) -> None:
    for path in paths:
        if not path.is_file():
            raise VisitorError(f"There is no file {str(path)[:200]}.", "Check the path.")
        if path.suffix.lower() not in (".jsonl", ".ndjson"):
            raise VisitorError(
                f"{path.name[:80]} is no JSONL file.",
                "From disk only JSONL is read: convert it, or split it.",
            )
    if not paths or len({path.name for path in paths}) < len(paths):
        raise VisitorError("No files are named, or two of one name.", "Name files of different names.")
    if request.by_vectors or request.goal or request.spare or request.pinned:
        raise VisitorError(
            "From disk rows are compared by words, without goal, spare and pinned.",
            "Leave those out.",
        )
    if request.keep not in KEEP:
        raise VisitorError(f"keep is “{request.keep[:40]}”.", f"From disk choose one of {', '.join(KEEP)}.")


def sign(paths: Sequence[Path], request: Request, folder: Path) -> Signed:
    """Read the files once, and leave what is known of each row in a folder."""
    plan: Plan | None = None
    columns: tuple[str, ...] = ()
    counts = []
    aparts: list[tuple[tuple[int, bytes], ...]] = []
    with ExitStack() as files, ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        names = ("texts", "sizes", "hashes")
        into = {name: files.enter_context((folder / name).open("wb")) for name in names}
        bands: list[IO[bytes]] = []
        for path in paths:
            rows, apart = 0, list[tuple[int, bytes]]()
            for part in _known_columns(path, request.columns or columns, apart):
                text = compared(part, replace(request, columns=request.columns or columns))
                if plan is None:
                    columns, request = text.columns, settled(request, text)
                    plan = make_plan(text.texts, request)
                    paths_of = [folder / f"band-{band}" for band in range(plan.num_bands)]
                    bands = [files.enter_context(band.open("wb")) for band in paths_of]
                spans = chunks(map(len, text.texts))
                if text.unseen:
                    raise VisitorError(
                        f"Rows of {path.name[:80]} hold images or the like that are not in the file.",
                        "Compare columns of text alone.",
                    )
                made = pool.map(partial(_shingled, text.texts, request), spans)
                for shingles in made:
                    into["sizes"].write(shingles.counts.astype(np.int32).tobytes())
                    into["hashes"].write(shingles.hashes.tobytes())
                    for band, keys in zip(bands, band_keys(shingles, plan, request.seed), strict=True):
                        band.write(keys.tobytes())
                into["texts"].write(keys_of(text.texts).tobytes())
                rows += part.rows
            counts.append(rows)
            aparts.append(tuple(apart))
    if plan is None:
        raise VisitorError("The files have no rows.", "Choose files with rows.")
    return Signed(folder, plan, request, columns, tuple(counts), tuple(aparts))


def _known_columns(path: Path, columns: tuple[str, ...], apart: list[tuple[int, bytes]]) -> Iterator[Dataset]:
    """The parts of a file; what a part lacks of the columns it has as an empty one."""
    for part in jsonl_parts(path, PART_BYTES, apart):
        lacking = tuple(name for name in columns if name not in part.columns and "." not in name)
        yield replace(part, columns=(*part.columns, *lacking), raw=(*part.raw, *lacking)) if lacking else part


def _shingled(texts: list[str], request: Request, span: tuple[int, int]) -> Shingles:
    return shingle(to_arrow(texts[slice(*span)]), request.ngram, request.unit)


def _decided(paths: Sequence[Path], output: Path, signed: Signed) -> dict[str, Any]:
    request = signed.request
    sizes: Int64 = signed.array("sizes", np.int32).astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    hashes: UInt64 = signed.array("hashes", np.uint64)
    groups = _copies(signed.array("texts", np.uint64), sizes > 0)
    leaders = groups.first
    bands = (signed.array(f"band-{band}", np.uint32)[leaders] for band in range(signed.plan.num_bands))
    near = candidates(bands, len(groups))
    edges = _verified(hashes, offsets, leaders, near.pairs, request.floor)
    sampled, edges = _measured(hashes, offsets, groups, edges, request)
    nodes, ranks = priorities(groups, edges, Dataset("", "jsonl", signed.rows, ()), [], request)
    found = clusters.cluster(edges, ranks, request.threshold, request.method)
    keeper, similarity = np.arange(signed.rows), np.ones(signed.rows)
    kept_row = nodes.first[found.keeper]
    keeper[nodes.rows] = kept_row[nodes.group_of]
    similarity[nodes.rows] = found.jaccard[nodes.group_of]
    kept = keeper == np.arange(signed.rows)
    _write(paths, output, signed, kept, keeper, similarity)
    own = sampled.at(request.threshold)
    return {
        "rows": signed.rows,
        "kept": int(kept.sum()),
        "removed": int((~kept).sum()),
        "exact_copies": len(nodes.rows) - len(nodes),
        "pairs": int((edges.jaccard >= request.threshold).sum()),
        "recall": own.value,
        "recall_interval": own.interval,
        "columns": list(signed.columns),
        "lines_apart": {
            path.name: [number for number, _ in apart]
            for path, apart in zip(paths, signed.apart, strict=True)
            if apart
        },
        "request": request.to_json(),
        "plan": signed.plan.to_json(),
    }


def _copies(keys: UInt64, filled: Bool) -> Groups:
    """Rows by the hash of their text, groups in order of their first row. Two texts of one 64-bit hash would
    count as copies: among ten million rows that happens once in 400,000 times.
    """
    rows = np.flatnonzero(filled)
    _, first, group = np.unique(keys[rows], return_index=True, return_inverse=True)
    place = np.empty(len(first), dtype=np.int64)
    place[np.argsort(first)] = np.arange(len(first))
    own = place[group]
    sizes = np.bincount(own, minlength=len(first))
    return Groups(
        rows[np.argsort(own, kind="stable")], np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    )


def _verified(hashes: UInt64, offsets: Int64, leaders: Int64, pairs: Int64, floor: float) -> Pairs:
    starts, ends = offsets[leaders], offsets[leaders + 1]
    parts = [
        jaccard_of_runs(hashes, starts, ends, pairs[begin : begin + PAIRS_AT_ONCE], floor)
        for begin in range(0, len(pairs), PAIRS_AT_ONCE)
    ]
    jaccard = np.concatenate([np.zeros(0), *parts])
    keep = jaccard >= floor
    return Pairs(pairs[keep, 0], pairs[keep, 1], jaccard[keep])


def _measured(
    hashes: UInt64, offsets: Int64, groups: Groups, edges: Pairs, request: Request
) -> tuple[recall.Sampled, Pairs]:
    """What brute force on a sample of texts says of the bands; and the edges with those that it found."""
    leaders = groups.first
    rng = np.random.default_rng(request.seed)
    drawn = rng.permutation(len(groups))[: recall.RECALL_SAMPLE]
    held = np.cumsum((offsets[leaders + 1] - offsets[leaders])[drawn])
    chosen = np.sort(drawn[: max(1, int(np.searchsorted(held, SAMPLE_HASHES, side="right")))])
    runs = [hashes[offsets[row] : offsets[row + 1]] for row in leaders[chosen].tolist()]
    own = np.concatenate([[0], np.cumsum([len(run) for run in runs])]).astype(np.int64)
    sample = Sample(Shingles(np.concatenate([np.zeros(0, np.uint64), *runs]), own), request.floor)
    node_of = np.full(len(offsets) - 1, -1, dtype=np.int64)
    node_of[leaders] = np.arange(len(groups))
    found: list[Pairs] = []
    begin = 0
    while begin < len(node_of):
        end = max(begin + 1, int(np.searchsorted(offsets, offsets[begin] + HASHES_AT_ONCE, side="right")) - 1)
        part = Shingles(hashes[offsets[begin] : offsets[end]], offsets[begin : end + 1] - offsets[begin])
        found.append(sample.against(part, begin))
        begin = end
    one = np.concatenate([chosen[pairs.first] for pairs in found])
    other = np.concatenate([node_of[pairs.second] for pairs in found])
    jaccard = np.concatenate([pairs.jaccard for pairs in found])
    real = (other >= 0) & (one != other)
    one, other, jaccard = one[real], other[real], jaccard[real]
    true = Pairs(np.minimum(one, other), np.maximum(one, other), jaccard)
    return recall.with_sample(chosen, len(groups), true, edges)


def _write(
    paths: Sequence[Path],
    output: Path,
    signed: Signed,
    kept: Bool,
    keeper: Int64,
    similarity: Any,
) -> None:
    """Copy the lines that stay, and those that are no rows to a file of their own; list the rows that go."""
    first = 0
    for path, rows, apart in zip(paths, signed.files, signed.apart, strict=True):
        if apart:
            with written_whole(output / f"{path.stem}-lines_apart{path.suffix}", "those lines") as part:
                part.write_bytes(b"".join(line + b"\n" for _, line in apart))
        no_rows = {number for number, _ in apart}
        target = output / f"{path.stem}-deduplicated{path.suffix}"
        with (
            written_whole(target, "the kept rows") as part,
            part.open("wb") as file,
            path.open("rb") as lines,
        ):
            row = first
            for number, line in enumerate(lines, start=1):
                if not line.strip() or number in no_rows:
                    continue
                if kept[row]:
                    file.write(line if line.endswith(b"\n") else line + b"\n")
                row += 1
            if row != first + rows:
                raise VisitorError(f"{path.name[:80]} changed while it was read.", "Run again.")
        first += rows
    removed = output / "removed_rows.jsonl"
    with written_whole(removed, "the report") as part, part.open("w", encoding="utf-8") as listed:
        for row in np.flatnonzero(~kept).tolist():
            value = float(similarity[row])
            told = {
                "row": row,
                "keeper": int(keeper[row]),
                "jaccard": None if value != value else round(value, 6),
            }
            listed.write(json.dumps(told) + "\n")
