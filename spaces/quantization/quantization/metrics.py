"""What a comparison measures of each row beside what all Spaces measure (`shared.measure`): the base model's
pass, kept for all rows; likeliest tokens, paired ratios, ranks and the front.

Every standard error counts windows: the tokens of one window depend on each other.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from quantization import data
from shared import estimates, measure
from shared.errors import VisitorError
from shared.estimates import Estimate
from shared.measure import Windows
from shared.models import twin

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedModel

TOP = 5
"""Candidates that the token microscope shows of each distribution."""


@dataclass(frozen=True)
class Scores:
    """One model's predictions at every scored position, against the base model's; all on the CPU.

    Args:
        loss: −ln p of the true token, nats, float64 (windows, scored).
        kl: Σ p_base·(ln p_base − ln p), nats, float64 (windows, scored).
        same_top: whether both models' likeliest token is the same, bool (windows, scored).
        top_ids: likeliest tokens, int64 (windows, scored, TOP).
        top_p: their probabilities, float64 (windows, scored, TOP).
        prefill: tokens a second of each window's forward pass, without the comparison.
    """

    loss: Tensor
    kl: Tensor
    same_top: Tensor
    top_ids: Tensor
    top_p: Tensor
    prefill: tuple[float, ...]


@dataclass(frozen=True)
class Base:
    """The base model's scored positions, kept so that its pass runs once for all rows.

    What enters the output head is kept (a few hundred numbers a position) and turned into logits again for
    each row; where a model does more to its logits than the head, the logits themselves are kept.
    """

    windows: Windows
    model: PreTrainedModel
    scores: Scores
    kept: tuple[Tensor, ...]
    through_head: bool

    def logits(self, window: int) -> Tensor:
        """The base model's logits at a window's scored positions, float32 (scored, vocabulary)."""
        import torch

        kept = self.kept[window]
        if not self.through_head:
            return kept.float()
        with torch.inference_mode():  # in the shape of the first pass: another may round differently
            return _head(self.model)(kept)[0, :-1].float()


def base_pass(model: PreTrainedModel, windows: Windows) -> Iterator[int | Base]:
    """Run the base model over the windows; yields the number of windows done, at the end the `Base`.

    It runs in a twin: a pass listens to the head with a hook, and would hear the passes of others on the same
    model.

    Args:
        model: the unquantized model.
        windows: of the text.

    Raises:
        VisitorError: the model has no such token, or its predictions are no numbers.
    """
    import torch

    model = twin(model)
    kept: list[Tensor] = []
    parts: list[dict[str, Tensor]] = []
    rates: list[float] = []
    through_head = True
    for number, window in enumerate(windows.ids):
        logits, hidden, rate = _forward(model, window)
        if number == 0:
            with torch.inference_mode():
                through_head = torch.equal(_head(model)(hidden)[0, :-1].float(), logits)
        kept.append((hidden if through_head else logits).clone())
        parts.append(_compared(logits, logits, windows.targets[number]))
        del logits, hidden  # the next window's are as large
        rates.append(rate)
        yield number + 1
    yield Base(windows, model, _joined(parts, rates), tuple(kept), through_head)


def score(model: PreTrainedModel, base: Base) -> Iterator[int | Scores]:
    """Run a quantized model over the base's windows; yields the number of windows done, at the end the
    `Scores`.

    The model must be the caller's own, see `base_pass`.

    Raises:
        VisitorError: its predictions are no numbers.
    """
    parts: list[dict[str, Tensor]] = []
    rates: list[float] = []
    for number, window in enumerate(base.windows.ids):
        logits, _, rate = _forward(model, window)
        parts.append(
            _compared(
                base.logits(number),
                logits,
                base.windows.targets[number],
                base.scores.top_ids[number, :, 0],
            )
        )
        del logits  # the next window's are as large
        rates.append(rate)
        yield number + 1
    yield _joined(parts, rates)


def _head(model: PreTrainedModel) -> nn.Module:
    return model.get_output_embeddings()


def _forward(model: PreTrainedModel, window: Tensor) -> tuple[Tensor, Tensor, float]:
    """Logits at the scored positions, what entered the head there and at the last one (1, scored + 1,
    hidden), and tokens a second.
    """
    import torch

    places = measure.scored_positions(len(window))
    heard: list[Tensor] = []
    hook = _head(model).register_forward_pre_hook(lambda module, inputs: heard.append(inputs[0]))
    try:
        began = time.perf_counter()
        logits = measure.next_token_logits(model, window, places.start + 1)
        if logits.device.type == "cuda":
            torch.cuda.synchronize()
        rate = len(window) / (time.perf_counter() - began)
    finally:
        hook.remove()
    return logits, heard[0][:, -len(places) - 1 :], rate


def _compared(
    base: Tensor, other: Tensor, targets: Tensor, base_top: Tensor | None = None
) -> dict[str, Tensor]:
    """One window's numbers at its scored positions, as in `Scores`.

    Args:
        base: logits (scored, vocabulary).
        other: likewise, or the very same tensor.
        targets: the true tokens (scored,).
        base_top: the base's likeliest tokens (scored,); None where `other` is the base.
    """
    import torch

    divergence = measure.compare(base, other, targets)
    if not bool(divergence.kl.isfinite().all() and divergence.loss.isfinite().all()):
        raise VisitorError("The predictions are not finite numbers.", "Choose another model or format.")
    with torch.inference_mode():
        top = other.topk(TOP)
        true = other.gather(1, targets[:, None].to(other.device))[:, 0].double()
        partition = divergence.loss + true
        chances = (top.values.double() - partition[:, None]).exp()
    ids = top.indices.cpu()
    return {
        "loss": divergence.loss.cpu(),
        "kl": divergence.kl.cpu(),
        "same_top": ids[:, 0] == (ids[:, 0] if base_top is None else base_top),
        "top_ids": ids,
        "top_p": chances.cpu(),
    }


def _joined(parts: list[dict[str, Tensor]], rates: list[float]) -> Scores:
    import torch

    return Scores(
        **{name: torch.stack([part[name] for part in parts]) for name in parts[0]}, prefill=tuple(rates)
    )


def statistics(scores: Scores, base: Scores) -> data.Quality:
    """The columns of a row: perplexity, its ratio to base, KLD, same-top share and RMS Δp, each with its
    error over windows; None where there is one window.

    The ratio's error has the covariance of the two perplexities in it, because the same windows are paired;
    its interval is Student's.
    """
    ratio = estimates.estimate(scores.loss - base.loss)
    ppl, kl = estimates.perplexity(scores.loss), estimates.estimate(scores.kl)
    same = estimates.estimate(scores.same_top.double())
    (low, high), kl_ends, same_ends = (_ends(one) for one in (ratio, kl, same))
    middle, p90, p95, p99, p999 = estimates.quantile(scores.kl, [0.5, 0.9, 0.95, 0.99, 0.999])
    change = (-scores.loss).exp() - (-base.loss).exp()
    return {
        "ppl": ppl.mean,
        "ppl_sigma": ppl.sigma,
        "ratio": _exp(ratio.mean),
        "ratio_low": None if low is None else _exp(low),
        "ratio_high": None if high is None else _exp(high),
        "kld": {
            "mean": kl.mean,
            "sigma": kl.sigma,
            "low": kl_ends[0],
            "high": kl_ends[1],
            "median": middle,
            "p90": p90,
            "p95": p95,
            "p99": p99,
            "p999": p999,
            "max": float(scores.kl.max()),
        },
        "same_top": same.mean,
        "same_top_sigma": same.sigma,
        "same_top_low": same_ends[0],
        "same_top_high": same_ends[1],
        "rms_dp": float((change**2).mean().sqrt()),
        # the first window warms up, where there are others
        "prefill": median(scores.prefill[1:] or scores.prefill),
    }


def _ends(value: Estimate) -> tuple[float | None, float | None]:
    """The 95 % interval, None where σ is unknown."""
    return (None, None) if value.sigma is None else estimates.interval(value)


def _exp(value: float) -> float:
    """E to a number, as far as a float goes."""
    return math.exp(min(value, 700.0))


FEWEST_WINDOWS = 4
"""Windows from which on rows are ranked: with fewer, nothing could be told apart beyond doubt."""

DOUBT = 0.025
"""At most this often any two rows of equal mean are told apart, if window means were normal; divergences are
skewed, and so it is half of the 5 % that a simulation in the tests holds it to.
"""

NOTHING = 1e-12
"""Divergences below are the arithmetic's, in nats."""


def ranks(kls: Mapping[str, npt.ArrayLike]) -> dict[str, tuple[int | None, list[str]]]:
    """Rank rows by mean KLD, as far as their windows tell them apart.

    The windows are paired, and counted, not their tokens, which depend on each other. Two rows differ where
    both the ratio of their means (by the delta method) and the mean logarithm of their windows' ratios differ
    from none by Student's t, corrected for the number of pairs (Holm 1979). A row may be like two others that
    differ from each other, so that rows which cannot be told apart need not have the same rank.

    Args:
        kls: KLD of each row (windows, tokens), the same shape for all.

    Returns:
        For each row its rank, 1 + the number of rows that are better beyond doubt, and the rows it cannot be
        told from; None and none where there are too few windows.
    """
    from scipy.special import stdtr

    names = list(kls)
    if not names:
        return {}
    means = np.stack([np.asarray(kls[name], dtype=np.float64).mean(1) for name in names]).clip(min=NOTHING)
    rows, windows = means.shape
    if windows < FEWEST_WINDOWS:
        return {name: (None, []) for name in names}
    one, other = np.triu_indices(rows, 1)
    whole, logs = means.mean(1), np.log(means)
    shares = means / whole[:, None]
    chances = np.maximum(
        *(
            2 * stdtr(windows - 1, -abs(_t(middle, parts)))
            for middle, parts in (
                (np.log(whole[one] / whole[other]), shares[one] - shares[other]),
                (None, logs[one] - logs[other]),
            )
        )
    )
    differ = np.zeros((rows, rows), bool)
    for place, pair in enumerate(np.argsort(chances)):
        if chances[pair] > DOUBT / (len(chances) - place):
            break
        differ[one[pair], other[pair]] = differ[other[pair], one[pair]] = True
    return {
        name: (
            1 + int((differ[row] & (whole < whole[row])).sum()),
            [names[like] for like in range(rows) if like != row and not differ[row, like]],
        )
        for row, name in enumerate(names)
    }


def _t(middle: npt.NDArray[np.float64] | None, parts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Student's t of values that `parts` (pairs, windows) vary around; of their mean where none is given."""
    middle = parts.mean(1) if middle is None else middle
    error = parts.std(1, ddof=1) / math.sqrt(parts.shape[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(middle == 0, 0.0, middle / error)


def pareto(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Which points (size, loss) no other point beats in one and matches in the other."""
    return [
        not any(
            (size <= s and loss <= q and (size < s or loss < q))
            for place, (size, loss) in enumerate(points)
            if place != index
        )
        for index, (s, q) in enumerate(points)
    ]
