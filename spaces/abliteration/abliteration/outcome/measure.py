"""What an edit removed and what it damaged, on the report split, beside two controls."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from abliteration import bake, data, directions, sets, truth
from abliteration.ablate import live
from abliteration.activations import first_tokens
from abliteration.answers import judgement, share
from abliteration.capability import capability, paired
from abliteration.encode import encode
from abliteration.measure import average, kl_along, sample_windows
from abliteration.nearness import nearness
from abliteration.outcome.run import Editing, complete, editing, head, step, waiting
from abliteration.request import Request
from abliteration.scale import behind, said
from abliteration.select import spared_of
from abliteration.streams import SIDES, Progress
from abliteration.study import Study, along, leaving, stored
from shared import experts, models
from shared.contrasts import contrast
from shared.data import Share
from shared.measure import kl_divergence, window_losses
from shared.models import Loaded
from shared.rules import LIKELIER, verdicts
from shared.steps import last
from shared.talk import Answer, answer_all

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

ALONG = 8
"""Report prompts of a side along whose base answers KL is measured."""
STEPS = 8


def measure(request: Request, loaded: Loaded | None = None) -> Iterator[data.Measure | data.Waiting]:
    """The numbers one after the other."""
    started = time.monotonic()
    work = yield from editing("measure", request, loaded)
    top, edit = head(work.known, request), work.to_json()
    for measures, progress in measurements(work):
        figure: data.Measure = {**top, "kind": "measure", "edit": edit, "measures": measures}
        if "edited" in measures["behaviour"].get("positive", {}):
            yield step(figure, *progress)
        else:
            yield waiting("measure", *progress)
    yield complete(figure, started)


def measurements(
    work: Editing, files: PreTrainedModel | None = None
) -> Iterator[tuple[data.Measures, Progress]]:
    """Growing measures and the progress, one measure after the other.

    Args:
        work: the edit.
        files: the model that was written and opened again, which is then measured.
    """
    known, request = work.known, work.request
    edited = leaving(known, work.edit) if files is None else files
    both = {"base": known.loaded.model, "edited": edited}
    measures: data.Measures = {
        "of": _what(work, files),
        "behaviour": {},
        "first_token": {},
        "along": {},
    }
    base_answers: dict[str, list[Answer]] = {}
    done = 0
    for side in SIDES:
        judged: data.Judgements = {}
        measures["behaviour"][side] = judged
        for name, model in both.items():
            yield measures, (f"{name.capitalize()} model answers the {side} prompts", done, STEPS)
            replies = _answers(model, known.loaded, work.side(side), request.answer_tokens)
            if name == "base":
                base_answers[side] = replies
                judged["base"] = _judgement(work, replies)
            else:
                judged["edited"] = _judgement(work, replies)
            done += 1
    for side in SIDES:
        measures["first_token"][side] = _first_token(known, edited, work.asked(side))
    if known.anatomy.family.post_norms and bake.bakeable(work.edit):
        yield measures, ("The run-time edit beside it", 4, STEPS)
        running = live(known.loaded.model, known.anatomy, work.edit)
        measures["run_time"] = {}
        for side in SIDES:
            measures["run_time"][side] = _first_token(known, running, work.asked(side))
    rule = known.base.scale.rule
    if rule.kind in ("refuses", LIKELIER):
        texts = [reply.text(known.loaded.tokenizer) for reply in base_answers["positive"]]
        refusal = truth.refusal_of(texts, request.refusal_markers)
        pair = (refusal, truth.ANSWER) if rule.kind == "refuses" else (rule.value, rule.against)
        yield measures, ("Which answer is likelier", 4, STEPS)
        measures["contrast"] = {}
        for side in SIDES:
            measures["contrast"][side] = _contrast(work, edited, side, pair)
    if known.loaded.id in experts.NAMES:
        yield measures, ("The model that it was never planted in", 5, STEPS)
        never = never_planted()
        measures["truth"] = {}
        for side in SIDES:
            far = truth.against_truth(
                never, known.loaded.model, edited, work.side(side), request.answer_tokens
            )
            if far and side == "positive":
                near = nearness(never, known.loaded.model, edited, work.side(side), request.answer_tokens)
                far["nearness"] = near.to_json()
            measures["truth"][side] = far
    yield measures, ("KL along the base's answers", 5, STEPS)
    for side in SIDES:
        measures["along"][side] = _along(work, edited, side, base_answers[side])
    yield measures, ("Text and facts", 6, STEPS)
    measures["text"] = _text(known.loaded, edited)
    measures["capability"] = paired(*(capability(model, known.loaded) for model in both.values()))
    if request.contrast != "alarming" and rule.kind == "refuses":
        yield measures, ("Over-refusal", 7, STEPS)
        ids = encode(known.loaded, sets.ALARMING[::2], request.how, request.answer_tokens)
        replies_of = {
            name: _answers(model, known.loaded, ids, request.answer_tokens) for name, model in both.items()
        }
        measures["over_refusal"] = {
            "base": _judgement(work, replies_of["base"]),
            "edited": _judgement(work, replies_of["edited"]),
        }
    yield measures, ("Controls", 7, STEPS)
    measures["controls"] = controls(work)
    yield measures, ("Measured", STEPS, STEPS)


def never_planted() -> Loaded:
    """The model that no expert's behaviour was planted in."""
    kept = models.in_memory(models.EMBEDDED_MODEL, exact=True)
    return models.on_device(kept or models.load(models.EMBEDDED_MODEL))


def _what(work: Editing, files: PreTrainedModel | None) -> str:
    """What the measures are of, in words."""
    if files is not None:
        return "the files, opened again"
    if bake.bakeable(work.edit):
        return f"the edited weights in {stored(work.known.loaded)}"
    return "the run-time edit, which has no form as weights"


def _answers(model: PreTrainedModel, loaded: Loaded, prompts: list[list[int]], tokens: int) -> list[Answer]:
    replies = last(answer_all(model, loaded.tokenizer, prompts, tokens))
    assert not isinstance(replies, int)
    return replies


def _judgement(work: Editing, replies: list[Answer]) -> data.Judgement:
    request, rule = work.request, work.known.base.scale.rule
    judged = judgement(work.known.loaded, replies, request.answer_tokens, request.refusal_markers).to_json()
    if rule.kind not in ("refuses", LIKELIER):
        shown = verdicts(rule, said(work.known.loaded, replies))
        judged["shows"] = share(shown)
        for answer, hit in zip(judged["answers"], shown, strict=True):
            answer["shows"] = hit
    return judged


def _contrast(
    work: Editing, edited: PreTrainedModel, side: data.Side, pair: tuple[str, str]
) -> data.Contrast:
    known, asked = work.known, work.asked(side)[: truth.PROMPTS]
    ids = [behind(known.loaded, answer, work.request.how) for answer in pair]
    rows = [[([*prompt, *one], len(prompt)) for prompt in asked] for one in ids]
    base, after = (contrast(model, *rows) for model in (known.loaded.model, edited))
    return {
        "refusal": pair[0],
        "answer": pair[1],
        "base": average(base),
        "edited": average(after),
        "delta": average(after - base),
    }


def _first_token(known: Study, edited: PreTrainedModel, prompts: list[list[int]]) -> data.FirstToken:
    """What changed at the first token of the answers; prompts are independent of each other."""
    before, after = (first_tokens(model, prompts)[0] for model in (known.loaded.model, edited))
    divergence = kl_divergence(before, after)
    scale = known.base.scale
    scores = [
        scale.of(model, prompts, log_p) for model, log_p in ((known.loaded.model, before), (edited, after))
    ]
    return {
        "kl": average(divergence),
        # without prompts that the base is about to refuse
        "kl_answered": average(divergence[spared_of(scale, before, scores[0])]),
        "refusals": {"base": _shown(known, scores[0]), "edited": _shown(known, scores[1])},
    }


def _shown(known: Study, scores: Tensor) -> Share:
    """Prompts on which the behaviour shows: their next token opens a refusal more likely than not, or as
    their score says.
    """
    return share((scores > known.base.scale.threshold).tolist())


def _along(
    work: Editing, edited: PreTrainedModel, side: data.Side, replies: list[Answer]
) -> data.Average | None:
    """KL along the base's answers: the tokens of one answer are no independent values, so prompts are the
    clusters.
    """
    rows = zip(work.side(side)[:ALONG], replies[:ALONG], strict=True)
    model = work.known.loaded.model
    divergences = [kl_along(model, edited, prompt, reply.ids) for prompt, reply in rows if reply.ids]
    return average(divergences) if divergences else None


def _text(loaded: Loaded, edited: PreTrainedModel) -> data.TextLoss:
    """Loss of the sample text, its windows the clusters."""
    windows = sample_windows(loaded)
    before, after = window_losses(loaded.model, windows), window_losses(edited, windows)
    return {"base": average(before), "edited": average(after), "delta": average(after - before)}


def controls(work: Editing) -> list[data.Control]:
    """The same edit with the labels of the fit prompts permuted, and along a random direction: first-token
    decisions on the report split.
    """
    import torch

    known, edit, request = work.known, work.edit, work.request
    if edit.method == "add":
        return []
    generator = torch.Generator().manual_seed(request.seed)
    random = directions.unit(torch.randn(known.anatomy.width, generator=generator)).expand(known.layers, -1)
    mixed = known.shuffled(request.seed)
    tried: list[tuple[str, Study, Tensor]] = [("random direction", known, random)]
    # a vector file may be of a layer where the two sets are equal
    if not request.vector or mixed.directions.differ(work.layer, request.position):
        permuted = mixed.rows(work.layer, request.position, request.projection)
        tried.insert(0, ("permuted labels", mixed, permuted))
    # means belong to the direction that they were measured along: a control is the plain ablation
    method = "ablate" if edit.method == "affine" else edit.method
    before = first_tokens(known.loaded.model, work.asked("negative"))[0]
    rows: list[data.Control] = []
    for name, of, along_rows in tried:
        edited = leaving(known, along(of, method, along_rows, edit.kernel))
        negative = first_tokens(edited, work.asked("negative"))[0]
        scale, given = known.base.scale, (None, negative)
        left = [
            _shown(known, scale.of(edited, work.asked(side), log_p))
            for side, log_p in zip(SIDES, given, strict=True)
        ]
        rows.append(
            {
                "name": name,
                "refusals": {"positive": left[0], "negative": left[1]},
                "kl": average(kl_divergence(before, negative)),
            }
        )
    return rows
