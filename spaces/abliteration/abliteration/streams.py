"""The stream behind a split's prompts, and what is known of them before the model is asked anything."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from abliteration import sets
from abliteration.activations import Read, check_finite, passes
from abliteration.architecture import Anatomy
from abliteration.data import Dataset, Side
from abliteration.directions import Directions
from shared.models import Loaded

if TYPE_CHECKING:
    from torch import Tensor

SIDES: tuple[Side, ...] = ("positive", "negative")
Progress = tuple[str, int, int]
"""What a run does, how far it is and of how much."""


@dataclass(frozen=True)
class Reading:
    """What is known before the base model is asked: arguments as those of `Study`."""

    loaded: Loaded
    anatomy: Anatomy
    split: sets.Split
    directions: Directions
    streams: dict[tuple[str, Side], Tensor]
    sources: tuple[Dataset, ...] = ()


def streams_of(
    loaded: Loaded, anatomy: Anatomy, ids: dict[tuple[str, Side], list[list[int]]], positions: int
) -> Generator[Progress, None, tuple[dict[tuple[str, Side], Tensor], Read]]:
    """The stream of the fit and select splits' prompts at the positions behind them, and all that was read of
    the select split's, positive before negative.
    """
    streams: dict[tuple[str, Side], Tensor] = {}
    total, done = sum(len(ids[part, side]) for part in ("fit", "select") for side in SIDES), 0
    for part in ("fit", "select"):
        prompts = [row for side in SIDES for row in ids[part, side]]
        select = part == "select"
        for step in passes(loaded.model, prompts, anatomy, positions, heads=select, keep=select):
            if isinstance(step, int):
                yield ("Reading the prompts", done + step, total)
                continue
            assert step.streams is not None
            check_finite(step.streams)
            sides = step.streams.split([len(ids[part, side]) for side in SIDES], 1)
            streams.update({(part, side): stream for side, stream in zip(SIDES, sides, strict=True)})
        done += len(prompts)
    assert not isinstance(step, int)
    return streams, step
