"""The example post as a reader opens it: five figures from files, a live demo in a frame, one as a web
component.
"""

from __future__ import annotations

import importlib.util
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import gradio
import pytest
from playwright.sync_api import expect

from tests.conftest import ROOT

COMPONENT = Path(gradio.__file__).parent / "templates" / "frontend"


@pytest.fixture(scope="module")
def make_post():
    """The script that writes the post."""
    spec = importlib.util.spec_from_file_location("make_post", ROOT / "examples" / "blog" / "make_post.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def post_url(make_post, suite_url, tmp_path_factory):
    """The post on a server of its own, its live demos those of the running suite."""
    folder = tmp_path_factory.mktemp("blog")
    make_post.write(folder, suite_url)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_figures_fit_settle_and_ask_nobody(browser, make_post, post_url, width, scheme):
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    asked: list[tuple[str, str]] = []
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: asked.append((request.frame.url, request.url)))
    page.route("https://gradio.s3-us-west-2.amazonaws.com/**", lambda route: route.abort())
    page.goto(post_url)
    for space in make_post.FIGURES:
        frame = page.locator(f'iframe[src="figures/{space}.html"]')
        frame.scroll_into_view_if_needed()
        inside = page.frame_locator(f'iframe[src="figures/{space}.html"]')
        expect(inside.locator(".figure-title")).to_be_visible(timeout=30_000)
        page.wait_for_timeout(400)
        first = frame.bounding_box()["height"]
        page.wait_for_timeout(600)
        assert frame.bounding_box()["height"] == first, f"{space} grows"
        content = page.frame(url=lambda url, space=space: url.endswith(f"/{space}.html"))
        sizes = content.evaluate(
            "[document.documentElement.scrollWidth, innerWidth,"
            " document.documentElement.scrollHeight, innerHeight]"
        )
        assert sizes[0] <= sizes[1], f"{space} is clipped at the side"
        assert sizes[2] <= sizes[3] + 1, f"{space} is clipped below"
        assert 150 < first < 4_000
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    others = [url for frame, url in asked if "/figures/" in frame and not url.startswith(post_url)]
    assert others == [] and problems == []
    context.close()


def test_the_live_demo_shows_the_link_and_the_component_its_defaults(browser, post_url, suite_url):
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()

    def component(route):
        name = route.request.url.partition(f"/{gradio.__version__}/")[2].split("?")[0]
        route.fulfill(path=COMPONENT / name) if (COMPONENT / name).is_file() else route.abort()

    page.route(
        "https://gradio.s3-us-west-2.amazonaws.com/**", component
    )  # the very files, from the installed package
    page.goto(post_url)
    page.locator("iframe.live").scroll_into_view_if_needed()
    live = page.frame_locator("iframe.live")
    expect(live.locator("#figure")).to_contain_text("The cat sat on", timeout=120_000)
    expect(live.locator("#figure .figure-title")).to_be_visible(timeout=120_000)
    page.locator("gradio-app").scroll_into_view_if_needed()
    expect(page.locator("gradio-app")).to_contain_text("near-duplicate", timeout=60_000)
    context.close()
