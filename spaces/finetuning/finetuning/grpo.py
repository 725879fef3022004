"""Training by rewards (GRPO): groups of sampled answers, what each is paid, and which tokens that moves.

Every step samples answers to its prompts, pays them, and makes optimizer steps on them: AdamW (β .9 and
.999, ε 10⁻⁸, no decay) on gradients clipped to norm 1, in float32, with TRL's advantages and loss. What is
sampled comes from a generator of its own: the same request writes the same answers.
"""

from __future__ import annotations

import importlib.metadata
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from finetuning import grpo_watch, losses, questions, rewards
from finetuning.data import Grpo, Group, Round, Sampled
from finetuning.grpo_request import GrpoRequest
from finetuning.grpo_watch import GrpoWatch, answer_text, repeated
from finetuning.lora import Adapter, Cache, Net, adapted, blocks, log_of
from finetuning.pairs import Text
from finetuning.questions import Question, Questions
from finetuning.rewards import Written
from finetuning.snapshot import Snapshot, taken
from finetuning.tokenizer import opened
from finetuning.train import CLIP, MAX_STEP_TOKENS
from finetuning.watch import spread_of
from shared import models
from shared.errors import VisitorError
from shared.talk import Answer, context_limit, greedy
from shared.tokens import Texts

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from shared.models import Loaded


class _Broken(Exception):
    """A number that is none, in words."""


def order(prompts: int, request: GrpoRequest) -> list[list[int]]:
    """Which prompts each step has: every round through them a permutation of its own seed; a step that the
    last ones do not fill goes on with the next round.
    """
    import torch

    drawn: list[int] = []
    while len(drawn) < request.steps * request.batch:
        generator = torch.Generator().manual_seed(request.seed + len(drawn) // prompts)
        drawn += torch.randperm(prompts, generator=generator).tolist()
    return [drawn[at * request.batch : (at + 1) * request.batch] for at in range(request.steps)]


def prepared(
    request: GrpoRequest, upload: Any = None, token: str | None = None
) -> tuple[Loaded, Questions]:
    """The model and the prompts, checked, before a GPU is asked for.

    Raises:
        VisitorError: as `models.load`, `tokenizer.opened` and `questions.read`; a part of the reward needs an
            answer that a row does not state; or prompts and answers are too long for the model or for a step.
    """
    reader = opened(request.model, "")
    loaded = models.load(request.model, exact=True)
    asked = questions.read(request, loaded, reader, upload, token)
    every = (*asked.train, *asked.held)
    if any(part.kind == "answer" for part in request.parts):
        missing = [one.number for one in every if not one.answer]
        if missing:
            raise VisitorError(
                f"The reward looks for each row's answer, and row {missing[0]} states none.",
                "Give rows with “prompt” and “answer”, choose the sums, or leave “answer” out of the reward.",
            )
    longest, limit = max(len(one.ids) for one in every) + request.tokens, context_limit(loaded)
    if limit is not None and longest > limit:
        raise VisitorError(
            f"A prompt and its answer have up to {longest:,} tokens, and {request.model} reads {limit:,}.",
            "Shorten the prompts, or lower tokens.",
        )
    width = request.batch * request.group * longest
    if width > MAX_STEP_TOKENS:
        raise VisitorError(
            f"A step would read {width:,} tokens (batch {request.batch}, group {request.group}, up to {longest:,} "
            f"each); the limit is {MAX_STEP_TOKENS:,}.",
            "Lower batch, group or tokens, or shorten the prompts.",
        )
    return loaded, asked


@dataclass
class _Answers:
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


def train(
    request: GrpoRequest, loaded: Loaded, asked: Questions, *, cached: bool = True
) -> Iterator[tuple[Grpo, Snapshot | None]]:
    """A run as a growing figure, with the adapter as it is after each mark.

    Args:
        request: what is asked for.
        loaded: the model, where it is to run.
        asked: as `prepared` gives them.
        cached: False to run the whole model in every step.

    Raises:
        VisitorError: peft cannot adapt the model.
    """
    began = time.monotonic()
    adapter = adapted(loaded, request)
    shortest = min((one.ids for one in asked.train), key=len)
    like = Text((*shortest, shortest[0]), len(shortest))
    net = Net(adapter, Cache(adapter.first) if cached else None, like)
    net.forget([like])
    data = _started(request, loaded, asked, adapter, net)
    watch = grpo_watch.watching(request, loaded, asked)
    try:
        for step in _rounds(request, loaded, asked, adapter, net, watch, data):
            if isinstance(step, Snapshot):
                yield _now(data, began), step
                continue
            label, value = step
            data["progress"] = {"label": label, "value": value, "max": request.steps}
            yield _now(data, began), None
    except _Broken as error:
        good = data["marks"][-1]["step"] if data["marks"] else 0
        data["stopped"] = (
            f"Step {len(data['rounds'])}: {error}. Training ended there; the adapter of step {good} is kept. "
            "Lower the learning rate."
        )
    data["progress"], data["done"] = None, True
    data["verdict"] = grpo_watch.verdict(data)
    yield _now(data, began), None


def _now(data: Grpo, began: float) -> Grpo:
    """The figure as it is now; what grows later must not change what was sent."""
    rounds = [*data["rounds"]]
    if rounds:
        last = rounds[-1]
        groups: list[Group] = [
            {**group, "answers": [{**one} for one in group["answers"]]}  # type: ignore[typeddict-item]
            for group in last["groups"]
        ]
        rounds[-1] = {**last, "groups": groups}
    return {
        **data,
        "rounds": rounds,
        "marks": list(data["marks"]),
        "changes": list(data["changes"]),
        "seconds": round(time.monotonic() - began, 2),
    }


def _started(
    request: GrpoRequest, loaded: Loaded, asked: Questions, adapter: Adapter, net: Net
) -> Grpo:
    return {
        "kind": "grpo",
        "drawable": True,
        "done": False,
        "run_id": str(time.time_ns()),
        "request": request.to_json(),
        "parts": [{"words": part.words, "weight": part.weight} for part in request.parts],
        "rounds": [],
        "marks": [],
        "changes": [],
        "verdict": "Before the first step",
        "questions": {
            "prompts": len(asked.train),
            "held_out": len(asked.held[: request.answers]),
            "source": asked.source,
            "more": asked.more,
            "separate": asked.separate,
        },
        "parameters": sum(value.numel() for value in adapter.parameters.values()),
        "first": adapter.first,
        "cached": net.exact,
        "stopped": None,
        "provenance": {
            "model": loaded.id,
            "revision": loaded.revision,
            "source": loaded.source,
            "dtype": loaded.dtype,
            "device": loaded.device,
            "blocks": len(blocks(loaded.model)[2]),
            "versions": {
                name: importlib.metadata.version(name) for name in ("torch", "transformers", "peft")
            },
        },
        "progress": None,
        "seconds": 0.0,
    }


def _rounds(
    request: GrpoRequest,
    loaded: Loaded,
    asked: Questions,
    adapter: Adapter,
    net: Net,
    watch: GrpoWatch,
    data: Grpo,
) -> Iterator[Snapshot | tuple[str, float]]:
    """The steps, which fill `data`; yields where it is, and snapshots."""
    import torch

    named = adapter.parameters
    optimizer = torch.optim.AdamW(named.values(), lr=request.learning_rate, weight_decay=0.0)
    generator = torch.Generator().manual_seed(request.seed)
    marks = request.marks()
    values: list[Mapping[str, list[float]]] = []
    for step, (places, rates) in enumerate(zip(order(len(asked.train), request), request.rates(), strict=True)):
        seen = _round_of(step + 1, rates)
        data["rounds"].append(seen)
        some = [asked.train[at] for at in places]
        for found in sampled(request, loaded, adapter, some, generator, seen):
            if isinstance(found, str):
                yield f"Step {step + 1} of {request.steps}: {found}", step
        advantages = pay(request, loaded, net, some, found, seen)
        yield f"Step {step + 1} of {request.steps}: paid", step
        if not step:  # nothing has moved yet, and the first group was the first picture
            for label in _measured(watch, net, loaded, 0, request, data, values):
                yield label, 0
            yield taken(0, 0, adapter, optimizer, request.model)
        learn(request, net, found, advantages, optimizer, named, seen)
        net.forget(found.texts)
        yield f"Step {step + 1} of {request.steps}", step + 1
        if step + 1 in marks:
            for label in _measured(watch, net, loaded, step + 1, request, data, values):
                yield label, step + 1
            yield taken(0, step + 1, adapter, optimizer, request.model)


def _measured(
    watch: GrpoWatch,
    net: Net,
    loaded: Loaded,
    step: int,
    request: GrpoRequest,
    data: Grpo,
    values: list[Mapping[str, list[float]]],
) -> Iterator[str]:
    """A mark more, and what it changes of the verdict."""
    for found in watch.mark(net, loaded, step, request):
        if isinstance(found, str):
            yield found
            continue
        mark, each = found
        data["marks"].append(mark)
        values.append(each)
    if len(values) > 1:
        data["changes"] = grpo_watch.changes(values[0], values[-1])
        data["verdict"] = grpo_watch.verdict(data)


def _round_of(step: int, rates: Sequence[float]) -> Round:
    return {
        "step": step,
        "groups": [],
        "reward": None,
        "parts": None,
        "tokens": None,
        "ended": None,
        "repeated": None,
        "kl": None,
        "entropy": None,
        "losses": [],
        "norms": [],
        "rates": [float(f"{rate:.6g}") for rate in rates],
        "clipped": [],
    }


def sampled(
    request: GrpoRequest,
    loaded: Loaded,
    adapter: Adapter,
    some: Sequence[Question],
    generator: Generator,
    seen: Round,
) -> Iterator[str | _Answers]:
    """Answers to a step's prompts, sampled at a temperature, from all tokens; `seen` shows them as they grow.

    Raises:
        _Broken: the model's logits are no numbers.
    """
    import torch

    def choose(logits: Tensor) -> Tensor:
        scores = logits.float().cpu() / request.temperature
        if not bool(torch.isfinite(scores).all()):
            raise _Broken("the model's logits are not finite")
        return torch.multinomial(scores.softmax(-1), 1, generator=generator)[:, 0].to(logits.device)

    rows = [question for question in some for _ in range(request.group)]
    prompts = [question.ids for question in rows]
    said: list[Answer] = []
    for said in greedy(adapter.model, loaded.tokenizer, prompts, request.tokens, choose):
        shown = [_shown(loaded, answer) for answer in said]
        seen["groups"] = [
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
        yield f"sampling {request.group * len(some)} answers"
    texts = [answer_text(ids, answer) for ids, answer in zip(prompts, said, strict=True)]
    yield _Answers(texts, said)


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
    found: _Answers,
    seen: Round,
) -> Tensor:
    """The advantage of each answer, (groups, answers), once `seen` has what each was paid."""
    import torch

    before = grpo_watch.likelihoods(net, found.texts)
    rows = [question for question in some for _ in range(request.group)]
    written = [
        Written(answer.text(loaded.tokenizer), answer.ended, len(answer.ids), one.answer, float(row.mean()))
        for one, answer, row in zip(rows, found.answers, before, strict=True)
    ]
    paid = rewards.paid(request.parts, written)
    totals = [rewards.total(request.parts, row) for row in paid]
    by_group = torch.tensor(totals, dtype=torch.float32).view(len(some), request.group)
    if not bool(torch.isfinite(by_group).all()):
        raise _Broken("a reward is not finite")
    advantages = losses.advantages(by_group, request.scale)
    shown = [answer for group in seen["groups"] for answer in group["answers"]]
    for answer, row, value, advantage in zip(
        shown, paid, totals, advantages.flatten().tolist(), strict=True
    ):
        answer["parts"] = [_short(one) for one in row]
        answer["reward"], answer["advantage"] = _short(value), _short(advantage)
    for group, one in zip(seen["groups"], by_group.double(), strict=True):
        group["mean"], group["deviation"] = _short(float(one.mean())), _short(float(one.std()))
    seen["reward"] = spread_of(list(torch.tensor(totals, dtype=torch.float64)[:, None]))
    seen["parts"] = [_short(sum(column) / len(column)) for column in zip(*paid, strict=True)]
    seen["tokens"] = _mean([len(answer.ids) for answer in found.answers])
    seen["ended"] = _mean([float(answer.ended) for answer in found.answers])
    seen["repeated"] = _mean([answer["repeated"] for answer in shown])
    return advantages


def learn(
    request: GrpoRequest,
    net: Net,
    found: _Answers,
    advantages: Tensor,
    optimizer: Any,
    named: Mapping[str, Tensor],
    seen: Round,
) -> None:
    """Make the optimizer steps of a step; `seen` then says what they did to each token.

    Raises:
        _Broken: loss or gradient is no number.
    """
    import torch

    lengths = found.lengths
    with torch.no_grad(), net.untrained():
        first = _logs(request, net, found)[0]
    each_token = advantages.flatten().to(first.device).repeat_interleave(
        torch.tensor(lengths, device=first.device)
    )
    old = first
    out = torch.zeros(len(first), dtype=torch.bool, device=first.device)
    for iteration, rate in enumerate(seen["rates"]):
        for group in optimizer.param_groups:
            group["lr"] = request.rates()[seen["step"] - 1][iteration]
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
            raise _Broken("the loss is not finite")
        loss.backward()  # type: ignore[no-untyped-call]
        norm = float(torch.nn.utils.clip_grad_norm_(list(named.values()), CLIP))
        if not math.isfinite(norm):
            raise _Broken("the gradient is not finite")
        optimizer.step()
        out |= beyond
        seen["losses"].append(float(f"{float(loss.detach()):.7g}"))
        seen["norms"].append(float(f"{norm:.7g}"))
        seen["clipped"].append(_short(float(beyond.float().mean())))
    with torch.no_grad():
        moved = _logs(request, net, found)[0] - old
    kl = losses.divergence(old, first)
    shown = [answer for group in seen["groups"] for answer in group["answers"]]
    for answer, log, away, went, cut in zip(
        shown, *(value.split(lengths) for value in (old, kl, moved, out)), strict=True
    ):
        answer["logs"], answer["kl"] = _list(log), _list(away)
        answer["moved"] = _list(went)
        answer["clipped"] = [at for at, one in enumerate(cut.tolist()) if one]


def _logs(request: GrpoRequest, net: Net, found: _Answers) -> tuple[Tensor, list[Tensor]]:
    """ln p of all tokens, one answer after the other, at the temperature they are sampled at, and their
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
