"""What a visitor may demand of a text, and its check: before a model is loaded, in a process that ends where
it takes too long.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path

from shared import limits
from shared.errors import VisitorError
from shared.worker import Worker

KINDS = {"json_schema": "JSON schema", "regex": "regular expression", "lark": "Lark grammar"}
"""What a constraint may be written in, and its name."""

FOLLOWERS = ("greedy", "sample", "beam", "beam_sample", "group_beam")
"""Kinds of strategies that can obey one: those that choose by the processed scores alone."""

_REMEDIES = {
    "json_schema": "Mend the schema, or leave out what it names.",
    "regex": r"Mend it; look-around, backreferences and \b cannot be followed.",
    "lark": "Mend the grammar; it begins with the rule start.",
}

_worker = Worker(Path(__file__).with_name("trying.py"), limits.CONSTRAINT_SECONDS, limits.CONSTRAINT_BYTES)


@lru_cache(maxsize=64)
def warnings_of(kind: str, text: str) -> tuple[str, ...]:
    """Try a constraint; returns what is not followed of one that asks for that (`lenient`), in sentences.

    Args:
        kind: one of `KINDS`.
        text: in that language.

    Raises:
        VisitorError: it is none, no text fulfils it, or it is too large.
    """
    if not text.strip():
        raise VisitorError(f"The {KINDS[kind]} is empty.", "Write one, or choose no constraint.")
    if len(text) > limits.MAX_CONSTRAINT_CHARACTERS:
        raise VisitorError(
            f"The {KINDS[kind]} has {len(text):,} characters; the limit is "
            f"{limits.MAX_CONSTRAINT_CHARACTERS:,}.",
            "Write a shorter one.",
        )
    if kind == "json_schema":
        _check_json(text)
    said = _worker.ask({"kind": kind, "text": text})
    if "warnings" in said:
        check_forced(kind, said["forced"])
        return tuple(
            f"The {KINDS[kind]} is followed only in part: {in_words(one)}." for one in said["warnings"]
        )
    if "empty" in said:
        raise VisitorError(f"No text fulfils the {KINDS[kind]}.", "Change it so that one does.")
    why = in_words(said.get("error", "too many"))
    if why.startswith(("unknown special token", "Token range", "invalid token range")):
        raise VisitorError(
            f"The {KINDS[kind]} names a token of a vocabulary; here a constraint is on text alone.",
            "Write the text that has to come.",
        )
    if "error" not in said or too_large(why):
        raise VisitorError(
            f"The {KINDS[kind]} is too large: it takes too much time or memory to follow.",
            "Lower its counts, or split it.",
        )
    raise VisitorError(f"The {KINDS[kind]} cannot be followed: {why}.", _REMEDIES[kind])


def check_forced(kind: str, length: int) -> None:
    """Refuse a constraint that forces more bytes in a row than any run has room for."""
    if length > limits.MAX_FORCED_BYTES:
        raise VisitorError(
            f"The {KINDS[kind]} forces {length:,} bytes in a row; the limit is {limits.MAX_FORCED_BYTES:,}.",
            "Lower its counts.",
        )


def _check_json(text: str) -> None:
    try:
        schema = json.loads(text)
    except (ValueError, RecursionError) as error:
        why = str(error)[:80] if isinstance(error, ValueError) else "too deep"
        raise VisitorError(
            f"The JSON schema is not valid JSON ({why}).", 'Write it as {"type": "object"}.'
        ) from None
    if not isinstance(schema, dict | bool):
        raise VisitorError("The JSON schema is no JSON object.", 'Write it as {"type": "object"}.')


def too_large(error: str) -> bool:
    """Whether an error of llguidance is one of its limits."""
    return any(
        words in error for words in ("too many", "too large", "Too many", "limit", "fuel", "Unable to")
    )


def in_words(error: str) -> str:
    """An error of llguidance in one short line: its last words on a regular expression, else its first."""
    found = re.search(r"^error: (.+)$", error, re.MULTILINE)
    line = found[1] if found else next(iter(error.strip().splitlines()), "no reason given")
    line = re.sub(r"^(at )?\d+\(\d+\): ", "", line.replace("<non-verbose/>", "")).strip().rstrip(".")
    return line if len(line) <= 140 else f"{line[:140]}…"
