"""Rows of the shelf are read as the same rows in a dataset of the Hub would be, by their visitor alone."""

from __future__ import annotations

import csv
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from abliteration import sets
from dedup_rooms import source, splits_results
from evaluation import contamination
from evaluation.request import CompareRequest
from finetuning import rows as finetuning_rows
from finetuning.request import MaskRequest
from shared import files, hub, made_rows, owner, shelf
from shared.errors import VisitorError
from shared.steps import last

ROWS = [{"text": f"How do I cook {n}, “so”?\nSay it.", "n": str(n)} for n in range(12)]
OTHERS = [f"What is {n}?" for n in range(8)]


@pytest.fixture
def asking(tmp_path, monkeypatch):
    """Whoever asks, by name: a list whose last is asking now."""
    asking = ["m" * 32]
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    monkeypatch.setattr(files, "_sessions", {})
    monkeypatch.setattr(owner, "visitor", lambda scope=None: asking[-1])
    return asking


def write(path, rows=ROWS):
    """A file of rows, in the format that its ending says."""
    table = pa.Table.from_pylist(rows)
    if path.suffix == ".parquet":
        pq.write_table(table, path)
    elif path.suffix == ".arrow":
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
    elif path.suffix in (".csv", ".tsv"):
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter={".csv": ",", ".tsv": "\t"}[path.suffix])
            writer.writeheader()
            writer.writerows(rows)
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows), encoding="utf-8")
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def made(ending=".jsonl", rows=ROWS):
    """The name of rows on the shelf."""
    path = files.result_folder() / f"kept{ending}"
    write(path, rows)
    one = shelf.put(path.parent, "rows", "kept", says="cut from", parents=["a"], relation="", file=path.name)
    assert one is not None
    return one.name


@pytest.mark.parametrize("ending", [".jsonl", ".json", ".csv", ".tsv", ".parquet", ".arrow"])
def test_each_format_reads_as_it_was_written(asking, ending):
    name = made(ending)
    table, more = hub.dataset_rows(name, None, "train", 100)
    assert table.to_pylist() == ROWS and not more
    few, more = hub.dataset_rows(name, "no config", "any split", 5)
    assert few.to_pylist() == ROWS[:5] and more
    assert made_rows.reads(f"kept{ending}")


def test_what_is_no_table_is_refused_in_two_sentences(asking, monkeypatch):
    for ending, content in (
        (".xlsx", b"PK"),
        (".jsonl", b'{"a": 1}\n{"a": ["x"]}\n'),
        (".jsonl", b"{"),
        (".csv", "a\nÿ".encode("latin-1")),
        (".parquet", b"no"),
        (".arrow", b"no"),
        (".jsonl", b"\n"),
    ):
        path = files.result_folder() / f"kept{ending}"
        path.write_bytes(content)
        one = shelf.put(path.parent, "rows", "x", says="", parents=[], relation="", file=path.name)
        with pytest.raises(VisitorError) as refused:
            hub.dataset_rows(one.name, None, "train", 5)
        assert refused.value.what.endswith(".") and str(path.parent) not in str(refused.value)


def test_every_space_reads_them_and_for_their_maker_alone(asking):
    name, parquet = made(), made(".parquet")
    other = made(rows=[{"text": text} for text in OTHERS])
    ways = {
        "a split": lambda: splits_of(name, other),
        "rows to train on": lambda: finetuning_rows.read(MaskRequest.parse(dataset=parquet))[0],
        "a corpus": lambda: contamination.corpus_of(CompareRequest.parse(corpus_dataset=name)).rows,
        "a set of prompts": lambda: sets.resolved(sets.own(f"hf://{name}?column=text", OTHERS))[0].positive,
        "the same": lambda: sets.resolved(sets.own(f"{name}?column=text", OTHERS))[0].positive,
    }
    for way, read in ways.items():
        assert len(read()) == (2 if way == "a split" else len(ROWS)), way
    asking.append("y" * 32)
    for way, read in ways.items():
        with pytest.raises(VisitorError, match="on your shelf"):
            print(way, read())


def splits_of(*names):
    """Datasets of the shelf as splits."""
    from dedup.request import SplitsRequest

    first, *more = names
    return source.open_splits(SplitsRequest.parse(dataset=first, splits=more))


def test_a_clean_split_goes_on_the_shelf(asking):
    from dedup.contamination import compare
    from dedup.request import SplitsRequest

    train, test = made(), made(rows=ROWS[:3])
    asked = SplitsRequest.parse(dataset=train, splits=[test])
    state = splits_results.keep(last(compare(source.open_splits(asked), asked)))
    path = splits_results.download(state)[0]
    clean = splits_results.shelved(state, files.upload_folder() / path)
    assert clean.sentence == f"without the rows that {test} held, cut from {train}"
    assert hub.dataset_rows(clean.name, None, "train", 100)[0].to_pylist() == ROWS[3:]
    assert shelf.history(clean.name)[1].name == train
    for wrong in ({"dataset": train, "splits": ["test"]}, {"dataset": "quiz", "splits": ["train", test]}):
        with pytest.raises(VisitorError, match="each is one split"):
            source.open_splits(SplitsRequest.parse(**wrong))
