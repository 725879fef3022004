"""Tokenizers whose patterns and replacements were written to hold a server up."""

from __future__ import annotations

import gc
import json
import string
import time
from pathlib import Path

import pytest
from tokenizers import Regex, Tokenizer, decoders, normalizers
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import Split
from transformers import PreTrainedTokenizerFast

from shared import limits, patterns, talk
from shared.errors import VisitorError
from tests import zoo


def tokenizer(normalizer=None, pre_tokenizer=None, decoder=None) -> PreTrainedTokenizerFast:
    """A tokenizer of single letters."""
    backend = Tokenizer(BPE({"a": 0, "b": 1, "?": 2}, [], unk_token="?"))
    for name, step in {"normalizer": normalizer, "pre_tokenizer": pre_tokenizer, "decoder": decoder}.items():
        if step is not None:
            setattr(backend, name, step)
    return PreTrainedTokenizerFast(tokenizer_object=backend)


SLOW = Split(Regex(r"(a|a){18}(?![ab]|\z)"), "isolated")
BOMB = normalizers.Sequence([normalizers.Replace("a", "aaaaaaaaaa")] * 12)


@pytest.mark.parametrize("made", [{"pre_tokenizer": SLOW}, {"normalizer": BOMB}], ids=["slow", "bomb"])
def test_a_text_that_would_hold_everything_up_is_given_up(made, monkeypatch):
    monkeypatch.setattr(patterns._worker, "arguments", (1.0, limits.TOKENIZER_BYTES))
    patterns._worker.end()
    watched = tokenizer(**made)
    patterns.watch(watched)
    assert talk.token_ids(watched, "b") == [1]
    start = time.monotonic()
    with pytest.raises(VisitorError, match="its pattern takes too many steps"):
        talk.token_ids(watched, "a" * 2_000)
    assert time.monotonic() - start < 20
    assert talk.token_ids(watched, "b") == [1]
    patterns._worker.end()


def test_a_models_tokenizer_is_watched_and_its_file_goes_with_it():
    path = patterns._watched[zoo.opened("llama3").tokenizer]
    assert path.is_file() and json.loads(path.read_text())["model"]
    mine = tokenizer()
    patterns.watch(mine)
    folder: Path = patterns._watched[mine].parent
    assert talk.token_ids(mine, "abba") == [0, 1, 1, 0]
    del mine
    gc.collect()
    assert not folder.exists()


def replaced(*pairs: tuple[str | Regex, str]) -> normalizers.Sequence:
    return normalizers.Sequence([normalizers.Replace(*pair) for pair in pairs])


def chain(last: str, *between: object) -> normalizers.Sequence:
    return normalizers.Sequence(
        [normalizers.Replace("x", "Ä" * 40), *between, normalizers.Replace(last, "b" * 40)]
    )


@pytest.mark.parametrize(
    ("normalizer", "pattern"),
    [
        (None, "(a+)+b"),
        (None, "a*a*b"),
        (None, "(?:a|a)*"),
        (None, r"\w+\d"),
        (None, r"(?=a*)b"),
        (replaced((Regex("(a+)+"), "b")), None),
        (replaced(("a", "b" * 2_000)), None),
        (replaced(("a", "b" * 40), ("b", "c" * 40)), None),
        (replaced(("ab", "c" * 40), (Regex("[a-z]"), "c" * 40)), None),
        (replaced(("a", "b" * 40), ("", "c" * 40)), None),
        (chain("a", normalizers.Lowercase(), normalizers.NFKD()), None),
    ],
)
def test_what_has_no_bound_is_refused(normalizer, pattern):
    made = tokenizer(normalizer, pattern and Split(Regex(pattern), "isolated"))
    with pytest.raises(VisitorError, match="any time or memory"):
        patterns.check_plain(made.backend_tokenizer)


@pytest.mark.parametrize(
    ("normalizer", "pattern"),
    [
        (None, None),
        (normalizers.BertNormalizer(), r"\s+"),
        (replaced((Regex(" {2,}"), "▁"), ("``", '"'), ("''", '"')), r"[^\s\p{L}]+"),
        (
            replaced(*[(sign, f" {sign} ") for sign in string.punctuation], (Regex(r"\s+"), " ")),
            ".",
        ),
        (chain("b"), r"\d{1,3}"),
    ],
)
def test_what_real_ones_have_is_taken(normalizer, pattern):
    made = tokenizer(normalizer, pattern and Split(Regex(pattern), "isolated"))
    patterns.check_plain(made.backend_tokenizer)


def test_tokens_become_no_longer_than_they_are():
    for decoder in (
        decoders.Replace("a", "b" * 50),
        decoders.Replace(Regex("a+"), "a"),
        decoders.Sequence([decoders.Fuse(), decoders.Replace("a", "bbb"), decoders.Replace("b", "ccc")]),
    ):
        with pytest.raises(VisitorError, match="any time or memory"):
            patterns.watch(tokenizer(decoder=decoder))
    patterns.watch(tokenizer(decoder=decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse()])))
