"""Animals that open: one for each family of models that people bring, with its tokenizer and its settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from tests.zoo import tokenizers
from tests.zoo.folders import animal, settings, write
from tests.zoo.tokenizers import LLAMA3_SPLIT, QWEN_SPLIT, byte_level, save, sentencepiece, unigram

BF16 = torch.bfloat16
_ANY = "PreTrainedTokenizerFast"


def _llama3(folder: Path, **more: Any) -> None:
    start, *ends = names = ["<|begin_of_text|>", "<|end_of_text|>", "<|eom_id|>", "<|eot_id|>"]
    tokenizer = byte_level([*names, "<|start_header_id|>", "<|end_header_id|>"], LLAMA3_SPLIT, bos=start)
    tokens = {"bos_token": start, "eos_token": "<|eot_id|>"}
    save(tokenizer, folder, tokenizers.LLAMA3, tokenizer_class=_ANY, **tokens)
    sizes = {"hidden_size": 256, "intermediate_size": 512, "tie_word_embeddings": False}
    config = settings("Llama", tokenizer, bos=start, **sizes, **more)
    config.eos_token_id = [tokenizer.token_to_id(name) for name in ends]
    generation = {"bos_token_id": config.bos_token_id, "eos_token_id": config.eos_token_id}
    write(folder, config, BF16, generation | {"do_sample": True, "temperature": 0.6, "top_p": 0.9})


@animal("adds_bos template_bos untied bf16 own_generation several_eos no_pad wide chat")
def llama3(folder: Path) -> None:
    """Llama 3: byte-level BPE whose post-processor adds BOS, a template that writes BOS too; rows of 256."""
    _llama3(folder)


@animal("adds_bos template_bos untied bf16 rope_scaling own_generation several_eos no_pad wide chat")
def llama31(folder: Path) -> None:
    """Llama 3.1: the same with frequencies scaled for long texts."""
    rope = {
        "rope_type": "llama3",
        "rope_theta": 500000.0,
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64,
    }
    _llama3(folder, rope_parameters=rope)


_PIECES = ["<unk>", "<s>", "</s>"]
_PIECE_TOKENS = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
_PIECE_IDS = {"bos_token_id": 1, "eos_token_id": 2}


def _pieces_tokenizer(folder: Path, template: str, **more: Any) -> Tokenizer:
    tokenizer = sentencepiece(_PIECES, prefix=True, bos="<s>")
    save(tokenizer, folder, template, tokenizer_class="LlamaTokenizer", **_PIECE_TOKENS, **more)
    return tokenizer


@animal("adds_bos sentencepiece prefix_space untied bf16 chat")
def tinyllama(folder: Path) -> None:
    """TinyLlama: Llama 2's tokenizer, whose chat template writes no BOS."""
    tokenizer = _pieces_tokenizer(folder, tokenizers.ZEPHYR, pad_token="</s>", legacy=False)
    config = settings("Llama", tokenizer, bos="<s>", eos="</s>", tie_word_embeddings=False)
    write(folder, config, BF16, {**_PIECE_IDS, "pad_token_id": 2})


@animal("adds_bos template_bos sentencepiece prefix_space untied f32 sliding sharded no_system no_pad chat")
def mistral(folder: Path) -> None:
    """Mistral 7B: a sliding window, several weight files with an index."""
    tokenizer = _pieces_tokenizer(folder, tokenizers.MISTRAL, add_bos_token=True, legacy=True)
    config = settings(
        "Mistral", tokenizer, bos="<s>", eos="</s>", sliding_window=16, tie_word_embeddings=False
    )
    write(folder, config, generation=_PIECE_IDS, shard="200KB")


@animal("adds_bos template_bos sentencepiece prefix_space untied bf16 moe no_system no_pad chat")
def mixtral(folder: Path) -> None:
    """Mixtral: three experts in each layer, two at work."""
    tokenizer = _pieces_tokenizer(folder, tokenizers.MISTRAL, legacy=False)
    experts = {"num_local_experts": 3, "num_experts_per_tok": 2, "tie_word_embeddings": False}
    write(folder, settings("Mixtral", tokenizer, bos="<s>", eos="</s>", **experts), BF16, _PIECE_IDS)


@animal("sentencepiece prefix_space untied bf16 fused_qkv sliding auto_map padded_vocab several_eos chat")
def phi3(folder: Path) -> None:
    """Phi-3: queries, keys and values in one matrix, gate and up in another; code that is not needed."""
    tokenizer = sentencepiece(
        [*_PIECES, "<|endoftext|>", "<|assistant|>", "<|system|>", "<|user|>", "<|end|>"], prefix=True
    )
    tokens = {**_PIECE_TOKENS, "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"}
    save(tokenizer, folder, tokenizers.PHI3, tokenizer_class="LlamaTokenizer", add_bos_token=False, **tokens)
    sizes = {"vocab_size": 640, "sliding_window": 32, "tie_word_embeddings": False}
    config = settings("Phi3", tokenizer, bos="<s>", eos="<|endoftext|>", pad="<|endoftext|>", **sizes)
    config.auto_map = {"AutoModelForCausalLM": "modeling_phi3.Phi3ForCausalLM"}
    ends = [tokenizer.token_to_id(name) for name in ("<|endoftext|>", "<|assistant|>", "<|end|>")]
    write(folder, config, BF16, {"bos_token_id": 1, "eos_token_id": ends, "pad_token_id": ends[0]})


_GEMMA = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<start_of_turn>", "<end_of_turn>"]
_GEMMA_TOKENS = {"pad_token": "<pad>", "eos_token": "<eos>", "bos_token": "<bos>", "unk_token": "<unk>"}
_GEMMA_IDS = {"pad_token_id": 0, "eos_token_id": [1, 6], "bos_token_id": 2}


def _gemma_config(kind: str, tokenizer: Tokenizer, **more: Any) -> Any:
    sizes = {"head_dim": 16, "sliding_window": 16, "query_pre_attn_scalar": 24}
    return settings(kind, tokenizer, pad="<pad>", eos="<eos>", bos="<bos>", **sizes, **more)


@animal(
    "adds_bos template_bos sentencepiece tied bf16 sliding post_norm softcap no_system several_eos"
    " scaled_embedding chat"
)
def gemma2(folder: Path) -> None:
    """Gemma 2: norms before and after each part, capped logits, a template that refuses a system role."""
    tokenizer = sentencepiece(_GEMMA, prefix=False, bos="<bos>")
    save(tokenizer, folder, tokenizers.GEMMA, tokenizer_class="GemmaTokenizer", **_GEMMA_TOKENS)
    caps = {"final_logit_softcapping": 8.0, "attn_logit_softcapping": 6.0}
    write(folder, _gemma_config("Gemma2", tokenizer, **caps), BF16, _GEMMA_IDS)


@animal(
    "adds_bos template_bos sentencepiece tied bf16 sliding post_norm qk_norm no_system several_eos"
    " scaled_embedding special_past_vocab own_generation chat"
)
def gemma3(folder: Path) -> None:
    """Gemma 3: two ropes, and a special token whose id no row of the embedding has."""
    tokenizer = sentencepiece(_GEMMA, prefix=False, bos="<bos>")
    layers = ["sliding_attention", "full_attention", "sliding_attention"]
    config = _gemma_config("Gemma3Text", tokenizer, layer_types=layers)
    tokenizer.add_special_tokens(["<image_soft_token>"])
    save(tokenizer, folder, tokenizers.GEMMA, tokenizer_class="GemmaTokenizer", **_GEMMA_TOKENS)
    write(folder, config, BF16, {**_GEMMA_IDS, "do_sample": True, "top_k": 64, "top_p": 0.95})


@animal(
    "adds_bos template_bos sentencepiece tied bf16 sliding post_norm qk_norm no_system several_eos"
    " scaled_embedding vision chat"
)
def gemma3_vision(folder: Path) -> None:
    """Gemma 3 with eyes: the language model is a part of the model, its settings a part of the settings."""
    from transformers import Gemma3Config

    images = {"boi": "<start_of_image>", "eoi": "<end_of_image>", "image": "<image_soft_token>"}
    tokenizer = sentencepiece([*_GEMMA, *images.values()], prefix=False, bos="<bos>")
    save(tokenizer, folder, tokenizers.GEMMA, tokenizer_class="GemmaTokenizer", **_GEMMA_TOKENS)
    vision = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 28,
        "patch_size": 7,
    }
    places = {f"{name}_token_index": tokenizer.token_to_id(token) for name, token in images.items()}
    text = _gemma_config("Gemma3Text", tokenizer)
    config = Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=4, **places)
    write(folder, config, BF16, _GEMMA_IDS)


_QWEN = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
_THINK = [*_QWEN, "<think>", "</think>"]


def qwen_tokenizer(folder: Path, template: Any = None, specials: list[str] = _QWEN) -> Tokenizer:
    """Qwen's tokenizer, which has no BOS, written into a folder."""
    tokenizer = byte_level(specials, QWEN_SPLIT)
    tokens = {"bos_token": None, "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    save(tokenizer, folder, template, tokenizer_class="Qwen2Tokenizer", **tokens)
    return tokenizer


def _qwen_generation(tokenizer: Tokenizer, **more: Any) -> dict[str, Any]:
    end, text_end = (tokenizer.token_to_id(name) for name in ("<|im_end|>", "<|endoftext|>"))
    return {"eos_token_id": [end, text_end], "pad_token_id": text_end, "do_sample": True, **more}


@animal(
    "tied bf16 sliding padded_vocab qkv_bias hidden_system repetition_penalty own_generation several_eos chat"
)
def qwen2(folder: Path) -> None:
    """Qwen 2.5: a template with a system prompt of its own, a vocabulary padded to 1024, a penalty."""
    tokenizer = qwen_tokenizer(folder, tokenizers.HIDDEN_SYSTEM)
    window = {"use_sliding_window": True, "sliding_window": 16, "max_window_layers": 1}
    config = settings(
        "Qwen2", tokenizer, eos="<|im_end|>", vocab_size=1024, tie_word_embeddings=True, **window
    )
    sampling = {"temperature": 0.6, "top_p": 0.95, "top_k": 20, "repetition_penalty": 1.1}
    write(folder, config, BF16, _qwen_generation(tokenizer, **sampling))


@animal("tied bf16 qk_norm thinking own_generation several_eos chat")
def qwen3(folder: Path) -> None:
    """Qwen 3: norms of queries and keys, heads wider than hidden size / heads, a template with thinking."""
    tokenizer = qwen_tokenizer(folder, tokenizers.THINKING, _THINK)
    config = settings("Qwen3", tokenizer, eos="<|im_end|>", head_dim=32, tie_word_embeddings=True)
    write(folder, config, BF16, _qwen_generation(tokenizer, temperature=0.6, top_p=0.95, top_k=20))


@animal("untied bf16 qk_norm moe thinking several_eos chat")
def qwen3_moe(folder: Path) -> None:
    """Qwen 3 MoE: four experts in each layer, two at work."""
    tokenizer = qwen_tokenizer(folder, tokenizers.THINKING, _THINK)
    experts = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 48, "head_dim": 16}
    config = settings("Qwen3Moe", tokenizer, eos="<|im_end|>", tie_word_embeddings=False, **experts)
    write(folder, config, BF16, _qwen_generation(tokenizer))


@animal("tied bf16 scaled_embedding scaled_logits chat")
def granite(folder: Path) -> None:
    """Granite: embeddings, residuals, attention and logits each have a factor of their own."""
    tokenizer = qwen_tokenizer(folder, tokenizers.CHATML)
    factors = {"embedding_multiplier": 6.0, "residual_multiplier": 0.4}
    factors |= {"attention_multiplier": 0.1, "logits_scaling": 4.0}
    config = settings("Granite", tokenizer, eos="<|im_end|>", tie_word_embeddings=True, **factors)
    write(folder, config, BF16, {"eos_token_id": config.eos_token_id})


def _with_templates(folder: Path, template: Any) -> None:
    tokenizer = qwen_tokenizer(folder, template)
    config = settings("Llama", tokenizer, eos="<|im_end|>", intermediate_size=96, tie_word_embeddings=True)
    write(folder, config, generation={"eos_token_id": config.eos_token_id})


@animal("tied f32 several_templates odd_rows chat")
def tools(folder: Path) -> None:
    """Two chat templates by name, default and tool_use; rows of 96, which no group of 64 divides."""
    _with_templates(folder, tokenizers.SEVERAL)


@animal("tied f32 several_templates no_default_template odd_rows")
def no_default(folder: Path) -> None:
    """Two chat templates, neither of which is the default."""
    _with_templates(folder, tokenizers.NO_DEFAULT)


@animal("adds_bos tied bf16 qk_norm hybrid chat")
def lfm2(folder: Path) -> None:
    """LFM2: two of three layers are convolutions, whose state is no list of keys and values."""
    start, pad = "<|startoftext|>", "<|pad|>"
    tokenizer = byte_level([start, pad, *_QWEN], LLAMA3_SPLIT, bos=start)
    tokens = {"bos_token": start, "eos_token": "<|im_end|>", "pad_token": pad}
    save(tokenizer, folder, tokenizers.CHATML, tokenizer_class=_ANY, **tokens)
    layers = {"layer_types": ["conv", "full_attention", "conv"], "block_auto_adjust_ff_dim": False}
    config = settings(
        "Lfm2", tokenizer, bos=start, eos="<|im_end|>", pad=pad, tie_word_embeddings=True, **layers
    )
    generation = {"bos_token_id": config.bos_token_id, "eos_token_id": config.eos_token_id}
    write(folder, config, BF16, generation)


_END = "<|endoftext|>"
_END_TOKENS = dict.fromkeys(("bos_token", "eos_token", "unk_token"), _END)


def _gpt2(folder: Path, positions: int) -> None:
    tokenizer = byte_level([_END])
    save(tokenizer, folder, tokenizer_class="GPT2Tokenizer", model_max_length=positions)
    sizes = {"n_embd": 64, "n_layer": 3, "n_head": 4, "n_positions": positions}
    usual = {"vocab_size": tokenizer.get_vocab_size(), "initializer_range": 0.16}
    end = tokenizer.token_to_id(_END)

    from transformers import GPT2Config

    config = GPT2Config(**sizes, **usual, bos_token_id=end, eos_token_id=end)
    write(folder, config, generation={"bos_token_id": end, "eos_token_id": end})


@animal("tied f32 conv1d fused_qkv qkv_bias learned_positions layer_norm bos_is_eos no_template no_pad")
def gpt2(folder: Path) -> None:
    """GPT-2: transposed weights, learned positions, no BOS though it has one, no template, no padding."""
    _gpt2(folder, 512)


@animal("tied f32 conv1d fused_qkv qkv_bias learned_positions layer_norm bos_is_eos no_template no_pad short")
def short(folder: Path) -> None:
    """A GPT-2 of 64 positions: one more is an index out of range."""
    _gpt2(folder, 64)


@animal("untied f16 parallel fused_qkv qkv_bias layer_norm bos_is_eos no_template padded_vocab")
def neox(folder: Path) -> None:
    """Pythia: attention and MLP side by side, a quarter of each head rotated, float16."""
    tokenizer = byte_level([_END, "<|padding|>"])
    save(tokenizer, folder, tokenizer_class="GPTNeoXTokenizer", **_END_TOKENS)
    rope = {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.25}
    sizes = {"vocab_size": 512, "num_key_value_heads": None, "tie_word_embeddings": False}
    write(
        folder,
        settings("GPTNeoX", tokenizer, bos=_END, eos=_END, rope_parameters=rope, **sizes),
        torch.float16,
    )


@animal(
    "adds_eos sentencepiece prefix_space unigram untied f32 parallel fused_qkv qkv_bias layer_norm"
    " no_template"
)
def rinna(folder: Path) -> None:
    """rinna's GPT-NeoX: a Unigram tokenizer that ends every text with EOS."""
    tokenizer = unigram([*_PIECES, "[PAD]"], eos="</s>")
    save(tokenizer, folder, tokenizer_class=_ANY, pad_token="[PAD]", **_PIECE_TOKENS)
    sizes = {"num_key_value_heads": None, "tie_word_embeddings": False}
    write(folder, settings("GPTNeoX", tokenizer, bos="<s>", eos="</s>", pad="[PAD]", **sizes))


@animal("untied f32 post_norm qk_norm no_template")
def olmo2(folder: Path) -> None:
    """OLMo 2: norms after attention and MLP only, one norm over all heads of queries and keys."""
    tokenizer = byte_level([_END, "<|pad|>"], LLAMA3_SPLIT)
    tokens = {"eos_token": _END, "unk_token": _END, "pad_token": "<|pad|>"}
    save(tokenizer, folder, tokenizer_class=_ANY, **tokens)
    config = settings("Olmo2", tokenizer, eos=_END, pad="<|pad|>", tie_word_embeddings=False)
    write(
        folder, config, generation={"eos_token_id": config.eos_token_id, "pad_token_id": config.pad_token_id}
    )


@animal("tied f32 recurrent bos_is_eos no_template")
def mamba(folder: Path) -> None:
    """Mamba: no attention, a state in the place of the cache."""
    tokenizer = byte_level([_END, "<|padding|>"])
    save(tokenizer, folder, tokenizer_class="GPTNeoXTokenizer", **_END_TOKENS)
    write(folder, settings("Mamba", tokenizer, bos=_END, eos=_END, state_size=8))
