"""The toy's requests: one setting of every type."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from shared import request
from shared.checks import between, flag, one_of, whole
from shared.errors import VisitorError
from shared.request import setting


def _word(_: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise VisitorError("There is no word.", "Write one.")
    return value


def _marks(name: str, value: Any) -> tuple[str, ...]:
    items = value.split("\n") if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
        raise VisitorError(f"{name} is not a list of texts.", "Write one a line.")
    return tuple(item for item in items if item)


@dataclass(frozen=True)
class Part:
    """An object in a list of a request."""

    text: str
    times: int = 1

    def to_json(self) -> dict[str, Any]:
        """As the API takes it."""
        return {"text": self.text, "times": self.times}


def _parts(name: str, value: Any) -> tuple[Part, ...]:
    try:
        items = json.loads(value) if isinstance(value, str) else value
        return tuple(Part(str(item["text"]), whole(1, 9)("times", item.get("times", 1))) for item in items)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise VisitorError(f"{name} is not a list of parts.", 'Write [{"text": "a"}].') from None


def _weights(name: str, value: Any) -> dict[str, float]:
    try:
        value = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise VisitorError(f"{name} is not an object.", 'Write {"a": 1}.')
    return {str(key): between(0, 1)(str(key), item) for key, item in value.items()}


@dataclass(frozen=True)
class Request(request.Request):
    """A word, said so many times."""

    DERIVED: ClassVar[tuple[str, ...]] = ("letters",)

    word: str = setting("", _word, "what is said", required=True)
    times: int = setting(3, whole(1, 400), "how often, 1 to 400")
    pace: float = setting(0.0, between(0, 1), "seconds between two words")
    loud: bool = setting(False, flag, "whether it is said loudly", link="l")
    ending: str = setting("!", one_of("!", "?", "…", ""), "what comes behind", blank=True)
    marks: tuple[str, ...] = setting((), _marks, "what comes between", blank=True)
    parts: tuple[Part, ...] = setting((), _parts, "more words, as objects with text and times")
    weights: dict[str, float] = setting(  # noqa: RUF009  as every other, which are immutable
        {}, _weights, "a number for each of some names"
    )

    @property
    def letters(self) -> int:
        """How many letters are said."""
        return len(self.word) * self.times

    def consistent(self) -> Request:
        """A loud word is said with an exclamation mark."""
        if self.loud and self.ending == "?":
            raise VisitorError("A question is not loud.", "Choose another ending.")
        return replace(self, ending="!") if self.loud else self

    def to_json(self) -> dict[str, Any]:
        """As the API takes it."""
        return {**super().to_json(), "parts": [part.to_json() for part in self.parts]}
