"""DoLa (Chuang et al. 2023): the last layer's log-probabilities minus an earlier layer's."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from decoding.decoders.plan import Decoder, Feed, Outputs, Plan
from decoding.reasons import percent
from decoding.record import Recorder, Scored, score
from shared import models

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Head = Callable[[torch.Tensor], torch.Tensor]
"""From hidden states [n, d] to logits [n, V]."""


def early_head(model: PreTrainedModel) -> Head:
    """What the model makes of a hidden state: its head, and what its own code does to the logits after it
    (Gemma's soft cap, Granite's and Cohere's scale).

    Args:
        model: a causal language model; it is not changed.
    """
    made: list[torch.nn.Module] = []

    def head(states: torch.Tensor) -> torch.Tensor:
        if not made:
            made.append(models.twin(model))
        setattr(made[0], model.base_model_prefix, _Known(states[:, None]))
        ids = torch.zeros((len(states), 1), dtype=torch.long, device=states.device)
        logits: torch.Tensor = made[0](ids, use_cache=False).logits
        return logits[:, -1]

    return head


class _Known(torch.nn.Module):
    """In the place of a model's layers: hidden states that are known already."""

    def __init__(self, states: torch.Tensor) -> None:
        super().__init__()
        self.states = states

    def forward(self, *_: Any, **__: Any) -> Any:
        return _Output(last_hidden_state=self.states)


class _Output:
    """What a head takes from the layers: their last states, by name or as the first item."""

    def __init__(self, last_hidden_state: torch.Tensor) -> None:
        self.last_hidden_state = last_hidden_state

    def __getitem__(self, place: int) -> torch.Tensor:
        return (self.last_hidden_state,)[place]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return None  # whatever else it asks for is not there


def steps(plan: Plan, outputs: Outputs, head: Head) -> Decoder:
    """Take the token that gained most over an earlier layer.

    The earlier layer is the candidate with the largest Jensen–Shannon divergence from the last. Tokens with
    less than a tenth of the likeliest token's probability are removed.
    """
    recorder, node, ids = plan.recorder, plan.recorder.root, plan.context
    layers: list[int] = plan.settings["dola_layers"]
    for step in range(plan.new_tokens):
        assert outputs.hidden is not None
        early = {layer: head(outputs.hidden[layer][:, -1]).float() for layer in layers}
        contrasted, layer = contrast(outputs.logits, early)
        raw = torch.log_softmax(outputs.logits, dim=-1)
        inner = score(contrasted, ids, plan.stages, plain=False)
        scored = Scored(raw, (contrasted, *inner.stages), inner.scores, inner.processed, normalised=True)
        token = int(inner.scores.argmax())
        candidates = recorder.candidates([node], scored, [[token]])[0]
        recorder.summarise_now(node, raw[0], raw[0])
        recorder.explain_filters(candidates, 0, scored, plan.settings)
        _explain(recorder, candidates, token, layer)
        node = candidates[token]
        plan.results = [(node, recorder.nodes[node].cumulative_logprob)]
        if token in plan.eos or step == plan.new_tokens - 1:
            return
        fed = torch.tensor([token], device=ids.device)
        ids = torch.cat([ids, fed[:, None]], dim=1)
        outputs = yield Feed(fed, torch.zeros_like(fed))


def _explain(recorder: Recorder, candidates: dict[int, int], chosen: int, layer: int) -> None:
    """Say of every candidate why it was taken or not."""
    more = f", with {', '.join(recorder.names[1:])}" if recorder.names[1:] else ""
    for token, identity in candidates.items():
        node = recorder.nodes[identity]
        own = percent(math.exp(node.logprob_raw))
        if token == chosen:
            recorder.update(
                identity, "chosen", f"Gained most over layer {layer}{more}: {own} of the last layer."
            )
        elif node.stages[0] == -math.inf:
            reason = f"dola_layers: {own} is under a tenth of the likeliest token's."
            recorder.update(identity, "filtered", reason)
        elif node.status != "filtered":
            recorder.update(
                identity, "pruned", f"Gained less over layer {layer}{more} than the chosen token."
            )


def candidate_layers(choice: str | list[int], last: int, tied: bool) -> list[int]:
    """The candidates: every second layer of the lower or the higher half, within 20 layers of the ends.

    With tied embeddings the lowest layers are left out, because layer 0 would only repeat the input token.

    Args:
        choice: "low", "high" or layer numbers.
        last: number of layers of the model.
        tied: whether the output head is the input embedding.
    """
    if isinstance(choice, list):
        return [layer for layer in choice if layer < last]
    start = 0 if not tied else (2 if last > 2 else (1 if last == 2 else 0))
    if choice == "low":
        return list(range(start, last // 2 if last <= 40 else 20, 2))
    return list(range(last // 2 if last <= 40 else last - 20, last, 2))


def contrast(final: torch.Tensor, early: dict[int, torch.Tensor]) -> tuple[torch.Tensor, int]:
    """Contrast the last layer with the candidate that differs most.

    Args:
        final: [1, V] logits of the last layer.
        early: layer → [1, V] logits.

    Returns:
        [1, V] scores, −inf where the last layer gives under a tenth of its best, and the layer chosen.
    """
    mature = torch.log_softmax(final, dim=-1)

    def divergence(layer: int) -> float:
        premature = torch.log_softmax(early[layer], dim=-1)
        middle = torch.log((mature.exp() + premature.exp()) / 2)
        both = (mature.exp() * (mature - middle)).sum() + (premature.exp() * (premature - middle)).sum()
        return float(both / 2)

    layer = next(iter(early)) if len(early) == 1 else max(early, key=divergence)
    premature = torch.log_softmax(early[layer], dim=-1)
    floor = mature.max() + math.log(0.1)
    return torch.where(mature < floor, torch.full_like(mature, -torch.inf), mature - premature), layer
