"""The course as one article: each title is that of its figure, and the page asks nobody for anything."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import expect

from shared import article, deploy, suite
from tests.browser.harness import axe_finds, watch

ADDRESS = "https://example.org/{space}/"
FINDINGS = {finding.example: finding for finding in article.FINDINGS}


@pytest.fixture(scope="module")
def page_of_findings(tmp_path_factory):
    return article.write(tmp_path_factory.mktemp("article"), ADDRESS)


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (360, "light")])
def test_every_figure_stands_under_its_title_and_nobody_is_asked(browser, page_of_findings, width, scheme):
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    problems, asked = watch(page), []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(page_of_findings.as_uri())
    for frame in page.locator("iframe").all():
        frame.scroll_into_view_if_needed()
        expect(frame.content_frame.locator(".figure-title, [role=tablist]").first).to_be_visible()
        expect(frame).to_have_attribute("style", re.compile(r"height: \d{3,4}px"))
    assert not problems and all(url.startswith("file:") for url in asked)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert axe_finds(page, "main") == []
    frame = page.locator("iframe").first.content_frame
    frame.get_by_role("tab", name="Clusters").click()
    expect(frame.locator(".figure-credit a")).to_have_attribute("href", re.compile("&view=clusters$"))
    expect(page.locator("a.live").first).to_have_attribute("href", re.compile("&view=clusters$"))
    frame.get_by_role("tab", name="Threshold").click()
    expect(page.locator("a.live").first).to_have_attribute("href", article.FINDINGS[0].link(ADDRESS))
    context.close()


def test_a_title_says_what_its_data_says():
    """Where the data changes, so does the title."""
    for finding in article.FINDINGS:
        assert re.search(r"\d", finding.title(finding.data())), finding.example
    rows = FINDINGS["kitchen"].data()
    assert f"{rows['rows'] - rows['kept']} of {rows['rows']}" in FINDINGS["kitchen"].title(rows)
    child = FINDINGS["merge"].data()
    model = next(model for model in child["models"] if model["role"] == "child")
    others = model["answers"][len(child["prompts"]["cooking"]) :]
    said = sum(answer["text"].startswith("Arr") for answer in others)
    assert f"to {said} of {len(others)} questions" in FINDINGS["merge"].title(child)


def test_the_link_of_a_figure_names_its_stored_result():
    """Which its Space shows without a run."""
    for finding in article.FINDINGS:
        room = suite.load_app(finding.space).demo.rooms[finding.room]
        address, _, query = finding.link(ADDRESS).partition("?")
        assert address == f"https://example.org/{finding.space}/"
        assert query.partition("&")[2] in room.stored, finding.example


def test_the_gallery_is_a_static_space_that_links_to_its_neighbours(tmp_path, monkeypatch):
    monkeypatch.setattr(deploy, "ROOT", tmp_path)
    folder, repository, hardware, files = deploy.plan("gallery", "me")
    assert (repository, hardware) == ("me/llm-course-article", deploy.NONE)
    assert {"index.html", "README.md", "figures/tree.html"} <= {path for path, _ in files}
    text = (folder / "index.html").read_text(encoding="utf-8")
    links = re.findall(r'href="(https://[^"]+)"', text)
    assert len(links) == len(article.FINDINGS)
    assert {link.split("?")[0].rpartition("/")[2] for link in links} <= set(suite.names())
    assert all(link.startswith("https://huggingface.co/spaces/me/") for link in links)
    assert json.dumps("static") in (folder / "README.md").read_text(encoding="utf-8")


def test_the_suite_shows_it_and_its_links_stay_there(browser, suite_url):
    page = browser.new_page()
    problems = watch(page)
    page.goto(suite_url)
    page.get_by_role("link", name="the course as one article").click()
    expect(page.locator("h1")).to_have_text(suite.TITLE)
    expect(page.locator("iframe").first.content_frame.locator("[role=tablist]").first).to_be_visible()
    frame = page.locator("iframe").first.content_frame
    frame.get_by_role("tab", name="Clusters").click()
    frame.locator(".cluster-item").nth(2).click()
    link = page.get_by_role("link", name="Make your own: Dedup")
    expect(link).to_have_attribute("href", re.compile(r"&view=clusters&seen="))
    chosen = frame.locator(".cluster-item[aria-current], .cluster-item[aria-pressed=true]").all_inner_texts()
    link.click()
    figure = page.locator("#figure .course-figure")
    expect(figure.get_by_role("tab", name="Clusters")).to_have_attribute(
        "aria-selected", "true", timeout=60_000
    )
    expect(figure).to_have_attribute("data-seen", re.compile("row"))
    assert (
        chosen
        == figure.locator(".cluster-item[aria-current], .cluster-item[aria-pressed=true]").all_inner_texts()
    )
    expect(page).to_have_url(re.compile(f"^{suite_url}/dedup/"))
    assert not problems
    page.close()
