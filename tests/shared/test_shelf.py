"""The shelf: what a visitor makes opens for them by name, and for nobody else by any way."""

from __future__ import annotations

import dataclasses
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
from gradio_client import Client
from playwright.sync_api import expect

from shared import card, entrances, files, hub, limits, models, owner, shelf
from shared.errors import VisitorError
from tests import zoo
from tests.conftest import Server
from tests.shared.zerogpu import PRELUDE, Scheduler

MINE, YOURS = "m" * 32, "y" * 32
MAKE_ROWS = """async () => {
  const asked = { method: "POST", headers: { "Content-Type": "application/json" }, body: '{"data": []}' };
  const { event_id } = await (await fetch("gradio_api/call/make_rows", asked)).json();
  return await (await fetch(`gradio_api/call/make_rows/${event_id}`)).text();
}"""
REFUSED = "on your shelf. Made things open for the one who made them"


class Visitor:
    """A program with a cookie of its own."""

    def __init__(self, server: Server, who: str) -> None:
        self.url, self.cookie = server.url, f"llm-course-visitor-{server.port}={who}" if who else ""
        self.client = Client(server.url, verbose=False, headers={"Cookie": self.cookie})

    def ask(self, path: str, body: object = None) -> tuple[int, str]:
        """Status and text of an answer."""
        data = None if body is None else json.dumps(body).encode()
        given = {"Cookie": self.cookie, "Accept": "application/json, text/event-stream"}
        given |= {"Content-Type": "application/json"} if data else {}
        try:
            request = urllib.request.Request(self.url + path, data, given)
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def call(self, function: str, *values: object) -> str:
        """What a call of the API answers; Gradio's own client would send a file of this machine along."""
        event = json.loads(self.ask(f"/gradio_api/call/{function}", {"data": values})[1])["event_id"]
        return self.ask(f"/gradio_api/call/{function}/{event}")[1]

    def refusal(self, function: str, *values: object) -> str:
        """What a call of the API is refused with."""
        with pytest.raises(Exception) as caught:
            self.client.predict(*values, api_name=f"/{function}")
        return str(caught.value)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The toy on emulated ZeroGPU."""
    scheduler, folder = Scheduler(), tmp_path_factory.mktemp("zerogpu")
    start = "from tests.shared.toy.made import main; main()"
    environment = {**scheduler.environment(folder), "MODEL": str(zoo.folder("llama3"))}
    server = Server(["-c", f"{PRELUDE}\n{start}"], environment)
    yield server
    scheduler.stop()
    server.stop()


@pytest.fixture(scope="module")
def maker(server):
    """Somebody, with the name and a file of what they made."""
    mine = Visitor(server, MINE)
    name, file, listed = mine.client.predict(api_name="/make")
    assert listed == [name]
    path = next(one for one in _paths(mine, name) if one.endswith("config.json"))
    del file
    return mine, name, path


def _paths(visitor: Visitor, name: str) -> list[str]:
    """Where the server keeps the files of a made thing, as its maker learns it."""
    config = json.loads(visitor.ask("/config")[1])["components"]
    figure = next(one["id"] for one in config if one["props"].get("elem_id") == "figure")
    body = {"session_hash": "s", "component_id": figure, "fn_name": "folder", "data": {"name": name}}
    status, text = visitor.ask("/gradio_api/component_server", body)
    assert status == 200, text
    return [] if "on your shelf" in text else [f"{json.loads(text)}/config.json"]


def test_its_maker_opens_it_in_the_process_that_zero_gpu_forked(server, maker):
    mine, name, path = maker
    assert name.startswith("made/a-toy-")
    parameters = sum(one.numel() for one in zoo.opened("llama3").model.parameters())
    found = mine.client.predict(model=name, api_name="/count")
    assert found["said"] == [str(parameters), "copied from zoo/it"]
    status, text = mine.ask(f"/gradio_api/file={path}")
    assert status == 200
    assert json.loads(text)["model_type"] == "llama"
    # what is newer than the process, and what another visitor has: it may be the one forked before
    yours = Visitor(server, YOURS)
    for visitor in (mine, yours):
        newer = visitor.client.predict(api_name="/make")[0]
        assert visitor.client.predict(model=newer, api_name="/count")["said"][0] == str(parameters)


@pytest.mark.parametrize("who", [YOURS, ""], ids=["another", "nobody"])
def test_nobody_else_opens_it_by_api_mcp_link_figure_or_file(server, maker, who):
    mine, name, path = maker
    yours = Visitor(server, who)
    assert REFUSED in yours.refusal("count", name)
    assert REFUSED in yours.refusal("count", f"a+{name}"), "an adapter is named like this"
    body = {"name": "count", "arguments": {"model": name}}
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": body}
    assert REFUSED in yours.ask("/gradio_api/mcp/", call)[1]
    assert "copied from zoo/it" in mine.ask("/gradio_api/mcp/", call)[1]
    assert _paths(yours, name) == []
    quoted = urllib.parse.quote(path)
    around = f"{Path(path).parent}/../model/config.json"
    for route in (f"file={path}", f"file={quoted}", f"file={around}", f"file=/.{path}", f"file/{path}"):
        status, text = yours.ask(f"/gradio_api/{route}")
        assert status == 403, route
        assert "shelf" in text or "not allowed" in text
    record = Path(path).parents[1] / ".made.json"
    assert yours.ask(f"/gradio_api/file={record}")[0] == 403
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    for sent in (file, {"path": path}, path, {"path": f"{Path(path).parent}/./config.json"}):
        said = yours.call("read", sent)
        assert "event: error" in said and "model_type" not in said
    assert "model_type" in mine.call("read", file)
    if who:
        assert name not in yours.client.predict(api_name="/make")[2]
    else:
        assert '["", ' in yours.call("make"), "who cannot come back has no shelf"


def test_rows_open_for_their_maker_alone(server):
    mine = Visitor(server, MINE)
    name, path = mine.client.predict(api_name="/make_rows")
    assert mine.client.predict(dataset=name, api_name="/rows")["rows"] == [{"text": "secret"}]
    assert mine.ask(f"/gradio_api/file={path}") == (200, '{"text": "secret"}\n')
    for who in (YOURS, ""):
        yours = Visitor(server, who)
        assert REFUSED in yours.refusal("rows", name)
        body = {"name": "rows", "arguments": {"dataset": name}}
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": body}
        assert REFUSED in yours.ask("/gradio_api/mcp/", call)[1]
        assert yours.ask(f"/gradio_api/file={path}")[0] == 403
        said = yours.call("read", {"path": path, "meta": {"_type": "gradio.FileData"}})
        assert "event: error" in said and "secret" not in said


def test_a_page_gives_a_cookie_of_its_own_and_links_open_for_the_maker_alone(browser, server):
    context, other = browser.new_context(), browser.new_context()
    try:
        page, stranger = context.new_page(), other.new_page()
        page.goto(server.url)
        page.locator("#make").click()
        code = page.locator(".entrances code")
        code.wait_for()
        made = code.inner_text()
        page.locator("#model input").click()
        page.get_by_role("option", name=made).wait_for()
        page.keyboard.press("Escape")
        assert "event: complete" in page.evaluate(MAKE_ROWS)
        page.reload()
        page.locator("#dataset input").click()
        option = page.get_by_role("option").filter(has_text="kept-")
        option.wait_for()
        rows = option.inner_text().strip("✓ \n")
        (cookie,) = [one for one in context.cookies() if "visitor" in one["name"]]
        assert cookie["httpOnly"]
        assert cookie["sameSite"] == "Lax"
        page.goto(f"{server.url}/?model={made}")
        page.locator("#figure .toy-said").get_by_text("copied from").wait_for()
        stranger.goto(f"{server.url}/?model={made}")
        stranger.locator("#figure [role=alert]").get_by_text(REFUSED.split(".")[0]).wait_for()
        stranger.locator("#model input").click()
        assert stranger.get_by_role("option", name=made).count() == 0
        stranger.locator("#dataset input").click()
        assert stranger.get_by_role("option", name=rows).count() == 0
        page.goto(f"{server.url}/?model={made}&fill=1")
        expect(page.locator("#model input")).to_have_value(made)
        assert page.locator("#figure .toy-said").count() == 0 or not page.locator(".toy-said").inner_text()
    finally:
        context.close()
        other.close()


# In this process


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """Whoever asks, by name: a list whose last is asking now."""
    asking = [MINE]
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    monkeypatch.setattr(files, "_sessions", {})
    monkeypatch.setattr(owner, "visitor", lambda scope=None: asking[-1])
    return asking


def _made(animal: str = "llama3", **settings):
    import shutil

    folder = files.result_folder() / "model"
    shutil.copytree(zoo.folder(animal), folder)
    given = {"says": "merged by ties of", "parents": ["a/b"], "relation": "merge", **settings}
    return shelf.put(folder, given.pop("kind", "model"), given.pop("words", "ties"), **given)


def test_a_name_opens_for_its_maker_while_it_is_in_memory_and_no_longer_than_its_files(mine):
    made = _made()
    assert models.load(made.name).source == "merged by ties of a/b"
    mine.append(YOURS)
    assert models.in_memory(made.name) is None
    for ask in (models.load, hub.local_folder, shelf.check):
        with pytest.raises(VisitorError, match="on your shelf"):
            ask(made.name)
    for sent in (str(made.folder), {"path": f"{made.folder}/../x"}, [{"a": ["x", f"file://{made.folder}"]}]):
        with pytest.raises(VisitorError, match="on your shelf"):
            shelf.check_values(sent, YOURS)
    mine.append(MINE)
    shelf.check_values([str(made.folder)], MINE)
    old = time.time() - files.RESULT_SECONDS - 10
    for path in (made.folder.parent, *made.folder.parent.rglob("*"), made.folder.parent / ".made.json"):
        os.utime(path, (old, old))
    files.sweep()
    assert models.in_memory(made.name) is None
    with pytest.raises(VisitorError, match="make it again"):
        models.load(made.name)


@pytest.mark.parametrize(
    "name",
    ["made/", "made/x", "made/../../etc", "made/ties-" + "a" * 16, "made/ties-../" + "a" * 16, "made/\0"],
)
def test_no_other_text_is_a_name(mine, name):
    _made()
    with pytest.raises(VisitorError, match="on your shelf"):
        shelf.folder_of(name)


def test_a_prompt_may_speak_of_what_is_made(mine):
    shelf.check("a table made/of wood, made/x-y, handmade/ties-abcdefghijklmnop")


def test_chains_read_whole_and_stop_where_something_is_gone(mine):
    first = _made(words="SFT", says="trained from", parents=["base/model"])
    second = _made(words="ties", parents=[first.name, "pirate"])
    third = _made(words="Q4_0", says="quantized to Q4_0 from", parents=[second.name])
    assert [one.name for one in shelf.history(third.name)] == [third.name, second.name, first.name]
    assert second.sentence == f"merged by ties of {first.name}, pirate"
    text = card.card(card.model_head(library="gguf", tags=[], base=[third.name]), made_from=[third.name])
    assert "base/model" in text.split("---")[1], "its card names what is on the Hub"
    assert text.index("quantized to Q4") < text.index("merged by ties of") < text.index("trained from")
    assert "made/" not in text, "a name that opens nowhere else"
    files.remove(second.folder.parent)
    assert [one.name for one in shelf.history(third.name)] == [third.name]


def test_made_things_share_the_room_of_a_visitors_results(mine, monkeypatch):
    monkeypatch.setattr(limits, "MAX_SESSION_BYTES", 1_000_000)
    first = _made()
    for path in (first.folder.parent, *first.folder.parent.rglob("*"), first.folder.parent / ".made.json"):
        os.utime(path, (time.time() - 100,) * 2)
    second = _made()
    _made()
    assert [one.name for one in shelf.listed()].count(first.name) == 0
    assert second.name in [one.name for one in shelf.listed()]


def test_a_push_links_into_the_owners_other_spaces(monkeypatch):
    assert entrances.after_push("me/it", "https://huggingface.co/me/it") == ""
    monkeypatch.setenv("SPACE_ID", "us/merging")
    monkeypatch.delenv("LLM_COURSE_SUITE", raising=False)
    said = entrances.after_push("me/<it>", "https://huggingface.co/me/it")
    assert 'spaces/us/quantization?room=take&amp;model=me%2F%3Cit%3E&amp;fill=1"' in said
    assert "us/merging" not in said and "dedup" not in said
    assert "spaces/us/dedup?" in entrances.after_push("me/it", "https://huggingface.co/datasets/me/it")
    assert entrances.after_push("me/it", "https://huggingface.co/spaces/me/it") == ""
    monkeypatch.setenv("SPACE_ID", "us/another-name")
    assert entrances.after_push("me/it", "https://huggingface.co/me/it") == ""


def test_entrances_lead_where_the_kind_of_thing_is_read(mine, monkeypatch):
    monkeypatch.setenv("LLM_COURSE_SUITE", "1")
    rows = shelf.put(
        files.result_folder(), "rows", "kept <b>", says="cut", parents=["a"], relation="", file="kept.csv"
    )
    for space in ("dedup/?room=duplicates", "finetuning/?room=mask"):
        assert f"../{space}&amp;dataset=made" in entrances.links(rows)
    assert "../evaluation/?room=compare&amp;corpus_dataset=made" in entrances.links(rows)
    sheet = entrances.links(dataclasses.replace(rows, file="kept.xlsx"))
    assert "dedup" in sheet and "finetuning" not in sheet
    merge = _made()
    model = entrances.links(merge)
    assert "../decoding/?room=pair&amp;model=a%2Fb&amp;other=made%2Fties-" in model and "tree=made" in model
    # an instruct model's chat template stays on, where its parent is known to have none it is off
    assert "&amp;chat=1&amp;fill=1" in model
    assert "chat=1" in entrances.links(_made(parents=[merge.name]))
    (merge.folder / "chat_template.jinja").unlink(missing_ok=True)
    stated = json.loads((merge.folder / "tokenizer_config.json").read_text())
    stated.pop("chat_template", None)
    (merge.folder / "tokenizer_config.json").write_text(json.dumps(stated))
    assert "chat=0" in entrances.links(_made(parents=[merge.name]))
    assert entrances.links(None) == ""
    monkeypatch.delenv("LLM_COURSE_SUITE")
    assert "push it" in entrances.links(rows)
    vector = shelf.put(files.result_folder(), "vector", "v", says="", parents=[], relation="", file="v.gguf")
    for read, made, says in (
        (shelf.folder_of, rows, "no model. Name it where a dataset"),
        (shelf.folder_of, vector, "no model. Name it in abliteration"),
        (shelf.rows_of, vector, "no dataset. Name it in abliteration"),
        (shelf.rows_of, _made(), "no dataset. Name it where a model"),
    ):
        with pytest.raises(VisitorError, match=says):
            read(made.name)
