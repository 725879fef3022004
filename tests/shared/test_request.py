"""Requests: a setting that is said once is checked, documented, linked and shown from there."""

from __future__ import annotations

import json
import pickle
import random
from dataclasses import FrozenInstanceError, dataclass
from urllib.parse import parse_qsl

import pytest

from shared import request
from shared.errors import VisitorError
from shared.request import MAX_LINK_VALUES, setting
from tests.shared.toy.request import Part, Request


def test_values_may_be_text():
    typed = Request.parse(word="ha", times=4, pace=0.5, loud=True, marks=["a", "b"], weights={"a": 1})
    text = Request.parse(word="ha", times="4", pace="0.5", loud="1", marks="a\nb", weights='{"a": 1}')
    assert typed == text
    assert typed.times == 4 and typed.loud is True and typed.weights == {"a": 1.0}


def test_nothing_means_the_default():
    plain = Request.parse(word="ha")
    assert Request.parse(word="ha", times=None, pace="", loud=None, marks=None, parts="") == plain
    assert (plain.times, plain.ending, plain.marks) == (3, "!", ())


def test_a_link_may_leave_to_the_form_what_has_no_default():
    with pytest.raises(VisitorError, match="There is no word"):
        Request.from_query("times=5")
    assert Request.from_query("times=5", {"word": "ha", "ending": "?"}) == Request.parse(word="ha", times=5)
    assert Request.from_query("word=ho", {"word": "ha"}).word == "ho"


def test_a_mark_of_order_is_dropped_where_no_model_reads_the_text():
    mark = "\ufeff"
    found = Request.parse(word=f"{mark}ha", times=f"{mark}4", marks=(f"{mark}a", "b"))
    assert (found.word, found.times, found.marks) == ("ha", 4, ("a", "b"))
    assert Request.parse(word="ha", marks=[f"{mark}a"]).marks == ("a",)
    with pytest.raises(VisitorError, match="times is \ufeff"):  # and not the default in silence
        Request.parse(word="ha", times=mark)

    @dataclass(frozen=True)
    class Read(request.Request):
        prompt: str = setting("", lambda _, value: value, "what a model reads", exact=True)

    assert Read.parse(prompt=f"{mark}a").prompt == f"{mark}a"


def test_an_empty_text_is_a_value_where_the_setting_says_so():
    assert Request.parse(word="ha", ending="").ending == ""
    assert Request.parse(word="ha", marks="").marks == ()


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({}, "There is no word. Write one."),
        ({"word": None}, "There is no word. Write one."),
        ({"word": ""}, "There is no word. Write one."),
        ({"word": "ha", "times": 0}, "times is 0. Use a whole number from 1 to 400."),
        ({"word": "ha", "times": True}, "times is True. Use a whole number from 1 to 400."),
        ({"word": "ha", "pace": "nan"}, "pace is nan. Use a number from 0 to 1."),
        ({"word": "ha", "loud": "perhaps"}, "loud is perhaps. Use true or false."),
        ({"word": "ha", "ending": "."}, "ending is “.”. Choose one of !, ?, …, or leave it empty."),
        ({"word": "ha", "tone": 3}, "There is no setting “tone”. Known are: word, times,"),
        ({"word": "ha", "x" * 99: 3}, f"There is no setting “{'x' * 40}”."),
        ({"word": "ha", "loud": True, "ending": "?"}, "A question is not loud. Choose another ending."),
        ({"word": "half \ud83d"}, "word contains half of a character (the lone surrogate U+D83D)."),
        ({"word": "ha", "marks": ["\udc00"]}, "marks contains half of a character"),
    ],
)
def test_a_refused_value_has_two_sentences(values, sentence):
    with pytest.raises(VisitorError) as refused:
        Request.parse(**values)
    assert str(refused.value).startswith(sentence) and refused.value.remedy.endswith(".")


def test_values_that_follow_from_others_are_set_once():
    assert Request.parse(word="ha", loud=True, ending="").ending == "!"


def test_a_request_travels():
    made = Request.parse(word="ha", marks="a", parts=[{"text": "b"}], weights={"c": 0.5})
    assert pickle.loads(pickle.dumps(made)) == made
    with pytest.raises(FrozenInstanceError):
        made.times = 4
    again = Request.parse(**json.loads(json.dumps(made.to_json())))
    assert again == made, "its JSON, with what is derived beside the settings, makes it again"
    assert made.to_json()["letters"] == 6
    assert Request.parse(word="ha").weights is not Request.parse(word="ha").weights


def test_a_link_leaves_out_what_is_a_default():
    assert Request.parse(word="ha").to_query() == "word=ha"
    made = Request.parse(word="ü & = ?#\n+", loud=True, times=7, marks=["a b", "&"], parts=[{"text": "x"}])
    pairs = parse_qsl(made.to_query(), keep_blank_values=True)
    assert pairs == [
        ("word", "ü & = ?#\n+"),
        ("times", "7"),
        ("l", "1"),
        ("marks", "a b"),
        ("marks", "&"),
        ("parts", '[{"text":"x","times":1}]'),
    ]
    assert Request.from_query(made.to_query()) == made
    assert Request.is_in("?room=say&l=1") and not Request.is_in("?room=say&loud=1&utm_source=x")


def random_request(rng: random.Random) -> Request:
    """A request that may hold every odd value."""
    texts = ["ha", "a&b=c", "“ünï” #?+%20", "two\nlines", " x ", "0", "None", "שלום", "🌳", "a" * 50]
    values = {
        "word": rng.choice(texts),
        "times": rng.choice([1, 3, 400]),
        "pace": rng.choice([0, 1, 0.1, 1e-7, 1 / 3]),
        "loud": rng.random() < 0.3,
        "marks": rng.sample(["a", "b c", "&", "=", "0", "é"], rng.randrange(4)),
        "parts": [
            {"text": rng.choice(texts), "times": rng.randrange(1, 10)} for _ in range(rng.randrange(3))
        ],
        "weights": {rng.choice(texts): rng.random() for _ in range(rng.randrange(3))},
    }
    if not values["loud"]:
        values["ending"] = rng.choice(["!", "?", ""])
    return Request.parse(**values)


def test_links_and_json_give_the_same_request_again():
    rng = random.Random(5)
    for _ in range(2_000):
        made = random_request(rng)
        assert Request.from_query(made.to_query()) == made
        assert Request.from_query(f"?room=say&{made.to_query()}&utm_source=x") == made
        assert Request.parse(**made.to_json()) == made


def test_the_last_of_two_values_counts():
    assert Request.from_query("word=a&word=b").word == "b"


def test_an_empty_list_differs_from_none_given():
    """Where the default is no empty list, the link has to say that the list is empty."""

    @dataclass(frozen=True)
    class Listed(request.Request):
        items: tuple[str, ...] = setting(
            ("a",), lambda _, value: tuple(item for item in value if item), "some", blank=True
        )

    assert Listed.parse(items=[]).to_query() == "items="
    assert Listed.from_query("items=").items == ()
    assert Listed.from_query("").items == ("a",)
    assert Listed().to_query() == "items=a", "without any setting a link would open the room and run nothing"


def test_a_link_that_no_server_takes_is_none():
    class Long(Request):
        LINK_CHARACTERS = 200

    assert Long.parse(word="x" * 195).to_query() == "word=" + "x" * 195
    assert Long.parse(word="x" * 196).to_query() is None
    assert Long.from_query("word=" + "x" * 300).word == "x" * 300, "whoever has one may open it"


def test_a_link_with_thousands_of_values_is_refused():
    with pytest.raises(VisitorError, match="too many values"):
        Request.from_query("&".join(f"a{number}=1" for number in range(MAX_LINK_VALUES + 1)))


def test_a_form_shows_every_setting():
    made = Request.parse(word="ha", marks="a\nb")
    assert set(made.to_form()) == set(Request.declared())
    assert made.to_form()["marks"] == ("a", "b")


def test_an_object_of_a_list_is_no_value_of_its_own_in_a_link():
    made = Request(word="ha", parts=(Part("b", 2),))
    assert made.to_query() == "word=ha&parts=%5B%7B%22text%22%3A%22b%22%2C%22times%22%3A2%7D%5D"
