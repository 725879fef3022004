"""A task's YAML as lm-eval reads it, as data: which keys are taken, and what is refused.

Nothing of it is run: `!function`, `class` and loaders of code are refused. `include` names a file, so it
is taken only where that file stands above it in the same text, with a line of `---` between.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from evaluation.shots import MAX_SHOTS, SAMPLERS
from shared.choices import METRICS
from shared.errors import VisitorError

MAX_YAML_CHARACTERS = 20_000
KINDS = {
    "multiple_choice": "which choice is likeliest",
    "generate_until": "what the model writes",
    "loglikelihood": "how likely the target is behind the prompt",
    "loglikelihood_rolling": "how likely a whole text is",
}
"""lm-eval's output types, and what each asks."""
ITEMS = ("multiple_choice",)
"""The kinds whose documents become items with choices."""
READ = {
    *("task", "dataset_path", "dataset_name", "validation_split", "test_split", "output_type"),
    *("doc_to_text", "doc_to_choice", "doc_to_target", "target_delimiter", "description", "metric_list"),
    *("num_fewshot", "fewshot_split", "fewshot_delimiter", "fewshot_config", "training_split"),
    *("generation_kwargs", "filter_list"),
}
PASSED_OVER = {
    *("tag", "group", "metadata", "task_alias", "should_decontaminate", "doc_to_decontamination_query"),
    "repeats",
}
"""Keys that change nothing about what a document is asked."""
TEXTS = (
    *("task", "description", "dataset_path", "target_delimiter", "fewshot_delimiter"),
    *("fewshot_split", "training_split", "validation_split", "test_split", "doc_to_text"),
)
"""Keys whose values are text."""
EXAMPLE = """\
task: colours
dataset_path: owner/name
test_split: test
output_type: multiple_choice
doc_to_text: "Question: {{question}}\\nAnswer:"
doc_to_choice: choices
doc_to_target: answer
"""
CODE = {
    "process_results": "counts answers with a function of Python",
    "process_docs": "rewrites its documents with a function of Python",
    "class": "is a class of Python",
    "custom_dataset": "makes its documents with a function of Python",
    "unsafe_code": "runs the code that models write",
    "doc_to_image": "asks about pictures",
    "doc_to_audio": "asks about sound",
}
"""Keys that say what cannot be done here."""
BESIDE = "brier_score"
"""A metric that stands beside every score, whatever counts as right."""


class _Loader(yaml.SafeLoader):
    """Safe, and without aliases, which can make a page of text a universe."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError("aliases are not taken")
        return super().compose_node(parent, index)

    def construct_scalar(self, node: Any) -> Any:
        """Text, without half of a character."""
        value = super().construct_scalar(node)
        try:
            str(value).encode()
        except UnicodeEncodeError:
            raise yaml.YAMLError("it contains half of a character") from None
        return value

    def construct_yaml_int(self, node: Any) -> int:
        """A number that can be written: Python writes no longer ones than of 4,300 digits."""
        value = int(super().construct_yaml_int(node))
        if abs(value) >= 2**63:
            raise yaml.YAMLError("a number is too large")
        return value


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)


def yaml_text(value: Any) -> str:
    """A task's YAML, checked for its length."""
    if not isinstance(value, str) or not value.strip():
        raise VisitorError("There is no task.", f"Paste its YAML, such as: {EXAMPLE.splitlines()[0]}, …")
    if len(value) > MAX_YAML_CHARACTERS:
        raise VisitorError(
            f"The task has {len(value):,} characters.", f"Shorten it to {MAX_YAML_CHARACTERS:,}."
        )
    return value


def task_of(text: str, kinds: tuple[str, ...] = ITEMS) -> dict[str, Any]:
    """A task's keys, without those that are null.

    Args:
        text: YAML; where it has several parts with `---` between, later ones add to the first.
        kinds: the output types that are taken.

    Raises:
        VisitorError: it is no YAML, runs code, or is of another kind.
    """
    found = _keys(text)
    for key, value in found.items():
        if key in CODE and key not in READ:
            raise VisitorError(
                f"The task has “{key}”: it {CODE[key]}, which is not run here.",
                "Leave the key out where the task means something without it.",
            )
        if key not in READ | PASSED_OVER:
            raise VisitorError(
                f"The task has “{str(key)[:40]}”, which could run code or is not known here.",
                f"Leave it out. Read are {', '.join(sorted(READ))}."[:200],
            )
        if value is None:
            raise VisitorError(f"{key} is empty.", "Fill it in, or leave it out.")
    kind = found.setdefault("output_type", "generate_until")
    if kind not in kinds:
        known = isinstance(kind, str) and kind in KINDS
        raise VisitorError(
            f"The task's output_type is {str(kind)[:40]}.",
            "Only multiple_choice becomes items; the room Tasks runs this one."
            if known
            else f"Known are {', '.join(KINDS)}.",
        )
    _check_shots(found)
    needed = ("doc_to_text", *(["doc_to_choice"] if kind == "multiple_choice" else []), "doc_to_target")
    for key in needed:
        if key not in found:
            raise VisitorError(f"The task has no {key}.", "Name a column, or write a template.")
    counted, others = metrics_of(found)
    if kinds == ITEMS and others and not counted:
        raise VisitorError(
            f"The task counts by {', '.join(others)[:80]}, by which no single answer counts.",
            f"Known are {', '.join(METRICS)} and {BESIDE}; the room Tasks knows more.",
        )
    for key in TEXTS:
        if not isinstance(found.get(key, ""), str):
            raise VisitorError(f"{key} is no text.", "Write it in quotation marks.")
    return found


def _keys(text: str) -> dict[str, Any]:
    try:
        parts = [part for part in yaml.load_all(text, Loader=_Loader) if part is not None]
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        if "!function" in text:
            line = next(line for line in text.splitlines() if "!function" in line)
            key = line.split(":")[0].strip(" -\"'")[:40]
            raise VisitorError(
                f"The task calls a function of Python (!function) for {key}, which is not run here.",
                "Write the column or a template in its place.",
            ) from None
        words, mark = getattr(error, "problem", None) or str(error), getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark else ""
        raise VisitorError(
            f"The task is no YAML ({line}{words[:80]}).", "Mend it, or paste one of lm-eval's files."
        ) from None
    if not parts or not all(isinstance(part, dict) for part in parts):
        raise VisitorError("The task's YAML is no list of keys.", "Paste one of lm-eval's files.")
    found: dict[str, Any] = {}
    for at, part in enumerate(parts):
        included = part.pop("include", None)
        if included is not None and not at:
            raise VisitorError(
                f"The task includes another file, {str(included)[:60]}, which is not opened here.",
                "Paste that file above this one, with a line of --- between.",
            )
        found |= part
    nullable = {"dataset_name", "training_split", "validation_split", "test_split", "fewshot_split"}
    return {key: value for key, value in found.items() if value is not None or key not in nullable}


def _check_shots(task: Mapping[str, Any]) -> None:
    shots, config = task.get("num_fewshot", 0), task.get("fewshot_config", {})
    if isinstance(shots, bool) or not isinstance(shots, int) or not 0 <= shots <= MAX_SHOTS:
        raise VisitorError(
            f"The task's num_fewshot is {str(shots)[:40]}.", f"Use a whole number from 0 to {MAX_SHOTS}."
        )
    sampler = config.get("sampler", SAMPLERS[0]) if isinstance(config, dict) else None
    samples = config.get("samples", [{}]) if isinstance(config, dict) else None
    listed = isinstance(samples, list) and bool(samples) and all(isinstance(one, dict) for one in samples)
    if sampler not in SAMPLERS or not listed or set(config) - {"sampler", "samples"}:
        raise VisitorError(
            "The task's fewshot_config says more than a sampler that is known here, and samples.",
            f"Leave it out, or name one of {', '.join(SAMPLERS)} as its sampler.",
        )


def metrics_of(task: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """The metrics of a task of multiple choice that count right answers, and the others; of other kinds all
    its metrics, and none.

    Raises:
        VisitorError: they are no list of metrics.
    """
    listed = task.get("metric_list", [])
    if not isinstance(listed, list) or not all(
        isinstance(one, dict) and isinstance(one.get("metric"), str) for one in listed
    ):
        raise VisitorError("The task's metric_list is no list of metrics.", "Write it as lm-eval's files do.")
    named = [one["metric"] for one in listed]
    if task.get("output_type") != "multiple_choice":
        return named, []
    known = [one for one in named if one in (*METRICS, BESIDE)]
    return known, [one for one in named if one not in known]
