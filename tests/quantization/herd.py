"""Models that llama.cpp's converter and this project both write: what the zoo has no animal of, with settings
as the published models have them, and a SentencePiece model that the library itself trained.
"""

from __future__ import annotations

import functools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from shared import models
from tests import zoo
from tests.zoo import tokenizers
from tests.zoo.families import _gpt2 as zoo_gpt2
from tests.zoo.families import qwen_tokenizer
from tests.zoo.folders import home, settings, write

MAKERS: dict[str, Callable[[Path], None]] = {}


def member(make: Callable[[Path], None]) -> Callable[[Path], None]:
    """Put a function that writes a folder into the herd."""
    MAKERS[make.__name__] = make
    return make


@functools.cache
def _pieces(prefix: bool) -> bytes:
    """A SentencePiece BPE model of 700 pieces, as the library trains it."""
    import io

    import sentencepiece

    from shared.texts import sample

    lines = [
        line for name in ("calibration", "evaluation") for line in sample(name).splitlines() if line.strip()
    ]
    made = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=made,
        vocab_size=700,
        model_type="bpe",
        byte_fallback=True,
        add_dummy_prefix=prefix,
        remove_extra_whitespaces=False,
        normalization_rule_name="identity",
        split_digits=True,
        pad_id=-1 if prefix else 3,
        user_defined_symbols=[] if prefix else ["<start_of_turn>", "<end_of_turn>", "\n\n"],
        minloglevel=2,
    )
    return made.getvalue()


def pieces_tokenizer(folder: Path, kind: str, **more: Any) -> Any:
    """tokenizer.model as Llama 2 ("LlamaTokenizer") or Gemma ("GemmaTokenizer") have it, and the files that
    transformers makes of it.
    """
    from transformers import AutoTokenizer

    (folder / "tokenizer.model").write_bytes(_pieces(kind == "LlamaTokenizer"))
    names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    stated = {"tokenizer_class": kind, "legacy": False, "add_bos_token": True, **names, **more}
    (folder / "tokenizer_config.json").write_text(json.dumps(stated))
    (folder / "config.json").write_text(json.dumps({"model_type": kind[:5].lower()}))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.save_pretrained(folder)
    path = folder / "tokenizer_config.json"  # as the published models have it
    added = {
        number: {"content": token.content, "special": token.special}
        for number, token in tokenizer.added_tokens_decoder.items()
    }
    path.write_text(json.dumps(json.loads(path.read_text()) | {"added_tokens_decoder": added}))
    return tokenizer.backend_tokenizer


def _gemma(folder: Path, kind: str, layers: int, **more: Any) -> None:
    tokenizer = pieces_tokenizer(folder, "GemmaTokenizer", pad_token="<pad>")
    sizes = {"head_dim": 16, "query_pre_attn_scalar": 16, "sliding_window": 16, "num_hidden_layers": layers}
    write(
        folder,
        settings(kind, tokenizer, bos="<s>", eos="</s>", pad="<pad>", **{**sizes, **more}),
        torch.bfloat16,
    )


@member
def gemma2(folder: Path) -> None:
    """Gemma 2 with its head's root as attention's divisor, as 2B and 9B have it."""
    _gemma(folder, "Gemma2", 4, final_logit_softcapping=8.0, attn_logit_softcapping=6.0)


@member
def gemma3(folder: Path) -> None:
    """Gemma 3: five layers with a window, then one without."""
    _gemma(folder, "Gemma3Text", 7)


@member
def gemma3_eyes(folder: Path) -> None:
    """Gemma 3 with eyes, of which the language model is written."""
    from transformers import Gemma3Config

    tokenizer = pieces_tokenizer(folder, "GemmaTokenizer", pad_token="<pad>")
    sizes = {"head_dim": 16, "query_pre_attn_scalar": 16, "sliding_window": 16, "num_hidden_layers": 3}
    text = settings("Gemma3Text", tokenizer, bos="<s>", eos="</s>", pad="<pad>", **sizes)
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision |= {"image_size": 28, "patch_size": 7}
    write(folder, Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=4), torch.bfloat16)


@member
def llama2(folder: Path) -> None:
    """Llama 2 with tokenizer.model."""
    tokenizer = pieces_tokenizer(folder, "LlamaTokenizer")
    write(
        folder, settings("Llama", tokenizer, bos="<s>", eos="</s>", tie_word_embeddings=False), torch.float16
    )


@member
def longrope(folder: Path) -> None:
    """A Phi-3 for long texts: two lists of factors, of which the length of a text chooses."""
    tokenizer = pieces_tokenizer(folder, "LlamaTokenizer", add_bos_token=False)
    stretched = {
        "rope_type": "longrope",
        "rope_theta": 10000.0,
        "partial_rotary_factor": 1.0,
        "short_factor": [1.0 + place / 10 for place in range(8)],
        "long_factor": [1.0 + place for place in range(8)],
        "original_max_position_embeddings": 512,
    }
    sizes = {"rope_parameters": stretched, "original_max_position_embeddings": 512, "sliding_window": None}
    write(folder, settings("Phi3", tokenizer, bos="<s>", eos="</s>", tie_word_embeddings=False, **sizes))


def _with_qwen(folder: Path, kind: str, **more: Any) -> None:
    tokenizer = qwen_tokenizer(folder, tokenizers.CHATML)
    write(folder, settings(kind, tokenizer, eos="<|im_end|>", **more), torch.bfloat16)


@member
def smollm3(folder: Path) -> None:
    """SmolLM3: each fourth layer without a rotary embedding."""
    _with_qwen(folder, "SmolLM3", num_hidden_layers=5, tie_word_embeddings=True, use_sliding_window=False)


@member
def olmo(folder: Path) -> None:
    """OLMo: norms without gains."""
    from transformers import OlmoForCausalLM

    tokenizer = qwen_tokenizer(folder, tokenizers.CHATML)
    config = settings("Olmo", tokenizer, eos="<|im_end|>", tie_word_embeddings=False, clip_qkv=3.0)
    OlmoForCausalLM(config).save_pretrained(folder)


@member
def olmo3(folder: Path) -> None:
    """OLMo 3: three of four layers with a window."""
    _with_qwen(folder, "Olmo3", num_hidden_layers=5, tie_word_embeddings=False, sliding_window=8)


@member
def qwen2_moe(folder: Path) -> None:
    """Qwen 1.5 MoE: a shared expert beside the others, whose chances are left as they are."""
    experts = {"num_experts": 4, "num_experts_per_tok": 2, "norm_topk_prob": False}
    experts |= {"moe_intermediate_size": 32, "shared_expert_intermediate_size": 96}
    _with_qwen(folder, "Qwen2Moe", tie_word_embeddings=False, **experts)


@member
def qwen3_moe(folder: Path) -> None:
    """Qwen 3 MoE as published: the chances of the chosen experts are scaled to a sum of 1."""
    experts = {"num_experts": 4, "num_experts_per_tok": 2, "norm_topk_prob": True, "head_dim": 16}
    _with_qwen(folder, "Qwen3Moe", tie_word_embeddings=False, moe_intermediate_size=32, **experts)


@member
def mixtral8(folder: Path) -> None:
    """Eight experts."""
    tokenizer = pieces_tokenizer(folder, "LlamaTokenizer")
    experts = {"num_local_experts": 8, "num_experts_per_tok": 2, "tie_word_embeddings": False}
    write(folder, settings("Mixtral", tokenizer, bos="<s>", eos="</s>", **experts))


@member
def gpt2_published(folder: Path) -> None:
    """GPT-2 with the settings of the published one: transposed weights, positions that were learnt."""
    zoo_gpt2(folder, 512)
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"n_ctx": 512}))


@member
def yarn(folder: Path) -> None:
    """Qwen 2.5 with its context stretched by YaRN, with a card."""
    stretched = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 256}
    _with_qwen(folder, "Qwen2", tie_word_embeddings=True, rope_parameters={"rope_theta": 1e6, **stretched})
    head = "license: apache-2.0\nlanguage: [en, fr]\nbase_model: owner/base-1B\ntags: [chat]"
    (folder / "README.md").write_text(f"---\n{head}\n---\n\n# A model\n")


def folder(name: str) -> Path:
    """A member's folder, made at its first visit."""
    if name not in MAKERS:
        return zoo.folder(name)
    target = home() / "herd" / name
    if not target.is_dir():
        partial = target.with_name(f".{name}")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        with torch.random.fork_rng():
            torch.manual_seed(1)
            MAKERS[name](partial)
        partial.rename(target)
    return target


@functools.cache
def opened(name: str) -> models.Loaded:
    """A member, or one of the zoo's animals, opened once a session."""
    if name not in MAKERS:
        return zoo.opened(name)
    return models.open_folder(folder(name), f"herd/{name}", "herd", "herd")


WRITTEN = (
    *MAKERS,
    *("llama3", "llama31", "tinyllama", "mistral", "mixtral", "qwen2", "qwen3", "granite"),
    *("tools", "no_default", "olmo2"),
)
"""All that must be written, by llama.cpp's converter too."""
