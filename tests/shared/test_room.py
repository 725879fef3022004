"""A room in a browser, as a visitor uses it, and on ZeroGPU."""

from __future__ import annotations

import re
from pathlib import Path

import gradio as gr
import pytest
from playwright.sync_api import Page, expect

from shared.room import control_value
from tests.browser.harness import opened
from tests.conftest import Server
from tests.shared.zerogpu import PRELUDE, Scheduler


@pytest.fixture
def page(browser, toy_url):
    """The toy's page with its stored figure."""
    with opened(browser, toy_url, "#figure .toy-said") as page:
        yield page


def write(page: Page, **values: object) -> None:
    """Fill in fields by their ids."""
    for name, value in values.items():
        field = page.locator(f"#{name} textarea, #{name} input").first
        field.set_checked(value) if isinstance(value, bool) else field.fill(str(value))
        field.press("Tab")


def expect_said(page: Page, words: str, state: str = "done", figure: str = "#figure") -> None:
    expect(page.locator(f"{figure} .toy-said")).to_have_text(words, timeout=20_000)
    expect(page.locator(f"{figure} .toy-state")).to_have_text(state, timeout=20_000)


def expect_alert(page: Page, sentences: str, figure: str = "#figure") -> None:
    expect(page.locator(f"{figure} [role=alert]")).to_have_text(sentences, timeout=20_000)


def expect_values(page: Page, **values: str) -> None:
    for name, value in values.items():
        expect(page.locator(f"#{name} textarea, #{name} input").first).to_have_value(value)


def code(page: Page) -> str:
    """The program below the open room's figure."""
    return page.locator("#panel pre").first.text_content() or ""


# A run


def test_the_first_paint_is_the_stored_figure(page):
    expect_said(page, "stored! stored! stored!", "example")
    assert code(page) == "print('stored' * 3)  # say\n"
    assert "?" not in page.url, "a stored figure is no visit of one's own"


def test_a_run_fills_figure_panel_and_address(page):
    write(page, word="ha", times=2)
    page.locator("#say").click()
    expect_said(page, "ha! ha!")
    expect(page).to_have_url(re.compile(r"\?room=say&word=ha&times=2$"))
    assert code(page) == "print('ha' * 2)  # say\n"
    assert page.locator("#panel pre").nth(1).text_content() == page.url, "the permalink"


def test_enter_starts_the_run_too(page):
    page.locator("#word textarea, #word input").fill("ho")
    page.keyboard.press("Enter")
    expect_said(page, "ho! ho! ho!")


def test_pasted_text_counts_as_typed_text(page):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate("navigator.clipboard.writeText('pasted')")
    page.locator("#word textarea, #word input").select_text()
    page.keyboard.press("Control+V")
    page.locator("#say").click()
    expect_said(page, "pasted! pasted! pasted!")


def test_a_figure_grows_while_its_run_goes_on(page):
    write(page, word="ha", times=5, pace=0.3)
    page.locator("#say").click()
    expect(page.locator("#figure .toy-state")).to_have_text("running", timeout=20_000)
    expect_said(page, "ha! ha! ha! ha! ha!")


def test_a_second_click_while_a_run_goes_on_starts_no_second_run(page):
    write(page, word="ha", times=3, pace=0.2)
    page.locator("#say").dblclick()
    expect_said(page, "ha! ha! ha!")
    page.wait_for_timeout(500)
    expect_values(page, note="3")


def test_a_run_gets_and_sets_what_stands_beside_the_request(page):
    write(page, word="ha", note="before")
    page.locator("#say").click()
    expect_said(page, "ha! ha! ha!")
    expect_values(page, note="before 3")


def test_two_runs_in_one_room(page):
    write(page, word="abc")
    page.locator("#reverse").click()
    expect_said(page, "cba! cba! cba!")
    expect(page).to_have_url(re.compile(r"\?room=reverse&word=abc$"))
    assert code(page).endswith("# reverse\n")
    page.locator("#say").click()
    expect_said(page, "abc! abc! abc!")
    expect(page).to_have_url(re.compile(r"\?room=say&word=abc$"))


def test_two_visitors_get_their_own(browser, toy_url):
    with opened(browser, toy_url, "#figure") as one, opened(browser, toy_url, "#figure") as other:
        for page, word in ((one, "one"), (other, "other")):
            write(page, word=word, pace=0.1)
            page.locator("#say").click()
        for page, word in ((one, "one"), (other, "other")):
            expect_said(page, f"{word}! {word}! {word}!")
            page.locator("#figure").get_by_role("button", name="Shout").click()
            expect_said(page, f"{word}!!! {word}!!! {word}!!!")


# Errors


@pytest.mark.parametrize(
    ("values", "sentences"),
    [
        ({"word": ""}, "There is no word. Write one."),
        ({"word": "ha", "ending": "."}, "ending is “.”. Choose one of !, ?, …, or leave it empty."),
        ({"word": "ha", "ending": "?", "loud": True}, "A question is not loud. Choose another ending."),
        ({"word": "impossible"}, "That word cannot be said. Say another."),
        (
            {"word": "bug"},
            "The demo failed in a way it should not (ValueError). Try again, and report it if it persists.",
        ),
    ],
)
def test_an_error_stands_in_the_figures_place_and_the_page_goes_on(page, values, sentences):
    write(page, **values)
    page.locator("#say").click()
    expect_alert(page, sentences)
    if values["word"] != "bug":
        expect_values(page, note="cleared")
    write(page, word="again", ending="!", loud=False)
    page.locator("#say").click()
    expect_said(page, "again! again! again!")


# Cancel


def test_cancel_keeps_what_there_is_and_the_next_run_is_whole(page):
    write(page, word="ha", times=400, pace=0.1)
    page.locator("#say").click()
    expect(page.locator("#figure .toy-said")).to_contain_text("ha! ha!", timeout=20_000)
    page.locator("#cancel").click()
    expect(page.locator("#figure .toy-state")).to_have_text("stopped", timeout=20_000)
    count = len((page.locator("#figure .toy-said").text_content() or "").split())
    expect(page.locator("#cancel")).to_have_text("Cancel", timeout=20_000)
    page.wait_for_timeout(400)
    assert len((page.locator("#figure .toy-said").text_content() or "").split()) == count < 400
    write(page, word="ho", times=2, pace=0)
    page.locator("#say").click()
    expect_said(page, "ho! ho!")


def test_cancel_says_so_where_a_stopped_run_has_nothing_to_show(page):
    page.get_by_role("tab", name="Sing").click()
    write(page, song="la", verses=400, rest=0.1)
    page.locator("#sing").click()
    expect(page.locator("#song-figure .toy-said")).to_contain_text("la!", timeout=20_000)
    page.locator("#hush").click()
    expect_alert(page, "The song was cut short. Sing again.", "#song-figure")
    expect(page.locator("#hush")).to_have_text("Cancel", timeout=20_000)
    write(page, verses=2, rest=0)
    page.locator("#sing").click()
    expect_said(page, "la! la!", figure="#song-figure")


def test_cancel_without_a_run_changes_nothing(page):
    page.locator("#cancel").click()
    page.wait_for_timeout(400)
    expect_said(page, "stored! stored! stored!", "example")
    expect(page.locator("#cancel")).to_have_text("Cancel")


def test_cancel_ends_a_run_that_shows_nothing_yet(page):
    write(page, word="ha", pace=1)
    page.locator("#say").click()
    expect_values(page, note="cleared")
    page.locator("#cancel").click()
    page.wait_for_timeout(2_500)
    expect_said(page, "stored! stored! stored!", "example")
    write(page, word="ho", pace=0)
    page.locator("#say").click()
    expect_said(page, "ho! ho! ho!")


def test_cancel_ends_a_run_that_waits_for_anothers(browser, toy_url):
    with opened(browser, toy_url, "#figure") as one, opened(browser, toy_url, "#figure") as other:
        write(one, word="long", times=15, pace=0.2)
        one.locator("#say").click()
        expect(one.locator("#figure .toy-state")).to_have_text("running", timeout=20_000)
        write(other, word="ha")
        with other.expect_response(re.compile("queue/join")):
            other.locator("#say").click()
        other.locator("#cancel").click()
        expect_said(one, " ".join(["long!"] * 15))
        other.wait_for_timeout(500)
        expect_said(other, "stored! stored! stored!", "example")


def test_cancel_of_one_room_leaves_the_others_run(page):
    write(page, word="ha", times=8, pace=0.2)
    page.locator("#say").click()
    expect(page.locator("#figure .toy-state")).to_have_text("running", timeout=20_000)
    page.get_by_role("tab", name="Sing").click()
    page.locator("#hush").click()
    page.get_by_role("tab", name="Say").click()
    expect_said(page, " ".join(["ha!"] * 8))


# Links


def link(browser, toy_url: str, query: str, first: str = "#figure .course-figure"):
    return opened(browser, f"{toy_url}/?{query}", first)


def test_a_link_runs_and_fills_in_the_controls(browser, toy_url):
    with link(browser, toy_url, "room=say&word=linked&times=2&l=1&marks=a&marks=b") as page:
        expect_said(page, "LINKED! LINKED!")
        expect_values(page, word="linked", marks="a\nb")
        expect(page.locator("#times input[type=number]")).to_have_value("2")
        expect(page.locator("#loud input")).to_be_checked()
        expect(page).to_have_url(re.compile(r"\?room=say&word=linked&times=2&l=1&marks=a&marks=b$"))


def test_a_link_names_the_second_run_of_a_room(browser, toy_url):
    with link(browser, toy_url, "room=reverse&word=abc") as page:
        expect_said(page, "cba! cba! cba!")


def test_a_link_opens_its_tab(browser, toy_url):
    with link(browser, toy_url, "room=sing&word=la&times=2", "#song-figure .course-figure") as page:
        expect_said(page, "la! la!", figure="#song-figure")
        expect_values(page, song="la", verses="2")
        page.get_by_role("tab", name="Say").click()
        expect_said(page, "stored! stored! stored!", "example")


def test_a_link_without_settings_opens_the_room_and_runs_nothing(browser, toy_url):
    with link(browser, toy_url, "room=sing&utm_source=x", "#song-figure") as page:
        expect(page.locator("#song")).to_be_visible()
        page.wait_for_timeout(800)
        expect(page.locator("#song-figure .running")).to_have_count(0)
        expect(page.locator("#song-figure [role=alert]")).to_have_count(0)
        page.get_by_role("tab", name="Say").click()
        expect_said(page, "stored! stored! stored!", "example")


def test_a_link_of_an_earlier_version_opens_by_its_mark(browser, toy_url):
    with link(browser, toy_url, "word=old&times=1&utm_source=x") as page:
        expect_said(page, "old!")


@pytest.mark.parametrize("query", ["room=nowhere&word=x", "password=x", "utm_source=x", "__theme=dark"])
def test_a_foreign_query_changes_nothing(browser, toy_url, query):
    """A room that the page does not have is said to be none of its."""
    with link(browser, toy_url, query) as page:
        page.wait_for_timeout(800)
        expect_said(page, "stored! stored! stored!", "example")
        said = page.locator(".no-room")
        if "room" in query:
            expect(said).to_have_text(
                "This page has no room “nowhere”, which its link names. "
                "Choose a tab, or write one of room=say, sing."
            )
        else:
            expect(said).to_have_count(0)


def test_the_address_follows_the_open_room(browser, toy_url):
    """It keeps what belongs to each, also of a run that ends while another room is open."""
    with link(browser, toy_url, "room=say&word=first&times=1") as page:
        expect_said(page, "first!")
        page.get_by_role("tab", name="Sing").click()
        expect(page).to_have_url(re.compile(r"/\?room=sing$"))
        page.get_by_role("tab", name="Say").click()
        expect(page).to_have_url(re.compile(r"\?room=say&word=first&times=1$"))
        write(page, word="ha", times=2, pace=0.5)
        page.locator("#reverse").click()
        expect(page.locator("#figure .toy-state")).to_have_text("running", timeout=20_000)
        page.get_by_role("tab", name="Sing").click()
        page.wait_for_timeout(1_500)
        expect(page).to_have_url(re.compile(r"/\?room=sing$"))
        page.get_by_role("tab", name="Say").click()
        expect(page).to_have_url(re.compile(r"\?room=reverse&word=ha&times=2&pace=0.5$"))
        assert page.evaluate("history.length") == 2, "no entries of their own"


def test_an_idle_page_holds_no_connection_and_a_closed_one_no_run(browser, toy_url):
    """A browser has six connections to a server without HTTP/2."""
    with link(browser, toy_url, "") as first:
        pages = [first.context.new_page() for _ in range(7)]
        for page in pages:
            page.goto(toy_url)
            expect_said(page, "stored! stored! stored!", "example")
        last = pages[-1]
        write(last, word="long", times=400, pace=0.1)
        last.locator("#say").click()
        expect(last.locator("#figure .toy-state")).to_have_text("running", timeout=20_000)
        last.close()
        write(first, word="ha")
        first.locator("#say").click()
        expect_said(first, "ha! ha! ha!")


def test_a_broken_link_says_so_in_the_figures_place(browser, toy_url):
    with link(browser, toy_url, "room=say&word=x&times=many") as page:
        expect_alert(page, "times is many. Use a whole number from 1 to 400.")
        write(page, word="again", times=1)
        page.locator("#say").click()
        expect_said(page, "again!")


def test_a_link_to_a_stored_figure_shows_it_without_a_run(browser, toy_url):
    with link(browser, toy_url, "room=say&word=second") as page:
        expect_said(page, "second! second! second!", "example")
        expect_values(page, word="second", note="cleared")
    with link(browser, toy_url, "room=reverse&word=second") as page:
        expect_said(page, "dnoces! dnoces! dnoces!")


def test_the_back_button_returns_to_the_figure_before(browser, toy_url):
    with link(browser, toy_url, "room=say&word=first") as page:
        expect_said(page, "first! first! first!")
        write(page, word="changed")
        page.locator("#say").click()
        expect_said(page, "changed! changed! changed!")
        page.goto(f"{toy_url}/?room=reverse&word=abc")
        expect_said(page, "cba! cba! cba!")
        page.go_back()
        expect_said(page, "changed! changed! changed!")
        page.go_forward()
        expect_said(page, "cba! cba! cba!")
        # leaving a page cuts Gradio's open streams, of which it complains on a busy machine
        cut = ("AbortError: signal is aborted", "Connection errored out")
        page.problems[:] = [text for text in page.problems if not any(one in text for one in cut)]


# Events beside the run


def test_further_events_of_the_figure(page):
    page.locator("#figure").get_by_role("button", name="Say more").click()
    expect_said(page, "stored! stored! stored! stored! stored! stored!", "example")
    page.locator("#figure").get_by_role("button", name="Shout").click()
    expect_said(page, " ".join(["stored!!!"] * 6), "example")


def test_a_second_figure_of_a_room_shows_its_own_run(page):
    page.locator("#echo").click()
    expect_said(page, "stored… stored… stored…", figure="#echo-figure")
    expect_said(page, "stored! stored! stored!", "example")
    page.wait_for_load_state("networkidle")  # Gradio passes over a click while the run's stream is open
    write(page, word="impossible")
    page.locator("#echo").click()
    expect_alert(page, "That word cannot be said. Say another.", "#echo-figure")
    expect_said(page, "stored! stored! stored!", "example")
    write(page, word="ha", times=400, pace=0.1)
    page.locator("#echo").click()
    expect(page.locator("#echo-figure .toy-said")).to_contain_text("ha… ha…", timeout=20_000)
    page.locator("#cancel").click()
    expect(page.locator("#echo-figure .toy-state")).to_have_text("stopped", timeout=20_000)
    expect_said(page, "stored! stored! stored!", "example")


# ZeroGPU


@pytest.fixture(scope="module")
def zero_gpu(tmp_path_factory):
    """The toy on emulated ZeroGPU, and its scheduler."""
    scheduler, folder = Scheduler(), tmp_path_factory.mktemp("zerogpu")
    start = "import runpy; runpy.run_module('tests.shared.toy.page', run_name='__main__')"
    server = Server(["-c", f"{PRELUDE}\n{start}"], scheduler.environment(Path(folder)))
    yield scheduler, server.url
    scheduler.stop()
    server.stop()


def test_on_zero_gpu_buttons_state_the_cost_of_their_runs(browser, zero_gpu):
    scheduler, url = zero_gpu
    with opened(browser, url, "#figure .toy-said") as page:
        expect(page.locator("#say")).to_have_text("Say · up to 8 s of GPU")
        expect(page.locator("#reverse")).to_have_text("Reverse · up to 9 s of GPU")
        write(page, word="ha", times=2)
        expect(page.locator("#say")).to_have_text("Say · up to 7 s of GPU")
        expect(page.locator("#reverse")).to_have_text("Reverse · up to 8 s of GPU")
        write(page, word="")
        expect(page.locator("#say")).to_have_text("Say · up to 7 s of GPU")
        write(page, word="ha")
        page.locator("#say").click()
        expect_said(page, "ha! ha!")
        assert int(scheduler.scheduled[-1]["durationSeconds"]) == 7
        page.get_by_role("tab", name="Sing").click()
        expect(page.locator("#sing")).to_have_text("Sing")


def test_on_zero_gpu_a_refusal_stands_in_the_figures_place(browser, zero_gpu):
    scheduler, url = zero_gpu
    with opened(browser, url, "#figure .toy-said") as page:
        scheduler.answer = "quota"
        page.locator("#say").click()
        expect(page.locator("#figure [role=alert]")).to_contain_text("page is used up", timeout=20_000)
        scheduler.answer = "ok"
        page.locator("#say").click()
        expect_said(page, "stored! stored! stored!")


# Values of controls


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (("a", "b"), "a\nb"),
        ([1, 2], "1\n2"),
        ({"a": 1}, '{"a": 1}'),
        (0.5, "0.5"),
        (3, "3"),
        (None, ""),
        ("x", "x"),
    ],
)
def test_a_text_field_shows_any_setting_as_text(value, text):
    assert control_value(gr.Textbox(render=False), value) == text


def test_other_controls_take_values_as_they_are():
    assert control_value(gr.Number(render=False), 0.25) == 0.25
    assert control_value(gr.Dropdown(multiselect=True, render=False), ("a",)) == ["a"]
    assert control_value(gr.Checkbox(render=False), True) is True
