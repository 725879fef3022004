"""Sparse autoencoders, with sae-lens: train one on cached activations or load one, and see what a direction
is made of.

sae-lens takes about 10 s to import: it is imported where it is used. Sparse pursuit and everything that is
said of features needs only the decoder's rows and the encoder, whatever made them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from abliteration.activations import batches, check_finite, padded, watch
from shared.errors import VisitorError
from shared.models import twin

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from abliteration.architecture import Anatomy
    from shared.models import Loaded

MAX_FEATURES = 8_192
MAX_STEPS = 2_000
MAX_SAE_WEIGHTS = 100_000_000
"""Largest autoencoder of the registry, as width × features: twice that many numbers, 800 MB, are
downloaded.
"""
BATCH = 256
"""Activations in one training step."""
ATOMS = 16
"""Most features in a sparse pursuit."""
RANDOM = 16
"""Random dictionaries in the null of a sparse pursuit."""


@dataclass(frozen=True)
class Tokens:
    """The stream at every token of some texts, at one layer's input.

    Args:
        activations: float32 (tokens, width).
        texts: token ids of each text.
        owner: by activation, which text.
        place: by activation, which token of it.
    """

    activations: Tensor
    texts: tuple[tuple[int, ...], ...]
    owner: tuple[int, ...]
    place: tuple[int, ...]


def collect(
    model: PreTrainedModel, anatomy: Anatomy, texts: list[list[int]], layer: int, skip: int = 1
) -> Tokens:
    """The stream at one layer's input at every token, without the first `skip` of each text.

    The first token of a text carries a norm tens of times that of the others and would be all that an
    autoencoder learns.

    Raises:
        VisitorError: an activation is not finite, or no token is left.
    """
    import torch

    check_layer(anatomy, layer)
    rows = streams_at(model, anatomy, texts, layer)
    kept = [row[skip:] for row in rows]
    owner = [number for number, row in enumerate(kept) for _ in row]
    place = [skip + index for row in kept for index in range(len(row))]
    if not owner:
        raise VisitorError("The texts hold no token to learn from.", "Give longer texts.")
    activations = torch.cat(kept)
    check_finite(activations[None])
    return Tokens(activations, tuple(map(tuple, texts)), tuple(owner), tuple(place))


def check_layer(anatomy: Anatomy, layer: int) -> None:
    """Raise a VisitorError for a layer that the model has not."""
    if not 0 <= layer < anatomy.layers:
        raise VisitorError(f"The model has no layer {layer}.", f"Its layers are 0 to {anatomy.layers - 1}.")


def streams_at(model: PreTrainedModel, anatomy: Anatomy, texts: list[list[int]], layer: int) -> list[Tensor]:
    """The stream at one layer's input of every text, each float32 (tokens, width), on the CPU; in batches of
    similar length.
    """
    import torch

    found: list[Tensor] = [torch.empty(0, anatomy.width)] * len(texts)
    for chosen in batches(texts):
        ids, _ = padded([texts[index] for index in chosen], model.device)
        watched, kept = watch(model, anatomy, lambda hidden: hidden.float(), (anatomy.blocks[layer],))
        with torch.inference_mode():
            watched.base_model(ids, use_cache=False)
        for row, index in zip(kept[0].cpu(), chosen, strict=True):
            found[index] = row[: len(texts[index])]
    return found


@dataclass(frozen=True)
class Training:
    """How far the training came.

    Args:
        step: steps done.
        steps: of all.
        loss: mean squared error of a step's batch, summed over the width.
        explained: share of the variance of all activations that the reconstruction explains; measured where
            training ends.
        dead: features that no activation fires; likewise.
        sae: the autoencoder, when it is done.
    """

    step: int
    steps: int
    loss: float
    explained: float | None = None
    dead: int | None = None
    sae: Any = None

    def to_json(self) -> dict[str, Any]:
        """All but the autoencoder."""
        return {key: value for key, value in self.__dict__.items() if key != "sae"}


def train(
    tokens: Tokens,
    layer: int,
    model_id: str,
    folder: Path,
    features: int = 1_152,
    k: int = 16,
    steps: int = 300,
    rate: float = 1e-3,
    seed: int = 0,
    device: str = "cpu",
) -> Iterator[Training]:
    """Train a TopK autoencoder with sae-lens' own trainer; yields its progress, the autoencoder with the
    last.

    Args:
        tokens: what it learns from, drawn with replacement.
        layer: kept in its metadata, as is the model.
        folder: where it is saved, as sae-lens loads it.
        features: rows of the dictionary.
        k: features that fire at a token.
        steps: of BATCH activations each.
        rate: of learning.
        seed: of weights and draws.

    Raises:
        VisitorError: a number is out of its range.
    """
    for name, value, low, high in (
        ("features", features, k, MAX_FEATURES),
        ("k", k, 1, 256),
        ("steps", steps, 1, MAX_STEPS),
    ):
        if not low <= value <= high:
            raise VisitorError(f"{name} is {value}.", f"Use {low:,} to {high:,}.")
    import torch
    from sae_lens.config import SAETrainerConfig
    from sae_lens.saes.sae import SAE, SAEMetadata
    from sae_lens.saes.topk_sae import TopKTrainingSAE, TopKTrainingSAEConfig
    from sae_lens.training.sae_trainer import SAETrainer

    count, width = tokens.activations.shape
    generator = torch.Generator().manual_seed(seed)

    def draw() -> Iterator[Tensor]:
        while True:
            yield tokens.activations[torch.randint(count, (BATCH,), generator=generator)]

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        sae = TopKTrainingSAE(
            TopKTrainingSAEConfig(
                d_in=width,
                d_sae=features,
                k=k,
                device=device,
                dtype="float32",
                normalize_activations="expected_average_only_in",
                apply_b_dec_to_input=True,
                metadata=SAEMetadata(model_name=model_id, hook_name=f"blocks.{layer}.hook_resid_pre"),
            )
        )
        settings = SAETrainerConfig(
            total_training_samples=steps * BATCH,
            train_batch_size_samples=BATCH,
            lr=rate,
            device=device,
            lr_warm_up_steps=steps // 20,
            lr_decay_steps=steps // 5,
            lr_end=rate / 10,
        )
        trainer = SAETrainer(cfg=settings, sae=sae, data_provider=draw())
        # what SAETrainer.fit does, step by step, so that a page can show how far it is
        trainer.activation_scaler.estimate_scaling_factor(
            d_in=width, data_provider=draw(), n_batches_for_norm_estimate=16
        )
        factor = trainer.activation_scaler.scaling_factor
        with torch.no_grad():
            sae.b_dec.copy_(tokens.activations.mean(0) * factor)  # the mean costs no feature
        for step in range(steps):
            trainer.maybe_reset_sparsity()
            output = trainer.step(next(trainer.data_provider))
            trainer.n_training_steps += 1
            if step % 10 == 9 or step + 1 == steps:
                yield Training(step + 1, steps, float(output.loss.detach()))
        sae.fold_activation_norm_scaling_factor(factor)
    sae.save_inference_model(folder)
    made = SAE.load_from_disk(folder, device=device)
    explained, dead = quality(made, tokens)
    yield Training(steps, steps, float(output.loss.detach()), explained, dead, made)


def quality(sae: Any, tokens: Tensor | Tokens) -> tuple[float, int]:
    """Share of the activations' variance that the reconstruction explains, and how many features never fire
    on them.
    """
    import torch

    rows = tokens.activations if isinstance(tokens, Tokens) else tokens
    left, fired = 0.0, torch.zeros(sae.cfg.d_sae, dtype=torch.bool)
    with torch.inference_mode():
        for part in rows.split(1024):
            acts = sae.encode(part.to(sae.device))
            left += float((part.to(sae.device) - sae.decode(acts)).double().square().sum())
            fired |= (acts > 0).any(0).cpu()
    return round(1 - left / float((rows - rows.mean(0)).double().square().sum()), 4), int((~fired).sum())


def import_sae_lens() -> None:
    """Do what takes 10 s, once, at a moment of the caller's choice."""
    import sae_lens  # noqa: F401


def load(
    source: str | Path, model: PreTrainedModel, anatomy: Anatomy, layer: int | None = None
) -> tuple[Any, int]:
    """An autoencoder from a folder, or from sae-lens' registry as "release/sae id"; and the layer whose input
    it reads.

    One of the registry is checked by its configuration before its weights are downloaded.

    Args:
        source: a folder that the app or a local user names, or the text of a name in the registry, which is
            never taken for a folder.
        layer: that is wanted; None for the one that it was trained on.

    Raises:
        VisitorError: it cannot be had, it is too large, it was trained on another width, another layer or
            another part of the model.
    """
    from sae_lens.loading.pretrained_sae_loaders import load_sae_config_from_huggingface
    from sae_lens.saes.sae import SAE

    try:
        if isinstance(source, Path):
            sae = SAE.load_from_disk(source, device=str(model.device))
        else:
            release, _, sae_id = source.partition("/")
            stated = load_sae_config_from_huggingface(release, sae_id)
            check(stated["d_in"], (stated.get("metadata") or {}).get("hook_name"), anatomy, layer)
            check_size(source, int(stated["d_in"]) * int(stated["d_sae"]))
            sae = SAE.from_pretrained(release, sae_id, device=str(model.device))
    except VisitorError:
        raise
    except Exception as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0][:160].rstrip(".")
        # a folder's name is a secret of its session
        what = type(error).__name__ if isinstance(source, Path) else f"{source[:60]}: {first}"
        raise VisitorError(
            f"The autoencoder could not be loaded ({what}).",
            "Train one here, or name one of sae-lens' registry as release/id.",
        ) from error
    return sae, check(sae.cfg.d_in, getattr(sae.cfg.metadata, "hook_name", None), anatomy, layer)


def check_size(source: str, weights: int) -> None:
    """Raise a VisitorError for an autoencoder with too many weights, width × features."""
    if weights > MAX_SAE_WEIGHTS:
        raise VisitorError(
            f"{source[:60]} has {2 * weights / 1e6:,.0f} million weights.",
            f"Choose one of at most {2 * MAX_SAE_WEIGHTS / 1e6:,.0f} million, or train one here.",
        )


_HOOK = re.compile(
    r"(?:blocks|model\.layers|transformer\.h|gpt_neox\.layers)\.(\d+)(?:\.hook_resid_(pre|post))?"
)


def check(width: Any, hook: Any, anatomy: Anatomy, layer: int | None = None) -> int:
    """The layer whose input an autoencoder reads.

    A block's output is the next block's input: an autoencoder of resid_post at layer l reads layer l + 1's
    input.

    Args:
        width: of what it reads, as it states it.
        hook: the name of the place that it reads, likewise.
        anatomy: of the model.
        layer: that is wanted, if any.

    Raises:
        VisitorError: its width is not the stream's, it reads another layer than is wanted, or not the stream.
    """
    if int(width) != anatomy.width:
        raise VisitorError(
            f"The autoencoder reads {int(width):,} numbers, the model's stream has {anatomy.width:,}.",
            "Choose one that was trained on this model.",
        )
    match = _HOOK.fullmatch(str(hook or ""))
    if match is None:
        raise VisitorError(
            f"The autoencoder reads “{str(hook)[:60]}”, which is not the residual stream.",
            "Choose one of resid_pre or resid_post.",
        )
    reads = int(match[1]) + (match[2] != "pre")
    check_layer(anatomy, reads)
    if layer is not None and layer != reads:
        raise VisitorError(
            f"The autoencoder reads layer {reads}'s input, not layer {layer}'s.",
            f"Take the direction of layer {reads}, or train one for layer {layer}.",
        )
    return reads


@dataclass(frozen=True)
class Pursuit:
    """A direction as a sum of few decoder rows, by orthogonal matching pursuit.

    Args:
        atoms: features in the order in which they were found, with their coefficient in the final sum and the
            cosine of their row with the direction.
        explained: 1 − ‖rest‖² after each step.
        null: 5 %, 50 % and 95 % quantile of the same for random dictionaries of as many rows.
    """

    atoms: list[dict[str, Any]]
    explained: list[float]
    null: list[list[float]]

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        return dict(self.__dict__)


def pursue(direction: Tensor, rows: Tensor, atoms: int = 8, seed: int = 0) -> Pursuit:
    """Write a unit direction as a sum of decoder rows, the best next row at a time (Pati et al. 1993), beside
    a null.

    Args:
        direction: unit, (width,).
        rows: decoder rows, (features, width), of any length.
        atoms: how many.
        seed: of the random dictionaries.
    """
    import torch

    wanted = direction.double().cpu()
    units = torch.nn.functional.normalize(rows.detach().double().cpu(), dim=-1)
    atoms = min(atoms, ATOMS, len(units), len(wanted))
    chosen, weights, explained = _pursue(wanted, units, atoms)
    generator = torch.Generator().manual_seed(seed)
    null = []
    for _ in range(RANDOM):
        guesses = torch.nn.functional.normalize(
            torch.randn(units.shape, generator=generator).double(), dim=-1
        )
        null.append(_pursue(wanted, guesses, atoms)[2])
    quantiles = torch.quantile(torch.tensor(null), torch.tensor([0.05, 0.5, 0.95]), dim=0).T
    cosines = (units @ wanted)[chosen].tolist()
    found = [
        {"feature": feature, "coefficient": round(weight, 5), "cosine": round(cosine, 5)}
        for feature, weight, cosine in zip(chosen, weights, cosines, strict=True)
    ]
    return Pursuit(
        found,
        [round(value, 5) for value in explained],
        [[round(v, 5) for v in row] for row in quantiles.tolist()],
    )


def _pursue(wanted: Tensor, units: Tensor, atoms: int) -> tuple[list[int], list[float], list[float]]:
    import torch

    chosen: list[int] = []
    explained: list[float] = []
    rest, weights = wanted, torch.empty(0)
    for _ in range(atoms):
        overlap = (units @ rest).abs()
        overlap[chosen] = -1
        chosen.append(int(overlap.argmax()))
        weights = torch.linalg.lstsq(units[chosen].T, wanted[:, None], driver="gelsd").solution[:, 0]
        rest = wanted - weights @ units[chosen]
        explained.append(1 - float(rest @ rest))
    return chosen, weights.tolist(), explained


def top_tokens(
    sae: Any, tokens: Tokens, loaded: Loaded, features: list[int], most: int = 6, around: int = 16
) -> list[dict[str, Any]]:
    """Where features fire most: for each the tokens with the largest activations, in their context, and how
    often it fires at all.
    """
    import torch

    with torch.inference_mode():
        acts = torch.cat(
            [sae.encode(part.to(sae.device))[:, features].cpu() for part in tokens.activations.split(1024)]
        )
    found = []
    for column, feature in enumerate(features):
        values, indices = acts[:, column].topk(min(most, len(acts)))
        examples = []
        for value, index in zip(values.tolist(), indices.tolist(), strict=True):
            if value <= 0:
                break
            text, place = tokens.texts[tokens.owner[index]], tokens.place[index]
            start = max(0, place - around)
            pieces = [str(loaded.tokenizer.decode([token])) for token in text[start : place + 3]]
            examples.append({"activation": float(f"{value:.4g}"), "pieces": pieces, "at": place - start})
        found.append(
            {
                "feature": feature,
                "density": round(float((acts[:, column] > 0).float().mean()), 5),
                "examples": examples,
            }
        )
    return found


def of_prompt(
    sae: Any,
    model: PreTrainedModel,
    anatomy: Anatomy,
    loaded: Loaded,
    ids: list[int],
    layer: int,
    most: int = 5,
) -> list[dict[str, Any]]:
    """At every token of a prompt the features that fire most, with their activations."""
    import torch

    with torch.inference_mode():
        acts = sae.encode(streams_at(model, anatomy, [ids], layer)[0].to(sae.device)).cpu()
    values, indices = acts.topk(min(most, acts.shape[1]), dim=-1)
    return [
        {
            "token": str(loaded.tokenizer.decode([token])),
            "features": [
                {"feature": feature, "activation": float(f"{value:.4g}")}
                for value, feature in zip(row, places, strict=True)
                if value > 0
            ],
        }
        for token, row, places in zip(ids, values.tolist(), indices.tolist(), strict=True)
    ]


def edited(
    model: PreTrainedModel, anatomy: Anatomy, sae: Any, layer: int, feature: int, amount: float | None = None
) -> PreTrainedModel:
    """A twin in which one feature is removed, or held at an amount.

    The stream changes by the feature's own part alone, h ← h + decode(f′) − decode(f), where f′ is f(h) with
    this feature at 0 or at the amount; what the autoencoder does not reconstruct stays as it is.

    Raises:
        VisitorError: the autoencoder has no such feature.
    """
    if not 0 <= feature < sae.cfg.d_sae:
        raise VisitorError(
            f"The autoencoder has no feature {feature}.", f"Its features are 0 to {sae.cfg.d_sae - 1:,}."
        )
    made = twin(model)

    def hook(_: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        hidden = inputs[0]
        before = sae.encode(hidden.to(sae.W_dec.dtype))
        after = before.clone()
        after[..., feature] = amount or 0.0
        return (hidden + (sae.decode(after) - sae.decode(before)).to(hidden.dtype), *inputs[1:])

    made.get_submodule(anatomy.blocks[layer]).register_forward_pre_hook(hook)
    return made
