"""What a visitor asks for: a comparison of formats, a look at one weight, or a model to take home."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from quantization import formats, importance, published
from quantization.methods import METHODS, check_settings
from quantization.scripts import SCRIPTS
from quantization.sensitivity import TYPES
from shared import ggml, limits, request
from shared.checks import SEED, finite, flag, text, whole
from shared.errors import VisitorError
from shared.models import EMBEDDED_MODEL
from shared.request import setting

SETTINGS_CHARACTERS = 1_000
"""Longest JSON of a method's settings; a longer one could nest deeper than Python follows."""
PROMPT = "Explain in two sentences why ice floats on water."
USUAL_SET = (
    "gguf:Q8_0",
    "gguf:Q6_K",
    "gguf:Q5_K_M",
    "gguf:Q4_K_M",
    "gguf:Q3_K_M",
    "bitsandbytes:nf4",
    "gptq:int4",
    "awq:int4",
)
"""The formats that most repositories of quantized models have between them."""
SMALL_SET = ("gguf:Q8_0", "gguf:Q4_K_M", "bitsandbytes:nf4")
"""What a set holds before the visitor chooses: nearly the original, what most people take, and one that
transformers reads.
"""
MAX_QUESTIONS = 200
QUESTIONS = (
    "questions with choices, of each of the suite's nine sets at most so many, that base and rows answer, "
    "for answers that flip; 0 for none"
)
MODEL = "Hub id of a causal language model with safetensors weights"


def _text(most: int) -> Callable[[str, Any], str]:
    def check(name: str, value: Any) -> str:
        words = text(name, value)
        if "\0" in words:
            raise VisitorError(f"{name} contains a null character.", "Delete it or paste the text again.")
        if len(words) > most:
            raise VisitorError(f"{name} has {len(words):,} characters.", f"Shorten it to {most:,}.")
        return words.strip()

    return check


def _own_text(says: str) -> str:
    """The setting of a text that may be empty."""
    return setting("", _text(limits.MAX_TEXT_CHARACTERS), says, blank=True)


def _name(most: int) -> Callable[[str, Any], str]:
    def check(name: str, value: Any) -> str:
        stripped = _text(most)(name, value)
        if not stripped:
            raise VisitorError(f"The {name} is blank.", f"Write its name, or leave the {name} out.")
        return stripped

    return check


def _megabytes(name: str, value: Any) -> float:
    number = finite(value)
    if not 1 <= number <= 100_000:
        raise VisitorError(f"{name} is {str(value)[:40]}.", "Use megabytes from 1 to 100,000.")
    return round(number, 3)


def _names(name: str, value: Any) -> list[str]:
    items = value.replace(",", " ").split() if isinstance(value, str) else value
    if isinstance(items, list):  # files that a client of the API uploaded
        items = [item.get("path") if isinstance(item, dict) else item for item in items]
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
        if item not in TYPES:
            raise VisitorError(
                f"Layers are not measured with “{item[:40]}”.", f"Choose from {', '.join(TYPES)}."
            )
    return tuple(names)


def _matrix(name: str, value: Any) -> str:
    return published.matrix_spec(_text(300)(name, value))


def _is_everyones(matrix: str) -> bool:
    """Whether an importance matrix, or none, is no file that only this visitor has."""
    return not published.is_upload(f"{published.ENGINE}:{matrix}")


IMATRIX = (
    "an importance matrix of llama.cpp for GGUF formats that take one, owner/model-GGUF/model.imatrix.gguf; "
    "empty to compute it from the calibration text"
)


def _settings(_: str, value: Any) -> dict[str, Any]:
    parsed = value
    if isinstance(value, str):
        try:
            parsed = json.loads(value) if len(value) <= SETTINGS_CHARACTERS else None
        except ValueError:
            parsed = None
    if not isinstance(parsed, dict):
        raise VisitorError("The settings are not a JSON object.", 'Write them as {"bits": 4, "group": 64}.')
    return parsed


def _format(_: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise VisitorError("There is no format to take home.", "Choose one, such as gguf:Q4_K_M.")
    return value.strip()


@dataclass(frozen=True)
class Request(request.Request):
    """Everything that determines a comparison."""

    LINK_CHARACTERS = 8_000

    model: str = setting(EMBEDDED_MODEL, _name(200), MODEL)
    rotated: bool = setting(
        False, flag, "whether to compare the equivalent model with a rotated residual stream instead"
    )
    formats: tuple[str, ...] = setting(
        formats.DEFAULT,
        _formats,
        "names engine:format, for example gguf:Q4_K_M, bitsandbytes:nf4, hqq:int4-g64, own:rtn-int4-g64; or "
        "published GGUF files, owner/model-GGUF/file.gguf, owner/model-GGUF:Q4_K_M, or owner/model-GGUF for "
        "all of its files",
    )
    text: str = _own_text("text to measure on; empty for the sample")
    calibration: str = _own_text("text for formats that learn from one; empty for another sample")
    context: int = setting(
        256, whole(32, limits.MAX_CONTEXT), "tokens in a window; the second half of each is scored"
    )
    windows: int = setting(4, whole(1, limits.MAX_WINDOWS), "windows of the text to read, at most")
    prompt: str = setting(
        PROMPT, _text(2_000), "what every row answers; empty for no answers", blank=True, exact=True
    )
    answer_tokens: int = setting(32, whole(1, limits.MAX_NEW_TOKENS), "longest answer")
    do_sample: bool = setting(
        False, flag, "whether to draw the answers, all with one seed, instead of taking the likeliest tokens"
    )
    seed: int = setting(0, SEED, "of draws, rotation, bootstrap and questions")
    sensitivity: tuple[str, ...] = setting((), _types, "ggml types with which every layer is measured alone")
    budget: float | None = setting(
        None,
        _megabytes,
        "megabytes (10⁶ bytes) that a mix of types, chosen from measured sensitivities, has to fit in",
    )
    llama_cpp: bool = setting(
        False,
        flag,
        "whether, on a CPU, llama.cpp reads the text with every GGUF row too, with keys and values of 16, 8 "
        "and 4 bits",
    )
    floor: bool = setting(
        False,
        flag,
        "whether the base model is held against itself: with every weight a step of float32 away, with "
        "another number of threads, and in bfloat16",
    )
    kinds: bool = setting(
        False, flag, "whether every row reads prose, code, a chat, maths and German too, each measured apart"
    )
    questions: int = setting(0, whole(0, MAX_QUESTIONS), QUESTIONS)
    imatrix: str = setting("", _matrix, IMATRIX, blank=True)

    def consistent(self) -> Request:
        """There is something to measure."""
        if not self.formats and not self.sensitivity and self.budget is None:
            raise VisitorError("There is no format to compare.", "Choose at least one.")
        return self

    def to_query(self) -> str | None:
        """The request as the query of a URL; None where a row, or the importance matrix, is a file that a
        visitor has uploaded.
        """
        is_everyones = _is_everyones(self.imatrix) and not any(map(published.is_upload, self.formats))
        return super().to_query() if is_everyones else None


@dataclass(frozen=True)
class LabRequest(request.Request):
    """One tensor and one method."""

    model: str = setting(EMBEDDED_MODEL, _name(200), MODEL)
    tensor: str = setting("model.layers.0.self_attn.q_proj.weight", _name(300), "the parameter's name")
    method: str = setting(
        "rtn",
        _name(40),
        "an own method (absmax, zero_point, rtn, nf4, fp4, hqq, gptq, awq, …) or a ggml type (Q4_0, Q4_K, …)",
    )
    settings: dict[str, Any] = setting(  # noqa: RUF009  as every other, which are immutable
        {}, _settings, 'of the method, for example {"bits": 4, "group": 64}; the others have their defaults'
    )
    rotation: bool = setting(
        False, flag, "whether to rotate the input basis before quantizing and back after"
    )
    compare: bool = setting(True, flag, "whether every other method is tried on the tensor too")

    def consistent(self) -> LabRequest:
        """The method exists, and its settings are complete; a ggml type has none."""
        if self.method in METHODS:
            return replace(self, settings=check_settings(self.method, self.settings))
        if self.method not in ggml.TYPES:
            raise VisitorError(
                f"There is no method “{self.method[:40]}”.",
                f"Choose one of {', '.join([*METHODS, *ggml.TYPES])}.",
            )
        return replace(self, settings={})


@dataclass(frozen=True)
class TakeRequest(request.Request):
    """A model to take home in one format."""

    LINK_CHARACTERS = 8_000

    model: str = setting(EMBEDDED_MODEL, _name(200), MODEL)
    format: str = setting(
        "",
        _format,
        "engine:format, for example gguf:Q4_K_M or bitsandbytes:nf4; mix:100, a GGUF of at most 100 MB whose "
        "types are chosen from measured sensitivities; or imatrix:gguf or imatrix:dat, an importance matrix",
        required=True,
    )
    calibration: str = _own_text("text for formats that learn from one; empty for a sample")
    text: str = _own_text("text to measure on, for the card; empty for a sample")
    rotated: bool = setting(
        False, flag, "whether to write the equivalent model with a rotated residual stream instead"
    )
    questions: int = setting(0, whole(0, MAX_QUESTIONS), QUESTIONS)
    imatrix: str = setting("", _matrix, IMATRIX, blank=True)

    def to_query(self) -> str | None:
        """The request as the query of a URL; None where its importance matrix is a file that a visitor has
        uploaded.
        """
        return super().to_query() if _is_everyones(self.imatrix) else None

    @property
    def matrix(self) -> str:
        """Ending of the importance matrix, where that is what is wanted; "" for every other format."""
        kind, _, ending = self.format.partition(":")
        return ending if kind == "imatrix" else ""

    @property
    def script(self) -> str:
        """Name of the ready script, where the format needs CUDA to build; "" for what is made here."""
        kind, _, name = self.format.partition(":")
        return name if kind == "script" else ""

    def consistent(self) -> TakeRequest:
        """The format exists."""
        if self.format.startswith("imatrix:"):
            if self.matrix not in importance.KINDS:
                raise VisitorError(
                    f"There is no importance matrix of the kind “{self.matrix[:40]}”.",
                    f"Choose {' or '.join(f'imatrix:{kind}' for kind in importance.KINDS)}.",
                )
            if self.imatrix:
                raise VisitorError(
                    "The importance matrix is to be computed, and one is given.", "Empty its field."
                )
        elif not self.format.startswith("script:"):
            self.comparison()
        elif self.script not in SCRIPTS:
            raise VisitorError(
                f"There is no script “{self.script[:40]}”.", f"Choose one of {', '.join(SCRIPTS)}."
            )
        return self

    def comparison(self) -> Request:
        """The comparison whose only row is this format: it makes the file and measures it.

        Raises:
            VisitorError: there is no such format, or it is a script.
        """
        kind, _, size = self.format.partition(":")
        if kind == "mix" and not size.strip():
            raise VisitorError(
                "The mix has no size to fit in.", "Write the megabytes after it, as in mix:100."
            )
        row: dict[str, Any] = {"formats": [self.format]}
        if self.matrix:  # what it takes to compute one
            row = {"formats": [f"gguf:Q4_0{formats.LEARNT}"]}
        if kind == "mix":
            row = {"formats": [], "budget": size}
        return Request.parse(
            model=self.model,
            rotated=self.rotated,
            calibration=self.calibration,
            text=self.text,
            questions=self.questions,
            imatrix=self.imatrix,
            prompt="",
            **row,
        )


@dataclass(frozen=True)
class SetRequest(request.Request):
    """A model to take home in several formats, as one set."""

    LINK_CHARACTERS = 8_000

    model: str = setting(EMBEDDED_MODEL, _name(200), MODEL)
    formats: tuple[str, ...] = setting(
        SMALL_SET,
        _formats,
        "names engine:format whose models something loads: of gguf, bitsandbytes, autoround, gptq and awq",
    )
    rotated: bool = setting(
        False, flag, "whether to write the equivalent model with a rotated residual stream instead"
    )
    text: str = _own_text("text to measure on; empty for the sample")
    calibration: str = _own_text("text for formats that learn from one; empty for another sample")
    context: int = setting(
        256, whole(32, limits.MAX_CONTEXT), "tokens in a window; the second half of each is scored"
    )
    windows: int = setting(8, whole(1, limits.MAX_WINDOWS), "windows of the text to read, at most")
    questions: int = setting(0, whole(0, MAX_QUESTIONS), QUESTIONS)
    imatrix: str = setting("", _matrix, IMATRIX, blank=True)

    def consistent(self) -> SetRequest:
        """There is something to write."""
        if not self.formats:
            raise VisitorError("There is no format to write.", "Choose at least one.")
        return self

    def comparison(self) -> Request:
        """The comparison that writes and measures the files."""
        return Request(
            model=self.model,
            rotated=self.rotated,
            formats=self.formats,
            text=self.text,
            calibration=self.calibration,
            context=self.context,
            windows=self.windows,
            questions=self.questions,
            imatrix=self.imatrix,
            prompt="",
        )

    def to_query(self) -> str | None:
        """As `TakeRequest.to_query`."""
        return super().to_query() if _is_everyones(self.imatrix) else None
