"""What a visitor asks for: a recipe, a seed, and prompts for parents and child."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from merging.recipe import MAX_CHARACTERS
from shared import request
from shared.checks import SEED
from shared.errors import VisitorError
from shared.request import setting

MAX_PROMPTS = 6
MAX_PROMPT = 500


def check_recipe(name: str, value: Any) -> str:
    """A recipe's text within the limit; what it says is checked by `check.check`.

    Raises:
        VisitorError: it is empty or too long.
    """
    if not isinstance(value, str) or not value.strip():
        raise VisitorError("There is no recipe.", "Choose an example, or write one.")
    if len(value) > MAX_CHARACTERS:
        what = f"The recipe has {len(value):,} characters."
        raise VisitorError(what, f"A recipe has at most {MAX_CHARACTERS:,}.")
    return value


def _prompts(name: str, value: Any) -> tuple[str, ...]:
    lines = value.splitlines() if isinstance(value, str) else value
    if not isinstance(lines, (list, tuple)):
        raise VisitorError(f"The prompts are {str(value)[:40]}.", "Give a list of texts.")
    prompts = tuple(str(line).strip() for line in lines if str(line).strip())
    if len(prompts) > MAX_PROMPTS:
        raise VisitorError(f"{len(prompts)} prompts were given.", f"Use at most {MAX_PROMPTS}, one a line.")
    for prompt in prompts:
        if len(prompt) > MAX_PROMPT:
            raise VisitorError("A prompt is too long.", f"Shorten it to {MAX_PROMPT} characters.")
        if "\0" in prompt:
            raise VisitorError("A prompt contains a null character.", "Delete it.")
    return prompts


@dataclass(frozen=True)
class Request(request.Request):
    """Everything that determines a merge and its measurements."""

    LINK_CHARACTERS: ClassVar[int] = 4_500
    """A recipe of 3,000 characters grows by half on its way into a link."""

    recipe: str = setting(
        "",
        check_recipe,
        "YAML of mergekit-yaml or mergekit-moe; models are Hub ids, or the experts cautious, pirate, concise",
        required=True,
    )
    seed: int = setting(0, SEED, "of methods that draw (dare, della)")
    prompts: tuple[str, ...] = setting(
        (), _prompts, f"further prompts that every model answers, at most {MAX_PROMPTS}", link="prompt"
    )
