"""What a direction is made of, and answers with one of its features changed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from abliteration import autoencoder, data, features, given
from abliteration.architecture import check_layer
from abliteration.encode import before_prompt, encode
from abliteration.outcome.pairs import add_divergence, answer_both, pairs, prompts_of
from abliteration.outcome.run import complete, editing, head, opened, sae_source, step, waiting
from abliteration.request import Request
from abliteration.study import SIDES, Study
from abliteration.tokens import collect
from shared import texts
from shared.models import Loaded
from shared.talk import context_limit, token_ids

PIECE = 128
"""Tokens of one piece of the sample text that an autoencoder learns from."""


def explain(
    request: Request, folder: Path, loaded: Loaded | None = None
) -> Iterator[data.Features | data.Waiting]:
    """Train an autoencoder into a folder, or load one, and pursue the direction in its dictionary.

    Args:
        request: its `sae` names an autoencoder to load instead.
        folder: of this result, for the trained autoencoder.
        loaded: the model.
    """
    started = time.monotonic()
    sae: Any = None
    if request.sae or request.sae_layer is not None:
        known = yield from opened("features", request, loaded)
        layer = request.sae_layer or 0
    else:  # where the direction is read: by hand, or by the rule
        work = yield from editing("features", request, loaded)
        known, layer = work.known, work.layer
    anatomy = known.anatomy
    if request.sae:
        yield waiting("features", "Loading the autoencoder")
        source = sae_source(request, folder)
        sae, layer = autoencoder.load(source, known.loaded.model, anatomy, request.sae_layer)
    check_layer(anatomy, layer)
    yield waiting("features", "Reading texts")
    tokens = collect(known.loaded.model, anatomy, corpus(known), layer)
    learnt, held = tokens.parted()
    training: data.Training | None = None
    if request.sae:
        learnt, held = tokens, tokens  # it learnt from none of them
        share, dead = autoencoder.quality(sae, tokens)
    else:
        for state in autoencoder.train(
            learnt,
            layer,
            known.loaded.id,
            folder,
            request.features,
            request.k,
            request.steps,
            seed=request.seed,
            device=known.loaded.device,
            held=held,
        ):
            yield waiting("features", "Training the autoencoder", state.step, state.steps)
        training, sae, share, dead = state.to_json(), state.sae, state.explained or 0.0, state.dead or 0
    if request.vector:
        file = given.opened(request.vector, known.layers, known.anatomy.width)
        direction = file.units(known.layers, request.layer)[layer]
    else:
        direction = known.rows(layer, request.position, request.projection)[layer]
    pursuit = features.pursue(direction, sae.W_dec, seed=request.seed, activations=tokens.activations)
    first = before_prompt(known.loaded, request.how)
    lead = tuple(known.side("fit", "positive")[0][:first])
    report = known.split.report
    prompts = list(request.prompts) or [report.positive[0], report.negative[0]]
    rows = encode(known.loaded, prompts, request.how, request.answer_tokens)
    figure: data.Features = {
        **head(known, request),
        "kind": "features",
        "sae": {
            "source": request.sae,
            "layer": layer,
            "features": int(sae.cfg.d_sae),
            "architecture": str(sae.cfg.architecture()),
            "explained": share,
            "dead": dead,
            "tokens": len(tokens),
            "held": len(held),
        },
        "pursuit": pursuit.to_json(),
        "tops": features.top_tokens(
            sae, tokens, known.loaded, [atom["feature"] for atom in pursuit.atoms], lead=lead
        ),
        "prompts": [
            {
                "prompt": prompt,
                "tokens": features.of_prompt(
                    sae, known.loaded.model, anatomy, known.loaded, ids, layer, first=first
                ),
            }
            for prompt, ids in zip(prompts, rows, strict=True)
        ],
    }
    named = sorted(
        {
            one["feature"]
            for prompt in figure["prompts"]
            for token in prompt["tokens"]
            for one in token["features"]
        }
    )
    figure["words"] = [
        {
            "feature": firing["feature"],
            "tokens": list(dict.fromkeys(one["pieces"][one["at"]].strip() for one in firing["examples"])),
        }
        for firing in features.top_tokens(sae, tokens, known.loaded, named, most=4, lead=lead)
    ]
    if training:
        figure["training"] = training
    yield complete(figure, started)


def corpus(known: Study) -> list[list[int]]:
    """What an autoencoder learns from: the fit and select prompts as the model reads them, and the sample
    text in pieces.
    """
    text = token_ids(known.loaded.tokenizer, texts.sample("calibration"))
    length = min(PIECE, context_limit(known.loaded) or PIECE)
    pieces = [text[start : start + length] for start in range(0, len(text) - 16, length)]
    return [ids for part in ("fit", "select") for side in SIDES for ids in known.side(part, side)] + pieces


def steer(
    request: Request, folder: Path, feature: int, amount: float | None = None, loaded: Loaded | None = None
) -> Iterator[data.FeatureEdit | data.Waiting]:
    """Base and edited answers with one feature removed, or held at an amount.

    Args:
        request: its prompts are answered.
        folder: where `explain` has trained the autoencoder, unless the request names another.
        feature: its number.
        amount: None to remove it.
        loaded: the model.
    """
    started = time.monotonic()
    known = yield from opened("feature", request, loaded)
    model, anatomy = known.loaded.model, known.anatomy
    sae, layer = autoencoder.load(sae_source(request, folder), model, anatomy, request.sae_layer)
    edited = features.steered(model, anatomy, sae, layer, feature, amount)
    prompts, rows = prompts_of(request, known)
    figure: data.FeatureEdit = {
        **head(known, request),
        "kind": "feature",
        "feature": feature,
        "amount": amount,
        "pairs": [],
    }
    for number, both in enumerate(answer_both(known, edited, rows, request.answer_tokens), 1):
        figure["pairs"] = pairs(request, known, prompts, both)
        yield step(figure, "Answering", number, request.answer_tokens)
    for pair, row, base in zip(figure["pairs"], rows, both[0], strict=True):
        add_divergence(pair, known, edited, row, base)
    yield complete(figure, started)
