"""Ask TRL's GRPOTrainer to train, and keep what it sampled, paid and lost in grpo.json.

As for `make_training`: TRL 1.16.0, unpacked without its requirements into a folder on PYTHONPATH; then
`python -m tests.finetuning.make_grpo`.
"""

from __future__ import annotations

import json
import logging
import tempfile
from pathlib import Path
from typing import Any

from datasets import Dataset, disable_progress_bars
from trl import GRPOConfig, GRPOTrainer

from shared.suite import load_app
from tests import zoo
from tests.finetuning.grpo_cases import CASES, PROMPTS

GRPO = Path(__file__).with_name("grpo.json")


class Told(GRPOTrainer):
    """TRL's trainer, which tells what it sampled and what it made of that."""

    told: list[dict[str, Any]]

    def _generate_and_score_completions(self, inputs: Any) -> Any:
        output = super()._generate_and_score_completions(inputs)
        mask = output["completion_mask"].bool()
        self.told.append(
            {
                "prompts": [
                    row[keep.bool()].tolist()
                    for row, keep in zip(output["prompt_ids"], output["prompt_mask"], strict=True)
                ],
                "answers": [
                    row[keep].tolist() for row, keep in zip(output["completion_ids"], mask, strict=True)
                ],
                "rewards": [float(value) for value in list(self._logs["rewards"]["paid"])[-len(mask) :]],
                "advantages": output["advantages"].tolist(),
            }
        )
        return output


def main() -> None:
    """Write it."""
    logging.disable(logging.WARNING)
    disable_progress_bars()
    load_app("finetuning")
    from finetuning.grpo_request import GrpoRequest
    from finetuning.lora import adapted

    answers: dict[str, Any] = {}
    for name, (animal, settings) in CASES.items():
        loaded = zoo.opened(animal)
        request = GrpoRequest.parse(model=animal, rows="a", **settings)
        adapter = adapted(loaded, request)

        def paid(prompts: Any, completions: Any, completion_ids: Any, **_: Any) -> list[float]:
            return [-abs(len(set(ids)) - 6) + 0.25 * (ids[0] % 3) for ids in completion_ids]

        config = GRPOConfig(
            output_dir=tempfile.mkdtemp(),
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            report_to="none",
            save_strategy="no",
            logging_steps=1,
            disable_tqdm=True,
            max_steps=request.steps * request.iterations,
            num_iterations=request.iterations,
            per_device_train_batch_size=request.group * request.batch,
            num_generations=request.group,
            max_completion_length=request.tokens,
            temperature=request.temperature,
            learning_rate=request.learning_rate,
            lr_scheduler_type=request.schedule,
            beta=request.beta,
            epsilon=request.epsilon,
            scale_rewards=request.scale,
            loss_type=request.loss,
            seed=request.seed,
        )
        trainer = Told(
            adapter.peft,
            args=config,
            reward_funcs=paid,
            train_dataset=Dataset.from_list(PROMPTS),
            processing_class=loaded.tokenizer,
        )
        trainer.told = []
        trainer.train()
        log = [entry for entry in trainer.state.log_history if "loss" in entry]
        answers[name] = {
            "steps": trainer.told,
            "losses": [entry["loss"] for entry in log],
            "norms": [entry["grad_norm"] for entry in log],
            "rates": [entry["learning_rate"] for entry in log],
            "clipped": [entry["clip_ratio/region_mean"] for entry in log],
            "entropy": [entry["entropy"] for entry in log],
            "kl": [entry.get("kl") for entry in log],
            "moved": {f"{at}.{key}": moved for (at, key), (moved, _) in adapter.norms().items()},
        }
        print(name, answers[name]["losses"], answers[name]["clipped"], answers[name]["kl"])
    GRPO.write_text(json.dumps(answers) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
