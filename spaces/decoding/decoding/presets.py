"""The strategies and examples that the page offers, and the way between `GenerationConfig` JSON and form
fields.
"""

from __future__ import annotations

import json
from typing import Any

from decoding.strategy import SETTINGS
from shared.errors import VisitorError

PRESETS: dict[str, dict[str, Any]] = {
    "greedy": {},
    "beam 5": {"num_beams": 5},
    "nucleus .9": {"do_sample": True, "top_k": 0, "top_p": 0.9},
    "top-k 50": {"do_sample": True, "top_k": 50},
    "min-p .1": {"do_sample": True, "top_k": 0, "min_p": 0.1},
    "pure sampling": {"do_sample": True, "top_k": 0},
    "warm: temperature 1.5": {"do_sample": True, "top_k": 0, "temperature": 1.5},
    "cool: temperature .5": {"do_sample": True, "top_k": 0, "temperature": 0.5},
    "typical .9": {"do_sample": True, "top_k": 0, "typical_p": 0.9},
    "top-h .4": {"do_sample": True, "top_k": 0, "top_h": 0.4},
    "four samples": {"do_sample": True, "top_k": 0, "top_p": 0.95, "num_return_sequences": 4},
    "greedy, repetition_penalty 1.3": {"repetition_penalty": 1.3},
    "greedy, no repeated trigram": {"no_repeat_ngram_size": 3},
    "beam 5, length_penalty 2": {"num_beams": 5, "length_penalty": 2.0},
    "beam 4 sampled": {"num_beams": 4, "do_sample": True, "top_k": 0},
    "diverse beam 6 in 3": {
        "num_beams": 6,
        "num_beam_groups": 3,
        "diversity_penalty": 1.0,
        "num_return_sequences": 3,
    },
    "contrastive .6": {"penalty_alpha": 0.6, "top_k": 4},
    "DoLa": {"dola_layers": "high"},
}
"""Named strategies; each value holds `GenerationConfig` fields. `top_k: 0` because unset it means 50."""

EXAMPLES: dict[str, dict[str, Any]] = {
    "lighthouse": {
        "label": "Three strategies, one lighthouse",
        "prompt": "The lighthouse keeper opened the door and",
        "strategies": ["greedy", "beam 5", "nucleus .9"],
        "max_new_tokens": 20,
        "seed": 4,
        "chat": False,
    },
    "repetition": {
        "label": "Why greedy repeats itself",
        "prompt": "The best thing about music is that",
        "strategies": ["greedy", "greedy, repetition_penalty 1.3", "contrastive .6"],
        "max_new_tokens": 32,
        "seed": 0,
        "chat": False,
    },
    "chat": {
        "label": "Hot and cold answers",
        "prompt": "Name a colour that has no name yet.",
        "strategies": ["greedy", "cool: temperature .5", "warm: temperature 1.5", "min-p .1"],
        "max_new_tokens": 24,
        "seed": 1,
        "chat": True,
    },
}
"""Requests whose results are stored in the repository; `make examples` computes them."""


def dump(strategies: list[dict[str, Any]]) -> str:
    """Strategies as JSON text, one to a line."""
    return (
        "[\n" + ",\n".join("  " + json.dumps(strategy, ensure_ascii=False) for strategy in strategies) + "\n]"
    )


def from_names(names: list[str]) -> str:
    """The JSON text of the presets with these names; greedy where none is left."""
    return dump(
        [{"name": name, **PRESETS[name]} for name in names if name in PRESETS] or [{"name": "greedy"}]
    )


def example_request(name: str) -> dict[str, Any]:
    """The request of an example, as keyword arguments of `validate`."""
    example = {key: value for key, value in EXAMPLES[name].items() if key != "label"}
    return {
        **example,
        "strategies": [{"name": preset, **PRESETS[preset]} for preset in example["strategies"]],
    }


def read_pasted(text: str, max_new_tokens: int) -> tuple[str, int]:
    """Turn a pasted `generation_config.json` (or a list of strategies) into this demo's strategies.

    Fields that describe the model and not the strategy (`eos_token_id`, `transformers_version`, …) are left
    out, and `max_new_tokens` moves to the slider. What is malformed is left as it stands: the run will say
    what is wrong.

    Args:
        text: JSON, an object or a list of objects.
        max_new_tokens: the slider's value, kept where the text names none.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text, max_new_tokens
    items = [value] if isinstance(value, dict) else value
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items) or not items:
        return text, max_new_tokens
    for item in items:
        if type(item.get("max_new_tokens")) is int:
            max_new_tokens = item["max_new_tokens"]
    cleaned = [
        {key: item[key] for key in item if key not in _NOT_OF_A_STRATEGY and item[key] is not None}
        for item in items
    ]
    return dump(cleaned), max_new_tokens


_NOT_OF_A_STRATEGY = {
    "_from_model_config",
    "transformers_version",
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
    "max_new_tokens",
    "max_length",
    "use_cache",
    "output_attentions",
    "output_hidden_states",
    "output_scores",
    "output_logits",
    "return_dict_in_generate",
}


def to_field(name: str, value: Any) -> Any:
    """A setting's value as its form field shows it: text, empty where unset (a checkbox: False)."""
    if SETTINGS[name].type == "bool":
        return bool(value)
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def from_field(name: str, value: Any) -> Any:
    """A form field's value as the setting; None where the field is empty.

    Raises:
        VisitorError: the text is no number, or no JSON where a list belongs.
    """
    if value is None or value == "":
        return None
    setting = SETTINGS[name]
    if setting.type == "bool":
        return True if value else None
    if setting.type in ("int", "float"):
        try:
            return int(value) if setting.type == "int" else float(value)
        except ValueError:
            raise VisitorError(
                f"{name} is “{str(value)[:20]}”, not a number.", "Write a number, or leave the field empty."
            ) from None
    if value in ("never", "low", "high"):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise VisitorError(f"{name} is not valid JSON.", "Write lists with square brackets.") from None
