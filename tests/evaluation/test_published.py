"""Published tasks of lm-eval 0.4.13 (their files, MIT licence, without metadata): what runs, and the very
sentence where one does not.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evaluation.whole_task import WholeTaskRequest, whole_task
from shared.errors import VisitorError

FILES = json.loads(Path(__file__).with_name("published.json").read_text(encoding="utf-8"))
CODE = "The task calls a function of Python (!function) for {}, which is not run here."
RUNS = {
    "arc_easy": (
        {"question": "Up?", "choices": {"text": ["a", "b"], "label": ["A", "B"]}, "answerKey": "B"},
        ("Question: Up?\nAnswer:", ["b"], "acc acc_norm"),
    ),
    "mmlu_anatomy": (
        {"question": "Up? ", "choices": ["a", "b", "c", "d"], "answer": 2},
        ("about anatomy.\n\nUp?\nA. a\nB. b\nC. c\nD. d\nAnswer:", ["C"], "acc"),
    ),
    "piqa": (
        {"goal": "To sit", "sol1": "Sit.", "sol2": "Fly.", "label": 0},
        ("Question: To sit\nAnswer:", ["Sit."], "acc acc_norm"),
    ),
    "boolq": (
        {"passage": "It is.", "question": "is it", "label": 1},
        ("It is.\nQuestion: is it?\nAnswer:", ["yes"], "acc"),
    ),
    "truthfulqa_mc1": (
        {"question": "Is it?", "mc1_targets": {"choices": ["No", "Yes"]}},
        ("\n\nQ: Is it?\nA:", ["No"], "acc"),
    ),
    "gsm8k": (
        {"question": "1 + 1?", "answer": "#### 2"},
        ("Question: 1 + 1?\nAnswer:", ["#### 2"], "exact_match exact_match"),
    ),
    "lambada_openai": ({"text": "a b c"}, ("a b", [" c"], "perplexity acc")),
    "pile_arxiv": (
        {"text": "Words."},
        ("", ["Words."], "word_perplexity byte_perplexity bits_per_byte"),
    ),
    "triviaqa": (
        {"question": "Who", "answer": {"aliases": ["A", "B b"]}},
        ("Question: Who?\nAnswer:", ["A", "B b"], "exact_match"),
    ),
    "nq_open": (
        {"question": "who", "answer": ["A", "B"]},
        ("Answer these questions:\n\nQ: who?\nA:", ["A", "B"], "exact_match"),
    ),
    "bbh_zeroshot_boolean_expressions": (
        {"input": "not True is", "target": "False"},
        ("expression.\n\nQ: not True is\nA:", ["False"], "exact_match exact_match"),
    ),
    "ceval-valid_law": (
        {"question": "问", "A": "甲", "B": "乙", "C": "丙", "D": "丁", "answer": "D"},
        ("问\nA. 甲\nB. 乙\nC. 丙\nD. 丁\n答案：", ["D"], "acc acc_norm"),
    ),
    "cola": (
        {"sentence": "It is.", "label": 1},
        ("It is.\nQuestion: Does this sentence make sense?\nAnswer:", ["yes"], "mcc"),
    ),
    "mrpc": (
        {"sentence1": "a", "sentence2": "b", "label": 0},
        ("Do both sentences mean the same thing?\nAnswer:", ["no"], "acc f1"),
    ),
}
"""By name: a document of its columns, and the end of what is asked, what is right, the metrics."""
REFUSED = {
    "hellaswag": CODE.format("process_docs"),
    "winogrande": CODE.format("doc_to_text"),
    "truthfulqa_mc2": CODE.format("process_results"),
    "wikitext": CODE.format("doc_to_target"),
    "squad_completion": CODE.format("class"),
    "ifeval": CODE.format("process_results"),
    "xcopa_et": CODE.format("doc_to_text"),
    "agieval_aqua_rat": CODE.format("process_results"),
    "bbh alone": "The task includes another file, _zeroshot_template_yaml, which is not opened here.",
}


def test_every_file_is_in_the_table():
    assert RUNS.keys() | REFUSED.keys() == FILES.keys()


@pytest.mark.parametrize("name", RUNS)
def test_a_published_task_runs(name):
    document, (prompt, targets, metrics) = RUNS[name]
    text = FILES[name]
    if "fewshot_split: train" in text:  # its examples are of another split than the rows that are given
        text = text.replace("fewshot_split: train", "fewshot_split: test").replace("num_fewshot: 5", "")
    task = whole_task(WholeTaskRequest.parse(models=["a"], yaml=text, rows=[document]))
    (question,) = task.questions
    assert question.prompt.endswith(prompt) and list(question.targets) == targets
    assert " ".join(one.metric.name for one in task.recipe.measures) == metrics
    assert not task.recipe.others


@pytest.mark.parametrize("name", REFUSED)
def test_a_published_task_that_needs_code_is_refused(name):
    with pytest.raises(VisitorError) as raised:
        WholeTaskRequest.parse(models=["a"], yaml=FILES[name])
    assert raised.value.what == REFUSED[name] and len(raised.value.remedy) > 20
