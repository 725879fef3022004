"""Instructions that a program can check: answers that follow each, and near ones that do not."""

from __future__ import annotations

import pytest

from shared.errors import VisitorError
from shared.instructions import EXAMPLES, GROUPS, instruction_of

CASES: dict[str, tuple[list[str], list[str]]] = {
    "at most 3 words": (["One, two — three!", "a"], ["one two three four", ""]),
    "at least 2 words": (["don't stop"], ["stop"]),
    "exactly 2 sentences": (["It is 3.5 m. Yes!", "A b.\nC d"], ["One.", "One. Two. Three."]),
    "exactly 2 paragraphs": (["a\nb\n\nc", "a\n \n\nb"], ["a\nb"]),
    "exactly 3 lines": (["a\n\nb\nc"], ["a\nb"]),
    "exactly 2 bullets": (["So:\n- a\n- b", "* a\n2) b"], ["- a", "-a\n-b", "a - b\nc - d"]),
    "contains: sea, old salt": (["SEA and old salt"], ["seal and old salt", "sea", "sea, old  salts"]),
    "contains 2 times: sea": (["Sea by the sea."], ["sea", "sea seal"]),
    "leaves out: water": (["underwater"], ["Water!", "no water"]),
    "starts with: Yes, sir": (["yes, sir. Now"], ["Oh yes, sir"]),
    "ends with: Thank you.": (["So. thank you."], ["Thank you. Bye"]),
    "upper case": (["AB 1, ÄÖ!"], ["Ab", "123"]),
    "lower case": (["ab 1, äö!"], ["aB", "1"]),
    "no commas": (["a; b"], ["a, b", "东京、大阪"]),
    "in quotation marks": (['"a b"', "“a”"], ['"a', '""', "a"]),
    "JSON": (['{"a": 1}', "[1]", '```json\n{"a": [1]}\n```'], ["1", '"a"', "{a: 1}", 'So: {"a": 1}']),
    "JSON with keys: a, b": (['{"b": 1, "a": 2, "c": 3}'], ['{"a": 1}', '["a", "b"]', "[" * 9999]),
}


@pytest.mark.parametrize("text", CASES)
def test_what_follows_and_what_does_not(text):
    asked = instruction_of(text)
    follow, fail = CASES[text]
    assert [answer for answer in follow if not asked.follows(answer)] == []
    assert [answer for answer in fail if asked.follows(answer)] == []
    assert all(asked.follows_loosely(answer) for answer in follow), "loosely is never stricter"
    for other in (text.upper(), text[0].upper() + text[1:]):  # as a sentence of its own begins
        again = instruction_of(other)
        assert (again.kind, again.relation, again.count, again.unit) == (
            *(asked.kind, asked.relation, asked.count),
            asked.unit,
        )


def test_loosely_the_lines_around_and_asterisks_are_forgiven():
    asked = instruction_of("lower case")
    for answer in ("Sure!\nthe sea", "the sea\nDone.", "Sure!\nthe sea\nDone."):
        assert not asked.follows(answer) and asked.follows_loosely(answer)
    starts = instruction_of("starts with: Yes")
    assert not starts.follows("**Yes**, sir") and starts.follows_loosely("**Yes**, sir")
    assert not asked.follows_loosely("Sure! the Sea") and not asked.follows_loosely("a\nB\nC\nd")
    assert not instruction_of("at most 3 words").follows_loosely(""), "nothing is no answer"
    assert not instruction_of("no commas").follows_loosely("a, b"), "nor what is left of a single line"


def test_every_example_is_one_and_every_kind_has_one():
    assert {instruction_of(text).kind for text in EXAMPLES} == set(GROUPS)
    assert {instruction_of(text).kind for text in CASES} == set(GROUPS)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("be nice", "“be nice” is no instruction"),
        ("be nice " * 9, "is no instruction"),
        ("at most 5000 words", "counts to 5000"),
        ("at most 0 words", "counts to 0"),
        ("contains: ,", "names no word"),
        ("length", "no instruction"),
        ("a" * 300, "300 characters"),
    ],
)
def test_what_nobody_could_check_is_refused(text, words):
    with pytest.raises(VisitorError, match=words) as refused:
        instruction_of(text)
    assert len(str(refused.value)) <= 300
