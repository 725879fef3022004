"""The page's functions called as the browser calls them: the sampler panel's questions, and branches."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from shared import models
from shared.suite import load_app


@pytest.fixture(scope="module")
def app():
    return load_app("decoding")


QUESTION = {
    "model": models.EMBEDDED_MODEL,
    "token_ids": [504, 2644, 3212],
    "prompt_length": 2,
    "config": {},
    "limit": 5,
}


def test_the_panel_may_ask_before_anything_was_decoded(app, embedded, monkeypatch):
    asked = []
    monkeypatch.setattr(models, "in_memory", lambda _: None)
    monkeypatch.setattr(models, "load", lambda name: asked.append(name) or embedded)
    answer = app.distribution(QUESTION)
    assert len(answer["ids"]) == 5 and answer["vocab_size"] == 49_152
    assert asked == [models.EMBEDDED_MODEL]


def test_the_panel_loads_no_model(app, monkeypatch):
    """Its questions pass the queue by: nobody may have the server load and run whatever they name."""
    monkeypatch.setattr(models, "load", lambda name: pytest.fail(f"{name} was loaded"))
    assert app.distribution({**QUESTION, "model": "pirate"})["error"]["remedy"] == "Decode again."


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"limit": 0}, "limit is 0"),
        ({"limit": 10**9}, "limit is 1000000000"),
        ({"prompt_length": 0}, "prompt_length is 0"),
        ({"prompt_length": 4}, "prompt_length is 4"),
        ({"prompt_length": None}, "prompt_length is None"),
        ({"token_ids": []}, "cannot be computed"),
        ({"token_ids": [1] * 1_153}, "cannot be computed"),
        ({"token_ids": [49_152]}, "A token is 49152"),
        ({"token_ids": ["<b>"]}, "A token is <b>"),
        ({"config": {"temperature": 10**400, "do_sample": True}}, "not a finite number"),
        ({"config": 3}, "not a JSON object"),
        ({"token_ids": 3}, "failed in a way it should not"),
    ],
)
def test_a_wrong_question_gets_a_sentence(app, embedded, values, sentence):
    assert sentence in app.distribution({**QUESTION, **values})["error"]["what"]


def test_one_question_at_a_time(app, embedded, monkeypatch):
    monkeypatch.setattr(app, "DISTRIBUTION_SECONDS", 0.01)
    with app._distribution_turn:
        assert "for others" in app.distribution(QUESTION)["error"]["what"]
    assert "error" not in app.distribution(QUESTION)


def test_branches_of_a_long_name_have_names_of_their_own(app, embedded):
    state = app.decode("The cat sat on", strategies=[{"name": "x" * 40}], max_new_tokens=3)
    others = [
        node for node in state["runs"][0]["nodes"] if node["parent"] == 0 and node["status"] == "pruned"
    ][:2]
    for node in others:
        *_, (state, _, _) = app.branch_page(state, SimpleNamespace(run=0, node=0, token_id=node["token_id"]))
    names = [run["name"] for run in state["runs"]]
    assert len(set(names)) == 3 and all(len(name) <= 40 for name in names)
    assert [name.split(" → ")[1] for name in names[1:]] == [node["text"].strip() for node in others]
