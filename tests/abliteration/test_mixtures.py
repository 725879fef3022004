"""Mixtures of experts: every expert's matrix is edited, in float64 and in the files, and what has no form
there is refused in two sentences.
"""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForCausalLM, OlmoeConfig, Qwen3MoeConfig

from abliteration import bake, kernel, record
from abliteration.ablate import harmless_means, live
from abliteration.architecture import inspect
from abliteration.certificate import audit, certify
from abliteration.edit import Edit
from abliteration.outcome import run, take
from abliteration.vector_programs import programs
from shared import models
from shared.errors import VisitorError
from shared.models import twin
from shared.steps import last
from tests import zoo
from tests.abliteration.conftest import _USUAL, direction, logits, prompts
from tests.abliteration.test_zoo import request

RUNS = prompts()
MIXED = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24, "head_dim": 8}
CONFIGS = {
    "qwen3_moe": Qwen3MoeConfig(**_USUAL, **MIXED, mlp_only_layers=[1]),
    "olmoe": OlmoeConfig(**_USUAL, num_experts=4, num_experts_per_tok=2),
}
"""The first has a plain MLP in its second block."""


@pytest.fixture(scope="module", params=CONFIGS)
def model(request):
    torch.manual_seed(0)
    config = CONFIGS[request.param]
    plain = {"attn_implementation": "eager", "experts_implementation": "eager"}  # float64 has no grouped form
    return AutoModelForCausalLM.from_config(config, **plain).double().eval().requires_grad_(False)


@pytest.mark.parametrize("strength", [1.0, 0.6])
def test_hook_and_weights_are_one_and_nothing_is_left(model, strength):
    anatomy = inspect(model)
    assert [write.stack for write in anatomy.writes if write.part == "mlp"].count(True) >= 2
    assert audit(model, anatomy, RUNS) < 1e-13
    edit = Edit("ablate", direction(anatomy.layers), kernel.full(anatomy.layers, strength))
    baked = bake.bake(model, anatomy, edit)
    gap = max(
        float((logits(baked, ids) - logits(live(model, anatomy, edit), ids)).abs().max()) for ids in RUNS
    )
    assert gap < 1e-11
    for row in certify(model, anatomy, edit, baked, RUNS).rows:
        assert row.after == pytest.approx((1 - strength) * row.before, abs=1e-13) and row.before > 1e-3
    for write in anatomy.writes:
        if write.stack:  # expert by expert
            for one, other in zip(
                model.get_submodule(write.module).down_proj,
                baked.get_submodule(write.module).down_proj,
                strict=True,
            ):
                row = edit.directions[write.layer]
                assert torch.allclose(row @ other, (1 - strength) * (row @ one), atol=1e-13)
                assert torch.allclose(other, one - strength * torch.outer(row, row @ one), atol=1e-13)


def last_writes(model, anatomy, ids):
    """What every block's MLP writes at a prompt's last token, (layers, width)."""
    watched, seen = twin(model), []
    for layer in range(anatomy.layers):
        module = watched.get_submodule(anatomy.write("mlp", layer).output)
        module.register_forward_hook(lambda _, __, output: seen.append(output.reshape(len(ids), -1)[-1]))
    logits(watched, ids)
    return torch.stack(seen)


def test_affine_and_add_while_the_model_runs(model):
    """An affine edit moves what every part writes at the last token to the harmless prompts' mean: with one
    prompt, to what it wrote; a step is added at its block.
    """
    anatomy, rows = inspect(model), direction(3)
    for runs in (RUNS[:1], RUNS[1:]):
        means = harmless_means(model, anatomy, rows, runs)
        expected = sum(last_writes(model, anatomy, ids) @ rows[0] for ids in runs) / len(runs)
        assert torch.allclose(torch.tensor(means.mlp, dtype=torch.float64), expected, atol=1e-12)
        edited = live(model, anatomy, Edit("affine", rows, kernel.full(3), means))
        assert not torch.allclose(logits(edited, runs[0]), logits(model, runs[0]), atol=1e-3)
        step = Edit("add", rows, kernel.full(3, 0.0), layer=1, step=rows[0])
        assert not torch.allclose(
            logits(live(model, anatomy, step), runs[0]), logits(model, runs[0]), atol=1e-3
        )


def test_what_asks_for_an_experts_inputs_is_refused(model):
    anatomy = inspect(model)
    for method in ("norm_preserving", "fitted"):
        with pytest.raises(VisitorError, match="mixture of experts"):
            bake.bake(model, anatomy, Edit(method, direction(3), kernel.full(3)))
        edit = Edit(method, direction(3), kernel.full(3), reads={})
        told = record.Record("a/b", "", "float32", edit, False, {}, {}, {}, {})
        with pytest.raises(VisitorError, match="is a mixture of experts") as caught:
            record.replayed(told, model, anatomy)
        assert caught.value.remedy == "Name the model that the edit was made for."
    edit = Edit("ablate", direction(3), kernel.full(3))
    assert set(programs("a/b", anatomy, edit)) == {"transformers"}
    assert not programs("cautious", anatomy, edit) and not programs("made/model-x-1", anatomy, edit)


def test_such_a_method_is_refused_before_prompts_are_read(monkeypatch):
    monkeypatch.setattr(models, "load", lambda *_, **__: zoo.opened("qwen3_moe"))
    for kind in ("find", "ablate", "measure", "certificate", "export", "chat"):
        with pytest.raises(VisitorError, match="The method fitted needs"):
            list(run.prepare(kind, request("qwen3_moe", method="fitted")))
    list(run.prepare("optimise", request("qwen3_moe", method="fitted")))  # which chooses its own


def test_the_files_open_as_the_edited_model_and_a_lora_holds_attention_alone(tmp_path):
    loaded = zoo.opened("qwen3_moe")
    asked = request("qwen3_moe", kernel={"embedding": 1, "attention": 1, "mlp": 1})
    data = last(take.export(asked, tmp_path / "whole", loaded=loaded))
    assert data["certificate"]["verdict"] == "exact" and data["reopened"] < 1e-3
    with pytest.raises(VisitorError, match="Experts lie in one stack"):
        last(take.export(asked, tmp_path / "lora", "lora", loaded))
    asked = request("qwen3_moe", kernel={"attention": 1})
    data = last(take.export(asked, tmp_path / "attention", "lora", loaded))
    assert data["modules"] == loaded.model.config.num_hidden_layers
