"""The families of models that are written as GGUF: llama.cpp's name of each, its settings and its tensors, as
llama.cpp's own converter writes them; and what llama.cpp would compute otherwise, which is refused.

All of it asks the configuration only, so that a model can be refused before its weights are loaded. It is
long because it is one list: what seventeen families state.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from quantization import modules
from shared.errors import VisitorError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Setting = int | float | bool | str | list[bool]
Settings = dict[str, Setting]
"""By llama.cpp's key without the architecture before it."""


@dataclass(frozen=True)
class Family:
    """How one family is written.

    Args:
        architecture: llama.cpp's name of it.
        settings: beyond those that all have, or in their place.
        pairs: whether llama.cpp rotates neighbouring pairs of a head's rows, where transformers rotates
            halves.
        shifted: whether the gains of norms are stored without their 1, which llama.cpp does not add.
        activation: of the MLP, as llama.cpp has it.
        windowed: whether llama.cpp keeps a sliding window.
        gated: whether the MLP has two halves, of which one is the other's gate.
    """

    architecture: str
    settings: Callable[[Any], Settings]
    pairs: bool = False
    shifted: bool = False
    activation: str = "silu"
    windowed: bool = False
    gated: bool = True


def family_of(config: Any) -> Family:
    """The family of a configuration.

    Raises:
        VisitorError: it is not written here, or llama.cpp would compute it otherwise.
    """
    kind = str(config.model_type)
    family = FAMILIES.get(kind)
    if family is None:
        raise VisitorError(
            f"GGUF files of “{kind}” models are not written here.",
            f"Choose a model of the families {', '.join(FAMILIES)}, or another engine.",
        )
    if reason := _differs(text_part(config), family):
        raise VisitorError(f"llama.cpp would not compute this model: {reason}.", "Choose another engine.")
    return family


def text_part(config: Any) -> Any:
    """The settings of the language model, where a model has eyes too."""
    return config.get_text_config()


def settings(config: Any) -> Settings:
    """A model's settings by llama.cpp's keys.

    Raises:
        VisitorError: as `family_of`.
    """
    family = family_of(config)
    return family.settings(text_part(config))


def ignored_window(config: Any) -> int | None:
    """Tokens of a sliding window that llama.cpp does not keep for this family: beyond them it attends to all
    that came before; None where there is nothing to say.
    """
    family, config = family_of(config), text_part(config)
    window = getattr(config, "sliding_window", None)
    kinds = getattr(config, "layer_types", None)
    used = "sliding_attention" in kinds if kinds else getattr(config, "use_sliding_window", True)
    if family.windowed or not window or not used or window >= config.max_position_embeddings:
        return None
    return int(window)


def _heads(config: Any) -> int:
    return int(config.num_attention_heads)


def head_size(config: Any) -> int:
    """Columns of one head."""
    return int(getattr(config, "head_dim", None) or config.hidden_size // _heads(config))


def _shared_heads(config: Any) -> int:
    return int(getattr(config, "num_key_value_heads", None) or _heads(config))


def rope(config: Any) -> dict[str, Any]:
    """The rotary embedding of layers with full attention."""
    stated = dict(getattr(config, "rope_parameters", None) or {})
    return dict(stated.get("full_attention", stated))


def _sizes(config: Any) -> Settings:
    """What every family states."""
    return {
        "block_count": config.num_hidden_layers,
        "context_length": config.max_position_embeddings,
        "embedding_length": config.hidden_size,
        "feed_forward_length": config.intermediate_size,
        "attention.head_count": _heads(config),
        "attention.head_count_kv": _shared_heads(config),
    }


def _stated_head(config: Any) -> Settings:
    """Sizes of keys and values, where the configuration states them."""
    size = getattr(config, "head_dim", None)
    return {"attention.key_length": size, "attention.value_length": size} if size else {}


def _usual(config: Any) -> Settings:
    """What most families state: sizes, rotary embedding, norms, experts."""
    found = {**_sizes(config), **_rope(config), **_stated_head(config)}
    if (epsilon := getattr(config, "rms_norm_eps", None)) is not None:
        found["attention.layer_norm_rms_epsilon"] = epsilon
    if experts := _experts(config):
        found |= {"expert_count": experts, "expert_used_count": config.num_experts_per_tok}
    return found


def _experts(config: Any) -> int:
    return int(getattr(config, "num_local_experts", None) or getattr(config, "num_experts", None) or 0)


def _rope(config: Any) -> Settings:
    """The rotary embedding, with what stretches it."""
    stated = rope(config)
    found: Settings = {"rope.freq_base": float(stated.get("rope_theta", 10_000.0))}
    local = (getattr(config, "rope_parameters", None) or {}).get("sliding_attention")
    if local:
        found["rope.freq_base_swa"] = float(local["rope_theta"])
    kind = stated.get("rope_type", "default")
    if kind in ("linear", "yarn"):
        found |= {"rope.scaling.type": kind, "rope.scaling.factor": float(stated["factor"])}
    if kind == "yarn":
        found["rope.scaling.original_context_length"] = int(stated["original_max_position_embeddings"])
        for theirs, ours in _YARN.items():
            if (value := stated.get(theirs)) is not None:
                found[f"rope.scaling.{ours}"] = float(value)
    return found


_YARN = {
    "extrapolation_factor": "yarn_ext_factor",
    "attention_factor": "yarn_attn_factor",
    "beta_fast": "yarn_beta_fast",
    "beta_slow": "yarn_beta_slow",
}


def _llama(config: Any) -> Settings:
    return {
        **_usual(config),
        "vocab_size": config.vocab_size,
        "rope.dimension_count": head_size(config),
    }


def _granite(config: Any) -> Settings:
    found = _llama(config)
    found.pop("attention.key_length", None)
    found.pop("attention.value_length", None)
    factors = {
        "attention.scale": config.attention_multiplier,
        "embedding_scale": config.embedding_multiplier,
        "residual_scale": config.residual_multiplier,
        "logit_scale": config.logits_scaling,
    }
    return found | {key: float(factor) for key, factor in factors.items() if factor}


def _mixture(config: Any) -> Settings:
    found = _usual(config)
    found["expert_feed_forward_length"] = config.moe_intermediate_size
    if (shared := getattr(config, "shared_expert_intermediate_size", None)) is not None:
        found["expert_shared_feed_forward_length"] = shared
    return found


def _gemma2(config: Any) -> Settings:
    return {
        **_sizes(config),
        **_stated_head(config),
        "attention.layer_norm_rms_epsilon": config.rms_norm_eps,
        "attn_logit_softcapping": float(config.attn_logit_softcapping),
        "final_logit_softcapping": float(config.final_logit_softcapping),
        "attention.sliding_window": config.sliding_window,
    }


def _gemma3(config: Any) -> Settings:
    found = _usual(config) | {"attention.sliding_window": config.sliding_window}
    if config.final_logit_softcapping:
        found["final_logit_softcapping"] = float(config.final_logit_softcapping)
    return found


def _phi3(config: Any) -> Settings:
    stated = rope(config)
    return {
        **_sizes(config),
        "attention.layer_norm_rms_epsilon": config.rms_norm_eps,
        "rope.scaling.original_context_length": _first_context(config),
        "rope.dimension_count": _turned(config),
        "rope.freq_base": float(stated.get("rope_theta", 10_000.0)),
        "attention.sliding_window": config.sliding_window or 0,
        **({"rope.scaling.attn_factor": _long_factor(config)} if stated.get("long_factor") else {}),
    }


def _turned(config: Any) -> int:
    """Columns of a head that are rotated."""
    share = rope(config).get("partial_rotary_factor", 1.0)
    return int(share * config.hidden_size) // _heads(config)


def _first_context(config: Any) -> int:
    """Tokens that a model was trained on before its context was stretched."""
    stated = rope(config).get("original_max_position_embeddings")
    return int(
        stated or getattr(config, "original_max_position_embeddings", None) or config.max_position_embeddings
    )


def _long_factor(config: Any) -> float:
    """By how much attention is sharpened in a stretched context."""
    first = _first_context(config)
    stretch = config.max_position_embeddings / first
    return math.sqrt(1 + math.log(stretch) / math.log(first)) if stretch > 1 else 1.0


def _olmo(config: Any) -> Settings:
    clamp = {} if config.clip_qkv is None else {"attention.clamp_kqv": float(config.clip_qkv)}
    return {**_usual(config), "attention.layer_norm_epsilon": 1e-5, **clamp}


def _olmo2(config: Any) -> Settings:
    found = _usual(config)
    if (window := getattr(config, "sliding_window", None)) is not None:
        found["attention.sliding_window"] = window
        found["attention.sliding_window_pattern"] = [
            kind == "sliding_attention" for kind in config.layer_types
        ]
    return found


def _gpt2(config: Any) -> Settings:
    return {
        "block_count": config.num_hidden_layers,
        "context_length": config.max_position_embeddings,
        "embedding_length": config.hidden_size,
        "feed_forward_length": 4 * config.hidden_size,
        "attention.head_count": _heads(config),
        "attention.layer_norm_epsilon": config.layer_norm_epsilon,
    }


FAMILIES = {
    "llama": Family("llama", _llama, pairs=True),
    "mistral": Family("llama", _llama, pairs=True),
    "mixtral": Family("llama", _llama, pairs=True),
    "smollm3": Family("smollm3", _llama, pairs=True),
    "granite": Family("granite", _granite, pairs=True),
    "qwen2": Family("qwen2", _usual),
    "qwen3": Family("qwen3", _usual),
    "qwen2_moe": Family("qwen2moe", _mixture),
    "qwen3_moe": Family("qwen3moe", _mixture),
    "gemma2": Family("gemma2", _gemma2, shifted=True, activation="gelu", windowed=True),
    "gemma3_text": Family("gemma3", _gemma3, shifted=True, activation="gelu", windowed=True),
    "gemma3": Family("gemma3", _gemma3, shifted=True, activation="gelu", windowed=True),
    "phi3": Family("phi3", _phi3),
    "olmo": Family("olmo", _olmo, pairs=True),
    "olmo2": Family("olmo2", _olmo2, windowed=True),
    "olmo3": Family("olmo2", _olmo2, windowed=True),
    "gpt2": Family("gpt2", _gpt2, activation="gelu", gated=False),
}
"""transformers' model types that are written, and how."""

_ROPES = {
    **{kind: ("default", "linear", "yarn") for kind in FAMILIES},
    **{kind: ("default", "linear", "yarn", "llama3") for kind in ("llama", "mistral", "smollm3", "granite")},
    "gemma2": ("default",),
    "phi3": ("default", "longrope"),
}
"""Rotary embeddings that a family is written with."""


def _differs(config: Any, family: Family) -> str | None:
    """Why llama.cpp would compute other logits, or None."""
    kind = rope(config).get("rope_type", "default")
    if kind not in _ROPES[str(config.model_type)]:
        return f"it has no rotary embedding of type “{kind}” for it"
    names = ("hidden_act", "hidden_activation", "activation_function")
    activation = next((str(value) for name in names if (value := getattr(config, name, None))), "")
    if not activation.startswith(family.activation) and "gemma" not in family.architecture:
        return f"its MLP takes {family.activation}, and this one {activation}"
    checks: dict[str, Callable[[Any], str | None]] = {
        "gemma2": _gemma_differs,
        "gemma3": _gemma_differs,
        "qwen2moe": _mixture_differs,
        "qwen3moe": _mixture_differs,
        "smollm3": _smollm3_differs,
        "granite": _granite_differs,
        "olmo2": _olmo2_differs,
        "gpt2": _gpt2_differs,
    }
    check = checks.get(family.architecture)
    return check(config) if check else None


def _gemma_differs(config: Any) -> str | None:
    size = head_size(config)
    asked, layers = config.query_pre_attn_scalar, config.num_hidden_layers
    largest = {"gemma2": 46, "gemma3_text": 62}[config.model_type]
    taken = config.hidden_size / _heads(config) if layers == largest else size
    if asked != taken:
        return f"it divides attention by the root of {taken:g}, and this model by that of {asked:g}"
    if config.model_type == "gemma2":
        if rope(config).get("rope_theta", 10_000.0) != 10_000.0:
            return "its rotary base is 10,000"
        if config.attn_logit_softcapping is None or config.final_logit_softcapping is None:
            return "it caps attention and logits, and this model does not"
    period = 2 if config.model_type == "gemma2" else 6
    expected = ["sliding_attention" if (layer + 1) % period else "full_attention" for layer in range(layers)]
    if list(config.layer_types) != expected:
        return f"every layer but each {'second' if period == 2 else 'sixth'} has a sliding window there"
    return None


def _mixture_differs(config: Any) -> str | None:
    if getattr(config, "mlp_only_layers", None) or getattr(config, "decoder_sparse_step", 1) != 1:
        return "every layer has experts there"
    normed = config.model_type == "qwen3_moe"
    if bool(config.norm_topk_prob) != normed:
        return (
            f"it {'scales the chosen experts to a sum of 1' if normed else 'leaves the sum of the experts'}"
        )
    return None


def _smollm3_differs(config: Any) -> str | None:
    expected = [int((layer + 1) % 4 != 0) for layer in range(config.num_hidden_layers)]
    if list(config.no_rope_layers) != expected:
        return "each fourth layer goes without a rotary embedding there"
    return None


def _granite_differs(config: Any) -> str | None:
    size = getattr(config, "head_dim", None)
    usual = config.hidden_size // _heads(config)
    return f"its heads have {usual} columns, and these {size}" if size not in (None, usual) else None


def _olmo2_differs(config: Any) -> str | None:
    if config.tie_word_embeddings:
        return "its output head is a matrix of its own"
    local = (getattr(config, "rope_parameters", None) or {}).get("sliding_attention")
    return (
        None if not local or local.get("rope_type", "default") == "default" else "its two rotary embeddings"
    )


def _gpt2_differs(config: Any) -> str | None:
    if config.activation_function not in ("gelu_new", "gelu_pytorch_tanh"):
        return f"its MLP takes gelu by way of tanh, and this one {config.activation_function}"
    if config.n_inner not in (None, 4 * config.n_embd):
        return f"its MLP is four times as wide as the model, and this one has {config.n_inner} columns"
    if not config.scale_attn_weights or config.scale_attn_by_inverse_layer_idx:
        return "it divides attention by the root of a head's size in every layer, and this model does not"
    return None


@dataclass(frozen=True)
class Part:
    """One tensor of the file.

    Args:
        name: llama.cpp's.
        parameter: of the model, by name.
        start: first of the rows of each matrix of the parameter.
        stop: the last of them + 1, or None for all.
        order: heads whose rows are put in llama.cpp's order, or 0.
        shifted: whether 1 is added.
        transposed: whether the parameter is stored as (inputs, outputs), as GPT-2's are.
    """

    name: str
    parameter: str
    start: int = 0
    stop: int | None = None
    order: int = 0
    shifted: bool = False
    transposed: bool = False

    def rows(self, values: Any, matrices: int = 1) -> Any:
        """The tensor's rows, in llama.cpp's order, of a parameter's array.

        Args:
            values: (rows, …), or (rows of all matrices, …) of a parameter of several matrices.
            matrices: how many the parameter has.
        """
        if matrices > 1:
            values = values.reshape(matrices, len(values) // matrices, *values.shape[1:])
            values = values[:, self.start : self.stop]
        elif self.order:
            shape = values.shape
            parted = values.reshape(self.order, 2, shape[0] // self.order // 2, *shape[1:])
            values = parted.swapaxes(1, 2).reshape(shape)
        return np.ascontiguousarray(values)


_EYES = ("vision_tower.", "multi_modal_projector.")
"""What a model's eyes are made of; llama.cpp keeps them in a file of their own."""


def parts(model: PreTrainedModel) -> Iterator[Part]:
    """Every tensor of the file that comes from a parameter, in the model's order.

    Raises:
        VisitorError: as `family_of`, or llama.cpp has no name for a parameter.
    """
    import gguf

    family, config = family_of(model.config), text_part(model.config)
    kind = next(kind for kind, name in gguf.MODEL_ARCH_NAMES.items() if name == family.architecture)
    names = gguf.get_tensor_name_map(kind, config.num_hidden_layers)

    def named(stem: str, ending: str) -> str:
        target = names.get_name(stem)
        if target is None:
            raise VisitorError(f"GGUF has no name for the parameter {stem}.", "Choose another engine.")
        return f"{target}.{ending}"

    for name, parameter in model.named_parameters():
        plain = name.replace("language_model.", "")
        if any(eye in plain for eye in _EYES):
            continue
        if plain.endswith("experts.gate_up_proj"):
            stem, half = plain.removesuffix("gate_up_proj"), parameter.shape[1] // 2
            yield Part(named(f"{stem}gate_proj", "weight"), name, 0, half)
            yield Part(named(f"{stem}up_proj", "weight"), name, half)
            continue
        if plain.endswith("experts.down_proj"):
            yield Part(named(plain, "weight"), name)
            continue
        stem, _, ending = plain.rpartition(".")
        order = 0
        if family.pairs and stem.endswith(("q_proj", "k_proj")):
            order = _heads(config) if stem.endswith("q_proj") else _shared_heads(config)
        yield Part(
            named(stem, ending),
            name,
            order=order,
            shifted=family.shifted and plain.endswith("norm.weight"),
            transposed=ending == "weight" and modules.is_transposed(model, name),
        )


def is_kept_whole(name: str) -> bool:
    """Whether llama.cpp never quantizes a matrix of that parameter: what chooses among experts, the embedding
    of positions, and eyes.
    """
    return name.endswith(("mlp.gate.weight", "shared_expert_gate.weight", ".wpe.weight")) or any(
        eye in name for eye in _EYES
    )


def frequency_factors(config: Any) -> dict[str, np.ndarray[Any, np.dtype[np.float32]]]:
    """Tensors that come from the settings: factors of the rotary embedding's frequencies, by llama.cpp's
    names.
    """
    config = text_part(config)
    stated = rope(config)
    kind = stated.get("rope_type", "default")
    if kind == "llama3":
        return {"rope_freqs.weight": _llama3_factors(stated, head_size(config))}
    if kind == "longrope":
        return {
            f"rope_factors_{length}.weight": np.asarray(stated[f"{length}_factor"], np.float32)
            for length in ("long", "short")
        }
    return {}


def _llama3_factors(stated: dict[str, Any], size: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """By what each frequency is divided: the high ones by 1, the low ones by the factor (Llama 3.1)."""
    import torch  # whose float32 powers are those of llama.cpp's converter

    base, factor = float(stated["rope_theta"]), float(stated["factor"])
    waves = 2 * math.pi / (1 / base ** (torch.arange(0, size, 2, dtype=torch.float32) / size))
    first = stated["original_max_position_embeddings"]
    low, high = float(stated["low_freq_factor"]), float(stated["high_freq_factor"])
    smooth = ((first / waves - low) / (high - low)).clamp(0, 1)
    factors: np.ndarray[Any, np.dtype[np.float32]] = (1 / ((1 - smooth) / factor + smooth)).numpy()
    return factors
