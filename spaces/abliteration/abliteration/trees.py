"""Prompts as one row of tokens, in which what several of them begin with alike stands once.

Every token sees those before it in its own prompts and has the position that it has there, so each number is
that of the prompt run alone. It needs a model whose layers keep every key and value, and a mask of the row's
length squared: so rows are short.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

TOKENS = 400
"""Of a row."""
DEARER = 1.15
"""What a row's token costs, measured in a padded batch's: attention over all of the row, masked."""


@dataclass(frozen=True)
class Tree:
    """One row.

    Args:
        chosen: which prompts are in it.
        ids: its tokens.
        before: how many tokens stand before each in its prompts.
        first: a prompt that each token is of; its place there is `before`.
        paths: the places in the row of each chosen prompt's tokens.
    """

    chosen: tuple[int, ...]
    ids: tuple[int, ...]
    before: tuple[int, ...]
    first: tuple[int, ...]
    paths: tuple[tuple[int, ...], ...]

    def settings(self, start: int, like: Tensor) -> dict[str, Any]:
        """Positions and mask of a forward pass.

        Args:
            start: tokens that stand before all of the prompts.
            like: a tensor of the model's dtype and device.
        """
        import torch

        sees = torch.zeros(len(self.ids), len(self.ids), dtype=torch.bool)
        for path in self.paths:
            places = torch.tensor(path)
            sees[places[:, None], places] = torch.ones(len(path), len(path), dtype=torch.bool).tril()
        mask = like.new_zeros(1, 1, len(self.ids), start + len(self.ids))
        mask[..., start:].masked_fill_(~sees.to(like.device), torch.finfo(like.dtype).min)
        positions = torch.tensor([self.before], device=like.device) + start
        return {"attention_mask": mask, "position_ids": positions}


def trees(prompts: Sequence[Sequence[int]], most: int = TOKENS) -> list[Tree]:
    """Rows of at most so many tokens that hold all prompts; a longer prompt has a row of its own."""
    made: list[Tree] = []
    for some in _rows(prompts, most):
        ids, before, first, paths = list[int](), list[int](), list[int](), list[tuple[int, ...]]()
        for index in some:
            shared = _alike(prompts[some[len(paths) - 1]], prompts[index]) if paths else 0
            new = range(len(ids), len(ids) + len(prompts[index]) - shared)
            paths.append((*(paths[-1][:shared] if paths else ()), *new))
            ids += prompts[index][shared:]
            before += range(shared, len(prompts[index]))
            first += [index] * len(new)
        made.append(Tree(tuple(some), tuple(ids), tuple(before), tuple(first), tuple(paths)))
    return made


def _rows(prompts: Sequence[Sequence[int]], most: int) -> Iterator[list[int]]:
    """Which prompts are in each row, in the order of a dictionary."""
    some, held = list[int](), 0
    for index in sorted(range(len(prompts)), key=lambda index: list(prompts[index])):
        new = len(prompts[index]) - (_alike(prompts[some[-1]], prompts[index]) if some else 0)
        if some and held + new > most:
            yield some
            some, held, new = [], 0, len(prompts[index])
        some.append(index)
        held += new
    if some:
        yield some


def _alike(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two prompts begin with alike."""
    most = min(len(one), len(other))
    return next((place for place in range(most) if one[place] != other[place]), most)
