"""What a visitor asks for, checked before anything is computed; it converts to and from the query of a
URL.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode

from merging import presets
from merging.recipe import MAX_CHARACTERS
from shared.checks import SEED
from shared.errors import VisitorError

LINK_CHARACTERS = 3_000
"""Longest recipe that a link carries."""
MAX_PROMPTS = 6
MAX_PROMPT = 500


@dataclass(frozen=True)
class Request:
    """Everything that determines a merge and its measurements.

    Args:
        recipe: YAML of mergekit-yaml or mergekit-moe.
        seed: of methods that draw.
        prompts: further prompts that parents and child answer, beside the held-out ones.
    """

    recipe: str = presets.PRESETS[presets.FIRST]
    seed: int = 0
    prompts: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The request as the API takes it."""
        return {"recipe": self.recipe, "seed": self.seed, "prompts": list(self.prompts)}

    def to_query(self) -> str:
        """The request as the query of a URL, without the question mark; "" where the recipe is too long for a
        link.
        """
        if len(self.recipe) > LINK_CHARACTERS:
            return ""
        extra = [("seed", self.seed)] if self.seed else []
        return urlencode([("recipe", self.recipe), *extra, *(("prompt", prompt) for prompt in self.prompts)])

    @classmethod
    def from_query(cls, query: str) -> Request:
        """The request that a URL's query describes.

        Raises:
            VisitorError: as `validate`.
        """
        given = parse_qs(query.removeprefix("?"), keep_blank_values=True)
        values: dict[str, Any] = {name: given[name][-1] for name in ("recipe", "seed") if name in given}
        return validate(**values, prompts=given.get("prompt", []))


def validate(recipe: Any = Request.recipe, seed: Any = 0, prompts: Any = ()) -> Request:
    """Check the values, which may come as text from a form or a URL. What the recipe says is checked by
    `check`.

    Raises:
        VisitorError: naming the value that was refused.
    """
    if not isinstance(recipe, str) or not recipe.strip():
        raise VisitorError("There is no recipe.", "Choose an example, or write one.")
    if len(recipe) > MAX_CHARACTERS:
        raise VisitorError(
            f"The recipe has {len(recipe):,} characters.", f"A recipe has at most {MAX_CHARACTERS:,}."
        )
    number = SEED("seed", 0 if seed in (None, "") else seed)
    lines = prompts.splitlines() if isinstance(prompts, str) else prompts or ()
    if not isinstance(lines, (list, tuple)):
        raise VisitorError(f"The prompts are {str(prompts)[:40]}.", "Give a list of texts.")
    asked = tuple(str(line).strip() for line in lines if str(line).strip())
    if len(asked) > MAX_PROMPTS:
        raise VisitorError(f"{len(asked)} prompts were given.", f"Use at most {MAX_PROMPTS}, one a line.")
    if any(len(line) > MAX_PROMPT or "\0" in line for line in asked):
        raise VisitorError("A prompt is too long.", f"Shorten it to {MAX_PROMPT} characters.")
    return Request(recipe, number, asked)
