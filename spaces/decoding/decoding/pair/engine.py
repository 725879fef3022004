"""Let two models continue one prompt, and compare what they say on both texts.

Both decode alone, as `generate()` does, from the same token ids, which the first model's tokenizer made, and
with random numbers of the same seed. Then each text is read by both models in one pass, and their
distributions are compared at every token of it.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Literal, cast

import torch

from decoding import data, vocabulary
from decoding.decoders.plan import Plan
from decoding.engine import decode
from decoding.pair import finding
from decoding.pair.divergence import Divergences, divergences, parting_chance
from decoding.pair.request import PairRequest
from decoding.prepare import own_settings, prepare
from decoding.prompt import encode
from decoding.record import score
from decoding.trace import Trace
from shared import estimates, measure, talk
from shared.embedded_model import EMBEDDED_SOURCE
from shared.errors import VisitorError
from shared.tokens import Texts

if TYPE_CHECKING:
    from shared.models import Loaded

BLOCK = 16
"""Neighbouring tokens of a text whose numbers count as one: they depend on each other."""

FEWEST = 4
"""Such blocks that a mean needs before it gets an interval."""


@dataclass(frozen=True)
class Comparison:
    """Two models' texts, and once both are written how far the models are apart on them."""

    traces: tuple[Trace, Trace]
    names: tuple[str, str]
    request: PairRequest
    notes: tuple[str, ...]
    texts: tuple[data.PairText, ...] = ()
    parting: data.Parting | None = None
    done: bool = False

    def to_json(self) -> data.Pair:
        """What the figure draws."""
        sides = [trace.to_json() for trace in self.traces]
        runs = [
            {**side["runs"][0], "name": name, "color": place, "distributions": {}}
            for place, (side, name) in enumerate(zip(sides, self.names, strict=True))
        ]
        trace: Any = {**sides[0], "runs": runs, "done": self.done}
        said = finding.said(self.names, self.texts, self.parting) if self.done else finding.NOTHING
        return {
            "kind": "pair",
            "drawable": True,
            "done": self.done,
            "error": None,
            "request": self.request.to_json(),  # type: ignore[typeddict-item]
            "models": [side["provenance"] for side in sides],
            "trace": trace,
            "texts": list(self.texts),
            "parting": self.parting,
            "finding": said.finding,
            "meaning": list(said.meaning),
            "notes": list(self.notes),
        }


def compare(request: PairRequest, first: Loaded, second: Loaded) -> Iterator[Comparison]:
    """Decode with both models and yield the growing texts, with their comparison the complete one last.

    Args:
        request: of the comparison.
        first: its first model.
        second: its second one, rounded where that is asked for.

    Raises:
        VisitorError: the vocabularies differ, the prompt does not fit, or logits are not finite.
    """
    notes = vocabulary.check(first.tokenizer, second.tokenizer, request.names)
    notes += _own_reading(request, first, second)
    sides = (first, replace(second, tokenizer=first.tokenizer))
    notes += _differences(request, sides)
    traces: list[Trace] = []
    for step in zip_longest(*(_by_itself(decode(request.alone(side.id), side)) for side in sides)):
        traces = [now or before for now, before in zip_longest(step, traces)]
        yield Comparison((traces[0], traces[1]), request.names, request, tuple(notes))
    first_ids, second_ids = (trace.runs[0].sequences[0].token_ids for trace in traces)
    work = _Work(request, sides, traces[0].prompt["token_ids"], (first_ids, second_ids))
    texts = [work.text(0)] if first_ids == second_ids else [work.text(0), work.text(1)]
    if any(len(text["steps"]) < len(text["token_ids"]) for text in texts):
        notes.append("A text ends here at a token that the other model does not have.")
    parting = work.parting()
    yield Comparison(
        (traces[0], traces[1]), request.names, request, tuple(notes), tuple(texts), parting, done=True
    )


def _by_itself(steps: Iterator[Trace]) -> Iterator[Trace]:
    """A run that takes turns with another: neither sees in which of torch's modes the other was left."""
    try:
        while True:
            with torch.inference_mode():
                step = next(steps, None)
            if step is None:
                return
            yield step
    finally:
        with torch.inference_mode():
            cast("Generator[Trace, None, None]", steps).close()


def _own_reading(request: PairRequest, first: Loaded, second: Loaded) -> Iterator[str]:
    """What a visitor should know where the second model's own tokenizer or template reads the prompt
    otherwise.
    """
    if second.tokenizer is first.tokenizer:
        return
    given = encode(request.alone(first.id), first).ids
    name = request.names[1]
    try:
        own = encode(request.alone(second.id), second).ids
    except VisitorError as error:
        yield f"{name} would not take this prompt by itself: {error.what} Both models get the first one's."
        return
    if own != given:
        maker = "chat template" if request.chat else "tokenizer"
        same = next((at for at, (a, b) in enumerate(zip(given, own, strict=False)) if a != b), None)
        place = min(len(given), len(own)) if same is None else same
        yield (
            f"Both models get the {len(given):,} tokens that the first one's {maker} gives; {name}'s own "
            f"gives {len(own):,}, other ones from token {place + 1:,} on."
        )


def _differences(request: PairRequest, sides: tuple[Loaded, Loaded]) -> Iterator[str]:
    """What else differs between the two, beside their weights."""
    first, second = sides
    one, two = (own_settings(side) for side in sides)
    names = [name for name in dict.fromkeys([*one, *two]) if one.get(name) != two.get(name)]
    if names:
        values = ", ".join(f"{name} {one.get(name, 'unset')} and {two.get(name, 'unset')}" for name in names)
        yield f"Their own generation settings differ and count where the strategy is silent: {values}."
    ends = [talk.end_tokens(side.model, side.tokenizer) for side in sides]
    if ends[0] != ends[1]:
        yield "Other tokens end a text in one model than in the other."
    rows = [_rows(side) for side in sides]
    if rows[0] != rows[1]:
        yield (
            f"Their vocabularies have {rows[0]:,} and {rows[1]:,} rows: odds are those among the first "
            f"{min(rows):,}."
        )
        if request.alone(first.id).strategies[0].draws:
            yield "So the same seed gives them other random numbers: texts may part by chance alone."
    coarse = ("Q8_0", "Q5_1", "Q4_1")
    if request.rounding in coarse and EMBEDDED_SOURCE in second.source:
        yield (
            f"This copy was stored as Q4_1 before: rounded to {request.rounding} it loses less than the "
            "original weights would."
        )


def _rows(loaded: Loaded) -> int:
    """How many tokens a model gives odds for."""
    return int(loaded.model.get_output_embeddings().weight.shape[0])  # type: ignore[union-attr, arg-type]


class _Work:
    """The comparison of two models on both texts after one prompt."""

    def __init__(
        self,
        request: PairRequest,
        sides: tuple[Loaded, Loaded],
        prompt: Sequence[int],
        texts: tuple[Sequence[int], Sequence[int]],
    ) -> None:
        self.sides, self.prompt, self.texts = sides, list(prompt), texts
        pairs = enumerate(zip_longest(*texts))
        self.place = next((at for at, (one, two) in pairs if one != two), None)
        """Where the texts part, from 0; None where they are equal."""
        self.parted: tuple[torch.Tensor, torch.Tensor] | None = None
        """[V] logits of either model there."""
        self.words = Texts(sides[0].tokenizer)
        self.unfinished = self.words.in_turn(self.prompt)[-1].unfinished
        requests = [request.alone(side.id) for side in sides]
        self.plans: list[Plan] = [
            prepare(one.strategies[0], one, side, self.prompt, self.words)
            for one, side in zip(requests, sides, strict=True)
        ]
        self.shared = min(_rows(side) for side in sides)
        same_numbers = len({_rows(side) for side in sides}) == 1
        self.coupled = same_numbers and requests[0].strategies[0].draws

    def text(self, of: Literal[0, 1]) -> data.PairText:
        """A text read by both models.

        Args:
            of: whose it is, 0 or 1.
        """
        ids = self.texts[of]
        known = [token < self.shared for token in ids]
        read = list(ids[: known.index(False)] if False in known else ids)
        text: data.PairText = {
            "of": of,
            "token_ids": list(ids),
            "text": self.words.joined(ids),
            "steps": [],
            "logprob": [0.0, 0.0],
            "forward": None,
            "backward": None,
            "variation": None,
            "same_top": None,
        }
        if not read:
            return text
        whole, start = [*self.prompt, *read], len(self.prompt)
        first, second = (measure.next_token_logits(side.model, whole, start) for side in self.sides)
        rows = first, second.to(first.device)
        if self.parted is None and self.place is not None and self.place < len(read):
            self.parted = rows[0][self.place].clone(), rows[1][self.place].clone()
        found = divergences(rows[0][:, : self.shared], rows[1][:, : self.shared], read)
        totals = torch.tensor([[side[0] for side in place] for place in found.logs], dtype=torch.float64)
        same = int((found.top[:, 0] == found.top[:, 1]).sum())
        text["steps"] = self._steps(found, rows, read)
        text["logprob"] = [_number(float(total)) for total in totals.sum(0)]
        text["forward"], text["backward"] = _mean(found.forward), _mean(found.backward)
        text["variation"] = _mean(found.variation)
        text["same_top"] = estimates.Share(same, len(read)).to_json()
        return text

    def _steps(
        self, found: Divergences, rows: tuple[torch.Tensor, torch.Tensor], ids: list[int]
    ) -> list[data.PairStep]:
        steps: list[data.PairStep] = []
        unfinished = self.unfinished
        for place, token in enumerate(ids):
            (own,) = self.words.pieces([token], unfinished)
            pieces = self.words.pieces(found.listed[place], unfinished)
            step: data.PairStep = {
                "token_id": token,
                "text": own.text,
                "forward": _number(float(found.forward[place])),
                "backward": _number(float(found.backward[place])),
                "variation": _digits(float(found.variation[place])),
                "entropy": [_digits(float(value)) for value in found.entropy[place]],
                "top": [int(value) for value in found.top[place]],
                "apart": self._apart((rows[0][place], rows[1][place]), ids[:place]),
                "ids": found.listed[place],
                "texts": [piece.label for piece in pieces],
                "logprobs": [[_number(value) for value in side] for side in found.logs[place]],
                "ranks": found.ranks[place],
            }
            if own.hex:
                step["bytes"] = own.hex
            steps.append(step)
            unfinished = own.unfinished
        return steps

    def _apart(self, rows: tuple[torch.Tensor, torch.Tensor], before: Sequence[int]) -> float | None:
        """The chance that both would draw other tokens after some; None where they do not draw, or not with
        the same random numbers.
        """
        if not self.coupled:
            return None
        first, second = (self._processed(side, row, before).exp() for side, row in enumerate(rows))
        return _digits(parting_chance(first, second))

    def _processed(self, side: int, row: torch.Tensor, before: Sequence[int]) -> torch.Tensor:
        """[V] log-probabilities of one side after its settings, float64."""
        plan = self.plans[side]
        context = torch.tensor([[*self.prompt, *before]], device=row.device)
        return score(row[None], context, plan.stages, plain=False).scores[0].double().log_softmax(-1)

    def parting(self) -> data.Parting | None:
        """Where the texts part, and what the models make of the two tokens there; None where they are equal.

        Call it after the texts were read.
        """
        if self.place is None:
            return None
        ids = [text[self.place] if self.place < len(text) else None for text in self.texts]
        before = self.texts[0][: self.place]
        draws = self.plans[0].strategy.draws
        tokens = self._at_parting([token for token in ids if token is not None], before)
        return {
            "step": self.place + 1,
            "ids": ids,
            "tokens": tokens,
            "draws": draws,
            "settings": any(plan.stages for plan in self.plans),
            "apart": self._apart(self.parted, before) if self.parted else None,
            "verdict": None if draws else finding.verdict(tokens),
        }

    def _at_parting(self, ids: Sequence[int], before: Sequence[int]) -> list[data.PartingToken]:
        """Both tokens, where there are two and both models have them."""
        if self.parted is None or len(ids) < 2 or max(ids) >= self.shared:
            return []
        after = [self._processed(side, row, before) for side, row in enumerate(self.parted)]
        after = [values[: self.shared] for values in after]
        unfinished = self.words.in_turn([*self.prompt, *before])[-1].unfinished
        return [
            {
                "token_id": token,
                "label": piece.label,
                "logprobs": [_number(float(values[token])) for values in after],
                "ranks": [1 + int((values > values[token]).sum()) for values in after],
            }
            for token, piece in zip(ids, self.words.pieces(ids, unfinished), strict=True)
        ]


def _mean(values: torch.Tensor) -> data.PairMean | None:
    """A mean over the tokens of one text, with a 95 % interval where there are blocks enough; None where one
    of them is infinite.
    """
    if not bool(values.isfinite().all()):
        return None
    found = estimates.estimate(values.split(BLOCK))
    low, high = estimates.interval(found)
    enough = found.clusters >= FEWEST
    return {
        **found.to_json(),
        "interval": [_digits(max(0.0, low)), _digits(high)] if enough else None,
    }


def _digits(value: float) -> float:
    """A number to six digits."""
    return float(f"{value:.6g}")


def _number(value: float) -> float | None:
    """A number to six digits, None for an infinite one."""
    return _digits(value) if math.isfinite(value) else None
