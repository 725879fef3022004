"""What a visitor asks for: a prompt, a model, and the draft that runs ahead of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from decoding import request as decoding
from decoding.strategy import Strategy
from shared import limits, request
from shared.checks import between, finite, one_of, text, whole
from shared.errors import VisitorError
from shared.request import setting
from shared.rounding import TYPES

DRAFTS = ("rounded", "layers", "model", "lookup")
"""What proposes tokens: the model rounded to fewer bits, its first layers alone, another model with the same
vocabulary, or what followed in the text the last time.
"""

MAX_DRAFT_TOKENS = 16
"""Tokens that a draft proposes in one round, at most."""

_OF_DRAFT = {"rounded": "rounding", "layers": "layers", "model": "draft_model", "lookup": "ngram"}
"""The setting that each draft has of its own."""


def _as_in_decode(name: str) -> Any:
    """A setting that the room Decode has too, with its default, check and sentence."""
    known = decoding.Request.declared()[name]
    return field(default=known.default, metadata=known.metadata)


def _temperature(name: str, value: Any) -> float:
    number = finite(value)
    if number != 0 and not 0.01 <= number <= 100:
        raise VisitorError(
            f"{name} is {str(value)[:40]}.", "Use 0 for greedy search, or a number from 0.01 to 100."
        )
    return number


def _share(name: str, value: Any) -> float:
    number = between(0, 1)(name, value)
    if not number:
        raise VisitorError(f"{name} is 0, which leaves no token.", "Use a number above 0 and up to 1.")
    return number


@dataclass(frozen=True)
class Request(request.Request):
    """Everything that determines a speculative run."""

    LINK_CHARACTERS: ClassVar[int] = 8_000  # as in the other rooms: a prompt may fill a link

    prompt: str = _as_in_decode("prompt")
    model: str = _as_in_decode("model")
    draft: str = setting("rounded", one_of(*DRAFTS), f"what proposes tokens: {', '.join(DRAFTS)}", blank=True)
    rounding: str = setting("Q4_0", one_of(*TYPES), f"GGUF type of a rounded draft: {', '.join(TYPES)}")
    layers: int = setting(
        15, whole(1, limits.MAX_LAYERS), "layers that a draft of the model's first layers has"
    )
    draft_model: str = setting("", text, "Hub id of a draft model with the same vocabulary")
    ngram: int = setting(2, whole(1, 8), "longest run of tokens that prompt lookup searches the text for")
    draft_tokens: int = setting(
        4, whole(1, MAX_DRAFT_TOKENS), f"tokens that the draft proposes in a round, 1 to {MAX_DRAFT_TOKENS}"
    )
    temperature: float = setting(0.0, _temperature, "0 for greedy search, or the temperature of a draw")
    top_k: int = setting(0, whole(0, 1_000_000), "likeliest tokens that a draw may take, 0 for all")
    top_p: float = setting(1.0, _share, "probability that the likeliest tokens of a draw have together")
    max_new_tokens: int = setting(
        48, whole(1, limits.MAX_NEW_TOKENS), f"tokens to add, 1 to {limits.MAX_NEW_TOKENS}"
    )
    seed: int = _as_in_decode("seed")
    chat: bool = _as_in_decode("chat")
    system: str = _as_in_decode("system")
    thinking: str = _as_in_decode("thinking")

    def consistent(self) -> Request:
        """A draft model is named where it is asked for; settings of other drafts, and of a draw that is none,
        count as their defaults, so that requests of the same run are equal.
        """
        if self.draft == "model" and not self.draft_model.strip():
            raise VisitorError("No draft model is named.", "Write its Hub id, or choose another draft.")
        self.as_prompt()  # checks what belongs to the prompt
        others = [name for kind, name in _OF_DRAFT.items() if kind != self.draft]
        if self.greedy:
            others += ["top_k", "top_p"]
        values: dict[str, Any] = {"draft_model": self.draft_model.strip()}
        values |= {name: self.declared()[name].default for name in others}
        return replace(self, **values)

    @property
    def greedy(self) -> bool:
        """Whether every token is the likeliest one."""
        return self.temperature == 0

    def as_prompt(self) -> decoding.Request:
        """The part that says what the model reads, as the room Decode asks for it."""
        return decoding.Request.parse(
            prompt=self.prompt,
            model=self.model,
            max_new_tokens=self.max_new_tokens,
            seed=self.seed,
            chat=self.chat,
            system=self.system,
            thinking=self.thinking,
        )

    def strategy(self) -> Strategy:
        """The settings of the model alone, by which every token is taken."""
        draw = {"do_sample": True, "temperature": self.temperature, "top_k": self.top_k, "top_p": self.top_p}
        return Strategy("speculative", {"do_sample": False} if self.greedy else draw)
