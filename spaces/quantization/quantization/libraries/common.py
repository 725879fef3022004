"""What the library engines share: swapping layers, silence, and writing a model folder whole or not at
all.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
import logging
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantization import checkpoints, modules
from quantization.record import QuantizedModel, TensorReport
from shared.errors import VisitorError
from shared.files import written_whole
from shared.models import Loaded, twin

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedModel


def version(package: str) -> str:
    """A package's name and version, for a reader."""
    return f"{package} {importlib.metadata.version(package)}"


def only_linear(loaded: Loaded, library: str) -> list[str]:
    """Names of the weights that a library's layers can take the place of.

    Raises:
        VisitorError: the model's layers are transformers' Conv1D (GPT-2), which the libraries do not replace,
            or its code uses a weight without its layer.
    """
    names = modules.linear_names(loaded.model)
    own = "Choose a format of the engine own, or another model."
    if any(modules.is_transposed(loaded.model, name) for name in names):
        raise VisitorError(f"{library} replaces nn.Linear only, and {loaded.id} is built of Conv1D.", own)
    if without := modules.bypassed(loaded.model, names):
        raise VisitorError(
            f"{library} replaces layers, and {loaded.id} uses {without[0]} without its layer.", own
        )
    return names


def swapped(loaded: Loaded, names: list[str], make: Callable[[nn.Linear, str], nn.Module]) -> PreTrainedModel:
    """A copy of the model whose linear layers are a library's; the base model's tensors are shared or left
    alone.
    """
    model = twin(loaded.model)
    for name in names:
        path = name.rpartition(".")[0]
        model.set_submodule(path, make(loaded.model.get_submodule(path), name))
    return model


def bare_linear(layer: nn.Linear) -> nn.Linear:
    """A layer with its own copy of the weight, for libraries that change what they are given."""
    from torch import nn

    copy = nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None, device="meta")
    copy.weight = nn.Parameter(layer.weight.detach().clone(), requires_grad=False)
    if layer.bias is not None:
        copy.bias = nn.Parameter(layer.bias.detach().clone(), requires_grad=False)
    return copy


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Keep a library's prints, warnings and progress bars out of the log."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def write_folder(folder: Path, write: Callable[[Path], None]) -> list[Path]:
    """Let a function fill a new folder that takes its place only when complete; the files in it.

    Raises:
        VisitorError: the disk is full; nothing is left.
    """
    with written_whole(folder, "the model") as part:
        part.mkdir(parents=True)
        write(part)
    return sorted(path for path in folder.iterdir() if path.is_file())


def save(loaded: Loaded, state: dict[str, Tensor], settings: dict[str, Any], folder: Path) -> list[Path]:
    """Write a state dict as safetensors, what is float and not a quantizer's in the dtype of the published
    weights, with the model's settings, those of its answers, and its tokenizer.
    """
    import torch
    from safetensors.torch import save_file

    config = loaded.model.config.to_dict()
    config.pop("_name_or_path", None)
    config |= {
        "quantization_config": settings,
        "architectures": [type(loaded.model).__name__],
        "dtype": modules.published_dtype(loaded),
    }
    own = {name for name, _ in loaded.model.named_parameters(remove_duplicate=False)}
    dtype = getattr(torch, modules.published_dtype(loaded))

    def write(part: Path) -> None:
        import json

        seen: dict[int, str] = {}
        kept = {}
        for name, tensor in state.items():
            if isinstance(tensor, torch.Tensor) and tensor.data_ptr() not in seen:
                seen[tensor.data_ptr()] = name
                value = tensor.detach().contiguous().cpu()
                is_plain = name in own and value.dtype == torch.float32
                kept[name] = value.to(dtype) if is_plain else value
        save_file(kept, part / "model.safetensors", metadata={"format": "pt"})
        (part / "config.json").write_text(json.dumps(config, indent=1, sort_keys=True, default=str))
        loaded.tokenizer.save_pretrained(part)
        if loaded.model.generation_config is not None:
            loaded.model.generation_config.save_pretrained(part)

    return write_folder(folder, write)


def packable(loaded: Loaded, method: str, bits: int) -> list[str]:
    """Names of the weights that a checkpoint of packed codes holds.

    Raises:
        VisitorError: as `only_linear` and `checkpoints.check_rows`, or a mixture of experts.
    """
    names = only_linear(loaded, method)
    if modules.expert_share(loaded.model):
        raise VisitorError(
            f"{method}'s files name every expert's weights apart, which are not written here.",
            "Choose a GGUF format.",
        )
    checkpoints.check_rows(((name, len(loaded.model.get_parameter(name))) for name in names), bits)
    return names


def packed_model(
    loaded: Loaded,
    model: PreTrainedModel,
    reports: dict[str, TensorReport],
    packed: dict[str, Tensor],
    settings: dict[str, Any],
    spec: str,
    notes: tuple[str, ...],
) -> QuantizedModel:
    """A model whose files are a checkpoint of packed codes.

    Args:
        loaded: the base model.
        model: with the values of the codes; what is not quantized is rounded as it is published.
        reports: of every weight that is packed, by its name, in the model's order.
        packed: their tensors, by the names in the file.
        settings: quantization_config of the file.
        spec: of the format.
        notes: for a reader.
    """
    import torch

    names, method = set(reports), settings["quant_method"]
    modules.as_published(loaded, model, names)

    def export(folder: Path) -> list[Path]:
        state = {name: value for name, value in model.state_dict().items() if name not in names}
        return save(loaded, {**state, **packed}, settings, folder)

    return QuantizedModel(
        format=f"{method}:{spec}",
        version=f"torch {torch.__version__}, own code of {method.upper()}",
        model=model,
        tensors=tuple(reports.values()),
        other_bytes=modules.other_bytes(loaded.model, names, modules.width(loaded)),
        runtime="PyTorch, the file's weights dequantized to float32",
        notes=notes,
        export=export,
    )


def as_stored(loaded: Loaded, folder: Path) -> None:
    """Put a written folder's float32 weights into the dtype of the published ones."""
    import json

    import torch
    from safetensors import safe_open
    from safetensors.torch import save_file

    dtype = getattr(torch, modules.published_dtype(loaded))
    for path in folder.glob("*.safetensors"):
        with safe_open(path, "pt") as file:
            metadata = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  no dict
        narrow = {
            name: value.to(dtype) if value.dtype == torch.float32 else value
            for name, value in tensors.items()
        }
        save_file(narrow, path, metadata=metadata)
    path = folder / "config.json"
    settings = json.loads(path.read_text()) | {"dtype": modules.published_dtype(loaded)}
    path.write_text(json.dumps(settings, indent=1, sort_keys=True))
