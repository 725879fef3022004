"""Whatever an endpoint is given, its answer is a result or two plain sentences."""

from __future__ import annotations

import importlib
import json
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from shared import suite
from shared.errors import VisitorError
from shared.request import Request
from tests.conftest import ROOT, Server, ask_mcp

SPACES = suite.names()

SERVER = """
from shared import gpu, models
from shared.errors import VisitorError

def load(*_, **__):
    raise VisitorError("There is no model in this test.", "Ask for none.")

models.load = load  # what is accepted ends here
from shared.suite import main
main()
"""

LONG = "long " * 20_000
LEAKS = re.compile(
    r"0x[0-9a-f]{6}|<[\w.]+ object|Traceback|site-packages|/tmp/|/root/|/home/|/usr/|/var/"
    + f"|{re.escape(str(ROOT))}"
)
SENTENCES = re.compile(r".*[.!?…)”]\s+\S.*[.!?…)”`]", re.DOTALL)
FILE = {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}
FILES = [
    FILE,
    {**FILE, "path": "http://127.0.0.1:1/rows.csv"},
    {**FILE, "path": ""},
    {**FILE, "path": "a\0b"},
    {**FILE, "path": "a" * 5_000},
    {**FILE, "orig_name": ["x"], "size": "much"},
    {**FILE, "path": 5},
    {"path": "/etc/passwd"},
    {"path": "/etc/passwd", "meta": "none"},
    {"meta": {"_type": "gradio.FileData"}},
]


def deep(levels: int) -> Any:
    """A list in a list in a list …"""
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


WRONG = [LONG, -1, [[[["x"]]]], {"a": {"b": [LONG]}}, "\ud800", FILE]
"""For every parameter."""
ODD = [
    None,
    "",
    "{",
    [],
    {},
    "a\0b",
    [LONG] * 3,
    True,
    1e308,
    {LONG: 1},
    [None],
    deep(200),
    "/etc/passwd",
    "nobody/nothing",
    *FILES,
]
"""For one parameter of an endpoint, and those that take a file."""


def requests() -> list[type[Request]]:
    """What can be asked for in every Space: by its links, its events and its API."""
    found = []
    for path in sorted((ROOT / "spaces").glob("*/*/*request.py")):
        module = importlib.import_module(f"{path.parent.name}.{path.stem}")
        for one in vars(module).values():
            if isinstance(one, type) and issubclass(one, Request) and one is not Request:
                found += [one] if one.__module__ == module.__name__ else []
    return found


@pytest.mark.parametrize("request_class", requests(), ids=lambda one: f"{one.__module__}.{one.__name__}")
def test_no_setting_meets_a_value_that_it_does_not_foresee(request_class):
    for name, known in request_class.declared().items():
        for value in [*WRONG, *ODD, 1, 0.5, float("nan"), 10**400]:
            try:
                known.metadata["check"](name, value)
            except VisitorError as error:
                assert not faults(str(error)), (name, str(value)[:40], str(error)[:300])


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    running = Server(["-c", SERVER], {}, "/decoding/")
    yield running
    running.stop()


def parameters(url: str) -> dict[str, list[dict[str, Any]]]:
    """The parameters of a page's endpoints by name."""
    info = json.loads(urllib.request.urlopen(f"{url}/gradio_api/info", timeout=60).read())
    return {name.lstrip("/"): one["parameters"] for name, one in info["named_endpoints"].items()}


def post(url: str, body: Any) -> tuple[int, Any]:
    """Status and JSON that a POST is answered with."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, content, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        text = error.read().decode()
        return error.code, json.loads(text) if text.startswith("{") else text


def call(url: str, name: str, values: list[Any]) -> str | None:
    """What an endpoint says against these values; None where it takes them."""
    status, answer = post(f"{url}/gradio_api/call/{name}", {"data": values})
    if status != 200:
        return str(answer["detail"])
    stream = urllib.request.urlopen(f"{url}/gradio_api/call/{name}/{answer['event_id']}", timeout=120)
    event = ""
    for line in stream.read().decode().splitlines():
        if line.startswith("event:"):
            event = line[6:].strip()
        if line.startswith("data:") and event == "error":
            return str(json.loads(line[5:])["error"])
    return None


def faults(said: str) -> list[str]:
    """What is wrong with an answer that refuses."""
    return [
        *(["a leak"] if LEAKS.search(said) else []),
        *(["not two sentences"] if not SENTENCES.fullmatch(said) else []),
        *(["too long"] if len(said) > 300 else []),
    ]


@pytest.mark.parametrize("space", SPACES)
def test_every_wrong_value_is_refused_in_two_sentences(server, space):
    """Each setting at the first endpoint that has it; every endpoint's first one meets odd values too, all of
    them where it is new, a few where an endpoint before had it.
    """
    url = f"{server.url}/{space}"
    found, refused, met = [], 0, set()
    for name, listed in parameters(url).items():
        usual = [one.get("parameter_default") for one in listed]
        for place, one in enumerate(listed):
            new = one["parameter_name"] not in met
            odd = (ODD if new else ODD[::5]) if place == 0 or "file" in one["parameter_name"] else []
            wrong_values = WRONG if new else []
            met.add(one["parameter_name"])
            for value in [*wrong_values, *odd]:
                said = call(url, name, [*usual[:place], value, *usual[place + 1 :]])
                refused += said is not None
                if said and (wrong := faults(said)):
                    found.append((name, one["parameter_name"], str(value)[:40], wrong, said[:400]))
    assert refused > 20
    assert not found, "\n".join(map(str, found))


@pytest.mark.parametrize("space", SPACES)
def test_a_page_names_no_folder_of_the_server(server, space):
    with urllib.request.urlopen(f"{server.url}/{space}/") as answer:
        page = answer.read().decode()
    assert "gradio_config" in page
    assert str(ROOT) not in page and sys.prefix not in page


@pytest.mark.parametrize("space", SPACES)
def test_too_few_and_too_many_values(server, space):
    """Too many are said; the last of too few are the defaults, so what is said is of the others."""
    url = f"{server.url}/{space}"
    for name, listed in parameters(url).items():
        count = len(listed)
        for values in (
            [],
            [None] * (count - 1),
            [LONG] * (count - 1),
            [None] * (count + 1),
            [LONG] * (count + 1),
        ):
            said = call(url, name, values)
            assert said is None or not faults(said), (name, len(values), said)
            if len(values) > count:
                assert said is not None and f"takes {count} values and got {count + 1}" in said


def test_requests_that_fit_no_route_get_two_sentences_too(server):
    url = f"{server.url}/dedup/gradio_api"
    for path, body in (
        ("call/plan", {"data": LONG}),
        ("call/plan", {"nothing": [LONG]}),
        ("call/plan", b"{"),
        ("call/nothing", {"data": []}),
        ("call/v2/plan", {"nothing": LONG}),
        ("call/v2/nothing", {}),
        ("queue/join", {"data": [LONG], "fn_index": 10**6, "session_hash": "x"}),
        ("queue/join", {"data": [LONG], "fn_index": LONG, "session_hash": "x"}),
        ("component_server", {"session_hash": "x", "component_id": 10**6, "fn_name": "x", "data": LONG}),
    ):
        status, answer = post(f"{url}/{path}", body)
        assert status >= 400 and not faults(answer["detail"]), (path, body, status, answer)


def test_an_event_of_the_page_says_no_more_than_an_endpoint(server):
    """Whoever reads the page's config can post to its events too."""
    url = f"{server.url}/dedup"
    config = json.loads(urllib.request.urlopen(f"{url}/config", timeout=60).read())
    asked = [one["id"] for one in config["dependencies"] if len(one["inputs"]) > 3]
    assert asked
    for number in asked:
        count = len(next(one["inputs"] for one in config["dependencies"] if one["id"] == number))
        for values in ([], [LONG] * count, [FILE] * count):
            body = {"data": values, "fn_index": number, "session_hash": f"s{number}{len(str(values))}"}
            status, answer = post(f"{url}/gradio_api/queue/join", body)
            assert status == 200, answer
            stream = f"{url}/gradio_api/queue/data?session_hash={body['session_hash']}"
            text = urllib.request.urlopen(stream, timeout=60).read().decode()
            ends = [json.loads(line[5:]) for line in text.splitlines() if "process_completed" in line]
            for said in filter(None, (one["output"].get("error") for one in ends)):
                assert not faults(said), (number, values, said)


def test_tools_refuse_what_their_schema_does_not_name(server):
    url = f"{server.url}/dedup"
    tools = {one["name"]: one for one in ask_mcp(url, "tools/list", {})["tools"]}
    name = next(name for name in tools if name.endswith("plan"))
    for called, arguments, part in (
        ("nothing", {}, "no tool of that name"),
        (name, {LONG: 1}, "There is no setting “long"),
        (name, {"dataset": {"a": LONG}}, "dataset is not of the kind"),
        (name, {"threshold": LONG}, "threshold is not of the kind"),
        (name, {"threshold": 7}, "threshold is 7. Use a number from"),
        (name, {"file": "/etc/passwd"}, "That file was not uploaded here."),
        (name, {"file": "data:text/plain;base64,YQ=="}, "That file was not uploaded here."),
        (name, {"file": "http://127.0.0.1:1/rows.csv"}, "not on the public web"),
    ):
        answer = ask_mcp(url, "tools/call", {"name": called, "arguments": arguments})
        said = answer["content"][0]["text"]
        assert answer["isError"] and part in said and not faults(said), (called, arguments, said)


def test_nobody_can_watch_the_traffic(server):
    for space in SPACES:
        for path in ("monitoring", "monitoring/summary"):
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(f"{server.url}/{space}/{path}", timeout=60)
            assert refused.value.code in (403, 404)
