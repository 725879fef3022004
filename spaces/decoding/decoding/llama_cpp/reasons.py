"""Why a sampler of llama.cpp removed a token, in sentences that its numbers prove."""

from __future__ import annotations

import math
from typing import Any

import torch

from decoding import reasons
from decoding.reasons import less, percent


def removal(
    name: str, token: int, before: torch.Tensor, after: torch.Tensor, settings: dict[str, Any]
) -> str:
    """Why a sampler removed a token; the arguments are those of `decoding.reasons.removal`."""
    logprobs = torch.log_softmax(before.float(), dim=-1)
    own, kept = float(logprobs[token].exp()), torch.isfinite(after)
    if name in ("top_p", "min_p"):
        return reasons.removal(name, token, before, after, settings)
    if name == "top_k":
        rank = int((before > before[token]).sum()) + 1
        if rank > settings["top_k"]:
            return f"top_k {settings['top_k']}: it ranks {rank:,}."
        return f"top_k {settings['top_k']}: it ties with the last token kept, and llama.cpp keeps no more."
    if name == "typ_p":
        return reasons.removal("typical_p", token, before, after, settings)
    if name == "top_n_sigma":
        left = before[torch.isfinite(before)]
        below = (float(left.max()) - float(before[token])) / float(left.std(correction=0))
        return (
            f"top_n_sigma {settings[name]:g}: it lies {below:.3f} deviations of the logits below the largest."
        )
    if name == "xtc":
        least = float(logprobs[kept].max().exp())
        floor = percent(settings["xtc_threshold"])
        return f"xtc fired: {less(least, own)}, and both reach {floor}; of such tokens the last stays."
    if name == "mirostat":
        bits, count = -float(logprobs[token]) / math.log(2), f"{int(kept.sum()):,} kept"
        return f"mirostat {settings[name]}: with a surprise of {bits:.2f} bits it comes after the {count}."
    if name == "temperature":
        return "temperature 0: another token is likelier."
    return f"Removed by {name}."
