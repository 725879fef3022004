"""What every room stands on: the model, the split and its tokens, the directions of the fit split, the base
model's own answers.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from abliteration import answers, bake, causal, encode, fitting, folding, given, kernel, select, sets
from abliteration.ablate import harmless_means, live
from abliteration.architecture import Anatomy, inspect
from abliteration.data import Dataset, Side
from abliteration.directions import Directions, difference_of_means
from abliteration.edit import Edit
from abliteration.request import Request
from abliteration.scale import BY_FIRST_TOKEN, NO_ANSWERS, OWN_ANSWERS, Scale, openings_of, pair_of, said
from abliteration.streams import SIDES, Progress, Reading, streams_of
from shared import limits, models, talk
from shared.cache import Cache
from shared.errors import VisitorError
from shared.models import Loaded
from shared.rules import LIKELIER, Rule, verdicts
from shared.steps import last

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

OPENING = 16
"""Tokens of the base's answers that say which tokens open a refusal."""
PARTS = ("fit", "select", "report")


@dataclass(frozen=True)
class Study:
    """The base model on one split; nothing in it depends on the edit.

    Args:
        loaded: the base model, on the device to compute on.
        anatomy: of it.
        split: prompts.
        ids: their tokens, by part and side: `ids["fit", "positive"]`.
        directions: of the fit split.
        streams: of fit and select, by part and side, float32 (layers + 1, prompts, positions, width) on the
            CPU.
        base: the base model on the select split.
        tokens_from: where the tokens that open a refusal are from, `answers.OWN` or `answers.USUAL`; of
            another behaviour whether any answer showed it, `scale.OWN_ANSWERS` or `scale.NO_ANSWERS`.
        opening: tokens that all of the model's answers begin with: first tokens are those behind them.
        refused: on which positive prompts of the select split the base model shows the behaviour.
        shown: on which negative ones.
        sources: Hub datasets of the prompts, with their revisions.
        fitted: what every matrix reads and writes on the fit split, once a fitted edit asked for it.
        causal: the rows of `causal.rows` of the fit split, once an edit asked for them.
    """

    loaded: Loaded
    anatomy: Anatomy
    split: sets.Split
    ids: dict[tuple[str, Side], list[list[int]]]
    directions: Directions
    streams: dict[tuple[str, Side], Tensor]
    base: select.Baseline
    tokens_from: str
    opening: tuple[int, ...] = ()
    refused: tuple[bool, ...] = ()
    shown: tuple[bool, ...] = ()
    sources: tuple[Dataset, ...] = ()
    fitted: dict[str, fitting.Fit] = field(default_factory=dict, compare=False)
    causal: list[Tensor] = field(default_factory=list, compare=False)

    @property
    def layers(self) -> int:
        """How many blocks."""
        return self.anatomy.layers

    @property
    def refuses(self) -> bool:
        """Whether the model shows the behaviour at all: where it does not, no edit removes it."""
        return self.tokens_from in (answers.OWN, OWN_ANSWERS)

    @property
    def unlike(self) -> bool:
        """Whether the model shows it more often on positive prompts than on negative ones, and not by chance:
        Fisher's exact test, one-sided, at 5 %.
        """
        from scipy.stats import fisher_exact

        table = [[sum(side), len(side) - sum(side)] for side in (self.refused, self.shown)]
        return float(fisher_exact(table, alternative="greater").pvalue) < 0.05

    @property
    def nothing(self) -> str:
        """Why nothing can be claimed to be removed; "" where something can."""
        if self.base.scale.rule.kind == "refuses":
            return "" if self.refuses else select.NOTHING_REFUSED
        if not self.refuses:
            return "The model shows the behaviour on none of the select prompts, so no edit can remove it."
        if not self.unlike:
            counts = [f"{sum(side)} of {len(side)}" for side in (self.refused, self.shown)]
            return (
                f"The model shows the behaviour on {counts[0]} positive and {counts[1]} negative select "
                "prompts: chance may part them so, and a direction between them need not be about it."
            )
        return ""

    def rows(self, layer: int, position: int = -1, projection: str = "plain") -> Tensor:
        """The unit direction for every layer that it will be removed from, float32 (layers, width): those of
        `Directions.direction`, and "causal", where every layer has its own, read at the prompt's last token.

        Raises:
            VisitorError: there is no such direction.
        """
        if projection != "causal":
            return self.directions.direction(layer, position, projection)
        if not self.causal:
            model, prompts = self.loaded.model, self.asked("fit", "positive")
            self.causal.append(causal.rows(model, self.anatomy, self.base.scale, prompts))
        return self.causal[0]

    def shuffled(self, seed: int) -> Study:
        """The same with the labels of the fit split's prompts permuted: whatever is then found is chance."""
        import torch

        positive, negative = (self.side("fit", side) for side in SIDES)
        order = torch.randperm(
            len(positive) + len(negative), generator=torch.Generator().manual_seed(seed)
        ).tolist()
        prompts = [*positive, *negative]
        both = torch.cat([self.streams["fit", side] for side in SIDES], 1)
        ids, streams = dict(self.ids), dict(self.streams)
        for side, chosen in zip(SIDES, (order[: len(positive)], order[len(positive) :]), strict=True):
            ids["fit", side] = [prompts[index] for index in chosen]
            streams["fit", side] = both[:, chosen]
        directions = difference_of_means(
            streams["fit", "positive"], streams["fit", "negative"], self.directions.positions
        )
        return replace(self, ids=ids, streams=streams, directions=directions, fitted={}, causal=[])

    def side(self, part: str, side: Side) -> list[list[int]]:
        """Tokens of one side of one part."""
        return self.ids[part, side]

    def asked(self, part: str, side: Side) -> list[list[int]]:
        """The same with the opening that all answers share, so that the next token says something."""
        return [ids + list(self.opening) for ids in self.side(part, side)]


_kept: Cache[Study] = Cache(limits.KEPT_BYTES)
"""So that drawing another kernel does not read the prompts again."""
models.when_forgotten(lambda gone: _kept.forget(lambda known: known.loaded.model is gone.model))


def study(
    request: Request, loaded: Loaded | None = None, *, exact: bool = False
) -> Generator[Progress | Reading, None, Study]:
    """Make or recall the study of a request; yields its progress and, where it is made, what is known before
    the base model is asked; returns the study.

    Args:
        request: of the run.
        loaded: the model; loaded by its name where it is not given.
        exact: as for `models.load`.

    Raises:
        VisitorError: the model cannot be loaded or edited, it has no chat template, a prompt is too long, its
            activations are not finite, the sets do not differ, or the position is not one that the template
            has.
    """
    if loaded is None:
        yield (f"Loading {request.model}", 0, 1)
        loaded = models.load(request.model, exact=exact)
    loaded = models.on_device(loaded)
    anatomy = inspect(loaded.model)
    check(request, anatomy)
    key = (
        loaded.id,
        loaded.revision,
        loaded.device,
        id(loaded.model),
        request.pair(),
        request.how,
        request.seed,
        request.answer_tokens,
        request.judged,
    )
    known = _kept.get(key)
    if known is None:
        known = yield from made(request, loaded, anatomy, request.pair())
        # a study must not keep a model in memory that everyone else has forgotten
        _kept.forget(lambda old: old.loaded.model is not loaded.model and not models.is_kept(old.loaded))
        _kept.put(key, known)
    _check_position(request, len(known.directions.positions))
    return known


def check(request: Request, anatomy: Anatomy) -> None:
    """Raise a VisitorError where layer or kernel do not fit the model, or kernel and strength do not fit each
    other.
    """
    for name in ("layer", "sae_layer"):
        value = getattr(request, name)
        if value is not None and value >= anatomy.layers:
            raise VisitorError(f"{name} is {value}.", f"The model's layers are 0 to {anatomy.layers - 1}.")
    curve = kernel.resolve(request.kernel, anatomy.layers)
    if request.method != "add":
        curve.scaled(request.strength)


def _check_position(request: Request, count: int) -> None:
    """Raise a VisitorError where the template has fewer tokens behind a prompt."""
    if -request.position > count:
        raise VisitorError(
            f"There is no position {request.position}.",
            f"The template has {count} tokens after the prompt: use −{count} to −1."
            if count > 1
            else "Use −1, the prompt's last token.",
        )


def made(
    request: Request, loaded: Loaded, anatomy: Anatomy, pair: sets.Contrast
) -> Generator[Progress | Reading, None, Study]:
    """Make the study of a request, which is not kept; yields as `study`.

    Args:
        request: of the run.
        loaded: the model, where it is to run.
        anatomy: of it.
        pair: the two sets, which need not be the request's.
    """
    import torch

    model = loaded.model
    if pair.remote:
        yield ("Reading the datasets", 0, 1)
    pair, sources = sets.resolved(pair)
    split = sets.split(pair, request.seed)
    positions = tuple(encode.post_instruction(loaded, request.how))
    _check_position(request, len(positions))
    ids = {
        (part, side): encode.encode(
            loaded, split.side(part, side), request.how, max(OPENING, request.answer_tokens)
        )
        for part in PARTS
        for side in SIDES
    }
    streams, seen = yield from streams_of(loaded, anatomy, ids, len(positions))
    directions = difference_of_means(streams["fit", "positive"], streams["fit", "negative"], positions)
    yield ("Asking the base model", 0, 1)
    yield Reading(loaded, anatomy, split, directions, streams, tuple(sources))  # its figure stays till done
    positive, negative = ids["select", "positive"], ids["select", "negative"]
    rule = request.judged
    longest = OPENING if rule.kind in BY_FIRST_TOKEN else request.answer_tokens
    openings: list[talk.Answer] = []
    if rule.kind != LIKELIER:
        found = last(talk.answer_all(model, loaded.tokenizer, positive + negative, longest, seen.memories))
        assert not isinstance(found, int)
        openings = found
    opening, tokens, tokens_from = _openings(loaded, rule, openings, request)
    shown, hidden = ([row + list(opening) for row in side] for side in (positive, negative))
    scale = Scale(loaded, rule, tokens, request.answer_tokens, pair_of(loaded, rule, request.how))
    read = None
    if not opening and seen.log_p is not None:  # the prompts as they were read
        read = seen.log_p, torch.cat([streams["select", side][:, :, -1] for side in SIDES], 1)
    base = select.baseline(model, anatomy, shown, hidden, scale, read)
    if rule.kind == LIKELIER:
        hits = [bool(value > scale.threshold) for side in base.before for value in side]
        tokens_from = OWN_ANSWERS if any(hits) else NO_ANSWERS
    else:
        hits = verdicts(rule, said(loaded, openings))
    return Study(
        loaded,
        anatomy,
        split,
        ids,
        directions,
        streams,
        base,
        tokens_from,
        opening,
        tuple(hits[: len(positive)]),
        tuple(hits[len(positive) :]),
        tuple(sources),
    )


def _openings(
    loaded: Loaded, rule: Rule, openings: list[talk.Answer], request: Request
) -> tuple[tuple[int, ...], tuple[int, ...], str]:
    """What all answers begin with, the tokens that open those with the behaviour, and where they are from."""
    if rule.kind == "refuses":
        markers = request.refusal_markers
        refused = [answers.grade(one.text(loaded.tokenizer), markers) == "refused" for one in openings]
        opening = answers.shared_opening(openings, refused)
        tokens, tokens_from = answers.refusal_tokens(loaded, openings, markers, opening)
        return opening, tuple(tokens), tokens_from
    hits = verdicts(rule, said(loaded, openings)) if openings else []
    tokens_from = OWN_ANSWERS if any(hits) else NO_ANSWERS
    if rule.kind not in BY_FIRST_TOKEN:
        return (), (), tokens_from
    opening = answers.shared_opening(openings, hits)
    return opening, openings_of(loaded, openings, rule, opening), tokens_from


def edit_of(request: Request, known: Study, layer: int, other: Tensor | None = None) -> Edit:
    """The edit that a request describes, with the direction read at a layer.

    Args:
        other: a unit direction (width,) to take in that one's place, as a control.

    Raises:
        VisitorError: the sets do not differ there.
    """
    if request.vector and other is None:
        return _edit_given(request, known, layer)
    if request.method == "add":
        return select.steering(known.directions, layer, request.position, request.strength, other)
    if other is None:
        rows = known.rows(layer, request.position, request.projection)
    else:
        rows = other.expand(known.layers, -1)
    return along(
        known, request.method, rows, kernel.resolve(request.kernel, known.layers).scaled(request.strength)
    )


def _edit_given(request: Request, known: Study, layer: int) -> Edit:
    """The edit with the direction of the visitor's file."""
    file = given.opened(request.vector, known.layers, known.anatomy.width)
    rows = file.units(known.layers, request.layer)
    if request.method == "add":
        step = request.strength * file.raw(layer)
        return Edit("add", rows, kernel.full(known.layers, 0.0), layer=layer, step=step)
    curve = kernel.resolve(request.kernel, known.layers).scaled(request.strength)
    return along(known, request.method, rows, curve)


def along(known: Study, method: str, rows: Tensor, curve: kernel.Kernel) -> Edit:
    """An edit along unit directions, with what its method measures on the fit split.

    Args:
        method: any but "add".
        rows: by layer.
        curve: strengths; a fitted edit has those of attention and MLP.

    Raises:
        VisitorError: the family cannot have a fitted edit.
    """
    model, anatomy = known.loaded.model, known.anatomy
    anatomy.check_method(method)
    if method == "fitted":
        if not known.fitted:
            sides = (known.asked("fit", side) for side in SIDES)
            known.fitted.update(fitting.fits(model, anatomy, *sides))
        curve = replace(curve, embedding=0.0, blocks=(0.0,) * known.layers)
        return Edit(method, rows, curve, reads=fitting.reads_of(known.fitted, rows, anatomy))
    means = None
    if method == "affine":
        means = harmless_means(model, anatomy, rows, known.side("fit", "negative"))
    return folded(known, Edit(method, rows, curve, means))


def folded(known: Study, edit: Edit) -> Edit:
    """An edit that knows how it passes the norms behind the matrices, where the family has such norms."""
    if known.anatomy.family.post_norms is None:
        return edit
    prompts = [ids for side in SIDES for ids in known.side("fit", side)[: folding.PROMPTS // 2]]
    return replace(edit, folds=folding.folds(known.loaded.model, known.anatomy, edit, prompts))


def leaving(known: Study, edit: Edit) -> PreTrainedModel:
    """The model that leaves with an edit, which every number is of: the edit in the weights, in the dtype
    that they are stored in; the run-time edit where it has no form as weights.
    """
    model = known.loaded.model
    if not bake.bakeable(edit):
        return live(model, known.anatomy, edit)
    return bake.rounded(bake.bake(model, known.anatomy, edit), model, stored(known.loaded))


def stored(loaded: Loaded) -> str:
    """The dtype of a model's files, which is that of its edited weights; the model's own where it has no
    files.
    """
    return loaded.stored or loaded.dtype


def spread(layers: int, count: int) -> list[int]:
    """Layers to try: `count` of them, evenly over those that the rule allows, from the second on."""
    end = max(2, int(select.DEEPEST * layers)) if layers > 2 else layers
    allowed = list(range(1, end)) or [0]
    count = min(count, len(allowed))
    if count == 1:
        return [allowed[-1]]
    return sorted({allowed[round(index * (len(allowed) - 1) / (count - 1))] for index in range(count)})
