"""What a visitor asks for: a prompt and two models, the second one rounded or not."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from decoding.request import Request
from decoding.strategy import Strategy, describe, strategies_of
from shared import request
from shared.checks import one_of, text
from shared.errors import VisitorError
from shared.request import setting
from shared.rounding import TYPES


def _as_decoded(name: str, says: str = "") -> Any:
    """A setting as the decoding with one model has it.

    Args:
        name: of the setting.
        says: its sentence, where that is another.
    """
    known = Request.declared()[name]
    more = {key: known.metadata[key] for key in ("blank", "required", "exact")}
    return setting(known.default, known.metadata["check"], says or known.metadata["says"], **more)


def _strategy(_: str, value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value.strip() or "{}")
        except (ValueError, RecursionError):
            raise VisitorError(
                "The strategy is not valid JSON.", 'Write it as {"do_sample": true, "top_p": 0.9}.'
            ) from None
    if isinstance(value, dict):
        if "prefix" in value:
            raise VisitorError("A comparison has no branches.", "Leave out prefix, or write it as a prompt.")
        value = {**value, "name": "The strategy"}
    (strategy,) = strategies_of([value])
    returned = strategy.config.get("num_return_sequences", 1)
    if strategy.kind not in ("greedy", "sample") or returned > 1:
        what = describe(strategy) if returned == 1 else f"num_return_sequences {returned}"
        raise VisitorError(
            f"{what} is not how two models are compared here.", "Use greedy search, or sampling of one text."
        )
    return {key: value for key, value in strategy.config.items() if key != "do_sample" or value}


@dataclass(frozen=True)
class PairRequest(request.Request):
    """Everything that determines a comparison of two models."""

    LINK_CHARACTERS: ClassVar[int] = Request.LINK_CHARACTERS

    prompt: str = _as_decoded("prompt", "the text that both models continue")
    model: str = _as_decoded("model", "Hub id of the first model")
    other: str = setting(
        "",
        text,
        "Hub id of the second model, of the same vocabulary; empty for the first once more",
        blank=True,
    )
    rounding: str = setting(
        "",
        one_of("", *TYPES),
        f"GGUF type that the second model's matrices are rounded to: {', '.join(TYPES)}; empty for none",
        blank=True,
    )
    strategy: dict[str, Any] = setting(  # noqa: RUF009  each request gets a dict of its own
        {},
        _strategy,
        "GenerationConfig fields of greedy search or of sampling, for both models; {} is greedy search",
        blank=True,
    )
    max_new_tokens: int = _as_decoded("max_new_tokens")
    seed: int = _as_decoded("seed", "seed of both models' draws")
    chat: bool = _as_decoded("chat", "whether to wrap the prompt in the first model's chat template")
    system: str = _as_decoded("system")
    thinking: str = _as_decoded("thinking")

    @property
    def second(self) -> str:
        """The second model's id."""
        return self.other or self.model

    @property
    def names(self) -> tuple[str, str]:
        """Short names of the two, which differ unless the models are the same."""
        one, two = (model.rstrip("/").split("/")[-1] for model in (self.model, self.second))
        if self.second != self.model and one == two:
            one, two = self.model, self.second
        if self.rounding:
            two = self.rounding if self.second == self.model else f"{two} in {self.rounding}"
        elif self.second == self.model:
            two = f"{two}, again"
        return one, two

    def alone(self, model: str) -> Request:
        """The same prompt and strategy for one of the models."""
        strategy = Strategy("", {"do_sample": False, **self.strategy})
        return Request(
            prompt=self.prompt,
            model=model,
            strategies=(replace(strategy, name=describe(strategy)),),
            max_new_tokens=self.max_new_tokens,
            seed=self.seed,
            chat=self.chat,
            system=self.system,
            thinking=self.thinking,
        )

    def consistent(self) -> PairRequest:
        """The strategy fits the length; a second model that is the first is not named twice."""
        self.alone(self.model).consistent()
        other = self.other.strip()
        return replace(self, other="" if other == self.model else other)

    def to_form(self) -> dict[str, Any]:
        """The strategy as JSON text."""
        return {**super().to_form(), "strategy": json.dumps(self.strategy)}
