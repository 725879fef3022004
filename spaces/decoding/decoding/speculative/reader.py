"""A model that reads a text which grows, and goes back where tokens are taken away again."""

from __future__ import annotations

import inspect
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from shared.errors import VisitorError

if TYPE_CHECKING:
    from shared.models import Loaded


@dataclass(frozen=True)
class Pass:
    """One forward pass: how many tokens it read, and the seconds that it took."""

    tokens: int
    seconds: float


@dataclass
class Reader:
    """Reads texts with one cache, from which the tokens go that a text no longer has.

    A model whose memory cannot go back (Mamba's state, a recurrent layer) reads every text anew.

    Args:
        loaded: the model.
        passes: its forward passes so far.
    """

    loaded: Loaded
    passes: list[Pass] = field(default_factory=list)
    _cache: Any = None
    _known: list[int] = field(default_factory=list)
    _fed: int = 0  # tokens since the cache was last cut: a sliding window goes back so far and no farther

    def __post_init__(self) -> None:
        takes = inspect.signature(self.loaded.model.forward).parameters
        self._keeps_logits = "logits_to_keep" in takes
        self.goes_back = "past_key_values" in takes and not getattr(self.loaded.model, "_is_stateful", False)

    def read(self, ids: Sequence[int], last: int) -> torch.Tensor:
        """What comes next after a text and after its beginnings: logits [last, V] float32, the row of the
        whole text last.

        Args:
            ids: the text's tokens.
            last: how many of its beginnings are asked for, the whole text included.

        Raises:
            VisitorError: the logits are not finite.
        """
        if self.goes_back and self._cache is None:
            self._cache = self._new_cache()
        shared = self._go_back_to(ids, len(ids) - last) if self.goes_back else 0
        fed = torch.tensor([list(ids[shared:])], device=self.loaded.device)
        began = time.perf_counter()
        logits = self._logits(fed, last)
        unfit = bool(torch.isnan(logits).any())  # waits for a GPU, too
        self.passes.append(Pass(fed.shape[1], time.perf_counter() - began))
        if unfit:
            raise VisitorError(
                f"{self.loaded.id} gave numbers that are not finite (NaN).",
                "Choose another model; its weights may be damaged.",
            )
        self._known, self._fed = list(ids), self._fed + fed.shape[1]
        return logits

    def _logits(self, fed: torch.Tensor, last: int) -> torch.Tensor:
        model: Any = self.loaded.model
        keep = {"logits_to_keep": last} if self._keeps_logits else {}
        with torch.inference_mode():
            if not self.goes_back:
                return model(fed, use_cache=False, **keep).logits[0, -last:].float()
            output = model(fed, past_key_values=self._cache, use_cache=True, **keep)
            if not self._cache.is_croppable:  # known only once it holds something
                self.goes_back, self._cache = False, None
            return output.logits[0, -last:].float()

    def _new_cache(self) -> Any:
        from transformers import DynamicCache

        cache = DynamicCache(config=self.loaded.model.config)
        cache.activate_past_recording()
        try:
            cache.get_seq_length()
        except ValueError:  # no layer of it counts tokens: the first layers of a hybrid are convolutions
            self.goes_back = False
        return cache

    def _go_back_to(self, ids: Sequence[int], most: int) -> int:
        """Cut the cache to what it shares with a text, at most `most` tokens; returns how many they are."""
        shared = 0
        for known, token in zip(self._known, ids[:most], strict=False):
            if known != token:
                break
            shared += 1
        surplus = len(self._known) - shared
        if surplus > self._fed:
            self._cache, self._fed, shared = self._new_cache(), 0, 0
        elif surplus:
            self._cache.crop(-surplus)
            self._fed = 0
        return shared

    @property
    def seconds(self) -> float:
        """Of all passes together."""
        return sum(one.seconds for one in self.passes)
