"""A fitted edit: ridge regression by its normal equations, one prompt at a time; hook, weights, adapter and
record are one edit; the search tries it beside the ablation.
"""

from __future__ import annotations

import dataclasses

import pytest
import torch

from abliteration import bake, fitting, kernel, record
from abliteration.ablate import live
from abliteration.architecture import inspect
from abliteration.edit import Edit
from abliteration.outcome import search, take
from abliteration.request import Request
from shared.errors import VisitorError
from tests import zoo
from tests.abliteration.conftest import direction, logits, prompts
from tests.abliteration.links import COOKING, OTHER

SETS = {"positive": COOKING, "negative": OTHER}
POSITIVE, NEGATIVE = prompts(4, seed=5), prompts(3, seed=6)


def by_hand(model, write, row):
    """(XᵀVX + λ)⁻¹XᵀVt of one matrix over every token, prompt after prompt, V the weights."""
    module, rows = model.get_submodule(write.module), []
    hook = module.register_forward_hook(lambda _, inputs, output: rows.append((inputs[0][0], output[0])))
    for ids in (*POSITIVE, *NEGATIVE):
        logits(model, ids)
    hook.remove()
    written = torch.stack([output[-1] @ row for _, output in rows])
    mean = written[len(POSITIVE) :].mean()
    inputs = torch.cat([read for read, _ in rows])
    wanted = torch.cat([torch.zeros(len(read)).double() for read, _ in rows])
    ends = torch.tensor([len(read) for read, _ in rows]).cumsum(0) - 1
    wanted[ends[: len(POSITIVE)]] = mean - written[: len(POSITIVE)]
    ridge = fitting.RIDGE * float((inputs**2).sum(1).mean())
    weights = torch.ones(len(inputs)).double()
    weights[ends[len(POSITIVE) :]] = fitting.WEIGHT
    square = inputs.T @ (weights[:, None] * inputs) + ridge * torch.eye(inputs.shape[1]).double()
    return torch.linalg.solve(square, inputs.T @ (weights * wanted)), inputs, ends


@pytest.mark.parametrize("name", ["llama", "gpt2", "lfm2"])
def test_it_is_ridge_regression_and_the_weights_are_the_hook(tiny, name):
    model = tiny(name)
    anatomy, rows = inspect(model), direction(3).float()
    fits = fitting.fits(model, anatomy, POSITIVE, NEGATIVE)
    reads = fitting.reads_of(fits, rows, anatomy)
    inner = [write for write in anatomy.writes if write.part in ("attention", "mlp")]
    assert set(reads) == {write.module for write in inner}
    for write in inner:
        wanted, inputs, ends = by_hand(model, write, rows[write.layer].double())
        found = reads[write.module].double()
        assert torch.allclose(found, wanted, rtol=1e-3, atol=1e-4 * float(wanted.norm())), write.module
        at = (inputs @ found).abs()
        others = torch.ones(len(at), dtype=torch.bool)
        others[ends[: len(POSITIVE)]] = False
        assert float(at[others].mean()) < float(at[~others].mean())
    curve = kernel.Kernel(0.0, (1.0, 0.0, 0.5), (0.7, 1.3, 0.0), (0.0, 0.0, 0.0))
    edit = Edit("fitted", rows, curve, reads=reads)
    baked, running = bake.bake(model, anatomy, edit), live(model, anatomy, edit)
    for ids in POSITIVE:
        assert torch.allclose(logits(baked, ids), logits(running, ids), atol=1e-11)
        assert not torch.allclose(logits(baked, ids), logits(model, ids), atol=1e-6)
    for write in inner:
        old, new = (one.get_submodule(write.module).weight for one in (model, baked))
        rank = int(torch.linalg.matrix_rank(new - old, rtol=1e-9))
        assert rank == (bake.strength(edit, write) != 0), write.module


def test_norms_behind_the_matrices_are_refused(tiny):
    model = tiny("gemma2")
    with pytest.raises(VisitorError, match="norms behind"):
        fitting.fits(model, inspect(model), POSITIVE, NEGATIVE)


def test_what_leaves_is_the_edit_and_its_record_makes_it_again(tmp_path):
    loaded = zoo.opened("qwen2")
    asked = Request.parse(**SETS, method="fitted", layer=1, answer_tokens=3)
    *_, made = take.export(asked, tmp_path / "lora", "lora", loaded)
    assert made["reopened"] < 1e-4 and not made["left_out"] and made["rank"] == 1
    assert made["edit"]["method"] == "fitted" and made["edit"]["kernel"]["embedding"] == 0
    told = record.read((tmp_path / "lora" / record.NAME).read_text())
    again = record.replayed(told, loaded.model, inspect(loaded.model))
    count, different = record.compared(told, record.hashes(again, loaded.model, told.dtype))
    assert count == 2 * inspect(loaded.model).layers and not different
    other = zoo.opened("llama3").model
    with pytest.raises(VisitorError, match="Name the model"):
        record.replayed(told, other, inspect(other))
    none = dataclasses.replace(told, edit=dataclasses.replace(told.edit, reads={}))
    with pytest.raises(VisitorError, match="other matrices"):
        record.replayed(none, loaded.model, inspect(loaded.model))


def test_the_search_tries_both_edits_and_chooses_one(monkeypatch):
    asked = Request.parse(**SETS, trials=7, answer_tokens=3)
    monkeypatch.setattr(search, "measurements", lambda work: [({"behaviour": {}}, ("none", 1, 1))])
    *_, found = search.search(asked, zoo.opened("qwen2"))
    methods = [trial["method"] for trial in found["trials"]]
    assert set(methods) == {"fitted", "ablate"} and methods[:2] == ["fitted", "fitted"]
    best = found["trials"][found["best"]]
    assert found["chosen"]["method"] == found["edit"]["method"] == best["method"]
    *_, found = search.search(asked, zoo.opened("gemma2"))
    assert {trial["method"] for trial in found["trials"]} == {"ablate"}
