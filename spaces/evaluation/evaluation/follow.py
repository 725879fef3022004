"""Instructions followed: every model answers some prompts, a program checks every answer."""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evaluation import engine, numbers
from evaluation.data import Difference, Follow, FollowPrompt, FollowScore, FollowTask
from evaluation.follow_finding import verdicts
from evaluation.follow_request import FollowRequest, Told
from shared import paired
from shared.instructions import GROUPS
from shared.talk import answer_all, check_length, longest_prompt, prompt_ids

if TYPE_CHECKING:
    from shared.models import Loaded
    from shared.talk import Answer

TOGETHER = 8
"""Prompts that are answered between two looks at the results."""


@dataclass(frozen=True)
class Plan:
    """What is to be answered, checked before any model computes.

    Args:
        prompts: of every model, of every prompt its token ids.
    """

    prompts: tuple[tuple[tuple[int, ...], ...], ...]


def plan(request: FollowRequest, loaded: Sequence[Loaded]) -> Plan:
    """The prompts as every model reads them, in its chat template where it has one.

    Raises:
        VisitorError: one is too long for a model, or has no token.
    """
    found = []
    for one in loaded:
        some = [tuple(prompt_ids(one, told.prompt)) for told in request.told]
        for told, ids in zip(request.told, some, strict=True):
            check_length(told.prompt, ids, longest_prompt(one, request.tokens))
        found.append(tuple(some))
    return Plan(tuple(found))


def follow(request: FollowRequest, loaded: Sequence[Loaded], planned: Plan) -> Iterator[Follow]:
    """The growing result, some prompts at a time; the complete one last.

    Args:
        request: what is asked for.
        loaded: the models, where they are to run.
        planned: as `plan` gives it.
    """
    began = time.monotonic()
    data = _started(request, loaded)
    of = len(request.prompts)

    def step(label: str, done: float) -> Follow:
        data["seconds"] = round(time.monotonic() - began, 2)
        data["progress"] = {"label": label, "value": done, "max": of}
        return {**data}

    yield step(f"0 of {of} prompts", 0)
    told = request.told
    for start in range(0, of, TOGETHER):
        some = slice(start, start + TOGETHER)
        texts = []
        for place, one in enumerate(loaded):
            *_, answers = answer_all(one.model, one.tokenizer, planned.prompts[place][some], request.tokens)
            assert isinstance(answers, list)
            texts.append([(answer.text(one.tokenizer), answer) for answer in answers])
            share = (place + 1) / len(loaded)
            yield step(f"{data['models'][place]['name']}: prompts {start + 1} to {min(start + TOGETHER, of)}",
                       start + share * len(told[some]))  # fmt: skip
        data["prompts"] = [
            *data["prompts"],
            *(_checked(asked, [one[at] for one in texts]) for at, asked in enumerate(told[some])),
        ]
        data["scores"] = scores(data)
        data["differences"] = differences(data)
        late = time.monotonic() - began > engine.MAX_SECONDS and start + TOGETHER < of
        if late:
            data["stopped"] = f"The run was ended after {engine.MAX_SECONDS / 60:g} minutes."
        over = late or start + TOGETHER >= of
        data["verdicts"] = verdicts(data, over)
        if over:
            break
        yield step(f"{len(data['prompts'])} of {of} prompts", len(data["prompts"]))
    data["seconds"] = round(time.monotonic() - began, 2)
    data["done"], data["progress"] = True, None
    yield {**data}


def _checked(asked: Told, answers: Sequence[tuple[str, Answer]]) -> FollowPrompt:
    """A prompt with every model's answer, checked."""
    return {
        "prompt": asked.prompt,
        "instructions": [one.text for one in asked.instructions],
        "groups": [GROUPS[one.kind] for one in asked.instructions],
        "answers": [
            {
                "text": text,
                "tokens": len(answer.ids),
                "ended": answer.ended,
                "strict": [one.follows(text) for one in asked.instructions],
                "loose": [one.follows_loosely(text) for one in asked.instructions],
            }
            for text, answer in answers
        ],
    }


def followed(data: Follow, model: int, task: str, reading: str) -> dict[int, bool]:
    """Of the prompts that have instructions of a group ("" for any) whether a model's answer does all of
    these, by the prompt's place.
    """
    found: dict[int, bool] = {}
    for at, one in enumerate(data["prompts"]):
        answer = one["answers"][model]
        checks = answer["strict"] if reading == "strict" else answer["loose"]
        some = [yes for yes, group in zip(checks, one["groups"], strict=True) if task in ("", group)]
        if some:
            found[at] = all(some)
    return found


def _tasks(data: Follow) -> list[str]:
    asked = {group for one in data["prompts"] for group in one["groups"]}
    return ["", *(task["name"] for task in data["tasks"] if task["name"] in asked)]


def scores(data: Follow) -> list[FollowScore]:
    """Every model's share of prompts whose instructions it follows, all and by group."""
    reading = data["request"]["reading"]
    other = "loose" if reading == "strict" else "strict"
    found: list[FollowScore] = []
    for model in range(len(data["models"])):
        for task in _tasks(data):
            right = list(followed(data, model, task, reading).values())
            one = paired.score(right, range(len(right)))
            found.append(
                {
                    "model": model,
                    "task": task,
                    "count": one.count,
                    "of": one.of,
                    "low": round(one.low, 4),
                    "high": round(one.high, 4),
                    "other": sum(followed(data, model, task, other).values()),
                }
            )
    return found


def differences(data: Follow) -> list[Difference]:
    """Every other model against the first, by the exact test on prompts; p of groups is Holm's for all groups
    and models, that of all prompts for all models.
    """
    reading = data["request"]["reading"]
    found: list[Difference] = []
    for model in range(1, len(data["models"])):
        for task in _tasks(data):
            first, second = (followed(data, one, task, reading) for one in (0, model))
            one = paired.difference(list(first.values()), list(second.values()), range(len(first)))
            changed = sum(
                data["prompts"][at]["answers"][0]["text"] != data["prompts"][at]["answers"][model]["text"]
                for at in first
            )
            found.append({"model": model, "task": task, **numbers.paired_data(one), "changed": changed})
    for whole in (True, False):
        some = [told for told in found if (not told["task"]) == whole]
        for told, p in zip(some, paired.holm([told["p"] for told in some]), strict=True):
            told["p"] = float(f"{p:.4g}")
    return found


def _started(request: FollowRequest, loaded: Sequence[Loaded]) -> Follow:
    asked = [{GROUPS[one.kind] for one in told.instructions} for told in request.told]
    tasks: list[FollowTask] = [
        {"name": group, "planned": sum(group in some for some in asked)}
        for group in dict.fromkeys(GROUPS.values())
    ]
    return {
        "kind": "follow",
        "drawable": True,
        "done": False,
        "run_id": str(time.time_ns()),
        "request": request.to_json(),
        "models": [
            engine.side_of(name, side.rounding, one)
            for name, side, one in zip(request.names, request.sides, loaded, strict=True)
        ],
        "tasks": [task for task in tasks if task["planned"]],
        "planned": len(request.prompts),
        "prompts": [],
        "scores": [],
        "differences": [],
        "power": numbers.power_before(len(request.prompts), paired.LEVEL / max(1, len(loaded) - 1)),
        "verdicts": ["Before the first answer"],
        "stopped": "",
        "notes": [],
        "provenance": {
            "versions": {name: importlib.metadata.version(name) for name in ("torch", "transformers")},
            "reading": request.reading,
            "tokens": request.tokens,
        },
        "progress": None,
        "seconds": 0.0,
    }
