"""Whose request it is, on real servers: every kind of call, names, sites, proxies, the secret."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
from gradio_client import Client

from shared import owner
from tests.conftest import ROOT, Server

TOY = ["-m", "tests.shared.toy.whose"]
KINDS = ["queued", "at_once", "stepwise", "threads", "figure", "mcp queued", "mcp at_once"]
OWNERS = [True, True, [True] * 3, [False, True], True, True, True]
VISITORS = [False, False, [False] * 3, [False] * 2, False, False, False]


@pytest.fixture(scope="module")
def local():
    """A server on loopback."""
    server = Server(TOY, {})
    yield server
    server.stop()


@pytest.fixture(scope="module")
def shared():
    """A server that everyone on the network reaches."""
    server = Server(TOY, {"HOST": "0.0.0.0"})
    yield server
    server.stop()


def ask(url: str, path: str = "/", body: object = None, **headers: str) -> tuple[int, str, dict[str, str]]:
    """Status, text and headers of an answer; redirects are not followed."""

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_):
            return None

    names = {name.replace("_", "-"): value for name, value in headers.items()}
    data = None if body is None else json.dumps(body).encode()
    given = {"Content-Type": "application/json"} if data else {}
    request = urllib.request.Request(url + path, data, {**given, **names})
    try:
        with urllib.request.build_opener(Stay).open(request, timeout=60) as answer:
            return answer.status, answer.read().decode(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), dict(error.headers)


def said(url: str, kind: str, **headers: str):
    """What a call of a kind says of whose it is."""
    if kind == "figure":
        blocks = json.loads(ask(url, "/config", **headers)[1])["components"]
        figure = next(one["id"] for one in blocks if one["props"].get("elem_id") == "figure")
        body = {"session_hash": "s", "component_id": figure, "fn_name": "asked", "data": {}}
        return json.loads(ask(url, "/gradio_api/component_server", body, **headers)[1])
    if kind.startswith("mcp"):
        body = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {"name": kind[4:], "arguments": {}},
        }
        accept = {"Accept": "application/json, text/event-stream", **headers}
        text = ask(url, "/gradio_api/mcp/", body, **accept)[1]
        line = next(line[5:] for line in text.splitlines() if line.startswith("data:"))
        return json.loads(json.loads(line)["result"]["content"][0]["text"].lower())
    event = json.loads(ask(url, f"/gradio_api/call/{kind}", {"data": []}, **headers)[1])["event_id"]
    lines = ask(url, f"/gradio_api/call/{kind}/{event}", **headers)[1].splitlines()
    return json.loads(lines[lines.index("event: complete") + 1][5:])[0]


def everything(url: str, **headers: str) -> list:
    """What every kind of call says."""
    return [said(url, kind, **headers) for kind in KINDS]


def secret(server: Server) -> str:
    """The secret that a server printed."""
    return re.search(r"\?token=([\w-]+)", "".join(server.log))[1]


def test_on_loopback_who_sits_at_the_machine_is_its_owner(local):
    assert everything(local.url) == OWNERS
    assert everything(local.url.replace("127.0.0.1", "localhost")) == OWNERS
    assert Client(local.url, verbose=False).predict(api_name="/queued") is True
    assert "token=" not in "".join(local.log)


@pytest.mark.parametrize("length", [61_000, 90_000])
def test_an_address_that_is_too_long_is_refused_in_two_sentences(local, length):
    status, text, _ = ask(local.url, f"/?recipe={'a' * length}")
    assert status == 414 and text.startswith("The address is longer than the 60,000") and "paste" in text
    assert ask(local.url, f"/?recipe={'a' * 50_000}")[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"X_Forwarded_For": "203.0.113.9"},
        {"Forwarded": "for=203.0.113.9"},
        {"Via": "1.1 proxy"},
        {"X_Real_IP": "203.0.113.9"},
        {"CF_Connecting_IP": "203.0.113.9"},
        {"X_Forwarded_For": "127.0.0.1", "X_Forwarded_Host": "127.0.0.1:7860"},
        {"Origin": "http://localhost:1"},
        {"Host": "192.0.2.7:7860"},
    ],
    ids=str,
)
def test_what_was_passed_on_is_a_visitors(local, headers):
    assert everything(local.url, **headers) == VISITORS


def test_on_the_network_everyone_is_a_visitor_but_who_has_the_secret(shared):
    assert everything(shared.url) == VISITORS
    word = secret(shared)
    assert everything(shared.url, Authorization=f"Bearer {word}") == OWNERS
    assert everything(shared.url, Authorization=f"Bearer {word}", X_Forwarded_For="203.0.113.9") == OWNERS
    client = Client(shared.url, headers={"Authorization": f"Bearer {word}"}, verbose=False)
    assert client.predict(api_name="/queued") is True
    for wrong in (f"Bearer {word}x", "Bearer ", "Bearer é", f"Basic {word}"):
        assert said(shared.url, "queued", Authorization=wrong) is False
    lines = [line for line in "".join(shared.log).splitlines() if word in line]
    assert len(lines) == 1 and "Whoever reaches this server is a visitor" in lines[0]


def test_the_address_with_the_secret_gives_a_cookie_that_other_sites_do_not_get(shared):
    word = secret(shared)
    status, _, headers = ask(shared.url, f"/?a=1&token={word}&b=%26")
    assert status == 303 and headers["location"] == "/?a=1&b=%26"
    cookie, *rules = headers["set-cookie"].split("; ")
    assert {"HttpOnly", "SameSite=Strict"} <= set(rules)
    assert everything(shared.url, Cookie=cookie) == OWNERS
    assert said(shared.url, "queued", Cookie=cookie.replace(word, word[::-1])) is False
    assert said(shared.url, "queued", Cookie=cookie, Origin=shared.url) is True
    assert ask(shared.url, f"//evil.example/?token={word}")[2]["location"] == "/evil.example/"
    assert ask(shared.url, "/?token=wrong")[0] == 200


@pytest.mark.parametrize("name", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:1", "@"])
def test_a_name_that_is_not_the_servers_is_refused(local, shared, name):
    """A page of any site can point its own name at 127.0.0.1."""
    for server in (local, shared):
        for headers in ({"Host": name}, {"X_Forwarded_Host": name}):
            status, text, _ = ask(server.url, "/config", **headers)
            assert status == 400 and "does not go by the name" in text and "ALLOWED_HOSTS" in text
            assert ask(server.url, "/gradio_api/mcp/", {}, **headers)[0] == 400


def test_a_network_server_is_reached_by_its_addresses(shared):
    for name in (f"192.168.1.5:{shared.port}", "[2001:db8::1]:80", "localhost", "app.localhost"):
        assert ask(shared.url, "/config", Host=name)[0] == 200


FOREIGN = [
    "https://evil.example",
    "null",
    "http://[",
    "//",
    "http://127.0.0.1.evil.example",
    "http://192.0.2.7",
]


@pytest.mark.parametrize("site", FOREIGN)
def test_another_sites_page_sends_nothing(local, shared, site):
    for server in (local, shared):
        for kind in ("application/json", "text/plain", "multipart/form-data; boundary=x"):
            for path in ("upload", "component_server", "queue/join", "call/queued", "run/at_once", "mcp/"):
                headers = {"Origin": site, "Content_Type": kind}
                status, text, _ = ask(server.url, f"/gradio_api/{path}", {"data": []}, **headers)
                assert status == 403 and "may not use this server" in text, (kind, path)
        assert ask(server.url, "/gradio_api/mcp/", Origin=site)[0] == 403
        assert ask(server.url, "/", Origin=site)[0] == 200, "a frame shows the page"


def test_pages_of_this_machine_and_of_named_sites_may_embed_it(local):
    assert everything(local.url, Origin="http://localhost:8000") == VISITORS
    assert ask(local.url, "/gradio_api/mcp/", {}, Origin="http://localhost:8000")[0] != 403
    server = Server(TOY, {"ALLOWED_HOSTS": "demo.example, blog.example"})
    try:
        assert everything(server.url, Origin="https://blog.example") == VISITORS
        assert everything(server.url, Host="demo.example") == VISITORS
        assert everything(server.url) == VISITORS, "a proxy on this machine may bring anyone"
        assert said(server.url, "queued", Authorization=f"Bearer {secret(server)}") is True
    finally:
        server.stop()


def test_the_owners_page_is_framed_by_pages_of_this_machine_alone(local, shared):
    """A link runs what it describes, and a frame may be invisible. A visitor's page may stand anywhere."""
    rule = ask(local.url, "/")[2]["content-security-policy"]
    assert rule.startswith("frame-ancestors 'self' ") and " http://localhost:* " in rule and "*;" not in rule
    assert ask(local.url, "/config", Host="192.0.2.7:7860")[2]["content-security-policy"] == rule
    server = Server(TOY, {"ALLOWED_HOSTS": "blog.example"})
    try:
        for url in (shared.url, server.url):
            assert "content-security-policy" not in ask(url, "/")[2]
    finally:
        server.stop()


def test_a_space_answers_pages_everywhere_and_has_no_owner():
    space = {"SPACE_ID": "me/demo", "SPACE_HOST": "me-demo.hf.space, demo.example", "HOST": "0.0.0.0"}
    server = Server(TOY, space)
    try:
        for name in ("me-demo.hf.space", "demo.example", "me--demo--1a2b.hf.space", "10.1.2.3:7860"):
            assert ask(server.url, "/config", Host=name)[0] == 200
        assert ask(server.url, "/config", Host="evil.example")[0] == 400
        assert ask(server.url, "/config", Host="router", X_Forwarded_Host="demo.example")[0] == 200
        for origin in ({}, {"Origin": "https://me-demo.hf.space"}, {"Origin": "https://blog.example"}):
            assert everything(server.url, Host="me-demo.hf.space", **origin) == VISITORS
        assert "content-security-policy" not in ask(server.url, "/", Host="me-demo.hf.space")[2]
        assert "token=" not in "".join(server.log)
    finally:
        server.stop()


def test_the_first_caller_over_mcp_sets_no_address_for_those_who_follow(shared):
    """Gradio would send their calls, and their headers, to the address that the first one claimed."""
    server = Server(TOY, {"HOST": "0.0.0.0"})
    try:
        for headers in ({"X_Forwarded_Host": "192.0.2.1:9"}, {"X_Gradio_Server": "http://192.0.2.1:9"}, {}):
            assert said(server.url, "mcp queued", **headers) is False
    finally:
        server.stop()


def scope(**changes):
    """A request's scope as uvicorn makes it."""
    headers = {"host": "127.0.0.1:7860", **changes.pop("headers", {})}
    return {
        "type": "http",
        "method": "GET",
        "path": "/",
        "query_string": b"",
        "http_version": "1.1",
        "server": ("127.0.0.1", 7860),
        "client": ("127.0.0.1", 50_000),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        **changes,
    }


@pytest.mark.parametrize(
    ("changes", "is_owner"),
    [
        ({}, True),
        ({"client": ("::1", 1), "server": ("::1", 1), "headers": {"host": "[::1]:7860"}}, True),
        ({"client": ("192.168.1.9", 1)}, False),
        ({"server": ("192.168.1.5", 1)}, False),
        ({"client": None}, False),
        ({"http_version": "1.0"}, False),
        ({"headers": {"host": "0.0.0.0:7860"}}, False),
        ({"headers": {"tailscale-user-login": "me"}}, False),
        ({"headers": {"authorization": f"Bearer {owner._SECRET}"}, "client": ("192.168.1.9", 1)}, True),
    ],
)
def test_whose_a_request_is(monkeypatch, changes, is_owner):
    monkeypatch.delenv("HOST", raising=False)
    assert owner._is_owner(scope(**changes)) is is_owner


def test_a_program_that_serves_nobody_is_its_owners(monkeypatch):
    assert owner.is_here()
    monkeypatch.setenv("SPACE_ID", "me/demo")
    assert not owner.is_here()


IMPLICIT = """
import sys
from shared.suite import load_app
load_app(sys.argv[1])
from huggingface_hub import constants
from transformers.integrations import hub_kernels
print(constants.HF_HUB_DISABLE_IMPLICIT_TOKEN, hub_kernels._kernels_enabled)
"""


def test_no_library_sends_the_token_or_loads_kernels_of_its_own_accord():
    for first in ("", "import gradio"):
        done = subprocess.run(
            [sys.executable, "-c", f"{first}\n{IMPLICIT}", "dedup"], cwd=ROOT, capture_output=True, text=True
        )
        assert done.stdout.split() == ["True", "False"], done.stderr[-2000:]
