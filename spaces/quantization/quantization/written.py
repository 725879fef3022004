"""Files that leave: written, and read back as a stranger reads them, before anything of them is measured."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from quantization import checkpoints, formats, heap, published
from quantization.comparison import Comparison, Row
from quantization.libraries import common
from quantization.record import QuantizedModel
from shared.embedded_model import quiet_progress
from shared.errors import VisitorError
from shared.models import Loaded

if TYPE_CHECKING:
    from transformers import PreTrainedModel

WEIGHTS = (".gguf", ".safetensors")
"""How the names of files with weights end."""


def check(form: formats.Format) -> None:
    """Raise a VisitorError for a format whose models nothing loads."""
    if form.engine == published.ENGINE:
        raise VisitorError(
            f"{form.label} is a file already, and this room writes new ones.",
            "Choose a format to write, or measure the file under Compare formats.",
        )
    if form.engine not in formats.WITH_FILES:
        raise VisitorError(
            f"{form.name} cannot be taken home: nothing loads such a file.",
            f"Choose a format of {', '.join(formats.WITH_FILES)}.",
        )


def written(run: Comparison, row: Row, calibration: formats.Calibration) -> Iterator[str | QuantizedModel]:
    """Quantize, write the row's files and read them back; yields what it does, at the end the model that the
    files hold, with what is known of its tensors.

    Raises:
        VisitorError: as `formats.quantize`, the disk is full, or the files cannot be read back; they are gone
            then.
    """
    assert run.folder is not None
    made = formats.quantize(run.loaded, row.form, calibration)
    assert made.export is not None
    yield f"Writing {row.form.name}"
    row.files = list(made.export(_folder(run, row)))
    made = replace(made, model=run.loaded.model, export=None)  # the copy goes before the next one comes
    heap.trim()
    yield f"Reading {row.form.name} back"
    model, how = read_back(row.files, run.loaded)
    note = f"Every number is of the written file, read back by {how}."
    # in memory auto-round leaves plain layers; its files are read into layers of its own
    runtime = "auto-round's layers for a processor" if row.form.engine == "autoround" else made.runtime
    yield replace(made, model=model, runtime=runtime, notes=(*made.notes, note))


def _folder(run: Comparison, row: Row) -> Path:
    assert run.folder is not None
    is_one_file = row.form.engine == "gguf"
    return run.folder / row.form.name.replace(":", "-") if run.apart and not is_one_file else run.folder


def leave(run: Comparison, row: Row, quantized: QuantizedModel) -> None:
    """State the size of a row's files, and have llama.cpp read a GGUF file that is about to leave.

    Raises:
        VisitorError: as `gguf_check.check`.
    """
    from quantization import gguf_check

    assert row.facts is not None
    row.facts["file_bytes"] = weight_bytes(row.files)
    if row.form.engine != "gguf":
        return
    types = [tensor.type for tensor in quantized.tensors]
    distance = gguf_check.check(row.files[0], run.loaded, quantized.model, types, run.request.text)
    row.facts["notes"].append(
        "llama.cpp read this file before it left: the tokenizer's own tokens, and at the median token a KL "
        f"divergence of {distance:.2g} nats from the measured model."
    )


def remove(run: Comparison, row: Row) -> None:
    """Take away what was written of a row."""
    for path in row.files:
        path.unlink(missing_ok=True)
    if row.files and run.folder is not None and (folder := _folder(run, row)) != run.folder:
        shutil.rmtree(folder, ignore_errors=True)
    row.files = []


def weight_bytes(files: list[Path]) -> int:
    """Bytes of the files with weights."""
    return sum(path.stat().st_size for path in files if path.suffix in WEIGHTS)


def read_back(files: list[Path], loaded: Loaded) -> tuple[PreTrainedModel, str]:
    """The model that written files hold, computing in float32 where it can; and by what it was read.

    Args:
        files: a GGUF file, or those of a folder with config.json.
        loaded: the base model, which says what is expected of a GGUF file, and on which device to compute.

    Raises:
        VisitorError: they cannot be read.
    """
    (first, *_) = files
    if first.suffix == ".gguf":
        return _gguf(first, loaded), "this page's reader of published files"
    folder = first.parent
    settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))["quantization_config"]
    if settings["quant_method"] in formats.CHECKPOINTS:
        model = checkpoints.opened(folder).to(loaded.model.device)  # type: ignore[arg-type]
        return model, "this page's reader of such checkpoints, which their libraries read on a GPU"
    model = _by_transformers(folder, loaded)
    _compute_in_float32(model, folder, loaded)
    return model, "transformers"


def _gguf(path: Path, loaded: Loaded) -> PreTrainedModel:
    from quantization import published_check, published_model

    base = published_check.expected(loaded)
    place = published.Place(path.name, path.name, path.stat().st_size, "written here", path=path)
    return published_model.model_of(published_model.opened(place, base), path, base)


def _compute_in_float32(model: PreTrainedModel, folder: Path, loaded: Loaded) -> None:
    """Hold what is not quantized in float32, as the file has it and as all rows are measured: whatever dtype
    it is asked for, transformers leaves it in the file's, and auto-round puts the whole model into float16,
    in which rotary frequencies are off by more than the last tokens of a window bear.

    Args:
        model: as transformers opened it.
        folder: that it was opened from.
        loaded: the base model, whose buffers that are in no file it has too.
    """
    import torch
    from safetensors import safe_open

    narrow = (torch.bfloat16, torch.float16)
    parameters = {name: one for name, one in model.named_parameters() if one.dtype in narrow}
    for path in folder.glob("*.safetensors"):
        with safe_open(path, "pt") as file:
            for name in parameters.keys() & set(file.keys()):
                parameters[name].data = file.get_tensor(name).float().to(parameters[name].device)
    computed = dict(loaded.model.named_buffers())
    for place, module in model.named_modules():
        for key, one in module._buffers.items():
            name = f"{place}.{key}".lstrip(".")
            if one is None or one.dtype not in narrow:
                continue
            same = computed[name] if name in computed and key in module._non_persistent_buffers_set else one
            module._buffers[key] = same.float()
    for parameter in parameters.values():  # those that the file calls otherwise
        parameter.data = parameter.data.float()


def _by_transformers(folder: Path, loaded: Loaded) -> PreTrainedModel:
    import torch
    from transformers import AutoModelForCausalLM

    try:
        with common.silence(), quiet_progress():
            model = AutoModelForCausalLM.from_pretrained(
                folder,
                dtype=torch.float32,
                device_map={"": loaded.model.device},
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
            )
    except Exception as error:
        raise VisitorError(
            f"transformers does not read the written files ({type(error).__name__}).",
            "Choose another format, and report the model.",
        ) from error
    return model.eval().requires_grad_(False)
