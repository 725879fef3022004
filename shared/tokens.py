"""Every token as text, also where a character is made of several tokens."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_BYTE = re.compile(r"<0x([0-9A-F]{2})>")
"""A piece of one byte, as SentencePiece names it."""


@dataclass(frozen=True)
class Piece:
    """What a token adds to a text.

    Args:
        text: the characters that it completes, "" where it completes none.
        hex: those of its bytes that are a part of a character, as "E3 81"; mostly "".
        unfinished: all bytes so far of a character that may still be completed.
    """

    text: str
    hex: str = ""
    unfinished: bytes = b""

    @property
    def label(self) -> str:
        """The token alone, as a list of tokens shows it."""
        return self.text + (f"⟨{self.hex}⟩" if self.hex else "")


class Texts:
    """The texts of a tokenizer's tokens: special tokens as they are written, ⟨id⟩ for an id that it has no
    text for.

    A character may be made of several tokens: it belongs to the one that completes it.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer: Any = tokenizer
        # SentencePiece leaves out the space before the first token of a text: so no token comes first.
        self._lead = list(self._tokenizer("a", add_special_tokens=False)["input_ids"][:1])
        self._before = self._decode(self._lead)
        self._bytes: dict[int, bytes] = {}
        self._whole: dict[int, Piece] = {}

    def _decode(self, ids: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(ids), clean_up_tokenization_spaces=False))

    def joined(self, ids: Sequence[int]) -> str:
        """Tokens as the text that goes on, as the tokenizer reads them together."""
        return self._decode([*self._lead, *ids]).removeprefix(self._before)

    def pieces(self, ids: Sequence[int], unfinished: bytes = b"") -> list[Piece]:
        """Each of several tokens after the same text.

        Args:
            ids: the tokens.
            unfinished: the beginning of a character that the text ends with.
        """
        self._learn(ids)
        if not unfinished:
            return [self._whole[token] for token in ids]
        return [_piece(self._bytes[token], unfinished) for token in ids]

    def in_turn(self, ids: Sequence[int]) -> list[Piece]:
        """Tokens that follow each other, from the beginning of a text."""
        self._learn(ids)
        pieces: list[Piece] = []
        for token in ids:
            pieces.append(_piece(self._bytes[token], pieces[-1].unfinished if pieces else b""))
        return pieces

    def bytes_of(self, ids: Sequence[int]) -> dict[int, bytes]:
        """The text of each of several tokens, of which some are a part of a character."""
        self._learn(ids)
        return {token: self._bytes[token] for token in ids}

    def _learn(self, ids: Sequence[int]) -> None:
        missing = [token for token in dict.fromkeys(ids) if token not in self._bytes]
        if not missing:
            return
        pairs = [[*self._lead, token] for token in missing]
        texts = self._tokenizer.batch_decode(pairs, clean_up_tokenization_spaces=False)
        for token, text in zip(missing, texts, strict=True):
            text = text.removeprefix(self._before)
            parts = self._parts(token) if "\ufffd" in text else None
            self._bytes[token] = (text or f"⟨{token}⟩").encode() if parts is None else parts
            self._whole[token] = _piece(self._bytes[token], b"")

    def _parts(self, token: int) -> bytes | None:
        """The bytes of a token that is no text of its own; None where the tokenizer does not name them."""
        name = str(self._tokenizer.convert_ids_to_tokens(token))
        if match := _BYTE.fullmatch(name):
            return bytes([int(match[1], 16)])
        known = _byte_alphabet()
        return bytes(known[letter] for letter in name) if all(letter in known for letter in name) else None


def _piece(own: bytes, before: bytes) -> Piece:
    decoder = codecs.getincrementaldecoder("utf-8")("ignore")
    decoder.setstate((before, 0))
    text = decoder.decode(own)
    unfinished = decoder.getstate()[0]
    open_end = unfinished[-len(own) :] if text else own
    return Piece(text, open_end.hex(" ").upper() if unfinished or not text else "", unfinished)


@cache
def _byte_alphabet() -> dict[str, int]:
    """The letter that stands for each byte in the vocabulary of a byte-level BPE (GPT-2 and most since)."""
    letters = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in letters]
    return {chr(byte): byte for byte in letters} | {chr(256 + at): byte for at, byte in enumerate(others)}
