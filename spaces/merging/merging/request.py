"""What a visitor asks for: a recipe, a seed, and prompts for parents and child."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from merging.recipe import MAX_CHARACTERS
from shared import limits, request
from shared.behaviour import ANSWER_TOKENS, PRESETS, USUAL, Behaviour, behaviours_of, text_of, to_json
from shared.checks import SEED, whole
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


def check_prompts(name: str, value: Any) -> tuple[str, ...]:
    """At most `MAX_PROMPTS` texts, one a line.

    Raises:
        VisitorError: there are more, or one is too long.
    """
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


class Measured(request.Request):
    """What is measured by behaviours."""

    behaviours: tuple[Behaviour, ...]

    def to_json(self) -> dict[str, Any]:
        """As the API takes it."""
        return {**super().to_json(), "behaviours": to_json(self.behaviours)}

    def to_form(self) -> dict[str, Any]:
        """As the base's; behaviours as text."""
        return {**super().to_form(), "behaviours": text_of(self.behaviours)}


@dataclass(frozen=True)
class Request(Measured):
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
        (), check_prompts, f"further prompts that every model answers, at most {MAX_PROMPTS}", link="prompt"
    )
    behaviours: tuple[Behaviour, ...] = setting(
        (),
        lambda _, value: behaviours_of(value),
        "what parents and child are measured by: presets by name, or objects with name, prompts, rule and "
        "value; those of the experts where none are given",
        blank=True,
    )
    answer_tokens: int = setting(ANSWER_TOKENS, whole(1, limits.MAX_NEW_TOKENS), "longest answer, in tokens")

    @property
    def measured(self) -> tuple[Behaviour, ...]:
        """The behaviours, those of the experts where none are given."""
        return self.behaviours or tuple(PRESETS[name] for name in USUAL)
