"""How each kind of strategy decodes: a generator, `steps`, that is sent the model's outputs and yields the
tokens to feed next.

It never calls the model. It yields a `Feed` (one token for each of its rows, and which of its earlier rows
each continues) and receives `Outputs` for exactly these rows. The engine can therefore run all strategies in
one batch, and each module here reads as the algorithm does in its paper.
"""

from __future__ import annotations

from decoding.decoders import beams, choice, contrastive, dola, llama_cpp
from decoding.decoders.dola import Head
from decoding.decoders.plan import Decoder, Outputs, Plan


def start(plan: Plan, outputs: Outputs, head: Head) -> Decoder:
    """The decoder of a plan.

    Args:
        plan: the strategy made ready.
        outputs: the model's at the end of the plan's context.
        head: see `dola.early_head`.
    """
    if plan.strategy.has_beams:
        return beams.steps(plan, outputs)
    if plan.strategy.kind == "contrastive":
        return contrastive.steps(plan, outputs)
    if plan.strategy.kind == "dola":
        return dola.steps(plan, outputs, head)
    if plan.strategy.kind == "llama_cpp":
        return llama_cpp.steps(plan, outputs)
    return choice.steps(plan, outputs)
