"""Models by name: the catalogue, and loading within the limits.

`Loaded.source` says which copy answered: the embedded one, the Hub's, or a folder of this machine.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared import experts, hub, limits, owner, weights
from shared.embedded_model import (
    EMBEDDED_MODEL,
    EMBEDDED_PARAMETERS,
    EMBEDDED_SOURCE,
    EMBEDDED_WHEEL,
    EMBEDDED_WHEEL_VERSION,
    HUB_SOURCE,
    embedded_folder,
    expert_folder,
    quiet_progress,
)
from shared.errors import VisitorError
from shared.imports import import_transformers

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# at its import torchao warns of kernels for other GPUs and of its own deprecations
for _noisy in ("torchao", "torch.utils._pytree"):
    logging.getLogger(_noisy).setLevel(logging.ERROR)

CATALOGUE: tuple[str, ...] = (*hub.CATALOGUE, *experts.NAMES)
"""Models that a page offers; any other causal language model of the Hub can be named. The experts come
last.
"""


@dataclass(frozen=True)
class Loaded:
    """A causal language model in evaluation mode, with its tokenizer and where it came from.

    With `owners` the owner asked for it: it may be a folder, or private on the Hub, and is not a visitor's.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    id: str
    revision: str
    source: str
    dtype: str
    device: str
    owners: bool = False


_lock = threading.Lock()
_loaded: OrderedDict[str, Loaded] = OrderedDict()
_turns: dict[str, threading.Lock] = {}
"""Whoever loads a model holds its lock: others who want the same wait, others who want another do not."""
hub.unlock_after_fork(_lock)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_turns.clear)


def load(model_id: str, report: Callable[[str], None] = lambda _: None) -> Loaded:
    """Load a model in float32 and keep it; a second call with the same name returns the same object.

    float32 whatever the stored dtype, because results are held to `generate()` token for token and batched
    bfloat16 products depend on the batch.

    Args:
        model_id: a Hub id `owner/name`, an expert of this suite, or for the owner a local folder.
        report: called with a sentence before a long step.

    Raises:
        VisitorError: unknown, gated, too large, no safetensors, needs remote code, not a causal language
            model, or the Hub cannot be reached.
    """
    if known := in_memory(model_id):
        return known
    with _lock:
        turn = _turns.setdefault(model_id, threading.Lock())
    with turn:
        if known := in_memory(model_id):
            return known
        try:
            loaded = _load(model_id, report)
            if model_id not in CATALOGUE:
                loaded = replace(loaded, owners=owner.is_here())
        finally:
            with _lock:
                _turns.pop(model_id, None)
        with _lock:
            _loaded[model_id] = loaded
            others = [name for name in _loaded if name != EMBEDDED_MODEL]
            for name in others[: max(0, len(others) - limits.MODELS_IN_MEMORY)]:
                del _loaded[name]
        return loaded


def in_memory(model_id: str) -> Loaded | None:
    """The model, where `load` keeps it already and whoever asks may have it."""
    with _lock:
        known = _loaded.get(model_id)
        if known is None or (known.owners and not owner.is_here()):
            return None
        _loaded.move_to_end(model_id)
        return known


def _load(model_id: str, report: Callable[[str], None]) -> Loaded:
    import_transformers()
    if model_id in experts.NAMES:
        folder, revision, source = expert_folder(model_id, report)
    elif model_id == EMBEDDED_MODEL and not hub.has_snapshot(model_id) and not hub.reachable():
        folder, revision, source = (
            embedded_folder(report),
            f"{EMBEDDED_WHEEL} {EMBEDDED_WHEEL_VERSION}",
            EMBEDDED_SOURCE,
        )
    elif hub.is_local_path(model_id):
        folder, revision, source = hub.local_folder(model_id), "local folder", "local folder"
    else:
        folder, revision = hub.download(model_id, largest_model(), report)
        source = HUB_SOURCE
    return open_folder(folder, model_id, revision, source)


def open_folder(folder: Path, model_id: str, revision: str, source: str) -> Loaded:
    """Load a model from a folder that this process trusts, in float32; it is not kept.

    Raises:
        VisitorError: it is no causal language model that transformers can load, it is above the limit, or its
            config.json, weights and tokenizer do not belong together.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    weights.check_kind(folder, model_id)
    try:
        weights.check_size(folder, model_id, largest_model())
        with quiet_progress():
            model, report = AutoModelForCausalLM.from_pretrained(
                folder,
                config=weights.configuration(folder),
                dtype=torch.float32,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                ignore_mismatched_sizes=True,  # they are in the report
                output_loading_info=True,
            )
            tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except VisitorError:
        raise
    except Exception as error:
        reason = _first_line(error).replace(str(folder), model_id)
        raise VisitorError(
            f"{model_id} could not be loaded as a causal language model ({reason}).",
            "Choose a text-generation model with safetensors weights and no code of its own.",
        ) from error
    weights.check_names(report, model_id)
    weights.check_vocabulary(model, tokenizer, model_id)
    return Loaded(model.eval(), tokenizer, model_id, revision, source, "float32", "cpu")


def most_parameters(model_id: str) -> int:
    """How many parameters a model has at most, without a look at the Hub: of a model in memory its own, of
    the embedded model and the experts what is known of them, of any other the limit.
    """
    if loaded := in_memory(model_id):
        return sum(parameter.numel() for parameter in loaded.model.parameters())
    if model_id == EMBEDDED_MODEL or model_id in experts.NAMES:
        return EMBEDDED_PARAMETERS
    return largest_model()


def largest_model() -> int:
    """How many parameters a model may have on this machine."""
    from shared import gpu

    return limits.MAX_PARAMETERS_GPU if gpu.has_gpu() else limits.MAX_PARAMETERS_CPU


def on_device(loaded: Loaded, *, keep: bool = True) -> Loaded:
    """The same model on the GPU where there is one; call it inside a function that has the GPU.

    Args:
        loaded: a model.
        keep: whether it is one that `load` keeps, which then stays there.
    """
    from shared import gpu

    device = gpu.device()
    if loaded.device == device:
        return loaded
    moved = replace(loaded, model=loaded.model.to(device), device=device)  # type: ignore[arg-type]
    if keep:
        with _lock:
            _loaded[loaded.id] = moved
    return moved


def is_kept(loaded: Loaded) -> bool:
    """Whether `load` still keeps this very model; whoever remembers something with the model in it should
    forget it with the model.
    """
    known = in_memory(loaded.id)
    return known is not None and known.model is loaded.model


def twin(model: PreTrainedModel) -> PreTrainedModel:
    """A model beside the model: modules and settings of its own, every parameter and buffer shared;
    milliseconds, no memory.

    Hooks and edited weights go into the twin, a new `Parameter` in the place of a shared one: so the model
    that other visitors and other Spaces use at the same moment is never touched, and nothing has to be
    undone. Writing into a shared tensor in place, or assigning its `.data`, would reach the model.
    """
    import copy

    shared: dict[int, Any] = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    return copy.deepcopy(model, shared)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:200].rstrip(".")
