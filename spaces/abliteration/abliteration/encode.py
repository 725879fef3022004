"""Prompts as token ids: in the model's chat template, or as plain text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from shared import limits, talk

if TYPE_CHECKING:
    from shared.models import Loaded

FORMATS = ("chat", "plain")
PLAIN = "Choose the format plain (under Advanced), in which the model continues the prompt as text."


def encode(
    loaded: Loaded, prompts: Sequence[str], form: str = "chat", answer_tokens: int = limits.MAX_NEW_TOKENS
) -> list[list[int]]:
    """Token ids of each prompt, without padding.

    Args:
        loaded: the model.
        prompts: texts.
        form: one of `FORMATS`.
        answer_tokens: longest answer, which must fit behind every prompt.

    Raises:
        VisitorError: as `talk.prompt_ids`; or a prompt has too many tokens.
    """
    most = talk.longest_prompt(loaded, answer_tokens)
    rows = []
    for prompt in prompts:
        ids = talk.prompt_ids(loaded, prompt, form, remedy=PLAIN)
        talk.check_length(prompt, ids, most)
        rows.append(ids)
    return rows


def post_instruction(loaded: Loaded, form: str = "chat") -> list[str]:
    """The tokens that the chat template puts after every prompt; at least the prompt's last token, as `[""]`,
    in plain format.

    A direction can be read at each of them: the model has seen the whole prompt there.
    """
    if form == "plain":
        return [""]
    first, second = (
        talk.prompt_ids(loaded, prompt, form, remedy=PLAIN) for prompt in ("one two a", "three four b")
    )
    count = 0
    while count < min(len(first), len(second)) and first[-1 - count] == second[-1 - count]:
        count += 1
    return [loaded.tokenizer.decode([token]) for token in first[len(first) - count :]] or [""]
