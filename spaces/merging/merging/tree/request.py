"""What tree a visitor asks for, checked; it converts to and from the query of a URL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode

from merging.tree.hubread import RELATIONS
from shared import experts, hub, models
from shared.checks import whole
from shared.errors import VisitorError

MAX_ANCESTORS, MAX_DESCENDANTS, MAX_NODES = 12, 3, 400
MAX_EXPANDED = 40
MERGED_HERE = "this merge"


@dataclass(frozen=True)
class TreeRequest:
    """A tree.

    Args:
        model: Hub id, an expert, or `MERGED_HERE`.
        ancestors: generations above.
        descendants: generations below.
        limit: models at most.
        recipe: of a merge made here, whose tree needs no Hub; "" otherwise.
        expand: "parents:ID" or "<relation>:ID", once for each page of children beyond what the numbers give.
    """

    model: str = models.EMBEDDED_MODEL
    ancestors: int = 6
    descendants: int = 1
    limit: int = 120
    recipe: str = ""
    expand: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The request as the API takes it."""
        return {
            "model": self.model,
            "ancestors": self.ancestors,
            "descendants": self.descendants,
            "limit": self.limit,
            "expand": list(self.expand),
        }

    def to_query(self) -> str:
        """The request as the query of a URL; "" for a merge made here, which a link cannot carry."""
        return (
            ""
            if self.recipe
            else urlencode(
                [
                    ("tree", self.model),
                    ("ancestors", self.ancestors),
                    ("descendants", self.descendants),
                    ("limit", self.limit),
                    *(("expand", item) for item in self.expand),
                ]
            )
        )

    @classmethod
    def from_query(cls, query: str) -> TreeRequest:
        """The request that a URL's query describes.

        Raises:
            VisitorError: as `validate`.
        """
        parsed = parse_qs(query.removeprefix("?"))
        given = {name: values[-1] for name, values in parsed.items()}
        return validate(
            given.get("tree", cls.model),
            given.get("ancestors"),
            given.get("descendants"),
            given.get("limit"),
            expand=parsed.get("expand", []),
        )


def validate(
    model: Any,
    ancestors: Any = None,
    descendants: Any = None,
    limit: Any = None,
    recipe: str = "",
    expand: Any = (),
) -> TreeRequest:
    """Check the values, which may come as text from a form or a URL.

    Raises:
        VisitorError: no model id, or a number out of its range.
    """
    text = str(model or "").strip().removeprefix("https://huggingface.co/").strip("/")
    if recipe:
        text = MERGED_HERE
    elif not text:
        raise VisitorError(
            "No model was named.", "Write a model id, such as HuggingFaceTB/SmolLM2-135M-Instruct."
        )
    elif text.startswith(("datasets/", "spaces/")):
        raise VisitorError(f"“{text[:60]}” is no model.", "Name a model as owner/name.")
    elif text not in experts.NAMES:
        hub.check_id(text)
    numbers = {}
    for name, value, most in (
        ("ancestors", ancestors, MAX_ANCESTORS),
        ("descendants", descendants, MAX_DESCENDANTS),
        ("limit", limit, MAX_NODES),
    ):
        stated = getattr(TreeRequest, name) if value in (None, "") else value
        numbers[name] = whole(1 if name == "limit" else 0, most)(name, stated)
    wishes = tuple(str(item) for item in expand or ())
    if len(wishes) > MAX_EXPANDED or any(
        item.partition(":")[0] not in ("parents", *RELATIONS) for item in wishes
    ):
        raise VisitorError(
            "That part of the tree cannot be shown.",
            f"Open at most {MAX_EXPANDED} parts, or begin at another model.",
        )
    return TreeRequest(
        text, numbers["ancestors"], numbers["descendants"], numbers["limit"], recipe=recipe, expand=wishes
    )
