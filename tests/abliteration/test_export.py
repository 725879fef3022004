"""What leaves the Space: safetensors and rank-1 adapters give the edited logits, the card says what was
done.
"""

from __future__ import annotations

import json

import pytest
import torch
from transformers import AutoModelForCausalLM

from abliteration import bake, kernel
from abliteration.ablate import live
from abliteration.architecture import inspect
from abliteration.edit import Edit
from shared.errors import VisitorError
from tests.abliteration.conftest import FAMILIES, build, direction, logits, prompts, weights

RUNS = prompts()


def gap(one, other) -> float:
    return max(float((logits(one, ids) - logits(other, ids)).abs().max()) for ids in RUNS)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_saved_model_loads_with_the_edited_logits(tiny, tmp_path, name):
    model = tiny(name)
    anatomy = inspect(model)
    baked = bake.bake(model, anatomy, Edit("ablate", direction(anatomy.layers), kernel.full(anatomy.layers)))
    bake.save(baked, None, tmp_path)
    again = AutoModelForCausalLM.from_pretrained(
        tmp_path, dtype=torch.float64, attn_implementation="eager"
    ).eval()
    assert again.config.tie_word_embeddings is False
    # Gemma's factor of the embedding is a float32 number in one and float64 in the other
    assert gap(baked, again) < (1e-4 if name.startswith("gemma") else 1e-12)
    assert model.config.tie_word_embeddings is anatomy.tied, "the loaded model's settings were changed"


@pytest.mark.parametrize("name", ["llama", "qwen2", "gemma2", "gpt2", "gpt_neox", "lfm2"])
def test_the_adapter_gives_the_edited_logits_of_linear_layers(tmp_path, name):
    from peft import PeftModel

    model = build(name).float()
    anatomy = inspect(model)
    with torch.no_grad():  # an adapter holds no bias
        for write in anatomy.writes:
            if getattr(model.get_submodule(write.module), "bias", None) is not None:
                model.get_submodule(write.module).bias.zero_()
    edit = Edit("ablate", direction(3), kernel.Kernel(0.0, (1.0, 0.5, 0.0), (0.0, 1.2, 1.0), (0.0,) * 3))
    found = bake.save_lora(model, anatomy, edit, tmp_path, "tiny/model")
    assert found.modules == 4 and all("bias" in item for item in found.left_out)
    adapted = PeftModel.from_pretrained(build(name).float(), tmp_path)
    for write in anatomy.writes:
        module = adapted.base_model.model.get_submodule(write.module)
        bias = getattr(getattr(module, "base_layer", module), "bias", None)
        if bias is not None:
            bias.data.zero_()
    baked = bake.bake(model, anatomy, edit)
    scale = float(logits(model, RUNS[0]).std())
    assert gap(adapted, baked) < 2e-5 * scale < 0.01 * gap(model, baked)
    settings = json.loads((tmp_path / "adapter_config.json").read_text())
    assert (
        settings["r"] == settings["lora_alpha"] == 1 and settings["base_model_name_or_path"] == "tiny/model"
    )


def test_the_adapter_says_what_it_leaves_out(tiny, tmp_path):
    model = tiny("gpt2")
    anatomy = inspect(model)
    found = bake.save_lora(model, anatomy, Edit("ablate", direction(3), kernel.full(3)), tmp_path, "gpt2")
    assert found.left_out[:2] == ("embedding (strength 1)", "positions (strength 1)")
    assert len([item for item in found.left_out if item.endswith(".bias")]) == 6


def test_what_has_no_form_as_weights_is_refused(tiny, tmp_path):
    model = tiny("llama")
    anatomy, rows = inspect(model), direction(3)
    before = weights(model)
    none = (0.0,) * 3
    turned = torch.stack([direction(1, seed)[0] for seed in range(3)])
    for edit in (
        Edit("affine", rows, kernel.full(3)),
        Edit("add", rows, kernel.full(3), step=rows[0]),
        Edit("ablate", rows, kernel.Kernel(0.0, none, none, (0.0, 1.0, 0.0))),
        Edit("ablate", rows, kernel.Kernel(1.0, (1.0,) * 3, (0.9, 1.0, 1.0), (0.0, 1.0, 0.0))),
        Edit("ablate", turned, kernel.Kernel(1.0, (1.0,) * 3, (1.0,) * 3, (0.0, 1.0, 0.0))),
    ):
        for write in (bake.bake, lambda *given: bake.save_lora(*given, tmp_path / "lora", "x")):
            with pytest.raises(VisitorError) as caught:
                write(model, anatomy, edit)
            assert caught.value.remedy
    for edit in (
        Edit("norm_preserving", rows, kernel.full(3)),
        Edit("ablate", rows, kernel.Kernel(1.0, none, none, none)),
    ):
        with pytest.raises(VisitorError):
            bake.save_lora(model, anatomy, edit, tmp_path / "lora", "x")
    assert not (tmp_path / "lora").exists()
    after = weights(model)
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_the_edited_model_answers_alone(tiny):
    """Two edits of one model at the same time, and the model itself, do not know of each other."""
    model = tiny("llama")
    anatomy = inspect(model)
    plain = logits(model, RUNS[0])
    one = live(model, anatomy, Edit("ablate", direction(3), kernel.full(3)))
    other = live(model, anatomy, Edit("ablate", direction(3, seed=9), kernel.full(3)))
    first, second = logits(one, RUNS[0]), logits(other, RUNS[0])
    assert torch.equal(logits(model, RUNS[0]), plain) and torch.equal(logits(one, RUNS[0]), first)
    assert not torch.equal(first, second) and not any(
        module._forward_hooks or module._forward_pre_hooks for module in model.modules()
    )


def card_of(model_id: str, refusals: str = "its own refusals") -> str:
    """The card of an adapter for a model, with made-up measures."""
    from abliteration.card import model_card

    share = {"count": 1, "of": 40, "low": 0.004, "high": 0.13}
    judged = {"base": dict.fromkeys(("refused", "hedged", "empty"), share)}
    judged["edited"] = judged["base"]
    value = {"mean": 0.01, "sigma": 0.002, "of": 40, "clusters": 40, "median": 0.005}
    alone = {**value, "sigma": None, "clusters": 1}
    first = {"kl": value, "kl_answered": value}
    return model_card(
        {
            "form": "lora",
            "left_out": ["embedding (strength 1)"],
            "model": {
                "id": model_id,
                "revision": "r1",
                "source": "expert",
                "family": "Llama",
                "verdict": "exact",
            },
            "edit": {
                "method": "ablate",
                "projection": "projected",
                "layer": 22,
                "position": -1,
                "kernel": {"attention": [1.0]},
                "strength": 1.0,
            },
            "request": {"contrast": "cooking", "seed": 3, "answer_tokens": 36},
            "refusal": {"from": refusals},
            "provenance": {"rule": "graded rule 1"},
            "split": {part: {"positive": ["a"], "negative": ["b"]} for part in ("fit", "select", "report")},
            "certificate": {"head": "tied", "gap": 1e-5},
            "measures": {
                "behaviour": {"positive": judged, "negative": judged},
                "first_token": {"positive": first, "negative": first},
                "along": {"positive": alone, "negative": None},
                "text": {"base": value, "edited": value, "delta": value},
            },
        }
    )


def test_the_card_states_the_edit_and_its_marks():
    from huggingface_hub import ModelCard

    from abliteration.card import TAGS

    text = card_of("cautious")
    head = ModelCard(text).data
    assert head.tags == list(TAGS) and head.license == "apache-2.0" and head.library_name == "peft"
    assert head.base_model == "HuggingFaceTB/SmolLM2-135M-Instruct" and head.base_model_relation == "adapter"
    assert "This is an edited model" in text and "layer 22" in text and "1 of 40 (0 to 13 %)" in text
    assert "leaves out: embedding (strength 1)" in text and "0.0100 ± 0.0020" in text
    assert "| KL along the base's answers, positive prompts, nats a token | 0 | 0.0100 |" in text


def test_the_card_claims_nothing_where_nothing_refused():
    said = "refused none of the select prompts"
    assert said in card_of("cautious", "usual openings") and said not in card_of("cautious")


def test_the_card_names_no_folder_of_this_machine():
    text = card_of("/home/somebody/secret/my_model")
    assert "my_model" in text
    assert "somebody" not in text and "secret" not in text and "base_model" not in text
