"""Directions along which two sets of prompts differ, and how well each of them separates prompts that it was
not made from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from abliteration import data
from abliteration.numbers import lists
from shared.errors import VisitorError

if TYPE_CHECKING:
    from torch import Tensor

RANDOM = 1_000
"""Random directions, and permutations of the labels, in the ribbon behind each curve: with 64 of them the
ribbon's edge was off by up to a fifth.
"""
SHOWN_DIGITS = 5
SMALLEST = 1e-6
"""Length from which on a difference of means is a direction and not rounding."""


@dataclass(frozen=True)
class Directions:
    """Difference-of-means directions at every layer and position, and the harmless means that projections
    need.

    Args:
        differences: μ⁺ − μ⁻ of the fit split, float32 (layers, positions, width).
        means: μ⁻ of the fit split, likewise.
        positions: the tokens' texts, the last one last.
    """

    differences: Tensor
    means: Tensor
    positions: tuple[str, ...]

    def raw(self, layer: int, position: int = -1) -> Tensor:
        """μ⁺ − μ⁻ at one layer and position, as it is."""
        return self.differences[layer, position]

    def differ(self, layer: int, position: int = -1) -> bool:
        """Whether the sets differ there at all: at the first layer's input a token of the template is the
        same in every prompt.
        """
        return bool(self.raw(layer, position).norm() > SMALLEST)

    def direction(self, layer: int, position: int = -1, projection: str = "plain") -> Tensor:
        """The unit direction for every layer that it will be removed from, float32 (layers, width).

        Args:
            layer: where the direction is read.
            position: at which token, counted from the prompt's end (−1 the last).
            projection: "plain", the difference of means; "projected", without its part along the harmless
                mean of its own layer; "biprojected", without its part along the harmless mean of each layer
                that it is removed from.

        Raises:
            VisitorError: the two sets have the same mean there, or nothing is left after the projection.
        """
        import torch

        layers = len(self.differences)
        difference = self.raw(layer, position)
        if projection == "projected":
            difference = without(difference, self.means[layer, position])
        if projection == "biprojected":
            return torch.stack(
                [unit(without(difference, self.means[target, position]), layer) for target in range(layers)]
            )
        return unit(difference, layer).expand(layers, -1)


def difference_of_means(positive: Tensor, negative: Tensor, positions: tuple[str, ...]) -> Directions:
    """Directions from the stream of two sets, each (layers + 1, prompts, positions, width) as
    `activations.states` gives it.

    Raises:
        VisitorError: the sets have the same mean everywhere.
    """
    means = negative[:-1].mean(1)
    directions = Directions(positive[:-1].mean(1) - means, means, positions)
    if not directions.differences.any():
        raise VisitorError(
            "The two sets have the same activations everywhere.", "Give two sets of prompts that differ."
        )
    return directions


def unit(vector: Tensor, layer: int | None = None) -> Tensor:
    """A vector divided by its length.

    Raises:
        VisitorError: it has no length to speak of.
    """
    norm = vector.norm()
    if not norm > SMALLEST:
        where = "" if layer is None else f" at layer {layer}"
        raise VisitorError(
            f"The two sets do not differ{where}: there is no direction.",
            "Choose a later layer, another position or other sets.",
        )
    return vector / norm


def without(vector: Tensor, other: Tensor) -> Tensor:
    """A vector without its part along another: r − (r·ĝ)ĝ with ĝ = norm(g)."""
    along = unit(other)
    return vector - (vector @ along) * along


def d_prime(positive: Tensor, negative: Tensor) -> Tensor:
    """Difference of means in units of the pooled standard deviation, along the last axis: d′ = (m⁺ −
    m⁻)/√((s⁺² + s⁻²)/2).

    A set of one number has no deviation: it counts as 0.
    """
    spread = ((positive.var(-1, correction=0) + negative.var(-1, correction=0)) / 2).sqrt().clamp(min=1e-12)
    return (positive.mean(-1) - negative.mean(-1)) / spread


def auc(positive: Tensor, negative: Tensor) -> Tensor:
    """Chance that a positive lies above a negative, ties counting half, along the last axis (the area under
    the ROC curve).
    """
    gap = positive[..., :, None] - negative[..., None, :]
    return ((gap > 0).float() + 0.5 * (gap == 0).float()).mean((-1, -2))


@dataclass(frozen=True)
class Separation:
    """How a direction separates prompts that it was not made from, layer by layer, at one position.

    Args:
        d_prime: by layer.
        auc: by layer.
        norm: ‖μ⁺ − μ⁻‖ by layer.
        relative_norm: the same over the mean norm of the stream there.
        random: |d′| of random directions: 5 %, 50 % and 95 % quantile by layer.
        random_auc: the same of max(AUC, 1 − AUC).
        permuted: d′ of directions fitted with permuted labels, likewise.
        permuted_norm: `relative_norm` of the differences that permuted labels make, likewise.
        cosine: (layers, layers) between the directions.
        projections: r̂ᵀh of every select prompt by layer, positive and negative.
        plane: first two principal components of the select prompts by layer: points and explained shares.
    """

    d_prime: list[float]
    auc: list[float]
    norm: list[float]
    relative_norm: list[float]
    random: list[data.Quantiles]
    random_auc: list[data.Quantiles]
    permuted: list[data.Quantiles]
    permuted_norm: list[data.Quantiles]
    cosine: list[list[float]]
    projections: list[data.Projections]
    plane: list[data.Plane]

    def layers(self) -> list[data.Layer]:
        """One object a layer."""
        return [
            {
                "layer": layer,
                "d_prime": self.d_prime[layer],
                "auc": self.auc[layer],
                "norm": self.norm[layer],
                "relative_norm": self.relative_norm[layer],
                "random": self.random[layer],
                "random_auc": self.random_auc[layer],
                "permuted": self.permuted[layer],
                "permuted_norm": self.permuted_norm[layer],
                "cosine": self.cosine[layer],
                "projections": self.projections[layer],
                "plane": self.plane[layer],
            }
            for layer in range(len(self.d_prime))
        ]


def separation(fit: tuple[Tensor, Tensor], select: tuple[Tensor, Tensor], seed: int = 0) -> Separation:
    """Measure directions of the fit split on the select split.

    Args:
        fit: positive and negative stream at one position, (layers + 1, prompts, width).
        select: likewise, of prompts that are not in the fit split.
        seed: of random directions and permutations.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    layers, width = len(fit[0]) - 1, fit[0].shape[-1]
    fit_positive, fit_negative = (part[:-1] for part in fit)
    positive, negative = (part[:-1] for part in select)
    difference = fit_positive.mean(1) - fit_negative.mean(1)
    norm = difference.norm(dim=-1)
    directions = difference / norm.clamp(min=1e-12)[:, None]
    on = (_project(positive, directions), _project(negative, directions))

    guesses = torch.nn.functional.normalize(torch.randn(RANDOM, width, generator=generator), dim=-1)
    both = torch.cat((fit_positive, fit_negative), 1)
    labels = torch.stack(
        [torch.randperm(both.shape[1], generator=generator) < fit_positive.shape[1] for _ in range(RANDOM)]
    ).float()
    weights = labels / labels.sum(1, keepdim=True) - (1 - labels) / (1 - labels).sum(1, keepdim=True)
    typical = torch.cat((positive, negative), 1).norm(dim=-1).mean(1).clamp(min=1e-12)
    random, random_auc, permuted, permuted_norm = [], [], [], []
    for layer in range(layers):  # one at a time: all of them would not fit into the memory
        sides = positive[layer], negative[layer]
        guessed = [guesses @ side.T for side in sides]
        guessed_auc = auc(*guessed)
        shuffled = weights @ both[layer]
        lengths = shuffled.norm(dim=-1)
        shuffled = shuffled / lengths.clamp(min=1e-12)[:, None]
        random.append(d_prime(*guessed).abs())
        random_auc.append(torch.maximum(guessed_auc, 1 - guessed_auc))
        permuted.append(d_prime(*(shuffled @ side.T for side in sides)))
        permuted_norm.append(lengths / typical[layer])
    return Separation(
        _list(d_prime(*on)),
        _list(auc(*on)),
        _list(norm),
        _list(norm / typical),
        _quantiles(torch.stack(random)),
        _quantiles(torch.stack(random_auc)),
        _quantiles(torch.stack(permuted)),
        _quantiles(torch.stack(permuted_norm)),
        _list(directions @ directions.T),
        [{"positive": _list(on[0][layer]), "negative": _list(on[1][layer])} for layer in range(layers)],
        [plane(positive[layer], negative[layer]) for layer in range(layers)],
    )


def places(directions: Directions, positive: Tensor, negative: Tensor) -> list[list[float]]:
    """d′ of every layer's direction at every position, on prompts that it was not made from; by position,
    then by layer.

    Args:
        directions: of the fit split.
        positive: the select split's stream, (layers + 1, prompts, positions, width).
        negative: likewise.
    """
    import torch

    units = torch.nn.functional.normalize(directions.differences, dim=-1)
    on = [torch.einsum("lnpw,lpw->pln", side[:-1], units) for side in (positive, negative)]
    # where both sets are the same, rounding would look like a difference
    differ = directions.differences.norm(dim=-1).T > SMALLEST
    return _list(torch.where(differ, d_prime(*on), 0.0))


def _project(stream: Tensor, directions: Tensor) -> Tensor:
    """(layers, prompts, width) on (layers, width) → (layers, prompts)."""
    return (stream * directions[:, None]).sum(-1)


def plane(positive: Tensor, negative: Tensor) -> data.Plane:
    """First two principal components of two sets together: their points, and the shares of variance that the
    axes explain.
    """
    import torch

    both = torch.cat((positive, negative))
    centred = both - both.mean(0)
    left, values, _ = torch.linalg.svd(centred.double(), full_matrices=False)
    points = left[:, :2] * values[:2]
    points = torch.nn.functional.pad(points, (0, 2 - points.shape[1])) * _towards(points, len(positive))
    shares = values[:2] ** 2 / (values**2).sum().clamp(min=1e-30)
    return {
        "positive": _list(points[: len(positive)]),
        "negative": _list(points[len(positive) :]),
        "explained": _list(shares),
    }


def _towards(points: Tensor, positive: int) -> Tensor:
    """Signs that put the positive set on the right and above: a principal component has none of its own."""
    import torch

    lean = points[:positive].mean(0) - points[positive:].mean(0)
    signs = torch.where(lean < 0, -1.0, 1.0)
    return torch.nn.functional.pad(signs, (0, 2 - len(signs)), value=1.0)


def _quantiles(values: Tensor) -> list[list[float]]:
    """5 %, 50 % and 95 % of (layers, many), one row a layer."""
    import torch

    return _list(torch.quantile(values, torch.tensor([0.05, 0.5, 0.95], dtype=values.dtype), dim=1).T)


def _list(values: Tensor) -> Any:
    return lists(values, SHOWN_DIGITS)
