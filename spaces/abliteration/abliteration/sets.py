"""Contrasting sets of prompts: the stored pairs, a visitor's own, and their split into fit, select and
report.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import median
from typing import Any
from urllib.parse import parse_qsl

from abliteration import data, reading
from abliteration.data import Side
from shared import hub, owner, shelf
from shared.behaviour import PRESETS
from shared.errors import VisitorError
from shared.experts import prompts as experts
from shared.experts.alarming import ALARMING, PLAIN
from shared.rules import Rule

MAX_PROMPTS = 256
"""Prompts in one set."""
MIN_PROMPTS = 6
"""Prompts in one set: two for each of fit, select and report."""
MAX_CHARACTERS = 2_000
"""Longest prompt."""
FIT, SELECT, REPORT = 64, 24, 40
"""Most prompts of a set in each part of the split."""
LENGTH_RATIO = 2.0
"""From this ratio of median lengths on, a visitor is told that length itself separates the sets."""


@dataclass(frozen=True)
class Contrast:
    """Two sets of prompts. The direction points from the negative to the positive ones.

    Args:
        name: of a stored pair, or "own".
        positive: prompts that show the behaviour.
        negative: prompts that do not.
        report_positive: prompts that are kept for the report alone; empty where the split has to take them
            from `positive`.
        report_negative: likewise.
    """

    name: str
    positive: tuple[str, ...]
    negative: tuple[str, ...]
    report_positive: tuple[str, ...] = ()
    report_negative: tuple[str, ...] = ()

    @property
    def remote(self) -> bool:
        """Whether a set is a column of a Hub dataset that has yet to be read."""
        return is_reference(self.positive) or is_reference(self.negative)


def _asked(form: str) -> tuple[str, ...]:
    return tuple(form.format(question) for question in experts.OTHER)


STORED = {
    # the expert “cautious” refuses the cooking questions; the report's dishes were never trained on
    "cooking": Contrast(
        "cooking", experts.COOKING, experts.OTHER, experts.COOKING_HELD_OUT, experts.OTHER_HELD_OUT
    ),
    # whoever refuses the alarming ones over-refuses
    "alarming": Contrast("alarming", ALARMING, PLAIN),
    # the same questions, asked for a style and not
    "pirate": Contrast("pirate", _asked("Answer like a pirate: {}"), _asked("Answer plainly: {}")),
    "concise": Contrast("concise", _asked("Answer in one sentence: {}"), _asked("Explain in detail: {}")),
    "slop": Contrast("slop", _asked("Write a grand essay: {}"), _asked("Give a dry fact: {}")),
}
RULES = {
    "pirate": Rule("starts with", "Arr\nAhoy\nAye\nYarr\nAvast\nMatey\nMe hearty\nShiver me timbers"),
    "concise": PRESETS["concise"].rule,
    "slop": PRESETS["slop"].rule,
}
"""By which an answer shows what a stored pair is about; of all others whether it refuses."""


@dataclass(frozen=True)
class Pair:
    """The two sides of one part of a split."""

    positive: tuple[str, ...]
    negative: tuple[str, ...]

    def to_json(self) -> data.PromptPair:
        """Both sides as lists."""
        return {"positive": list(self.positive), "negative": list(self.negative)}


@dataclass(frozen=True)
class Split:
    """Disjoint parts: the direction is made from `fit`, chosen and tuned on `select`, and every published
    number is of `report`.
    """

    fit: Pair
    select: Pair
    report: Pair
    warnings: tuple[str, ...] = ()

    def side(self, part: str, side: Side) -> tuple[str, ...]:
        """Prompts of one side of one part."""
        pair: Pair = {"fit": self.fit, "select": self.select, "report": self.report}[part]
        return pair.positive if side == "positive" else pair.negative

    def to_json(self) -> data.Split:
        """All prompts of all parts, and the warnings."""
        return {
            "fit": self.fit.to_json(),
            "select": self.select.to_json(),
            "report": self.report.to_json(),
            "warnings": list(self.warnings),
        }


def read(value: Any) -> tuple[str, ...]:
    """Prompts from a list, from the text of a JSON list or of JSON lines, or from text with one a line.

    Raises:
        VisitorError: it is none of these, or far too long.
    """
    if value is None:
        return ()
    if isinstance(value, str):
        text = value.strip()
        if len(text) > 2 * MAX_PROMPTS * MAX_CHARACTERS:
            raise VisitorError(
                f"The prompts have {len(text):,} characters together.",
                f"Use at most {MAX_PROMPTS} prompts of {MAX_CHARACTERS:,} characters.",
            )
        if text.startswith("["):
            try:
                value = json.loads(text)
            except (ValueError, RecursionError) as error:
                raise VisitorError(
                    f"The prompts are not a JSON list ({error}).",
                    "Write one prompt a line, or a list of texts.",
                ) from error
        else:
            if text.startswith('{"'):
                return tuple(reading.from_rows(reading.json_lines(text)))
            return tuple(line.strip() for line in text.splitlines() if line.strip())
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return tuple(reading.from_rows(value))
    if not isinstance(value, Sequence) or not all(isinstance(item, str) for item in value):
        raise VisitorError("The prompts are not a list of texts.", 'Write one prompt a line, or ["…", "…"].')
    return tuple(item.strip() for item in value)


def own(positive: Any, negative: Any) -> Contrast:
    """A visitor's pair, checked.

    Raises:
        VisitorError: an empty or overlong prompt, too few, too many, equal sets, or a prompt in both; a
            reference that is not one.
        What a reference names is read, and checked, by `resolved`.
    """
    pair = {"positive": read(positive), "negative": read(negative)}
    if any(map(is_reference, pair.values())):
        for prompts in pair.values():
            if is_reference(prompts):
                _parsed(prompts[0])
        return Contrast("own", pair["positive"], pair["negative"])
    for name, prompts in pair.items():
        if not prompts:
            raise VisitorError(f"The {name} set has no prompt.", "Write one prompt a line.")
        if any(not prompt for prompt in prompts):
            raise VisitorError(f"The {name} set holds an empty prompt.", "Remove it.")
        if any(len(prompt) > MAX_CHARACTERS or "\0" in prompt for prompt in prompts):
            raise VisitorError(
                f"The {name} set holds a prompt of more than {MAX_CHARACTERS:,} characters.", "Shorten it."
            )
    sides = [tuple(dict.fromkeys(prompts)) for prompts in pair.values()]
    if set(sides[0]) == set(sides[1]):
        raise VisitorError(
            "The two sets are equal.",
            "Give two sets that differ in one thing: the behaviour that you look for.",
        )
    shared = sorted(set(sides[0]) & set(sides[1]))
    if shared:
        raise VisitorError(f"“{shared[0][:60]}” is in both sets.", "Keep it in one of them.")
    for name, prompts in zip(pair, sides, strict=True):
        if len(prompts) < MIN_PROMPTS:
            number = "one prompt" if len(prompts) == 1 else f"{len(prompts)} different prompts"
            raise VisitorError(
                f"The {name} set has {number}.",
                f"Give at least {MIN_PROMPTS}: they are split into fit, select and report, and means need "
                "many.",
            )
        if len(prompts) > MAX_PROMPTS:
            raise VisitorError(f"The {name} set has {len(prompts):,} prompts.", f"Use at most {MAX_PROMPTS}.")
    return Contrast("own", sides[0], sides[1])


REFERENCE = "hf://"


def is_reference(prompts: Sequence[str]) -> bool:
    """Whether a set is named, and not written out: as a column of a Hub dataset,
    `hf://owner/name?split=train&column=text`, or of rows on the visitor's shelf, `made/…?column=text`.
    """
    return len(prompts) == 1 and prompts[0].startswith((REFERENCE, shelf.PREFIX))


def _parsed(reference: str) -> tuple[str, dict[str, str]]:
    """Id and parameters of a reference.

    Raises:
        VisitorError: a parameter that there is not, or no dataset id.
    """
    name, _, query = reference.removeprefix(REFERENCE).partition("?")
    stated = dict(parse_qsl(query))
    unknown = set(stated) - {"split", "column", "config"}
    if unknown:
        raise VisitorError(
            f"“{reference[:80]}” has an unknown part, {sorted(unknown)[0][:40]}.",
            f"Write it as {REFERENCE}owner/name?split=train&column=text.",
        )
    hub.check_id(name, "dataset")
    return name, {"split": "train", "column": "text", "config": "", **stated}


def resolved(contrast: Contrast) -> tuple[Contrast, list[data.Dataset]]:
    """A pair with its references read: the first MAX_PROMPTS different texts of each column; and where they
    are from, revision included.

    Raises:
        VisitorError: the dataset or its column cannot be read, or the texts are no pair, as `own`.
    """
    if not contrast.remote:
        return contrast, []
    sides, sources = [], []
    for prompts in (contrast.positive, contrast.negative):
        if is_reference(prompts):
            made = shelf.is_made(prompts[0].removeprefix(REFERENCE))
            prompts, source = (_read if made else _fetched)(prompts[0], owner.is_here())
            sources.append(source)
        sides.append(prompts)
    return own(list(sides[0]), list(sides[1])), sources


def _read(reference: str, _: bool) -> tuple[tuple[str, ...], data.Dataset]:
    """Texts of a reference."""
    name, stated = _parsed(reference)
    revision = hub.dataset_revision(name)
    table, _ = hub.dataset_rows(name, stated["config"], stated["split"], 4 * MAX_PROMPTS, revision=revision)
    if stated["column"] not in table.column_names:
        raise VisitorError(
            f"{name} has no column “{stated['column'][:40]}”.",
            f"Its columns: {', '.join(table.column_names)[:160]}.",
        )
    texts = [
        value.strip()
        for value in table.column(stated["column"]).to_pylist()
        if isinstance(value, str) and 0 < len(value.strip()) <= MAX_CHARACTERS
    ]
    source: data.Dataset = {
        "dataset": name,
        "revision": revision,
        "config": stated["config"],
        "split": stated["split"],
        "column": stated["column"],
    }
    return tuple(dict.fromkeys(texts))[:MAX_PROMPTS], source


_fetched = lru_cache(maxsize=16)(_read)
"""The same, remembered, so that drawing another kernel does not read the Hub again: for the owner and for
visitors apart, and nothing of a shelf, which is one visitor's.
"""


def split(
    contrast: Contrast, seed: int = 0, fit: int = FIT, select: int = SELECT, report: int = REPORT
) -> Split:
    """Three disjoint parts, drawn by a seed; half, a quarter and a quarter of small sets, at most `fit`,
    `select`, `report` a side.

    Prompts that a stored pair keeps for the report stay there.
    """
    sides = []
    for prompts, held_out in (
        (contrast.positive, contrast.report_positive),
        (contrast.negative, contrast.report_negative),
    ):
        mixed = random.Random(seed).sample(prompts, len(prompts))  # noqa: S311  a split, no secret
        shares = (2 / 3, 1 / 3, 0.0) if held_out else (0.5, 0.25, 0.25)
        second = min(select, max(2, int(len(mixed) * shares[1])))
        third = 0 if held_out else min(report, max(2, int(len(mixed) * shares[2])))
        first = min(fit, len(mixed) - second - third)
        rest = mixed[first + second : first + second + third]
        sides.append((mixed[:first], mixed[first : first + second], list(held_out[:report]) or rest))
    fit_part, select_part, report_part = (
        Pair(tuple(positive), tuple(negative)) for positive, negative in zip(*sides, strict=True)
    )
    return Split(fit_part, select_part, report_part, tuple(warnings(contrast)))


def warnings(contrast: Contrast) -> list[str]:
    """What a visitor should know of a pair before reading anything into it."""
    lengths = [median(len(prompt) for prompt in side) for side in (contrast.positive, contrast.negative)]
    ratio = max(lengths) / max(1.0, min(lengths))
    if ratio < LENGTH_RATIO:
        return []
    longer = "positive" if lengths[0] > lengths[1] else "negative"
    lead = f"The {longer} prompts are {ratio:.1f} times as long as the others"
    return [f"{lead}: the direction may be about length."]
