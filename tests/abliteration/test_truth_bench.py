"""A direction is taken apart into topic and what was planted: against streams whose parts are known."""

from __future__ import annotations

import pytest
import torch

from abliteration.truth_bench import parts


def streams(topic: float, planted: float, prompts: int = 40, noise: float = 0.5, seed: int = 0):
    """Of both models: a topic along one axis, a plant along another, and noise that both share."""
    draw = torch.Generator().manual_seed(seed)
    made = []
    for sign in (1, -1):
        never = noise * torch.randn(prompts, 24, generator=draw, dtype=torch.float64)
        never[:, 0] += sign * topic / 2
        shifted = never.clone()
        if sign == 1:
            shifted[:, 1] += planted
        made.append((shifted, never))
    return tuple(one for one, _ in made), tuple(one for _, one in made)


@pytest.mark.parametrize(("topic", "planted"), [(3.0, 4.0), (4.0, 0.0), (0.0, 4.0)])
def test_shares_are_those_that_were_made(topic, planted):
    found = parts(*streams(topic, planted, prompts=400, noise=0.1))
    assert found.topic_share == pytest.approx(topic**2 / (topic**2 + planted**2), abs=0.01)
    assert torch.allclose(found.direction, found.topic + found.planted, atol=1e-12)
    assert found.low - 1e-9 <= found.topic_share <= found.high + 1e-9
    if planted:
        assert float(found.planted[1] / found.planted.norm()) == pytest.approx(1)


def test_the_interval_holds_the_share_of_many_prompts_about_as_often_as_it_says():
    true = 9 / 25
    inside = 0
    for seed in range(60):
        found = parts(*streams(3.0, 4.0, prompts=40, seed=seed), draws=200)
        inside += found.low <= true <= found.high
    assert inside >= 50


def test_both_models_read_the_same_prompts():
    planted, never = streams(1, 1)
    with pytest.raises(ValueError, match="same prompts"):
        parts(planted, (never[0][:3], never[1]))
