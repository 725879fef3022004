"""The code that gives the numbers of a task again: lm-eval's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evaluation.own_tasks import OWN
from evaluation.programs import MOST_CHARACTERS, READ_ITEMS, arrays, model_lines, opening, plain_imports
from evaluation.whole_task import WholeTaskRequest

RUN = """\
parts = [part for part in yaml.safe_load_all(task) if part]
task = {key: value for part in parts for key, value in part.items() if key != "include"}
GIVEN
for name, (model, tokenizer) in models.items():
    lm = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=8, device="cpu")
    found = lm_eval.simple_evaluate(
        lm, tasks=[task], task_manager=TaskManager(include_defaults=False), limit=LIMIT,
        apply_chat_template=CHAT, fewshot_as_multiturn=CHAT, log_samples=True,
    )
    for scores in found["results"].values():
        print(name, {metric: value for metric, value in scores.items() if isinstance(value, float)})
"""
GIVEN = """\
file = Path(tempfile.mkdtemp()) / "documents.json"
file.write_text(json.dumps(documents), "utf-8")
task |= {"dataset_path": "json", "dataset_kwargs": {"data_files": {"test": str(file)}}}
task.setdefault("test_split", "test")
"""


def listings(request: WholeTaskRequest, data: Mapping[str, Any]) -> dict[str, str]:
    """The programs below a figure, by what each is."""
    return {"The same numbers with lm-eval": with_lm_eval(request, data)}


def with_lm_eval(request: WholeTaskRequest, data: Mapping[str, Any]) -> str:
    """A Python program: the task's YAML and documents as lm-eval 0.4.13 reads them, on every model."""
    given = request.documents
    run = RUN.replace("LIMIT", str(request.limit)).replace("CHAT", str(request.chat))
    return "\n".join(
        [
            *plain_imports(request.sides),
            "import json",
            "import tempfile",
            "from pathlib import Path",
            "",
            "import lm_eval",
            *arrays(request.sides),
            "import torch",
            "import yaml",
            *opening(
                request.sides,
                "from lm_eval.models.huggingface import HFLM",
                "from lm_eval.tasks import TaskManager",
            ),
            "",
            f"task = {request.yaml or OWN[request.own].yaml!r}",
            *(_documents(given) if given else []),
            *model_lines(request.sides, data),
            run.replace("GIVEN\n", GIVEN if given else ""),
        ]
    )


def _documents(rows: str) -> list[str]:
    """Lines that make `documents`."""
    if len(rows) > MOST_CHARACTERS:
        lines = [line.replace("items", "documents") for line in READ_ITEMS]
        return ["# documents.jsonl: the documents that were given, a line each", *lines]
    return ["documents = [json.loads(line) for line in [", *(f"    {one!r}," for one in _lines(rows)), "]]"]


def _lines(rows: str) -> list[str]:
    return [line for line in rows.split("\n") if line.strip()]
