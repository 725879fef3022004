"""The differences of means as files that others read: safetensors, and a GGUF control vector.

In a GGUF file `direction.k` is what llama.cpp's `--control-vector` adds to the output of block k, and so does
repeng, which reads and writes the same file; block 0 has none. Here a direction is read at a layer's input,
which is the output of the block before: `direction.k` is that of layer k + 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from abliteration import vector_programs
from abliteration.directions import Directions
from abliteration.vector_programs import TENSORS
from shared.card import escape, public_name
from shared.files import written_whole

if TYPE_CHECKING:
    from torch import Tensor

    from abliteration.architecture import Anatomy
    from abliteration.edit import Edit

CONTROL, NOTES = "control_vector.gguf", "README.md"
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
    """Write both files, programs that make an ablation with the first, and what was run of all this.

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
        made = vector_programs.programs(facts["model"], anatomy, edit)
        for library, program in made.items():
            (part / vector_programs.FILES[library]).write_text(program, encoding="utf-8")
        (part / NOTES).write_text(_notes(found, facts, made), encoding="utf-8")


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


def _notes(found: Mapping[int, Tensor], facts: Mapping[str, str], made: Mapping[str, str]) -> str:
    """What the files are, how they are used, and what of it was run."""
    model = escape(public_name(facts["model"]))
    lines = [
        f"# A direction in the residual stream of {model}",
        "",
        f"Read {escape(facts['read'])}.",
        "",
        f"- `{TENSORS}`: `direction`, a unit row for each layer; `difference.k`, "
        "the vector at the input of layer k at its own length.",
        f"- `{CONTROL}`: the same vectors for llama.cpp (`--control-vector`) and repeng, `direction.k` "
        "behind block k. They add the vector. This demo's tests steer a small model by such a file in "
        "llama.cpp, and the logits are those of the same step here; this very file was not opened there.",
        *(
            f"- `{vector_programs.FILES[one]}`: the ablation in {one}; {vector_programs.RUN[one]}."
            for one in made
        ),
    ]
    if not made and vector_programs.is_here_alone(facts["model"]):
        lines.append(
            "- No program: this model's name opens in the demo alone. Export the whole model, or name the "
            "Hub id or folder of a copy, and the programs are written."
        )
    elif not made:
        lines.append("- No program: this edit is no ablation, and has no short form at run time.")
    layers = ", ".join(str(layer) for layer in found)
    return "\n".join([*lines, "", f"Layers with a vector: {layers}.", ""])
