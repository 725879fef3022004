"""The sequence breakers of DRY as tokens: a repetition is not followed past them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from decoding.llama_cpp.parameters import Breakers

MOST_TAIL = 20
"""Tokens of a breaker after its first one that llama.cpp compares."""

MOST_BYTES = 40
"""Bytes of a breaker that llama.cpp reads."""


def breakers_of(
    tokens: Iterable[int],
    texts: Sequence[str],
    bytes_of: Callable[[int], bytes],
    encode: Callable[[str], list[int]],
) -> Breakers:
    """What breaks a sequence at each of some tokens: a token that holds a breaker does so alone, one that
    ends with its beginning together with the tokens of the rest.

    Args:
        tokens: of which to say it.
        texts: the breakers.
        bytes_of: a token's text.
        encode: from a text to its tokens, without special ones.
    """
    found: Breakers = {}
    for token in dict.fromkeys(tokens):
        word = bytes_of(token)
        tails: list[tuple[int, ...]] = []
        for text in texts:
            breaker = text.encode()[:MOST_BYTES]
            if breaker in word:
                tails.append(())
                continue
            for length in range(1, min(len(breaker), len(word) + 1)):
                if word.endswith(breaker[:length]):
                    rest = breaker[length:].decode("utf-8", "ignore")
                    tails.append(tuple(encode(rest)[:MOST_TAIL]))
        if tails:
            found[token] = list(dict.fromkeys(tails))
    return found
