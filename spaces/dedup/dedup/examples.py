"""The example datasets that lie beside the app, and the request of the first."""

from __future__ import annotations

from typing import Any

EXAMPLES = ("kitchen.jsonl", "quiz_train.jsonl", "quiz_test.jsonl")
PAIRS = {"quiz": ("quiz_train.jsonl", "quiz_test.jsonl")}
FIRST: dict[str, Any] = {"dataset": "kitchen.jsonl", "columns": ["text"], "threshold": 0.7}
