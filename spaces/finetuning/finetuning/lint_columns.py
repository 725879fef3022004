"""Findings of what TRL's SFTTrainer does with the columns of rows, before it looks at a single token, and of
contents that are no text.

It reads `prompt` with `completion`, else `messages`, else `text`, and knows what rows are by the columns of
all and the first row. Followed as TRL 1.16 was seen to answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from finetuning import fixes
from finetuning.data import Finding, Fix
from finetuning.lint import Case, counted, finding
from finetuning.row_forms import Row


@dataclass(frozen=True)
class Trouble:
    """Why SFTTrainer does not train on what is shown.

    Args:
        says: what it does, in one sentence.
        why: the reason, and what is shown here.
        mends: code that makes the rows what is shown.
    """

    says: str
    why: str
    mends: tuple[Fix, ...]


def trouble(rows: Sequence[Row]) -> Trouble | None:
    """What is wrong with the columns of rows for SFTTrainer; None for nothing."""
    if not rows:
        return None
    names = {name for row in rows for name in row.columns}
    first = rows[0].columns
    if pictures := sorted({"image", "images"} & names):
        return Trouble(
            f"SFTTrainer takes rows with a column “{pictures[0]}” for a vision-language model's.",
            "With any other model it raises ValueError. With one, its processor puts tokens in for each "
            "picture, which are not counted here.",
            (fixes.without(pictures[0]),),
        )
    words = {row.columns.get("chat_template_kwargs", "none") for row in rows}
    if "chat_template_kwargs" in names and "none" in words:
        return Trouble(
            "Some rows have no chat_template_kwargs, and SFTTrainer raises TypeError at the first of them.",
            "What is shown here is each row with its own.",
            (fixes.KWARGS,),
        )
    if "prompt" in names:
        return _of_prompt(names, first)
    if "messages" in names:
        if first.get("messages", "messages") == "messages":
            return None
        what = "a text" if first["messages"] == "text" else "messages with from and value"
        return Trouble(
            f"SFTTrainer does not take “messages” for a conversation: the first row has {what} there.",
            "It takes the rows for texts, and then has no rows or no column “text”. What is shown here is "
            "the conversation.",
            (fixes.PARSED if first["messages"] == "text" else fixes.CONVERSATIONS,),
        )
    talk = next((name for name in ("conversations", "conversation") if name in names), "")
    if talk and first.get("conversations") != "from":
        return Trouble(
            f"SFTTrainer raises KeyError: it reads no conversation from “{talk}”.",
            "It looks for “messages”; “conversations” it renames only where they have from and value. "
            "What is shown here is the column renamed.",
            (fixes.renamed(talk, "messages"),),
        )
    return None


def _of_prompt(names: set[str], first: object) -> Trouble | None:
    """Of rows with a prompt, to which SFTTrainer looks before all else."""
    if "completion" not in names:
        if {"chosen", "rejected"} <= names:
            return Trouble(
                "These rows are pairs: SFTTrainer raises KeyError, since there is no “completion”.",
                "DPOTrainer reads them. What is shown here is the chosen answer as a completion.",
                (fixes.renamed("chosen", "completion"),),
            )
        other = next((name for name in ("messages", "conversations", "text") if name in names), "messages")
        return Trouble(
            f"SFTTrainer raises KeyError: beside “prompt” it looks for “completion”, not for “{other}”.",
            f"What is shown here is “{other}” alone.",
            (fixes.without("prompt"),),
        )
    if "text" in names and isinstance(first, dict) and first.get("prompt") == "text":
        return Trouble(
            "No completion ends with a stop token: SFTTrainer gives it to the column “text”.",
            "It trains on the completion, and puts EOS behind “text” where there is one, without a word. The "
            "model is not taught to stop, and the loss does not show it.",
            (fixes.without("text"),),
        )
    return None


def columns_wrong(case: Case) -> Finding | None:
    """Columns at which SFTTrainer stops, or which it reads otherwise than they are shown."""
    if case.trainer not in ("trl", "trl_assistant"):
        return None
    found = trouble([one.row for one in case.seen])
    if found is None:
        return None
    return finding(case, "columns", "error", found.says, found.why, case.seen, found.mends)


def unwanted(case: Case) -> Finding | None:
    """Answers that a column `label` calls unwanted; all five trainers here are SFT's, which learns them."""
    rows = [one for one in case.seen if one.row.label is False]
    if not rows:
        return None
    return finding(
        case,
        "unwanted",
        "error",
        f"SFT ignores “label”: it learns the unwanted answer of {counted(rows, case)}.",
        "The label is false there. SFT reads no such column and learns every answer alike; KTO raises the "
        "wanted ones and lowers the others.",
        rows,
        [fixes.WANTED_ALONE],
    )


def parts_listed(case: Case) -> Finding | None:
    """Content in parts that the template writes as a list."""
    rows = [one for one in case.read if one.layout and any(turn.listed for turn in one.layout.turns)]
    if not rows:
        return None
    example = next(
        one.layout.written.text[turn.start : turn.end]
        for one in rows
        if one.layout
        for turn in one.layout.turns
        if turn.listed
    )
    return finding(
        case,
        "parts_listed",
        "error",
        f"The template prints content parts as a Python list in {counted(rows, case)}.",
        f"It takes a text where a message has a list, so the model reads “{example[:80]}”, brackets and all.",
        rows,
        [fixes.JOINED],
    )


def nulls(case: Case) -> Finding | None:
    """Nulls inside of tools and their calls."""
    rows = [
        one
        for one in case.seen
        if _null((one.row.given or {}).get("tools", []))
        or any(_null(message.get("tool_calls", [])) for message in one.row.messages)
    ]
    if not rows or not any(one.layout and "null" in one.layout.written.text for one in rows):
        return None
    return finding(
        case,
        "nulls",
        "warning",
        f"“null” stands in tools or their calls in {counted(rows, case)}.",
        "A table, Parquet or a Dataset made of a list, gives each call the keys of all the others, and null "
        "for what it does not have. The template prints them, and the model learns to write them.",
        rows,
        [fixes.NULLS],
    )


def _null(value: Any) -> bool:
    """Whether there is a null anywhere in a value."""
    if isinstance(value, dict):
        return any(_null(item) for item in value.values())
    return any(_null(item) for item in value) if isinstance(value, list) else value is None


def pictures(case: Case) -> Finding | None:
    """Content that is no text."""
    rows = [one for one in case.seen if any(_unseen(message) for message in one.row.messages)]
    if not rows:
        return None
    kinds = sorted({kind for one in rows for message in one.row.messages for kind in _unseen(message)})
    return finding(
        case,
        "pictures",
        "note",
        f"What is no text ({', '.join(kinds)[:60]}) is not counted in {counted(rows, case)}.",
        "A processor puts many tokens in the place of each picture or sound; here the template's own mark "
        "stands there. Where TRL trains on everything, it trains on those tokens too.",
        rows,
        [],
    )


def _unseen(message: dict[str, Any]) -> list[str]:
    """The types of a message's parts that are no text."""
    content = message.get("content")
    some = [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    return [str(part.get("type", "no type"))[:20] for part in some if part.get("type", "text") != "text"]
