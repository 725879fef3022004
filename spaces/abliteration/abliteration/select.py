"""Which layer's direction to take: every candidate tried on the select split, with the edit that will be
made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from abliteration import data, kernel
from abliteration.ablate import live
from abliteration.activations import belows, first_tokens
from abliteration.answers import spared
from abliteration.edit import Edit
from abliteration.numbers import short
from abliteration.scale import Scale
from shared.measure import kl_divergence

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from abliteration.architecture import Anatomy
    from abliteration.directions import Directions
    from abliteration.study import Study

MAX_KL, MIN_INDUCE, DEEPEST = 0.1, 0.0, 0.8
"""A candidate is out with a larger first-token KL, a smaller induced refusal score, or in the last fifth of
the layers.
"""
LOW_LAYERS = 0.1
"""COSMIC looks at this share of the layers: those where the two sets differ most."""


@dataclass(frozen=True)
class Candidate:
    """One layer and position, tried on the select split.

    Args:
        layer: where the direction is read.
        position: at which token, counted from the end.
        bypass: mean refusal score of positive prompts with the edit; lower is better.
        induce: mean refusal score of negative prompts with the raw difference added at its layer; higher is
            better.
        kl: mean first-token KL(base ‖ edited) on negative prompts that the base means to answer, nats.
        refused: positive prompts whose first token still is more likely than not a refusal's.
        cosmic: COSMIC's score, cos(induced, positive) + cos(ablated, negative) at the layers where the sets
            differ most.
        ruled_out: why the rule drops it; "" where it stays.
    """

    layer: int
    position: int
    bypass: float
    induce: float
    kl: float
    refused: int
    cosmic: float
    ruled_out: str

    def to_json(self) -> data.Candidate:
        """The candidate as a table's row."""
        return {
            "layer": self.layer,
            "position": self.position,
            "bypass": short(self.bypass, 5),
            "induce": short(self.induce, 5),
            "kl": short(self.kl, 5),
            "refused": self.refused,
            "cosmic": short(self.cosmic, 5),
            "ruled_out": self.ruled_out,
        }


@dataclass(frozen=True)
class Baseline:
    """The base model on the select split, in one pass.

    Args:
        positive: log-probabilities of the next token, (prompts, vocabulary).
        negative: likewise.
        streams: the stream at the last token of both, (layers + 1, prompts, width).
        scale: the behaviour's score.
        before: score of each prompt, positive and negative.
    """

    positive: Tensor
    negative: Tensor
    streams: tuple[Tensor, Tensor]
    scale: Scale
    before: tuple[Tensor, Tensor]

    @property
    def tokens(self) -> list[int]:
        """That open an answer with the behaviour; none where it is not scored by them."""
        return list(self.scale.tokens)

    def damage(self, edited: Tensor) -> float:
        """Mean first-token KL(base ‖ edited) on the negative prompts that the base means to answer, nats."""
        answered = self.spared()
        return float(kl_divergence(self.negative[answered], edited[answered]).mean())

    def spared(self) -> Tensor:
        """Which negative prompts the base means to answer without the behaviour, bool (prompts,)."""
        return spared_of(self.scale, self.negative, self.before[1])

    def scores(self) -> tuple[float, float]:
        """Mean score of positive and negative prompts."""
        return float(self.before[0].mean()), float(self.before[1].mean())


def spared_of(scale: Scale, log_p: Tensor, scores: Tensor) -> Tensor:
    """Prompts on which the base does not show the behaviour, bool (prompts,); all of them where those are
    fewer than half.
    """
    if scale.tokens:
        return spared(log_p, list(scale.tokens))
    answered = scores <= scale.threshold
    return answered if answered.float().mean() >= 0.5 else ~answered | answered


def baseline(
    model: PreTrainedModel,
    anatomy: Anatomy,
    positive: list[list[int]],
    negative: list[list[int]],
    scale: Scale,
    known: tuple[Tensor, Tensor] | None = None,
) -> Baseline:
    """Run the base model on the select split's prompts.

    Args:
        known: what `first_tokens` gives for both sides, where these prompts have been read.
    """
    both, streams = first_tokens(model, positive + negative, anatomy) if known is None else known
    assert streams is not None
    (one, other), (first, second) = both_of(both, len(positive)), both_of(streams, len(positive), 1)
    before = scale.of(model, positive, one), scale.of(model, negative, other)
    return Baseline(one, other, (first, second), scale, before)


def both_of(rows: Tensor, positive: int, axis: int = 0) -> tuple[Tensor, Tensor]:
    """What one pass over positive prompts and negative ones behind them gave, by side.

    Args:
        positive: how many those are.
        axis: along which the prompts lie.
    """
    one, other = rows.split((positive, rows.shape[axis] - positive), axis)
    return one, other


def candidates(
    known: Study,
    places: list[tuple[int, int]],
    edited: Callable[[int, int, Tensor | None], PreTrainedModel],
) -> Iterator[Candidate]:
    """Try directions one after the other.

    Args:
        known: the base model, tried on the select split's prompts.
        places: layer and position of each candidate; where the sets do not differ there is none.
        edited: the model with the edit that would be made with the direction of a layer and position, or with
            another direction in its place.
    """
    model, anatomy, directions, base = known.loaded.model, known.anatomy, known.directions, known.base
    positive, negative = known.asked("select", "positive"), known.asked("select", "negative")
    low, below = _low_layers(base), belows(model, anatomy, negative, [layer for layer, _ in places])
    targets = [_concatenated(streams, low).mean(0) for streams in base.streams]
    for layer, position in places:
        if not directions.differ(layer, position):
            continue
        removed = edited(layer, position, None)
        added = live(model, anatomy, steering(directions, layer, position, 1.0))
        both, streams = first_tokens(removed, positive + negative, anatomy)
        induced, steered = first_tokens(added, negative, anatomy, below=below.get(layer))
        assert streams is not None and steered is not None
        steered[:layer] = base.streams[1][:layer]
        bypassed, harmless = both_of(both, len(positive))
        ablated = streams[:, : len(positive)]
        score = base.scale.of(removed, positive, bypassed)
        induce = float(base.scale.of(added, negative, induced).mean())
        cost = base.damage(harmless)
        cosmic = _cosine(_concatenated(steered, low).mean(0), targets[0]) + _cosine(
            _concatenated(ablated, low).mean(0), targets[1]
        )
        yield Candidate(
            layer,
            position,
            float(score.mean()),
            induce,
            cost,
            int((score > base.scale.threshold).sum()),
            cosmic,
            _ruled_out(layer, anatomy.layers, induce - base.scale.threshold, cost, base.scale.rule.kind),
        )


def steering(
    directions: Directions, layer: int, position: int, factor: float, other: Tensor | None = None
) -> Edit:
    """Add `factor` times the raw difference of means to the stream where it was read; or as long a step along
    another unit direction.
    """
    none = kernel.full(len(directions.differences), 0.0)
    raw = directions.raw(layer, position)
    step = factor * (raw if other is None else raw.norm() * other)
    return Edit("add", directions.direction(layer, position), none, layer=layer, step=step)


def _ruled_out(layer: int, layers: int, induce: float, cost: float, kind: str) -> str:
    reasons = []
    if layer >= DEEPEST * layers:
        reasons.append(f"in the last {1 - DEEPEST:.0%} of the layers")
    if induce < MIN_INDUCE:
        what = "induces no refusal" if kind == "refuses" else "does not cause the behaviour"
        reasons.append(f"adding it {what}")
    if cost > MAX_KL:
        reasons.append(f"KL above {MAX_KL:g}")
    return ", ".join(reasons)


def _low_layers(base: Baseline) -> list[int]:
    """The layers where the two sets' mean streams have the lowest cosine."""
    import torch

    cosines = torch.cosine_similarity(base.streams[0][1:].mean(1), base.streams[1][1:].mean(1), dim=-1)
    count = max(1, round(LOW_LAYERS * len(cosines)))
    return (cosines.argsort()[:count] + 1).tolist()


def _concatenated(streams: Tensor, layers: list[int]) -> Tensor:
    """(layers, prompts, width) → (prompts, chosen layers × width)."""
    return streams[layers].transpose(0, 1).flatten(1)


def _cosine(one: Tensor, other: Tensor) -> float:
    import torch

    return float(torch.cosine_similarity(one, other, dim=0))


@dataclass(frozen=True)
class Choice:
    """The chosen candidate, by which rule, and what was relaxed to have one at all."""

    candidate: Candidate
    rule: str
    relaxed: str = ""

    def to_json(self) -> data.Choice:
        """Layer, position, rule and what was relaxed."""
        return {
            "layer": self.candidate.layer,
            "position": self.candidate.position,
            "rule": self.rule,
            "relaxed": self.relaxed,
        }


RULES = ("measured", "cosmic")


NOTHING_REFUSED = (
    "The model refuses none of the select prompts, so no edit can remove a refusal, and refusal scores are "
    "of usual openings."
)


def choose(
    candidates: list[Candidate],
    layers: int,
    rule: str = "measured",
    separation: list[float] | None = None,
    reason: str = NOTHING_REFUSED,
    threshold: float = MIN_INDUCE,
) -> Choice:
    """The best candidate.

    Args:
        candidates: at least one.
        layers: of the model.
        rule: "measured", the smallest bypass score among those that are not ruled out (Arditi et al. 2024).
            Where KL rules out all of them, the KL limit is dropped, then the limit on induced refusals, and
            `relaxed` says so. "cosmic", the largest COSMIC score outside the last fifth of the layers.
        separation: d′ by layer, where the model shows the behaviour nowhere, or everywhere alike: then the
            layer that separates best is chosen, whatever the rule.
        reason: for that.
        threshold: from which score on a prompt shows the behaviour.
    """
    early = [candidate for candidate in candidates if candidate.layer < DEEPEST * layers] or candidates
    if separation is not None:
        widest = max(early, key=lambda candidate: separation[candidate.layer])
        return Choice(widest, "separation", f"{reason} The layer is the one that separates best.")
    if rule == "cosmic":
        return Choice(max(early, key=lambda candidate: candidate.cosmic), rule)
    passing = [candidate for candidate in candidates if not candidate.ruled_out]
    inducing = [candidate for candidate in early if candidate.induce >= threshold]
    best = min(passing or inducing or early, key=lambda candidate: candidate.bypass)
    if passing:
        return Choice(best, rule)
    if inducing:
        limit = f"No candidate keeps the KL within {MAX_KL:g}"
        return Choice(best, rule, f"{limit}: this one has {best.kl:.2f}. A kernel can lower it.")
    return Choice(
        best, rule, "No candidate both removes and induces the behaviour: this one only removes it."
    )
