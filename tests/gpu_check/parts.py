"""The parts of the check, step by step: what runs on which models."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from tests.gpu_check import abliteration, decoding, merging, quantization, setting, speed, subjects
from tests.gpu_check.checks import Check
from tests.gpu_check.outcome import Outcome
from tests.gpu_check.subjects import Subject

ANIMALS = ("llama3", "gemma2", "gpt2")
"""Animals that every Space is checked on; decoding and its logits on all."""
WIDE = "llama3"
"""The animal whose rows are long enough for the blocks of every format."""
GENERATED = (*ANIMALS, "qwen2", "mixtral", "lfm2")
"""Animals whose texts are held to `generate()` on the device."""
GENERATED_SIZES = ("135M", "1.1B", "8B", "M")
"""Random models likewise, in bfloat16."""
TINY = ("llama3", "gpt2")
"""The animals of the small check."""


def agreement(outcome: Outcome, tiny: bool) -> None:
    """Each Space's main job on both devices."""
    for subject in _animals(TINY if tiny else None):
        for dtype in ("float32", "bfloat16"):
            outcome.add(f"decoding {subject.name} {dtype}", _decoded, subject, dtype)
    for subject in _animals([name for name in ANIMALS if name in TINY or not tiny]):
        outcome.add(f"merging {subject.name}", _merged, subject)
        outcome.add(f"abliteration {subject.name}", _ablated, subject)
        if subject.name == WIDE:
            outcome.add(f"quantization {subject.name}", _quantized, subject, 64, False)
    whole = None if tiny else subjects.embedded()
    if whole is None:
        return
    for dtype in ("float32", "bfloat16"):
        outcome.add(f"decoding {whole.name} {dtype}", _decoded, whole, dtype)
    outcome.add(f"quantization {whole.name}", _quantized, whole, 256, True)
    outcome.add(f"merging {whole.name}", _experts, whole)
    outcome.add("abliteration cautious", _cautious)


def _animals(names: Any) -> list[Subject]:
    return [one for one in subjects.animals() if names is None or one.name in names]


def _decoded(subject: Subject, dtype: str) -> Iterator[Check]:
    cpu = subject.opened(dtype)
    yield from decoding.against_cpu(subject.name, cpu, setting.moved(cpu, setting.device()))


def _quantized(subject: Subject, context: int, few: bool) -> Iterator[Check]:
    cpu = subject.opened()
    gpu = setting.moved(cpu, setting.device())
    yield from quantization.against_cpu(subject.name, cpu, gpu, context, 2, few)


def _merged(subject: Subject) -> Iterator[Check]:
    origin = subject.opened()
    family = [origin, *merging.relatives(origin)]
    yield from merging.against_cpu(subject.name, family, setting.device())


def _ablated(subject: Subject) -> Iterator[Check]:
    cpu = subject.opened()
    yield from abliteration.against_cpu(subject.name, cpu, setting.moved(cpu, setting.device()))


def _experts(whole: Subject) -> Iterator[Check]:
    from shared import models

    family = [whole.opened(), *(models.load(name, exact=True) for name in ("pirate", "cautious"))]
    yield from merging.against_cpu(whole.name, family, setting.device())


def _cautious() -> Iterator[Check]:
    from shared import models

    cpu = models.load("cautious", exact=True)
    yield from abliteration.against_cpu("cautious", cpu, setting.moved(cpu, setting.device()))


def generate(outcome: Outcome, tiny: bool) -> None:
    """The engine against `generate()` on the device, in float32 and in 16 bits."""
    chosen = _animals([name for name in GENERATED if name == WIDE or not tiny])
    if not tiny and (whole := subjects.embedded()):
        chosen.append(whole)
    for subject in chosen:
        outcome.add(f"generate() {subject.name}", _generated, subject)


def _generated(subject: Subject) -> Iterator[Check]:
    exact, rounded = (
        setting.moved(subject.opened(dtype), setting.device()) for dtype in ("float32", "bfloat16")
    )
    yield from decoding.against_generate(subject.name, exact)
    yield from decoding.against_generate(subject.name, rounded)
    yield from decoding.precision(subject.name, exact, rounded)


def speeds(outcome: Outcome, tiny: bool, until: float) -> None:
    """Seconds by size, the small ones first; and `generate()` on random weights of every size in 16 bits.

    Args:
        outcome: gets the records.
        tiny: whether the sizes are small.
        until: `time.monotonic()` after which nothing new begins.
    """
    device = setting.device()
    try:
        outcome.starts = speed.starts(1 if tiny else 2)
    except RuntimeError as error:
        outcome.skipped.append(f"start: {error}")
    sizes = list(subjects.TINY if tiny else subjects.SIZES)
    if not tiny:
        _last(speed.measured("M", "float32", device, until))  # what is loaded at its first use
    order = [(size, dtype) for size in sizes for dtype in ("bfloat16", "float32")]
    for size, dtype in order:
        began = time.monotonic()
        if began > until:
            outcome.late.append(f"speed {size} {dtype}")
            continue
        record, error = _last(speed.measured(size, dtype, device, until))
        if record:
            outcome.records.append(record)
        if error:
            outcome.skipped.append(f"speed {size} {dtype}: {type(error).__name__}: {error}"[:200])
        print(f"  speed {size} {dtype}: {time.monotonic() - began:.1f} s", flush=True)
        setting.free()
        outcome.save()
        if dtype == "bfloat16" and size in GENERATED_SIZES:
            outcome.add(f"generate() random {size} {dtype}", _random, size, dtype)


def _last(steps: Iterator[dict[str, Any]]) -> tuple[dict[str, Any] | None, Exception | None]:
    """The last of the growing records, and what ended them early."""
    record = None
    try:
        for record in steps:  # noqa: B007  the last one counts
            pass
    except Exception as error:
        return record, error
    return record, None


def _random(size: str, dtype: str) -> Iterator[Check]:
    loaded = subjects.random_model(size, dtype, setting.device())
    yield from decoding.against_generate(f"random {size}", loaded)


PARTS: dict[str, Callable[..., None]] = {"agreement": agreement, "generate": generate, "speed": speeds}
"""By name, as the command takes them."""
