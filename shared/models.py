"""Models by name: the catalogue, and loading within the limits.

`Loaded.source` says which copy answered: the embedded one, the Hub's, or a folder of this machine.
"""

from __future__ import annotations

import gc
import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from shared import experts, hub, limits, owner, patterns, shelf, weights
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

    from shared.data import Origin

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
    `stored` is the dtype of its files; "" where it has none.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    id: str
    revision: str
    source: str
    dtype: str
    device: str
    owners: bool = False
    stored: str = ""

    @property
    def origin(self) -> Origin:
        """The part of a figure's provenance that says which model its numbers are of."""
        return {"model": self.id, "revision": self.revision, "source": self.source, "dtype": self.dtype}


Key = tuple[str, bool]
"""A name, and whether float32 was asked for."""

_lock = threading.Lock()
_loaded: OrderedDict[Key, Loaded] = OrderedDict()
_alive: WeakKeyDictionary[PreTrainedModel, int] = WeakKeyDictionary()
"""Bytes of every model that somebody holds, kept or not."""
_coming: list[int] = []
"""Bytes of the models that are being loaded."""
_forgetful: list[Callable[[Loaded], None]] = []
_turns: dict[Key, threading.Lock] = {}
"""Whoever loads a model holds its lock: others who want the same wait, others who want another do not."""
hub.unlock_after_fork(_lock)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_turns.clear)
    os.register_at_fork(after_in_child=_coming.clear)


def load(model_id: str, report: Callable[[str], None] = lambda _: None, *, exact: bool = False) -> Loaded:
    """Load a model and keep it; a second call with the same name returns the same object.

    On a CPU it is in float32 whatever the stored dtype, because results are held to `generate()` token for
    token, and batched bfloat16 products depend on the batch. On a GPU it is in the dtype that it is stored
    in, as `from_pretrained` loads it.

    Args:
        model_id: a Hub id `owner/name`, an expert of this suite, a name of the shelf, or for the owner a
            local folder.
        report: called with a sentence before a long step.
        exact: float32 on a GPU too: where what is measured may be as small as the rounding of bfloat16.

    Raises:
        VisitorError: unknown, gated, too large, no safetensors, needs remote code, not a causal language
            model, the Hub cannot be reached, or the models in use leave no memory.
    """
    if known := in_memory(model_id, exact=exact):
        return known
    key = _key(model_id, exact)
    with _lock:
        turn = _turns.setdefault(key, threading.Lock())
    with turn:
        if known := in_memory(model_id, exact=exact):
            return known
        try:
            loaded = _load(model_id, report, exact)
            if model_id not in CATALOGUE:
                loaded = replace(loaded, owners=owner.is_here())
        finally:
            with _lock:
                _turns.pop(key, None)
        with _lock:
            _loaded[key] = loaded
        return loaded


def _key(model_id: str, exact: bool) -> Key:
    return model_id, exact or machine() == "cpu"


def machine() -> str:
    """What models run on, "cuda" or "cpu": ZeroGPU lends the GPU later, so `gpu.device` does not know yet."""
    from shared import gpu

    return "cuda" if gpu.has_gpu() else "cpu"


def in_memory(model_id: str, *, exact: bool = False) -> Loaded | None:
    """The model, where `load` keeps it already and whoever asks may have it."""
    key = _key(model_id, exact)
    with _lock:
        known = _loaded.get(key)
        if known is None or (known.owners and not owner.is_here()):
            return None
        if shelf.is_made(model_id) and not shelf.is_here(model_id):
            return None
        _loaded.move_to_end(key)
        return known


def when_forgotten(forget: Callable[[Loaded], None]) -> None:
    """Have a function called with every model that `load` keeps no longer: whoever remembers something with
    the model in it forgets it then, or the model would stay in memory.
    """
    _forgetful.append(forget)


@contextmanager
def room_for(size: int, model_id: str) -> Iterator[None]:
    """Memory for a model that is about to be loaded: those go first that nobody has asked for the longest,
    all but the embedded one.

    Raises:
        VisitorError: those that runs hold at the moment leave too little.
    """
    collected = False
    while True:
        with _lock:
            if limits.fits(size, machine(), sum(_alive.values()) + sum(_coming)):
                _coming.append(size)
                break
            old = next((key for key in _loaded if key[0] != EMBEDDED_MODEL), None)
            gone = _loaded.pop(old) if old else None
        if gone is None and collected:
            raise VisitorError(
                f"{model_id} takes {size / 1e9:.1f} GB, and the models in use leave no room for it: together "
                f"they may take {limits.MODELS_BYTES[machine()] / 1e9:.0f} GB.",
                "Try again in a minute, or choose a smaller model.",
            )
        if gone is not None:
            for forget in _forgetful:
                forget(gone)
        gone = None
        gc.collect()  # a model is part of cycles
        collected = True
    try:
        yield
    finally:
        with _lock:
            _coming.remove(size)


def count(model: PreTrainedModel, size: int) -> None:
    """Count a model's bytes among those of all models in memory, for as long as somebody holds it."""
    with _lock:
        _alive[model] = size


def _load(model_id: str, report: Callable[[str], None], exact: bool) -> Loaded:
    import_transformers()
    if model_id in experts.NAMES:
        folder, revision, source = expert_folder(model_id, report)
    elif model_id == EMBEDDED_MODEL and not hub.has_snapshot(model_id) and not hub.reachable():
        folder, revision, source = (
            embedded_folder(report),
            f"{EMBEDDED_WHEEL} {EMBEDDED_WHEEL_VERSION}",
            EMBEDDED_SOURCE,
        )
    elif shelf.is_made(model_id):
        folder, revision, source = (
            hub.local_folder(model_id),
            "on the shelf",
            shelf.made_of(model_id).sentence,
        )
    elif hub.is_local_path(model_id):
        folder, revision, source = hub.local_folder(model_id), "local folder", "local folder"
    else:
        most = limits.MODEL_BYTES[machine()]  # none is loaded in fewer bytes than it is stored in
        folder, revision = hub.download(model_id, largest_model(exact=exact), report, max_bytes=most)
        source = HUB_SOURCE
    return open_folder(folder, model_id, revision, source, exact=exact)


def open_folder(folder: Path, model_id: str, revision: str, source: str, *, exact: bool = False) -> Loaded:
    """Load a model from a folder that this process trusts, in the dtype of `load`; it is not kept.

    Raises:
        VisitorError: it is no causal language model that transformers can load, it is above the limit, or its
            config.json, weights and tokenizer do not belong together.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    weights.check_kind(folder, model_id)
    try:
        stored = weights.stored_dtype(folder)
        dtype = dtype_for(stored, machine(), exact=exact)
        with quiet_progress():
            size = weights.check_size(folder, model_id, dtype, machine())
        with room_for(size, model_id), quiet_progress():
            model, report = AutoModelForCausalLM.from_pretrained(
                folder,
                config=weights.configuration(folder),
                dtype=getattr(torch, dtype),
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                ignore_mismatched_sizes=True,  # they are in the report
                output_loading_info=True,
            )
            count(model, size)
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
    if model_id not in CATALOGUE:
        patterns.watch(tokenizer)
    return Loaded(model.eval(), tokenizer, model_id, revision, source, dtype, "cpu", stored=stored)


def dtype_for(stored: str, device: str, *, exact: bool = False) -> str:
    """The dtype to load weights in.

    Args:
        stored: as `weights.stored_dtype` gives it.
        device: "cuda" or "cpu".
        exact: as for `load`.
    """
    return stored if device == "cuda" and not exact else "float32"


def most_parameters(model_id: str, *, exact: bool = False) -> int:
    """How many parameters a model has at most, without a look at the Hub: of a model in memory or on the
    shelf its own, of the embedded model and the experts what is known of them, of any other the limit.
    """
    if loaded := in_memory(model_id, exact=exact):
        return sum(parameter.numel() for parameter in loaded.model.parameters())
    if model_id == EMBEDDED_MODEL or model_id in experts.NAMES:
        return EMBEDDED_PARAMETERS
    if shelf.is_made(model_id) and shelf.is_here(model_id):
        made = shelf.made_of(model_id)
        if made.kind == "model":
            return sum(weights.sizes(made.folder))
        return most_parameters(made.parents[0], exact=exact)
    return largest_model(exact=exact)


def has_template(model_id: str) -> bool:
    """Whether a model has a chat template; of one not known here yes: a run says where it has none."""
    if loaded := in_memory(model_id) or in_memory(model_id, exact=True):
        return bool(loaded.tokenizer.chat_template)
    if shelf.is_made(model_id) and shelf.is_here(model_id):
        made = shelf.made_of(model_id)
        if made.kind != "model":
            return has_template(made.parents[0])
        stated = made.folder / "tokenizer_config.json"
        written = stated.read_text(encoding="utf-8") if stated.is_file() else ""
        return (made.folder / "chat_template.jinja").is_file() or '"chat_template"' in written
    return True


def dtype_of(model_id: str, *, exact: bool = False) -> str:
    """The dtype that a model runs in, without a look at the Hub: of one not in memory the likeliest."""
    if loaded := in_memory(model_id, exact=exact):
        return loaded.dtype
    ours = model_id == EMBEDDED_MODEL or model_id in experts.NAMES
    return dtype_for("float32" if ours else "bfloat16", machine(), exact=exact)


def largest_model(*, exact: bool = False) -> int:
    """How many parameters a model may have on this machine: on a GPU in a dtype of two bytes, unless `exact`
    asks for float32.
    """
    device = machine()
    return limits.MODEL_BYTES[device] // (2 if device == "cuda" and not exact else 4)


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
    if device == "cuda":
        import torch

        torch.backends.cuda.enable_cudnn_sdp(False)  # it plans anew for every length of a text
    moved = replace(loaded, model=loaded.model.to(device), device=device)  # type: ignore[arg-type]
    if keep:
        with _lock:
            for key, known in _loaded.items():
                if known.model is loaded.model:
                    _loaded[key] = moved
    return moved


def is_kept(loaded: Loaded) -> bool:
    """Whether `load` still keeps this very model."""
    with _lock:
        return any(known.model is loaded.model for known in _loaded.values())


def twin(model: PreTrainedModel) -> PreTrainedModel:
    """A model beside the model: modules and settings of its own, every parameter and buffer shared;
    milliseconds, no memory.

    Hooks and edited weights go into the twin, a new `Parameter` in the place of a shared one: so the model
    that other visitors and other Spaces use at the same moment is never touched, and nothing has to be
    undone. Writing into a shared tensor in place, or assigning its `.data`, would reach the model.
    """
    known: dict[int, Any] = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    made: PreTrainedModel = _twin(model, known)
    return made


def _twin(module: Any, known: dict[int, Any]) -> Any:
    """`copy.deepcopy` of a module, four times as fast: nearly all that a module holds is plain or empty.

    Args:
        known: as deepcopy keeps it, by id what each object became.
    """
    import copy

    kind: Any = type(module)
    if id(module) in known or hasattr(kind, "__deepcopy__") or kind.__reduce_ex__ is not object.__reduce_ex__:
        return copy.deepcopy(module, known)
    new = known[id(module)] = kind.__new__(kind)
    state = new.__dict__
    for name, value in vars(module).items():
        if name == "_modules":
            state[name] = {part: one and _twin(one, known) for part, one in value.items()}
        elif value is None or isinstance(value, (bool, int, float, str)):
            state[name] = value
        elif isinstance(value, (dict, set)) and not value:
            state[name] = type(value)()
        elif name in ("_parameters", "_buffers"):
            state[name] = dict(value)
        else:
            state[name] = copy.deepcopy(value, known)
    return new


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:200].rstrip(".")
