"""Contrastive search (Su et al. 2022): a likely token whose hidden state differs from those before it."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from decoding.decoders.plan import Decoder, Feed, Outputs, Plan
from decoding.reasons import below, percent
from decoding.record import Recorder, base_logprobs, score


def steps(plan: Plan, outputs: Outputs) -> Decoder:
    """Take, of the `top_k` likeliest tokens v, the one with the largest (1 − α) p(v) − α max cos(h_v, h_j)
    over the last hidden states h_j of all tokens before it.

    The forward pass of a step carries all candidates as rows, and the chosen row goes on.
    """
    alpha, count = float(plan.strategy.config["penalty_alpha"]), int(plan.strategy.config.get("top_k", 50))
    recorder, node, ids = plan.recorder, plan.recorder.root, plan.context
    assert outputs.hidden is not None
    before = torch.nn.functional.normalize(outputs.hidden[-1][0], dim=-1)  # [T, d]
    logits, row = outputs.logits, 0
    for step in range(plan.new_tokens):
        scored = score(logits, ids, plan.stages, plain=False)
        probabilities, tokens = torch.softmax(scored.scores, dim=-1)[0].topk(min(count, logits.shape[-1]))
        listed = tokens.tolist()
        outputs = yield Feed(tokens, torch.full_like(tokens, row))
        assert outputs.hidden is not None
        states = torch.nn.functional.normalize(outputs.hidden[-1][:, -1], dim=-1)  # [k, d]
        similarity = (states @ before.T).max(dim=-1).values
        values = (1 - alpha) * probabilities - alpha * similarity
        row = int(values.argmax())
        candidates = recorder.candidates([node], scored, [listed])[0]
        recorder.summarise_now(node, scored.raw[0], base_logprobs(scored, recorder.warpers, 0))
        recorder.explain_filters(candidates, 0, scored, plan.settings)
        contrast = _Contrast(alpha, listed, probabilities.tolist(), similarity.tolist(), values.tolist(), row)
        _explain(recorder, candidates, contrast)
        node = candidates[listed[row]]
        plan.results = [(node, recorder.nodes[node].cumulative_logprob)]
        if listed[row] in plan.eos or step == plan.new_tokens - 1:
            return
        ids = torch.cat([ids, tokens[row : row + 1, None]], dim=1)
        before = torch.cat([before, states[row : row + 1]])
        logits = outputs.logits[row : row + 1]


@dataclass(frozen=True)
class _Contrast:
    """A step's candidates, likeliest first, and what decided between them."""

    alpha: float
    tokens: list[int]
    probabilities: list[float]
    similarities: list[float]
    values: list[float]
    row: int  # of the token taken


def _explain(recorder: Recorder, candidates: dict[int, int], contrast: _Contrast) -> None:
    """Say of every candidate why it was taken or not."""
    alpha, best = contrast.alpha, contrast.values[contrast.row]
    for token, identity in candidates.items():
        if recorder.nodes[identity].status == "filtered":
            continue
        if token not in contrast.tokens:
            recorder.update(identity, "pruned", f"Not among the {len(contrast.tokens)} candidates.")
            continue
        place = contrast.tokens.index(token)
        similar, own = contrast.similarities[place], contrast.values[place]
        likely = percent(contrast.probabilities[place])
        formula = f"{1 - alpha:g} × {likely} − {alpha:g} × similarity {similar:.3f}"
        if place == contrast.row:
            reason = f"{formula} = {own:.3f}, the highest of {len(contrast.tokens)}."
            recorder.update(identity, "chosen", reason, place + 1)
        else:
            recorder.update(identity, "pruned", f"{formula} = {below(own, best)}, the highest.", place + 1)
