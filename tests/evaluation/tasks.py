"""Tasks and documents that lm-eval was asked about, see `make_tasks.py`."""

from __future__ import annotations

from evaluation.task_yaml import EXAMPLE

ROWS = [
    {"question": "Is snow white? ", "choices": ["yes", "no"], "answer": 0, "label": "yes"},
    {"question": "Is coal white?", "choices": ["yes", "no"], "answer": 1, "label": "no"},
    {"question": "Is grass green?", "choices": ["yes", "no"], "answer": 0, "label": "yes"},
    {"question": "Is milk black?", "choices": ["yes", "no"], "answer": 1, "label": "no"},
    {"question": "Is blood red?", "choices": ["yes", "no"], "answer": 0, "label": "yes"},
]
TALKS = "llama3"
"""Of the zoo, whose chat template has its say."""
CHANGES: dict[str, dict[str, str]] = {
    "as it is": {},
    "a column": {"doc_to_text": "question"},
    "a newline at the end": {"doc_to_text": '"{{question|trim}}\\n"'},
    "blocks": {"doc_to_text": '"{% for one in choices %}\\n- {{one}}\\n{% endfor %}\\n{{question}}"'},
    "labels": {"doc_to_choice": "['no', 'yes']", "doc_to_target": "label"},
    "templates": {"doc_to_choice": '"{{choices[::-1]}}"', "doc_to_target": '"{{1 - answer}}"'},
    "a map": {"doc_to_choice": "{a: yep, b: nope}"},
    "a description": {"description": '"Answer well.\\n"', "doc_to_text": "question"},
    "a pattern": {"doc_to_text": "\"{{question|regex_replace('[sc]n?o', 'm')}}\""},
    "no delimiter": {"target_delimiter": '""'},
    "examples": {"num_fewshot": "2", "fewshot_split": "test"},
    "examples by the usual rule": {"num_fewshot": "2", "description": '"Answer well. "'},
    "the first examples": {
        "num_fewshot": "3",
        "fewshot_split": "test",
        "fewshot_config": "{sampler: first_n}",
        "fewshot_delimiter": '"\\n###\\n"',
        "target_delimiter": '"\\n"',
    },
}


def text_of(changes: dict[str, str]) -> str:
    """The task's YAML."""
    lines = [line for line in EXAMPLE.splitlines() if line.split(":")[0] not in changes]
    return "\n".join([*lines, *(f"{key}: {value}" for key, value in changes.items())])
