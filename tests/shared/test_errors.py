"""Errors: two sentences, never a traceback."""

from __future__ import annotations

import errno

import pytest

from shared.errors import VisitorError, for_visitor


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "The disk is full."),
        (MemoryError(), "The machine ran out of memory."),
        (RuntimeError("secret path /home"), "The demo failed in a way it should not (RuntimeError)."),
        (VisitorError("What.", "Do."), "What."),
    ],
)
def test_any_error_is_two_sentences(error, what):
    shown = for_visitor(error)
    assert shown.what == what and shown.remedy.endswith(".")
    assert shown.to_json() == {"error": {"what": what, "remedy": shown.remedy}}
    assert str(shown) == f"{what} {shown.remedy}" and "secret" not in str(shown)


def test_half_a_character_can_be_shown():
    assert VisitorError("\ud83d", "Go on.").what == "?"
