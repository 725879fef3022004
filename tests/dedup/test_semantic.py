"""Comparison by meaning: every pair, its limits, and models of the Hub."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dedup import semantic
from dedup.card import dataset_card
from dedup.outcome import outcome
from dedup.recall import with_sample
from dedup.report import to_json
from dedup.verify import Pairs
from shared import limits
from shared.errors import VisitorError
from tests.conftest import ROOT
from tests.dedup.test_engine import run
from tests.shared.hub_server import HubServer, Repo, run_against

TEXTS = [
    "How do I boil an egg?",
    "What is the way to cook an egg in boiling water?",
    "The train to Berlin leaves at nine.",
    "At nine the train departs for Berlin.",
    "My cat is asleep.",
    "The stock market fell today.",
    "the train to berlin leaves at nine",
    "",
]


def test_pairs_are_all_pairs():
    rng = np.random.default_rng(3)
    for rows in (1, 2, 40, 2_345):
        vectors = rng.normal(size=(rows, 6)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        found = semantic.similar_pairs(vectors, 0.9)
        cosine = vectors @ vectors.T
        expected = {(a, b) for a, b in zip(*np.nonzero(cosine >= 0.9), strict=True) if a < b}
        pairs = list(zip(found.first.tolist(), found.second.tolist(), strict=True))
        assert len(pairs) == len(set(pairs))
        assert {pair for pair in set(pairs) ^ expected if abs(cosine[pair] - 0.9) > 1e-5} == set()
        assert np.allclose(found.jaccard, [cosine[pair] for pair in pairs], atol=1e-5)


def near_rows(count: int, seed: int = 0) -> np.ndarray:
    """Unit vectors around 60 middles, so that some are near and most are not."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(60, 24))[rng.integers(0, 60, count)] + 0.5 * rng.normal(size=(count, 24))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_cells_find_most_pairs_and_a_sample_says_how_many(embedded, monkeypatch):
    """Of more rows than all of which are compared: no pair twice, none that is not near, and a recall whose
    interval holds the true one.
    """
    vectors = near_rows(3_000)
    every = semantic.similar_pairs(vectors, 0.9)
    found = semantic.similar_pairs(vectors, 0.9, exact=100)
    code = [set((one.first * 3_000 + one.second).tolist()) for one in (every, found)]
    assert len(code[1]) == len(found) and (found.first < found.second).all()
    assert len(code[1] - code[0]) <= 5, "the order of a product may round another way"
    true = len(code[1]) / len(code[0])
    assert 0.9 < true <= 1
    sample = np.sort(np.random.default_rng(1).permutation(3_000)[:400])
    pairs = semantic.against_all(vectors, sample, 0.9)
    involved = np.isin(every.first, sample) | np.isin(every.second, sample)
    assert abs(len(pairs) - int(involved.sum())) <= 5 and (pairs.first < pairs.second).all()
    # worse cells miss more, and the sample tells
    monkeypatch.setattr("dedup.nearest.CELLS", 1)
    worse = semantic.similar_pairs(vectors, 0.9, exact=100)
    sampled, edges = with_sample(sample, 3_000, pairs, worse)
    own = sampled.at(0.9)
    assert not own.complete and own.interval[0] <= len(worse) / len(every) <= own.interval[1] < 1
    assert len(edges) >= len(worse)
    monkeypatch.setattr(semantic, "EXACT_ROWS", 5)
    texts = [f"{text} {number}" for number in range(12) for text in TEXTS[:6]]
    data = to_json(*(lambda result: (result, outcome(result)))(run(texts, measure="cosine", threshold=0.8)))
    assert data["provenance"]["verification"].endswith("pairs of shared cells")


def test_the_map_has_the_axes_of_the_largest_variance():
    rng = np.random.default_rng(2)
    rows = (rng.normal(size=(300, 5)) * [9, 1, 4, 0.2, 0.1] + 3).astype(np.float32)
    spots, spread = semantic.on_a_map(rows)
    centred = rows - rows.mean(axis=0)
    assert np.abs(np.corrcoef(spots[:, 0], centred[:, 0])[0, 1]) > 0.99
    assert np.abs(np.corrcoef(spots[:, 1], centred[:, 2])[0, 1]) > 0.99
    singular = np.linalg.svd(centred, compute_uv=False)
    assert spread == pytest.approx((singular[:2] ** 2).sum() / (singular**2).sum(), abs=1e-4)
    again, _ = semantic.on_a_map(rows)
    assert (again == spots).all() and (spots[np.abs(spots).argmax(axis=0), [0, 1]] > 0).all()
    for few in (rows[:1], rows[:2], np.zeros((3, 4), np.float32)):
        assert semantic.on_a_map(few)[0].shape == (len(few), 2)


def test_a_gpu_finds_the_same_pairs(monkeypatch):
    """The maths of a GPU, on the processor; and only many rows ask for one."""
    import torch

    rng = np.random.default_rng(4)
    vectors = rng.normal(size=(2_345, 6)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    expected = semantic.similar_pairs(vectors, 0.9)
    to = torch.Tensor.to
    monkeypatch.setattr(torch.Tensor, "to", lambda rows, _: to(rows, "cpu"))
    found = semantic.similar_pairs(vectors, 0.9, "cuda")
    pairs = [set(zip(one.first, one.second, strict=True)) for one in (found, expected)]
    assert len(pairs[0] ^ pairs[1]) < 5
    assert found.jaccard.dtype == np.float64 and found.jaccard.max() <= 1
    asked = []
    monkeypatch.setattr(semantic, "_lent_pairs", lambda rows, *_: iter([asked.append(len(rows))]))
    for rows in (semantic.GPU_ROWS - 1, semantic.GPU_ROWS):
        semantic.pairs_of(np.zeros((rows, 2), np.float32), 0.5)
    assert asked == [semantic.GPU_ROWS]


def test_paraphrases_without_a_common_shingle_are_found(embedded):
    result = run(TEXTS, measure="cosine", threshold=0.55)
    decided = outcome(result)
    assert decided.kept == [0, 2, 4, 5, 7]
    assert {(item.row, item.keeper, item.copy) for item in decided.removed} == {
        (1, 0, False),
        (3, 2, False),
        (6, 2, False),
    }
    assert [item.row for item in decided.removed if item.same_words] == [6]
    assert outcome(run(TEXTS, threshold=0.55)).kept == [0, 1, 2, 3, 4, 5, 7], (
        "by words none of them is a duplicate but the one with the same words"
    )
    data = to_json(result, decided)
    json.dumps(data, allow_nan=False)
    assert data["precision"] is None and data["plan"] is None
    assert any("not a proof" in warning for warning in data["warnings"])
    assert data["provenance"]["embedding"] == "embedded"
    card = dataset_card(result, decided, "kept.jsonl")
    assert "cosine of at least 0.55" in card and "model2vec, `embedded`" in card
    for word in ("Jaccard", "MinHash", "precision", "recall", "verified", "shingles"):
        assert word not in card


def test_negation_is_not_seen(embedded):
    """The limit that the page states, measured: opposite sentences are alike."""
    vectors = semantic.embed(["I like cheese.", "I do not like cheese.", "The bus was late."], "embedded")
    assert vectors[0] @ vectors[1] > 0.75 > 0.4 > vectors[0] @ vectors[2]


def test_limits_are_sentences(embedded, monkeypatch):
    monkeypatch.setattr(limits, "MAX_SEMANTIC_ROWS", 3)
    with pytest.raises(VisitorError, match="too many for vectors"):
        run(TEXTS, measure="cosine")
    monkeypatch.setattr(semantic, "MAX_PAIRS", 5)
    with pytest.raises(VisitorError, match="Raise the threshold"):
        semantic.similar_pairs(np.ones((20, 2), dtype=np.float32), 0.5)
    with pytest.raises(VisitorError, match="Hub cannot be reached"):
        semantic.embed(["x"], "someone/model")
    with pytest.raises(VisitorError, match="is not a"):
        semantic.embed(["x"], "../../etc")
    assert isinstance(semantic.similar_pairs(np.zeros((0, 4), dtype=np.float32), 0.5), Pairs)


SCRIPT = """
import sys
sys.path[:0] = [{root!r}, {root!r} + "/spaces/dedup"]
from dedup import semantic
from shared import limits
from shared.errors import VisitorError
limits.MAX_EMBEDDING_BYTES = 1_000_000
print(semantic.embed(["alpha beta", "beta alpha", "gamma"], "me/static").round(3).tolist())
for name in ("me/none", "me/encoder", "me/huge"):
    try:
        semantic.embed(["x"], name)
    except VisitorError as error:
        print(error)
"""


def test_a_model_of_the_hub(tmp_path):
    """Its own files alone are read, none of this machine that go by its name, and its size is asked first."""
    from model2vec import StaticModel
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(
        models.WordLevel({"[UNK]": 0, "alpha": 1, "beta": 2, "gamma": 3}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    StaticModel(np.eye(4, dtype=np.float32), tokenizer).save_pretrained(tmp_path / "static")
    files = {path.name: path.read_bytes() for path in (tmp_path / "static").iterdir() if path.is_file()}
    assert "model.safetensors" in files
    StaticModel(np.ones((4, 4), dtype=np.float32), tokenizer).save_pretrained(
        tmp_path / "me" / "static"
    )  # a folder of that name
    repos = {
        "me/static": Repo({**files, "pytorch_model.bin": b"a pickle", "other.safetensors": b"x"}),
        "me/encoder": Repo({"model.safetensors": b"x", "config.json": b"{}", "tokenizer.json": b"{}"}),
        "me/huge": Repo({**files, "model.safetensors": bytes(2_000_000)}),
    }
    server = HubServer(repos)
    try:
        said = run_against(server, tmp_path / "hf", SCRIPT.format(root=str(ROOT)), cwd=tmp_path)
    finally:
        server.stop()
    first, unknown, encoder, huge = said.splitlines()[-4:]
    assert np.allclose(
        json.loads(first),
        [[0.0, 0.707, 0.707, 0.0], [0.0, 0.707, 0.707, 0.0], [0.0, 0.0, 0.0, 1.0]],
        atol=1e-3,
    )
    assert "no public model me/none" in unknown
    assert "is not a static embedding model" in encoder
    assert "me/huge has 2 MB; the limit is 1 MB." in huge
    asked = [path for path in server.requests if "/resolve/" in path]
    assert any(
        path.endswith("me/static/resolve/" + repos["me/static"].sha + "/model.safetensors") for path in asked
    )
    assert not any("pytorch_model" in path or "other" in path or "me/huge" in path for path in asked)
