"""Sparse autoencoders, with sae-lens: train one on cached activations, or load one.

sae-lens takes about 10 s to import: it is imported where it is used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from abliteration import data
from abliteration.activations import Tokens
from abliteration.architecture import check_layer
from shared.errors import VisitorError

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from abliteration.architecture import Anatomy

MAX_FEATURES = 8_192
MAX_STEPS = 2_000
MAX_WEIGHTS = 100_000_000
"""Largest autoencoder of the registry, as width × features: twice that many numbers, 800 MB, are
downloaded.
"""
BATCH = 256
"""Activations in one training step."""


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

    def to_json(self) -> data.Training:
        """All but the autoencoder."""
        return {
            "step": self.step,
            "steps": self.steps,
            "loss": self.loss,
            "explained": self.explained,
            "dead": self.dead,
        }


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
    saved = SAE.load_from_disk(folder, device=device)
    explained, dead = quality(saved, tokens)
    yield Training(steps, steps, float(output.loss.detach()), explained, dead, saved)


def quality(sae: Any, tokens: Tokens) -> tuple[float, int]:
    """Share of the activations' variance that the reconstruction explains, and how many features never fire
    on them.
    """
    import torch

    rows = tokens.activations
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
    from sae_lens.loading.pretrained_saes_directory import get_pretrained_saes_directory
    from sae_lens.saes.sae import SAE

    try:
        if isinstance(source, Path):
            sae = SAE.load_from_disk(source, device=str(model.device))
        else:
            release, _, sae_id = source.partition("/")
            if release not in get_pretrained_saes_directory():  # sae-lens would take it for a repository
                raise VisitorError(
                    f"sae-lens' registry has no {source[:60]}.",
                    "Train one here, or name one of the registry as release/id.",
                )
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
    if weights > MAX_WEIGHTS:
        raise VisitorError(
            f"{source[:60]} has {2 * weights / 1e6:,.0f} million weights.",
            f"Choose one of at most {2 * MAX_WEIGHTS / 1e6:,.0f} million, or train one here.",
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
            "Choose one that reads resid_pre or resid_post.",
        )
    reads = int(match[1]) + (match[2] != "pre")
    check_layer(anatomy, reads)
    if layer is not None and layer != reads:
        raise VisitorError(
            f"The autoencoder reads layer {reads}'s input, not layer {layer}'s.",
            f"Leave its layer empty, choose {reads}, or train one for layer {layer}.",
        )
    return reads
