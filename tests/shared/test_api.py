"""Endpoints made of requests, as programs call them: signatures, documentation, results and errors."""

from __future__ import annotations

import inspect

import gradio as gr
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from shared import api
from shared.errors import VisitorError
from tests.conftest import ask_mcp
from tests.shared.toy import page
from tests.shared.toy.request import Request


@pytest.fixture(scope="module")
def client(toy_url) -> Client:
    return Client(toy_url, verbose=False)


def parameters(client: Client, name: str) -> dict[str, dict]:
    """An endpoint's parameters by name, in their order."""
    named = client.view_api(return_format="dict")["named_endpoints"]
    return {one["parameter_name"]: one for one in named[name]["parameters"]}


def test_only_endpoints_are_public(client):
    assert list(client.view_api(return_format="dict")["named_endpoints"]) == ["/say", "/plain", "/greet"]


def test_the_signature_follows_from_the_request(client):
    told = parameters(client, "/say")
    assert list(told) == ["word", "times", "loud", "marks", "parts", "weights", "prefix", "tally"]
    assert [one["parameter_has_default"] for one in told.values()] == [False] + [True] * 7
    defaults = {name: one["parameter_default"] for name, one in told.items() if one["parameter_has_default"]}
    assert defaults == {
        "times": 3,
        "loud": False,
        "marks": None,
        "parts": None,
        "weights": None,
        "prefix": "",
        "tally": None,
    }
    types = {name: one["python_type"]["type"] for name, one in told.items()}
    assert types == {
        "word": "str",
        "times": "int",
        "loud": "bool",
        "marks": "None | list[str]",
        "parts": "None | list[dict(str, Any)]",
        "weights": "None | dict(str, float)",
        "prefix": "str",
        "tally": "None | int",
    }


def test_the_documentation_follows_from_request_and_docstring(toy_url):
    tools = {tool["name"]: tool for tool in ask_mcp(toy_url, "tools/list", {})["tools"]}
    say = next(tool for name, tool in tools.items() if name.endswith("say"))
    assert (
        "Say a word several times." in say["description"] and "said, a list of words." in say["description"]
    )
    told = say["inputSchema"]["properties"]
    assert told["times"]["description"] == "how often, 1 to 400."
    assert told["prefix"]["description"] == "what is said first; it may be long."
    assert [one["description"] for one in told.values()] == list(
        filter(None, (one["description"] for one in told.values()))
    )


def test_settings_and_own_arguments_reach_the_function(client):
    result = client.predict(word="ha", times=2, prefix="so:", tally=7, api_name="/say")
    assert result["said"] == ["so:", "ha!", "ha!"] and result["tally"] == 7
    assert result["request"] == Request.parse(word="ha", times=2).to_json()
    assert client.predict("ha", 1, True, api_name="/say")["said"] == ["HA!"], "by their order"
    parts = [{"text": "b", "times": 2}]
    asked = client.predict("ha", marks=["a", ""], parts=parts, weights={"c": 1}, api_name="/say")["request"]
    assert (asked["marks"], asked["parts"], asked["weights"]) == (["a"], parts, {"c": 1.0})


def test_a_request_of_other_arguments(client):
    assert client.predict(api_name="/greet") == "Hello you! Hello you!"
    assert client.predict("Ada", 1, api_name="/greet") == "Hello Ada!"


def test_a_function_without_a_request(client):
    assert client.predict("ab", api_name="/plain") == "abab"


@pytest.mark.parametrize(
    ("name", "values", "sentence"),
    [
        ("/say", {"word": ""}, "There is no word. Write one."),
        ("/say", {"word": "ha", "times": 0}, "times is 0. Use a whole number from 1 to 400."),
        ("/say", {"word": "ha", "times": "often"}, "times is often."),
        ("/say", {"word": "impossible"}, "That word cannot be said. Say another."),
        ("/say", {"word": "bug"}, "The demo failed in a way it should not (ValueError)."),
        ("/plain", {"text": "a", "times": 6}, "That is too often. Use at most 5."),
    ],
)
def test_an_error_is_two_sentences_and_no_traceback(client, name, values, sentence):
    with pytest.raises(AppError) as refused:
        client.predict(**values, api_name=name)
    assert sentence in str(refused.value) and "Traceback" not in str(refused.value)
    assert client.predict("ha", 1, api_name="/say")["said"] == ["ha!"]


def test_the_function_itself_stays_as_it_is():
    """Tests and other rooms call it with a request."""
    assert page.say(Request.parse(word="ha", times=1), prefix="so:")["said"] == ["so:", "ha!"]
    with pytest.raises(VisitorError):
        page.plain("a", 6)


def test_a_setting_that_is_misspelt_is_found_when_the_page_is_built():
    with gr.Blocks(), pytest.raises(KeyError, match="wrod"):
        api.endpoint(page.say, Request, ["wrod"])


def test_an_argument_without_a_word_about_it_is_found_when_the_page_is_built():
    def bare(request: Request, extra: int = 1) -> str:
        """Do it."""
        return request.word * extra

    with gr.Blocks(), pytest.raises(KeyError, match="extra"):
        api.endpoint(bare, Request, ["word", "extra"])


def test_a_docstring_is_read_in_its_sections():
    summary, arguments, result = api._sections(inspect.getdoc(page.say))
    assert summary == "Say a word several times."
    assert arguments == {
        "prefix": "what is said first; it may be long.",
        "tally": "a number that comes back.",
    }
    assert result == "Returns:\n    said, a list of words."
