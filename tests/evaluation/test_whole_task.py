"""A task of lm-eval with all its metrics: lm-eval's own answers, what it takes of them and what it counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evaluation import task_run
from evaluation.task_metrics import valued
from evaluation.task_run import _rows, _Side
from evaluation.whole_task import WholeTaskRequest, whole_task
from shared.steps import last
from tests import zoo
from tests.evaluation.whole_tasks import ANIMALS, READ, SCRIPTED

LM_EVAL = json.loads(Path(__file__).with_name("whole_tasks.json").read_text(encoding="utf-8"))


def run(request, *animals):
    loaded = [zoo.opened(name) for name in animals]
    return last(task_run.run(request, loaded, task_run.plan(request, loaded, whole_task(request))))


def told(name, filter_name, at):
    """lm-eval's sample of a document by a filter."""
    (found,) = (one for one in LM_EVAL[name]["samples"] if (one["filter"], one["doc"]) == (filter_name, at))
    return found


@pytest.mark.parametrize("name", SCRIPTED)
def test_filters_take_and_metrics_count_what_lm_evals_do(name):
    text, rows, answers = SCRIPTED[name]
    task = whole_task(WholeTaskRequest.parse(models=["a"], yaml=text, rows=rows))
    from evaluation.task_reading import Read

    side = _Side(
        [Read(text=answer) for answer in answers], [one.taken(answers) for one in task.recipe.filters]
    )
    for measure in task.recipe.measures:
        filter_name = task.recipe.filters[measure.filter].name
        found = _rows(measure, side, task.questions)
        for at, taken in enumerate(side.taken[measure.filter]):
            theirs = told(name, filter_name, at)
            assert taken == theirs["taken"], at
            if measure.metric.share:
                assert found[at, 0] == theirs["metrics"]["exact_match"], (filter_name, at)
        score = valued(measure.metric, found)
        expected = LM_EVAL[name]["scores"][f"{measure.metric.name},{filter_name}"]
        assert score.value == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("animal", ANIMALS)
@pytest.mark.parametrize("name", READ)
def test_answers_likelihoods_and_metrics_are_lm_evals(name, animal):
    text, rows = READ[name]
    data = run(WholeTaskRequest.parse(models=["a"], yaml=text, rows=rows), animal)
    assert data["done"] and not data["notes"][:-1]
    check(data, LM_EVAL[f"{name} {animal}"])


def test_an_answer_in_the_chat_template_is_lm_evals():
    text, rows = READ["written"]
    data = run(WholeTaskRequest.parse(models=["a"], yaml=text, rows=rows, chat=True), "llama3")
    check(data, LM_EVAL["written llama3 chat"], prompts=False)


def check(data, theirs, prompts=True):
    for document, one in zip(data["documents"], theirs["samples"], strict=True):
        (answer,) = document["answers"]
        if "text" in answer:
            assert answer["text"] == one["text"]
            assert (answer["ended"] == "length") == (answer["tokens"] == 10 and answer["ended"] != "stop")
            assert document["prompt"] == one["prompt"] or not prompts
        elif "log" in answer:
            log = one["text"][0] if isinstance(one["text"], list) else one["text"]
            assert answer["log"] == pytest.approx(float(log), abs=2e-3)
    for score in data["scores"]:
        measure = data["measures"][score["measure"]]
        key = f"{measure['name']},{measure['filter'] or 'none'}"
        assert score["value"] == pytest.approx(theirs["scores"][key], rel=1e-4, abs=1e-6), key
