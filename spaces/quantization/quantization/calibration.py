"""What the layers of a model see of a text: the statistics that calibrated methods learn from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from quantization import modules
from shared import measure
from shared.measure import Windows
from shared.models import twin

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


MOST_TOKENS = 8_192
"""Tokens of a text that formats learn from, at most; of a longer one its beginning."""

FEW = 4
"""Fewer tokens than this many times a layer's inputs say little of how the inputs move together."""


def calibration_windows(tokenizer: PreTrainedTokenizerBase, text: str, context: int) -> Windows:
    """Cut a text into equal windows of at most `context` tokens that leave next to nothing of it out, however
    many windows are measured.

    Raises:
        VisitorError: the text does not fill one window of `context`.
    """
    tokens = min(len(measure.plain_ids(tokenizer, text)), MOST_TOKENS)
    if tokens < context:
        return measure.text_windows(tokenizer, text, context, 1)
    count = -(-tokens // context)
    return measure.text_windows(tokenizer, text, tokens // count, count)


@dataclass(frozen=True)
class Calibration:
    """Statistics of a linear layer's inputs over all tokens, float32 on the CPU.

    Args:
        second_moment: E[xxᵀ], (inputs, inputs); None where the products are not wanted.
        column_maximum: max|x|, (inputs,).
        column_mean_square: E[x²], (inputs,).
        column_mean_absolute: E|x|, (inputs,).
        tokens: how many were seen.
    """

    second_moment: Tensor | None
    column_maximum: Tensor
    column_mean_square: Tensor
    column_mean_absolute: Tensor
    tokens: int


class _Sums:
    """Running sums of one input, float64 on the CPU; of its products only the diagonal where the others are
    not wanted.
    """

    def __init__(self, width: int, products: bool) -> None:
        import torch

        self.product = torch.zeros((width, width) if products else width, dtype=torch.float64)
        self.maximum = torch.zeros(width)
        self.absolute = torch.zeros(width, dtype=torch.float64)
        self.tokens = 0

    def add(self, values: Tensor) -> None:
        import torch

        flat = values.detach().reshape(-1, values.shape[-1]).float()
        product = flat.T @ flat  # the same sums in the same order for both
        self.product += (product if self.product.dim() == 2 else product.diagonal()).double().cpu()
        self.maximum = torch.maximum(self.maximum, flat.abs().amax(0).cpu())
        self.absolute += flat.abs().sum(0).double().cpu()
        self.tokens += len(flat)

    def result(self) -> Calibration:
        moment, absolute = (self.product / self.tokens).float(), (self.absolute / self.tokens).float()
        if moment.dim() == 1:
            return Calibration(None, self.maximum, moment, absolute, self.tokens)
        return Calibration(moment, self.maximum, moment.diagonal().clone(), absolute, self.tokens)


def collect(
    model: PreTrainedModel, windows: Tensor, names: list[str] | None = None, products: bool = True
) -> dict[str, Calibration]:
    """Run the model over the windows and gather what its linear layers see.

    Layers that are given the very same tensor (queries, keys and values; gate and up) share one result. A
    layer that nothing reaches has none.

    Args:
        model: the base model; its twin listens, so that the passes of others on the same model are not heard.
        windows: token ids (windows, length).
        names: of weights, as `modules.linear_names`; all by default.
        products: whether to keep E[xxᵀ] too, which only GPTQ, AWQ and a rotation need: about 8 bytes for each
            of the model's weights.
    """
    model = twin(model)
    wanted = modules.linear_names(model) if names is None else names
    layers = {name: model.get_submodule(name.rpartition(".")[0]) for name in wanted}
    passes = (
        partial(model, window[None].to(model.device), use_cache=False, logits_to_keep=1) for window in windows
    )
    return gathered(layers, passes, products)


def gathered(
    layers: Mapping[str, nn.Module], passes: Iterable[Callable[[], Any]], products: bool = True
) -> dict[str, Calibration]:
    """What layers see in some passes; they listen until those are done.

    Args:
        layers: by the names of their weights.
        passes: each runs a model, or a part of it, that has the layers.
        products: as of `collect`.
    """
    import torch

    sums: dict[str, _Sums] = {}
    seen: dict[int, tuple[Any, str]] = {}
    owner: dict[str, str] = {}

    def hook(name: str) -> Any:
        def gather(module: Any, inputs: tuple[Tensor, ...]) -> None:
            value = inputs[0]
            # The tensor is held beside its name until the pass ends, so that its id is not given to another.
            if name not in owner:
                owner[name] = seen[id(value)][1] if id(value) in seen else name
            if owner[name] == name:
                if name not in sums:
                    sums[name] = _Sums(value.shape[-1], products)
                sums[name].add(value)
                seen[id(value)] = (value, name)

        return gather

    hooks = [layer.register_forward_pre_hook(hook(name)) for name, layer in layers.items()]
    try:
        with torch.inference_mode():
            for run in passes:
                seen.clear()
                run()
    finally:
        for one in hooks:
            one.remove()
    results = {name: sums.pop(name).result() for name in list(sums)}  # the float64 sums go one by one
    return {name: results[owner[name]] for name in layers if name in owner}


class _Reached(Exception):
    """A pass that goes no further."""


def block_by_block(model: PreTrainedModel, windows: Tensor) -> Iterator[dict[str, Calibration]]:
    """What the linear layers of each of a decoder's blocks see, with products, one block after another.

    The blocks before are run as they are by then: who quantizes a block before asking for the next one learns
    the later ones from what the earlier ones really leave.

    Args:
        model: one that may be listened to, whose blocks are `model.model.layers` and all see the same mask.
        windows: token ids (windows, length).
    """
    import torch

    blocks: Any = model.model.layers
    states: list[tuple[Any, dict[str, Any]]] = []

    def catch(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        states.append((args[0], kwargs))
        raise _Reached

    first = blocks[0].register_forward_pre_hook(catch, with_kwargs=True)
    try:
        with torch.inference_mode():
            for window in windows:
                with suppress(_Reached):
                    model(window[None].to(model.device), use_cache=False)
    finally:
        first.remove()
    names = modules.linear_names(model)
    for number, block in enumerate(blocks):
        start = f"model.layers.{number}."
        layers = {
            name: model.get_submodule(name.rpartition(".")[0]) for name in names if name.startswith(start)
        }
        yield gathered(layers, (partial(block, state, **given) for state, given in states))
        with torch.inference_mode():
            for place, (state, given) in enumerate(states):
                left = block(state, **given)
                states[place] = (left[0] if isinstance(left, tuple) else left, given)
