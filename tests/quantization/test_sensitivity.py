"""The budget's mix against every possible mix, and measured sensitivities."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from quantization import metrics, sensitivity
from quantization.sensitivity import Option, Sensitivity, Unit
from shared.errors import VisitorError
from shared.estimates import Estimate
from shared.measure import Windows
from shared.models import twin


def random_case(seed: int, units: int = 4, kinds: int = 4) -> Sensitivity:
    """Units whose options grow in size and shrink in error, measured with one type."""
    generator = np.random.default_rng(seed)
    options = []
    for _ in range(units):
        sizes = np.cumsum(generator.integers(50, 200, kinds))
        errors = np.sort(generator.random(kinds))[::-1] ** 2
        made = {
            f"T{kind}": Option(f"T{kind}", (f"T{kind}",), int(size), float(error))
            for kind, (size, error) in enumerate(zip(sizes, errors, strict=True))
        }
        options.append(sensitivity._distinct(made))
    names = tuple(Unit(index, "mlp", (f"layers.{index}.weight",)) for index in range(units))
    kld = {"T0": [Estimate(float(generator.random() * 0.1), 0.001, 255, 2) for _ in range(units)]}
    return Sensitivity(names, tuple(options), kld, {"T0": [unit[0].error for unit in options]}, 255)


@pytest.mark.parametrize("seed", range(12))
def test_each_mix_on_the_path_is_the_best_of_its_size(seed):
    """At the sizes that the path passes through, no other mix of at most that size has a lower sum."""
    found = random_case(seed)
    budget = sensitivity.plan_budget(found, 1_000)
    every = []
    for choice in itertools.product(*(range(len(unit)) for unit in found.options)):
        size = 1_000 + sum(unit[pick].bytes for unit, pick in zip(found.options, choice, strict=True))
        every.append((size, sum(budget.predicted[unit][pick] for unit, pick in enumerate(choice))))
    chosen = [0] * len(found.options)
    totals = []
    for unit, step in [(0, 0), *budget.path]:
        chosen[unit] = step
        size = 1_000 + sum(options[pick].bytes for options, pick in zip(found.options, chosen, strict=True))
        loss = sum(budget.predicted[place][pick] for place, pick in enumerate(chosen))
        totals.append(loss)
        assert loss <= min(other for other_size, other in every if other_size <= size) + 1e-12
        types, mixed, predicted = budget.mix(size)
        assert mixed == size and predicted == pytest.approx(loss)
        assert types == {
            f"layers.{place}.weight": found.options[place][pick].used[0] for place, pick in enumerate(chosen)
        }
    assert totals == sorted(totals, reverse=True) and len(budget.path) >= 4
    with pytest.raises(VisitorError, match="smallest mix"):
        budget.mix(1_001)


def test_a_measured_type_predicts_itself():
    found = random_case(3)
    for unit, options in enumerate(found.options):
        assert sensitivity.predict(found, unit, options[0]) == pytest.approx(found.kld["T0"][unit].mean)


def test_every_weight_is_in_one_unit(embedded):
    units = sensitivity.units_of(embedded.model)
    names = [name for unit in units for name in unit.names]
    matrices = {name for name, parameter in embedded.model.named_parameters() if parameter.dim() == 2}
    assert sorted(names) == sorted(matrices)
    assert len(units) == 61 and units[0].label == "embedding" and units[1].label == "layer 0 attention"


def test_measured_sensitivity_is_that_of_the_unit_alone(tiny_gguf):
    """Compared with a model in which only that unit's weights were replaced by hand."""
    import torch

    from quantization import modules
    from shared import ggml

    loaded = tiny_gguf
    ids = torch.randint(0, 400, (2, 32), generator=torch.Generator().manual_seed(0))
    *_, base = metrics.base_pass(loaded.model, Windows(ids, (), ids.numel()))
    *_, found = sensitivity.measure(loaded, base, ("Q4_0",))
    place = next(index for index, unit in enumerate(found.units) if unit.label == "layer 1 mlp")
    copy = twin(loaded.model)
    for name in found.units[place].names:
        weight = modules.weight_of(loaded.model, name).detach()
        modules.replace_weight(
            copy, name, ggml.dequantize(ggml.quantize(weight, "Q4_0"), "Q4_0", weight.shape[1])
        )
    *_, scores = metrics.score(copy, base)
    assert found.kld["Q4_0"][place].mean == pytest.approx(float(scores.kl.mean()), rel=1e-6)
    assert found.kld["Q4_0"][place].mean > 0 and found.tokens == 30
