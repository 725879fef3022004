"""Tokens as text: characters made of several tokens, bytes, spaces, ids without a text."""

from __future__ import annotations

import json

import pytest

from decoding.engine import decode, next_token_distribution
from decoding.request import Request
from shared.tokens import Piece, Texts
from tests import zoo

STORY = " the 🌳 says 日本語 – naïve"


def ids_of(loaded, text: str) -> list[int]:
    return loaded.tokenizer(text, add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize("name", zoo.names(without=("unigram",)))
def test_a_character_of_several_tokens_stands_at_the_last(name):
    """Byte-level vocabularies and those that fall back on bytes; no sign of a broken character anywhere."""
    loaded = zoo.opened(name)
    ids = ids_of(loaded, "a" + STORY)
    pieces = Texts(loaded.tokenizer).in_turn(ids)
    assert "".join(piece.text for piece in pieces).strip() == "a" + STORY
    assert pieces[-1].unfinished == b""
    tree = list("🌳".encode())
    first = next(at for at, piece in enumerate(pieces) if piece.hex)
    assert bytes.fromhex(pieces[first].hex)[0] == tree[0]
    assert all(piece.text or piece.hex for piece in pieces)


@pytest.mark.parametrize("name", ["qwen3", "tinyllama", "gemma3"])
def test_bytes_that_make_no_character_are_said_to(name):
    """Half a character, and then a letter."""
    loaded = zoo.opened(name)
    texts = Texts(loaded.tokenizer)
    half = ids_of(loaded, "日")[-3:-1]
    assert len(half) == 2
    first, second = texts.in_turn(half)
    assert (first.hex, second.hex) == ("E6", "97")
    letter = ids_of(loaded, "n")[-1]
    after = texts.pieces([letter], second.unfinished)[0]
    assert after.text.strip() == "n" and not after.hex
    assert texts.pieces([half[1]])[0] == Piece("", "97")


@pytest.mark.parametrize("name", ["qwen3", "llama3", "tinyllama", "gemma3", "phi3"])
@pytest.mark.parametrize("config", [{}, {"num_beams": 2}])
def test_a_run_shows_whole_characters(name, config):
    """A branch through an emoji: the tree's nodes and the panel's odds."""
    loaded = zoo.opened(name)
    tree = ids_of(loaded, "a🌳")[len(ids_of(loaded, "a")) :]
    request = Request.parse(
        prompt="Once", strategies=[{**config, "prefix": tree}], max_new_tokens=len(tree) + 2
    )
    *_, trace = decode(request, loaded)
    run = json.loads(json.dumps(trace.to_json()))["runs"][0]
    path = [run["nodes"][0]]
    for token in tree:
        path.append(
            next(one for one in run["nodes"] if one["parent"] == path[-1]["id"] and one["token_id"] == token)
        )
    assert [node["text"] for node in path[1:]] == [""] * (len(tree) - 1) + ["🌳"]
    assert " ".join(node["bytes"] for node in path[1:-1]) == "F0 9F 8C B3"[: 3 * (len(tree) - 1) - 1]
    assert "bytes" not in path[-1]
    before = [*trace.prompt["token_ids"], *tree[:-1]]
    odds = next_token_distribution(loaded, before, {}, 1, None)
    assert odds["texts"][odds["ids"].index(tree[-1])] == "🌳"
    assert odds["texts"][odds["ids"].index(tree[0])] == "⟨F0⟩"


@pytest.mark.parametrize("name", zoo.names("sentencepiece"))
def test_a_text_begins_with_its_space(name):
    """A SentencePiece tokenizer leaves it out of a text that it decodes alone."""
    loaded = zoo.opened(name)
    word = ids_of(loaded, "the cat")[-1]
    start = ids_of(loaded, "the cat")[:-1]
    request = Request.parse(prompt="the", strategies=[{"prefix": [word]}], max_new_tokens=2)
    assert start
    *_, trace = decode(request, loaded)
    run = trace.to_json()["runs"][0]
    label = Texts(loaded.tokenizer).pieces([word])[0].text
    assert run["sequences"][0]["text"].startswith(label)
    pieces = Texts(loaded.tokenizer).in_turn(ids_of(loaded, "the cat"))
    assert "".join(piece.text for piece in pieces).endswith("cat")


def test_the_embedded_model_writes_emoji(embedded):
    pieces = Texts(embedded.tokenizer).in_turn(ids_of(embedded, "🦜 と"))
    assert "".join(piece.text for piece in pieces) == "🦜 と"
    assert [piece.text for piece in pieces if piece.hex] and not any(
        "\ufffd" in piece.text for piece in pieces
    )
