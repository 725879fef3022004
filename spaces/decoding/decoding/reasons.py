"""Why a token got its fate, in sentences that its numbers prove."""

from __future__ import annotations

import math
from typing import Any

import torch


def percent(value: float, digits: int = 3) -> str:
    """A probability with so many significant digits."""
    shown = 100 * value
    return f"{shown:.{digits}g} %" if shown >= 0.001 else "under 0.001 %"


def less(own: float, other: float, word: str = "is less than") -> str:
    """“12.3 % is less than 12.4 %”, with as many digits as tell the two apart; what equals says so."""
    for digits in range(3, 8):
        small, large = percent(own, digits), percent(other, digits)
        if small != large:
            return f"{small} {word} {large}"
    return f"{percent(own)} equals {percent(other)}"


def below(own: float, other: float) -> str:
    """“−1.235 is below −1.234”, with as many digits as tell the two apart; what equals says so."""
    for digits in range(3, 8):
        small, large = f"{own:.{digits}f}", f"{other:.{digits}f}"
        if small != large:
            return f"{small} is below {large}"
    return f"{own:.3f} equals {other:.3f}"


def removal(
    name: str, token: int, before: torch.Tensor, after: torch.Tensor, settings: dict[str, Any]
) -> str:
    """Why a processor removed a token, with the numbers that decided.

    Args:
        name: the processor's field.
        token: the token.
        before: [V] scores that the processor got.
        after: [V] scores that it gave.
        settings: the prepared GenerationConfig's values.
    """
    logprobs = torch.log_softmax(before.float(), dim=-1)
    probabilities = logprobs.exp()
    own = float(probabilities[token])
    setting: Any = settings.get(name)
    if name == "top_k":
        rank = int((before > before[token]).sum()) + 1
        return f"top_k {setting}: it ranks {rank:,}."
    if name == "top_p":
        order = torch.argsort(before, stable=True)  # transformers adds up from the least likely token
        place = int((order == token).nonzero()[0])
        held = percent(float(probabilities[order[place + 1 :]].double().sum()))
        return f"top_p {setting:g}: the likelier tokens already hold {held}."
    if name == "min_p":
        floor = less(own, setting * float(probabilities.max()), "is below")
        return f"min_p {setting:g}: {floor}, that share of the likeliest token's probability."
    if name == "epsilon_cutoff":
        return f"epsilon_cutoff {setting:g}: {less(own, setting, 'is below')}."
    if name in ("eta_cutoff", "typical_p"):
        entropy = float(-(probabilities * logprobs.clamp_min(-1e4)).sum())
        if name == "eta_cutoff":
            eta = min(setting, math.sqrt(setting) * math.exp(-entropy))
            floor = less(own, eta, "is below")
            return f"eta_cutoff {setting:g}: {floor}, the floor at an entropy of {entropy:.2f} nats."
        surprise = -float(logprobs[token])
        kept = torch.isfinite(after)
        reach = float((-logprobs[kept] - entropy).abs().max())
        distance = f"{abs(surprise - entropy):.3f} from the expected {entropy:.3f}"
        return (
            f"typical_p {setting:g}: its surprise of {surprise:.3f} nats is {distance}; the tokens kept are "
            f"within {reach:.3f}."
        )
    if name == "top_h":
        return _top_h(setting, token, before)
    if name == "constraint":
        kept = torch.isfinite(after)
        left, mass = int(kept.sum()), percent(float(probabilities[kept].double().sum()))
        return f"constraint: not among the {left:,} tokens that may come here, which hold {mass}."
    if name == "no_repeat_ngram_size":
        return f"no_repeat_ngram_size {setting}: it would repeat {setting} tokens in a row."
    if name == "bad_words_ids":
        return "bad_words_ids: it would complete a banned word."
    if name in ("min_length", "min_new_tokens"):
        return f"{name} {setting}: the text may not end yet."
    return f"Removed by {name}."


def _top_h(setting: float, token: int, before: torch.Tensor) -> str:
    """Transformers adds up the entropy of the 100 likeliest tokens, as if there were no others."""
    logits, ids = before.float().topk(min(100, before.shape[0]))
    place = (ids == token).nonzero()
    if not len(place):
        return f"top_h {setting:g}: it is not among the {len(ids)} likeliest tokens."
    logprobs = torch.log_softmax(logits, dim=-1)
    terms = -logprobs.exp() * logprobs.clamp_min(-1e4)
    used, allowed = float(terms[: int(place[0]) + 1].sum()), setting * float(terms.sum())
    return f"top_h {setting:g}: with it the entropy would be {used:.4f} nats; {allowed:.4f} are allowed."
