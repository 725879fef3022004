"""A task of lm-eval with documents of any kind, read as data: what each document asks, what is taken of an
answer, and which metrics count it. Documents are lm-eval's, see `task_file`; nothing of a task is run here.
"""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from evaluation.answer_filters import MOST_NAME, NONE, Filter, Match, check_patterns, filters_of, match_of
from evaluation.own_tasks import OWN
from evaluation.request import ModelsRequest, models_of
from evaluation.task_file import (
    LeftOut,
    behind_examples,
    choice_item,
    choices_of,
    column,
    each_document,
    filled,
    question_of,
    rows_text,
)
from evaluation.task_metrics import BY_KIND, USUAL, Metric
from evaluation.task_yaml import KINDS, task_of, yaml_text
from shared.checks import SEED, flag, one_of, whole
from shared.embedded_model import EMBEDDED_MODEL
from shared.errors import VisitorError
from shared.items import MAX_ITEM_CHARACTERS, Item
from shared.request import setting

MOST_TOKENS = 256
"""Of an answer, as lm-eval writes where a task says nothing."""
MOST_METRICS = 8
"""Of a task, each counted of what every filter takes."""
MOST_STOPS = 16
"""Texts at which an answer ends."""
MOST_WRITTEN = 60_000
"""Tokens that all models may write in one run."""
EXACTLY = Match()
_SAID = ("metric", "aggregation", "higher_is_better")
"""What a metric's entry says beside its settings."""
_LENGTHS = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
"""What lm-eval reads as the longest answer, the first of these."""


def _yaml(_: str, value: Any) -> str:
    return yaml_text(value) if isinstance(value, str) and value.strip() else ""


@dataclass(frozen=True)
class WholeTaskRequest(ModelsRequest):
    """Models and a task of lm-eval."""

    models: tuple[str, ...] = setting(
        (EMBEDDED_MODEL, "pirate", f"{EMBEDDED_MODEL}@Q2_K"),
        models_of,
        ModelsRequest.declared()["models"].metadata["says"],
    )
    own: str = setting(
        next(iter(OWN)),
        one_of(*OWN),
        "a task that ships here, " + "; ".join(f"{name}: {one.says}" for name, one in OWN.items()),
    )
    yaml: str = setting("", _yaml, "instead of it a task's YAML, as lm-eval reads it", blank=True)
    rows: str = setting(
        "",
        lambda _, value: rows_text(value),
        "its documents, a line of JSON each, in the place of its dataset of the Hub",
        blank=True,
    )
    limit: int = setting(24, whole(1, 200), "documents at most, the first ones, as lm-eval's --limit takes")
    tokens: int = setting(
        128, whole(1, MOST_TOKENS), "longest answer, tokens, where the task's own is not shorter"
    )
    seed: int = setting(0, SEED, "of the documents that are made here")
    chat: bool = setting(False, flag, "whether prompts go through the models' chat templates")

    @property
    def task(self) -> dict[str, Any]:
        """The task's keys."""
        return task_of(self.yaml or OWN[self.own].yaml, tuple(KINDS))

    @property
    def documents(self) -> str:
        """The documents that are given, or made here; "" for those of the Hub."""
        return self.rows if self.yaml else rows_text(OWN[self.own].documents(self.seed))

    def consistent(self) -> Self:
        if self.rows.strip() and not self.yaml:
            raise VisitorError(
                "There are documents, and no task that asks about them.", "Paste the task's YAML beside them."
            )
        task = self.task
        recipe = recipe_of(task, self.tokens)
        if self.yaml:
            check_patterns(recipe.filters, [one.match for one in recipe.measures])
        written = len(self.models) * self.limit * recipe.tokens
        if task["output_type"] == "generate_until" and written > MOST_WRITTEN:
            raise VisitorError(
                f"The models would write up to {written:,} tokens; the limit is {MOST_WRITTEN:,}.",
                "Lower limit or tokens, or name fewer models.",
            )
        return self


@dataclass(frozen=True)
class Measure:
    """A metric of what a filter takes.

    Args:
        metric: how documents are added up.
        filter: place of the filter.
        match: how exact_match compares.
    """

    metric: Metric
    filter: int = 0
    match: Match = EXACTLY


@dataclass(frozen=True)
class Recipe:
    """What is done with every document's answer.

    Args:
        kind: one of `KINDS`.
        until: texts at which an answer ends.
        tokens: of the longest answer.
        stated: tokens of the longest answer by the task itself.
        filters: what is taken of an answer.
        measures: what is counted.
        others: metrics of the task that are not computed here.
    """

    kind: str
    until: tuple[str, ...]
    tokens: int
    stated: int
    filters: tuple[Filter, ...]
    measures: tuple[Measure, ...]
    others: tuple[str, ...]


def recipe_of(task: Mapping[str, Any], tokens: int) -> Recipe:
    """What a task does with answers.

    Args:
        task: its keys.
        tokens: of the longest answer that is allowed.

    Raises:
        VisitorError: it samples, has a filter or a metric that means something else here, or no metric that
            is known.
    """
    kind = task["output_type"]
    until, stated = _generation(task)
    filters = filters_of(task) if kind == "generate_until" else [Filter(NONE)]
    if kind != "generate_until" and "filter_list" in task:
        raise VisitorError(
            f"The task filters answers, and its output_type {kind} has none.", "Leave filter_list out."
        )
    known = {metric.name: metric for metric in BY_KIND[kind]}
    listed = task.get("metric_list") or [{"metric": name} for name in USUAL[kind]]
    found: list[tuple[Metric, Match]] = []
    others: list[str] = []
    named = [one["metric"] for one in listed]
    if len(named) > MOST_METRICS or len(set(named)) < len(named):
        raise VisitorError(
            f"The task's metric_list has {len(named)} metrics, or one of them twice.",
            f"Name at most {MOST_METRICS}, each once: of equal names lm-eval takes the last.",
        )
    for one in listed:
        metric = known.get(one["metric"])
        if metric is None or one.get("aggregation", metric.aggregation) != metric.aggregation:
            others.append(one["metric"])
            continue
        settings = {key: value for key, value in one.items() if key not in _SAID}
        if not settings.get("hf_evaluate", True):
            del settings["hf_evaluate"]
        if "hf_evaluate" in settings:
            raise VisitorError(
                f"The metric {metric.name} is code that lm-eval loads (hf_evaluate), which is not run here.",
                "Leave hf_evaluate out.",
            )
        if settings and metric.name != "exact_match":
            others.append(metric.name)
            continue
        found.append((metric, match_of(settings)))
    if not found:
        raise VisitorError(
            f"The task counts by {', '.join(others)[:80] or 'nothing'}, which is not computed here.",
            f"Known for {kind} are {', '.join(known)}.",
        )
    measures = [Measure(metric, at, match) for at in range(len(filters)) for metric, match in found]
    return Recipe(kind, until, min(tokens, stated), stated, tuple(filters), tuple(measures), tuple(others))


def _generation(task: Mapping[str, Any]) -> tuple[tuple[str, ...], int]:
    """Where answers end: texts and tokens, as lm-eval reads `generation_kwargs`."""
    if task["output_type"] != "generate_until":
        return (), MOST_TOKENS
    settings = task.get("generation_kwargs", {})
    if not isinstance(settings, dict):
        raise VisitorError("generation_kwargs is no list of settings.", "Write it as lm-eval's files do.")
    usual = task.get("fewshot_delimiter", "\n\n")
    until = settings.get("until", usual)
    until = [until] if isinstance(until, str) else until
    stated = next((settings[key] for key in _LENGTHS if settings.get(key) is not None), MOST_TOKENS)
    if (
        not isinstance(until, list)
        or len(until) > MOST_STOPS
        or not all(isinstance(one, str) for one in until)
        or isinstance(stated, bool)
        or not isinstance(stated, int)
        or stated < 1
    ):
        raise VisitorError(
            "The task's until is no list of texts, or its longest answer no number of tokens.",
            f"Give at most {MOST_STOPS} texts and a whole number.",
        )
    drawn, heat = settings.get("do_sample"), settings.get("temperature") or 0
    if drawn or (heat != 0 and drawn is not False):  # lm-eval takes no heed of it where do_sample is false
        raise VisitorError(
            "The task draws its answers (do_sample, or a temperature), and here they are greedy.",
            "Set do_sample to false and leave temperature out; the numbers will be others.",
        )
    unknown = set(settings) - {"until", "do_sample", "temperature", *_LENGTHS}
    if unknown:
        raise VisitorError(
            f"The task's generation_kwargs has {', '.join(sorted(map(str, unknown)))[:80]}.",
            "Leave it out: answers are greedy, without penalties or beams.",
        )
    return tuple(one for one in until if one), stated


@dataclass(frozen=True)
class Question:
    """A document as it is asked.

    Args:
        id: its number.
        prompt: the text before the answer; "" where the whole text is read.
        turns: the prompt as a conversation, see `items.Item`.
        targets: what is right, one or several; the text itself where that is read.
        item: the document as an item, where it has choices.
    """

    id: str
    prompt: str
    turns: tuple[tuple[str, str], ...]
    targets: tuple[str, ...]
    item: Item | None = None


@dataclass(frozen=True)
class WholeTask:
    """A task that can be run.

    Args:
        name: its own.
        recipe: what is done with answers.
        questions: its documents.
        notes: what a reader should know of them.
    """

    name: str
    recipe: Recipe
    questions: tuple[Question, ...]
    notes: tuple[str, ...]


def whole_task(request: WholeTaskRequest, token: str | None = None) -> WholeTask:
    """The task that is asked for, with its documents.

    Raises:
        VisitorError: as `recipe_of` and `task_file.each_document`.
    """
    task = request.task
    recipe = recipe_of(task, request.tokens)
    several: list[bool] = []

    def make(document: dict[str, Any], number: int, examples: Sequence[tuple[str, str]]) -> Question:
        return _question(task, document, number, examples, several)

    def example(document: dict[str, Any]) -> tuple[str, str]:
        target = _target(task, document)
        one = target[0] if isinstance(target, list) and target else target
        return question_of(task, document), str(one)

    found = each_document(task, request.documents, request.limit, token, example, make)
    _check_metrics(recipe, found.made)
    notes = found.notes(task)
    if recipe.others:
        notes.append(f"Not computed here: {', '.join(recipe.others)[:80]}.")
    if recipe.kind == "generate_until" and recipe.stated > recipe.tokens:
        notes.append(f"Answers end after {recipe.tokens} tokens, where the task allows {recipe.stated:,}.")
    return WholeTask((task.get("task") or "task")[:MOST_NAME], recipe, tuple(found.made), tuple(notes))


def _check_metrics(recipe: Recipe, questions: Sequence[Question]) -> None:
    """Raise a VisitorError where a metric is not defined for what some document asks."""
    names = {one.metric.name for one in recipe.measures}
    if "f1" in names and any(one.item and len(one.item.choices) != 2 for one in questions):
        raise VisitorError("f1 is of two choices, and the task has more.", "Leave it out, or name mcc.")
    several = sorted(names & {"bleu", "chrf"})
    if several and any(len(one.targets) > 1 for one in questions):
        raise VisitorError(
            f"{several[0]} is of one target, and a document has several.", "Let doc_to_target name one."
        )


def _question(
    task: Mapping[str, Any],
    document: dict[str, Any],
    number: int,
    examples: Sequence[tuple[str, str]],
    several: list[bool],
) -> Question:
    """A document as it is asked. `several` holds whether the first document had several targets, which
    decides for all, as in lm-eval.
    """
    kind = task["output_type"]
    if kind == "multiple_choice":
        item = choice_item(task, document, number, examples)
        return Question(str(number), item.prompt, item.turns, (item.choices[item.gold],), item)
    target = _target(task, document)
    if isinstance(target, list) and None in target:
        raise LeftOut("one of its targets is empty")
    if not several:
        several.append(isinstance(target, list))
    targets = tuple(map(str, target)) if isinstance(target, list) and several[0] else (str(target),)
    prompt = ""
    turns: tuple[tuple[str, str], ...] = ()
    if kind != "loglikelihood_rolling":
        prompt, turns = behind_examples(task, document, question_of(task, document), examples)
    if kind != "generate_until" and (len(targets) != 1 or not targets[0]):
        raise LeftOut("its target is no text")
    if len(prompt) + sum(map(len, targets)) > 4 * MAX_ITEM_CHARACTERS:
        raise LeftOut(f"it is longer than {4 * MAX_ITEM_CHARACTERS:,} characters")
    try:
        "".join((prompt, *targets)).encode()
    except UnicodeEncodeError:
        raise LeftOut("it contains half of a character") from None
    return Question(str(number), prompt, turns, targets)


def _target(task: Mapping[str, Any], document: Mapping[str, Any]) -> Any:
    """What `doc_to_target` makes of a document: a text, a number or a list, as in lm-eval."""
    value = task["doc_to_target"]
    found = column(value, document)
    if found is None and not isinstance(value, str):
        found = value
    if found is None:
        found = filled(value, document)
        if found[:1] == "[" and found[-1:] == "]" and len(found) >= 2:
            with contextlib.suppress(ValueError, SyntaxError, MemoryError, RecursionError):
                found = ast.literal_eval(found)
        elif "doc_to_choice" in task and found.isdecimal():
            found = int(found)
    if "doc_to_choice" in task and isinstance(found, int) and not isinstance(found, bool):
        choices = choices_of(task["doc_to_choice"], document)
        if not 0 <= found < len(choices):
            raise LeftOut(f"its target {str(found)[:40]} is none of its choices")
        return choices[found]
    return found
