"""What is measured of a model while it learns, from rows and texts that it is not trained on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from finetuning import losses, sets
from finetuning.data import Counted, Mark, Said
from finetuning.lora import Adapter, Net
from finetuning.pairs import Rows, Text, stored_source
from finetuning.train_request import TrainRequest
from shared import measure, rules, texts
from shared.behaviour import ANSWER_TOKENS, Behaviour
from shared.errors import VisitorError
from shared.estimates import Share, estimate, interval
from shared.measure import Windows, text_windows
from shared.rules import LIKELIER
from shared.rules import Said as Answered
from shared.talk import answer_all, context_limit, prompt_ids

if TYPE_CHECKING:
    from torch import Tensor

    from shared.models import Loaded

CONTEXT, WINDOWS = 128, 3
"""Of the text whose loss is followed."""
CERTAIN = 1e-7
"""−ln p below which float32 takes a token for certain, so that its odds would be infinite."""
ELSEWHERE, ELSEWHERE_TOKENS = 6, 24
"""Questions that the set is not about, and tokens of each answer whose distribution is compared."""


@dataclass(frozen=True)
class Moved:
    """What else moved.

    Args:
        text: loss of a plain text, nats a token; None where the model cannot read it.
        kl: KL of its tokens from the model before training, nats.
        elsewhere: that of questions that the rows are not about.
        losses: of each of the text's windows.
        others: KL of each of those questions.
    """

    text: Any
    kl: Any
    elsewhere: Any
    losses: list[float]
    others: list[float]


@dataclass
class Watch:
    """What is followed, and what the model before training says to it.

    Args:
        rows: the rows, of which the held-out are followed.
        windows: of a plain text.
        elsewhere: questions that the rows are not about, with answers.
        behaviours: that are counted in answers.
        asked: prompts that are answered: ids, by their words.
        most: prompts of one behaviour.
        first: logits before training of windows and elsewhere.
    """

    rows: Rows
    windows: tuple[Text, ...]
    elsewhere: tuple[Text, ...]
    behaviours: tuple[Behaviour, ...]
    asked: dict[str, tuple[int, ...]]
    most: int
    first: dict[Text, Tensor] = field(default_factory=dict)
    reference: dict[Text, float] = field(default_factory=dict)
    """ln p of answers before training, summed."""

    def anew(self) -> Watch:
        """The same of another model before training, of which nothing is known yet."""
        return replace(self, first={}, reference={})

    def remember(self, net: Net) -> None:
        """Keep what the model says before training."""
        for text in (*self.windows, *self.elsewhere):
            if text not in self.first:
                self.first[text] = net.all_logits([text])[0]

    def references(self, net: Net, texts: Sequence[Text]) -> None:
        """Keep ln p of texts' answers before training: the net must be that model still."""
        import torch

        missing = [text for text in dict.fromkeys(texts) if text not in self.reference]
        missing.sort(key=lambda text: len(text.ids))
        with torch.no_grad():
            while missing:
                some = [missing.pop() for _ in range(min(len(missing), 8))]
                for text, row in zip(some, net.token_logs(some), strict=True):
                    self.reference[text] = float(row.double().sum())

    def mark(self, net: Net, step: int, request: TrainRequest) -> Mark:
        """What is known of the held-out rows and the weights after so many steps."""
        import torch

        sides = self.rows.sides
        with torch.no_grad():
            logs, others = ([net.token_logs([text])[0].double().cpu() for text in side] for side in sides)
        mark: Mark = {
            "step": step,
            "tokens": [[round(-value, 4) for value in row.tolist()] for row in logs],
            "held_out": spread_of([-row for row in logs], least=0),
            "norms": [
                (name, at, float(f"{moved:.4g}"), float(f"{size:.6g}"))
                for (at, name), (moved, size) in net.adapter.norms().items()
            ],
            "text": None,
            "kl": None,
            "elsewhere": None,
            "chosen": None,
            "rejected": None,
            "margin": None,
            "shares": None,
            "said": None,
        }
        if request.objective == "orpo":
            chosen, rejected = (
                torch.stack([row.mean() for row in rows]).clamp(max=-CERTAIN) for rows in (logs, others)
            )
            odds = losses.log_odds_ratio(chosen, rejected)
            for name, values in (("chosen", chosen), ("rejected", rejected), ("margin", odds)):
                mark[name] = spread_of(list(values[:, None]))  # type: ignore[literal-required]
        if request.objective in ("dpo", "kto"):
            moved = [
                torch.stack([row.sum() for row in rows])
                - torch.tensor([self.reference[text] for text in side], dtype=torch.float64)
                for rows, side in zip((logs, others), sides, strict=True)
            ]
            mark["chosen"], mark["rejected"] = (
                spread_of(list(moved[0][:, None])),
                spread_of(list(moved[1][:, None])),
            )
        if request.objective == "dpo":
            mark["margin"] = spread_of(list((moved[0] - moved[1])[:, None]))
        return mark

    def add_elsewhere(self, net: Net, mark: Mark) -> None:
        """Put into a mark what else moved."""
        moved = self.elsewhere_of(net)
        mark["text"], mark["kl"], mark["elsewhere"] = moved.text, moved.kl, moved.elsewhere

    def elsewhere_of(self, net: Net) -> Moved:
        """What else moved: a plain text, and questions that the rows are not about."""
        kls, of_text = self._moved(net, self.windows)
        others, _ = self._moved(net, self.elsewhere)
        return Moved(
            spread_of(of_text, least=0) if of_text else None,
            spread_of(kls, least=0) if kls else None,
            spread_of(others, least=0) if others else None,
            [float(row.mean()) for row in of_text],
            [float(row.mean()) for row in others],
        )

    def _moved(self, net: Net, texts: Sequence[Text]) -> tuple[list[Tensor], list[Tensor]]:
        """KL from the model before training, and loss, of each text's tokens."""
        import torch

        kls, of_text = [], []
        for text in texts:
            now = net.all_logits([text])[0]
            true = torch.tensor(text.ids[text.start :])
            found = measure.compare(self.first[text], now, true)
            kls.append(found.kl.cpu())
            of_text.append(found.loss.cpu())
        return kls, of_text

    def answers(self, adapter: Adapter, tokenizer: Any) -> Iterator[int | tuple[list[Counted], list[Said]]]:
        """Greedy answers to what is asked: how many are done, at the end the behaviours' shares and what was
        said.
        """
        if not self.asked:
            yield [], []
            return
        prompts = list(self.asked.values())
        for step in answer_all(adapter.model, tokenizer, prompts, ANSWER_TOKENS):
            if isinstance(step, int):
                yield step
                continue
            said = {
                words: Answered(answer.text(tokenizer), answer.ended, len(answer.ids))
                for words, answer in zip(self.asked, step, strict=True)
            }
            shares: list[Counted] = []
            for one in self.behaviours:
                some = [said[prompt] for prompt in one.held_out(self.most) if prompt in said]
                shown = rules.verdicts(one.rule, some)
                shares.append(
                    {"name": one.name, "words": one.words, **Share(sum(shown), len(some)).to_json()}
                )
            yield (
                shares,
                [
                    {"prompt": words[:200], "text": answer.text[:400], "ended": answer.ended}
                    for words, answer in said.items()
                ],
            )


def spread_of(groups: Sequence[Tensor], least: float = -math.inf) -> Any:
    """A mean with its 95 % interval, not below what is possible; rows, windows or texts are independent."""
    value = estimate(groups)
    low, high = interval(value)
    known = value.sigma is not None
    return {
        **value.to_json(),
        "low": float(f"{max(low, least):.5g}") if known else None,
        "high": float(f"{high:.5g}") if known else None,
    }


def is_finite(value: Any) -> bool:
    """Whether every number of a mark, at any depth, is one."""
    if isinstance(value, dict):
        return all(map(is_finite, value.values()))
    if isinstance(value, (list, tuple)):
        return all(map(is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def countable(request: TrainRequest, loaded: Loaded, *, uploaded: bool = False) -> tuple[Behaviour, ...]:
    """The behaviours that are counted in answers.

    Raises:
        VisitorError: one cannot be, or the model has no template to be asked by.
    """
    behaviours = request.judged(uploaded)
    for one in behaviours:
        if one.rule.kind == LIKELIER:
            raise VisitorError(
                f"“{one.name}” compares two given answers, and here answers are written.",
                "Use another rule.",
            )
    if behaviours and not _chats(loaded):
        raise VisitorError(
            f"{loaded.id} has no chat template, so that it cannot be asked for behaviours.",
            "Leave behaviours empty, or choose a model with a template.",
        )
    return behaviours


def watching(request: TrainRequest, loaded: Loaded, rows: Rows, *, uploaded: bool = False) -> Watch:
    """What is followed of a run.

    Raises:
        VisitorError: a behaviour cannot be counted in answers, or the model has no token of a text.
    """
    behaviours = countable(request, loaded, uploaded=uploaded)
    asked: dict[str, tuple[int, ...]] = {}
    for one in behaviours:
        for prompt in one.held_out(request.answers):
            asked[prompt] = tuple(prompt_ids(loaded, prompt))
    if not behaviours:
        for pair in rows.held[: request.answers]:
            if pair.prompt:
                asked[pair.question] = pair.prompt
    limit = context_limit(loaded)
    asked = {words: ids for words, ids in asked.items() if limit is None or len(ids) + ANSWER_TOKENS <= limit}
    name = request.data if rows.source == stored_source(request.data) else "pirate"
    return Watch(
        rows, plain_windows(loaded), elsewhere_texts(name, loaded), behaviours, asked, request.answers
    )


def plain_windows(loaded: Loaded) -> tuple[Text, ...]:
    """The text's windows; none where the model reads less."""
    limit = context_limit(loaded)
    context = CONTEXT if limit is None else min(CONTEXT, limit)
    if context < 8:
        return ()
    windows: Windows = text_windows(loaded.tokenizer, texts.sample("evaluation"), context, WINDOWS)
    measure.check_vocabulary(loaded.model, windows.ids)
    start = measure.scored_positions(context).start + 1
    return tuple(Text(tuple(row.tolist()), start) for row in windows.ids)


def elsewhere_texts(name: str, loaded: Loaded) -> tuple[Text, ...]:
    """Questions that a stored set is not about, with the embedded model's answers to them."""
    if not _chats(loaded):
        return ()
    limit = context_limit(loaded)
    found = []
    for prompt, answer in sets.elsewhere(name)[:ELSEWHERE]:
        asked = prompt_ids(loaded, prompt)
        said = loaded.tokenizer(answer, add_special_tokens=False)["input_ids"][:ELSEWHERE_TOKENS]
        if said and (limit is None or len(asked) + len(said) <= limit):
            found.append(Text((*asked, *said), len(asked)))
    return tuple(found)


def _chats(loaded: Loaded) -> bool:
    """Whether the model has a template for a question alone."""
    template = loaded.tokenizer.chat_template
    return bool(template.get("default") if isinstance(template, dict) else template)
