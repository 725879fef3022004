"""Two sets of weights, tensor by tensor: the same bytes, equal values in another dtype, or how far apart."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from merging import data
from merging.tensors import Headers, Weights

if TYPE_CHECKING:
    from torch import Tensor

ROUGH = 1e30
"""Differences beyond it are not told as a number."""


def differences(mine: Weights, published: Weights, names: Iterable[str]) -> Iterator[data.ReplayedTensor]:
    """Compare the tensors of these names, each of which both must have.

    Args:
        mine: what the recipe gives.
        published: what the model has.
        names: in the order of the result.
    """
    for name in names:
        yield difference(name, mine.stored(name), published.stored(name))


def difference(name: str, mine: Tensor, published: Tensor) -> data.ReplayedTensor:
    """Compare one tensor; values are compared in the published dtype, or in the recipe's where that loses
    nothing.
    """
    told: data.ReplayedTensor = {
        "name": name,
        "state": "same",
        "entries": published.numel(),
        "different": 0,
        "largest": 0.0,
        "given": dtype_name(mine),
        "stored": dtype_name(published),
    }
    if mine.shape != published.shape:
        return {**told, "state": "shape", "different": published.numel(), "largest": None}
    if mine.dtype == published.dtype and _same_bytes(mine, published):
        return told
    unequal = mine.to(published.dtype) != published  # which NaN always is
    count = int(unequal.sum())
    # equal, but for the dtype or the sign of a zero
    if not count or (mine.dtype != published.dtype and not bool((published.to(mine.dtype) != mine).any())):
        return {**told, "state": "rounded"}
    gap = (mine.double() - published.double()).abs().nan_to_num(nan=math.inf).max()
    largest = float(gap)
    return {**told, "state": "different", "different": count, "largest": largest if largest < ROUGH else None}


def _same_bytes(one: Tensor, other: Tensor) -> bool:
    import torch

    bytes_of = [tensor.contiguous().reshape(-1).view(torch.uint8) for tensor in (one, other)]
    return torch.equal(*bytes_of)


NAMES = {"float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16"}
"""Of dtypes, as safetensors writes them."""


def dtype_name(tensor: Tensor) -> str:
    """A tensor's dtype by safetensors' name."""
    name = str(tensor.dtype).removeprefix("torch.")
    return NAMES.get(name, name)


def by_header(
    name: str, given: tuple[str, tuple[int, ...]] | None, published: Headers
) -> data.ReplayedTensor | None:
    """What the headers alone tell of a tensor: that one of the two lacks it, or that its shape is another;
    None where they tell nothing.

    Args:
        name: of the tensor.
        given: dtype and shape that the recipe gives, "" for a dtype that is not known; None where it gives no
            such tensor.
        published: headers of the model.
    """
    dtype, shape = given or published[name]
    told: data.ReplayedTensor = {
        "name": name,
        "state": "missing",
        "entries": math.prod(shape),
        "different": math.prod(shape),
        "largest": None,
        "given": dtype if given else "",
        "stored": published[name][0] if name in published else "",
    }
    if given is None:
        return {**told, "state": "extra"}
    if name not in published:
        return told
    return {**told, "state": "shape"} if published[name][1] != shape else None
