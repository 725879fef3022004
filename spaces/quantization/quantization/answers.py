"""The same prompt answered by every row, and how fast."""

from __future__ import annotations

import copy
import itertools
import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from shared import talk
from shared.models import Loaded
from shared.tokens import Texts

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


def answer(
    model: PreTrainedModel, loaded: Loaded, prompt: list[int], tokens: int, do_sample: bool, seed: int
) -> Answer:
    """Answer by transformers' `generate`: greedy, or sampled at temperature 1 with the same seed for every
    model.

    Of the model's own generation settings only the tokens that end an answer count: a penalty would hide the
    likeliest token.

    Args:
        model: a base model or a quantized one.
        loaded: the base model, with its tokenizer.
        prompt: token ids, see `talk.prompt_ids`.
        tokens: longest answer.
        do_sample: whether to draw.
        seed: of the draws.
    """
    import torch
    from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList

    times: list[float] = []

    class Clock(StoppingCriteria):
        def __call__(self, input_ids: Tensor, scores: Any, **_: Any) -> Any:
            times.append(time.perf_counter())
            return torch.zeros(input_ids.shape[0], dtype=torch.bool, device=input_ids.device)

    device = model.get_input_embeddings().weight.device
    ids = torch.tensor([prompt], device=device)
    # The modules are the model's, the settings its own: generate() fills in what it is not told from them.
    speaker = copy.copy(model)
    speaker.generation_config = GenerationConfig(
        eos_token_id=sorted(talk.end_tokens(loaded.model, loaded.tokenizer)) or None,
        pad_token_id=talk.pad_token(loaded.model, loaded.tokenizer),
    )
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), torch.inference_mode():
        torch.manual_seed(seed)
        written = speaker.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=tokens,
            do_sample=do_sample,
            top_k=0 if do_sample else None,
            stopping_criteria=StoppingCriteriaList([Clock()]),
        )[0, len(prompt) :].tolist()
    steps = [after - before for before, after in itertools.pairwise(times)]
    return Answer(tuple(written), tuple(pieces(loaded, written)), 1 / median(steps) if steps else None)


def pieces(loaded: Loaded, ids: list[int]) -> list[str]:
    """The text that each token adds; a character that several tokens share appears with its last one."""
    return [piece.text for piece in Texts(loaded.tokenizer).in_turn(ids)]


def parts_at(answer: tuple[int, ...], base: tuple[int, ...]) -> int | None:
    """The first token in which an answer differs from the base's; None where they are equal."""
    if answer == base:
        return None
    for place, (mine, other) in enumerate(zip(answer, base, strict=False)):
        if mine != other:
            return place
    return min(len(answer), len(base))
