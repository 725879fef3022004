"""The scores of the public benchmarks, on cases with a known answer, and their loaders on a loopback Hub."""

from __future__ import annotations

import io
import json
import random
from math import comb

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.bench.public_dedup import CORE, NEWS, adjusted_rand_index, clusters_of, core_scores
from tests.conftest import ROOT
from tests.shared.hub_server import HubServer, Repo, run_against


def test_core_scores_by_hand():
    duplicates = [{1}, {0}, set(), set(), {5, 6}, {4, 6}, {4, 5}]
    assert core_scores(duplicates, [0, 0, 1, 2, 3, 3, 3]) == {
        "precision": 1.0,
        "recall": 1.0,
        "macro F1": 1.0,
        "accuracy": 1.0,
    }
    scores = core_scores(duplicates, [0, 0, 1, 1, 3, 3, 4])  # 2 and 3 joined wrongly, 6 left alone
    assert scores["precision"] == pytest.approx(2 / 6) and scores["recall"] == pytest.approx(2 / 3)
    assert scores["accuracy"] == pytest.approx(2 / 7)


def test_adjusted_rand_index_by_pairs():
    chance = random.Random(0)
    for _ in range(30):
        count = chance.randrange(2, 12)
        truth, found = ([chance.randrange(4) for _ in range(count)] for _ in range(2))
        pairs = [(a, b) for a in range(count) for b in range(a)]
        same = [(truth[a] == truth[b], found[a] == found[b]) for a, b in pairs]
        both, one, other = (
            sum(map(test, same)) for test in (all, lambda item: item[0], lambda item: item[1])
        )
        expected = one * other / comb(count, 2)
        if (one + other) / 2 != expected:
            assert adjusted_rand_index(truth, found) == pytest.approx(
                (both - expected) / ((one + other) / 2 - expected)
            )
    assert adjusted_rand_index([1, 1, 2], ["a", "a", "b"]) == 1.0


def test_clusters_cover_every_row():
    found, _ = clusters_of(["a b c d", "A b c d!", "", "x y z w", ""], 0.5, 2, "word")
    assert found[0] == found[1] != found[3] and len(set(found)) == 4


SCRIPT = """
import json, sys
sys.path[:0] = [{root!r}, {root!r} + "/spaces/dedup"]
from tests.bench.public_dedup import rows
print(json.dumps([[row.name, row.value] for row in rows()]))
"""


def parquet(**columns) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def test_the_loaders_read_the_hub(tmp_path):
    texts = [
        "a study of rain in the hills",
        "a study of rain in the hill",
        "on the habits of owls",
        "prime numbers and their gaps",
    ]
    core = parquet(
        core_id=["11", "12", "13", "14"],
        processed_title=texts,
        processed_abstract=["we measured it every day for a year"] * 2 + ["they sleep", "there are many"],
        labelled_duplicates=[["12"], ["11"], [], []],
    )
    news = parquet(article=texts, cluster=[5, 5, 6, 7])
    repos = {
        f"datasets/{CORE}": Repo({"data/train-00000-of-00001.parquet": core}),
        f"datasets/{NEWS}": Repo({"data/test-00000-of-00001.parquet": news}),
    }
    server = HubServer(repos)
    try:
        said = run_against(server, tmp_path, SCRIPT.format(root=str(ROOT)))
    finally:
        server.stop()
    assert dict(json.loads(said.splitlines()[-1])) == {
        "CORE precision": 1.0,
        "CORE recall": 1.0,
        "CORE macro F1": 1.0,
        "CORE accuracy": 1.0,
        "NEWS-COPY ARI": 1.0,
    }
