"""What a direction is made of: the features of a sparse autoencoder that add up to it, where they fire, and
what changing one of them does. Only the decoder's rows and the encoder are needed, whatever made them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from abliteration import data
from abliteration.numbers import short
from abliteration.tokens import Tokens, streams_at
from shared.errors import VisitorError
from shared.estimates import quantile
from shared.models import twin

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from abliteration.architecture import Anatomy
    from shared.models import Loaded

ATOMS = 16
"""Most features in a sparse pursuit."""
RANDOM = 50
"""Random dictionaries in the null of a sparse pursuit."""


@dataclass(frozen=True)
class Pursuit:
    """A direction as a sum of few decoder rows, by orthogonal matching pursuit.

    Args:
        atoms: features in the order of the pursuit, with their coefficient in the final sum and the cosine of
            their row with the direction.
        explained: 1 − ‖rest‖² after each step.
        null: 5 %, 50 % and 95 % quantile of the same for random dictionaries of as many rows, which vary as
            the activations do.
    """

    atoms: list[data.Atom]
    explained: list[float]
    null: list[data.Quantiles]

    def to_json(self) -> data.Pursuit:
        """All of it."""
        return {"atoms": self.atoms, "explained": self.explained, "null": self.null}


def pursue(
    direction: Tensor, rows: Tensor, atoms: int = 8, seed: int = 0, activations: Tensor | None = None
) -> Pursuit:
    """Write a unit direction as a sum of decoder rows, the best next row at a time (Pati et al. 1993), beside
    a null.

    Args:
        direction: unit, (width,).
        rows: decoder rows, (features, width), of any length.
        atoms: how many.
        seed: of the random dictionaries.
        activations: (tokens, width), whose covariance the rows of the random dictionaries have; without them
            no direction is likelier than another.
    """
    import torch

    wanted = direction.double().cpu()
    units = torch.nn.functional.normalize(rows.detach().double().cpu(), dim=-1)
    atoms = min(atoms, ATOMS, len(units), len(wanted))
    features, weights, explained = _pursue(wanted, units, atoms)
    generator = torch.Generator().manual_seed(seed)
    null = []
    root = None if activations is None else covariance_root(activations)
    for _ in range(RANDOM):
        guesses = torch.randn(units.shape, generator=generator)
        guesses = (guesses if root is None else guesses @ root).double()
        null.append(_pursue(wanted, torch.nn.functional.normalize(guesses, dim=-1), atoms)[2])
    cosines = (units @ wanted)[features].tolist()
    return Pursuit(
        [
            {"feature": feature, "coefficient": round(weight, 5), "cosine": round(cosine, 5)}
            for feature, weight, cosine in zip(features, weights, cosines, strict=True)
        ],
        [round(value, 5) for value in explained],
        [
            [round(value, 5) for value in quantile(step, (0.05, 0.5, 0.95))]
            for step in zip(*null, strict=True)
        ],
    )


def covariance_root(activations: Tensor) -> Tensor:
    """The symmetric square root of the activations' covariance, float32 (width, width): a row of independent
    normal numbers times it varies as the activations do.
    """
    import torch

    centred = (activations - activations.mean(0)).double().cpu()
    values, vectors = torch.linalg.eigh(centred.T @ centred / max(1, len(centred) - 1))
    return ((vectors * values.clamp(min=0).sqrt()) @ vectors.T).float()


def _pursue(wanted: Tensor, units: Tensor, atoms: int) -> tuple[list[int], list[float], list[float]]:
    import torch

    features: list[int] = []
    explained: list[float] = []
    rest, weights = wanted, torch.empty(0)
    for _ in range(atoms):
        overlap = (units @ rest).abs()
        overlap[features] = -1
        features.append(int(overlap.argmax()))
        weights = torch.linalg.lstsq(units[features].T, wanted[:, None], driver="gelsd").solution[:, 0]
        rest = wanted - weights @ units[features]
        explained.append(1 - float(rest @ rest))
    return features, weights.tolist(), explained


def top_tokens(
    sae: Any,
    tokens: Tokens,
    loaded: Loaded,
    features: list[int],
    most: int = 6,
    around: int = 16,
    lead: tuple[int, ...] = (),
) -> list[data.Firing]:
    """Where features fire most: for each the tokens with the largest activations, in their context, and how
    often it fires at all.

    Args:
        most: tokens of a feature.
        around: tokens of the context before each.
        lead: what the chat template puts before a prompt, which is no context.
    """
    import torch

    with torch.inference_mode():
        acts = torch.cat(
            [sae.encode(part.to(sae.device))[:, features].cpu() for part in tokens.activations.split(1024)]
        )
    firings: list[data.Firing] = []
    special = set(loaded.tokenizer.all_special_ids)
    for column, feature in enumerate(features):
        values, indices = acts[:, column].topk(min(most, len(acts)))
        examples: list[data.FiringExample] = []
        for value, index in zip(values.tolist(), indices.tolist(), strict=True):
            if value <= 0:
                break
            text, place = tokens.texts[tokens.owner[index]], tokens.place[index]
            start = max(0, place - around)
            if lead and text[: len(lead)] == lead and place >= len(lead):
                start = max(start, len(lead))
            shown = [
                at for at in range(start, min(len(text), place + 3)) if at == place or text[at] not in special
            ]
            pieces = [str(loaded.tokenizer.decode([text[at]])) for at in shown]
            examples.append({"activation": short(value, 4), "pieces": pieces, "at": shown.index(place)})
        density = round(float((acts[:, column] > 0).float().mean()), 5)
        firings.append({"feature": feature, "density": density, "examples": examples})
    return firings


def of_prompt(
    sae: Any,
    model: PreTrainedModel,
    anatomy: Anatomy,
    loaded: Loaded,
    ids: list[int],
    layer: int,
    most: int = 5,
    first: int = 0,
) -> list[data.TokenFeatures]:
    """At every token of a prompt the features that fire most, with their activations.

    Args:
        ids: of the prompt as the model reads it.
        layer: whose input the autoencoder reads.
        most: features of a token.
        first: tokens of the chat template before the prompt, which are left out.
    """
    import torch

    with torch.inference_mode():
        acts = sae.encode(streams_at(model, anatomy, [ids], layer)[0].to(sae.device)).cpu()
    values, indices = acts.topk(min(most, acts.shape[1]), dim=-1)
    return [
        {
            "token": str(loaded.tokenizer.decode([token])),
            "features": [
                {"feature": feature, "activation": short(value, 4)}
                for value, feature in zip(row, places, strict=True)
                if value > 0
            ],
        }
        for token, row, places in list(zip(ids, values.tolist(), indices.tolist(), strict=True))[first:]
    ]


def steered(
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
    changed = twin(model)

    def hook(_: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        hidden = inputs[0]
        before = sae.encode(hidden.to(sae.W_dec.dtype))
        after = before.clone()
        after[..., feature] = amount or 0.0
        return (hidden + (sae.decode(after) - sae.decode(before)).to(hidden.dtype), *inputs[1:])

    changed.get_submodule(anatomy.blocks[layer]).register_forward_pre_hook(hook)
    return changed
