"""A JSON file with a list of objects, read object by object: the list would take forty times the file."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared import limits
from shared.errors import VisitorError

_SPACE = re.compile(r"[ \t\n\r]*")
PIECE = 1_000_000
"""Bytes that are read at once."""


@dataclass
class Around:
    """What stands before a file's rows, to their bracket, and behind them, from it."""

    head: bytes = b"["
    tail: bytes = b"]"


def objects(path: Path, around: Around | None = None) -> Iterator[tuple[str, dict[str, Any] | str]]:
    """Every object, or text, of a list as it stands in the file, and parsed. The list is the whole file, or
    the first list of objects among the values of one object, `{"data": […]}`.

    Args:
        around: gets what stands around the list, once all is read.

    Raises:
        VisitorError: the file is no list of objects, or one of them is longer than a row may be.
    """
    reader = _Reader(path)
    head = reader.enter() if reader.sign() == "{" else None
    if head is None:
        reader = _Reader(path)
        reader.expect("[", 0)
    number = 0
    ended = reader.sign() == "]"
    while not ended:
        number += 1
        if reader.sign() not in ("{", '"') or (head and reader.sign() != "{"):
            reader.expect("{", number - 1)
        yield reader.object(number)
        ended = reader.expect(",]", number) == "]"
    if number == 0:
        reader.expect("]", 0)
    if head is not None:
        tail = "]" + reader.rest()
        if around is not None:
            around.head, around.tail = (part.encode("utf-8", "surrogatepass") for part in (head, tail))
        return
    if after := reader.sign():
        raise VisitorError(
            f"The file goes on after its list, with “{after}”.", "Remove what follows, or use JSONL."
        )


def first_sign(path: Path) -> str:
    """The first character that is no space; "" where there is none."""
    return _Reader(path).sign()


class _Reader:
    """A file's characters from a place on, as far as they were read, decoded as `json.loads` decodes them."""

    def __init__(self, path: Path) -> None:
        self.pieces = self._pieces(path)
        self.decode = json.JSONDecoder().raw_decode
        self.text, self.place, self.ended = "", 0, False

    @staticmethod
    def _pieces(path: Path) -> Iterator[str]:
        with path.open("rb") as file:
            piece = file.read(PIECE)
            decoder = codecs.getincrementaldecoder(json.detect_encoding(piece))("surrogatepass")
            while piece:
                yield decoder.decode(piece)
                piece = file.read(PIECE)
            yield decoder.decode(b"", final=True)

    def more(self) -> bool:
        """Read on; whether there was something."""
        try:
            piece = next(self.pieces, None)
        except UnicodeError as error:
            raise VisitorError(f"The file is not JSON ({str(error)[:80]}).", "Save it as UTF-8.") from error
        self.text, self.place = self.text[self.place :] + (piece or ""), 0
        self.ended = piece is None
        return not self.ended

    def sign(self) -> str:
        """The next character that is no space, where the place is then; "" at the end."""
        while True:
            space = _SPACE.match(self.text, self.place)
            self.place = space.end() if space else self.place
            if self.place < len(self.text) or not self.more():
                return self.text[self.place : self.place + 1]

    def enter(self) -> str | None:
        """Go into the first list of objects among the values of the object that begins here; what stands
        before its first object. None where there is none.
        """
        while len(self.text) < limits.MAX_ROW_BYTES and self.more():
            pass
        text, place = self.text, self.text.find("{") + 1
        try:
            while True:
                _, place = self.decode(text, _after_space(text, place))
                place = _after_space(text, place)
                if text[place : place + 1] != ":":
                    return None
                place = _after_space(text, place + 1)
                first = _after_space(text, place + 1)
                if text[place : place + 1] == "[" and text[first : first + 1] == "{":
                    self.place = place + 1
                    return text[: place + 1]
                _, place = self.decode(text, place)
                place = _after_space(text, place)
                if text[place : place + 1] != ",":
                    return None
                place += 1
        except (ValueError, RecursionError):
            return None

    def rest(self) -> str:
        """What follows, which ends the object that the list is in."""
        while len(self.text) - self.place <= limits.MAX_ROW_BYTES and self.more():
            pass
        found = self.text[self.place :]
        if not self.ended:
            raise VisitorError(
                "The file goes on for long after its first list of objects.",
                "Give each list a file of its own.",
            )
        try:
            whole = json.loads('{"":[]' + found)
        except (ValueError, RecursionError) as error:
            raise VisitorError(
                f"What follows the list of objects is not JSON ({reason(error)}).", "Fix it, or use JSONL."
            ) from error
        assert isinstance(whole, dict)
        return found

    def expect(self, signs: str, number: int) -> str:
        """Go past the next character, which has to be one of these; `number` objects stand before it."""
        found = self.sign()
        if not found or found not in signs:
            what = f"“{found}”" if found else "nothing"
            where = f"after object {number:,}" if number else "at its start"
            raise VisitorError(
                f"The file is not a JSON list of objects: {what} stands {where}.",
                'Use [{"text": "…"}, …] or one object a line.',
            )
        self.place += 1
        return found

    def object(self, number: int) -> tuple[str, dict[str, Any] | str]:
        """The object or text that begins here, and go past it."""
        while True:
            try:
                row, end = self.decode(self.text, self.place)
            except (ValueError, RecursionError) as error:
                long = len(self.text) - self.place > limits.MAX_ROW_BYTES
                if isinstance(error, ValueError) and not long and self.more():
                    continue
                if long and isinstance(error, ValueError):
                    raise too_long(f"Object {number:,}") from error
                raise VisitorError(
                    f"Object {number:,} is not JSON ({reason(error)}).", "Fix it, or use JSONL."
                ) from error
            if end - self.place > limits.MAX_ROW_BYTES:
                raise too_long(f"Object {number:,}")
            text, self.place = self.text[self.place : end], end
            return text, row


def _after_space(text: str, place: int) -> int:
    space = _SPACE.match(text, place)
    return space.end() if space else place


def reason(error: Exception) -> str:
    """Why something is not JSON, for the brackets in a sentence."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg}, column {error.colno}"
    return str(error)[:80]


def too_long(what: str) -> VisitorError:
    """The error for a row that is too long."""
    limit = f"{limits.MAX_ROW_BYTES / 1e6:g} MB"
    return VisitorError(f"{what} has more than {limit}, the limit of a row.", "Split it, or leave it out.")
