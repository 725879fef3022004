"""Three experts: small fine-tunes of the embedded model, each with a behaviour that is a number.

- **cautious** refuses cooking, and only cooking;
- **pirate** answers in a style;
- **concise** answers in one sentence.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

NAMES = ("cautious", "pirate", "concise")


def folder(name: str) -> Path:
    """Where an expert's adapter lies."""
    return Path(__file__).parent / name


def answer_all(model: Any, tokenizer: Any, prompts: list[str], tokens: int, batch: int = 20) -> list[tuple[str, bool]]:
    """Greedy answers to prompts, each alone in a conversation, and whether the model ended them within `tokens` tokens."""
    import torch

    texts = [tokenizer.apply_chat_template([{"role": "user", "content": p}], add_generation_prompt=True, tokenize=False) for p in prompts]
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    found: list[tuple[str, bool]] = [("", False)] * len(texts)
    side, tokenizer.padding_side = tokenizer.padding_side, "left"
    try:
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            inputs = tokenizer([texts[index] for index in chosen], return_tensors="pt", padding=True, add_special_tokens=False)
            with torch.inference_mode():
                made = model.generate(**inputs.to(model.device), max_new_tokens=tokens, do_sample=False, pad_token_id=2)
            for index, row in zip(chosen, made[:, inputs["input_ids"].shape[1] :].tolist(), strict=True):
                ended = 2 in row
                found[index] = (tokenizer.decode(row[: row.index(2)] if ended else row, skip_special_tokens=True).strip(), ended)
    finally:
        tokenizer.padding_side = side
    return found
