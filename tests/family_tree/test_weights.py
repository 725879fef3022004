"""Paternity and replay on weights: tiny merges with a known father, a hidden one, and a wrong one."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from family_tree.paternity import ENTRIES, _step, paternity
from family_tree.replay import compare_weights
from merging.request import Request
from merging.run import finished, merge
from shared.errors import VisitorError
from tests.merging.conftest import tensors


def made(folder: Path, weights: dict[str, torch.Tensor]) -> Path:
    folder.mkdir()
    save_file({name: value.contiguous() for name, value in weights.items()}, folder / "model.safetensors")
    return folder


@pytest.fixture(scope="module")
def child(family, tmp_path_factory) -> Path:
    """A merge of a and b; the tests leave it as it is."""
    text = f"merge_method: task_arithmetic\nbase_model: {family['base']}\nmodels:\n"
    text += "".join(
        f"- model: {family[name]}\n  parameters: {{weight: {weight}}}\n"
        for name, weight in (("a", 0.7), ("b", 0.2))
    )
    folder = tmp_path_factory.mktemp("child")
    return finished(merge(Request(text + "dtype: float32\n"), folder)).folder


def test_declared_parents_get_their_weights_back(family, child):
    found = paternity(child, Path(family["base"]), {name: Path(family[name]) for name in "ab"})
    assert [row["coefficient"] for row in found.parents] == pytest.approx([0.7, 0.2], abs=1e-3)
    assert found.explained > 0.999 and "complete" in found.verdict


def test_a_parent_that_is_not_declared_is_missed(family, child):
    found = paternity(child, Path(family["base"]), {"a": Path(family["a"])})
    assert found.explained < 0.98 and "not declared" in found.verdict
    assert found.parents[0]["coefficient"] == pytest.approx(0.7, abs=0.05)


def test_a_wrong_parent_leaves_no_trace(family, child):
    found = paternity(child, Path(family["base"]), {"a": Path(family["a"]), "c": Path(family["c"])})
    assert (
        found.parents[1]["verdict"] == "no trace of its changes"
        and abs(found.parents[1]["cosine"]) < 3 * found.null
    )
    assert "c left no trace" in found.verdict and "a parent is wrong" in found.verdict


def test_the_null_is_that_of_chance(family, child):
    found = paternity(child, Path(family["base"]), {"a": Path(family["a"])})
    assert found.null == pytest.approx(1.96 / np.sqrt(found.entries), rel=0.4)
    assert found.parents[0]["cosine"] > 10 * found.null


def test_what_cannot_be_tested_is_said(family):
    base = Path(family["base"])
    with pytest.raises(VisitorError, match="no parent"):
        paternity(base, base, {})
    with pytest.raises(VisitorError, match="equal its base"):
        paternity(base, base, {"a": Path(family["a"])})
    with pytest.raises(VisitorError, match="no tensor in common"):
        paternity(base, base, {"gpt2": Path(family["gpt2"])})


def test_a_replay_reproduces_or_says_from_which_layer_on(child, tmp_path):
    twin = tmp_path / "twin"
    shutil.copytree(child, twin)
    assert compare_weights(child, twin).same
    weights = tensors(child)
    name = "model.layers.2.mlp.up_proj.weight"
    other = made(tmp_path / "other", {**weights, name: weights[name] + 0.5})
    found = compare_weights(child, other)
    assert (
        found.different == (name,)
        and "differs from layer 2 on: 1 of" in found.verdict
        and found.largest == pytest.approx(0.5)
    )
    shorter = made(tmp_path / "bf16", {key: value.bfloat16() for key, value in weights.items()})
    assert compare_weights(child, shorter).same, "rounding to the published dtype is no difference"
    broken = made(tmp_path / "nan", {key: value * torch.nan for key, value in weights.items()})
    found = compare_weights(broken, broken)
    assert not found.same and len(found.different) == found.tensors, "what is no number reproduces nothing"
    less = made(tmp_path / "less", {key: value for key, value in weights.items() if key != name})
    assert (
        not compare_weights(child, less).same
        and "in one of the two only" in compare_weights(child, less).verdict
    )


def test_the_sample_meets_every_column():
    """Of rows of 64 a step of 4 would meet 16 columns, and nothing of a parent in the others."""
    assert _step([(64, 64)] * 4000) == 9, "16,384,000 entries: every 8th, and 9 shares nothing with 64"
    assert _step([(48, 35), (10,)]) == 1
    for rows, width in ((5_000, 2048), (3_000, 1536), (40_000, 576)):
        step = _step([(rows, width)])
        met = np.unique(np.arange(0, rows * width, step) % width)
        assert len(met) == width and rows * width / step < 2 * ENTRIES


def test_the_disk_is_looked_at_before_the_first_download(serve, monkeypatch):
    from types import SimpleNamespace

    from merging import sources
    from merging_rooms import tree
    from shared import hub

    asked: list[str] = []
    big = {"acme/child": 7e9, "acme/base": 7e9, "acme/a": 1e9}
    monkeypatch.setattr(
        sources,
        "resolve",
        lambda name, *, whole: SimpleNamespace(here=name == "acme/a", bytes=int(big[name])),
    )
    monkeypatch.setattr(tree, "weights_of", lambda name, **_: asked.append(name))
    monkeypatch.setattr(hub.shutil, "disk_usage", lambda _: SimpleNamespace(free=10**10))
    parents = [{"id": "acme/base", "role": "base"}, {"id": "acme/a", "role": "contributor"}]
    with pytest.raises(VisitorError, match="2 models that are not here yet have 14,000 MB; 10,000 MB"):
        tree.paternity_of({}, "acme/child", parents, None)
    assert asked == []
