"""AutoRound (Cheng et al. 2024): learns by signed gradient steps whether to round each weight up or down."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantization import modules
from quantization.libraries import common
from quantization.record import QuantizedModel, QuantizedTensor
from shared.errors import VisitorError
from shared.models import Loaded

if TYPE_CHECKING:
    from torch import Tensor

ITERATIONS, SAMPLES = 8, 4
"""Steps for each block and windows of calibration text; auto-round's own defaults, 200 and 128, take hours on
a CPU.
"""

FORMATS = {"int4-g64": (4, 64), "int3-g64": (3, 64), "int2-g64": (2, 64), "rtn-int4-g64": (4, 64)}
"""Bits and group size; rtn takes no step at all."""


def quantize_model(loaded: Loaded, spec: str, windows: Tensor | None) -> QuantizedModel:
    """Tune and round a copy of the model on windows of the calibration text.

    Raises:
        VisitorError: a group that does not divide a weight, a mixture of experts, or what the library raised.
    """
    import torch

    names = common.only_linear(loaded, "auto-round")
    if modules.expert_share(loaded.model):
        # It would change transformers' code for experts, and every other copy in this process with it.
        raise VisitorError(
            "auto-round takes a mixture of experts apart, which is not done here.", "Choose another engine."
        )
    number, group = FORMATS[spec]
    for name in names:
        if loaded.model.get_parameter(name).shape[1] % group:
            raise VisitorError(
                f"Groups of {group} do not divide the rows of {name}.", "Choose another engine."
            )
    iterations = 0 if spec.startswith("rtn") else ITERATIONS
    with common.silence():
        from auto_round import AutoRound

        logging.getLogger("autoround").setLevel(logging.ERROR)
        copy = type(loaded.model)(loaded.model.config)
        copy.load_state_dict(loaded.model.state_dict())
        copy.generation_config = loaded.model.generation_config
        copy = copy.to(loaded.model.device).eval()
        data = [
            {"input_ids": window[None], "attention_mask": torch.ones_like(window[None])}
            for window in _some(windows)
        ]
        with torch.inference_mode(False), torch.enable_grad(), torch.random.fork_rng():
            tuner = AutoRound(
                copy,
                loaded.tokenizer,
                bits=number,
                group_size=group,
                sym=True,
                iters=iterations,
                nsamples=len(data),
                seqlen=data[0]["input_ids"].shape[1],
                batch_size=2,
                dataset=data,
                device_map=str(loaded.model.device),
                amp=False,
            )
            try:
                model, _ = tuner.quantize()
            except Exception as error:
                raise VisitorError(
                    f"auto-round does not get through {loaded.id} ({type(error).__name__}).",
                    "Choose another engine.",
                ) from error
    model = model.float().eval().requires_grad_(False)
    modules.as_published(loaded, model, set(names))
    reports = []
    for name in names:
        layer = model.get_submodule(name.rpartition(".")[0])
        weight = loaded.model.get_parameter(name).detach().float().cpu()
        reports.append(modules.report(name, weight, _read(layer, number, group)))

    def export(folder: Path) -> list[Path]:
        def write(part: Path) -> None:
            with common.silence():
                tuner.save_quantized(str(part), format="auto_round")
            common.as_stored(loaded, part)

        return common.write_folder(folder, write)

    tuned = (
        f"{iterations} steps a block on {len(data)} windows (its defaults: 200 on 128)"
        if iterations
        else "no tuning: plain rounding"
    )
    return QuantizedModel(
        format=f"autoround:{spec}",
        version=common.version("auto-round"),
        model=model,
        tensors=tuple(reports),
        other_bytes=modules.other_bytes(loaded.model, set(names), modules.width(loaded)),
        runtime="PyTorch, weights as AutoRound rounded them, float32",
        notes=(f"AutoRound with {tuned}.",),
        export=export,
    )


def _some(windows: Tensor | None) -> Any:
    assert windows is not None
    return windows[:SAMPLES]


def _read(layer: Any, number: int, group: int) -> QuantizedTensor:
    """Codes of a symmetric layer: its weights over its float16 scales, which leaves integers."""
    import torch

    values = layer.weight.detach().float().cpu()
    scale = layer.scale.detach().float().cpu().reshape(values.shape[0], -1, 1)
    ratio = values.reshape(values.shape[0], -1, group) / torch.where(scale == 0, 1.0, scale)
    codes = ratio.round() + 2 ** (number - 1)
    if (ratio - ratio.round()).abs().max() > 0.01:
        raise VisitorError("AutoRound's weights do not lie on its own grid.", "Leave this format out.")
    groups = scale.numel()
    stored = values.numel() * number // 8 + 2 * groups + groups * number // 8
    return QuantizedTensor(
        f"int{number} g{group} auto-round", codes.reshape(values.shape).to(torch.int16), values, stored
    )
