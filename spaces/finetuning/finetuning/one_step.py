"""One step of a run: the loss of its rows, and what is told of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from finetuning import losses
from finetuning.data import StepSeen
from finetuning.lora import Net
from finetuning.pairs import Pair, Text, crossed
from finetuning.train_request import TrainRequest
from finetuning.watch import Watch
from shared.estimates import estimate

if TYPE_CHECKING:
    from torch import Tensor


def loss_of(
    one: TrainRequest, net: Net, watch: Watch, some: Sequence[Pair]
) -> tuple[Tensor, list[float], dict[str, float]]:
    """The loss of a step's rows, of each row alone, and what DPO, ORPO or KTO shows besides."""
    import torch

    if one.objective == "sft":
        logs = net.token_logs([pair.chosen for pair in some])
        return losses.sft(logs), [float(-row.detach().mean()) for row in logs], {}
    if one.objective == "orpo":
        return _odds(one, net, some)
    if one.objective == "kto":
        return _wanted(one, net, watch, some)
    sums = [
        row.sum()
        for row in net.token_logs([text for at in (0, 1) for text in (pair.texts[at] for pair in some)])
    ]
    chosen, rejected = torch.stack(sums[: len(some)]), torch.stack(sums[len(some) :])
    before = [
        torch.tensor([watch.reference[pair.texts[at]] for pair in some], device=chosen.device)
        for at in (0, 1)
    ]
    loss = losses.dpo(chosen, rejected, before[0], before[1], one.beta)
    margins = losses.margins(chosen, rejected, before[0], before[1]).detach()
    each = (-torch.nn.functional.logsigmoid(one.beta * margins)).tolist()
    more = {
        "chosen": float((chosen.detach() - before[0]).mean()),
        "rejected": float((rejected.detach() - before[1]).mean()),
        "accuracy": float((margins > 0).float().mean()),
    }
    return loss, each, more


def _odds(one: TrainRequest, net: Net, some: Sequence[Pair]) -> tuple[Tensor, list[float], dict[str, float]]:
    """The loss of ORPO, as `loss_of`; ln p of the whole chosen text counts, of the rejected its answer."""
    import torch

    whole = [Text(pair.chosen.ids, 1) for pair in some]
    logs = net.token_logs([*whole, *(pair.texts[1] for pair in some)])
    texts = logs[: len(some)]
    chosen = torch.stack([row[pair.chosen.start - 1 :].mean() for row, pair in zip(texts, some, strict=True)])
    rejected = torch.stack([row.mean() for row in logs[len(some) :]])
    loss = losses.orpo(texts, chosen, rejected, one.beta)
    odds = losses.log_odds_ratio(chosen, rejected).detach()
    ratio = torch.nn.functional.logsigmoid(odds)
    each = [
        float(-row.detach().mean() - one.beta * own) for row, own in zip(texts, ratio.tolist(), strict=True)
    ]
    more = {
        "chosen": float(chosen.detach().mean()),
        "rejected": float(rejected.detach().mean()),
        "accuracy": float((odds > 0).float().mean()),
        "nll": float(losses.sft(texts).detach()),
    }
    return loss, each, more


def _wanted(
    one: TrainRequest, net: Net, watch: Watch, some: Sequence[Pair]
) -> tuple[Tensor, list[float], dict[str, float]]:
    """The loss of KTO, as `loss_of`."""
    import torch

    with torch.no_grad():
        reference = losses.reference_point(_moved(net, watch, crossed(some, one.max_length)))
    moved = _moved(net, watch, [pair.chosen for pair in some])
    wanted = torch.tensor([pair.label for pair in some], device=moved.device)
    weights = one.desirable_weight, one.undesirable_weight
    each = losses.kto(moved, wanted, reference, one.beta, weights)
    more = {"z0": float(reference)}
    for name, side in (("chosen", wanted), ("rejected", ~wanted)):
        if bool(side.any()):
            more[name] = float(moved.detach()[side].mean())
    return each.mean(), each.detach().tolist(), more


def _moved(net: Net, watch: Watch, texts: Sequence[Text]) -> Tensor:
    """By how much ln p of each text's answer changed since before training, nats."""
    import torch

    now = torch.stack([row.sum() for row in net.token_logs(texts)])
    return now - torch.tensor([watch.reference[text] for text in texts], device=now.device)


def seen_step(
    step: int, loss: Tensor, each: Sequence[float], rate: float, norm: float, more: Mapping[str, float]
) -> StepSeen:
    """A step as the figure draws it."""
    import torch

    sigma = estimate(torch.tensor(each)).sigma
    return {
        "step": step,
        "loss": float(f"{float(loss.detach()):.7g}"),
        "spread": None if sigma is None else float(f"{sigma:.4g}"),
        "rate": float(f"{rate:.6g}"),
        "norm": float(f"{norm:.7g}"),
        "chosen": more.get("chosen"),
        "rejected": more.get("rejected"),
        "accuracy": more.get("accuracy"),
        "nll": more.get("nll"),
        "z0": more.get("z0"),
    }
