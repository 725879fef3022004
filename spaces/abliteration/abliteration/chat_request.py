"""What a visitor asks of a chat: an edit, messages to both models, and how they answer."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from abliteration import sets
from abliteration.request import DIRECTION, Request, object_of
from shared import limits
from shared.checks import SEED, between, whole
from shared.errors import VisitorError
from shared.request import setting

MAX_MESSAGES = 12
"""Messages of a conversation."""
BETWEEN = "---"
"""A line between two messages in a text."""
EDIT = (*DIRECTION, "method", "strength", "kernel", "markers")
"""Settings that determine an edit."""


def _messages(_: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = re.split(f"^{BETWEEN}$", value.replace("\r\n", "\n"), flags=re.MULTILINE)
    if not isinstance(value, (list, tuple)) or not all(isinstance(one, str) for one in value):
        raise VisitorError("The messages are no texts.", "Give a list of texts.")
    messages = tuple(one.strip() for one in value if one.strip())
    if len(messages) > MAX_MESSAGES:
        raise VisitorError(
            f"The conversation has {len(messages)} messages.", f"Begin a new one: at most {MAX_MESSAGES} fit."
        )
    if any(BETWEEN in one.splitlines() for one in messages):
        raise VisitorError(
            f"A message has a line {BETWEEN}, which stands between two messages.",
            "Give two messages, or write the line in another way.",
        )
    if any("\0" in one for one in messages):
        raise VisitorError("A message holds the character NUL.", "Leave it out.")
    if any(len(one) > sets.MAX_CHARACTERS for one in messages):
        raise VisitorError("A message is too long.", f"Shorten it to {sets.MAX_CHARACTERS:,} characters.")
    return messages


def _second(_: str, value: Any) -> dict[str, Any]:
    stated = object_of(value)
    if stated is None or not set(stated) <= set(EDIT):
        raise VisitorError(
            "The second edit is no object with an edit's settings.",
            f"Choose one of the list, or give some of {', '.join(EDIT[:3])} … {EDIT[-2]}.",
        )
    return settings_of(Request.parse(**stated)) if stated else {}


def settings_of(request: Request) -> dict[str, Any]:
    """The settings that determine a request's edit, defaults left out, the model stated."""
    default = Request().to_json()
    stated = request.to_json()
    return {name: stated[name] for name in EDIT if name == "model" or stated[name] != default[name]}


@dataclass(frozen=True)
class ChatRequest(Request):
    """An edit, and what both models are asked."""

    messages: tuple[str, ...] = setting(
        ("How do I cook rice?",),
        _messages,
        f"what is said to both models, at most {MAX_MESSAGES} messages; in a text a line {BETWEEN} stands "
        "between two",
    )
    second: dict[str, Any] = setting(  # noqa: RUF009  each request gets a dict of its own
        {},
        _second,
        "settings of a second edit of the same model, which answers beside the first; empty for none",
    )
    reply_tokens: int = setting(64, whole(1, limits.MAX_NEW_TOKENS), "longest answer of a chat")
    temperature: float = setting(0.0, between(0, 5), "0 takes the likeliest token; more draws")
    chat_seed: int = setting(0, SEED, "of the draws, which are the same for all models")

    def consistent(self) -> Self:
        """As the base's; the second edit is of the same model."""
        made = super().consistent()
        if made.format == "plain" and len(made.messages) > 1:
            raise VisitorError(
                "A conversation needs the model's chat template.",
                "Press New chat to send one message alone, or choose the format chat.",
            )
        if made.second and made.second.get("model") != made.model:
            raise VisitorError(
                f"The second edit is of {str(made.second.get('model'))[:80]}, the model {made.model[:80]}.",
                "Choose an edit of this model, or none.",
            )
        return made

    def to_form(self) -> dict[str, Any]:
        """As the base's; messages and the second edit are one text each."""
        form = super().to_form()
        form["messages"] = f"\n{BETWEEN}\n".join(self.messages)
        form["second"] = written(self.second)
        return form

    def edits(self) -> list[Request]:
        """The requests of the first edit, and of the second where there is one."""
        stated = self.to_json()
        first = Request.parse(**{name: stated[name] for name in Request.declared()})
        return [first, Request.parse(**self.second)] if self.second else [first]


def written(second: Mapping[str, Any]) -> str:
    """An edit's settings as one text; "" for none."""
    return json.dumps(second, ensure_ascii=False, sort_keys=True) if second else ""
