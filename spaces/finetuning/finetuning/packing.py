"""Which rows each step reads, and which rows are packed together: best fit decreasing, TRL's
`packing_strategy="bfd"`.

Rows of a pack do not see each other, so that a pack's loss is that of its rows: packing changes how many rows
a step reads, and which.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Sequence

from finetuning.pairs import Pair
from finetuning.train_request import TrainRequest

AT_ONCE = 1_000
"""Rows that are packed with each other: `datasets` maps so many at a time."""


def packs(lengths: Sequence[int], most: int) -> list[list[int]]:
    """The places of the rows of each pack: every row, the longest first, into the fullest pack that has room.

    Args:
        lengths: tokens of each row, at most `most`.
        most: tokens of a pack.
    """
    found: list[list[int]] = []
    for begin in range(0, len(lengths), AT_ONCE):
        some = range(begin, min(begin + AT_ONCE, len(lengths)))
        spaces: list[int] = []  # in order, one for each pack that has room
        waiting: dict[int, deque[list[int]]] = {}
        for place in sorted(some, key=lambda one: -lengths[one]):
            size = lengths[place]
            at = bisect_left(spaces, size)
            if at < len(spaces):
                space = spaces.pop(at)
                pack = waiting[space].popleft()
            else:
                space, pack = most, []
                found.append(pack)
            pack.append(place)
            if space > size:
                insort(spaces, space - size)
                waiting.setdefault(space - size, deque()).append(pack)
    return found


def batches(rows: Sequence[Pair], request: TrainRequest) -> list[list[int]]:
    """Which rows each step reads: of packs those that are in them."""
    if not request.packing:
        return order(len(rows), request)
    packed = packs([len(pair.chosen.ids) for pair in rows], request.max_length)
    return [[row for pack in some for row in packed[pack]] for some in order(len(packed), request)]


def order(rows: int, request: TrainRequest) -> list[list[int]]:
    """Which rows, or packs, each step reads: every epoch a permutation of its own seed, as accelerate's
    sampler draws it, in batches; the last of an epoch may be smaller. KTO, as in TRL, takes them as they
    stand.
    """
    import torch

    batches: list[list[int]] = []
    epoch = 0
    while len(batches) < request.steps:
        generator = torch.Generator().manual_seed(request.seed + epoch)
        drawn = torch.randperm(rows, generator=generator).tolist()
        if request.objective == "kto":
            drawn = list(range(rows))
        batches += [drawn[at : at + request.batch] for at in range(0, rows, request.batch)]
        epoch += 1
    return batches[: request.steps]
