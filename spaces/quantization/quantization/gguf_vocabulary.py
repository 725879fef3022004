"""A tokenizer as GGUF stores it: byte-level BPE with its merges (llama.cpp's "gpt2"), or SentencePiece's BPE
with scores in the place of merges (llama.cpp's "llama").
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from shared.errors import VisitorError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
"""Kinds of tokens, by llama.cpp's numbers."""


@dataclass(frozen=True)
class Vocabulary:
    """What a GGUF file says of a tokenizer.

    Args:
        model: "gpt2" or "llama".
        pre: llama.cpp's name of how a text is split before the merges.
        tokens: by id.
        kinds: of each token.
        merges: pairs with a blank between, or None.
        scores: of each token, or None.
        special: ids of bos, eos, unk, sep, pad, cls and mask, of those that there are.
        adds: whether a text begins with bos, whether it ends with eos, and whether sep stands in between.
        prefix: False where no blank is put before every text, though the model's kind would.
        template: the chat template, or several by name.
    """

    model: str
    pre: str
    tokens: list[str]
    kinds: list[int]
    merges: list[str] | None
    scores: list[float] | None
    special: dict[str, int]
    adds: dict[str, bool]
    prefix: bool | None
    template: str | list[dict[str, str]] | None = field(default=None)

    @property
    def bytes(self) -> int:
        """Bytes that the lists of tokens take in a file: each text has its length before it."""
        texts = [*self.tokens, *(self.merges or [])]
        numbers = len(self.kinds) + len(self.scores or [])
        return sum(8 + len(text.encode()) for text in texts) + 4 * numbers

    def short(self) -> Vocabulary:
        """The same with lists of one: what writes it is done at once, and its size is known by `bytes`."""
        return replace(
            self,
            tokens=self.tokens[:1],
            kinds=self.kinds[:1],
            merges=self.merges and self.merges[:1],
            scores=self.scores and self.scores[:1],
        )

    def write(self, writer: Any) -> None:
        """Put it into a `gguf.GGUFWriter`."""
        writer.add_tokenizer_model(self.model)
        writer.add_tokenizer_pre(self.pre)
        writer.add_token_list(self.tokens)
        if self.scores is not None:
            writer.add_token_scores(self.scores)
        writer.add_token_types(self.kinds)
        if self.merges is not None:
            writer.add_token_merges(self.merges)
        for name, number in self.special.items():
            getattr(writer, f"add_{name}_token_id")(number)
        for name, adds in self.adds.items():
            getattr(writer, f"add_add_{name}_token")(adds)
        if self.prefix is not None:
            writer.add_add_space_prefix(self.prefix)
        if self.template is not None:
            writer.add_chat_template(self.template)


def vocabulary(tokenizer: PreTrainedTokenizerBase, size: int) -> Vocabulary:
    """A tokenizer as GGUF stores it.

    Args:
        tokenizer: of the model.
        size: rows of the model's embedding.

    Raises:
        VisitorError: llama.cpp has no such tokenizer, or it is not written here.
    """
    text = _description(tokenizer)
    described = _parsed(text)
    model = described["model"]
    if model.get("type") != "BPE":
        raise VisitorError(
            f"Tokenizers of type {model.get('type') or 'unknown'} are not written here.",
            "Choose a model with a BPE tokenizer, or another engine.",
        )
    pieces = bool(model.get("byte_fallback"))
    key = text, size
    if key not in _known:
        while len(_known) >= KEPT:
            _known.pop(next(iter(_known)))
        _known[key] = _tokens(tokenizer, described, size, pieces)
    tokens, kinds = _known[key]
    special = {
        name: number
        for name in ("bos", "eos", "unk", "sep", "pad", "cls", "mask")
        if (number := getattr(tokenizer, f"{name}_token_id", None)) is not None and number < size
    }
    merges = [merge if isinstance(merge, list) else merge.split(" ") for merge in model["merges"]]
    return Vocabulary(
        model="llama" if pieces else "gpt2",
        pre="default" if pieces else _split(described),
        tokens=tokens,
        kinds=kinds,
        merges=None if pieces else [" ".join(part.replace(" ", "Ġ") for part in pair) for pair in merges],
        scores=_scores(tokens, kinds, merges) if pieces else None,
        special=special,
        adds=_adds(tokenizer),
        prefix=False if pieces and not _prefix(described) else None,
        template=_template(tokenizer),
    )


KEPT = 2
"""Tokenizers whose description and tokens are kept: a row asks for its model's five times, and reading one of
49,152 tokens takes a fifth of a second.
"""
_known: dict[tuple[str, int], tuple[list[str], list[int]]] = {}


@lru_cache(KEPT)
def _parsed(text: str) -> dict[str, Any]:
    """A tokenizer's description; not to be changed."""
    described: dict[str, Any] = json.loads(text)
    return described


def _description(tokenizer: PreTrainedTokenizerBase) -> str:
    """The tokenizer's own description, as tokenizer.json has it."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise VisitorError(
            "This tokenizer is not one of the tokenizers library.", "Choose another model, or another engine."
        )
    return str(backend.to_str())


def _adds(tokenizer: PreTrainedTokenizerBase) -> dict[str, bool]:
    """What the tokenizer puts before and after a text, seen of one."""
    ids, bare = (list(tokenizer("a", add_special_tokens=add).input_ids) for add in (True, False))
    if ids == bare:
        return {"bos": False}
    start = ids.index(bare[0]) if bare and bare[0] in ids else 0
    before, after = ids[:start], ids[start + len(bare) :]
    if before not in ([], [tokenizer.bos_token_id]) or after not in ([], [tokenizer.eos_token_id]):
        raise VisitorError(
            "This tokenizer puts more around a text than BOS and EOS.",
            "Choose another model, or another engine.",
        )
    return {"bos": bool(before), **({"eos": True} if after else {}), "sep": False}


def _template(tokenizer: PreTrainedTokenizerBase) -> str | list[dict[str, str]] | None:
    """The chat template, or several by name; what has no "default" has the others."""
    template = tokenizer.chat_template
    if isinstance(template, dict):
        return [{"name": name, "template": text} for name, text in template.items()]
    return template or None


def _tokens(
    tokenizer: PreTrainedTokenizerBase, described: dict[str, Any], size: int, pieces: bool
) -> tuple[list[str], list[int]]:
    """Every token by id, with its kind."""
    words = {number: word for word, number in tokenizer.get_vocab().items()}
    added = {item["id"]: item for item in described.get("added_tokens", [])}
    unknown = described["model"].get("unk_token")
    tokens, kinds = [], []
    for number in range(size):
        word = words.get(number)
        if word is None:
            tokens.append(f"[PAD{number}]")
            kinds.append(UNUSED)
        elif number in added:
            control = added[number]["special"] or _looks_special(word)
            tokens.append(word if control else word.replace("▁", " "))
            kinds.append(CONTROL if control else USER_DEFINED)
        else:
            tokens.append(word)
            is_byte = pieces and len(word) == 6 and word.startswith("<0x")
            kinds.append(BYTE if is_byte else UNKNOWN if pieces and word == unknown else NORMAL)
    return tokens, kinds


def _looks_special(word: str) -> bool:
    """Whether llama.cpp's converter takes a token for a special one that is not marked as such (Gemma,
    DeepSeek, Command R).
    """
    ends = (("<|", "|>"), ("<｜", "｜>"), ("<unused", ">"))
    return word in ("<pad>", "<mask>", "<2mass>", "[@BOS@]") or any(
        word.startswith(start) and word.endswith(end) for start, end in ends
    )


def _scores(tokens: list[str], kinds: list[int], merges: list[list[str]]) -> list[float]:
    """Scores by which llama.cpp merges as the merges say: a later merge is lower.

    A SentencePiece model numbers its pieces in the order in which they were learnt, so that a piece's score
    is its place; where a tokenizer's merges are in another order, theirs counts.

    Raises:
        VisitorError: no order of the pieces does what the merges do.
    """
    normal = [number for number, kind in enumerate(kinds) if kind == NORMAL]
    place = {tokens[number]: rank for rank, number in enumerate(normal)}
    first: dict[str, int] = {}
    for rank, pair in enumerate(merges):
        first.setdefault("".join(pair), rank)
    made = sorted(first, key=first.__getitem__)
    places = [place[word] for word in made if word in place]
    if places != sorted(places):  # not SentencePiece's order
        place = {word: rank for rank, word in enumerate(made)}
        place |= {tokens[number]: len(made) + number for number in normal if tokens[number] not in place}
    scores = [-1000.0 if kind in (CONTROL, USER_DEFINED) else 0.0 for kind in kinds]
    for number in normal:
        scores[number] = -float(place[tokens[number]])
    for number, kind in enumerate(kinds):
        if kind == UNUSED:
            scores[number] = -10_000.0
    return scores


def _prefix(described: dict[str, Any]) -> bool:
    """Whether a blank is put before every text: by the normalizer of older conversions, or by Metaspace."""
    stated = json.dumps([described.get("normalizer"), described.get("pre_tokenizer")])
    return (
        '"Prepend"' in stated
        or '"prepend_scheme": "first"' in stated
        or '"prepend_scheme": "always"' in stated
    )


_DIGITS = "Digits"
_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_GPT4O = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_TEKKEN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def _split(described: dict[str, Any]) -> str:
    """llama.cpp's name of how text is split before byte-level merges, by what splits it here.

    Raises:
        VisitorError: another split than those that are known here.
    """
    before = described.get("pre_tokenizer") or {}
    steps = before.get("pretokenizers", [before])
    kinds = [step["type"] for step in steps if "type" in step]
    whole_words = bool(described["model"].get("ignore_merges"))
    patterns = [step["pattern"].get("Regex", "") for step in steps if step.get("type") == "Split"]
    found = None
    if kinds == ["ByteLevel"] and steps[0].get("use_regex", True):
        # copies made of a GGUF file have lost the step that parts digits, which no token of theirs joins
        joined = any(re.search(r"Ġ[0-9]|[0-9]{2}", word) for word in described["model"]["vocab"])
        found = "gpt-2" if joined else "smollm"
    elif kinds == [_DIGITS, "ByteLevel"] and steps[0].get("individual_digits"):
        found = "smollm"
    elif kinds == ["Split", "ByteLevel"] and not steps[1].get("use_regex", True):
        found = {
            _LLAMA3: "llama-bpe" if whole_words else "dbrx",
            _LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}"): "qwen2",
            _GPT4O: "gpt-4o",
            _TEKKEN: "tekken",
        }.get(patterns[0])
    if found is None:
        raise VisitorError(
            "This tokenizer splits a text in a way whose name in llama.cpp is not known here.",
            "Choose another model, or another engine.",
        )
    return found
