"""Standard errors, intervals and quantiles against simulation, brute force and scipy."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from scipy import optimize, stats

from shared import estimates
from shared.estimates import Share, estimate


def test_independent_values_have_llama_cpps_standard_error():
    values = torch.randn(50, generator=torch.Generator().manual_seed(0)) + 2
    exact = values.double().numpy()
    found = estimate(values)
    assert found.mean == pytest.approx(exact.mean())
    assert found.sigma == pytest.approx(math.sqrt(((exact**2).mean() - exact.mean() ** 2) / 49))
    assert found.sigma == pytest.approx(exact.std(ddof=1) / math.sqrt(50))
    assert (found.count, found.clusters) == (50, 50)
    assert estimate(list(values.split(1))) == found and estimate(exact) == found
    loss = estimates.perplexity(values)
    assert loss.mean == pytest.approx(math.exp(exact.mean()))
    assert loss.sigma == pytest.approx(loss.mean * found.sigma)


def plain_cluster_sigma(groups):
    count = sum(len(group) for group in groups)
    mean = sum(sum(group) for group in groups) / count
    total = 0.0
    for group in groups:
        total += sum(value - mean for value in group) ** 2
    return mean, math.sqrt(len(groups) / (len(groups) - 1) * total) / count


def test_clustered_values_equal_a_plain_loop():
    generator = np.random.default_rng(0)
    groups = [generator.normal(place, 1, size).tolist() for place, size in enumerate((3, 1, 7, 2))]
    found = estimate([torch.tensor(group, dtype=torch.float64) for group in [*groups, []]])
    mean, sigma = plain_cluster_sigma(groups)
    assert (found.mean, found.sigma) == (pytest.approx(mean), pytest.approx(sigma))
    assert (found.count, found.clusters) == (13, 4), "an empty answer is no cluster"
    rows = torch.tensor(generator.normal(0, 1, (5, 6)))
    assert estimate(rows).sigma == pytest.approx(plain_cluster_sigma(rows.tolist())[1])


def test_a_clustered_error_is_the_spread_of_the_mean_over_repetitions():
    """Tokens of a prompt that share its difficulty: counting tokens would claim three times too much."""
    generator = np.random.default_rng(1)
    means, clustered, naive = [], [], []
    for _ in range(400):
        sizes = generator.integers(5, 36, 30)
        groups = [torch.tensor(generator.normal(0, 1) + generator.normal(0, 1, size)) for size in sizes]
        found = estimate(groups)
        means.append(found.mean)
        clustered.append(found.sigma)
        naive.append(estimate(torch.cat(groups)).sigma)
    assert np.mean(clustered) == pytest.approx(np.std(means), rel=0.1)
    assert np.mean(naive) < 0.5 * np.std(means)


def test_an_interval_covers_with_few_clusters():
    generator = np.random.default_rng(2)
    inside = 0
    for _ in range(1000):
        low, high = estimates.interval(estimate(torch.tensor(generator.normal(0, 1, 4))))
        inside += low <= 0 <= high
    assert 930 <= inside <= 970


def test_one_cluster_has_no_standard_error_and_none_has_no_mean():
    alone = estimate([torch.tensor([1.0, 2.0, 4.5])])
    assert alone.sigma is None and alone.mean == 2.5 and alone.clusters == 1
    assert estimates.perplexity([torch.tensor([1.0, 2.0])]).sigma is None
    assert estimates.interval(alone) == (-math.inf, math.inf)
    assert json.loads(json.dumps(alone.to_json(), allow_nan=False)) == {
        "mean": 2.5,
        "sigma": None,
        "of": 3,
        "clusters": 1,
    }
    for empty in ([], [torch.tensor([])], torch.tensor([])):
        with pytest.raises(ValueError, match="no values"):
            estimate(empty)


def test_a_perplexity_past_every_float_is_infinite_and_of_nothing_is_nothing():
    assert estimates.perplexity(torch.tensor([1000.0, 1000.0])).mean == math.inf
    assert math.isnan(estimates.perplexity(torch.tensor([1.0, math.nan])).mean)


@pytest.mark.parametrize(("count", "of"), [(0, 1), (1, 1), (0, 20), (7, 20), (20, 20), (1, 400), (399, 400)])
def test_wilsons_interval_solves_its_equation(count, of):
    low, high = Share(count, of).interval
    share = count / of

    def gap(p):  # how far the normal test of p is from its edge
        return abs(share - p) - 1.959963984540054 * math.sqrt(p * (1 - p) / of)

    if count > 0:
        assert low == pytest.approx(optimize.brentq(gap, 1e-12, share - 1e-9), abs=1e-9)
    else:
        assert low == 0
    if count < of:
        assert high == pytest.approx(optimize.brentq(gap, share + 1e-9, 1 - 1e-12), abs=1e-9)
    else:
        assert high == 1
    known = stats.binomtest(count, of).proportion_ci(0.95, "wilson")
    assert (low, high) == (pytest.approx(known.low, abs=1e-12), pytest.approx(known.high, abs=1e-12))


def test_a_share_of_nothing_may_be_anything():
    assert Share(0, 0).to_json() == {"count": 0, "of": 0, "low": 0.0, "high": 1.0}
    assert Share(3, 20).to_json() == {"count": 3, "of": 20, "low": 0.0524, "high": 0.3604}


def test_the_median_is_the_median():
    assert estimates.median(torch.tensor([4.0, 1.0, 3.0, 2.0])) == 2.5
    assert float(torch.tensor([4.0, 1.0, 3.0, 2.0]).median()) == 2, "what torch calls the median is another"
    assert estimates.median([5.0]) == 5
    values = torch.rand(101, 3, generator=torch.Generator().manual_seed(0))
    shares = [0.05, 0.5, 0.9, 0.999]
    ordered = sorted(values.double().flatten().tolist())
    for share, found in zip(shares, estimates.quantile(values, shares), strict=True):
        place = share * (len(ordered) - 1)
        low, part = int(place), place - int(place)
        assert found == pytest.approx((1 - part) * ordered[low] + part * ordered[min(low + 1, 302)])


def test_the_bootstrap_draws_the_same_clusters_for_every_system():
    generator = np.random.default_rng(0)
    common = torch.tensor(generator.normal(0, 5, 40))[:, None] + torch.tensor(generator.normal(0, 1, (40, 8)))
    better = common - 0.3 + 0.1 * torch.tensor(generator.normal(0, 1, (40, 8)))
    sums, sizes = torch.stack([common.sum(1), better.sum(1)]), [8] * 40
    means = estimates.bootstrap_means(sums, sizes)
    low, high = np.quantile(means[:, 0] - means[:, 1], [0.025, 0.975])
    assert 0.2 < low < 0.3 < high < 0.4
    # Unpaired, the clusters' own spread (5/√40) would hide the gap.
    sigma = estimate(common - better).sigma
    assert (high - low) / 2 == pytest.approx(1.96 * sigma, rel=0.15)
    assert (estimates.bootstrap_means(sums, sizes) == means).all(), "a seed makes it the same again"


def test_bootstrap_means_equal_those_of_drawn_clusters():
    sums, sizes = np.array([[1.0, 5.0, 3.0], [2.0, 2.0, 2.0]]), np.array([1.0, 4.0, 2.0])
    means = estimates.bootstrap_means(sums, sizes, 50, 7)
    draws = np.random.default_rng(7).multinomial(3, [1 / 3] * 3, size=50)
    for row, draw in zip(means, draws, strict=True):
        places = np.repeat(np.arange(3), draw)
        np.testing.assert_allclose(
            row, [sums[system][places].sum() / sizes[places].sum() for system in (0, 1)]
        )
