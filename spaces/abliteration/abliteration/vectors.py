"""The differences of means as files that others read: safetensors, and a GGUF control vector.

In a GGUF file `direction.k` is what llama.cpp's `--control-vector` adds to the output of block k, and so does
repeng, which reads and writes the same file; block 0 has none. Here a direction is read at a layer's input,
which is the output of the block before: `direction.k` is that of layer k + 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from abliteration.directions import Directions
from shared.files import written_whole

if TYPE_CHECKING:
    from torch import Tensor

    from abliteration.architecture import Anatomy
    from abliteration.edit import Edit

TENSORS, CONTROL, CODE = "direction.safetensors", "control_vector.gguf", "use_it.py"
ARCHITECTURE = "controlvector"
"""Of a GGUF file with a control vector."""


def differences(directions: Directions, position: int) -> dict[int, Tensor]:
    """The raw difference of means by the layer at whose input it is read, where the sets differ."""
    return {
        layer: directions.raw(layer, position).float()
        for layer in range(len(directions.differences))
        if directions.differ(layer, position)
    }


def write(
    found: Mapping[int, Tensor], edit: Edit, anatomy: Anatomy, facts: Mapping[str, str], folder: Path
) -> None:
    """Write both files, and a program that makes an ablation with the first.

    Args:
        found: `differences`.
        edit: whose directions go along, one row for every layer.
        anatomy: of the model.
        facts: model (its name), type (of its configuration), layer and position, for the files' metadata.
        folder: that they are written to; it appears when it is complete.
    """
    from safetensors.torch import save_file

    with written_whole(folder, "the vectors") as part:
        part.mkdir(parents=True)
        tensors = {f"difference.{layer}": value.contiguous() for layer, value in found.items()}
        tensors["direction"] = edit.directions.float().cpu().contiguous()
        save_file(tensors, part / TENSORS, metadata=dict(facts))
        _control(found, facts["type"], part / CONTROL)
        if edit.method == "ablate":
            program = transformers_program(facts["model"], anatomy, edit)
            (part / CODE).write_text(program, encoding="utf-8")


def _control(found: Mapping[int, Tensor], family: str, path: Path) -> None:
    import gguf

    by_block = {layer - 1: value for layer, value in found.items() if layer > 1}
    writer: Any = gguf.GGUFWriter(path, ARCHITECTURE)
    try:
        writer.add_string(f"{ARCHITECTURE}.model_hint", family)
        writer.add_uint32(f"{ARCHITECTURE}.layer_count", len(by_block))
        for block, value in by_block.items():
            writer.add_tensor(f"direction.{block}", value.numpy())
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()


def transformers_program(name: str, anatomy: Anatomy, edit: Edit) -> str:
    """An ablation while the model runs, in transformers alone: `direction` of the file, taken with the
    kernel's strengths from what every block's attention and MLP write and from the first block's input.
    """
    parts = {
        part: [anatomy.write(part, layer).output for layer in range(anatomy.layers)]
        for part in ("attention", "mlp")
    }
    strengths = {
        part: dict(zip(parts[part], values, strict=True))
        for part, values in (("attention", edit.kernel.attention), ("mlp", edit.kernel.mlp))
    }
    return f"""\
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

name = {name!r}  # a Hub id or a folder: the model that the direction was read in
model = AutoModelForCausalLM.from_pretrained(name)
tokenizer = AutoTokenizer.from_pretrained(name)
rows = load_file("{TENSORS}")["direction"]  # a unit row for every layer


def without(hidden, layer, strength):
    row = rows[layer].to(hidden)
    return hidden - strength * (hidden @ row)[..., None] * row


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
