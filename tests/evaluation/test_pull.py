"""A pull request holds the result, leaves the rest of the card as it was, and is opened for nothing else."""

from __future__ import annotations

import copy
import json
from base64 import b64decode
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard, parse_eval_result_entries

from evaluation import pull
from shared.errors import VisitorError
from tests.shared.hub_server import Repo, the_hub

STORED = json.loads(
    (Path(__file__).parents[2] / "spaces/evaluation/examples/experts.json").read_text(encoding="utf-8")
)
CARD = """---
license: mit
tags:
- mine
model-index:
- name: theirs
  results:
  - task: {type: text-generation}
    dataset: {name: other, type: some/other}
    metrics:
    - {type: acc, value: 0.5}
---

# A model

Words of its owner.
"""


@pytest.fixture
def data():
    found = copy.deepcopy(STORED)
    found["request"]["models"][1] = "me/model"
    return found


def proposed(content: bytes) -> dict[str, str]:
    lines = [json.loads(line)["value"] for line in content.splitlines() if b'"key": "file"' in line]
    return {one["path"]: b64decode(one["content"]).decode() for one in lines}


def test_a_request_is_opened_and_the_repository_stays_as_it_is(data, tmp_path):
    repo = Repo({"README.md": CARD.encode()})
    with the_hub({"me/model": repo}, tmp_path) as server:
        url = pull.propose(data, "me/items", "me/model", "hf_secret")
        with pytest.raises(VisitorError, match="refused to write"):
            pull.propose(data, "me/items", "me/model", "refused")
        with pytest.raises(VisitorError, match=r"not signed in|Only the owner"):
            pull.propose(data, "me/items", "me/model", None)
    assert url == f"{server.url}/me/model/discussions/1" and repo.files == {"README.md": CARD.encode()}
    (content,) = repo.proposed
    files = proposed(content)
    entries = parse_eval_result_entries(yaml.safe_load(files[pull.RESULTS]))
    scores = [one for one in data["scores"] if one["model"] == 1 and one["task"]]
    values = {one["task"]: pytest.approx(one["count"] / one["of"], abs=1e-6) for one in scores}
    assert {entry.task_id: entry.value for entry in entries} == values
    assert {entry.dataset_id for entry in entries} == {"me/items"}
    card = ModelCard(files["README.md"])
    assert card.data.license == "mit" and card.data.tags == ["mine"] and card.data.model_name == "theirs"
    assert len(card.data.eval_results) == 1 + len(scores)
    assert card.text.lstrip().startswith("# A model\n\nWords of its owner.\n\n<!--")
    again = pull.files_of(data, 1, "me/items", files["README.md"])["README.md"]
    assert again == files["README.md"], "a second request takes the place of the first"


def test_a_repository_without_a_card_gets_one(data):
    card = ModelCard(pull.files_of(data, 1, "me/items", "")["README.md"])
    assert card.text.lstrip().startswith(pull.BEGIN) and len(card.data.eval_results) == 9


@pytest.mark.parametrize(
    ("change", "dataset", "repository", "words"),
    [
        ({}, "", "me/model", "dataset is not named"),
        ({}, "me/../x", "me/model", "dataset"),
        ({}, "me/items", "pirate/none", "none of the models"),
        ({"summary": None}, "me/items", "me/model", "no complete result"),
        ({"example": True}, "me/items", "me/model", "stored example"),
    ],
)
def test_what_is_no_result_of_the_model_is_not_proposed(data, change, dataset, repository, words):
    with pytest.raises(VisitorError, match=words):
        pull.propose({**data, **change}, dataset, repository, "hf_x")


@pytest.mark.parametrize("card", ["---\na: [\n---\nx", "---\nmodel-index: 7\n---\nx"])
def test_a_card_that_cannot_be_read_is_left_alone(data, card):
    with pytest.raises(VisitorError, match="cannot be read"):
        pull.files_of(data, 1, "me/items", card)
