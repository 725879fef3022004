"""The result of a run: every candidate token of every strategy, with its numbers and its fate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from decoding import data


@dataclass(frozen=True)
class Node:
    """A candidate token after a path of tokens; node 0 is the root, the end of the prompt.

    Log-probabilities are in nats. `logprob_raw` is the model's; `logprob_processed` is what the strategy
    used: the log-softmax of the processed scores for greedy and sampling, the processed and not renormalised
    log-probability for beams. `cumulative_logprob` sums `logprob_processed` along the path. `score`: see
    `Recorder.score`. `stages` holds the value after each processor of the run. `text`, `hex` and
    `unfinished` are those of a `Piece`.
    """

    id: int
    parent: int | None
    step: int
    token_id: int | None
    text: str
    logprob_raw: float
    logprob_processed: float
    cumulative_logprob: float
    score: float
    status: data.Status
    reason: str
    rank: int | None = None
    stages: tuple[float, ...] = ()
    hex: str = ""
    unfinished: bytes = b""

    def to_json(self) -> data.Node:
        """The node as JSON, numbers rounded to five decimals, null for what is not finite."""
        node: data.Node = {
            "id": self.id,
            "parent": self.parent,
            "step": self.step,
            "token_id": self.token_id,
            "text": self.text,
            "logprob_raw": number(self.logprob_raw),
            "logprob_processed": number(self.logprob_processed),
            "cumulative_logprob": number(self.cumulative_logprob),
            "score": number(self.score),
            "status": self.status,
            "reason": self.reason,
            "rank": self.rank,
            "stages": [number(value) for value in self.stages],
        }
        if self.hex:
            node["bytes"] = self.hex
        return node


@dataclass(frozen=True)
class Decision:
    """What is known of the whole next-token distribution after a node.

    `entropy` of the raw distribution in nats, `kept` tokens that the processors left, `kept_mass` their raw
    probability, `rest_mass` the raw probability of all tokens that have no node below this one. `allowed`
    tokens are those that the constraint leaves, `feasible` the raw log-probability that the next is one of
    them; None where there is no constraint.
    """

    entropy: float
    kept: int
    kept_mass: float
    rest_mass: float
    allowed: int | None = None
    feasible: float | None = None

    def to_json(self) -> data.Decision:
        """The decision as JSON."""
        decision: data.Decision = {
            "entropy": number(self.entropy),
            "kept": self.kept,
            "kept_mass": number(self.kept_mass),
            "rest_mass": number(self.rest_mass),
        }
        if self.allowed is not None and self.feasible is not None:
            decision["allowed"] = self.allowed
            decision["feasible"] = number(min(0.0, self.feasible))
        return decision


@dataclass(frozen=True)
class Continuation:
    """A text that a strategy returns: its new tokens (EOS included), its score and the node it ends on."""

    token_ids: tuple[int, ...]
    text: str
    score: float
    node: int
    obeyed: data.Obeyed | None = None
    """How it fulfils the constraint, None where there is none or the run goes on."""

    def to_json(self) -> data.Sequence:
        """The sequence as JSON."""
        sequence: data.Sequence = {
            "token_ids": list(self.token_ids),
            "text": self.text,
            "score": number(self.score),
            "node": self.node,
        }
        if self.obeyed is not None:
            sequence["obeyed"] = self.obeyed
        return sequence


@dataclass(frozen=True)
class Run:
    """One strategy's part of the trace."""

    name: str
    kind: data.Kind
    config: data.Config
    settings: dict[str, data.Effective]
    prefix: tuple[int, ...]
    processors: tuple[str, ...]
    warpers: int
    """Index in `processors` where the sampling filters start."""
    min_tokens_to_keep: int
    """Tokens that every sampling filter leaves."""
    sequences: tuple[Continuation, ...]
    nodes: tuple[Node, ...]
    distributions: dict[int, data.Distribution]
    decisions: dict[int, Decision]
    forward_passes: int
    rows: int
    seconds: float
    done: bool
    memories: dict[int, data.Memory] | None = None
    """Of llama.cpp's samplers, None for other runs."""
    breakers: list[data.Breaker] | None = None
    """Of llama.cpp's DRY, None for other runs."""

    def to_json(self, color: int) -> data.Run:
        """The run as JSON; `color` is its place among the runs."""
        run: data.Run = {
            "name": self.name,
            "kind": self.kind,
            "config": self.config,
            "settings": self.settings,
            "prefix": list(self.prefix),
            "color": color,
            "processors": list(self.processors),
            "warpers": self.warpers,
            "min_tokens_to_keep": self.min_tokens_to_keep,
            "sequences": [sequence.to_json() for sequence in self.sequences],
            "nodes": [node.to_json() for node in self.nodes],
            "distributions": {str(key): value for key, value in self.distributions.items()},
            "decisions": {str(key): value.to_json() for key, value in self.decisions.items()},
            "forward_passes": self.forward_passes,
            "rows": self.rows,
            "seconds": round(self.seconds, 3),
            "done": self.done,
        }
        if self.memories is not None:
            run["memories"] = {str(key): value for key, value in self.memories.items()}
        if self.breakers is not None:
            run["breakers"] = self.breakers
        return run


@dataclass(frozen=True)
class Trace:
    """The Result of the decoding Space: what the API returns, the figure draws and the tests compare."""

    request: data.Request
    provenance: data.Provenance
    generation_config: dict[str, Any]
    prompt: data.Prompt
    runs: tuple[Run, ...]
    done: bool

    def to_json(self) -> data.Trace:
        """The trace as JSON."""
        return {
            "kind": "decoding",
            "drawable": True,
            "done": self.done,
            "error": None,
            "request": self.request,
            "provenance": self.provenance,
            "generation_config": self.generation_config,
            "prompt": self.prompt,
            "runs": [run.to_json(color) for color, run in enumerate(self.runs)],
        }


def number(value: float) -> float | None:
    """A finite number with five decimals, or None."""
    return round(value, 5) if math.isfinite(value) else None
