"""A speculative run from the request to what the figure draws."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, cast

import torch

from decoding import data, vocabulary
from decoding.prepare import prepare
from decoding.prompt import Prompt, encode, window
from decoding.speculative import record
from decoding.speculative.alone import Alone, alone
from decoding.speculative.drafts import Draft, Lookup, ModelDraft
from decoding.speculative.forecast import Kept, forecast, independent
from decoding.speculative.layers import first_layers
from decoding.speculative.reader import Reader
from decoding.speculative.request import MAX_DRAFT_TOKENS, Request
from decoding.speculative.rounds import Place, Plan, Round, rounds
from decoding.speculative.rule import Draws
from decoding.speculative.warp import Warp
from shared.errors import VisitorError
from shared.rounding import rounded as rounded_model
from shared.tokens import Texts

if TYPE_CHECKING:
    from shared.models import Loaded


def draft_of(request: Request, loaded: Loaded, named: Loaded | None = None) -> Loaded | None:
    """The model that proposes tokens, None where none does. It is made on the processor: ask for it before a
    GPU is lent.

    Args:
        request: of the run.
        loaded: its model.
        named: the model that the request names as the draft, where it names one.

    Raises:
        VisitorError: the prompt does not fit, or the draft cannot be made, has another vocabulary, or reads
            too little.
    """
    prompt = encode(request.as_prompt(), loaded)
    if request.draft == "rounded":
        return rounded_model(loaded, request.rounding)
    if request.draft == "layers":
        return first_layers(loaded, request.layers)
    if named is None:
        return None
    vocabulary.check(loaded.tokenizer, named.tokenizer, (loaded.id, named.id))
    _check_reads_all(loaded, named)
    if len(prompt.ids) + request.max_new_tokens > window(named):
        raise VisitorError(
            f"{len(prompt.ids):,} tokens of prompt and {request.max_new_tokens} new ones are more than "
            f"the {window(named):,} that the draft {named.id} can read.",
            "Shorten the prompt, or lower max_new_tokens.",
        )
    return named


def _check_reads_all(loaded: Loaded, draft: Loaded) -> None:
    """Every token that the model's tokenizer names must be one that the draft can be given."""
    rows = int(draft.model.get_input_embeddings().weight.shape[0])  # type: ignore[union-attr, arg-type]
    beyond = sum(token >= rows for token in loaded.tokenizer.get_vocab().values())
    if beyond:
        raise VisitorError(
            f"{draft.id} cannot read {beyond:,} of the tokens of {loaded.id}.", vocabulary.REMEDY
        )


def planned(
    request: Request, loaded: Loaded, prompt: Prompt, texts: Texts
) -> tuple[Plan, dict[str, data.Effective]]:
    """What a run is told, and the settings that count in it."""
    made = prepare(request.strategy(), request.as_prompt(), loaded, prompt.ids, texts)
    warp = Warp(made.stages, request.greedy, _width(loaded))
    plan = Plan(prompt.ids, request.max_new_tokens, request.draft_tokens, frozenset(made.eos), warp)
    return plan, made.effective


def _width(loaded: Loaded) -> int:
    head = loaded.model.get_output_embeddings()
    rows = head.weight.shape[0] if head is not None else loaded.model.config.get_text_config().vocab_size
    return int(rows)


@dataclass
class Recorded:
    """A run on its way: its rounds so far, and what is kept of them."""

    request: Request
    loaded: Loaded
    drafting: Loaded | None
    prompt: Prompt
    texts: Texts
    plan: Plan
    settings: dict[str, data.Effective]
    shown_prompt: data.Prompt
    target: Reader
    draft: Draft
    rounds: list[Round] = field(default_factory=list)
    json: list[data.SpeculativeRound] = field(default_factory=list)
    meetings: list[list[data.Meeting | None]] = field(default_factory=list)

    @cached_property
    def unfinished(self) -> bytes:
        """The beginning of a character that the prompt ends with."""
        return self.texts.in_turn(self.prompt.ids)[-1].unfinished

    @property
    def text(self) -> list[int]:
        return [token for one in self.rounds for token in one.written]

    def add(self, one: Round) -> None:
        """Record a round; of its distributions only what the figure lists stays in memory."""
        self.json.append(record.round_json(one, self.plan.warp, self.texts))
        self.meetings.append(
            [record.meeting_json(place, self.texts) if place.tested else None for place in one.places]
        )
        self.rounds.append(replace(one, places=tuple(_light(place) for place in one.places)))


def _light(place: Place) -> Place:
    return replace(place, p=place.p.new_empty(0), q=None, meeting=None)


def speculate(request: Request, loaded: Loaded, drafting: Loaded | None) -> Iterator[data.Speculative]:
    """Run a request and yield the growing result, the complete one last.

    First the rounds, then the same model without a draft, then what other numbers of draft tokens would have
    cost.

    Args:
        request: of the run.
        loaded: the model that it names.
        drafting: see `draft_of`.

    Raises:
        VisitorError: the prompt does not fit, or logits are not finite.
    """
    run = _prepared(request, loaded, drafting)
    plan = run.plan
    _warm_up(run)
    for _ in _record(run):
        written = len(run.text)
        yield _result(run, None, None, f"{written} of up to {plan.new_tokens} tokens", written)
    text = run.text
    reader, sofar = Reader(loaded), None
    for sofar in alone(plan, reader, text):
        yield _result(run, reader, sofar, "the model without a draft", len(sofar.ids))
    yield _result(run, reader, sofar, "", len(text), done=True)


def recorded_rounds(request: Request, loaded: Loaded, drafting: Loaded | None) -> Recorded:
    """The rounds of a run alone, recorded as the figure needs them; for measuring what that costs."""
    run = _prepared(request, loaded, drafting)
    for _ in _record(run):
        pass
    return run


def _prepared(request: Request, loaded: Loaded, drafting: Loaded | None) -> Recorded:
    prompt, texts = encode(request.as_prompt(), loaded), Texts(loaded.tokenizer)
    plan, settings = planned(request, loaded, prompt, texts)
    target = Reader(loaded)
    draft: Draft = ModelDraft(Reader(drafting)) if drafting else Lookup(request.ngram, loaded.device)
    shown = prompt.to_json(texts)
    return Recorded(request, loaded, drafting, prompt, texts, plan, settings, shown, target, draft)


def _record(run: Recorded) -> Iterator[Round]:
    for one in rounds(run.plan, run.target, run.draft, Draws(run.request.seed, run.loaded.device)):
        run.add(one)
        yield one


def _warm_up(run: Recorded) -> None:
    """One pass of one token each, so that no measured one is the first of the process."""
    for loaded in filter(None, (run.loaded, run.drafting)):
        Reader(loaded).read(run.plan.prompt[:1], 1)


def _result(
    run: Recorded, reader: Reader | None, sofar: Alone | None, label: str, value: int, done: bool = False
) -> data.Speculative:
    import transformers

    request, loaded, plan = run.request, run.loaded, run.plan
    places = [place for one in run.json for place in one["places"]]
    overlaps = [place["overlap"] for place in places if place["overlap"] is not None]
    tested = [place for place in places if place["tested"] and place["proposed"] is not None]
    drafting = run.draft.reader if isinstance(run.draft, ModelDraft) else None
    expected = sum(overlaps)
    target = _cost(run.target)
    draft = _cost(drafting) if drafting else None
    by_itself = _cost(reader) if reader else None
    alpha = expected / len(tested) if tested else None
    text = run.text
    result: data.Speculative = {
        "kind": "speculative",
        "drawable": True,
        "done": done,
        "error": None,
        "request": cast("data.SpeculativeRequest", request.to_json()),
        "provenance": {
            **loaded.origin,
            "device": loaded.device,
            "seed": request.seed,
            "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        },
        "draft_source": f"{run.drafting.id}, {run.drafting.source}" if run.drafting else "the text itself",
        "settings": run.settings,
        "prompt": run.shown_prompt,
        "notes": _notes(run),
        "progress": {"label": label, "value": value, "max": plan.new_tokens},
        "rounds": _with_meetings(run) if done else run.json,
        "tokens": record.tokens_json(run.unfinished, run.rounds, run.texts),
        "text": run.texts.joined(text),
        "ended": bool(text) and text[-1] in plan.ends,
        "vocabulary": plan.warp.width,
        "tested": len(tested),
        "accepted": sum(place["accepted"] for place in tested),
        "expected": record.rounded(expected),
        "sigma": record.rounded(math.sqrt(sum(one * (1 - one) for one in overlaps))),
        "target": target,
        "draft": draft,
        "alone": by_itself,
        "forecast": _forecasts(run, draft, by_itself) if done else [],
        "independent": None if alpha is None else record.rounded(independent(alpha, plan.draft_tokens)),
        "exactness": _exactness(run, sofar),
    }
    return result


def _with_meetings(run: Recorded) -> list[data.SpeculativeRound]:
    whole: list[data.SpeculativeRound] = []
    for one, meetings in zip(run.json, run.meetings, strict=True):
        places = [
            cast("data.SpeculativePlace", {**place, "meeting": meeting}) if meeting else place
            for place, meeting in zip(one["places"], meetings, strict=True)
        ]
        whole.append({"start": one["start"], "places": places})
    return whole


def _cost(reader: Reader) -> data.PassCost:
    later = [one.seconds for one in reader.passes[1:]]
    return {
        "passes": len(reader.passes),
        "tokens": sum(one.tokens for one in reader.passes),
        "seconds": round(reader.seconds, 4),
        "middle": round(statistics.median(later), 5) if later else None,
    }


def _notes(run: Recorded) -> list[str]:
    notes = []
    for what, reader in (("The model", run.target), ("The draft", getattr(run.draft, "reader", None))):
        if reader and not reader.goes_back:
            notes.append(
                f"{what}'s memory cannot go back behind a refused token, so it reads the whole text anew in "
                "every pass: the numbers are right, the seconds are not those of a good implementation."
            )
    if run.request.draft == "rounded":
        notes.append(
            f"The draft's weights were rounded to {run.request.rounding} and are computed with in "
            f"{run.loaded.dtype}, so a pass of it takes as long as one of the model: the passes saved are "
            "real, the seconds would be so with kernels for that type."
        )
    return notes


def _exactness(run: Recorded, sofar: Alone | None) -> data.Exactness:
    places = [place for one in run.json for place in one["places"]]
    errors = [place["error"] for place in places if place["error"] is not None]
    compared = len(sofar.ids) if sofar else 0
    written = [place["written"] for place in places if place["written"] is not None]
    pairs = list(zip(written, sofar.ids, strict=False)) if sofar else []
    first = next((at for at, (one, token) in enumerate(pairs) if one["id"] != token), None)
    same = compared if first is None else first
    probabilities = sofar.probabilities[:same] if sofar else ()
    differences = [abs(one["p"] - p) for one, p in zip(written, probabilities, strict=False)]
    finished = bool(sofar) and (compared == len(written) or first is not None)
    return {
        "error": None if run.request.greedy or not errors else max(errors),
        "tokens": compared,
        "same": first is None and compared == len(written) if run.request.greedy and finished else None,
        "first_difference": first,
        "difference": max(differences, default=None),
    }


def _forecasts(
    run: Recorded, draft: data.PassCost | None, by_itself: data.PassCost | None
) -> list[data.SpeculativeForecast]:
    """For every number of draft tokens what this text would have cost."""
    kept, length = _kept(run), len(run.text)
    widths = [one.tokens for one in run.target.passes[1:]]
    widest = max(widths, default=1)
    listed: list[data.SpeculativeForecast] = []
    for count in range(1, MAX_DRAFT_TOKENS + 1):
        found = forecast(kept, length, run.plan.new_tokens, count)
        speed = None
        if by_itself and by_itself["middle"] and len(widths) > 0 and run.target.goes_back:
            pass_of = _line(by_itself["middle"], _middle_of(run.target, widest), widest)
            spent = sum(share * pass_of(width) for width, share in found.read.items())
            spent += found.drafted * ((draft["middle"] or 0) if draft else 0)
            speed = record.rounded(length * by_itself["middle"] / spent)
        listed.append(
            {
                "draft_tokens": count,
                "passes": record.rounded(found.passes),
                "speed": speed,
                "measured": count + 1 <= widest,
            }
        )
    return listed


def _middle_of(reader: Reader, width: int) -> float:
    return statistics.median(one.seconds for one in reader.passes[1:] if one.tokens == width)


def _line(one: float, wide: float, width: int) -> Callable[[int], float]:
    """Seconds of a pass by its tokens: a line through what was measured for one token and for the most."""
    slope = (wide - one) / (width - 1) if width > 1 else 0.0
    return lambda tokens: one + slope * (tokens - 1)


def _kept(run: Recorded) -> Kept:
    """See `Kept`: by the draft's own words along the whole text."""
    text, plan = run.text, run.plan
    if isinstance(run.draft, Lookup):
        lookup = run.draft

        def looked_up(place: int) -> list[float]:
            begun = [*plan.prompt, *text[:place]]
            found = lookup.found(begun, MAX_DRAFT_TOKENS, plan.ends)
            behind: Sequence[int] = [*text[place:], *([-1] * MAX_DRAFT_TOKENS)]
            return [float(token == own) for token, own in zip(found, behind, strict=False)]

        return looked_up
    asked = run.draft.along([*plan.prompt, *text], len(plan.prompt), plan.warp)
    probabilities = [
        place["written"]["p"] for one in run.json for place in one["places"] if place["written"] is not None
    ]
    chances = []
    for token, p, q in zip(text, probabilities, asked, strict=False):
        chances.append(float(int(q.argmax()) == token) if plan.warp.greedy else min(1.0, float(q[token]) / p))
    filled = [*chances, *([0.0] * (MAX_DRAFT_TOKENS + len(text) - len(chances)))]
    return lambda place: filled[place:]
