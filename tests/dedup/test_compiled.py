"""The compiled loops against Python sets: shingles, similarities, the sample's pairs, and whole runs."""

from __future__ import annotations

import random
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from dedup import compiled, minhash, signing
from dedup.groups import Groups
from dedup.outcome import outcome
from dedup.shingles import Shingles, joined, shingle, to_arrow
from dedup.signing import Runs, copies, keys_of
from dedup.verify import Sample, jaccard_of_pairs, jaccard_of_runs, similarities_within
from tests.dedup.test_engine import STRANGE, reference_shingles, run

WINDOWS = [
    *(("word", ngram) for ngram in range(1, 8)),
    *(("character", ngram) for ngram in range(3, 13)),
    *(("symbol", ngram) for ngram in (1, 3)),
    *(("code", ngram) for ngram in (1, 4)),
    *(("whitespace", ngram) for ngram in (1, 2)),
]
PIECES = [
    "one",
    "two",
    "Three",
    "été",
    "Ünder",
    "日",
    "本",
    "ก",
    "ั",
    "+",
    "==",
    "!=",
    "❤️",
    "👍",
    "²",
    "_x",
    "\u0301",
]


def texts_of(chance: random.Random, count: int) -> list[str]:
    """Texts of few words, among them copies and ones that differ in a piece."""
    texts = [chance.choice(STRANGE) for _ in range(count // 5)]
    while len(texts) < count:
        if texts and chance.random() < 0.5:
            pieces = chance.choice(texts).split(" ")
            pieces[chance.randrange(len(pieces))] = chance.choice(PIECES)
        else:
            pieces = [chance.choice(PIECES) for _ in range(chance.randrange(14))]
        texts.append(chance.choice([" ", " ", "  "]).join(pieces))
    return texts


def exact(texts: list[str], ngram: int, unit: str) -> dict[tuple[int, int], float]:
    """The similarity of all pairs of texts that share a shingle, by Python sets."""
    sets = [reference_shingles(text, ngram, unit) for text in texts]
    return {
        (a, b): len(sets[a] & sets[b]) / len(sets[a] | sets[b])
        for a, b in combinations(range(len(texts)), 2)
        if sets[a] & sets[b]
    }


@pytest.mark.parametrize("unit,ngram", WINDOWS)
def test_similarities_equal_those_of_python_sets(unit, ngram):
    texts = texts_of(random.Random(f"{unit}{ngram}"), 60)
    truth = exact(texts, ngram, unit)
    rows = shingle(to_arrow(texts), ngram, unit)
    assert rows.counts.tolist() == [len(reference_shingles(text, ngram, unit)) for text in texts]
    pairs = list(combinations(range(len(texts)), 2))
    found = jaccard_of_pairs(rows, np.array(pairs))
    assert found.tolist() == [truth.get(pair, 0.0) for pair in pairs]
    assert sorted(similarities_within(rows).tolist()) == sorted(truth.values())
    for floor in (0.1, 0.3, 1 / 3, 0.5, 0.55, 0.7, 0.8, 0.95, 1.0):
        near = Sample(shingle(to_arrow(texts[:25]), ngram, unit), floor).against(rows, 0)
        seen = zip(near.first.tolist(), near.second.tolist(), near.jaccard.tolist(), strict=True)
        assert {(a, b): jaccard for a, b, jaccard in seen if a < b} == {
            pair: jaccard for pair, jaccard in truth.items() if pair[0] < 25 and jaccard >= floor
        }


@pytest.mark.parametrize("threshold", [0.3, 0.45, 0.6, 0.8, 0.95])
def test_a_run_of_few_rows_finds_every_pair(threshold, monkeypatch):
    """The sample is the whole dataset there. Nothing changes where no shingle is kept, or only some are."""
    chance = random.Random(threshold)
    for unit, ngram in chance.sample(WINDOWS, 6):
        texts = texts_of(chance, 70)
        settings: dict[str, Any] = {"threshold": threshold, "unit": unit, "ngram": ngram}
        result = run(texts, **settings)
        floor = result.request.floor
        heads = result.nodes.first.tolist()
        truth = {
            (heads.index(a), heads.index(b)): jaccard
            for (a, b), jaccard in exact(texts, ngram, unit).items()
            if jaccard >= floor and a in heads and b in heads
        }
        edges = zip(*(side.tolist() for side in vars(result.edges).values()), strict=True)
        assert {(a, b): jaccard for a, b, jaccard in edges} == truth
        monkeypatch.setattr(signing, "BYTES_A_CHARACTER", 0)
        for kept in (0, 200):
            monkeypatch.setattr(signing, "FEWEST_KEPT", kept)
            monkeypatch.setattr(signing, "CHUNK", 20)
            again = run(texts, **settings)
            assert outcome(again) == outcome(result)
            assert again.edges.jaccard.tolist() == result.edges.jaccard.tolist()
        monkeypatch.undo()


def test_digests_are_the_least_of_each_permutation():
    """By Python's own numbers; and two runs agree in a digest as often as they are alike."""
    rows = shingle(to_arrow(["a b c d e", "", "a b c d f", "日本語 é"]), 1, "word")
    plan = minhash.Plan(600, 600, 1, 1.0, None, 0.0, 0.0)
    keys = minhash.band_keys(rows, plan, 7)
    factors, terms = minhash.permutations(600, 7)
    assert all(factor % 2 for factor in factors.tolist()) and len(set(factors.tolist())) == 600

    def digest(row: int, number: int) -> int:
        a, b = int(factors[number]), int(terms[number])
        own = rows.hashes[rows.offsets[row] : rows.offsets[row + 1]].tolist()
        least = min(((a * value + b) % 2**64 for value in own), default=2**64 - 1) >> 32
        key = least * 0x9E3779B97F4A7C15 % 2**64
        return (key ^ (key >> 32)) % 2**32

    assert keys.tolist() == [[digest(row, number) for row in range(4)] for number in range(600)]
    alike = float((keys[:, 0] == keys[:, 2]).mean())
    assert abs(alike - 4 / 6) < 4 * (4 / 6 * 2 / 6 / 600) ** 0.5
    assert (keys != minhash.band_keys(rows, plan, 8)).any()


def test_pairs_below_the_floor_are_given_up_early_and_no_others():
    chance = np.random.default_rng(5)
    runs = [np.unique(chance.integers(0, 60, chance.integers(1, 50))).astype(np.uint64) for _ in range(80)]
    rows = Shingles(np.concatenate(runs), np.cumsum([0, *map(len, runs)]))
    pairs = np.array(list(combinations(range(80), 2)))
    whole = jaccard_of_pairs(rows, pairs)
    for floor in (0.1, 0.3, 1 / 3, 0.5, 0.6, 0.75, 1.0):
        found = jaccard_of_runs(rows.hashes, rows.offsets[:-1], rows.offsets[1:], pairs, floor)
        assert (found[whole >= floor] == whole[whole >= floor]).all()
        assert (found[whole < floor] < floor).all()


@pytest.mark.parametrize("values", ["spread", "one bucket", "equal", "ascending", "few"])
def test_runs_are_sorted_whatever_the_hashes_are(values):
    chance = np.random.default_rng(3)
    for size in (1, 2, 3, 31, 33, 64, 1_000):
        hashes = chance.integers(0, 2**64, size, dtype=np.uint64)
        if values == "one bucket":
            hashes >>= np.uint64(40)
        elif values == "equal":
            hashes[:] = hashes[0]
        elif values == "ascending":
            hashes = np.arange(size, dtype=np.uint64)
        elif values == "few":
            hashes = hashes[chance.integers(0, min(size, 4), size)]
        sorted_ = hashes.copy()
        compiled._sort(sorted_, np.empty(size, np.uint64), np.empty(2 * size + 3, np.int64))
        assert sorted_.tolist() == sorted(hashes.tolist())


def test_bytes_that_are_no_utf_8_are_read_to_their_end():
    """Nothing is read past a text; such bytes are parts of no letter."""
    for broken in (b"a \xe6", b"\xff\xff b", b"\x80", b"a\xf4\xff\xbf\xbf c", b""):
        content = np.frombuffer(broken + b"ZZZ", dtype=np.uint8)
        from dedup import shingles

        hashes, ends, borders = np.zeros(16, np.uint64), np.zeros(2, np.int64), np.zeros(1, np.int64)
        table = shingles._classes("word")
        same = np.arange(256, dtype=np.uint8)
        bounds = np.array([0, len(broken)], dtype=np.int64)
        compiled.units(content, bounds, table, same, shingles._FACTORS, hashes, ends, borders)
        assert ends[1] == sum(
            part.isalpha() for part in broken.decode("ascii", "replace").replace("�", " ").split()
        )


def test_texts_of_one_hash_are_no_copies():
    texts = ["a b c", "d e f", "a b c", "", "g", "d e f"]
    filled = np.array([bool(text) for text in texts])
    by_hash = copies(texts, keys_of(texts), filled)
    collided = copies(texts, np.zeros(len(texts), dtype=np.uint64), filled)
    for groups, node_of in (by_hash, collided):
        assert [group.tolist() for group in groups] == [[0, 2], [1, 5], [4]]
        assert node_of.tolist() == [0, 1, 0, -1, 2, 1]
    assert [rows.tolist() for rows in by_hash[0].by(-by_hash[0].rows)] == [[2, 0], [5, 1], [4]]


def test_groups_are_a_sequence():
    groups = Groups(np.array([4, 2, 9]), np.array([0, 1, 3]))
    assert len(groups) == 2 and [rows.tolist() for rows in groups] == [[4], [2, 9]]
    assert groups.first.tolist() == [4, 2] and groups.sizes.tolist() == [1, 2]
    assert groups.group_of.tolist() == [0, 1, 1] and groups[0:2][1].tolist() == [2, 9]
    with pytest.raises(IndexError):
        groups[2]


def test_shingles_are_kept_while_there_is_room():
    parts = [shingle(to_arrow([text]), 1, "word") for text in ("a b", "c d e", "f")]
    kept = Runs(3, 3)
    for row, part in enumerate(parts):
        kept.add(part, row)
    starts, ends = kept.of(np.array([0, 1, 2]))
    assert starts.tolist() == [0, -1, 2] and ends.tolist() == [2, -1, 3]
    assert kept.hashes[:3].tolist() == joined([parts[0], parts[2]]).hashes.tolist()
