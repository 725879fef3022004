"""The engine against exact all-pairs Jaccard, brute force and itself in other orders."""

from __future__ import annotations

import random
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import regex
from scipy.sparse import csr_matrix

from dedup import clusters, engine, minhash, signing, verify
from dedup import recall as measured
from dedup.card import dataset_card
from dedup.engine import Result, deduplicate
from dedup.minhash import choose_bands, s_curve
from dedup.outcome import outcome
from dedup.read import Dataset
from dedup.report import report, to_json
from dedup.request import Request
from dedup.shingles import sets, shingle, to_arrow
from dedup.verify import Pairs, recall_interval
from shared.errors import VisitorError
from tests.conftest import ROOT
from tests.dedup.corpus import documents, rows_of


def dataset(texts: list[str]) -> Dataset:
    """Texts as a one-column dataset."""
    return rows_of([{"text": text} for text in texts], "test.json")


def run(texts: list[str], checkpoints: Path | None = None, **settings: Any) -> Result:
    """The finished run, by three words unless said otherwise: the documents are code, whose signs would
    count, and the numbers that tests state hold whatever a visitor's default is.
    """
    request = Request.parse(**{"unit": "word", "ngram": 3, **settings})
    *_, result = deduplicate(dataset(texts), request, checkpoints)
    assert isinstance(result, Result)
    return result


ALONE = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
VARIATION = r"[\ufe00-\ufe0f\U000e0100-\U000e01ef]"
OPERATOR = r"[+\-*/%=<>!&|^~?:.@#$\\]"


def reference_units(text: str, unit: str = "word") -> list[str]:
    """Units in plain Python, with the `regex` library's Unicode classes."""
    normal = unicodedata.normalize("NFKC", text).lower()
    whole = regex.sub(r"[\s\p{Z}]+", " ", normal).strip(" ")
    if unit == "character":
        return list(regex.sub(r"[ \t\n\r\f]+", " ", normal).strip(" "))
    if unit == "whitespace":
        return regex.findall(r"[^\t\n\v\f\r \p{Z}\x85]+", text)
    if unit == "word":
        normal = regex.sub(VARIATION, "", normal)
        normal = regex.sub(r"^\p{M}+|(?<=[^\p{L}\p{N}\p{M}_\x1e])\p{M}+", " ", normal)
        found = regex.findall(rf"{ALONE}|(?:(?!{ALONE})[\p{{L}}\p{{N}}\p{{M}}_])+|\x1e", normal)
    else:
        form = regex.sub(VARIATION, "", unicodedata.normalize("NFC", text))
        form = form.lower() if unit == "symbol" else form
        form = regex.sub(r"[\p{Z}\p{Cf}\p{Cc}--\x1e]+", " ", form, flags=regex.V1)
        form = regex.sub(r"([^\p{L}\p{N}\p{M}\x00-\x7f]\p{M}*)", r" \1 ", form)
        run = rf"{OPERATOR}+" if unit == "code" else "(?!)"
        letters = rf"(?:(?!{ALONE})[^\x00-\x7f ]|[A-Za-z0-9_])+"
        found = regex.findall(rf"{ALONE}|{letters}|{run}|[^\s]|\x1e", form)
    if set(found) <= {"\x1e"} and whole.strip("\x1e "):
        return [whole, *found]
    return found


def reference_shingles(text: str, ngram: int, unit: str = "word") -> set[tuple[str, ...]]:
    """Shingles in plain Python."""
    units = reference_units(text, unit)
    if not units:
        return set()
    return {tuple(units[start : start + ngram]) for start in range(max(1, len(units) - ngram + 1))}


def exact_pairs(texts: list[str], ngram: int, floor: float) -> dict[tuple[int, int], float]:
    """All pairs of texts with a similarity of at least `floor`, from Python shingles and a sparse product."""
    vocabulary: dict[tuple[str, ...], int] = {}
    rows, columns = [], []
    for row, text in enumerate(texts):
        for item in reference_shingles(text, ngram):
            rows.append(row)
            columns.append(vocabulary.setdefault(item, len(vocabulary)))
    matrix = csr_matrix(
        (np.ones(len(rows), dtype=np.int32), (rows, columns)), shape=(len(texts), len(vocabulary))
    )
    sizes = np.diff(matrix.indptr)
    pairs = {}
    for begin in range(0, len(texts), 2_000):
        product = (matrix[begin : begin + 2_000] @ matrix.T).tocoo()
        first, second = product.row + begin, product.col
        jaccard = product.data / (sizes[first] + sizes[second] - product.data)
        keep = (first < second) & (jaccard >= floor)
        pairs.update(
            dict(
                zip(
                    zip(first[keep].tolist(), second[keep].tolist(), strict=True),
                    jaccard[keep].tolist(),
                    strict=True,
                )
            )
        )
    return pairs


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return list(documents(20_000))


@pytest.fixture(scope="module")
def truth(texts: list[str]) -> dict[tuple[int, int], float]:
    return exact_pairs(texts, 3, 0.5)


def row_pairs(result: Result, floor: float) -> dict[tuple[int, int], float]:
    """The run's pairs as pairs of rows, copies included."""
    pairs = {}
    for rows in result.nodes:
        ordered = sorted(rows.tolist())
        pairs.update({(a, b): 1.0 for place, a in enumerate(ordered) for b in ordered[place + 1 :]})
    edges = result.edges
    for first, second, jaccard in zip(
        edges.first.tolist(), edges.second.tolist(), edges.jaccard.tolist(), strict=True
    ):
        if jaccard >= floor:
            pairs.update(
                {
                    (min(a, b), max(a, b)): jaccard
                    for a in result.nodes[first].tolist()
                    for b in result.nodes[second].tolist()
                }
            )
    return pairs


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.8, 0.9])
def test_precision_is_one_and_recall_is_as_planned(texts, truth, threshold):
    result = run(texts, threshold=threshold, recall=0.99)
    found = row_pairs(result, threshold)
    for pair, jaccard in found.items():
        assert pair in truth, (pair, jaccard)
        assert jaccard == pytest.approx(truth[pair], abs=1e-9)
    heads = {
        int(rows.min()) for rows in result.nodes
    }  # copies are certain; recall is that of pairs of different texts
    real = {pair for pair, jaccard in truth.items() if jaccard >= threshold and set(pair) <= heads}
    assert len(real) > 200
    hits = len(real & set(found))
    assert hits / len(real) >= 0.99
    low, high = result.recall.interval
    assert result.recall.true_pairs > 30
    # the interval is of what the bands found; what the sample found beside them is in the result too
    extra = result.recall.true_pairs - result.recall.found
    assert low <= (hits - extra) / len(real) <= high


@pytest.mark.parametrize("num_bands,rows_per_band", [(4, 32), (8, 16)])
def test_the_recall_test_sees_default_bands(texts, truth, monkeypatch, num_bands, rows_per_band):
    """The bug of the anchor: default bands lose most pairs, and the run says so itself."""
    plan = minhash.Plan(128, num_bands, rows_per_band, 0.1, None, 0, 0)
    monkeypatch.setattr(engine, "make_plan", lambda *_: plan)
    result = run(texts, threshold=0.8)
    assert result.recall.value is not None and result.recall.value < 0.95
    heads = {int(rows.min()) for rows in result.nodes}
    real = {pair for pair, jaccard in truth.items() if jaccard >= 0.8 and set(pair) <= heads}
    assert len(real & set(row_pairs(result, 0.8))) / len(real) < 0.95
    low, high = result.recall.interval
    extra = (
        result.recall.true_pairs - result.recall.found
    )  # the sample's own finds are in the result, not in the recall
    assert low <= (len(real & set(row_pairs(result, 0.8))) - extra) / len(real) <= high


def kept_texts(texts: list[str], result: Result) -> list[str]:
    return sorted(texts[row] for row in outcome(result).kept)


def pair_texts(texts: list[str], result: Result) -> set[frozenset[str]]:
    strong = result.edges.jaccard >= result.request.threshold
    heads = [texts[rows[0]] for rows in result.nodes]
    return {
        frozenset((heads[a], heads[b]))
        for a, b in zip(result.edges.first[strong], result.edges.second[strong], strict=True)
    }


def test_order_repetition_resumption_and_threads_change_nothing(tmp_path, monkeypatch):
    texts = sorted(set(documents(3_000)))
    settings: dict[str, Any] = {"threshold": 0.7, "keep": "longest"}
    first = run(texts, **settings)
    shuffled = list(texts)
    random.Random(3).shuffle(shuffled)
    second = run(shuffled, **settings)
    assert pair_texts(texts, first) == pair_texts(shuffled, second)
    assert len(outcome(first).kept) == len(outcome(second).kept)
    again = run(texts, **settings)
    assert report(again, outcome(again))["removed_rows"] == report(first, outcome(first))["removed_rows"]
    twice = run(texts * 2, **settings)
    assert outcome(twice).kept == outcome(first).kept
    once_more = run([texts[row] for row in outcome(first).kept], **settings)
    assert len(outcome(once_more).kept) == len(outcome(first).kept), "what is left holds no duplicates"
    monkeypatch.setattr(signing.os, "cpu_count", lambda: 7)
    threaded = run(texts, **settings)
    assert (
        report(threaded, outcome(threaded))["removed_rows"] == report(first, outcome(first))["removed_rows"]
    )


def test_an_interrupted_run_goes_on_from_its_signatures(tmp_path, monkeypatch):
    texts = list(documents(3_000))
    monkeypatch.setattr(signing, "BLOCK", 1_000)
    whole = run(texts, threshold=0.7)
    steps = deduplicate(dataset(texts), Request.parse(threshold=0.7, unit="word"), tmp_path)
    for step in steps:
        if getattr(step, "stage", "") == "sign" and step.value > 2_000:
            break
    steps.close()
    assert len(list(tmp_path.glob("*.npz"))) == 2
    signed: list[int] = []
    real = signing.band_keys
    monkeypatch.setattr(
        signing, "band_keys", lambda part, *rest: signed.append(len(part)) or real(part, *rest)
    )
    resumed = run(texts, tmp_path, threshold=0.7)
    assert sum(signed) == 1_000, "two blocks of three were stored"
    assert report(resumed, outcome(resumed))["removed_rows"] == report(whole, outcome(whole))["removed_rows"]
    assert not list(tmp_path.glob("*.npz")), "a finished run leaves no checkpoint"


def test_a_damaged_checkpoint_is_computed_again(tmp_path, monkeypatch):
    texts = list(documents(2_000))
    monkeypatch.setattr(signing, "BLOCK", 1_000)
    steps = deduplicate(dataset(texts), Request.parse(threshold=0.7, unit="word"), tmp_path)
    for step in steps:
        if getattr(step, "stage", "") == "sign" and step.value > 1_000:
            break
    steps.close()
    (stored,) = tmp_path.glob("*.npz")
    stored.write_bytes(stored.read_bytes()[:200])
    assert outcome(run(texts, tmp_path, threshold=0.7)).kept == outcome(run(texts, threshold=0.7)).kept


def test_equal_runs_beside_each_other_share_checkpoints(tmp_path, monkeypatch):
    """Two visitors, the same rows, the same moment: neither takes the other's file away."""
    texts = list(documents(600))
    monkeypatch.setattr(signing, "BLOCK", 50)
    alone = outcome(run(texts, threshold=0.7)).kept
    with ThreadPoolExecutor(6) as pool:
        runs = [pool.submit(run, texts, tmp_path, threshold=0.7) for _ in range(6)]
    assert [outcome(result.result()).kept for result in runs] == [alone] * 6


def brute_force(
    similar: np.ndarray, ranks: np.ndarray, threshold: float, method: str, pinned: list[int]
) -> set[int]:
    """Kept nodes, the slow way."""
    count = len(ranks)
    order = sorted(range(count), key=lambda node: (node not in pinned, ranks[node]))
    kept: list[int] = []
    if method == "leader":
        for node in order:
            if node in pinned or not any(similar[node, other] >= threshold for other in kept):
                kept.append(node)
        return set(kept)
    seen: set[int] = set()
    for node in order:
        if node in seen:
            continue
        component, waiting = {node}, [node]
        while waiting:
            here = waiting.pop()
            for other in range(count):
                if other not in component and similar[here, other] >= threshold:
                    component.add(other)
                    waiting.append(other)
        seen |= component
        own = [member for member in component if member in pinned]
        kept += own or [node]
    return set(kept)


@pytest.mark.parametrize("method", clusters.METHODS)
def test_clustering_equals_brute_force(method):
    rng = np.random.default_rng(7)
    for case in range(150):
        count = int(rng.integers(1, 14))
        similar = np.zeros((count, count))
        upper = np.triu_indices(count, 1)
        values = rng.choice([0, 0, 0, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0], len(upper[0]))
        similar[upper] = values
        similar += similar.T
        edges = Pairs(*(side[values > 0].astype(np.int64) for side in upper), values[values > 0])
        ranks = rng.permutation(count)
        pinned = sorted(rng.choice(count, rng.integers(0, min(3, count + 1)), replace=False).tolist())
        threshold = float(rng.choice([0.5, 0.65, 0.8, 1.0]))
        result = clusters.cluster(edges, ranks, threshold, method, pinned)
        assert set(np.flatnonzero(~result.removed).tolist()) == brute_force(
            similar, ranks, threshold, method, pinned
        ), case
        for node in np.flatnonzero(result.removed):
            keeper = result.keeper[node]
            assert not result.removed[keeper]
            if method == "leader":
                best = max(similar[node, other] for other in np.flatnonzero(~result.removed))
                assert similar[node, keeper] == best == result.jaccard[node] >= threshold


def test_leaders_are_monotone_where_they_must_be(texts):
    """Components only ever join when the threshold falls."""
    result = run(texts[:4_000], threshold=0.8, method="components")
    kept = [row[1] for row in to_json(result, outcome(result))["curve"]]
    assert kept == sorted(kept)


def test_every_removed_row_names_a_kept_row_that_is_similar(texts):
    result = run(texts[:5_000], threshold=0.7)
    decided = outcome(result)
    kept = set(decided.kept)
    assert len(decided.kept) + len(decided.removed) == 5_000
    for item in decided.removed:
        assert item.keeper in kept
        own, other = reference_shingles(texts[item.row], 3), reference_shingles(texts[item.keeper], 3)
        assert len(own & other) / len(own | other) == pytest.approx(item.jaccard)
        assert item.jaccard >= 0.7


def test_goal_ends_with_exactly_that_many_rows(texts):
    result = run(texts[:3_000], threshold=0.6, goal=2_900)
    decided = outcome(result)
    assert len(decided.kept) == 2_900
    with pytest.raises(VisitorError, match="is the fewest"):
        outcome(run(texts[:3_000], threshold=0.9, goal=5))
    with pytest.raises(VisitorError, match="cannot be kept"):
        outcome(run(["a b c", "a b c"], goal=2))


@pytest.mark.parametrize(
    "keep,kept", [("first", 0), ("last", 3), ("longest", 2), ("central", 1), ("max:score", 3)]
)
def test_keep_policies(keep, kept):
    body = " ".join(f"w{number}" for number in range(40))
    rows = [
        {"text": body + " a b c d e f", "score": "1"},
        {"text": body, "score": "nan"},
        {"text": body + " a lot more is here", "score": ""},
        {"text": body + " x y", "score": "7.5"},
    ]
    data = rows_of(rows, "x.json")
    *_, result = deduplicate(data, Request.parse(columns=["text"], threshold=0.6, keep=keep))
    if keep == "longest":
        assert len(rows[0]["text"]) < len(rows[2]["text"])
    assert outcome(result).kept == [kept]
    pinned = outcome(result, pinned=(1,))
    assert 1 in pinned.kept
    assert outcome(result).kept == [kept], "a pin leaves no trace when it is undone"


STRANGE = [
    "12 + 5",
    "if (a != b) { return x**2 >= 3; }",
    "if (a != b) { return X ** 2 >= 3; }",
    "x² + y² = z²",
    "❤️",
    "❤",
    "a ❤️ b",
    "1️⃣ #️⃣abc",
    "👩‍👩‍👧 family",
    "e\u0301 \u0301start ≠ =\u0338",
    "葛\U000e0100飾 ﾃｷｽﾄ",
    "soft\u00adhyphen zero\u200bwidth no\u00a0break wide\u3000space",
    "left\n\x1e\nright",
    "\n\x1e\nright",
    "👍\n\x1e\n😀",
    "👍\n\x1e\n🎉",
    "!!!",
    "!!!!",
    "… \u200b",
    "don't “quote” me—please‿now",
]


@pytest.mark.parametrize("unit", ["word", "symbol", "code", "whitespace", "character"])
@pytest.mark.parametrize("ngram", [1, 2, 3, 5])
def test_shingles_equal_plain_python(unit, ngram):
    texts = [
        "",
        "   ",
        "one",
        "one two",
        "Straße und STRASSE",
        "ﬁne ﬁgures ①②",
        "x_1 + y-2 = z",
        "日本語のテキストです",
        "สวัสดีชาวโลก",
        "مرحبا بالعالم",
        "नमस्ते दुनिया",
        "emoji 🎉🎉 party 🎉",
        "tabs\tand\nnew\r\nlines",
        "café cafe\u0301",
        "a" * 500,
        "\u200fright\u200eleft",
        "NUL\x00byte",
        *documents(500 if unit in ("word", "character") else 100),
        *STRANGE,
    ]
    result = shingle(to_arrow(texts), ngram, unit)
    for begin, end in pairwise(result.offsets.tolist()):
        assert (np.diff(result.hashes[begin:end].astype(object)) > 0).all(), "ascending, without repeats"
    matrix = sets([result])
    for row, text in enumerate(texts):
        assert matrix[row].nnz == len(reference_shingles(text, ngram, unit)), text[:60]
    strange = range(len(texts) - len(STRANGE), len(texts))
    pairs = [(5, 6), (8, 9), (13, 13), (19, 20), (30, 40), (60, 80), *combinations(strange, 2)]
    for a, b in pairs:
        own, other = reference_shingles(texts[a], ngram, unit), reference_shingles(texts[b], ngram, unit)
        assert matrix[a].multiply(matrix[b]).sum() == len(own & other)


def test_copies_are_rows_with_equal_text():
    """The same words under other signs are no copies, though words alone cannot tell them apart."""
    texts = ["Hello,  World", "hello world!", "world hello", "hello world again", "", "  ", "!!!"]
    texts += ["Hello,  World", "!!!", "!!", "👍", "👎", "👍", "❤️", "☀️"]
    result = run(texts, threshold=1.0, ngram=1)
    assert [rows.tolist() for rows in result.nodes] == [
        [0, 7],
        [1],
        [2],
        [3],
        [6, 8],
        [9],
        [10, 12],
        [11],
        [13],
        [14],
    ]
    assert result.without_text == 2
    decided = outcome(result)
    assert decided.kept == [0, 3, 4, 5, 6, 9, 10, 11, 13, 14], "the set of words decides at ngram 1"
    assert [(item.row, item.keeper, item.copy) for item in decided.removed] == [
        (1, 0, False),
        (2, 0, False),
        (7, 0, True),
        (8, 6, True),
        (12, 10, True),
    ]


def test_same_words_under_other_signs_are_a_class_of_their_own():
    body = "the lighthouse keeper writes the weather into his book every morning at six"
    texts = [body.capitalize() + ".", body, f"  {body.upper()}!", f"{body} and", body]
    result = run(texts, threshold=0.7)
    decided = outcome(result)
    assert [(item.row, item.copy, item.same_words) for item in decided.removed] == [
        (1, False, True),
        (2, False, True),
        (3, False, False),
        (4, False, True),
    ]
    data = to_json(result, decided)
    assert (data["same_words"], data["exact_copies"]) == (3, 1)
    words = {node["rows"][0]: node["words"] for node in data["graph"]["nodes"]}
    assert words[0] == words[1] == words[2] != words[3]
    assert not [line for line in data["warnings"] if "other signs" in line], "punctuation and case alone"
    signed = run(["what is 12 + 5 and why", "what is 12 * 5 and why"], threshold=0.7)
    (warning,) = to_json(signed, outcome(signed))["warnings"]
    assert warning.startswith("1 removed row has the words of the row that stays and other signs")


SIGNED = {
    "maths": ["What is 12 + 5?", "What is 12 - 5?", "What is 12 * 5?", "What is -12 / -5?", "x > 3", "x < 3"],
    "maths of superscripts": ["Solve x² = 4", "Solve x2 = 4", "Solve x^2 = 4"],
    "numbers": ["the price is 1.5 €", "the price is 15 €", "the price is 1 5 €", "the price is 15 $"],
    "code": [
        "if (a == b) return a && b;",
        "if (a != b) return a || b;",
        "f(x): return x+1",
        "f(x): return x-1",
    ],
    "names": ["Learn C", "Learn C++", "Learn C#"],
    "emoji alone": ["❤️", "☀️", "✌️", "✈️"],
    "emoji in prose": ["I like this one ❤️", "I like this one 💔", "I like this one 👎"],
    "LaTeX": [r"Find $\frac{a}{b}$ of it", r"Find $\frac{b}{a}$ of it", r"Find $a^{b}$ of it"],
}


@pytest.mark.parametrize("name", SIGNED)
@pytest.mark.parametrize("prose", [0, 300])
def test_rows_that_differ_in_signs_stay(name, prose):
    """Alone, and among prose that is compared by words otherwise."""
    texts = list(SIGNED[name])
    if prose and name not in ("maths of superscripts", "LaTeX"):
        texts += [f"Line {row} tells, quietly, of the {row} birds; they left." for row in range(prose)]
    assert set(range(len(SIGNED[name]))) <= set(outcome(run(texts, threshold=0.7, unit="auto")).kept)
    doubled = outcome(run(texts * 2, threshold=0.7, unit="auto"))
    assert {item.row for item in doubled.removed if item.copy} >= set(range(len(texts), 2 * len(texts)))


def test_prose_is_compared_by_words():
    notes = (ROOT / "spaces/dedup/examples/notes.txt").read_text(encoding="utf-8").splitlines()
    shouted = [note.upper().replace(".", " !").replace(",", "") for note in notes]
    result = run([*notes, *shouted], unit="auto", threshold=0.9)
    assert result.request.unit == "word"
    assert outcome(result).kept == list(range(len(notes)))


def test_a_chain_is_warned_of():
    words = [f"w{number}" for number in range(120)]
    texts = [" ".join(words[start : start + 60]) for start in (0, 12, 24)]
    result = run(texts, threshold=0.6, method="components")
    decided = outcome(result)
    assert decided.kept == [0]
    assert decided.chains == 1
    assert {item.row: round(item.jaccard, 3) for item in decided.removed} == {
        1: round(46 / 70, 3),
        2: round(34 / 82, 3),
    }
    assert any("A ~ B ~ C" in warning for warning in to_json(result, decided)["warnings"])
    assert outcome(run(texts, threshold=0.6, method="leader")).kept == [0, 2]


@pytest.mark.parametrize("far", [24, 6])
def test_a_chain_is_claimed_only_of_texts_that_were_compared(monkeypatch, far):
    """Where the bands missed a pair, the two are compared before it is said that they are not alike."""
    words = [f"w{number}" for number in range(120)]
    texts = [" ".join(words[start : start + 60]) for start in (0, far // 2, far)]
    texts += [f"quite another row is this one of number {row} and of {row * row}" for row in range(40)]
    monkeypatch.setattr(measured, "RECALL_SAMPLE", 1)
    real = engine.candidates

    def missing(*given: Any) -> minhash.Candidates:
        pairs = real(*given).pairs
        return minhash.Candidates(pairs[(pairs != [0, 2]).any(axis=1)], 0)

    monkeypatch.setattr(engine, "candidates", missing)
    result = run(texts, threshold=0.6, method="components")
    assert not result.sampled.complete and not set(result.sampled.nodes) & {0, 1, 2}
    decided = outcome(result)
    assert [item.row for item in decided.removed if item.row < 3] == [1, 2]
    jaccard = (58 - far) / (58 + far)
    assert decided.chains == (1 if jaccard < 0.6 else 0)
    expected = [[0, 2, pytest.approx(jaccard, abs=1e-6)]] if jaccard < 0.6 else []
    assert [list(pair) for pair in to_json(result, decided)["graph"]["apart"]] == expected
    assert any("A ~ B ~ C" in line for line in to_json(result, decided)["warnings"]) == (jaccard < 0.6)


def test_recall_is_stated_for_the_threshold_it_was_measured_at(texts):
    """A run at .7 whose line is moved to .45 and saved."""
    own = texts[:6_000]
    plan = minhash.Plan(64, 16, 4, 0.9, None, 0, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "make_plan", lambda *_: plan)
        result = run(own, threshold=0.7)
    truth = exact_pairs(own, 3, 0.45)
    heads = {int(rows.min()) for rows in result.nodes}
    by_bands = Pairs(*(side[result.sampled.by_bands] for side in vars(result.edges).values()))
    for threshold in (0.7, 0.45):
        decided = outcome(result, threshold)
        real = sum(jaccard >= threshold and set(pair) <= heads for pair, jaccard in truth.items())
        share = int((by_bands.jaccard >= threshold).sum()) / real
        data = report(result, decided)
        assert data["threshold"] == threshold
        low, high = data["recall_interval"]
        assert low <= share <= high
        assert f"{data['recall']:.4f} (95 % interval" in dataset_card(result, decided, "kept.jsonl")
        points = {point[0]: point for point in to_json(result, outcome(result))["recall_curve"]}
        assert points[threshold][1] == data["recall"] and points[threshold][2:4] == (low, high)
        assert [points[threshold][4], points[threshold][5]] == [
            data["recall_sample"]["true_pairs"],
            data["recall_sample"]["found"],
        ]
    assert result.sampled.at(0.45).value < result.sampled.at(0.7).value - 0.02


@pytest.mark.parametrize("method", clusters.METHODS)
def test_recall_of_removed_rows_is_that_of_the_kept_set(texts, monkeypatch, method):
    """Against the rows that go where every pair is compared."""
    own = texts[:4_000]
    plan = minhash.Plan(64, 8, 8, 0.4, None, 0, 0)
    monkeypatch.setattr(engine, "make_plan", lambda *_: plan)
    for sample in (5_000, 1_200):
        monkeypatch.setattr(measured, "RECALL_SAMPLE", sample)
        result = run(own, threshold=0.7, method=method)
        sizes = np.array([len(rows) for rows in result.nodes])
        pairs = {pair: jaccard for pair, jaccard in exact_pairs(own, 3, 0.7).items()}
        node_of = {int(rows[0]): node for node, rows in enumerate(result.nodes)}
        real = [(node_of[a], node_of[b], j) for (a, b), j in pairs.items() if a in node_of and b in node_of]
        first, second, jaccard = (np.array(side) for side in zip(*real, strict=True))
        exact = clusters.cluster(Pairs(first, second, jaccard), result.ranks, 0.7, method)
        found = Pairs(*(side[result.sampled.by_bands] for side in vars(result.edges).values()))
        by_bands = clusters.cluster(found, result.ranks, 0.7, method)
        share = sizes[by_bands.removed & exact.removed].sum() / sizes[exact.removed].sum()
        value, low, high = result.sampled.of_removed(result.edges, result.ranks, sizes, 0.7, method)
        assert 0.2 < share < 0.97
        if result.sampled.complete:
            assert value == low == high == pytest.approx(share)
        else:
            assert low - 0.04 <= share <= high + 0.04


def test_the_plan_reaches_every_recall_that_can_be_asked_for():
    for threshold in (0.1, 0.3, 0.5, 0.7, 0.8, 0.95, 1.0):
        for recall in (0.5, 0.9, 0.99, 0.9999):
            plan = choose_bands(threshold, recall, 10_000)
            assert plan.num_perm == plan.num_bands * plan.rows_per_band
            assert plan.expected_recall == pytest.approx(
                s_curve(threshold, plan.num_bands, plan.rows_per_band)
            )
            assert plan.expected_recall >= recall
            assert plan.num_perm <= minhash.MAX_NUM_PERM


def test_chunks_hold_rows_or_characters():
    assert signing.chunks([]) == []
    assert signing.chunks([1] * 2_500) == [(0, 1_000), (1_000, 2_000), (2_000, 2_500)]
    assert signing.chunks([1] * 2_000) == [(0, 1_000), (1_000, 2_000)]
    assert signing.chunks([400_000] * 7) == [(0, 3), (3, 6), (6, 7)]
    assert signing.chunks([5, 9_000_000, 5, 5]) == [(0, 2), (2, 4)]


def test_chunks_change_nothing(monkeypatch):
    texts = list(documents(700))
    whole = run(texts, threshold=0.7)
    monkeypatch.setattr(signing, "CHUNK_CHARACTERS", 3_000)
    monkeypatch.setattr(verify, "PAIRS_AT_ONCE", 7)
    monkeypatch.setattr(verify, "ROOM", 1)
    parts = run(texts, threshold=0.7)
    for name in ("first", "second", "jaccard"):
        assert getattr(whole.edges, name).tolist() == getattr(parts.edges, name).tolist()
    assert whole.recall == parts.recall


def said_of(texts: list[str], **settings: Any) -> str:
    """The card of a pushed result, in one line."""
    result = run(texts, **settings)
    return " ".join(dataset_card(result, outcome(result), "kept.jsonl").split())


def test_the_card_claims_what_was_proven():
    words = [f"w{number}" for number in range(120)]
    chain = [" ".join(words[start : start + 60]) for start in (0, 12, 24)]
    assert (
        "removed because their text has a Jaccard similarity of at least 0.6 with a row that stayed."
        in said_of(chain, threshold=0.6)
    )
    for settings in ({"method": "components"}, {"goal": 1}):
        card = said_of(chain, threshold=0.6, **settings)
        assert "lead from them to a row that stayed, some through other rows: the least like" in card
        assert "like its row that stayed has 0.41." in card
        assert "with a row that stayed" not in card
        assert "precision of pairs | 1: every pair that joins two rows was verified" in card
    assert "`first` (goal: 1 rows)" in said_of(chain, threshold=0.6, goal=1)
    assert "`first` (components)" in said_of(chain, threshold=0.6, method="components")


def test_the_s_curve_is_what_the_signatures_do():
    """The share of pairs that the signatures bring into one bucket, against the formula."""
    rng = np.random.default_rng(0)
    shared, own = 70, 15  # Jaccard .7
    from dedup.shingles import Shingles

    pairs = 3_000
    hashes = []
    for _ in range(pairs):
        common = rng.integers(0, 2**63, shared, dtype=np.uint64)
        hashes += [np.concatenate([common, rng.integers(0, 2**63, own, dtype=np.uint64)]) for _ in range(2)]
    offsets = np.arange(0, 2 * pairs + 1) * (shared + own)
    part = Shingles(np.concatenate(hashes), offsets)
    plan = choose_bands(0.8, 0.9, 1_000)
    keys = minhash.band_keys(part, plan, 42)
    hit = (keys[:, 0::2] == keys[:, 1::2]).any(axis=0).mean()
    expected = s_curve(0.7, plan.num_bands, plan.rows_per_band)
    assert abs(hit - expected) < 4 * np.sqrt(expected * (1 - expected) / pairs) + 0.02


def test_the_recall_interval_covers_the_truth():
    """Sampling missed pairs with a known chance: the interval holds the true recall about as often as it
    says.
    """
    rng = np.random.default_rng(1)
    for missed, size in ((0, 1), (5, 1), (60, 1), (60, 6)):
        covered = 0
        for _ in range(400):
            seen = rng.binomial(1, 0.3, missed // size) * size
            value, low, high = recall_interval(900, seen, 0.3)
            assert low <= value <= high
            covered += low <= 900 / (900 + missed) <= high
        assert covered / 400 >= 0.93, (missed, size)


def test_ten_thousand_rows_that_differ_in_a_number():
    """Large buckets are thinned, not squared."""
    body = " ".join(f"w{number}" for number in range(60))
    texts = [f"{body} {number}" for number in range(10_000)]
    result = run(texts, threshold=0.8)
    assert len(result.edges) < 400_000
    assert outcome(result).kept == [0]
    assert result.thinned > 0 and any(
        "too large" in warning for warning in to_json(result, outcome(result))["warnings"]
    )


def test_many_templates_cost_no_squares(monkeypatch):
    """400 templates of 50 rows each hold half a million pairs, five times what is verified at most here; the
    rows are clustered all the same.
    """
    monkeypatch.setattr(minhash, "MAX_CANDIDATES", 100_000)
    rng = random.Random(4)
    templates = [" ".join(f"w{rng.randrange(5_000)}" for _ in range(30)) for _ in range(400)]
    texts = [f"{template} {number}" for number in range(50) for template in templates]
    result = run(texts, threshold=0.8)
    assert result.candidates < 3 * minhash.MAX_CANDIDATES
    decided = outcome(result)
    assert decided.kept == list(range(400))
    assert result.thinned > 0
