"""The forms of rows: conversations, prompts with completions, texts; what is said to another row."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from shared import limits
from shared.errors import VisitorError

Message = dict[str, Any]
Form = Literal["messages", "completion", "text", "text_completion"]

ROLES = {"human": "user", "gpt": "assistant"}
"""Roles that Axolotl calls by the names of chat templates; TRL hands them on as they are."""

TALKS = ("messages", "conversations", "conversation")
"""Columns of conversations, in the order in which they are looked for."""
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
        label: whether the answer is wanted, where a column `label` says so; SFT does not read it.
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
    label: bool | None = None

    @property
    def bare(self) -> bool:
        """Whether TRL gives EOS to a column “text” beside the completion, which then ends in nothing."""
        return self.form == "text_completion" and "text" in self.columns


def is_message(value: dict[str, Any]) -> bool:
    return ("role" in value and ("content" in value or "tool_calls" in value)) or (
        "from" in value and "value" in value
    )


def are_messages(value: Any) -> bool:
    """Whether a value is a conversation."""
    listed = isinstance(value, list) and bool(value)
    return listed and all(isinstance(one, dict) and is_message(one) for one in value)


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
    label = item["label"] if isinstance(item.get("label"), bool) else None
    prompt, completion = item.get("prompt"), item.get("completion", item.get("chosen"))
    for name in TALKS:
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
                label=label,
            )
    if isinstance(prompt, str) and isinstance(completion, str):
        return Row(number, "text_completion", text=prompt, ending=completion, columns=columns, label=label)
    if isinstance(prompt, list) and isinstance(completion, list):
        first, last = _talk(prompt, "“prompt”", wrong), _talk(completion, "“completion”", wrong)
        return Row(number, "completion", first + last, len(last), given=given, columns=columns, label=label)
    if prompt is not None and completion is not None:
        raise wrong("has a prompt and a completion of different kinds")
    if isinstance(item.get("text"), str):
        return Row(number, "text", text=item["text"], columns=columns, label=label)
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
    if not isinstance(value, dict) or not is_message(value):
        raise wrong(f"has a message {place} without {_lacks(value)}")
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


def _lacks(value: Any) -> str:
    """What a message has not."""
    if not isinstance(value, dict) or not {"role", "from"} & set(value):
        return "role and content" if not isinstance(value, dict) or "content" not in value else "role"
    return "content" if "role" in value else "value"


def refusal(row: Row, error: str) -> VisitorError:
    """What is said where the chat template refuses a row: the message without content that it wants to write,
    where it is that. TRL asks the same template and stops at the row with the same error.
    """
    bare = [(at, one) for at, one in enumerate(row.messages, 1) if one.get("content") is None]
    short = str(error)[:100].rstrip(".")
    if bare and ("content" in error or "None" in error or "Undefined" in error):
        place, message = bare[0]
        has = "has tool_calls and no content" if message.get("tool_calls") else "has no content"
        return VisitorError(
            f"The chat template refuses row {row.number}: message {place} ({message['role'][:20]}) {has}, "
            f"which the template writes. TRL stops there too: “{short}”.",
            'Write "content": "" there, or choose a template that writes tool calls.',
        )
    return VisitorError(
        f"The chat template refuses row {row.number}: “{short}”.",
        "Change the row, or choose another template.",
    )


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
