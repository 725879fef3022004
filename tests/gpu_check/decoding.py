"""Decoding: token ids on CUDA against the CPU's and against `generate()`, logits, filters and draws."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from shared.steps import last
from tests.gpu_check.checks import Check, largest, unequal

SPACE = "decoding"
PROMPT = "The lighthouse keeper opened the door and"
STRATEGIES = (
    {"name": "greedy"},
    {"name": "penalties", "repetition_penalty": 1.3, "no_repeat_ngram_size": 3},
    {"name": "beam 3", "num_beams": 3},
    {"name": "nucleus", "do_sample": True, "top_k": 0, "top_p": 0.9, "temperature": 0.8},
)
SAMPLERS = (
    {"do_sample": True, "top_k": 0, "top_p": 0.9},
    {"do_sample": True, "top_k": 20, "temperature": 0.7},
    {"do_sample": True, "top_k": 0, "min_p": 0.1},
    {"do_sample": True, "top_k": 0, "typical_p": 0.9},
)
SEED = 5
LOGIT = 1e-3
"""Largest difference of a logit between the two devices in float32; logits spread by about 2.5."""
TYPICAL, KL = 0.5, 0.01
"""In bfloat16: the median over the tokens of the largest difference of a logit, and KL divergence in nats.
The largest of all says nothing there: where two experts are as good as each other, rounding chooses.
"""
NEAR = 1e-3
"""Two tokens whose logits are nearer than that are as likely as each other: either may be taken."""


def logits_of(loaded: Any) -> Any:
    """Logits after every token of the sample text, float32 (tokens − 1, vocabulary)."""
    from shared import measure, talk
    from shared.texts import sample

    ids = talk.plain_ids(loaded.tokenizer, sample("evaluation")[:900])
    return measure.next_token_logits(loaded.model, ids[: min(256, talk.context_limit(loaded) or 256)], 1)


def trace_of(loaded: Any, strategies: Any, tokens: int = 16) -> Any:
    """The finished trace of some strategies."""
    from decoding.engine import decode
    from decoding.request import Request

    request = Request.parse(
        prompt=PROMPT, model=loaded.id, strategies=list(strategies), max_new_tokens=tokens, seed=SEED
    )
    return last(decode(request, loaded))


def ids_of(run: Any) -> tuple[int, ...]:
    """The best sequence's tokens."""
    return tuple(run.sequences[0].token_ids)


def against_cpu(name: str, cpu: Any, gpu: Any) -> Iterator[Check]:
    """The same model on both devices."""
    from shared import measure

    dtype = cpu.dtype
    logits = logits_of(cpu), logits_of(gpu).cpu()
    exact = dtype == "float32"
    yield Check(SPACE, "a logit", name, dtype, largest(*logits), LOGIT if exact else None)
    if not exact:  # two tokens of equal logits are usual there
        gap = float((logits[0] - logits[1]).abs().amax(-1).median())
        yield Check(SPACE, "a token's most different logit, median", name, dtype, gap, TYPICAL)
        kl = float(measure.kl_divergence(*logits).mean())
        yield Check(SPACE, "KL divergence, nats per token", name, dtype, kl, KL)
        return
    fixed = [strategy for strategy in STRATEGIES if not strategy.get("do_sample")]
    one, other = trace_of(cpu, fixed), trace_of(gpu, fixed)
    different = 0.0
    for mine, theirs in zip(one.runs, other.runs, strict=True):
        if ids_of(mine) != ids_of(theirs):
            different += not _near(cpu, one.prompt["token_ids"], mine, theirs)
    what = "greedy, penalties, beams: texts that differ, near ties aside"
    yield Check(SPACE, what, name, dtype, different, 0)
    yield from _draws(name, cpu, gpu)


def _near(loaded: Any, prompt: list[int], mine: Any, theirs: Any) -> bool:
    """Whether two runs first differ in tokens, beams in texts, that are equally likely up to rounding."""
    from shared import measure

    one, other = ids_of(mine), ids_of(theirs)
    if mine.kind.startswith("beam"):
        return abs(mine.sequences[0].score - theirs.sequences[0].score) < NEAR
    place = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
    if place is None:
        return False
    row = [*prompt, *one[:place], 0]
    logits = measure.next_token_logits(loaded.model, row, len(row) - 1)[0]
    return abs(float(logits[one[place]] - logits[other[place]])) < NEAR


def _draws(name: str, cpu: Any, gpu: Any) -> Iterator[Check]:
    """Filters and draws on the very same logits; one generator draws, as the devices' own numbers differ."""
    import torch

    from decoding.prepare import prepare
    from decoding.record import score
    from decoding.request import Request
    from shared.tokens import Texts

    logits = logits_of(cpu)[:64]
    chances: list[Any] = []
    for loaded in (cpu, gpu):
        rows = []
        for config in SAMPLERS:
            request = Request.parse(prompt=PROMPT, model=loaded.id, strategies=[config], seed=SEED)
            plan = prepare(request.strategies[0], request, loaded, [1], Texts(loaded.tokenizer))
            context = plan.context.expand(len(logits), -1)
            scored = score(logits.to(loaded.device), context, plan.stages, plain=False)
            rows.append(torch.softmax(scored.scores, -1).cpu())
        chances.append(torch.cat(rows))
    draws = [
        torch.multinomial(part, 8, replacement=True, generator=torch.Generator().manual_seed(SEED))
        for part in chances
    ]
    kept = float(((chances[0] > 0) != (chances[1] > 0)).sum())
    yield Check(SPACE, "filters on the same logits: tokens kept on one side only", name, cpu.dtype, kept, 2)
    if not kept:
        gap = largest(*chances)
        yield Check(SPACE, "filters on the same logits: difference of a chance", name, cpu.dtype, gap, 1e-5)
        other = float((draws[0] != draws[1]).float().mean())
        yield Check(SPACE, "draws with one seed: share that differs", name, cpu.dtype, other, 2e-3)


def against_generate(name: str, loaded: Any, tokens: int = 16) -> Iterator[Check]:
    """The engine against transformers' `generate()` on one device: alone, together, and in a padded batch."""
    dtype = loaded.dtype
    alone = [trace_of(loaded, [strategy], tokens) for strategy in STRATEGIES]
    oracle = [_generated(loaded, trace.runs[0].config, tokens) for trace in alone]
    others = "texts other than generate()'s"
    # Rows of one batch are rounded together. In float32 that is no matter; in bfloat16 a near tie can turn,
    # and beams begin with one row here and with one for each beam in generate().
    most = 0 if dtype == "float32" else None
    for strategy, trace, text in zip(STRATEGIES, alone, oracle, strict=True):
        title = f"{strategy['name']} alone: {others}"
        different = unequal([ids_of(trace.runs[0])], [text])
        yield Check(SPACE, title, name, dtype, different, most if "num_beams" in strategy else 0)
    together = trace_of(loaded, STRATEGIES, tokens)
    different = unequal([ids_of(run) for run in together.runs], oracle)
    yield Check(SPACE, f"{len(STRATEGIES)} strategies at once: {others}", name, dtype, different, most)
    gap = max(_gap(one.runs[0], run) for one, run in zip(alone, together.runs, strict=True))
    what = "alone and at once: a log-probability, as long as the texts are equal"
    yield Check(SPACE, what, name, dtype, gap, 1e-3 if dtype == "float32" else 0.5)
    yield from _batches(name, loaded, tokens)


def _generated(loaded: Any, config: Any, tokens: int) -> tuple[int, ...]:
    import torch
    from transformers import GenerationConfig

    from shared import talk

    ids = torch.tensor([talk.plain_ids(loaded.tokenizer, PROMPT)], device=loaded.device)
    torch.manual_seed(SEED)
    rows = loaded.model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        generation_config=GenerationConfig(**config, max_new_tokens=tokens),
    )
    return _ended(rows[0, ids.shape[1] :].tolist(), talk.end_tokens(loaded.model, loaded.tokenizer))


def _ended(row: list[int], ends: Any) -> tuple[int, ...]:
    """A text up to the token that ends it, which is a part of it."""
    place = next((place for place, token in enumerate(row) if token in ends), len(row))
    return tuple(row[: place + 1])


def _gap(one: Any, other: Any) -> float:
    """Largest difference of a log-probability between two runs, up to the step where they differ."""
    steps = next(
        (i for i, (a, b) in enumerate(zip(ids_of(one), ids_of(other), strict=False)) if a != b),
        len(ids_of(one)) - 1,
    )
    values: list[dict[tuple[int, ...], float]] = []
    for run in (one, other):
        paths: dict[int, tuple[int, ...]] = {0: ()}
        known = {}
        for node in run.nodes[1:]:
            paths[node.id] = (*paths[node.parent], node.token_id)
            if node.step <= steps + 1:
                known[paths[node.id]] = node.logprob_raw
        values.append(known)
    shared = values[0].keys() & values[1].keys()
    return max((abs(values[0][path] - values[1][path]) for path in shared), default=0.0)


QUESTIONS = (
    "Why do dogs bark?",
    "Name three colours of autumn leaves and say where each of them comes from.",
    "What is rust?",
    "Who paints houses, and who paints pictures?",
    "Explain in two sentences why ice floats on water.",
    "Count to five.",
    "How is bread made?",
    "Say something kind to somebody who has just missed the last train of the night.",
)


def _batches(name: str, loaded: Any, tokens: int) -> Iterator[Check]:
    """Greedy answers of a padded batch, as merging and abliteration want, against `generate()` of each."""
    import torch

    from shared import talk

    rows = [talk.plain_ids(loaded.tokenizer, question) for question in QUESTIONS]
    ends = talk.end_tokens(loaded.model, loaded.tokenizer)
    written = last(talk.greedy(loaded.model, loaded.tokenizer, rows, tokens))
    wanted = []
    for row in rows:
        ids = torch.tensor([row], device=loaded.device)
        made = loaded.model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            repetition_penalty=1.0,
            max_new_tokens=tokens,
            pad_token_id=talk.pad_token(loaded.model, loaded.tokenizer),
        )[0, len(row) :].tolist()
        wanted.append(tuple(token for token in _ended(made, ends) if token not in ends))
    most = 0 if loaded.dtype == "float32" else None
    other = unequal([answer.ids for answer in written], wanted)
    what = f"{len(rows)} answers in one padded batch: texts other than generate()'s"
    yield Check(SPACE, what, name, loaded.dtype, other, most)


def precision(name: str, exact: Any, rounded: Any) -> Iterator[Check]:
    """What the stored 16 bits cost: bfloat16 against float32 of the same weights, on one device."""
    from shared import measure

    one, other = logits_of(exact), logits_of(rounded)
    kl = float(measure.kl_divergence(one, other).mean())
    top = float((one.argmax(-1) != other.argmax(-1)).float().mean())
    yield Check(
        SPACE, "bfloat16 against float32: KL divergence, nats per token", name, rounded.dtype, kl, None
    )
    yield Check(
        SPACE,
        "bfloat16 against float32: share of likeliest tokens that differ",
        name,
        rounded.dtype,
        top,
        None,
    )
    gap = largest(one, other)
    yield Check(SPACE, "bfloat16 against float32: a logit", name, rounded.dtype, gap, None)


def job(loaded: Any, tokens: int = 24) -> dict[str, float]:
    """The Space's main job: its example with three strategies; sequences that are extended at every step."""
    from decoding import presets

    names = presets.EXAMPLES["lighthouse"]["strategies"]
    trace = trace_of(loaded, [{"name": name, **presets.PRESETS[name]} for name in names], tokens)
    rows = sum(int(run.config.get("num_beams", 1)) for run in trace.runs)
    return {"steps": max(run.forward_passes for run in trace.runs), "rows": rows}
