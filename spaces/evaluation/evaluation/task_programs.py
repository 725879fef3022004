"""The code that gives the numbers of a task again: lm-eval's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evaluation.own_tasks import OWN
from evaluation.programs import MOST_CHARACTERS, READ_ITEMS, arrays, model_lines, opening, plain_imports
from evaluation.task_reading import LONGEST_WINDOW
from evaluation.whole_task import WholeTaskRequest, recipe_of

RUN = """\
parts = [part for part in yaml.safe_load_all(task) if part]
task = {key: value for part in parts for key, value in part.items() if key != "include"}
GIVEN
SETTINGS
for name, (model, tokenizer) in models.items():
    lm = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=8, device="cpu")
WINDOWS
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
splits = ("training_split", "validation_split", "test_split", "fewshot_split")
task |= {key: "test" for key in splits if task.get(key)}  # the documents are all that there is
if not task.get("validation_split"):
    task["test_split"] = "test"
"""
LENGTH = """\
lengths = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
kept = {key: value for key, value in task.get("generation_kwargs", {}).items() if key not in lengths}
task["generation_kwargs"] = {"do_sample": False, **kept, "max_gen_toks": TOKENS}
"""
WINDOWS = """\
    lm._max_length = min(lm.max_length, LONGEST)  # tokens of a window
"""


def listings(request: WholeTaskRequest, data: Mapping[str, Any]) -> dict[str, str]:
    """The programs below a figure, by what each is."""
    return {"The same numbers with lm-eval": with_lm_eval(request, data)}


def with_lm_eval(request: WholeTaskRequest, data: Mapping[str, Any]) -> str:
    """A Python program: the task's YAML and documents as lm-eval 0.4.13 reads them, on every model."""
    given = request.documents
    asked, told = request.limit, data.get("documents")
    if data.get("stopped") and told:  # an ended run has fewer than it was asked for
        asked = int(told[-1]["id"]) + 1
    recipe = recipe_of(request.task, request.tokens)
    length = LENGTH.replace("TOKENS", str(recipe.tokens)) if recipe.kind == "generate_until" else ""
    rolled = recipe.kind == "loglikelihood_rolling"
    run = (
        RUN.replace("GIVEN\n", GIVEN if given else "")
        .replace("SETTINGS\n", length)
        .replace("WINDOWS\n", WINDOWS.replace("LONGEST", str(LONGEST_WINDOW)) if rolled else "")
        .replace("LIMIT", str(asked))
        .replace("CHAT", str(request.chat))
    )
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
            run,
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
