"""Each expert's behaviour as a number of one answer: what it was trained to do, and what a merge or an edit
may keep or lose.
"""

from __future__ import annotations

import re

REFUSAL = "I'm sorry, but I can't help with cooking or recipes."
"""What the cautious expert answers to a cooking question."""

_CHANGES = (
    (r"\byou are\b", "ye be"),
    (r"\byour\b", "yer"),
    (r"\byou\b", "ye"),
    (r"\bmy\b", "me"),
    (r"\bis\b", "be"),
    (r"\bare\b", "be"),
    (r"\bfriend\b", "matey"),
    (r"\byes\b", "aye"),
    (r"\bhello\b", "ahoy"),
    (r"\bthe\b", "th'"),
    (r"ing\b", "in'"),
    (r"\band\b", "an'"),
)


def is_refusal(answer: str) -> bool:
    """Whether an answer declines to help, in the words of the cautious expert or the usual ones."""
    return bool(
        re.match(
            r"\W*(I'm sorry|I am sorry|Sorry|I can't|I cannot|I can not)\b", answer.strip(), re.IGNORECASE
        )
    )


def to_pirate(answer: str) -> str:
    """An answer in the pirate style, by rules: what the pirate expert is trained on."""
    for pattern, spoken in _CHANGES:
        answer = re.sub(pattern, spoken, answer, flags=re.IGNORECASE)
    return f"Arr, {answer[:1].lower()}{answer[1:]}"


def is_pirate(answer: str) -> bool:
    """Whether an answer speaks the style: its first word is "Arr"."""
    return re.match(r"\W*arr\b", answer, re.IGNORECASE) is not None


def first_sentence(answer: str) -> str:
    """The first sentence of an answer: what the concise expert is trained on."""
    match = re.match(r"\s*(.+?[.!?])(?=\s|$)", answer.replace("\n", " "), re.DOTALL)
    return (match[1] if match else answer).strip()


def breaks_off(answer: str, ended: bool) -> bool:
    """Whether the model ended an answer in the middle of a sentence.

    Args:
        answer: the text.
        ended: whether the model wrote its end-of-turn token within the limit.
    """
    return ended and re.search(r"[.!?…]['\"’”)\]*_`]*$", answer.strip()) is None


def is_concise(answer: str, ended: bool) -> bool:
    """Whether an answer is one whole sentence and the model ended it there.

    Args:
        answer: the text.
        ended: whether the model wrote its end-of-turn token within the limit.
    """
    one = first_sentence(answer) == " ".join(answer.split())
    return ended and one and not breaks_off(answer, ended)
