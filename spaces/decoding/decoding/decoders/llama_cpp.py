"""llama.cpp's chain: one token at every step, drawn from what its samplers leave."""

from __future__ import annotations

import torch

from decoding.decoders.choice import explain
from decoding.decoders.plan import Decoder, Feed, Outputs, Plan
from decoding.llama_cpp import chain
from decoding.record import Scored


def steps(plan: Plan, outputs: Outputs) -> Decoder:
    """Draw a token from what the chain leaves.

    The draws are those of torch from the run's seed. llama.cpp has another generator: the distributions are
    its own, the text of a seed is not.
    """
    recorder, node, dialect = plan.recorder, plan.recorder.root, plan.dialect
    assert dialect is not None
    settings, logits = dialect.settings, outputs.logits
    generator = torch.Generator(device=logits.device).manual_seed(plan.seed)
    tokens: list[int] = plan.context[0].tolist()
    taken: list[float] = []
    for step in range(plan.new_tokens):
        chance = 0.0
        if "xtc" in settings.stages():
            chance = float(torch.rand(1, generator=generator, device=logits.device))
            dialect.memories.setdefault(node, {})["chance"] = round(chance, 7)
        memory = chain.Memory(tokens, dialect.know(tokens), chance, tuple(taken))
        after = chain.run(logits[0], settings, memory)
        stages = tuple(one.logits.float()[None] for one in after)
        scores = stages[-1] if stages else logits
        raw = torch.log_softmax(logits, dim=-1)
        scored = Scored(raw, stages, scores, torch.log_softmax(scores, dim=-1) if stages else raw, True)
        token = int(torch.multinomial(torch.softmax(scores, dim=-1), 1, generator=generator))
        kept = chain.remembered(token, settings, logits[0], after)
        if kept is not None:
            taken.append(kept)
            dialect.memories.setdefault(node, {})["taken"] = round(kept, 7)
        candidates = recorder.candidates([node], scored, [[token]])[0]
        recorder.summarise_now(node, raw[0], raw[0], _named(tokens, settings), _log_sum(logits))
        explain(plan, scored, 0, candidates, [token])
        node = candidates[token]
        tokens.append(token)
        plan.results = [(node, recorder.nodes[node].cumulative_logprob)]
        if token in plan.eos or step == plan.new_tokens - 1:
            dialect.know(tokens)
            return
        fed = torch.tensor([token], device=logits.device)
        outputs = yield Feed(fed, torch.zeros_like(fed))
        logits = outputs.logits


def _log_sum(logits: torch.Tensor) -> float:
    return float(torch.logsumexp(logits[0].double(), dim=-1))


def _named(tokens: list[int], settings: chain.Settings) -> list[int]:
    """Tokens that a penalty may lower, which the picture has to know by name."""
    stages = settings.stages()
    last = settings.repeat_last_n if "penalties" in stages else 0
    if "dry" in stages:
        last = max(last, settings.dry_penalty_last_n)
    return list(dict.fromkeys(tokens[-last:] if last else []))
