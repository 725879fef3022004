"""Ask lm-eval 0.4.13 itself, and keep its answers in lm_eval.json: log-likelihoods and what counts as right,
of some items on the zoo.

The tests do not need lm-eval. To make the file again: install lm-eval 0.4.13, or unpack it with what
it requires into a folder on PYTHONPATH; then `python -m tests.shared.make_lm_eval`.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lm_eval
import lm_eval.evaluator
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

from shared.choices import METRICS
from shared.items import Item
from tests import zoo
from tests.shared.lm_eval_items import CHAT, ITEMS

ANSWERS = Path(__file__).with_name("lm_eval.json")


def answers(loaded: Any, items: Sequence[Item], chat: bool) -> list[dict[str, Any]]:
    """What lm-eval makes of every item: a task for each delimiter, since a task has one."""
    found: dict[str, dict[str, Any]] = {}
    folder = Path(tempfile.mkdtemp())
    for number, delimiter in enumerate(sorted({item.delimiter for item in items})):
        some = [item for item in items if item.delimiter == delimiter]
        rows = [{"prompt": one.prompt, "choices": list(one.choices), "gold": one.gold} for one in some]
        (folder / f"{number}.json").write_text(json.dumps(rows), encoding="utf-8")
        task = {
            "task": f"items_{number}",
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": {"test": str(folder / f"{number}.json")}},
            "test_split": "test",
            "output_type": "multiple_choice",
            "target_delimiter": delimiter,
            "doc_to_text": "{{prompt}}",
            "doc_to_choice": "{{choices}}",
            "doc_to_target": "{{gold}}",
            "metric_list": [{"metric": metric} for metric in METRICS],
        }
        lm = HFLM(pretrained=loaded.model, tokenizer=loaded.tokenizer, batch_size=4, device="cpu")
        result = lm_eval.simple_evaluate(
            lm,
            tasks=[task],
            task_manager=TaskManager(include_defaults=False),
            log_samples=True,
            apply_chat_template=chat,
            bootstrap_iters=0,
        )
        for item, sample in zip(some, result["samples"][f"items_{number}"], strict=True):
            assert sample["doc"]["prompt"] == item.prompt
            found[item.id] = {
                "sums": [round(float(one[0]), 6) for one in sample["filtered_resps"]][: len(item.choices)],
                **{metric: int(sample[metric]) for metric in METRICS},
            }
    return [found[item.id] for item in items]


def main() -> None:
    """Write its answers for every animal that opens and does not put EOS behind texts."""
    lm_eval.evaluator.add_env_info = lambda _: None  # it asks pip for every package, seconds each time
    told: dict[str, Any] = {}
    for name in zoo.names(without=("adds_eos",)):
        loaded = zoo.opened(name)
        told[name] = {"plain": answers(loaded, ITEMS, False)}
        if "chat" in zoo.ANIMALS[name].traits:
            told[name]["chat"] = answers(loaded, CHAT, True)
        print(name, told[name]["plain"][0], flush=True)
    ANSWERS.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
