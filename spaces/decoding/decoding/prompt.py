"""The prompt as the model reads it: its tokens, where each came from, and what a visitor may not expect."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from decoding import data
from decoding.data import Part
from decoding.request import Request
from shared import limits, talk
from shared.errors import VisitorError
from shared.tokens import Texts

if TYPE_CHECKING:
    from shared.models import Loaded

SWITCH = "enable_thinking"
"""The variable of a chat template that lets a model think before it answers."""


@dataclass(frozen=True)
class Prompt:
    """A prompt as the model reads it.

    Args:
        text: what the visitor wrote.
        ids: its tokens.
        parts: where each token comes from.
        special_tokens: what `add_special_tokens` has to be so that the tokenizer gives these ids, for the
            text or for what the chat template makes of it; None where it never does.
        notes: what a visitor may not expect, a sentence each.
    """

    text: str
    ids: tuple[int, ...]
    parts: tuple[Part, ...]
    special_tokens: bool | None
    notes: tuple[str, ...] = ()

    def to_json(self, texts: Texts) -> data.Prompt:
        """The prompt as JSON; `texts`: of the model's tokens."""
        pieces = texts.in_turn(self.ids)
        return {
            "text": self.text,
            "token_ids": list(self.ids),
            "tokens": [piece.text for piece in pieces],
            "bytes": [piece.hex for piece in pieces],
            "parts": list(self.parts),
            "special_tokens": self.special_tokens,
            "notes": list(self.notes),
        }


def window(loaded: Loaded) -> int:
    """How many tokens the model can read, the limits of this demo included."""
    most = limits.MAX_PROMPT_TOKENS + limits.MAX_NEW_TOKENS
    return min(most, talk.context_limit(loaded) or most)


def encode(request: Request, loaded: Loaded) -> Prompt:
    """A request's prompt.

    Raises:
        VisitorError: the chat template is missing or does not take the prompt, the system prompt or the
            switch; the prompt has no tokens or too many.
    """
    prompt = _through_template(request, loaded) if request.chat else _plain(request.prompt, loaded)
    count, most = len(prompt.ids), limits.MAX_PROMPT_TOKENS
    if count > most:
        raise VisitorError(f"The prompt has {count:,} tokens; the limit is {most:,}.", "Shorten it.")
    if count + request.max_new_tokens > window(loaded):
        raise VisitorError(
            f"{count:,} tokens of prompt and {request.max_new_tokens} new ones are more than the "
            f"{window(loaded):,} that {loaded.id} can read.",
            "Shorten the prompt, or lower max_new_tokens.",
        )
    return replace(prompt, notes=(*prompt.notes, *_notes(prompt, loaded, request.chat)))


def _plain(text: str, loaded: Loaded) -> Prompt:
    ids = talk.prompt_ids(loaded, text, "plain")
    added, lead = _added(loaded), len(talk.leading_tokens(loaded.tokenizer))
    parts: list[Part] = [
        "special" if place < lead or token in added else "prompt" for place, token in enumerate(ids)
    ]
    special = next(
        (
            flag
            for flag in (True, False)
            if loaded.tokenizer(text, add_special_tokens=flag)["input_ids"] == ids
        ),
        None,
    )
    return Prompt(text, tuple(ids), tuple(parts), special)


def _through_template(request: Request, loaded: Loaded) -> Prompt:
    switches = _switches(request, loaded)
    remedy = "Switch the chat template off, or choose an instruct model."
    settings: dict[str, Any] = {"system": request.system, "remedy": remedy, **switches}
    ids = talk.prompt_ids(loaded, request.prompt, "chat", **settings)
    written = talk.render(loaded, request.prompt, **settings)
    spans = _spans(request, loaded, written, switches)
    hidden = next((written[start:end] for part, start, end in spans if part == "hidden"), "")
    note = f"The chat template adds a system prompt of its own: “{hidden.strip()[:200]}”." if hidden else ""
    parts = _parts(loaded, written, ids, spans)
    return Prompt(request.prompt, tuple(ids), parts, False, (note,) if note else ())


def _switches(request: Request, loaded: Loaded) -> dict[str, Any]:
    if not request.thinking:
        return {}
    template = loaded.tokenizer.chat_template
    if isinstance(template, dict):
        template = template.get("default")
    if template and SWITCH not in template:
        raise VisitorError(
            f"The chat template of {loaded.id} has no {SWITCH} to switch.", "Leave thinking to the template."
        )
    return {SWITCH: request.thinking == "on"}


Span = tuple[Part, int, int]
"""A part of what the template wrote, from one character to before another."""


def _spans(request: Request, loaded: Loaded, written: str, switches: dict[str, Any]) -> list[Span]:
    question = request.prompt.strip()
    start = written.rfind(question)
    spans: list[Span] = [("prompt", start, start + len(question))]
    if system := request.system.strip():
        at = written.find(system)
        spans.append(("system", at, at + len(system)))
    elif (own := _own_system(request.prompt, loaded, written, switches)) is not None:
        spans.append(("hidden", *own))
    return spans


def _own_system(
    prompt: str, loaded: Loaded, written: str, switches: dict[str, Any]
) -> tuple[int, int] | None:
    """Where the template wrote a system prompt that nobody asked for: there another one would stand."""
    mark = "⁂mark⁂"
    try:
        marked = talk.render(loaded, prompt, mark, **switches)
    except VisitorError:
        return None
    before, after = marked.split(mark, 1)
    if not before or not written.startswith(before):
        return None
    end = written.find(after, len(before))
    return (len(before), end) if end > len(before) else None


def _added(loaded: Loaded) -> set[int]:
    """The tokens beside the vocabulary that the tokenizer learnt: special ones, and those of templates."""
    return set(loaded.tokenizer.added_tokens_decoder)


def _parts(loaded: Loaded, written: str, ids: list[int], spans: list[Span]) -> tuple[Part, ...]:
    added = _added(loaded)
    parts: list[Part] = ["special" if token in added else "template" for token in ids]
    if not loaded.tokenizer.is_fast:
        return tuple(parts)
    read = loaded.tokenizer(written, add_special_tokens=False, return_offsets_mapping=True)
    if read["input_ids"] != ids:
        return tuple(parts)
    for place, (start, end) in enumerate(read["offset_mapping"]):
        for part, first, last in spans:
            if ids[place] not in added and start < last and end > first:
                parts[place] = part
    return tuple(parts)


def _notes(prompt: Prompt, loaded: Loaded, chat: bool) -> Iterator[str]:
    tokenizer, ids = loaded.tokenizer, prompt.ids
    bos = tokenizer.bos_token_id
    if bos is not None and ids[:2] == (bos, bos):
        yield f"The prompt begins with {tokenizer.bos_token} twice."
    if not chat and prompt.text[-1:] in (" ", "\u00a0"):
        yield (
            "The prompt ends with a space. A model expects the space at the beginning of its next word: "
            "leave it out."
        )
    lead = ids[: len(talk.leading_tokens(tokenizer))]
    inside = ids if chat else ids[len(lead) :]
    own = {
        str(tokenizer.convert_ids_to_tokens(token))
        for token in set(inside) & _added(loaded)
        if str(tokenizer.convert_ids_to_tokens(token)) in prompt.text
    }
    for name in sorted(own):
        yield f"The tokenizer reads {name} in the prompt as a special token, not as text."
