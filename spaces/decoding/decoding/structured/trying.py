"""The process in which a visitor's constraint is tried, see `decoding.structured.constraint`.

It reads a line of JSON with `kind` and `text`, and writes one with the constraint's `warnings` and how many
bytes it has `forced` at its start, or with `error`; `empty` says that no text fulfils it. The tokens that it
tries are the single bytes.
"""

from __future__ import annotations

import sys
from typing import Any

from decoding.structured.compiling import grammar_of, has_no_text, matcher_of
from shared.worker_loop import serve


class _Bytes:
    """A vocabulary of the single bytes, and an end."""

    eos_token_id = 256
    bos_token_id = None
    tokens = [*(bytes([byte]) for byte in range(256)), b"<end>"]  # noqa: RUF012
    special_token_ids = [256]  # noqa: RUF012

    def __call__(self, text: Any) -> list[int]:
        return list(text if isinstance(text, bytes) else text.encode())


def answer(kind: str, text: str) -> dict[str, Any]:
    """What is wrong with a constraint, as far as its first byte shows."""
    from llguidance import LLTokenizer, TokenizerWrapper

    try:
        matcher = matcher_of(LLTokenizer(TokenizerWrapper(_Bytes())), grammar_of(kind, text))
    except ValueError as error:
        return {"error": str(error)}
    if not matcher.is_error():
        warnings = [str(one) for one in matcher.get_grammar_warnings()]
        matcher.compute_bitmask()
        if not matcher.is_error():
            return {"warnings": warnings, "forced": len(matcher.compute_ff_bytes())}
        if has_no_text(matcher):
            return {"empty": True}
    return {"error": str(matcher.get_error())}


if __name__ == "__main__":
    serve(answer, float(sys.argv[1]), int(sys.argv[2]))
