"""An orthogonal turn of the residual stream: the same function, other weights (QuaRot, Ashkboos et al. 2024).

A transformer with RMSNorm does not care in which basis its residual stream is written: turn what writes into
it by Q and what reads from it by Qᵀ, and every logit stays. The turned weights have no outlier columns,
because each is a mixture of all; that is why rounding hurts them less. It also takes a model off the grid
that its weights were stored on.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from shared.errors import VisitorError
from shared.models import twin

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

FAMILIES = ("llama", "mistral", "qwen2", "qwen3")
"""Model types whose every reader and writer of the residual stream is known here."""


def supported(model: PreTrainedModel) -> str | None:
    """Why a model cannot be rotated, or None where it can."""
    kind = str(model.config.model_type)
    return (
        None
        if kind in FAMILIES
        else f"the residual stream of “{kind}” models is not known here ({', '.join(FAMILIES)} are)."
    )


def orthogonal(size: int, seed: int) -> Tensor:
    """A random orthogonal matrix, float64: a Hadamard matrix of the largest power of two in `size`, its
    Kronecker product with a random orthogonal one for the rest, and random signs.
    """
    import torch
    from scipy.linalg import hadamard

    generator = torch.Generator().manual_seed(seed)
    power = size & -size
    rest = size // power
    turn, upper = torch.linalg.qr(torch.randn(rest, rest, generator=generator, dtype=torch.float64))
    turn = (turn * upper.diagonal().sign()).contiguous()
    signs = torch.randint(0, 2, (size,), generator=generator, dtype=torch.float64) * 2 - 1
    return signs[:, None] * torch.kron(torch.from_numpy(hadamard(power)).double() / power**0.5, turn)


def rotate(model: PreTrainedModel, seed: int) -> PreTrainedModel:
    """The same model in a turned basis: norm gains folded into the layers that follow, computed in float64,
    kept in float32.

    An output head that was tied to the embedding becomes a matrix of its own, because the last norm's gain is
    folded into one of the two only.

    Raises:
        VisitorError: the model's family is not supported.
    """
    import torch
    from torch import nn

    reason = supported(model)
    if reason:
        raise VisitorError(f"This model cannot be rotated: {reason}", "Use it as it is.")
    rotated = twin(model)
    rotated.config = copy.deepcopy(model.config)
    rotated.config.tie_word_embeddings = False
    body, head = rotated.model, rotated.get_output_embeddings()
    turn = orthogonal(rotated.config.hidden_size, seed).to(model.device)

    def put(module: nn.Module, name: str, value: Tensor) -> None:
        setattr(module, name, nn.Parameter(value.to(torch.float32), requires_grad=False))

    def reads(norm: Any, *layers: Any) -> None:
        gain = norm.weight.detach().double()
        for layer in layers:
            put(layer, "weight", (layer.weight.detach().double() * gain) @ turn)
        put(norm, "weight", torch.ones_like(norm.weight))

    def writes(layer: Any) -> None:
        put(layer, "weight", turn.T @ layer.weight.detach().double())
        if layer.bias is not None:
            put(layer, "bias", layer.bias.detach().double() @ turn)

    embedding = body.embed_tokens.weight.detach().double()
    reads(body.norm, head)
    put(body.embed_tokens, "weight", embedding @ turn)
    for layer in body.layers:
        attention, mlp = layer.self_attn, layer.mlp
        reads(layer.input_layernorm, attention.q_proj, attention.k_proj, attention.v_proj)
        reads(layer.post_attention_layernorm, mlp.gate_proj, mlp.up_proj)
        writes(attention.o_proj)
        writes(mlp.down_proj)
    return rotated


def rotated_notes(model: PreTrainedModel) -> tuple[str, ...]:
    """What a reader of a rotated model's numbers should know."""
    extra = model.get_output_embeddings().weight.numel()
    return (
        "The residual stream is rotated: the same function in another basis. The output head is a matrix of "
        f"its own now ({extra / 1e6:,.0f} million weights more than where it is tied to the embedding).",
    )


def rotate_weight(weight: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """A single weight (rows, columns) in a turned input basis, W·Q in float32, and Q in float64."""
    turn = orthogonal(weight.shape[1], seed)
    return (weight.double() @ turn).float(), turn


def kurtosis(weight: Tensor) -> float:
    """Fourth moment over the squared second: 3 for a normal distribution, more with outliers."""
    centred = weight.double() - weight.double().mean()
    return float((centred**4).mean() / (centred**2).mean().clamp(min=1e-300) ** 2)
