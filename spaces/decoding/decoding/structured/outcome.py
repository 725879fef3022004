"""What became of a text that had to obey: whether it fulfils the constraint, and how the tokenizer alone
would have cut it.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import torch

from decoding import data
from decoding.structured.mask import Constraint
from decoding.trace import number
from shared import patterns
from shared.errors import VisitorError
from shared.tokens import Texts

if TYPE_CHECKING:
    from shared.models import Loaded

MAX_TEXTS = 8
"""Texts of a strategy that are read once more, each with the tokens that the tokenizer alone would give."""

MAX_MORE = 16
"""More tokens than the text has that such a reading may have: the model's window has an end."""


def outcome(
    loaded: Loaded,
    texts: Texts,
    constraint: Constraint,
    prompt: Sequence[int],
    written: Sequence[tuple[int, float]],
    room: int,
    *,
    read: bool,
) -> data.Obeyed:
    """How a text fulfils its constraint.

    Args:
        loaded: the model.
        texts: of its tokens.
        constraint: what the text had to obey.
        prompt: token ids.
        written: new tokens, each with its log-probability under the model.
        room: new tokens that there was room for.
        read: whether the model may read the text once more, in other tokens.
    """
    ids = [token for token, _ in written]
    status: Literal["complete", "unfinished", "stuck"] = "unfinished" if len(ids) >= room else "stuck"
    if constraint.accepts(ids):
        status = "complete"
    plain = [(token, value) for token, value in written if token not in constraint.eos]
    canonical = _canonical(loaded, texts, constraint, prompt, plain) if read else None
    return data.Obeyed(status=status, canonical=canonical)


def _canonical(
    loaded: Loaded,
    texts: Texts,
    constraint: Constraint,
    prompt: Sequence[int],
    written: Sequence[tuple[int, float]],
) -> data.Canonical | None:
    own = [token for token, _ in written]
    raw = constraint.reader.decode_bytes(own)
    try:
        patterns.check(loaded.tokenizer, raw.decode())
    except (UnicodeDecodeError, VisitorError):  # it ends within a character, or is not the tokenizer's to cut
        return None
    ids = list(constraint.reader.tokenize_bytes(raw))
    if ids == own or len(ids) > len(own) + MAX_MORE or constraint.reader.decode_bytes(ids) != raw:
        return None
    unfinished = texts.in_turn(prompt)[-1].unfinished if prompt else b""
    return data.Canonical(
        token_ids=ids,
        tokens=[piece.label for piece in texts.pieces(ids, unfinished)],
        logprob=number(_logprob(loaded, prompt, ids)),
        own=number(sum(value for _, value in written)),
    )


def _logprob(loaded: Loaded, prompt: Sequence[int], ids: Sequence[int]) -> float:
    """The log-probability of tokens after a prompt, in nats, in one pass."""
    model: Any = loaded.model
    whole = torch.tensor([[*prompt, *ids]], device=loaded.device)
    few = "logits_to_keep" in inspect.signature(model.forward).parameters
    more = {"logits_to_keep": len(ids) + 1} if few else {}
    with torch.inference_mode():
        logits = model(whole, use_cache=False, **more).logits[0, -len(ids) - 1 : -1]
    odds = torch.log_softmax(logits.float(), dim=-1)
    return float(odds.gather(1, whole[0, -len(ids) :, None]).double().sum())
