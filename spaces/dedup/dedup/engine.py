"""The run: every stage in order, with progress, checkpoints and a Result at the end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from dedup import same, semantic
from dedup.arrays import Float32, Int64, UInt64
from dedup.groups import Groups
from dedup.keep import priorities
from dedup.kinds import KINDS, kinds_of
from dedup.minhash import Plan, candidates, choose_bands
from dedup.read import Dataset
from dedup.recall import (
    RECALL_SAMPLE,
    Recall,
    Sampled,
    every_pair,
    measure,
    sample_size,
    with_sample,
    without,
)
from dedup.request import Request
from dedup.shingles import Shingles, joined, parted
from dedup.signing import (
    Runs,
    Signatures,
    copies,
    forget,
    keys_of,
    sample_rows,
    shingle_rows,
    sign,
    without_bands,
)
from dedup.texts import Compared, compared
from dedup.units import same_words
from dedup.verify import Pairs, jaccard_of_pairs, jaccard_of_runs, parts, similarities_within

PLAN_SAMPLE = 1_500
"""Rows that are compared with each other to plan the bands."""

NO_PLAN = Plan(0, 0, 0, 1.0, None, 0.0, 0.0)
"""Of a run that compares every pair."""


@dataclass(frozen=True)
class Progress:
    """How far a run is: `value` of `max` in a stage, and what has been counted so far."""

    stage: str
    label: str
    value: int
    max: int
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Vectors:
    """What a run by vectors knows of its nodes and pairs.

    Args:
        spots: two numbers for each node, see `semantic.on_a_map`.
        spread: share of the vectors' variance that they show.
        judged: what became of the candidates, where each was read.
    """

    spots: Float32
    spread: float
    judged: same.Judged | None


@dataclass(frozen=True)
class Result:
    """A finished run; moving the threshold needs nothing but this.

    Args:
        nodes: rows of each distinct text, the one to keep first.
        ranks: priority of each node.
        edges: verified pairs of nodes, similarity at least `request.floor`.
        sampled: pairs by brute force on a sample of rows, by which the recall is measured.
        words: a number for each node, equal where two have the same words; of nodes with a pair alone.
        without_text: rows with nothing to compare.
        thinned: buckets whose pairs were not all compared.
        seconds: of each stage.
        candidates: pairs that were verified.
        vectors: of a run by vectors, beside the pairs.
    """

    dataset: Dataset
    request: Request
    compared: Compared
    plan: Plan
    nodes: Groups
    ranks: Int64
    edges: Pairs
    sampled: Sampled
    words: Int64
    without_text: int
    thinned: int
    seconds: dict[str, float]
    candidates: int
    vectors: Vectors | None = None

    @property
    def recall(self) -> Recall:
        """The bands' recall at the request's threshold."""
        return self.sampled.at(self.request.threshold)

    @property
    def copies(self) -> int:
        """Rows whose text is that of another row that stands for it."""
        return len(self.nodes.rows) - len(self.nodes)


def settled(request: Request, text: Compared) -> Request:
    """The request with the units that its rows called for, where it left them open."""
    return replace(request, unit=text.unit)


def make_plan(texts: list[str], request: Request, known: tuple[Int64, Shingles] | None = None) -> Plan:
    """Bands for the request's threshold and recall, from the similarities within a sample of rows.

    Args:
        known: the sample's rows and their shingles, see `_sample`, where they are there already.
    """
    rows, shingles = known or _sample(texts, keys_of(texts), request)
    similarities = similarities_within(shingles)
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


def _sample(texts: list[str], keys: UInt64, request: Request) -> tuple[Int64, Shingles]:
    """Rows that are compared with each other to plan the bands, and their shingles; the first of them are
    compared with all rows to measure the recall.
    """
    rows = sample_rows(texts, keys, max(PLAN_SAMPLE, RECALL_SAMPLE))
    return rows, joined(shingle_rows(texts, request.ngram, request.unit, rows))


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
    request = settled(request, text)
    clock.stop("read")
    if request.by_vectors:
        yield from _by_vectors(dataset, request, text, clock)
        return
    yield Progress("plan", "Planning the bands", 0, dataset.rows)
    keys = keys_of(text.texts)
    sample, known = _sample(text.texts, keys, request)
    plan = make_plan(text.texts, request, (sample, known))
    clock.stop("plan")
    signatures: Signatures | None = None
    sample = sample[: sample_size(plan, dataset.rows)]
    for step in sign(text.texts, keys, request, plan, sample, known.part(0, len(sample)), checkpoints):
        if isinstance(step, Signatures):
            signatures = step
        else:
            yield Progress("sign", "Signing rows", step, dataset.rows, {"rows": dataset.rows})
    assert signatures is not None
    clock.stop("sign")
    groups, node_of = copies(text.texts, keys, signatures.filled)
    counts = {"rows": dataset.rows, "copies": len(groups.rows) - len(groups)}
    yield Progress("pair", "Comparing bands", dataset.rows, dataset.rows, counts)
    leaders = groups.first
    near = candidates((band[leaders] for band in signatures.keys), len(groups))
    clock.stop("pair")
    counts = {**counts, "candidates": len(near.pairs)}
    yield Progress("verify", "Verifying candidates", dataset.rows, dataset.rows, counts)
    edges = _verify(text.texts, signatures.runs, leaders, near.pairs, request)
    sampled, edges = measure(signatures, node_of, edges)
    sampled, edges = _spared(text.texts, leaders, sampled, edges, request)
    clock.stop("verify")
    nodes, ranks = priorities(groups, edges, dataset, text.texts, request)
    words = _words(text.texts, leaders, edges, request)
    clock.stop("choose")
    if checkpoints is not None:
        forget(checkpoints, keys, request, plan)
    yield Result(
        dataset,
        request,
        text,
        plan,
        nodes,
        ranks,
        edges,
        sampled,
        words,
        without_text=int((node_of < 0).sum()),
        thinned=near.thinned,
        seconds=clock.seconds,
        candidates=len(near.pairs),
    )


def _by_vectors(
    dataset: Dataset, request: Request, text: Compared, clock: _Clock
) -> Iterator[Progress | Result]:
    """The run under cosine similarity; for meaning each pair is judged beside."""
    groups, node_of = copies(text.texts, keys_of(text.texts), without_bands(text.texts, request).filled)
    counts = {"rows": dataset.rows, "copies": len(groups.rows) - len(groups)}
    yield Progress("embed", "Embedding the rows", 0, len(groups), counts)
    leaders = groups.first
    heads = [parted(text.texts[row]) for row in leaders.tolist()]
    vectors = semantic.embed([said for _, said in heads], request.embedding or semantic.default_model())
    clock.stop("embed")
    yield Progress("verify", "Comparing vectors", 0, len(groups), counts)
    edges = semantic.pairs_of(vectors, request.floor, request.seed)
    if len(vectors) <= semantic.EXACT_ROWS:
        sampled = every_pair(edges, len(groups))
    else:
        sample = np.sort(np.random.default_rng(request.seed).permutation(len(vectors))[:RECALL_SAMPLE])
        pairs = semantic.against_all(vectors, sample, request.floor)
        sampled, edges = with_sample(sample, len(groups), pairs, edges)
    kinds = np.unique([held for held, _ in heads], return_inverse=True)[1]
    apart = kinds[edges.first] != kinds[edges.second]  # what rows hold beside words must be equal
    sampled, edges = without(sampled, edges, apart)
    sampled, edges = _spared(text.texts, leaders, sampled, edges, request)
    candidates, judged = len(edges), None
    clock.stop("verify")
    if request.measure == "meaning":
        counts = {**counts, "candidates": candidates}
        first, second = leaders[edges.first], leaders[edges.second]
        said = partial(_said, text.texts, first, second)
        for step in same.judge(said, edges):
            if isinstance(step, int):
                yield Progress("read", "Reading pairs", step, candidates, counts)
            else:
                stays, judged = step
                sampled, edges = without(sampled, edges, ~stays)
        clock.stop("judge")
    spots, spread = semantic.on_a_map(vectors)
    nodes, ranks = priorities(groups, edges, dataset, text.texts, request)
    yield Result(
        dataset,
        request,
        text,
        NO_PLAN,
        nodes,
        ranks,
        edges,
        sampled,
        _words(text.texts, leaders, edges, request),
        without_text=int((node_of < 0).sum()),
        thinned=0,
        seconds=clock.seconds,
        candidates=candidates,
        vectors=Vectors(spots, spread, judged),
    )


def _said(texts: list[str], first: Int64, second: Int64, pair: int) -> tuple[str, str]:
    """What the two rows of a pair say, without what they hold beside words."""
    return parted(texts[first[pair]])[1], parted(texts[second[pair]])[1]


class _Clock:
    """Seconds of each stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.last = time.perf_counter()

    def stop(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage] = round(now - self.last, 4)
        self.last = now


def _verify(texts: list[str], runs: Runs, leaders: Int64, pairs: Int64, request: Request) -> Pairs:
    """The candidates whose exact similarity reaches the floor."""
    starts, ends = runs.of(leaders)
    kept = (starts >= 0)[pairs].all(axis=1)
    jaccard = np.zeros(len(pairs))
    jaccard[kept] = jaccard_of_runs(runs.hashes, starts, ends, pairs[kept], request.floor)
    if not kept.all():
        others = np.flatnonzero(~kept)
        for part in parts(pairs[others], np.array([len(texts[row]) for row in leaders], dtype=np.int64)):
            involved, place = np.unique(pairs[others[part]], return_inverse=True)
            rows = joined(shingle_rows(texts, request.ngram, request.unit, leaders[involved]))
            jaccard[others[part]] = jaccard_of_pairs(rows, place.reshape(-1, 2))
    keep = jaccard >= request.floor
    return Pairs(pairs[keep, 0], pairs[keep, 1], jaccard[keep])


def _spared(
    texts: list[str], leaders: Int64, sampled: Sampled, edges: Pairs, request: Request
) -> tuple[Sampled, Pairs]:
    """The sample's pairs and the edges without those that differ in a way which the request spares."""
    if not request.spare:
        return sampled, edges
    kinds = np.array(kinds_of(texts_of_pairs(texts, leaders, edges)), dtype=np.int64)
    return without(sampled, edges, np.isin(kinds, [KINDS.index(kind) for kind in request.spare]))


def texts_of_pairs(texts: list[str], leaders: Int64, pairs: Pairs) -> Iterator[tuple[str, str]]:
    """The two texts of each pair of nodes.

    Args:
        leaders: a row of each node.
    """
    first, second = leaders[pairs.first].tolist(), leaders[pairs.second].tolist()
    return ((texts[one], texts[other]) for one, other in zip(first, second, strict=True))


def _words(texts: list[str], leaders: Int64, edges: Pairs, request: Request) -> Int64:
    """A number for each node, equal where two nodes of a pair have the same words in the same order."""
    numbers = -1 - np.arange(len(leaders), dtype=np.int64)
    # rows with the same words are alike to the full where words are compared
    alike = edges.jaccard >= (1.0 if request.unit == "word" and request.measure == "jaccard" else 0.0)
    nodes = np.unique(np.concatenate([edges.first[alike], edges.second[alike]]))
    if len(nodes):
        numbers[nodes] = same_words([texts[row] for row in leaders[nodes].tolist()])
    return numbers
