"""A llama.cpp strategy made ready."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from decoding.data import Effective
from decoding.llama_cpp import reasons
from decoding.llama_cpp.breakers import breakers_of
from decoding.llama_cpp.parameters import Breakers, Settings
from decoding.llama_cpp.settings import OF_SAMPLER, defaults, settings_of
from decoding.record import Recorder

if TYPE_CHECKING:
    from decoding import data
    from decoding.decoders.plan import Plan
    from decoding.strategy import Strategy
    from shared.models import Loaded
    from shared.tokens import Texts


@dataclass
class Dialect:
    """What a llama.cpp strategy needs beside the plan of a plain one.

    Args:
        settings: of its chain.
        texts: of the model's tokens, in which DRY's sequence breakers are looked for.
        encode: from a text to its tokens, without special ones.
        breakers: those of the tokens asked for so far.
        memories: what the samplers had drawn and learnt, by a node's id.
    """

    settings: Settings
    texts: Texts
    encode: Any
    breakers: Breakers = field(default_factory=dict)
    memories: dict[int, data.Memory] = field(default_factory=dict)
    _asked: set[int] = field(default_factory=set)

    def know(self, tokens: list[int]) -> Breakers:
        """The sequence breakers of a text's tokens."""
        new = [token for token in dict.fromkeys(tokens) if token not in self._asked]
        self._asked.update(new)
        sequences = self.settings.dry_sequence_breakers
        self.breakers |= breakers_of(new, sequences, self.texts.bytes_of(new).__getitem__, self.encode)
        return self.breakers

    def to_json(self) -> list[data.Breaker]:
        """The sequence breakers as JSON."""
        return [
            {"token": token, "tails": [list(tail) for tail in tails]}
            for token, tails in self.breakers.items()
        ]


def speak(plan: Plan, strategy: Strategy, loaded: Loaded, texts: Texts) -> Plan:
    """The plan of greedy search on the same prompt, with llama.cpp's chain in it.

    Args:
        plan: of greedy search, whose context and ends of text are the model's.
        strategy: whose settings are llama.cpp's.
        loaded: the model.
        texts: of its tokens.
    """

    def encode(text: str) -> list[int]:
        return list(loaded.tokenizer(text, add_special_tokens=False)["input_ids"])

    settings = settings_of(strategy.config)
    recorder = Recorder(settings.stages(), texts, None, plan.recorder.nodes[0].unfinished)
    recorder.warpers, recorder.removal = 0, reasons.removal
    counts = _effective(strategy.config, settings)
    dialect = Dialect(settings, texts, encode)
    dialect.know(plan.context[0].tolist())
    values = {**defaults(), **strategy.config}
    return replace(
        plan,
        strategy=strategy,
        stages=(),
        settings=values,
        recorder=recorder,
        effective=counts,
        dialect=dialect,
    )


def _effective(config: dict[str, Any], settings: Settings) -> dict[str, Effective]:
    """The settings that count: what the strategy says, and of the samplers that are on the defaults."""
    counts: dict[str, Effective] = {
        name: {"value": value, "origin": "strategy"} for name, value in config.items() if name != "runtime"
    }
    known = defaults()
    dynamic = settings.dynatemp_range > 0 and not settings.mirostat
    for sampler in settings.stages():
        for name in OF_SAMPLER[sampler]:
            says_nothing = known[name] in (0, -1) or name == "repeat_penalty"
            if not says_nothing and (dynamic or name != "dynatemp_exponent"):
                counts.setdefault(name, {"value": known[name], "origin": "default"})
    return counts
