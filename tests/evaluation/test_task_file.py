"""A task of lm-eval as items: what lm-eval makes of the same documents, and what is refused."""

from __future__ import annotations

import json

import pytest

from evaluation.task_file import EXAMPLE, TaskRequest, read
from shared.errors import VisitorError

ROWS = [
    {"question": "Is snow white? ", "choices": ["yes", "no"], "answer": 0, "label": "yes"},
    {"question": "Is coal white?", "choices": ["yes", "no"], "answer": 1, "label": "no"},
    {"question": "Neither", "choices": ["yes", "no"], "answer": -1, "label": "perhaps"},
]
LINES = "\n".join(map(json.dumps, ROWS))


def items(**changes: str) -> list[dict]:
    lines = [line for line in EXAMPLE.splitlines() if line.split(":")[0] not in changes]
    text = "\n".join([*lines, *(f"{key}: {value}" for key, value in changes.items() if value)])
    return read(TaskRequest.parse(yaml=text, rows=LINES))["items"]


@pytest.mark.parametrize(
    ("changes", "prompt", "choices", "gold"),
    [
        ({}, "Question: Is snow white? \nAnswer:", ["yes", "no"], 0),
        ({"doc_to_text": "question"}, "Is snow white? ", ["yes", "no"], 0),
        ({"doc_to_text": '"{{question|trim}}\\n"'}, "Is snow white?\n", ["yes", "no"], 0),
        ({"doc_to_choice": "['no', 'yes']", "doc_to_target": "label"}, None, ["no", "yes"], 1),
        (
            {"doc_to_choice": '"{{choices[::-1]}}"', "doc_to_target": '"{{1 - answer}}"'},
            None,
            ["no", "yes"],
            1,
        ),
        ({"doc_to_choice": "{a: yep, b: nope}"}, None, ["yep", "nope"], 0),
        (
            {"description": '"Answer well.\\n"', "doc_to_text": "question"},
            "Answer well.\nIs snow white? ",
            ["yes", "no"],
            0,
        ),
        (
            {"doc_to_text": "\"{{question|regex_replace('snow', 'milk')}}\""},
            "Is milk white? ",
            ["yes", "no"],
            0,
        ),
    ],
)
def test_documents_become_what_lm_eval_makes_of_them(changes, prompt, choices, gold):
    found = items(**changes)
    assert len(found) == 2, "a target that is none of the choices leaves the document out"
    assert found[0]["choices"] == choices and found[0]["gold"] == gold and found[0]["task"] == "colours"
    assert prompt is None or found[0]["prompt"] == prompt
    assert found[1]["gold"] != found[0]["gold"]


def test_what_is_left_out_is_said():
    answer = read(TaskRequest.parse(yaml=EXAMPLE, rows=LINES, limit=3))
    assert answer["notes"] == ["1 left out. Document 2: its target “-1” is none of its choices."]
    assert read(TaskRequest.parse(yaml=EXAMPLE, rows=ROWS, limit=1))["notes"] == [
        "The first 1 documents; there are more."
    ]
    assert items(target_delimiter='""')[0]["delimiter"] == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "There is no task"),
        ("a: [", "no YAML"),
        ("- a", "no list of keys"),
        (EXAMPLE + "process_docs: !function utils.x", "calls a function of Python"),
        (EXAMPLE + "process_docs: !!python/name:os.system", "no YAML"),
        (EXAMPLE + "include: ../other.yaml", "has “include”"),
        (EXAMPLE + "class: x.Y", "has “class”"),
        (EXAMPLE + "custom_dataset: x", "has “custom_dataset”"),
        (EXAMPLE + "dataset_kwargs: {trust_remote_code: true}", "has “dataset_kwargs”"),
        (EXAMPLE + "num_fewshot: 5", "num_fewshot"),
        (EXAMPLE.replace("multiple_choice", "generate_until"), "output_type is generate_until"),
        (EXAMPLE.replace("doc_to_target: answer", ""), "no doc_to_target"),
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
        items(doc_to_text=json.dumps(template))


def test_data_is_of_the_hub_or_given():
    with pytest.raises(VisitorError, match="Name a dataset of the Hub"):
        read(TaskRequest.parse(yaml=EXAMPLE.replace("owner/name", "json")))
    with pytest.raises(VisitorError, match="Line 1 of the documents is not JSON"):
        read(TaskRequest.parse(yaml=EXAMPLE, rows="{"))
    with pytest.raises(VisitorError, match="is no object"):
        read(TaskRequest.parse(yaml=EXAMPLE, rows="7"))
