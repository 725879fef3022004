"""Rows as people have them: conversations, prompts with completions, texts; pasted, in a file, on the Hub."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from finetuning import csv_rows
from finetuning.request import MAX_ROWS, MAX_TEXT, MaskRequest
from finetuning.row_forms import WANTED, Message, Row, are_messages, form
from shared import encodings, hub, shelf, web
from shared.checks import unmarked
from shared.errors import VisitorError

JSON_FILES = (".json", ".jsonl")
"""Files of the shelf that are read as an upload is; others as a table."""

SPEAKERS = {
    **dict.fromkeys(("user", "human", "you"), "user"),
    **dict.fromkeys(("assistant", "ai", "bot", "chatgpt"), "assistant"),
    "system": "system",
}
"""Who speaks in a conversation that is pasted as text, `User: …`, by what stands before the colon."""
READ_AS = ", read as "
"""In the name of a source, between a file's name and how it was read: what it is where its name does not say
so, and its encoding where that is not UTF-8.
"""
JSON, CSV, TALK = "JSON", "CSV", "a conversation"
KINDS = (JSON, CSV, TALK)
"""What a file of rows is."""
_SPEAKS = re.compile(rf"^({'|'.join(SPEAKERS)})[ \t]*:[ \t]*", re.IGNORECASE | re.MULTILINE)


class Source(Protocol):
    """A request that names rows."""

    @property
    def rows(self) -> str: ...
    @property
    def dataset(self) -> str: ...
    @property
    def config(self) -> str: ...
    @property
    def split(self) -> str: ...
    @property
    def limit(self) -> int: ...


def read(request: MaskRequest, upload: Any = None, token: str | None = None) -> tuple[list[Row], str, bool]:
    """The rows that a request is about: pasted, uploaded, or of the Hub.

    Returns:
        The rows, where they come from, and whether there are more.

    Raises:
        VisitorError: there are none, they cannot be read, or one of them has no form that is known.
    """
    found, source, more = objects(request, upload, token)
    return _formed(found, request.limit), source, more


def objects(request: Source, upload: Any = None, token: str | None = None) -> tuple[list[Any], str, bool]:
    """The objects that a request names, at most its limit, as `read` returns rows of them.

    Raises:
        VisitorError: there are none, or they cannot be read.
    """
    cut = False
    if upload and (request.rows.strip() or request.dataset):
        raise VisitorError(
            "A file is given beside other rows.", "Clear one of them; on the page the file is under Advanced."
        )
    if upload:
        path, source = web.file_of(upload)
        text, cut, encoding = _text_of(path, source)
        found, kind = _parsed(text, cut=cut)
        ways = [kind] * (kind != kind_of(source)) + [encoding] * bool(encoding)
        source += f"{READ_AS}{', '.join(ways)}" if ways else ""
    elif shelf.is_made(request.dataset) and shelf.rows_of(request.dataset).suffix in JSON_FILES:
        path, source = shelf.rows_of(request.dataset), request.dataset
        text, cut, _ = _text_of(path, path.name)
        found, _ = _parsed(text, cut=cut)
    elif request.dataset:
        table, more = hub.dataset_rows(
            request.dataset, request.config or None, request.split, request.limit, token
        )
        split = "" if shelf.is_made(request.dataset) else f", {request.split}"
        return table.to_pylist()[: request.limit], f"{request.dataset}{split}", more
    elif request.rows.strip():
        source, (found, _) = "pasted rows", _parsed(request.rows)
    else:
        raise VisitorError("There are no rows.", WANTED)
    if not found:
        raise VisitorError("There are no rows.", WANTED)
    kept = found[: request.limit]
    for number, item in enumerate(kept, 1):
        _check_whole(item, number)
    return kept, source, cut or len(found) > request.limit


def kind_of(name: str) -> str:
    """What a file is by its name, see `KINDS`."""
    return CSV if name.lower().endswith((".csv", ".tsv")) else JSON


def guessed(source: str) -> str:
    """What is to be said where a file of this name of a source was read in an encoding that is guessed at; ""
    where it was not.
    """
    ways = source.partition(READ_AS)[2].split(", ")
    found = next((way for way in ways if way and way not in KINDS and not way.startswith("UTF")), "")
    return f"The file is not UTF-8. It is read as {found}, which is guessed: check its accents." * bool(found)


def _check_whole(item: Any, number: int) -> None:
    """Refuse a row with half a character, which JSON can escape and no tokenizer reads."""
    try:
        json.dumps(item, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError as error:
        half = f"\\u{ord(error.object[error.start]):04x}"
        raise VisitorError(
            f"Row {number} holds half a character, {half}.", "Write the whole one, or leave it out."
        ) from None
    except (ValueError, RecursionError):  # too deep: said where its form is read
        pass


def _formed(objects: list[Any], limit: int) -> list[Row]:
    return [form(item, number) for number, item in enumerate(objects[: min(limit, MAX_ROWS)], 1)]


def _text_of(path: Path, name: str) -> tuple[str, bool, str]:
    """The beginning of a file, of at most `MAX_TEXT` characters, cut after a whole line; whether there is
    more; and its encoding, "" for UTF-8.
    """
    with path.open("rb") as file:
        data = file.read(4 * MAX_TEXT + 1)
    encoding = encodings.encoding_of_all(path)
    try:
        text = data.decode(encoding, "strict" if len(data) <= 4 * MAX_TEXT else "ignore")
    except UnicodeDecodeError:
        raise VisitorError(f"{name[:60]} is not UTF-8 text.", "Save it as JSON Lines in UTF-8.") from None
    text = unmarked(text)
    named = "" if encoding.startswith("utf-8") else encoding.upper()
    if len(text) <= MAX_TEXT:
        return text, len(data) > 4 * MAX_TEXT, named
    whole = text[:MAX_TEXT].rpartition("\n")[0]
    if not whole or text.lstrip()[:1] == "[":
        raise VisitorError(
            f"{name[:60]} has more than {MAX_TEXT:,} characters.", "Save its first rows as JSON Lines."
        )
    return whole, True, named


def _parsed(text: str, *, cut: bool = False) -> tuple[list[Any], str]:
    """The objects of a JSON list, of one object, of JSON Lines, of CSV, or of one conversation; and which of
    `KINDS` it is.
    """
    if spoken := _spoken(text):
        return [{"messages": spoken}], TALK
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        if text.lstrip()[:1] not in ("[", "{") and (table := csv_rows.rows(text.lstrip("\r\n"), cut=cut)):
            return table, CSV
        return list(_lines(text)), JSON
    if are_messages(whole):
        return [{"messages": whole}], JSON
    return whole if isinstance(whole, list) else [whole], JSON


def _lines(text: str) -> Iterator[Any]:
    """The objects of JSON Lines."""
    for place, line in enumerate(io.StringIO(text, newline=None), 1):  # `splitlines` parts strings
        if not line.strip():
            continue
        try:
            yield json.loads(unmarked(line))
        except (ValueError, RecursionError) as error:
            words = error.msg if isinstance(error, json.JSONDecodeError) else "too deep"
            raise VisitorError(
                f"Line {place} is not JSON ({words}): “{line.strip()[:40]}”.",
                "Give a JSON list, one JSON object on each line, or CSV with a header.",
            ) from None


def _spoken(text: str) -> list[Message]:
    """The messages of a conversation that is pasted as text with its speakers; none of any other text."""
    text = text.strip()
    if not _SPEAKS.match(text):
        return []
    said = _SPEAKS.split(text)[1:]
    pairs = zip(said[::2], said[1::2], strict=True)
    return [{"role": SPEAKERS[who.lower()], "content": words.strip()} for who, words in pairs]
