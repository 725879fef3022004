"""What leaves is what was measured: norms behind matrices, norm-preserving edits while the model runs, files
opened again as their own configuration says, their dtype, and an expert's adapter on the base that it names.
"""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from abliteration import bake, folding, kernel
from abliteration.ablate import live
from abliteration.architecture import inspect
from abliteration.edit import Edit
from abliteration.outcome import measure, run, take
from abliteration.study import edit_of
from shared import models
from shared.errors import VisitorError
from shared.measure import kl_divergence
from shared.steps import last
from tests import zoo
from tests.abliteration.conftest import FAMILIES, POST_NORMS, build, direction, logits, prompts, returned
from tests.abliteration.test_zoo import request

RUNS = prompts(8, seed=5)
GEMMAS = ["gemma2", "gemma3"]


def divergence(one, other) -> float:
    return float(torch.cat([kl_divergence(logits(one, ids), logits(other, ids)) for ids in RUNS]).mean())


@pytest.mark.parametrize("name", POST_NORMS)
@pytest.mark.parametrize("strength", [1.0, 0.6])
@pytest.mark.parametrize("small", [False, True], ids=["usual gains", "gains near 0"])
def test_a_gain_closes_most_of_what_a_post_norm_opens(name, strength, small):
    model = build(name)
    if small:
        with torch.no_grad():
            for block in model.model.layers:
                for norm in (block.post_attention_layernorm, block.post_feedforward_layernorm):
                    norm.weight.copy_(torch.rand_like(norm.weight) * 2 - 0.99)
    anatomy = inspect(model)
    edit = Edit("ablate", direction(anatomy.layers), kernel.full(anatomy.layers, strength))
    running, known = live(model, anatomy, edit), prompts(8, seed=9)
    folded = replace(edit, folds=folding.folds(model, anatomy, edit, known))
    plain, better = (divergence(running, bake.bake(model, anatomy, one)) for one in (edit, folded))
    assert better < (0.99 if small else 0.2) * plain
    clean = bake.bake(model, anatomy, folded)
    for write in anatomy.writes:
        u = bake.in_front(model, folded, write)
        weights = [made.get_submodule(write.module).weight for made in (model, clean)]
        before, left = (weight @ u if write.rows else u @ weight for weight in weights)
        assert float((left - (1 - strength) * before).abs().max()) < 1e-12


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("strength", [1.0, 0.6])
def test_norm_preserving_while_the_model_runs_equals_the_weights(tiny, name, strength):
    model = tiny(name)
    anatomy = inspect(model)
    edit = Edit("norm_preserving", direction(anatomy.layers), kernel.full(anatomy.layers, strength))
    running, baked = live(model, anatomy, edit), bake.bake(model, anatomy, edit)

    def gap() -> float:
        return max(float((logits(running, ids) - logits(baked, ids)).abs().max()) for ids in RUNS)

    assert all(
        running.get_submodule(write.module).weight is model.get_submodule(write.module).weight
        for write in anatomy.writes
    ), "the run-time form must not be the weights"
    assert gap() < 1e-5
    write = anatomy.write("mlp", 1)
    baked.get_submodule(write.module).weight = model.get_submodule(write.module).weight
    assert gap() > 1e-3, "a matrix that was forgotten must show"


@pytest.mark.parametrize("name", GEMMAS)
def test_the_measures_are_those_of_the_file_and_the_run_time_edit_stands_beside(name, tmp_path):
    loaded, asked = zoo.opened(name), request(name, kernel={"attention": 1.0, "mlp": 1.0})
    exported = last(take.export(asked, tmp_path / "whole", "safetensors", loaded))
    table = last(measure.measure(asked, loaded))["measures"]
    known = returned(run.opened("measure", asked, loaded))
    file = AutoModelForCausalLM.from_pretrained(tmp_path / "whole", dtype=torch.float32).eval()
    running = live(loaded.model, known.anatomy, edit_of(asked, known, asked.layer))
    ids = known.side("report", "negative")
    base = torch.stack([logits(loaded.model, row)[-1] for row in ids])

    def kl(model) -> float:
        return float(kl_divergence(base, torch.stack([logits(model, row)[-1] for row in ids])).mean())

    found = exported["measures"]
    for measures in (found, table):
        assert measures["first_token"]["negative"]["kl"]["mean"] == pytest.approx(kl(file), rel=2e-3)
        assert measures["run_time"]["negative"]["kl"]["mean"] == pytest.approx(kl(running), rel=2e-3)
    assert abs(kl(file) / kl(running) - 1) > 1e-3, "in this test the two must differ"
    assert found["of"] == "the files, opened again" and "bfloat16" in table["of"]
    assert f"{found['first_token']['negative']['kl']['mean']:.4f}" in exported["card"]
    assert "run-time edit" in exported["card"]


@pytest.mark.parametrize("name", ["llama3", "gemma2", "gpt2", "qwen2"])
@pytest.mark.parametrize("part", ["embedding", "attention"])
def test_files_keep_the_dtype_of_the_source(name, part, tmp_path):
    loaded = zoo.opened(name)
    exported = last(take.export(request(name, kernel={part: 1.0}), tmp_path / "whole", "safetensors", loaded))
    dtypes = {str(value.dtype) for value in load_file(tmp_path / "whole" / "model.safetensors").values()}
    assert dtypes == {f"torch.{loaded.stored}"} and exported["dtype"] == loaded.stored
    config = json.loads((tmp_path / "whole" / "config.json").read_text())
    assert config["dtype"] == loaded.stored
    model = loaded.model
    numbers = sum(parameter.numel() for parameter in model.parameters())
    if part == "embedding" and model.config.tie_word_embeddings:
        numbers += model.get_input_embeddings().weight.numel()
    size = 2 if loaded.stored == "bfloat16" else 4
    assert exported["files"]["model.safetensors"] == pytest.approx(size * numbers, rel=0.05)
    assert exported["reopened"] < 1e-3 * exported["certificate"]["scale"]


def test_files_that_give_another_model_do_not_leave(tmp_path, monkeypatch):
    loaded, asked = zoo.opened("qwen2"), request("qwen2")
    whole, adapter = bake.save, bake.save_lora

    def forgets_the_edit(baked, tokenizer, folder, dtype):
        return whole(loaded.model, tokenizer, folder, dtype)

    def doubles(*given):
        made = adapter(*given)
        path = given[3] / "adapter_model.safetensors"
        save_file({name: 2 * value for name, value in load_file(path).items()}, path)
        return made

    monkeypatch.setattr(bake, "save", forgets_the_edit)
    monkeypatch.setattr(bake, "save_lora", doubles)
    for form in take.FORMS:
        with pytest.raises(VisitorError, match="other logits"):
            last(take.export(asked, tmp_path / form, form, loaded))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["llama3", "gemma3", "gpt2"])
def test_an_adapter_is_opened_on_the_base_that_it_names(name, tmp_path):
    loaded = zoo.opened(name)
    exported = last(take.export(request(name), tmp_path / "lora", "lora", loaded))
    assert exported["rank"] == 1 and exported["base"] == f"zoo/{name}"
    assert exported["reopened"] < 1e-3 * exported["certificate"]["scale"]
    left_out = " ".join(exported["left_out"])
    assert ("gain" in left_out) is (name == "gemma3") and "embedding" in left_out


def test_an_experts_adapter_gives_its_edit_on_the_base_that_it_names(cautious, tmp_path):
    from peft import PeftModel

    asked = run.Request.parse(
        layer=28, projection="plain", kernel={"attention": 1.0}, prompts=["How are you?"]
    )
    known = returned(run.opened("export", asked, cautious))
    edit = edit_of(asked, known, 28)
    adapter = bake.save_lora(
        cautious.model, known.anatomy, edit, tmp_path, take.base_of(cautious), take.experts.folder("cautious")
    )
    assert adapter.rank == 5 and adapter.modules == 30
    name = json.loads((tmp_path / "adapter_config.json").read_text())["base_model_name_or_path"]
    adapted = PeftModel.from_pretrained(models.twin(models.load(name).model), tmp_path)
    wanted = bake.bake(cautious.model, known.anatomy, edit)
    ids = known.side("report", "positive")[0]
    found, right, base = (logits(model, ids) for model in (adapted, wanted, cautious.model))
    assert float((found - right).abs().max()) < 1e-3 * float(right.std())
    assert float((base - right).abs().max()) > float(right.std())
