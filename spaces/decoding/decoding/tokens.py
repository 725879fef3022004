"""The way from text to tokens and back: the prompt as the model reads it, and every token as text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared import limits, talk
from shared.errors import VisitorError

if TYPE_CHECKING:
    from shared.models import Loaded

Texts = Callable[[Sequence[int]], list[str]]
"""A function from token ids to the text of each."""


@dataclass(frozen=True)
class Prompt:
    """A prompt as the model reads it.

    Args:
        text: what the visitor wrote.
        ids: its tokens.
        special_tokens: what `add_special_tokens` has to be so that the tokenizer gives these ids, for the
            text or for what the chat template makes of it; None where it never does.
    """

    text: str
    ids: tuple[int, ...]
    special_tokens: bool | None


def window(loaded: Loaded) -> int:
    """How many tokens the model can read, the limits of this demo included."""
    most = limits.MAX_PROMPT_TOKENS + limits.MAX_NEW_TOKENS
    return min(most, talk.context_limit(loaded) or most)


def encode(text: str, loaded: Loaded, chat: bool, new_tokens: int) -> Prompt:
    """A prompt's tokens.

    Args:
        text: the prompt.
        loaded: the model.
        chat: whether the text goes into the chat template.
        new_tokens: tokens to add, which need room in the model's window.

    Raises:
        VisitorError: the chat template is missing or does not take the prompt, the prompt has no tokens or
            too many.
    """
    remedy = "Switch the chat template off, or choose an instruct model."
    ids = talk.prompt_ids(loaded, text, "chat" if chat else "plain", remedy=remedy)
    if len(ids) > limits.MAX_PROMPT_TOKENS:
        raise VisitorError(
            f"The prompt has {len(ids):,} tokens; the limit is {limits.MAX_PROMPT_TOKENS:,}.", "Shorten it."
        )
    if len(ids) + new_tokens > window(loaded):
        raise VisitorError(
            f"{len(ids):,} tokens of prompt and {new_tokens} new ones are more than the {window(loaded):,} "
            f"that {loaded.id} can read.",
            "Shorten the prompt, or lower max_new_tokens.",
        )
    return Prompt(text, tuple(ids), False if chat else _special_tokens(loaded, text, ids))


def _special_tokens(loaded: Loaded, text: str, ids: list[int]) -> bool | None:
    for special in (True, False):
        if loaded.tokenizer(text, add_special_tokens=special)["input_ids"] == ids:
            return special
    return None


def token_texts(loaded: Loaded) -> Texts:
    """A function from token ids to their texts: special tokens as they are written, � for a part of a
    character, ⟨id⟩ for an id that the tokenizer has no text for.
    """
    tokenizer: Any = loaded.tokenizer
    # A SentencePiece tokenizer leaves out the space before the first token of a text: so none comes first.
    lead = tokenizer("a", add_special_tokens=False)["input_ids"][:1]
    exact = {"clean_up_tokenization_spaces": False}
    before = tokenizer.decode(lead, **exact)
    known: dict[int, str] = {}

    def texts(ids: Sequence[int]) -> list[str]:
        if missing := [token for token in ids if token not in known]:
            pairs = [[*lead, token] for token in missing]
            for token, text in zip(missing, tokenizer.batch_decode(pairs, **exact), strict=True):
                known[token] = text.removeprefix(before) or f"⟨{token}⟩"
        return [known[token] for token in ids]

    return texts
