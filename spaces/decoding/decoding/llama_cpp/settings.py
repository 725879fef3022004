"""The settings of a llama.cpp strategy: the names of llama-server's JSON, each with its check."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

from decoding.llama_cpp.parameters import ORDER, Settings
from decoding.settings import Setting, number
from shared.checks import whole
from shared.errors import VisitorError

RUNTIME = "llama.cpp"
"""What a strategy's `runtime` says."""

SAMPLERS = (*ORDER, "adaptive_p")
"""The samplers that `samplers` may name."""

_ALIASES = {
    "top-k": "top_k",
    "top-p": "top_p",
    "nucleus": "top_p",
    "top-n-sigma": "top_n_sigma",
    "typical": "typ_p",
    "typical_p": "typ_p",
    "typical-p": "typ_p",
    "typ": "typ_p",
    "typ-p": "typ_p",
    "min-p": "min_p",
    "temp": "temperature",
    "adaptive-p": "adaptive_p",
}
"""Other names that llama.cpp takes."""

_LETTERS = dict(zip("edskypmxta", SAMPLERS, strict=True))
"""Of `--sampler-seq`."""

MAX_BREAKERS = 16
"""Sequence breakers of DRY."""


def _samplers(where: str, value: Any) -> list[str]:
    remedy = f"Write a list of {', '.join(SAMPLERS)}."
    if isinstance(value, str):
        known = ";" in value or value in SAMPLERS or value in _ALIASES
        value = value.split(";") if known else [_LETTERS.get(letter, letter) for letter in str(value)]
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise VisitorError(f"{where} is not a list of names.", remedy)
    names: list[str] = [_ALIASES.get(name, name) for name in map(str, value)]
    for name in names:
        if name == "infill":
            raise VisitorError(f"{where} names infill, which completes code between two texts.", "Remove it.")
        if name not in SAMPLERS:
            raise VisitorError(f"{where} names “{name[:40]}”, which is no sampler of llama.cpp.", remedy)
        if names.count(name) > 1:
            raise VisitorError(f"{where} names {name} twice.", "Remove one of them.")
    return names


def _breakers(where: str, value: Any) -> list[str]:
    good = isinstance(value, list) and all(isinstance(text, str) and 0 < len(text) <= 40 for text in value)
    if not good or len(value) > MAX_BREAKERS:
        raise VisitorError(
            f"{where} is not a list of at most {MAX_BREAKERS} texts of 1 to 40 characters.",
            'Write it as ["\\n", ":"].',
        )
    return list(value)


_LAST = whole(0, 4096)


def _last(where: str, value: Any) -> int:
    if value == -1:
        raise VisitorError(
            f"{where} is -1, which earlier versions of llama.cpp read as the whole text and this one as 0.",
            "Write a number of tokens, for example 1024.",
        )
    return _LAST(where, value)


def _sigma(where: str, value: Any) -> float:
    return -1.0 if value == -1 else number(0, 100)(where, value)


def _target(where: str, value: Any) -> float:
    return -1.0 if value == -1 else number(0, 1)(where, value)


def _top_k(where: str, value: Any) -> int:
    return 0 if value == -1 else whole(0, 1_000_000)(where, value)


SETTINGS: dict[str, Setting] = {
    "samplers": Setting("json", _samplers, hint='["top_k", "temperature"]'),
    "repeat_last_n": Setting("int", _last),
    "repeat_penalty": Setting("float", number(0.01, 100)),
    "presence_penalty": Setting("float", number(-100, 100)),
    "frequency_penalty": Setting("float", number(-100, 100)),
    "dry_multiplier": Setting("float", number(0, 100)),
    "dry_base": Setting("float", number(1, 100)),
    "dry_allowed_length": Setting("int", whole(0, 64)),
    "dry_penalty_last_n": Setting("int", _last),
    "dry_sequence_breakers": Setting("json", _breakers, hint='["\\n", ":"]'),
    "top_n_sigma": Setting("float", _sigma),
    "top_k": Setting("int", _top_k),
    "typical_p": Setting("float", number(0, 1, above=True)),
    "top_p": Setting("float", number(0, 1)),
    "min_p": Setting("float", number(0, 1)),
    "xtc_probability": Setting("float", number(0, 1)),
    "xtc_threshold": Setting("float", number(0, 1)),
    "temperature": Setting("float", number(0, 100)),
    "dynatemp_range": Setting("float", number(0, 100)),
    "dynatemp_exponent": Setting("float", number(0.01, 100)),
    "mirostat": Setting("int", whole(0, 2)),
    "mirostat_tau": Setting("float", number(0, 100)),
    "mirostat_eta": Setting("float", number(0, 1)),
    "adaptive_target": Setting("float", _target),
    "adaptive_decay": Setting("float", number(0, 0.99)),
    "min_keep": Setting("int", whole(0, 1000)),
}
"""The fields by name, in the order of the form."""

OF_SAMPLER: dict[str, tuple[str, ...]] = {
    "penalties": ("repeat_last_n", "repeat_penalty", "presence_penalty", "frequency_penalty"),
    "dry": (
        "dry_multiplier",
        "dry_base",
        "dry_allowed_length",
        "dry_penalty_last_n",
        "dry_sequence_breakers",
    ),
    "top_n_sigma": ("top_n_sigma",),
    "top_k": ("top_k",),
    "typ_p": ("typical_p",),
    "top_p": ("top_p",),
    "min_p": ("min_p",),
    "xtc": ("xtc_probability", "xtc_threshold"),
    "temperature": ("temperature", "dynatemp_range", "dynatemp_exponent"),
    "mirostat": ("mirostat", "mirostat_tau", "mirostat_eta"),
    "adaptive_p": ("adaptive_target", "adaptive_decay"),
}
"""The settings that each sampler reads, the one that switches it on first but for the penalties."""


def settings_of(config: dict[str, Any]) -> Settings:
    """A strategy's configuration with llama.cpp's defaults for what it leaves open."""
    stated: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in config.items()
        if name in SETTINGS
    }
    return Settings(**stated)


def idle(config: dict[str, Any]) -> dict[str, str]:
    """The settings of a configuration that change nothing, each with the reason in a few words."""
    settings, found = settings_of(config), dict[str, str]()

    def rest(names: Iterable[str], reason: str) -> None:
        for name in names:
            if name in config:
                found.setdefault(name, reason)

    if settings.mirostat:
        used = ("mirostat", "mirostat_tau", "mirostat_eta", "temperature")
        reason = f"mirostat {settings.mirostat} works with the temperature alone"
        rest((name for name in SETTINGS if name not in used), reason)
        return found
    rest(OF_SAMPLER["mirostat"][1:], "mirostat is 0")
    for sampler in SAMPLERS:
        if sampler not in settings.samplers:
            rest(OF_SAMPLER[sampler], f"samplers does not name {sampler}")
    for name, off, sampler in (
        ("repeat_last_n", settings.repeat_last_n == 0, "penalties"),
        ("dry_multiplier", settings.dry_multiplier == 0, "dry"),
        ("dry_penalty_last_n", settings.dry_penalty_last_n == 0, "dry"),
        ("xtc_probability", settings.xtc_probability == 0, "xtc"),
        ("adaptive_target", settings.adaptive_target < 0, "adaptive_p"),
    ):
        if off:
            rest((one for one in OF_SAMPLER[sampler] if one != name), f"{name} switches {sampler} off")
    if settings.xtc_threshold > 0.5 and "xtc_probability" in config:
        rest(["xtc_probability"], "xtc_threshold above 0.5 switches xtc off")
    if settings.dynatemp_range == 0:
        rest(["dynatemp_exponent"], "dynatemp_range is 0")
    return found


def conflicts(config: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Settings that contradict each other or that llama.cpp would ignore, each in two sentences."""
    for name, reason in idle(config).items():
        yield f"{name} has no effect: {reason}.", f"Remove {name}, or change that."
    settings = settings_of(config)
    stages = settings.stages()
    if "typ_p" in stages and "top_n_sigma" in stages[: stages.index("typ_p")]:
        yield (
            "typical_p after top_n_sigma is undefined in llama.cpp: it takes the logarithm of the zeros that "
            "top_n_sigma leaves.",
            "Put typ_p before top_n_sigma in samplers, or remove one of them.",
        )


def defaults() -> dict[str, Any]:
    """llama.cpp's defaults by name, as JSON."""
    values = dataclasses.asdict(Settings())
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
