"""Beam search, beam sampling and diverse beam search, as transformers carries them out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch

from decoding.data import Status
from decoding.decoders.plan import Decoder, Feed, Outputs, Plan
from decoding.reasons import below
from decoding.record import Scored, base_logprobs, score

UNREACHABLE = -1.0e9
"""The score that transformers gives to beams that do not exist yet and to texts that cannot be results."""


@dataclass
class _Group:
    """The state of one beam search over B beams: its running texts and its finished ones, as transformers
    keeps them.
    """

    nodes: list[int]
    scores: torch.Tensor  # [B] float32
    finished: torch.Tensor  # [B] float32, best first
    finished_nodes: list[int]
    improvable: bool = True
    open: bool = True
    closing: str = ""
    """Why the search stopped, a sentence."""


@dataclass(frozen=True)
class _Candidates:
    """What a group's beams may become at a step, best first; where they are drawn, in the order of the
    draw.
    """

    rows: list[int]  # the beam that each continues
    tokens: list[int]
    totals: torch.Tensor  # [C] float32, log-probabilities added up
    ends: list[bool]  # whether the text ends with it


@dataclass(frozen=True)
class _Outcome:
    """Which candidates of a step go on, and which are among the results, by their places."""

    kept: list[int]
    accepted: set[int]
    length: int  # tokens so far, these included
    worst: float  # score of the worst result
    closed: str  # why no text may finish any more, "" while one may


def steps(plan: Plan, outputs: Outputs) -> Decoder:
    """Keep the `num_beams` best texts alive at every step.

    Diverse beam search (Vijayakumar et al. 2016) splits the beams into groups that search in turn; a group's
    scores for a token fall by `diversity_penalty` for every time the groups before it took that token at this
    step.
    """
    count = int(plan.settings.get("num_beams") or 1)
    groups = int(plan.strategy.config.get("num_beam_groups", 1))
    size = count // groups
    device = plan.context.device
    generator = torch.Generator(device=device).manual_seed(plan.seed)
    states = []
    for _ in range(groups):
        scores = torch.full((size,), UNREACHABLE, device=device)
        scores[0] = 0
        states.append(
            _Group(
                [plan.recorder.root] * size,
                scores,
                torch.full((size,), UNREACHABLE, device=device),
                [-1] * size,
            )
        )
    ids = plan.context.expand(count, -1)
    logits = outputs.logits.expand(count, -1)
    for length in range(1, plan.new_tokens + 1):
        scored = score(logits, ids, plan.stages, plain=True)
        rows: list[int] = []
        tokens: list[int] = []
        for place, state in enumerate(states):
            part = scored.part(place * size, (place + 1) * size)
            kept = _advance(plan, state, _diverse(plan, part, tokens), length, generator)
            rows += [place * size + row for row, _ in kept]
            tokens += [token for _, token in kept]
        plan.recorder.forget_all_but(
            [node for state in states for node in (*state.nodes, *state.finished_nodes) if node >= 0]
        )
        _collect(plan, states)
        if not plan.results and plan.constraint is not None:
            plan.end_at(plan.recorder.root)
        if not any(state.open for state in states) or length == plan.new_tokens:
            _explain_end(plan, states)
            break
        chosen = torch.tensor(tokens, device=device)
        parents = torch.tensor(rows, device=device)
        ids = torch.cat([ids[parents], chosen[:, None]], dim=1)
        outputs = yield Feed(chosen, parents if length > 1 else torch.zeros_like(parents))
        logits = outputs.logits
    plan.recorder.summarise([node for node, _ in plan.results])


def _diverse(plan: Plan, scored: Scored, taken: list[int]) -> Scored:
    """A group's distributions, lowered for the tokens that the groups before it took."""
    if not taken:
        return scored
    values = scored.processed
    times = torch.bincount(torch.tensor(taken, device=values.device), minlength=values.shape[1])
    penalty = float(plan.strategy.config["diversity_penalty"]) * times.to(values.dtype)
    return replace(scored, processed=values - penalty)


def _advance(
    plan: Plan, state: _Group, scored: Scored, length: int, generator: torch.Generator
) -> list[tuple[int, int]]:
    """One step of one group: rank its candidates, finish, keep, prune.

    Returns:
        The row that each kept text continues, and its token.
    """
    size, device = len(state.nodes), scored.processed.device
    candidates = _ranked(plan, state, scored, length, generator)
    hit = torch.tensor(candidates.ends, device=device)
    running = candidates.totals + hit.float() * UNREACHABLE
    keep = torch.topk(running, size).indices
    if length == plan.new_tokens:  # nothing goes on; later groups are told of the best tokens
        keep = torch.arange(size, device=device)

    early = plan.settings.get("early_stopping")
    full = bool((state.finished > UNREACHABLE / 2).all()) and early is True
    final = plan.recorder.score(candidates.totals, length)
    final = final + UNREACHABLE * (float(full) + float(not state.improvable))
    counts = hit & (torch.arange(len(hit), device=device) < size)
    final = final + (~counts) * UNREACHABLE
    merged = torch.cat([state.finished, final])
    winners = torch.topk(merged, size).indices.tolist()
    accepted = {place - size for place in winners if place >= size and counts[place - size]}

    closed = "early_stopping, and all results are in" if full else ""
    if not state.improvable:
        closed = "the search of these beams had ended"
    outcome = _Outcome(keep.tolist(), accepted, length, float(merged[winners].min()), closed)
    nodes = _record(plan, state, scored, candidates, outcome)
    before = list(state.finished_nodes)
    state.finished_nodes = [
        (before[place] if place < size else (nodes[place - size] if place - size in accepted else -1))
        for place in winners
    ]
    for node in before:
        if node >= 0 and node not in state.finished_nodes:
            known = plan.recorder.nodes[node]
            reason = f"{known.reason} {size} better results came after it."
            plan.recorder.update(node, known.status, reason, known.rank)
    state.finished = torch.where(
        torch.tensor([node >= 0 for node in state.finished_nodes], device=device),
        merged[winners],
        torch.full_like(merged[winners], UNREACHABLE),
    )
    state.nodes, state.scores = [nodes[place] for place in outcome.kept], running[keep]
    _check_stop(plan, state, length, early, all(candidates.ends))
    return [(candidates.rows[place], candidates.tokens[place]) for place in outcome.kept]


def _ranked(
    plan: Plan, state: _Group, scored: Scored, length: int, generator: torch.Generator
) -> _Candidates:
    """The candidates of a step: max(2, 1 + ends of text) for each beam, so that enough are left to go on
    where all others end.
    """
    vocabulary = scored.processed.shape[1]
    total = (scored.processed + state.scores[:, None]).reshape(-1)
    count = max(2, 1 + len(plan.eos)) * len(state.nodes)
    if plan.strategy.draws:
        index = torch.multinomial(torch.softmax(total, dim=-1), count, generator=generator)
        best = total[index]
    else:
        best, index = torch.topk(total, count)
    tokens = (index % vocabulary).tolist()
    ends = [token in plan.eos or length == plan.new_tokens for token in tokens]
    return _Candidates((index // vocabulary).tolist(), tokens, best, ends)


def _check_stop(plan: Plan, state: _Group, length: int, early: Any, all_end: bool) -> None:
    """Transformers' rule: stop when no running text can still beat the worst result, or all results are
    in.
    """
    exponent = plan.recorder.length_penalty or 0.0
    reach = plan.new_tokens if early == "never" and exponent > 0 else length
    hopeful = float(plan.recorder.score(state.scores[0], reach))
    done = [node >= 0 for node in state.finished_nodes]
    worst = float(state.finished.min())
    state.improvable = state.improvable and any(
        hopeful > (worst if finished else UNREACHABLE) for finished in done
    )
    state.open = state.improvable and not (all(done) and early is True) and not all_end
    if not state.improvable:
        state.closing = f"no running text could beat the results: {below(hopeful, worst)}, the worst of them"
    elif not state.open:
        state.closing = "early_stopping, and all results are in"


def _explain_end(plan: Plan, states: list[_Group]) -> None:
    """Say of the texts that were still running why they went no further."""
    for state in states:
        for node in state.nodes:
            known = plan.recorder.nodes[node]
            if node >= 0 and known.status == "kept":
                reason = f"{known.reason} The search stopped here: {state.closing}."
                plan.recorder.update(node, known.status, reason, known.rank)


def _record(
    plan: Plan, state: _Group, scored: Scored, candidates: _Candidates, outcome: _Outcome
) -> list[int]:
    """Nodes for a group's candidates, with rank, fate and reason; returns the node of every candidate, −1
    where its beam does not exist yet.
    """
    recorder = plan.recorder
    real = [value > UNREACHABLE / 2 for value in state.scores.tolist()]
    parents = [node if exists else -1 for node, exists in zip(state.nodes, real, strict=True)]
    named: list[list[int]] = [[] for _ in parents]
    for row, token in zip(candidates.rows, candidates.tokens, strict=True):
        named[row].append(token)
    children = recorder.candidates(parents, scored, named, likeliest=2)
    for row, parent in enumerate(parents):
        if parent >= 0:
            recorder.explain_filters(children[row], row, scored, plan.settings)
            recorder.keep(parent, scored.raw[row], base_logprobs(scored, recorder.warpers, row))
    nodes = [
        children[row].get(token, -1) if real[row] else -1
        for row, token in zip(candidates.rows, candidates.tokens, strict=True)
    ]
    fates = _fates(plan, len(state.nodes), candidates, outcome)
    for place, (node, (status, reason)) in enumerate(zip(nodes, fates, strict=True), 1):
        if node >= 0 and recorder.nodes[node].status != "filtered":
            recorder.update(node, status, reason, place)
    for tokens in children:
        for node in set(tokens.values()).difference(nodes):
            if recorder.nodes[node].status != "filtered":
                among = "draws" if plan.strategy.draws else "best continuations of these beams"
                reason = f"Not among the {len(nodes)} {among}."
                recorder.update(node, "pruned", reason)
    for parent, tokens in zip(parents, children, strict=True):
        if parent > plan.recorder.root and not any(
            recorder.nodes[node].status in ("kept", "finished") for node in tokens.values()
        ):
            dead = recorder.nodes[parent]
            reason = f"{dead.reason} Died at the next step: no continuation of it was kept."
            recorder.update(parent, dead.status, reason, dead.rank)
    return nodes


def _fates(plan: Plan, size: int, candidates: _Candidates, outcome: _Outcome) -> list[tuple[Status, str]]:
    """Status and reason of every candidate of a group of `size` beams; sums count a branch's own tokens, as
    those of the nodes do.
    """
    recorder, draws = plan.recorder, plan.strategy.draws
    before = recorder.nodes[recorder.root].cumulative_logprob
    totals, length = candidates.totals.tolist(), outcome.length
    last = min((totals[place] for place in outcome.kept), default=0.0)
    fates: list[tuple[Status, str]] = []
    fate: tuple[Status, str]
    for place, total in enumerate(totals):
        rank = f"{'Draw' if draws else 'Rank'} {place + 1} of {len(totals)}"
        ending = "ended the text" if candidates.tokens[place] in plan.eos else "reached max_new_tokens"
        value = float(recorder.score(total, length))
        if candidates.ends[place]:
            if place in outcome.accepted:
                fate = "finished", f"{rank}: {ending} with score {value:.3f}."
            elif place >= size:
                fate = (
                    "pruned",
                    f"{rank}: {ending}, but only {'draws' if draws else 'ranks'} 1 to {size} may finish.",
                )
            elif outcome.closed:
                fate = "pruned", f"{rank}: {ending} with score {value:.3f}, but {outcome.closed}."
            else:
                lost = below(value, outcome.worst)
                fate = "pruned", f"{rank}: {ending}; its score {lost}, the worst of {size} results."
        elif place in outcome.kept:
            fate = "kept", f"{rank}: goes on with {total + before:.3f}."
        else:
            lost = below(total + before, last + before)
            fate = "pruned", f"{rank}: {lost}, the last of {size} beams kept."
        fates.append(fate)
    return fates


def _collect(plan: Plan, states: list[_Group]) -> None:
    """Put the best results so far into the plan: finished texts, or running ones while none is finished."""
    wanted = int(plan.settings.get("num_return_sequences") or 1)
    finished = [
        (node, value)
        for state in states
        for node, value in zip(state.finished_nodes, state.finished.tolist(), strict=True)
        if node >= 0
    ]
    running = [
        (node, value)
        for state in states
        for node, value in zip(state.nodes, state.scores.tolist(), strict=True)
        if node >= 0 and value > UNREACHABLE / 2
    ]
    finished.sort(key=lambda result: -result[1])
    best = finished if finished and not any(state.open for state in states) else finished + running
    if not best and plan.constraint is not None:  # no token is left: the texts end where they stood
        for node, _ in plan.results:
            plan.end_at(node)
        return
    plan.results = [(node, plan.recorder.nodes[node].score) for node, _ in best[:wanted]]
