"""What the layers of a model see of a text: the statistics that calibrated methods learn from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quantization import modules
from shared.errors import VisitorError

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Calibration:
    """Statistics of a linear layer's inputs over all tokens, float32 on the CPU.

    Args:
        second_moment: E[xxᵀ], (inputs, inputs).
        column_maximum: max|x|, (inputs,).
        column_mean_square: E[x²], (inputs,).
        column_mean_absolute: E|x|, (inputs,).
        tokens: how many were seen.
    """

    second_moment: Tensor
    column_maximum: Tensor
    column_mean_square: Tensor
    column_mean_absolute: Tensor
    tokens: int


def text_windows(tokenizer: Any, text: str, length: int, most: int) -> Tensor:
    """A text's tokens in windows that do not overlap, int64 (windows, length); what is left over is not used.

    Raises:
        VisitorError: the text has not enough tokens for one window.
    """
    ids = tokenizer(text, return_tensors="pt", truncation=False, verbose=False)["input_ids"][0]
    count = min(most, len(ids) // length)
    if count < 1:
        raise VisitorError(
            f"The text has {len(ids):,} tokens, too few for one window of {length:,}.", "Use a longer text, or lower context."
        )
    return ids[: count * length].reshape(count, length)


class _Sums:
    """Running sums of one input."""

    def __init__(self, width: int) -> None:
        import torch

        self.product = torch.zeros(width, width, dtype=torch.float64)
        self.maximum = torch.zeros(width)
        self.absolute = torch.zeros(width, dtype=torch.float64)
        self.tokens = 0

    def add(self, values: Tensor) -> None:
        flat = values.detach().reshape(-1, values.shape[-1]).float()
        import torch

        self.product += (flat.T @ flat).double().cpu()
        self.maximum = torch.maximum(self.maximum, flat.abs().amax(0).cpu())
        self.absolute += flat.abs().sum(0).double().cpu()
        self.tokens += len(flat)

    def result(self) -> Calibration:
        moment = (self.product / self.tokens).float()
        return Calibration(moment, self.maximum, moment.diagonal().clone(), (self.absolute / self.tokens).float(), self.tokens)


def collect(model: PreTrainedModel, windows: Tensor, names: list[str] | None = None) -> dict[str, Calibration]:
    """Run the model over the windows and gather what its linear layers see.

    Layers that are given the very same tensor (queries, keys and values; gate and up) share one result.

    Args:
        model: the base model.
        windows: token ids (windows, length).
        names: of weights, as `modules.linear_names`; all by default.
    """
    import torch

    wanted = modules.linear_names(model) if names is None else names
    sums: dict[str, _Sums] = {}
    seen: dict[int, tuple[Any, _Sums]] = {}
    shared: dict[str, _Sums] = {}

    def hook(name: str) -> Any:
        def gather(module: Any, inputs: tuple[Tensor, ...]) -> None:
            value = inputs[0]
            # The tensor is held beside its sums until the pass ends, so that its id is not given to another.
            if id(value) in seen and name not in sums:
                shared[name] = seen[id(value)][1]
                return
            if name in shared:
                return
            mine = sums.setdefault(name, _Sums(value.shape[-1]))
            mine.add(value)
            seen[id(value)] = (value, mine)

        return gather

    hooks = [model.get_submodule(name.rpartition(".")[0]).register_forward_pre_hook(hook(name)) for name in wanted]
    try:
        with torch.inference_mode():
            for window in windows:
                seen.clear()
                model(window[None].to(model.device), use_cache=False, logits_to_keep=1)
    finally:
        for each in hooks:
            each.remove()
    results = {id(one): one.result() for one in sums.values()}
    return {name: results[id(shared[name] if name in shared else sums[name])] for name in wanted}
