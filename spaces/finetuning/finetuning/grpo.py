"""Training by rewards (GRPO): groups of sampled answers, what each is paid, and which tokens that moves.

Every step samples answers to its prompts, pays them, and makes optimizer steps on them: AdamW (β .9 and
.999, ε 10⁻⁸, no decay) on gradients clipped to norm 1, in float32, with TRL's advantages and loss. What is
sampled comes from a generator of its own: the same request writes the same answers.
"""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from finetuning import grpo_watch, questions
from finetuning.data import Group, Grpo, Round
from finetuning.grpo_request import GrpoRequest
from finetuning.grpo_step import Broken, learn, pay, sampled
from finetuning.grpo_watch import GrpoWatch
from finetuning.lora import Adapter, Cache, Net, adapted, blocks
from finetuning.pairs import Text
from finetuning.questions import Questions
from finetuning.rows import guessed
from finetuning.snapshot import Snapshot, taken
from finetuning.tokenizer import opened
from finetuning.train import MAX_STEP_TOKENS
from finetuning.watch import is_finite
from shared import models
from shared.errors import VisitorError
from shared.talk import context_limit

if TYPE_CHECKING:
    from shared.models import Loaded


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


def prepared(request: GrpoRequest, upload: Any = None, token: str | None = None) -> tuple[Loaded, Questions]:
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
            f"A step would read {width:,} tokens ({request.batch} × {request.group} answers, up to "
            f"{longest:,} each); the limit is {MAX_STEP_TOKENS:,}.",
            "Lower batch, group or tokens, or shorten the prompts.",
        )
    return loaded, asked


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
    except Broken as error:
        kept = f"; the adapter of step {data['marks'][-1]['step']} is kept" if data["marks"] else ""
        data["stopped"] = (
            f"Step {len(data['rounds'])}: {error}. Training ended there{kept}. Lower the learning rate."
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


def _started(request: GrpoRequest, loaded: Loaded, asked: Questions, adapter: Adapter, net: Net) -> Grpo:
    started: Grpo = {
        "kind": "grpo",
        "drawable": True,
        "done": False,
        "run_id": str(time.time_ns()),
        "request": request.to_json(),
        "parts": [{"words": part.words, "weight": part.weight} for part in request.parts],
        "rounds": [],
        "marks": [],
        "changes": [],
        "verdict": grpo_watch.NOT_YET,
        "questions": {
            "prompts": len(asked.train),
            "held_out": len(asked.held[: request.answers]),
            "source": asked.source,
            "more": asked.more,
            "separate": asked.separate,
        },
        "parameters": sum(value.numel() for value in adapter.parameters.values()),
        "targets": sorted({name.rpartition(".")[2] for _, name in adapter.modules}),
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
    if said := guessed(asked.source):
        started["questions"]["guessed"] = said
    return started


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
    for step, (places, rates) in enumerate(
        zip(order(len(asked.train), request), request.rates(), strict=True)
    ):
        seen = _round_of(step + 1, rates)
        data["rounds"].append(seen)
        some = [asked.train[at] for at in places]
        answers = None
        for found in sampled(request, loaded, adapter, some, generator, seen):
            if isinstance(found, str):
                yield f"Step {step + 1} of {request.steps}: {found}", step
            else:
                answers = found
        assert answers
        advantages, first = pay(request, loaded, net, some, answers, seen)
        if not data["changes"]:
            data["verdict"] = grpo_watch.verdict(data)
        yield f"Step {step + 1} of {request.steps}: paid", step
        if not step:  # nothing has moved yet, and the first group was the first picture
            for label in _measured(watch, net, loaded, 0, request, data, values):
                yield label, 0
            yield taken(0, 0, adapter, optimizer, request.model)
        learn(request, net, answers, advantages, first, optimizer, named, seen)
        net.forget(answers.texts)
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
        if not is_finite(mark):
            raise Broken("what is measured after it is not finite")
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
