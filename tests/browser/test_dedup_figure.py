"""The dedup figure in a real browser, on runs made up here: kitchen notes, their copies and their near
copies.
"""

from __future__ import annotations

import copy
import json
import random
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.harness import axe_in_light_and_dark, check_svg, draw, exported, figures, overflow, show

FOLDER = Path(__file__).parents[2] / "spaces" / "dedup" / "dedup" / "js"
VIEWS = ["threshold", "clusters", "bands", "table"]

THINGS = [
    "onions",
    "garlic",
    "lentils",
    "rice",
    "pasta",
    "beans",
    "carrots",
    "potatoes",
    "mushrooms",
    "tomatoes",
    "spinach",
    "barley",
    "leeks",
    "cabbage",
    "chickpeas",
]
OPENINGS = [
    "Rinse the {a} under cold water until it runs clear, then leave the {a} to drain while the pot warms.",
    "Cut the {a} into even pieces so that they cook at the same pace as the {b} beside them.",
    "Never crowd the pan: the {a} steam instead of browning, and the {b} turn soft before they colour.",
    "Salt the water well before the {a} go in, because salt added later stays on the surface.",
    "Keep the lid on for the first ten minutes and resist the wish to stir the {a} or the {b}.",
]
CLOSINGS = [
    "Taste at the end and add a squeeze of lemon if it seems flat.",
    "Let everything rest off the heat for five minutes before you serve it with {b}.",
    "A spoonful of the cooking water brings the {a} and the {b} together in a glossy sauce.",
    "What is left keeps for three days in the cold and tastes better on the second.",
]
SPARE = [
    "slowly",
    "gently",
    "fresh",
    "large",
    "small",
    "warm",
    "heavy",
    "wooden",
    "finely",
    "roughly",
    "today",
    "once",
    "twice",
    "again",
    "well",
]


def words_of(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def shingles_of(text: str, size: int) -> set[tuple[str, ...]]:
    words = words_of(text)
    return {tuple(words[place : place + size]) for place in range(max(1, len(words) - size + 1))}


def jaccard(one: set, other: set) -> float:
    return len(one & other) / len(one | other) if one | other else 0.0


def altered(text: str, edits: int, chance: random.Random) -> str:
    """The text with some words replaced, dropped or added."""
    words = text.split(" ")
    for _ in range(edits):
        place = chance.randrange(len(words))
        kind = chance.randrange(3)
        if kind == 0:
            words[place] = chance.choice(SPARE)
        elif kind == 1:
            words.insert(place, chance.choice(SPARE))
        elif len(words) > 4:
            del words[place]
    return " ".join(words)


def make_texts(rows: int, seed: int = 3) -> list[str]:
    """Kitchen notes, one in three written again with edits, one in twelve copied."""
    chance = random.Random(seed)
    texts: list[str] = []
    while len(texts) < rows:
        kind = chance.random()
        if texts and kind < 0.08:
            texts.append(chance.choice(texts))
        elif texts and kind < 0.45:
            texts.append(altered(chance.choice(texts), chance.choice([1, 1, 2, 3, 4]), chance))
        else:
            a, b = chance.sample(THINGS, 2)
            parts = [chance.choice(OPENINGS), chance.choice(OPENINGS), chance.choice(CLOSINGS)]
            parts.insert(1, f"{altered(chance.choice(CLOSINGS), 3, chance).capitalize()}")
            texts.append(" ".join(parts).format(a=a, b=b))
    return texts


def brute(graph: dict[str, Any], threshold: float, method: str, pinned: set[int]) -> dict[str, Any]:
    """The contract of `cluster` in the plainest Python: kept nodes, and keeper and similarity of each removed
    row.
    """
    nodes, edges = graph["nodes"], {(a, b): j for a, b, j in graph["edges"] if j >= threshold}
    near = {node: {} for node in range(len(nodes))}
    for (a, b), value in edges.items():
        near[a][b] = near[b][a] = value
    fixed = {node for node in near if pinned & set(nodes[node]["rows"])}
    by_rank = sorted(near, key=lambda node: nodes[node]["rank"])
    component: dict[int, frozenset[int]] = {}
    for node in near:
        reached, waiting = {node}, [node]
        while waiting:
            for other in near[waiting.pop()]:
                if other not in reached:
                    reached.add(other)
                    waiting.append(other)
        component[node] = frozenset(reached)
    kept = set(fixed)
    if method == "leader":
        for node in by_rank:
            if node not in kept and not set(near[node]) & kept:
                kept.add(node)
    else:
        for group in set(component.values()):
            if not group & fixed:
                kept.add(min(group, key=lambda node: nodes[node]["rank"]))
    removed = []
    for node in near:
        rows = nodes[node]["rows"]
        if node in kept:
            removed += [[row, rows[0], 1, True] for row in rows[1:] if row not in pinned]
            continue
        candidates = sorted(
            ((-value, nodes[other]["rank"], other) for other, value in near[node].items() if other in kept)
        )
        if candidates:
            value, _, keeper = candidates[0]
            removed += [[row, nodes[keeper]["rows"][0], -value, False] for row in rows]
        else:
            keeper = min(component[node] & kept, key=lambda other: nodes[other]["rank"])
            removed += [[row, nodes[keeper]["rows"][0], None, False] for row in rows]
    chains = [
        sorted(group)
        for group in set(component.values())
        if any((min(p), max(p)) not in edges for p in combinations(group, 2))
    ]
    return {"kept": sorted(kept), "removed": sorted(removed), "pairs": len(edges), "chains": sorted(chains)}


def make_run(texts: list[str], **request: Any) -> dict[str, Any]:
    """The figure's data for these texts, every pair compared."""
    asked = {
        "threshold": 0.8,
        "floor": 0.55,
        "ngram": 3,
        "unit": "word",
        "method": "leader",
        "keep": "first",
        "recall": 0.99,
    }
    asked |= {"columns": ["text"], "pinned": [], **request}
    rows_of: dict[tuple[str, ...], list[int]] = {}
    for row, text in enumerate(texts):
        if words_of(text):
            rows_of.setdefault(tuple(words_of(text)), []).append(row)
    heads = list(rows_of.values())
    sets = [shingles_of(texts[rows[0]], asked["ngram"]) for rows in heads]
    edges = [
        (a, b, round(jaccard(sets[a], sets[b]), 6))
        for a, b in combinations(range(len(heads)), 2)
        if sets[a] & sets[b]
    ]
    edges = [edge for edge in edges if edge[2] >= asked["floor"]]
    used = sorted(
        {node for edge in edges for node in edge[:2]}
        | {node for node, rows in enumerate(heads) if len(rows) > 1}
    )
    place = {node: index for index, node in enumerate(used)}
    graph = {
        "nodes": [{"rows": heads[node], "rank": node} for node in used],
        "edges": [[place[a], place[b], value] for a, b, value in edges],
        "complete": True,
    }
    decided = brute(graph, asked["threshold"], asked["method"], set(asked["pinned"]))
    curve = []
    for step in range(round(100 * asked["floor"]), 101):
        there = brute(graph, step / 100, asked["method"], set())
        curve.append([step / 100, len(texts) - len(there["removed"]), there["pairs"]])
    bands, each = 32, 5
    chance = lambda s: 1 - (1 - s**each) ** bands  # noqa: E731
    true_pairs = sum(edge[2] >= asked["threshold"] for edge in edges)
    return {
        "kind": "dedup",
        "drawable": True,
        "run_id": f"run {len(texts)} {json.dumps(asked)}",
        "title": "cooking.jsonl · text",
        "done": True,
        "request": asked,
        "rows": len(texts),
        "kept": len(texts) - len(decided["removed"]),
        "removed": len(decided["removed"]),
        "clusters": 0,
        "pairs": decided["pairs"],
        "exact_copies": sum(len(rows) - 1 for rows in heads),
        "without_text": sum(not words_of(text) for text in texts),
        "precision": 1.0,
        "recall": 0.993,
        "recall_interval": [0.96, 1.0],
        "recall_curve": [
            [step / 100, 0.5 + step / 200, 0.4, 0.99, 200 - step, 180 - step]
            for step in range(round(100 * asked["floor"]), 101)
        ],
        "removed_recall": 0.98,
        "removed_recall_interval": [0.97, 0.99],
        "threshold": asked["threshold"],
        "recall_sample": {"rows": 250, "true_pairs": true_pairs + 1, "found": true_pairs, "complete": False},
        "plan": {
            "num_perm": bands * each,
            "num_bands": bands,
            "rows_per_band": each,
            "expected_recall": chance(asked["threshold"]),
            "curve": [[step / 50, chance(step / 50)] for step in range(51)],
            "candidates": 900,
        },
        "curve": curve,
        "graph": graph,
        "texts": {str(node["rows"][0]): texts[node["rows"][0]] for node in graph["nodes"]},
        "warnings": ["3 rows have nothing to compare; all are kept."],
        "seconds": {"read": 0.1, "sign": 0.5, "total": 1.2},
        "provenance": {"source": "cooking.jsonl", "rows": len(texts), "rensa": "0.5.0", "seed": 42},
    }


TEXTS = make_texts(400)
RUN = make_run(TEXTS)


def make_contamination() -> dict[str, Any]:
    """Two splits, of which the second repeats rows of the first."""
    train, test = make_texts(120, seed=5), make_texts(30, seed=8)
    chance = random.Random(4)
    for place in range(0, 30, 5):
        test[place] = altered(train[3 * place], place // 10, chance)
    splits = [train, test]
    sets = [[shingles_of(text, 3) for text in split] for split in splits]
    matrix, leaks = [], []
    for first in range(2):
        line = []
        for second in range(2):
            found = []
            for row, own in enumerate(sets[first]):
                others = [
                    (jaccard(own, sets[second][match]), match)
                    for match in range(len(sets[second]))
                    if (first, row) != (second, match)
                ]
                best, match = max(others, key=lambda item: (item[0], -item[1]))
                if best >= 0.8:
                    contained = len(own & sets[second][match]) / len(own)
                    found.append(
                        {
                            "split": first,
                            "row": row,
                            "in": second,
                            "match": match,
                            "jaccard": round(best, 6),
                            "containment": contained,
                        }
                    )
            share = len(found) / len(splits[first])
            line.append({"rows": len(found), "share": share})
            leaks += sorted(found, key=lambda leak: -leak["jaccard"])
        matrix.append(line)
    texts = {f"{leak['split']}:{leak['row']}": splits[leak["split"]][leak["row"]] for leak in leaks}
    texts |= {f"{leak['in']}:{leak['match']}": splits[leak["in"]][leak["match"]] for leak in leaks}
    return {
        "kind": "contamination",
        "drawable": True,
        "run_id": "one",
        "title": "train against test",
        "done": True,
        "request": {"ngram": 3, "unit": "word"},
        "splits": ["train", "test"],
        "rows": [120, 30],
        "measure": "jaccard",
        "threshold": 0.8,
        "matrix": matrix,
        "leaks": leaks,
        "texts": texts,
        "provenance": {
            "source": "train, test",
            "columns": [["text"], ["text"]],
            "ngram": 3,
            "unit": "word",
        },
        "warnings": [],
    }


CONTAMINATION = make_contamination()


MEANING = json.loads((FOLDER.parents[1] / "examples" / "statements.json").read_text(encoding="utf-8"))
"""A run by meaning, as it is stored."""


@pytest.fixture
def open_page(browser):
    with figures(
        browser,
        FOLDER,
        "cluster, clusterToGoal, curveOf, words, unitsOf, shinglesOf, compareShingles, alignWords",
    ) as make:
        yield make


def fact(page, name: str) -> str:
    return page.locator(f'.threshold-panel .readout > div:has(dt:text-is("{name}")) dd').inner_text()


def slider(page):
    return page.get_by_role("slider", name="Threshold")


def line_x(page) -> float:
    return float(page.locator("svg.threshold-chart .cut-line").get_attribute("x1"))


def clustered(page, graph, threshold: float, method: str, pinned: list[int]) -> dict[str, Any]:
    """What `cluster` says, in the shape of `brute`."""
    script = """([graph, options]) => {
        const found = maths.cluster(graph, options);
        return {
            kept: found.kept.flatMap((stays, node) => stays ? [node] : []),
            removed: found.removed.map((item) => [item.row, item.keeperRow, item.jaccard, item.copy]),
            pairs: found.pairs,
            chains: found.chains.map((group) => [...group.nodes].sort((a, b) => a - b)),
        };
    }"""
    found = page.evaluate(script, [graph, {"threshold": threshold, "method": method, "pinned": pinned}])
    return {**found, "removed": sorted(found["removed"]), "chains": sorted(found["chains"])}


def random_graph(chance: random.Random) -> dict[str, Any]:
    """Texts with copies and with pairs of few distinct similarities, so that ties are common."""
    count = chance.randrange(1, 14)
    rows = iter(chance.sample(range(60), 60))
    nodes = [
        {"rows": sorted(next(rows) for _ in range(chance.choice([1, 1, 1, 2, 3])))} for _ in range(count)
    ]
    for node, rank in zip(nodes, chance.sample(range(100), count), strict=True):
        node["rank"] = rank
    edges = [
        [a, b, chance.choice([0.5, 0.6, 0.75, 0.8, 0.8, 0.9, 1.0])]
        for a, b in combinations(range(count), 2)
        if chance.random() < 0.3
    ]
    return {"nodes": nodes, "edges": edges, "complete": True, "compared": True}


def test_clusters_equal_the_plain_algorithm(open_page) -> None:
    page = open_page()
    chance = random.Random(11)
    for _ in range(150):
        graph = random_graph(chance)
        every = [row for node in graph["nodes"] for row in node["rows"]]
        pinned = chance.sample(every, chance.choice([0, 0, 1, min(3, len(every))]))
        threshold = chance.choice([0.5, 0.6, 0.8, 0.85, 1.0])
        for method in ("leader", "components"):
            assert clustered(page, graph, threshold, method, pinned) == brute(
                graph, threshold, method, set(pinned)
            ), (graph, pinned)


def test_clusters_equal_the_engine(open_page) -> None:
    """`clusters.py` decides the files that visitors download, `cluster.js` what they see."""
    import numpy as np

    from dedup import clusters as engine
    from dedup.verify import Pairs

    page = open_page()
    chance = random.Random(12)
    for _ in range(60):
        graph = random_graph(chance)
        edges = graph["edges"]
        pairs = Pairs(
            *(
                np.array([edge[place] for edge in edges], dtype=kind)
                for place, kind in ((0, np.int64), (1, np.int64), (2, np.float64))
            )
        )
        ranks = np.array([node["rank"] for node in graph["nodes"]])
        pinned = chance.sample(range(len(ranks)), chance.choice([0, 0, 1]))
        rows = [graph["nodes"][node]["rows"][0] for node in pinned]
        copies = sum(len(node["rows"]) - 1 for node in graph["nodes"])
        for method in ("leader", "components"):
            found = clustered(page, graph, 0.8, method, rows)
            expected = engine.cluster(pairs, ranks, 0.8, method, pinned)
            assert found["kept"] == np.flatnonzero(~expected.removed).tolist()
            keepers = {
                row: (keeper, value) for row, keeper, value, is_copy in found["removed"] if not is_copy
            }
            for node in np.flatnonzero(expected.removed).tolist():
                keeper, value = keepers[graph["nodes"][node]["rows"][0]]
                assert keeper == graph["nodes"][expected.keeper[node]]["rows"][0]
                assert (
                    value == pytest.approx(expected.jaccard[node])
                    if value is not None
                    else np.isnan(expected.jaccard[node])
                )
            curve = page.evaluate(
                "([graph, method]) => maths.curveOf(graph, 100, method, 0.5)", [graph, method]
            )
            assert curve == engine.curve(pairs, ranks, 100, copies, 0.5, method)
        goal = engine.exactly(pairs, ranks, max(1, len(ranks) - 2))
        if goal is not None:
            joins = len(ranks) - max(1, len(ranks) - 2)
            kept = page.evaluate("([graph, joins]) => maths.clusterToGoal(graph, joins).kept", [graph, joins])
            assert kept == (~goal[0].removed).tolist()


STRANGE = [
    "Plain words, twice: plain words.",
    "ＦＵＬＬ width ①② ½ ﬁne ㎏ … ΟΔΟΣ İstanbul ǅ",
    "日本語のテキスト ﾃｷｽﾄ ｶﾞ カート one2three ภาษาไทย ខ្មែរ",
    "e\u0301te\u0301 n\u0303 a\u0323\u0302 \u0301start 각 각 ﾡￂ",
    "tabs\tand  spaces\u00a0and\u3000more\n\nlines \r\n here",
    "a_b snake_case don't  — “quoted” مَرْحَبًا שָׁלוֹם हिन्दी",
    "",
    "  ,.;  ",
    "😀 emoji 👩‍👩‍👧 family",
    "if (a != b) { return X**2 >= 3; } // π ≠ 3 =\u0338",
    "x² ½ ① ❤️ 1️⃣ #️⃣abc 葛\U000e0100飾 zero\u200bwidth soft\u00adhyphen",
    "left\n\x1e\nright, more",
    "👍\n\x1e\n😀 ❤️",
    "!!! \u3000 …",
]


@pytest.mark.parametrize("unit", ["word", "symbol", "code", "whitespace", "character", "turn"])
def test_units_equal_the_engine(open_page, unit) -> None:
    from dedup import shingles

    page = open_page()
    for ngram in (1, 3):
        found = []
        for text in STRANGE + TEXTS[:5]:
            keys = page.evaluate(
                "([text, unit, ngram]) => "
                "maths.shinglesOf(maths.unitsOf(text, unit), ngram).map((item) => item.key)",
                [text, unit, ngram],
            )
            hashes = shingles.shingle(shingles.to_arrow([text]), ngram, unit).hashes.tolist()
            found.append((text, set(keys), set(hashes)))
        for text, keys, hashes in found:
            for _, other_keys, other_hashes in found:
                assert len(keys & other_keys) == len(hashes & other_hashes), text
    if unit == "word":
        for text in STRANGE:
            seen = page.evaluate("(text) => maths.words(text).map((word) => word.text)", text)
            spaced = shingles.words(shingles.to_arrow([text]))[0].as_py()
            assert seen == [word for word in spaced.split(" ") if word], text


def test_words_know_their_places(open_page) -> None:
    page = open_page()
    for text in STRANGE:
        cut = page.evaluate(
            "(text) => maths.words(text).map(({text: word, start, end}) => [word, text.slice(start, end)])",
            text,
        )
        for word, original in cut:
            assert original, (text, word)
            assert (
                page.evaluate("(text) => maths.words(text).map((word) => word.text).join('')", original).find(
                    word
                )
                >= 0
            )
    places = page.evaluate(
        "(text) => maths.words(text).map(({start, end}) => text.slice(start, end))",
        "The ＣＡＴ, e\u0301t\u00e9!",
    )
    assert places == ["The", "ＣＡＴ", "e\u0301t\u00e9"]


def test_alignment_is_a_longest_common_subsequence(open_page) -> None:
    page = open_page()
    chance = random.Random(2)
    for _ in range(60):
        left, right = ([chance.choice("abcd") for _ in range(chance.randrange(12))] for _ in range(2))
        steps = page.evaluate("([left, right]) => maths.alignWords(left, right)", [left, right])
        assert [a for a, _ in steps if a is not None] == list(range(len(left)))
        assert [b for _, b in steps if b is not None] == list(range(len(right)))
        same = [(a, b) for a, b in steps if a is not None and b is not None]
        assert all(left[a] == right[b] for a, b in same)
        longest = [[0] * (len(right) + 1) for _ in range(len(left) + 1)]
        for a in range(len(left)):
            for b in range(len(right)):
                longest[a + 1][b + 1] = (
                    longest[a][b] + 1 if left[a] == right[b] else max(longest[a][b + 1], longest[a + 1][b])
                )
        assert len(same) == longest[-1][-1]


def test_header_says_what_was_kept(open_page) -> None:
    page = open_page({**RUN, "example": True})
    key = page.locator(".key")
    expect(key).to_contain_text(f"{RUN['kept']} of 400 rows kept")
    expect(key).to_contain_text(f"{RUN['removed']} removed ({RUN['exact_copies']} exact copies)")
    expect(key).to_contain_text("precision of pairs 1 (each verified)")
    expect(key).to_contain_text("recall of pairs 0.993 [0.96, 1.00] at 0.80")
    for part in ("shingles of 3 words", "160 permutations", "rensa 0.5.0", "seed 42", "n = 400 rows"):
        expect(page.locator(".provenance")).to_contain_text(part)
    expect(page.locator(".tag")).to_have_text("stored example")
    expect(page.locator(".warnings")).to_contain_text("nothing to compare")
    seconds = re.compile(r"\d\u202fs$")
    expect(page.locator(".provenance")).not_to_have_text(seconds)  # of the machine that made the example
    draw(page, RUN)
    expect(page.locator(".provenance")).to_have_text(seconds)
    origin = CONTAMINATION["provenance"]
    draw(page, {**CONTAMINATION, "provenance": {**origin, "columns": [["text"], ["question"]]}})
    expect(page.locator(".provenance")).to_contain_text("train by text, test by question")


def test_slider_moves_the_line_and_the_numbers(open_page) -> None:
    page = open_page(RUN)
    assert fact(page, "threshold") == "0.80"
    before = line_x(page)
    slider(page).focus()
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
    kept = {round(point[0], 2): point for point in RUN["curve"]}[0.75]
    assert fact(page, "threshold") == "0.75"
    assert (fact(page, "rows kept"), fact(page, "pairs")) == (str(kept[1]), str(kept[2]))
    assert line_x(page) < before
    expect(page.locator(".key")).to_contain_text(f"{kept[1]} of 400 rows kept")
    page.keyboard.press("Home")
    assert fact(page, "threshold") == "0.55"
    page.keyboard.press("End")
    assert fact(page, "threshold") == "1.00"
    page.wait_for_timeout(250)
    slider(page).evaluate(
        """(slider) => {
          emitted.length = 0;
          for (const value of [0.9, 0.8, 0.7]) {
            slider.value = value;
            slider.dispatchEvent(new Event("input", { bubbles: true }));
          }
        }"""
    )
    page.wait_for_timeout(250)
    assert page.evaluate("emitted") == [["choice", {"threshold": 0.7, "pinned": []}]], (
        "one choice, when the hand rests"
    )
    page.get_by_role("button", name="Back to 0.80").click()
    assert fact(page, "threshold") == "0.80"


def test_line_can_be_dragged(open_page) -> None:
    page = open_page(RUN)
    chart = page.locator("svg.threshold-chart").bounding_box()
    x = chart["x"] + line_x(page)
    page.mouse.move(x, chart["y"] + 120)
    page.mouse.down()
    page.mouse.move(x - 60, chart["y"] + 130, steps=5)
    page.mouse.move(x - 120, chart["y"] + 130, steps=5)
    page.mouse.up()
    at = fact(page, "threshold")
    assert 0.55 < float(at) < 0.79
    page.mouse.move(x, chart["y"] + 130)
    assert fact(page, "threshold") == at, "let go is let go"
    page.mouse.click(chart["x"] + 5, chart["y"] + 130)
    assert fact(page, "threshold") == "0.55", "below the floor nothing is known"
    page.get_by_role("button", name="Use this threshold").click()
    assert ["threshold", {"threshold": 0.55}] in page.evaluate("emitted")


def test_pairs_nearest_to_the_line_open_as_a_difference(open_page) -> None:
    page = open_page(RUN)
    edges = RUN["graph"]["edges"]
    lowest_above = min(edge[2] for edge in edges if edge[2] >= 0.8)
    highest_below = max(edge[2] for edge in edges if edge[2] < 0.8)
    values = page.locator(".near .value").all_inner_texts()
    assert values == sorted(values, reverse=True)
    assert values[4:6] == [f"{lowest_above:.3f}", f"{highest_below:.3f}"]
    item = page.locator(".near button.fold").nth(4)
    item.focus()
    page.keyboard.press("Enter")
    expect(item).to_have_attribute("aria-expanded", "true")
    expect(page.locator(".near .diff .counts")).to_contain_text(f"{lowest_above:.3f}, as verified")
    expect(page.locator(".near .diff h2")).to_contain_text(re.compile(r"rows? \d+", re.IGNORECASE))
    page.keyboard.press("Enter")
    expect(page.locator(".near .diff")).to_have_count(0)


def test_difference_marks_words_and_shingles(open_page) -> None:
    left = "Cut the onions finely. Fry them in warm butter until they are golden, and then serve."
    right = "CUT the onions, roughly. Fry them in butter until they are golden and then serve!"
    page = open_page(
        make_run([left, right, "Something else entirely stands here."], threshold=0.4, floor=0.25)
    )
    show(page, "clusters")
    diff = page.locator(".diff")
    expect(diff.locator(".cell ins")).to_have_text(["finely", "warm"])
    expect(diff.locator(".cell del")).to_have_text(["roughly"])
    assert "".join(diff.locator(".cell.keeps").all_inner_texts()).replace("\n", "") == left
    assert "".join(diff.locator(".cell.goes").all_inner_texts()).replace("\n", "") == right
    one, other = shingles_of(left, 3), shingles_of(right, 3)
    expect(diff.locator(".counts")).to_contain_text(f"{len(one & other)} of {len(one | other)} shingles")
    assert diff.locator(".cell.keeps .shared").all_inner_texts() == [
        "Cut the onions",
        "Fry them in",
        "butter until they are golden, and then serve",
    ]
    assert diff.locator(".cell.keeps").count() == 2, "sentences stay side by side"


def test_clusters_are_listed_searched_and_drawn(open_page) -> None:
    page = open_page(RUN)
    show(page, "clusters")
    sizes = [
        int(re.match(r"\d+", text).group()) for text in page.locator(".cluster-item .said").all_inner_texts()
    ]
    assert sizes == sorted(sizes, reverse=True) and len(sizes) == 20
    page.get_by_role("button", name="Next").click()
    expect(page.locator(".cluster-panel, .clusters-panel").locator(".pager")).to_contain_text("21–40")
    row = brute(RUN["graph"], 0.8, "leader", set())["removed"][40][0]
    page.get_by_label("Search clusters").fill(str(row))
    page.locator(".cluster-item").first.click()
    expect(page.locator(".members")).to_contain_text(f"row {row}")
    graph = page.locator("svg.cluster-graph")
    if graph.count():
        node = graph.locator("[role=button]").last
        node.focus()
        page.keyboard.press("Enter")
        expect(graph.locator(".chosen")).to_have_count(1)
    page.get_by_label("Search clusters").fill("no such words at all")
    expect(page.locator(".cluster-item")).to_have_count(0)


def chain_run() -> dict[str, Any]:
    """A ~ B ~ C and A ≁ C, a copy of C, and D that has no part in it."""
    nodes = [{"rows": [0], "rank": 1}, {"rows": [1], "rank": 0}, {"rows": [2, 4], "rank": 2}]
    graph = {"nodes": nodes, "edges": [[0, 1, 0.9], [1, 2, 0.82]], "complete": True}
    graph["apart"] = [[0, 2, 0.5]]
    texts = {
        "0": "one two three four five six",
        "1": "one two three four five seven",
        "2": "two three four five seven eight",
    }
    run = {
        **copy.deepcopy(RUN),
        "run_id": "chain",
        "rows": 6,
        "graph": graph,
        "texts": texts,
        "exact_copies": 1,
    }
    return {**run, "curve": [[step / 100, 6, 0] for step in range(55, 101)]}


def test_chains_are_said_and_drawn(open_page) -> None:
    page = open_page(chain_run())
    show(page, "clusters")
    expect(page.locator(".warning")).to_have_text(
        "A chain: rows 0 and 2 are both like row 1, but not like each other."
    )
    expect(page.locator(".cluster-graph .edge")).to_have_count(2)
    expect(page.locator(".cluster-graph .stays")).to_have_count(1)
    assert "url(" in page.locator(".cluster-graph .goes .veil").first.evaluate(
        "(veil) => getComputedStyle(veil).fill"
    )
    run = chain_run()
    run["request"] = {**run["request"], "method": "components"}
    run["graph"]["nodes"][0]["rank"], run["graph"]["nodes"][1]["rank"] = 0, 1
    draw(page, {**run, "run_id": "components"})
    expect(page.locator(".members")).to_contain_text("joined through others")


def test_a_chain_that_nobody_compared_is_not_claimed(open_page) -> None:
    run = chain_run()
    del run["graph"]["apart"]
    page = open_page(run)
    show(page, "clusters")
    expect(page.locator(".cluster-graph .edge")).to_have_count(2)
    expect(page.locator(".warning")).to_have_count(0)
    draw(page, {**run, "run_id": "whole", "recall_sample": {**run["recall_sample"], "complete": True}})
    expect(page.locator(".warning")).to_contain_text("but not like each other")


def test_recall_follows_the_line(open_page) -> None:
    page = open_page(RUN)
    expect(page.locator(".key")).to_contain_text("recall of pairs 0.993 [0.96, 1.00] at 0.80")
    expect(page.locator(".key")).to_contain_text("recall of removed rows 0.980")
    slider(page).fill("0.6")
    expect(page.locator(".key")).to_contain_text("recall of pairs 0.800 [0.40, 0.99] at 0.60")
    expect(page.locator(".key")).not_to_contain_text("removed rows")
    show(page, "bands")
    expect(page.locator(".measured")).to_contain_text("Measured recall at 0.60: 120 of 140 true pairs found")
    slider_back = page.get_by_role("tab", name="Threshold")
    slider_back.click()
    slider(page).fill("0.8")
    show(page, "bands")
    expect(page.locator(".measured")).to_contain_text("98\u202f% go (95\u202f% interval 0.970 to 0.990)")


def test_the_same_words_under_other_signs_are_shown_character_by_character(open_page) -> None:
    left, right = "What is 12 + 5, roughly?", "What is 12 − 5 roughly?"
    run = make_run(["Another row is here to be read.", "It is not alike."], threshold=0.7, floor=0.45)
    nodes = [{"rows": [0], "rank": 0, "words": 7}, {"rows": [1, 2], "rank": 1, "words": 7}]
    run |= {
        "graph": {"nodes": nodes, "edges": [[0, 1, 1.0]], "complete": True},
        "texts": {"0": left, "1": right},
        "rows": 3,
    }
    page = open_page(run)
    expect(page.locator(".key")).to_contain_text("2 with the same words, other signs")
    show(page, "clusters")
    diff = page.locator(".diff")
    expect(diff).to_contain_text("marked character by character")
    assert diff.locator(".cell ins").all_inner_texts() == ["+", ","]
    assert diff.locator(".cell del").all_inner_texts() == ["−"]
    assert "".join(diff.locator(".cell.keeps").all_inner_texts()).replace("\n", "") == left
    assert "".join(diff.locator(".cell.goes").all_inner_texts()).replace("\n", "") == right
    expect(page.locator(".members")).to_contain_text("same words, other signs")
    page.get_by_role("button", name="Compare row 2").click()
    expect(page.locator(".diff")).to_contain_text("Row 2 has the text of row 1")


def test_signs_are_aligned_where_they_count(open_page) -> None:
    left, right = "if (a == b) return a + b;", "if (a != b) return a + b;"
    run = make_run(["Another row is here.", "It is not alike."], threshold=0.4, floor=0.2, unit="symbol")
    nodes = [{"rows": [0], "rank": 0, "words": 7}, {"rows": [1], "rank": 1, "words": 7}]
    graph = {"nodes": nodes, "edges": [[0, 1, 0.5]], "complete": True}
    page = open_page({**run, "graph": graph, "texts": {"0": left, "1": right}})
    show(page, "clusters")
    assert page.locator(".diff .cell ins").all_inner_texts() == ["="]
    assert page.locator(".diff .cell del").all_inner_texts() == ["!"]
    expect(page.locator(".diff")).not_to_contain_text("punctuation do not count")
    expect(page.locator("figcaption")).to_contain_text("shingles of 3 words and symbols")


def test_pins_keep_rows(open_page) -> None:
    page = open_page(chain_run())
    expect(page.locator(".key")).to_contain_text("3 of 6 rows kept")
    show(page, "clusters")
    page.get_by_role("button", name="Always keep row 4").click()
    expect(page.get_by_role("button", name="Always keep row 4")).to_be_focused()
    expect(page.locator(".key")).to_contain_text("5 of 6 rows kept")
    expect(page.locator(".key")).to_contain_text("1 pinned")
    expect(page.locator("tr", has=page.get_by_role("button", name="Always keep row 4"))).to_contain_text(
        "kept, pinned"
    )
    page.wait_for_timeout(250)
    assert page.evaluate("emitted") == [["choice", {"threshold": 0.8, "pinned": [4]}]]
    page.keyboard.press("Enter")
    expect(page.locator(".key")).to_contain_text("3 of 6 rows kept")


def test_bands_are_planned_in_the_browser(open_page) -> None:
    page = open_page(RUN)
    show(page, "bands")
    expect(page.locator(".bands-panel")).to_contain_text("32 bands of 5 values (160 permutations)")
    expect(page.locator(".measured")).to_contain_text(
        f"{RUN['recall_sample']['found']} of {RUN['recall_sample']['true_pairs']} true pairs found, "
        "95\u202f% interval 0.960 to 1.000 (n = 250 rows compared with all)"
    )
    expect(page.locator(".other-curve")).to_have_count(0)
    page.get_by_label("bands", exact=True).fill("8")
    expect(page.locator(".other-curve")).to_have_count(1)
    chance = 1 - (1 - 0.8**5) ** 8
    expect(page.locator(".bands-panel [role=status]")).to_contain_text(
        f"8 × 5 = 40 permutations find a pair at 0.80 with a probability of {100 * chance:.0f}\u202f%"
    )
    page.get_by_role("button", name="Back to the run’s bands").click()
    expect(page.locator(".other-curve")).to_have_count(0)
    draw(
        page,
        {
            **RUN,
            "run_id": "none",
            "recall": None,
            "recall_interval": None,
            "recall_sample": {"rows": 9, "true_pairs": 0, "found": 0, "complete": True},
        },
    )
    expect(page.locator(".measured")).to_contain_text("no true pair in the sample")


def test_table_sorts_searches_and_opens(open_page) -> None:
    page = open_page(RUN)
    show(page, "table")
    expect(page.locator(".filters [role=status]")).to_have_text(f"{RUN['removed']} removed rows")
    page.get_by_role("button", name="similarity").click()
    expect(page.locator("th[aria-sort=descending]")).to_have_text("similarity")
    page.get_by_role("button", name="similarity").click()
    values = [
        float(text) for text in page.locator(".removed-rows tbody tr td:nth-child(3)").all_inner_texts()
    ]
    assert values == sorted(values)
    first = page.locator(".removed-rows tbody button").first
    first.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".opened .diff")).to_be_visible()
    page.locator(".removed-rows tbody tr").nth(3).locator("td").last.click()
    expect(page.locator(".opened .diff")).to_have_count(1)
    expect(page.locator(".removed-rows tbody tr").nth(3)).to_have_class("opened")
    page.get_by_label("Search removed rows").fill("zzzz")
    expect(page.locator(".filters [role=status]")).to_have_text("No removed row has these words.")


def test_same_prompt_different_answer(open_page) -> None:
    run = {**chain_run(), "answers": {"0": [1, 0.31], "2": [1, 0.95]}}
    page = open_page(run)
    show(page, "table")
    section = page.locator(".answers")
    expect(section.locator("h2")).to_have_text("Same prompt, different answer")
    expect(section.locator("button")).to_have_count(1)
    section.locator("button").click()
    expect(section.locator(".diff")).to_contain_text("Similarity of the answers to these prompts: 0.31.")


def growing(share: float) -> dict[str, Any]:
    """The run while its pairs are being verified."""
    graph = {**RUN["graph"], "edges": RUN["graph"]["edges"][: int(share * len(RUN["graph"]["edges"]))]}
    progress = {
        "stage": "verify",
        "label": "Verifying candidates",
        "value": int(900 * share),
        "max": 900,
        "counts": {"rows": 400, "candidates": 900},
    }
    return {**RUN, "graph": graph, "curve": [], "done": False, "progress": progress}


def test_a_growing_run_keeps_what_the_visitor_chose(open_page) -> None:
    page = open_page(growing(0.5))
    expect(page.locator("progress")).to_have_attribute("aria-label", "Verifying candidates")
    slider(page).fill("0.7")
    show(page, "clusters")
    page.get_by_label("Search clusters").fill("onions")
    page.locator(".cluster-item").nth(1).click()
    title = page.locator(".cluster-detail h2").first.inner_text()
    page.locator(".members").evaluate("(element) => element.scrollTo(0, 20)")
    draw(page, growing(0.5))
    assert page.locator(".cluster-detail h2").first.inner_text() == title
    draw(page, RUN)
    expect(page.locator('[role=tab][aria-selected="true"]')).to_have_text("Clusters")
    expect(page.get_by_label("Search clusters")).to_have_value("onions")
    expect(page.locator("progress")).to_have_count(0)
    show(page, "threshold")
    assert fact(page, "threshold") == "0.70"
    draw(page, {**RUN, "run_id": "another"})
    assert fact(page, "threshold") == "0.80", "another run begins at its own threshold"
    assert page.evaluate("emitted.length") == 0, "nothing is chosen while a run grows"


def test_states_without_a_picture(open_page) -> None:
    page = open_page()
    draw(page, None)
    expect(page.locator(".message")).to_contain_text("Nothing has been compared yet")
    stages = {
        "stage": "sign",
        "label": "Signing rows",
        "value": 12000,
        "max": 20000,
        "counts": {"rows": 20000, "candidates": 900},
    }
    draw(
        page,
        {
            "kind": "dedup",
            "drawable": False,
            "run_id": "running",
            "title": "x · y",
            "done": False,
            "request": RUN["request"],
            "progress": stages,
        },
    )
    expect(page.locator(".going")).to_contain_text("Signing rows 12,000 of 20,000")
    expect(page.locator(".going .readout")).to_contain_text("candidates")
    expect(page.locator("[role=tab]:visible")).to_have_count(0)
    draw(page, {"error": {"what": "The file has no text column.", "remedy": "Name one."}})
    expect(page.get_by_role("alert")).to_have_text("The file has no text column. Name one.")
    draw(page, RUN)
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.locator("svg.threshold-chart")).to_be_visible()


def test_no_duplicates_says_so(open_page) -> None:
    run = make_run(["one two three four", "five six seven eight", "nine ten eleven twelve"])
    page = open_page(run)
    expect(page.locator(".key")).to_contain_text("3 of 3 rows kept")
    show(page, "clusters")
    expect(page.locator(".clusters-panel")).to_contain_text("No two rows are alike at this threshold.")
    show(page, "table")
    expect(page.locator(".table-panel")).to_contain_text("Nothing is removed at this threshold.")


def test_a_graph_too_large_to_send_keeps_the_right_numbers(open_page) -> None:
    """Only some clusters are there; the curve has the numbers of all rows, and pins count in what was
    sent.
    """
    run = {
        **chain_run(),
        "run_id": "part",
        "rows": 1000,
        "kept": 700,
        "removed": 300,
        "clusters": 80,
        "pairs": 412,
        "exact_copies": 50,
    }
    run["graph"] = {**run["graph"], "complete": False}
    run["curve"] = [[step / 100, 500 + 2 * step, 2000 - 10 * step] for step in range(55, 101)]
    page = open_page(run)
    assert (fact(page, "rows kept"), fact(page, "pairs"), fact(page, "clusters")) == ("700", "412", "80")
    expect(page.locator(".threshold-panel .picture-caption")).to_contain_text("too many to send all")
    slider(page).fill("0.85")
    assert (fact(page, "rows kept"), fact(page, "pairs"), fact(page, "clusters")) == ("670", "1,150", "–")
    slider(page).fill("0.8")
    show(page, "clusters")
    page.get_by_role("button", name="Always keep row 4").click()
    expect(page.locator(".key")).to_contain_text("702 of 1,000 rows kept")


def test_a_wanted_number_of_rows_stands_until_the_line_moves(open_page) -> None:
    run = chain_run()
    run |= {"run_id": "goal", "threshold": 0.9, "rows": 6, "request": {**run["request"], "goal": 4}}
    page = open_page(run)
    assert (fact(page, "threshold"), fact(page, "rows kept")) == ("≈ 0.90", "4")
    expect(page.locator(".key")).to_contain_text("wanted: 4 rows")
    slider(page).fill("0.8")
    assert fact(page, "rows kept") == "3"
    page.get_by_role("button", name="Back to 4 rows").click()
    assert fact(page, "rows kept") == "4"


def hostile_run() -> dict[str, Any]:
    texts = [
        "<img src=x onerror=alert(1)> one two three four five",
        "<img src=x onerror=alert(1)> one two three four six",
        "שלום עולם <script>alert(2)</script> \u202eevil one two three",
        "שלום עולם <script>alert(2)</script> \u202eevil one two four",
        "x" * 3000 + " tail words here",
        "x" * 3000 + " tail words there",
    ]
    run = make_run(texts, threshold=0.3, floor=0.1, columns=["<b>text</b>"], keep="max:<i>")
    run["title"] = "<img src=x onerror=alert(3)> " + "long" * 60
    run["warnings"] = ["<script>alert(4)</script> " + "y" * 400]
    run["provenance"]["rensa"] = "<b>0.5</b>"
    return run


def test_hostile_texts_stay_text(open_page) -> None:
    for width in (1120, 360):
        page = open_page(hostile_run(), width=width)
        for view in VIEWS:
            show(page, view)
            for button in page.locator(f".{view}-panel button[aria-expanded=false]").all()[:2]:
                button.click()
            assert page.locator("#root img, #root script, #root b b, #root i").count() == 0
            assert overflow(page) == 0, (view, width)
        show(page, "clusters")
        expect(page.locator(".clusters-panel")).to_contain_text("<img src=x onerror=alert(1)>")
        expect(page.locator(".clusters-panel")).to_contain_text("‹U+202E›evil")


@pytest.mark.parametrize("data", [RUN, CONTAMINATION, MEANING], ids=["run", "contamination", "meaning"])
def test_no_view_widens_a_phone(open_page, data) -> None:
    page = open_page(data, width=360)
    page.evaluate(
        "document.body.style.display = 'flex'; document.querySelector('main').style.flex = '1 0 auto'"
    )
    for tab in page.locator("[role=tab]:visible").all():
        tab.click()
        for button in page.locator("[role=tabpanel]:visible button[aria-expanded=false]").all()[:1]:
            button.click()
        assert overflow(page) == 0


def test_pairs_are_judged_and_the_map_is_read(open_page) -> None:
    page = open_page(MEANING)
    page.evaluate("() => { window.told = []; host.emit = (name, detail) => told.push([name, detail]); }")
    show(page, "labels")
    panel = page.locator(".labels-panel")
    expect(panel.locator(".label-verdict")).to_contain_text(
        "Pair 1 has no label yet; labels count from pair 1"
    )
    drawn = MEANING["vectors"]["drawn"]
    count = len(drawn)
    expect(panel.locator("h2")).to_have_text(f"Pair 1 of {count}")
    expect(panel.locator("blockquote").first).to_have_text(drawn[0]["texts"][0])
    assert "Cosine" not in panel.locator(".judged-pair").inner_text(), "a number would sway the eye"
    for place in range(4):
        panel.get_by_role("button", name="They differ" if place == 3 else "They say the same").press("Enter")
        expect(panel.locator("h2")).to_have_text(f"Pair {place + 2} of {count}")
    low, high = (0.2924, 1.0)  # scipy: binomtest(3, 3)
    end = drawn[2]["end"]
    expect(panel.locator(".label-verdict")).to_contain_text(
        f"At {end:.3f} and above, 3 of 3 labelled pairs say"
    )
    expect(panel.locator(".label-verdict")).to_contain_text(f"between {low:.2f} and {high:.2f} (95")
    labels = page.evaluate("told.filter(([name]) => name === 'labels').at(-1)[1].labels")
    words = ["same", "same", "same", "different"]
    assert labels == sorted(f"{one['name']}:{word}" for one, word in zip(drawn, words, strict=False))
    page.get_by_role("button", name="Pair 4, different").click()
    expect(panel.locator(".judged-pair")).to_contain_text(f"Cosine {drawn[3]['similarity']:.3f}")
    panel.get_by_role("button", name="They differ").click()  # takes the label back
    expect(page.get_by_role("button", name="Pair 4, not judged")).to_be_visible()
    page.get_by_role("button", name=f"Move the line to {end:.3f}").click()
    show(page, "threshold")
    expect(page.locator(".threshold-panel .readout")).to_contain_text(f"{end:.2f}")
    # another run of the same texts knows the labels
    other = copy.deepcopy(MEANING)
    other["run_id"] = "again"
    draw(page, other)
    show(page, "labels")
    expect(panel.locator(".label-dot.same")).to_have_count(3)
    show(page, "map")
    picture = page.locator(".map-panel .row-map")
    assert picture.locator("circle:not(.map-mark)").count() == len(MEANING["vectors"]["spots"])
    strong = sum(edge[2] >= MEANING["request"]["threshold"] for edge in MEANING["graph"]["edges"])
    assert picture.locator("line").count() == strong
    picture.focus()
    page.keyboard.press("ArrowRight")
    first = min(MEANING["vectors"]["spots"], key=lambda spot: spot[1])
    expect(page.locator(".map-row")).to_contain_text(f"row {first[0]}, ")
    expect(page.locator(".map-row")).to_contain_text(first[3])
    dot = picture.locator("circle").nth(5)
    dot.hover(force=True)
    assert "row" in page.locator(".map-row").inner_text()


def test_tabs_move_with_arrows(open_page) -> None:
    page = open_page(RUN)
    page.get_by_role("tab", name="Threshold").focus()
    for label in ("Clusters", "Bands", "Table", "Threshold"):
        page.keyboard.press("ArrowRight")
        expect(page.locator("[role=tab]:focus")).to_have_text(label)
        expect(page.locator("[role=tabpanel]:visible")).to_have_count(1)


@pytest.mark.parametrize("data", [RUN, CONTAMINATION, MEANING], ids=["run", "contamination", "meaning"])
def test_axe_finds_nothing(open_page, data) -> None:
    page = open_page(data)
    for tab in page.locator("[role=tab]:visible").all():
        tab.click()
        for button in page.locator("[role=tabpanel]:visible button[aria-expanded=false]").all()[:1]:
            button.click()
        assert axe_in_light_and_dark(page) == [], tab.inner_text()


@pytest.mark.parametrize("view", ["threshold", "clusters", "bands", "heatmap"])
def test_svg_is_static_and_whole(open_page, view) -> None:
    page = open_page(CONTAMINATION if view == "heatmap" else hostile_run())
    show(page, view)
    check_svg(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download SVG").click()
    assert download.value.suggested_filename == "dedup.svg"


def test_export_opens_as_the_page_looks(open_page) -> None:
    page = open_page(RUN)
    page.evaluate(
        "() => { window.asked = [];"
        " host.fetch = async (name, data) => (asked.push([name, data.choice]), '<p>file</p>'); }"
    )
    slider(page).fill("0.7")
    with page.expect_download():
        page.get_by_role("button", name="Download as one HTML file").click()
    assert page.evaluate("asked") == [["standalone_file", {"threshold": 0.7, "pinned": []}]]


def test_the_largest_graph_that_is_sent(open_page) -> None:
    chance = random.Random(1)
    nodes = [{"rows": [node], "rank": node} for node in range(4000)]
    pairs = sorted(
        {
            tuple(sorted(chance.sample(range(start, start + 40), 2)))
            for start in range(0, 3960, 20)
            for _ in range(200)
        }
    )
    edges = [[a, b, round(chance.uniform(0.55, 1), 6)] for a, b in pairs]
    texts = {str(node): f"{TEXTS[node % 400]} {node}" for node in range(4000)}
    run = {
        **RUN,
        "run_id": "large",
        "rows": 20_000,
        "graph": {"nodes": nodes, "edges": edges, "complete": True},
        "texts": texts,
    }
    page = open_page(run)
    kept = fact(page, "rows kept")
    slider(page).fill("0.71")
    assert fact(page, "threshold") == "0.71"
    assert fact(page, "rows kept") != kept


def test_heatmap_opens_a_cells_rows(open_page) -> None:
    page = open_page(CONTAMINATION)
    expect(page.locator(".map-cell")).to_have_count(4)
    cell = page.locator(".map-cell").nth(1)
    count = CONTAMINATION["matrix"][0][1]["rows"]
    expect(cell).to_contain_text(f"{count} rows")
    cell.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".heatmap-panel h2").first).to_have_text(
        f"{count} rows of train have a match in test"
    )
    expect(page.locator(".map-cell:focus")).to_have_attribute("aria-pressed", "true")
    page.locator(".heatmap-panel button.fold").first.click()
    expect(page.locator(".diff .counts")).to_contain_text("as verified")
    expect(page.locator(".diff")).to_contain_text("containment")
    show(page, "leaks")
    expect(page.locator(".leaks-panel tbody tr")).to_have_count(4)
    expect(page.locator(".leaks-panel .pager")).to_contain_text(f"of {len(CONTAMINATION['leaks'])}")
    draw(page, {"error": {"what": "Too many rows.", "remedy": "Lower the limit."}})
    expect(page.get_by_role("alert")).to_have_text("Too many rows. Lower the limit.")
    draw(page, RUN)
    expect(page.locator("svg.threshold-chart")).to_be_visible()


def test_missing_parts_of_a_comparison_do_no_harm(open_page) -> None:
    """No rows found, texts that were left out."""
    empty = {
        **CONTAMINATION,
        "matrix": [[{"rows": 0, "share": 0.0}] * 2] * 2,
        "leaks": [],
        "texts": {},
    }
    page = open_page({"kind": "contamination"})
    expect(page.locator(".message")).to_contain_text("choose the splits")
    draw(
        page,
        {
            "kind": "contamination",
            "drawable": False,
            "title": "train against test",
            "done": False,
            "progress": {"stage": "compare", "label": "Comparing splits", "value": 1, "max": 4, "counts": {}},
        },
    )
    expect(page.locator(".going")).to_contain_text("Comparing splits")
    draw(page, empty)
    expect(page.locator(".heatmap-panel h2").first).to_have_text("No row has a match.")
    show(page, "leaks")
    draw(page, {**CONTAMINATION, "texts": {}})
    page.locator(".leaks-panel button.fold").first.click()
    expect(page.locator(".leaks-panel .diff")).to_contain_text("not sent to the page")


def test_exported_file_works_from_disk(browser, tmp_path) -> None:
    for name, data in (
        ("run", {**RUN, "choice": {"threshold": 0.7, "pinned": []}}),
        ("splits", CONTAMINATION),
    ):
        with exported(browser, tmp_path / f"{name}.html", data, FOLDER) as page:
            if name == "run":
                assert fact(page, "threshold") == "0.70"
                expect(page.get_by_role("button", name="Use this threshold")).to_be_hidden()
                slider(page).fill("0.6")
                assert fact(page, "threshold") == "0.60"
            page.locator("button.fold").first.click()
            expect(page.locator(".diff")).to_be_visible()
            expect(page.get_by_role("button", name="Download SVG")).to_be_visible()
            assert (
                page.evaluate(
                    "getComputedStyle(document.querySelector('.dedup-figure')).getPropertyValue('--paper').trim()"
                )
                == "#0f1115"
            )
            assert overflow(page) == 0
