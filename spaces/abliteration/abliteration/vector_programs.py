"""Programs that make an ablation with the exported direction while the model runs: in transformers,
TransformerLens and nnsight.

Each takes the direction, with the kernel's strengths, from what every block's attention and MLP write and
from the first block's input. Tests run those of transformers and TransformerLens; nnsight is none of this
project's packages, see `RUN`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import experts, shelf

if TYPE_CHECKING:
    from abliteration.architecture import Anatomy
    from abliteration.edit import Edit

TENSORS = "direction.safetensors"
FILES = {
    "transformers": "use_it.py",
    "TransformerLens": "use_with_transformer_lens.py",
    "nnsight": "use_with_nnsight.py",
}
"""Of an export, by library."""
RUN = {
    "transformers": "the tests of this demo run it on a small model: the run-time edit's logits",
    "TransformerLens": "the tests run it with version 3.9.0 on small models: the run-time edit's logits",
    "nnsight": "no test runs it; version 0.8.1 gave the run-time edit's logits on a small Llama in "
    "float32, 2026-11-28",
}
"""What was run, and what not."""
LENS = ("llama", "mistral", "qwen2", "qwen3", "smollm3", "gemma", "phi3", "phi", "gpt_neox", "gpt2")
"""Families whose blocks TransformerLens names by attention and MLP, with no norm behind them."""


def programs(name: str, anatomy: Anatomy, edit: Edit) -> dict[str, str]:
    """The programs by library; none where the edit is no ablation, or where the model's name opens on this
    page alone.

    Args:
        name: of the model.
        anatomy: of it.
        edit: along the rows that the file holds.
    """
    if edit.method != "ablate" or is_here_alone(name):
        return {}
    made = {"transformers": _transformers(name, anatomy, edit)}
    if set(anatomy.family.types) <= set(LENS):
        made["TransformerLens"] = _lens(name, edit)
    if not anatomy.mixture:
        made["nnsight"] = _nnsight(name, anatomy, edit)
    return made


def is_here_alone(name: str) -> bool:
    """Whether a model's name is known to this suite alone: an expert's, or that of what was made here."""
    return name in experts.NAMES or shelf.is_made(name)


_WITHOUT = f"""\
rows = load_file("{TENSORS}")["direction"]  # a unit row for every layer


def without(hidden, layer, strength):
    row = rows[layer].to(hidden)
    return hidden - strength * (hidden @ row)[..., None] * row
"""


def _writes(anatomy: Anatomy, edit: Edit) -> dict[str, dict[str, float]]:
    """Strengths by part and the module that writes."""
    curves = {"attention": edit.kernel.attention, "mlp": edit.kernel.mlp}
    return {
        part: {anatomy.write(part, layer).output: strength for layer, strength in enumerate(curve)}
        for part, curve in curves.items()
    }


def _transformers(name: str, anatomy: Anatomy, edit: Edit) -> str:
    strengths = _writes(anatomy, edit)
    return f"""\
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

name = {name!r}  # a Hub id or a folder: the model that the direction was read in
model = AutoModelForCausalLM.from_pretrained(name)
tokenizer = AutoTokenizer.from_pretrained(name)
{_WITHOUT}

attention = {strengths["attention"]!r}
mlp = {strengths["mlp"]!r}
for writes in (attention, mlp):
    for layer, (module, strength) in enumerate(writes.items()):
        model.get_submodule(module).register_forward_hook(
            lambda _, inputs, output, layer=layer, strength=strength: without(output, layer, strength)
        )
model.get_submodule({anatomy.blocks[0]!r}).register_forward_pre_hook(
    lambda _, inputs: (without(inputs[0], 0, {edit.kernel.embedding!r}), *inputs[1:])
)
"""


def _lens(name: str, edit: Edit) -> str:
    return f"""\
from safetensors.torch import load_file
from transformer_lens.model_bridge import TransformerBridge

name = {name!r}  # a Hub id or a folder: the model that the direction was read in
model = TransformerBridge.boot_transformers(name)
{_WITHOUT}

attention = {list(edit.kernel.attention)!r}  # by layer
mlp = {list(edit.kernel.mlp)!r}
hooks = [("blocks.0.hook_resid_pre", lambda value, hook: without(value, 0, {edit.kernel.embedding!r}))]
for part, strengths in (("hook_attn_out", attention), ("hook_mlp_out", mlp)):
    for layer, strength in enumerate(strengths):
        hooks.append(
            (
                f"blocks.{{layer}}.{{part}}",
                lambda value, hook, layer=layer, strength=strength: without(value, layer, strength),
            )
        )
tokens = model.to_tokens("How do I cook rice?")
logits = model.run_with_hooks(tokens, fwd_hooks=hooks)
"""


def _nnsight(name: str, anatomy: Anatomy, edit: Edit) -> str:
    strengths = _writes(anatomy, edit)
    return f"""\
from nnsight import TransformersModel  # 0.8 or newer
from safetensors.torch import load_file

name = {name!r}  # a Hub id or a folder: the model that the direction was read in
model = TransformersModel(name, task="text-generation", dispatch=True)
{_WITHOUT}

attention = {strengths["attention"]!r}
mlp = {strengths["mlp"]!r}
both = list(zip(attention.items(), mlp.items()))
first = model.get({anatomy.blocks[0]!r})
with model.trace("How do I cook rice?"):
    first.input = without(first.input, 0, {edit.kernel.embedding!r})
    for layer, pair in enumerate(both):  # in the order in which the modules run
        for path, strength in pair:
            module = model.get(path)
            module.output = without(module.output, layer, strength)
    logits = model.output.logits.save()
"""
