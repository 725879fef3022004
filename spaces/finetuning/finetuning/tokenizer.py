"""A model's tokenizer with a chat template: what it writes, and the tokens of what it wrote."""

from __future__ import annotations

import copy
import json
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from finetuning.row_forms import Message
from finetuning.templates import PRESETS
from shared import chat_templates, experts, hub, limits, owner, patterns
from shared.embedded_model import EMBEDDED_MODEL, embedded_folder, quiet_progress
from shared.errors import VisitorError, reason
from shared.imports import import_transformers

KEPT = 4
"""Tokenizers that are kept."""

LOOK_SECONDS = 30.0
"""Seconds that template and tokenizer may take for all rows of one look together."""

TOO_SLOW = VisitorError(
    f"Template and tokenizer take more than {LOOK_SECONDS:g} seconds for these rows.",
    "Read fewer rows, or choose another template.",
)

SHORT = 64
"""Letters of a text, such as a marker, whose tokens are kept."""

_lock = threading.Lock()
_kept: OrderedDict[tuple[str, bool], tuple[Any, str]] = OrderedDict()


@dataclass(frozen=True)
class Written:
    """What a template wrote.

    Args:
        text: of the whole conversation.
        spans: what it marks by `{% generation %}`, from one character to before another.
    """

    text: str
    spans: tuple[tuple[int, int], ...]


class Refused(Exception):
    """The template raised an error: its sentence."""


Given = dict[str, Any] | None
"""What a template gets beside the messages, by name: tools, and a row's `chat_template_kwargs`."""
Ask = tuple[Sequence[Message], Given, bool]
"""A conversation, what else the template gets, and whether the beginning of the next answer follows."""
Render = tuple[str, bool, str]
_encoded = json.JSONEncoder(default=str).encode


def _key(messages: Sequence[Message], given: Given, prompt: bool, template: str) -> Render:
    return _encoded([messages, given] if given else messages), prompt, template


def _own(messages: Sequence[Message], given: Given, prompt: bool) -> dict[str, Any]:
    return {"tools": None, **(given or {}), "messages": list(messages), "add_generation_prompt": prompt}


@dataclass
class Reader:
    """A tokenizer with the template that a visitor chose.

    Args:
        tokenizer: of transformers, with the preset's tokens.
        template: in jinja; "" where there is none.
        model: its name.
        revision: the commit on the Hub, or the copy.
        named: what the template is called.
        added: tokens that the preset needed and the tokenizer did not have.
        eos: the EOS token that was put in the place of another, or "".
    """

    tokenizer: Any
    template: str
    model: str
    revision: str
    named: str
    added: tuple[str, ...] = ()
    eos: str = ""
    renders: dict[Render, Written | str] = field(default_factory=dict)
    """What was written already, or the sentence of the template's error, by what it is of."""
    short: dict[str, list[int]] = field(default_factory=dict)
    """Ids of texts of at most `SHORT` letters that were asked for already."""
    spent: float = 0.0
    """Seconds that it took so far."""

    @contextmanager
    def _timed(self) -> Iterator[None]:
        """Count the seconds of what is done inside.

        Raises:
            VisitorError: they are too many.
        """
        began = time.monotonic()
        yield
        self.spent += time.monotonic() - began
        if self.spent > LOOK_SECONDS:
            raise TOO_SLOW

    def write(
        self,
        messages: Sequence[Message],
        given: Given = None,
        *,
        prompt: bool = False,
        template: str | None = None,
    ) -> Written:
        """What the template writes, as `apply_chat_template` does.

        Args:
            messages: the conversation.
            given: what else it gets, as the row has it.
            prompt: whether the beginning of the next answer follows.
            template: another one.

        Raises:
            Refused: the template raised an error.
            VisitorError: there is no template, or it goes past the limits of `shared.chat_templates`.
        """
        template = self.template if template is None else template
        if not template:
            raise VisitorError(
                f"{self.model} has no chat template.", "Choose a template, or give rows of text."
            )
        key = _key(messages, given, prompt, template)
        known = self.renders.get(key)
        if isinstance(known, str):
            raise Refused(known)
        if known is not None:
            return known
        try:
            with self._timed():
                text, spans = chat_templates.fill_marked(
                    template, {**self._shared(), **_own(messages, given, prompt)}
                )
        except chat_templates.Failed as error:
            self.renders[key] = str(error)
            raise Refused(str(error)) from None
        except chat_templates.TooMuch:
            raise VisitorError(
                f"The chat template takes more than {limits.TEMPLATE_SECONDS:g} seconds for a row, or writes "
                f"more than {limits.MAX_TEMPLATE_CHARACTERS:,} characters.",
                "Choose another template, or shorten the row.",
            ) from None
        written = self.renders[key] = Written(text, tuple(spans))
        return written

    def write_ahead(self, asked: Iterable[Ask], template: str | None = None) -> None:
        """Write together what `write` will be asked for: each time that the template's process is asked costs
        more than what it does for a short row. What is too much together is left to `write`.

        Args:
            asked: conversations, what else the template gets, and whether the next answer's beginning
                follows.
            template: another one.

        Raises:
            VisitorError: it takes too many seconds.
        """
        template = self.template if template is None else template
        if not template:
            return
        missing = {
            key: one for one in asked if (key := _key(*one, template)) not in self.renders
        }  # the same may be asked for twice
        with self._timed():
            found = chat_templates.fill_each(
                template, self._shared(), [_own(*one) for one in missing.values()]
            )
        for key, one in zip(missing, found, strict=True):
            if isinstance(one, chat_templates.Failed):
                self.renders[key] = str(one)
            elif not isinstance(one, chat_templates.TooMuch):
                self.renders[key] = Written(one[0], tuple(one[1]))

    def _shared(self) -> dict[str, Any]:
        return {"documents": None, **self.tokenizer.special_tokens_map}

    def encode(self, text: str, *, special: bool = False) -> Any:
        """A text's tokens with their places, as transformers' BatchEncoding.

        Args:
            text: the text.
            special: whether the tokenizer puts its own special tokens around it.
        """
        with self._timed():
            patterns.check(self.tokenizer, text)
        try:
            return self.tokenizer(
                text,
                add_special_tokens=special,
                truncation=False,
                verbose=False,
                return_offsets_mapping=True,
            )
        except BaseException as error:
            if type(error).__name__ != "PanicException":
                raise
            raise patterns.GAVE_UP from error

    def ids(self, text: str, *, special: bool = False) -> list[int]:
        """A text's token ids."""
        if special or len(text) > SHORT:
            return [int(token) for token in self.encode(text, special=special)["input_ids"]]
        if text not in self.short:
            self.short[text] = [int(token) for token in self.encode(text)["input_ids"]]
        return list(self.short[text])

    @property
    def specials(self) -> set[int]:
        """Tokens beside the vocabulary: those of templates, and special ones."""
        return set(self.tokenizer.added_tokens_decoder) | set(self.tokenizer.all_special_ids)


def opened(model_id: str, template: str) -> Reader:
    """The tokenizer of a model, without its weights, with its own template or another.

    Args:
        model_id: of the Hub, the embedded model, an expert, or for the owner a folder.
        template: "" for the model's own, a name of `PRESETS`, or jinja.

    Raises:
        VisitorError: unknown, gated, no tokenizer, or the Hub did not answer.
    """
    tokenizer, revision = _tokenizer(model_id)
    preset = PRESETS.get(template)
    if preset is None:
        own = tokenizer.chat_template
        if isinstance(own, dict):
            own = own.get("default", "")
        if template:
            return Reader(tokenizer, template, model_id, revision, "a template of your own")
        return Reader(tokenizer, own or "", model_id, revision, "its own template")
    tokenizer = copy.deepcopy(tokenizer)
    known = tokenizer.get_vocab()
    missing = tuple(token for token in preset.tokens if token not in known)
    if missing:
        tokenizer.add_tokens(list(missing), special_tokens=True)
    changed = ""
    if preset.eos and preset.eos != tokenizer.eos_token:
        tokenizer.eos_token = changed = preset.eos
    if model_id != EMBEDDED_MODEL and model_id not in experts.NAMES:
        patterns.watch(tokenizer)
    return Reader(tokenizer, preset.template, model_id, revision, f"template {template}", missing, changed)


def _tokenizer(model_id: str) -> tuple[Any, str]:
    """A tokenizer and its revision, kept for the next call; nobody may change it."""
    key = model_id, owner.is_here()
    with _lock:
        if key in _kept:
            _kept.move_to_end(key)
            return _kept[key]
    import_transformers()
    named = EMBEDDED_MODEL if model_id in experts.NAMES else model_id  # an expert reads as its base does
    if named == EMBEDDED_MODEL and not hub.reachable():
        found = _from_folder(embedded_folder(), model_id), "embedded copy"
    elif hub.is_local_path(named):
        found = _from_folder(hub.local_folder(named), model_id), "local folder"
    else:
        hub.check_id(named)
        if not hub.reachable():
            raise VisitorError(
                f"{model_id} is not on this machine and the Hub cannot be reached.",
                "Choose the embedded SmolLM2-135M-Instruct with one of the templates.",
            )
        hub.model_size(named, ())  # it says what is missing, private or gated
        with tempfile.TemporaryDirectory() as folder:
            hub.small_files(named, None, Path(folder))
            found = _from_folder(Path(folder), model_id), "the Hub"
    with _lock:
        _kept[key] = found
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
    return found


def _from_folder(folder: Path, model_id: str) -> Any:
    from transformers import AutoTokenizer

    try:
        with quiet_progress():
            tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except Exception as error:
        raise VisitorError(
            f"The tokenizer of {model_id} could not be opened ({reason(error)}).", "Choose another model."
        ) from error
    if not tokenizer.is_fast:
        raise VisitorError(
            f"The tokenizer of {model_id} does not tell where each token stands.", "Choose another model."
        )
    if model_id != EMBEDDED_MODEL and model_id not in experts.NAMES:
        patterns.watch(tokenizer)
    return tokenizer
