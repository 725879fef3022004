"""What is kept of earlier runs stays within its bytes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from shared.cache import Cache, size_of


@dataclass(frozen=True)
class Thing:
    """As results are."""

    numbers: torch.Tensor
    others: dict[str, list[np.ndarray]]
    text: str = ""
    model: torch.nn.Module | None = None


def test_the_size_is_that_of_what_is_in_it():
    big, small = torch.zeros(1_000_000), torch.zeros(10)
    assert 4_000_000 <= size_of(Thing(big, {})) < 4_001_000
    assert 8_000_000 <= size_of(Thing(small, {"a": [np.zeros(1_000_000)]})) < 8_001_000
    assert 1_000_000 <= size_of(Thing(small, {}, "x" * 1_000_000)) < 1_001_000
    assert size_of(Thing(small, {}, model=torch.nn.Linear(1_000, 1_000))) < 1_000, (
        "a model is counted elsewhere"
    )


def test_those_go_that_nobody_asked_for_the_longest():
    kept = Cache(3_000)
    for key in "abc":
        kept.put(key, np.zeros(100))
    assert kept.get("a") is not None and len(kept) == 3
    kept.put("d", np.zeros(100))
    assert kept.get("b") is None and kept.get("a") is not None and kept.bytes <= 3_000
    kept.put("e", np.zeros(1_000))
    assert kept.get("e") is None and kept.get("d") is not None, "larger alone than all may be"


def test_forgetting():
    kept = Cache(10_000)
    for number in range(4):
        kept.put(number, np.full(3, number))
    kept.forget(lambda value: bool(value[0] % 2))
    assert kept.get(1) is None and kept.get(2) is not None
    kept.put(2, np.zeros(5))
    assert len(kept) == 2 and kept.get(2).shape == (5,)
    kept.forget()
    assert len(kept) == 0
