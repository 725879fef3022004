"""Ask lm-eval 0.4.13 what it makes of some tasks' documents, and keep that in tasks.json: see
`tests.shared.make_lm_eval` for what it needs; then `python -m tests.evaluation.make_tasks`.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import lm_eval
import lm_eval.evaluator
import yaml
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

from tests import conftest, zoo  # the first puts the Spaces on the path


def asked(loaded: Any, task: dict[str, Any], chat: bool) -> list[tuple[list[list[str]], dict[str, Any]]]:
    """Of every document what a model is asked, and lm-eval's sample of it."""
    result = lm_eval.simple_evaluate(
        HFLM(pretrained=loaded.model, tokenizer=loaded.tokenizer, device="cpu"),
        tasks=[{**task, "metric_list": [{"metric": "acc"}]}],
        task_manager=TaskManager(include_defaults=False),
        log_samples=True,
        bootstrap_iters=0,
        apply_chat_template=chat,
    )
    (samples,) = result["samples"].values()
    return [([list(one) for one in sample["arguments"]], sample) for sample in samples]


def main() -> None:
    """Write prompts, continuations and targets."""
    lm_eval.evaluator.add_env_info = lambda _: None  # it asks pip for every package, seconds each time
    assert conftest.ROOT.is_dir()
    from tests.evaluation.tasks import CHANGES, ROWS, TALKS, text_of

    file = Path(tempfile.mkdtemp()) / "rows.json"
    file.write_text(json.dumps(ROWS), encoding="utf-8")
    told: dict[str, Any] = {}
    for name, changes in CHANGES.items():
        task = yaml.safe_load(text_of(changes))
        task |= {"dataset_path": "json", "dataset_kwargs": {"data_files": {"test": str(file)}}}
        plain, chat = (asked(zoo.opened(model), task, model == TALKS) for model in ("gpt2", TALKS))
        told[name] = [
            {"asked": one, "target": sample["target"], "chat": talk[0][0]}
            for (one, sample), (talk, _) in zip(plain, chat, strict=True)
        ]
    path = Path(__file__).with_name("tasks.json")
    path.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
