"""What a task takes of an answer before it is compared: lm-eval's filters, as data.

Patterns of a visitor run in the process of `shared.rules`. Every document has one answer here, so that
filters which choose among several have nothing to choose.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from shared.errors import VisitorError
from shared.rules import searched

NONE = "none"
"""The name of the filter of a task that has none, as lm-eval's results have it."""
MOST_FILTERS = 8
"""Filters of a task."""
MOST_NAME = 60
"""Characters of a filter's name, and of a task's where it is shown."""
MOST_PATTERNS = 16
"""Patterns that exact_match takes out."""
MOST_STEPS = 8
"""Steps of a filter."""
FALLBACK = "[invalid]"
"""What lm-eval's regex takes where nothing matches."""
GSM8K = r"#### (\-?[0-9\.\,]+)"
"""lm-eval's pattern where a task names none."""
_ALLOWED = {
    "take_first": set(),
    "take_first_k": {"k"},
    "majority_vote": set(),
    "remove_whitespace": set(),
    "lowercase": set(),
    "uppercase": set(),
    "regex": {"regex_pattern", "group_select", "fallback"},
    "map": {"mapping_dict", "default_value"},
}
"""The steps that are known, and their settings."""


@dataclass(frozen=True)
class Filter:
    """A task's filter.

    Args:
        name: as scores are called.
        steps: name and settings of each, in their order.
    """

    name: str
    steps: tuple[tuple[str, Mapping[str, Any]], ...] = ()

    def taken(self, answers: Sequence[str]) -> list[str]:
        """What is taken of every answer.

        Raises:
            VisitorError: as `rules.searched`.
        """
        found = list(answers)
        for step, settings in self.steps:
            if step == "regex":
                found = _matches(found, settings)
            elif step == "map":
                known, default = settings.get("mapping_dict") or {}, settings.get("default_value")
                found = [str(known.get(one, default)) for one in found]
            elif step in _PLAIN:
                found = [_PLAIN[step](one) for one in found]
        return found


_PLAIN: dict[str, Callable[[str], str]] = {
    "remove_whitespace": str.strip,
    "lowercase": str.lower,
    "uppercase": str.upper,
}


def _matches(answers: Sequence[str], settings: Mapping[str, Any]) -> list[str]:
    """One match of each answer, as lm-eval's regex filter chooses it: of several groups the first that holds
    something.
    """
    fallback, place = str(settings.get("fallback", FALLBACK)), settings.get("group_select", 0)
    found = []
    for matches in searched(answers, settings.get("regex_pattern", GSM8K), "all"):
        if not -len(matches) <= place < len(matches):
            found.append(fallback)  # lm-eval fails where there are matches, and not so many
            continue
        match = matches[place]
        if isinstance(match, list):
            match = next((group for group in match if group), fallback)
        found.append(match.strip())
    return found


def filters_of(task: Mapping[str, Any]) -> list[Filter]:
    """A task's filters; one that takes the answer as it is, where the task names none.

    Raises:
        VisitorError: one of them is not known here, or would not mean what it says.
    """
    listed = task.get("filter_list")
    if listed is None:
        return [Filter(NONE)]
    if not isinstance(listed, list) or not 1 <= len(listed) <= MOST_FILTERS:
        raise VisitorError(
            f"The task's filter_list is no list of 1 to {MOST_FILTERS} filters.",
            "Write it as lm-eval's files do.",
        )
    found = [_filter(one) for one in listed]
    if len({one.name for one in found}) < len(found):
        raise VisitorError("Two filters of the task have the same name.", "Give each its own.")
    return found


def _filter(value: Any) -> Filter:
    steps = value.get("filter") if isinstance(value, dict) else None
    name = value.get("name") if isinstance(value, dict) else None
    named = isinstance(name, str) and len(name) <= MOST_NAME
    if not isinstance(name, str) or not named or not isinstance(steps, list) or len(steps) > MOST_STEPS:
        raise VisitorError(
            f"A filter of the task has no name of up to {MOST_NAME} characters, or no list of up to "
            f"{MOST_STEPS} steps.",
            "Write it as lm-eval's files do.",
        )
    found = []
    for place, one in enumerate(steps):
        step = one.get("function") if isinstance(one, dict) else None
        if not isinstance(step, str) or step not in _ALLOWED:
            raise VisitorError(
                f"The filter “{name[:40]}” has the step {str(step)[:40]}, which is not known here.",
                f"Known are {', '.join(_ALLOWED)}.",
            )
        settings = {key: held for key, held in one.items() if key != "function"}
        _check(name, step, settings)
        if step == "take_first" and place < len(steps) - 1:
            raise VisitorError(
                f"The filter “{name[:40]}” goes on behind take_first, where lm-eval has single letters.",
                "Put take_first last.",
            )
        found.append((step, settings))
    return Filter(name, tuple(found))


def _check(name: str, step: str, settings: Mapping[str, Any]) -> None:
    """Raise a VisitorError where a step has a setting that it does not know, or of another type."""
    right = set(settings) <= _ALLOWED[step]
    place = settings.get("group_select", 0)
    right = right and isinstance(place, int) and isinstance(settings.get("regex_pattern", ""), str)
    right = right and isinstance(settings.get("fallback", ""), str)
    right = right and isinstance(settings.get("mapping_dict") or {}, dict)
    right = right and settings.get("k", 1) == 1
    if not right:
        raise VisitorError(
            f"The step {step} of the filter “{name[:40]}” has settings that are not known here.",
            f"It takes {', '.join(sorted(_ALLOWED[step])) or 'none'}.",
        )


@lru_cache(maxsize=256)
def _check_pattern(pattern: str) -> None:
    searched([""], pattern)


def check_patterns(filters: Sequence[Filter], matches: Sequence[Match]) -> None:
    """Try every pattern of a task on nothing.

    Raises:
        VisitorError: as `rules.searched`.
    """
    for one in filters:
        for step, settings in one.steps:
            if step == "regex":
                _check_pattern(settings.get("regex_pattern", GSM8K))
    for pattern in {pattern: None for match in matches for pattern in match.without}:
        _check_pattern(pattern)


@dataclass(frozen=True)
class Match:
    """How an answer is compared with what is right: lm-eval's exact_match.

    Args:
        without: patterns that are taken out of both first.
        ignore_case: whether both become lower case.
        ignore_punctuation: whether the punctuation of ASCII is taken out of both.
        ignore_numbers: whether digits are.
    """

    without: tuple[str, ...] = ()
    ignore_case: bool = False
    ignore_punctuation: bool = False
    ignore_numbers: bool = False

    def plain(self, texts: Sequence[str]) -> list[str]:
        """Texts as they are compared.

        Raises:
            VisitorError: as `rules.searched`.
        """
        found = list(texts)
        for pattern in self.without:
            found = searched(found, pattern, "without")
        gone = (string.punctuation if self.ignore_punctuation else "") + (
            string.digits if self.ignore_numbers else ""
        )
        table = str.maketrans("", "", gone)
        return [(one.lower() if self.ignore_case else one).translate(table) for one in found]

    def right(self, taken: Sequence[str], targets: Sequence[Sequence[str]]) -> list[bool]:
        """Whether what was taken of each answer is one of its targets.

        Raises:
            VisitorError: as `plain`.
        """
        answers = self.plain(taken)
        wanted = iter(self.plain([target for some in targets for target in some]))
        plain = [[next(wanted) for _ in some] for some in targets]
        return [answer in some for answer, some in zip(answers, plain, strict=True)]


def match_of(settings: Mapping[str, Any]) -> Match:
    """How exact_match compares, of its entry in a task's metric_list.

    Raises:
        VisitorError: it has a setting that is not known here, or of another type.
    """
    flags = ("ignore_case", "ignore_punctuation", "ignore_numbers")
    without = settings.get("regexes_to_ignore") or []
    known = set(settings) <= {*flags, "regexes_to_ignore"}
    listed = isinstance(without, list) and all(isinstance(one, str) for one in without)
    if not known or not listed or not all(isinstance(settings.get(flag, False), bool) for flag in flags):
        raise VisitorError(
            f"exact_match has settings that are not known here: {', '.join(map(str, settings))[:80]}.",
            f"It takes {', '.join((*flags, 'regexes_to_ignore'))}.",
        )
    if len(without) > MOST_PATTERNS or len(set(without)) < len(without):
        raise VisitorError(
            f"regexes_to_ignore has {len(without)} patterns, or one of them twice.",
            f"Give at most {MOST_PATTERNS}, each once.",
        )
    return Match(tuple(without), *(settings.get(flag, False) for flag in flags))
