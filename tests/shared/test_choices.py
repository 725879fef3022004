"""Items and their choices: tokens, log-likelihoods and answers against lm-eval's own, over the zoo."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from shared.choices import METRICS, MUTUAL, Scored, _trees, alone_rows, packable, scored
from shared.errors import VisitorError
from shared.items import Item, Row, clusters_of, items_of, row_of
from tests import zoo
from tests.shared.lm_eval_items import CHAT, ITEMS

LM_EVAL = json.loads(Path(__file__).with_name("lm_eval.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("name", LM_EVAL)
def test_log_likelihoods_and_answers_are_lm_evals(name, packed):
    loaded = zoo.opened(name)
    for form, items in {"plain": ITEMS, "chat": CHAT}.items():
        if form not in LM_EVAL[name]:
            continue
        rows = [row_of(loaded, item, chat=form == "chat") for item in items]
        found = scored(loaded.model, items, rows, packed=packed)
        alone = scored(loaded.model, items, alone_rows(loaded, items, chat=form == "chat"), packed=packed)
        found = [replace(one, alone=other.sums) for one, other in zip(found, alone, strict=True)]
        for one, told in zip(found, LM_EVAL[name][form], strict=True):
            assert one.sums == pytest.approx(told["sums"], abs=1e-4), (form, one.item.id)
            asked = [each for each in METRICS if each != MUTUAL or one.item.prompt]  # else a tie of nothing
            right = {metric: int(one.right(metric)) for metric in asked}
            assert right == {metric: told[metric] for metric in asked}, (form, one.item.id)


def test_every_animal_was_asked():
    assert set(LM_EVAL) == set(zoo.names(without=("adds_eos",)))


def test_most_models_are_read_packed():
    """Those that are not have a state, convolutions, or positions that the mask decides."""
    alone = {name for name in zoo.names() if not packable(zoo.opened(name).model)}
    assert alone == {"mamba", "lfm2"}
    assert packable(zoo.opened("llama3").model) > packable(zoo.opened("mistral").model) == 16, "its window"


@pytest.mark.parametrize("name", ["llama3", "gpt2", "mistral", "mamba"])
def test_a_choice_is_not_changed_by_the_others(name):
    loaded = zoo.opened(name)
    item = ITEMS[0]
    turned = replace(item, choices=item.choices[::-1])
    rows = [row_of(loaded, one) for one in (item, turned)]
    first, second = scored(loaded.model, [item, turned], rows)
    assert first.sums == pytest.approx(second.sums[::-1], abs=1e-5)
    (alone,) = scored(loaded.model, [item], rows[:1])
    assert alone.sums == pytest.approx(first.sums, abs=1e-5)


def test_what_begins_alike_is_read_once():
    """Items of a passage, and choices with a beginning in common, against every choice in its own row."""
    loaded = zoo.opened("llama3")
    passage = "The cup is in the box. The key is in the bag. "
    choices = ("box of the old man", "box of the old woman", "bag")
    items = [replace(ITEMS[0], prompt=passage + asks, choices=choices) for asks in ("Cup:", "Key:", "Box:")]
    rows = [row_of(loaded, item) for item in items]
    ((places, tree),) = _trees(rows, 2048)
    parts = [
        (*row.context, *choice)[:end] for row in rows for choice in row.choices
        for end in range(1, len(row.context) + len(choice))
    ]  # fmt: skip
    assert places == [0, 1, 2] and len(tree.ids) == len(set(parts)) < len(parts) / 4
    for one, alone in zip(
        scored(loaded.model, items, rows), scored(loaded.model, items, rows, packed=False), strict=True
    ):
        assert one.sums == pytest.approx(alone.sums, abs=1e-4)


def test_trees_are_as_long_as_they_may_be():
    """Items with nothing in common share a pass up to its length; one that is there but for its end joins."""
    strange = [Row(tuple(range(place, place + 200)), ((1, 2), (3,)), "", "") for place in (0, 300, 600, 900)]
    assert [places for places, _ in _trees(strange, 2048)] == [[0, 1], [2, 3]]
    behind = [Row((*range(700), place), ((1, 2), (3,)), "", "") for place in range(3)]
    assert [places for places, _ in _trees(behind, 2048)] == [[0, 1, 2]]
    assert [places for places, _ in _trees(behind, 702)] == [[0], [1], [2]]
    assert list(_trees(behind, 701)) == [], "too long for a row: read otherwise"


def test_a_wrong_mask_would_show(monkeypatch):
    """Were choices to see each other, packed rows would not be those of lm-eval: the trial finds it."""
    import shared.choices as choices

    monkeypatch.setattr(torch.Tensor, "masked_fill_", lambda self, *_: self)
    model = zoo.opened("llama3").model
    choices._packs.pop(model, None)
    assert choices._longest(model) == 0


def test_eos_behind_every_text_stays_out():
    """lm-eval would score a choice behind that EOS, see the module's text."""
    loaded = zoo.opened("rinna")
    for item in ITEMS[:3]:
        row = row_of(loaded, item)
        assert loaded.tokenizer.eos_token_id not in (*row.context, *row.choices[0])


def test_numbers_of_an_item():
    item = Item("1", "t", "p", ("ab", "abcd", "ü"), 1)
    one = Scored(item, ((-1.0, -1.0), (-1.5, -1.5), (-2.0,)))
    assert one.sums == (-2.0, -3.0, -2.0) and one.answer() == 0, "ties: the first"
    assert one.per_character == (-1.0, -0.75, -2.0) and one.right("acc_norm") and not one.right()
    assert one.margin() == -1.0 and one.margin("acc_norm") == 0.25
    odds = [math.exp(value) for value in one.sums]
    assert one.probabilities == pytest.approx([value / sum(odds) for value in odds])
    assert one.brier == pytest.approx(sum((p - (at == 1)) ** 2 for at, p in enumerate(one.probabilities)))


def test_items_are_read_from_lines_and_lists():
    lines = (
        '{"prompt": "a", "choices": ["x", "y"], "gold": "y"}\n'
        '\n{"prompt": "", "choices": ["x", "y"], "gold": 0, "task": "mine", "id": 7, "cluster": "p"}'
    )
    first, second = items_of(lines)
    assert first == Item("1", "own", "a", ("x", "y"), 1) and second == Item(
        "7", "mine", "", ("x", "y"), 0, "p"
    )
    assert items_of([first.to_json(), second.to_json()]) == (first, second)
    assert items_of(json.dumps([first.to_json()])) == (first,)
    parted = replace(first, prompt="a\u2028b\u0085c")  # no ends of lines in JSON Lines
    lines = json.dumps(parted.to_json(), ensure_ascii=False)
    assert items_of(f"{lines}\r\n\r\n") == (parted,)
    third = replace(second, id="8")
    assert clusters_of([first, second, third, replace(first, id="2")]) == [0, 1, 1, 2]
    assert clusters_of([replace(second, task="other"), second]) == [0, 1], "clusters are of a task"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("{", "Line 1 of the items is not JSON"),
        ("[1", "are not JSON"),
        (7, "no text and no list"),
        ([7], "Item 1 is no object"),
        ([{"prompt": "a", "choices": ["x", "y"], "gold": 0, "answer": 1}], "has a part “answer”"),
        ([{"choices": ["x", "y"], "gold": 0}], "has no prompt"),
        ([{"prompt": "a", "choices": "xy", "gold": 0}], "no list of texts"),
        ([{"prompt": "a", "choices": ["x"], "gold": 0}], "1 choices"),
        ([{"prompt": "a", "choices": ["x", "x"], "gold": 0}], "1 of them different"),
        ([{"prompt": "a", "choices": ["x", "y"], "gold": 2}], "none of its choices"),
        ([{"prompt": "a", "choices": ["x", "y"], "gold": True}], "none of its choices"),
        ([{"prompt": "a", "choices": ["x", "y"], "gold": -1}], "none of its choices"),
        ([{"prompt": "a", "choices": ["x", "y"], "gold": 0, "id": []}], "id of item 1 is no text"),
        (
            [{"prompt": "a", "choices": ["x", "y"], "gold": 0, "turns": [["user", "a"], ["user", "b"]]}],
            "turns",
        ),
        ([{"prompt": "a", "choices": ["x", "y"], "gold": 0, "turns": [["system", "a"]]}], "no conversation"),
        ('{"prompt": "\\ud800", "choices": ["x", "y"], "gold": 0}', "half of a character"),
        ([{"prompt": "a" * 9_000, "choices": ["x", "y"], "gold": 0}], "longer than 8,000"),
        ([{"prompt": "a", "choices": ["x", "y"], "gold": 0, "id": "1"}] * 2, "are called “1”"),
    ],
)
def test_what_is_no_item_is_refused(value, words):
    with pytest.raises(VisitorError, match=words):
        items_of(value)


def test_an_item_too_long_for_a_model_is_refused():
    item = replace(ITEMS[0], prompt="sea " * 70)
    with pytest.raises(VisitorError, match="reads 64"):
        row_of(zoo.opened("short"), item)
    with pytest.raises(VisitorError, match="no chat template"):
        row_of(zoo.opened("gpt2"), ITEMS[0], chat=True)
