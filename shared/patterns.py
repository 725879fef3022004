"""Tokenizers that a model's author wrote: their patterns and replacements, and how far each may go.

A tokenizer.json holds patterns, which may go back and forth for a third of a second at every letter and hold
all of Python up for so long, and replacements, a few of which turn one letter into gigabytes. So what the
tokenizer of a model is about to do with a text is tried first by `shared/tokenizer_worker.py`, in a process
that ends when it takes too long or too much memory. Where texts are too many for that, see `check_plain`.
"""

from __future__ import annotations

import base64
import json
import os
import re
import tempfile
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, finalize

from shared import files, limits
from shared.errors import VisitorError
from shared.worker import Worker

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase

MOST_GROWTH = {"normalizer": 1_000, "decoder": 4}
"""How many times as long a text may become by replacements: before it is split, and from tokens again."""

GAVE_UP = VisitorError(
    "The model's tokenizer gave up: its pattern takes too many steps for this text.",
    "Choose another model, or another text.",
)
_UNBOUNDED = VisitorError(
    "The model's tokenizer has patterns or replacements that may take any time or memory.",
    "Choose another model.",
)

_PLAIN = re.compile(
    r"(?:[^\\()\[\]{}|+*?]|\\[pP]\{\^?\w+\}|\\[^\dkgpP]|\[[^\[\]]+\])*(?:[+*?]|\{\d*,?\d*\})?", re.DOTALL
)
"""Signs and sets of them, of which the last may be repeated: nothing to go back and forth in."""

_worker = Worker(
    Path(__file__).with_name("tokenizer_worker.py"), limits.TOKENIZER_SECONDS, limits.TOKENIZER_BYTES
)
_watched: WeakKeyDictionary[PreTrainedTokenizerBase, Path] = WeakKeyDictionary()
"""The file of each tokenizer that is watched, as the library writes it."""


def watch(tokenizer: PreTrainedTokenizerBase) -> None:
    """Have `check` try every text with a tokenizer; one that is code of transformers needs that not.

    Raises:
        VisitorError: what it makes of tokens has no bound.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return
    if any("Regex" in part.get("pattern", ()) for part in _parts(backend.decoder)):
        raise _UNBOUNDED
    _check_growth(backend.decoder, MOST_GROWTH["decoder"])
    folder = Path(tempfile.mkdtemp(prefix="tokenizer-"))
    finalize(tokenizer, _remove, folder, os.getpid()).atexit = False  # the server's folder goes as a whole
    backend.save(str(folder / "tokenizer.json"))
    _watched[tokenizer] = folder / "tokenizer.json"


def _remove(folder: Path, process: int) -> None:
    if os.getpid() == process:  # one that was forked from it uses the file too
        files.remove(folder)


def check(tokenizer: PreTrainedTokenizerBase, text: str) -> None:
    """Try what a tokenizer does with a text, where it is watched.

    Raises:
        VisitorError: it takes more than `limits.TOKENIZER_SECONDS` or `TOKENIZER_BYTES`, or gives up.
    """
    path = _watched.get(tokenizer)
    if path is not None and "tokens" not in _worker.ask({"path": str(path), "text": text}):
        raise GAVE_UP


def check_plain(tokenizer: Tokenizer) -> None:
    """Refuse a tokenizer that may take more than a few steps for a letter of whatever text.

    Raises:
        VisitorError: as above.
    """
    for step in (tokenizer.normalizer, tokenizer.pre_tokenizer):
        for part in _parts(step):
            if not _PLAIN.fullmatch(_pattern(part).get("Regex", "")):
                raise _UNBOUNDED
    _check_growth(tokenizer.normalizer, MOST_GROWTH["normalizer"])


def _parts(step: Any) -> Iterator[dict[str, Any]]:
    """The single parts of a step of a tokenizer, in the order in which they are applied."""
    parts = [] if step is None else [json.loads(step.__getstate__())]
    while parts:
        part = parts.pop(0)
        inner = [part[name] for name in ("normalizers", "pretokenizers", "decoders") if name in part]
        parts = [one for several in inner for one in several] + parts
        if not inner:
            yield part


def _pattern(part: dict[str, Any]) -> dict[str, str]:
    pattern = part.get("pattern", {})
    return pattern if isinstance(pattern, dict) else {"String": pattern}


def _check_growth(step: Any, most: int) -> None:
    """Raise a VisitorError where a letter may become more than so many by a step's replacements: seen from
    the last of them to the first, what each letter has become in the end.
    """
    ends: dict[str, int] = {}
    others = factor = 1

    def end(letter: str) -> int:
        plain = unicodedata.normalize("NFKD", letter).casefold()
        return max(ends.get(letter, others), sum(ends.get(part, others) for part in plain))

    for part in reversed(list(_parts(step))):
        if part["type"] == "Precompiled":
            blob = base64.b64decode(part["precompiled_charsmap"] or "")
            factor *= max(1, *map(len, blob[4 + int.from_bytes(blob[:4], "little") :].split(b"\0")))
        if part["type"] == "Replace":
            text = _pattern(part).get("String", "")
            size = sum(map(end, part["content"][: most + 1]))
            if text:
                ends[text[0]] = max(size, end(text[0])) if len(text) > 1 else size
            else:  # a pattern, or nothing: it may stand anywhere
                others = max(others, size)
                ends = {letter: max(known, size) for letter, known in ends.items()}
        if factor * max(others, *ends.values(), 1) > most:
            raise _UNBOUNDED
