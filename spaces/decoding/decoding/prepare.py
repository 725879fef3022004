"""A strategy made ready by transformers itself: `generate` prepares its processors and settings, and stops
before it decodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from decoding.data import Effective
from decoding.decoders.dola import candidate_layers
from decoding.decoders.plan import Plan
from decoding.llama_cpp.prepare import speak
from decoding.record import FIELDS, Recorder, Stage
from decoding.request import Request
from decoding.settings import BEAM_ONLY, SETTINGS
from decoding.strategy import Strategy
from decoding.structured.mask import Constraint, ends_of
from shared.errors import VisitorError
from shared.tokens import Texts

if TYPE_CHECKING:
    from shared.models import Loaded

_OWN_FIELDS = ("penalty_alpha", "dola_layers", "num_beam_groups", "diversity_penalty", "unconstrained")
"""Fields of the strategies that transformers moved out of its core, and what frees one of the constraint:
they are carried out here, not by `generate`.
"""


_PLAIN = {"num_beams": 1, "num_return_sequences": 1}
"""What a strategy means that says nothing of them, whatever the model's own generation_config says: as with
do_sample, which strategy it is must not depend on the model.
"""


def own_settings(loaded: Loaded) -> dict[str, Any]:
    """What the model's own generation_config says of the fields that change a decoding."""
    stated = loaded.model.generation_config
    known = {*SETTINGS, *FIELDS.values()}
    values = stated.to_dict() if stated else {}
    return {name: value for name, value in values.items() if name in known and value is not None}


def prepare(
    strategy: Strategy, request: Request, loaded: Loaded, prompt: Sequence[int], texts: Texts
) -> Plan:
    """The plan of a strategy.

    Args:
        strategy: one of the request's.
        request: of the run.
        loaded: its model.
        prompt: token ids.
        texts: from token ids to their texts.

    Raises:
        VisitorError: the model has no such token or layer.
    """
    from transformers import GenerationConfig

    _check_tokens(strategy, loaded)
    if strategy.kind == "llama_cpp":
        plain = prepare(replace(strategy, config={"do_sample": False}), request, loaded, prompt, texts)
        return speak(plain, strategy, loaded, texts)
    config = {name: value for name, value in strategy.config.items() if name not in _OWN_FIELDS}
    if strategy.kind == "contrastive":
        config.pop("top_k", None)
    context = torch.tensor([[*prompt, *strategy.prefix]], device=loaded.device)
    new_tokens = request.max_new_tokens - len(strategy.prefix)
    constraint = _constraint(strategy, request, loaded, prompt, texts) if request.obeys(strategy) else None
    prepared = loaded.model.generate(
        context,
        attention_mask=torch.ones_like(context),
        generation_config=GenerationConfig(**_PLAIN | config, max_new_tokens=new_tokens),
        custom_generate=_prepared,
        logits_processor=[constraint] if constraint else None,
    )
    settings = prepared["settings"]
    stages: list[Stage] = [
        (FIELDS.get(type(processor).__name__, type(processor).__name__), processor)
        for processor in prepared["processors"]
    ]
    names = [name for name, _ in stages]
    penalty = settings.get("length_penalty")
    exponent = (1.0 if penalty is None else float(penalty)) if strategy.has_beams else None
    unfinished = texts.in_turn(prompt)[-1].unfinished
    recorded = ["dola_layers", *names] if strategy.kind == "dola" else names
    recorder = Recorder(recorded, texts, exponent, unfinished)
    if strategy.kind == "dola":
        recorder.warpers = 0
        settings["dola_layers"] = _dola_layers(strategy, loaded)
    return Plan(
        strategy,
        tuple(stages),
        settings,
        context,
        new_tokens,
        prepared["eos"],
        prepared["pad"],
        request.seed,
        recorder,
        _effective(strategy, settings, names, own_settings(loaded)),
        constraint=constraint,
    )


def _constraint(
    strategy: Strategy, request: Request, loaded: Loaded, prompt: Sequence[int], texts: Texts
) -> Constraint:
    """The request's constraint on what follows the prompt.

    Raises:
        VisitorError: as `Constraint`; a branch's own tokens break it.
    """
    made = Constraint(request.constraint, request.constraint_text, loaded, len(prompt), ends_of(loaded))
    fitting = made.takes(strategy.prefix)
    if fitting < len(strategy.prefix):
        label = texts.pieces([strategy.prefix[fitting]])[0].label
        raise VisitorError(
            f"{strategy.name}: the constraint does not allow “{label}” there.",
            'Branch at a token that it allows, or from a strategy with "unconstrained": true.',
        )
    return made


def _effective(
    strategy: Strategy, settings: dict[str, Any], names: list[str], own: dict[str, Any]
) -> dict[str, Effective]:
    """The settings that count, and who says each.

    Args:
        strategy: whose settings they are.
        settings: those that `generate` prepared.
        names: the processors' fields.
        own: see `own_settings`.
    """
    config = {**{name: value for name, value in _PLAIN.items() if own.get(name, value) != value}}
    config |= strategy.config
    beams = [name for name in BEAM_ONLY[:2] if strategy.has_beams]
    more = [name for name in (*names, *beams) if name not in config and settings.get(name) is not None]
    counts: dict[str, Effective] = {
        name: {"value": value, "origin": "strategy"} for name, value in config.items()
    }
    for name in dict.fromkeys(more):
        counts[name] = {"value": settings[name], "origin": "model" if name in own else "default"}
    return counts


def _prepared(
    model: Any,
    input_ids: torch.Tensor,
    logits_processor: Any,
    stopping_criteria: Any,
    generation_config: Any,
    **_: Any,
) -> Any:
    """A `custom_generate` that returns what `generate` made ready instead of decoding."""
    eos: list[int] = next(
        (
            criteria.eos_token_id.tolist()
            for criteria in stopping_criteria
            if hasattr(criteria, "eos_token_id")
        ),
        [],
    )
    pad = generation_config.pad_token_id
    pad = pad[0] if isinstance(pad, list) else pad
    return {
        "processors": list(logits_processor),
        "settings": generation_config.to_dict(),
        "eos": tuple(eos),
        "pad": int(pad) if pad is not None else (eos[0] if eos else 0),
    }


def _check_tokens(strategy: Strategy, loaded: Loaded) -> None:
    """Refuse token ids that the model does not have."""
    size = loaded.model.config.get_text_config().vocab_size
    lists = [
        list(strategy.prefix),
        *strategy.config.get("bad_words_ids", []),
        *(ids for ids, _ in strategy.config.get("sequence_bias", [])),
    ]
    for ids in lists:
        for token in ids:
            if token >= size:
                raise VisitorError(
                    f"{strategy.name}: token {token} is not in the vocabulary of {size:,}.",
                    "Use ids of this model's tokenizer.",
                )


def _dola_layers(strategy: Strategy, loaded: Loaded) -> list[int]:
    """The layers that DoLa may contrast with.

    Raises:
        VisitorError: the model has none of them.
    """
    config, choice = loaded.model.config.get_text_config(), strategy.config["dola_layers"]
    layers = candidate_layers(choice, config.num_hidden_layers, config.tie_word_embeddings)
    if not layers:
        which = f"layer {min(choice)}" if isinstance(choice, list) else f"layers that count as {choice}"
        raise VisitorError(
            f"{strategy.name}: the model has no {which}.", 'Use smaller numbers, "low" or "high".'
        )
    return layers
