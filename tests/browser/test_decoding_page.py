"""The decoding page in a browser, as a visitor uses it: decode, play, branch, share, export, and reopen
offline.
"""

from __future__ import annotations

import html
import io
import json
import re

import pytest
from PIL import Image, ImageChops, ImageStat
from playwright.sync_api import Page, expect

from tests.browser.harness import SMALL, WIDE, axe_in_views, downloaded, opened, unfold


@pytest.fixture
def page(browser, suite_url):
    """The page with its stored example, and the errors that the browser reported."""
    with opened(browser, f"{suite_url}/decoding/", "#figure .decoding-figure") as page:
        yield page


def decode(page: Page, prompt: str) -> None:
    """Write a prompt, press Decode and wait until the figure is complete."""
    page.locator("#prompt textarea").fill(prompt)
    page.locator("#decode").click()
    finished(page, prompt)


def finished(page: Page, prompt: str) -> None:
    """Wait for the run of a prompt: the panel's code follows when it is done."""
    expect(page.locator("#panel pre").first).to_contain_text(prompt[:20], timeout=90_000)
    expect(page.locator("#figure figcaption")).to_contain_text(prompt[:20])
    expect(page.locator("#figure .running")).to_be_hidden()


def test_the_first_paint_is_a_stored_result(page):
    expect(page.locator("#figure figcaption")).to_contain_text("lighthouse")
    expect(page.locator("#figure")).to_contain_text("stored example")
    expect(page.locator("#figure")).to_contain_text("dequantized from Q4_1")


def test_decode_then_play_with_the_chain_without_a_request(page):
    decode(page, "My cat is called")
    expect(page.locator("#figure")).not_to_contain_text("stored example")
    page.locator(".stage[data-stage=top_k] input[type=checkbox]").check()
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    slider = page.locator(".stage[data-stage=top_k] input[type=range]")
    slider.focus()
    slider.fill("3")
    expect(page.locator(".sampler-odds")).to_contain_text("3 of 49,152 tokens stay")
    expect(page.locator(".cut-line")).to_contain_text("cut by top_k 3")
    assert requests == []


def test_the_whole_vocabulary_is_fetched_where_the_cut_lies_past_what_was_sent(page):
    page.locator(".stage[data-stage=temperature] input[type=checkbox]").check()
    page.locator(".stage[data-stage=temperature] input[type=number]").fill("1.9")
    page.locator(".stage[data-stage=top_p] input[type=checkbox]").check()
    page.locator(".stage[data-stage=top_p] input[type=number]").fill("0.95")
    told = page.locator(".stage[data-stage=top_p] .told")
    expect(told).to_contain_text("left", timeout=30_000)
    kept = int(told.inner_text().split(": ")[1].split(" left")[0].replace(",", ""))
    assert kept > 1000


def test_a_token_says_why(page):
    page.locator("#figure").get_by_text("·into").first.click()
    page.get_by_role("button", name="Why this token?").click()
    card = page.locator("#figure .why-card")
    expect(card.locator("h2")).to_have_text("Why ·into", timeout=60_000)
    expect(card).to_contain_text(re.compile(r"likeliest from layer \d+ of 30 on"))
    expect(card).to_contain_text(re.compile(r"“·stepped” matters most: without it the model gives \d+\s%"))
    expect(card.locator(".why-token")).to_have_count(9)


def test_any_token_can_be_named(page):
    page.get_by_label("Probability of a token that you name").fill("zebra")
    expect(page.locator(".named-answer")).to_contain_text("rank", timeout=30_000)
    expect(page.locator(".named-answer")).to_contain_text("·zebra")


def test_stages_can_be_reordered_by_key_and_by_mouse(page):
    names = lambda: page.locator(".stage").evaluate_all("cards => cards.map(card => card.dataset.stage)")  # noqa: E731
    assert names()[:2] == ["temperature", "top_k"]
    page.get_by_label("Move temperature down").click()
    assert names()[:2] == ["top_k", "temperature"]
    handle = page.locator(".stage[data-stage=min_p] .handle")
    target = page.locator(".stage[data-stage=top_k]")
    handle.hover()
    page.mouse.down()
    box = target.bounding_box()
    page.mouse.move(box["x"] + 30, box["y"] + 10, steps=4)
    page.mouse.up()
    assert names()[0] == "min_p"


def test_settings_of_the_chain_decode(page):
    page.locator("#figure [role=treeitem]").first.focus()
    page.locator(".stage[data-stage=top_k] input[type=checkbox]").check()
    page.locator(".stage[data-stage=top_k] input[type=number]").fill("2")
    page.get_by_role("button", name="Sample with these settings").click()
    expect(page.locator("#figure")).not_to_contain_text("stored example", timeout=60_000)
    expect(page.locator("#figure .running")).to_be_hidden(timeout=60_000)
    names = page.locator("#figure .key li")
    expect(names).to_have_count(4)
    assert names.nth(0).inner_text() == "greedy", "it is still what it says"
    assert names.nth(1).inner_text().startswith("sample, ")
    page.get_by_text("Code", exact=True).click()
    expect(page.locator("#panel pre").first).to_contain_text("top_k=2", timeout=60_000)


def branch(page: Page) -> None:
    """Continue from a candidate that was not taken."""
    page.get_by_role("treeitem", name="let").first.click()
    page.get_by_role("button", name="Continue from here").click()
    expect(page.locator("#figure .key li")).to_have_count(4, timeout=60_000)
    expect(page.locator("#figure .running")).to_be_hidden(timeout=60_000)


def test_branch_and_undo(page):
    branch(page)
    expect(page.locator("#figure .key")).to_contain_text("→ let")
    page.locator("#figure .key").get_by_role("button", name="Remove").click()
    expect(page.locator("#figure .key li")).to_have_count(3)


def test_the_link_reproduces_the_figure(page, suite_url):
    decode(page, "A short walk")
    branchless = texts(page)
    expect(page).to_have_url(re.compile(r"prompt=A\+short\+walk"), timeout=20_000)
    again = page.context.new_page()
    again.goto(page.url)
    finished(again, "A short walk")
    assert texts(again) == branchless


def texts(page: Page) -> list[str]:
    """Every run's text, from the text view."""
    page.get_by_role("tab", name="Text", exact=True).click()
    expect(page.locator("#figure .prose").first).to_be_visible()
    return page.locator("#figure .prose").all_inner_texts()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, SMALL], ids=["wide", "narrow"])
def test_the_export_opens_from_disk_without_a_network(page, browser, tmp_path, scheme, size):
    with downloaded(page, browser, tmp_path / "figure.html", size=size, scheme=scheme) as export:
        expect(export.locator("figcaption")).to_contain_text("lighthouse")
        export.get_by_role("tab", name="Beams").click()
        export.get_by_role("tab", name="Tree").click()
        assert export.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        background = export.evaluate(
            "getComputedStyle(document.querySelector('.decoding-figure')).backgroundColor"
        )
        assert background == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(15, 17, 21)")


BLOG = """<iframe src=figure.html width=600 height=200></iframe><script>
addEventListener("message", (event) => {
  window.told = event.data;
  document.querySelector("iframe").height = event.data.height;
});
</script>"""


def test_an_export_reports_its_height_to_the_page_around_it(page, browser, tmp_path):
    from decoding import presets
    from shared.figure import standalone_html
    from shared.suite import ROOT

    folder = ROOT / "spaces/decoding"
    data = json.loads((folder / f"examples/{next(iter(presets.EXAMPLES))}.json").read_text())
    (tmp_path / "figure.html").write_text(standalone_html(data, folder / "decoding/js", title="Decoding"))
    (tmp_path / "blog.html").write_text(BLOG)
    blog = page.context.new_page()
    blog.goto((tmp_path / "blog.html").as_uri())
    blog.wait_for_function("window.told && window.told.height > 300")
    blog.wait_for_timeout(600)  # the details follow the picture
    first = blog.evaluate("window.told.height")
    blog.wait_for_timeout(600)
    assert blog.evaluate("window.told.height") == first  # and does not grow without end


def test_no_sideways_scrolling_on_a_phone(browser, suite_url):
    context = browser.new_context(viewport=SMALL)
    page = context.new_page()
    page.goto(f"{suite_url}/decoding/")
    expect(page.locator("#figure .decoding-figure")).to_be_visible(timeout=30_000)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    context.close()


def test_errors_stand_where_the_figure_would(page):
    for prompt, sentence in (("", "The prompt is empty"), ("word " * 1500, "tokens; the limit is")):
        page.locator("#prompt textarea").fill(prompt)
        page.locator("#decode").click()
        expect(page.locator("#figure [role=alert]")).to_contain_text(sentence, timeout=30_000)
    decode(page, "The app goes on")


def test_markup_in_prompt_and_tokens_stays_text(page):
    decode(page, "<img src=x onerror=alert(1)><b>bold</b> שלום")
    expect(page.locator("#figure figcaption")).to_contain_text("<img src=x onerror=alert(1)>")
    assert page.locator("#figure img").count() == 0
    assert page.locator("#figure b b").count() == 0


def test_pasting_a_generation_config_sets_the_controls(page):
    unfold(page, "Advanced")
    form_field = page.locator("input[type=text], textarea").and_(page.get_by_label("top_p", exact=True))
    expect(form_field).to_have_value("", timeout=15_000)
    page.locator("#strategies textarea").fill(
        json.dumps({"do_sample": True, "top_p": 0.55, "max_new_tokens": 7, "eos_token_id": 2})
    )
    page.locator("#prompt textarea").click()
    expect(form_field).to_have_value("0.55", timeout=10_000)
    expect(page.get_by_label("number input for max_new_tokens")).to_have_value("7")


def test_cancel_keeps_what_there_is(page):
    unfold(page, "Advanced")
    page.get_by_label("number input for max_new_tokens").fill("128")
    page.keyboard.press("Tab")
    page.locator("#prompt textarea").fill("A very long story begins")
    page.locator("#decode").click()
    expect(page.locator("#figure figcaption")).to_contain_text("A very long story", timeout=30_000)
    page.locator("#cancel").click()
    expect(page.locator("#figure .tags")).to_contain_text("stopped early", timeout=15_000)
    expect(page.locator("#figure .running")).to_be_hidden(timeout=15_000)
    expect(page.locator("#cancel")).to_have_text("Cancel", timeout=30_000)
    assert page.locator("#figure [role=treeitem]").count() > 3


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_beyond_gradios_own(browser, suite_url, scheme):
    """Rules that Gradio's own widgets break are recorded; the figure itself breaks none."""
    url, first = f"{suite_url}/decoding/?__theme={scheme}", "#figure .decoding-figure"
    with opened(browser, url, first, color_scheme=scheme) as page:
        axe_in_views(page, ["Tree", "Probability area", "Beams", "Text", "Table"])


def test_the_panel_gives_code_link_and_snippets(page, suite_url):
    page.get_by_text("Code", exact=True).click()
    expect(page.locator("#panel pre").first).to_contain_text(
        "model.generate(**inputs, max_new_tokens=20, do_sample=False, num_beams=5)"
    )
    page.get_by_text("Share and embed").click()
    link = page.locator("#panel pre").nth(1).inner_text()
    assert link.startswith(f"{suite_url}/decoding/?room=decode&prompt=The+lighthouse")
    assert page.locator("#panel pre").nth(2).inner_text().startswith('<iframe src="http')
    assert "<gradio-app src=" in page.locator("#panel pre").last.inner_text()


def test_a_link_holds_the_open_view_and_may_show_it_alone(page, browser, suite_url):
    def picture(of) -> Image.Image:
        of.wait_for_timeout(300)
        return Image.open(io.BytesIO(of.locator("#figure svg:visible").first.screenshot())).convert("RGB")

    page.get_by_text("Share and embed").click()
    snippets = page.locator("#panel details").last.locator("pre")
    assert "view=" not in snippets.first.inner_text()
    page.locator("#figure").get_by_role("tab", name="Probability area").click()
    expect(snippets.first).to_contain_text("&view=area")
    link, alone = snippets.first.inner_text(), snippets.nth(2).inner_text().split('"')[1]
    with opened(browser, link, "#figure .course-figure") as other:
        expect(other.locator("#figure [data-view=area]")).to_have_attribute("aria-selected", "true")
        assert ImageStat.Stat(ImageChops.difference(picture(page), picture(other))).mean < [0.5] * 3
    with opened(
        browser, html.unescape(alone), "#figure .course-figure", viewport={"width": 640, "height": 600}
    ) as other:
        expect(other.locator("#figure .course-figure.alone [data-view=area]")).to_be_visible()
        frame = other.locator("#figure .course-figure").bounding_box()
        assert (frame["x"], frame["y"], frame["width"]) == (0, 0, 640)
        other.keyboard.press("Tab")
        inside = "document.activeElement.closest('.course-figure') !== null"
        assert other.evaluate(inside), "what is covered cannot be reached"


def test_the_form_and_the_json_follow_each_other(page):
    unfold(page, "Advanced")
    beams = page.get_by_label("num_beams", exact=True)
    expect(beams).to_have_value("", timeout=15_000)
    beams.fill("3")
    page.keyboard.press("Tab")
    expect(page.locator("#strategies textarea")).to_have_value(
        re.compile(r'"name": "greedy", "num_beams": 3'), timeout=10_000
    )


def test_the_selector_and_the_json_are_one_state(page):
    """What is written, pasted or opened as an example is chosen above; a choice above keeps the rest."""
    names, text = page.locator("#names"), page.locator("#strategies textarea")
    expect(names).to_contain_text("nucleus .9")
    unfold(page, "Advanced")
    text.fill('[{"name": "mine", "num_beams": 3}]')
    expect(names).to_contain_text("mine", timeout=10_000)
    expect(names).not_to_contain_text("nucleus .9")
    names.locator("input").click()
    page.get_by_role("option", name="top-k 50").click()
    expect(text).to_have_value(
        re.compile(r'"name": "mine".*"num_beams": 3.*"top-k 50"', re.DOTALL), timeout=10_000
    )
    page.get_by_role("button", name="Hot and cold answers").click()
    expect(names).to_contain_text("warm: temperature 1.5", timeout=10_000)
    expect(names).not_to_contain_text("mine")


def test_what_of_a_pasted_file_is_not_used_is_listed(page):
    unfold(page, "Advanced")
    published = {
        "do_sample": True,
        "top_k": 64,
        "cache_implementation": "hybrid",
        "transformers_version": "4.50.0",
    }
    page.locator("#strategies textarea").fill(json.dumps(published))
    page.locator("#prompt textarea").click()
    expect(page.get_by_text("Not used here: cache_implementation.")).to_be_visible(timeout=10_000)
    expect(page.locator("#strategies textarea")).to_have_value(re.compile('^\\[.*"top_k": 64', re.DOTALL))
