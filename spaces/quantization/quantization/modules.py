"""A model's weights by name: which can be quantized, and a copy in which some are replaced."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from quantization.record import QuantizedTensor, TensorReport
from shared import limits
from shared.errors import VisitorError
from shared.models import EMBEDDED_SOURCE, Loaded, twin

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedModel


def linear_names(model: PreTrainedModel) -> list[str]:
    """Names of the weights of the linear layers inside the decoder's blocks, in the model's order.

    The output head and the embeddings are not among them: engines other than gguf leave them in 16 bits. Nor
    are the layers of a model's eyes. transformers' Conv1D (GPT-2), whose weight is transposed, counts as
    linear.
    """
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    head, decoder = model.get_output_embeddings(), set((model.get_decoder() or model).modules())
    return [
        f"{name}.weight"
        for name, module in model.named_modules()
        if isinstance(module, (nn.Linear, Conv1D)) and module in decoder and module is not head
    ]


def bypassed(model: PreTrainedModel, names: list[str]) -> list[str]:
    """Those of the named weights that the model's code uses without calling their layers, as Mamba's does:
    another layer cannot take the place of such a one.
    """
    import torch

    model, called = twin(model), set()
    layers = {name: name.rpartition(".")[0] for name in names}
    for path in {*layers.values(), *(layer.rpartition(".")[0] for layer in layers.values())}:
        model.get_submodule(path).register_forward_pre_hook(
            lambda module, inputs, path=path: called.add(path)
        )
    with torch.inference_mode():
        model(torch.zeros((1, 2), dtype=torch.int64, device=model.device), use_cache=False)
    return [name for name, path in layers.items() if path not in called and path.rpartition(".")[0] in called]


def expert_share(model: PreTrainedModel) -> float:
    """The share of a model's weights that are experts of a mixture: stacked in one tensor, they are no linear
    layers.
    """
    sizes = {name: parameter.numel() for name, parameter in model.named_parameters()}
    stacked = {name for name, parameter in model.named_parameters() if parameter.dim() == 3}
    return sum(sizes[name] for name in stacked if ".experts." in name) / sum(sizes.values())


def check_size(loaded: Loaded) -> None:
    """Raise a VisitorError for a model that is too large to be quantized on a CPU."""
    parameters = sum(parameter.numel() for parameter in loaded.model.parameters())
    if loaded.device == "cpu" and parameters > limits.MAX_QUANTIZED_PARAMETERS_CPU:
        raise VisitorError(
            f"{loaded.id} has {parameters / 1e6:,.0f} million parameters; on a CPU at most "
            f"{limits.MAX_QUANTIZED_PARAMETERS_CPU / 1e6:,.0f} million are quantized.",
            "Choose a smaller model, or use a GPU.",
        )


GRID_DECIBEL = 40.0
"""Weights that a grid of at most 5 bits holds with less noise than this lay on it before: fresh ones lose all
that is below 30.
"""

_grids: WeakKeyDictionary[PreTrainedModel, str] = WeakKeyDictionary()


def grid_of(loaded: Loaded) -> str:
    """The grid of at most 5 bits that a model's weights lie on, whatever its name says; "" where there is
    none. Three of its layers are looked at, 16 rows of each.
    """
    if loaded.model not in _grids:
        names = linear_names(loaded.model)
        chosen = [names[place] for place in sorted({0, len(names) // 2, len(names) - 1})] if names else []
        found = [_grids_of(weight_of(loaded.model, name).detach()[:16].float().cpu()) for name in chosen]
        common = set.intersection(*found) if found else set()
        _grids[loaded.model] = next((name for name in _GRIDS if name in common), "")
    return _grids[loaded.model]


_GRIDS = (
    *("Q4_1", "Q4_0", "Q5_1", "Q5_0", "IQ4_NL", "MXFP4", "Q2_K", "Q3_K", "Q4_K", "Q5_K"),
    *("nf4", "fp4"),
    *(
        f"{method} int{bits} g{group}"
        for method in ("rtn", "absmax")
        for bits in (4, 5, 3, 2)
        for group in (32, 64, 128)
    ),
)
"""Grids that models are published on, the likeliest first."""


DIFFERENT = 27
"""Of 32 neighbouring weights so many differ from each other, or more, unless few bits name their values."""


def _grids_of(weight: Tensor) -> set[str]:
    """The grids that a weight lies on; few values among neighbours are looked for first, which is quick."""
    neighbours = weight[:, : weight.shape[1] // 32 * 32].reshape(-1, 32).sort(1).values
    if not len(neighbours) or float((neighbours.diff(dim=1) != 0).sum(1).float().mean()) + 1 >= DIFFERENT:
        return set()
    return {name for name in _GRIDS if _holds(weight, name)}


def _holds(weight: Tensor, grid: str) -> bool:
    """Whether a grid holds a weight without a loss worth the name."""
    from quantization.methods import check_settings, quantize
    from shared import ggml

    method, *rest = grid.split()
    settings = {"bits": int(rest[0][3:]), "group": int(rest[1][1:])} if rest else {}
    try:
        if method in ggml.TYPES:
            values = ggml.dequantize(ggml.quantize(weight, method), method, weight.shape[1])
        else:
            values = quantize(weight, method, check_settings(method, settings)).values
    except VisitorError:  # rows that it does not fit
        return False
    noise, signal = float(((weight - values) ** 2).sum()), float((weight**2).sum())
    return signal > 0 and noise <= signal * 10 ** (-GRID_DECIBEL / 10)


def on_grid(loaded: Loaded) -> bool:
    """Whether a model's weights lie on a grid of at most 5 bits, on which it was once stored."""
    return loaded.source.startswith(EMBEDDED_SOURCE) or bool(grid_of(loaded))


def grid_warning(loaded: Loaded, what: str, remedy: str) -> str:
    """What a reader of such a model's numbers should know.

    Args:
        loaded: the model.
        what: is flattered: "row" or "method".
        remedy: what to do about it here.
    """
    if not loaded.source.startswith(EMBEDDED_SOURCE):
        return (
            f"The weights of this model lie on a grid of few bits ({grid_of(loaded)}): it was quantized "
            f"before and dequantized. That format loses nothing on it, and every {what} of 4 to 5 bits is "
            f"flattered. {remedy}, or use the original weights."
        )
    return (
        "This copy of the model was stored as Q4_1 and dequantized: its weights lie on a 4-bit grid. Q4_1 is "
        f"lossless on it by construction, and every {what} of 4 to 5 bits is flattered. {remedy}, or use the "
        "original from the Hub."
    )


def weight_of(model: PreTrainedModel, name: str) -> Tensor:
    """A weight as (outputs, inputs): GPT-2's Conv1D stores the transpose."""
    weight = model.get_parameter(name)
    return weight.T if is_transposed(model, name) else weight


def is_transposed(model: PreTrainedModel, name: str) -> bool:
    """Whether a parameter is stored as (inputs, outputs)."""
    from transformers.pytorch_utils import Conv1D

    return isinstance(model.get_submodule(name.rpartition(".")[0]), Conv1D)


def replace_weight(model: PreTrainedModel, name: str, value: Tensor) -> None:
    """Put a weight, given as (outputs, inputs), in the place of the parameter of that name.

    An output head that was tied to the embedding of that name follows it.
    """
    from torch import nn

    old = model.get_parameter(name)
    stored = value.T.contiguous() if is_transposed(model, name) else value
    _put_everywhere(model, old, nn.Parameter(stored.to(old.dtype), requires_grad=False))


def replace_weights(model: PreTrainedModel, values: Mapping[str, Tensor]) -> None:
    """Put new values in the place of many parameters at once, given in the parameters' own shapes; tied ones
    follow.
    """
    from torch import nn

    places: dict[int, list[tuple[nn.Module, str]]] = {}
    for module in model.modules():
        for key, parameter in module._parameters.items():
            places.setdefault(id(parameter), []).append((module, key))
    for name, value in values.items():
        old = model.get_parameter(name)
        new = nn.Parameter(value.to(old.device, old.dtype), requires_grad=False)
        for module, key in places[id(old)]:
            module._parameters[key] = new


def published_dtype(loaded: Loaded) -> str:
    """The dtype of the model's published weights, whatever it is loaded in; of the embedded copy, whose file
    has 4 bits, that of the original.
    """
    return "bfloat16" if loaded.source.startswith(EMBEDDED_SOURCE) else loaded.stored or loaded.dtype


def width(loaded: Loaded) -> int:
    """Bytes that each of the model's published weights takes, and what stays as it is beside quantized
    ones.
    """
    return 4 if published_dtype(loaded) == "float32" else 2


def as_published(loaded: Loaded, model: PreTrainedModel, quantized: set[str]) -> None:
    """Round what is not `quantized` in a copy of the model to the dtype that its file will have: nothing
    changes, but where the base is no published model (rotated, or dequantized).
    """
    import torch
    from torch import nn

    if published_dtype(loaded) == "float32":
        return
    dtype = getattr(torch, published_dtype(loaded))
    for name, parameter in list(model.named_parameters()):
        if name not in quantized and parameter.dtype == torch.float32:
            rounded = parameter.detach().to(dtype).float()
            if not torch.equal(rounded, parameter):
                _put_everywhere(model, parameter, nn.Parameter(rounded, requires_grad=False))


def _put_everywhere(model: nn.Module, old: nn.Parameter, new: nn.Parameter) -> None:
    """A parameter in the place of another, wherever that is used."""
    for module in model.modules():
        for key, parameter in list(module._parameters.items()):
            if parameter is old:
                module._parameters[key] = new


def other_bytes(model: PreTrainedModel, quantized: set[str], bytes_each: int = 2) -> int:
    """Bytes of the parameters that stay as they are; tied ones counted once."""
    return bytes_each * sum(
        parameter.numel() for name, parameter in model.named_parameters() if name not in quantized
    )


def resident_bytes(model: nn.Module) -> int:
    """Bytes of all tensor storages that the model holds in this process, shared ones counted once."""
    seen: dict[int, int] = {}
    for tensor in [*model.parameters(), *model.buffers()]:
        for inner in _inner(tensor):
            storage = inner.untyped_storage()
            seen[storage.data_ptr()] = storage.nbytes()
    return sum(seen.values())


def _inner(tensor: Tensor) -> list[Tensor]:
    """The plain tensors inside: of torchao's subclasses their parts, of bitsandbytes' 4-bit parameters the
    scales too.
    """
    if hasattr(tensor, "__tensor_flatten__"):
        names, _ = tensor.__tensor_flatten__()
        return [part for name in names for part in _inner(getattr(tensor, name))]
    state = getattr(tensor, "quant_state", None)
    scales = [
        part for part in (getattr(state, "absmax", None), getattr(state, "code", None)) if part is not None
    ]
    return [tensor, *scales]


def report(name: str, weight: Tensor, result: QuantizedTensor) -> TensorReport:
    """The report of a weight (outputs, inputs) and what became of it."""
    tally = Tally(weight)
    for rows in tally.steps():
        tally.add(rows, result.values[rows])
        codes = result.codes[rows].cpu().numpy()
        least = int(codes.min())  # codes span few values: counting them is quicker than sorting them
        tally.codes.update((np.bincount((codes - least).ravel()).nonzero()[0] + least).tolist())
    return tally.report(name, result.type, result.stored_bytes)


class Tally:
    """Errors and codes of a weight (outputs, inputs), gathered some rows at a time: float64 copies of a whole
    embedding are large, and those of few rows stay in the processor's cache.

    Differences and squares are taken in float32, where they are exact to seven digits, the sums of rows in
    float64. In numpy, and without BLAS: threads for sums that short wait for each other longer than they add.
    """

    AT_ONCE = 1 << 16
    """Weights of a step, of short rows."""

    def __init__(self, weight: Tensor, square: float | None = None) -> None:
        """Begin.

        Args:
            weight: what values are held against.
            square: Σw², where it is known.
        """
        self.weight = weight.detach().float().cpu()
        self.codes: set[int] = set()
        self.error = 0.0
        self._known, self.square = square is not None, square or 0.0
        rows, columns = self.weight.shape
        self.shape = min(rows, max(1, self.AT_ONCE // columns)), columns
        self._error = np.empty(self.shape, np.float32)

    def steps(self) -> Iterator[slice]:
        """Rows that are taken at once, from the first to the last."""
        rows, step = len(self.weight), self.shape[0]
        for start in range(0, rows, step):
            yield slice(start, min(start + step, rows))

    def add(self, rows: Any, values: Tensor) -> None:
        """Take the error of some rows' values into account, of at most a step.

        Args:
            rows: a slice of the weight's, or their places.
            values: (rows, inputs).
        """
        exact, error = self.weight[rows].numpy(), self._error[: len(values)]
        np.subtract(values.detach().float().cpu().numpy(), exact, out=error)
        self.error += _square(error)
        if not self._known:
            self.square += _square(exact)

    def report(
        self, name: str, type: str, stored_bytes: int, wanted: str = "", reason: str = ""
    ) -> TensorReport:
        """The report of the whole weight."""
        return TensorReport(
            name,
            tuple(self.weight.shape),
            type,
            wanted or type,
            reason,
            stored_bytes,
            len(self.codes),
            self.error,
            self.square,
        )


def _square(values: npt.NDArray[np.float32]) -> float:
    """The sum of all squares of (rows, inputs)."""
    with np.errstate(over="ignore", invalid="ignore"):
        total = float(np.einsum("ij,ij->i", values, values).sum(dtype=np.float64))
    if math.isfinite(total):
        return total
    exact = values.astype(np.float64)  # squares that float32 has no room for
    return float(np.einsum("ij,ij", exact, exact))
