"""The program that edits a model's files one shard at a time makes the tensors that the page makes."""

from __future__ import annotations

import json
import runpy
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, MixtralConfig

from abliteration import bake, kernel, record, shards
from abliteration.architecture import inspect
from abliteration.edit import Edit, Fold
from tests.abliteration.conftest import _USUAL, build, direction
from tests.abliteration.test_mixtures import CONFIGS

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
    # what cannot work leaves nothing behind
    empty = tmp_path / "empty"
    empty.mkdir()
    for model, edited, says in ((empty, "new", "no safetensors"), (tmp_path / "other", "wrong", "already")):
        monkeypatch.setattr(sys, "argv", ["", str(model), str(tmp_path / edited)])
        with pytest.raises(SystemExit, match=says):
            runpy.run_path(str(tmp_path / shards.NAME))
    assert not (tmp_path / "new").exists() and not list(tmp_path.glob("*.part"))
    assert json.loads((tmp_path / "wrong" / "config.json").read_text())


MIXTURES = {
    "qwen3_moe": (CONFIGS["qwen3_moe"], 8),
    "mixtral": (MixtralConfig(**_USUAL, num_local_experts=4, num_experts_per_tok=2), 12),
}
"""With how many matrices of experts; they have other names in their files."""


@pytest.mark.parametrize("name", MIXTURES)
def test_experts_are_edited_one_by_one(name, tmp_path, monkeypatch, capsys):
    config, count = MIXTURES[name]
    torch.manual_seed(0)
    plain = AutoModelForCausalLM.from_config(config).float()
    plain.save_pretrained(tmp_path / "base", max_shard_size="20KB")
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "base", dtype=torch.float32)
    anatomy = inspect(again)
    edit = Edit("ablate", direction(3).float(), kernel.full(3, 0.8))
    baked = bake.bake(again, anatomy, edit)
    (tmp_path / shards.NAME).write_text(shards.program(again, anatomy, edit))
    stated = dict(name="tiny", revision="1", dtype="float32", linear=False)
    stated |= {"request": {}, "files": {}, "measures": {}}
    (tmp_path / record.NAME).write_text(record.written(edit, baked, again, **stated))
    monkeypatch.setattr(sys, "argv", ["", str(tmp_path / "base"), str(tmp_path / "edited")])
    runpy.run_path(str(tmp_path / shards.NAME))
    said = capsys.readouterr().out
    assert f"Beside them {count} matrices of experts" in said and "differ in rounding" not in said
    wanted = baked.state_dict()
    found = AutoModelForCausalLM.from_pretrained(tmp_path / "edited", dtype=torch.float32).state_dict()
    for key, value in wanted.items():
        assert torch.allclose(found[key], value, atol=1e-6), key
    # experts under names that nobody knows are not passed over
    for path in (tmp_path / "base").glob("*.safetensors"):
        tensors = {key.replace("experts.", "specialists."): value for key, value in load_file(path).items()}
        save_file(tensors, path)
    monkeypatch.setattr(sys, "argv", ["", str(tmp_path / "base"), str(tmp_path / "none")])
    with pytest.raises(SystemExit, match="no experts' matrices"):
        runpy.run_path(str(tmp_path / shards.NAME))
    assert not (tmp_path / "none").exists()
