"""What every Space measures of a model, defined once: windows of a text, losses, KL divergence. How sure such
a number is, and the perplexity of losses, is in `shared.estimates`.

A text is read as llama.cpp's perplexity tool reads it (tools/perplexity/perplexity.cpp), so that the same
model and text have the same number in every Space, and in llama.cpp. The text is tokenized whole, with BOS
before it where the tokenizer adds one, and cut into windows of n tokens that do not overlap; what is left
over is not used. In every window that BOS then takes the place of the first token, since a model that was
trained with BOS gives poor numbers without. Scored are the tokens in positions n/2 + 1 … n − 1, predicted
at positions n/2 … n − 2, so that each has at least half a window of context. A tokenizer that has a BOS and
does not add it gets none; an EOS that a tokenizer adds is left out (llama.cpp refuses such a tokenizer).
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.errors import VisitorError
from shared.starts import without_loss
from shared.talk import check_vocabulary, leading_tokens, plain_ids

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

CHUNK = 16
"""Distributions that are compared at once: float64 rows of a whole vocabulary should stay near the
processor's cache.
"""
BATCH_TOKENS = 2048
"""Tokens in one forward pass over many short rows, padding included."""


@dataclass(frozen=True)
class Windows:
    """A text in windows of equal length, as the module's text says.

    Args:
        ids: int64 (windows, context).
        lead: the tokens that stand first in every window, BOS as a rule; none where the tokenizer adds none.
        text_tokens: how many tokens the whole text has.
    """

    ids: Tensor
    lead: tuple[int, ...]
    text_tokens: int

    @property
    def context(self) -> int:
        """Tokens in a window."""
        return int(self.ids.shape[1])

    @property
    def targets(self) -> Tensor:
        """The scored tokens, int64 (windows, scored in each)."""
        places = scored_positions(self.context)
        return self.ids[:, places.start + 1 : places.stop + 1]

    def __len__(self) -> int:
        return len(self.ids)

    def to_json(self) -> dict[str, Any]:
        """What a figure and a card should say of the text."""
        return {
            "windows": len(self),
            "context": self.context,
            "scored": self.targets.numel(),
            "text_tokens": self.text_tokens,
            "lead": list(self.lead),
        }


def text_windows(tokenizer: PreTrainedTokenizerBase, text: str, context: int, most: int) -> Windows:
    """Cut a text into windows.

    Args:
        tokenizer: of the model.
        text: read whole, special tokens in it included.
        context: tokens in a window, at least 4.
        most: windows that are kept, from the beginning.

    Raises:
        VisitorError: the text does not fill one window. It is never scored in a shorter one: the number would
            be another, with less context for every token.
    """
    import torch

    lead, ids = leading_tokens(tokenizer), plain_ids(tokenizer, text)
    count = min(most, len(ids) // context)
    if count < 1:
        shorter = f", or lower context to {len(ids):,}." if len(ids) >= 4 else "."
        raise VisitorError(
            f"The text has {len(ids):,} tokens, too few for one window of {context:,}.",
            f"Use a longer text{shorter}",
        )
    windows = torch.tensor(ids[: count * context], dtype=torch.int64).reshape(count, context)
    windows[:, : len(lead)] = torch.tensor(lead, dtype=torch.int64)
    return Windows(windows, lead, len(ids))


def scored_positions(context: int) -> range:
    """Positions of a window whose next token is scored: n/2 … n − 2."""
    return range(context // 2, context - 1)


def next_token_logits(model: PreTrainedModel, ids: Sequence[int] | Tensor, start: int) -> Tensor:
    """Logits that predict the tokens from index `start` on, given all before each: float32 (len(ids) − start,
    vocabulary), where the model is.

    Args:
        model: a causal language model.
        ids: token ids of one sequence.
        start: at least 1, since nothing predicts the first token.

    Raises:
        VisitorError: the model has no such token.
    """
    import torch

    row = torch.as_tensor(ids)
    check_vocabulary(model, row)
    keep = len(row) - start + 1
    inputs = row[None].to(model.get_input_embeddings().weight.device)
    with torch.inference_mode():
        logits = model(inputs, use_cache=False, **kept_logits(model, keep)).logits[0, -keep:-1]
    return logits.float()


def kept_logits(model: PreTrainedModel, keep: int | Tensor) -> dict[str, Any]:
    """The arguments that spare the head of all other positions, and the balancing loss, where the model has
    them.
    """
    known = "logits_to_keep" in inspect.signature(model.forward).parameters
    return {**({"logits_to_keep": keep} if known else {}), **without_loss(model)}


def log_probabilities(model: PreTrainedModel, ids: Sequence[int] | Tensor, start: int) -> Tensor:
    """Log-probabilities of the tokens from index `start` on, given all before each: float32 (len(ids) −
    start, vocabulary), nats, on the CPU.

    Raises:
        VisitorError: the model has no such token.
    """
    return next_token_logits(model, ids, start).log_softmax(-1).cpu()


def window_log_probabilities(model: PreTrainedModel, windows: Windows) -> Iterator[Tensor]:
    """Log-probabilities at each window's scored positions, window by window: float32 (scored in each,
    vocabulary), nats, on the CPU.
    """
    for window in windows.ids:
        yield log_probabilities(model, window, scored_positions(windows.context).start + 1)


def window_losses(model: PreTrainedModel, windows: Windows) -> Tensor:
    """−ln p of each scored token of each window: float64 (windows, scored in each), nats, on the CPU."""
    import torch

    start = scored_positions(windows.context).start + 1
    rows = zip(windows.ids, windows.targets, strict=True)
    return torch.stack([losses(next_token_logits(model, ids, start), scored).cpu() for ids, scored in rows])


def continuation_log_probabilities(
    model: PreTrainedModel, rows: Sequence[tuple[Sequence[int], int]]
) -> list[Tensor]:
    """Log-probabilities of the tokens that continue each row: for a row and where its continuation starts,
    float64 (len(row) − start,), nats, on the CPU.

    Rows of similar length share a forward pass, padded on the right: in a causal model what comes after a
    token cannot change it.

    Args:
        model: a causal language model.
        rows: token ids, prompt and continuation, and the index of the continuation's first token, at least 1.

    Raises:
        VisitorError: the model has no such token.
    """
    import torch

    logs: list[Tensor] = [torch.empty(0)] * len(rows)
    device = model.get_input_embeddings().weight.device
    for batch in _batches([len(ids) for ids, _ in rows]):
        chosen = [rows[place] for place in batch]
        width, first = max(len(ids) for ids, _ in chosen), min(start for _, start in chosen)
        ids = torch.tensor([[*row, *[0] * (width - len(row))] for row, _ in chosen])
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row, _ in chosen])
        check_vocabulary(model, ids)
        inputs = {
            "attention_mask": mask.to(device),
            "use_cache": False,
            **kept_logits(model, width - first + 1),
        }
        with torch.inference_mode():
            logits = model(ids.to(device), **inputs).logits[:, first - 1 - width : -1]
        for place, (row, start), scores in zip(batch, chosen, logits, strict=True):
            wanted = scores[start - first : len(row) - first]
            logs[place] = -losses(wanted, torch.as_tensor(row[start:], dtype=torch.int64)).cpu()
    return logs


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Places of rows that share a forward pass: of similar length, at most `BATCH_TOKENS` with padding."""
    batch: list[int] = []
    for place in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[place] > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


@dataclass(frozen=True)
class Divergence:
    """Two models' predictions of the same tokens.

    Args:
        kl: KL(base ‖ other) of each distribution, nats, float64 (positions,).
        loss: the other's −ln p of each true token, nats, float64 (positions,).
    """

    kl: Tensor
    loss: Tensor


def losses(logits: Tensor, targets: Tensor) -> Tensor:
    """−ln p of each target, nats: float64 (positions,), from logits or log-probabilities (positions,
    vocabulary).
    """
    return compare(logits, logits, targets).loss


def kl_divergence(base: Tensor, other: Tensor) -> Tensor:
    """KL(base ‖ other) = Σ p·(ln p − ln q) along the last axis, nats: float64, from logits or
    log-probabilities of the same shape (…, vocabulary).
    """
    import torch

    flat = base.reshape(-1, base.shape[-1])
    targets = torch.zeros(len(flat), dtype=torch.long, device=flat.device)  # nobody looks at their loss
    rows = flat if other is base else other.reshape(flat.shape)
    return compare(flat, rows, targets).kl.reshape(base.shape[:-1])


def compare(base: Tensor, other: Tensor, targets: Tensor) -> Divergence:
    """KL divergence from the base and loss of the other, in one pass over both.

    Σ p·(ln p − ln q) = Σ p·(x_p − x_q) − (ln Z_p − ln Z_q), so no logarithm of each of the vocabulary's
    numbers is taken, and a model is at exactly 0 from itself. All sums are float64; NaN where logits are.

    Args:
        base: logits or log-probabilities, (positions, vocabulary).
        other: likewise, or the very same tensor; −∞ for an impossible token is allowed in both.
        targets: the true tokens, int64 (positions,).
    """
    import torch

    exact_in = torch.float64 if base.dtype == torch.float64 else torch.float32
    kl: list[Tensor] = []
    loss: list[Tensor] = []
    with torch.no_grad():
        # Room for a chunk's numbers: were it asked for again and again, the heap would grow by it each time.
        narrow = torch.empty((2, CHUNK, base.shape[1]), dtype=exact_in, device=base.device)
        wide = torch.empty((CHUNK, base.shape[1]), dtype=torch.float64, device=base.device)
        for begin in range(0, len(base), CHUNK):
            p = base[begin : begin + CHUNK].to(exact_in)
            q = p if other is base else other[begin : begin + CHUNK].to(base.device, exact_in)
            (weights, spare), exact = narrow[:, : len(p)], wide[: len(p)]
            total_p, log_p = _partition(p, weights, exact)
            log_q = log_p if other is base else _partition(q, spare, exact)[1]
            true = targets[begin : begin + CHUNK, None].to(base.device)
            loss.append(log_q - q.gather(1, true)[:, 0].double())
            if other is base:
                kl.append(torch.where(log_p.isfinite(), 0.0, math.nan).double())
                continue
            crossed = exact.copy_(torch.sub(p, q, out=spare).mul_(weights)).sum(1) / total_p
            if crossed.isnan().any():  # 0 · (−∞ + ∞), where both call a token impossible
                spare.masked_fill_(weights == 0, 0)
                crossed = exact.copy_(spare).sum(1) / total_p
            kl.append((crossed - (log_p - log_q)).clamp_(min=0))
    if not kl:
        nothing = torch.empty(0, dtype=torch.float64)
        return Divergence(nothing, nothing)
    return Divergence(torch.cat(kl), torch.cat(loss))


def _partition(logits: Tensor, weights: Tensor, exact: Tensor) -> tuple[Tensor, Tensor]:
    """Write exp(x − max) into `weights`; its sum, by way of `exact`, and ln Σ exp(x), float64."""
    import torch

    largest = logits.amax(1, keepdim=True)
    total = exact.copy_(torch.sub(logits, largest, out=weights).exp_()).sum(1)
    return total, largest[:, 0].double() + total.log()
