"""A made adapter or GGUF file as a folder with a whole model, written beside it at its first opening."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from shared import card, files, models, shelf
from shared.embedded_model import disk_errors, plain_from_gguf, quiet_progress
from shared.errors import VisitorError, reason


def opened(made: shelf.Made) -> Path:
    """The folder, in float32: a GGUF's weights as they are read, an adapter's added to those of its base.

    Raises:
        VisitorError: transformers does not read that GGUF file, the base cannot be had, or the disk is full.
    """
    from filelock import FileLock

    home = shelf.home_of(made.folder)
    assert home is not None
    folder = home / "whole"
    with FileLock(f"{folder}.lock"):
        if not folder.is_dir():
            write: dict[shelf.Kind, Callable[[shelf.Made, Path], None]] = {
                "adapter": _with_base,
                "gguf": _from_gguf,
            }
            with files.written_whole(folder, made.name) as part, disk_errors():
                write[made.kind](made, part)
    return folder


def _with_base(made: shelf.Made, folder: Path) -> None:
    import copy

    from peft import PeftModel

    stated = json.loads((made.folder / "adapter_config.json").read_text(encoding="utf-8"))
    name = str(stated["base_model_name_or_path"])
    parent = made.parents[0]  # an adapter states no path of this machine
    base = models.load(parent if card.public_name(parent) == name else name, exact=True)
    with models.room_for(4 * sum(one.numel() for one in base.model.parameters()), made.name):
        adapted = PeftModel.from_pretrained(copy.deepcopy(base.model).cpu(), made.folder)
        adapted.merge_and_unload().save_pretrained(folder)  # type: ignore[operator]
    base.tokenizer.save_pretrained(folder)


def _from_gguf(made: shelf.Made, folder: Path) -> None:
    file = next(made.folder.glob("*.gguf"))
    try:
        model, tokenizer = plain_from_gguf(file)
    except Exception as error:
        raise VisitorError(
            f"{made.name} could not be read as a model ({reason(error)}).",
            "Compare its format in quantization, or open it in llama.cpp.",
        ) from error
    with quiet_progress():
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
