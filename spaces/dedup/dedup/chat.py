"""From cells to texts: the part of a chat that is compared, and what it holds beside words."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from typing import Any

PARTS = ("all", "prompt", "answer", "turn")

EMPTY = (None, "", list[Any](), dict[str, Any]())
"""Cells that hold nothing."""

_ANSWERS = {"assistant", "gpt", "bot", "model", "chatgpt", "bard", "bing", "function_call"}
_SYSTEM = {"system", "developer"}
_TOOLS = {"tool", "function", "observation", "tool_response", "ipython"}

_OF_TURNS = (
    *("role", "from", "content", "value", "name", "weight", "tool_calls", "function_call"),
    *("reasoning_content", "thinking"),
)
"""Keys of a turn that are read on their own, or say nothing of what is said."""

_PARTS_OF_TEXT = ("text", "input_text", "output_text", "thinking", "reasoning", "refusal", "tool_result")
_MEDIA = ("image", "images", "audio", "audios", "video", "videos", "files")
_NAMES_ONLY = ("id", "index", "type", "tool_use_id", "tool_call_id", "cache_control")
"""What says nothing of what a part holds."""

_LONGEST = 200
"""Characters of what a row holds beside words; more become a hash."""

_CALL = re.compile(r"<tool_call>\s*(.*?)\s*</tool_call>", re.DOTALL)

PLACEHOLDER = re.compile(r"<(?:image|video|audio)(?:_\d+)?>")
"""Stands in a conversation for what lies elsewhere."""

_TEMPLATE = re.compile(
    # ChatML, Llama 3
    r"<\|(?:im_start|start_header_id|start)\|>[ \t]*(?:system|user|assistant|tool)?"
    r"(?:<\|(?:end_header_id|message)\|>)?\n?"
    r"|<\|[a-z0-9_ ]{2,40}\|>|</?s>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>(?:user|model)?\n?"
    r"|^#{2,3} ?(?:Instruction|Response|Input|Human|Assistant|User|System) ?:[ \t]*"
    r"|^(?:Human|Assistant|USER|ASSISTANT|User) ?:[ \t]*",
    re.MULTILINE,
)

_TRANSCRIPT = re.compile(
    r"<\|im_start\|>|<\|start_header_id\|>|\[INST\]|<start_of_turn>|^### ?(?:Instruction|Response) ?:"
    r"|^Human: .*^Assistant:",
    re.MULTILINE | re.DOTALL,
)
"""What only a transcript under a chat template holds."""


def turns(cell: Any) -> list[tuple[str, str, str]] | None:
    """A conversation's turns as (role, text, held): OpenAI `messages`, ShareGPT or Gemini `contents`, also
    written as JSON text; None if neither.

    Roles are "prompt", "answer", "tool" (what a tool gave back) or "system". Held is what a turn has beside
    words, in a form that is equal for equal things: tool calls, images, parts of unknown kind. It is named in
    the text as well.
    """
    if isinstance(cell, str):
        if not cell.lstrip()[:2].startswith(("[", "{")):
            return None
        try:
            cell = json.loads(cell)
        except (ValueError, RecursionError):
            return None
    if isinstance(cell, dict):
        cell = cell.get("messages", cell.get("conversations", cell.get("contents")))
    if not isinstance(cell, (list, tuple)) or not all(isinstance(turn, dict) for turn in cell):
        return None
    result = []
    for turn in cell:
        role, content = turn.get("role", turn.get("from")), turn.get("content", turn.get("value"))
        if role is None and content is None:
            return None
        if content is None:
            content = _said_elsewhere(turn)
        result.append(turn_of(str(role).lower(), content, turn))
    return result


def _said_elsewhere(turn: dict[str, Any]) -> Any:
    """What a turn says that has neither content nor value: Gemini's `parts`, a `text`, or whatever it holds
    under other names, so that no two turns are alike for what was not read.
    """
    for key in ("parts", "text"):
        if turn.get(key) is not None:
            return turn[key]
    known = (*_OF_TURNS, *_NAMES_ONLY, *_MEDIA)
    return {key: value for key, value in turn.items() if value is not None and key not in known} or None


def turn_of(name: str, content: Any, turn: dict[str, Any]) -> tuple[str, str, str]:
    """A turn as (role, text, held).

    Args:
        name: who speaks, in lower case.
        content: what is said.
        turn: the whole turn.
    """
    kind = "answer" if name in _ANSWERS else "system" if name in _SYSTEM else "prompt"
    lines, held = content_of(content)
    held += [call_of(call) for text in lines if "<tool_call>" in text for call in _CALL.findall(text)]
    if name == "function_call":
        held.append(call_of(content))
    calls = [call_of(call) for call in [*(turn.get("tool_calls") or []), turn.get("function_call")] if call]
    media = [canonical({key: turn[key]}) for key in _MEDIA if turn.get(key)]
    thought = [turn[key] for key in ("reasoning_content", "thinking") if isinstance(turn.get(key), str)]
    text = "\n".join([*thought, *lines, *calls, *media])
    return "tool" if name in _TOOLS else kind, text, "\n".join([*held, *calls, *media])


def content_of(content: Any) -> tuple[list[str], list[str]]:
    """What a turn's content says, and what it holds beside words, a line each."""
    if content is None:
        return [], []
    if isinstance(content, str):
        return [content], []
    lines: list[str] = []
    held: list[str] = []
    if isinstance(content, (list, tuple)):
        for part in content:
            own, other = content_of(part)
            lines += own
            held += other
        return lines, held
    if not isinstance(content, dict):
        return [str(content)], []
    kind = str(content.get("type") or "text")
    filled = {key: value for key, value in content.items() if value is not None and key not in _NAMES_ONLY}
    if kind in _PARTS_OF_TEXT:
        said = [filled.pop(key) for key in ("text", "content", *_PARTS_OF_TEXT) if key in filled]
        for part in said:
            own, other = content_of(part)
            lines += own
            held += other
        if said:
            return lines, held
    if kind in ("tool_use", "tool_call", "function_call"):
        held.append(call_of(content))
    elif filled:
        held.append(canonical({kind: filled}))
    else:
        held.append(f"<{kind}>")
    return held[:], held


def call_of(call: Any) -> str:
    """A tool call as its name and arguments; the same for the same call, whatever its id and its spaces."""
    if isinstance(call, str):
        try:
            call = json.loads(call)
        except (ValueError, RecursionError):
            return canonical(call)
    if not isinstance(call, dict):
        return canonical(call)
    inner = call.get("function")
    own: dict[str, Any] = inner if isinstance(inner, dict) else call
    given = [own[key] for key in ("arguments", "input", "parameters") if own.get(key) is not None]
    arguments: Any = given[0] if given else {}
    if isinstance(arguments, str):
        with contextlib.suppress(ValueError, RecursionError):
            arguments = json.loads(arguments)
    return f"{own.get('name')} {canonical(arguments)}"


def canonical(value: Any) -> str:
    """A value as one line of JSON, equal for equal values; long ones end in a hash."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=_plain)
    if len(text) <= _LONGEST:
        return text
    whole = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16)
    return f"{text[:_LONGEST]}… {whole.hexdigest()}"


def _plain(value: Any) -> str:
    return hashlib.blake2b(value, digest_size=16).hexdigest() if isinstance(value, bytes) else str(value)


MARKS = (
    *("<|im_start|>", "<|start_header_id|>", "[INST]", "<start_of_turn>", "Human: "),
    *("### Instruction", "###Instruction", "### Response", "###Response"),
)
"""One of them is in every transcript."""


def strip_template(text: str) -> str:
    """A transcript without the marks of its chat template, which all rows share; any other text as it is."""
    # a few substrings cost less than the expression, and nearly no row has one
    if not any(mark in text for mark in MARKS):
        return text
    if not _TRANSCRIPT.search(text):
        return text
    return _TEMPLATE.sub("\n", text).strip()


def part_of(conversation: list[tuple[str, str, str]], part: str) -> str:
    """What is compared of a conversation.

    Args:
        part: "prompt" (what people said), "answer" (what the model said), "turn" (each turn on a line of its
            own, to be compared as wholes) or "all" (everything but system prompts).
    """
    if part == "turn":
        return "\n".join(f"{role}: {' '.join(text.split())}" for role, text, _ in spoken(conversation, part))
    return "\n".join(text for _, text, _ in spoken(conversation, part))


def held_by(conversation: list[tuple[str, str, str]], part: str) -> str:
    """What that part of a conversation holds beside words."""
    return "\n".join(held for _, _, held in spoken(conversation, part) if held)


def spoken(conversation: list[tuple[str, str, str]], part: str) -> list[tuple[str, str, str]]:
    """The turns that are compared."""
    if part in ("prompt", "answer"):
        return [turn for turn in conversation if turn[0] == part]
    return [turn for turn in conversation if turn[0] != "system"]


class Column:
    """A column's cells as they are compared, cell by cell.

    Args:
        part: of conversations, see `part_of`; a cell that is none counts where it is "all".
    """

    def __init__(self, part: str) -> None:
        self.part = part
        self.texts: list[str] = []
        self.answers: list[str] = []
        """Of conversations; "" for other cells."""
        self.held: dict[int, str] = {}
        """By row, what it holds beside words."""
        self.chat = self.has_text = False
        self.other: Any = None
        """The first cell that is neither empty nor text."""
        self.other_row: int | None = None
        """Its row."""
        self.written: bool | None = None
        """Whether conversations are written as JSON text, which the first text tells."""

    def add(self, cell: Any) -> None:
        """The next row's cell."""
        if self.has_text and self.written is False and self.part == "all" and isinstance(cell, str):
            self.texts.append(strip_template(cell))  # as nearly all are
            self.answers.append("")
            return
        if isinstance(cell, str) and self.written is None and cell:
            self.written = turns(cell) is not None
        plain = cell is None or (isinstance(cell, str) and not (self.written and cell))
        conversation = None if plain else turns(cell)
        self.answers.append("" if conversation is None else part_of(conversation, "answer"))
        if conversation is None:
            self.texts.append(cell_text(cell) if self.part == "all" else "")
            self.has_text = self.has_text or is_text(cell)
            if self.other is None and cell is not None and not is_text(cell):
                self.other, self.other_row = cell, len(self.texts) - 1
            return
        self.chat = self.has_text = True
        self.texts.append(part_of(conversation, self.part))
        elsewhere = PLACEHOLDER.search(self.texts[-1])
        if own := held_by(conversation, self.part) or (elsewhere[0] if elsewhere else ""):
            self.held[len(self.texts) - 1] = own


def cell_text(cell: Any) -> str:
    """A cell that is no conversation as text: a list of texts a line each, other values as JSON."""
    if cell is None:
        return ""
    if isinstance(cell, str):
        return strip_template(cell)
    if isinstance(cell, (list, tuple)) and all(isinstance(item, str) for item in cell):
        return "\n".join(cell)
    return canonical(cell) if isinstance(cell, (list, tuple, dict)) else str(cell)


def is_text(cell: Any) -> bool:
    """Whether a cell holds words, or may hold them."""
    return isinstance(cell, (str, list, tuple, dict))


def joined(columns: list[list[str]], between: str) -> list[str]:
    """Each row's cells as one text; "" where all are blank."""
    if len(columns) == 1:
        return [text.strip("\n") for text in columns[0]]
    rows = zip(*columns, strict=True)
    return [between.join(parts) if any(part.strip() for part in parts) else "" for parts in rows]


def held_by_rows(columns: list[dict[int, str]], cells: list[list[str]]) -> tuple[dict[int, list[str]], int]:
    """What rows hold beside words; and how many hold something that lies elsewhere: such a row is like no
    other.

    Args:
        columns: what conversations hold, by row.
        cells: of columns that must be equal, a text a row, "" for nothing.
    """
    held: dict[int, list[str]] = {}
    for column in columns:
        for row, own in column.items():
            held.setdefault(row, []).append(own)
    for own_cells in cells:
        for row, cell in enumerate(own_cells):
            if cell:
                held.setdefault(row, []).append(cell)
    unseen = 0
    if not cells:
        for row, parts in held.items():
            if PLACEHOLDER.search("\n".join(parts)):
                parts.append(f"row {row}")
                unseen += 1
    return held, unseen
