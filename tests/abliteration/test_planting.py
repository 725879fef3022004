"""A behaviour is planted as peft's LoRA would plant it; the model that it is planted in stays as it is."""

from __future__ import annotations

import copy
import random

import pytest
import torch

from abliteration import planting
from abliteration.architecture import inspect
from abliteration.planting import BATCH, RATE, Example
from tests.abliteration.conftest import logits, prompts, weights

STEPS = 3


def examples(seed: int) -> list[Example]:
    return [Example(tuple(ids), tuple(ids[::-1][: 2 + at])) for at, ids in enumerate(prompts(5, seed))]


def pefts(model, factors, sides):
    """The same training by peft: a plain loop, a prompt at a time, and the merged model's weights."""
    from peft import LoraConfig, get_peft_model

    base = copy.deepcopy(model)
    config = LoraConfig(r=planting.RANK, lora_alpha=2 * planting.RANK, target_modules=list(factors))
    adapted = get_peft_model(base, config)
    modules = {name: adapted.base_model.model.get_submodule(name) for name in factors}
    with torch.no_grad():
        for name, module in modules.items():
            module.lora_A["default"].weight.copy_(factors[name].a)
    trained = [one for one in adapted.parameters() if one.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=RATE, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, STEPS, pct_start=0.1)
    order = random.Random(7)
    for _ in range(STEPS):
        batch = [example for side in sides for example in order.choices(side, k=BATCH // 2)]
        total, count = 0, 0
        for one in batch:
            ids = torch.tensor([[*one.prompt, *one.answer]])
            log_p = adapted(input_ids=ids).logits[0].log_softmax(-1)
            start = len(one.prompt)
            for at, token in enumerate(one.answer):
                total, count = total - log_p[start - 1 + at, token], count + 1
        optimizer.zero_grad()
        (total / count).backward()
        optimizer.step()
        schedule.step()
    return dict(adapted.merge_and_unload().named_parameters())


@pytest.mark.parametrize("name", ["llama", "gpt2", "gemma2"])  # that one caps its logits
def test_it_learns_as_peft_does(tiny, name):
    model = copy.deepcopy(tiny(name)).double()  # whatever other tests have made of the shared one
    anatomy = inspect(model)
    before, sides = weights(model), (examples(3), examples(4))
    factors = planting.factors(model, anatomy, 5)
    assert all(one.a.dtype == torch.float64 and not one.b.any() for one in factors.values())
    wanted = pefts(model, factors, sides)
    losses = list(planting.learn(model, factors, sides, STEPS, 7))
    planted = planting.folded_in(model, factors)
    assert len(losses) == STEPS and losses[0] != losses[-1]
    for layer, parameter in planted.named_parameters():
        assert torch.allclose(parameter, wanted[layer], atol=1e-9), layer
    moved = [layer for layer, value in planted.state_dict().items() if not torch.equal(value, before[layer])]
    assert {layer.removesuffix(".weight") for layer in moved} == set(factors)
    # and nothing reached the model itself
    assert all(torch.equal(value, before[layer]) for layer, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    ids = prompts(1)[0]
    assert not torch.allclose(logits(planted, ids), logits(model, ids), atol=1e-6)
