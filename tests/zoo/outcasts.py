"""Animals that `models.open_folder` must refuse, each with its reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from tests.zoo.families import qwen_tokenizer
from tests.zoo.folders import animal, copy, save_tensors, save_weights, settings, write
from tests.zoo.tokenizers import save, unigram

EOS = "<|im_end|>"


@animal("short_vocab", reason=r"tokenizer .* ids up to 478, .* only 459 rows")
def short_vocab(folder: Path) -> None:
    """Twenty words of the tokenizer have no row in the embedding."""
    tokenizer = qwen_tokenizer(folder)
    write(folder, settings("Llama", tokenizer, vocab_size=tokenizer.get_vocab_size() - 20))


@animal("quantized", reason=r"quantized \(bitsandbytes\)")
def bnb4(folder: Path) -> None:
    """A folder as bitsandbytes writes it: two 4-bit codes to a byte, scales beside them."""
    from bitsandbytes.functional import quantize_4bit

    config = {
        "quant_method": "bitsandbytes",
        "load_in_4bit": True,
        "bnb_4bit_quant_type": "nf4",
        "bnb_4bit_compute_dtype": "float32",
        "bnb_4bit_quant_storage": "uint8",
        "bnb_4bit_use_double_quant": False,
    }
    tensors = {}
    for name, weight in copy("llama3", folder, quantization_config=config).items():
        tensors[name] = weight
        if "proj" in name:
            codes, state = quantize_4bit(weight.float(), quant_type="nf4")
            tensors[name] = codes
            tensors |= {f"{name}.{key}": value for key, value in state.as_dict(packed=True).items()}
    save_tensors(tensors, folder)


@animal("quantized", reason=r"quantized \(fp8\)")
def fp8(folder: Path) -> None:
    """A folder of 8-bit floats with one scale a block, as DeepSeek's and Qwen's FP8 folders."""
    block = 128
    config = {
        "quant_method": "fp8",
        "fmt": "e4m3",
        "activation_scheme": "dynamic",
        "weight_block_size": [block] * 2,
    }
    tensors = {}
    for name, weight in copy("llama3", folder, quantization_config=config).items():
        tensors[name] = weight
        if "proj" in name:
            blocks = weight.float().unflatten(0, (-1, block)).unflatten(2, (-1, block))
            scale = blocks.abs().amax((1, 3), keepdim=True) / torch.finfo(torch.float8_e4m3fn).max
            tensors[name] = (blocks / scale).flatten(2).flatten(0, 1).to(torch.float8_e4m3fn)
            tensors[f"{name}_scale_inv"] = scale[:, 0, :, 0].contiguous()
    save_tensors(tensors, folder)


@animal("encoder", reason="BertForMaskedLM, which does not write text")
def bert(folder: Path) -> None:
    """A masked language model."""
    from transformers import BertForMaskedLM

    save_weights(BertForMaskedLM(settings("Bert", qwen_tokenizer(folder), num_key_value_heads=None)), folder)


def _with_encoder(folder: Path, kind: str, **values: Any) -> None:
    import transformers

    tokenizer = unigram(["<pad>", "</s>", "<unk>"], eos="</s>")
    save(tokenizer, folder, tokenizer_class="PreTrainedTokenizerFast", eos_token="</s>", pad_token="<pad>")
    config = getattr(transformers, f"{kind}Config")(vocab_size=tokenizer.get_vocab_size(), **values)
    save_weights(getattr(transformers, f"{kind}ForConditionalGeneration")(config), folder)


@animal("encoder", reason="an encoder and a decoder")
def t5(folder: Path) -> None:
    """An encoder with a decoder."""
    _with_encoder(folder, "T5", d_model=32, d_ff=32, d_kv=8, num_layers=1, num_heads=4)


@animal("encoder", reason="an encoder and a decoder")
def bart(folder: Path) -> None:
    """An encoder with a decoder, of which transformers would load the decoder alone."""
    sizes = {"layers": 1, "attention_heads": 2, "ffn_dim": 32}
    sides = {f"{side}_{name}": size for side in ("encoder", "decoder") for name, size in sizes.items()}
    ends = {"pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 1}
    _with_encoder(folder, "Bart", d_model=32, max_position_embeddings=64, **ends, **sides)


@animal("head", reason="LlamaForSequenceClassification, which does not write text")
def classifier(folder: Path) -> None:
    """A causal model whose head names classes."""
    from transformers import LlamaForSequenceClassification

    save_weights(LlamaForSequenceClassification(settings("Llama", qwen_tokenizer(folder), pad=EOS)), folder)


@animal("head", reason="Qwen3Model, which does not write text")
def headless(folder: Path) -> None:
    """An embedding model: a causal model without a head."""
    from transformers import Qwen3Model

    save_weights(Qwen3Model(settings("Qwen3", qwen_tokenizer(folder), head_dim=16)), folder)


@animal("remote_code", reason="code of its own")
def remote_code(folder: Path) -> None:
    """A model that only the code in its folder can build."""
    places = {"AutoConfig": "configuration.MysteryConfig", "AutoModelForCausalLM": "modeling.Mystery"}
    kind = {"model_type": "mystery", "architectures": ["MysteryForCausalLM"], "auto_map": places}
    save_tensors(copy("tools", folder, **kind), folder)
    for name in ("configuration.py", "modeling.py"):
        (folder / name).write_text("raise SystemExit('remote code ran')\n")


@animal("unknown_kind", reason="no models of the kind “mystery”")
def unknown_kind(folder: Path) -> None:
    """A model newer than transformers."""
    save_tensors(copy("tools", folder, model_type="mystery", architectures=["MysteryForCausalLM"]), folder)


@animal("incomplete", reason=r"lack model\.layers\.2\.\S+ and 8 more")
def missing_layer(folder: Path) -> None:
    """The weights lack the last layer that config.json names."""
    tensors = copy("tools", folder)
    save_tensors({name: value for name, value in tensors.items() if ".layers.2." not in name}, folder)


@animal("incomplete", reason=r"lack model\.layers\.1\.mlp\.down_proj\.weight, which")
def missing_matrix(folder: Path) -> None:
    """The weights hold one matrix under a wrong name."""
    tensors = copy("tools", folder)
    tensors["model.layers.1.mlp.down.weight"] = tensors.pop("model.layers.1.mlp.down_proj.weight")
    save_tensors(tensors, folder)


@animal("incomplete", reason=r"hold model\.layers\.2\.\S+ and 8 more, which config\.json does not name")
def extra_layer(folder: Path) -> None:
    """config.json names fewer layers than the weights hold."""
    save_tensors(copy("tools", folder, num_hidden_layers=2), folder)


@animal("incomplete", reason=r"shape \(96, 64\), and config\.json describes \(64, 96\)")
def wrong_shape(folder: Path) -> None:
    """One matrix has another shape than config.json says."""
    tensors = copy("tools", folder)
    name = "model.layers.1.mlp.down_proj.weight"
    tensors[name] = tensors[name].T.contiguous()
    save_tensors(tensors, folder)


@animal("overclaims", reason=r"describes [\d,]{13} parameters, and its weights hold [\d,]{7}\.")
def overclaims(folder: Path) -> None:
    """config.json claims two billion parameters; the weights hold a hundred thousand."""
    save_tensors(copy("tools", folder, hidden_size=8192, intermediate_size=16384, head_dim=2048), folder)


@animal("overclaims", reason="1,000,000,000 num_hidden_layers")
def endless(folder: Path) -> None:
    """config.json claims a billion layers: to build them, even without memory, would never end."""
    save_tensors(copy("tools", folder, num_hidden_layers=10**9), folder)


@animal("damaged", reason="could not be loaded")
def truncated(folder: Path) -> None:
    """A download that broke off."""
    save_tensors(copy("tools", folder), folder)
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


@animal("adapter", reason="is an adapter")
def adapter(folder: Path) -> None:
    """A LoRA adapter, which names its base and is no model."""
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": 4,
        "base_model_name_or_path": "someone/base",
    }
    (folder / "adapter_config.json").write_text(json.dumps(config))
    name = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
    save_tensors({name: torch.zeros(4, 64)}, folder, "adapter_model.safetensors")
