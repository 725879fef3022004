"""What the Hub says of a model, read from its JSON without trusting it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from family_tree import terms
from merging import data

MAX_LINK = 300
"""Longest address of a licence's text that is kept, in characters."""

RELATIONS: tuple[data.Relation, ...] = ("finetune", "adapter", "merge", "quantized")
"""Of a child to its parent, as the Hub has them."""


@dataclass(frozen=True)
class Facts:
    """What the Hub says of one model, every value of the right type or empty.

    Args:
        id: as the Hub has it now; it differs from the name that was asked for after a rename.
        status: "ok", "gated", "disabled", "private", "missing" or "unread".
        reason: why it is not "ok", in a sentence.
        sha: commit of the revision that was read.
        card: metadata of its card.
        base_models: (relation or None, id) as the Hub derived them.
        tags: of the model.
        children: number by relation, as the Hub counts.
        files: names of its files; empty where they were not asked for.
        author, licence, licence_link, downloads, created, modified, parameters: as named; "" or None where
            not stated.
    """

    id: str
    status: data.Status = "ok"
    reason: str = ""
    sha: str = ""
    card: dict[str, Any] = field(default_factory=dict)
    base_models: tuple[tuple[data.Relation | None, str], ...] = ()
    tags: tuple[str, ...] = ()
    children: dict[data.Relation, int] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    author: str = ""
    licence: str = ""
    licence_link: str = ""
    downloads: int | None = None
    created: str = ""
    modified: str = ""
    parameters: int | None = None


_ID = re.compile(r"[A-Za-z0-9][\w.\-]{0,95}(/[\w.\-]{1,96})?")


def is_id(value: Any) -> TypeGuard[str]:
    """Whether a value is text in the form of a model id."""
    return (
        isinstance(value, str)
        and _ID.fullmatch(value) is not None
        and ".." not in value
        and "--" not in value
    )


def facts_of(raw: Any, default: str) -> Facts:
    """Facts from the Hub's JSON, which may hold anything: a value of a wrong type counts as not stated.

    Args:
        raw: the JSON.
        default: the name of the model where the JSON states none.
    """
    if not isinstance(raw, dict):
        return Facts(default, "unread", "The Hub's answer was not what was expected.")
    card = _mapping(raw.get("cardData"))
    tags = tuple(tag for tag in _list(raw.get("tags")) if isinstance(tag, str))[:400]
    licence = _licence(card, tags)
    counts, safetensors = _mapping(raw.get("childrenModelCount")), _mapping(raw.get("safetensors"))
    status, reason = _status(raw)
    name = raw["id"] if is_id(raw.get("id")) else default
    owner = name.split("/")[0] if "/" in name else ""
    return Facts(
        id=name,
        status=status,
        reason=reason,
        sha=_text(raw.get("sha"))[:64],
        card=card,
        base_models=_base_models(raw.get("baseModels")),
        tags=tags,
        children={relation: n for relation in RELATIONS if (n := _count(counts.get(relation)))},
        files=tuple(
            item["rfilename"]
            for item in _list(raw.get("siblings"))
            if isinstance(item, dict) and isinstance(item.get("rfilename"), str)
        ),
        author=(_text(raw.get("author")) or owner)[:96],
        licence=licence[:60],
        licence_link=_licence_link(card),
        downloads=_count(raw.get("downloads")),
        created=_text(raw.get("createdAt"))[:10],
        modified=_text(raw.get("lastModified"))[:10],
        parameters=_count(safetensors.get("total")) or None,
    )


def _licence(card: dict[str, Any], tags: tuple[str, ...]) -> str:
    """The licence as the card or a tag states it; the name that a card gives to another than those of the
    Hub's list.
    """
    tagged = next((tag.removeprefix("license:") for tag in tags if tag.startswith("license:")), "")
    licence = (_text(card.get("license")) or tagged).lower()
    own = _text(card.get("license_name")).strip().lower()
    return own if licence in terms.UNKNOWN and own else licence


def _licence_link(card: dict[str, Any]) -> str:
    """Address of the licence's text, where the card states one."""
    link = _text(card.get("license_link")).strip()
    return link if link.startswith("https://") and len(link) <= MAX_LINK else ""


def _status(raw: dict[str, Any]) -> tuple[data.Status, str]:
    """Whether the model can be read, and why not."""
    if raw.get("disabled") is True:
        return "disabled", "The Hub has disabled this model."
    if raw.get("private") is True:
        return "private", "Only its owner sees this model."
    if raw.get("gated"):
        return "gated", "Its owner asks for a licence to be accepted, so its files were not read."
    return "ok", ""


def relation_of(value: Any) -> data.Relation | None:
    """A value as a relation; None where it is none of them."""
    return next((relation for relation in RELATIONS if relation == value), None)


def _base_models(value: Any) -> tuple[tuple[data.Relation | None, str], ...]:
    """Both shapes that the Hub uses: a list of ids, and `{"relation": …, "models": [{"id": …}]}`."""
    relation = relation_of(value.get("relation")) if isinstance(value, dict) else None
    items = _list(value.get("models")) if isinstance(value, dict) else _list(value)
    names = [item.get("id") if isinstance(item, dict) else item for item in items]
    return tuple((relation, name) for name in names if is_id(name))[:500]


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
