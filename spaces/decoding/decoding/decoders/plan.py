"""What decoders and the engine hand each other."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import torch

from decoding.data import Effective
from decoding.llama_cpp.prepare import Dialect
from decoding.record import Recorder, Stage
from decoding.strategy import Strategy
from decoding.structured.mask import Constraint
from shared.errors import VisitorError


@dataclass(frozen=True)
class Feed:
    """Tokens to feed next, [n] int64, and for each the row of the last `Outputs` that it continues, [n]
    int64.
    """

    tokens: torch.Tensor
    rows: torch.Tensor


@dataclass(frozen=True)
class Outputs:
    """What the model says after the fed tokens: logits [n, V] float32, and hidden states where the strategy
    needs them.

    `hidden` is a tuple over layers (embeddings first) of [n, T, d]; T is the prompt's length at first and 1
    afterwards.
    """

    logits: torch.Tensor
    hidden: tuple[torch.Tensor, ...] | None


@dataclass
class Plan:
    """A strategy made ready: everything it needs beside the model's outputs, and where it leaves its
    results.
    """

    strategy: Strategy
    stages: tuple[Stage, ...]
    settings: dict[str, Any]
    """The prepared GenerationConfig's values, the model's own defaults included."""
    context: torch.Tensor
    """[1, P] int64: the prompt, and the prefix of a branch."""
    new_tokens: int
    eos: tuple[int, ...]
    pad: int
    seed: int
    recorder: Recorder
    effective: dict[str, Effective] = field(default_factory=dict)
    """The settings that count, and who says each."""
    results: list[tuple[int, float]] = field(default_factory=list)
    """Leaf node and score of every returned text so far, best first."""
    dialect: Dialect | None = None
    """Of a llama.cpp strategy."""
    constraint: Constraint | None = None
    """That the texts have to obey; it stands among the stages."""

    def end_at(self, node: int) -> None:
        """Say that no token is left after a node.

        Raises:
            VisitorError: the node is where the text begins.
        """
        before = self.recorder.names[: self.recorder.warpers]  # a filter leaves one token at least
        others = [name for name in before if name != "constraint"]
        with_them = f" and {', '.join(others)} together leave" if others else " leaves"
        if node == self.recorder.root:
            raise VisitorError(
                f"{self.strategy.name}: the constraint{with_them} no token to begin with.",
                "Loosen one of them, or choose a model with another vocabulary.",
            )
        known = self.recorder.nodes[node]
        if "The text stops here" not in known.reason:
            reason = f"{known.reason} The text stops here: the constraint{with_them} no token."
            self.recorder.update(node, known.status, reason, known.rank)


Decoder = Generator[Feed, Outputs, None]
