"""The decoding strategies, each a generator that is sent the model's outputs and yields the tokens to feed
next.

A strategy never calls the model. It yields a `Feed` (one token for each of its rows, and which of its earlier
rows each continues) and receives `Outputs` for exactly these rows. The engine can therefore run all
strategies in one batch, and what is here reads as the algorithm does in its paper.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import torch

from decoding.record import Recorder, Scored, Stage, base_logprobs, percent, score
from decoding.request import Strategy

UNREACHABLE = -1.0e9
"""The score that transformers gives to beams that do not exist yet and to texts that cannot be results."""


@dataclass(frozen=True)
class Feed:
    """Tokens to feed next, [n] int64, and for each the row of the last `Outputs` that it continues, [n]
    int64.
    """

    tokens: torch.Tensor
    rows: torch.Tensor


@dataclass(frozen=True)
class Outputs:
    """What the model says after the fed tokens: logits [n, V] float32, and hidden states where the strategy
    needs them.

    `hidden` is a tuple over layers (embeddings first) of [n, T, d]; T is the prompt's length at first and 1
    afterwards.
    """

    logits: torch.Tensor
    hidden: tuple[torch.Tensor, ...] | None


@dataclass
class Plan:
    """A strategy made ready: everything it needs beside the model's outputs, and where it leaves its
    results.
    """

    strategy: Strategy
    stages: tuple[Stage, ...]
    settings: dict[str, Any]
    """The prepared GenerationConfig's values, the model's own defaults included."""
    context: torch.Tensor  # [1, P] prompt, and the prefix of a branch
    new_tokens: int
    eos: tuple[int, ...]
    pad: int
    seed: int
    recorder: Recorder
    root: int = 0
    """The node that decoding starts from."""
    results: list[tuple[int, float]] = field(default_factory=list)
    """Leaf node and score of every returned text so far, best first."""


Decoder = Generator[Feed, Outputs, None]


def start(plan: Plan, outputs: Outputs, head: torch.nn.Module) -> Decoder:
    """The decoder of a plan, given the model's outputs at the end of its context."""
    kind = plan.strategy.kind
    if kind in ("greedy", "sample"):
        return choose(plan, outputs)
    if kind in ("beam", "beam_sample", "group_beam"):
        return beams(plan, outputs)
    if kind == "contrastive":
        return contrastive(plan, outputs)
    return dola(plan, outputs, head)


def choose(plan: Plan, outputs: Outputs) -> Decoder:
    """Greedy search and sampling: one token for each row at every step."""
    drawn = plan.strategy.kind == "sample"
    rows = int(plan.settings.get("num_return_sequences") or 1)
    generator = torch.Generator(device=plan.context.device).manual_seed(plan.seed)
    nodes, alive = [plan.root] * rows, [True] * rows
    ids = plan.context.expand(rows, -1)
    logits = outputs.logits.expand(rows, -1)
    for step in range(plan.new_tokens):
        scored = score(logits, ids, plan.stages, plain=False)
        if drawn:
            chosen = torch.multinomial(torch.softmax(scored.scores, dim=-1), 1, generator=generator)[:, 0]
        else:
            chosen = torch.argmax(scored.scores, dim=-1)
        tokens = chosen.tolist()
        nodes = _record_choice(plan, scored, nodes, alive, tokens, drawn)
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
        outputs = yield Feed(
            fed,
            torch.arange(rows, device=ids.device)
            if step
            else torch.zeros(rows, dtype=torch.long, device=ids.device),
        )
        logits = outputs.logits


def _record_choice(
    plan: Plan, scored: Scored, nodes: list[int], alive: list[bool], tokens: list[int], drawn: bool
) -> list[int]:
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
    made = recorder.candidates(parents, scored, [together[node] for node in nodes])
    children: dict[int, dict[int, int]] = {}
    for row, parent in enumerate(parents):
        if parent < 0:
            continue
        children[parent] = made[row]
        if parent not in recorder.distributions:
            recorder.summarise_now(parent, scored.raw[row], base_logprobs(scored, recorder.warpers, row))
        _explain_choice(plan, scored, row, made[row], together[parent], drawn)
    return [
        children[node][token] if living else node
        for node, token, living in zip(nodes, tokens, alive, strict=True)
    ]


def _explain_choice(
    plan: Plan, scored: Scored, row: int, made: dict[int, int], taken: list[int], drawn: bool
) -> None:
    recorder = plan.recorder
    recorder.explain_filters(made, row, scored, plan.settings)
    best = recorder.nodes[made[taken[0]]]
    for token, identity in made.items():
        node = recorder.nodes[identity]
        if node.status == "filtered":
            continue
        own = math.exp(node.logprob_processed)
        if token in taken:
            times = taken.count(token)
            reason = (
                f"Drawn with {percent(own)}" + (f" by {times} samples." if times > 1 else ".")
                if drawn
                else f"The likeliest token, {percent(own)}."
            )
            recorder.update(identity, "chosen", reason)
        elif drawn:
            recorder.update(
                identity, "kept", f"Stayed in the draw with {percent(own)}; the draw took another token."
            )
        else:
            recorder.update(
                identity,
                "pruned",
                f"{percent(own)} is less than {percent(math.exp(best.logprob_processed))}, the likeliest token's.",
            )


@dataclass
class _Group:
    """The state of one beam search: its running texts and its finished ones, as transformers keeps them."""

    nodes: list[int]
    scores: torch.Tensor  # [B] float32
    finished: torch.Tensor  # [B] float32, best first
    finished_nodes: list[int]
    improvable: bool = True
    open: bool = True


def beams(plan: Plan, outputs: Outputs) -> Decoder:
    """Beam search, beam sampling and diverse beam search.

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
            _Group([plan.root] * size, scores, torch.full((size,), UNREACHABLE, device=device), [-1] * size)
        )
    ids = plan.context.expand(count, -1)
    logits = outputs.logits.expand(count, -1)
    for length in range(1, plan.new_tokens + 1):
        scored = score(logits, ids, plan.stages, plain=True)
        taken: list[int] = []
        rows, tokens = [], []
        for place, state in enumerate(states):
            part = slice(place * size, (place + 1) * size)
            kept_rows, kept_tokens = _advance(plan, state, scored, part, taken, length, generator)
            rows += [place * size + row for row in kept_rows]
            tokens += kept_tokens
            taken += kept_tokens
        plan.recorder.forget_all_but(
            [node for state in states for node in (*state.nodes, *state.finished_nodes) if node >= 0]
        )
        _collect(plan, states)
        if not any(state.open for state in states) or length == plan.new_tokens:
            break
        chosen = torch.tensor(tokens, device=device)
        parents = torch.tensor(rows, device=device)
        ids = torch.cat([ids[parents], chosen[:, None]], dim=1)
        outputs = yield Feed(chosen, parents if length > 1 else torch.zeros_like(parents))
        logits = outputs.logits
    plan.recorder.summarise([node for node, _ in plan.results])


def _advance(
    plan: Plan,
    state: _Group,
    scored: Scored,
    part: slice,
    taken: list[int],
    length: int,
    generator: torch.Generator,
) -> tuple[list[int], list[int]]:
    """One step of one group: rank its candidates, finish, keep, prune. Returns the kept rows and their
    tokens.
    """
    size = len(state.nodes)
    values = scored.processed[part]
    if taken:
        penalty = torch.bincount(torch.tensor(taken, device=values.device), minlength=values.shape[1]).to(
            values.dtype
        )
        values = values - float(plan.strategy.config["diversity_penalty"]) * penalty
    vocabulary = values.shape[1]
    total = (values + state.scores[:, None]).reshape(-1)
    wanted = max(2, 1 + len(plan.eos)) * size
    if "sample" in plan.strategy.kind:
        index = torch.multinomial(torch.softmax(total, dim=-1), wanted, generator=generator)
        best = total[index]
    else:
        best, index = torch.topk(total, wanted)
    rows, tokens = (index // vocabulary).tolist(), (index % vocabulary).tolist()
    hits = [token in plan.eos or length == plan.new_tokens for token in tokens]
    hit = torch.tensor(hits, device=values.device)

    running = best + hit.float() * UNREACHABLE
    keep = torch.topk(running, size).indices
    if length == plan.new_tokens:  # nothing goes on; later groups are told of the best tokens
        keep = torch.arange(size, device=values.device)
    penalty_exponent = _length_penalty(plan)
    final = best / (length**penalty_exponent)
    early = plan.settings.get("early_stopping")
    full = bool((state.finished > UNREACHABLE / 2).all()) and early is True
    final = final + UNREACHABLE * (float(full) + float(not state.improvable))
    counts = hit & (torch.arange(wanted, device=values.device) < size)
    final = final + (~counts) * UNREACHABLE
    merged = torch.cat([state.finished, final])
    winners = torch.topk(merged, size).indices.tolist()
    accepted = {place - size for place in winners if place >= size and counts[place - size]}

    nodes = _record_beams(
        plan, state, scored, part, values, rows, tokens, best.tolist(), keep.tolist(), hits, accepted, length
    )
    before = list(state.finished_nodes)
    state.finished_nodes = [
        (before[place] if place < size else (nodes[place - size] if place - size in accepted else -1))
        for place in winners
    ]
    state.finished = torch.where(
        torch.tensor([node >= 0 for node in state.finished_nodes], device=values.device),
        merged[winners],
        torch.full_like(merged[winners], UNREACHABLE),
    )
    kept = keep.tolist()
    state.nodes, state.scores = [nodes[place] for place in kept], running[keep]
    _check_stop(plan, state, length, early, penalty_exponent, all(hits))
    return [rows[place] for place in kept], [tokens[place] for place in kept]


def _length_penalty(plan: Plan) -> float:
    value = plan.settings.get("length_penalty")
    return 1.0 if value is None else float(value)


def _check_stop(plan: Plan, state: _Group, length: int, early: Any, exponent: float, all_hit: bool) -> None:
    """Transformers' rule: stop when no running text can still beat the worst result, or all results are
    in.
    """
    reach = plan.new_tokens if early == "never" and exponent > 0 else length
    hopeful = float(state.scores[0]) / reach**exponent
    done = [node >= 0 for node in state.finished_nodes]
    worst = float(state.finished.min())
    state.improvable = state.improvable and any(
        hopeful > (worst if finished else UNREACHABLE) for finished in done
    )
    state.open = state.improvable and not (all(done) and early is True) and not all_hit


def _record_beams(
    plan: Plan,
    state: _Group,
    scored: Scored,
    part: slice,
    values: torch.Tensor,
    rows: list[int],
    tokens: list[int],
    totals: list[float],
    keep: list[int],
    hits: list[bool],
    accepted: set[int],
    length: int,
) -> list[int]:
    """Nodes for a group's candidates, with rank, fate and reason; returns the node of every candidate."""
    recorder, size = plan.recorder, len(state.nodes)
    real = [float(value) > UNREACHABLE / 2 for value in state.scores.tolist()]
    parents = [node if exists else -1 for node, exists in zip(state.nodes, real, strict=True)]
    extra: list[list[int]] = [[] for _ in range(size)]
    for row, token in zip(rows, tokens, strict=True):
        extra[row].append(token)
    view = Scored(
        scored.raw[part],
        tuple(stage[part] for stage in scored.stages),
        scored.scores[part],
        values,
        normalised=False,
    )
    made = recorder.candidates(parents, view, extra, likeliest=2)
    for row, parent in enumerate(parents):
        if parent >= 0:
            recorder.explain_filters(made[row], row, view, plan.settings)
            recorder.keep(parent, view.raw[row], base_logprobs(view, recorder.warpers, row))
    nodes = [made[row].get(token, -1) if real[row] else -1 for row, token in zip(rows, tokens, strict=True)]
    drawn = "sample" in plan.strategy.kind
    last = min((totals[place] for place in keep), default=0.0)
    kept = set(keep)
    for place, node in enumerate(nodes):
        if node < 0:
            continue
        status, reason = _beam_fate(
            place,
            totals[place],
            last,
            size,
            len(nodes),
            hits[place],
            place in accepted,
            place in kept,
            drawn,
            length,
            plan,
        )
        if recorder.nodes[node].status != "filtered":
            recorder.update(node, status, reason, place + 1)
    ranked = {node for node in nodes if node >= 0}
    for row in range(size):
        for node in made[row].values():
            if node not in ranked and recorder.nodes[node].status != "filtered":
                recorder.update(
                    node, "pruned", f"Not among the {len(nodes)} best continuations of all beams."
                )
    for node in set(parents):
        if node > plan.root and not any(
            recorder.nodes[n].status in ("kept", "finished") for n in made[parents.index(node)].values()
        ):
            reason = recorder.nodes[node].reason
            recorder.update(
                node,
                recorder.nodes[node].status,
                f"{reason} Died at the next step: no continuation of it was kept.",
                recorder.nodes[node].rank,
            )
    return nodes


def _beam_fate(
    place: int,
    total: float,
    last: float,
    size: int,
    count: int,
    hit: bool,
    accepted: bool,
    kept: bool,
    drawn: bool,
    length: int,
    plan: Plan,
) -> tuple[str, str]:
    rank = f"{'Draw' if drawn else 'Rank'} {place + 1} of {count}"
    if hit:
        ending = "reached max_new_tokens" if length == plan.new_tokens else "ended the text"
        if accepted:
            return "finished", f"{rank}: {ending} with score {total / length ** _length_penalty(plan):.3f}."
        if place >= size:
            return "pruned", f"{rank}: {ending}, but only one of the first {size} may finish."
        return (
            "pruned",
            f"{rank}: {ending} with score {total / length ** _length_penalty(plan):.3f}, below the {size} results kept.",
        )
    if kept:
        return "kept", f"{rank}: goes on with {total:.3f}."
    return (
        "pruned",
        f"{rank}: {total:.3f} is below {last:.3f}, the last of {size} beams kept."
        if not drawn
        else f"{rank}: {total:.3f}, below the {size} kept.",
    )


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
        (node, plan.recorder.nodes[node].score)
        for state in states
        for node, value in zip(state.nodes, state.scores.tolist(), strict=True)
        if node >= 0 and value > UNREACHABLE / 2
    ]
    finished.sort(key=lambda result: -result[1])
    plan.results = (finished if finished and not any(state.open for state in states) else finished + running)[
        :wanted
    ]


def contrastive(plan: Plan, outputs: Outputs) -> Decoder:
    """Contrastive search (Su et al. 2022): a likely token whose hidden state differs from those before it.

    Each of the `top_k` likeliest tokens v scores (1 − α) p(v) − α max cos(h_v, h_j) over the last hidden
    states h_j of all tokens before it; the forward pass of a step carries all candidates as rows, and the
    chosen row goes on.
    """
    alpha, count = float(plan.strategy.config["penalty_alpha"]), int(plan.strategy.config.get("top_k", 50))
    recorder, node, ids = plan.recorder, plan.root, plan.context
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
        made = recorder.candidates([node], scored, [listed])[0]
        recorder.summarise_now(node, scored.raw[0], base_logprobs(scored, recorder.warpers, 0))
        recorder.explain_filters(made, 0, scored, plan.settings)
        _explain_contrast(
            recorder, made, listed, probabilities.tolist(), similarity.tolist(), values.tolist(), alpha, row
        )
        node = made[listed[row]]
        plan.results = [(node, recorder.nodes[node].cumulative_logprob)]
        if listed[row] in plan.eos or step == plan.new_tokens - 1:
            return
        ids = torch.cat([ids, tokens[row : row + 1, None]], dim=1)
        before = torch.cat([before, states[row : row + 1]])
        logits = outputs.logits[row : row + 1]


def _explain_contrast(
    recorder: Recorder,
    made: dict[int, int],
    listed: list[int],
    p: list[float],
    similarity: list[float],
    values: list[float],
    alpha: float,
    row: int,
) -> None:
    for token, identity in made.items():
        if recorder.nodes[identity].status == "filtered":
            continue
        if token not in listed:
            recorder.update(identity, "pruned", f"Not among the {len(listed)} candidates.")
            continue
        place = listed.index(token)
        sum_ = f"{1 - alpha:g} × {percent(p[place])} − {alpha:g} × similarity {similarity[place]:.3f} = {values[place]:.3f}"
        if place == row:
            recorder.update(identity, "chosen", f"{sum_}, the highest of {len(listed)}.", place + 1)
        else:
            recorder.update(identity, "pruned", f"{sum_}, below {values[row]:.3f}.", place + 1)


def dola(plan: Plan, outputs: Outputs, head: torch.nn.Module) -> Decoder:
    """DoLa (Chuang et al. 2023): the last layer's log-probabilities minus an earlier layer's.

    The earlier layer is the candidate with the largest Jensen–Shannon divergence from the last. Tokens with
    less than a tenth of the likeliest token's probability are removed.
    """
    recorder, node, ids = plan.recorder, plan.root, plan.context
    layers = dola_layers(
        plan.strategy.config["dola_layers"],
        len(outputs.hidden or ()) - 1,
        bool(plan.settings.get("tie_word_embeddings")),
    )
    for step in range(plan.new_tokens):
        assert outputs.hidden is not None
        early = {layer: head(outputs.hidden[layer][:, -1]).float() for layer in layers}
        contrasted, layer = contrast_layers(outputs.logits, early)
        raw = torch.log_softmax(outputs.logits, dim=-1)
        inner = score(contrasted, ids, plan.stages, plain=False)
        scored = Scored(raw, (contrasted, *inner.stages), inner.scores, inner.processed, normalised=True)
        token = int(inner.scores.argmax())
        made = recorder.candidates([node], scored, [[token]])[0]
        recorder.summarise_now(node, raw[0], raw[0])
        recorder.explain_filters(made, 0, scored, plan.settings)
        for candidate, identity in made.items():
            entry = recorder.nodes[identity]
            if candidate == token:
                recorder.update(
                    identity,
                    "chosen",
                    f"Gained most over layer {layer}: {percent(math.exp(entry.logprob_raw))} of the last layer.",
                )
            elif entry.stages[0] == -math.inf:
                recorder.update(
                    identity,
                    "filtered",
                    f"dola_layers: {percent(math.exp(entry.logprob_raw))} is under a tenth of the likeliest token's.",
                )
            elif entry.status != "filtered":
                recorder.update(identity, "pruned", f"Gained less over layer {layer} than the chosen token.")
        node = made[token]
        plan.results = [(node, recorder.nodes[node].cumulative_logprob)]
        if token in plan.eos or step == plan.new_tokens - 1:
            return
        fed = torch.tensor([token], device=ids.device)
        ids = torch.cat([ids, fed[:, None]], dim=1)
        outputs = yield Feed(fed, torch.zeros_like(fed))


def dola_layers(choice: str | list[int], last: int, tied: bool) -> list[int]:
    """The candidate layers: every second one of the lower or the higher half, within 20 layers of the ends.

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


def contrast_layers(final: torch.Tensor, early: dict[int, torch.Tensor]) -> tuple[torch.Tensor, int]:
    """Contrast the last layer with the candidate that differs most.

    Args:
        final: [1, V] logits of the last layer.
        early: layer → [1, V] logits.

    Returns:
        [1, V] scores, −inf where the last layer gives under a tenth of its best, and the layer chosen.
    """
    mature = torch.log_softmax(final, dim=-1)

    def divergence(logits: torch.Tensor) -> float:
        premature = torch.log_softmax(logits, dim=-1)
        middle = torch.log((mature.exp() + premature.exp()) / 2)
        return float(
            ((mature.exp() * (mature - middle)).sum() + (premature.exp() * (premature - middle)).sum()) / 2
        )

    layer = (
        next(iter(early))
        if len(early) == 1
        else max(early, key=lambda candidate: divergence(early[candidate]))
    )
    premature = torch.log_softmax(early[layer], dim=-1)
    floor = mature.max() + math.log(0.1)
    return torch.where(mature < floor, torch.full_like(mature, -torch.inf), mature - premature), layer
