"""How sure a number is: means with standard errors that count what is independent, shares, quantiles, the
paired bootstrap.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared import data

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import Tensor

Z95 = 1.959963984540054
"""Half the width of a normal distribution's central 95 %, in standard deviations."""


@dataclass(frozen=True)
class Estimate:
    """A mean and how sure it is.

    Args:
        mean: over all values.
        sigma: its standard error; None where a single cluster leaves it unknown.
        count: values.
        clusters: independent groups of values, which the standard error counts.
    """

    mean: float
    sigma: float | None
    count: int
    clusters: int

    def to_json(self) -> data.Mean:
        """Mean to six digits, standard error to three, and of how many values in how many clusters."""
        return {
            "mean": float(f"{self.mean:.6g}"),
            "sigma": None if self.sigma is None else float(f"{self.sigma:.3g}"),
            "of": self.count,
            "clusters": self.clusters,
        }


def estimate(groups: Tensor | Sequence[Tensor]) -> Estimate:
    """Mean over all values with its standard error, one cluster per entry of the first axis.

    So the entries of a one-dimensional tensor are independent of each other, and σ is s/√n (llama.cpp's
    √((E[x²] − E[x]²)/(n − 1))); the rows of a tensor (windows, tokens), or a list of tensors of any lengths,
    are clusters. Their mean is a ratio of sums, m = Σ S_g / Σ n_g, and its standard error that of a sample
    of clusters, √(G/(G − 1) · Σ (S_g − m·n_g)²) / Σ n_g (Cochran 1977, Sampling Techniques, section 6.4).

    Args:
        groups: numbers; groups without any do not count.

    Raises:
        ValueError: there is no number.
    """
    sums, sizes = cluster_sums(groups)
    clusters, count = len(sums), int(sizes.sum())
    if not count:
        raise ValueError("no values to average")
    mean = float(sums.sum() / count)
    spread = float(((sums - mean * sizes) ** 2).sum())
    sigma = math.sqrt(clusters / (clusters - 1) * spread) / count if clusters > 1 else None
    return Estimate(mean, sigma, count, clusters)


def cluster_sums(groups: Tensor | Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Sum and size of each entry of the first axis that is not empty, float64 (clusters,) both."""
    import torch

    if not isinstance(groups, (list, tuple)):
        rows = torch.as_tensor(groups).cpu().double()
        rows = rows.reshape(len(rows), math.prod(rows.shape[1:]))
        return rows.sum(1), torch.full((len(rows),), float(rows.shape[1]), dtype=torch.float64)
    parts = [torch.as_tensor(group).cpu().double().flatten() for group in groups]
    parts = [part for part in parts if len(part)]
    sums = torch.tensor([float(part.sum()) for part in parts], dtype=torch.float64)
    return sums, torch.tensor([float(len(part)) for part in parts], dtype=torch.float64)


def perplexity(groups: Tensor | Sequence[Tensor]) -> Estimate:
    """Perplexity exp(mean loss), its standard error by the delta method, as llama.cpp has it; clusters as for
    `estimate`, so that losses (windows, scored) count windows.
    """
    loss = estimate(groups)
    value = math.inf if loss.mean > 700 else math.exp(loss.mean)
    return Estimate(value, None if loss.sigma is None else value * loss.sigma, loss.count, loss.clusters)


def interval(value: Estimate) -> tuple[float, float]:
    """The 95 % interval of a mean, by Student's t with one degree of freedom less than clusters; all numbers
    where σ is unknown.

    That of a perplexity is exp of its mean loss's.
    """
    from scipy.special import stdtrit

    if value.sigma is None:
        return -math.inf, math.inf
    half = float(stdtrit(value.clusters - 1, 0.975)) * value.sigma
    return value.mean - half, value.mean + half


def quantile(values: Tensor | Sequence[float], shares: float | Sequence[float]) -> Any:
    """Quantiles in float64, interpolated between the two nearest values (Hyndman and Fan 1996, type 7, as in
    numpy and llama.cpp); a float for one share, a list for several.
    """
    import numpy as np
    import torch

    numbers = torch.as_tensor(values).cpu().double().flatten().numpy()
    return np.quantile(numbers, shares).tolist()


def median(values: Tensor | Sequence[float]) -> float:
    """The median; of an even number of values the mean of the middle two, unlike `Tensor.median`."""
    return float(quantile(values, 0.5))


@dataclass(frozen=True)
class Share:
    """How many of some trials succeeded.

    Args:
        count: that did.
        of: all.
    """

    count: int
    of: int

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the share (Wilson 1927): all p with |count/of − p| ≤ z·√(p(1 − p)/of)."""
        if not self.of:
            return 0.0, 1.0
        n, p = self.of, self.count / self.of
        centre = (p + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
        half = Z95 * math.sqrt(p * (1 - p) / n + Z95**2 / (4 * n**2)) / (1 + Z95**2 / n)
        low = 0.0 if self.count == 0 else centre - half
        return low, 1.0 if self.count == n else centre + half

    def to_json(self) -> data.Share:
        """Count, of, and the ends of the share's interval."""
        low, high = self.interval
        return {"count": self.count, "of": self.of, "low": round(low, 4), "high": round(high, 4)}


def bootstrap_means(
    sums: npt.ArrayLike, sizes: npt.ArrayLike, resamples: int = 2000, seed: int = 0
) -> npt.NDArray[np.float64]:
    """Means of several systems over the same clusters drawn with replacement (Efron 1979, paired: every
    system sees the same draw).

    Args:
        sums: of each system and cluster, (systems, clusters).
        sizes: values in each cluster, (clusters,).
        resamples: how often all clusters are drawn.
        seed: of the draws.

    Returns:
        (resamples, systems).
    """
    import numpy as np

    table, counts = np.asarray(sums, dtype=np.float64), np.asarray(sizes, dtype=np.float64)
    chances = np.full(len(counts), 1 / len(counts))
    draws = np.random.default_rng(seed).multinomial(len(counts), chances, size=resamples)
    return (draws @ table.T) / (draws @ counts)[:, None]
