"""How much the model shows a behaviour on a prompt, as one number: what candidates, kernels and controls are
judged by.

A refusal, and whatever else shows in an answer's first words, is scored by the log-odds of the first token
(`answers.refusal_score`), one pass a prompt. "Is likelier" is scored by its contrast. Any other rule needs
the answer: 1 where it shows the behaviour, else 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from abliteration import answers
from abliteration.activations import first_tokens
from abliteration.encode import Format
from shared.contrasts import contrast
from shared.rules import LIKELIER, Rule, Said, verdicts
from shared.steps import last
from shared.talk import answer_all, token_ids

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from shared.models import Loaded
    from shared.talk import Answer

BY_FIRST_TOKEN = ("refuses", "starts with")
OWN_ANSWERS, NO_ANSWERS = "its own answers", "none of its answers"


@dataclass(frozen=True)
class Scale:
    """A behaviour's score.

    Args:
        loaded: the base model, for its tokenizer.
        rule: by which an answer shows the behaviour.
        tokens: first tokens of answers that show it; none where it is not scored by them.
        longest: tokens of an answer.
        pair: of "is likelier", both answers' tokens.
    """

    loaded: Loaded
    rule: Rule
    tokens: tuple[int, ...] = ()
    longest: int = answers.ANSWER_TOKENS
    pair: tuple[tuple[int, ...], ...] = ()

    @property
    def threshold(self) -> float:
        """From this score on a prompt shows the behaviour."""
        return 0.0 if self.tokens or self.pair else 0.5

    def of(self, model: PreTrainedModel, prompts: list[list[int]], log_p: Tensor | None = None) -> Tensor:
        """Score of each prompt, float64 (prompts,).

        Args:
            model: the model or an edited twin.
            prompts: token ids.
            log_p: of the next token, where it is known.
        """
        import torch

        if self.tokens:
            log_p = first_tokens(model, prompts)[0] if log_p is None else log_p
            return answers.refusal_score(log_p, list(self.tokens))
        if self.pair:
            rows = [[([*prompt, *ids], len(prompt)) for prompt in prompts] for ids in self.pair]
            return contrast(model, *rows)
        shown = verdicts(self.rule, said(self.loaded, self.answered(model, prompts)))
        return torch.tensor(shown, dtype=torch.float64)

    def answered(self, model: PreTrainedModel, prompts: list[list[int]]) -> list[Answer]:
        """A model's greedy answers."""
        replies = last(answer_all(model, self.loaded.tokenizer, prompts, self.longest))
        assert not isinstance(replies, int)
        return replies

    def share(self, scores: Tensor) -> float:
        """How much of the behaviour is left, 0 to 1: the mean chance of its first tokens, or the share of
        prompts that show it.
        """
        if self.tokens:
            return float(scores.sigmoid().mean())
        return float((scores > self.threshold).double().mean())


def said(loaded: Loaded, replies: Sequence[Answer]) -> list[Said]:
    """Answers as rules judge them."""
    return [Said(one.text(loaded.tokenizer), one.ended, len(one.ids)) for one in replies]


def pair_of(loaded: Loaded, rule: Rule, how: Format) -> tuple[tuple[int, ...], ...]:
    """Both answers of "is likelier" as tokens behind a prompt; none for any other rule."""
    if rule.kind != LIKELIER:
        return ()
    return tuple(tuple(behind(loaded, answer, how)) for answer in (rule.value, rule.against))


def behind(loaded: Loaded, answer: str, how: Format) -> list[int]:
    """An answer's tokens behind a prompt: no blank before it in a chat, one in plain text."""
    ids, start = how.continued(loaded, "one two a", answer)
    return ids[start:]


def openings_of(
    loaded: Loaded, replies: Sequence[Answer], rule: Rule, opening: tuple[int, ...]
) -> tuple[int, ...]:
    """First tokens of answers that show a behaviour more often than others do; where there are none, those of
    the phrases that it starts with.
    """
    counts: dict[int, list[int]] = {}
    shown = verdicts(rule, said(loaded, replies))
    for one, hit in zip(replies, shown, strict=True):
        if len(one.ids) > len(opening):
            counts.setdefault(one.ids[len(opening)], [0, 0])[hit] += 1
    own = tuple(sorted(token for token, (others, hits) in counts.items() if hits > others))
    if own:
        return own
    rows = loaded.model.get_input_embeddings().weight.shape[0]
    usual = {token_ids(loaded.tokenizer, blank + phrase)[0] for phrase in rule.phrases for blank in ("", " ")}
    return tuple(sorted(token for token in usual if token < rows))
