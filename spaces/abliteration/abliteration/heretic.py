"""heretic's reproduce.json: what it says of an edit. Its directions are not in it, so it is read, not made
again.

Versions 1 to 3 have the same keys here: `settings` with model, model_commit, row_normalization and
orthogonalize_direction; `parameters` with direction_index and, by component, the kernel; `hashes`, the
SHA-256 of the uploaded weight files.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from abliteration.kernel import falloff
from shared.checks import finite
from shared.errors import VisitorError

PATHS = ("reproduce/reproduce.json", "reproduce.json")
"""Where a repository has it."""
COMPONENTS = {"attn.o_proj": "attention", "mlp.down_proj": "mlp"}
_SHAPE = ("max_weight", "max_weight_position", "min_weight", "min_weight_distance")


@dataclass(frozen=True)
class Reproduce:
    """A reproduce.json that was read.

    Args:
        version: of the format.
        program: heretic's version.
        model: that was edited.
        commit: of it; "" where it states none.
        normalization: of the rows: "none", "pre" or "full"; "" where it states none.
        orthogonalized: whether the direction was made orthogonal to the harmless mean.
        index: layer that the direction is read at, between two where it is no whole number; None where every
            layer has its own.
        shapes: by part, max_weight, its position, min_weight and its distance.
        hashes: SHA-256 by file.
    """

    version: str
    program: str
    model: str
    commit: str
    normalization: str
    orthogonalized: bool
    index: float | None
    shapes: dict[str, tuple[float, float, float, float]]
    hashes: dict[str, str]

    def curve(self, part: str, layers: int) -> list[float]:
        """Strengths by layer of "attention" or "mlp"."""
        if part not in self.shapes:
            return [0.0] * layers
        height, position, low, distance = self.shapes[part]
        return list(falloff(layers, height, position, distance, low))

    @property
    def facts(self) -> list[str]:
        """What it says, a sentence each."""
        where = "every layer has its own" if self.index is None else f"read at layer {self.index:.4g}"
        rows = {
            "none": "rows as they are",
            "pre": "rows normalized before the projection",
            "full": "rows normalized, and their lengths kept",
        }.get(self.normalization, "rows not stated")
        mean = ", orthogonal to the harmless mean" if self.orthogonalized else ""
        said = [f"heretic {self.program or 'of an unknown version'}, format {self.version}."]
        said.append(f"Direction: {where}{mean}; {rows}.")
        for part, (height, position, low, distance) in self.shapes.items():
            said.append(
                f"{part}: strength {height:.4g} at layer {position:.4g}, falling to {low:.4g} at "
                f"{distance:.4g} layers from there."
            )
        return said


def is_reproduce(text: str) -> bool:
    """Whether a text looks like a reproduce.json."""
    return '"abliteration_parameters"' in text


def read(text: str) -> Reproduce:
    """Read a reproduce.json.

    Raises:
        VisitorError: it is none.
    """
    try:
        value = json.loads(text)
        settings, parameters = value["settings"], value["parameters"]
        stated = parameters["abliteration_parameters"]
        shapes = {part: _shape(stated[name]) for name, part in COMPONENTS.items() if name in stated}
        index = parameters["direction_index"]
        if not shapes or (index is not None and finite(index) != finite(index)):
            raise ValueError
        program = value.get("environment", {}).get("heretic", {}).get("version", "")
        return Reproduce(
            str(value["version"])[:10],
            str(program)[:20],
            str(settings["model"])[:200],
            str(settings.get("model_commit") or "")[:64],
            str(settings.get("row_normalization") or "")[:10],
            bool(settings.get("orthogonalize_direction")),
            None if index is None else finite(index),
            shapes,
            {str(name)[:200]: str(digest)[:64] for name, digest in (value.get("hashes") or {}).items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise VisitorError(
            "The record is no reproduce.json of heretic.",
            "Give the file that lies in the folder reproduce of the model's repository.",
        ) from None


def _shape(stated: Any) -> tuple[float, float, float, float]:
    numbers = [finite(stated[name]) for name in _SHAPE]
    if any(number != number for number in numbers) or numbers[3] < 0 or max(map(abs, numbers)) > 1_000:
        raise ValueError
    return numbers[0], numbers[1], numbers[2], numbers[3]
