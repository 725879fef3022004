"""A GGUF row as its runtime has it: how far the file's weights move the predictions, how much llama.cpp's own
arithmetic adds, and how much keys and values of fewer bits do.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from quantization import data, llama_windows, metrics
from shared import estimates, measure

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

CACHES = ("f16", "q8_0", "q4_0")
"""Formats of keys and values that are tried, the usual one first."""

MOST_WINDOWS = 8
"""Windows of the text that llama.cpp reads too."""


def measured(path: Path, model: PreTrainedModel, base: metrics.Base) -> Iterator[int | data.Runtime]:
    """Run a file in llama.cpp over the base's windows; yields the number of windows done, at the end the
    figure.

    Args:
        path: of the file.
        model: with the file's weights, as PyTorch computes it in float32.
        base: the unquantized model's pass.

    Raises:
        VisitorError: as `llama_windows.predictions`.
    """
    import torch

    windows = base.windows.ids[:MOST_WINDOWS]
    places = measure.scored_positions(base.windows.context)
    reached: dict[str, list[Tensor]] = {name: [] for name in ("weights", *CACHES)}
    added: dict[str, list[Tensor]] = {name: [] for name in ("weights", *CACHES)}
    read = llama_windows.predictions(path, windows[:, : places.stop].tolist(), places.start, CACHES)
    original = weights = usual = torch.empty(0)
    for number, cache, logits in read:
        if cache == CACHES[0]:
            original = base.logits(number).cpu()
            weights = measure.next_token_logits(model, windows[number], places.start + 1).cpu()
            reached["weights"].append(_divergence(original, weights))
            added["weights"].append(reached["weights"][-1])
        if logits is not None:
            theirs = torch.from_numpy(logits)[:, : original.shape[1]]
            reached[cache].append(_divergence(original, theirs))
            added[cache].append(_divergence(weights if cache == CACHES[0] else usual, theirs))
            usual = theirs if cache == CACHES[0] else usual
        if cache == CACHES[-1]:
            yield number + 1
    yield {
        "windows": len(windows),
        "stages": [
            {
                "name": name,
                "reached": _estimate(reached[name]),
                "added": _estimate(added[name]),
            }
            for name in reached
        ],
    }


def _divergence(one: Tensor, other: Tensor) -> Tensor:
    return measure.kl_divergence(one[:, : other.shape[1]], other)


def _estimate(parts: list[Tensor]) -> data.Stretch | None:
    """Mean and standard error over windows; None where nothing was computed."""
    import torch

    if not parts:
        return None
    found = estimates.estimate(torch.stack(parts))
    return {"mean": found.mean, "sigma": found.sigma}
