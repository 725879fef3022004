"""The models of the check: animals of the zoo, the embedded model, random weights of usual sizes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

SPREAD = 2.5
"""Standard deviation of a random model's logits over its vocabulary, as in the zoo."""

SIZES = {
    "135M": (576, 1536, 30, 9, 3, 49152, True),
    "360M": (960, 2560, 32, 15, 5, 49152, True),
    "1.1B": (2048, 5632, 22, 32, 4, 32000, False),
    "3B": (3072, 8192, 28, 24, 8, 128256, True),
    "8B": (4096, 14336, 32, 32, 8, 128256, False),
}
"""Shapes of SmolLM2-135M and 360M, TinyLlama, Llama 3.2 3B and Llama 3.1 8B: width, MLP width, layers, heads,
heads of keys and values, vocabulary, whether the head is the embedding.
"""

TINY = {
    "S": (64, 128, 2, 4, 2, 1024, True),
    "M": (192, 384, 4, 4, 2, 1024, False),
}
"""Sizes that a CPU runs in a second; two are enough for a line."""


@dataclass(frozen=True)
class Subject:
    """A model on disk.

    Args:
        name: for the table.
        folder: with its files.
        id: by which a Space names it.
    """

    name: str
    folder: Path
    id: str

    def opened(self, dtype: str = "float32") -> Any:
        """The model on the CPU, as loading in a dtype gives it.

        `.to(bfloat16)` would round the rotary frequencies too, which loading keeps in float32.
        """
        import torch
        from transformers import AutoModelForCausalLM

        from shared import models
        from shared.embedded_model import quiet_progress

        loaded = models.open_folder(self.folder, self.id, "check", "check", exact=True)
        if dtype == "float32":
            return loaded
        with quiet_progress():
            model = AutoModelForCausalLM.from_pretrained(
                self.folder, dtype=getattr(torch, dtype), use_safetensors=True, local_files_only=True
            )
        return replace(loaded, model=model.eval(), dtype=dtype)


def animals(*traits: str, without: tuple[str, ...] = ()) -> list[Subject]:
    """Animals of the zoo that open, with every one of `traits` and none of `without`."""
    from tests import zoo

    return [Subject(name, zoo.folder(name), f"zoo/{name}") for name in zoo.names(*traits, without=without)]


def embedded() -> Subject | None:
    """The embedded model, None where its wheel is not installed."""
    from shared.embedded_model import EMBEDDED_MODEL, embedded_folder
    from shared.errors import VisitorError

    try:
        return Subject("SmolLM2-135M", embedded_folder(), EMBEDDED_MODEL)
    except VisitorError:
        return None


def random_model(name: str, dtype: str, device: str) -> Any:
    """A Llama of random weights with a tokenizer of the zoo, made where it will run."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, LlamaConfig

    from shared.models import Loaded
    from tests import zoo

    width, mlp, layers, heads, key_heads, vocabulary, tied = {**SIZES, **TINY}[name]
    config = LlamaConfig(
        hidden_size=width,
        intermediate_size=mlp,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=key_heads,
        vocab_size=vocabulary,
        tie_word_embeddings=tied,
        max_position_embeddings=2048,
        rope_theta=100_000.0,
        bos_token_id=1,
        eos_token_id=2,
    )
    tokenizer = AutoTokenizer.from_pretrained(zoo.folder("tinyllama"), local_files_only=True)
    torch.manual_seed(0)
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(config, dtype=getattr(torch, dtype)).eval()
    model.generation_config = GenerationConfig(bos_token_id=1, eos_token_id=2, pad_token_id=2)
    with torch.no_grad():
        if tied:  # else the likeliest token is always the last one once more
            model.get_input_embeddings().weight.mul_(0.2)
        ids = torch.tensor([tokenizer("The lighthouse keeper opened the door.")["input_ids"]], device=device)
        model.model.norm.weight.mul_(SPREAD / float(model(ids).logits.float().std(-1).mean()))
    return Loaded(model, tokenizer, f"random/{name}", "random", "random weights", dtype, device)


def parameters_of(loaded: Any) -> int:
    """How many numbers a model has, tied ones once."""
    return sum(parameter.numel() for parameter in loaded.model.parameters())
