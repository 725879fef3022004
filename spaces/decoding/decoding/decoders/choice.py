"""Greedy search and sampling: one token for each row at every step."""

from __future__ import annotations

import math

import torch

from decoding.data import Status
from decoding.decoders.plan import Decoder, Feed, Outputs, Plan
from decoding.reasons import less, percent
from decoding.record import Scored, base_logprobs, score


def steps(plan: Plan, outputs: Outputs) -> Decoder:
    """Take the likeliest token, or draw one, for every row at every step."""
    rows = int(plan.settings.get("num_return_sequences") or 1)
    generator = torch.Generator(device=plan.context.device).manual_seed(plan.seed)
    nodes, alive = [plan.recorder.root] * rows, [True] * rows
    ids = plan.context.expand(rows, -1)
    logits = outputs.logits.expand(rows, -1)
    for step in range(plan.new_tokens):
        scored = score(logits, ids, plan.stages, plain=False)
        scores, alive = _without_stuck(plan, scored.scores, nodes, alive)
        if not any(alive):
            return
        if plan.strategy.draws:
            chosen = torch.multinomial(torch.softmax(scores, dim=-1), 1, generator=generator)[:, 0]
        else:
            chosen = torch.argmax(scores, dim=-1)
        tokens = chosen.tolist()
        nodes = _record(plan, scored, nodes, alive, tokens)
        alive = [living and token not in plan.eos for living, token in zip(alive, tokens, strict=True)]
        plan.results = [(node, plan.recorder.nodes[node].cumulative_logprob) for node in nodes]
        if not any(alive) or step == plan.new_tokens - 1:
            return
        # Finished rows stay in the batch, fed with padding, because each draw takes random numbers for every
        # row.
        fed = torch.tensor(
            [token if living else plan.pad for token, living in zip(tokens, alive, strict=True)],
            device=ids.device,
        )
        ids = torch.cat([ids, fed[:, None]], dim=1)
        before = torch.arange(rows, device=ids.device) if step else fed.new_zeros(rows)
        outputs = yield Feed(fed, before)
        logits = outputs.logits


def _without_stuck(
    plan: Plan, scores: torch.Tensor, nodes: list[int], alive: list[bool]
) -> tuple[torch.Tensor, list[bool]]:
    """End the rows in which no token is left, where `generate` would fail or take any: their scores become
    equal, so that the others' draws stay as they are.
    """
    if plan.constraint is None:
        return scores, alive
    stuck = ~torch.isfinite(scores).any(dim=-1)
    if not bool(stuck.any()):
        return scores, alive
    for node, living, ends in zip(nodes, alive, stuck.tolist(), strict=True):
        if living and ends:
            plan.end_at(node)
    still = [one and not ends for one, ends in zip(alive, stuck.tolist(), strict=True)]
    return scores.masked_fill(stuck[:, None], 0.0), still


def _record(plan: Plan, scored: Scored, nodes: list[int], alive: list[bool], tokens: list[int]) -> list[int]:
    """Record a step's candidates; returns the node that each row is at now."""
    recorder = plan.recorder
    seen: set[int] = set()
    parents = []
    for node, living in zip(nodes, alive, strict=True):  # samples that still share a text share its nodes
        parents.append(node if living and node not in seen else -1)
        seen.add(node)
    together = {
        node: [t for n, t, living in zip(nodes, tokens, alive, strict=True) if n == node and living]
        for node in set(nodes)
    }
    candidates = recorder.candidates(parents, scored, [together[node] for node in nodes])
    children: dict[int, dict[int, int]] = {}
    for row, parent in enumerate(parents):
        if parent < 0:
            continue
        children[parent] = candidates[row]
        if parent not in recorder.distributions:
            recorder.summarise_now(parent, scored.raw[row], base_logprobs(scored, recorder.warpers, row))
        explain(plan, scored, row, candidates[row], together[parent])
    return [
        children[node][token] if living else node
        for node, token, living in zip(nodes, tokens, alive, strict=True)
    ]


def explain(plan: Plan, scored: Scored, row: int, candidates: dict[int, int], taken: list[int]) -> None:
    """Say of every candidate after one row why it was taken or not; `taken` has a token for each sample."""
    recorder, drawn = plan.recorder, plan.strategy.draws
    recorder.explain_filters(candidates, row, scored, plan.settings)
    fate: tuple[Status, str]
    best = math.exp(recorder.nodes[candidates[taken[0]]].logprob_processed)
    after = f" after {recorder.names[-1]}" if recorder.names else ""
    for token, identity in candidates.items():
        node = recorder.nodes[identity]
        if node.status == "filtered":
            continue
        value = math.exp(node.logprob_processed)
        own = percent(value)
        if token not in taken:
            if drawn:
                fate = "kept", f"Stayed in the draw with {own}; the draw took another token."
            else:
                fate = "pruned", f"{less(value, best)}, the likeliest token's{after}."
        elif drawn:
            times = taken.count(token)
            fate = "chosen", f"Drawn with {own}" + (f" by {times} samples." if times > 1 else ".")
        else:
            fate = "chosen", f"The likeliest token{after}, {own}."
        recorder.update(identity, *fate)
