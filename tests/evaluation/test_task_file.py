"""A task of lm-eval as items: what lm-eval makes of the same documents, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evaluation.task_file import TaskRequest, read
from evaluation.task_yaml import EXAMPLE
from shared.errors import VisitorError
from shared.items import items_of, row_of
from tests import zoo
from tests.evaluation.tasks import CHANGES, ROWS, TALKS, text_of

LM_EVAL = json.loads(Path(__file__).with_name("tasks.json").read_text(encoding="utf-8"))
ALL = [*ROWS, {**ROWS[0], "answer": -1}]
LINES = "\n".join(map(json.dumps, ALL))


@pytest.mark.parametrize("name", CHANGES)
def test_documents_become_what_lm_eval_makes_of_them(name):
    found = read(TaskRequest.parse(yaml=text_of(CHANGES[name]), rows=ROWS))["items"]
    assert len(found) == len(LM_EVAL[name]) == len(ROWS)
    for one, told in zip(found, LM_EVAL[name], strict=True):
        delimiter = one.get("delimiter", " ")
        assert [[one["prompt"], delimiter + choice] for choice in one["choices"]] == told["asked"]
        target = told["target"]
        assert one["gold"] == (one["choices"].index(target) if isinstance(target, str) else int(target))
        assert one["task"] == "colours"
    rows = [row_of(zoo.opened(TALKS), item, chat=True) for item in items_of(found)]
    assert [(row.text, row.delimiter) for row in rows] == [(told["chat"], "") for told in LM_EVAL[name]]


def test_what_is_left_out_is_said():
    answer = read(TaskRequest.parse(yaml=EXAMPLE, rows=LINES, limit=6))
    assert answer["notes"] == ["1 left out. Document 5: its target “-1” is none of its choices."]
    named = EXAMPLE + "metric_list: [{metric: acc_bytes}, {metric: brier_score}, {metric: f1}]"
    assert read(TaskRequest.parse(yaml=named, rows=ROWS))["notes"] == [
        "The task counts by acc_bytes: choose one under “an answer counts”.",
        "Not computed here: f1.",
    ]
    assert read(TaskRequest.parse(yaml=EXAMPLE, rows=ALL, limit=1))["notes"] == [
        "The first 1 document; there are more."
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "There is no task"),
        ("a: [", "no YAML"),
        ("task: a\r\nfilter_list:\r\n\t- b", r"no YAML \(line 3: found character '\\t'"),
        ("- a", "no list of keys"),
        (EXAMPLE + "process_docs: !function utils.x", "calls a function of Python"),
        (EXAMPLE + "process_docs: !!python/name:os.system", "no YAML"),
        (EXAMPLE + "include: ../other.yaml", "includes another file, ../other.yaml"),
        (EXAMPLE + "class: x.Y", "has “class”"),
        (EXAMPLE + "custom_dataset: x", "has “custom_dataset”"),
        (EXAMPLE + "dataset_kwargs: {trust_remote_code: true}", "has “dataset_kwargs”"),
        (EXAMPLE + "num_fewshot: 26", "num_fewshot is 26"),
        (EXAMPLE + "num_fewshot: [1]", "num_fewshot is"),
        (EXAMPLE + "num_fewshot: 2\nfewshot_config: {samples: 7}", "says more than a sampler"),
        (EXAMPLE + "num_fewshot: 2\nfewshot_config: {sampler: x.Y}", "says more than a sampler"),
        (EXAMPLE + "fewshot_split: [a]", "fewshot_split is no text"),
        (EXAMPLE.replace("multiple_choice", "generate_until"), "output_type is generate_until"),
        (EXAMPLE.replace("doc_to_target: answer", ""), "no doc_to_target"),
        (EXAMPLE + "metric_list: [{metric: mcc}]", "counts by mcc, by which no single answer counts"),
        (EXAMPLE + "metric_list: [acc]", "no list of metrics"),
        ("a: &x [1]\nb: *x", "aliases are not taken"),
        ("x" * 30_000, "30,000 characters"),
        (EXAMPLE.replace("colours", "[1]"), "task is no text"),
        ("[" * 5_000, "no YAML"),
    ],
)
def test_what_could_run_code_or_is_no_task_is_refused(text, words):
    with pytest.raises(VisitorError, match=words):
        TaskRequest.parse(yaml=text, rows=LINES)


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{{ ''.__class__.__mro__ }}", "fails"),
        ("{{ cycler.__init__.__globals__.os.popen('id').read() }}", "fails"),
        ("{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}", "fails|too long"),
        ("{{ nothing }}", "fails"),
    ],
)
def test_templates_are_filled_in_a_sandbox(template, words):
    with pytest.raises(VisitorError, match=words):
        read(TaskRequest.parse(yaml=text_of({"doc_to_text": json.dumps(template)}), rows=LINES))


def test_examples_are_never_too_few_nor_of_another_split():
    with pytest.raises(VisitorError, match="has 4 documents for the 5 examples"):
        read(TaskRequest.parse(yaml=text_of({"num_fewshot": "5", "fewshot_split": "test"}), rows=ROWS))
    with pytest.raises(VisitorError, match="Examples come from the split train"):
        read(TaskRequest.parse(yaml=text_of({"num_fewshot": "1", "fewshot_split": "train"}), rows=ROWS))
    long = [{**one, "question": one["question"] * 200} for one in ROWS]
    with pytest.raises(VisitorError, match="longer than 8,000"):
        read(TaskRequest.parse(yaml=text_of({"num_fewshot": "4", "fewshot_split": "test"}), rows=long))


def test_data_is_of_the_hub_or_given():
    with pytest.raises(VisitorError, match="Name a dataset of the Hub"):
        read(TaskRequest.parse(yaml=EXAMPLE.replace("owner/name", "json")))
    with pytest.raises(VisitorError, match="Line 1 of the documents is not JSON"):
        read(TaskRequest.parse(yaml=EXAMPLE, rows="{"))
    with pytest.raises(VisitorError, match="is no object"):
        read(TaskRequest.parse(yaml=EXAMPLE, rows="7"))
