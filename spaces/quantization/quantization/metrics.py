"""What is measured of a quantized model: perplexity and divergence from the base model, as llama.cpp defines
them.

Windows of tokens do not overlap. Only the second half of a window is scored (positions n/2 … n−2, each
predicting the next token), so that every scored token has at least n/2 tokens of context. All sums are in
float64.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from shared.models import twin

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedModel

Float64 = npt.NDArray[np.float64]

TOP = 5
"""Candidates that the token microscope shows of each distribution."""
CHUNK = 16
"""Positions that are compared at once: float64 rows of a whole vocabulary should stay near the processor's
cache.
"""


@dataclass(frozen=True)
class Scores:
    """One model's predictions at every scored position, against the base model's.

    Args:
        nll: −ln p of the true token, nats.
        kld: Σ p_base·(ln p_base − ln p), nats.
        same_top: whether both models' likeliest token is the same.
        top_ids: (positions, TOP) likeliest tokens.
        top_p: their probabilities.
        prefill: tokens a second of each window's forward pass, without the comparison.
    """

    nll: Float64
    kld: Float64
    same_top: npt.NDArray[np.bool_]
    top_ids: npt.NDArray[np.int64]
    top_p: Float64
    prefill: tuple[float, ...]


@dataclass
class Base:
    """The base model's scored positions, kept so that its pass runs once for all rows.

    What enters the output head is kept (a few hundred numbers a position) and turned into logits again for
    each row; where a model does more to its logits than the head, the logits themselves are kept.
    """

    windows: Tensor
    model: PreTrainedModel
    scores: Scores
    kept: list[Tensor] = field(default_factory=list)
    through_head: bool = True

    def logits(self, window: int) -> Tensor:
        """The base model's logits at a window's scored positions, float32 (positions, vocabulary)."""
        import torch

        places = len(scored_positions(len(self.windows[window])))
        with torch.inference_mode():  # in the shape of the first pass: another may round differently
            return (_head(self.model)(self.kept[window])[0] if self.through_head else self.kept[window])[
                :places
            ].float()


def scored_positions(length: int) -> range:
    """Positions of a window whose next token is scored."""
    return range(length // 2, length - 1)


def base_pass(model: PreTrainedModel, windows: Tensor) -> Iterator[int | Base]:
    """Run the base model over the windows; yields the number of windows done, at the end the `Base`.

    It runs in a twin: a pass listens to the head with a hook, and would hear the passes of others on the same
        model.

    Args:
        model: the unquantized model.
        windows: token ids, int64 (windows, length).
    """
    import torch

    model = twin(model)
    base = Base(windows, model, None)  # type: ignore[arg-type]
    parts: list[dict[str, Any]] = []
    rates: list[float] = []
    for number, window in enumerate(windows):
        logits, hidden, rate = _forward(model, window)
        if number == 0:
            with torch.inference_mode():
                base.through_head = torch.equal(_head(model)(hidden)[0, : len(logits)].float(), logits)
        base.kept.append((hidden if base.through_head else logits).clone())
        parts.append(_compare(logits, logits, window))
        del logits, hidden  # the next window's are as large
        rates.append(rate)
        yield number + 1
    base.scores = _joined(parts, rates)
    yield base


def score(model: PreTrainedModel, base: Base) -> Iterator[int | Scores]:
    """Run a quantized model over the base's windows; yields the number of windows done, at the end the
    `Scores`.

    The model must be the caller's own, see `base_pass`.
    """
    parts: list[dict[str, Any]] = []
    rates: list[float] = []
    for number, window in enumerate(base.windows):
        logits, _, rate = _forward(model, window)
        parts.append(_compare(base.logits(number), logits, window))
        del logits  # the next window's are as large
        rates.append(rate)
        yield number + 1
    yield _joined(parts, rates)


def _head(model: PreTrainedModel) -> nn.Module:
    return model.get_output_embeddings()


def _forward(model: PreTrainedModel, window: Tensor) -> tuple[Tensor, Tensor, float]:
    """Logits at the scored positions, what entered the head there (1, half a window, hidden), and tokens a
    second.
    """
    import torch

    places = scored_positions(len(window))
    held: list[Tensor] = []
    hook = _head(model).register_forward_pre_hook(lambda module, inputs: held.append(inputs[0]))
    device = model.get_input_embeddings().weight.device
    keep = len(window) - places.start
    try:
        with torch.inference_mode():
            started = time.perf_counter()
            logits = model(window[None].to(device), logits_to_keep=keep, use_cache=False).logits
            if device.type == "cuda":
                torch.cuda.synchronize()
            rate = len(window) / (time.perf_counter() - started)
    finally:
        hook.remove()
    return logits[0, -keep:][: len(places)].float(), held[0], rate


def _compare(base: Tensor, other: Tensor, window: Tensor) -> dict[str, Any]:
    """Per-position numbers of one window; logits are (positions, vocabulary)."""
    import torch

    places = scored_positions(len(window))
    targets = window[places.start + 1 : places.stop + 1].to(base.device)
    found: dict[str, list[Tensor]] = {name: [] for name in ("nll", "kld", "same_top", "top_ids", "top_p")}
    with torch.inference_mode():
        # Room for a chunk's numbers: were it asked for again and again, the heap would grow by it each time.
        narrow = torch.empty((2, CHUNK, base.shape[1]), device=base.device)
        wide = torch.empty((CHUNK, base.shape[1]), dtype=torch.float64, device=base.device)
        for begin in range(0, len(places), CHUNK):
            part = slice(begin, begin + CHUNK)
            p, q = base[part], other[part]
            (weights, spare), exact = narrow[:, : len(p)], wide[: len(p)]
            total_p, log_p = _partition(p, weights, exact)
            log_q = log_p if other is base else _partition(q, spare, exact)[1]
            # Σ p·(ln p − ln q) = Σ p·(x_p − x_q) − (ln Z_p − ln Z_q): no logarithm of each of the
            # vocabulary's numbers
            crossed = exact.copy_(weights.mul_(torch.sub(p, q, out=spare))).sum(1) / total_p
            found["kld"].append((crossed - (log_p - log_q)).clamp_(min=0))
            found["nll"].append(log_q - q.gather(1, targets[part, None])[:, 0].double())
            top = q.topk(TOP)
            found["top_ids"].append(top.indices)
            found["top_p"].append((top.values.double() - log_q[:, None]).exp())
            found["same_top"].append(
                top.indices[:, 0] == (top.indices[:, 0] if other is base else p.argmax(1))
            )
    return {name: torch.cat(values).cpu().numpy() for name, values in found.items()}


def _partition(logits: Tensor, weights: Tensor, exact: Tensor) -> tuple[Tensor, Tensor]:
    """Write exp(x − max) into `weights`, float32; its sum, by way of `exact`, and the logarithm of the
    partition function in float64.
    """
    import torch

    largest = logits.amax(1, keepdim=True)
    total = exact.copy_(torch.sub(logits, largest, out=weights).exp_()).sum(1)
    return total, largest[:, 0].double() + total.log()


def _joined(parts: list[dict[str, Any]], rates: list[float]) -> Scores:
    return Scores(
        **{name: np.concatenate([part[name] for part in parts]) for name in parts[0]}, prefill=tuple(rates)
    )


@dataclass(frozen=True)
class Estimate:
    """A mean with its standard error."""

    mean: float
    sigma: float


def mean_of(values: npt.NDArray[Any]) -> Estimate:
    """Mean and its standard error √((E[x²]−E[x]²)/(n−1)), as llama.cpp's perplexity tool reports them."""
    exact = np.asarray(values, dtype=np.float64)
    return Estimate(float(exact.mean()), float(np.sqrt(exact.var() / max(1, len(exact) - 1))))


def perplexity(nll: Float64) -> Estimate:
    """exp(mean NLL), its error by the delta method."""
    found = mean_of(nll)
    value = float(np.exp(found.mean))
    return Estimate(value, value * found.sigma)


def log_ratio(nll: Float64, base_nll: Float64) -> Estimate:
    """ln(PPL/PPL_base) with its error; the covariance of the two is in it because the same tokens are
    paired.
    """
    return mean_of(nll - base_nll)


def statistics(scores: Scores, base: Scores) -> dict[str, Any]:
    """The columns of a row: perplexity, its ratio to base, KLD, same-top share and RMS Δp, each with its
    error.
    """
    ratio = log_ratio(scores.nll, base.nll)
    found, kld, same = perplexity(scores.nll), mean_of(scores.kld), mean_of(scores.same_top)
    quantiles = np.quantile(scores.kld, [0.5, 0.9, 0.95, 0.99, 0.999])
    delta = np.exp(-scores.nll) - np.exp(-base.nll)
    return {
        "ppl": found.mean,
        "ppl_sigma": found.sigma,
        "ratio": float(np.exp(ratio.mean)),
        "ratio_low": float(np.exp(ratio.mean - 1.96 * ratio.sigma)),
        "ratio_high": float(np.exp(ratio.mean + 1.96 * ratio.sigma)),
        "kld": {
            "mean": kld.mean,
            "sigma": kld.sigma,
            **dict(zip(("median", "p90", "p95", "p99", "p999"), map(float, quantiles), strict=True)),
            "max": float(scores.kld.max()),
        },
        "same_top": same.mean,
        "same_top_sigma": same.sigma,
        "rms_dp": float(np.sqrt((delta**2).mean())),
        "prefill": median(
            scores.prefill[1:] or scores.prefill
        ),  # the first window warms up, where there are others
    }


BLOCK = 16
"""Neighbouring tokens are resampled together: their divergences depend on each other."""


def ranks(klds: dict[str, Float64], seed: int = 0, resamples: int = 2000) -> dict[str, tuple[int, list[str]]]:
    """Rank rows by mean KLD, as far as a paired bootstrap can tell them apart.

    Blocks of 16 neighbouring tokens are drawn with replacement, the same for all rows (Efron's paired
    bootstrap on blocks, Künsch 1989). Two rows differ where the central 95 % of the differences of their
    means does not hold 0. A row may be like two others that differ from each other, so that rows which cannot
    be told apart need not have the same rank.

    Args:
        klds: per-token KLD of each row, equally long.

    Returns:
        For each row its rank, 1 + the number of rows that are better beyond doubt, and the rows it cannot be
        told from.
    """
    names = list(klds)
    if not names:
        return {}
    table = np.stack([klds[name] for name in names])
    cut = np.arange(0, table.shape[1], BLOCK)
    sums, sizes = np.add.reduceat(table, cut, axis=1), np.diff(np.append(cut, table.shape[1]))
    drawn = np.random.default_rng(seed).multinomial(len(cut), np.full(len(cut), 1 / len(cut)), size=resamples)
    means = (drawn @ sums.T) / (drawn @ sizes)[:, None]
    found: dict[str, tuple[int, list[str]]] = {}
    for index, name in enumerate(names):
        low, high = np.quantile(means[:, [index]] - means, [0.025, 0.975], axis=0)
        better = int((low > 0).sum())
        tied = [
            other for place, other in enumerate(names) if place != index and low[place] <= 0 <= high[place]
        ]
        found[name] = (1 + better, tied)
    return found


def pareto(points: list[tuple[float, float]]) -> list[bool]:
    """Which points (size, loss) no other point beats in one and matches in the other."""
    return [
        not any(
            (size <= s and loss <= q and (size < s or loss < q))
            for place, (size, loss) in enumerate(points)
            if place != index
        )
        for index, (s, q) in enumerate(points)
    ]
