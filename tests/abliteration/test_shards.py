"""The program that edits a model's files one shard at a time makes the tensors that the page makes."""

from __future__ import annotations

import json
import runpy
import sys

import pytest
import torch
from transformers import AutoModelForCausalLM

from abliteration import bake, kernel, record, shards
from abliteration.architecture import inspect
from abliteration.edit import Edit, Fold
from tests.abliteration.conftest import build, direction

CASES = {
    "llama": "ablate",  # a tied head, biases
    "gpt2": "ablate",  # rows, positions
    "qwen2": "fitted",
    "llama-untied": "norm_preserving",
    "gemma2": "ablate",  # a norm behind every matrix
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("linear", [False, True])
def test_it_makes_the_same_tensors_shard_by_shard(name, linear, tmp_path, monkeypatch, capsys):
    model = build(name).float()
    anatomy = inspect(model)
    modules = {write.module: model.get_submodule(write.module).weight for write in anatomy.writes}
    reads, folds = None, None
    if CASES[name] == "fitted":
        reads = {
            write.module: torch.randn(modules[write.module].shape[0 if write.rows else 1])
            for write in anatomy.writes
        }
    if name == "gemma2":
        folds = {write.module: Fold(True, 1.25) for write in anatomy.writes if write.output != write.module}
    # a fitted edit leaves the embedding alone
    strengths = kernel.Kernel(0.7 if reads is None else 0.0, (1.0, 0.5, 0.0), (0.0, 1.2, 1.0), (0.0,) * 3)
    edit = Edit(CASES[name], direction(3).float(), strengths, reads=reads, folds=folds)
    model.save_pretrained(tmp_path / "base", max_shard_size="20KB")
    assert len(list((tmp_path / "base").glob("*.safetensors"))) > 2
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "base", dtype=torch.float32)
    baked = bake.bake(again, anatomy, edit, linear=linear)
    (tmp_path / shards.NAME).write_text(shards.program(again, anatomy, edit, linear=linear))
    stated = dict(name="tiny", revision="1", dtype="float32", linear=linear)
    stated |= {"request": {}, "files": {}, "measures": {}}
    (tmp_path / record.NAME).write_text(record.written(edit, baked, again, **stated))
    monkeypatch.setattr(sys, "argv", ["", str(tmp_path / "base"), str(tmp_path / "edited")])
    runpy.run_path(str(tmp_path / shards.NAME))
    count = len(record.hashes(baked, again, "float32"))
    assert capsys.readouterr().out.startswith(f"{count} tensors edited; {count} are the ones of edit.json")
    opened = AutoModelForCausalLM.from_pretrained(tmp_path / "edited", dtype=torch.float32)
    assert opened.config.tie_word_embeddings == baked.config.tie_word_embeddings
    wanted, found = baked.state_dict(), opened.state_dict()
    assert set(wanted) == set(found) and all(torch.equal(wanted[key], found[key]) for key in wanted)
    # another model is told from the one that was edited
    build(name, seed=5).float().save_pretrained(tmp_path / "other")
    monkeypatch.setattr(sys, "argv", ["", str(tmp_path / "other"), str(tmp_path / "wrong")])
    runpy.run_path(str(tmp_path / shards.NAME))
    assert "is not the model that was edited" in capsys.readouterr().out
    assert json.loads((tmp_path / "wrong" / "config.json").read_text())
