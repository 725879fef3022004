"""What vectors know of meaning is measured, and said in the README."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from dedup import meaning, reading, semantic
from dedup.card import dataset_card
from dedup.judging import drawn
from dedup.outcome import outcome
from dedup.report import report, to_json
from tests.conftest import ROOT
from tests.dedup.test_engine import run


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


def scores(held_out):
    return {
        key: np.array([row["nats"][key] for row in meaning.sentences(held_out)])
        for key in ("same", "near", "opposite", "topic")
    }


def test_what_the_page_says_of_the_reading_follows_from_the_stored_scores():
    """And the sentences that something was chosen by are not those that it was measured on."""
    chosen, held = meaning.sentences(False), meaning.sentences(True)
    assert len(chosen) == len(held) == 40
    assert not {row["text"] for row in chosen} & {row["text"] for row in held}
    found = scores(True)
    restated = np.stack([found["same"], found["near"]], axis=1)
    opposite = meaning.told_apart(restated, found["opposite"])
    topic = meaning.told_apart(restated, found["topic"])
    assert f"opposite in {100 * opposite.auc:.0f} of 100" in meaning.HOW_SURE
    assert f"same subject in {100 * topic.auc:.0f}." in meaning.HOW_SURE
    readme = (ROOT / "spaces/dedup/README.md").read_text(encoding="utf-8")
    for told in (opposite, topic):
        assert f"{told.auc:.2f} (95 % interval {told.low:.2f} to {told.high:.2f})" in readme
    said = re.search(r"keeps (\d+) of 100 restatements, (\d+) of 100 opposites and (\d+) of 100", readme)
    assert said is not None
    shares = [float((one > reading.CUT).mean()) for one in (restated, found["opposite"], found["topic"])]
    assert [int(one) for one in said.groups()] == pytest.approx([100 * share for share in shares], abs=1)


def test_the_stored_scores_are_what_the_model_says(embedded):
    rows = [meaning.sentences(False)[0], meaning.sentences(True)[0]]
    pairs = [(row["text"], row[key]) for row in rows for key in ("same", "opposite")]
    turned = pairs[0][::-1]
    *_, found = reading.read([*pairs, turned, ("word " * 200, "x"), ("", "x")])
    assert found[:4] == pytest.approx(
        [row["nats"][key] for row in rows for key in ("same", "opposite")], abs=0.02
    )
    assert found[4] == pytest.approx(found[0], abs=1e-3)
    assert np.isnan(found[5:]).all(), "too long, and without text"


def judged_by(monkeypatch, answers, texts, **settings):
    """A run whose reader answers by hand."""

    def read(pairs):
        yield 0
        yield np.array([answers.get(frozenset(pair), -2.0) for pair in pairs], dtype=float)

    monkeypatch.setattr(reading, "read", read)
    return run(texts, measure="meaning", threshold=0.3, **settings)


def test_a_pair_is_one_only_where_facts_and_the_reader_agree(embedded, monkeypatch):
    texts = [
        "The train to Berlin leaves at nine.",
        "At nine the train departs for Berlin.",
        "the train to berlin leaves at nine!",
        "The train to Berlin leaves at 9.",
        "The train to Berlin does not leave at nine.",
        "The train to Paris leaves at nine.",
        "The bus to Berlin leaves at nine.",
        "Shut the window before it rains.",
        "Close the window before it rains.",
    ]
    same = frozenset((texts[0], texts[1]))
    long = frozenset((texts[0], texts[6]))
    opened = frozenset(texts[7:])  # a capital that opens a sentence makes no name
    result = judged_by(monkeypatch, {same: 0.1, long: np.nan, opened: 0.1}, texts)
    answer = report(result, outcome(result))
    pairs = {tuple(sorted((item["row"], item["keeper"]))) for item in answer["removed_rows"]}
    assert pairs == {(0, 1), (0, 2), (7, 8)}, (
        "a restatement that was read, and another form, which needs no reading"
    )
    judged = result.vectors.judged
    assert judged.vetoed["number"] >= 1 and judged.vetoed["negation"] >= 1 and judged.vetoed["name"] >= 1
    assert judged.unread == 1 and judged.denied >= 1
    assert answer["warnings"][0] == meaning.HOW_SURE and answer["precision"] is None
    assert answer["provenance"]["reader"].startswith("HuggingFaceTB/SmolLM2-135M-Instruct (135 million")
    data = to_json(result, outcome(result))
    json.dumps(data, allow_nan=False)
    assert data["vectors"]["reading"]["unread"] == 1 and len(data["vectors"]["spots"]) == 9
    assert {one["nats"] for one in data["vectors"]["drawn"]} == {0.1, None}
    card = dataset_card(result, outcome(result), "kept.jsonl")
    assert "The model errs." in card and "read by" in card
    nothing = judged_by(monkeypatch, {}, ["one thing here", "quite another matter"])
    assert outcome(nothing).kept == [0, 1] and drawn(nothing) == []
