"""What a corpus holds of the items: the dedup Space's own numbers, runs planted by hand, claims held to their
data.
"""

from __future__ import annotations

import json
import random
from difflib import SequenceMatcher

import pyarrow as pa
import pytest
from scipy.stats import fisher_exact

from dedup.overlap import Index
from dedup.shingles import to_arrow, units_of
from evaluation import contamination, engine
from evaluation.contamination import Corpus, corpus_of, overlaps, units
from evaluation.request import CompareRequest
from evaluation_rooms.compare import uploaded
from shared.errors import VisitorError
from shared.item_sets import SETS, drawn
from shared.items import Item
from shared.steps import last
from tests import zoo

WORDS = (
    "der",
    "Ärger",
    "ﬁel",
    "naïve",
    "12",
    "x_y",
    "東京",
    "の",
    "ไทย",
    "état",
    "café",
    "ÉCOLE",
    "one",
    "two",
)
TEXTS = [
    "A cat, a dog and -- so they say -- the old grey mouse sat on the mat in the sun",
    "Im Jahr 1871 wurde das Reich in Versailles ausgerufen, nicht in Berlin selbst",
    "def f(a, b):\n    return a + b if a < b else a - b",
    "東京の桜は三月の終わりに咲き、四月に散る",
    "The naïve ﬁrst step: E\u0301cole a b c d, e f",
]


def item(text: str, answer: str, name: str = "1") -> Item:
    return Item(name, "own", text, (answer, f"{answer} not"), 0)


def test_runs_and_shares_are_those_of_the_dedup_space():
    draw = random.Random(4)
    items = [item(*text.rsplit(" ", 1), str(place)) for place, text in enumerate(TEXTS) if " " in text]
    items += [item(TEXTS[3][:-2], TEXTS[3][-2:], "j")]
    items += [item(" ".join(draw.choices(WORDS, k=draw.randint(9, 30))), "end", f"r{n}") for n in range(20)]
    found = 0
    for one in items:
        text = f"{one.prompt} {one.choices[0]}"
        unit = "symbol" if "def" in text else "word"
        words, form = units(text, unit == "symbol")
        cut = draw.randint(0, max(0, len(words) - 10))
        pieces = form.split(" ")
        row = " , ".join([" ".join(pieces[:cut]), "ZZ", " ".join(pieces[cut : cut + draw.randint(9, 16)])])
        row = text if one.id == "j" else row.upper() if unit == "word" else row
        (mine,) = overlaps([one], [row])
        asked = units_of(to_arrow([text]), unit)
        theirs, _ = Index([row], 8, unit).matches_of(asked, 0, "longest", 0.0)
        assert mine["words"] == asked.counts[0], text
        assert mine["run"] == theirs.values[0, 3] * (theirs.values[0, 3] >= 8), (text, row)
        grams = {tuple(words[at : at + 8]) for at in range(len(words) - 7)}
        if mine["run"] and len(grams) == len(words) - 7:
            assert mine["eight"] == pytest.approx(theirs.values[0, 2], abs=1e-4)
            found += 1
        assert (mine["row"] == 0) == (mine["run"] > 0)
    assert found > 10


def test_planted_runs_are_found_where_they_stand():
    one = item(
        "Who wrote the play in which a prince of Denmark talks to a skull? It was", "William Shakespeare"
    )
    short = item("The capital of France is", "Paris", "2")
    sum_ = item("12 + 5 =", "17", "3")
    tiny = item("up and", "down", "4")
    rows = [
        "talks to a SKULL",
        "It said: in which a prince of Denmark talks to a skull. What was",
        "The capital of France is Lyon. The capital of France, is: paris.",
        "12 - 5 = 17, and 12 5 17; up and down",
    ]
    found = overlaps([one, short, sum_, tiny], rows)
    assert [(each["run"], each["row"]) for each in found] == [(10, 1), (6, 2), (0, -1), (0, -1)]
    assert found[0]["text"] == "in which a prince of denmark talks to a skull" and not found[0]["answer"]
    assert found[0]["eight"] == pytest.approx(3 / 11, abs=1e-4) and found[0]["thirteen"] == 0
    assert found[1]["answer"] and found[1]["eight"] == found[1]["thirteen"] == 1
    held = [[contamination.held(each, n) for each in found] for n in (8, 10, 11)]
    assert held == [[True, True, False, False]] * 2 + [[False, True, False, False]]
    assert overlaps([sum_], ["x 12 + 5 = 17"])[0]["run"] == 5


def test_random_runs_are_those_of_difflib():
    draw = random.Random(2)
    for _ in range(60):
        words = draw.choices("abc", k=20)
        row = draw.choices("abc", k=120)
        one = item(" ".join(words[:-1]), words[-1])
        matcher = SequenceMatcher(None, words, row, autojunk=False)
        best = matcher.find_longest_match().size
        run = overlaps([one], [" ".join(row)])[0]["run"]
        assert run == (best if best >= 8 else 0)


def test_what_repeats_without_end_is_refused():
    one = item("na " * 2_000, "na!")
    with pytest.raises(VisitorError, match="too often"):
        overlaps([one], ["na " * 100_000])


def test_a_corpus_is_read_from_text_and_from_the_hub(monkeypatch):
    lines = "\n".join(json.dumps({"q": "one", "talk": [{"content": f"two {n}"}]}) for n in range(3))
    assert corpus_of(CompareRequest.parse(corpus=lines)).rows == ["one\ntwo 0", "one\ntwo 1", "one\ntwo 2"]
    assert corpus_of(CompareRequest.parse(corpus="a\nb\n \n\nc")).rows == ["a\nb", "c"]
    assert corpus_of(CompareRequest.parse(corpus=" ")) is None
    asked = []

    def rows(*told):
        asked.append(told[:3])
        return pa.Table.from_pylist([{"text": "x", "n": 1}]), True

    monkeypatch.setattr(contamination.hub, "dataset_rows", rows)
    for name in ("o/n", "o/n:test", "o/n:de:test"):
        assert corpus_of(CompareRequest.parse(corpus_dataset=name)).more
    assert asked == [("o/n", None, "train"), ("o/n", None, "test"), ("o/n", "de", "test")]
    for wrong in ("o/n:", "o/n:a:b:c", "/etc/passwd"):
        with pytest.raises(VisitorError):
            CompareRequest.parse(corpus_dataset=wrong)


def test_an_upload_fills_the_field_or_says_why_not(tmp_path):
    file = tmp_path / "a.txt"
    file.write_bytes("\ufeffäöü\r\n".encode())
    assert uploaded(str(file)) == ("äöü\n", "")
    for content, words in ((b"\xff\xfe", "no UTF-8"), (b"x" * 400_001, "longer than 400,000")):
        file.write_bytes(content)
        assert words in uploaded(str(file))[1]


def test_scores_are_parted_by_what_the_corpus_holds():
    request = CompareRequest(models=("a", "b"), tasks=("past", "everyday"), limit=10, seed=1)
    loaded = [zoo.opened(name) for name in ("llama3", "qwen3")]
    rows = [f"{one.prompt} {one.choices[one.gold]}" for one in drawn("past", 1, 10)]
    planned = engine.plan(request, loaded, Corpus("mine", rows))
    data = last(engine.compare(request, loaded, planned))
    told = data["contamination"]
    assert [one["task"] == "past" for one in data["items"]] == told["held"] and sum(told["held"]) == 10
    for score, answers in zip(told["scores"], data["answers"], strict=True):
        right = [one["answer"] == each["gold"] for one, each in zip(answers, data["items"], strict=True)]
        a = sum(yes for yes, held in zip(right, told["held"], strict=True) if held)
        assert (score["held"], score["clean"]) == ((a, 10), (sum(right) - a, 10))
        plain = fisher_exact([[a, 10 - a], [sum(right) - a, 10 - sum(right) + a]]).pvalue
        assert plain - 1e-3 <= score["p"] <= min(1, 2 * plain) + 1e-3, "corrected for two models"
    (clean,) = told["differences"]
    everyday = next(one for one in data["differences"] if one["task"] == "everyday")
    assert (clean["gained"], clean["lost"], clean["of"]) == (everyday["gained"], everyday["lost"], 10)
    said = " ".join(data["verdicts"])
    assert "10 of 20 items stand in mine: 8 words in a row, or a shorter item whole." in said
    assert "The 10 other items alone cannot decide between b and a" in said
    assert said.split(".")[0].endswith(data["verdicts"][0].split(".")[0]), "what decides stays first"
    none = engine.plan(request, loaded, Corpus("other", ["nothing of it"]))
    alone = last(engine.compare(request, loaded, none))
    assert alone["verdicts"][-1].startswith("None of 20 items stands in other")
    assert alone["verdicts"][:-1] == [one for one in data["verdicts"] if one in alone["verdicts"]]


def test_passages_are_not_tested_as_if_they_were_alone():
    request = CompareRequest(models=("a",), tasks=("rooms",), limit=8)
    loaded = [zoo.opened("llama3")]
    first = SETS["rooms"].make(0)
    rows = [one.prompt for one in first if one.cluster == request.planned()[0].cluster]
    data = last(engine.compare(request, loaded, engine.plan(request, loaded, Corpus("mine", rows))))
    (score,) = data["contamination"]["scores"]
    assert score["p"] is None and score["held"][1] == score["clean"][1] == 4
    assert "no test holds" in data["verdicts"][-1]
