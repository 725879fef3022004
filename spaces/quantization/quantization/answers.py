"""The same prompt answered by every row, and how fast."""

from __future__ import annotations

import copy
import itertools
import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from shared.errors import VisitorError
from shared.models import Loaded

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Answer:
    """One model's answer.

    Args:
        token_ids: of the answer, without the prompt.
        pieces: the text of each token.
        decode: tokens a second after the first one, median; None for an answer of one token.
    """

    token_ids: tuple[int, ...]
    pieces: tuple[str, ...]
    decode: float | None


def prompt_ids(loaded: Loaded, prompt: str, most: int) -> Tensor:
    """The prompt in the model's chat template where it has one, else as it is; int64 (1, tokens).

    Raises:
        VisitorError: the prompt is empty or longer than `most` tokens.
    """
    tokenizer = loaded.tokenizer
    if tokenizer.chat_template:
        made = tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}],
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
        )
    else:
        made = tokenizer(prompt, return_tensors="pt")
    ids = made["input_ids"]
    if not 1 <= ids.shape[1] <= most:
        raise VisitorError(f"The prompt has {ids.shape[1]:,} tokens.", f"Write one of 1 to {most:,} tokens.")
    return ids


def answer(
    model: PreTrainedModel, loaded: Loaded, ids: Tensor, tokens: int, do_sample: bool, seed: int
) -> Answer:
    """Answer by transformers' `generate`: greedy, or sampled at temperature 1 with the same seed for every
    model.

    Of the model's own generation settings only the tokens that end an answer count: a penalty would hide the
    likeliest token.
    """
    import torch
    from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList

    times: list[float] = []

    class Clock(StoppingCriteria):
        def __call__(self, input_ids: Tensor, scores: Any, **_: Any) -> Any:
            times.append(time.perf_counter())
            return torch.zeros(input_ids.shape[0], dtype=torch.bool, device=input_ids.device)

    device = model.get_input_embeddings().weight.device
    speaker = copy.copy(
        model
    )  # the modules are the model's, the settings its own: generate() fills in what it is not told from them
    speaker.generation_config = GenerationConfig(
        eos_token_id=model.generation_config.eos_token_id,
        pad_token_id=loaded.tokenizer.pad_token_id or loaded.tokenizer.eos_token_id or 0,
    )
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), torch.inference_mode():
        torch.manual_seed(seed)
        made = speaker.generate(
            ids.to(device),
            attention_mask=torch.ones_like(ids).to(device),
            max_new_tokens=tokens,
            do_sample=do_sample,
            top_k=0 if do_sample else None,
            stopping_criteria=StoppingCriteriaList([Clock()]),
        )[0, ids.shape[1] :].tolist()
    steps = [after - before for before, after in itertools.pairwise(times)]
    return Answer(tuple(made), tuple(pieces(loaded, made)), 1 / median(steps) if steps else None)


def pieces(loaded: Loaded, ids: list[int]) -> list[str]:
    """The text that each token adds; bytes of a character that several tokens share appear with its last
    token.
    """
    decode = loaded.tokenizer.decode
    found, start, said = [], 0, ""
    for end in range(1, len(ids) + 1):
        text = decode(ids[start:end], clean_up_tokenization_spaces=False)
        if text.endswith("\ufffd") and end < len(ids) and end - start < 8:
            found.append("")
            continue
        found.append(text[len(said) :] if text.startswith(said) else text)
        start, said = end, ""
    return found


def parts_at(answer: tuple[int, ...], base: tuple[int, ...]) -> int | None:
    """The first token in which an answer differs from the base's; None where they are equal."""
    if answer == base:
        return None
    for place, (mine, other) in enumerate(zip(answer, base, strict=False)):
        if mine != other:
            return place
    return min(len(answer), len(base))
