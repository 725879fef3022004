"""How likely a model finds every choice of an item: log-likelihoods, and the answers that follow from them as
lm-eval takes them.

A text and all its choices are one row of tokens: a mask lets every choice see the text and itself alone, and
its positions go on where the text ends. So the text is read once. Models for which that is not exact (a
recurrent state, a window, positions that the mask decides) are found by trying it, and read row by row.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from shared.items import Item, Row
from shared.measure import BATCH_TOKENS, continuation_log_probabilities
from shared.talk import check_vocabulary

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

ROWS = 8
"""Rows of one forward pass."""
SAME = 1e-4
"""Nats by which a packed row may differ from rows of their own, before it counts as another number."""
_packs: WeakKeyDictionary[PreTrainedModel, int] = WeakKeyDictionary()
"""How many tokens a packed row of a model may have."""


@dataclass(frozen=True)
class Scored:
    """What a model makes of an item.

    Args:
        tokens: ln p of every token of every choice, nats.
        item: what was asked.
    """

    item: Item
    tokens: tuple[tuple[float, ...], ...]

    @property
    def sums(self) -> tuple[float, ...]:
        """Log-likelihood of every choice, nats."""
        return tuple(map(math.fsum, self.tokens))

    @property
    def per_character(self) -> tuple[float, ...]:
        """The same by characters of the choice, without the delimiter: lm-eval's acc_norm."""
        return tuple(one / len(text) for one, text in zip(self.sums, self.item.choices, strict=True))

    def answer(self, metric: str = "acc") -> int:
        """Place of the likeliest choice, the first of several: by the sum ("acc"), or by character
        ("acc_norm").
        """
        values = self.sums if metric == "acc" else self.per_character
        return max(range(len(values)), key=lambda place: (values[place], -place))

    def right(self, metric: str = "acc") -> bool:
        """Whether the likeliest choice is the right one."""
        return self.answer(metric) == self.item.gold

    def margin(self, metric: str = "acc") -> float:
        """The right choice's value less the best other one's, nats (by character for "acc_norm")."""
        values = self.sums if metric == "acc" else self.per_character
        gold = self.item.gold
        return values[gold] - max(value for place, value in enumerate(values) if place != gold)

    @property
    def probabilities(self) -> tuple[float, ...]:
        """The choices' probabilities if one of them must be: softmax of their log-likelihoods."""
        top = max(self.sums)
        weights = [math.exp(value - top) for value in self.sums]
        total = math.fsum(weights)
        return tuple(weight / total for weight in weights)

    @property
    def brier(self) -> float:
        """Σ over choices of (p − 1 where right)²: 0 to 2, as lm-eval's brier_score."""
        return math.fsum((p - (place == self.item.gold)) ** 2 for place, p in enumerate(self.probabilities))


def scored(
    model: PreTrainedModel, items: Sequence[Item], rows: Sequence[Row], *, packed: bool = True
) -> list[Scored]:
    """The log-likelihoods of some items' choices, in float64 from the model's own logits.

    Args:
        model: a causal language model.
        items: what is asked.
        rows: the same as the model reads them.
        packed: whether a text and its choices may share a row, where that is exact.

    Raises:
        VisitorError: the model has no such token.
    """
    most = packable(model) if packed else 0
    logs: list[list[Tensor]] = [[] for _ in rows]
    together = [place for place, row in enumerate(rows) if _width(row) <= most]
    for batch in _batches(rows, together):
        for place, found in zip(batch, _packed(model, [rows[place] for place in batch]), strict=True):
            logs[place] = found
    alone = [place for place in range(len(rows)) if not logs[place]]
    if alone:
        pairs = [
            ((*rows[place].context, *choice), len(rows[place].context))
            for place in alone
            for choice in rows[place].choices
        ]
        read = iter(continuation_log_probabilities(model, pairs))
        for place in alone:
            logs[place] = [next(read) for _ in rows[place].choices]
    return [
        Scored(item, tuple(tuple(map(float, choice)) for choice in log))
        for item, log in zip(items, logs, strict=True)
    ]


def _width(row: Row) -> int:
    """Tokens that a packed row reads: a choice's last one predicts nothing that is asked for."""
    return len(row.context) + sum(len(choice) - 1 for choice in row.choices)


def _batches(rows: Sequence[Row], places: Sequence[int]) -> Iterator[list[int]]:
    """Rows of similar length, few enough for one pass."""
    batch: list[int] = []
    for place in sorted(places, key=lambda one: _width(rows[one])):
        full = (len(batch) + 1) * _width(rows[place]) > BATCH_TOKENS
        if batch and (full or len(batch) == ROWS):
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


def _packed(model: PreTrainedModel, rows: Sequence[Row]) -> list[list[Tensor]]:
    """Log-probabilities of the tokens of every choice of every row, float64, on the CPU. All
    contexts end in the same column, so that only the columns from there on need the head.
    """
    import torch

    end = max(len(row.context) for row in rows)  # the column behind every context
    width = end + max(_width(row) - len(row.context) for row in rows)
    ids = torch.zeros((len(rows), width), dtype=torch.int64)
    positions = torch.zeros_like(ids)
    sees = torch.eye(width, dtype=torch.bool).repeat(len(rows), 1, 1)  # padding sees itself
    for at, row in enumerate(rows):
        start, length = end - len(row.context), len(row.context)
        ids[at, start:end] = torch.tensor(row.context)
        positions[at, start:end] = torch.arange(length)
        sees[at, start:end, start:end] = torch.ones(length, length, dtype=torch.bool).tril()
        place = end
        for choice in row.choices:
            n = len(choice) - 1
            ids[at, place : place + n] = torch.tensor(choice[:-1], dtype=torch.int64)
            positions[at, place : place + n] = torch.arange(length, length + n)
            sees[at, place : place + n, start:end] = True
            sees[at, place : place + n, place : place + n] = torch.ones(n, n, dtype=torch.bool).tril()
            place += n
    check_vocabulary(model, [max(max(row.context), *map(max, row.choices)) for row in rows])
    weight = model.get_input_embeddings().weight
    mask = torch.zeros(sees.shape, dtype=weight.dtype).masked_fill_(~sees, torch.finfo(weight.dtype).min)
    keep = width - end + 1
    settings: dict[str, Any] = {
        "attention_mask": mask[:, None].to(weight.device),
        "position_ids": positions.to(weight.device),
        "use_cache": False,
    }
    if "logits_to_keep" in inspect.signature(model.forward).parameters:
        settings["logits_to_keep"] = keep
    with torch.inference_mode():
        logits = model(ids.to(weight.device), **settings).logits[:, -keep:]
    found: list[list[Tensor]] = []
    for row, some in zip(rows, logits, strict=True):
        logs = some[: 1 + _width(row) - len(row.context)].double().log_softmax(-1)
        place, choices = 1, []
        for choice in row.choices:
            used = [0, *range(place, place + len(choice) - 1)]
            choices.append(logs[used, list(choice)].cpu())
            place += len(choice) - 1
        found.append(choices)
    return found


def packable(model: PreTrainedModel) -> int:
    """How many tokens a packed row may have: 0 where packing is not exact, which is tried once."""
    known = _packs.get(model)
    if known is None:
        known = _packs[model] = _longest(model)
    return known


def _longest(model: PreTrainedModel) -> int:
    config = model.config.get_text_config()
    takes = inspect.signature(model.forward).parameters
    if getattr(model, "_is_stateful", False) or not {"position_ids", "attention_mask"} <= set(takes):
        return 0
    kinds = {str(kind) for kind in getattr(config, "layer_types", None) or ()}
    if any("attention" not in kind or "linear" in kind for kind in kinds):
        return 0
    tokens = min(64, model.get_input_embeddings().weight.shape[0])
    some = [7 * place % tokens for place in range(18)]
    row = Row(tuple(some[:6]), (tuple(some[6:9]), tuple(some[9:10]), tuple(some[10:15])), "", "")
    short = Row(tuple(some[3:6]), (tuple(some[15:17]), tuple(some[17:18])), "", "")
    pairs = [((*one.context, *choice), len(one.context)) for one in (row, short) for choice in one.choices]
    alone = continuation_log_probabilities(model, pairs)
    try:
        packed = [choice for one in _packed(model, [row, short]) for choice in one]
    except Exception:  # noqa: BLE001  whatever a model says of a mask that it does not know
        return 0
    if not all(bool((a - b).abs().max() <= SAME) for a, b in zip(alone, packed, strict=True)):
        return 0
    windows = [getattr(config, name, None) for name in ("sliding_window", "attention_chunk_size")]
    stated = [int(window) for window in windows if window]
    return min([BATCH_TOKENS, *stated])
