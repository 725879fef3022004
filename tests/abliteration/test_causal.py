"""The causal direction: central differences of the score when the stream is moved, padding and all."""

from __future__ import annotations

import pytest
import torch

from abliteration import causal
from abliteration.architecture import inspect
from abliteration.scale import Scale
from shared.errors import VisitorError
from shared.rules import Rule
from tests.abliteration.conftest import WIDTH, logits, prompts
from tests.abliteration.links import COOKING, OTHER

SETS = {"positive": COOKING, "negative": OTHER}
OPENS, PAIR = (5, 9), ((4, 7, 8), (11, 6))


def score(model, ids, scale):
    """Log-odds of the opening tokens, or how much likelier one answer is than the other."""
    if scale.tokens:
        chance = logits(model, ids)[-1].softmax(-1)[list(scale.tokens)].sum()
        return float(chance.log() - (1 - chance).log())
    found = []
    for answer in scale.pair:
        log_p = logits(model, [*ids, *answer]).log_softmax(-1)[len(ids) - 1 : -1]
        found.append(float(log_p[torch.arange(len(answer)), list(answer)].sum()))
    return found[0] - found[1]


def moved(model, block, at, step, ask):
    """What is asked while a step is added behind a block at one token."""

    def hook(_, __, output):
        hidden = output[0] if isinstance(output, tuple) else output
        more = torch.zeros_like(hidden)
        more[:, at] = step
        return (hidden + more, *output[1:]) if isinstance(output, tuple) else hidden + more

    handle = model.get_submodule(block).register_forward_hook(hook)
    try:
        return ask()
    finally:
        handle.remove()


@pytest.mark.parametrize(("name", "kind"), [("llama", "opens"), ("gpt2", "pair"), ("gemma2", "opens")])
def test_it_is_the_gradient_of_the_score(tiny, name, kind):
    model, sides = tiny(name), prompts(3, seed=7)
    anatomy = inspect(model)
    scale = Scale(None, Rule("refuses"), **({"tokens": OPENS} if kind == "opens" else {"pair": PAIR}))
    rows = causal.rows(model, anatomy, scale, sides).double()
    assert rows.shape == (anatomy.layers, WIDTH) and torch.allclose(rows.norm(dim=1), torch.ones(3).double())
    for layer, block in enumerate(anatomy.blocks):
        slopes = []
        for step in 1e-3 * torch.eye(WIDTH).double():
            slopes.append(
                sum(
                    sign
                    * moved(model, block, len(ids) - 1, sign * step, lambda ids=ids: score(model, ids, scale))
                    for ids in sides
                    for sign in (1, -1)
                )
            )
        numeric = torch.tensor(slopes).double()
        assert float(rows[layer] @ numeric / numeric.norm()) > 0.9999, (layer, block)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_score_without_a_gradient_is_refused(tiny):
    model = tiny("llama")
    with pytest.raises(VisitorError, match="no gradient"):
        causal.rows(model, inspect(model), Scale(None, Rule("matches", "x")), prompts())
