"""Recording what a strategy considered: which candidates become nodes, with their numbers and fates."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from decoding import data, distribution, reasons
from decoding.settings import SAMPLING_ONLY
from decoding.trace import Decision, Node
from shared.tokens import Piece, Texts

CANDIDATES = 5
"""Likeliest tokens recorded at every place, beside the one taken."""

FIELDS = {
    "SequenceBiasLogitsProcessor": "sequence_bias",
    "RepetitionPenaltyLogitsProcessor": "repetition_penalty",
    "NoRepeatNGramLogitsProcessor": "no_repeat_ngram_size",
    "NoBadWordsLogitsProcessor": "bad_words_ids",
    "MinLengthLogitsProcessor": "min_length",
    "MinNewTokensLengthLogitsProcessor": "min_new_tokens",
    "TemperatureLogitsWarper": "temperature",
    "TopHLogitsWarper": "top_h",
    "TopKLogitsWarper": "top_k",
    "TopPLogitsWarper": "top_p",
    "MinPLogitsWarper": "min_p",
    "TypicalLogitsWarper": "typical_p",
    "EpsilonLogitsWarper": "epsilon_cutoff",
    "EtaLogitsWarper": "eta_cutoff",
    "LogitNormalization": "renormalize_logits",
    "SuppressTokensLogitsProcessor": "suppress_tokens",
    "SuppressTokensAtBeginLogitsProcessor": "begin_suppress_tokens",
    "ForcedBOSTokenLogitsProcessor": "forced_bos_token_id",
    "ForcedEOSTokenLogitsProcessor": "forced_eos_token_id",
    "EncoderRepetitionPenaltyLogitsProcessor": "encoder_repetition_penalty",
    "EncoderNoRepeatNGramLogitsProcessor": "encoder_no_repeat_ngram_size",
    "ExponentialDecayLengthPenalty": "exponential_decay_length_penalty",
    "InfNanRemoveLogitsProcessor": "remove_invalid_values",
    "Constraint": "constraint",
}
"""transformers' processor classes and the `GenerationConfig` field that switches each on; `constraint` is a
setting of the request.
"""

WARPERS = (*SAMPLING_ONLY, "renormalize_logits")

Stage = tuple[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]]
"""A processor's field name, and the function (input_ids [n, L], scores [n, V]) → scores [n, V]."""


@dataclass(frozen=True)
class Scored:
    """One step's distributions, for n rows over a vocabulary of V, in nats.

    `raw` [n, V] is the log-softmax of the logits. `stages` holds the scores after each processor. `processed`
    [n, V] is the last of them (or `raw`), normalised unless the strategy adds plain log-probabilities.
    `allowed` [n, V] is the constraint's mask, None where there is none.
    """

    raw: torch.Tensor
    stages: tuple[torch.Tensor, ...]
    scores: torch.Tensor
    processed: torch.Tensor
    normalised: bool
    allowed: torch.Tensor | None = None

    def part(self, start: int, stop: int) -> Scored:
        """The distributions of the rows from `start` to before `stop`."""
        rows = slice(start, stop)
        return Scored(
            self.raw[rows],
            tuple(stage[rows] for stage in self.stages),
            self.scores[rows],
            self.processed[rows],
            self.normalised,
            None if self.allowed is None else self.allowed[rows],
        )


def score(logits: torch.Tensor, input_ids: torch.Tensor, stages: Sequence[Stage], plain: bool) -> Scored:
    """Apply the processors one by one, as `generate` does.

    Args:
        logits: [n, V] float32.
        input_ids: [n, L] prompt and tokens so far, which penalties look at.
        stages: the processors in their order.
        plain: whether they work on log-probabilities (beams) instead of logits.
    """
    raw = torch.log_softmax(logits, dim=-1)
    values, scores, allowed = [], raw if plain else logits, None
    for _, processor in stages:
        scores = processor(input_ids, scores.clone())
        values.append(scores)
        allowed = getattr(processor, "allowed", allowed)
    processed = scores if plain else (torch.log_softmax(scores, dim=-1) if stages else raw)
    return Scored(raw, tuple(values), scores, processed, not plain, allowed)


class Recorder:
    """Collects one strategy's nodes. Mutable while the strategy runs; `nodes` are replaced, never changed."""

    def __init__(
        self,
        names: Sequence[str],
        texts: Texts,
        length_penalty: float | None = None,
        unfinished: bytes = b"",
    ) -> None:
        """A recorder with the end of the prompt as its only node.

        Args:
            names: the processors' fields.
            texts: of the model's tokens.
            length_penalty: of a beam search, None for other strategies.
            unfinished: the beginning of a character that the prompt ends with.
        """
        self.names = tuple(names)
        self.warpers = next((i for i, name in enumerate(names) if name in WARPERS), len(names))
        self.texts = texts
        self.length_penalty = length_penalty
        self.removal = reasons.removal
        """Why a processor removed a token."""
        end = Node(0, None, 0, None, "", 0.0, 0.0, 0.0, 0.0, "chosen", "The end of the prompt.")
        self.nodes = [replace(end, unfinished=unfinished)]
        self.root = 0
        """The node that decoding starts from: the end of the prompt, or of a branch's own tokens."""
        self.decisions: dict[int, Decision] = {}
        self.distributions: dict[int, data.Distribution] = {}
        self._kept: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def candidates(
        self,
        parents: Sequence[int],
        scored: Scored,
        extra: Sequence[Sequence[int]],
        likeliest: int = CANDIDATES,
    ) -> list[dict[int, int]]:
        """Make nodes for the candidates after each row: the likeliest by raw and by processed value, and
        `extra`.

        Args:
            parents: node of each of the n rows, −1 for a row that is not recorded.
            scored: the step's distributions.
            extra: token ids to record for each row whatever their rank.
            likeliest: how many of the likeliest to record.

        Returns:
            For each row, token id → node id. Nodes start as `filtered` or `pruned` without a reason.
        """
        rows = [row for row, parent in enumerate(parents) if parent >= 0]
        if not rows:
            return [{} for _ in parents]
        whole = len(rows) == scored.raw.shape[0]
        raw = scored.raw if whole else scored.raw[rows]
        processed = scored.processed if whole else scored.processed[rows]
        top = raw.topk(min(likeliest, raw.shape[1])).indices
        if scored.stages:
            lifted = processed.topk(min(likeliest, raw.shape[1]))
            top = torch.cat([top, lifted.indices], dim=1)
        tops = top.tolist()
        wanted = [list(dict.fromkeys([*extra[row], *tops[place]])) for place, row in enumerate(rows)]
        width = max(map(len, wanted))
        index = torch.tensor([ids + [ids[0]] * (width - len(ids)) for ids in wanted], device=raw.device)
        layers = [raw, processed, *(stage if whole else stage[rows] for stage in scored.stages)]
        if scored.normalised and scored.stages:
            norms = torch.stack([torch.logsumexp(layer, dim=-1) for layer in layers[2:]])
        gathered = torch.stack([layer.gather(1, index) for layer in layers])
        if scored.normalised and scored.stages:
            gathered[2:] -= norms[:, :, None]
        numbers = gathered.tolist()
        allowed = scored.allowed if whole or scored.allowed is None else scored.allowed[rows]
        self._decide([parents[row] for row in rows], raw, processed, index, wanted, allowed)
        children: list[dict[int, int]] = [{} for _ in parents]
        for place, row in enumerate(rows):
            parent = self.nodes[parents[row]]
            pieces = self.texts.pieces(wanted[place], parent.unfinished)
            for column, token in enumerate(wanted[place]):
                values = [layer[place][column] for layer in numbers]
                if not scored.stages and values[1] <= -1e30:
                    continue
                children[row][token] = self._add(parent, token, pieces[column], values)
        return children

    def score(self, total: Any, length: int) -> Any:
        """What a text is ranked by: its sum of log-probabilities, for beams divided by
        length^length_penalty.

        Args:
            total: the sum over the tokens that the strategy wrote, those of a branch's own left out; a number
                or a tensor.
            length: how many they are.
        """
        return total if self.length_penalty is None else total / length**self.length_penalty

    def _score(self, cumulative: float, step: int) -> float:
        if self.length_penalty is None:
            return cumulative
        start = self.nodes[self.root]
        written = step - start.step  # none while a branch's own tokens are read
        return float(self.score(cumulative - start.cumulative_logprob, written)) if written else cumulative

    def _add(self, parent: Node, token: int, piece: Piece, values: list[float]) -> int:
        raw, processed, *stages = values
        cumulative = parent.cumulative_logprob + processed
        step = parent.step + 1
        status: data.Status = "pruned"
        reason = ""
        if processed == -math.inf:
            stage = next((i for i, entry in enumerate(stages) if entry == -math.inf), None)
            status = "filtered"
            reason = (
                f"Removed by {self.names[stage]}." if stage is not None else "Impossible under the model."
            )
        node = Node(
            len(self.nodes),
            parent.id,
            step,
            token,
            piece.text,
            raw,
            processed,
            cumulative,
            self._score(cumulative, step),
            status,
            reason,
            None,
            tuple(stages),
            piece.hex,
            piece.unfinished,
        )
        self.nodes.append(node)
        return node.id

    def _decide(
        self,
        parents: Sequence[int],
        raw: torch.Tensor,
        processed: torch.Tensor,
        index: torch.Tensor,
        wanted: list[list[int]],
        allowed: torch.Tensor | None,
    ) -> None:
        """Keep entropy, kept tokens and masses of the whole distributions, and what the constraint leaves."""
        probabilities = raw.exp()
        entropy = -(probabilities * raw.clamp_min(-1e4)).sum(-1)
        finite = torch.isfinite(processed)
        shown = probabilities.gather(1, index)
        rows = torch.stack([entropy, finite.sum(-1), (probabilities * finite).sum(-1)], dim=1).tolist()
        masses = shown.tolist()
        left: list[tuple[int | None, float | None]] = [(None, None)] * len(parents)
        if allowed is not None:
            feasible = torch.logsumexp(raw.double().masked_fill(~allowed, -torch.inf), dim=-1)
            left = list(zip(allowed.sum(-1).tolist(), feasible.tolist(), strict=True))
        for place, parent in enumerate(parents):
            rest = max(0.0, 1.0 - sum(masses[place][: len(wanted[place])]))
            self.decisions[parent] = Decision(
                rows[place][0], int(rows[place][1]), rows[place][2], rest, *left[place]
            )

    def update(self, node: int, status: data.Status, reason: str, rank: int | None = None) -> None:
        """Set a node's fate."""
        self.nodes[node] = replace(self.nodes[node], status=status, reason=reason, rank=rank)

    def explain_filters(
        self, candidates: dict[int, int], row: int, scored: Scored, config: dict[str, Any]
    ) -> None:
        """Put numbers into the reasons of the tokens that a processor removed after one row."""
        for token, identity in candidates.items():
            node = self.nodes[identity]
            if node.status == "filtered" and node.stages:
                stage = next(i for i, value in enumerate(node.stages) if value == -math.inf)
                before = scored.stages[stage - 1][row] if stage else scored.raw[row]
                after = scored.stages[stage][row]
                reason = self.removal(self.names[stage], token, before, after, config)
                self.nodes[identity] = replace(node, reason=reason)

    def keep(self, node: int, raw: torch.Tensor, base: torch.Tensor) -> None:
        """Remember a node's next-token distribution until `summarise` or `forget`."""
        self._kept[node] = (raw.clone(), raw if base is raw else base.clone())

    def forget_all_but(self, nodes: Sequence[int]) -> None:
        """Drop remembered distributions of nodes that are no ancestors of these."""
        alive = set()
        for node in nodes:
            alive.update(self.path(node))
        self._kept = {node: value for node, value in self._kept.items() if node in alive}

    def summarise(self, leaves: Sequence[int]) -> None:
        """Turn the remembered distributions on the paths to these nodes into JSON, and drop the rest."""
        for leaf in leaves:
            for node in self.path(leaf):
                if node in self._kept and node not in self.distributions:
                    self.summarise_now(node, *self._kept.pop(node))

    def summarise_now(
        self,
        node: int,
        raw: torch.Tensor,
        base: torch.Tensor,
        named: Sequence[int] = (),
        log_sum: float | None = None,
    ) -> None:
        """Turn one node's next-token distribution into JSON at once; `named` and `log_sum` as in
        `distribution.summarise`.
        """
        by = next((name for name in reversed(self.names[: self.warpers])), None)
        unfinished = self.nodes[node].unfinished

        def labels(ids: Sequence[int]) -> list[str]:
            return [piece.label for piece in self.texts.pieces(ids, unfinished)]

        limit = distribution.LIMIT + len(named)  # those that a penalty lowers make room for others
        self.distributions[node] = distribution.summarise(raw, base, labels, limit, by, named, log_sum)

    def path(self, node: int) -> list[int]:
        """Node ids from the root to a node."""
        ids = [node]
        while (parent := self.nodes[ids[-1]].parent) is not None:
            ids.append(parent)
        return ids[::-1]

    def token_ids(self, node: int) -> tuple[int, ...]:
        """New tokens from the root to a node."""
        return tuple(
            token for identity in self.path(node) if (token := self.nodes[identity].token_id) is not None
        )


def base_logprobs(scored: Scored, warpers: int, row: int) -> torch.Tensor:
    """[V] log-probabilities of a row after penalties and constraints, before temperature and filters."""
    if warpers == 0 or not scored.stages:
        return scored.raw[row]
    value = scored.stages[warpers - 1][row]
    return torch.log_softmax(value, dim=-1)
