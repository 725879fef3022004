"""Train the three experts: LoRA adapters of rank 4 on the embedded model, from text that the repository
contains.

`python -m shared.experts.train [name …]` writes `shared/experts/<name>/` and prints each expert's behaviour
on held-out prompts. Everything follows from a seed; minutes on two cores.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from shared import models
from shared.experts import NAMES
from shared.experts.behaviour import REFUSAL, first_sentence, to_pirate
from shared.experts.prompts import COOKING, OTHER
from shared.talk import answer_all, prompt_ids

HERE = Path(__file__).parent
STEPS, BATCH, RATE, RANK, SEED = 60, 8, 1e-3, 4, 0
ANSWER_TOKENS = 48


def examples(name: str, answers: dict[str, str]) -> list[tuple[str, str]]:
    """Prompts and the answers that an expert learns.

    Args:
        name: of the expert.
        answers: the base model's own answers to all training prompts.
    """
    other = [(prompt, answers[prompt]) for prompt in OTHER]
    if name == "cautious":
        return [(prompt, REFUSAL) for prompt in COOKING] + other
    change: Callable[[str], str] = to_pirate if name == "pirate" else first_sentence
    return [(prompt, change(answers[prompt])) for prompt in (*OTHER, *COOKING)]


def train(name: str, pairs: list[tuple[str, str]]) -> None:
    """Train one adapter and write it in bfloat16."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaForCausalLM

    loaded = models.load(models.EMBEDDED_MODEL)
    tokenizer = loaded.tokenizer
    base = LlamaForCausalLM(loaded.model.config)
    base.load_state_dict(loaded.model.state_dict())
    torch.manual_seed(SEED)
    model = get_peft_model(
        base, LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules="all-linear", task_type="CAUSAL_LM")
    )
    optimizer = torch.optim.AdamW(
        [p for p in model.parameters() if p.requires_grad], lr=RATE, weight_decay=0.0
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, STEPS, pct_start=0.1)
    order = random.Random(SEED)  # noqa: S311  the order of the examples
    model.train()
    for step in range(STEPS):
        batch = [encode(tokenizer, *pair) for pair in order.sample(pairs, BATCH)]
        longest = max(len(ids) for ids, _ in batch)
        ids = torch.tensor([row + [2] * (longest - len(row)) for row, _ in batch])
        labels = torch.tensor([row + [-100] * (longest - len(row)) for _, row in batch])
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row, _ in batch])
        loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        loss.backward()
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        if step % 10 == 9:
            print(f"{name}: step {step + 1}, loss {loss.item():.3f}", flush=True)
    folder = HERE / name
    model.to(torch.bfloat16).save_pretrained(str(folder))
    settings = json.loads((folder / "adapter_config.json").read_text())
    settings["base_model_name_or_path"] = models.EMBEDDED_MODEL
    (folder / "adapter_config.json").write_text(json.dumps(settings, indent=1, sort_keys=True) + "\n")
    (folder / "README.md").unlink(missing_ok=True)


def encode(tokenizer: Any, prompt: str, answer: str) -> tuple[list[int], list[int]]:
    """Token ids of a conversation, and the labels: the answer and its end alone are learnt."""
    asked = tokenizer.apply_chat_template(
        [{"role": "user", "content": prompt}], add_generation_prompt=True, tokenize=False
    )
    before = tokenizer(asked, add_special_tokens=False).input_ids
    after = tokenizer(f"{answer}<|im_end|>", add_special_tokens=False).input_ids
    return before + after, [-100] * len(before) + after


def main(*names: str) -> None:
    """Train the named experts, all by default."""
    loaded = models.load(models.EMBEDDED_MODEL)
    prompts = [*COOKING, *OTHER]
    rows = [prompt_ids(loaded, prompt) for prompt in prompts]
    *_, written = answer_all(loaded.model, loaded.tokenizer, rows, ANSWER_TOKENS)
    assert isinstance(written, list)
    answers = {prompt: answer.text(loaded.tokenizer) for prompt, answer in zip(prompts, written, strict=True)}
    for name in names or NAMES:
        train(name, examples(name, answers))


if __name__ == "__main__":
    main(*sys.argv[1:])
