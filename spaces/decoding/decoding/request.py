"""What a visitor asks for: a prompt, a model and up to four strategies."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from decoding.strategy import Strategy, check_length, strategies_of, text_of, without_equal_names
from decoding.structured.constraint import FOLLOWERS, KINDS, warnings_of
from shared import limits, request
from shared.checks import SEED, flag, one_of, system_prompt, whole
from shared.embedded_model import EMBEDDED_MODEL
from shared.errors import VisitorError
from shared.request import setting


def _prompt(_: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise VisitorError("The prompt is empty.", "Write a few words for the model to continue.")
    if len(value) > limits.MAX_PROMPT_CHARACTERS:
        limit = f"the limit is {limits.MAX_PROMPT_CHARACTERS:,}"
        raise VisitorError(f"The prompt has {len(value):,} characters; {limit}.", "Shorten it.")
    return value


def _constraint_text(_: str, value: Any) -> str:
    if isinstance(value, dict | bool):  # a schema as the API may hand it over
        return json.dumps(value, ensure_ascii=False)
    if not isinstance(value, str):
        raise VisitorError("The constraint is not text.", "Write a JSON schema or a regular expression.")
    return value


def _model(_: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        remedy = "Choose one from the list, or write a Hub id as owner/name."
        raise VisitorError("No model is named.", remedy)
    return value.strip()


@dataclass(frozen=True)
class Request(request.Request):
    """Everything that determines a run."""

    LINK_CHARACTERS: ClassVar[int] = 8_000  # most servers and proxies take no address of more than 8 KB

    prompt: str = setting(
        "",
        _prompt,
        f"the text to continue, at most {limits.MAX_PROMPT_TOKENS:,} tokens",
        required=True,
        exact=True,
    )
    model: str = setting(
        EMBEDDED_MODEL, _model, "Hub id of a causal language model with safetensors weights", blank=True
    )
    strategies: tuple[Strategy, ...] = setting(
        (Strategy("greedy", {"do_sample": False}),),
        lambda _, value: strategies_of(value),
        'up to four GenerationConfig dicts, each with an optional "name"; [{}] is greedy search',
        blank=True,
    )
    max_new_tokens: int = setting(
        24, whole(1, limits.MAX_NEW_TOKENS), f"tokens to add, 1 to {limits.MAX_NEW_TOKENS}"
    )
    seed: int = setting(0, SEED, "seed of every strategy that draws")
    chat: bool = setting(False, flag, "whether to wrap the prompt in the model's chat template")
    system: str = setting(
        "", system_prompt, "system prompt of the chat; empty for the template's own", exact=True
    )
    thinking: str = setting(
        "",
        one_of("", "on", "off"),
        "on or off sets the template's enable_thinking; empty leaves it to the template",
        blank=True,
    )
    constraint: str = setting(
        "",
        one_of("", *KINDS),
        "what every text has to obey: json_schema, regex or lark; empty for nothing",
        blank=True,
    )
    constraint_text: str = setting(
        "",
        _constraint_text,
        "the schema, regular expression or grammar, which the whole continuation fulfils; a strategy with "
        '"unconstrained": true is free of it',
        blank=True,
    )

    def consistent(self) -> Request:
        """The strategies fit the limits and the length, and have names of their own."""
        if not self.chat and (self.system.strip() or self.thinking):
            what = "A system prompt" if self.system.strip() else "thinking"
            raise VisitorError(
                f"{what} needs the model's chat template.", "Switch the chat template on, or leave it empty."
            )
        named = without_equal_names(self.strategies)
        plain = [strategy for strategy in named if not strategy.prefix]
        if len(plain) > limits.MAX_STRATEGIES or len(named) - len(plain) > limits.MAX_BRANCHES:
            raise VisitorError(
                f"There are {len(plain)} strategies and {len(named) - len(plain)} branches; the limits are "
                f"{limits.MAX_STRATEGIES} and {limits.MAX_BRANCHES}.",
                "Remove some.",
            )
        rows = sum(strategy.rows for strategy in named)
        if rows > limits.MAX_ROWS:
            raise VisitorError(
                f"Together the strategies extend {rows} sequences at once; the limit is {limits.MAX_ROWS}.",
                "Lower num_beams, num_return_sequences or, for contrastive search, top_k.",
            )
        # so that the link of every request can be opened
        check_length([strategy.to_json() for strategy in named])
        for strategy in named:
            self._check_fit(strategy)
        if not self.constraint:
            return replace(self, strategies=named, constraint_text="")
        warnings_of(self.constraint, self.constraint_text)
        return replace(self, strategies=named)

    def obeys(self, strategy: Strategy) -> bool:
        """Whether a strategy has to obey the constraint."""
        return bool(self.constraint) and not strategy.config.get("unconstrained")

    def _check_fit(self, strategy: Strategy) -> None:
        length = self.max_new_tokens
        if strategy.config.get("min_new_tokens", 0) > length:
            raise VisitorError(
                f"{strategy.name}: min_new_tokens is {strategy.config['min_new_tokens']} but max_new_tokens "
                f"is {length}.",
                "Raise max_new_tokens or lower min_new_tokens.",
            )
        if len(strategy.prefix) >= length:
            raise VisitorError(
                f"{strategy.name} starts after {len(strategy.prefix)} tokens but max_new_tokens is {length}.",
                "Raise max_new_tokens, or branch earlier.",
            )
        if self.obeys(strategy) and strategy.kind not in FOLLOWERS:
            free = "" if strategy.kind == "llama_cpp" else ', or give it "unconstrained": true'
            raise VisitorError(
                f"{strategy.name}: only greedy search, sampling and beams can obey a constraint here.",
                f"Remove the strategy or the constraint{free}.",
            )

    def to_form(self) -> dict[str, Any]:
        """The strategies as JSON text, without branches: those are grown on the tree."""
        plain = [strategy.to_json() for strategy in self.strategies if not strategy.prefix]
        return {**super().to_form(), "strategies": text_of(plain)}

    def to_json(self) -> dict[str, Any]:
        """As the API takes it."""
        return {**super().to_json(), "strategies": [strategy.to_json() for strategy in self.strategies]}
