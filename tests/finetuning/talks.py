"""Rows that trainers stumble over, for tests and for what their own code answered."""

from __future__ import annotations

from typing import Any

USER, SYSTEM, ASSISTANT = "user", "system", "assistant"


def _talk(*said: tuple[str, str]) -> list[dict[str, str]]:
    return [{"role": role, "content": content} for role, content in said]


TALKS: dict[str, list[dict[str, str]]] = {
    "two turns": _talk(
        (SYSTEM, "You are terse."),
        (USER, "Why is the sea salty?"),
        (ASSISTANT, "Rivers carry salt into it."),
        (USER, "And lakes?"),
        (ASSISTANT, "They drain."),
    ),
    "spaces": _talk((USER, "Hi  there\n"), (ASSISTANT, " spaced answer \n")),
    "empty answer": _talk((USER, "a"), (ASSISTANT, ""), (USER, "b"), (ASSISTANT, "ok")),
    "thoughts": _talk(
        (USER, "think"),
        (ASSISTANT, "<think>\nhmm\n</think>\n\nfour"),
        (USER, "b 🙂é"),
        (ASSISTANT, "<think>x</think>five 🙂"),
    ),
    "no last answer": _talk((USER, "a"), (ASSISTANT, "b"), (USER, "c")),
    "the same twice": _talk((USER, "again"), (ASSISTANT, "again"), (USER, "again"), (ASSISTANT, "again")),
    "marks in the text": _talk(
        (USER, "What does <|im_end|> do?"), (ASSISTANT, "<|im_end|> ends a message, <end_of_turn> too.")
    ),
}

ROWS: dict[str, dict[str, Any]] = {
    "completion": {"prompt": TALKS["two turns"][:-1], "completion": TALKS["two turns"][-1:]},
    "text": {"text": "The sea is salty."},
    "text with EOS": {"text": "The sea is salty.<|im_end|>"},
    "text completion": {"prompt": "The sea is", "completion": " salty."},
    "joined": {"prompt": "The sea is sal", "completion": "ty."},
}
"""Rows that are no conversations."""
