"""What a visitor asks for: models, items, how an answer counts; the forms that items are put in; models whose
answers are judged; or a plan of how many items that takes.

It is long because every check of what a visitor sends stands in one place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from evaluation.forms import DRAWN, KINDS, Form, Formed, all_formed
from shared import hub, request
from shared.behaviour import spread
from shared.checks import SEED, between, flag, one_of, whole
from shared.choices import METRICS, MUTUAL
from shared.embedded_model import EMBEDDED_MODEL
from shared.errors import VisitorError
from shared.experts.prompts import OTHER_HELD_OUT
from shared.item_sets import SETS, SHORT, drawn, shuffled
from shared.items import MAX_ITEMS, Item, items_of
from shared.mean import AND
from shared.numbers import counted
from shared.request import setting
from shared.rounding import K_TYPES, TYPES

MAX_MODELS = 4
MOST_OF_A_SET = 200
"""Items that are drawn from one set."""
MAX_ITEMS_CHARACTERS = 400_000
"""Own items, as text."""
MAX_CORPUS_CHARACTERS = 400_000
"""A corpus that is given as text."""
AT = "@"
"""Between a model's name and the GGUF type that it is rounded to."""
ROUNDED = (*TYPES, *K_TYPES)


@dataclass(frozen=True)
class Named:
    """A model as a request names it.

    Args:
        model: a Hub id, an expert, a folder of the owner's, or several with `AND` between them, whose mean is
            meant.
        rounding: a GGUF type, or "" for the model as it is.
    """

    model: str
    rounding: str = ""

    @property
    def parts(self) -> list[str]:
        """The models that are loaded for it."""
        whole = self.model.startswith((".", "/", "~"))  # a folder's name may hold any sign
        return [self.model] if whole else [one.strip() for one in self.model.split(AND)]

    @property
    def short(self) -> str:
        """A name for a picture."""
        few = [one.rstrip("/").split("/")[-1] for one in self.parts]
        name = f"mean of {', '.join(few[:-1])} and {few[-1]}" if few[1:] else few[0]
        return f"{name} in {self.rounding}" if self.rounding else name


def named(text: str) -> Named:
    """A model, what it is the mean of and what it is rounded to, from `name`, `name@Q4_0` or `one+other`.

    Raises:
        VisitorError: it is rounded to no known type, or the mean of too many or of nothing.
    """
    name, at, rounding = text.rpartition(AT)
    found = Named(name, rounding) if at else Named(text)
    if at and (rounding not in ROUNDED or not name):
        raise VisitorError(
            f"“{text[:60]}” asks for the type “{rounding[:20]}”.",
            f"Write the model's name, or name{AT}type with one of {', '.join(ROUNDED)}.",
        )
    if not all(found.parts) or not 1 <= len(set(found.parts)) == len(found.parts) <= MAX_MODELS:
        raise VisitorError(
            f"“{text[:60]}” is no mean of models.",
            f"Write 2 to {MAX_MODELS} different names with {AND} between them.",
        )
    return found


def _listed(value: Any) -> list[str]:
    """Names from a list, or from text with commas or lines between."""
    if isinstance(value, str):
        value = value.replace("\n", ",").split(",")
    if not isinstance(value, (list, tuple)) or not all(isinstance(one, str) for one in value):
        raise VisitorError(f"“{str(value)[:40]}” is no list of names.", "Write names with commas between.")
    return list(dict.fromkeys(one.strip() for one in value if one.strip()))


def models_of(_: str, value: Any) -> tuple[str, ...]:
    found = _listed(value)
    if not 1 <= len(found) <= MAX_MODELS:
        raise VisitorError(f"There are {len(found)} models.", f"Name 1 to {MAX_MODELS}, the base first.")
    for one in found:
        if len(one) > 300 or "\0" in one:
            raise VisitorError("A model's name is too long.", "Use at most 300 characters.")
        named(one)
    return tuple(found)


def _tasks(_: str, value: Any) -> tuple[str, ...]:
    found = _listed(value)
    unknown = [one for one in found if one not in SETS]
    if unknown or not found:
        what = f"There is no set “{unknown[0][:40]}”." if unknown else "No set of items is named."
        raise VisitorError(what, f"Known are {', '.join(SETS)}.")
    return tuple(found)


def _items(_: str, value: Any) -> str:
    if isinstance(value, (list, tuple)):
        try:
            value = "\n".join(json.dumps(one, ensure_ascii=False) for one in value)
        except (TypeError, ValueError):
            raise VisitorError(
                "The items are no JSON.", "Give objects of texts, lists and numbers."
            ) from None
    if not isinstance(value, str) or len(value) > MAX_ITEMS_CHARACTERS:
        raise VisitorError(
            f"The items are longer than {MAX_ITEMS_CHARACTERS:,} characters, or no text.",
            "Give fewer, one line of JSON each.",
        )
    items_of(value)
    return value


@dataclass(frozen=True)
class ModelsRequest(request.Request):
    """Models, the base first."""

    models: tuple[str, ...] = setting(
        (EMBEDDED_MODEL, f"{EMBEDDED_MODEL}{AT}Q4_0"),
        models_of,
        f"one to {MAX_MODELS} models, the base first: Hub ids, experts, one{AND}other for the mean of their "
        f"weights, or name{AT}type for one rounded to a GGUF type ({', '.join(ROUNDED)})",
    )

    @property
    def sides(self) -> list[Named]:
        """The models that are loaded, the base first."""
        return [named(one) for one in self.models]

    @property
    def names(self) -> list[str]:
        """Short names of the models, all different."""
        return short_names(self.models)


@dataclass(frozen=True)
class ItemsRequest(ModelsRequest):
    """Models and the items that they are asked."""

    tasks: tuple[str, ...] = setting(
        SHORT, _tasks, f"sets of items, where none of your own are given: {', '.join(SETS)}"
    )
    items: str = setting(
        "", _items, "items of your own, in the place of the sets: objects with prompt, choices and gold"
    )
    limit: int = setting(24, whole(1, MOST_OF_A_SET), "items of a set at most, drawn with the seed")
    seed: int = setting(0, SEED, "of the draw, of the order of all items, and of generated items")
    metric: str = setting(
        "acc",
        one_of(*METRICS),
        "the likeliest choice, " + "; ".join(f"{name}: {says}" for name, says in METRICS.items()),
    )

    @property
    def readings(self) -> int:
        """How often an item is read: by every model once."""
        return len(self.models)

    def planned(self) -> list[Item]:
        """The items in the order in which they are asked.

        Raises:
            VisitorError: there are none, or too many.
        """
        if self.items.strip():
            found = list(items_of(self.items))
        else:
            found = [item for task in self.tasks for item in drawn(task, self.seed, self.limit)]
        if not found:
            raise VisitorError("There is no item.", "Write one a line.")
        if len(found) * self.readings > MAX_ITEMS:
            raise VisitorError(
                f"{len(found):,} items read {self.readings} times each are more than {MAX_ITEMS:,} readings.",
                "Lower limit, or name fewer sets, models or forms.",
            )
        return shuffled(found, self.seed)

    def consistent(self) -> Self:
        self.planned()
        return self


def short_names(models: Sequence[str]) -> list[str]:
    """Of models as a request names them their short names, all different."""
    short = [named(one).short for one in models]
    return [
        name if short.count(name) == 1 else whole_name for name, whole_name in zip(short, models, strict=True)
    ]


def _corpus(_: str, value: Any) -> str:
    if isinstance(value, (list, tuple)) and all(isinstance(one, str) for one in value):
        value = "\n\n".join(value)
    if not isinstance(value, str) or len(value) > MAX_CORPUS_CHARACTERS:
        raise VisitorError(
            f"The corpus is longer than {MAX_CORPUS_CHARACTERS:,} characters, or no text.",
            "Name a dataset of the Hub, of which more is read.",
        )
    return value


def _corpus_dataset(_: str, value: Any) -> str:
    if not isinstance(value, str):
        raise VisitorError("The corpus is no dataset's name.", "Write owner/name.")
    found = value.strip()
    if found:
        name, *more = found.split(":")
        if len(more) > 2 or not all(more):
            raise VisitorError(
                f"“{found[:60]}” names no split.", "Write owner/name:split, or owner/name:config:split."
            )
        hub.check_id(name, "dataset")
    return found


@dataclass(frozen=True)
class CompareRequest(ItemsRequest):
    """Everything that determines an evaluation."""

    chat: bool = setting(False, flag, "whether prompts go through the models' chat templates")
    early: bool = setting(False, flag, "stop at the first of ten planned looks that decides")
    corpus: str = setting(
        "",
        _corpus,
        "a text that may hold the items: paragraphs, or JSON Lines; each item is looked for in it",
    )
    corpus_dataset: str = setting(
        "",
        _corpus_dataset,
        "instead of it a dataset of the Hub: owner/name, owner/name:split or owner/name:config:split",
        blank=True,
    )
    ngram: int = setting(
        8, whole(8, 50), "words in a row from which the corpus counts as holding an item; shorter ones whole"
    )

    def consistent(self) -> Self:
        if self.early and len(self.models) < 2:
            raise VisitorError("One model cannot be decided between.", "Name a second one, or clear early.")
        return super().consistent()


def _forms(_: str, value: Any) -> tuple[str, ...]:
    found = _listed(value)
    unknown = [one for one in found if one not in KINDS]
    if unknown or len(found) < 2:
        what = f"There is no form “{unknown[0][:40]}”." if unknown else "Fewer than two forms are named."
        raise VisitorError(what, f"Name at least two of {', '.join(KINDS)}.")
    return tuple(found)


@dataclass(frozen=True)
class FragileRequest(ItemsRequest):
    """The same items in several forms."""

    models: tuple[str, ...] = setting(
        (EMBEDDED_MODEL, "pirate"), models_of, ItemsRequest.declared()["models"].metadata["says"]
    )
    tasks: tuple[str, ...] = setting(
        ("opposites", "past", "everyday", "sums"),
        _tasks,
        ItemsRequest.declared()["tasks"].metadata["says"],
    )
    limit: int = setting(12, whole(1, MOST_OF_A_SET), "items of a set at most, drawn with the seed")
    variants: tuple[str, ...] = setting(
        tuple(KINDS),
        _forms,
        "forms that every item is put in, the one whose difference is claimed first: "
        + "; ".join(f"{kind}: {says}" for kind, says in KINDS.items()),
    )
    draws: int = setting(
        2, whole(1, 5), f"how often {', '.join(DRAWN)} are drawn: orders of the choices, or examples"
    )
    shots: int = setting(2, whole(1, 8), "examples before the prompt in few-shot")

    @property
    def forms(self) -> list[Form]:
        """Every form and draw that is asked for."""
        return [
            Form(kind, draw if self.draws > 1 and kind in DRAWN else 0)
            for kind in self.variants
            for draw in range(1, 1 + (self.draws if kind in DRAWN else 1))
        ]

    @property
    def readings(self) -> int:
        """How often an item is read: by every model in every form."""
        return len(self.models) * len(self.forms)

    def formed(self, items: Sequence[Item]) -> list[list[Formed]]:
        """Of every form every item.

        Raises:
            VisitorError: as `forms.formed`.
        """
        return all_formed(items, self.forms, self.seed, self.shots, self._pools())

    def consistent(self) -> Self:
        if self.metric == MUTUAL:
            raise VisitorError(
                f"Forms are not compared by {MUTUAL}.",
                f"Choose one of {', '.join(name for name in METRICS if name != MUTUAL)}.",
            )
        self.formed(self.planned())
        return self

    def _pools(self) -> dict[str, list[Item]]:
        """Of every set the items that examples are drawn from: the whole set, whatever its limit."""
        if not self.items.strip():
            return {task: SETS[task].make(self.seed) for task in self.tasks}
        found: dict[str, list[Item]] = {}
        for item in items_of(self.items):
            found.setdefault(item.task, []).append(item)
        return found


MOST_ANSWERS = 80
"""Answers of one run, models times prompts."""
LONGEST_PROMPT = 500
"""Characters of a prompt."""
EXPECTS = "=>"
"""Between a prompt and what a right answer contains."""
WITH_ANSWERS = (
    "What is the capital of Japan? => Tokyo",
    "How many legs does a spider have? => eight, 8",
    "Which planet is closest to the Sun? => Mercury",
    "What colour is made of blue and yellow? => green",
    "In which season does snow usually fall? => winter",
    "What is frozen water called? => ice",
)
ASKS = (*WITH_ANSWERS, *spread(OTHER_HELD_OUT, 10))
"""Prompts to judge answers to: some with what is right, some where that is a matter of judgement."""


@dataclass(frozen=True)
class Ask:
    """A prompt to answer.

    Args:
        prompt: what is asked.
        expected: of which a right answer contains one; () where nobody says.
    """

    prompt: str
    expected: tuple[str, ...] = ()

    def knows(self, answer: str) -> bool:
        """Whether an answer contains what is expected, as words of their own, in any case."""
        return any(
            re.search(rf"(?<!\w){re.escape(one)}(?!\w)", answer, re.IGNORECASE) for one in self.expected
        )


def _ask(line: str) -> Ask:
    prompt, _, expected = line.partition(EXPECTS)
    return Ask(prompt.strip(), tuple(one.strip() for one in expected.split(",") if one.strip()))


def prompts_of(value: Any) -> tuple[str, ...]:
    """Prompts from a text with one a line, or from a list, each once.

    Raises:
        VisitorError: it is neither, or holds none.
    """
    if isinstance(value, str):
        value = value.splitlines()
    if not isinstance(value, (list, tuple)) or not all(isinstance(one, str) for one in value):
        raise VisitorError("The prompts are no list of texts.", "Write one a line.")
    found = tuple(dict.fromkeys(one.strip() for one in value if one.strip()))
    if not found:
        raise VisitorError("There is no prompt.", "Write one a line.")
    return found


def check_answers(models: int, prompts: int) -> None:
    """Raise a VisitorError where so many models give too many answers to so many prompts."""
    if models * prompts > MOST_ANSWERS:
        raise VisitorError(
            f"{counted(prompts, 'prompt')} for {counted(models, 'model')} are more than {MOST_ANSWERS} "
            "answers.",
            "Leave out prompts or models.",
        )


def _prompts(_: str, value: Any) -> tuple[str, ...]:
    found = prompts_of(value)
    for one in found:
        if len(one) > LONGEST_PROMPT:
            raise VisitorError(
                f"The prompt “{one[:40]}…” has {len(one):,} characters.", f"Use at most {LONGEST_PROMPT}."
            )
        if not _ask(one).prompt:
            raise VisitorError(
                f"Before the {EXPECTS} of “{one[:40]}” stands no prompt.",
                "Write the question first, then what its answer contains.",
            )
    return found


def _judge(name: str, value: Any) -> str:
    found = str(value).strip() if isinstance(value, str) else None
    if found is None:
        raise VisitorError(f"{name} is no model's name.", "Name a model, or leave it empty.")
    return models_of(name, [found])[0] if found else ""


@dataclass(frozen=True)
class JudgeRequest(ModelsRequest):
    """Models whose answers are held against each other in pairs."""

    models: tuple[str, ...] = setting(
        (EMBEDDED_MODEL, "pirate", "concise"), models_of, ModelsRequest.declared()["models"].metadata["says"]
    )
    prompts: tuple[str, ...] = setting(
        ASKS,
        _prompts,
        f"what every model answers; after {EXPECTS} what a right answer contains, several with commas",
    )
    judge: str = setting(
        EMBEDDED_MODEL,
        _judge,
        "a model that reads every pair in both orders; empty for none",
        blank=True,
    )
    tokens: int = setting(40, whole(4, 128), "longest answer, tokens")
    seed: int = setting(0, SEED, "of the order of pairs, and of which answer stands on the left")

    @property
    def asks(self) -> list[Ask]:
        """The prompts with what is expected."""
        return [_ask(one) for one in self.prompts]

    @property
    def sides(self) -> list[Named]:
        """The models, and the judge behind them where it is none of them."""
        return [named(one) for one in (*self.models, *([self.judge] if self._apart else []))]

    @property
    def judged_by(self) -> int | None:
        """The judge's place among `sides`."""
        if not self.judge:
            return None
        return len(self.models) if self._apart else self.models.index(self.judge)

    @property
    def _apart(self) -> bool:
        return bool(self.judge) and self.judge not in self.models

    def consistent(self) -> Self:
        if len(self.models) < 2:
            raise VisitorError("One model has no pairs.", "Name a second one.")
        check_answers(len(self.models), len(self.prompts))
        return self


def _share(name: str, value: Any) -> float:
    return between(0.0, 1.0)(name, value)


@dataclass(frozen=True)
class PowerRequest(request.Request):
    """What a comparison that is not yet run could see."""

    items: int = setting(100, whole(2, 100_000), "items that both models answer")
    discordant: float = setting(
        0.1,
        _share,
        "share of items of which one model is right and the other wrong: .05 to .1 for a mild change",
    )
    difference: float = setting(0.05, _share, "a difference of the scores that you care about, a share")
    level: float = setting(0.05, between(0.0001, 0.5), "α: how often equal models may be called different")
    power: float = setting(0.8, between(0.05, 0.999), "how often the difference should be seen")
