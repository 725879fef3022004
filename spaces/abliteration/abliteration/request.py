"""What a visitor asks for: a model, two sets of prompts, a direction between them, an edit."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import Any, Self

from abliteration import kernel, reading, sets
from abliteration.answers import ANSWER_TOKENS, MARKERS
from abliteration.autoencoder import MAX_FEATURES, MAX_STEPS
from abliteration.edit import METHODS
from abliteration.encode import FORMATS, Format
from abliteration.optimise import PROJECTIONS
from abliteration.select import RULES
from shared import hub, limits, request, shelf
from shared.checks import SEED, between, one_of, system_prompt, text, whole
from shared.errors import VisitorError
from shared.request import setting
from shared.rules import KINDS, Rule, rule_of

MAX_PROMPTS = 6
"""Prompts that base and edited model answer side by side."""
FULL = {"embedding": 1.0, "attention": 1.0, "mlp": 1.0}
DIRECTION = (
    "model",
    "contrast",
    "positive",
    "negative",
    "format",
    "system",
    "thinking",
    "seed",
    "layer",
    "position",
    "projection",
    "vector",
    "shows",
    "value",
    "against",
)
"""Settings that determine a direction."""
_REGISTERED = re.compile(r"\w[\w.\-]*/[\w.\-/]+")


def _name(name: str, value: Any) -> str:
    if not isinstance(value, str) or "\0" in value or not 0 < len(value.strip()) <= 200:
        raise VisitorError(f"{name} is {str(value)[:40]}.", "Write a name of at most 200 characters.")
    return value.strip()


def _autoencoder(name: str, value: Any) -> str:
    text = _name(name, value)
    if not hub.is_local_path(text) and not _REGISTERED.fullmatch(text):
        raise VisitorError(
            f"“{text[:60]}” is not the name of an autoencoder.",
            "Name one of sae-lens' registry as release/id, or leave it empty to train one.",
        )
    return text


def _vector(name: str, value: Any) -> str:
    text = _name(name, value)
    if not shelf.is_made(text):
        raise VisitorError(f"“{text[:60]}” is no vector file.", "Upload one under Advanced.")
    return text


MOST_MARKERS, LONGEST_MARKER = 200, 100


def _markers(_: str, value: Any) -> tuple[str, ...]:
    found = tuple(marker for marker in sets.read(value) if marker.strip(" …"))
    if len(found) > MOST_MARKERS or any(len(marker) > LONGEST_MARKER for marker in found):
        raise VisitorError(
            f"There are {len(found)} markers of a refusal, the longest of {max(map(len, found))} characters.",
            f"Use at most {MOST_MARKERS}, each of at most {LONGEST_MARKER} characters.",
        )
    return () if found == MARKERS else found


def _value(name: str, value: Any) -> str:
    return text(name, value).strip()


def _set(_: str, value: Any) -> tuple[str, ...]:
    return sets.read(value)


def _prompts(_: str, value: Any) -> tuple[str, ...]:
    prompts = tuple(prompt for prompt in sets.read(value) if prompt)
    if len(prompts) > MAX_PROMPTS:
        raise VisitorError(
            f"There are {len(prompts)} prompts to answer.", f"Use at most {MAX_PROMPTS}, one a line."
        )
    if any(len(prompt) > sets.MAX_CHARACTERS or "\0" in prompt for prompt in prompts):
        raise VisitorError("A prompt is too long.", f"Shorten it to {sets.MAX_CHARACTERS:,} characters.")
    return prompts


def object_of(value: Any) -> dict[str, Any] | None:
    """A value that is an object, or the JSON text of one; None where it is neither."""
    try:
        parsed = json.loads(value) if isinstance(value, str) else dict(value)
    except (TypeError, ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


def _kernel(_: str, value: Any) -> dict[str, Any]:
    parsed = object_of(value)
    if parsed is None:
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


@dataclass(frozen=True)
class Request(request.Request):
    """Everything that determines a direction, its edit and their measurements.

    What depends on the model, such as the number of its layers, is checked when that is loaded.
    """

    model: str = setting("cautious", _name, "a Hub id, or an expert such as cautious")
    contrast: str = setting(
        "cooking",
        one_of(*sets.STORED, "own"),
        f"a stored pair of sets, {', '.join(sets.STORED)}; own where positive and negative are given",
    )
    positive: tuple[str, ...] = setting(
        (),
        _set,
        "prompts that show the behaviour; the stored cooking questions where both sets are left out",
    )
    negative: tuple[str, ...] = setting((), _set, "prompts that do not")
    format: str = setting(
        "chat", one_of(*FORMATS), "chat, the prompts in the model's chat template, or plain, as they are"
    )
    system: str = setting(
        "", system_prompt, "system prompt of the chat; empty for what the template does without", exact=True
    )
    thinking: str = setting(
        "",
        one_of("", "on", "off"),
        "on or off sets the template's enable_thinking; empty leaves it to the template",
        blank=True,
    )
    seed: int = setting(0, SEED, "of the split, the random directions and the search")
    layer: int | None = setting(
        None, whole(0, 500), "where the direction is read; left out, the rule chooses it"
    )
    position: int = setting(
        -1, whole(-32, -1), "token at which it is read, counted from the prompt's end (−1 is the last)"
    )
    rule: str = setting("measured", one_of(*RULES), "measured or cosmic, which chooses the layer")
    candidates: int = setting(10, whole(1, 500), "layers that the rule tries, spread evenly")
    projection: str = setting(
        "projected",
        one_of(*PROJECTIONS),
        "of the direction: plain, projected, biprojected, or causal, which is read at every layer",
    )
    vector: str = setting(
        "", _vector, "made/…, an uploaded vector file whose direction is removed; empty for the found one"
    )
    method: str = setting("ablate", one_of(*METHODS), "ablate, fitted, norm_preserving, affine or add")
    strength: float = setting(
        1.0,
        between(-10, 10),
        "multiplies the kernel; with add, how many times the difference of means is added",
    )
    kernel: dict[str, Any] = setting(  # noqa: RUF009  each request gets a dict of its own
        FULL,
        _kernel,
        '{"embedding": 1, "attention": 1, "mlp": 1}; a number for all layers, a list with one for each, or a '
        "falloff",
    )
    prompts: tuple[str, ...] = setting(
        (), _prompts, f"to answer side by side, at most {MAX_PROMPTS}; left out, two of each set"
    )
    answer_tokens: int = setting(ANSWER_TOKENS, whole(1, limits.MAX_NEW_TOKENS), "longest answer")
    markers: tuple[str, ...] = setting(
        (),
        _markers,
        "phrases that make an answer a refusal, … for anything within a sentence; left out, the rule's own",
    )
    shows: str = setting(
        "",
        one_of("", *KINDS),
        f"the rule by which an answer shows the behaviour, one of {', '.join(KINDS)}; empty for the stored "
        "pair's own, and for refusing",
        blank=True,
    )
    value: str = setting("", _value, "what that rule is given: " + "; ".join(map(": ".join, KINDS.items())))
    against: str = setting("", _value, "of “is likelier”, the other answer")
    trials: int = setting(60, whole(1, 500), "kernels that the search tries")
    sae: str = setting(
        "", _autoencoder, 'a trained autoencoder to load instead, "release/id" of sae-lens\' registry'
    )
    sae_layer: int | None = setting(
        None, whole(0, 500), "whose input the autoencoder reads; left out, the direction's"
    )
    features: int = setting(1_152, whole(8, MAX_FEATURES), "of the autoencoder")
    k: int = setting(16, whole(1, 256), "features that fire at a token")
    steps: int = setting(300, whole(1, MAX_STEPS), "of its training, 256 activations each")

    @classmethod
    def parse(cls, **values: Any) -> Self:
        """As the base's; sets that are given without a contrast are the visitor's own."""
        if values.get("contrast") in (None, "") and (values.get("positive") or values.get("negative")):
            values["contrast"] = "own"
        return super().parse(**values)

    def consistent(self) -> Self:
        """The visitor's own sets fit each other; beside a stored pair they are left out."""
        if self.format == "plain" and (self.system.strip() or self.thinking):
            what = "A system prompt" if self.system.strip() else "thinking"
            raise VisitorError(
                f"{what} needs the model's chat template.", "Choose the format chat, or leave it empty."
            )
        rule = self.judged
        if rule.kind == "refuses" and self.shows and self.value:
            raise VisitorError("The rule “refuses” has a value.", "Write its phrases as markers.")
        made = self
        if self.shows:  # as it is judged, so that two ways of writing the same are one
            made = replace(self, value=rule.value if self.shows != "refuses" else "", against=rule.against)
        elif self.value or self.against:
            made = replace(self, value="", against="")
        if made.contrast != "own":
            return replace(made, positive=(), negative=())
        made.pair()
        return made

    def pair(self) -> sets.Contrast:
        """The two sets.

        Raises:
            VisitorError: as `sets.own`.
        """
        if self.contrast != "own":
            return sets.STORED[self.contrast]
        return sets.own(self.positive, self.negative)

    def to_form(self) -> dict[str, Any]:
        """As the base's; a prompt with a newline stays one prompt."""
        form = super().to_form()
        for name in ("positive", "negative", "prompts"):
            form[name] = reading.written(form[name])
        return form

    @property
    def how(self) -> Format:
        """How prompts are given to the model."""
        return Format(self.format, self.system, self.thinking)

    @property
    def refusal_markers(self) -> tuple[str, ...]:
        """Phrases that make an answer a refusal."""
        return self.markers or MARKERS

    @property
    def judged(self) -> Rule:
        """The rule by which an answer shows the behaviour.

        Raises:
            VisitorError: as `rule_of`.
        """
        if self.shows == "refuses" or (not self.shows and self.contrast not in sets.RULES):
            return Rule("refuses", "\n".join(self.refusal_markers))
        if not self.shows:
            return sets.RULES[self.contrast]
        return rule_of(self.shows, self.value, self.against)

    def direction(self) -> dict[str, Any]:
        """The settings that determine the direction, as the API passes them on."""
        stated = self.to_json()
        return {name: stated[name] for name in DIRECTION}


def with_direction(
    model: Any = "",
    direction: Any = None,
    vector: Any = "",
    kind: type[Request] = Request,
    **settings: Any,
) -> Request:
    """The request of an API call: what its direction says, and its own settings over that.

    Args:
        model: of the call; "" for the direction's.
        direction: as find_direction returns it.
        vector: of the call; "" for the direction's.
        kind: of request.
        settings: of the call.

    Raises:
        VisitorError: the direction is not one, or of another model; or as `Request.parse`.
    """
    if direction is not None and not isinstance(direction, dict):
        raise VisitorError(
            "The direction is not an object.", "Pass on what find_direction returned as direction."
        )
    stated = {"model": model, **(direction or {})}
    if model and stated["model"] != model:
        raise VisitorError(
            f"The direction is of {str(stated['model'])[:80]}, the model is {str(model)[:80]}.",
            "Leave the model out, or find a direction of it.",
        )
    if vector:
        stated["vector"] = vector
    return kind.parse(**{**stated, **settings})
