"""The gates of a mixture of experts: the vectors that mergekit computes from prompts, and how alike they
are.

A router sends a token to the experts whose gates have the largest products with the token's state. Gates
that are nearly equal rank the experts by what is left after rounding: the usual mistake of such a mixture.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

from merging import data
from merging import recipe as recipes
from shared import models
from shared.errors import VisitorError
from shared.talk import check_length, check_vocabulary, token_ids

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from shared.models import Loaded

MODES = ("hidden", "cheap_embed", "random")
"""Those that are held against each other."""
DEGENERATE = 5.0
"""Condition number of a layer's gates above which mergekit warns; of two gates it is the one of a cosine of
0.92.
"""
MAX_PROMPT_TOKENS = 256
"""Of one prompt."""
MAX_BATCH = 2_048
"""Tokens of an expert's prompts together, each filled up to the longest: mergekit keeps every layer's state
of all of them, and for cheap_embed a row as long as the vocabulary for each.
"""


def modes_of(recipe: dict[str, Any]) -> list[str]:
    """The recipe's own mode, then the others to hold against it."""
    own = str(recipe.get("gate_mode") or MODES[0])
    return [own, *(mode for mode in MODES if mode != own)]


def gated(recipe: dict[str, Any], mode: str) -> list[dict[str, Any]]:
    """The experts that have a gate: all routed ones, then shared ones that have prompts, or any where gates
    are drawn.
    """
    routed = [expert for _, expert in recipes.items(recipe.get("experts"), "")]
    shared = [expert for _, expert in recipes.items(recipe.get("shared_experts"), "")]
    if "random" in mode or any(expert.get("positive_prompts") for expert in shared):
        return routed + shared
    return routed


def vectors(recipe: dict[str, Any], mode: str, base: Loaded, seed: int) -> Tensor:
    """The gates as `mergekit-moe` computes them, (layers, experts, hidden size): bfloat16 from hidden states,
    which mergekit computes in that dtype, else float32.

    Args:
        recipe: that mergekit accepts.
        mode: "hidden", "cheap_embed", "random" or "uniform_random".
        base: the recipe's base model.
        seed: of the draws.

    Raises:
        VisitorError: an expert has no prompts, a prompt is too long, or the base overflows.
    """
    import torch

    experts = gated(recipe, mode)
    config = base.model.config
    shape = (config.num_hidden_layers, len(experts), config.hidden_size)
    if "random" in mode:
        generator = torch.Generator().manual_seed(seed)
        if mode == "random":
            return torch.randn(shape, generator=generator)
        scale = math.sqrt(1.0 / config.hidden_size)
        return torch.rand(shape, generator=generator) * 2 * scale - scale
    for expert in experts:
        if not expert.get("positive_prompts"):
            raise VisitorError(
                f"{str(expert.get('source_model'))[:60]} has no prompts, and {mode} makes gates of them.",
                "Give every expert prompts that it should answer.",
            )
    with torch.no_grad():
        read = _embedding(base) if mode == "cheap_embed" else _hidden(base)
        gates = []
        for expert in experts:
            gate = read(_batch(base, expert["positive_prompts"]))
            if expert.get("negative_prompts"):
                gate -= read(_batch(base, expert["negative_prompts"]))
            gate /= gate.norm(p=2, dim=-1, keepdim=True).clamp(min=1e-8)
            gates.append(gate)
    made = torch.stack(gates).permute(1, 0, 2)
    if not made.isfinite().all():
        raise VisitorError(
            f"{base.id} answers the prompts with values that are not finite.",
            "Choose another base model, or gates that are drawn.",
        )
    return made


def prompt_tokens(base: Loaded, prompt: str) -> list[int]:
    """A prompt as mergekit reads it: behind BOS wherever the tokenizer has one, outside of any chat
    template.
    """
    ids = token_ids(base.tokenizer, (base.tokenizer.bos_token or "") + str(prompt))
    check_length(str(prompt), ids, MAX_PROMPT_TOKENS)
    if not ids:
        raise VisitorError("A prompt has no token.", "Write at least one word into each.")
    check_vocabulary(base.model, ids)
    return ids


def _batch(base: Loaded, prompts: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Token ids padded on the left, and their mask, both (prompts, tokens)."""
    import torch

    rows = [prompt_tokens(base, prompt) for prompt in prompts]
    longest = max(map(len, rows))
    if longest * len(rows) > MAX_BATCH:
        raise VisitorError(
            f"An expert has {len(rows)} prompts of up to {longest} tokens, {longest * len(rows):,} together.",
            f"Use fewer or shorter ones, {MAX_BATCH:,} tokens at most.",
        )
    pad = _pad(base.tokenizer)
    if pad is None and any(len(row) < longest for row in rows):
        raise VisitorError(
            f"{base.id} has no token to fill shorter prompts with.", "Give one prompt to every expert."
        )
    ids = torch.tensor([[pad or 0] * (longest - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
    return ids, mask


def _pad(tokenizer: PreTrainedTokenizerBase) -> int | None:
    known = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id)
    return next((int(token) for token in known if isinstance(token, int)), None)


def _hidden(base: Loaded) -> Any:
    """Reads a batch: each layer's input at the last token, the mean over the prompts."""
    from mergekit.moe.router import get_hidden_states
    from transformers import BatchEncoding

    model = _in_bfloat16(base.model)

    def read(batch: tuple[Tensor, Tensor]) -> Tensor:
        tokenized = BatchEncoding({"input_ids": batch[0], "attention_mask": batch[1]})
        return get_hidden_states(model, tokenized, average=False)

    return read


def _embedding(base: Loaded) -> Any:
    """Reads a batch: the sum of its tokens' embeddings, the same for every layer. mergekit multiplies the
    table with ones and zeros for this, which takes gigabytes and gives the same rows.
    """
    table = base.model.get_input_embeddings().weight.detach().cpu().float()
    layers = base.model.config.num_hidden_layers

    def read(batch: tuple[Tensor, Tensor]) -> Tensor:
        ids, mask = batch
        embedded = (table[ids] * mask.unsqueeze(-1)).sum(1).sum(0, keepdim=True)
        return (embedded / embedded.norm(dim=-1, keepdim=True).clamp(min=1e-8)).repeat(layers, 1)

    return read


def _in_bfloat16(model: PreTrainedModel) -> PreTrainedModel:
    """A twin on the processor whose parameters are rounded as `from_pretrained(dtype=bfloat16)` does it; its
    buffers, the frequencies of the positions, stay as they are there too.
    """
    import torch

    rounded = models.twin(model)
    made: dict[int, torch.nn.Parameter] = {}
    for module in rounded.modules():
        for name, weight in module._parameters.items():
            if weight is not None:
                if id(weight) not in made:
                    value = weight.detach().to("cpu", torch.bfloat16)
                    made[id(weight)] = torch.nn.Parameter(value, requires_grad=False)
                module._parameters[name] = made[id(weight)]
        for name, value in module._buffers.items():
            if value is not None:
                module._buffers[name] = value.cpu()
    return rounded


def likeness(mode: str, gates: Tensor) -> data.GateMode:
    """How alike the gates are, layer by layer.

    Args:
        mode: that made them.
        gates: (layers, experts, hidden size).
    """
    import torch

    unit = torch.nn.functional.normalize(gates.double(), dim=-1)
    cosine = (unit @ unit.transpose(1, 2)).clamp(-1, 1)
    # mergekit computes it in float32, and its bound is told from that
    condition = [float(torch.linalg.cond(layer.float())) for layer in gates]
    return {
        "mode": mode,
        "pairs": [
            {"first": a, "second": b, "cosine": [round(float(value), 4) for value in cosine[:, a, b]]}
            for a, b in combinations(range(gates.shape[1]), 2)
        ],
        "condition": [round(value, 2) if math.isfinite(value) else None for value in condition],
        "degenerate": [layer for layer, value in enumerate(condition) if not value <= DEGENERATE],
    }


def all_modes(recipe: dict[str, Any], base: Loaded, seed: int) -> Iterator[tuple[str, Tensor | VisitorError]]:
    """The gates of every mode, the recipe's first, or why it has none."""
    for mode in modes_of(recipe):
        try:
            yield mode, vectors(recipe, mode, base, seed)
        except VisitorError as error:
            yield mode, error


def described(
    recipe: dict[str, Any], base: Loaded, found: dict[str, Tensor], skipped: list[str]
) -> data.GateVectors:
    """Gates by mode, as figures show them.

    Args:
        recipe: that they are of.
        base: its base model.
        found: by mode, the recipe's own first.
        skipped: sentences on modes without gates.
    """
    own, first = next(iter(found.items()))
    return {
        "experts": [str(expert.get("source_model")) for expert in gated(recipe, own)],
        "routed": len(recipe["experts"]),
        "layers": first.shape[0],
        "width": first.shape[2],
        "own": own,
        "modes": [likeness(mode, gates) for mode, gates in found.items()],
        "skipped": skipped,
        "model": {"name": base.id, "revision": base.revision},
    }
