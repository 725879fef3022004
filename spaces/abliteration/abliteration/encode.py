"""Prompts as token ids: in the model's chat template, or as plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import limits
from shared.errors import VisitorError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.models import Loaded

FORMATS = ("chat", "plain")
PLAIN = "Choose the format plain (under Advanced), in which the model continues the prompt as text."


def render(loaded: Loaded, prompt: str, form: str = "chat") -> str:
    """A prompt as the text that the model reads.

    Raises:
        VisitorError: the chat format is wanted and the model has no chat template, or one that does not take
            a question alone.
    """
    if form == "plain":
        return prompt
    if not loaded.tokenizer.chat_template:
        raise VisitorError(f"{loaded.id} has no chat template.", PLAIN)
    talk = [{"role": "user", "content": prompt}]
    try:
        return str(loaded.tokenizer.apply_chat_template(talk, add_generation_prompt=True, tokenize=False))
    except Exception as error:  # whatever the template of a stranger raises
        raise VisitorError(
            f"The chat template of {loaded.id} does not take a question alone.", PLAIN
        ) from error


def encode(loaded: Loaded, prompts: Sequence[str], form: str = "chat") -> list[list[int]]:
    """Token ids of each prompt, without padding.

    Raises:
        VisitorError: as `render`; or a prompt has no token or too many.
    """
    texts = [render(loaded, prompt, form) for prompt in prompts]
    found = loaded.tokenizer(texts, add_special_tokens=form == "plain")["input_ids"] if texts else []
    context = (
        getattr(loaded.model.config, "max_position_embeddings", None)
        or limits.MAX_PROMPT_TOKENS + limits.MAX_NEW_TOKENS
    )
    most = max(
        1, min(limits.MAX_PROMPT_TOKENS, context - limits.MAX_NEW_TOKENS)
    )  # the longest answer must fit behind it
    for prompt, ids in zip(prompts, found, strict=True):
        if not 1 <= len(ids) <= most:
            raise VisitorError(
                f"The prompt “{prompt[:40]}” has {len(ids):,} tokens.",
                f"Use prompts of 1 to {most:,} tokens.",
            )
    return found


def post_instruction(loaded: Loaded, form: str = "chat") -> list[str]:
    """The tokens that the chat template puts after every prompt; at least the prompt's last token, as `[""]`,
    in plain format.

    A direction can be read at each of them: the model has seen the whole prompt there.
    """
    if form == "plain":
        return [""]
    first, second = encode(loaded, ["one two a", "three four b"], form)
    count = 0
    while count < min(len(first), len(second)) and first[-1 - count] == second[-1 - count]:
        count += 1
    return [loaded.tokenizer.decode([token]) for token in first[len(first) - count :]] or [""]


def ends(loaded: Loaded) -> set[int]:
    """Token ids that end an answer."""
    stated = loaded.model.generation_config.eos_token_id
    found = (
        stated if isinstance(stated, list) else [loaded.tokenizer.eos_token_id if stated is None else stated]
    )
    return {int(token) for token in found if token is not None}
