"""What was done to one matrix: W′ against W, both seen as [width of the stream, n].

A removed direction leaves W′ = W − α·p·qᵀW with qᵀp = 1. Then W′ − W has rank 1, p is its left singular
vector, and its right one is ±Wᵀq, which nothing but a projection makes: the update of a LoRA or a fine-tune
has a right vector of its own. q follows from p in three ways: p itself (a plain projection), p/n² with n the
lengths of W's rows (heretic normalizes the rows first, and p = n⊙r̂), g²⊙p before a norm with gain g.

What is stored is rounded, which adds a difference of full rank. So rank counts singular values above what
rounding can make, and a fit is held to the width of a step of the dtype, entry by entry: what lies further
from the fit than half a step, rounding cannot explain.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

DIGITS = {"float64": 52, "float32": 23, "float16": 10, "bfloat16": 7}
"""Stored bits of a number's significand."""
_SMALLEST = {"float64": -1022, "float32": -126, "float16": -14, "bfloat16": -126}
MATCH = 0.7
"""|cosine| between the difference's right vector and Wᵀq from which on the difference is a projection, if it
is also clearly above that of every random direction.
"""
CLEAR = 0.05
DRAWS = 400
"""Random directions that a match is compared with."""
SIMULATED = 600
"""Differences that are no projection on which the tests try the rule; it called none of them one."""
MOST = 5
"""Directions that are looked for in one matrix; a matrix in which so many match is scaled and not projected.
"""
EXACT = 1_024
"""Up to this many rows or columns every singular value is computed; above, the `LEADING` largest."""
LEADING = 24
_SLACK = 1.1
_BLUR = 1e-7
"""Share of a difference below which float64 cannot tell a singular value from 0: they are roots."""
_ROUNDS = 12
"""Of the refinement that takes the rounding out of a fit."""


def steps(values: Tensor, dtype: str) -> Tensor:
    """The distance between neighbouring numbers of a dtype at each value, float64.

    Args:
        values: any shape.
        dtype: one of `DIGITS`.
    """
    import torch

    _, exponent = torch.frexp(values.double())
    exponent = torch.where(values == 0, _SMALLEST[dtype], exponent - 1).clamp(min=_SMALLEST[dtype])
    return torch.ldexp(torch.ones_like(values, dtype=torch.float64), exponent - DIGITS[dtype])


@dataclass(frozen=True)
class Spectrum:
    """Singular values of a difference.

    Args:
        values: the largest first.
        left: their left vectors, columns, as many as were computed.
        right: their right ones.
        total: root of the sum of the squares of all of them.
        edge: above which rounding of the stored numbers cannot lift one.
        complete: whether `values` are all of them.
    """

    values: Tensor
    left: Tensor
    right: Tensor
    total: float
    edge: float
    complete: bool

    @property
    def rank(self) -> int:
        """How many lie above the edge; of an incomplete spectrum at least so many."""
        return int((self.values > self.edge).sum())


def spectrum(delta: Tensor, edge: float) -> Spectrum:
    """Singular values in float64: all of a matrix with a side of at most `EXACT`, else the `LEADING` largest
    by subspace iteration, which finds a low rank exactly.
    """
    import torch

    delta = delta.double()
    total = float(delta.norm())
    edge = max(edge, _BLUR * total)
    if min(delta.shape) <= EXACT:
        wide = delta.shape[0] <= delta.shape[1]
        gram = delta @ delta.T if wide else delta.T @ delta
        squares, vectors = torch.linalg.eigh(gram)
        values = squares.flip(0).clamp(min=0).sqrt()
        kept = vectors.flip(1)[:, : LEADING + 8]
        others = (delta.T if wide else delta) @ kept
        others = others / others.norm(dim=0).clamp(min=1e-300)
        left, right = (kept, others) if wide else (others, kept)
        return Spectrum(values, left, right, total, edge, True)
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(delta.shape[1], LEADING + 8, generator=generator, dtype=torch.float64)
    basis, _ = torch.linalg.qr(delta @ start)
    for _ in range(6):
        basis, _ = torch.linalg.qr(delta @ (delta.T @ basis))
    small, values, right = torch.linalg.svd(basis.T @ delta, full_matrices=False)
    kept = slice(0, LEADING)
    return Spectrum(values[kept], (basis @ small)[:, kept], right.T[:, kept], total, edge, False)


def edge_of(after: Tensor, dtype: str) -> float:
    """What the largest singular value of rounding alone can be: errors of up to half a step, independent and
    evenly distributed, have a norm of about the root of the largest sum of variances over a row plus that
    over a column (Bandeira and van Handel). In float32 and finer the sums of the edit itself err by a few
    steps more.
    """
    variance = steps(after, dtype).square() / 12
    rough = 1.0 if DIGITS[dtype] < 20 else 4.0
    edge = math.sqrt(float(variance.sum(0).max())) + math.sqrt(float(variance.sum(1).max()))
    return _SLACK * rough * edge


@dataclass(frozen=True)
class Projection:
    """A direction that was taken from what a matrix writes.

    Args:
        form: how q follows from p: "plain", "rows" (rows normalized first) or "norm" (a norm's gain folded).
        strength: α: 1 removes the direction, 2 mirrors it.
        sigma: its standard error, from what the fit leaves.
        left: p, unit, (width,).
        match: |cosine| of the difference's right singular vector with Wᵀq.
        null: the largest of it with `DRAWS` random directions in q's place.
        kept: whose lengths the edit kept: "rows", "columns", or "" for none.
        directions: how many directions match, this one included.
        explained: share of the difference's square that the fit explains, rounding left aside.
        equal: share of the entries that the fit, rounded, gives to the bit.
    """

    form: str
    strength: float
    sigma: float
    left: Tensor
    match: float
    null: float
    kept: str
    directions: int
    explained: float
    equal: float


def projection(
    before: Tensor, after: Tensor, dtype: str, found: Spectrum, gain: Tensor | None = None
) -> Projection | None:
    """The projection that a difference is; None where it is none.

    Args:
        before: W, (width, n) in float64.
        after: W′.
        dtype: whose rounding W′ shows.
        found: spectrum of W′ − W.
        gain: of the norm behind the matrix, (width,).
    """
    if not found.rank:
        return None
    matched = _matched(before, found.left[:, 0], found.right[:, 0], gain)
    if matched is None or matched[1] < MATCH:
        return None
    form, match = matched
    null = chance(before, found.right[:, 0])
    if match < null + CLEAR:
        return None
    fit = _Fit.start(before, after, dtype, form, found.left[:, 0], gain)
    kept = fit.lengths_kept()
    fit = fit.refined(kept)
    count, left_over = _further(fit, found, gain)
    if count >= MOST and float(found.values[0]) < 0.7 * found.total:
        return None  # every direction matches: the matrix is scaled
    explained = 1 - min(1.0, (left_over / max(found.total, 1e-300)) ** 2)
    return Projection(
        form,
        fit.strength,
        fit.sigma(),
        fit.left,
        match,
        null,
        kept,
        1 if kept else count,
        explained,
        fit.equal(),
    )


def nearest(before: Tensor, found: Spectrum, gain: Tensor | None = None) -> float:
    """The match of a difference, be it a projection or not; 0 where nothing lies above rounding."""
    matched = _matched(before, found.left[:, 0], found.right[:, 0], gain) if found.rank else None
    return matched[1] if matched else 0.0


def conjugate(form: str, left: Tensor, rows: Tensor, gain: Tensor | None) -> Tensor:
    """Q of a form with qᵀp = 1, from p.

    Args:
        form: as `Projection.form`.
        left: p, (width,).
        rows: lengths of W's rows, (width,).
        gain: of the norm behind the matrix.
    """
    scaled = left
    if form == "rows":
        scaled = left / rows.clamp(min=1e-30).square()
    elif form == "norm" and gain is not None:
        scaled = left * gain.square()
    return scaled / (left @ scaled)


def _matched(before: Tensor, left: Tensor, right: Tensor, gain: Tensor | None) -> tuple[str, float] | None:
    """The form whose Wᵀq is nearest to a right singular vector, and how near; the plain one unless another is
    clearly nearer.
    """
    rows = before.norm(dim=1)
    nearness: dict[str, float] = {}
    for form in ("plain", "rows", *(("norm",) if gain is not None else ())):
        wanted = before.T @ conjugate(form, left, rows, gain)
        length = float(wanted.norm())
        if math.isfinite(length) and length > 0:
            nearness[form] = abs(float(right @ wanted)) / length
    if not nearness:
        return None
    best = max(nearness, key=nearness.__getitem__)
    plain = nearness.get("plain", 0.0)
    return ("plain", plain) if 1 - plain <= 1.2 * (1 - nearness[best]) + 1e-9 else (best, nearness[best])


def chance(before: Tensor, right: Tensor) -> float:
    """The largest |cosine| of a right vector with Wᵀz for `DRAWS` random directions z: what a difference that
    has nothing to do with W's own components gives.
    """
    import torch

    generator = torch.Generator().manual_seed(1)
    draws = torch.randn(DRAWS, len(before), generator=generator)
    rows = draws @ before.float()
    return float((rows @ right.float()).abs().div(rows.norm(dim=1).clamp(min=1e-30)).max())


@dataclass(frozen=True)
class _Fit:
    """W′ ≈ W − α·p·qᵀW, its rows or columns brought to their old lengths where the edit kept them."""

    before: Tensor
    after: Tensor
    dtype: str
    form: str
    gain: Tensor | None
    left: Tensor
    along: Tensor
    """a = Wᵀq."""
    strength: float
    step: Tensor
    """Of the dtype, at every entry of W′."""
    kept: str = ""

    @classmethod
    def start(
        cls, before: Tensor, after: Tensor, dtype: str, form: str, left: Tensor, gain: Tensor | None
    ) -> _Fit:
        along = before.T @ conjugate(form, left, before.norm(dim=1), gain)
        strength = -float(left @ (after - before) @ along) / float(along @ along)
        return cls(before, after, dtype, form, gain, left, along, strength, steps(after, dtype))

    def scale(self) -> Tensor | None:
        """What every row or column of W − α·p·aᵀ is multiplied by to have its old length."""
        if not self.kept:
            return None
        axis = 1 if self.kept == "rows" else 0
        bare = self.before - self.strength * self.left[:, None] * self.along
        length = bare.norm(dim=axis, keepdim=True).clamp(min=1e-300)
        return self.before.norm(dim=axis, keepdim=True) / length

    def predicted(self) -> Tensor:
        """W′ before it is rounded."""
        bare = self.before - self.strength * self.left[:, None] * self.along
        scale = self.scale()
        return bare if scale is None else bare * scale

    def excess(self) -> Tensor:
        """By how much W′ lies further from the fit than half a step of its dtype."""
        gap = self.after - self.predicted()
        half = 0.5 * self.step * (1.0 if DIGITS[self.dtype] < 20 else 8.0)
        return gap.sign() * (gap.abs() - half).clamp(min=0)

    def lengths_kept(self) -> str:
        """Whose lengths the edit kept: of a plain edit the squares of the lengths fall by what is taken out,
        of one that kept them by nothing, so the slope of one against the other says which.
        """
        bare = self.before - self.strength * self.left[:, None] * self.along
        noise = (self.after * self.step).square() / 3
        slopes: dict[str, float] = {}
        for axis, name in ((0, "columns"), (1, "rows")):
            old, new, plain = (matrix.square().sum(axis) for matrix in (self.before, self.after, bare))
            expected, seen = old - plain, old - new
            if float(expected.abs().max()) <= 1e-12 * float(old.max()):
                continue  # a mirrored direction keeps them anyway
            weight = 1 / (noise.sum(axis) + 1e-4 * expected.square().mean())
            if float((weight * expected.square()).sum().rsqrt()) < 0.2:
                slopes[name] = float((weight * expected * seen).sum() / (weight * expected.square()).sum())
        best = min(slopes, key=slopes.__getitem__, default="")
        return best if best and slopes[best] < 0.5 else ""

    def refined(self, kept: str) -> _Fit:
        """The fit with the rounding taken out: entries that rounding can explain count as the fit has them,
        the others as far as they lie outside; p, a and α follow by least squares, again and again.
        """
        fit, rows = replace(self, kept=kept), self.before.norm(dim=1)
        for turn in range(_ROUNDS):
            scale = fit.scale()
            if scale is not None:
                wanted = fit.after / scale - fit.before
            else:
                gap = fit.after - fit.predicted()
                half = 0.5 * fit.step
                if turn >= 2:  # first by plain least squares, which is right where steps are small
                    gap = gap.sign() * (gap.abs() - half).clamp(min=0)
                wanted = gap - fit.strength * fit.left[:, None] * fit.along
            left = wanted @ fit.along
            if not float(left.norm()) > 0:
                break
            left = left / left.norm() * (1 if float(left @ fit.left) > 0 else -1)
            along = fit.before.T @ conjugate(fit.form, left, rows, fit.gain)
            strength = -float(left @ wanted @ along) / float(along @ along)
            fit = replace(fit, left=left, along=along, strength=strength)
        return fit

    def sigma(self) -> float:
        """Standard error of the strength, from what the fit leaves."""
        gap = self.after - self.predicted()
        return float(gap.square().mean().sqrt()) / max(float(self.along.norm()), 1e-300)

    def equal(self) -> float:
        """Share of the entries that the fit gives to the bit."""
        import torch

        stored = self.predicted().to(getattr(torch, self.dtype)).double()
        return float((stored == self.after).double().mean())


def _further(fit: _Fit, found: Spectrum, gain: Tensor | None) -> tuple[int, float]:
    """How many directions match in all, and the norm of what no projection explains."""
    rest = fit.excess()
    norm = float(rest.norm())
    count = 1
    scale = fit.scale()
    gap = (fit.after - fit.predicted()) if scale is None else (fit.after / scale - fit.predicted() / scale)
    while count < MOST and norm > 0.05 * found.total:
        more = spectrum(gap, found.edge)
        if not more.rank:
            break
        left, right = more.left[:, 0], more.right[:, 0]
        matched = _matched(fit.before, left, right, gain)
        if matched is None or matched[1] < max(MATCH, chance(fit.before, right) + CLEAR):
            break
        count += 1
        gap = gap - more.values[0] * left[:, None] * right
        half = 0.5 * fit.step
        norm = float((gap.abs() - half).clamp(min=0).norm())
    return count, norm


def orientations(shape: tuple[int, ...], width: int, transposed: bool | None) -> tuple[bool, ...]:
    """In which ways a matrix may be seen as [width, n]: False as it is stored, True transposed.

    Args:
        shape: as it is stored.
        width: of the stream.
        transposed: how it is where both are possible; None where that is not known.
    """
    ways = tuple(way for way, size in ((False, shape[0]), (True, shape[1])) if size == width)
    return (transposed,) if len(ways) == 2 and transposed is not None else ways


def agreement(lefts: Mapping[str, Tensor]) -> tuple[Tensor, float]:
    """The direction that unit vectors share: the first left singular vector of all of them side by side, and
    its share of their squares: 1 where all are the same up to their sign.
    """
    import torch

    stacked = torch.stack(list(lefts.values()), 1)
    left, values, _ = torch.linalg.svd(stacked, full_matrices=False)
    return left[:, 0], float(values[0].square() / values.square().sum())
