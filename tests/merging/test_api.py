"""The launched app over its API: check, merge, and what a caller reads when something is wrong."""

from __future__ import annotations

import zipfile

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from tests.conftest import ask_mcp


@pytest.fixture(scope="module")
def client(suite_url):
    return Client(f"{suite_url}/merging/", verbose=False)


def recipe(family, method="linear") -> str:
    return f"merge_method: {method}\nmodels:\n" + "".join(
        f"- model: {family[name]}\n  parameters: {{weight: 1}}\n" for name in "ab"
    )


def test_check_returns_findings_with_place_and_fix(client):
    answer = client.predict(
        recipe="merge_method: linear\nmodels:\n- model: pirate\n  parameters: {weigth: 1}\n",
        api_name="/check",
    )
    assert not answer["ok"]
    assert answer["findings"][0] == {
        "level": "error",
        "where": "models[0].parameters.weigth",
        "message": "linear has no parameter “weigth”; mergekit would ignore it.",
        "fix": "Write weight.",
    }


def test_merge_returns_a_report_and_the_files(client, family):
    report, path = client.predict(recipe=recipe(family), seed=3, api_name="/merge")
    assert (
        report["seed"] == 3
        and report["versions"]["mergekit"]
        and set(report["sha256"]) == {"model.safetensors"}
    )
    names = set(zipfile.ZipFile(path).namelist())
    assert {"model.safetensors", "config.json", "README.md", "mergekit_config.yml"} <= names


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"recipe": "merge_method: dare-ties\nmodels:\n- model: pirate"}, "no method"),
        ({"recipe": "a: &x [1]\nb: *x"}, "names no merge_method"),
        ({"recipe": " "}, "no recipe"),
        ({"recipe": "merge_method: linear\nmodels: []", "seed": -1}, "seed"),
        (
            {"recipe": "merge_method: linear\nmodels:\n- model: ../../etc\n  parameters: {weight: 1}"},
            "folder|not a model id",
        ),
    ],
)
def test_errors_are_sentences(client, values, sentence):
    with pytest.raises(AppError, match=sentence) as caught:
        client.predict(**values, api_name="/merge")
    assert "Traceback" not in str(caught.value)


def test_a_family_tree_without_a_hub(client):
    tree = client.predict("cautious", 6, 1, 50, api_name="/family_tree")
    assert {node["id"]: node["share"] for node in tree["nodes"]} == {
        "cautious": [1, 1],
        "HuggingFaceTB/SmolLM2-135M-Instruct": [1, 1],
        "HuggingFaceTB/SmolLM2-135M": [1, 1],
    }
    assert tree["edges"][0]["evidence"] and tree["licences"]["own"] == "apache-2.0"
    with pytest.raises(AppError, match="not a model id"):
        client.predict("<img src=x>", api_name="/family_tree")
    with pytest.raises(AppError, match="limit is 9999"):
        client.predict("pirate", 6, 1, 9999, api_name="/family_tree")


def test_a_report_without_a_hub(client):
    found = client.predict("cautious", api_name="/report")
    verdicts = {line["chapter"]: line["verdict"] for line in found["lines"]}
    assert verdicts["recipe"] == verdicts["replay"] == verdicts["parents"] == "open"
    assert verdicts["licences"] == "mixed" and found["total"] == [1, 1]
    assert found["badge"]["message"] == "not replayed" and "## Merge report" in found["card"]
    with pytest.raises(AppError, match="not a model id"):
        client.predict("<img src=x>", api_name="/report")
    with pytest.raises(AppError, match="weights is"):
        client.predict("pirate", None, "most", api_name="/report")
    with pytest.raises(AppError, match="No model was named"):
        client.predict("", api_name="/report")


def test_gates_of_a_mixture(client):
    experts = "".join(
        f"- {{source_model: {name}, positive_prompts: [{word}]}}\n"
        for name, word in (("pirate", "sea"), ("cautious", "soup"))
    )
    base = "HuggingFaceTB/SmolLM2-135M-Instruct"
    answer = client.predict(
        recipe=f"base_model: {base}\ngate_mode: cheap_embed\nexperts:\n{experts}", api_name="/gates"
    )
    assert answer["gates"]["experts"] == ["pirate", "cautious"] and answer["gates"]["own"] == "cheap_embed"
    assert [mode["mode"] for mode in answer["gates"]["modes"]] == ["cheap_embed", "hidden", "random"]
    with pytest.raises(AppError, match="has no experts"):
        client.predict(recipe="merge_method: linear", api_name="/gates")


def test_mcp_lists_the_tools(suite_url):
    tools = {
        tool["name"].split("_")[-1] for tool in ask_mcp(f"{suite_url}/merging", "tools/list", {})["tools"]
    }
    assert {"check", "merge", "compare", "explore", "evolve", "tree", "gates", "mixture", "report"} <= tools
