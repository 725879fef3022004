"""The abliteration Space: caching every layer, answering with an edit, editing weights and training, each
against the plain thing; and how long a run of Find takes.
"""

from __future__ import annotations

import copy
from typing import Any

from tests.bench.common import Row, ratio

PROMPTS, TOKENS = 16, 16


def rows() -> list[Row]:
    """All of this Space."""
    import torch

    from abliteration import activations, bake, directions, encode, sets
    from abliteration.ablate import live
    from abliteration.architecture import inspect
    from abliteration.edit import Edit
    from abliteration.kernel import full
    from abliteration.tokens import Tokens
    from shared import models, talk

    loaded = models.load("cautious")
    model, anatomy = loaded.model, inspect(loaded.model)
    split = sets.split(sets.STORED["cooking"])
    ids = encode.encode(loaded, (*split.fit.positive[:PROMPTS], *split.fit.negative[:PROMPTS]))

    def plain() -> None:
        for chosen in activations.batches(ids):
            batch, _ = activations.padded([ids[index] for index in chosen], model.device)
            with torch.inference_mode():
                model.base_model(batch, use_cache=False)

    cached, detail = ratio(lambda: list(activations.states(model, anatomy, ids)), plain)
    measured = [
        Row(
            "cache all layers ÷ plain forward of the same prompts",
            cached,
            "≤ 1.2",
            cached <= 1.2,
            detail=detail,
        )
    ]

    *_, first = activations.states(model, anatomy, ids[:PROMPTS])
    *_, second = activations.states(model, anatomy, ids[PROMPTS:])
    assert not isinstance(first, int) and not isinstance(second, int)
    pair = directions.difference_of_means(first, second, ("",))
    edit = Edit("ablate", pair.direction(21), full(anatomy.layers))
    edited = live(model, anatomy, edit)
    some = ids[-4:]  # other questions: neither model ends its answer sooner
    write: Any = lambda one: list(talk.greedy(one, loaded.tokenizer, some, TOKENS))  # noqa: E731
    slower, detail = ratio(lambda: write(edited), lambda: write(model))
    measured.append(
        Row("answer with the edit ÷ answer without", slower, "≤ 1.15", slower <= 1.15, detail=detail)
    )

    baked, detail = ratio(lambda: bake.bake(model, anatomy, edit), lambda: copy.deepcopy(model))
    measured.append(Row("edit the weights ÷ copy them", baked, "≤ 5", baked <= 5, detail=detail))
    measured += finding(loaded)
    measured.append(training(Tokens(torch.cat((first[15, :, 0], second[15, :, 0])), (), (), ())))
    return measured


def finding(loaded: Any) -> list[Row]:
    """A run of Find with every setting as the page has it, the model in memory: seconds by the clock to its
    end and to its first picture.
    """
    import time

    import torch

    from abliteration import study
    from abliteration.outcome import find
    from abliteration.request import Request

    study._kept.forget(lambda _: True)
    began, spent, first = time.perf_counter(), time.process_time(), 0.0
    for step in find.find(Request(), loaded):
        if step["drawable"] and not first:
            first = time.perf_counter() - began
    whole, spent = time.perf_counter() - began, time.process_time() - spent
    detail = f"{spent:.0f} processor seconds, {torch.get_num_threads()} threads, model in memory"
    return [
        Row("a default Find", whole, "≤ 25 s", whole <= 25, unit="s", detail=detail),
        Row("a default Find, to its first picture", first, "≤ 5 s", first <= 5, unit="s"),
    ]


def training(tokens: Any) -> Row:
    """The page's training against sae-lens' own loop with the same settings."""
    import tempfile
    from pathlib import Path

    import torch
    from sae_lens.config import SAETrainerConfig
    from sae_lens.saes.topk_sae import TopKTrainingSAE, TopKTrainingSAEConfig
    from sae_lens.training.sae_trainer import SAETrainer

    from abliteration.autoencoder import BATCH, train

    steps, width = 40, tokens.activations.shape[1]

    def theirs() -> None:
        def draw() -> Any:
            while True:
                yield tokens.activations[torch.randint(len(tokens.activations), (BATCH,))]

        sae = TopKTrainingSAE(
            TopKTrainingSAEConfig(
                d_in=width, d_sae=1_152, k=16, device="cpu", dtype="float32", apply_b_dec_to_input=True
            )
        )
        settings = SAETrainerConfig(
            total_training_samples=steps * BATCH,
            train_batch_size_samples=BATCH,
            lr=1e-3,
            lr_end=1e-4,
            device="cpu",
        )
        SAETrainer(cfg=settings, sae=sae, data_provider=draw()).fit()

    def mine() -> None:
        with tempfile.TemporaryDirectory() as folder:
            list(train(tokens, 15, "bench", Path(folder), steps=steps))

    value, detail = ratio(mine, theirs, 3)
    return Row(
        "train an autoencoder, measured and saved ÷ sae-lens' own trainer",
        value,
        "≤ 1",
        value <= 1.05,
        detail=f"{detail}, {steps} steps",
    )
