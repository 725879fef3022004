"""The proof that edited weights do what the edit says, measured in float64."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from abliteration import data
from abliteration.ablate import live
from abliteration.activations import all_states
from abliteration.bake import in_front, strength
from abliteration.edit import Edit
from abliteration.numbers import short
from shared.models import twin

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from abliteration.architecture import Anatomy


@dataclass(frozen=True)
class Row:
    """What a matrix writes along the direction, before and after.

    Args:
        name: of the parameter.
        part: embedding, positions, attention or mlp.
        layer: of the block.
        strength: α.
        before: ‖uᵀW‖, in float64.
        after: the same of the edited matrix.
        share: ‖uᵀW‖/‖W‖ before; 1/√width is what a random direction has.
        bias_before: |uᵀb|; None without a bias.
        bias_after: the same of the edited bias.
        folded: whether a post-norm's gain is folded into u.
    """

    name: str
    part: str
    layer: int
    strength: float
    before: float
    after: float
    share: float
    bias_before: float | None
    bias_after: float | None
    folded: bool

    def to_json(self) -> data.Matrix:
        """The row as a table takes it."""
        return {
            "name": self.name,
            "part": self.part,
            "layer": self.layer,
            "strength": short(self.strength, 4),
            "before": short(self.before, 4),
            "after": short(self.after, 4),
            "share": short(self.share, 4),
            "bias_before": None if self.bias_before is None else short(self.bias_before, 4),
            "bias_after": None if self.bias_after is None else short(self.bias_after, 4),
            "folded": self.folded,
        }


@dataclass(frozen=True)
class Certificate:
    """That the edited weights do what the edit says.

    Args:
        rows: by matrix.
        gap: largest difference between the run-time edit's and the edited weights' logits.
        scale: standard deviation of the logits, to compare the gap with.
        in_stream: largest |r̂ᵀh| over ‖h‖ at any block's input on the probe prompts, after the edit; None
            unless the kernel removes the direction everywhere.
        audit: largest error of "stream = sum of the writes", relative to the stream: near 0, no write was
            overlooked.
        head: what became of the head.
    """

    rows: tuple[Row, ...]
    gap: float
    scale: float
    in_stream: float | None
    audit: float
    head: str
    verdict: str
    reason: str

    def to_json(self) -> data.CertificateData:
        """The certificate as the page takes it."""
        return {
            "gap": short(self.gap, 3),
            "scale": short(self.scale, 3),
            "in_stream": None if self.in_stream is None else short(self.in_stream, 3),
            "audit": short(self.audit, 3),
            "head": self.head,
            "verdict": self.verdict,
            "reason": self.reason,
            "matrices": [row.to_json() for row in self.rows],
        }


def certify(
    model: PreTrainedModel,
    anatomy: Anatomy,
    edit: Edit,
    baked: PreTrainedModel,
    prompts: list[list[int]],
    files: PreTrainedModel | None = None,
) -> Certificate:
    """Measure an edited model against its edit.

    Args:
        model: as it was.
        baked: from `bake`.
        prompts: token ids to run both on.
        files: the model that was written and opened again, which then stands against the run-time edit.
    """
    import torch

    rows = []
    for write in anatomy.writes:
        u = in_front(model, edit, write).double()
        old, new = model.get_submodule(write.module), baked.get_submodule(write.module)
        before, after = (_along(write.weight(one), u, write.rows) for one in (model, baked))
        bias = getattr(old, "bias", None)
        rows.append(
            Row(
                f"{write.module}.{write.name}",
                write.part,
                write.layer,
                strength(edit, write),
                before,
                after,
                before / max(float(write.weight(model).double().norm()), 1e-30),
                None if bias is None else abs(float(bias.detach().double() @ u)),
                None if bias is None else abs(float(new.bias.detach().double() @ u)),
                write.output != write.module,
            )
        )
    hooked, gap, logits = live(model, anatomy, edit), 0.0, []
    with torch.inference_mode():
        for ids in prompts:
            row = torch.tensor([ids], device=model.device)
            runs = (files or baked, hooked)
            one, other = (edited(row, use_cache=False).logits.double() for edited in runs)
            gap = max(gap, float((one - other).abs().max()))
            logits.append(one.flatten())
    everywhere = (
        edit.kernel.embedding == 1
        and set(edit.kernel.attention + edit.kernel.mlp) == {1.0}
        and edit.method != "norm_preserving"
    )
    head = "the head was not tied and is as it was"
    if anatomy.tied:
        head = (
            "untied: it keeps the matrix that the embedding had"
            if edit.kernel.embedding
            else "still tied: the embedding is not edited"
        )
    return Certificate(
        tuple(rows),
        gap,
        float(torch.cat(logits).std()),
        in_stream(files or baked, anatomy, edit.directions, prompts) if everywhere else None,
        audit(model, anatomy, prompts[:2]),
        head,
        anatomy.family.verdict,
        anatomy.family.reason,
    )


def _along(weight: Tensor, u: Tensor, rows: bool) -> float:
    """‖uᵀW‖ in float64."""
    exact = weight.double()
    return float((exact @ u if rows else u @ exact).norm())


def in_stream(
    model: PreTrainedModel, anatomy: Anatomy, directions: Tensor, prompts: list[list[int]]
) -> float:
    """Largest |r̂ᵀh|/‖h‖ at any block's input and any token."""
    rows = directions.to(model.device)

    def share(hidden: Tensor) -> Tensor:
        return hidden @ rows.T.to(hidden) / hidden.norm(dim=-1, keepdim=True)

    largest = 0.0
    for ids in prompts:
        shares = all_states(model, anatomy, ids, share)
        for layer in range(anatomy.layers):
            largest = max(largest, float(shares[layer, :, layer].abs().max()))
    return largest


def audit(model: PreTrainedModel, anatomy: Anatomy, prompts: list[list[int]]) -> float:
    """Largest ‖stream − Σ writes‖/‖stream‖ at any layer, embedding and positions included: far above
    rounding, a write was overlooked.
    """
    import torch

    watched = twin(model)
    written: list[Tensor] = []  # since the last block's input, that included
    gaps: list[float] = []

    def at_block(_: Any, inputs: Any) -> None:
        hidden = inputs[0].double()
        gaps.append(float((hidden - sum(written)).norm() / hidden.norm()))
        written[:] = [hidden.clone()]

    def at_write(_: Any, inputs: Any, output: Tensor) -> None:
        written.append(output.double().reshape(1, -1, output.shape[-1]))  # experts write without the batch

    for name in (*anatomy.blocks, anatomy.final):
        watched.get_submodule(name).register_forward_pre_hook(at_block)
    for write in anatomy.writes:
        watched.get_submodule(write.output).register_forward_hook(at_write)
    with torch.inference_mode():
        for ids in prompts:
            written.clear()
            watched.base_model(torch.tensor([ids], device=model.device), use_cache=False)
    return max(gaps)
