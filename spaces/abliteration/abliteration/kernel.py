"""How strongly each write into the residual stream is edited: the curve over layers that a visitor draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from abliteration import data
from shared.checks import finite
from shared.errors import VisitorError

LOW, HIGH = -1.0, 2.0
"""Range of a strength: 0 leaves a write alone, 1 removes the direction, 2 mirrors it, below 0 it grows."""


@dataclass(frozen=True)
class Kernel:
    """Strength per write.

    Args:
        embedding: at the first block's input: embedding and learned positions.
        attention: by layer, at the attention's output.
        mlp: by layer, at the MLP's output.
        blocks: by layer, at the block's input; a run-time edit only, because no matrix alone writes there.
    """

    embedding: float
    attention: tuple[float, ...]
    mlp: tuple[float, ...]
    blocks: tuple[float, ...]

    def to_json(self) -> data.Kernel:
        """The kernel as `resolve` takes it."""
        return {
            "embedding": self.embedding,
            "attention": list(self.attention),
            "mlp": list(self.mlp),
            "blocks": list(self.blocks),
        }

    def scaled(self, factor: float) -> Kernel:
        """The kernel with every strength multiplied.

        Raises:
            VisitorError: one of them leaves the range of a strength.
        """
        times = lambda values: tuple(factor * value for value in values)  # noqa: E731
        product = Kernel(factor * self.embedding, times(self.attention), times(self.mlp), times(self.blocks))
        for value in (product.embedding, *product.attention, *product.mlp, *product.blocks):
            if not LOW <= value <= HIGH:
                raise VisitorError(
                    f"Times {factor:g} the kernel reaches {value:g}.",
                    f"Keep strength × kernel from {LOW:g} to {HIGH:g}.",
                )
        return product

    def bakeable(self) -> bool:
        """Whether weights can do it: no edit at a block's input, except where everything before it is fully
        removed anyway.
        """
        removed = self.embedding == 1
        for attention, mlp, block in zip(self.attention, self.mlp, self.blocks, strict=True):
            if block and not removed:
                return False
            removed = removed and attention == mlp == 1
        return True


def full(layers: int, strength: float = 1.0) -> Kernel:
    """Every write: the direction never enters the stream."""
    return Kernel(strength, (strength,) * layers, (strength,) * layers, (0.0,) * layers)


def falloff(layers: int, w_max: float, position: float, distance: float, w_min: float) -> tuple[float, ...]:
    """Strength that falls linearly from `w_max` at layer `position` to `w_min` at `distance` layers from it,
    0 beyond.

    λ(l) = w_max + (d/D)·(w_min − w_max) with d = |l − P|, 0 where d > D: heretic's kernel.
    """
    strengths = []
    for layer in range(layers):
        away = abs(layer - position)
        share = away / distance if distance else 0.0
        strengths.append(0.0 if away > distance else w_max + share * (w_min - w_max))
    return tuple(round(value, 4) for value in strengths)


def resolve(spec: dict[str, Any], layers: int) -> Kernel:
    """A kernel from its JSON: each part a number for every layer, a list with one number per layer, or a
    falloff.

    Args:
        spec: keys embedding (number), attention, mlp, blocks; missing ones are 0.
        layers: of the model.

    Raises:
        VisitorError: naming the value that was refused.
    """
    unknown = set(spec) - {"embedding", "attention", "mlp", "blocks"}
    if unknown:
        raise VisitorError(
            f"The kernel has no part “{sorted(map(str, unknown))[0][:40]}”.",
            "Its parts are embedding, attention, mlp and blocks.",
        )
    parts = {part: _curve(part, spec.get(part, 0.0), layers) for part in ("attention", "mlp", "blocks")}
    return Kernel(_strength("embedding", spec.get("embedding", 0.0)), **parts)


def _curve(part: str, value: Any, layers: int) -> tuple[float, ...]:
    if isinstance(value, dict):
        shape = {
            name: _number(f"{part}.{name}", value.get(name))
            for name in ("w_max", "position", "distance", "w_min")
        }
        if shape["distance"] < 0:
            raise VisitorError(
                f"The kernel's {part}.distance is {shape['distance']:g}.", "Use 0 or more layers."
            )
        return tuple(_strength(part, item) for item in falloff(layers, **shape))
    if isinstance(value, list | tuple):
        if len(value) != layers:
            raise VisitorError(
                f"The kernel's {part} has {len(value)} values.",
                f"Give one for each of the model's {layers} layers.",
            )
        return tuple(_strength(part, item) for item in value)
    return (_strength(part, value),) * layers


def _number(name: str, value: Any) -> float:
    number = finite(value)
    if number != number:  # NaN
        raise VisitorError(f"The kernel's {name} is {str(value)[:40]}.", "Use a number.")
    return number


def _strength(name: str, value: Any) -> float:
    number = _number(name, value)
    if not LOW <= number <= HIGH:
        raise VisitorError(f"The kernel's {name} is {number:g}.", f"Use strengths from {LOW:g} to {HIGH:g}.")
    return number
