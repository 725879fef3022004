"""Parents and child measured alike: what they answer, how often they show each behaviour, how far they are
apart.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from merging import data
from shared import contrasts, measure, models, paired, texts
from shared.behaviour import ANSWER_TOKENS, PRESETS, SETS, USUAL, Behaviour, prompts_of
from shared.errors import VisitorError
from shared.estimates import Estimate, Share, estimate, interval, perplexity
from shared.measure import Windows, text_windows, window_log_probabilities
from shared.refusals import is_broken
from shared.rules import LIKELIER, Rule, Said, verdicts
from shared.talk import answer_all, check_length, context_limit, longest_prompt, prompt_ids

if TYPE_CHECKING:
    from torch import Tensor

    from shared.models import Loaded

EACH = 20
"""Held-out prompts of a stored set."""
CONTEXT, WINDOWS = 256, 4
"""Tokens in a window of the sample text, and windows at most."""
KEPT = 12
"""Models whose answers are remembered: they do not change."""

Answer = Said
"""An answer's text, whether the model ended it, and how many tokens it has."""
Row = contrasts.Row
"""The tokens of a question and its answer, and where the answer begins."""


def usual() -> tuple[Behaviour, ...]:
    """What the suite's experts were taught, and what a merge may lose."""
    return tuple(PRESETS[name] for name in USUAL)


@dataclass(frozen=True)
class Asked:
    """The prompts that every model answers, each once.

    Args:
        cooking: those of the stored cooking questions.
        other: those of the stored other questions.
        own: of further sets, a visitor's among them.
        more: without a rule, to read.
    """

    cooking: tuple[str, ...]
    other: tuple[str, ...]
    own: tuple[str, ...]
    more: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        """In the order in which answers are kept."""
        return (*self.cooking, *self.other, *self.own, *self.more)

    def to_json(self) -> data.Prompts:
        """As the figure takes them."""
        found: data.Prompts = {
            "cooking": list(self.cooking),
            "other": list(self.other),
            "asked": list(self.more),
        }
        if self.own:
            found["own"] = list(self.own)
        return found


def asked(behaviours: Sequence[Behaviour], more: Sequence[str] = ()) -> Asked:
    """What is asked for some behaviours, and further prompts."""
    known = prompts_of(behaviours, EACH)
    cooking, other = (tuple(one for one in known if one in SETS[name][1]) for name in ("cooking", "other"))
    own = tuple(one for one in known if one not in cooking and one not in other)
    return Asked(cooking, other, own, tuple(more))


@dataclass(frozen=True)
class Measurements:
    """One model's numbers.

    Args:
        name: in the recipe, or "child".
        role: "base", "parent" or "child".
        revision: what pins it.
        context: tokens in a window of the sample text.
        shares: by behaviour; of "is likelier", prompts where the wanted answer is.
        answers: to `asked`'s prompts.
        perplexity: of the sample text.
        kl: KL(parent ‖ child) in nats per token, by parent; of the child alone.
    """

    name: str
    role: data.Role
    revision: str
    context: int
    shares: dict[str, Share]
    answers: tuple[Answer, ...]
    perplexity: Estimate
    kl: dict[str, Estimate] = field(default_factory=dict)
    against: dict[str, dict[str, data.Flips]] = field(default_factory=dict)
    """By another model, by behaviour; of the child alone."""
    contrasts: dict[str, Estimate] = field(default_factory=dict)
    """Of "is likelier": nats a token, prompts being the clusters."""
    broken: Share | None = None
    """Of all answers, those that say the same again and again."""

    def to_json(self) -> data.Model:
        """The numbers as the figure takes them."""
        return {
            "name": self.name,
            "role": self.role,
            "revision": self.revision,
            "shares": {name: share.to_json() for name, share in self.shares.items()},
            "answers": [{"text": said.text, "ended": said.ended} for said in self.answers],
            "perplexity": round(self.perplexity.mean, 3),
            "sigma": rounded(self.perplexity.sigma, 3),
            "kl": {name: kl.to_json() for name, kl in self.kl.items()},
            "contrasts": {name: bounded(value) for name, value in self.contrasts.items()},
            **({"against": self.against} if self.against else {}),  # type: ignore[typeddict-item]
            **({"broken": self.broken.to_json()} if self.broken else {}),  # type: ignore[typeddict-item]
        }


def bounded(value: Estimate) -> data.Contrast:
    """A mean with the ends of its 95 % interval, which counts prompts; none where there is one prompt."""
    ends = interval(value) if value.sigma is not None else (None, None)
    low, high = (None if end is None else float(f"{end:.4g}") for end in ends)
    return {**value.to_json(), "low": low, "high": high}


def rounded(value: float | None, digits: int) -> float | None:
    """A number with so many digits behind the point; None stays."""
    return None if value is None else round(value, digits)


def sample_windows(loaded: Loaded, name: str = "evaluation") -> Windows:
    """A sample text in windows, BOS in each where the tokenizer adds one; shorter ones where the model was
    built to read less.

    Args:
        loaded: whose tokenizer reads it.
        name: "evaluation", or "calibration", which shares no sentence with it.
    """
    context = min(CONTEXT, context_limit(loaded) or CONTEXT)
    return text_windows(loaded.tokenizer, texts.sample(name), context, WINDOWS)


_answers: OrderedDict[tuple[str, str, int, tuple[str, ...]], tuple[Answer, ...]] = OrderedDict()


def answers_of(loaded: Loaded, questions: Sequence[str], tokens: int) -> tuple[Answer, ...]:
    """Greedy answers to questions, each alone in a conversation where the model has a chat template.

    Raises:
        VisitorError: the template does not take a question, the model has no token for it, or it does not fit
            into what the model can read.
    """
    rows = [prompt_ids(loaded, question) for question in questions]
    for question, row in zip(questions, rows, strict=True):
        check_length(question, row, longest_prompt(loaded, tokens))
    *_, answers = answer_all(loaded.model, loaded.tokenizer, rows, tokens)
    assert isinstance(answers, list)
    return tuple(Said(answer.text(loaded.tokenizer), answer.ended, len(answer.ids)) for answer in answers)


def _remembered(loaded: Loaded, questions: tuple[str, ...], tokens: int) -> tuple[Answer, ...]:
    """Answers of a model that `models.load` keeps: they are the same next time."""
    key = (loaded.id, loaded.revision, tokens, questions)
    if key not in _answers:
        _answers[key] = answers_of(loaded, questions, tokens)
        while len(_answers) > KEPT:
            _answers.popitem(last=False)
    _answers.move_to_end(key)
    return _answers[key]


def shares_of(
    behaviours: Sequence[Behaviour], answers: Mapping[str, Answer], prompts: Mapping[str, Sequence[str]]
) -> dict[str, Share]:
    """How many answers show each behaviour; without those that need no answers.

    Args:
        behaviours: to count.
        answers: by prompt.
        prompts: of each behaviour, by its name.
    """
    return {
        name: Share(sum(some), len(some)) for name, some in shown_of(behaviours, answers, prompts).items()
    }


def shown_of(
    behaviours: Sequence[Behaviour], answers: Mapping[str, Answer], prompts: Mapping[str, Sequence[str]]
) -> dict[str, list[bool]]:
    """Which answers show each behaviour, in the order of its prompts. Arguments as of `shares_of`."""
    return {
        one.name: verdicts(one.rule, [answers[prompt] for prompt in prompts[one.name]])
        for one in behaviours
        if one.rule.kind != LIKELIER
    }


def flips(
    others: Mapping[str, Mapping[str, Sequence[bool]]], child: Mapping[str, Sequence[bool]]
) -> dict[str, dict[str, data.Flips]]:
    """The merge against every other model, behaviour by behaviour, on the same prompts; p-values are Holm's
    for all of them.

    Args:
        others: by model, by behaviour, whether it is shown on each prompt.
        child: likewise, of the merge.
    """
    found: dict[str, dict[str, data.Flips]] = {}
    for name, theirs in others.items():
        found[name] = {}
        for behaviour, second in child.items():
            one = paired.difference(theirs[behaviour], second, range(len(second)))
            found[name][behaviour] = {
                "mean": round(one.mean, 4),
                "low": round(one.low, 4),
                "high": round(one.high, 4),
                "gained": one.gained,
                "lost": one.lost,
                "of": one.of,
                "p": one.p,
            }
    every = [one for some in found.values() for one in some.values()]
    for each, p in zip(every, paired.holm([each["p"] for each in every]), strict=True):
        each["p"] = float(f"{p:.4g}")
    return found


def contrast_of(loaded: Loaded, rule: Rule, prompts: Sequence[str]) -> Tensor:
    """Of "is likelier": ln p of an answer less that of the other, each per token, float64 (prompts,)."""
    rows, others = (
        [contrasts.continued(loaded, prompt, answer) for prompt in prompts]
        for answer in (rule.value, rule.against)
    )
    return contrasts.contrast(loaded.model, rows, others)


class Comparison:
    """Measures models one after the other; a child comes after its parents.

    Args:
        questions: further prompts that every model answers.
        behaviours: those of the experts where none are given.
        tokens: longest answer.
    """

    def __init__(
        self,
        questions: Sequence[str] = (),
        behaviours: Sequence[Behaviour] = (),
        tokens: int = ANSWER_TOKENS,
    ) -> None:
        self.behaviours = tuple(behaviours) or usual()
        self.asked = asked(self.behaviours, questions)
        self.tokens = tokens
        self.parents: dict[str, tuple[Windows, list[Tensor]]] = {}
        """Windows and log-probabilities by parent."""
        self.shown: dict[str, dict[str, list[bool]]] = {}
        """By model measured before the child, by behaviour: whether it is shown on each prompt."""

    def measure(self, name: str, role: data.Role, loaded: Loaded) -> Measurements:
        """One model's numbers.

        Args:
            name: in the recipe, or "child".
            role: of the model in the merge; a parent's predictions are kept for the child.
            loaded: the model.

        Raises:
            VisitorError: the model cannot be asked, or its weights give no numbers.
        """
        import torch

        loaded = loaded if role == "child" else models.on_device(loaded)
        windows = sample_windows(loaded)
        rows = list(window_log_probabilities(loaded.model, windows))
        losses = torch.stack(
            [measure.losses(row, targets) for row, targets in zip(rows, windows.targets, strict=True)]
        )
        if not math.isfinite(float(losses.mean())):
            raise VisitorError(
                "The weights give no numbers (NaN).", "Look for a weight that is far too large."
            )
        if role == "child":
            answers = answers_of(loaded, self.asked.all, self.tokens)
            kl = dict(self._divergences(windows, rows))
        else:
            answers, kl = _remembered(loaded, self.asked.all, self.tokens), {}
            self.parents[name] = windows, rows
        known = dict(zip(self.asked.all, answers, strict=True))
        prompts = {one.name: one.held_out(EACH) for one in self.behaviours}
        shown, odds = shown_of(self.behaviours, known, prompts), {}
        for one in self.behaviours:
            if one.rule.kind == LIKELIER:
                values = contrast_of(loaded, one.rule, prompts[one.name])
                shown[one.name] = (values > 0).tolist()
                odds[one.name] = estimate(values)
        if role != "child":
            self.shown[name] = shown
        return Measurements(
            name=name,
            role=role,
            revision=loaded.revision,
            context=windows.context,
            shares={one.name: Share(sum(shown[one.name]), len(shown[one.name])) for one in self.behaviours},
            answers=answers,
            perplexity=perplexity(losses),
            kl=kl,
            against=flips(self.shown, shown) if role == "child" else {},
            contrasts=odds,
            broken=Share(sum(is_broken(said.text) for said in answers), len(answers)),
        )

    def _divergences(self, windows: Windows, rows: Sequence[Tensor]) -> Iterator[tuple[str, Estimate]]:
        """KL from each parent that reads the text in the same tokens, its standard error over windows."""
        import torch

        for name, (theirs, base) in self.parents.items():
            if torch.equal(theirs.ids, windows.ids) and base[0].shape == rows[0].shape:
                pairs = zip(base, rows, strict=True)
                yield name, estimate([measure.kl_divergence(one, other) for one, other in pairs])


def opening_rows(loaded: Loaded, questions: Sequence[str], answers: Sequence[str]) -> list[Row]:
    """Questions with their answers as tokens of a model.

    Raises:
        VisitorError: as `answers_of`.
    """
    pairs = zip(questions, answers, strict=True)
    return [contrasts.continued(loaded, question, answer) for question, answer in pairs]
