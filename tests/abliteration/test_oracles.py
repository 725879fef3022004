"""The edit against first principles, in float64, on every supported family; and the mistakes that must
show.
"""

from __future__ import annotations

import dataclasses

import pytest
import torch

from abliteration import ablate, bake, kernel
from abliteration.ablate import live
from abliteration.architecture import inspect
from abliteration.certificate import audit, certify, in_stream
from abliteration.edit import Edit
from tests.abliteration.conftest import FAMILIES, POST_NORMS, direction, logits, prompts, weights

RUNS = prompts()


def whole(model, strength: float = 1.0, method: str = "ablate") -> tuple:
    anatomy = inspect(model)
    return anatomy, Edit(method, direction(anatomy.layers), kernel.full(anatomy.layers, strength))


def gap(one, other) -> float:
    return max(float((logits(one, ids) - logits(other, ids)).abs().max()) for ids in RUNS)


@pytest.mark.parametrize("name", FAMILIES)
def test_no_write_is_overlooked(tiny, name):
    model = tiny(name)
    # Gemma's norms compute in float32 whatever the model's dtype
    assert audit(model, inspect(model), RUNS) < (1e-6 if name in POST_NORMS else 1e-13)


def test_an_overlooked_write_shows(tiny):
    model = tiny("gpt2")
    anatomy = inspect(model)
    for part in ("embedding", "positions", "attention", "mlp"):
        known = tuple(write for write in anatomy.writes if write.part != part)
        assert audit(model, dataclasses.replace(anatomy, writes=known), RUNS) > 1e-3, part


@pytest.mark.parametrize("name", FAMILIES)
def test_nothing_of_the_direction_is_left(tiny, name):
    model = tiny(name)
    anatomy, edit = whole(model)
    before = weights(model)
    baked = bake.bake(model, anatomy, edit)
    found = certify(model, anatomy, edit, baked, RUNS)
    assert all(row.after < 1e-14 * max(1, row.before) and row.before > 1e-3 for row in found.rows)
    assert all(row.bias_after is None or row.bias_after < 1e-14 for row in found.rows)
    assert in_stream(baked, anatomy, edit.directions, RUNS) < 1e-6  # read in float32
    assert found.in_stream is not None and found.in_stream < 1e-6
    assert in_stream(model, anatomy, edit.directions, RUNS) > 1e-2
    after = weights(model)
    assert all(torch.equal(before[key], after[key]) for key in before), "the loaded model was edited in place"


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("strength", [1.0, 0.6])
def test_the_hook_equals_the_weights(tiny, name, strength):
    model = tiny(name)
    anatomy, edit = whole(model, strength)
    scale = float(logits(model, RUNS[0]).std())
    found = gap(bake.bake(model, anatomy, edit), live(model, anatomy, edit))
    if name in POST_NORMS:
        assert found / scale > 1e-6 and anatomy.family.verdict == "approximate"
    else:
        assert found < 1e-11 * max(1, scale) and anatomy.family.verdict == "exact"


@pytest.mark.parametrize("name", [name for name in FAMILIES if name not in POST_NORMS])
def test_the_hook_equals_the_weights_for_any_kernel_and_a_direction_by_layer(tiny, name):
    model = tiny(name)
    anatomy = inspect(model)
    rows = torch.nn.functional.normalize(
        torch.randn(anatomy.layers, anatomy.width, dtype=torch.float64), dim=-1
    )
    edit = Edit("ablate", rows, kernel.Kernel(0.3, (0.0, 1.2, 0.5), (1.0, 0.0, -0.4), (0.0, 0.0, 0.0)))
    assert gap(bake.bake(model, anatomy, edit), live(model, anatomy, edit)) < 1e-11


@pytest.mark.parametrize("name", FAMILIES)
def test_strength_zero_is_the_model_bit_for_bit(tiny, name):
    model = tiny(name)
    anatomy, edit = whole(model, 0.0)
    for made in (live(model, anatomy, edit), bake.bake(model, anatomy, edit)):
        assert all(torch.equal(logits(made, ids), logits(model, ids)) for ids in RUNS)


@pytest.mark.parametrize("name", FAMILIES)
def test_twice_is_once_and_a_change_has_rank_one(tiny, name):
    model = tiny(name)
    anatomy, edit = whole(model)
    once = bake.bake(model, anatomy, edit)
    twice = bake.bake(once, inspect(once), edit)
    for write in anatomy.writes:
        old, new, again = (made.get_submodule(write.module).weight for made in (model, once, twice))
        assert float((new - again).abs().max()) < 1e-14
        assert int(torch.linalg.matrix_rank(new - old, rtol=1e-10)) == 1
    assert gap(once, twice) < (1e-4 if name in POST_NORMS else 1e-11)


@pytest.mark.parametrize("name", ["llama", "gpt2", "lfm2"])
def test_removing_every_write_equals_removing_every_block_input(tiny, name):
    model = tiny(name)
    anatomy, edit = whole(model)
    inputs = kernel.Kernel(1.0, (1.0,) * 3, (1.0,) * 3, (1.0,) * 3)
    assert (
        gap(live(model, anatomy, edit), live(model, anatomy, dataclasses.replace(edit, kernel=inputs)))
        < 1e-11
    )
    assert inputs.bakeable()


@pytest.mark.parametrize("name", [name for name in FAMILIES if name not in ("llama-untied", "gpt_neox")])
def test_a_tied_head_that_stays_tied_shows(tiny, name):
    model = tiny(name)
    anatomy, edit = whole(model)
    assert anatomy.tied
    right = bake.bake(model, anatomy, edit)
    assert right.get_submodule(anatomy.head).weight is model.get_submodule(anatomy.head).weight
    wrong = bake.bake(model, anatomy, edit)
    wrong.get_submodule(anatomy.head).weight = wrong.get_submodule(anatomy.family.embedding).weight
    assert gap(wrong, right) > 1e-2 * float(logits(model, RUNS[0]).std())
    assert in_stream(wrong, anatomy, edit.directions, RUNS) < 1e-6, (
        "only the logits tell: the stream is clean in both"
    )


@pytest.mark.parametrize(
    ("name", "skipped"),
    [
        ("llama", "bias"),
        ("gpt2", "bias"),
        ("phi", "bias"),
        ("gpt_neox", "bias"),
        ("lfm2", "bias"),
        *((name, "embedding") for name in FAMILIES),
        ("gpt2", "positions"),
    ],
)
def test_a_skipped_write_shows(tiny, name, skipped):
    model = tiny(name)
    anatomy, edit = whole(model)
    wrong = bake.bake(model, anatomy, edit)
    for write in anatomy.writes:
        old, new = model.get_submodule(write.module), wrong.get_submodule(write.module)
        if skipped == "bias" and getattr(old, "bias", None) is not None:
            new.bias = old.bias
        if skipped == write.part:
            new.weight = old.weight
    assert in_stream(wrong, anatomy, edit.directions, RUNS) > 1e-3
    found = certify(model, anatomy, edit, wrong, RUNS)
    assert found.gap > 1e-3 * found.scale
    assert any((row.bias_after or 0) > 1e-3 if skipped == "bias" else row.after > 1e-3 for row in found.rows)


@pytest.mark.parametrize("name", POST_NORMS)
def test_a_plain_edit_behind_a_post_norm_shows(tiny, name, monkeypatch):
    model = tiny(name)
    anatomy, edit = whole(model)
    folded = in_stream(bake.bake(model, anatomy, edit), anatomy, edit.directions, RUNS)
    monkeypatch.setattr(bake, "gain", lambda model, write: None)
    plain = in_stream(bake.bake(model, anatomy, edit), anatomy, edit.directions, RUNS)
    assert folded < 1e-6 and plain > 1e-2


@pytest.mark.parametrize("name", ["llama", "gpt2", "gemma2"])
def test_norm_preserving_keeps_every_column_and_removes_the_direction(tiny, name):
    model = tiny(name)
    anatomy, edit = whole(model, method="norm_preserving")
    baked = bake.bake(model, anatomy, edit)
    for write in anatomy.writes:
        old, new = (made.get_submodule(write.module).weight for made in (model, baked))
        axis = 1 if write.rows else 0
        assert torch.allclose(old.norm(dim=axis), new.norm(dim=axis), rtol=1e-12)
    assert in_stream(baked, anatomy, edit.directions, RUNS) < 1e-6
    at_run_time, in_weights = logits(live(model, anatomy, edit), RUNS[1]), logits(baked, RUNS[1])
    assert torch.allclose(at_run_time, in_weights, rtol=1e-9, atol=1e-10)  # two ways to the same, in float64


def test_affine_moves_to_the_harmless_mean(tiny):
    model = tiny("llama")
    anatomy = inspect(model)
    rows = direction(anatomy.layers)
    means = ablate.harmless_means(model, anatomy, rows, RUNS)
    assert means.embedding == means.blocks[0]
    # the stream's mean component is the sum of what was written before
    written = means.blocks[0] + sum(means.attention[:2]) + sum(means.mlp[:2])
    assert written == pytest.approx(means.blocks[2], abs=1e-12)
    edit = Edit("affine", rows, kernel.full(anatomy.layers), means)
    found: list[torch.Tensor] = []
    made = live(model, anatomy, edit)
    made.get_submodule(anatomy.blocks[2]).register_forward_pre_hook(
        lambda module, inputs: found.append(inputs[0] @ rows[0])
    )
    logits(made, RUNS[2])
    assert torch.allclose(found[0], torch.full_like(found[0], means.blocks[2]), atol=1e-12)


def test_add_moves_one_blocks_input(tiny):
    model = tiny("qwen2")
    anatomy = inspect(model)
    step = 3 * direction(1)[0]
    made = live(model, anatomy, Edit("add", direction(3), kernel.full(3, 0.0), layer=1, step=step))
    seen: dict[str, list[torch.Tensor]] = {"base": [], "added": []}
    for key, watched in (("base", bake.twin(model)), ("added", made)):
        for name in anatomy.blocks[:2]:
            watched.get_submodule(name).register_forward_pre_hook(
                lambda module, inputs, key=key: seen[key].append(inputs[0])
            )
        logits(watched, RUNS[0])
    assert torch.equal(seen["base"][0], seen["added"][0])
    assert torch.allclose(seen["base"][1] + step, seen["added"][1], atol=1e-14)
