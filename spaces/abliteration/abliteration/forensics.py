"""What was done to a published model: every tensor of it against the base that it was made from.

An edit is called an abliteration only where matrices that write into the residual stream differ by a
projection (see `difference`). A fine-tune, a LoRA, a merge, another dtype or a quantized twin differs by
something else, and is told what: the rank of its differences, and that it is none.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from abliteration import data
from abliteration.curve import Shape, shape_of
from abliteration.difference import (
    Projection,
    Spectrum,
    agreement,
    edge_of,
    nearest,
    orientations,
    projection,
    spectrum,
)
from abliteration.numbers import short
from abliteration.tensors import Pair, Piece, Weights, layer_of, width_of
from shared.errors import VisitorError

if TYPE_CHECKING:
    from torch import Tensor

ONE = 0.98
"""Share of the left vectors' squares from which on they are one direction."""
SHOWN = 8
"""Singular values of a matrix that a figure shows."""
PARALLEL = 0.9999
"""Cosine from which on a norm's gain is the old one, rescaled."""
LOW_RANK = 128
"""Up to this rank, and half of a matrix' sides, a difference is one of low rank, as a LoRA's is."""
_PARTS = (
    ("embedding", r"(embed_tokens|wte|embed_in|word_embeddings|tok_embeddings)\.weight$"),
    ("positions", r"(wpe|embed_positions)\.weight$"),
    ("head", r"(lm_head|embed_out)\.weight$"),
    ("norm", r"(norm\w*|ln_\w+|layernorm)\.(weight|bias)$"),
    ("bias", r"\.bias$"),
    (
        "attention",
        r"(o_proj|attn\.c_proj|(attention|self_attn)\.(dense|out_proj)|(conv|linear_attn)\.out_proj|\.wo)"
        r"\.weight(\[\d+\])?$",
    ),
    (
        "mlp",
        r"(down_proj|mlp\.c_proj|dense_4h_to_h|\.fc2|\.w2|fc_out|output_linear)(\.weight)?(\[\d+\])?$",
    ),
)
WRITES = ("embedding", "positions", "attention", "mlp")
"""Parts whose matrices write into the residual stream."""
Progress = tuple[str, int, int]


def part_of(name: str) -> str:
    """What a tensor is, by its name: one of `WRITES`, "head", "norm", "bias", or "reads" for all others."""
    return next((part for part, pattern in _PARTS if re.search(pattern, name)), "reads")


@dataclass(frozen=True)
class Row:
    """One tensor that differs.

    Args:
        piece: what it is in both models.
        part: as `part_of`.
        layer: of it; −1 outside of the layers.
        dtype: that the edited one shows the rounding of.
        changed: share of the entries that differ.
        relative: ‖W′ − W‖/‖W‖.
        found: singular values of the difference; None for a vector.
        taken: the projection that it is, or None.
        transposed: whether the stream's side is the second one in the file.
        direction: what was taken from the stream, unit, as `agreement` compares it.
        nearest: how near the difference of a matrix is to a projection, see `difference.nearest`.
        change: of a vector, its difference.
        parallel: cosine of a vector before and after, a norm's as a gain.
        along: whether a vector's change follows from the projection.
    """

    piece: Piece
    part: str
    layer: int
    dtype: str
    changed: float
    relative: float
    found: Spectrum | None = None
    taken: Projection | None = None
    transposed: bool = False
    direction: Tensor | None = None
    nearest: float = 0.0
    change: Tensor | None = None
    parallel: float = 0.0
    along: bool = False

    @property
    def rank(self) -> int:
        """Of the difference, above what rounding can make."""
        return self.found.rank if self.found else 1

    def to_json(self, shared: Tensor | None) -> data.Difference:
        """The row as a table takes it."""
        row: data.Difference = {
            "name": self.piece.name,
            "part": self.part,
            "layer": self.layer,
            "shape": list(self.piece.shape),
            "dtype": self.dtype,
            "sampled": bool(self.piece.rows),
            "changed": short(self.changed, 4),
            "relative": short(self.relative, 4),
            "along": self.along,
        }
        if self.found:
            row["values"] = [short(value, 5) for value in self.found.values[:SHOWN].tolist()]
            row["edge"] = short(self.found.edge, 4)
            row["rank"] = self.found.rank
            row["complete"] = self.found.complete
        if taken := self.taken:
            row["taken"] = {
                "form": taken.form,
                "side": "writes" if self.part in WRITES else "reads",
                "strength": short(taken.strength, 6),
                "sigma": short(taken.sigma, 2),
                "match": short(taken.match, 6),
                "null": short(taken.null, 3),
                "kept": taken.kept,
                "directions": taken.directions,
                "explained": short(taken.explained, 6),
                "equal": short(taken.equal, 6),
                "agreement": 0.0
                if shared is None or self.direction is None
                else short(abs(float(self.direction @ shared)), 6),
            }
        return row


@dataclass(frozen=True)
class Findings:
    """Everything that was found.

    Args:
        pair: the two models.
        looked: how many tensors were compared.
        rows: those that differ.
        recast: how many are the same numbers in another dtype.
        shared: the direction that was taken from the stream, unit (width,); None where none was.
        one: share of the directions' squares that it has.
        curves: strengths by layer, of attention and MLP, and the shape that they follow.
        layers: of the model.
    """

    pair: Pair
    looked: int
    rows: tuple[Row, ...]
    recast: int
    shared: Tensor | None
    one: float
    curves: tuple[tuple[str, tuple[float, ...], tuple[float, ...], Shape], ...]
    layers: int

    @property
    def projected(self) -> list[Row]:
        """Rows whose difference is a projection."""
        return [row for row in self.rows if row.taken]

    @property
    def others(self) -> list[Row]:
        """Rows whose difference no projection explains."""
        return [row for row in self.rows if not row.taken and not row.along]

    @property
    def kind(self) -> str:
        """`projection` (an abliteration and nothing else), `mixed` (and something else), `other` (none),
        `recast` (the same numbers in another dtype) or `same`.
        """
        if not self.rows:
            return "recast" if self.recast else "same"
        if any(row.part in WRITES for row in self.projected):
            return "mixed" if self.others else "projection"
        return "other"


def examine(pair: Pair, scope: str = "all") -> Generator[Progress, None, Findings]:
    """Compare two models tensor by tensor; yields its progress, returns what was found.

    Args:
        pair: of them.
        scope: "all", or "writes" for the matrices that write into the stream alone.

    Raises:
        VisitorError: a tensor cannot be read, holds codes, or is not finite; or no tensor is in the scope.
    """
    import torch

    width, gains = width_of(pair.base), _Gains(pair)
    pieces = [
        piece
        for piece in pair.pieces
        if scope == "all" or (part_of(piece.name) in WRITES and len(piece.shape) == 2)
    ]
    if not pieces:
        raise VisitorError(
            "No matrix of the two models is known to write into the residual stream.",
            "Compare all tensors instead.",
        )
    rows: list[Row] = []
    recast = 0
    for done, piece in enumerate(pieces):
        yield (f"Comparing the tensors, {done + 1} of {len(pieces)}", done, len(pieces))
        before, after, dtype = pair.values(piece)
        if before.dtype == after.dtype and torch.equal(before, after):
            continue
        if not bool(torch.isfinite(after).all() and torch.isfinite(before).all()):
            raise VisitorError(
                f"{piece.name[:80]} holds values that are not finite numbers.", "Choose another model."
            )
        if torch.equal(before.to(after.dtype), after) or torch.equal(before, after.to(before.dtype)):
            recast += 1
            continue
        rows.append(_row(piece, before.double(), after.double(), dtype, width, gains))
    rows, shared, one = _shared(rows)
    layers = 1 + max((layer_of(name) for name in pair.base.entries), default=-1)
    rows = [replace(row, along=_follows(row, rows)) for row in rows]
    curves = tuple(_curve(part, pieces, rows, layers) for part in ("attention", "mlp"))
    return Findings(pair, len(pieces), tuple(rows), recast, shared, one, curves, layers)


def _shared(rows: list[Row]) -> tuple[list[Row], Tensor | None, float]:
    """Rows with what each took from the stream, the direction that they share, and its part of their squares.

    Behind a norm an edit may have folded the gain into the direction or passed over it: what agrees better
    over the layers is what was done.
    """
    taken = [row for row in rows if row.taken and row.direction is not None]
    writing = [row for row in taken if row.part in ("attention", "mlp")] or taken
    if not writing:
        return rows, None, 0.0
    folded = agreement({row.piece.name: row.direction for row in writing if row.direction is not None})
    if all(row.taken and row.taken.form == "plain" for row in taken):
        plain = agreement({row.piece.name: row.taken.left for row in writing if row.taken})
        if plain[1] > folded[1]:
            rows = [replace(row, direction=row.taken.left) if row.taken else row for row in rows]
            folded = plain
    return rows, *folded


class _Gains:
    """Gains of the norms that stand behind attention and MLP, as in Gemma 2 and 3."""

    def __init__(self, pair: Pair) -> None:
        self.weights: Weights = pair.base
        kind = str(pair.base.config.get("model_type", ""))
        self.plus = 1.0 if kind.startswith("gemma") else 0.0
        self.kept: dict[str, Tensor] = {}

    def of(self, piece: Piece, part: str) -> Tensor | None:
        """The gain behind a matrix, float64; None where there is none."""
        found = re.match(r"(.*?\.\d+\.)", piece.base)
        if not found or part not in ("attention", "mlp"):
            return None
        before, after = (f"{found[1]}post_{place}_layernorm.weight" for place in ("attention", "feedforward"))
        if after not in self.weights.entries or before not in self.weights.entries:
            return None
        name = before if part == "attention" else after
        if name not in self.kept:
            self.kept[name] = self.weights.get(name).double() + self.plus
        return self.kept[name]


def _row(piece: Piece, before: Tensor, after: Tensor, dtype: str, width: int, gains: _Gains) -> Row:
    part = part_of(piece.name)
    delta = after - before
    changed = float((delta != 0).double().mean())
    relative = float(delta.norm()) / max(float(before.norm()), 1e-300)
    row = Row(piece, part, layer_of(piece.name), dtype, changed, relative)
    if delta.dim() != 2 or min(delta.shape) < 2:
        one, other = (vector.flatten() + gains.plus * (part == "norm") for vector in (before, after))
        cosine = float(one @ other) / max(float(one.norm() * other.norm()), 1e-300)
        return replace(row, change=delta.flatten(), parallel=cosine)
    found = spectrum(delta, edge_of(after, dtype))
    gain = gains.of(piece, part)
    best = replace(row, found=found)
    # an embedding's rows are tokens; a matrix is stored as [out, in], GPT-2's as [in, out]
    known = True if part in ("embedding", "positions") else None
    for transposed in orientations(piece.shape, width, known):
        one, other = (matrix.T if transposed else matrix for matrix in (before, after))
        seen = replace(found, left=found.right, right=found.left) if transposed else found
        best = replace(best, nearest=max(best.nearest, nearest(one, seen, gain)))
        taken = projection(one, other, dtype, seen, gain)
        if taken and (best.taken is None or taken.match > best.taken.match):
            direction = _in_stream(taken, one, gain)
            best = replace(best, taken=taken, transposed=transposed, direction=direction)
    return best


def _in_stream(taken: Projection, before: Tensor, gain: Tensor | None) -> Tensor:
    """What a projection takes from the stream: r̂, of p = n⊙r̂ with normalized rows, and behind a norm's gain
    r̂/g or g⊙r̂.
    """
    left = taken.left
    if taken.form == "rows":
        left = left / before.norm(dim=1).clamp(min=1e-30)
    elif taken.form == "norm" and gain is not None:
        left = left * gain
    elif gain is not None:
        left = left / gain
    return left / left.norm()


def _follows(row: Row, rows: list[Row]) -> bool:
    """Whether a vector's change follows from a projection: a bias that lost what its matrix lost, or the gain
    of a norm that was rescaled to make up for it.
    """
    if row.part == "norm":
        return row.parallel >= PARALLEL and any(other.taken and other.layer == row.layer for other in rows)
    if row.part != "bias" or row.change is None:
        return False
    matrix = row.piece.name.removesuffix("bias") + "weight"
    for other in rows:
        if other.piece.name == matrix and other.taken and len(other.taken.left) == len(row.change):
            return abs(float(row.change @ other.taken.left)) >= 0.95 * float(row.change.norm())
    return False


def _curve(
    part: str, pieces: list[Piece], rows: list[Row], layers: int
) -> tuple[str, tuple[float, ...], tuple[float, ...], Shape]:
    """Strengths of a part by layer: the mean where a layer has several such matrices."""
    there = {piece.name: layer_of(piece.name) for piece in pieces if part_of(piece.name) == part}
    found = {row.piece.name: row.taken for row in rows if row.taken}
    strengths, sigmas = [0.0] * layers, [0.0] * layers
    for layer in range(layers):
        taken = [found.get(name) for name, where in there.items() if where == layer]
        if any(taken):
            strengths[layer] = sum(one.strength for one in taken if one) / len(taken)
            sigmas[layer] = max(one.sigma for one in taken if one)
    shape = shape_of(strengths, max(sigmas, default=0.0))
    return part, tuple(strengths), tuple(sigmas), shape


def curves_of(found: Findings) -> list[data.StrengthCurve]:
    """Strengths by layer as a figure draws them."""
    return [
        {
            "part": part,
            "strengths": [short(value, 5) for value in strengths],
            "sigmas": [short(value, 2) for value in sigmas],
            "shape": shape.to_json(),
            "fitted": [short(shape.at(layer), 5) for layer in range(found.layers)],
        }
        for part, strengths, sigmas, shape in found.curves
    ]
