"""Conversations: which part of a chat is compared, and taking chat templates off plain text."""

from __future__ import annotations

import json
import re
from typing import Any

PARTS = ("all", "prompt", "answer", "turn")

_ANSWERS = {"assistant", "gpt", "bot", "model", "chatgpt", "bard", "bing"}
_SYSTEM = {"system", "developer", "tool", "function", "function_call", "observation"}

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


def turns(cell: Any) -> list[tuple[str, str]] | None:
    """A conversation's turns as (role, text): OpenAI `messages` or ShareGPT, also written as JSON text; None
    if neither.

    Roles are "prompt", "answer" or "system".
    """
    if isinstance(cell, str):
        if not cell.lstrip()[:2].startswith(("[", "{")):
            return None
        try:
            cell = json.loads(cell)
        except (ValueError, RecursionError):
            return None
    if isinstance(cell, dict):
        cell = cell.get("messages", cell.get("conversations"))
    if not isinstance(cell, (list, tuple)) or not all(isinstance(turn, dict) for turn in cell):
        return None
    result = []
    for turn in cell:
        role, content = turn.get("role", turn.get("from")), turn.get("content", turn.get("value"))
        if role is None and content is None:
            return None
        if isinstance(content, list):  # content parts; only their text is compared
            content = "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
        name = str(role).lower()
        kind = "answer" if name in _ANSWERS else "system" if name in _SYSTEM else "prompt"
        result.append((kind, "" if content is None else str(content)))
    return result


def strip_template(text: str) -> str:
    """A transcript without the marks of its chat template, which all rows share; any other text as it is."""
    # a few substrings cost less than the expression, and nearly no row has one
    if not ("<|" in text or "[INST]" in text or "_of_turn>" in text or "## " in text or "Human:" in text):
        return text
    if not _TRANSCRIPT.search(text):
        return text
    return _TEMPLATE.sub("\n", text).strip()


def part_of(conversation: list[tuple[str, str]], part: str) -> str:
    """What is compared of a conversation.

    Args:
        part: "prompt" (what people said), "answer" (what the model said), "turn" (each turn on a line of its
            own, to be compared as wholes) or "all" (everything but system prompts).
    """
    if part in ("prompt", "answer"):
        return "\n".join(text for role, text in conversation if role == part)
    spoken = [(role, text) for role, text in conversation if role != "system"]
    if part == "turn":
        return "\n".join(f"{role}: {' '.join(text.split())}" for role, text in spoken)
    return "\n".join(text for _, text in spoken)
