"""The settings of a decoding strategy: the `GenerationConfig` fields that this demo takes, each with its
check.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from shared import limits
from shared.checks import finite, whole
from shared.errors import VisitorError
from shared.request import Check

MAX_BIAS = 10_000.0
"""Largest bias of `sequence_bias`; with the smallest temperature it still leaves logits that float32 can
hold.
"""

MAX_LAYERS = 64
"""Layers that `dola_layers` may name."""


@dataclass(frozen=True)
class Setting:
    """One `GenerationConfig` field.

    Args:
        kind: what its value is: a flag, an int, a float or JSON of its own shape.
        check: called with where the setting stands and its value; returns the value or raises a VisitorError.
        choices: words that a form offers.
        hint: what a form shows where there is no value.
    """

    kind: str
    check: Check
    choices: tuple[str, ...] = ()
    hint: str = "default"


def _truth(where: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise VisitorError(f"{where} is {value!r}, not true or false.", "Write true or false.")
    return value


def _json_number(value: Any) -> float:
    """A JSON number as a float; NaN for anything else, text included."""
    return finite(value) if isinstance(value, int | float) else math.nan


def number(low: float, high: float, *, above: bool = False) -> Check:
    """A check for JSON numbers from `low` to `high`, the former excluded if `above`."""
    words = f"above {low:g} and up to {high:g}" if above else f"from {low:g} to {high:g}"
    remedy = f"Use a number {words}."

    def check(where: str, value: Any) -> float:
        number = _json_number(value)
        if math.isnan(number):
            raise VisitorError(f"{where} is {str(value)[:40]}, not a finite number.", remedy)
        if number > high or number < low or (above and number == low):
            raise VisitorError(f"{where} is {number:g}.", remedy)
        return number

    return check


def _early_stopping(where: str, value: Any) -> bool | str:
    if not isinstance(value, bool) and value != "never":
        raise VisitorError(f"{where} is {str(value)[:40]}.", 'Use true, false or "never".')
    return value


def _layers(where: str, value: Any) -> str | list[int]:
    if value in ("low", "high"):
        return str(value)
    layers = sorted(set(value)) if _is_ids(value) else []
    if not 1 <= len(layers) <= MAX_LAYERS:
        raise VisitorError(
            f"{where} is {str(value)[:40]}.",
            f'Use "low", "high" or a list of at most {MAX_LAYERS} layer numbers.',
        )
    return layers


def _words(where: str, value: Any) -> list[list[int]]:
    if isinstance(value, list) and value and all(_is_ids(word) for word in value):
        return value
    raise VisitorError(f"{where} is not a list of lists of token ids.", "Write it as [[1234], [567, 89]].")


def _bias(where: str, value: Any) -> list[list[Any]]:
    if isinstance(value, list) and value and all(_is_biased(pair) for pair in value):
        return [[ids, _json_number(bias)] for ids, bias in value]
    raise VisitorError(
        f"{where} is not a list of pairs of token ids and a bias.",
        f"Write it as [[[1234], -2.5]], each bias at most {MAX_BIAS:,.0f}.",
    )


def _is_biased(pair: Any) -> bool:
    good = isinstance(pair, list) and len(pair) == 2 and _is_ids(pair[0])
    return good and abs(_json_number(pair[1])) <= MAX_BIAS


def _is_ids(value: Any) -> bool:
    return (
        isinstance(value, list) and bool(value) and all(type(token) is int and token >= 0 for token in value)
    )


SETTINGS: dict[str, Setting] = {
    "do_sample": Setting("flag", _truth),
    "num_beams": Setting("int", whole(1, 16)),
    "num_beam_groups": Setting("int", whole(1, 8)),
    "num_return_sequences": Setting("int", whole(1, 16)),
    "length_penalty": Setting("float", number(-5, 5)),
    "early_stopping": Setting("json", _early_stopping, choices=("false", "true", "never")),
    "diversity_penalty": Setting("float", number(0, 100)),
    "penalty_alpha": Setting("float", number(0, 1)),
    "dola_layers": Setting("json", _layers, choices=("low", "high")),
    "temperature": Setting("float", number(0.01, 100)),
    "top_h": Setting("float", number(0, 1, above=True)),
    "top_k": Setting("int", whole(0, 1_000_000)),
    "top_p": Setting("float", number(0, 1, above=True)),
    "min_p": Setting("float", number(0, 1)),
    "typical_p": Setting("float", number(0, 1, above=True)),
    "epsilon_cutoff": Setting("float", number(0, 1)),
    "eta_cutoff": Setting("float", number(0, 1)),
    "repetition_penalty": Setting("float", number(0.01, 100)),
    "no_repeat_ngram_size": Setting("int", whole(0, 64)),
    "min_length": Setting("int", whole(0, limits.MAX_PROMPT_TOKENS + limits.MAX_NEW_TOKENS)),
    "min_new_tokens": Setting("int", whole(0, limits.MAX_NEW_TOKENS)),
    "bad_words_ids": Setting("json", _words, hint="[[1234], [567, 89]]"),
    "sequence_bias": Setting("json", _bias, hint="[[[1234], -2.5]]"),
    "renormalize_logits": Setting("flag", _truth),
    "unconstrained": Setting("flag", _truth),
}
"""The fields by name, in the order of the form; `unconstrained` is none of transformers'."""

SAMPLING_ONLY = (
    "temperature",
    "top_h",
    "top_k",
    "top_p",
    "min_p",
    "typical_p",
    "epsilon_cutoff",
    "eta_cutoff",
)
"""Fields that transformers applies only where `do_sample` is true, in the order it applies them."""

BEAM_ONLY = ("length_penalty", "early_stopping", "num_beam_groups", "diversity_penalty")
"""Fields that mean something only with two beams or more."""
