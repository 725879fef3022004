"""The mask: which tokens may come next, as a processor in transformers' chain."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
import torch

from decoding.structured.compiling import grammar_of, has_no_text, matcher_of
from decoding.structured.constraint import KINDS, check_forced
from shared import limits, patterns
from shared.errors import VisitorError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from shared.models import Loaded

_readers: WeakKeyDictionary[PreTrainedTokenizerBase, dict[tuple[int, tuple[int, ...]], Any]] = (
    WeakKeyDictionary()
)
"""llguidance's tokenizers of each tokenizer, by the size of the vocabulary and the ends of a text."""


def reader_of(loaded: Loaded, eos: Sequence[int]) -> Any:
    """A model's vocabulary as llguidance sees it; made once, in about a second for 50,000 tokens.

    Args:
        loaded: the model.
        eos: ids that end a text.

    Raises:
        VisitorError: llguidance cannot read the tokenizer, or no token ends a text.
    """
    import llguidance.hf

    tokenizer = loaded.tokenizer
    size = max(loaded.model.config.get_text_config().vocab_size, len(tokenizer))
    known = _readers.setdefault(tokenizer, {})
    key = (size, tuple(eos))
    if key not in known:
        if not eos:
            raise VisitorError(
                f"{loaded.id} names no token that ends a text, so that one that obeys could not end.",
                "Choose another model, or no constraint.",
            )
        try:
            known[key] = llguidance.hf.from_tokenizer(tokenizer, n_vocab=size, eos_token=list(eos))
        except Exception:  # noqa: BLE001  its errors have no class of their own
            raise VisitorError(
                f"The tokenizer of {loaded.id} is of a kind that constraints cannot be computed for.",
                "Choose a model with a byte-level or SentencePiece BPE tokenizer, or no constraint.",
            ) from None
    return known[key]


def ready(loaded: Loaded) -> None:
    """Make what `reader_of` makes with the model's own ends of text, before a GPU is asked for.

    Raises:
        VisitorError: as `reader_of`.
    """
    reader_of(loaded, ends_of(loaded))


def ends_of(loaded: Loaded) -> list[int]:
    """The ids that end a text, as the model's own generation_config says."""
    stated = loaded.model.generation_config
    eos = stated.eos_token_id if stated else None
    return [] if eos is None else [eos] if isinstance(eos, int) else list(eos)


@dataclass(frozen=True)
class _Place:
    """A text so far.

    Args:
        matcher: has read it; None where the text has ended, or has left the constraint.
        allowed: [V] bool, the tokens that may follow; all of them where there is no matcher.
    """

    matcher: Any
    allowed: torch.Tensor


class Constraint:
    """Removes the tokens after which no text could fulfil a constraint.

    A processor as `generate` takes it. Rows whose text has ended are left alone, and so are those that have
    left the constraint, which beams do whose score is −∞ already.
    """

    def __init__(self, kind: str, text: str, loaded: Loaded, start: int, eos: Sequence[int]) -> None:
        """A constraint on what follows a prompt.

        Args:
            kind: see `constraint.KINDS`.
            text: in that language; it was checked.
            loaded: the model.
            start: tokens of the prompt.
            eos: ids that end a text.

        Raises:
            VisitorError: as `reader_of`; the constraint is too large for this vocabulary.
        """
        self.kind, self.start, self.eos = kind, start, tuple(eos)
        self.reader = reader_of(loaded, eos)
        self.allowed = torch.empty(0, dtype=torch.bool)
        """[n, V] bool of the last call."""
        self._tokenizer = loaded.tokenizer
        self._size = int(loaded.model.config.get_text_config().vocab_size)
        self._all = torch.ones(self._size, dtype=torch.bool)
        self._matcher = matcher_of(self.reader, grammar_of(kind, text))
        self._checked = ""
        self._seconds = 0.0
        self._check(self._matcher)
        self._places: dict[tuple[int, ...], _Place] = {}

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores [n, V] after texts [n, L], prompt included, −∞ where the constraint forbids a token."""
        rows = [tuple(row) for row in input_ids[:, self.start :].tolist()]
        places: dict[tuple[int, ...], _Place] = {}
        for row in rows:
            if row not in places:
                places[row] = self._place(row)
        self._places = places
        self.allowed = torch.stack([places[row].allowed for row in rows]).to(scores.device)
        return scores.masked_fill(~self.allowed, -torch.inf)

    def allowed_after(self, ids: Sequence[int]) -> torch.Tensor:
        """[V] bool, the tokens that may follow new tokens."""
        return self._place(tuple(ids)).allowed

    def takes(self, ids: Sequence[int]) -> int:
        """How many of these first tokens of a text the constraint allows."""
        matcher = self._matcher.deep_copy()
        return int(matcher.validate_tokens(list(ids)))

    def accepts(self, ids: Sequence[int]) -> bool:
        """Whether a text that consists of these tokens fulfils the constraint; an end of text may follow."""
        text = [token for token in ids if token not in self.eos]
        matcher = self._matcher.deep_copy()
        return bool(not text or matcher.consume_tokens(text)) and bool(matcher.is_accepting())

    def _place(self, row: tuple[int, ...]) -> _Place:
        if row in self._places:
            return self._places[row]
        before = self._places.get(row[:-1]) if row else None
        if before is not None:
            matcher, fresh = before.matcher and before.matcher.deep_copy(), row[-1:]
        else:
            matcher, fresh = self._matcher.deep_copy(), row
        for token in fresh:
            if matcher is None or token in self.eos or not matcher.consume_token(token):
                return _Place(None, self._all)
        return _Place(matcher, self._mask(matcher) if matcher is not None else self._all)

    def _mask(self, matcher: Any) -> torch.Tensor:
        began = time.perf_counter()
        self._check_forced(matcher)
        bits = np.frombuffer(matcher.compute_bitmask(), dtype=np.uint8)
        self._seconds += time.perf_counter() - began
        if self._seconds > limits.CONSTRAINT_RUN_SECONDS:
            raise self._too_large()
        if matcher.is_error():
            if not has_no_text(matcher):
                raise self._too_large()
            return torch.zeros(self._size, dtype=torch.bool)
        return torch.from_numpy(np.unpackbits(bits, bitorder="little")[: self._size].astype(bool))

    def _check_forced(self, matcher: Any) -> None:
        """The bytes that have to come are given to the model's tokenizer, whose patterns are a
        stranger's.
        """
        forced = matcher.compute_ff_bytes()
        check_forced(self.kind, len(forced))
        text = forced.decode(errors="replace")
        if not self._checked.endswith(text):
            patterns.check(self._tokenizer, text)
            self._checked = text

    def _check(self, matcher: Any) -> None:
        if matcher.is_error():
            raise self._too_large()

    def _too_large(self) -> VisitorError:
        return VisitorError(
            f"The {KINDS[self.kind]} takes too much time or memory to follow with this model's vocabulary.",
            "Lower its counts, or split it.",
        )
