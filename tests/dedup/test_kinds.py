"""In what two texts differ, against a table made by hand."""

from __future__ import annotations

import json

import pytest

from dedup.kinds import KINDS, kind_of, kinds_of
from dedup.outcome import outcome
from dedup.report import report, to_json
from dedup.request import Request
from shared.errors import VisitorError
from tests.dedup.test_engine import run

PAIRS: dict[str, list[tuple[str, str]]] = {
    "form": [
        ("Hello, world", "hello world!"),
        ("The  keeper\tsleeps.", "the keeper sleeps"),
        ("one\ntwo", "one two"),
        ("Don’t panic.", "Don't panic"),
        ("“Yes”, she said.", '"Yes," she said.'),
        ("ÄRGER IM BÜRO", "Ärger im Büro"),
        ("cafe\u0301 au lait", "café au lait"),
        ("Привет, мир!", "привет мир"),
        ("wait… what", "wait... what"),
        ("日本語。", "日本語"),
    ],
    "number": [
        ("Bake it for 20 minutes.", "Bake it for 25 minutes."),
        ("The price is 1.5 euros", "The price is 15 euros"),
        ("What is 12 + 5?", "What is 12 + 6?"),
        ("Chapter one", "Chapter two"),
        ("Es kostet 3 Mark", "Es kostet drei Mark"),
        ("Il a deux chats", "Il a trois chats"),
        ("у меня два кота", "у меня три кота"),
        ("我有三只猫", "我有四只猫"),
        ("Train at 10:30 on 5/6", "Train at 11:30 on 5/7"),
        ("return x[0]", "return x[1]"),
        ("The year 1999", "The year 2001"),
    ],
    "sign": [
        ("What is 12 + 5?", "What is 12 - 5?"),
        ("if (a == b) return", "if (a != b) return"),
        ("x > 3", "x < 3"),
        ("Learn C", "Learn C++"),
        ("it costs 5 €", "it costs 5 $"),
        ("a && b", "a || b"),
        ("temperature of -5 degrees", "temperature of 5 degrees"),
        ("A → B", "A ← B"),
        ("x ≤ 2", "x ≥ 2"),
        ("f(x) = x * 2", "f(x) = x / 2"),
    ],
    "negation": [
        ("I like cheese", "I do not like cheese"),
        ("She is at home", "She isn't at home"),
        ("He likes tea", "He does not like tea"),
        ("You can leave", "You cannot leave"),
        ("You may never go there", "You may go there"),
        ("Ich mag das", "Ich mag das nicht"),
        ("Il mange", "Il ne mange pas"),
        ("Me gusta el queso", "No me gusta el queso"),
        ("я люблю сыр", "я не люблю сыр"),
        ("我喜欢奶酪", "我不喜欢奶酪"),
        ("Tea with milk and without sugar", "Tea with milk and sugar"),
    ],
    "emoji": [
        ("I like this one ❤️", "I like this one 💔"),
        ("ok 👍", "ok 👎"),
        ("fine", "fine 🎉"),
        ("👩‍👩‍👧 together", "👨‍👩‍👧 together"),
        ("☀️", "☁️"),
        ("太好了 😀", "太好了 😢"),
    ],
    "name": [
        ("The train to Paris leaves now", "The train to Rome leaves now"),
        ("We met Anna yesterday", "We met Peter yesterday"),
        ("Anna went home early", "Peter went home early"),
        ("she lives in New York today", "she lives in San Francisco today"),
        ("поезд в Париж уходит", "поезд в Рим уходит"),
        ("el tren a París sale", "el tren a Roma sale"),
        ("return first_name", "return last_name"),
        ("call getUser now", "call getOrder now"),
    ],
    "tool argument": [
        (
            '{"name": "weather", "arguments": {"city": "Paris"}}',
            '{"name": "weather", "arguments": {"city": "Rome"}}',
        ),
        ('{"name": "add", "arguments": "{\\"a\\": 1}"}', '{"name": "add", "arguments": "{\\"a\\": 2}"}'),
        ("get_weather(city='Paris')", "get_weather(city='Oslo')"),
        ('call: {"parameters": {"days": 3}}', 'call: {"parameters": {"days": 4}}'),
    ],
    "template": [
        ("Write a short poem about cats in the rain.", "Write a short poem about dogs in the rain."),
        ("Translate the word house into French please", "Translate the word garden into French please"),
        ("Tell me 3 facts about Rome quickly please", "Tell me 5 facts about Paris quickly please"),
        ("Wie groß ist das alte Haus dort", "Wie groß ist das neue Haus dort"),
        ("the red ball is in the box", "the blue ball is on the box"),
        ("это очень большой дом у реки", "это очень старый дом у реки"),
    ],
    "other": [
        ("The keeper sleeps.", "The keeper sleeps. In the morning he wakes and writes it down."),
        ("one two three cats", "a sentence of quite another kind"),
        ("", "something"),
        ("Bread is baked in an oven", "In an oven bread is baked by the baker at night"),
    ],
}
ADVERSARIAL = [
    # a negation that both have is none; neither is one inside a word
    ("I do not like 3 cats", "I do not like 4 cats", "number"),
    ("a note on knots in the rope", "a word on knots in the rope", "template"),
    # several differences of one kind, and of two
    ("Mix 2 eggs with 30 g of flour", "Mix 3 eggs with 50 g of flour", "number"),
    ("12 + 5 is what", "12 - 6 is what", "template"),
    # two negations cancel a count, not a meaning: the same number of them is no negation
    ("never say no to that", "no never say to that", "other"),
    # capitals everywhere tell nothing of names
    ("READ THE BLUE BOOK", "READ THE GREEN BOOK", "template"),
    ("Der Hund und die Maus und der Vogel im Haus", "Der Hund und die Maus und der Fisch im Haus", "name"),
    # German writes every noun like a name
    ("Was ist die Hauptstadt von dem Land da", "Was ist die Sprache von dem Land da", "name"),
    ("\u200bword here", "word here", "form"),
    ("naïve", "naive", "other"),
    ("a" * 5_000, "b" * 5_000, "other"),
]
TABLE = [(one, other, kind) for kind, pairs in PAIRS.items() for one, other in pairs] + ADVERSARIAL


def test_the_table_has_pairs_of_every_kind():
    assert len(TABLE) >= 60 and set(PAIRS) == set(KINDS)


@pytest.mark.parametrize("one,other,kind", TABLE)
def test_the_kind_of_a_pair(one, other, kind):
    assert kind_of(one, other) == kind
    assert kind_of(other, one) == kind, "whichever comes first"
    assert kind_of(one, one) == "form"


@pytest.mark.parametrize("unit", [".", "1 ", "a ", "👍", "(", "\x1e", "“", '"arguments": {'])
def test_no_text_takes_long(unit):
    import time

    began = time.perf_counter()
    kind_of(unit * 3_000, unit * 2_999 + "z" + unit * 40)
    assert time.perf_counter() - began < 5


BODY = "the keeper of the lighthouse writes the weather into his book every morning"
ROWS = [
    f"{BODY} at 6 in Paris",
    f"{BODY} at 7 in Paris",
    f"{BODY} at 6 in Rome",
    f"{BODY} at 6 in Paris.",
    f"{BODY} at 6 in Paris ",
    f"{BODY} at 6 in Paris",
]


@pytest.mark.parametrize("method", ["leader", "components"])
@pytest.mark.parametrize(
    "spare,kept",
    [
        ((), [0]),
        (("number",), [0, 1]),
        (("number", "name", "template"), [0, 1, 2]),
        (("form",), [0, 3, 4]),
        (KINDS, [0, 1, 2, 3, 4]),
    ],
)
def test_rows_that_differ_in_a_spared_way_stay(method, spare, kept):
    """Copies go all the same; with components a spared row may still be joined through others."""
    result = run(ROWS, threshold=0.5, spare=spare, method=method)
    decided = outcome(result)
    if method == "leader" or spare in ((), KINDS):
        assert decided.kept == kept
    kinds = {kind_of(ROWS[result.nodes.first[a]], ROWS[result.nodes.first[b]]) for a, b in _edges(result)}
    assert not kinds & set(spare)
    said = report(result, decided)
    assert {item["row"]: item["kind"] for item in said["removed_rows"] if item["copy"]}.get(5) is None
    assert sum(said["differences"].values()) == sum(not item["copy"] for item in said["removed_rows"])
    assert not set(said["differences"]) & set(spare) or method == "components"
    figure = to_json(result, decided)
    assert len(figure["kinds"]["of_edges"]) == len(figure["graph"]["edges"])
    named = [figure["kinds"]["names"][kind] for kind in figure["kinds"]["of_edges"]]
    assert set(named) == kinds
    assert said["recall"] in (1.0, None), "what is spared is not missed"
    json.dumps(figure, allow_nan=False)


def _edges(result) -> list[tuple[int, int]]:
    return list(zip(result.edges.first.tolist(), result.edges.second.tolist(), strict=True))


def test_spared_pairs_are_none_of_the_recall(monkeypatch):
    """Where the sample is a part of the rows, it holds the same pairs as the edges."""
    from dedup import recall

    texts = [f"{BODY} number {row // 2} of {'Paris' if row % 2 else 'Rome'}" for row in range(60)]
    monkeypatch.setattr(recall, "RECALL_SAMPLE", 20)
    whole, spared = run(texts, threshold=0.6), run(texts, threshold=0.6, spare=["number"])
    kinds = kinds_of((texts[a], texts[b]) for a, b in _edges(whole))
    left = [kind for kind in kinds if KINDS[kind] != "number"]
    assert 0 < len(left) < len(kinds) and len(spared.edges) == len(left)
    assert len(spared.sampled.pairs) < len(whole.sampled.pairs)
    assert len(spared.sampled.by_bands) == len(left)
    assert spared.recall.value is not None and spared.recall.value <= 1


def test_kinds_are_told_up_to_so_many_characters():
    pairs = [("a 1", "a 2"), ("b 1", "b 2"), ("c 1", "c 2")]
    assert kinds_of(pairs, 12) == [KINDS.index("number")] * 2 + [-1]
    assert kinds_of(pairs) == [KINDS.index("number")] * 3


def test_a_kind_that_there_is_not_is_refused():
    with pytest.raises(VisitorError, match="spare is “colour”"):
        Request.parse(spare=["colour"])
    assert Request.parse(spare=["sign", "form", "sign"]).spare == ("form", "sign")
    assert Request.parse(spare="number").spare == ("number",)
