"""Splits against each other: every match by brute force, whatever the measure, the order and the parts."""

from __future__ import annotations

import gzip
import json
import os
import random
import time
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dedup import compiled, contamination, signing
from dedup.contamination import Contamination, Split
from dedup.overlap import Index
from dedup.programs import splits_program
from dedup.read import Dataset
from dedup.request import MEASURES, SplitsRequest
from dedup.shingles import BORDER, shingles_of, to_arrow, units_of
from dedup.texts import Compared
from dedup_rooms import source
from shared import limits
from shared.errors import VisitorError
from tests.dedup.corpus import rows_of
from tests.dedup.test_compiled import texts_of
from tests.dedup.test_engine import reference_shingles


def compared(parts: list[list[str]], **settings: Any) -> Contamination:
    splits = [
        Split(name, name, Compared(("text",), texts), 0, rows_of([{"text": text} for text in texts], name))
        for name, texts in zip("abc", parts, strict=False)
    ]
    *_, result = contamination.compare(splits, SplitsRequest.parse(unit="word", **settings))
    assert isinstance(result, Contamination)
    return result


def longest(one: list[Any], other: list[Any]) -> int:
    """The longest common run, by trying all."""
    return max(
        (
            size
            for size in range(1, len(one) + 1)
            for start in range(len(one) - size + 1)
            if any(one[start : start + size] == other[at : at + size] for at in range(len(other)))
        ),
        default=0,
    )


def exact(parts: list[list[str]], ngram: int, measure: str, threshold: float) -> dict[tuple[int, int], list]:
    """The best match of each row: of the highest value, then similarity, then the earliest."""
    sets = [[reference_shingles(text, ngram, "word") for text in part] for part in parts]
    units = [
        [own.hashes.tolist() for own in (units_of(to_arrow([text]), "word") for text in part)]
        for part in parts
    ]
    found: dict[tuple[int, int], list] = {}
    for a, b in product(range(len(parts)), repeat=2):
        found[a, b] = []
        for row, own in enumerate(sets[a]):
            matches = []
            for place, other in enumerate(sets[b]):
                if (a, row) == (b, place) or not own & other:
                    continue
                jaccard, share = len(own & other) / len(own | other), len(own & other) / len(own)
                run = longest(units[a][row], units[b][place]) if measure == "longest" else 0
                value = {"jaccard": jaccard, "longest": run / max(1, len(units[a][row]))}.get(measure, share)
                if measure == "overlap" or value >= threshold:
                    matches.append((value, jaccard, -place, share, run))
            if matches:
                _, jaccard, place, share, run = max(matches)
                found[a, b].append((row, -place, jaccard, share, run))
    return found


@pytest.mark.parametrize("measure", MEASURES)
def test_every_match_is_the_best(measure, monkeypatch):
    for seed, ngram in ((0, 1), (1, 2), (2, 3), (3, 8)):
        chance = random.Random(seed)
        parts = [texts_of(chance, count) for count in (30, 45, 20)]
        truth = exact(parts, ngram, measure, 0.4)
        for chunk in (1_000, 7):
            monkeypatch.setattr(signing, "CHUNK", chunk)
            result = compared(parts, ngram=ngram, measure=measure, threshold=0.4)
            for pair, leaks in result.leaks.items():
                told = [(one.row, one.match, one.jaccard, one.containment, one.run) for one in leaks]
                assert told == truth[pair], (seed, pair)
        assert sum(map(len, truth.values())) > 20


def test_the_longest_run_of_long_texts_is_the_same():
    chance = np.random.default_rng(2)
    for size, values in ((1, 2), (7, 2), (40, 3), (60, 50), (300, 4)):
        one, other = (chance.integers(1, values + 1, chance.integers(1, size + 1)) for _ in range(2))
        one, other = one.astype(np.uint64), other.astype(np.uint64)
        by_cells = compiled._longest_run(one, 0, len(one), other, 0, len(other))
        assert by_cells == compiled._longest_by_windows(one, other) == longest(one.tolist(), other.tolist())
    long = chance.integers(0, 2**63, 3_000).astype(np.uint64)
    assert compiled._longest_run(long, 0, 3_000, long[500:], 0, 2_500) == 2_500


def test_a_stream_holds_no_more_than_the_threads_need():
    """A part is asked for when an earlier one is done; the index alone stays in memory."""
    asked = 0
    texts = [f"one two three four {number}" for number in range(40)]
    index = Index(texts, 3, "word")

    def parts():
        nonlocal asked
        for _ in range(500):
            asked += 1
            yield ["nothing of this is there", "a one two three four 7 b"]

    for done, (first, _, found, so_far) in enumerate(index.stream(parts(), "containment", 0.5), start=1):
        assert asked <= done + 2 + (os.cpu_count() or 1)
        assert first == 2 * (done - 1) and found.rows.tolist() == [-1, 7]
        back = so_far
    assert asked == 500
    assert back.rows[7] == 1 and np.flatnonzero(back.rows >= 0).tolist() == list(range(40))


def test_a_large_split_is_not_compared_with_itself(monkeypatch):
    monkeypatch.setattr(limits, "MAX_CONTAMINATION_ROWS", 3)
    rows = [f"row number {number} of the split" for number in range(5)]
    result = compared([[*rows, rows[0]], rows[:2]])
    data = result.to_json()
    assert [[cell["rows"] for cell in line] for line in data["matrix"]] == [[None, 3], [2, 0]]
    assert any("a was not compared with itself" in line for line in data["warnings"])
    with pytest.raises(VisitorError, match="beside the largest have 4 rows together; at most 3"):
        compared([rows, rows[:2], rows[:2]])


def test_short_rows_are_told():
    result = compared([["yes", "one two three four", "no"], ["Yes!", "one two"]], ngram=3)
    assert result.short == (2, 2)
    assert [leak.row for leak in result.leaks[0, 1]] == [0], "it is held by a row of the same words alone"
    assert result.to_json()["warnings"] == [
        f"2 rows have fewer than 3 words in {name}: such a row is compared as a whole, and only one of the "
        "same words holds it."
        for name in "ab"
    ]


def test_a_split_is_left_without_what_others_hold():
    train = ["one two three four", "five six seven eight", "one two three four", "nine ten eleven"]
    result = compared([train, ["a one two three four b", "x y z"], ["nine ten eleven twelve"]])
    assert result.split_to_clean() == 0 and result.clean_rows(0) == [1]
    assert result.clean_rows(1) == [0, 1], "repeats and what is held in part do not count"
    assert result.to_json()["clean"] == {"split": 0, "rows": 1}
    named = compared([train, train[:2]], clean="b")
    assert named.split_to_clean() == 1 and named.to_json()["clean"] == {"split": 1, "rows": 0}
    with pytest.raises(VisitorError, match=r"No split is called “z”\. Choose from: a, b"):
        compared([train, train], clean="z").to_json()


def test_every_leak_has_a_line(monkeypatch):
    """More of them than a figure shows, with what names the rows."""
    monkeypatch.setattr(contamination, "MAX_LEAKS", 2)
    texts = [f"row number {number} of them" for number in range(9)]
    names = [{"ID": f"x{number}", "text": text} for number, text in enumerate(texts)]
    splits = [
        Split("a", "a", Compared(("text",), texts), 0, rows_of(names, "a")),
        Split("b", "b", Compared(("text",), texts[3:])),
    ]
    *_, result = contamination.compare(splits, SplitsRequest.parse(unit="word", measure="longest"))
    assert len(result.to_json()["leaks"]) == 4
    lines = [json.loads(json.dumps(line)) for line in result.lines()]
    there = [line for line in lines if (line["split"], line["in"]) == ("a", "b")]
    assert [line["id"] for line in there] == [f"x{number}" for number in range(9)][3:]
    assert there[0] == {
        "split": "a",
        "row": 3,
        "in": "b",
        "match": 0,
        "jaccard": 1.0,
        "containment": 1.0,
        "run": 5,
        "id": "x3",
    }
    assert {line["match_id"] for line in lines if line["in"] == "a"} <= {f"x{number}" for number in range(9)}


def test_datasets_name_their_rows():
    """By the first column of a known name; values that JSON has no word for as text."""
    one = Dataset("x", "jsonl", 1, ("text", "question_id"), [b'{"text": "a", "question_id": [1]}'])
    assert contamination._ids(one) == ["[1]"]
    assert contamination._ids(Dataset("x", "text", 1, ("text",), [b"a"])) is None


def test_no_row_is_lost_where_a_bound_spares_the_search_for_the_longest_run():
    """With repeats and borders between columns as well."""
    chance = random.Random(5)
    words = [f"w{number}" for number in range(6)]
    for ngram in (1, 2, 3):
        parts = [
            [
                BORDER.join(" ".join(chance.choices(words, k=chance.randint(1, 9))) for _ in "ab")
                for _ in range(20)
            ]
            for _ in "ab"
        ]
        units = [[units_of(to_arrow([text]), "word").hashes.tolist() for text in part] for part in parts]
        for threshold in (0.3, 0.6):
            result = compared(parts, ngram=ngram, measure="longest", threshold=threshold)
            for one, own in enumerate(units[0]):
                best = max(
                    longest(own, other) / len(own) if shares(parts[0][one], parts[1][at], ngram) else 0
                    for at, other in enumerate(units[1])
                )
                told = [leak.value for leak in result.leaks[0, 1] if leak.row == one]
                assert told == ([best] if best >= threshold else [])


def shares(one: str, other: str, ngram: int) -> bool:
    parts = [shingles_of(units_of(to_arrow([text]), "word"), ngram).hashes.tolist() for text in (one, other)]
    return bool(set(parts[0]) & set(parts[1]))


def test_a_split_that_is_not_there_is_told_before_any_is_compared(monkeypatch):
    monkeypatch.setattr(contamination, "Index", None)
    with pytest.raises(VisitorError, match="No split is called"):
        compared([["one two"], ["one two"]], clean="nope")


@pytest.mark.parametrize(
    ("cells", "told"),
    [([float("nan"), 2.0], [None, 2.0]), ([float("inf"), 2.0], ["inf", 2.0]), (["x" * 201, "y"], None)],
    ids=["nan", "infinite", "pages"],
)
def test_a_name_of_a_row_is_short_and_json(cells, told):
    rows = [{"id": cell, "text": "one two three"} for cell in cells]
    assert contamination._ids(rows_of(rows, "a")) == told


def opened(monkeypatch, *files: Path) -> list[Split]:
    monkeypatch.setattr(source, "upload_of", lambda file: (file, file.name))
    return source.open_splits(SplitsRequest.parse(), list(files))


def test_packed_splits_have_a_program_and_names_of_their_own(tmp_path, monkeypatch):
    line = b'{"text": "one two three four"}\n'
    files = [tmp_path / name for name in ("rows.jsonl.gz", "rows.csv", "rows.txt")]
    for file, content in zip(files, (gzip.compress(line), b"text\nfive six\n", b"seven\n"), strict=True):
        file.write_bytes(content)
    splits = opened(monkeypatch, *files)
    assert [split.name for split in splits] == ["rows", "rows (2)", "rows (3)"]
    *_, result = contamination.compare(splits, SplitsRequest.parse(clean="rows (2)"))
    assert isinstance(result, Contamination)
    assert result.split_to_clean() == 1
    assert "rows.jsonl" in splits_program(SplitsRequest.parse(), result.to_json()["provenance"])


def test_files_that_unpack_to_more_than_the_memory_are_refused(tmp_path, monkeypatch):
    files = [tmp_path / name for name in ("a.jsonl.gz", "b.jsonl.gz")]
    for file in files:
        file.write_bytes(gzip.compress(b'{"text": "one two three four"}\n' * 1_000))
    opened(monkeypatch, *files)
    monkeypatch.setattr(limits, "MAX_FILE_BYTES", 35_000)
    with pytest.raises(VisitorError, match="together"):
        opened(monkeypatch, *files)


def test_images_that_lie_elsewhere_are_told():
    splits = [
        Split(name, name, Compared(("text",), ["one two three"], unseen=unseen))
        for name, unseen in (("a", 2), ("b", 0))
    ]
    *_, result = contamination.compare(splits, SplitsRequest.parse())
    assert isinstance(result, Contamination)
    assert [line for line in result.to_json()["warnings"] if "image" in line] == [
        "2 rows hold an image or the like in a that is not in the file and cannot be compared."
    ]


def test_rows_with_one_long_passage_in_common_take_few_searches_for_it():
    """Every row shares it with every other, and the best match of each is known after a few."""
    chance = random.Random(3)
    passage = " ".join(f"p{number}" for number in range(240))
    parts = [
        [
            f"{passage} " + " ".join(chance.choices([f"{name}{n}" for n in range(400)], k=9))
            for _ in range(200)
        ]
        for name in "ab"
    ]
    compared([part[:2] for part in parts], measure="longest", threshold=0.5)  # compiles
    seconds, found = {}, {}
    for measure in ("jaccard", "longest"):
        began = time.process_time()
        found[measure] = compared(parts, measure=measure, threshold=0.5)
        seconds[measure] = time.process_time() - began
    assert {leak.run for leak in found["longest"].leaks[0, 1]} == {240}
    by_words = {leak.row: leak.jaccard for leak in found["jaccard"].leaks[0, 1]}
    assert {leak.row: leak.jaccard for leak in found["longest"].leaks[0, 1]} == by_words
    assert seconds["longest"] < 8 * seconds["jaccard"], seconds
