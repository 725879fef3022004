"""One step of GRPO: answers are sampled, paid, and learnt from."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from finetuning import losses, rewards
from finetuning.data import Group, Round, Sampled
from finetuning.grpo_request import GrpoRequest
from finetuning.grpo_watch import answer_text, repeated
from finetuning.lora import Adapter, Net, log_of
from finetuning.pairs import Text
from finetuning.questions import Question
from finetuning.rewards import Written
from finetuning.watch import spread_of
from shared.numbers import counted
from shared.steps import UPDATE_SECONDS
from shared.talk import Answer, greedy
from shared.tokens import Texts

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from shared.models import Loaded

CLIP = 1.0
"""Norm to which gradients are clipped."""


class Broken(Exception):
    """A number that is none, in words."""


@dataclass
class Answers:
    """The answers of a step.

    Args:
        texts: with their prompts, group after group.
        answers: as they were sampled.
    """

    texts: list[Text]
    answers: list[Answer]

    @property
    def lengths(self) -> list[int]:
        """Tokens of each, the one that ends it included."""
        return [text.trained for text in self.texts]


def sampled(
    request: GrpoRequest,
    loaded: Loaded,
    adapter: Adapter,
    some: Sequence[Question],
    generator: Generator,
    seen: Round,
) -> Iterator[str | Answers]:
    """Answers to a step's prompts, sampled at a temperature, from all tokens; `seen` shows them as they grow.

    Raises:
        Broken: the model's logits are no numbers.
    """
    import torch

    def choose(logits: Tensor) -> Tensor:
        scores = logits.float().cpu() / request.temperature
        if not bool(torch.isfinite(scores).all()):
            raise Broken("the model's logits are not finite")
        return torch.multinomial(scores.softmax(-1), 1, generator=generator)[:, 0].to(logits.device)

    rows = [question for question in some for _ in range(request.group)]
    prompts = [question.ids for question in rows]
    said: list[Answer] = []
    shown = -math.inf
    for said in greedy(adapter.model, loaded.tokenizer, prompts, request.tokens, choose):
        if time.monotonic() - shown >= UPDATE_SECONDS:
            seen["groups"] = _groups(request, loaded, some, said)
            shown = time.monotonic()
            yield f"sampling {counted(request.group * len(some), 'answer')}"
    seen["groups"] = _groups(request, loaded, some, said)
    texts = [answer_text(ids, answer) for ids, answer in zip(prompts, said, strict=True)]
    yield Answers(texts, said)


def _groups(
    request: GrpoRequest, loaded: Loaded, some: Sequence[Question], said: Sequence[Answer]
) -> list[Group]:
    shown = [_shown(loaded, answer) for answer in said]
    return [
        {
            "number": question.number,
            "prompt": question.words,
            "wanted": question.answer,
            "answers": shown[at * request.group : (at + 1) * request.group],
            "mean": None,
            "deviation": None,
        }
        for at, question in enumerate(some)
    ]


def _shown(loaded: Loaded, answer: Answer) -> Sampled:
    ids = [*answer.ids, *(() if answer.end is None else (answer.end,))]
    return {
        "tokens": [piece.label for piece in Texts(loaded.tokenizer).in_turn(ids)],
        "text": answer.text(loaded.tokenizer)[:1_000],
        "ended": answer.ended,
        "logs": [],
        "kl": [],
        "moved": None,
        "clipped": [],
        "parts": [],
        "reward": None,
        "advantage": None,
        "repeated": float(f"{repeated(answer.ids):.4g}"),
    }


def pay(
    request: GrpoRequest,
    loaded: Loaded,
    net: Net,
    some: Sequence[Question],
    found: Answers,
    seen: Round,
) -> tuple[Tensor, Tensor]:
    """The advantage of each answer, (groups, answers), and ln p of all its tokens under the model before
    training at the temperature of the sampling; `seen` then has what each was paid.
    """
    import torch

    with torch.no_grad(), net.untrained():
        first, scores = _logs(request, net, found)
        before = [log_of(row, text) for row, text in zip(scores, found.texts, strict=True)]
    del scores
    rows = [question for question in some for _ in range(request.group)]
    written = [
        Written(answer.text(loaded.tokenizer), answer.ended, len(answer.ids), one.answer, float(row.mean()))
        for one, answer, row in zip(rows, found.answers, before, strict=True)
    ]
    paid = rewards.paid(request.parts, written)
    totals = [rewards.total(request.parts, row) for row in paid]
    by_group = torch.tensor(totals, dtype=torch.float32).view(len(some), request.group)
    if not bool(torch.isfinite(by_group).all()):
        raise Broken("a reward is not finite")
    advantages = losses.advantages(by_group, request.scale)
    shown = [answer for group in seen["groups"] for answer in group["answers"]]
    for answer, row, value, advantage in zip(shown, paid, totals, advantages.flatten().tolist(), strict=True):
        answer["parts"] = [_short(one) for one in row]
        answer["reward"], answer["advantage"] = _short(value), _short(advantage)
    for group, one in zip(seen["groups"], by_group.double(), strict=True):
        group["mean"], group["deviation"] = _short(float(one.mean())), _short(float(one.std()))
    seen["reward"] = spread_of(list(torch.tensor(totals, dtype=torch.float64)[:, None]))
    seen["parts"] = [_short(sum(column) / len(column)) for column in zip(*paid, strict=True)]
    seen["tokens"] = _mean([len(answer.ids) for answer in found.answers])
    seen["ended"] = _mean([float(answer.ended) for answer in found.answers])
    seen["repeated"] = _mean([answer["repeated"] for answer in shown])
    return advantages, first


def learn(
    request: GrpoRequest,
    net: Net,
    found: Answers,
    advantages: Tensor,
    first: Tensor,
    optimizer: Any,
    named: Mapping[str, Tensor],
    seen: Round,
) -> None:
    """Make the optimizer steps of a step; `seen` then says what they did to each token.

    Raises:
        Broken: loss, gradient or what came of them is no number.
    """
    import torch

    lengths = found.lengths
    each_token = (
        advantages.flatten().to(first.device).repeat_interleave(torch.tensor(lengths, device=first.device))
    )
    old = first
    out = torch.zeros(len(first), dtype=torch.bool, device=first.device)
    for iteration, rate in enumerate(request.rates()[seen["step"] - 1]):
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad()
        now, scores = _logs(request, net, found)
        if not iteration:
            old = now.detach()
            seen["entropy"] = _short(_entropy(scores, request.temperature))
            seen["kl"] = _short(float(losses.divergence(old, first).mean()))
        del scores
        each, beyond = losses.grpo_tokens(now, old, first, each_token, request.beta, request.epsilon)
        loss = losses.grpo(each, lengths, request.loss, request.tokens)
        if not math.isfinite(float(loss.detach())):
            raise Broken("the loss is not finite")
        loss.backward()  # type: ignore[no-untyped-call]
        norm = float(torch.nn.utils.clip_grad_norm_(list(named.values()), CLIP))
        if not math.isfinite(norm):
            raise Broken("the gradient is not finite")
        optimizer.step()
        out |= beyond
        seen["losses"].append(float(f"{float(loss.detach()):.7g}"))
        seen["norms"].append(float(f"{norm:.7g}"))
        seen["clipped"].append(_short(float(beyond.float().mean())))
    with torch.no_grad():
        moved = _logs(request, net, found)[0] - old
    if not bool(torch.isfinite(moved).all()):
        raise Broken("the log-probabilities after it are not finite")
    kl = losses.divergence(old, first)
    shown = [answer for group in seen["groups"] for answer in group["answers"]]
    for answer, log, away, went, cut in zip(
        shown, *(value.split(lengths) for value in (old, kl, moved, out)), strict=True
    ):
        answer["logs"], answer["kl"] = _list(log), _list(away)
        answer["moved"] = _list(went)
        answer["clipped"] = [at for at, one in enumerate(cut.tolist()) if one]


def _logs(request: GrpoRequest, net: Net, found: Answers) -> tuple[Tensor, list[Tensor]]:
    """Ln p of all tokens, one answer after the other, at the temperature they are sampled at, and their
    logits.
    """
    import torch

    scores = net.scores(found.texts)
    rows = [log_of(row / request.temperature, text) for row, text in zip(scores, found.texts, strict=True)]
    return torch.cat(rows), [row.detach() for row in scores]


def _entropy(scores: Sequence[Tensor], temperature: float) -> float:
    """Mean entropy of the next token, nats."""
    total, count = 0.0, 0
    for row in scores:
        logs = (row / temperature).log_softmax(-1)
        total -= float((logs.exp() * logs).sum())
        count += len(row)
    return total / count


def _list(values: Tensor) -> list[float]:
    return [round(value, 4) for value in values.double().tolist()]


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def _mean(values: Sequence[float]) -> float:
    return _short(sum(values) / len(values))
