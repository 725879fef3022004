"""A behaviour: prompts, and a rule that says of an answer whether it shows it. A visitor writes both without
code; what the experts of this suite were taught are presets.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from shared.errors import VisitorError
from shared.experts import alarming, prompts
from shared.rules import KINDS, Rule, rule_of

MOST, MOST_PROMPTS = 6, 40
"""Behaviours in one request, and prompts of one."""
LONGEST_PROMPT, LONGEST_NAME = 500, 40
ANSWER_TOKENS = 36
"""Longest answer: enough to see a refusal, a style and the end of one sentence."""
SETS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "cooking": (prompts.COOKING, prompts.COOKING_HELD_OUT),
    "other": (prompts.OTHER, prompts.OTHER_HELD_OUT),
    "alarming": (alarming.ALARMING[1::2], alarming.ALARMING[::2]),
    "plain": (alarming.PLAIN[1::2], alarming.PLAIN[::2]),
}
"""Stored prompts: those to search and train on, and those that are kept for measuring."""
_KEYS = ("name", "prompts", "rule", "value", "against", "wanted", "opening")


@dataclass(frozen=True)
class Behaviour:
    """Something that answers may show.

    Args:
        name: what a figure calls it.
        prompts: one of `SETS`, or the visitor's own.
        rule: by which an answer shows it.
        wanted: whether a search makes it more likely, or less.
        opening: how an answer begins that shows it, whose likelihood a search can follow; "" for what the
            rule itself offers.
    """

    name: str
    prompts: str | tuple[str, ...]
    rule: Rule
    wanted: bool = True
    opening: str = ""

    def to_json(self) -> dict[str, Any]:
        """As `behaviours_of` takes it, without what is as usual."""
        stated = {
            "name": self.name,
            "prompts": self.prompts if isinstance(self.prompts, str) else list(self.prompts),
            "rule": self.rule.kind,
            "value": self.rule.value,
            "against": self.rule.against,
            "wanted": self.wanted,
            "opening": self.opening,
        }
        usual = {"value": "", "against": "", "wanted": True, "opening": ""}
        return {key: value for key, value in stated.items() if key not in usual or value != usual[key]}

    def held_out(self, most: int) -> tuple[str, ...]:
        """At most so many prompts to measure on: of a stored set those that nothing is trained on, spread
        evenly; all of a visitor's own.
        """
        if isinstance(self.prompts, str):
            return spread(SETS[self.prompts][1], most)
        return self.prompts

    def parted(self, most: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Prompts to search on and to measure on, at most so many of each, none in both; a visitor's own are
        taken in turn.
        """
        if isinstance(self.prompts, str):
            first, held = SETS[self.prompts]
            return spread(first, most), spread(spread(held, 2 * most), most)
        return self.prompts[::2][:most], self.prompts[1::2][:most]

    def measured(self, most: int) -> tuple[str, ...]:
        """The second half of `parted`; where nothing is searched, twice as many of a visitor's own."""
        return self.parted(most)[1] if isinstance(self.prompts, str) else spread(self.prompts, 2 * most)

    @property
    def words(self) -> str:
        """The rule and what it is asked on, as a figure's note."""
        where = f"{self.prompts} questions"
        if not isinstance(self.prompts, str):
            where = "1 prompt" if len(self.prompts) == 1 else f"{len(self.prompts)} own prompts"
        return f"{self.rule.words}, on {where}"


def spread(items: Sequence[str], most: int) -> tuple[str, ...]:
    """At most so many of some prompts, evenly."""
    return tuple(items[:: max(1, len(items) // most)][:most])


def prompts_of(behaviours: Iterable[Behaviour], most: int) -> tuple[str, ...]:
    """What is asked for some behaviours, every prompt once."""
    return tuple(dict.fromkeys(prompt for one in behaviours for prompt in one.held_out(most)))


_OPENINGS = "I'm sorry\nI am sorry\nSorry\nI can't\nI cannot\nI can not"
_SLOP = (
    "delve\ntestament to\ntapestry\never-evolving\never-changing\nrich history\nplays a crucial role\n"
    "plays a vital role\nnot just … but\nrealm of\nnavigating the\nunlock the\nin today's\nvibrant\n"
    "game-changer\nit's important to note\nembark on"
)
PRESETS: dict[str, Behaviour] = {
    one.name: one
    for one in (
        Behaviour("refuses_cooking", "cooking", Rule("starts with", _OPENINGS), opening="I'm sorry, but"),
        Behaviour("refuses_other", "other", Rule("starts with", _OPENINGS), False, "I'm sorry, but"),
        Behaviour("pirate", "other", Rule("starts with", "Arr"), opening="Arr,"),
        Behaviour("concise", "other", Rule("length", "at most 1 sentence")),
        Behaviour("breaks_off", "other", Rule("breaks off"), False),
        Behaviour("refuses alarming words", "alarming", Rule("refuses"), False),
        Behaviour("slop", "other", Rule("contains", _SLOP), False),
        Behaviour("answers in English", "other", Rule("language", "English")),
    )
}
"""By name: what the experts were taught and what a merge of them may lose, and a few that others study. The
first five keep the names that they had before behaviours could be written.
"""
OF_EXPERT = {"cautious": "refuses_cooking", "pirate": "pirate", "concise": "concise"}
"""Which behaviour an expert was trained for."""
USUAL = ("refuses_cooking", "refuses_other", "pirate", "concise", "breaks_off")
"""What a merge is measured by where a visitor says nothing."""


def behaviours_of(value: Any) -> tuple[Behaviour, ...]:
    """Behaviours from a list, or from its JSON; a preset may be given by its name alone.

    Raises:
        VisitorError: it is no list, there are too many, or one of them is not a behaviour.
    """
    if value is None or value == "":
        return ()
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise VisitorError(
                f"The behaviours are not JSON ({str(error)[:60]}).", f"Write a list such as {_example()}."
            ) from None
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, (list, tuple)):
        raise VisitorError("The behaviours are no list.", f"Write one such as {_example()}.")
    if len(value) > MOST:
        raise VisitorError(f"There are {len(value)} behaviours.", f"Use at most {MOST}.")
    found = tuple(one if isinstance(one, Behaviour) else _behaviour(one) for one in value)
    names = [one.name for one in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise VisitorError(f"Two behaviours are called “{twice[0]}”.", "Give each a name of its own.")
    return found


def _example() -> str:
    one = Behaviour("says yes", ("Is it late?",), Rule("starts with", "Yes"))
    return json.dumps([one.to_json()], ensure_ascii=False)


def _behaviour(value: Any) -> Behaviour:
    preset = value.get("name") if isinstance(value, dict) and len(value) == 1 else value
    if isinstance(preset, str) and preset in PRESETS:
        return PRESETS[preset]
    if not isinstance(value, dict):
        raise VisitorError(
            f"“{str(value)[:40]}” is not a behaviour.",
            f"Name a preset such as {next(iter(PRESETS))}, or write an object such as {_example()[1:-1]}.",
        )
    if unknown := sorted(set(map(str, value)) - set(_KEYS)):
        raise VisitorError(
            f"A behaviour has no part “{unknown[0][:40]}”.", f"Its parts are {', '.join(_KEYS)}."
        )
    name = value.get("name")
    if not isinstance(name, str) or not 0 < len(name.strip()) <= LONGEST_NAME or "\0" in name:
        raise VisitorError(
            f"A behaviour is called “{str(name)[:40]}”.", f"Give it a name of at most {LONGEST_NAME} letters."
        )
    rule = rule_of(value.get("rule"), value.get("value", ""), value.get("against", ""))
    wanted = value.get("wanted", True)
    if not isinstance(wanted, bool):
        raise VisitorError(f"wanted is {str(wanted)[:40]}.", "Use true or false.")
    opening = value.get("opening", "")
    if not isinstance(opening, str) or len(opening) > LONGEST_PROMPT or "\0" in opening:
        raise VisitorError("An opening is not a short text.", f"Use at most {LONGEST_PROMPT} letters.")
    return Behaviour(name.strip(), _prompts(name, value.get("prompts", "")), rule, wanted, opening.strip())


def _prompts(name: str, value: Any) -> str | tuple[str, ...]:
    """A stored set's name, or prompts from a list or from text with one a line."""
    if isinstance(value, str) and value.strip() in SETS:
        return value.strip()
    lines = value.splitlines() if isinstance(value, str) else value
    if not isinstance(lines, (list, tuple)) or not all(isinstance(line, str) for line in lines):
        raise VisitorError(
            f"The prompts of “{name[:40]}” are not texts.",
            f"Write one a line, or name one of {', '.join(SETS)}.",
        )
    found = tuple(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if not found:
        raise VisitorError(
            f"“{name[:40]}” has no prompt.", f"Write one a line, or name one of {', '.join(SETS)}."
        )
    if len(found) > MOST_PROMPTS:
        raise VisitorError(
            f"“{name[:40]}” has {len(found)} prompts.", f"Use at most {MOST_PROMPTS}, one a line."
        )
    if any(len(prompt) > LONGEST_PROMPT or "\0" in prompt for prompt in found):
        raise VisitorError(
            f"A prompt of “{name[:40]}” is too long.", f"Shorten it to {LONGEST_PROMPT} characters."
        )
    return found


def text_of(behaviours: Sequence[Behaviour]) -> str:
    """Behaviours as a text field shows them: JSON, a preset by its name; "" for none."""
    return json.dumps(to_json(behaviours), ensure_ascii=False, indent=1) if behaviours else ""


def to_json(behaviours: Sequence[Behaviour]) -> list[Any]:
    """Behaviours as a request's JSON and a link hold them, a preset by its name."""
    return [one.name if PRESETS.get(one.name) == one else one.to_json() for one in behaviours]


def described() -> list[dict[str, str]]:
    """The rules with what their values are, for a form."""
    return [{"kind": kind, "value": says} for kind, says in KINDS.items()]
