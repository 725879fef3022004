"""edit.json: an edit written down whole, so that anyone can make it again and see that it is the same one.

It holds the direction and the strengths themselves, the SHA-256 of every tensor that they change, and what
was measured. Nothing has to be found again: `replayed` needs the base model alone.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from abliteration import bake, kernel
from abliteration.architecture import Anatomy
from abliteration.edit import Edit, Fold
from shared.errors import VisitorError

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

KIND, VERSION, NAME = "directional edit", 1, "edit.json"
MOST_CHARACTERS = 20_000_000
METHODS = ("ablate", "fitted", "norm_preserving")
"""Those that have a form as weights."""


@dataclass(frozen=True)
class Record:
    """An edit.json that was read.

    Args:
        model: that was edited.
        revision: of it, and which copy answered.
        dtype: of the edited numbers, a name of torch's.
        edit: the edit itself.
        linear: whether only attention's and MLP's matrices are edited, as an adapter does.
        request: what it was found with.
        tensors: SHA-256 of the bytes of every tensor that the edit changes, by name.
        files: of the written files, by name.
        measures: what was measured, by name.
    """

    model: str
    revision: str
    dtype: str
    edit: Edit
    linear: bool
    request: dict[str, Any]
    tensors: dict[str, str]
    files: dict[str, str]
    measures: dict[str, float]


def written(
    edit: Edit,
    baked: PreTrainedModel,
    model: PreTrainedModel,
    *,
    name: str,
    revision: str,
    dtype: str,
    linear: bool,
    request: Mapping[str, Any],
    files: Mapping[str, str],
    measures: Mapping[str, float],
) -> str:
    """The text of an edit.json.

    Args:
        edit: a weight edit.
        baked: the model with it, its numbers those that the files hold.
        model: as it was.
        name: of the model.
        revision: of it.
        dtype: of the files.
        linear: as for `bake.bake`.
        request: that the edit was made for.
        files: SHA-256 of each.
        measures: numbers by name.
    """
    import torch

    same = all(torch.equal(row, edit.directions[0]) for row in edit.directions)
    rows = edit.directions[:1] if same else edit.directions
    record = {
        "kind": KIND,
        "version": VERSION,
        "model": name,
        "revision": revision,
        "dtype": dtype,
        "edit": {
            "method": edit.method,
            "linear": linear,
            "kernel": edit.kernel.to_json(),
            "directions": _packed(rows),
            "reads": {module: _packed(read[None]) for module, read in (edit.reads or {}).items()},
            "folds": {module: [fold.oblique, fold.gain] for module, fold in (edit.folds or {}).items()},
        },
        "request": dict(request),
        "tensors": hashes(baked, model, dtype),
        "files": dict(files),
        "measures": {key: value for key, value in measures.items() if math.isfinite(value)},
    }
    return json.dumps(record, ensure_ascii=False, indent=1) + "\n"


def _packed(rows: Tensor) -> dict[str, Any]:
    import torch

    values = rows.detach().cpu().to(torch.float32).contiguous()
    return {
        "shape": list(values.shape),
        "float32": base64.b64encode(values.numpy().tobytes()).decode("ascii"),
    }


def hashes(baked: PreTrainedModel, model: PreTrainedModel, dtype: str) -> dict[str, str]:
    """SHA-256 of the bytes of every parameter that an edited model does not share with the model, in a dtype;
    by name. What a file stores once (a tied head) is there once.
    """
    import torch

    kept = {parameter.data_ptr() for parameter in model.parameters()}
    digests: dict[str, str] = {}
    for name, value in baked.named_parameters():
        if value.data_ptr() not in kept:
            stored = value.detach().cpu().to(getattr(torch, dtype)).contiguous()
            digests[name] = hashlib.sha256(stored.view(torch.uint8).numpy().tobytes()).hexdigest()
    return digests


def file_hash(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def read(text: str) -> Record:
    """Read an edit.json.

    Raises:
        VisitorError: it is none, or of a later version, or damaged.
    """
    if len(text) > MOST_CHARACTERS:
        raise VisitorError("The record is longer than 20 MB.", "Give the edit.json as it was exported.")
    try:
        value = json.loads(text)
        if value["kind"] != KIND:
            raise ValueError
        if value["version"] != VERSION:
            raise VisitorError(
                f"The edit.json has version {str(value['version'])[:10]}, and this page reads {VERSION}.",
                "Open it with the demo that wrote it, or a later one.",
            )
        stated = value["edit"]
        curve = stated["kernel"]
        layers = len(curve["attention"])
        if stated["method"] not in METHODS or str(value["dtype"]) not in ("float32", "bfloat16", "float16"):
            raise ValueError
        folds = {
            str(module): Fold(bool(oblique), float(gain))
            for module, (oblique, gain) in stated["folds"].items()
        }
        edit = Edit(
            stated["method"],
            _unpacked(stated["directions"], layers),
            kernel.resolve(curve, layers),
            reads=_reads(stated),
            folds=folds or None,
        )
        texts = {key: {str(k): str(v) for k, v in value[key].items()} for key in ("tensors", "files")}
        return Record(
            str(value["model"]),
            str(value["revision"]),
            str(value["dtype"]),
            edit,
            bool(stated["linear"]),
            dict(value["request"]),
            texts["tensors"],
            texts["files"],
            {str(key): float(number) for key, number in value["measures"].items()},
        )
    except VisitorError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, IndexError):
        raise VisitorError(
            "The record is no edit.json of this demo.",
            "Give the edit.json of an export, or the reproduce.json of heretic.",
        ) from None


def _reads(stated: Mapping[str, Any]) -> dict[str, Tensor] | None:
    if stated["method"] != "fitted":
        return None
    return {str(module): _unpacked(packed, 1)[0] for module, packed in stated["reads"].items()}


def _unpacked(packed: Any, layers: int) -> Tensor:
    import torch

    count, width = (int(size) for size in packed["shape"])
    content = bytearray(base64.b64decode(str(packed["float32"]), validate=True))
    if count not in (1, layers) or len(content) != 4 * count * width or not width:
        raise ValueError
    rows = torch.frombuffer(content, dtype=torch.float32).reshape(count, width)
    if not bool(torch.isfinite(rows).all()) or not bool((rows.norm(dim=1) > 0).all()):
        raise ValueError
    return rows.expand(layers, -1)


def replayed(record: Record, model: PreTrainedModel, anatomy: Anatomy) -> PreTrainedModel:
    """The model with a record's edit in its weights, in the numbers of its files.

    Raises:
        VisitorError: the edit is of a model of another shape.
    """
    edit = record.edit
    if len(edit.directions) != anatomy.layers or edit.directions.shape[1] != anatomy.width:
        raise VisitorError(
            f"The edit is of a model with {len(edit.directions)} layers of width {edit.directions.shape[1]}; "
            f"{record.model[:60]} has {anatomy.layers} of {anatomy.width}.",
            "Name the model that the edit was made for.",
        )
    if anatomy.mixture and edit.method != "ablate":
        raise VisitorError(
            f"The edit is {edit.method}, of a dense model; {record.model[:60]} is a mixture of experts.",
            "Name the model that the edit was made for.",
        )
    missing = set(edit.folds or {}) | set(edit.reads or {})
    if edit.reads is not None and not _fits(edit, model, anatomy):
        raise VisitorError(
            "The fitted edit is of a model with other matrices.", "Name the model that the edit was made for."
        )
    missing -= {write.module for write in anatomy.writes}
    if missing:
        raise VisitorError(
            f"The edit names {sorted(missing)[0][:60]}, which the model does not have.",
            "Name the model that the edit was made for.",
        )
    return bake.rounded(bake.bake(model, anatomy, edit, linear=record.linear), model, record.dtype)


def _fits(edit: Edit, model: PreTrainedModel, anatomy: Anatomy) -> bool:
    """Whether a fitted edit says at which inputs every matrix acts that its kernel reaches."""
    for write in anatomy.writes:
        weight: Any = model.get_submodule(write.module).weight
        read = (edit.reads or {}).get(write.module)
        if read is None and bake.strength(edit, write):
            return False
        if read is not None and len(read) != weight.shape[0 if write.rows else 1]:
            return False
    return True


def compared(record: Record, found: Mapping[str, str]) -> tuple[int, list[str]]:
    """How many of a record's tensors have the stated hash, and the names of those that have not.

    Args:
        found: hashes by name, of `hashes`.
    """
    names = sorted(set(record.tensors) | set(found))
    different = [name for name in names if record.tensors.get(name) != found.get(name)]
    return len(names) - len(different), different
