"""A decoding strategy: a named set of `GenerationConfig` fields that fit each other."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from decoding.data import Kind
from decoding.llama_cpp import settings as llama_cpp
from decoding.settings import BEAM_ONLY, SAMPLING_ONLY, SETTINGS, Setting
from shared import limits
from shared.errors import VisitorError

NAME_LENGTH = 40
"""Longest name of a strategy, in characters."""


@dataclass(frozen=True)
class Strategy:
    """A named set of `GenerationConfig` fields, or of llama.cpp's where `runtime` is llama.cpp; with a
    `prefix` it is a branch that starts from tokens chosen by hand.
    """

    name: str
    config: dict[str, Any] = field(default_factory=dict)
    prefix: tuple[int, ...] = ()

    @property
    def kind(self) -> Kind:
        """What the settings amount to, by transformers' own precedence."""
        config = self.config
        if config.get("runtime") == llama_cpp.RUNTIME:
            return "llama_cpp"
        if config.get("dola_layers") is not None:
            return "dola"
        if config.get("penalty_alpha") and not config.get("do_sample") and config.get("num_beams", 1) == 1:
            return "contrastive"
        if config.get("num_beam_groups", 1) > 1:
            return "group_beam"
        if config.get("num_beams", 1) > 1:
            return "beam_sample" if config.get("do_sample") else "beam"
        return "sample" if config.get("do_sample") else "greedy"

    @property
    def has_beams(self) -> bool:
        """Whether it is a beam search of any kind, which adds up plain log-probabilities."""
        return self.kind in ("beam", "beam_sample", "group_beam")

    @property
    def draws(self) -> bool:
        """Whether it takes random numbers."""
        return self.kind in ("sample", "beam_sample", "llama_cpp")

    @property
    def rows(self) -> int:
        """How many sequences the strategy extends at once."""
        if self.kind == "contrastive":
            return int(self.config.get("top_k", 50))
        return max(int(self.config.get("num_beams", 1)), int(self.config.get("num_return_sequences", 1)))

    def to_json(self) -> dict[str, Any]:
        """The strategy as the API takes it: name, prefix where there is one, and the fields, flat."""
        return {"name": self.name, **({"prefix": list(self.prefix)} if self.prefix else {}), **self.config}


_LIST_REMEDY = 'Write a JSON list of GenerationConfig dicts, for example [{"num_beams": 5}].'


def strategies_of(value: Any) -> tuple[Strategy, ...]:
    """A list of `GenerationConfig` dicts, each with an optional `name` (and `prefix`, token ids, for a
    branch), or that list as JSON text, as strategies.

    Raises:
        VisitorError: naming the first value that does not fit, and what would.
    """
    return tuple(_strategy(item, index) for index, item in enumerate(_list(value)))


def text_of(strategies: list[dict[str, Any]]) -> str:
    """Strategies as JSON text for a visitor to edit, one to a line."""
    lines = ",\n".join("  " + json.dumps(strategy, ensure_ascii=False) for strategy in strategies)
    return f"[\n{lines}\n]"


def _list(strategies: Any) -> list[Any]:
    if isinstance(strategies, str):
        if len(strategies) > limits.MAX_STRATEGIES_JSON:
            raise VisitorError(
                f"The strategies have more than {limits.MAX_STRATEGIES_JSON:,} characters.", _LIST_REMEDY
            )
        try:
            strategies = json.loads(strategies)
        except (ValueError, RecursionError) as error:
            raise VisitorError(f"The strategies are not valid JSON ({error}).", _LIST_REMEDY) from None
    if not isinstance(strategies, list | tuple):
        raise VisitorError(f"The strategies are {_article(strategies)}, not a list.", _LIST_REMEDY)
    if not strategies:
        raise VisitorError("No strategy is chosen.", "Choose at least one.")
    if len(strategies) > limits.MAX_STRATEGIES + limits.MAX_BRANCHES:
        raise VisitorError(
            f"There are {len(strategies):,} strategies; the limits are {limits.MAX_STRATEGIES} and "
            f"{limits.MAX_BRANCHES} branches.",
            "Remove some.",
        )
    check_length(strategies)
    return list(strategies)


def check_length(strategies: Any) -> None:
    """Hold a list to the length that its text may have."""
    try:
        length = len(json.dumps(strategies, ensure_ascii=False, separators=(",", ":")))
    except (TypeError, ValueError, RecursionError):
        raise VisitorError("The strategies cannot be written as JSON.", _LIST_REMEDY) from None
    if length > limits.MAX_STRATEGIES_JSON:
        raise VisitorError(
            f"The strategies have more than {limits.MAX_STRATEGIES_JSON:,} characters.",
            "Shorten their lists.",
        )


def _article(value: Any) -> str:
    names = {
        dict: "a JSON object",
        str: "text",
        int: "a number",
        float: "a number",
        bool: "a truth value",
        type(None): "null",
    }
    return names.get(type(value), "something else")


def _strategy(item: Any, index: int) -> Strategy:
    label = f"Strategy {index + 1}"
    if not isinstance(item, dict):
        raise VisitorError(
            f"{label} is {_article(item)}, not a JSON object.",
            'Write it as {"do_sample": true, "top_p": 0.9}.',
        )
    name = item.get("name", "")
    if not isinstance(name, str) or len(name) > NAME_LENGTH:
        raise VisitorError(
            f"The name of {label.lower()} is not text of at most {NAME_LENGTH} characters.",
            "Shorten the name.",
        )
    label = name or label
    prefix = item.get("prefix", [])
    if not isinstance(prefix, list | tuple) or not all(type(token) is int and token >= 0 for token in prefix):
        raise VisitorError(f"{label}: prefix is not a list of token ids.", "Write it as [19529, 578].")
    # Some models' own generation_config turns sampling on: without this a strategy's meaning would depend on
    # the model.
    config: dict[str, Any] = {"do_sample": False}
    known, runtime = SETTINGS, _runtime(label, item.get("runtime"))
    if runtime == llama_cpp.RUNTIME:
        config, known = {"runtime": runtime}, llama_cpp.SETTINGS
    for key, value in item.items():
        if key in ("name", "prefix", "runtime") or value is None:
            continue
        if key not in known:
            raise _unknown(label, str(key), known)
        config[key] = known[key].check(f"{label}: {key}", value)
    strategy = Strategy(name, config, tuple(prefix))
    for what, remedy in _conflicts(strategy):
        raise VisitorError(f"{label}: {what}", remedy)
    return replace(strategy, name=name or describe(strategy))


def _runtime(label: str, value: Any) -> str:
    if value in (None, "transformers", llama_cpp.RUNTIME):
        return value or "transformers"
    raise VisitorError(
        f"{label}: runtime is {str(value)[:40]}.",
        f"Write {llama_cpp.RUNTIME}, or leave it out for transformers.",
    )


def _unknown(label: str, name: str, known: dict[str, Setting]) -> VisitorError:
    other = "transformers" if known is llama_cpp.SETTINGS else llama_cpp.RUNTIME
    if name in (SETTINGS if known is llama_cpp.SETTINGS else llama_cpp.SETTINGS):
        remedy = (
            "Remove it, or remove runtime."
            if other == "transformers"
            else f'Remove it, or add "runtime": "{other}".'
        )
        return VisitorError(f"{label}: {name} is a setting of {other}.", remedy)
    near = difflib.get_close_matches(name, known, 1)
    return VisitorError(
        f"{label}: “{name[:60]}” is not a setting of this demo.",
        f"Did you mean {near[0]}?" if near else f"Use {', '.join(known)}.",
    )


def _conflicts(strategy: Strategy) -> Iterator[tuple[str, str]]:
    """Settings that contradict each other or that the runtime would ignore, each in two sentences."""
    if strategy.kind == "llama_cpp":
        yield from llama_cpp.conflicts(strategy.config)
        return
    config, kind = strategy.config, strategy.kind
    beams, returned = config.get("num_beams", 1), config.get("num_return_sequences", 1)
    groups, samples = config.get("num_beam_groups", 1), config["do_sample"]

    sampling = [name for name in SAMPLING_ONLY if name in config]
    if kind == "contrastive" and "top_k" in sampling:
        sampling.remove("top_k")
    if sampling and not samples:
        yield (
            f"{_have(sampling)} no effect while do_sample is false.",
            f"Set do_sample to true, or {_remove(sampling)}.",
        )
    idle = [name for name in BEAM_ONLY if name in config]
    if idle and beams == 1:
        yield f"{_have(idle)} no effect with num_beams 1.", f"Set num_beams to 2 or more, or {_remove(idle)}."

    if strategy.has_beams and returned > beams:
        yield f"num_return_sequences {returned} is more than num_beams {beams}.", "Raise num_beams."
    if kind in ("greedy", "contrastive", "dola") and returned > 1:
        remedy = "Set do_sample to true, or num_beams."
        yield f"num_return_sequences {returned} needs sampling or beams.", remedy

    if kind == "contrastive" and config.get("top_k", 50) < 2:
        yield "penalty_alpha needs top_k of at least 2.", "Set top_k to 4."
    if config.get("penalty_alpha") and kind != "contrastive":
        others = "do_sample, num_beams or dola_layers"
        yield f"penalty_alpha cannot be combined with {others}.", "Remove one of them."
    if kind == "dola" and (beams > 1 or samples):
        other = "num_beams" if beams > 1 else "do_sample"
        yield f"dola_layers cannot be combined with {other}.", "Remove one of them."

    if groups > 1 and samples:
        yield "num_beam_groups cannot be combined with do_sample.", "Remove one of them."
    if groups > 1 and beams % groups:
        remedy = f"Choose a multiple of {groups}."
        yield f"num_beams {beams} cannot be split into {groups} equal groups.", remedy
    if groups > 1 and not config.get("diversity_penalty"):
        remedy = "Set diversity_penalty, for example to 1."
        yield "num_beam_groups needs a diversity_penalty above 0.", remedy
    if groups == 1 and config.get("diversity_penalty"):
        yield "diversity_penalty needs num_beam_groups of 2 or more.", "Set num_beam_groups."


def _have(names: list[str]) -> str:
    return f"{names[0]} has" if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]} have"


def _remove(names: list[str]) -> str:
    return "remove it" if len(names) == 1 else "remove them"


def describe(strategy: Strategy) -> str:
    """A short name made of the settings, for strategies that were given none."""
    config = strategy.config
    if strategy.kind == "llama_cpp":
        stated = [f"{name} {value:g}" for name, value in config.items() if isinstance(value, int | float)]
        more = ["samplers"] if "samplers" in config else []
        return ", ".join([llama_cpp.RUNTIME, *stated, *more])[:NAME_LENGTH]
    start = {
        "greedy": "greedy",
        "sample": "sample",
        "beam": f"beam {config.get('num_beams')}",
        "beam_sample": f"beam {config.get('num_beams')} sample",
        "group_beam": f"diverse beam {config.get('num_beams')}/{config.get('num_beam_groups')}",
        "contrastive": f"contrastive {config.get('penalty_alpha', 0):g}",
        "dola": "DoLa",
    }[strategy.kind]
    telling = [*(SAMPLING_ONLY if strategy.draws else ()), "repetition_penalty"]
    more = ["unconstrained"] if config.get("unconstrained") else []
    return ", ".join([start, *(f"{name} {config[name]:g}" for name in telling if name in config), *more])[
        :NAME_LENGTH
    ]


def without_equal_names(strategies: tuple[Strategy, ...]) -> tuple[Strategy, ...]:
    """The strategies, those that share a name with an earlier one numbered."""
    taken: set[str] = set()
    named = []
    for strategy in strategies:
        name, count = strategy.name, 1
        while name in taken:
            count += 1
            mark = f" ({count})"
            name = strategy.name[: NAME_LENGTH - len(mark)] + mark
        taken.add(name)
        named.append(replace(strategy, name=name))
    return tuple(named)
