"""Ask TRL's own trainers (SFT, DPO, ORPO, KTO) to train, and keep their losses in training.json.

To make the file again: `python -m tests.finetuning.make_training`, with TRL of `tests/requirements.txt`.
"""

from __future__ import annotations

import json
import logging
import tempfile
from pathlib import Path
from typing import Any

from datasets import Dataset, disable_progress_bars
from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer, SFTConfig, SFTTrainer
from trl.experimental.orpo import ORPOConfig, ORPOTrainer

from shared.suite import load_app
from tests import zoo
from tests.finetuning.training import CASES, LABELLED, ROWS

TRAINING = Path(__file__).with_name("training.json")


def main() -> None:
    """Write TRL's losses, gradient norms and step sizes, and how far the weights moved."""
    logging.disable(logging.WARNING)
    disable_progress_bars()
    load_app("finetuning")
    from finetuning.lora import adapted
    from finetuning.train_request import TrainRequest

    answers: dict[str, Any] = {}
    for name, (animal, settings) in CASES.items():
        loaded = zoo.opened(animal)
        request = TrainRequest.parse(model=animal, rows=json.dumps(ROWS), **settings)
        adapter = adapted(loaded, request)
        sft = request.objective == "sft"
        given: dict[str, Any] = {
            "output_dir": tempfile.mkdtemp(),
            "use_cpu": True,
            "bf16": False,
            "gradient_checkpointing": False,
            "report_to": "none",
            "save_strategy": "no",
            "logging_steps": 1,
            "logging_first_step": True,
            "disable_tqdm": True,
            "max_steps": request.steps,
            "per_device_train_batch_size": request.batch,
            "learning_rate": request.learning_rate,
            "lr_scheduler_type": request.schedule,
            "seed": request.seed,
            "max_length": request.max_length,
        }
        columns = ("prompt", "completion") if sft else ("prompt", "chosen", "rejected")
        rows = [{key: row[key if key != "completion" else "chosen"] for key in columns} for row in ROWS]
        if request.objective == "kto":
            rows = LABELLED
            given |= {name: settings[name] for name in settings if name.endswith("desirable_weight")}
        data = Dataset.from_list(rows)
        if sft:
            trainer = SFTTrainer(
                adapter.peft, SFTConfig(**given), train_dataset=data, processing_class=loaded.tokenizer
            )
        else:
            config, kind = {
                "dpo": (DPOConfig, DPOTrainer),
                "orpo": (ORPOConfig, ORPOTrainer),
                "kto": (KTOConfig, KTOTrainer),
            }[request.objective]
            trainer = kind(
                adapter.peft,
                args=config(beta=request.beta, **given),
                train_dataset=data,
                processing_class=loaded.tokenizer,
            )
        trainer.train()
        log = [entry for entry in trainer.state.log_history if "loss" in entry]
        answers[name] = {
            "losses": [entry["loss"] for entry in log],
            "norms": [entry["grad_norm"] for entry in log],
            "rates": [entry["learning_rate"] for entry in log],
            "moved": {f"{at}.{key}": moved for (at, key), (moved, _) in adapter.norms().items()},
        }
        if request.objective == "orpo":
            answers[name]["odds"] = [entry["log_odds_chosen"] for entry in log]
            answers[name]["nll"] = [entry["nll_loss"] for entry in log]
        if request.objective == "kto":
            answers[name]["z0"] = [entry["kl"] for entry in log]
        if request.objective == "dpo":
            answers[name]["margins"] = [entry["rewards/margins"] for entry in log]
        print(name, [round(loss, 5) for loss in answers[name]["losses"]])
    TRAINING.write_text(json.dumps(answers, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
