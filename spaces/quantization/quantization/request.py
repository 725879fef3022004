"""What a visitor asks for, checked before anything is computed; it converts to and from the query of a
URL.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode

from quantization import formats
from shared import limits
from shared.checks import SEED, finite, whole
from shared.errors import VisitorError
from shared.models import EMBEDDED_MODEL

LINK_CHARACTERS = 2_000
"""Longest text of the visitor that a link carries."""
SETTINGS_CHARACTERS = 1_000
"""Longest JSON of a method's settings; a longer one could nest deeper than Python follows."""
PROMPT = "Explain in two sentences why ice floats on water."


def sensitivity_types() -> tuple[str, ...]:
    """Ggml types that layers can be measured with."""
    from quantization.sensitivity import TYPES

    return TYPES


@dataclass(frozen=True)
class Request:
    """Everything that determines a comparison.

    Args:
        model: a Hub id, or a local folder where the app runs locally.
        rotated: compare the equivalent model with a rotated residual stream instead, see `rotation.rotate`.
        formats: names as `formats.parse` takes them.
        text: to measure on; "" for the sample.
        calibration: text that calibrated formats learn from; "" for the sample.
        context: tokens in a window; its second half is scored.
        windows: how many windows of the text are read at most.
        prompt: what every row answers; "" for no answers.
        answer_tokens: longest answer.
        do_sample: draw the answers (the same seed for every row) instead of taking the likeliest token.
        seed: of the draws, of the rotation and of the bootstrap.
        sensitivity: ggml types with which every layer is measured alone; none by default.
        budget: megabytes (10⁶ bytes) that a mix of ggml types has to fit in, or None.
    """

    model: str = EMBEDDED_MODEL
    rotated: bool = False
    formats: tuple[str, ...] = formats.DEFAULT
    text: str = ""
    calibration: str = ""
    context: int = 256
    windows: int = 4
    prompt: str = PROMPT
    answer_tokens: int = 32
    do_sample: bool = False
    seed: int = 0
    sensitivity: tuple[str, ...] = ()
    budget: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The request as the API takes it."""
        return {**self.__dict__, "formats": list(self.formats), "sensitivity": list(self.sensitivity)}

    def to_query(self) -> str:
        """The request as the query of a URL, without the question mark; "" where a text of the visitor is too
        long for a link.
        """
        if max(len(self.text), len(self.calibration)) > LINK_CHARACTERS:
            return ""
        default = Request()
        values = [(name, value) for name, value in self.__dict__.items() if value != getattr(default, name)]
        return urlencode([("room", "compare"), *_flat(values)])

    @classmethod
    def from_query(cls, query: str) -> Request:
        """The request that a URL's query describes; missing parameters take their defaults.

        Raises:
            VisitorError: as `validate`.
        """
        return validate(**_given(query, cls.__dataclass_fields__, ("formats", "sensitivity")))


@dataclass(frozen=True)
class LabRequest:
    """One tensor and one method.

    Args:
        model: as `Request.model`.
        tensor: name of the parameter.
        method: an own method's name or a ggml type.
        settings: of the method; missing ones take their defaults.
        rotation: whether to rotate the tensor's input basis first.
        compare: whether every other method is tried on the tensor too.
    """

    model: str = EMBEDDED_MODEL
    tensor: str = "model.layers.0.self_attn.q_proj.weight"
    method: str = "rtn"
    settings: dict[str, Any] = field(default_factory=dict)
    rotation: bool = False
    compare: bool = True

    def to_json(self) -> dict[str, Any]:
        """The request as the API takes it."""
        return dict(self.__dict__)

    def to_query(self) -> str:
        """The request as the query of a URL, without the question mark."""
        default = LabRequest()
        values = [(name, value) for name, value in self.__dict__.items() if value != getattr(default, name)]
        return urlencode([("room", "lab"), *_flat(values)])

    @classmethod
    def from_query(cls, query: str) -> LabRequest:
        """The request that a URL's query describes.

        Raises:
            VisitorError: as `validate_lab`.
        """
        return validate_lab(**_given(query, cls.__dataclass_fields__, ()))


def _flat(values: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    flat: list[tuple[str, Any]] = []
    for name, value in values:
        if isinstance(value, tuple):
            flat += [(name, item) for item in value or ("",)]
        elif isinstance(value, dict):
            flat.append((name, json.dumps(value, separators=(",", ":"))))
        else:
            flat.append((name, int(value) if isinstance(value, bool) else value))
    return flat


def _given(query: str, known: Any, lists: tuple[str, ...]) -> dict[str, Any]:
    given = parse_qs(query.removeprefix("?"), keep_blank_values=True)
    return {name: items if name in lists else items[-1] for name, items in given.items() if name in known}


def validate(**values: Any) -> Request:
    """Check a comparison's values, which may come as text from a form or a URL.

    Raises:
        VisitorError: naming the value that was refused.
    """
    request = Request(**_checked(Request, _CHECKS, values))
    if not request.formats and not request.sensitivity and request.budget is None:
        raise VisitorError("There is no format to compare.", "Choose at least one.")
    return request


def validate_lab(**values: Any) -> LabRequest:
    """Check a weight lab's values.

    Raises:
        VisitorError: naming the value that was refused.
    """
    from quantization import ggml
    from quantization.methods import METHODS, check_settings

    request = LabRequest(**_checked(LabRequest, _LAB_CHECKS, values))
    if request.method in METHODS:
        return LabRequest(
            **{**request.__dict__, "settings": check_settings(request.method, request.settings)}
        )
    if request.method not in ggml.TYPES:
        raise VisitorError(
            f"There is no method “{request.method[:40]}”.",
            f"Choose one of {', '.join([*METHODS, *ggml.TYPES])}.",
        )
    return LabRequest(**{**request.__dict__, "settings": {}})


def _checked(
    kind: Any, checks: dict[str, Callable[[str, Any], Any]], values: dict[str, Any]
) -> dict[str, Any]:
    unknown = set(values) - set(kind.__dataclass_fields__)
    if unknown:
        raise VisitorError(
            f"There is no setting “{sorted(unknown)[0][:40]}”.",
            f"Known are: {', '.join(kind.__dataclass_fields__)}.",
        )
    blank = ("text", "calibration", "prompt")
    return {
        name: checks[name](name, value)
        for name, value in values.items()
        if value is not None and (value != "" or name in blank)
    }


def _text(most: int) -> Callable[[str, Any], str]:
    def check(name: str, value: Any) -> str:
        if not isinstance(value, str) or "\0" in value:
            raise VisitorError(f"{name} is not a text.", "Write it as text.")
        if len(value) > most:
            raise VisitorError(f"{name} has {len(value):,} characters.", f"Shorten it to {most:,}.")
        return value.strip()

    return check


def _megabytes(name: str, value: Any) -> float:
    number = finite(value)
    if not 1 <= number <= 100_000:
        raise VisitorError(f"{name} is {str(value)[:40]}.", "Use megabytes from 1 to 100,000.")
    return round(number, 3)


def _flag(name: str, value: Any) -> bool:
    if value in (True, 1, "1", "true", "True"):
        return True
    if value in (False, 0, "0", "false", "False"):
        return False
    raise VisitorError(f"{name} is {str(value)[:40]}.", "Use true or false.")


def _names(name: str, value: Any) -> list[str]:
    items = value.replace(",", " ").split() if isinstance(value, str) else value
    if not isinstance(items, (list, tuple)) or not all(isinstance(item, str) for item in items):
        raise VisitorError(f"{name} is {str(value)[:40]}.", "Use a list of names.")
    return list(dict.fromkeys(item.strip() for item in items if item.strip()))


def _formats(name: str, value: Any) -> tuple[str, ...]:
    names = _names(name, value)
    if len(names) > limits.MAX_FORMATS:
        raise VisitorError(
            f"{len(names)} formats were chosen.", f"Compare at most {limits.MAX_FORMATS} at once."
        )
    return tuple(formats.parse(item).name for item in names)


def _types(name: str, value: Any) -> tuple[str, ...]:
    names = _names(name, value)
    for item in names:
        if item not in sensitivity_types():
            raise VisitorError(
                f"“{item[:40]}” is no type that layers are measured with.",
                f"Choose from {', '.join(sensitivity_types())}.",
            )
    return tuple(names)


def _settings(name: str, value: Any) -> dict[str, Any]:
    parsed = value
    if isinstance(value, str):
        try:
            parsed = json.loads(value) if len(value) <= SETTINGS_CHARACTERS else None
        except ValueError:
            parsed = None
    if not isinstance(parsed, dict):
        raise VisitorError("The settings are not a JSON object.", 'Write them as {"bits": 4, "group": 64}.')
    return parsed


_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "model": _text(200),
    "rotated": _flag,
    "formats": _formats,
    "text": _text(limits.MAX_TEXT_CHARACTERS),
    "calibration": _text(limits.MAX_TEXT_CHARACTERS),
    "context": whole(32, limits.MAX_CONTEXT),
    "windows": whole(1, limits.MAX_WINDOWS),
    "prompt": _text(2_000),
    "answer_tokens": whole(1, limits.MAX_NEW_TOKENS),
    "do_sample": _flag,
    "seed": SEED,
    "sensitivity": _types,
    "budget": _megabytes,
}
_LAB_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "model": _text(200),
    "tensor": _text(300),
    "method": _text(40),
    "settings": _settings,
    "rotation": _flag,
    "compare": _flag,
}
