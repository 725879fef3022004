"""How likely a model finds every choice of an item: log-likelihoods, and the answers that follow from them as
lm-eval takes them.

Some items are one row of tokens, a tree: what two texts or two choices begin with alike stands there once, a
mask lets every token see its own beginning alone, and positions count from there. So nothing is padded, a
passage is read once for all its questions, and the head computes only what is asked for. Models for which
that is not exact (a recurrent state, a window, positions that the mask decides) are found by trying it, and
read row by row.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from shared.items import Item, Row, row_of
from shared.measure import BATCH_TOKENS, continuation_log_probabilities
from shared.starts import without_loss
from shared.talk import check_vocabulary

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from shared.models import Loaded

ROWS = 8
"""Items that are read between two looks at the results."""
TREE_TOKENS = 512
"""Tokens up to which an item joins others whatever it has in common with them: attention grows with their
square.
"""
METRICS = {
    "acc": "by the whole choice",
    "acc_norm": "by character",
    "acc_bytes": "by byte",
    "acc_mutual_info": "less what it has without the prompt",
}
"""How the likeliest choice is found, by lm-eval's names."""
MUTUAL = "acc_mutual_info"
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
        alone: log-likelihood of every choice behind nothing but BOS, nats, see `alone_rows`; () where nobody
            asked for it.
    """

    item: Item
    tokens: tuple[tuple[float, ...], ...]
    alone: tuple[float, ...] = ()

    @property
    def sums(self) -> tuple[float, ...]:
        """Log-likelihood of every choice, nats."""
        return tuple(map(math.fsum, self.tokens))

    @property
    def per_character(self) -> tuple[float, ...]:
        """The same by characters of the choice, without the delimiter: lm-eval's acc_norm."""
        return tuple(one / len(text) for one, text in zip(self.sums, self.item.choices, strict=True))

    def values(self, metric: str = "acc") -> tuple[float, ...]:
        """What the choices are compared by, one of `METRICS`, in nats: their sums, those by character or by
        byte of UTF-8, or less the sums alone.
        """
        if metric == MUTUAL:
            return tuple(one - alone for one, alone in zip(self.sums, self.alone, strict=True))
        if metric == "acc_bytes":
            return tuple(
                one / len(text.encode()) for one, text in zip(self.sums, self.item.choices, strict=True)
            )
        return self.per_character if metric == "acc_norm" else self.sums

    def answer(self, metric: str = "acc") -> int:
        """Place of the likeliest choice by a metric, the first of several."""
        values = self.values(metric)
        return max(range(len(values)), key=lambda place: (values[place], -place))

    def right(self, metric: str = "acc") -> bool:
        """Whether the likeliest choice is the right one."""
        return self.answer(metric) == self.item.gold

    def margin(self, metric: str = "acc") -> float:
        """The right choice's value less the best other one's, see `values`."""
        values = self.values(metric)
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
    for places, tree in _trees(rows, most):
        for place, found in zip(places, _read(model, tree, [rows[place] for place in places]), strict=True):
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


@dataclass
class _Tree:
    """Tokens, each once for all rows that begin alike.

    Args:
        ids: the tokens, a parent before what follows it.
        parents: of every token the place of the one before it, −1 where it is the first.
        known: where a token stands behind a place.
    """

    ids: list[int] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    known: dict[tuple[int, int], int] = field(default_factory=dict)

    def add(self, row: Row) -> list[list[int]]:
        """Put a row into the tree: of every choice the places whose logits predict its tokens. A choice's
        last token predicts nothing that is asked for, and stays out.
        """
        *_, end = self._walk(-1, row.context)
        return [[end, *self._walk(end, choice[:-1])] for choice in row.choices]

    def _walk(self, place: int, tokens: Sequence[int]) -> Iterator[int]:
        for token in tokens:
            key = (place, token)
            if key not in self.known:
                self.known[key] = len(self.ids)
                self.ids.append(token)
                self.parents.append(place)
            place = self.known[key]
            yield place


def alone_rows(loaded: Loaded, items: Sequence[Item], *, chat: bool = False) -> list[Row]:
    """Every item's choices behind nothing but BOS, as lm-eval reads them for acc_mutual_info. Arguments and
    errors as of `items.row_of`.
    """
    return [
        row_of(loaded, replace(item, prompt="", turns=(), delimiter="" if chat else item.delimiter))
        for item in items
    ]


def _trees(rows: Sequence[Row], most: int) -> Iterator[tuple[list[int], _Tree]]:
    """Places of rows that are read together, in their order, and their tree; rows that alone have more than
    `most` tokens are left out.
    """
    places: list[int] = []
    tree = _Tree()
    for place, row in enumerate(rows):
        alone = _Tree()
        alone.add(row)
        if len(alone.ids) > most:
            continue
        wider = _Tree(tree.ids[:], tree.parents[:], dict(tree.known))
        wider.add(row)
        added = len(wider.ids) - len(tree.ids)
        short = len(wider.ids) <= TREE_TOKENS or 2 * added < len(alone.ids)
        if places and not (short and len(wider.ids) <= most):
            yield places, tree
            places, wider = [], alone
        places.append(place)
        tree = wider
    if places:
        yield places, tree


def _read(model: PreTrainedModel, tree: _Tree, rows: Sequence[Row]) -> list[list[Tensor]]:
    """Log-probabilities of the tokens of every choice of every row of a tree, float64, on the CPU."""
    import torch

    check_vocabulary(model, [max(max(row.context), *map(max, row.choices)) for row in rows])
    used = [tree.add(row) for row in rows]
    sees = torch.eye(len(tree.ids), dtype=torch.bool)
    depths: list[int] = []
    for place, parent in enumerate(tree.parents):
        depths.append(depths[parent] + 1 if parent >= 0 else 0)
        if parent >= 0:
            sees[place] |= sees[parent]
    weight = model.get_input_embeddings().weight
    mask = torch.zeros(sees.shape, dtype=weight.dtype).masked_fill_(~sees, torch.finfo(weight.dtype).min)
    kept = sorted({place for paths in used for path in paths for place in path})
    settings: dict[str, Any] = {
        "attention_mask": mask[None, None].to(weight.device),
        "position_ids": torch.tensor([depths], device=weight.device),
        "use_cache": False,
        **without_loss(model),
    }
    chosen = torch.tensor(kept, device=weight.device)
    spared = "logits_to_keep" in inspect.signature(model.forward).parameters
    if spared:
        settings["logits_to_keep"] = chosen
    with torch.inference_mode():
        logits = model(torch.tensor([tree.ids], device=weight.device), **settings).logits[0]
    logits = logits if spared else logits[chosen]
    at = {place: number for number, place in enumerate(kept)}
    found: list[list[Tensor]] = []
    for paths, row in zip(used, rows, strict=True):  # one by one: a vocabulary in float64 is long
        own = {place: number for number, place in enumerate(dict.fromkeys(chain(*paths)))}
        logs = logits[[at[place] for place in own]].double().log_softmax(-1)
        found.append(
            [
                logs[[own[place] for place in path], list(choice)].cpu()
                for path, choice in zip(paths, row.choices, strict=True)
            ]
        )
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
    row = Row(tuple(some[:6]), (tuple(some[6:9]), tuple(some[9:10]), (*some[6:8], *some[10:13])), "", "")
    short = Row(tuple(some[3:6]), (tuple(some[15:17]), tuple(some[17:18])), "", "")
    behind = Row((*some[:4], some[14]), (tuple(some[13:15]), tuple(some[12:13])), "", "")
    tried = (row, short, behind)
    pairs = [((*one.context, *choice), len(one.context)) for one in tried for choice in one.choices]
    alone = continuation_log_probabilities(model, pairs)
    tree = _Tree()
    for one in tried:
        tree.add(one)
    try:
        packed = [choice for found in _read(model, tree, tried) for choice in found]
    except Exception:  # noqa: BLE001  whatever a model says of a mask that it does not know
        return 0
    if not all(bool((a - b).abs().max() <= SAME) for a, b in zip(alone, packed, strict=True)):
        return 0
    windows = [getattr(config, name, None) for name in ("sliding_window", "attention_chunk_size")]
    stated = [int(window) for window in windows if window]
    return min([BATCH_TOKENS, *stated])
