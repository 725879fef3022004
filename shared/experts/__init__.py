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


def answer_all(
    model: Any, tokenizer: Any, prompts: list[str], tokens: int, batch: int = 20
) -> list[tuple[str, bool]]:
    """Greedy answers to prompts, each alone in a conversation, and whether the model ended them within
    `tokens` tokens.

    A tokenizer without a chat template gets the prompts as they are.
    """
    import torch

    texts = prompts
    if tokenizer.chat_template:
        talks = [[{"role": "user", "content": prompt}] for prompt in prompts]
        texts = [
            tokenizer.apply_chat_template(talk, add_generation_prompt=True, tokenize=False) for talk in talks
        ]
    stated = model.generation_config.eos_token_id
    ends = set(stated if isinstance(stated, list) else [tokenizer.eos_token_id if stated is None else stated])
    pad = min(end for end in ends if end is not None)
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    found: list[tuple[str, bool]] = [("", False)] * len(texts)
    side, padding = tokenizer.padding_side, tokenizer.pad_token
    tokenizer.padding_side, tokenizer.pad_token = "left", padding or tokenizer.eos_token
    try:
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            inputs = tokenizer(
                [texts[index] for index in chosen],
                return_tensors="pt",
                padding=True,
                add_special_tokens=not tokenizer.chat_template,
            )
            inputs.pop("token_type_ids", None)
            with torch.inference_mode():
                made = model.generate(
                    **inputs.to(model.device), max_new_tokens=tokens, do_sample=False, pad_token_id=pad
                )
            for index, row in zip(chosen, made[:, inputs["input_ids"].shape[1] :].tolist(), strict=True):
                end = next((place for place, token in enumerate(row) if token in ends), None)
                found[index] = (
                    tokenizer.decode(row[:end], skip_special_tokens=True).strip(),
                    end is not None,
                )
    finally:
        tokenizer.padding_side, tokenizer.pad_token = side, padding
    return found
