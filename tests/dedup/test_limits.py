"""The worst files that a visitor can give: some are refused, and the others take little memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dedup import signing, verify
from dedup.read import read_file
from dedup.rows import Rows
from dedup.signing import keys_of, sample_rows
from dedup.verify import parts
from shared import limits
from shared.cache import Cache, size_of
from shared.errors import VisitorError
from tests.conftest import ROOT

SIZE = 20_000_000


def repeated(part: bytes, before: bytes = b"", after: bytes = b"") -> Callable[[Path], None]:
    """Write 20 MB of the same."""
    return lambda path: path.write_bytes(before + part * (SIZE // len(part)) + after) and None


def table(columns: dict, **settings) -> Callable[[Path], None]:
    return lambda path: pq.write_table(pa.table(columns), path, **settings)


TEXT, DEEP = b"word ", b"[" * 500
WORST: dict[str, tuple[Callable[[Path], None], str]] = {
    "one text.jsonl": (repeated(TEXT, b'{"text": "', b'"}\n'), "Line 1 has more than 3 MB"),
    "one text.json": (repeated(TEXT, b'[{"text": "', b'"}]'), "Object 1 has more than 3 MB"),
    "one text.txt": (repeated(TEXT), "Line 1 has more than 3 MB"),
    "one text.parquet": (
        table({"text": ["x" * 19_000_000]}, compression="none", use_dictionary=False),
        "Row 1 holds a text of 19,000,000 characters",
    ),
    "texts.txt": (repeated(TEXT * 300_000 + b"\n"), "Line 1 holds a text of 1,500,000 characters"),
    "quoted.csv": (repeated(b"a\n", b'text\n"', b'"\n'), "holds a text of more than 1,000,000 characters"),
    "quotes.csv": (repeated(b'"\n",', b"text,n\n"), "The row of line .* has more than 3 MB"),
    "numbers.json": (repeated(b"1,", b'[{"n": [', b"1]}]"), "Object 1 has more than 3 MB"),
    "digits.jsonl": (repeated(b"1" * 1_000_000 + b"\n", b'{"n": '), "Line 1 is not JSON"),
    "deep.json": (repeated(b"[", b'[{"a": '), "Object 1 is not JSON"),
    "columns.csv": (repeated(b"name,"), "more than|has more than 3 MB"),
    "columns.jsonl": (
        lambda path: path.write_text(json.dumps({f"c{n}": 1 for n in range(100_000)})) and None,
        "more than 1,000 columns",
    ),
    "columns.parquet": (table({f"c{n}": [1] for n in range(1_500)}), "1,500 columns; the limit is 1,000"),
    "repeated.parquet": (table({"text": ["x" * 100_000] * 1_500}), "hold more than 60 MB"),
    "structs.parquet": (
        table({"a": pa.array([[{"b": None}] * 500_000] * 4, pa.list_(pa.struct([("b", pa.bool_())])))}),
        "hold more than 60 MB",
    ),
    "objects.json": (repeated(b"{},", b"[", b"{}]"), ""),
    "objects.jsonl": (repeated(b"{}\n"), ""),
    "lines.txt": (repeated(b"\n"), ""),
    "commas.csv": (repeated(b",\n", b"a,b\n"), ""),
    "deep.jsonl": (repeated(b'{"a": ' + DEEP + b"]" * 500 + b"}\n"), ""),
    "spaces.json": (repeated(b" ", b'[{"text": "x"}', b"]"), ""),
    "lists.jsonl": (repeated(b'{"text": "x", "a": [' + b"{}," * 990_000 + b"{}]}\n"), ""),
    "conversations.jsonl": (
        repeated(b'{"messages": [' + b",".join([b'{"role": "user", "content": "hi"}'] * 80_000) + b"]}\n"),
        "",
    ),
}
"""By name, how to write a file, and what is told of it; "" where it is read."""

MEASURE = """
import resource, sys
from pathlib import Path
from dedup.read import read_file
from dedup.request import Request
from dedup.texts import compared
from shared.errors import VisitorError
from shared.cache import Cache, size_of
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
def read(path):
    try: compared(read_file(path, path.name, 500_000), Request()); return ""
    except VisitorError as error: return str(error)
path, small = map(Path, sys.argv[1:])
read(small)
before, told = peak(), read(path)
print(peak() - before, told)
"""


@pytest.mark.parametrize("name", WORST)
def test_the_worst_file_takes_little_memory(tmp_path, name):
    write, reason = WORST[name]
    path, small = tmp_path / name, tmp_path / f"small{Path(name).suffix}"
    write(path)
    if path.suffix == ".parquet":
        pq.write_table(pa.table({"text": ["a", "b"]}), small)
    else:
        small.write_text({".json": "[{}]", ".jsonl": "{}", ".txt": "a", ".csv": "a\nb\n"}[path.suffix])
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path), str(small)],
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'spaces' / 'dedup'}"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    taken, told = done.stdout.split(" ", 1)
    assert int(taken) <= max(6 * path.stat().st_size, 150_000_000 if path.suffix == ".parquet" else 0)
    if reason:
        with pytest.raises(VisitorError, match=reason):
            raise VisitorError(told, "")
    else:
        assert not told.strip() or "No column holds text" in told or "holds no text" in told


def test_rows_are_a_sequence():
    rows = Rows()
    for row in (b"one", b"", b"three"):
        rows.append(row)
    assert list(rows) == rows[:] == [b"one", b"", b"three"] and rows[1:] == [b"", b"three"]
    assert len(rows) == 3 and rows[2] == b"three"
    with pytest.raises(IndexError):
        rows[3]


@pytest.mark.parametrize("piece", [7, 64, 1_000_000])
def test_a_json_list_is_read_as_json_reads_it(tmp_path, monkeypatch, piece):
    from dedup import json_list

    rows = [{"text": f"naïve 🙂 {n}", "n": [n, {"a": None}], "": 1.5e10} for n in range(30)]
    monkeypatch.setattr(json_list, "PIECE", piece)
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32"):
        for indent in (None, 2):
            path = tmp_path / "rows.json"
            path.write_bytes(json.dumps(rows, ensure_ascii=False, indent=indent).encode(encoding))
            data = read_file(path, "rows.json", 100)
            assert [json.loads(line) for line in data.lines] == rows
            assert (data.rows, data.cut, data.columns) == (30, 0, ("text", "n", ""))
            few = read_file(path, "rows.json", 10)
            assert (few.rows, few.cut) == (10, None)


def test_a_sample_has_a_size_in_characters(monkeypatch):
    texts = [f"{n} " * 100 for n in range(50)]
    keys = keys_of(texts)
    assert len(sample_rows(texts, keys, 20)) == 20
    monkeypatch.setattr(signing, "SAMPLE_CHARACTERS", 1_000)
    few = sample_rows(texts, keys, 20)
    assert sum(len(texts[row]) for row in few) <= 1_000 and len(few) >= 3
    monkeypatch.setattr(signing, "SAMPLE_CHARACTERS", 10)
    assert len(sample_rows(texts, keys, 20)) == 1


def test_pairs_are_verified_in_parts():
    generator = np.random.default_rng(0)
    pairs = np.unique(np.sort(generator.integers(0, 60, (90, 2)), axis=1), axis=0)
    pairs = pairs[pairs[:, 0] < pairs[:, 1]]
    lengths = generator.integers(1, 40, 60)
    for most in (1, 50, 300, verify.CHARACTERS_AT_ONCE):
        found = parts(pairs, lengths, most)
        assert sorted(np.concatenate(found).tolist()) == list(range(len(pairs)))
        for part in found:
            rows = np.unique(pairs[part])
            assert lengths[rows].sum() <= 2 * most + 2 * lengths.max() or len(part) == 1
    assert len(parts(pairs, lengths, 50)) > 5 and len(found) == 1
    assert parts(pairs[:0], lengths) == []


def test_the_limits_belong_together():
    assert limits.MAX_CELL_CHARACTERS <= limits.MAX_ROW_BYTES <= limits.MAX_FILE_BYTES
    assert limits.unpacked_bytes(10**9) == limits.MAX_FILE_BYTES


def test_results_of_all_visitors_have_one_limit(monkeypatch):
    """Of both rooms together."""
    from dedup_rooms import kept, results, splits_results

    first = results.result_of(kept.EXAMPLE)
    monkeypatch.setattr(kept, "_RESULTS", Cache(int(2.5 * size_of(first))))
    names = [room.keep(first) for room in (results, splits_results, results)]
    assert splits_results.result_of(names[1]) is first
    assert results.result_of(names[2]) is results.result_of(names[1]) is first
    with pytest.raises(VisitorError, match="made room for those of later runs"):
        results.result_of(names[0])
    with pytest.raises(VisitorError, match="no result yet"):
        results.result_of(None)
