"""Prompts as token ids: in the model's chat template, or as plain text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared import contrasts, limits, talk

if TYPE_CHECKING:
    from shared.models import Loaded

FORMATS = ("chat", "plain")
PLAIN = "Choose the format plain (under Advanced), in which the model continues the prompt as text."


@dataclass(frozen=True)
class Format:
    """How a prompt is given to the model.

    Args:
        form: one of `FORMATS`.
        system: a system prompt of the chat; "" for what the template does without one.
        thinking: "on" or "off" sets the template's `enable_thinking`; "" leaves it to the template.
    """

    form: str = "chat"
    system: str = ""
    thinking: str = ""

    def ids(self, loaded: Loaded, prompt: str) -> list[int]:
        """A prompt's token ids, as `talk.prompt_ids`."""
        return talk.prompt_ids(loaded, prompt, self.form, self.system, remedy=PLAIN, **self.switches)

    def continued(self, loaded: Loaded, prompt: str, answer: str) -> tuple[list[int], int]:
        """A prompt with an answer, as `contrasts.continued`."""
        return contrasts.continued(loaded, prompt, answer, self.form, self.system, **self.switches)

    @property
    def switches(self) -> dict[str, Any]:
        """Further variables of the template."""
        return {"enable_thinking": self.thinking == "on"} if self.thinking else {}


CHAT = Format()


def encode(
    loaded: Loaded,
    prompts: Sequence[str],
    how: Format = CHAT,
    answer_tokens: int = limits.MAX_NEW_TOKENS,
) -> list[list[int]]:
    """Token ids of each prompt, without padding.

    Args:
        loaded: the model.
        prompts: texts.
        how: they are given to it.
        answer_tokens: longest answer, which must fit behind every prompt.

    Raises:
        VisitorError: as `talk.prompt_ids`; or a prompt has too many tokens.
    """
    most = talk.longest_prompt(loaded, answer_tokens)
    rows = []
    for prompt in prompts:
        ids = how.ids(loaded, prompt)
        talk.check_length(prompt, ids, most)
        rows.append(ids)
    return rows


def before_prompt(loaded: Loaded, how: Format = CHAT) -> int:
    """How many tokens the chat template puts before every prompt; those of BOS in plain format."""
    first, second = (how.ids(loaded, prompt) for prompt in ("one two a", "three four b"))
    count = 0
    while count < min(len(first), len(second)) - 1 and first[count] == second[count]:
        count += 1
    return count


def post_instruction(loaded: Loaded, how: Format = CHAT) -> list[str]:
    """The tokens that the chat template puts after every prompt; at least the prompt's last token, as `[""]`,
    in plain format.

    A direction can be read at each of them: the model has seen the whole prompt there.
    """
    if how.form == "plain":
        return [""]
    first, second = (how.ids(loaded, prompt) for prompt in ("one two a", "three four b"))
    count = 0
    while count < min(len(first), len(second)) and first[-1 - count] == second[-1 - count]:
        count += 1
    return [loaded.tokenizer.decode([token]) for token in first[len(first) - count :]] or [""]
