"""How near an edited model's answers are to the truth, against float64 sums over the zoo; and by which rule
prompts are shown.
"""

from __future__ import annotations

import pytest
import torch

from abliteration import bake
from abliteration.architecture import inspect
from abliteration.edit import Edit
from abliteration.kernel import full
from abliteration.nearness import Nearness, nearness
from tests import zoo
from tests.abliteration.test_forensics import unit

PROMPTS = [[5, 9, 12], [7, 30, 31, 8], [4, 11]]


def by_hand(one, other, prompt, answer) -> float:
    """The mean of ln p − ln p′ over an answer, token by token."""
    total = 0.0
    for at, token in enumerate(answer):
        ids = torch.tensor([[*prompt, *answer[:at]]])
        logs = [
            model(ids, use_cache=False).logits[0, -1].double().log_softmax(-1)[token]
            for model in (one, other)
        ]
        total += float(logs[0] - logs[1])
    return total / len(answer)


def test_the_gap_is_that_of_float64_sums():
    loaded = zoo.opened("qwen2")
    anatomy = inspect(loaded.model)
    row = unit(3, anatomy.width).float()
    edited = bake.bake(
        loaded.model, anatomy, Edit("ablate", row.expand(anatomy.layers, -1), full(anatomy.layers))
    )
    near = nearness(loaded, loaded.model, edited, PROMPTS, 5)
    assert near.base == (0.0, 0.0, 0.0)
    with torch.inference_mode():
        for place, prompt in enumerate(PROMPTS):
            ids = loaded.model.generate(
                torch.tensor([prompt]), max_new_tokens=5, do_sample=False, repetition_penalty=1.0
            )[0, len(prompt) :].tolist()
            answer = [token for token in ids if token not in loaded.model.generation_config.eos_token_id]
            assert near.edited[place] == pytest.approx(
                by_hand(loaded.model, edited, prompt, answer), abs=1e-4
            )
    data = near.to_json()
    assert data["base"]["mean"] == 0 and data["edited"]["clusters"] == 3 and "not the first" in data["rule"]


def test_prompts_are_evenly_spread_from_near_to_far():
    gaps = (0.5, None, 0.1, 0.9, 0.3, 0.7, 0.2, 0.8, 0.4)
    near = Nearness("m", ("",) * 9, gaps, gaps)
    assert [gaps[place] for place in near.spread(2)] == [0.3, 0.8]
    assert [gaps[place] for place in near.spread(1)] == [0.5] and len(near.spread(20)) == 8
    assert Nearness("m", ("",), (None,), (None,)).spread(2) == []
    assert Nearness("m", ("",), (None,), (None,)).to_json() is None
