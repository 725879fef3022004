"""llama.cpp's samplers, one function each, on the logits of one step.

They take over what llama.cpp does and not what its names suggest: `top_k` keeps exactly k of several tied
tokens, `top_n_sigma` masks tokens that it leaves in the list, `typ_p` stops after its mass is passed, and
`temperature` comes last. Held to llama.cpp itself by tests/decoding/test_llama_cpp.py.

This file needs nothing but torch and `parameters`: the program below a figure prints both.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from decoding.llama_cpp.parameters import Breakers, Settings


@dataclass(frozen=True)
class Memory:
    """What the samplers remember of the text so far.

    Args:
        tokens: the prompt's and the new ones.
        breakers: of DRY, for the tokens of the text at least.
        chance: the number from 0 to 1 that XTC drew.
        taken: for mirostat the surprise in bits, for adaptive-p the probability, of each token that it chose.
    """

    tokens: Sequence[int]
    breakers: Breakers
    chance: float = 0.0
    taken: tuple[float, ...] = ()


@dataclass(frozen=True)
class Candidates:
    """The list that samplers shorten.

    `logits` [V] float64 are −inf for tokens that are out. `size` is the length of llama.cpp's own list, in
    which masked tokens still stand: it decides how much entropy is possible and how many `min_keep` finds.
    """

    logits: torch.Tensor
    size: int

    def ranked(self) -> torch.Tensor:
        """Token ids from the largest logit down, equal ones by id; [V] int64."""
        return torch.sort(self.logits, descending=True, stable=True).indices

    def probabilities(self) -> torch.Tensor:
        """[V] softmax over what is left."""
        return torch.softmax(self.logits, dim=-1)

    def first(self, count: int, ranked: torch.Tensor | None = None) -> Candidates:
        """The first `count` in an order, by default that of the logits."""
        kept = torch.full_like(self.logits, -math.inf)
        ids = (self.ranked() if ranked is None else ranked)[:count]
        kept[ids] = self.logits[ids]
        return Candidates(kept, min(count, self.size))


def float32(value: float) -> float:
    """A number as llama.cpp stores it."""
    return float(torch.tensor(value, dtype=torch.float32))


def penalties(now: Candidates, settings: Settings, memory: Memory) -> Candidates:
    """Lower tokens of the last `repeat_last_n`: logits above 0 are divided by `repeat_penalty`, others
    multiplied, then presence once and frequency for each time are taken off.
    """
    counts = Counter(memory.tokens[-settings.repeat_last_n :])
    ids = torch.tensor(list(counts), device=now.logits.device)
    times = torch.tensor(list(counts.values()), device=now.logits.device)
    logits, values = now.logits.clone(), now.logits[ids]
    values = torch.where(values <= 0, values * settings.repeat_penalty, values / settings.repeat_penalty)
    logits[ids] = values - times * settings.frequency_penalty - settings.presence_penalty
    return Candidates(logits, now.size)


def reach(settings: Settings, memory: Memory) -> int:
    """How many tokens at the end of the text DRY may compare: none of them may lie before a breaker."""
    tokens = memory.tokens[-settings.dry_penalty_last_n :]
    for back in range(len(tokens)):
        at = len(tokens) - 1 - back
        tails = [
            len(tail)
            for tail in memory.breakers.get(tokens[at], [])
            if len(tail) <= back and tuple(tokens[at + 1 : at + 1 + len(tail)]) == tail
        ]
        if tails:
            return back - max(tails)
    return len(tokens)


def repeats(settings: Settings, memory: Memory) -> dict[int, tuple[int, int]]:
    """The tokens that would go on with a repetition.

    Returns:
        For each token the length of the longest end of the text that stands earlier before the same token,
        and where that token stands, counted from the beginning of the text.
    """
    start = max(0, len(memory.tokens) - settings.dry_penalty_last_n)
    tokens, limit = memory.tokens[start:], reach(settings, memory)
    if len(tokens) <= settings.dry_allowed_length or limit < settings.dry_allowed_length:
        return {}
    longest: dict[int, tuple[int, int]] = {}
    for at in range(1, len(tokens)):  # the end of the text compared with the tokens before place `at`
        length = 0
        while length < min(at, limit) and tokens[at - 1 - length] == tokens[-1 - length]:
            length += 1
        known = longest.get(tokens[at], (-1, 0))
        if length >= settings.dry_allowed_length and length > known[0]:
            longest[tokens[at]] = length, start + at
    return {token: one for token, one in longest.items() if () not in memory.breakers.get(token, [])}


def repeat_penalty(settings: Settings, length: int) -> float:
    """What DRY takes off a logit: multiplier · base^(length − allowed)."""
    most = int(88.7228391 / math.log(settings.dry_base)) if settings.dry_base > 1.000001 else 0
    exponent = length - settings.dry_allowed_length
    return settings.dry_multiplier * settings.dry_base ** (min(exponent, most) if most else exponent)


def dry(now: Candidates, settings: Settings, memory: Memory) -> Candidates:
    """Lower the tokens that would go on with a repetition."""
    logits = now.logits.clone()
    for token, (length, _) in repeats(settings, memory).items():
        logits[token] -= repeat_penalty(settings, length)
    return Candidates(logits, now.size)


def top_n_sigma(now: Candidates, settings: Settings, _: Memory) -> Candidates:
    """Mask what lies more than n standard deviations of the logits left below the largest."""
    if now.size <= 1:
        return now
    left = now.logits[torch.isfinite(now.logits)]
    floor = left.max() - settings.top_n_sigma * left.std(correction=0)
    return Candidates(torch.where(now.logits < floor, -math.inf, now.logits), now.size)


def top_k(now: Candidates, settings: Settings, _: Memory) -> Candidates:
    """Keep the k largest; of tied ones no more than that."""
    return now.first(min(settings.top_k, now.size))


def typ_p(now: Candidates, settings: Settings, _: Memory) -> Candidates:
    """Keep the tokens whose surprise is nearest to the entropy, until they hold more than `typical_p`."""
    ranked = now.ranked()[: int(torch.isfinite(now.logits).sum())]
    likely = now.probabilities()[ranked]
    surprise = -torch.log(likely.clamp_min(1e-300))
    entropy = (likely * surprise).sum()
    order = torch.sort((surprise - entropy).abs(), stable=True).indices
    passed = likely[order].cumsum(0) > float32(settings.typical_p)
    passed[: max(0, settings.min_keep - 1)] = False
    count = int(passed.int().argmax()) + 1 if bool(passed.any()) else now.size
    return now.first(count, ranked[order])


def top_p(now: Candidates, settings: Settings, _: Memory) -> Candidates:
    """Keep the likeliest tokens until they hold `top_p`."""
    ranked = now.ranked()
    reached = now.probabilities()[ranked].cumsum(0) >= float32(settings.top_p)
    reached[: max(0, settings.min_keep - 1)] = False
    reached[now.size :] = False
    return now.first(int(reached.int().argmax()) + 1 if bool(reached.any()) else now.size, ranked)


def min_p(now: Candidates, settings: Settings, _: Memory) -> Candidates:
    """Keep what has at least `min_p` of the likeliest token's probability."""
    kept = int((now.logits >= now.logits.max() + math.log(settings.min_p)).sum())
    return now.first(max(kept, min(settings.min_keep, now.size)))


def xtc(now: Candidates, settings: Settings, memory: Memory) -> Candidates:
    """Sometimes remove all tokens of at least `xtc_threshold` but the least likely of them."""
    if now.size < 2 or memory.chance > settings.xtc_probability:
        return now
    extra = int((now.probabilities() >= float32(settings.xtc_threshold)).sum()) - 1
    if extra <= 0 or now.size - extra < settings.min_keep:
        return now
    logits = now.logits.clone()
    logits[now.ranked()[:extra]] = -math.inf
    return Candidates(logits, now.size - extra)


def heat(now: Candidates, settings: Settings) -> float:
    """The temperature, which `dynatemp_range` lets the entropy choose."""
    width = 0.0 if settings.mirostat else settings.dynatemp_range
    if width <= 0:
        return settings.temperature
    likely = now.probabilities()
    entropy = float(-(likely * torch.log(likely.clamp_min(1e-300))).sum())
    low, high = max(0.0, settings.temperature - width), settings.temperature + width
    return low + (high - low) * (entropy / math.log(now.size)) ** settings.dynatemp_exponent


def temperature(now: Candidates, settings: Settings, _: Memory) -> Candidates:
    """Divide the logits; 0 leaves the likeliest token."""
    if now.size <= 1 and settings.dynatemp_range > 0 and not settings.mirostat:
        return now
    value = heat(now, settings)
    if value <= 0:
        return Candidates(now.first(1).logits, now.size)
    return Candidates(now.logits / value, now.size)


def mu(settings: Settings, taken: Sequence[float]) -> float:
    """How many bits of surprise mirostat allows: 2τ at first, then corrected after every token."""
    return 2 * settings.mirostat_tau - settings.mirostat_eta * sum(
        surprise - settings.mirostat_tau for surprise in taken
    )


def mirostat_k(now: Candidates, settings: Settings, taken: Sequence[float]) -> int:
    """How many tokens mirostat 1 keeps, from the slope of the 100 likeliest tokens' log-probabilities."""
    likely = torch.sort(now.probabilities(), descending=True).values[: min(100, now.size)].double()
    ranks = torch.arange(1, len(likely), dtype=torch.float64)
    steps, falls = torch.log((ranks + 1) / ranks), torch.log(likely[:-1] / likely[1:])
    try:
        slope = float((steps * falls).sum()) / float((steps**2).sum())
        over = slope - 1
        share = over * 2 ** mu(settings, taken) / (1 - len(now.logits) ** -over)
        count = share ** (1 / slope)
        return max(1, int(count)) if count < 2**31 else 1  # a C int cannot hold more, and turns negative
    except (ArithmeticError, ValueError, TypeError):
        return 1


def mirostat(now: Candidates, settings: Settings, memory: Memory) -> Candidates:
    """Keep the tokens whose surprise is at most μ, as mirostat 1 estimates it and mirostat 2 measures it."""
    if settings.mirostat == 1:
        return now.first(min(mirostat_k(now, settings, memory.taken), now.size))
    bits = -torch.log2(now.probabilities())
    return now.first(max(1, int((bits <= mu(settings, memory.taken)).sum())))


def aim(settings: Settings, taken: Sequence[float]) -> float:
    """The probability that adaptive-p aims at: as far above its target as the tokens so far lay below."""
    decay = min(max(settings.adaptive_decay, 0.0), 0.99)
    weight = 1 / (1 - decay)
    total = settings.adaptive_target * weight
    for probability in taken:
        total, weight = probability + decay * total, 1 + decay * weight
    target = min(settings.adaptive_target, 1.0)
    return min(max(2 * target - total / weight, 0.0), 1.0)


def adaptive_p(now: Candidates, settings: Settings, memory: Memory) -> Candidates:
    """Prefer tokens whose probability is near the one that it aims at."""
    distance = (now.probabilities() - aim(settings, memory.taken)).abs() / 0.3
    logits = 5 - 10 * distance**2 / (1 + distance)
    return Candidates(torch.where(torch.isfinite(now.logits), logits, -math.inf), now.size)


SAMPLERS = {
    "penalties": penalties,
    "dry": dry,
    "top_n_sigma": top_n_sigma,
    "top_k": top_k,
    "typ_p": typ_p,
    "top_p": top_p,
    "min_p": min_p,
    "xtc": xtc,
    "temperature": temperature,
    "mirostat": mirostat,
    "adaptive_p": adaptive_p,
}


def run(logits: torch.Tensor, settings: Settings, memory: Memory) -> list[Candidates]:
    """What each sampler that is on leaves.

    Args:
        logits: [V] of one step.
        settings: of the chain.
        memory: of the text so far.
    """
    now, after = Candidates(logits.double(), len(logits)), []
    for name in settings.stages():
        now = SAMPLERS[name](now, settings, memory)
        after.append(now)
    return after


def remembered(
    token: int, settings: Settings, logits: torch.Tensor, after: Sequence[Candidates]
) -> float | None:
    """What mirostat or adaptive-p will remember of the token that was drawn; None where neither is on."""
    last = settings.stages()[-1:]
    if last == ("mirostat",):
        return -math.log2(float(after[-1].probabilities()[token]))
    if last == ("adaptive_p",):
        before = after[-2].probabilities() if len(after) > 1 else torch.softmax(logits.double(), dim=-1)
        return float(before[token])
    return None
