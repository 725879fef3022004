"""The room's functions called as the browser calls them: the sampler panel's questions, and the tree that a
visitor grows, prunes and names.
"""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from decoding.data import Trace
from decoding.request import Request
from decoding_rooms import decode
from decoding_rooms.panel import distribution
from decoding_rooms.tree import branched, renamed, with_branch, without
from shared import limits, models
from shared.embedded_model import EMBEDDED_MODEL
from shared.errors import VisitorError
from tests import zoo
from tests.conftest import ask

QUESTION = {
    "model": EMBEDDED_MODEL,
    "token_ids": [504, 2644, 3212],
    "prompt_length": 2,
    "config": {},
    "limit": 5,
}


def test_the_panel_may_ask_before_anything_was_decoded(embedded, monkeypatch):
    names = []
    monkeypatch.setattr(models, "in_memory", lambda *_, **__: None)
    monkeypatch.setattr(models, "load", lambda name: names.append(name) or embedded)
    answer = ask(distribution, QUESTION)
    assert len(answer["ids"]) == 5 and answer["vocab_size"] == 49_152
    assert names == [EMBEDDED_MODEL]


def test_a_run_says_that_its_model_is_being_loaded(tmp_path):
    folder = shutil.copytree(zoo.folder("gpt2"), tmp_path / "new")  # the zoo's own may be in memory already
    request = Request.parse(prompt="The cat", model=str(folder), max_new_tokens=2)
    (waiting, nothing), *_, (_, trace) = decode.steps(request)
    assert waiting["drawable"] is False and waiting["progress"]["label"] == f"Loading {request.model}"
    assert nothing is None and trace["done"]
    (_, first), *_ = decode.steps(request)
    assert first is not None, "it is in memory now"


def test_the_panel_loads_no_model(monkeypatch):
    """Its questions pass the queue by: nobody may have the server load and run whatever they name."""
    monkeypatch.setattr(models, "load", lambda name: pytest.fail(f"{name} was loaded"))
    assert ask(distribution, {**QUESTION, "model": "pirate"})["error"]["remedy"] == "Decode again."


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
def test_a_wrong_question_gets_a_sentence(embedded, values, sentence):
    assert sentence in ask(distribution, {**QUESTION, **values})["error"]["what"]


@pytest.fixture(scope="module")
def tree(embedded) -> Trace:
    """A small complete trace of one strategy with a long name."""
    request = Request.parse(prompt="The cat sat on", strategies=[{"name": "x" * 40}], max_new_tokens=3)
    return decode.decode(request)


def left(tree: Trace) -> list[dict]:
    """The first tokens that were not taken."""
    return [node for node in tree["runs"][0]["nodes"] if node["parent"] == 0 and node["status"] == "pruned"]


def grown(tree: Trace, token_id: int) -> Trace:
    """The tree with a branch from the root."""
    request = branched(tree, 0, 0, token_id)
    alone = decode.decode(replace(request, strategies=request.strategies[-1:]))
    return with_branch(tree, request, alone)


def test_branches_of_a_long_name_have_names_of_their_own(tree):
    for node in left(tree)[:2]:
        tree = grown(tree, node["token_id"])
    names = [run["name"] for run in tree["runs"]]
    assert len(set(names)) == 3 and all(len(name) <= 40 for name in names)
    assert [name.split(" → ")[1] for name in names[1:]] == [node["text"].strip() for node in left(tree)[:2]]
    assert [run["color"] for run in tree["runs"]] == [0, 1, 2] and tree["done"]
    assert Request.parse(**tree["request"]).to_json() == tree["request"], "its link opens"


def test_a_tree_holds_so_many_branches(tree):
    token = left(tree)[0]["token_id"]
    branch = {"name": "b", "prefix": [token]}
    many = {
        **tree["request"],
        "strategies": [*tree["request"]["strategies"], *[branch] * limits.MAX_BRANCHES],
    }
    with pytest.raises(VisitorError, match="has 8 branches already"):
        branched({**tree, "request": many}, 0, 0, token)


def test_a_branch_can_be_removed_and_a_strategy_cannot(tree):
    larger = grown(tree, left(tree)[0]["token_id"])
    smaller = without(larger, 1)
    assert smaller["runs"] == tree["runs"] and smaller["request"] == tree["request"]
    assert without(larger, 0) is larger


def test_a_run_gets_another_name(tree):
    named = renamed(tree, 0, "  my\nrun " + "y" * 60)
    assert (
        named["runs"][0]["name"] == named["request"]["strategies"][0]["name"] == ("my run " + "y" * 60)[:40]
    )
    assert renamed(tree, 0, " \n") is tree
