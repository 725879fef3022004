"""Settings of llama.cpp's samplers. The program below a figure prints this file before `chain`."""

from __future__ import annotations

from dataclasses import dataclass

ORDER = ("penalties", "dry", "top_n_sigma", "top_k", "typ_p", "top_p", "min_p", "xtc", "temperature")
"""llama.cpp's default `samplers`."""

Breakers = dict[int, list[tuple[int, ...]]]
"""By the first token of a sequence breaker, the tokens that follow: none where it is a token of its own."""


@dataclass(frozen=True)
class Settings:
    """llama.cpp's own defaults, under the names of llama-server's JSON."""

    temperature: float = 0.8
    dynatemp_range: float = 0.0
    dynatemp_exponent: float = 1.0
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    typical_p: float = 1.0
    top_n_sigma: float = -1.0
    xtc_probability: float = 0.0
    xtc_threshold: float = 0.1
    repeat_last_n: int = 64
    repeat_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    dry_multiplier: float = 0.0
    dry_base: float = 1.75
    dry_allowed_length: int = 2
    dry_penalty_last_n: int = 64
    dry_sequence_breakers: tuple[str, ...] = ("\n", ":", '"', "*")
    mirostat: int = 0
    mirostat_tau: float = 5.0
    mirostat_eta: float = 0.1
    adaptive_target: float = -1.0
    adaptive_decay: float = 0.9
    min_keep: int = 0
    samplers: tuple[str, ...] = ORDER

    def is_on(self, name: str) -> bool:
        """Whether a sampler can change anything with these settings."""
        changes = (self.repeat_penalty, self.presence_penalty, self.frequency_penalty) != (1, 0, 0)
        return {
            "penalties": self.repeat_last_n > 0 and changes,
            "dry": self.dry_multiplier != 0 and self.dry_base >= 1 and self.dry_penalty_last_n > 0,
            "top_n_sigma": self.top_n_sigma > 0,
            "top_k": self.top_k > 0,
            "typ_p": self.typical_p < 1,
            "top_p": self.top_p < 1,
            "min_p": self.min_p > 0,
            "xtc": self.xtc_probability > 0 and self.xtc_threshold <= 0.5,
            "temperature": self.temperature != 1 or (self.dynatemp_range > 0 and not self.mirostat),
            "adaptive_p": self.adaptive_target >= 0,
            "mirostat": self.mirostat > 0,
        }[name]

    def stages(self) -> tuple[str, ...]:
        """The samplers that are on, in the order in which they work.

        Mirostat leaves the temperature beside it and nothing else; adaptive-p chooses, and so comes last
        wherever it is named.
        """
        if self.mirostat:
            return (*(("temperature",) if self.is_on("temperature") else ()), "mirostat")
        chain = [name for name in self.samplers if name != "adaptive_p"]
        last = ["adaptive_p"] if "adaptive_p" in self.samplers else []
        return tuple(name for name in [*chain, *last] if self.is_on(name))
