"""The run: every stage in order, with progress, checkpoints and a Result at the end."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import time
import zipfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xxhash

from dedup import clusters
from dedup.minhash import Plan, band_keys, candidates, choose_bands
from dedup.read import Dataset
from dedup.request import Request
from dedup.shingles import Shingles, sets, shingle, to_arrow
from dedup.texts import Compared, compared
from dedup.verify import Pairs, Sample, jaccard_of_pairs, recall_interval, similarities_within

CHUNK = 1_000
CHUNK_CHARACTERS = 1_000_000
"""Rows, or characters, that one thread signs at a time; small enough to stay in the processor's cache."""

BLOCK = 50_000
"""Rows between two checkpoints."""

PLAN_SAMPLE = 1_500
RECALL_SAMPLE = 1_500
"""Rows that are compared with all others to measure recall; a dataset of fewer rows is measured whole."""

MAX_SAMPLE_PAIRS = 200_000
"""Similar pairs expected of the recall sample; where nearly all rows are alike, fewer rows are sampled."""

Int64 = npt.NDArray[np.int64]
UInt32 = npt.NDArray[np.uint32]
UInt64 = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Progress:
    """How far a run is: `value` of `max` in a stage, and what has been counted so far."""

    stage: str
    label: str
    value: int
    max: int
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Recall:
    """What brute force on a sample says of the bands.

    Args:
        rows: sampled rows, each compared with every other row.
        true_pairs, found: pairs of a sampled row at or above the threshold, and those of them that the bands
            found.
        value: estimated share of all pairs that the bands found; None where there is no pair at all.
        interval: its 95 % interval; the value itself where every row was sampled.
        complete: whether every row was sampled.
    """

    rows: int
    true_pairs: int
    found: int
    value: float | None
    interval: tuple[float, float]
    complete: bool


@dataclass(frozen=True)
class Result:
    """A finished run; moving the threshold needs nothing but this.

    Args:
        nodes: rows of each distinct text, the one to keep first.
        ranks: priority of each node.
        edges: verified pairs of nodes, similarity at least `request.floor`.
        without_text: rows with nothing to compare.
        thinned: buckets whose pairs were not all compared.
    """

    dataset: Dataset
    request: Request
    compared: Compared
    plan: Plan
    nodes: list[Int64]
    ranks: Int64
    edges: Pairs
    recall: Recall
    without_text: int
    thinned: int
    seconds: dict[str, float]
    candidates: int


def sample_rows(texts: list[str], size: int) -> Int64:
    """Rows chosen by their content, so that the choice does not depend on the order of rows; distinct texts
    only.
    """
    keys = np.fromiter(
        (xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass")) for text in texts),
        dtype=np.uint64,
        count=len(texts),
    )
    _, first = np.unique(keys, return_index=True)
    return first[:size].astype(np.int64)


def chunks(lengths: Iterable[int]) -> list[tuple[int, int]]:
    """First and last place (excluded) of each chunk: `CHUNK` rows, or fewer that reach `CHUNK_CHARACTERS`
    together.

    Args:
        lengths: characters of each row.
    """
    ends, held, size, rows = [0], 0, 0, 0
    for rows, length in enumerate(lengths, start=1):
        held, size = held + 1, size + length
        if held == CHUNK or size >= CHUNK_CHARACTERS:
            ends.append(rows)
            held, size = 0, 0
    return list(pairwise(ends if ends[-1] == rows else [*ends, rows]))


def shingle_rows(texts: list[str], rows: Int64 | None, request: Request) -> list[Shingles]:
    """Shingles of some rows (all for None), chunk by chunk, on all cores."""
    chosen = texts if rows is None else [texts[row] for row in rows]

    def work(span: tuple[int, int]) -> Shingles:
        return shingle(to_arrow(chosen[slice(*span)]), request.ngram, request.unit)

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return list(pool.map(work, chunks(map(len, chosen))))


def make_plan(texts: list[str], request: Request) -> Plan:
    """Bands for the request's threshold and recall, from the similarities within a sample of rows."""
    rows = sample_rows(texts, PLAN_SAMPLE)
    similarities = similarities_within(shingle_rows(texts, rows, request))
    factor = (len(texts) / max(1, len(rows))) ** 2
    plan = choose_bands(
        request.threshold,
        request.recall,
        len(texts),
        floor=request.floor,
        similarities=similarities,
        pairs_per_sample=factor,
        characters=sum(map(len, texts)),
    )
    possible = max(1, len(rows) * (len(rows) - 1) // 2)
    return replace(plan, alike=float((similarities >= request.floor).sum() / possible))


def recall_sample_size(plan: Plan, rows: int) -> int:
    """How many rows to compare with all others."""
    expected = max(plan.alike * rows, 1e-9)
    return int(min(RECALL_SAMPLE, max(20, MAX_SAMPLE_PAIRS / expected)))


def deduplicate(
    dataset: Dataset, request: Request, checkpoints: Path | None = None
) -> Iterator[Progress | Result]:
    """Find the duplicates of a dataset.

    Args:
        checkpoints: folder for the signatures of finished blocks; a run with the same rows and settings goes
            on there.

    Yields:
        Progress, and the Result last.

    Raises:
        VisitorError: no such column, or no text in it.
    """
    clock = _Clock()
    if request.keep.startswith("max:"):
        dataset.require(request.keep[4:])  # the keep policy comes last; its mistake must not
    yield Progress("read", "Reading the column", 0, dataset.rows)
    text = compared(dataset, request)
    clock.stop("read")
    if request.measure == "cosine":
        yield from _by_meaning(dataset, request, text, clock)
        return
    yield Progress("plan", "Planning the bands", 0, dataset.rows)
    plan = make_plan(text.texts, request)
    clock.stop("plan")
    signed: _Signed | None = None
    for part in _sign(text.texts, request, plan, checkpoints):
        if isinstance(part, Progress):
            yield part
        else:
            signed = part
    assert signed is not None
    clock.stop("sign")
    groups, node_of = _copies(signed)
    counts = {"rows": dataset.rows, "copies": sum(map(len, groups)) - len(groups)}
    yield Progress("pair", "Comparing bands", dataset.rows, dataset.rows, counts)
    leaders = np.array([group[0] for group in groups], dtype=np.int64)
    found = candidates((band[leaders] for band in signed.keys), len(groups))
    clock.stop("pair")
    yield Progress(
        "verify",
        "Verifying candidates",
        dataset.rows,
        dataset.rows,
        {**counts, "candidates": len(found.pairs)},
    )
    edges = _verify(text.texts, leaders, found.pairs, request)
    recall, edges = _measure(signed, node_of, edges, request)
    clock.stop("verify")
    nodes, ranks = _priorities(groups, edges, dataset, text.texts, request)
    clock.stop("choose")
    if checkpoints is not None:
        _forget(checkpoints, text.texts, request, plan)
    without = int((node_of < 0).sum())
    yield Result(
        dataset,
        request,
        text,
        plan,
        nodes,
        ranks,
        edges,
        recall,
        without,
        found.thinned,
        clock.seconds,
        len(found.pairs),
    )


def _by_meaning(
    dataset: Dataset, request: Request, text: Compared, clock: _Clock
) -> Iterator[Progress | Result]:
    """The run under cosine similarity: every pair of different texts is compared."""
    from dedup import semantic

    parts = shingle_rows(text.texts, None, request)
    filled = np.concatenate([part.counts > 0 for part in parts])
    signed = _Signed(
        np.zeros((0, len(filled)), np.uint32),
        np.concatenate([part.copy_keys for part in parts]),
        filled,
        _NONE,
        _NO_PAIRS,
    )
    groups, node_of = _copies(signed)
    counts = {"rows": dataset.rows, "copies": sum(map(len, groups)) - len(groups)}
    yield Progress("embed", "Embedding the rows", 0, len(groups), counts)
    vectors = semantic.embed(
        [text.texts[group[0]] for group in groups], request.embedding or semantic.default_model()
    )
    clock.stop("embed")
    yield Progress("verify", "Comparing every pair", 0, len(groups), counts)
    edges = semantic.similar_pairs(vectors, request.floor)
    clock.stop("verify")
    pairs = int((edges.jaccard >= request.threshold).sum())
    recall = Recall(len(groups), pairs, pairs, 1.0 if pairs else None, (1.0, 1.0), True)
    nodes, ranks = _priorities(groups, edges, dataset, text.texts, request)
    plan = Plan(0, 0, 0, 1.0, None, 0.0, 0.0)
    yield Result(
        dataset,
        request,
        text,
        plan,
        nodes,
        ranks,
        edges,
        recall,
        int((node_of < 0).sum()),
        0,
        clock.seconds,
        0,
    )


class _Clock:
    """Seconds of each stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.last = time.perf_counter()

    def stop(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage] = round(now - self.last, 4)
        self.last = now


@dataclass(frozen=True)
class _Signed:
    keys: UInt32  # (num_bands, rows)
    copy_keys: UInt64  # (rows, 2)
    filled: npt.NDArray[np.bool_]  # rows with a shingle
    sample: Int64  # row numbers
    true: Pairs  # (place in the sample, row, jaccard), at least the floor


_NONE = np.zeros(0, dtype=np.int64)
_NO_PAIRS = Pairs(_NONE, _NONE, np.zeros(0))


def _block_name(folder: Path, digest: str, block: int) -> Path:
    return folder / f"{digest}-{block:05}.npz"


def _digest(texts: list[str], request: Request, plan: Plan) -> str:
    """Names a run: the same texts and settings, the same name."""
    state = hashlib.blake2b(digest_size=12)
    settings = [request.ngram, request.unit, request.seed, request.floor, plan.num_bands, plan.rows_per_band]
    state.update(json.dumps(settings).encode())
    for text in texts:
        state.update(xxhash.xxh3_64_digest(text.encode("utf-8", "surrogatepass")))
    return state.hexdigest()


def _forget(folder: Path, texts: list[str], request: Request, plan: Plan) -> None:
    for path in folder.glob(f"{_digest(texts, request, plan)}-*.npz"):
        path.unlink(missing_ok=True)


def _sign(
    texts: list[str], request: Request, plan: Plan, folder: Path | None
) -> Iterator[Progress | _Signed]:
    """Shingle and sign every row, block by block; and compare every row with the sample."""
    rows = sample_rows(texts, recall_sample_size(plan, len(texts)))
    sample = Sample(shingle_rows(texts, rows, request))
    digest = _digest(texts, request, plan) if folder is not None else ""
    blocks: list[dict[str, Any]] = []

    def work(span: tuple[int, int]) -> tuple[int, UInt32, UInt64, Any, Pairs]:
        begin, end = first + span[0], first + span[1]
        part = shingle(to_arrow(texts[begin:end]), request.ngram, request.unit)
        return (
            end,
            band_keys(part, plan, request.seed),
            part.copy_keys,
            part.counts > 0,
            sample.against(part, begin, request.floor),
        )

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for block, first in enumerate(range(0, len(texts), BLOCK)):
            path = _block_name(folder, digest, block) if folder is not None else None
            if path is not None and (stored := _stored(path)) is not None:
                blocks.append(stored)
                continue
            parts = []
            for part in pool.map(work, chunks(map(len, texts[first : first + BLOCK]))):
                parts.append(part)
                yield Progress("sign", "Signing rows", part[0], len(texts), {"rows": len(texts)})
            blocks.append(
                {
                    "keys": np.concatenate([part[1] for part in parts], axis=1),
                    "copy_keys": np.concatenate([part[2] for part in parts]),
                    "filled": np.concatenate([part[3] for part in parts]),
                    "true": np.concatenate([np.stack([p.first, p.second]) for *_, p in parts], axis=1),
                    "jaccard": np.concatenate([p.jaccard for *_, p in parts]),
                }
            )
            if path is not None:
                _store(path, blocks[-1])
    joined = {
        name: np.concatenate([block[name] for block in blocks], axis=-1 if name in ("keys", "true") else 0)
        for name in blocks[0]
    }
    true = Pairs(joined["true"][0], joined["true"][1], joined["jaccard"])
    yield _Signed(joined["keys"], joined["copy_keys"], joined["filled"], rows, true)


def _store(path: Path, arrays: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{secrets.token_hex(8)}.part")
    with part.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    part.replace(path)


def _stored(path: Path) -> dict[str, Any] | None:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in ("keys", "copy_keys", "filled", "true", "jaccard")}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None


def _copies(signed: _Signed) -> tuple[list[Int64], Int64]:
    """Rows grouped by equal text, and each row's group (-1 for rows without text); groups in order of their
    first row.
    """
    node_of = np.full(len(signed.filled), -1, dtype=np.int64)
    rows = np.flatnonzero(signed.filled)
    if not len(rows):
        return [], node_of
    keys = np.ascontiguousarray(signed.copy_keys[rows]).view([("a", np.uint64), ("b", np.uint64)]).ravel()
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    order = np.empty(len(first), dtype=np.int64)
    order[np.argsort(first, kind="stable")] = np.arange(len(first))
    node_of[rows] = order[inverse.ravel()]
    by_node = rows[np.argsort(node_of[rows], kind="stable")]
    bounds = np.flatnonzero(np.diff(node_of[by_node])) + 1
    return np.split(by_node, bounds), node_of


def _verify(texts: list[str], leaders: Int64, pairs: Int64, request: Request) -> Pairs:
    """The candidates whose exact similarity reaches the floor."""
    involved, place = np.unique(pairs, return_inverse=True)
    matrix = sets(shingle_rows(texts, leaders[involved], request))
    jaccard = jaccard_of_pairs(matrix, place.reshape(pairs.shape))
    keep = jaccard >= request.floor
    return Pairs(pairs[keep, 0], pairs[keep, 1], jaccard[keep])


def _measure(signed: _Signed, node_of: Int64, edges: Pairs, request: Request) -> tuple[Recall, Pairs]:
    """The bands' recall on the sample; and the edges with those that only the sample's brute force found."""
    count = int(node_of.max()) + 1 if len(node_of) else 0
    own, other = node_of[signed.sample][signed.true.first], node_of[signed.true.second]
    first, second = np.minimum(own, other), np.maximum(own, other)
    codes = first * max(1, count) + second
    real = (own >= 0) & (other >= 0) & (first < second)
    codes, unique = np.unique(codes[real], return_index=True)
    jaccard = signed.true.jaccard[real][unique]
    known = np.isin(codes, edges.first * max(1, count) + edges.second)
    strong = jaccard >= request.threshold
    recall = _recall(signed, node_of, edges, codes[strong], known[strong], count, request)
    extra = ~known
    joined = Pairs(
        np.concatenate([edges.first, codes[extra] // max(1, count)]),
        np.concatenate([edges.second, codes[extra] % max(1, count)]),
        np.concatenate([edges.jaccard, jaccard[extra]]),
    )
    order = np.lexsort((joined.second, joined.first))
    return recall, Pairs(joined.first[order], joined.second[order], joined.jaccard[order])


def _recall(
    signed: _Signed,
    node_of: Int64,
    edges: Pairs,
    codes: Int64,
    known: npt.NDArray[np.bool_],
    count: int,
    request: Request,
) -> Recall:
    """Recall from the sample's pairs at or above the threshold (as codes) and which of them the bands
    knew.
    """
    sampled = len(np.unique(node_of[signed.sample][node_of[signed.sample] >= 0]))
    complete = sampled >= count
    total, hits = len(codes), int(known.sum())
    found = int((edges.jaccard >= request.threshold).sum())
    if not total and not found:
        return Recall(sampled, 0, 0, None, (0.0, 1.0), complete)
    first, second = codes[~known] // max(1, count), codes[~known] % max(1, count)
    lost = Pairs(first, second, np.ones(len(first)))
    label = clusters.cluster(lost, np.arange(count), 0.0, "components").label
    missed = np.bincount(label[first], minlength=1)
    if complete:
        share = hits / total if total else 1.0
        return Recall(sampled, total, hits, share, (share, share), True)
    chance = 1 - (1 - sampled / count) ** 2
    value, low, high = recall_interval(found, missed, chance)
    return Recall(sampled, total, hits, value, (low, high), False)


def _priorities(
    groups: list[Int64], edges: Pairs, dataset: Dataset, texts: list[str], request: Request
) -> tuple[list[Int64], Int64]:
    """Each node's rows with the one to keep first, and each node's rank, under the keep policy."""
    nodes = groups
    if request.keep == "last":
        nodes = [group[::-1] for group in groups]
        values = np.array([-group[0] for group in nodes], dtype=float)
    elif request.keep == "longest":
        values = np.array([-len(texts[group[0]]) for group in groups], dtype=float)
    elif request.keep == "central":
        strong = edges.jaccard >= request.threshold
        values = -np.bincount(edges.first[strong], edges.jaccard[strong], len(groups))
        values -= np.bincount(edges.second[strong], edges.jaccard[strong], len(groups))
    elif request.keep.startswith("max:"):
        column = _numbers(dataset.column(request.keep[4:]))
        nodes = [group[np.argsort(-column[group], kind="stable")] for group in groups]
        values = np.array([-column[group[0]] for group in nodes], dtype=float)
    else:
        values = np.zeros(len(groups))
    first = np.array([group[0] for group in nodes], dtype=np.int64)
    ranks = np.empty(len(groups), dtype=np.int64)
    ranks[np.lexsort((first, values))] = np.arange(len(groups))
    return nodes, ranks


def _numbers(cells: list[Any]) -> npt.NDArray[np.float64]:
    """Cells as numbers; what is no number comes last."""
    result = np.full(len(cells), -np.inf)
    for row, cell in enumerate(cells):
        try:
            number = float(cell)
        except (TypeError, ValueError, OverflowError):
            continue
        if number == number:
            result[row] = number
    return result
