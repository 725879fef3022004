"""What a link shows where it is pasted: the head of every page, read as the programs read it that draw it."""

from __future__ import annotations

import importlib
import io
import urllib.parse
import urllib.request
from html.parser import HTMLParser

import pytest
from PIL import Image

from shared import preview, suite
from shared.app import App, Entrance

CRAWLER = {"User-Agent": "facebookexternalhit/1.1", "Accept": "*/*"}


class Head(HTMLParser):
    """Title and metadata of a page, each by its name; `twice` lists those that stand there twice."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: dict[str, str] = {}
        self.twice: list[str] = []
        self.title = self.inside = False
        self.feed(text.split("</head>")[0])

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        told = dict(attributes)
        self.inside = tag == "title"
        name = told.get("property") or told.get("name")
        if tag == "meta" and name:
            self.twice += [name] if name in self.found else []
            self.found[name] = told.get("content") or ""

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.found["title"] = data
            self.inside = False


def read(url: str) -> Head:
    """The head as such a program gets it: it follows redirects, keeps no cookie and runs no script."""
    with urllib.request.urlopen(urllib.request.Request(url, headers=CRAWLER), timeout=60) as answer:
        return Head(answer.read().decode())


def size_of(url: str) -> tuple[int, int]:
    with urllib.request.urlopen(url, timeout=60) as answer, Image.open(io.BytesIO(answer.read())) as picture:
        assert answer.headers["Content-Type"] == "image/png"
        return picture.size


@pytest.fixture(scope="module")
def rooms() -> dict[str, dict[str, Entrance]]:
    """Of every Space what links to it may open."""
    return {space: suite.load_app(space).demo.rooms for space in suite.names()}


def test_every_room_and_every_stored_result_has_a_picture(rooms):
    """And no picture is left of one that is no more."""
    for space, known in rooms.items():
        folder = suite.ROOT / "spaces" / space
        examples = preview.examples(folder)
        linked = {f"{run}?{query}" for run, entrance in known.items() for query in entrance.stored}
        assert set(examples) == linked, f"{space}: make screenshots"
        files = {path.stem for path in (folder / "preview").glob("*.png")}
        pictures = {entrance.picture for entrance in known.values()}
        assert files == pictures | {one["picture"] for one in examples.values()}, space


def test_a_link_to_a_stored_result_shows_that_result(suite_url, rooms):
    """However its query is put, and whatever it says of the view."""
    for space, known in rooms.items():
        run, entrance = max(known.items(), key=lambda one: len(one[1].stored))
        query = entrance.stored[-1]
        example = preview.examples(suite.ROOT / "spaces" / space)[f"{run}?{query}"]
        found = read(f"{suite_url}/{space}/?{query}&view=x&seen=%7B%7D&room={run}").found
        assert found["og:title"] == f"{example['title']} · {entrance.title}" == found["title"]
        assert found["og:description"] == example["sentence"] != ""
        assert found["og:image"] == f"{suite_url}/{space}/preview/{example['picture']}.png"
        assert size_of(found["og:image"]) == preview.SIZE
        wrong = f"{query.partition('=')[0]}=another"  # the last one counts
        other = read(f"{suite_url}/{space}/?room={run}&{query}&{wrong}").found
        assert other["og:title"] == entrance.title, "another request, or none that can be read"


def test_links_show_the_page_or_the_room_that_they_open(suite_url, rooms):
    for space, known in rooms.items():
        for room, entrance in [("", next(iter(known.values()))), list(known.items())[-1]]:
            query = f"?room={room}&model=x" if room else ""
            head = read(f"{suite_url}/{space}/{query}")
            assert head.twice == []
            found = head.found
            assert found["title"] == found["og:title"] == found["twitter:title"]
            assert room == "" or found["title"] == entrance.title
            assert found["og:description"] == found["description"] != ""
            assert found["og:url"] == f"{suite_url}/{space}/{query}"
            assert found["og:image"] == found["twitter:image"]
            assert found["og:image"] == f"{suite_url}/{space}/preview/{entrance.picture}.png"
            assert size_of(found["og:image"]) == preview.SIZE
            said = " ".join(found.values()).lower()
            assert "gradio" not in said and "click to try" not in said


def test_the_landing_page_and_the_article_have_one_too(suite_url):
    for path in ("/", "/article/", "/article"):
        head = read(f"{suite_url}{path}")
        found = head.found
        assert head.twice == [] and found["og:title"] == found["title"] == suite.TITLE
        assert found["og:url"] == f"{suite_url}{path.rstrip('/')}/"
        assert found["og:image"] == f"{suite_url}/preview.png" and size_of(found["og:image"]) == preview.SIZE
    with urllib.request.urlopen(f"{suite_url}/favicon.ico", timeout=60) as icon:  # every browser asks for it
        assert icon.headers["content-type"] == "image/svg+xml" and icon.read().startswith(b"<svg")


def test_a_permalink_of_a_visitors_own_run_shows_its_room(suite_url, rooms):
    """And nothing of a result that it does not have; the links are those that a second visit opens."""
    for space, known in rooms.items():
        links = importlib.import_module(f"tests.{space}.links").LINKS
        for _, pairs in links.values():
            room = dict(pairs).get("room", "")
            query = urllib.parse.urlencode(pairs)
            found = read(f"{suite_url}/{space}/?{query}").found
            entrance = known.get(room, next(iter(known.values())))
            assert found["og:title"].endswith(entrance.title if room else known_title(space)), (space, query)
            assert urllib.parse.parse_qsl(urllib.parse.urlsplit(found["og:url"]).query) == [
                (key, str(value)) for key, value in pairs
            ]
            assert size_of(found["og:image"]) == preview.SIZE


def known_title(space: str) -> str:
    """A page's title, which its links have where they name no room."""
    return str(suite.load_app(space).demo.title)


def test_what_a_link_says_stays_text(suite_url):
    hostile = '"><script>alert(1)</script><meta property="og:title" content="x'
    for query in (urllib.parse.urlencode({"room": hostile}), urllib.parse.urlencode({hostile: hostile})):
        url = f"{suite_url}/decoding/?{query}"
        with urllib.request.urlopen(url, timeout=60) as answer:
            assert "<script>alert" not in answer.read().decode().split("gradio_config")[0]
        head = read(url)
        assert head.twice == [] and head.found["og:title"].startswith("Decoding")
        assert urllib.parse.parse_qs(head.found["og:url"].partition("?")[2]) == urllib.parse.parse_qs(query)


def test_no_other_file_is_a_picture(suite_url):
    for name in ("..%2Fcard", "%2e%2e%2fdocs%2ftree", "none", "card"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{suite_url}/decoding/preview/{name}.png", timeout=60)
        assert refused.value.code == 404


def test_on_the_hub_a_link_is_that_of_the_hubs_page(monkeypatch, tmp_path):
    demo = App(title="A page")
    demo.rooms = {"first": Entrance("First", "figure", "first"), "other": Entrance("Other", "o", "other")}
    demo.folder = tmp_path
    root = "https://me-demo.hf.space"
    assert Head(preview.of_page(demo, root, "", "")).found["og:url"] == f"{root}/"
    assert "og:image" not in Head(preview.of_page(demo, root, "other", "")).found, "there is none yet"
    (tmp_path / "preview").mkdir()
    Image.new("RGB", preview.SIZE).save(tmp_path / "preview" / "other.png")
    monkeypatch.setenv("SPACE_ID", "me/demo")
    found = Head(preview.of_page(demo, root, "other", "room=other&a=1")).found
    assert found["og:url"] == "https://huggingface.co/spaces/me/demo?room=other&a=1"
    assert (found["og:title"], found["og:image"]) == ("Other", f"{root}/preview/other.png")
