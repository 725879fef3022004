"""Problems of the HumanEval kind as items, and what is said of them."""

from __future__ import annotations

import json

import pytest

from evaluation import function_file
from evaluation.function_file import HUMANEVAL, FunctionsRequest, read
from shared.errors import VisitorError
from shared.items import items_of

ROWS = [
    {
        "task_id": f"HumanEval/{number}",
        "prompt": f'def f{number}(a, b):\n    """Text."""\n',
        "canonical_solution": "    c = a - b\n    return c if c < 3 else b\n",
        "test": "raise SystemExit",
    }
    for number in range(3)
]


def test_the_published_solution_stands_among_mutants_of_it():
    found = read(FunctionsRequest.parse(rows=ROWS, limit=2))
    items = items_of(found["items"])
    assert [one.id for one in items] == ["HumanEval/0", "HumanEval/1"] and items[0].task == "HumanEval"
    for item, row in zip(items, ROWS, strict=False):
        right = item.choices[item.gold]
        assert f"{item.prompt}{item.delimiter}{right}\n" == row["prompt"] + row["canonical_solution"]
        assert len(item.choices) == 4
    first, second = ([choice.replace("0", "") for choice in one.choices] for one in items)
    assert sorted(first) != sorted(second), "each has its own draw"
    assert found["notes"] == [
        "The first 2 problems; there are more.",
        "No code was run: a few of the mutants may answer as the solution does.",
    ]
    again = read(FunctionsRequest.parse(rows="\n".join(map(json.dumps, ROWS)), limit=1))["items"]
    assert again == found["items"][:1], "an item depends on its problem and the seed alone"
    assert again != read(FunctionsRequest.parse(rows=ROWS, limit=1, seed=1))["items"]
    assert len(read(FunctionsRequest.parse(rows=ROWS, wrong=9))["items"][0]["choices"]) > 4


def test_of_the_hub_the_licence_is_named(monkeypatch):
    import pyarrow as pa

    asked = []

    def rows(*told):
        asked.append(told)
        return pa.Table.from_pylist(ROWS), False

    monkeypatch.setattr(function_file.hub, "dataset_rows", rows)
    assert read(FunctionsRequest.parse())["notes"][-1] == f"{HUMANEVAL}: MIT licence, OpenAI 2021."
    assert "Look at the licence of own/set" in read(FunctionsRequest.parse(dataset="own/set"))["notes"][-1]
    assert asked[0] == (HUMANEVAL, None, "test", 164, None)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"prompt": "def f(a):\n"}, "no prompt or no solution"),
        ({"prompt": "def f(a):\n", "canonical_solution": "    return (\n"}, "no Python"),
        ({"prompt": "def f(a):\n", "canonical_solution": "    pass\n"}, "can be changed"),
        ({"prompt": "def f(a):\n" + "# \n" * 9000, "solution": "    return a + 1\n"}, "longer than"),
    ],
)
def test_what_is_left_out_is_said(row, words):
    with pytest.raises(VisitorError, match=words):
        read(FunctionsRequest.parse(rows=[row]))
    found = read(FunctionsRequest.parse(rows=[row, ROWS[0]]))
    assert len(found["items"]) == 1 and "1 left out. 0: " in found["notes"][0] and words in found["notes"][0]


def test_a_dataset_is_a_name():
    with pytest.raises(VisitorError, match="name"):
        FunctionsRequest.parse(dataset="/etc/passwd")
    with pytest.raises(VisitorError):
        read(FunctionsRequest.parse(dataset=""))
