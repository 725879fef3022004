"""Formats by name, `engine:spec`, and the one function that makes a quantized model of any of them."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from quantization import modules, published
from quantization.record import QuantizedModel
from shared.errors import VisitorError
from shared.models import Loaded

if TYPE_CHECKING:
    from torch import Tensor

    from quantization.importance import Importance
    from quantization.request import Request

ENGINES = {
    "own": "own code, as in the weight lab",
    "gguf": "ggml's C code, llama.cpp's rules",
    "bitsandbytes": "bitsandbytes",
    "hqq": "hqq",
    "torchao": "torchao",
    "autoround": "auto-round",
    "gptq": "own code, GPTQ's checkpoints",
    "awq": "own code, AWQ's checkpoints",
}
"""Engines and what each is."""

PACKAGES = {
    "gguf": "xllamacpp",
    "bitsandbytes": "bitsandbytes",
    "hqq": "hqq",
    "torchao": "torchao",
    "autoround": "auto_round",
}
"""The module that an engine needs."""

WITH_FILES = ("gguf", "bitsandbytes", "autoround", "gptq", "awq")
"""Engines whose models something loads."""

CHECKPOINTS = ("gptq", "awq")
"""Engines that learn from the products of a layer's inputs, and whose files have formats of their own."""

OFFERED = {
    "own": (
        "absmax-int8",
        "zero_point-int8",
        "rtn-int8-g64",
        "rtn-int4-g64",
        "rtn-int3-g64",
        "rtn-int2-g32",
        "nf4",
        "fp4",
        "hqq-int4-g64",
        "gptq-int4-g64",
        "gptq-int3-g64",
        "awq-int4-g64",
        "smoothquant-int8",
        "llm_int8",
    ),
}
"""Specs of the own engine that the page lists; any other bits (2 to 8) and group size can be written."""

DEFAULT = (
    "gguf:Q8_0",
    "gguf:Q5_K_M",
    "gguf:Q4_K_M",
    "gguf:Q4_0",
    "bitsandbytes:nf4",
    "hqq:int4-g64",
    "own:rtn-int4-g64",
)
"""What a comparison holds before the visitor chooses."""

LEARNT = "+imatrix"
"""How the name of a GGUF file type ends that is made with an importance matrix, and need not be."""

_SPEC = re.compile(
    r"(?P<method>[a-z_0-9]+?)(-int(?P<bits>[2-8]))?(-g(?P<group>\d{1,5}))?(?P<double>-double)?"
)


@dataclass(frozen=True)
class Format:
    """One way to store a model.

    Args:
        name: `engine:spec`.
        engine: one of `ENGINES`, or "published" for a file that somebody made.
        spec: the engine's own name of the format; for gguf a file type, for a published file where it is. A
            mix has a name of its own.
        overrides: for gguf, ggml types of single parameters by name.
        learns: for gguf, whether an importance matrix is used that the file type can do without.
        kind: of text, of `kinds.KINDS`, that the matrix is of; "" for the calibration text, or what is given.
    """

    name: str
    engine: str
    spec: str
    overrides: dict[str, str] = field(default_factory=dict)
    learns: bool = False
    kind: str = ""

    @property
    def label(self) -> str:
        """The name without what the engine's mark says already."""
        if self.engine == published.ENGINE:
            return published.label(self.spec)
        return self.name.partition(":")[2]


def specs(engine: str) -> tuple[str, ...]:
    """What an engine offers."""
    if engine == "own":
        return OFFERED["own"]
    if engine == "gguf":
        from quantization.gguf_types import FILE_TYPES, may_learn

        return (*FILE_TYPES, *(f"{name}{LEARNT}" for name in FILE_TYPES if may_learn(name)))
    return tuple(_library(engine).FORMATS)


def all_formats() -> list[str]:
    """Every name that the page lists; engines whose package is not installed here are left out."""
    return [f"{engine}:{spec}" for engine in ENGINES if is_installed(engine) for spec in specs(engine)]


def is_installed(engine: str) -> bool:
    """Whether an engine's package is installed; nothing is imported."""
    return engine not in PACKAGES or importlib.util.find_spec(PACKAGES[engine]) is not None


def parse(name: str) -> Format:
    """A format from its name.

    Raises:
        VisitorError: no such engine, no such format of it, its package is not installed, or as
            `published.spec_of`.
    """
    if (file := published.spec_of(str(name))) is not None:
        return Format(f"{published.ENGINE}:{file}", published.ENGINE, file)
    engine, _, spec = str(name).strip().partition(":")
    if engine not in ENGINES:
        raise VisitorError(
            f"There is no format “{str(name)[:40]}”.",
            f"Write engine:format; the engines are {', '.join(ENGINES)}. A GGUF file of the Hub is written "
            "owner/model-GGUF/file.gguf.",
        )
    if not is_installed(engine):
        raise VisitorError(
            f"The engine {engine} is not installed here.",
            f"Install {PACKAGES[engine]}, or choose another engine.",
        )
    kind = ""
    if engine == "gguf" and LEARNT in spec:
        from quantization.gguf_types import FILE_TYPES, needs_importance
        from quantization.kinds import KINDS

        plain, _, kind = spec.partition(LEARNT)
        kind = kind.removeprefix(":")
        if kind and kind not in KINDS:
            raise VisitorError(
                f"There is no kind of text “{kind[:40]}”.",
                f"Write one of {', '.join(KINDS)} after {LEARNT}:, or end the name with {LEARNT}.",
            )
        spec = plain + LEARNT
        if needs_importance(plain):
            spec = plain  # it always has one
        elif plain in FILE_TYPES and spec not in specs(engine):
            raise VisitorError(
                f"An importance matrix changes nothing in {plain}.", f"Choose gguf:{plain} without it."
            )
    if engine == "own":
        own_settings(spec)
    elif spec not in specs(engine):
        near = difflib.get_close_matches(spec, specs(engine), 3, 0.3)
        raise VisitorError(
            f"{engine} has no format “{spec[:40]}”.", f"Choose one of {', '.join(near or specs(engine))}."
        )
    learns = engine == "gguf" and spec.endswith(LEARNT)
    plain = spec.removesuffix(LEARNT) if learns else spec
    name = f"{plain}{LEARNT}:{kind}" if kind else spec
    return Format(f"{engine}:{name}", engine, plain, learns=learns, kind=kind)


def own_settings(spec: str) -> tuple[str, dict[str, Any]]:
    """Method and settings of an own format's name: "rtn-int4-g64" is rtn with bits 4 and group 64.

    Raises:
        VisitorError: no such method, or a setting that it does not have.
    """
    from quantization.methods import METHODS, check_settings

    match = _SPEC.fullmatch(spec)
    if not match or match["method"] not in METHODS:
        raise VisitorError(
            f"There is no own format “{spec[:40]}”.",
            f"Write a method with bits and group, rtn-int4-g64; methods are {', '.join(METHODS)}.",
        )
    given: dict[str, Any] = {}
    if match["bits"]:
        given["bits"] = int(match["bits"])
    if match["group"]:
        given["group"] = int(match["group"])
    if match["double"]:
        given["double"] = True
    return match["method"], check_settings(match["method"], given)


@dataclass
class Calibration:
    """What calibrated formats learn from: windows of the calibration text; what layers saw of it is collected
    once. GGUF formats take an importance matrix in its place, where one is given.
    """

    windows: Tensor
    given: Importance | None = None
    _moments: dict[str, Any] | None = None
    _with_products: bool = False

    def moments(self, loaded: Loaded, products: bool) -> dict[str, Any]:
        """Statistics of every linear layer's input by parameter name, with E[xxᵀ] where a format needs it.

        Raises:
            VisitorError: a layer sees nothing of the text, or its weight is used without it.
        """
        if self._moments is None or (products and not self._with_products):
            from quantization.calibration import collect

            self._moments, self._with_products = None, products  # the former ones go first
            self._moments = collect(loaded.model, self.windows, products=products)
            for name in modules.linear_names(loaded.model):
                if name not in self._moments:
                    raise VisitorError(
                        f"The calibration text shows nothing of what {name} sees.",
                        "Choose a format that does not learn from a text, such as own:rtn-int4-g64.",
                    )
        return self._moments

    def importance(self, loaded: Loaded, kind: str = "") -> Importance:
        """The importance matrix that GGUF formats are made with.

        Args:
            loaded: the model.
            kind: of text, of `kinds.KINDS`, that it is of; "" for the calibration text, or what is given.

        Raises:
            VisitorError: as `moments`.
        """
        from quantization.importance import of_kind, of_moments

        if kind:
            return of_kind(loaded, kind)
        return self.given or of_moments(self.moments(loaded, False), self.windows)


def given_importance(request: Request, loaded: Loaded) -> Importance | None:
    """The importance matrix that a comparison names; None where it names none.

    Raises:
        VisitorError: as `published.place`, `Place.fetched` and `importance.read`, or no format takes it.
    """
    from quantization import importance

    if not request.imatrix:
        return None
    chosen = [parse(name) for name in request.formats]
    if not any(form.engine == "gguf" and is_calibrated(form) for form in chosen):
        raise VisitorError(
            "An importance matrix is given, and no format takes it.",
            f"Choose one that does, such as gguf:Q4_K_M{LEARNT}, or empty its field.",
        )
    if request.rotated:
        raise VisitorError(
            "The rotated equivalent has other inputs than those that an importance matrix is of.",
            "Untick the rotation, or empty the matrix's field.",
        )
    place = published.place(request.imatrix)
    return importance.read(place.fetched(), place.name, loaded)


def is_calibrated(form: Format) -> bool:
    """Whether a format learns from the calibration text."""
    if form.engine == "own":
        from quantization.methods import METHODS

        return METHODS[own_settings(form.spec)[0]].needs_inputs
    if form.engine == "gguf":
        from quantization.gguf_types import needs_importance

        return form.learns or needs_importance(form.spec)
    return form.engine in ("autoround", *CHECKPOINTS)


def needs_products(form: Format) -> bool:
    """Whether a format learns from the products of a layer's inputs, which take much memory."""
    from quantization.methods import METHODS

    if form.engine in CHECKPOINTS:
        return True
    return form.engine == "own" and METHODS[own_settings(form.spec)[0]].needs_products


def quantize(loaded: Loaded, form: Format, calibration: Calibration) -> QuantizedModel:
    """Quantize a model; the base model's own tensors stay as they are.

    Raises:
        VisitorError: what the engine raised, or a result that is not quantized at all.
    """
    if form.engine == "own":
        from quantization.methods.model import own_model

        method, settings = own_settings(form.spec)
        moments = calibration.moments(loaded, needs_products(form)) if is_calibrated(form) else None
        quantized = own_model(loaded, method, settings, moments)
    elif form.engine == "gguf":
        from quantization.gguf_file import quantize_model

        importance = calibration.importance(loaded, form.kind) if is_calibrated(form) else None
        quantized = quantize_model(loaded, form.spec, importance, form.overrides)
    elif form.engine in CHECKPOINTS:
        quantized = _library(form.engine).quantize_model(loaded, form.spec, calibration)
    else:
        quantized = _library(form.engine).quantize_model(loaded, form.spec, calibration.windows)
    return proven(quantized)


SIXTEEN_BITS = {"F32", "F16", "BF16"}


def proven(quantized: QuantizedModel) -> QuantizedModel:
    """The model, if it is what it says: integer codes of few values and an error, or weights that lay on the
    grid before.

    Raises:
        VisitorError: a tensor has more different codes than eight bits can hold.
    """
    for tensor in quantized.tensors:
        if tensor.type not in SIXTEEN_BITS and not 1 <= tensor.distinct_codes <= 256:
            raise VisitorError(
                f"{quantized.format} did not quantize {tensor.name}, which holds {tensor.distinct_codes:,} "
                "different codes.",
                "Leave this format out.",
            )
    return quantized


def _library(engine: str) -> Any:
    return importlib.import_module(f"quantization.libraries.{engine}_engine")
