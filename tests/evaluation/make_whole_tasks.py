"""Ask lm-eval 0.4.13 what it makes of tasks of every kind, and keep that in whole_tasks.json: of answers that
are given, and of models of the zoo. See `tests.shared.make_lm_eval` for what it needs; then
`python -m tests.evaluation.make_whole_tasks`.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import lm_eval
import lm_eval.evaluator
import yaml
from lm_eval.api.model import LM
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

from tests import conftest, zoo  # the first puts the Spaces on the path


class Scripted(LM):
    """Gives answers that are known beforehand."""

    def __init__(self, answers: list[str]) -> None:
        super().__init__()
        self.answers = answers

    def generate_until(self, requests: list[Any]) -> list[str]:
        return [self.answers[one.doc_id] for one in requests]

    def loglikelihood(self, requests: list[Any]) -> list[tuple[float, bool]]:
        raise NotImplementedError

    def loglikelihood_rolling(self, requests: list[Any]) -> list[float]:
        raise NotImplementedError


def asked(lm: Any, text: str, rows: list[dict[str, Any]], chat: bool = False) -> dict[str, Any]:
    """lm-eval's results and samples of a task."""
    file = Path(tempfile.mkdtemp()) / "rows.json"
    file.write_text(json.dumps(rows), encoding="utf-8")
    task = yaml.safe_load(text)
    task |= {"dataset_path": "json", "dataset_kwargs": {"data_files": {"test": str(file)}}}
    result = lm_eval.simple_evaluate(
        lm,
        tasks=[task],
        task_manager=TaskManager(include_defaults=False),
        log_samples=True,
        bootstrap_iters=0,
        apply_chat_template=chat,
    )
    (scores,), (samples,) = result["results"].values(), result["samples"].values()
    told: list[dict[str, Any]] = []
    for one in samples:
        metrics = {key: one[key] for key in one["metrics"] if isinstance(one[key], (int, float))}
        told.append(
            {
                "doc": one["doc_id"],
                "filter": one["filter"],
                "prompt": one["arguments"][0][0],
                "text": one["resps"][0][0],
                "taken": one["filtered_resps"][0],
                "metrics": metrics,
            }
        )
    kept = {key: value for key, value in scores.items() if isinstance(value, float) and "stderr" not in key}
    return {"scores": kept, "samples": told}


def main() -> None:
    """Write what lm-eval makes of them."""
    lm_eval.evaluator.add_env_info = lambda _: None  # it asks pip for every package, seconds each time
    assert conftest.ROOT.is_dir()
    from tests.evaluation.whole_tasks import ANIMALS, READ, SCRIPTED

    told: dict[str, Any] = {}
    for name, (text, rows, answers) in SCRIPTED.items():
        told[name] = asked(Scripted(answers), text, rows)
    for name, (text, rows) in READ.items():
        for animal in ANIMALS:
            loaded = zoo.opened(animal)
            lm = HFLM(pretrained=loaded.model, tokenizer=loaded.tokenizer, batch_size=3, device="cpu")
            told[f"{name} {animal}"] = asked(lm, text, rows)
            if name == "written" and loaded.tokenizer.chat_template:
                told[f"{name} {animal} chat"] = asked(lm, text, rows, chat=True)
    path = Path(__file__).with_name("whole_tasks.json")
    path.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
