"""Which of two given answers a model would rather give: log-likelihoods, with no word to recognize."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from shared.measure import continuation_log_probabilities
from shared.talk import plain_ids, prompt_ids, render, token_ids

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from shared.models import Loaded

Row = tuple[list[int], int]
"""The tokens of a prompt and its answer, and where the answer begins."""


def continued(
    loaded: Loaded, prompt: str, answer: str, form: str = "auto", system: str = "", **settings: Any
) -> Row:
    """A prompt and an answer as one text's tokens, the prompt as `talk.prompt_ids` gives it.

    Both are tokenized together, because many tokenizers write a blank before a text that stands alone (Llama
    2, Gemma 1) where none is behind a template. Where the border is no border of tokens, the answer's own
    tokens follow the prompt's, as they would in a chat. Plain text gets a blank between them where neither
    has one.

    Raises:
        VisitorError: as `talk.prompt_ids`.
    """
    start = prompt_ids(loaded, prompt, form, system, **settings)
    if form == "chat" or system or (form == "auto" and loaded.tokenizer.chat_template):
        together = token_ids(loaded.tokenizer, render(loaded, prompt, system, **settings) + answer)
    else:
        answer = answer if prompt[-1:].isspace() or answer[:1].isspace() else f" {answer}"
        together = plain_ids(loaded.tokenizer, prompt + answer)
    if together[: len(start)] == start and len(together) > len(start):
        return together, len(start)
    return start + token_ids(loaded.tokenizer, answer), len(start)


def contrast(model: PreTrainedModel, rows: Sequence[Row], others: Sequence[Row]) -> Tensor:
    """By prompt, ln p of an answer less ln p of another, each per token of its own: float64 (prompts,), nats
    a token. Above 0 the first is the likelier.

    Args:
        model: a model or an edited twin.
        rows: prompts with the answer.
        others: the same prompts with the other one.
    """
    import torch

    logs = continuation_log_probabilities(model, [*rows, *others])
    means = torch.stack([log.mean() for log in logs])
    return means[: len(rows)] - means[len(rows) :]
