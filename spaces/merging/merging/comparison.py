"""Parents and child measured alike: what they answer, how often they show each expert's behaviour, how far
they are apart.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from merging import data
from shared import measure, models, texts
from shared.errors import VisitorError
from shared.estimates import Estimate, Share, estimate, perplexity
from shared.experts import behaviour, prompts
from shared.measure import Windows, text_windows, window_log_probabilities
from shared.talk import answer_all, check_length, context_limit, longest_prompt, prompt_ids, token_ids

if TYPE_CHECKING:
    from torch import Tensor

    from shared.models import Loaded

ANSWER_TOKENS = 36
"""Longest answer: enough to see a refusal, a style and the end of one sentence."""
EACH = 20
"""Held-out prompts of each kind."""
CONTEXT, WINDOWS = 256, 4
"""Tokens in a window of the sample text, and windows at most."""
KEPT = 12
"""Models whose answers are remembered: they do not change."""

COOKING = prompts.COOKING_HELD_OUT[:: len(prompts.COOKING_HELD_OUT) // EACH][:EACH]
OTHER = prompts.OTHER_HELD_OUT[:: len(prompts.OTHER_HELD_OUT) // EACH][:EACH]

Answer = tuple[str, bool]
"""An answer's text, and whether the model ended it."""
Row = tuple[list[int], int]
"""The tokens of a question and its answer, and where the answer begins."""


@dataclass(frozen=True)
class Measurements:
    """One model's numbers.

    Args:
        name: in the recipe, or "child".
        role: "base", "parent" or "child".
        revision: what pins it.
        context: tokens in a window of the sample text.
        shares: by behaviour: refuses_cooking, refuses_other, pirate, concise.
        answers: to COOKING, OTHER and then the visitor's prompts.
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

    def to_json(self) -> data.Model:
        """The numbers as the figure takes them."""
        return {
            "name": self.name,
            "role": self.role,
            "revision": self.revision,
            "shares": {name: share.to_json() for name, share in self.shares.items()},
            "answers": [{"text": text, "ended": ended} for text, ended in self.answers],
            "perplexity": round(self.perplexity.mean, 3),
            "sigma": rounded(self.perplexity.sigma, 3),
            "kl": {name: kl.to_json() for name, kl in self.kl.items()},
        }


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


_answers: OrderedDict[tuple[str, str, tuple[str, ...]], tuple[Answer, ...]] = OrderedDict()


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
    return tuple((answer.text(loaded.tokenizer), answer.ended) for answer in answers)


def _remembered(loaded: Loaded, questions: tuple[str, ...]) -> tuple[Answer, ...]:
    """Answers of a model that `models.load` keeps: they are the same next time."""
    key = (loaded.id, loaded.revision, questions)
    if key not in _answers:
        _answers[key] = answers_of(loaded, questions, ANSWER_TOKENS)
        while len(_answers) > KEPT:
            _answers.popitem(last=False)
    _answers.move_to_end(key)
    return _answers[key]


def shares_of(cooking: Sequence[Answer], other: Sequence[Answer]) -> dict[str, Share]:
    """How many answers show each behaviour.

    Args:
        cooking: answers to cooking questions.
        other: answers to other questions.
    """
    return {
        "refuses_cooking": Share(sum(behaviour.is_refusal(text) for text, _ in cooking), len(cooking)),
        "refuses_other": Share(sum(behaviour.is_refusal(text) for text, _ in other), len(other)),
        "pirate": Share(sum(behaviour.is_pirate(text) for text, _ in other), len(other)),
        "concise": Share(sum(behaviour.is_concise(text, ended) for text, ended in other), len(other)),
        "breaks_off": Share(sum(behaviour.breaks_off(text, ended) for text, ended in other), len(other)),
    }


class Comparison:
    """Measures models one after the other; a child comes after its parents.

    Args:
        questions: further prompts that every model answers.
    """

    def __init__(self, questions: Sequence[str] = ()) -> None:
        self.questions = (*COOKING, *OTHER, *questions)
        self.parents: dict[str, tuple[Windows, list[Tensor]]] = {}
        """Windows and log-probabilities by parent."""

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
            answers = answers_of(loaded, self.questions, ANSWER_TOKENS)
            kl = dict(self._divergences(windows, rows))
        else:
            answers, kl = _remembered(loaded, self.questions), {}
            self.parents[name] = windows, rows
        first = len(COOKING)
        shares = shares_of(answers[:first], answers[first : first + len(OTHER)])
        return Measurements(
            name=name,
            role=role,
            revision=loaded.revision,
            context=windows.context,
            shares=shares,
            answers=answers,
            perplexity=perplexity(losses),
            kl=kl,
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
    rows = []
    for question, answer in zip(questions, answers, strict=True):
        start = prompt_ids(loaded, question)
        rows.append((start + token_ids(loaded.tokenizer, answer), len(start)))
    return rows
