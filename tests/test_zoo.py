"""Every animal of the zoo is what its traits say, and opens or is refused as it should."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers.pytorch_utils import Conv1D

from shared import limits, models
from shared.errors import VisitorError
from shared.models import Loaded
from shared.texts import sample
from tests import zoo
from tests.zoo.folders import home, make

QUESTION = [{"role": "user", "content": "Why do dogs bark?"}]
TEXT = sample("evaluation")[:400]


def rendered(loaded: Loaded, messages: list[dict[str, str]] = QUESTION, **settings: Any) -> str:
    """What the chat template writes, "" where there is none or where it wants more than messages."""
    try:
        return loaded.tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True, **settings
        )
    except (ValueError, KeyError):
        return ""


def refuses_a_system_prompt(loaded: Loaded) -> bool:
    from jinja2 import TemplateError

    try:
        rendered(loaded, [{"role": "system", "content": "Be brief."}, *QUESTION])
    except TemplateError:
        return True
    return False


def text_settings(loaded: Loaded) -> Any:
    return loaded.model.config.get_text_config()


def stated(loaded: Loaded, file: str) -> dict[str, Any]:
    """A JSON file of the animal's folder, {} where there is none."""
    path = zoo.folder(loaded.id.removeprefix("zoo/")) / file
    return json.loads(path.read_text()) if path.exists() else {}


def stored_dtype(loaded: Loaded) -> str:
    from safetensors import safe_open

    path = next(zoo.folder(loaded.id.removeprefix("zoo/")).glob("*.safetensors"))
    with safe_open(path, "pt") as tensors:
        return tensors.get_slice(next(iter(tensors.keys()))).get_dtype()


def names_of(loaded: Loaded, pattern: str) -> bool:
    """Whether a parameter of the language model bears such a name."""
    names = [name for name, _ in loaded.model.named_parameters() if "vision" not in name]
    return any(re.search(pattern, name) for name in names)


def rows(loaded: Loaded) -> int:
    return loaded.model.get_input_embeddings().weight.shape[0]


def scales_its_embedding(loaded: Loaded) -> bool:
    """Whether the first layer sees the embedding times a factor."""
    ids = torch.tensor([[5, 6, 7]])
    first = loaded.model(ids, output_hidden_states=True).hidden_states[0]
    factor = first / loaded.model.get_input_embeddings().weight[ids]
    return bool(factor.std() < 1e-3 and (factor.mean() - 1).abs() > 0.1)


def tied(loaded: Loaded) -> bool:
    return loaded.model.get_output_embeddings().weight is loaded.model.get_input_embeddings().weight


def tokens_of(loaded: Loaded, text: str) -> list[str]:
    return loaded.tokenizer.convert_ids_to_tokens(loaded.tokenizer(text, add_special_tokens=False).input_ids)


HAS: dict[str, Callable[[Loaded], Any]] = {
    "adds_bos": lambda it: it.tokenizer("a").input_ids[0] == it.tokenizer.bos_token_id,
    "adds_eos": lambda it: it.tokenizer("a").input_ids[-1] == it.tokenizer.eos_token_id,
    "auto_map": lambda it: "auto_map" in stated(it, "config.json"),
    "bf16": lambda it: stored_dtype(it) == "BF16",
    "bos_is_eos": lambda it: it.tokenizer.bos_token_id == it.tokenizer.eos_token_id,
    "chat": rendered,
    "conv1d": lambda it: any(isinstance(part, Conv1D) for part in it.model.modules()),
    "f16": lambda it: stored_dtype(it) == "F16",
    "f32": lambda it: stored_dtype(it) == "F32",
    "fused_qkv": lambda it: names_of(it, r"qkv_proj|query_key_value|c_attn"),
    "hidden_system": lambda it: "system" in rendered(it),
    "hybrid": lambda it: "conv" in (getattr(text_settings(it), "layer_types", None) or ()),
    "layer_norm": lambda it: names_of(it, r"(norm|ln_f)\.bias"),
    "learned_positions": lambda it: names_of(it, "wpe"),
    "moe": lambda it: names_of(it, "experts"),
    "no_default_template": lambda it: it.tokenizer.chat_template and not rendered(it),
    "no_pad": lambda it: it.tokenizer.pad_token_id is None,
    "no_system": refuses_a_system_prompt,
    "no_template": lambda it: not it.tokenizer.chat_template,
    "odd_rows": lambda it: (getattr(text_settings(it), "intermediate_size", 0) or 0) % 64,
    "own_generation": lambda it: {"temperature", "top_k"} & set(stated(it, "generation_config.json")),
    "padded_vocab": lambda it: rows(it) > len(it.tokenizer),
    "parallel": lambda it: getattr(it.model.config, "use_parallel_residual", False),
    "post_norm": lambda it: names_of(it, "post_feedforward_layernorm"),
    "prefix_space": lambda it: tokens_of(it, "a")[0].startswith("▁"),
    "qk_norm": lambda it: names_of(it, "q_norm|q_layernorm"),
    "qkv_bias": lambda it: names_of(it, r"(k_proj|query_key_value|c_attn)\.bias"),
    "recurrent": lambda it: it.model._is_stateful,
    "repetition_penalty": lambda it: "repetition_penalty" in stated(it, "generation_config.json"),
    "rope_scaling": lambda it: it.model.config.to_dict().get("rope_parameters", {}).get("factor"),
    "scaled_embedding": scales_its_embedding,
    "scaled_logits": lambda it: getattr(it.model.config, "logits_scaling", 1) != 1,
    "sentencepiece": lambda it: "▁" in "".join(tokens_of(it, "a b")),
    "several_eos": lambda it: isinstance(stated(it, "generation_config.json").get("eos_token_id"), list),
    "several_templates": lambda it: isinstance(it.tokenizer.chat_template, dict),
    "sharded": lambda it: stated(it, "model.safetensors.index.json"),
    "short": lambda it: getattr(text_settings(it), "max_position_embeddings", 10**6) <= 64,
    "sliding": lambda it: getattr(text_settings(it), "sliding_window", None),
    "softcap": lambda it: getattr(text_settings(it), "final_logit_softcapping", None),
    "special_past_vocab": lambda it: rows(it) < len(it.tokenizer),
    "template_bos": lambda it: it.tokenizer.bos_token and rendered(it).startswith(it.tokenizer.bos_token),
    "thinking": lambda it: rendered(it) != rendered(it, enable_thinking=False),
    "tied": tied,
    "unigram": lambda it: stated(it, "tokenizer.json")["model"]["type"] == "Unigram",
    "untied": lambda it: not tied(it),
    "vision": lambda it: hasattr(it.model.config, "vision_config"),
    "wide": lambda it: text_settings(it).hidden_size % 256 == 0,
}
"""For each trait whether a model has it."""


@pytest.mark.parametrize("name", zoo.names())
def test_an_animal_has_its_traits_and_no_others(name):
    loaded = zoo.opened(name)
    with torch.inference_mode():
        has = {trait for trait, test in HAS.items() if test(loaded)}
    assert has == zoo.ANIMALS[name].traits


@pytest.mark.parametrize("name", zoo.names())
def test_an_animal_opens_as_transformers_opens_it(name):
    from transformers import AutoModelForCausalLM, GenerationConfig

    loaded = zoo.opened(name)
    plain = AutoModelForCausalLM.from_pretrained(zoo.folder(name), dtype=torch.float32).eval()
    ids = torch.tensor([loaded.tokenizer(TEXT).input_ids[:50]])
    with torch.inference_mode():
        mine, theirs = loaded.model(ids).logits, plain(ids).logits
    assert torch.equal(mine, theirs) and loaded.model.dtype == torch.float32 and not loaded.model.training
    assert 2 < float(mine.std(-1).mean()) < 3, "neither flat nor certain"
    assert len(set(mine.argmax(-1)[0].tolist())) > 10, "what is likeliest depends on the text"
    file = stated(loaded, "generation_config.json")
    settings = loaded.model.generation_config.to_dict()
    assert {key: settings[key] for key in file} == file
    assert isinstance(loaded.model.generation_config, GenerationConfig)


@pytest.mark.parametrize("name", zoo.names())
def test_its_tokenizer_gives_a_text_back(name):
    tokenizer = zoo.opened(name).tokenizer
    for text in (TEXT, "naïve Straße, 猫 and 1234 🙂\n\tend"):
        if name == "rinna" and text is not TEXT:
            continue  # Unigram pieces without bytes know only the characters of their texts
        ids = tokenizer(text, add_special_tokens=False).input_ids
        back = tokenizer.decode(ids, clean_up_tokenization_spaces=False)
        assert back.split() == text.split() if name == "rinna" else back == text


@pytest.mark.parametrize("name", zoo.refused())
def test_what_cannot_work_is_refused_in_two_sentences(name):
    began = time.monotonic()
    with pytest.raises(VisitorError, match=zoo.ANIMALS[name].reason) as caught:
        zoo.opened(name)
    assert time.monotonic() - began < 20
    error = caught.value
    assert name in error.what
    for sentence in (error.what, error.remedy):
        assert re.fullmatch(r"[^\n]+[^.]\.", sentence) and str(home()) not in sentence


def test_a_model_above_the_limit_is_refused_before_its_weights_are_read(monkeypatch):
    monkeypatch.setattr(limits, "MODEL_BYTES", {"cpu": 400_000, "cuda": 400_000})
    with pytest.raises(VisitorError, match="the limit is"):
        models.open_folder(zoo.folder("gpt2"), "zoo/gpt2", "zoo", "zoo")


@pytest.mark.parametrize("name", zoo.ANIMALS)
def test_an_animal_is_always_the_same(name, tmp_path):
    make(name, tmp_path)
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert files == {path.name: path.read_bytes() for path in zoo.folder(name).iterdir()}


def test_the_zoo_is_small():
    folders = [zoo.folder(name) for name in zoo.ANIMALS]
    assert sum(path.stat().st_size for folder in folders for path in Path(folder).iterdir()) < 30e6


def test_names_by_trait():
    assert "llama3" in zoo.names("adds_bos", "untied") and "gemma2" not in zoo.names("adds_bos", "untied")
    assert set(zoo.names("chat", without=("adds_bos",))).isdisjoint(zoo.names("adds_bos"))
    assert set(zoo.names()).isdisjoint(zoo.refused()) and len(zoo.ANIMALS) == len(
        [*zoo.names(), *zoo.refused()]
    )
    with pytest.raises(KeyError, match="no_such_trait"):
        zoo.names("no_such_trait")
