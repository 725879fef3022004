"""Paired tests, intervals, power, planned looks: against scipy, statsmodels, enumeration and simulation."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from shared import paired, power, sequential


def flips(gained: int, lost: int, same: int) -> tuple[list[bool], list[bool]]:
    """Two systems' answers with so many flips."""
    first = [False] * gained + [True] * lost + [True] * same
    second = [True] * gained + [False] * lost + [True] * same
    return first, second


@pytest.mark.parametrize(("gained", "lost"), [(0, 0), (5, 0), (12, 25), (3, 2), (1, 0), (140, 90)])
def test_alone_the_test_is_mcnemars_exact_one(gained, lost):
    from statsmodels.stats.contingency_tables import mcnemar

    first, second = flips(gained, lost, 7)
    found = paired.difference(first, second, range(len(first)))
    table = [[7, lost], [gained, 0]]
    assert found.p == pytest.approx(mcnemar(table, exact=True).pvalue, rel=1e-9)
    if gained + lost:
        assert found.p == pytest.approx(binomtest(gained, gained + lost).pvalue, rel=1e-9)
    assert (found.gained, found.lost) == (gained, lost) and found.groups == len(first)
    other = paired.difference(second, first, range(len(first)))
    assert other.p == pytest.approx(found.p) and other.mean == -found.mean
    assert (other.low, other.high) == pytest.approx((-found.high, -found.low))


def test_with_groups_all_sign_patterns_are_counted():
    draw = np.random.default_rng(1)
    for _ in range(20):
        sums = draw.integers(-4, 5, size=9).tolist()
        totals = [
            sum(s * e for s, e in zip(sums, signs, strict=True))
            for signs in itertools.product((1, -1), repeat=9)
        ]
        expected = np.mean([abs(total) >= abs(sum(sums)) for total in totals])
        assert paired.exchange_p(sums) == pytest.approx(expected)


def test_the_error_with_groups_is_statsmodels():
    import statsmodels.api as sm

    draw = np.random.default_rng(2)
    groups = np.repeat(np.arange(12), 5)
    first, second = draw.random(60) < 0.5, draw.random(60) < 0.5
    second[groups < 3] = True
    moved = second.astype(float) - first
    fit = sm.OLS(moved, np.ones(60)).fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
    # statsmodels adds (n − 1)/(n − k) = 1 with one column
    low, high = fit.conf_int()[0]
    found = paired.difference(first.tolist(), second.tolist(), groups.tolist())
    naive = paired.agresti_min(found.gained, found.lost, 60)
    assert found.low == pytest.approx(min(low, naive[0])) and found.high == pytest.approx(max(high, naive[1]))
    assert found.groups == 12


@pytest.mark.parametrize(("count", "n"), [(0, 10), (10, 10), (7, 30), (199, 200)])
def test_scores_of_items_alone_have_wilsons_interval(count, n):
    right = [True] * count + [False] * (n - count)
    found = paired.score(right, range(n))
    expected = binomtest(count, n).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_a_passage_counts_as_one_answer_where_it_is_all_or_nothing():
    groups = [at // 5 for at in range(50)]
    right = [at // 5 < 6 for at in range(50)]
    found = paired.score(right, groups)
    alone = binomtest(6, 10).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((alone.low, alone.high), abs=0.015), "G − 1, not G"
    every = paired.score([True] * 50, groups)
    assert every.low == pytest.approx(binomtest(10, 10).proportion_ci(method="wilson").low)
    mixed = paired.score([at % 5 < 3 for at in range(50)], groups)
    expected = binomtest(30, 50).proportion_ci(method="wilson")
    assert (mixed.low, mixed.high) == pytest.approx((expected.low, expected.high)), "never above n"


@pytest.mark.parametrize(("size", "share"), [(1, 0.1), (1, 0.4), (5, 0.3), (20, 0.3)])
def test_equal_systems_are_called_different_at_most_one_time_in_twenty(size, share):
    """Items of a group depend on each other: the systems flip it together, half of its items at a time."""
    draw = np.random.default_rng(3)
    alarms, runs, k = 0, 2_000, 200 // size
    for _ in range(runs):
        sign = draw.choice((-1, 1), size=k)
        count = draw.binomial(size, share, size=k)
        alarms += paired.exchange_p((sign * count).tolist()) <= paired.LEVEL
    assert alarms / runs <= 0.05 + 2.6 * math.sqrt(0.05 * 0.95 / runs)
    if size == 20:  # a test that takes the items for independent would cry wolf
        naive = sum(
            binomtest(int(flipped[signs > 0].sum()), max(1, int(flipped.sum()))).pvalue <= 0.05
            for signs, flipped in (
                (draw.choice((-1, 1), size=k), draw.binomial(size, share, size=k)) for _ in range(300)
            )
        )
        assert naive / 300 > 0.15


@pytest.mark.parametrize(
    ("n", "share", "difference"), [(100, 0.1, 0.0), (100, 0.2, 0.1), (300, 0.1, 0.05), (40, 0.4, 0.2)]
)
def test_the_interval_of_a_difference_holds_it(n, share, difference):
    draw = np.random.default_rng(4)
    cells = draw.multinomial(n, [(share + difference) / 2, (share - difference) / 2, 1 - share], size=4_000)
    held = 0
    for gained, lost, _ in cells:
        low, high = paired.agresti_min(int(gained), int(lost), n)
        held += low <= difference <= high
    assert held / 4_000 >= 0.94


def test_holm_is_statsmodels():
    from statsmodels.stats.multitest import multipletests

    ps = [0.04, 0.001, 0.3, 0.012, 1.0]
    assert paired.holm(ps) == pytest.approx(multipletests(ps, method="holm")[1])
    assert paired.holm([]) == []


def test_power_is_enumerated_and_simulated():
    n, share, difference = 30, 0.3, 0.15
    gain, loss = (share + difference) / 2, (share - difference) / 2
    total = 0.0
    for gained in range(n + 1):
        for lost in range(n + 1 - gained):
            moved = gained + lost
            if moved and binomtest(gained, moved).pvalue <= 0.05:
                total += (
                    math.comb(n, gained)
                    * math.comb(n - gained, lost)
                    * gain**gained
                    * loss**lost
                    * (1 - share) ** (n - moved)
                )
    assert power.power(n, difference, share) == pytest.approx(total, rel=1e-6)
    assert power.power(n, -difference, share) == pytest.approx(total, rel=1e-6)
    draw = np.random.default_rng(5)
    cells = draw.multinomial(200, [0.145, 0.055, 0.8], size=3_000)
    table = {
        (b, c): binomtest(b, b + c).pvalue <= 0.05
        for b, c in {(int(x), int(y)) for x, y, _ in cells}
        if b + c
    }
    seen = np.mean([table.get((int(b), int(c)), False) for b, c, _ in cells])
    assert power.power(200, 0.09, 0.2) == pytest.approx(seen, abs=0.03)


def test_no_test_sees_anything_in_fewer_than_six_changes():
    assert [paired.exchange_p([1] * n) <= 0.05 for n in (5, 6)] == [False, True]
    assert power.smallest_difference(10, 0.1) is None
    assert power.power(0, 0.1, 0.2) == 0 and power.power(50, 0.0, 0.0) == 0


@pytest.mark.parametrize(
    ("share", "difference", "formula"),
    [(0.05, 0.03, 434), (0.1, 0.05, 312), (0.2, 0.09, 191), (0.2, 0.05, 626)],
)
def test_the_exact_test_needs_a_few_more_items_than_the_formula(share, difference, formula):
    """n = ((z_α√ψ + z_β√(ψ − d²))/d)², which ignores that counts are whole numbers."""
    needed = power.items_needed(difference, share)
    assert needed is not None and formula < needed <= 1.16 * formula
    assert power.power(needed, difference, share) >= 0.8
    assert power.smallest_difference(needed, share) == pytest.approx(difference, abs=0.003)
    assert power.items_needed(0.3, 0.2) is None and power.items_needed(0.0, 0.2) is None


def test_what_may_be_spent_grows_to_all():
    shares = [sequential.spending(at / 10) for at in range(11)]
    assert shares[0] == 0 and shares[-1] == pytest.approx(0.05) and shares == sorted(shares)
    assert shares[3] < 0.001
    assert sequential.look_places(200) == list(range(20, 201, 20)) and sequential.look_places(3) == [1, 2, 3]


def test_boundaries_spend_no_more_than_they_may_by_enumeration():
    """All sign patterns of twelve groups, one by one."""
    sizes = [1, 1, 2, 1, 0, 3, 1, 1, 1, 2, 1, 1]
    places = [4, 8, 12]
    patterns = list(itertools.product((1, -1), repeat=12))
    stopped = [0, 0, 0]
    first = sequential.looks_at(sizes, places, 0.4)
    for signs in patterns:
        sums = [sign * size for sign, size in zip(signs, sizes, strict=True)]
        looks = sequential.looks_at(sums, places, 0.4)
        assert [one.boundary for one in looks] == [one.boundary for one in first], "signs do not move it"
        for at, one in enumerate(looks):
            if one.stops:
                stopped[at] += 1
                break
    spent = np.cumsum(stopped) / len(patterns)
    assert spent == pytest.approx([one.spent for one in first], abs=1e-12)
    assert all(
        share <= sequential.spending(at / 12, 0.4) + 1e-12 for share, at in zip(spent, places, strict=True)
    )
    assert spent[-1] > 0.2, "it does spend"


@pytest.mark.parametrize(("size", "k"), [(1, 200), (5, 40)])
def test_looking_ten_times_calls_equal_systems_different_no_more_often(size, k):
    draw = np.random.default_rng(6)
    places, runs, alarms, naive = sequential.look_places(k), 600, 0, 0
    for _ in range(runs):
        sums = (draw.choice((-1, 1), size=k) * draw.binomial(size, 0.2, size=k)).tolist()
        looks = sequential.looks_at(sums, places)
        alarms += any(one.stops for one in looks)
        naive += any(paired.exchange_p(sums[:place]) <= 0.05 for place in places)
    assert alarms / runs <= 0.05 + 2.6 * math.sqrt(0.05 * 0.95 / runs)
    assert naive / runs > 0.065, "an ordinary p-value at every look does not keep its promise"


def test_a_real_difference_is_seen_as_often_and_sooner():
    draw = np.random.default_rng(7)
    places, seen, used = sequential.look_places(200), 0, []
    for _ in range(300):
        sums = draw.choice((1, -1, 0), p=(0.175, 0.025, 0.8), size=200).tolist()
        looks = sequential.looks_at(sums, places)
        crossed = [one.groups for one in looks if one.stops]
        seen += bool(crossed)
        used.append(crossed[0] if crossed else 200)
    fixed = power.power(200, 0.15, 0.2)
    assert seen / 300 >= fixed - 0.03 and np.mean(used) < 130


def test_a_running_comparison_has_only_the_looks_that_came():
    assert sequential.looks_at([1] * 19, [20, 40]) == []
    (one,) = sequential.looks_at([1] * 25, [20, 40])
    assert one.groups == 20 and one.total == 20 and one.stops
    fewest = (20 + one.boundary + 1) // 2  # gains from which the total is at the boundary
    assert one.spent == pytest.approx(2 * binom.sf(fewest - 1, 20, 0.5))
