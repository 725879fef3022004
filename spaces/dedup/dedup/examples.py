"""The example datasets that lie beside the app, and the requests whose results are stored."""

from __future__ import annotations

from pathlib import Path

from dedup.request import Request, SplitsRequest

FOLDER = Path(__file__).parents[1] / "examples"

DATASETS = ("kitchen.jsonl", "statements.jsonl", "quiz_train.jsonl", "quiz_test.jsonl")
"""Files of the folder that a request may name as its dataset."""

PAIRS = {"quiz": ("quiz_train.jsonl", "quiz_test.jsonl")}
"""Splits by the name that a comparison may name as their dataset."""

KITCHEN = Request(dataset="kitchen.jsonl", columns=("text",), threshold=0.7)
STATEMENTS = Request(dataset="statements.jsonl", columns=("text",), threshold=0.65, measure="meaning")
QUIZ = SplitsRequest(dataset="quiz", splits=("train", "test"), threshold=0.7)
