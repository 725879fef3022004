"""What runs ahead of the model: another model, or what followed in the text the last time."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Protocol

import torch

from decoding.speculative.reader import Reader
from decoding.speculative.rule import Chances
from decoding.speculative.warp import Warp, one_hot


@dataclass(frozen=True)
class Proposal:
    """Tokens that a draft proposes to follow a text, and how it came to each.

    Args:
        tokens: n of them.
        shown: n distributions [V], after the settings.
    """

    tokens: tuple[int, ...]
    shown: tuple[torch.Tensor, ...]


class Draft(Protocol):
    """Something that proposes tokens."""

    def propose(
        self, ids: Sequence[int], count: int, warp: Warp, chances: Chances, ends: AbstractSet[int]
    ) -> Proposal:
        """At most `count` tokens to follow a text; none behind one that ends it."""

    def along(self, ids: Sequence[int], prompt: int, warp: Warp) -> list[torch.Tensor]:
        """What it says of every token of a text behind its prompt, whether it was asked or not."""


@dataclass
class ModelDraft:
    """A model that writes ahead, one token a pass."""

    reader: Reader

    def propose(
        self, ids: Sequence[int], count: int, warp: Warp, chances: Chances, ends: AbstractSet[int]
    ) -> Proposal:
        """See `Draft`; nothing, where the text has a token that the draft has no embedding for."""
        tokens: list[int] = []
        shown: list[torch.Tensor] = []
        if max(ids) >= self._rows():
            return Proposal((), ())
        while len(tokens) < count:
            text = [*ids, *tokens]
            q = warp.shown(self.reader.read(text, 1)[0], text)
            tokens.append(warp.take(warp.used(q), chances))
            shown.append(q)
            if tokens[-1] in ends or tokens[-1] >= self._rows():
                break
        return Proposal(tuple(tokens), tuple(shown))

    def along(self, ids: Sequence[int], prompt: int, warp: Warp) -> list[torch.Tensor]:
        """See `Draft`; one pass over the whole text."""
        known = next((place for place, token in enumerate(ids) if token >= self._rows()), len(ids))
        until = min(known, len(ids) - 1)  # what follows the last token is not asked
        if until < prompt:
            return []
        logits = Reader(self.reader.loaded).read(ids[:until], until - prompt + 1)
        return [warp.shown(row, ids[: prompt + place]) for place, row in enumerate(logits)]

    def _rows(self) -> int:
        return int(self.reader.loaded.model.get_input_embeddings().weight.shape[0])


@dataclass(frozen=True)
class Lookup:
    """Prompt lookup: what followed in the text when its last tokens stood there before (Saxena, 2023).

    Args:
        ngram: the longest run of last tokens that is searched for; shorter ones are where it is not found.
        device: of the distributions.
    """

    ngram: int
    device: str

    def propose(
        self, ids: Sequence[int], count: int, warp: Warp, chances: Chances, ends: AbstractSet[int]
    ) -> Proposal:
        """See `Draft`; each token has all of its q."""
        tokens = self.found(ids, count, ends)
        blank = torch.zeros(warp.width, dtype=torch.float64, device=self.device)
        return Proposal(tokens, tuple(one_hot(token, blank) for token in tokens))

    def found(self, ids: Sequence[int], count: int, ends: AbstractSet[int]) -> tuple[int, ...]:
        """The tokens, as transformers finds them: behind the first place where the longest run stands, none
        from one on that ends a text.
        """
        text = list(ids)
        for size in range(min(self.ngram, len(text) - 1), 0, -1):
            last = text[-size:]
            for start in range(len(text) - size):
                if text[start : start + size] == last:
                    behind = text[start + size : start + size + count]
                    end = next((at for at, token in enumerate(behind) if token in ends), len(behind))
                    return tuple(behind[:end])
        return ()

    def along(self, ids: Sequence[int], prompt: int, warp: Warp) -> list[torch.Tensor]:
        """See `Draft`; what it says depends on where a round begins, so this says nothing."""
        return []
