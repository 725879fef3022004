"""Whose family tree a visitor wants, and how far it should go."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from family_tree.facts import RELATIONS
from family_tree.parents import MAX_BLOCKS
from merging.names import check_name, is_folder
from merging.request import Request, check_recipe
from shared import experts, hub, request
from shared.checks import whole
from shared.errors import VisitorError
from shared.request import setting

MAX_ANCESTORS, MAX_DESCENDANTS, MAX_NODES = 12, 3, 400
MAX_EXPANDED = 40
MERGED_HERE = "this merge"
"""The name of a merge that was made in this demo and is not on the Hub."""


def check_model(_: str, value: Any) -> str:
    """The name of a model: of the Hub, an expert, `MERGED_HERE`, or for the owner a folder of this machine.

    Raises:
        VisitorError: it is none of them.
    """
    text = str(value).strip()
    if is_folder(text):
        return text
    if is_path(text):  # never a model of the Hub, whose name would be what is left without its slash
        check_name(text)
    name = text.removeprefix("https://huggingface.co/").strip("/")
    if not name:
        raise VisitorError(
            "No model was named.", "Write a model id, such as HuggingFaceTB/SmolLM2-135M-Instruct."
        )
    if name.startswith(("datasets/", "spaces/")):
        raise VisitorError(f"“{name[:60]}” is not a model.", "Name a model as owner/name.")
    if name not in (MERGED_HERE, *experts.NAMES):
        hub.check_id(name)
    return name


def check_which(name: str, value: Any) -> int | None:
    """The number of a recipe, or None."""
    return None if value in (None, "") else whole(1, MAX_BLOCKS)(name, value)


def is_path(name: str) -> bool:
    """Whether the name of a model is a folder's."""
    return name.startswith(("/", "./", "../", "~"))


def _expand(_: str, value: Any) -> tuple[str, ...]:
    parts = tuple(str(item) for item in value) if isinstance(value, (list, tuple)) else (str(value),)
    known = all(part.partition(":")[0] in ("parents", *RELATIONS) for part in parts)
    if len(parts) > MAX_EXPANDED or not known:
        raise VisitorError(
            "That part of the tree cannot be shown.",
            f"Open at most {MAX_EXPANDED} parts, or begin at another model.",
        )
    return parts


class OfModel(request.Request):
    """What is asked of a model of the Hub, or of `MERGED_HERE` with its recipe."""

    LINK_CHARACTERS: ClassVar[int] = Request.LINK_CHARACTERS
    model: str
    recipe: str

    def consistent(self) -> Self:
        """A model of the Hub has its own recipe."""
        if self.model == MERGED_HERE:
            return self
        return replace(self, recipe="")  # type: ignore[call-arg]

    def to_query(self) -> str | None:
        """As the base's; a folder of this machine has no link."""
        return None if is_path(self.model) else super().to_query()

    def to_form(self) -> dict[str, Any]:
        """The field of a model is empty for a merge made here."""
        model = "" if self.model == MERGED_HERE else self.model
        return {**super().to_form(), "model": model}


@dataclass(frozen=True)
class TreeRequest(OfModel):
    """Everything that determines a tree."""

    model: str = setting(
        MERGED_HERE, check_model, "a Hub id, or one of the experts cautious, pirate, concise", link="tree"
    )
    ancestors: int = setting(6, whole(0, MAX_ANCESTORS), f"generations above, at most {MAX_ANCESTORS}")
    descendants: int = setting(1, whole(0, MAX_DESCENDANTS), f"generations below, at most {MAX_DESCENDANTS}")
    limit: int = setting(120, whole(1, MAX_NODES), f"models at most, up to {MAX_NODES}")
    recipe: str = setting(
        "", check_recipe, f"of “{MERGED_HERE}”, which is not on the Hub; by default two experts added in full"
    )
    which: int | None = setting(
        None,
        check_which,
        "of several recipes that the model publishes, its number from 1; by default a file's own, or that of "
        "the card which agrees best with the parents that are stated",
    )
    expand: tuple[str, ...] = setting(
        (),
        _expand,
        '"parents:ID" or "<relation>:ID", once for each page of children beyond what the numbers give',
    )
