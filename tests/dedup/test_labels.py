"""A visitor's labels of drawn pairs: what they say of a threshold, and that they stay."""

from __future__ import annotations

import json
import subprocess

import numpy as np
import pytest
from scipy.stats import binomtest

from dedup import labels
from dedup.judging import by_labels, drawn
from dedup.outcome import outcome
from dedup.report import report, to_json
from dedup.request import Request
from shared.errors import VisitorError
from tests.conftest import ROOT
from tests.dedup.test_engine import run


def test_intervals_are_those_of_scipy_in_python_and_in_the_browser():
    cases = [(hits, n) for n in (1, 2, 7, 20) for hits in range(n + 1)]
    expected = [binomtest(*case).proportion_ci(method="exact") for case in cases]
    module = (ROOT / "spaces/dedup/dedup/js/labels.js").as_uri()
    program = f"""import {{ clopperPearson }} from {json.dumps(module)};
      console.log(JSON.stringify({json.dumps(cases)}.map((one) => clopperPearson(...one))))"""
    said = subprocess.run(
        ["node", "--input-type=module", "-e", program], capture_output=True, text=True, check=True, timeout=60
    )
    for case, other, ours in zip(cases, json.loads(said.stdout), expected, strict=True):
        assert labels.clopper_pearson(*case) == pytest.approx((ours.low, ours.high), abs=1e-9)
        assert other == pytest.approx((ours.low, ours.high), abs=1e-9)


def test_the_draw_is_even_and_follows_from_the_texts():
    rng = np.random.default_rng(0)
    similarities = rng.random(2_003)
    names = rng.integers(0, 2**32, (2, 2_003)).astype(np.uint64)
    pairs = labels.codes(*names)
    assert (pairs == labels.codes(*names[::-1])).all()
    found = labels.draw(similarities, pairs, 1)
    order = np.sort(similarities)[::-1]
    ends = [end for _, end in found]
    assert len(found) == 20 and ends == sorted(ends, reverse=True) and ends[-1] == order[-1]
    for stratum, (place, end) in enumerate(found):
        above = ends[stratum - 1] if stratum else 1.0
        assert end <= similarities[place] < above
        assert 100 <= ((similarities >= end) & (similarities < above)).sum() <= 101
    mixed = rng.permutation(2_003)
    again = labels.draw(similarities[mixed], pairs[mixed], 1)
    assert [int(mixed[place]) for place, _ in again] == [place for place, _ in found]
    other = labels.draw(similarities, pairs, 2)
    assert sum(one == two for one, two in zip(found, other, strict=True)) < 5
    # a third of the pairs goes: those that stay are drawn again where they were the first of their stratum
    high = np.flatnonzero(similarities > 0.33)
    fewer = {int(high[place]) for place, _ in labels.draw(similarities[high], pairs[high], 1)}
    assert len(fewer & {place for place, _ in found}) >= 4


@pytest.mark.parametrize("steep", [0.0, 4.0, 30.0], ids=["flat", "rising", "cut"])
def test_the_interval_holds_the_share_of_all_pairs(steep):
    """Of one threshold at least 95 in 100; of the proposed one, which the same labels chose, most."""
    rng = np.random.default_rng(3)
    similarities = np.sort(rng.beta(1, 4, 2_000))[::-1]
    chance = 1 / (1 + np.exp(-steep * (similarities - 0.3))) if steep else np.full(2_000, 0.8)
    same = rng.random(2_000) < chance
    strata = labels.strata(similarities)
    ends = [float(similarities[part[-1]]) for part in strata]
    truth = [same[: int(part[-1]) + 1].mean() for part in strata]
    held, chosen, proposed = 0, 0, 0
    for _ in range(600):
        found = labels.points(ends, [bool(same[rng.choice(part)]) for part in strata])
        held += found[12].low <= truth[12] <= found[12].high
        best = labels.proposed(found)
        if best is not None:
            proposed += 1
            chosen += best.low <= truth[ends.index(best.threshold)] <= best.high
    assert held >= 0.95 * 600 - 12
    assert proposed == 0 or chosen >= 0.85 * proposed


def test_labels_of_a_run_say_a_threshold_and_stay_for_other_rows(embedded):
    words = "alpha beta gamma delta epsilon zeta eta theta iota kappa"
    texts = [f"{words} {number // 2} {'x' * (number % 2)}" for number in range(60)]
    result = run(texts, threshold=0.7, measure="cosine")
    pairs = drawn(result)
    assert len(pairs) == 20 and [one["similarity"] for one in pairs] == sorted(
        (one["similarity"] for one in pairs), reverse=True
    )
    assert by_labels(result, {}) is None and "by_labels" not in report(result, outcome(result))
    given = {pair["name"]: place < 10 for place, pair in enumerate(pairs)}
    said = by_labels(result, given)
    assert (
        said is not None and said["threshold"] == pairs[10]["end"] and (said["same"], said["of"]) == (10, 11)
    )
    assert said["interval"] == pytest.approx(binomtest(10, 11).proportion_ci(method="exact"), abs=1e-3)
    at = outcome(result, max(pairs[10]["end"], result.request.floor))
    assert said["removed"] == len(at.removed)
    asked = Request.parse(labels=list(labels.written(given)))
    assert labels.parsed(asked.labels) == given
    again = run(texts[::-1], threshold=0.7, measure="cosine", labels=asked.labels)
    answer = report(again, outcome(again))
    assert len(answer["by_labels"]["labels"]) >= 15, "other numbers, the same texts: the labels are theirs"
    assert answer["request"]["labels"] == list(asked.labels)
    assert to_json(again, outcome(again))["request"]["labels"] == list(asked.labels)


def test_labels_count_down_to_the_first_gap():
    """Beyond it they would speak of pairs of which none was looked at."""
    ends = [0.9, 0.8, 0.7, 0.6]
    found = labels.points(ends, [True, True, None, True])
    assert [(point.threshold, point.same, point.n) for point in found] == [(0.9, 1, 1), (0.8, 2, 2)]
    best = labels.proposed(found)
    assert best is not None and best.threshold == 0.8
    assert labels.points(ends, [None, True, True, True]) == []


def test_labels_that_are_none_are_refused():
    assert Request.parse(labels="0011aabb-ccddeeff:same\n").labels == ("0011aabb-ccddeeff:same",)
    twice = ["0011aabb-ccddeeff:same", "0011aabb-ccddeeff:different"]
    assert Request.parse(labels=twice).labels == ("0011aabb-ccddeeff:different",)
    for wrong in ("x:same", "0011aabb-ccddeeff:maybe", 3, ["<img>"]):
        with pytest.raises(VisitorError):
            Request.parse(labels=wrong)
    many = [f"{number:08x}-{number:08x}:same" for number in range(501)]
    with pytest.raises(VisitorError, match="More than 500"):
        Request.parse(labels=many)
