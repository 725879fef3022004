"""What is pasted, read as a strategy: a generation_config.json as it is published, or a request to
llama-server.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from decoding.llama_cpp import settings as llama_cpp
from decoding.settings import BEAM_ONLY, SAMPLING_ONLY, SETTINGS
from decoding.strategy import text_of
from shared.errors import VisitorError

_NEUTRAL: dict[str, Any] = {
    "max_length": 20,
    "min_length": 0,
    "early_stopping": False,
    "num_beams": 1,
    "num_beam_groups": 1,
    "num_return_sequences": 1,
    "temperature": 1,
    "top_k": 50,
    "top_p": 1,
    "typical_p": 1,
    "epsilon_cutoff": 0,
    "eta_cutoff": 0,
    "repetition_penalty": 1,
    "encoder_repetition_penalty": 1,
    "length_penalty": 1,
    "no_repeat_ngram_size": 0,
    "encoder_no_repeat_ngram_size": 0,
    "diversity_penalty": 0,
    "penalty_alpha": 0,
    "renormalize_logits": False,
    "remove_invalid_values": False,
    "num_assistant_tokens": 5,
    "num_assistant_tokens_schedule": "constant",
    "assistant_confidence_threshold": 0.4,
    "assistant_lookbehind": 10,
    "target_lookbehind": 10,
}
"""What transformers 4 wrote of fields that nobody had set."""

_OF_THE_MODEL = {
    "_from_model_config",
    "transformers_version",
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
    "max_new_tokens",
    "use_cache",
    "output_attentions",
    "output_hidden_states",
    "output_scores",
    "output_logits",
    "return_dict_in_generate",
    "is_assistant",
    "disable_compile",
}
"""Fields that say nothing of a strategy: they are the model's, the page's or the program's."""


_LLAMA_SERVER = {*llama_cpp.SETTINGS}.difference(SETTINGS) | {"n_predict", "cache_prompt"}
"""Fields by which a request to llama-server is known."""

_OF_THE_SERVER = {
    "prompt",
    "n_predict",
    "max_tokens",
    "seed",
    "stream",
    "cache_prompt",
    "id_slot",
    "model",
    "messages",
    "timings_per_token",
    "return_tokens",
    "return_progress",
    "n_probs",
    "post_sampling_probs",
}
"""Fields of such a request that say nothing of its samplers."""


@dataclass(frozen=True)
class Pasted:
    """What a text holds.

    Args:
        strategies: their JSON text.
        max_new_tokens: that it names, None where it names none.
        unused: fields that change nothing here, with the reason where there is one.
    """

    strategies: str
    max_new_tokens: int | None = None
    unused: tuple[str, ...] = ()


def read(text: str) -> Pasted:
    """Strategies of a pasted `generation_config.json`, of a request to llama-server, or of a list of
    strategies.

    Neutral values that transformers 4 wrote of everything go, and so do fields that mean nothing beside the
    others: transformers would leave them aside too. In a list, which a visitor writes by hand, only what is
    no strategy's goes. What is malformed stays as it is: the run will say what is wrong.

    Args:
        text: JSON, an object or a list of objects.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return Pasted(text)
    items = [value] if isinstance(value, dict) else value
    if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
        return Pasted(text)
    if isinstance(value, dict) and "runtime" not in value and _LLAMA_SERVER.intersection(value):
        return _request(value)
    lengths = [item["max_new_tokens"] for item in items if type(item.get("max_new_tokens")) is int]
    published = isinstance(value, dict) or any("transformers_version" in item for item in items)
    unused: list[str] = []
    read = [_strategy(item, published, unused) for item in items]
    return Pasted(text_of(read), lengths[-1] if lengths else None, tuple(dict.fromkeys(unused)))


def _request(item: dict[str, Any]) -> Pasted:
    """A request to llama-server: what llama.cpp itself would pass over goes, and is listed."""
    unused: list[str] = []
    known: dict[str, Any] = {}
    for name, value in item.items():
        if name in llama_cpp.SETTINGS:
            known[name] = value
        elif name not in _OF_THE_SERVER and value not in (None, False, "", [], {}):
            unused.append(name)
    for name in ("repeat_last_n", "dry_penalty_last_n"):
        if known.get(name) == -1:
            unused.append(f"{name} (-1 was the whole text, and is none now)")
            del known[name]
    try:
        checked = {name: llama_cpp.SETTINGS[name].check(name, value) for name, value in known.items()}
        for name, reason in llama_cpp.idle(checked).items():
            if known.pop(name) != llama_cpp.defaults()[name]:
                unused.append(f"{name} ({reason})")
    except VisitorError:
        pass  # the run will say what is wrong
    lengths = [item[name] for name in ("n_predict", "max_tokens") if type(item.get(name)) is int]
    length = lengths[0] if lengths and lengths[0] > 0 else None
    return Pasted(text_of([{"runtime": llama_cpp.RUNTIME, **known}]), length, tuple(unused))


def _strategy(item: dict[str, Any], published: bool, unused: list[str]) -> dict[str, Any]:
    """The fields of an item that count; `unused` gets the others that said something."""
    known: dict[str, Any] = {}
    for name, value in item.items():
        if value is None or name in _OF_THE_MODEL:
            continue
        if published and name not in SETTINGS and name not in ("name", "prefix"):
            if value not in (False, [], {}) and _NEUTRAL.get(name) != value:
                unused.append(name)
        else:
            known[name] = value
    return {name: value for name, value in known.items() if not (published and _is_idle(name, known, unused))}


def _is_idle(name: str, item: dict[str, Any], unused: list[str]) -> bool:
    """Whether a field means nothing beside the others."""
    samples, beams = item.get("do_sample", False), item.get("num_beams", 1)
    contrasts = bool(item.get("penalty_alpha")) and not samples
    if name in SAMPLING_ONLY and not samples and not (contrasts and name == "top_k"):
        reason = "do_sample is false"
    elif name in BEAM_ONLY and beams == 1:
        reason = "num_beams is 1"
    elif name in (
        "num_beam_groups",
        "diversity_penalty",
        "penalty_alpha",
        "num_beams",
        "num_return_sequences",
    ):
        return _NEUTRAL.get(name) == item[name]
    else:
        return False
    if _NEUTRAL.get(name) != item[name]:
        unused.append(f"{name} ({reason})")
    return True
