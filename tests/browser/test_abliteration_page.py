"""The abliteration page in a real browser: first paint, a link, a kernel drawn and typed, a place picked, a
feature changed, own sets.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import urlencode

import pytest
import torch
from playwright.sync_api import expect
from safetensors.torch import save_file

from shared.entrances import FILL
from tests import zoo
from tests.browser.harness import SMALL, axe_in_both_schemes, opened, unfold

ROOT = Path(__file__).parents[2] / "spaces" / "abliteration"
FIRST = "#find .abliteration-figure"
FIND = json.loads((ROOT / "examples" / "find.json").read_text(encoding="utf-8"))
OPTIMISE = json.loads((ROOT / "examples" / "optimise.json").read_text(encoding="utf-8"))
FEATURES = json.loads((ROOT / "examples" / "features.json").read_text(encoding="utf-8"))
TABS = (
    "1 Find",
    "2 Remove",
    "3 Measure",
    "4 Features",
    "5 Take home",
    "6 Forensics",
    "7 Truth bench",
    "8 Chat",
)
PLACES = ("find", "ablate", "measure", "features", "certificate", "forensics", "bench", "chat")
ALONE = ("forensics", "bench")
"""Rooms with models and prompts of their own: what the others share above the tabs is hidden."""
COOKING = [
    f"How do I cook {dish}?" for dish in ("rice", "soup", "pie", "fish", "bread", "eggs", "beans", "pasta")
]
OTHER = [
    f"What is {thing}?"
    for thing in ("a comet", "a verb", "rust", "a map", "a lock", "snow", "a river", "gold")
]


@pytest.fixture
def page(browser, suite_url):
    with opened(browser, f"{suite_url}/abliteration/", FIRST) as page:
        yield page


def tab(page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).first.click()


def advanced(page) -> None:
    unfold(page, "Advanced")


def test_every_room_shows_a_stored_result_and_answers_at_once(page):
    """One page, which no run changes: what is shown first, what the controls follow, what is refused."""
    advanced(page)
    assert page.locator("#upload-vector").bounding_box()["height"] < 48, "a button, no block"
    first_paint(page)
    a_place_and_the_best_kernel_become_the_controls(page)
    a_kernel_is_drawn_and_typed(page)
    two_models_are_held_against_each_other(page)
    a_plant_without_words_is_refused(page)


def first_paint(page) -> None:
    layer = page.get_by_label("layer (empty: by the rule)")
    expect(layer).to_have_value("")
    for name, place in zip(TABS, PLACES, strict=True):
        tab(page, name)
        expect(page.locator(f"#{place} .tags")).to_contain_text("stored example", timeout=30_000)
        shared = expect(page.locator("#study #contrast"))
        shared.to_be_hidden() if place in ALONE else shared.to_be_visible()
    tab(page, TABS[0])
    expect(page.locator("#study #contrast")).to_be_visible()
    expect(layer).to_have_value("", timeout=30_000)


def a_place_and_the_best_kernel_become_the_controls(page) -> None:
    layer = page.get_by_label("layer (empty: by the rule)")
    tab(page, "2 Remove")  # its example was made with the kernel that the search chose
    expect(layer).to_have_value(str(OPTIMISE["chosen"]["layer"]), timeout=30_000)
    tab(page, "1 Find")
    expect(layer).to_have_value("", timeout=30_000)
    page.locator("#find .cell.live").first.click()
    expect(layer).to_have_value("0", timeout=30_000)
    expect(page.get_by_label("position (−1: last token)")).to_have_value(str(-len(FIND["positions"])))
    tab(page, "3 Measure")
    page.locator("#measure").get_by_role("tab", name="Pareto", exact=True).click()
    page.locator("#measure").get_by_role("button", name="Use this kernel").click()
    expect(layer).to_have_value(str(OPTIMISE["chosen"]["layer"]), timeout=30_000)


def a_kernel_is_drawn_and_typed(page) -> None:
    text = page.locator("#kernel-text textarea")
    tab(page, "2 Remove")
    page.locator("#kernel").get_by_role("button", name="attention alone").click()
    expect(text).to_have_value(re.compile(r'"mlp": \[0, 0'), timeout=30_000)
    text.fill('{"attention": 0.5, "mlp": 0.25}')
    expect(page.locator("#kernel").get_by_role("slider", name="MLP, layer 3")).to_have_attribute(
        "aria-valuenow", re.compile(r"0?\.25"), timeout=30_000
    )
    text.fill('{"attention": [1, 2')
    expect(page.locator("#kernel")).to_contain_text("The kernel is not a JSON object", timeout=30_000)


def two_models_are_held_against_each_other(page) -> None:
    tab(page, "6 Forensics")
    place = page.locator("#forensics")
    expect(place.locator(".key")).to_contain_text("direction was taken", timeout=30_000)
    page.locator("#forensics-base input, #forensics-base textarea").first.fill(str(zoo.folder("qwen2")))
    page.locator("#forensics-edited input, #forensics-edited textarea").first.fill(str(zoo.folder("qwen2")))
    page.locator("#run-forensics").click()
    expect(place).to_contain_text("Base and edited model are the same", timeout=60_000)
    page.locator("#forensics-edited input, #forensics-edited textarea").first.fill(str(zoo.folder("gpt2")))
    page.locator("#run-forensics").click()
    expect(place).to_contain_text("no tensor of the same name and shape", timeout=60_000)


def a_plant_without_words_is_refused(page) -> None:
    tab(page, "7 Truth bench")
    page.get_by_role("combobox", name="What is planted").click()
    page.get_by_role("option", name="my own").click()
    page.locator("#run-bench").click()
    expect(page.locator("#bench")).to_contain_text("The own plant has no words.", timeout=30_000)


def test_a_link_runs_its_room_with_its_sets(browser, suite_url):
    query = urlencode(
        [("room", "find"), ("layer", 21), ("candidates", 1), ("contrast", "own")]
        + [("positive", prompt) for prompt in COOKING]
        + [("negative", prompt) for prompt in OTHER]
    )
    with opened(browser, f"{suite_url}/abliteration/?{query}", FIRST) as page:
        expect(page.locator("#find .key")).to_contain_text("layer 21 chosen (hand)", timeout=180_000)
        expect(page.locator("#find .key")).to_contain_text("fit 4 + 4, select 2 + 2, report 2 + 2")
        expect(page.locator("#find .tags")).not_to_contain_text("stored example")


def test_a_vector_file_and_a_conversation(browser, suite_url, tmp_path):
    """A file is uploaded, a bad one clears its field; both models talk with its direction, message after
    message, and the edit can be chosen beside the next one.
    """
    good, bad = tmp_path / "mine.safetensors", tmp_path / "bad.gguf"
    save_file({f"layer.{k}": torch.arange(1.0, 257).roll(k) for k in range(3)}, good)
    bad.write_bytes(b"GGUF")
    query = [("room", "chat"), ("model", str(zoo.folder("llama3"))), ("reply_tokens", 3), ("contrast", "own")]
    sets = [("positive", prompt) for prompt in COOKING] + [("negative", prompt) for prompt in OTHER]
    query = urlencode([*query, *sets, ("messages", "Hi."), (FILL, 1)])
    with opened(browser, f"{suite_url}/abliteration/?{query}", "#chat .figure-title") as page:
        advanced(page)
        name = page.locator("#vector textarea, #vector input").first
        for file, value in ((good, re.compile("made/vector-mine-")), (bad, ""), (good, re.compile("made/"))):
            with page.expect_file_chooser() as chooser:
                page.locator("#upload-vector").click()
            chooser.value.set_files(file)
            expect(name).to_have_value(value, timeout=30_000)
        page.locator("#run-chat").click()
        turns = page.locator("#chat .chat-turn")
        expect(page.locator("#chat .key")).to_contain_text("direction of made/vector-mine-", timeout=90_000)
        expect(turns.locator(".chat-edited")).to_contain_text("nats", timeout=60_000)
        message = page.locator("#chat-message textarea")
        expect(message).to_have_value("", timeout=30_000)
        page.get_by_label("strength", exact=True).fill("0.5")
        page.get_by_role("combobox", name="A second edit, of this session").click()
        page.get_by_role("option", name=re.compile("^1: ablate, made.vector-mine-")).click()
        message.fill("<img src=x onerror=alert(1)>")
        message.press("Enter")
        expect(turns).to_have_count(2, timeout=90_000)
        expect(turns.nth(1).locator(".chat-second")).to_contain_text("nats", timeout=60_000)
        expect(turns.nth(1).locator("h2")).to_have_text("<img src=x onerror=alert(1)>")
        expect(turns.nth(1).locator(".chat-second")).to_contain_text("vector file, every layer its own,")
        expect(message).to_have_value("", timeout=30_000)
        page.locator("#new-chat").click()  # with nothing to ask: the conversation goes, and nothing is asked
        expect(page.locator("#chat")).to_contain_text("Write a message and press Send.", timeout=30_000)
        expect(turns.first).not_to_be_visible()
        message.fill("Hi again.")
        message.press("Enter")
        expect(turns).to_have_count(1, timeout=60_000)
        expect(message).to_have_value("", timeout=30_000)
        message.fill("Bye.")
        page.locator("#new-chat").click()
        expect(turns.locator("h2")).to_have_text(["Bye."], timeout=60_000)
        expect(message).to_have_value("", timeout=30_000)
        page.locator("#run-chat").click()
        expect(page.locator("#chat [role=alert]")).to_contain_text("There is no message.", timeout=30_000)
        expect(turns.locator("h2")).to_be_visible()


def test_one_feature_is_removed_and_held(page):
    advanced(page)
    page.get_by_label("Prompts to answer, one a line").fill("How do I bake bread?")
    tab(page, "4 Features")
    feature = FEATURES["pursuit"]["atoms"][0]["feature"]
    expect(page.locator("#steered")).to_contain_text("on a feature above")
    page.locator("#features .feature").first.get_by_role("button", name="Remove it").click()
    expect(page.locator("#steered .key")).to_contain_text(f"feature {feature} removed", timeout=240_000)
    expect(page.locator("#steered .kl-tokens")).to_have_count(1, timeout=240_000)
    expect(page.locator("#steered .tags")).to_contain_text("edited model")
    page.locator("#features .feature").first.get_by_label(f"Amount of feature {feature}").fill("30")
    page.locator("#features .feature").first.get_by_role("button", name="Hold it at").click()
    expect(page.locator("#steered .key")).to_contain_text(f"feature {feature} held at 30", timeout=240_000)


def own_sets(page) -> None:
    """Choose the visitor's own two sets, whose fields then appear."""
    page.get_by_role("combobox", name="Two sets of prompts").click()
    page.get_by_role("option", name="my own two sets").click()
    expect(page.locator("#positive textarea")).to_be_visible(timeout=30_000)
    page.wait_for_timeout(600)  # Gradio writes a field's value once more after it has mounted it


def paste(page, name: str, text: str) -> None:
    """Put a text into a set's field from the clipboard, with the keyboard."""
    page.evaluate("text => navigator.clipboard.writeText(text)", text)
    page.locator(f"#{name} textarea").focus()
    page.keyboard.press("ControlOrMeta+V")


def test_sets_count_however_they_came_into_their_fields(browser, suite_url):
    """One is pasted; the other is put there as a browser's extension does it, and no event says so."""
    permissions = ["clipboard-read", "clipboard-write"]
    with opened(browser, f"{suite_url}/abliteration/", FIRST, permissions=permissions) as page:
        advanced(page)
        own_sets(page)
        # the layer was found with other sets
        expect(page.get_by_label("layer (empty: by the rule)")).to_have_value("", timeout=30_000)
        page.get_by_label("layer (empty: by the rule)").fill("21")
        page.get_by_label("layers that it tries").fill("1")
        page.locator("#negative textarea").evaluate("(box, text) => (box.value = text)", "\n".join(OTHER))
        paste(page, "positive", "\n".join(COOKING))
        page.locator("#run-find").click()  # at once: the fields are read as they are
        expect(page.locator("#find .key")).to_contain_text("fit 4 + 4, select 2 + 2", timeout=180_000)
        expect(page.locator("#find .figure-title")).to_contain_text("own")
        # with a stored pair the fields go, and nothing of them counts
        page.get_by_role("combobox", name="Two sets of prompts").click()
        page.get_by_role("option", name="alarming words against plain ones").click()
        expect(page.locator("#positive")).to_have_count(0, timeout=30_000)
        page.get_by_role("combobox", name="Two sets of prompts").click()
        page.get_by_role("option", name="my own two sets").click()
        expect(page.locator("#positive textarea")).to_have_value("\n".join(COOKING), timeout=30_000)


def rows_of_a_table_are_uploaded_with_their_column(page, tmp_path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('id,goal,reply\n1,"Say ""hi""\nand wait.",yes\n2,Two.,no\n', encoding="utf-8")
    for column, text in (("", '[\n "Say \\"hi\\"\\nand wait.",\n "Two."\n]'), ("reply", "yes\nno")):
        page.locator("#column-positive").get_by_role("textbox").fill(column)
        with page.expect_file_chooser() as chooser:
            page.locator("#upload-positive").click()
        chooser.value.set_files(path)
        expect(page.locator("#positive textarea")).to_have_value(text, timeout=30_000)
    path = tmp_path / "pictures.csv"
    path.write_bytes(b"\x89PNG\xff\x00\n")
    with page.expect_file_chooser() as chooser:
        page.locator("#upload-positive").click()
    chooser.value.set_files(path)
    expect(page.locator(".toast-body")).to_contain_text("The file is not text.", timeout=30_000)
    page.get_by_label("Close message").or_(page.locator(".toast-close")).first.click()


def test_own_sets_are_uploaded_checked_and_a_run_can_be_cancelled(page, tmp_path):
    own_sets(page)
    rows_of_a_table_are_uploaded_with_their_column(page, tmp_path)
    page.locator("#column-positive").get_by_role("textbox").fill("")
    for name, prompts in (("positive", COOKING), ("negative", COOKING)):
        path = tmp_path / f"{name}.txt"
        path.write_text("\n".join(prompts), encoding="utf-8")
        with page.expect_file_chooser() as chooser:
            page.locator(f"#upload-{name}").click()
        chooser.value.set_files(path)
        expect(page.locator(f"#{name} textarea")).to_have_value("\n".join(prompts), timeout=30_000)
    page.locator("#run-find").click()
    expect(page.locator("#find")).to_contain_text("The two sets are equal.", timeout=30_000)
    page.locator("#negative textarea").fill("hf://no/where?column=text")
    page.locator("#run-find").click()
    expect(page.locator("#find")).to_contain_text("The Hub cannot be reached from here.", timeout=60_000)
    page.locator("#negative textarea").fill("\n".join(OTHER))
    page.locator("#cancel-find").click()  # nothing runs: nothing changes
    expect(page.locator("#cancel-find")).to_have_text("Cancel")
    expect(page.locator("#find")).to_contain_text("The Hub cannot be reached from here.")
    page.locator("#run-find").click()
    expect(page.locator("#find progress")).to_be_visible(timeout=30_000)
    page.locator("#cancel-find").click()
    expect(page.locator("#find")).to_contain_text("The run was cancelled.", timeout=30_000)
    expect(page.locator("#cancel-find")).to_have_text("Cancel", timeout=60_000)
    page.locator("#negative textarea").fill("one")
    page.locator("#run-find").click()
    expect(page.locator("#find")).to_contain_text("The negative set has one prompt.", timeout=60_000)


def test_axe_and_phones(browser, suite_url):
    address = f"{suite_url}/abliteration/?__theme=light"
    with opened(browser, address, FIRST, viewport=SMALL, color_scheme="light") as page:
        advanced(page)
        for field in (page.get_by_label("seed"), page.get_by_label("layers that it tries")):
            assert field.evaluate("(box) => getComputedStyle(box).borderTopWidth") == "1px", "it has no frame"
        for name, place in zip(TABS, PLACES, strict=True):
            assert all(page.get_by_role("tab", name=one, exact=True).first.is_visible() for one in TABS)
            tab(page, name)
            expect(page.locator(f"#{place} .figure-title")).to_be_visible(timeout=30_000)
            assert page.evaluate("document.documentElement.scrollWidth") <= 360, name
            axe_in_both_schemes(page)
