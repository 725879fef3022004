"""What a visitor asks for, checked before anything is computed; it converts to and from the query of a
URL.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode

from abliteration import kernel, sets
from abliteration.ablate import METHODS
from abliteration.answers import ANSWER_TOKENS
from abliteration.encode import FORMATS
from abliteration.features import MAX_FEATURES, MAX_STEPS
from abliteration.optimise import PROJECTIONS
from abliteration.select import RULES
from shared import hub, limits
from shared.checks import SEED, between, one_of, whole
from shared.errors import VisitorError

LINK_CHARACTERS = 3_000
"""Longest query that a link carries."""
MAX_ASKED = 6
"""Prompts that base and edited model answer side by side."""
FULL = {"embedding": 1.0, "attention": 1.0, "mlp": 1.0}


@dataclass(frozen=True)
class Request:
    """Everything that determines a direction, its edit and their measurements.

    Args:
        model: a Hub id, an expert of this suite, or a local folder where the app runs locally.
        contrast: name of a stored pair, or "own".
        positive: a visitor's own prompts; used where contrast is "own".
        negative: likewise.
        format: "chat" or "plain", how prompts are put to the model.
        seed: of the split, the random directions and the search.
        layer: where the direction is read; None for the rule's choice.
        position: at which token, counted from the prompt's end (−1 the last).
        rule: "measured" or "cosmic", which chooses the layer.
        candidates: layers that the choice tries, spread evenly.
        projection: "plain", "projected" or "biprojected".
        method: "ablate", "norm_preserving", "affine" or "add".
        strength: multiplies the kernel; for "add" the multiple of the raw difference of means.
        kernel: strengths by part and layer, as `kernel.resolve` takes them.
        prompts: that base and edited model answer side by side; none for two of each side of the report
            split.
        answer_tokens: longest answer.
        trials: kernels that the search tries.
        sae: a trained autoencoder to load, "release/id" of sae-lens' registry (locally also a folder); "" to
            train one.
        sae_layer: whose input the autoencoder reads; None for the direction's.
        features: of the autoencoder.
        k: features that fire at a token.
        steps: of its training.
    """

    model: str = "cautious"
    contrast: str = "cooking"
    positive: tuple[str, ...] = ()
    negative: tuple[str, ...] = ()
    format: str = "chat"
    seed: int = 0
    layer: int | None = None
    position: int = -1
    rule: str = "measured"
    candidates: int = 10
    projection: str = "projected"
    method: str = "ablate"
    strength: float = 1.0
    kernel: dict[str, Any] = field(default_factory=lambda: dict(FULL))
    prompts: tuple[str, ...] = ()
    answer_tokens: int = ANSWER_TOKENS
    trials: int = 60
    sae: str = ""
    sae_layer: int | None = None
    features: int = 1_152
    k: int = 16
    steps: int = 300

    def to_json(self) -> dict[str, Any]:
        """The request as the API takes it."""
        return {**self.__dict__, **{name: list(getattr(self, name)) for name in LISTS}}

    def to_query(self) -> str:
        """The request as the query of a URL, without the question mark; "" where a visitor's sets are too
        long for a link.
        """
        default = Request()
        values: list[tuple[str, Any]] = []
        for name, value in self.__dict__.items():
            if value == getattr(default, name):
                continue
            if name in LISTS:
                values += [(name, item) for item in value]
            else:
                values.append((name, json.dumps(value, separators=(",", ":")) if name == "kernel" else value))
        query = urlencode(values)
        return query if len(query) <= LINK_CHARACTERS else ""

    @classmethod
    def from_query(cls, query: str) -> Request:
        """The request that a URL's query describes; missing parameters take their defaults.

        Raises:
            VisitorError: as `validate`.
        """
        given = parse_qs(query.removeprefix("?"), keep_blank_values=True)
        return validate(
            **{
                name: items if name in LISTS else items[-1]
                for name, items in given.items()
                if name in cls.__dataclass_fields__
            }
        )

    def pair(self) -> sets.Contrast:
        """The two sets.

        Raises:
            VisitorError: as `sets.own`.
        """
        return (
            sets.own(self.positive, self.negative) if self.contrast == "own" else sets.STORED[self.contrast]
        )


LISTS = ("positive", "negative", "prompts")


def validate(**values: Any) -> Request:
    """Check the values, which may come as text from a form or a URL. What depends on the model is checked
    when it is loaded.

    Raises:
        VisitorError: naming the value that was refused.
    """
    unknown = set(values) - set(Request.__dataclass_fields__)
    if unknown:
        raise VisitorError(
            f"There is no setting “{sorted(unknown)[0][:40]}”.",
            f"Known are: {', '.join(Request.__dataclass_fields__)}.",
        )
    given = {
        name: value for name, value in values.items() if value is not None and (value != "" or name in LISTS)
    }
    if given.get("positive") or given.get("negative"):
        given.setdefault("contrast", "own")
    request = Request(**{name: _CHECKS[name](name, value) for name, value in given.items()})
    request.pair()
    return request


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or "\0" in value or not 0 < len(value.strip()) <= 200:
        raise VisitorError(f"{name} is {str(value)[:40]}.", "Write it as a text of at most 200 characters.")
    return value.strip()


def _sae(name: str, value: Any) -> str:
    text = _text(name, value)
    if not hub.is_local_path(text) and not _REGISTERED.fullmatch(text):
        raise VisitorError(
            f"“{text[:60]}” is no autoencoder.",
            "Name one of sae-lens' registry as release/id, or leave it empty to train one.",
        )
    return text


_REGISTERED = re.compile(r"\w[\w.\-]*/[\w.\-/]+")


def _prompts(name: str, value: Any) -> tuple[str, ...]:
    return sets.read(value)


def _asked(name: str, value: Any) -> tuple[str, ...]:
    found = tuple(prompt for prompt in sets.read(value) if prompt)
    if len(found) > MAX_ASKED:
        raise VisitorError(
            f"{len(found)} prompts were given to answer.", f"Use at most {MAX_ASKED}, one a line."
        )
    if any(len(prompt) > sets.MAX_CHARACTERS or "\0" in prompt for prompt in found):
        raise VisitorError("A prompt is too long.", f"Shorten it to {sets.MAX_CHARACTERS:,} characters.")
    return found


def _kernel(name: str, value: Any) -> dict[str, Any]:
    try:
        parsed = json.loads(value) if isinstance(value, str) else dict(value)
    except (TypeError, ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict):
        raise VisitorError(
            "The kernel is not a JSON object.",
            f"Write it as {json.dumps(FULL)}, with a list for one strength a layer.",
        )
    lengths = [len(curve) for curve in parsed.values() if isinstance(curve, list)]
    kernel.resolve({part: curve for part, curve in parsed.items() if not isinstance(curve, list)}, 1)
    for part, curve in parsed.items():
        if isinstance(curve, list):  # its length is compared with the model's layers when that is loaded
            kernel.resolve({part: curve}, len(curve))
    if len(set(lengths)) > 1:
        raise VisitorError(
            f"The kernel's curves have {' and '.join(map(str, sorted(set(lengths))))} values.",
            "Give each one value a layer.",
        )
    return parsed


_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "model": _text,
    "contrast": one_of(*sets.STORED, "own"),
    "positive": _prompts,
    "negative": _prompts,
    "format": one_of(*FORMATS),
    "seed": SEED,
    "layer": whole(0, 500),
    "position": whole(-32, -1),
    "rule": one_of(*RULES),
    "candidates": whole(1, 500),
    "projection": one_of(*PROJECTIONS),
    "method": one_of(*METHODS),
    "strength": between(-10, 10),
    "kernel": _kernel,
    "prompts": _asked,
    "answer_tokens": whole(1, limits.MAX_NEW_TOKENS),
    "trials": whole(1, 500),
    "sae": _sae,
    "sae_layer": whole(0, 500),
    "features": whole(8, MAX_FEATURES),
    "k": whole(1, 256),
    "steps": whole(1, MAX_STEPS),
}
