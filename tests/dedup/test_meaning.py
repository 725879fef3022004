"""What vectors know of meaning is measured, and said in the README."""

from __future__ import annotations

import re

import numpy as np
import pytest

from dedup import meaning, semantic
from tests.conftest import ROOT


def test_the_measure_on_vectors_whose_answer_is_known():
    n = len(meaning.triples())
    rng = np.random.default_rng(1)
    own = rng.normal(size=(n, 8)).astype(np.float32)
    other = rng.normal(size=(n, 8)).astype(np.float32)
    right = np.stack([own, own * 3, other], axis=1).reshape(3 * n, 8)
    wrong = np.stack([own, other, own * 3], axis=1).reshape(3 * n, 8)
    assert meaning.told(right) == meaning.Told(1.0, 1.0, 1.0, n)
    assert meaning.told(wrong).auc == 0
    guess = meaning.told(rng.normal(size=(3 * n, 64)).astype(np.float32))
    assert guess.low < 0.5 < guess.high
    assert meaning.auc(np.array([1.0, 2.0]), np.array([1.0, 0.0])) == 0.875
    texts = [text for triple in meaning.triples() for text in triple]
    assert len(set(texts)) == 3 * n


def test_the_readme_states_what_the_embedded_vectors_reach(embedded):
    texts = [text for triple in meaning.triples() for text in triple]
    found = meaning.told(semantic.embed(texts, semantic.EMBEDDED))
    said = re.search(
        r"AUC of ([\d.]+) \(95 % interval ([\d.]+) to ([\d.]+), (\d+) sentences",
        (ROOT / "spaces/dedup/README.md").read_text(encoding="utf-8"),
    )
    assert said is not None
    assert [float(one) for one in said.groups()] == pytest.approx(
        [found.auc, found.low, found.high, found.n], abs=0.02
    )
