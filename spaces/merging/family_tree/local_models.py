"""A model in a folder of this machine, as the Hub would tell of it once it is published."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from family_tree.facts import Facts, facts_of
from family_tree.hub_reader import MAX_FILE
from family_tree.own_models import VISITOR
from family_tree.parents import ADAPTER, CARD, RECIPES, Files
from merging import recipe as recipes
from shared import shelf
from shared.errors import VisitorError

HERE = "A folder of this machine; the Hub was not asked."


def read_folder(name: str) -> tuple[Facts, Files]:
    """Facts and small files of a folder that its owner names, or of what is on a visitor's shelf.

    Args:
        name: its path, or its name there.
    """
    made = shelf.made_of(name) if shelf.is_made(name) else None
    folder = made.folder if made else Path(name).expanduser()
    texts: dict[str, str] = {}
    unread: dict[str, str] = {}
    for file in (*RECIPES, ADAPTER, CARD):
        path = folder / file
        if not path.is_file():
            continue
        if path.stat().st_size > MAX_FILE:
            unread[file] = f"it has more than {MAX_FILE // 1000} kB"
        else:
            texts[file] = path.read_text(encoding="utf-8", errors="replace")
    head = head_of(texts.get(CARD, ""))
    if made:  # a card names what is on the Hub alone
        head |= {"base_model": list(made.parents), "base_model_relation": made.relation}
    listed = [{"rfilename": path.name} for path in sorted(folder.iterdir()) if path.is_file()]
    facts = facts_of({"cardData": head, "tags": head.get("tags"), "siblings": listed}, name)
    reason = f"On your shelf: {made.sentence}." if made else HERE
    own = {"status": "here", "reason": reason, "author": VISITOR if made else "someone, on this machine"}
    return Facts(**{**vars(facts), **own}), Files(texts, unread)


def head_of(card: str) -> dict[str, Any]:
    """The metadata at the head of a card; {} where there is none that can be read."""
    begin, _, rest = card.partition("---\n")
    text, end, _ = rest.partition("\n---")
    if begin.strip() or not end:
        return {}
    try:
        return recipes.parse(text)  # any mapping, read with a recipe's limits
    except VisitorError:
        return {}
