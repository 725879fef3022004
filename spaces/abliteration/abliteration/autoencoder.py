"""Sparse autoencoders, with sae-lens: train one on cached activations, or load one.

sae-lens takes about 10 s to import: it is imported where it is used.
"""

from __future__ import annotations

import difflib
import importlib.util
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from abliteration import data
from abliteration.architecture import check_layer
from abliteration.tokens import Tokens
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
        explained: share of the variance of activations that it did not learn from which the reconstruction
            explains; measured where training ends.
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
    held: Tokens | None = None,
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
        held: tokens that it does not learn from, on which its quality is measured.

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

    with torch.random.fork_rng(devices=[]):  # nothing draws from it later
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
    explained, dead = quality(saved, tokens if held is None else held)
    yield Training(steps, steps, float(output.loss.detach()), explained, dead, saved)


def quality(sae: Any, tokens: Tokens) -> tuple[float, int]:
    """Share of the activations' variance that the reconstruction explains, and how many features never fire
    on them; of centred ones where the autoencoder reads those.
    """
    import torch

    rows = tokens.activations
    if isinstance(sae, Centred):
        rows = centre(rows)
    left, fired = 0.0, torch.zeros(sae.cfg.d_sae, dtype=torch.bool)
    with torch.inference_mode():
        for part in rows.split(1024):
            acts = sae.encode(part.to(sae.device))
            left += float((part.to(sae.device) - sae.decode(acts)).double().square().sum())
            fired |= (acts > 0).any(0).cpu()
    return round(1 - left / float((rows - rows.mean(0)).double().square().sum()), 4), int((~fired).sum())


def centre(stream: Tensor) -> Tensor:
    """A stream without its mean over the width, as TransformerLens has it where it centres the weights that
    write into it. A LayerNorm sees no difference.
    """
    return stream - stream.mean(-1, keepdim=True)


class Centred:
    """An autoencoder that was trained on centred weights, and reads the stream of a model without them."""

    def __init__(self, sae: Any) -> None:
        self.sae, self.cfg, self.W_dec, self.device = sae, sae.cfg, sae.W_dec, sae.device

    def encode(self, stream: Tensor) -> Any:
        """Features of the centred stream."""
        return self.sae.encode(centre(stream))

    def decode(self, features: Tensor) -> Any:
        """The centred stream of some features."""
        return self.sae.decode(features)


def is_centred(metadata: Any) -> bool:
    """Whether an autoencoder's metadata say that the model's weights were centred."""
    get = metadata.get if isinstance(metadata, dict) else lambda name: getattr(metadata, name, None)
    return bool((get("model_from_pretrained_kwargs") or {}).get("center_writing_weights"))


def registry() -> dict[str, list[str]]:
    """The ids of every release that sae-lens knows, from the file inside the package: it needs no network,
    and not the ten seconds of the import.
    """
    return _registry(str(_registry_file()))


def _registry_file() -> Path:
    found = importlib.util.find_spec("sae_lens")
    assert found is not None and found.submodule_search_locations
    return Path(next(iter(found.submodule_search_locations))) / "pretrained_saes.yaml"


@lru_cache(maxsize=1)
def _registry(path: str) -> dict[str, list[str]]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    with Path(path).open(encoding="utf-8") as handle:
        table = yaml.load(handle, Loader=loader)  # noqa: S506  the loader is a safe one
    return {str(name): [str(sae["id"]) for sae in release.get("saes", ())] for name, release in table.items()}


def check_name(source: str) -> None:
    """Raise a VisitorError for a name that sae-lens' registry does not have, with the nearest ones that it
    has.
    """
    known = registry()
    release, _, sae_id = source.partition("/")
    if release in known and sae_id in known[release]:
        return
    if release not in known:  # sae-lens would take it for a repository
        near = [f"{name}/{known[name][0]}" for name in _near(release, known)]
        what = f"sae-lens' registry has no {source[:60]}."
    else:
        near = [f"{release}/{name}" for name in _near(sae_id, known[release])]
        what = f"The release {release} has no {sae_id[:60] or 'autoencoder without an id'}."
    raise VisitorError(
        what, f"Near names: {', '.join(near)}." if near else "Train one here, or name one as release/id."
    )


def _near(name: str, known: Iterable[str]) -> list[str]:
    """At most three names that are alike or begin alike."""
    names = list(known)
    alike = difflib.get_close_matches(name, names, 3, 0.5)
    word = re.split(r"[-_./]", name)[0].lower()
    begins = [one for one in names if word and one.lower().startswith(word)]
    return list(dict.fromkeys([*alike, *begins]))[:3] or names[:3] * (len(names) < 50)


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
    if not isinstance(source, Path):
        check_name(source)
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
    reads = check(sae.cfg.d_in, getattr(sae.cfg.metadata, "hook_name", None), anatomy, layer)
    return (Centred(sae) if is_centred(sae.cfg.metadata) else sae), reads


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
