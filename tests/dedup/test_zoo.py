"""Datasets of every shape that people bring: the run and the exported program keep the rows that plain Python
keeps.
"""

from __future__ import annotations

import csv
import json
import random
import runpy
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dedup.engine import Result, deduplicate
from dedup.outcome import outcome
from dedup.programs import rensa_program
from dedup.read import read_file
from dedup.request import Request
from dedup.shingles import BORDER
from shared.steps import last
from tests.dedup.corpus import documents
from tests.dedup.test_engine import reference_shingles

THRESHOLD = 0.6
SCRIPTS = [
    "Привет, мир! Это строка о дожде и о ветре над рекой.",
    "東京の天気は晴れです。明日は雨が降るでしょう。",
    "مرحبا بالعالم، هذه جملة عن المطر والريح فوق النهر",
    "สวัสดีชาวโลก วันนี้ฝนตกหนักมากที่ริมแม่น้ำ",
    "Ein Satz über Regen und Wind am Fluß, mit Umlauten: äöüß.",
    "emoji 🎉 party 🎉 at the river 🌊 with rain ☔ and wind",
]


@cache
def notes() -> tuple[str, ...]:
    """120 texts in many scripts: some repeat, some come back with a word or two changed, some are empty."""
    chance = random.Random(2)
    texts = [" ".join(text.split()) for text in documents(70)] + SCRIPTS
    for text in chance.sample(texts, 40):
        words = text.split()
        for _ in range(chance.randrange(0, 3)):
            words[chance.randrange(len(words))] = "changed"
        texts.append(" ".join(words))
    texts += ["", "!!!", "!!!", "👍", "one", "ONE", "two words"]
    chance.shuffle(texts)
    return tuple(texts)


def as_lines(path: Path, rows: list[Any]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def as_csv(path: Path, texts: list[str], **settings: Any) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, **settings).writerows([["id", "body"], *enumerate(texts)])


def question(text: str) -> list[dict[str, str]]:
    return [
        {"role": "system", "content": "You are kind and brief."},
        {"role": "user", "content": text},
        {"role": "assistant", "content": "I cannot say."},
    ]


def shared_gpt(text: str) -> list[dict[str, str]]:
    return [{"from": "human", "value": text}, {"from": "gpt", "value": "I cannot say."}]


SHAPES: dict[str, tuple[str, dict[str, Any], Callable[[Path, list[str]], Any]]] = {
    "lines of text": ("a.txt", {}, lambda path, texts: path.write_text("\n".join(texts), encoding="utf-8")),
    "UTF-16 text": ("a.txt", {}, lambda path, texts: path.write_text("\n".join(texts), encoding="utf-16")),
    "CSV": ("a.csv", {"columns": ["body"]}, as_csv),
    "quoted CSV with semicolons": (
        "a.csv",
        {},
        lambda path, texts: as_csv(path, texts, delimiter=";", quoting=csv.QUOTE_ALL, lineterminator="\n"),
    ),
    "TSV": ("a.tsv", {}, lambda path, texts: as_csv(path, texts, delimiter="\t")),
    "JSON": (
        "a.json",
        {},
        lambda path, texts: path.write_text(json.dumps([{"n": 1, "body": text} for text in texts])),
    ),
    "JSON lines with keys of their own": (
        "a.jsonl",
        {"columns": ["body"]},
        lambda path, texts: as_lines(
            path, [{"body": text, f"k{row % 7}": row} for row, text in enumerate(texts)]
        ),
    ),
    "messages": (
        "a.jsonl",
        {"part": "prompt"},
        lambda path, texts: as_lines(path, [{"messages": question(text)} for text in texts]),
    ),
    "ShareGPT": (
        "a.json",
        {"part": "prompt"},
        lambda path, texts: path.write_text(json.dumps([{"conversations": shared_gpt(t)} for t in texts])),
    ),
    "messages as JSON in CSV": (
        "a.csv",
        {"part": "prompt"},
        lambda path, texts: as_csv(path, [json.dumps(question(text)) for text in texts]),
    ),
    "Parquet": (
        "a.parquet",
        {},
        lambda path, texts: pq.write_table(pa.table({"text": texts, "n": range(len(texts))}), path),
    ),
    "Parquet with a dictionary and nulls": (
        "a.parquet",
        {},
        lambda path, texts: pq.write_table(
            pa.table({"text": pa.array([text or None for text in texts]).dictionary_encode()}), path
        ),
    ),
    "Parquet of messages": (
        "a.parquet",
        {"part": "prompt"},
        lambda path, texts: pq.write_table(pa.table({"messages": [question(text) for text in texts]}), path),
    ),
    **{
        unit: (
            "a.jsonl",
            {"unit": unit},
            lambda path, texts: as_lines(path, [{"text": text} for text in texts]),
        )
        for unit in ("word", "code", "whitespace")
    },
    "characters": (
        "a.jsonl",
        {"unit": "character", "ngram": 5},
        lambda path, texts: as_lines(path, [{"text": text} for text in texts]),
    ),
    "two columns": (
        "a.jsonl",
        {"columns": ["head", "tail"]},
        lambda path, texts: as_lines(
            path, [{"head": text[: len(text) // 2], "tail": text[len(text) // 2 :]} for text in texts]
        ),
    ),
}


def kept_by_hand(texts: list[str], ngram: int, unit: str) -> list[int]:
    """Rows that are like no row kept before them, and blank rows."""
    kept: list[int] = []
    shingles = [reference_shingles(text, ngram, unit) for text in texts]
    for row, own in enumerate(shingles):
        if not any(
            own and len(own & shingles[other]) >= THRESHOLD * len(own | shingles[other]) for other in kept
        ):
            kept.append(row)
    return kept


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_keeps_the_rows_that_plain_python_keeps(shape, tmp_path, monkeypatch, capsys):
    name, settings, write = SHAPES[shape]
    path, texts = tmp_path / name, list(notes())
    write(path, texts)
    result = last(deduplicate(read_file(path, name, 1_000), Request.parse(threshold=THRESHOLD, **settings)))
    assert isinstance(result, Result) and result.dataset.rows == len(texts)
    request = result.request
    assert request.unit == settings.get("unit", "symbol"), "the documents are code"
    if shape == "two columns":
        halves = [(text[: len(text) // 2], text[len(text) // 2 :]) for text in texts]
        texts = [BORDER.join(parts) if any(parts) else "" for parts in halves]
    expected = kept_by_hand(texts, request.ngram, request.unit)
    assert 60 < len(expected) < 110
    assert outcome(result).kept == expected
    if shape == "UTF-16 text":
        return  # the program reads UTF-8
    program, kept = tmp_path / "program.py", tmp_path / "kept.jsonl"
    program.write_text(rensa_program(request, result.plan, result.compared.columns, name), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", [str(program), str(path), str(kept)])
    runpy.run_path(str(program), run_name="__main__")
    assert f"kept {len(expected)} of {len(texts)} rows" in capsys.readouterr().out
