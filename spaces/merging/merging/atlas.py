"""The atlas of task vectors: what each parent changed in the base, layer by layer and module by module."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from merging import data
from merging.tensors import Weights, common, place
from shared.errors import VisitorError

if TYPE_CHECKING:
    from torch import Tensor

SAMPLE = 4_096
"""Entries of one tensor that the page draws and trims live."""


@dataclass(frozen=True)
class Pair:
    """Two parents' task vectors against each other, by tensor name.

    Args:
        first: one parent.
        second: the other.
        cosine: of the two task vectors; None where one is zero.
        conflict: share of the entries that both changed whose signs differ; None where there is none.
    """

    first: str
    second: str
    cosine: dict[str, float | None]
    conflict: dict[str, float | None]


@dataclass(frozen=True)
class Atlas:
    """Task vectors of some parents.

    Args:
        base: the model they are measured from.
        parents: their names.
        shapes: by tensor name, of every floating tensor that all models have in one shape.
        norm: by parent and tensor, ‖W − W_base‖ / ‖W_base‖ (Frobenius norms).
        pairs: of every two parents.
    """

    base: str
    parents: tuple[str, ...]
    shapes: dict[str, tuple[int, ...]]
    norm: Mapping[str, Mapping[str, float]]
    pairs: tuple[Pair, ...]

    def to_json(self) -> data.Atlas:
        """The atlas as maps of layer × module, and the tensors outside of layers as a list."""
        places = {name: place(name) for name in self.shapes}
        modules = list(
            dict.fromkeys(spot[1] for name, spot in places.items() if spot and len(self.shapes[name]) == 2)
        )
        layers = 1 + max((spot[0] for spot in places.values() if spot), default=-1)
        grid = {spot: name for name, spot in places.items() if spot}
        names = [[grid.get((layer, module), "") for module in modules] for layer in range(layers)]

        def table(values: Mapping[str, float | None]) -> data.LayerMap:
            return [[_brief(values.get(name)) for name in row] for row in names]

        return {
            "base": self.base,
            "parents": list(self.parents),
            "layers": layers,
            "modules": modules,
            "names": names,
            "norm": {parent: table(self.norm[parent]) for parent in self.parents},
            "pairs": [
                {
                    "first": pair.first,
                    "second": pair.second,
                    "cosine": table(pair.cosine),
                    "conflict": table(pair.conflict),
                }
                for pair in self.pairs
            ],
            "outside": [
                {"name": name, "norm": {parent: _brief(self.norm[parent][name]) for parent in self.parents}}
                for name, spot in places.items()
                if spot is None
            ],
        }


def _brief(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


def atlas(base: tuple[str, Path], parents: Mapping[str, Path]) -> Iterator[float | Atlas]:
    """Measure the task vectors of parents; yields the share that is done, the atlas last.

    Args:
        base: name and folder.
        parents: folders by name.

    Raises:
        VisitorError: there is no parent, or the models have no tensor in common.
    """
    if not parents:
        raise VisitorError(
            "There is no parent to compare with the base.", "Name at least one model other than the base."
        )
    opened = {name: Weights(folder) for name, folder in parents.items()}
    origin = Weights(base[1])
    shapes = common([origin, *opened.values()])
    if not shapes:
        raise VisitorError("The models have no tensor in common.", "Choose models of one architecture.")
    norm: dict[str, dict[str, float]] = {name: {} for name in parents}
    pairs = [Pair(first, second, {}, {}) for first, second in combinations(parents, 2)]
    for index, name in enumerate(shapes):
        start = origin.get(name)
        size = float(start.norm())
        changes = {parent: model.get(name) - start for parent, model in opened.items()}
        lengths = {parent: float(change.norm()) for parent, change in changes.items()}
        for parent in parents:
            norm[parent][name] = lengths[parent] / size if size else 0.0
        for pair in pairs:
            _compare(pair, name, changes, lengths)
        if index % 20 == 0:
            yield index / len(shapes)
    yield Atlas(base[0], tuple(parents), shapes, norm, tuple(pairs))


def _compare(pair: Pair, name: str, changes: dict[str, Tensor], lengths: dict[str, float]) -> None:
    one, other = changes[pair.first], changes[pair.second]
    product = one * other
    scale = lengths[pair.first] * lengths[pair.second]
    pair.cosine[name] = float(product.sum()) / scale if scale else None
    both = int(product.count_nonzero())
    pair.conflict[name] = int((product < 0).sum()) / both if both else None


def sample(base: Path, parents: Mapping[str, Path], name: str) -> data.TensorSample:
    """Some entries of one tensor's task vectors, the same of every parent, drawn evenly with a fixed seed.

    Raises:
        VisitorError: the models do not all have such a tensor.
    """
    import torch

    models = [Weights(base), *(Weights(folder) for folder in parents.values())]
    shapes = common(models)
    if name not in shapes:
        raise VisitorError(f"There is no tensor “{name[:80]}” in all models.", "Choose one of the map.")
    start, *rest = (model.get(name).flatten() for model in models)
    chosen = torch.randperm(len(start), generator=torch.Generator().manual_seed(0))[:SAMPLE]
    values = {parent: (weight - start)[chosen].tolist() for parent, weight in zip(parents, rest, strict=True)}
    return {
        "name": name,
        "shape": list(shapes[name]),
        "entries": len(start),
        "sampled": len(chosen),
        "values": {parent: [float(f"{value:.5g}") for value in row] for parent, row in values.items()},
    }
