"""A decoding strategy: a named set of transformers' `GenerationConfig` fields, checked one by one and
together.
"""

from __future__ import annotations

import difflib
import json
import math
from dataclasses import dataclass, field, replace
from typing import Any

from shared import limits
from shared.checks import finite, whole
from shared.errors import VisitorError


@dataclass(frozen=True)
class Setting:
    """One accepted `GenerationConfig` field: its JSON type and the values it may take."""

    name: str
    type: str  # "bool" | "int" | "float" | "other"
    minimum: float = -math.inf
    maximum: float = math.inf
    open_minimum: bool = False
    """Whether the minimum itself is refused."""


_SETTINGS: tuple[Setting, ...] = (
    Setting("do_sample", "bool"),
    Setting("num_beams", "int", 1, 16),
    Setting("num_beam_groups", "int", 1, 8),
    Setting("num_return_sequences", "int", 1, 16),
    Setting("length_penalty", "float", -5, 5),
    Setting("early_stopping", "other"),
    Setting("diversity_penalty", "float", 0, 100),
    Setting("penalty_alpha", "float", 0, 1),
    Setting("dola_layers", "other"),
    Setting("temperature", "float", 0.01, 100),
    Setting("top_h", "float", 0, 1, open_minimum=True),
    Setting("top_k", "int", 0, 1_000_000),
    Setting("top_p", "float", 0, 1, open_minimum=True),
    Setting("min_p", "float", 0, 1),
    Setting("typical_p", "float", 0, 1, open_minimum=True),
    Setting("epsilon_cutoff", "float", 0, 1),
    Setting("eta_cutoff", "float", 0, 1),
    Setting("repetition_penalty", "float", 0.01, 100),
    Setting("no_repeat_ngram_size", "int", 0, 64),
    Setting("min_length", "int", 0, limits.MAX_PROMPT_TOKENS + limits.MAX_NEW_TOKENS),
    Setting("min_new_tokens", "int", 0, limits.MAX_NEW_TOKENS),
    Setting("bad_words_ids", "other"),
    Setting("sequence_bias", "other"),
    Setting("renormalize_logits", "bool"),
)
SETTINGS: dict[str, Setting] = {setting.name: setting for setting in _SETTINGS}

MAX_BIAS = 10_000.0
"""Largest bias of `sequence_bias`; with the smallest temperature it still leaves logits that float32 can
hold.
"""

MAX_LAYERS = 64
"""Layers that `dola_layers` may name."""

NAME_LENGTH = 40
"""Longest name of a strategy, in characters."""

SAMPLING_ONLY = (
    "temperature",
    "top_h",
    "top_k",
    "top_p",
    "min_p",
    "typical_p",
    "epsilon_cutoff",
    "eta_cutoff",
)
"""Fields that transformers applies only when `do_sample` is true, in the order it applies them."""

BEAM_ONLY = ("length_penalty", "early_stopping")


@dataclass(frozen=True)
class Strategy:
    """A named set of `GenerationConfig` fields; with a `prefix` it is a branch that starts from tokens chosen
    by hand.
    """

    name: str
    config: dict[str, Any] = field(default_factory=dict)
    prefix: tuple[int, ...] = ()

    @property
    def kind(self) -> str:
        """One of greedy, sample, beam, beam_sample, group_beam, contrastive, dola; transformers' own
        precedence.
        """
        config = self.config
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
    def rows(self) -> int:
        """How many sequences the strategy extends at once."""
        if self.kind == "contrastive":
            return int(self.config.get("top_k", 50))
        return max(int(self.config.get("num_beams", 1)), int(self.config.get("num_return_sequences", 1)))

    def to_json(self) -> dict[str, Any]:
        """The strategy as the API takes it: name, prefix where there is one, and the fields, flat."""
        return {"name": self.name, **({"prefix": list(self.prefix)} if self.prefix else {}), **self.config}


def check_text(text: str, what: str) -> None:
    """Raise a VisitorError for half a character, which no tokenizer and no JSON can carry."""
    for character in text:
        if "\ud800" <= character <= "\udfff":
            raise VisitorError(
                f"{what} contains half of a character (the lone surrogate U+{ord(character):04X}).",
                "Delete it or paste the text again.",
            )


_LIST_REMEDY = 'Write a JSON list of GenerationConfig dicts, for example [{"num_beams": 5}].'


def strategies_of(value: Any) -> tuple[Strategy, ...]:
    """A list of `GenerationConfig` dicts, each with an optional `name` (and `prefix`, token ids, for a
    branch), or that list as JSON text, as strategies.

    Raises:
        VisitorError: naming the first value that does not fit, and what would.
    """
    return tuple(_strategy(item, index) for index, item in enumerate(_list(value)))


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
            f"There are {len(strategies):,} strategies; the limits are {limits.MAX_STRATEGIES} and {limits.MAX_BRANCHES} branches.",
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
            f"{label} has a name that is no text of at most {NAME_LENGTH} characters.", "Shorten the name."
        )
    check_text(name, f"The name of {label.lower()}")
    label = name or label
    prefix = item.get("prefix", [])
    if not isinstance(prefix, list | tuple) or not all(type(token) is int and token >= 0 for token in prefix):
        raise VisitorError(f"{label}: prefix is not a list of token ids.", "Write it as [19529, 578].")
    config: dict[str, Any] = {}
    for key, value in item.items():
        if key in ("name", "prefix") or value is None:
            continue
        if key not in SETTINGS:
            near = difflib.get_close_matches(str(key), SETTINGS, 1)
            raise VisitorError(
                f"{label}: “{str(key)[:60]}” is no setting of this demo.",
                f"Did you mean {near[0]}?" if near else f"Use {', '.join(SETTINGS)}.",
            )
        config[key] = _value(SETTINGS[key], value, label)
    # Some models' own generation_config turns sampling on: without this a strategy's meaning would depend on
    # the model.
    config = {"do_sample": False, **config}
    strategy = Strategy(name, config, tuple(prefix))
    _check_conflicts(strategy, label)
    return replace(strategy, name=name or describe(strategy))


def _value(setting: Setting, value: Any, label: str) -> Any:
    where = f"{label}: {setting.name}"
    if setting.type == "bool":
        if not isinstance(value, bool):
            raise VisitorError(f"{where} is {value!r}, not true or false.", "Write true or false.")
        return value
    if setting.type == "int":
        return whole(int(setting.minimum), int(setting.maximum))(where, value)
    if setting.type == "float":
        number = _number(value)
        if math.isnan(number):
            raise VisitorError(
                f"{where} is {str(value)[:40]}, not a finite number.", f"Use {_range(setting)}."
            )
        low = number <= setting.minimum if setting.open_minimum else number < setting.minimum
        if low or number > setting.maximum:
            raise VisitorError(f"{where} is {number:g}.", f"Use {_range(setting)}.")
        return number
    return _other(setting.name, value, where)


def _other(name: str, value: Any, where: str) -> Any:
    if name == "early_stopping":
        if not isinstance(value, bool) and value != "never":
            raise VisitorError(f"{where} is {str(value)[:40]}.", 'Use true, false or "never".')
        return value
    if name == "dola_layers":
        if value in ("low", "high"):
            return value
        layers = sorted(set(value)) if _is_ids(value) else []
        if not 1 <= len(layers) <= MAX_LAYERS:
            raise VisitorError(
                f"{where} is {str(value)[:40]}.",
                f'Use "low", "high" or a list of at most {MAX_LAYERS} layer numbers.',
            )
        return layers
    if name == "bad_words_ids":
        if isinstance(value, list) and value and all(_is_ids(word) for word in value):
            return value
        raise VisitorError(
            f"{where} is not a list of lists of token ids.", "Write it as [[1234], [567, 89]]."
        )
    if (
        isinstance(value, list)
        and value
        and all(
            isinstance(pair, list)
            and len(pair) == 2
            and _is_ids(pair[0])
            and abs(_number(pair[1])) <= MAX_BIAS
            for pair in value
        )
    ):
        return [[pair[0], _number(pair[1])] for pair in value]
    raise VisitorError(
        f"{where} is not a list of pairs of token ids and a bias.",
        f"Write it as [[[1234], -2.5]], each bias at most {MAX_BIAS:,.0f}.",
    )


def _is_ids(value: Any) -> bool:
    return (
        isinstance(value, list) and bool(value) and all(type(token) is int and token >= 0 for token in value)
    )


def _number(value: Any) -> float:
    """A JSON number as a float; NaN for anything else, text included."""
    return finite(value) if isinstance(value, int | float) else math.nan


def _range(setting: Setting) -> str:
    kind = "a number"
    if math.isinf(setting.maximum):
        return (
            f"{kind} above {setting.minimum:g}"
            if setting.open_minimum
            else f"{kind} from {setting.minimum:g}"
        )
    return f"{kind} {'above' if setting.open_minimum else 'from'} {setting.minimum:g}{' and up' if setting.open_minimum else ''} to {setting.maximum:g}"


def _check_conflicts(strategy: Strategy, label: str) -> None:
    """Refuse settings that contradict each other or that transformers would ignore."""
    config, kind = strategy.config, strategy.kind
    sampling = [
        name for name in SAMPLING_ONLY if name in config and not (name == "top_k" and kind == "contrastive")
    ]
    if sampling and not config.get("do_sample"):
        verb = "has" if len(sampling) == 1 else "have"
        raise VisitorError(
            f"{label}: {_and(sampling)} {verb} no effect while do_sample is false.",
            "Set do_sample to true, or remove it.",
        )
    beams, returned = config.get("num_beams", 1), config.get("num_return_sequences", 1)
    idle = [name for name in (*BEAM_ONLY, "num_beam_groups", "diversity_penalty") if name in config]
    if idle and beams == 1:
        verb = "has" if len(idle) == 1 else "have"
        raise VisitorError(
            f"{label}: {_and(idle)} {verb} no effect with num_beams 1.",
            "Set num_beams to 2 or more, or remove it.",
        )
    if kind in ("beam", "beam_sample", "group_beam") and returned > beams:
        raise VisitorError(
            f"{label}: num_return_sequences {returned} is more than num_beams {beams}.", "Raise num_beams."
        )
    if kind in ("greedy", "contrastive", "dola") and returned > 1:
        raise VisitorError(
            f"{label}: num_return_sequences {returned} needs sampling or beams.",
            "Set do_sample to true, or num_beams.",
        )
    if kind == "contrastive" and config.get("top_k", 50) < 2:
        raise VisitorError(f"{label}: penalty_alpha needs top_k of at least 2.", "Set top_k to 4.")
    if config.get("penalty_alpha") and kind != "contrastive":
        raise VisitorError(
            f"{label}: penalty_alpha cannot be combined with do_sample, num_beams or dola_layers.",
            "Remove one of them.",
        )
    if kind == "dola" and (beams > 1 or config.get("do_sample")):
        other = "num_beams" if beams > 1 else "do_sample"
        raise VisitorError(f"{label}: dola_layers cannot be combined with {other}.", "Remove one of them.")
    groups = config.get("num_beam_groups", 1)
    if groups > 1:
        if config.get("do_sample"):
            raise VisitorError(
                f"{label}: num_beam_groups cannot be combined with do_sample.", "Remove one of them."
            )
        if beams % groups:
            raise VisitorError(
                f"{label}: num_beams {beams} cannot be split into {groups} equal groups.",
                "Choose a multiple.",
            )
        if not config.get("diversity_penalty"):
            raise VisitorError(
                f"{label}: num_beam_groups needs a diversity_penalty above 0.",
                "Set diversity_penalty, for example to 1.",
            )
    elif config.get("diversity_penalty"):
        raise VisitorError(
            f"{label}: diversity_penalty needs num_beam_groups of 2 or more.", "Set num_beam_groups."
        )


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def describe(strategy: Strategy) -> str:
    """A short name made of the settings, for strategies that were given none."""
    config, kind = strategy.config, strategy.kind
    parts = {
        "greedy": ["greedy"],
        "sample": ["sample"],
        "beam": [f"beam {config.get('num_beams')}"],
        "beam_sample": [f"beam {config.get('num_beams')} sample"],
        "group_beam": [f"diverse beam {config.get('num_beams')}/{config.get('num_beam_groups')}"],
        "contrastive": [
            f"contrastive {config.get('penalty_alpha'):g}" if config.get("penalty_alpha") else "contrastive"
        ],
        "dola": ["DoLa"],
    }[kind]
    shown = [name for name in SAMPLING_ONLY if name in config and kind in ("sample", "beam_sample")]
    parts += [
        f"{name} {config[name]:g}" for name in (*shown, *(n for n in ("repetition_penalty",) if n in config))
    ]
    return ", ".join(parts)[:NAME_LENGTH]


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
