"""Why a token: what the model would have said after each of its layers (the logit lens of nostalgebraist,
2020), and how likely the token is without each of the tokens before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from decoding import data
from decoding.decoders.dola import Head, candidate_layers, contrast, early_head
from decoding.trace import number
from shared.errors import VisitorError
from shared.tokens import Texts

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from shared.models import Loaded

READINGS = 6_000
"""Tokens that a model of `USUAL` parameters reads for one answer: a few seconds on two cores."""

USUAL = 150_000_000

TOGETHER = 2_000
"""Tokens that are read in one pass."""


def why(
    loaded: Loaded, token_ids: Sequence[int], token: int, dola_layers: str | list[int] | None = None
) -> data.Why:
    """Why a model gives a token its odds, from its own logits, before any setting.

    Args:
        loaded: the model.
        token_ids: all tokens before the token.
        token: the id of the token.
        dola_layers: of a strategy that contrasts layers; says which of them are its candidates.

    Raises:
        VisitorError: the model's numbers are not finite.
    """
    texts = Texts(loaded.tokenizer)
    with torch.inference_mode():
        states, norm, logits = _read(loaded, token_ids)
        if bool(torch.isnan(logits).any()):
            raise VisitorError(
                f"{loaded.id} gave numbers that are not finite (NaN).",
                "Choose another model; its weights may be damaged.",
            )
        odds = torch.log_softmax(logits, dim=-1)
        head = early_head(loaded.model)
        every = None
        if norm is not None:
            every = torch.log_softmax(torch.cat([head(norm(states[:-1])).float(), logits]), dim=-1)
        dola = None if dola_layers is None else _contrasted(loaded, states, logits, head, dola_layers)
        without = _without(loaded, token_ids, token)
    before = texts.in_turn(token_ids)
    unfinished = before[-1].unfinished
    return data.Why(
        token=texts.pieces([token], unfinished)[0].label,
        logprob=number(float(odds[0, token])),
        layers=[] if every is None else _layers(every, token, texts, unfinished),
        context=[piece.label for piece in before[len(before) - len(without) :]],
        without=[number(value) for value in without],
        length=len(token_ids),
        dola=dola,
    )


def _layers(every: torch.Tensor, token: int, texts: Texts, unfinished: bytes) -> list[data.LensLayer]:
    """A row of the lens from the log-probabilities [layers, V]."""
    best, ids = every.max(dim=-1)
    labels = [piece.label for piece in texts.pieces([int(one) for one in ids], unfinished)]
    ranks = 1 + (every > every[:, token, None]).sum(dim=-1)
    return [
        data.LensLayer(logprob=number(float(own)), rank=int(rank), likeliest=label, best=number(float(top)))
        for own, rank, label, top in zip(every[:, token], ranks, labels, best, strict=True)
    ]


def _read(
    loaded: Loaded, token_ids: Sequence[int]
) -> tuple[torch.Tensor, torch.nn.Module | None, torch.Tensor]:
    """At the last token: what comes out of the embedding and of every layer, the last one after the norm
    [layers + 1, d]; that norm, None where nothing stands between layers and head; the model's logits [1, V].
    """
    model = loaded.model
    norms: dict[int, torch.nn.Module] = {}

    def note(module: torch.nn.Module, _: Any, output: Any) -> None:
        if isinstance(output, torch.Tensor):
            norms[output.data_ptr()] = module

    leaves = [module for module in model.base_model.modules() if not list(module.children())]
    hooks = [module.register_forward_hook(note) for module in leaves]
    try:
        ids = torch.tensor([list(token_ids)], device=loaded.device)
        output = model(ids, use_cache=False, output_hidden_states=True)
    finally:
        for hook in hooks:
            hook.remove()
    states = torch.stack([state[0, -1] for state in output.hidden_states])
    return states, norms.get(output.hidden_states[-1].data_ptr()), output.logits[:, -1].float()


def _without(loaded: Loaded, token_ids: Sequence[int], token: int) -> list[float]:
    """The log-probability of the token after the text without one of its tokens, for as many of the last ones
    as may be read.
    """
    length = len(token_ids)
    if length < 2:
        return []
    parameters = sum(parameter.numel() for parameter in loaded.model.parameters())
    readings = READINGS * min(1.0, USUAL / max(1, parameters))
    count = max(1, min(length, int(readings // (length - 1))))
    rows = [[*token_ids[:place], *token_ids[place + 1 :]] for place in range(length - count, length)]
    found: list[float] = []
    size = max(1, TOGETHER // (length - 1))
    for first in range(0, count, size):
        ids = torch.tensor(rows[first : first + size], device=loaded.device)
        odds = torch.log_softmax(_last(loaded.model, ids), dim=-1)
        found += [float(value) for value in odds[:, token]]
    return found


def _last(model: PreTrainedModel, ids: torch.Tensor) -> torch.Tensor:
    """The logits after each row [n, V]."""
    states = model.base_model(ids, use_cache=False)[0]
    return early_head(model)(states[:, -1]).float()


def _contrasted(
    loaded: Loaded, states: torch.Tensor, logits: torch.Tensor, head: Head, choice: str | list[int]
) -> data.Contrasted:
    """The layers that DoLa chooses from, and the one that it takes here; it reads layers without the norm."""
    config = loaded.model.config.get_text_config()
    layers = candidate_layers(choice, config.num_hidden_layers, config.tie_word_embeddings)
    early = {layer: head(states[layer, None]).float() for layer in layers}
    return data.Contrasted(candidates=layers, chosen=contrast(logits, early)[1])
