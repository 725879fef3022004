"""A program that makes an edit in a model's files, one shard at a time: for a model of any size, on a machine
that could not load it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from abliteration.architecture import Anatomy
from abliteration.bake import check_bakeable, fold_of, strength
from abliteration.edit import Edit

if TYPE_CHECKING:
    from transformers import PreTrainedModel

NAME = "edit_shards.py"


def program(model: PreTrainedModel, anatomy: Anatomy, edit: Edit, *, linear: bool = False) -> str:
    """The program that does to files what `bake.bake` does in memory. It reads directions and reads from the
    edit.json beside it, and holds what it writes to the hashes there.

    Args:
        model: that is edited.
        anatomy: of it.
        edit: with a form as weights.
        linear: as for `bake.bake`.

    Raises:
        VisitorError: the edit has no form as weights.
    """
    check_bakeable(edit)
    anatomy.check_method(edit.method)
    matrices: list[tuple[Any, ...]] = []
    stacks: dict[str, tuple[int, float]] = {}
    for write in anatomy.writes:
        alpha = strength(edit, write)
        if not alpha or (linear and write.part in ("embedding", "positions")):
            continue
        if write.stack:
            stacks[anatomy.blocks[write.layer].removeprefix("model.")] = write.layer, alpha
            continue
        fold = fold_of(edit, write)
        norm = "" if write.output == write.module else write.output
        bias = (
            not linear
            and edit.method != "fitted"
            and getattr(model.get_submodule(write.module), "bias", None) is not None
        )
        matrices.append(
            (
                write.module,
                write.layer,
                alpha,
                write.rows,
                bias,
                norm,
                bool(fold and fold.oblique),
                1.0 if fold is None or linear else fold.gain,
            )
        )
    untied = anatomy.tied and any(name == anatomy.family.embedding for name, *_ in matrices)
    return _PROGRAM.format(
        matrices="".join(f"    {one!r},\n" for one in matrices),
        method=edit.method,
        stacks=stacks,
        untied=(f"{anatomy.family.embedding}.weight", f"{anatomy.head}.weight") if untied else None,
    )


_PROGRAM = '''\
"""The edit of edit.json in a model's safetensors files: python edit_shards.py MODEL EDITED

MODEL is a folder with the model that was edited, EDITED one that does not exist yet. Needs torch and
safetensors; no more than one file of the model is in memory.
"""

import base64
import hashlib
import json
import re
import shutil
import sys
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

METHOD = {method!r}
# module, layer, strength, stored as [n, width], has a bias, norm behind it, oblique, that norm's gain times
MATRICES = [
{matrices}]
STACKS = {stacks!r}  # layer and strength by the block whose experts' output matrices are edited
EXPERT = r"(?:model\\.)?(\\w+\\.\\d+)\\.\\w+\\.experts\\.(?:\\d+\\.(?:down_proj|w2)\\.weight|down_proj)"
UNTIED = {untied!r}  # embedding and head that were one matrix, where the embedding alone is edited

if len(sys.argv) != 3:
    raise SystemExit("Name two folders: python edit_shards.py MODEL EDITED")
source, target = map(Path, sys.argv[1:])
if target.exists():
    raise SystemExit(f"{{target}} is there already. Name a folder that does not exist yet.")
record = json.loads(Path(__file__).with_name("edit.json").read_text(encoding="utf-8"))


def unpacked(packed):
    content = bytearray(base64.b64decode(packed["float32"]))
    return torch.frombuffer(content, dtype=torch.float32).reshape(packed["shape"])


directions = unpacked(record["edit"]["directions"])
reads = {{module: unpacked(packed)[0] for module, packed in record["edit"]["reads"].items()}}
files = sorted(source.glob("*.safetensors"))
if not files:
    raise SystemExit(f"{{source}} has no safetensors files. Name the folder of the model that was edited.")
where = {{}}
for path in files:
    with safe_open(path, "pt") as opened:
        where |= dict.fromkeys(opened.keys(), path)


def found(name):
    """A tensor's name in these files: some are saved without the wrapper's first name."""
    for one in (name, name.partition(".")[2], "model." + name):
        if one in where:
            return one
    raise SystemExit(f"MODEL has no {{name}}. Name the folder of the model that was edited.")


def tensor(name):
    with safe_open(where[found(name)], "pt") as opened:
        return opened.get_tensor(found(name))


def sides(layer, norm, oblique, exact):
    """What is projected against, and what is taken away."""
    row = directions[layer % len(directions)].double()
    if not norm:
        return ((row / row.norm()).to(exact),) * 2
    gain = (1 + tensor(norm + ".weight").to(exact)).double()
    scaled = gain * row
    u = (scaled / scaled.norm()).to(exact)
    return (u, (row / gain * scaled.norm() / (row @ row)).to(exact)) if oblique else (u, u)


def projected(weight, both, alpha, rows):
    u, v = both
    pair = (weight @ u, v) if rows else (v, u @ weight)
    left = torch.addr(weight, *pair, alpha=-alpha)
    if METHOD == "norm_preserving":
        axis = 1 if rows else 0
        left *= weight.norm(dim=axis, keepdim=True) / left.norm(dim=axis, keepdim=True).clamp(min=1e-30)
    return left


def exactly(value):
    return value if value.dtype == torch.float64 else value.float()


changes = {{}}
for module, layer, alpha, rows, bias, norm, oblique, gain in MATRICES:

    def weight(value, module=module, layer=layer, alpha=alpha, rows=rows, norm=norm, oblique=oblique):
        value = exactly(value)
        if METHOD == "fitted":
            read, step = reads[module].to(value), alpha * directions[layer % len(directions)].to(value)
            return torch.addr(value, *((read, step) if rows else (step, read)))
        return projected(value, sides(layer, norm, oblique, value.dtype), alpha, rows)

    def one_row(value, layer=layer, alpha=alpha, norm=norm, oblique=oblique):
        value = exactly(value)
        return projected(value[None], sides(layer, norm, oblique, value.dtype), alpha, True)[0]

    changes[found(module + ".weight")] = module + ".weight", weight
    if bias:
        changes[found(module + ".bias")] = module + ".bias", one_row
    if gain != 1:
        changes[found(norm + ".weight")] = (
            norm + ".weight",
            lambda value, gain=gain: gain * (1 + exactly(value)) - 1,
        )


def expert(key):
    """What is done to an expert's matrix, or to a block's in one stack; None for other tensors."""
    part = re.fullmatch(EXPERT, key)
    if not part or part[1] not in STACKS:
        return None
    layer, alpha = STACKS[part[1]]

    def change(value):
        value = exactly(value)
        matrix = value.transpose(0, 1).flatten(1) if value.dim() == 3 else value
        left = projected(matrix, sides(layer, "", False, value.dtype), alpha, False)
        if value.dim() == 3:
            left = left.reshape(value.shape[1], value.shape[0], -1).transpose(0, 1)
        return left

    return change


lacking = set(STACKS) - {{match[1] for match in (re.fullmatch(EXPERT, key) for key in where) if match}}
if lacking:
    raise SystemExit(f"MODEL has no experts' matrices of known names in {{', '.join(sorted(lacking))}}.")
part = target.with_name(target.name + ".part")  # EDITED is there once it is whole
shutil.rmtree(part, ignore_errors=True)
part.mkdir(parents=True)
same = []
experts = 0
head = None
for path in files:
    tensors = {{}}
    with safe_open(path, "pt") as opened:
        facts = opened.metadata()
        for key in opened.keys():
            value = opened.get_tensor(key)
            if UNTIED and key == found(UNTIED[0]) and UNTIED[1] not in where:
                tensors[UNTIED[1]] = value.clone()
                head = path.name, value.nbytes
            if key in changes:
                name, change = changes[key]
                edited = change(value)
                stored = edited.to(getattr(torch, record["dtype"])).contiguous()
                digest = hashlib.sha256(stored.view(torch.uint8).numpy().tobytes()).hexdigest()
                same.append(record["tensors"].get(name) == digest)
                value = edited.to(value.dtype)
            elif change := expert(key):
                value = change(value).to(value.dtype)
                experts += 1
            tensors[key] = value.contiguous()
    save_file(tensors, part / path.name, metadata=facts)

for path in source.iterdir():
    if path.is_file() and path.suffix != ".safetensors":
        shutil.copy(path, part / path.name)
if UNTIED:
    config = json.loads((part / "config.json").read_text(encoding="utf-8"))
    config["tie_word_embeddings"] = False
    (part / "config.json").write_text(json.dumps(config, indent=2) + "\\n", encoding="utf-8")
index = part / "model.safetensors.index.json"
if head and index.exists():
    known = json.loads(index.read_text(encoding="utf-8"))
    known["weight_map"][UNTIED[1]] = head[0]
    if "total_size" in known.get("metadata", {{}}):
        known["metadata"]["total_size"] += head[1]
    index.write_text(json.dumps(known, indent=2) + "\\n", encoding="utf-8")
part.rename(target)
print(f"{{len(same)}} tensors edited; {{sum(same)}} are the ones of edit.json to the last bit.")
if experts:
    print(
        f"Beside them {{experts}} matrices of experts, which cannot be compared, since edit.json has "
        "a block's in one: whether MODEL is the model that was edited, the others alone say."
    )
if sum(same) < len(same):
    print("The others differ in rounding, or MODEL is not the model that was edited.")
'''
