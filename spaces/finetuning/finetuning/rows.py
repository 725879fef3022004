"""Rows as people have them: conversations, prompts with completions, texts; pasted, in a file, on the Hub."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from finetuning.request import MAX_ROWS, MAX_TEXT, MaskRequest
from shared import encodings, hub, limits, shelf, web
from shared.errors import VisitorError

Message = dict[str, Any]
Form = Literal["messages", "completion", "text", "text_completion"]

JSON = (".json", ".jsonl")
"""Files of the shelf that are read as an upload is; others as a table."""

ROLES = {"human": "user", "gpt": "assistant"}
"""Roles that Axolotl calls by the names of chat templates; TRL hands them on as they are."""

WANTED = "Give “messages” (or “conversations”) with role and content, “prompt” with “completion”, or “text”."
NAMED = (
    ("instruction", "output"),
    ("instruction", "response"),
    ("question", "answer"),
    ("question", "response"),
    ("query", "response"),
    ("prompt", "response"),
    ("prompt", "answer"),
    ("input", "output"),
)
"""Columns of question and answer by which datasets are known, Alpaca's first; TRL reads none of them."""
SPEAKERS = {
    **dict.fromkeys(("user", "human", "you"), "user"),
    **dict.fromkeys(("assistant", "ai", "bot", "chatgpt"), "assistant"),
    "system": "system",
}
"""Who speaks in a conversation that is pasted as text, `User: …`, by what stands before the colon."""
READ_AS = ", read as "
"""In the name of a source, between a file's name and its encoding where that is not UTF-8."""
_SPEAKS = re.compile(rf"^({'|'.join(SPEAKERS)})[ \t]*:[ \t]*", re.IGNORECASE | re.MULTILINE)
MAX_MESSAGES = 200
"""Messages of one row."""
MAX_DEPTH = 100


@dataclass(frozen=True)
class Row:
    """One row.

    Args:
        number: from 1, as it stands in what was given.
        form: what it is: a conversation, a conversation whose last part is the completion, a text, a text
            with its completion.
        messages: of a conversation, all of them.
        completion: how many of the last messages are the completion; 0 where the form is another.
        text: of a text, its prompt where it has a completion.
        ending: the completion of a text.
        given: what the template gets beside the messages: tools, and what `chat_template_kwargs` names.
        system: the column `system`, which Axolotl reads and TRL does not.
        foreign: roles that had to be renamed, see `ROLES`.
        columns: of the object, each with what is in it, see `_kind`.
    """

    number: int
    form: Form
    messages: tuple[Message, ...] = ()
    completion: int = 0
    text: str = ""
    ending: str = ""
    given: dict[str, Any] | None = None
    system: str = ""
    foreign: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def bare(self) -> bool:
        """Whether TRL gives EOS to a column “text” beside the completion, which then ends in nothing."""
        return self.form == "text_completion" and "text" in self.columns


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
        text, cut, read_as = _text_of(path, source)
        source += f"{READ_AS}{read_as}" if read_as else ""
        found = list(_parsed(text))
    elif shelf.is_made(request.dataset) and shelf.rows_of(request.dataset).suffix in JSON:
        path, source = shelf.rows_of(request.dataset), request.dataset
        text, cut, _ = _text_of(path, path.name)
        found = list(_parsed(text))
    elif request.dataset:
        table, more = hub.dataset_rows(
            request.dataset, request.config or None, request.split, request.limit, token
        )
        split = "" if shelf.is_made(request.dataset) else f", {request.split}"
        return table.to_pylist()[: request.limit], f"{request.dataset}{split}", more
    elif request.rows.strip():
        source, found = "pasted rows", list(_parsed(request.rows))
    else:
        raise VisitorError("There are no rows.", WANTED)
    if not found:
        raise VisitorError("There are no rows.", WANTED)
    kept = found[: request.limit]
    for number, item in enumerate(kept, 1):
        _check_whole(item, number)
    return kept, source, cut or len(found) > request.limit


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
    encoding = encodings.encoding_of(path)
    try:
        text = data.decode(encoding, "strict" if len(data) <= 4 * MAX_TEXT else "ignore").lstrip("\ufeff")
    except UnicodeDecodeError:
        raise VisitorError(f"{name[:60]} is not UTF-8 text.", "Save it as JSON Lines in UTF-8.") from None
    named = "" if encoding.startswith("utf-8") else encoding.upper()
    if len(text) <= MAX_TEXT:
        return text, len(data) > 4 * MAX_TEXT, named
    whole = text[:MAX_TEXT].rpartition("\n")[0]
    if not whole or text.lstrip()[:1] == "[":
        raise VisitorError(
            f"{name[:60]} has more than {MAX_TEXT:,} characters.", "Save its first rows as JSON Lines."
        )
    return whole, True, named


def _parsed(text: str) -> Iterator[Any]:
    """The objects of a JSON list, of one object, of JSON Lines, or of one conversation."""
    if spoken := _spoken(text):
        yield {"messages": spoken}
        return
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        for place, line in enumerate(io.StringIO(text, newline=None), 1):  # `splitlines` parts strings
            if not line.strip():
                continue
            try:
                yield json.loads(line)
            except (ValueError, RecursionError) as error:
                words = error.msg if isinstance(error, json.JSONDecodeError) else "too deep"
                raise VisitorError(
                    f"Line {place} is not JSON ({words}): “{line.strip()[:40]}”.",
                    "Give a JSON list, or one JSON object on each line.",
                ) from None
        return
    if isinstance(whole, list) and whole and all(isinstance(one, dict) and _is_message(one) for one in whole):
        yield {"messages": whole}
    elif isinstance(whole, list):
        yield from whole
    else:
        yield whole


def _spoken(text: str) -> list[Message]:
    """The messages of a conversation that is pasted as text with its speakers; none of any other text."""
    text = text.strip()
    if not _SPEAKS.match(text):
        return []
    said = _SPEAKS.split(text)[1:]
    pairs = zip(said[::2], said[1::2], strict=True)
    return [{"role": SPEAKERS[who.lower()], "content": words.strip()} for who, words in pairs]


def _is_message(value: dict[str, Any]) -> bool:
    return ("role" in value and ("content" in value or "tool_calls" in value)) or (
        "from" in value and "value" in value
    )


def form(item: Any, number: int) -> Row:
    """A row in its form.

    Raises:
        VisitorError: it has none that is known; the row is named.
    """

    def wrong(what: str) -> VisitorError:
        return VisitorError(f"Row {number} {what}.", WANTED)

    if not isinstance(item, dict):
        raise wrong(f"is {json.dumps(item, ensure_ascii=False, default=str)[:40]}, no object")
    if _depth(item) > MAX_DEPTH:
        raise wrong("is nested too deep")
    system = item.get("system") if isinstance(item.get("system"), str) else ""
    tools = item.get("tools")
    if isinstance(tools, str):
        try:
            tools = json.loads(tools) if tools.strip() else None
        except (ValueError, RecursionError):
            raise wrong("has “tools” that are no JSON") from None
    given = _given(tools, item.get("chat_template_kwargs"), wrong)
    columns = {str(name)[:60]: _kind(value) for name, value in item.items()}
    prompt, completion = item.get("prompt"), item.get("completion", item.get("chosen"))
    for name in ("messages", "conversations", "conversation"):
        if prompt is not None and item.get("completion") is not None:
            break  # which is what TRL reads then
        if item.get(name) is not None:
            talk = _talk(item[name], f"“{name}”", wrong)
            foreign = tuple(dict.fromkeys(one["role"] for one in talk if one["role"] in ROLES))
            renamed = tuple({**one, "role": ROLES.get(one["role"], one["role"])} for one in talk)
            return Row(
                number,
                "messages",
                renamed,
                given=given,
                system=system or "",
                foreign=foreign,
                columns=columns,
            )
    if isinstance(prompt, str) and isinstance(completion, str):
        return Row(number, "text_completion", text=prompt, ending=completion, columns=columns)
    if isinstance(prompt, list) and isinstance(completion, list):
        first, last = _talk(prompt, "“prompt”", wrong), _talk(completion, "“completion”", wrong)
        return Row(number, "completion", first + last, len(last), given=given, columns=columns)
    if prompt is not None and completion is not None:
        raise wrong("has a prompt and a completion of different kinds")
    if isinstance(item.get("text"), str):
        return Row(number, "text", text=item["text"], columns=columns)
    raise _unknown(item, number)


def _unknown(item: dict[str, Any], number: int) -> VisitorError:
    """What is said to a row of another form: how to rename its columns, where they are known."""
    named = ", ".join(list(map(str, item))[:6]) or "no columns"
    if isinstance(item.get("chosen"), list) and isinstance(item.get("rejected"), list):
        return VisitorError(
            f"Row {number} is a pair of conversations ({named[:80]}).",
            "Rename chosen to “messages” to see what SFT trains on; Train and watch takes pairs as they are.",
        )
    contents = item.get("contents")
    if isinstance(contents, list) and any(isinstance(one, dict) and "parts" in one for one in contents):
        return VisitorError(
            f"Row {number} is in Gemini's form ({named[:80]}), which none of these trainers reads.",
            "Write contents as “messages”: the role model as assistant, the texts of parts as content.",
        )
    for asks, says in NAMED:
        if isinstance(item.get(asks), str) and isinstance(item.get(says), str):
            asked = f"rename {asks} to “prompt” and "
            if asks == "prompt":
                asked = ""
            elif asks == "instruction" and item.get("input"):
                asked = "join instruction and input into “prompt” and "
            remedy = f"{asked}rename {says} to “completion”; as lists of messages the template is used."
            return VisitorError(
                f"Row {number} has no form that trainers read ({named[:80]}).",
                remedy[0].upper() + remedy[1:],
            )
    return VisitorError(f"Row {number} has no form that is known ({named[:80]}).", WANTED)


def _talk(value: Any, name: str, wrong: Any) -> tuple[Message, ...]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise wrong(f"has {name} that are no JSON") from None
    if not isinstance(value, list) or not value:
        raise wrong(f"has {name} that are no list of messages, or an empty one")
    if len(value) > MAX_MESSAGES:
        raise wrong(f"has {len(value):,} messages; the limit is {MAX_MESSAGES}")
    return tuple(_message(one, place, wrong) for place, one in enumerate(value, 1))


def _message(value: Any, place: int, wrong: Any) -> Message:
    if not isinstance(value, dict) or not _is_message(value):
        raise wrong(f"has a message {place} without role and content")
    # a table puts null where a message has no such key, and transformers drops it there, but no deeper
    value = {name: item for name, item in value.items() if item is not None}
    if "role" not in value:
        value = {"role": value["from"], "content": value["value"]}
    role = value.get("role")
    if not isinstance(role, str):
        raise wrong(f"has a message {place} whose role is no text")
    content = value.get("content")
    if not isinstance(content, (str, list)) and content is not None:
        raise wrong(f"has a message {place} whose content is no text")
    if isinstance(content, str) and len(content) > limits.MAX_CELL_CHARACTERS:
        raise wrong(f"has a message {place} of {len(content):,} characters")
    return {**value, "role": role}


def _given(tools: Any, words: Any, wrong: Any) -> dict[str, Any] | None:
    """What a template gets beside the messages, as TRL hands it on."""
    if words is None:
        return {"tools": tools} if tools is not None else None
    if not isinstance(words, dict) or not all(isinstance(name, str) for name in words):
        raise wrong("has “chat_template_kwargs” that are no object")
    if taken := sorted(_OWN & set(words)):
        raise wrong(f"has “{taken[0]}” in “chat_template_kwargs”, which the trainer gives itself")
    return {"tools": tools, **words}


_OWN = {"messages", "conversation", "chat_template", "add_generation_prompt", "tokenize", "return_dict"}


def _kind(value: Any) -> str:
    """What is in a column: "text", "messages", "from" (messages with from and value), "none" or "other"."""
    if isinstance(value, str) or value is None:
        return "none" if value is None else "text"
    first = value[0] if isinstance(value, list) and value else None
    if isinstance(first, dict) and "role" in first:
        return "messages"
    return "from" if isinstance(first, dict) and "from" in first and "value" in first else "other"


def _depth(value: Any) -> int:
    deepest, level = 0, [value]
    while level and deepest <= MAX_DEPTH:
        deepest += 1
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, (dict, list))
        ]
    return deepest
