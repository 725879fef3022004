"""The dedup page in a browser, as a visitor uses it: drop a file, check the pairs, move the threshold, take
the rows home.
"""

from __future__ import annotations

import csv
import json
import random
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.harness import SMALL, WIDE, axe_in_views, downloaded, opened, unfold

ROWS = [
    "The lighthouse keeper writes the weather into his book every morning at six.",
    "The lighthouse keeper writes the weather into his book every evening at six.",
    "A recipe for bread needs flour, water, salt and a little patience, nothing more than that.",
    "the LIGHTHOUSE keeper writes the weather into his book, every morning at six",
    "<img src=x onerror=alert(1)> is a row of its own and must stay a text in this page.",
    "A recipe for bread needs flour, water, salt and a little patience, and nothing more than that.",
    "=SUM(A1:A3)",
]


@pytest.fixture
def page(browser, suite_url):
    """The page with its stored example, and the errors that the browser reported."""
    with opened(browser, f"{suite_url}/dedup/", "#figure .dedup-figure") as page:
        yield page


def drop(page: Page, path: Path) -> None:
    """Drop a file and wait for its columns and plan."""
    page.locator("#file input[type=file]").set_input_files(str(path))
    expect(page.locator("#file")).to_contain_text(
        re.compile(rf"{path.stem}\s*\{path.suffix}"), timeout=20_000
    )  # Gradio parts the two


def deduplicate(page: Page, name: str) -> None:
    """Press the button and wait until the figure is complete."""
    page.locator("#start").click()
    expect(page.locator("#figure figcaption")).to_contain_text(f"{name} · ", timeout=60_000)
    expect(page.locator("#figure figcaption")).to_contain_text("rows kept")


@pytest.fixture
def own_file(tmp_path):
    path = tmp_path / "mine.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["id", "note"], *([number, row] for number, row in enumerate(ROWS))])
    return path


def saved(page: Page, folder: Path) -> tuple[list[list[str]], dict]:
    """The kept rows and the report, downloaded."""
    page.locator("#save").click()
    links = page.locator("#files a[download]")
    expect(links.first).to_be_visible(timeout=20_000)
    found = {}
    for link in links.all():
        with page.expect_download() as download:
            link.click()
        found[download.value.suggested_filename] = folder / download.value.suggested_filename
        download.value.save_as(found[download.value.suggested_filename])
    kept = next(path for name, path in found.items() if name.endswith(".csv"))
    with kept.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    return rows, json.loads(found["removed_rows.json"].read_text())


def test_the_first_paint_is_a_stored_result(page):
    expect(page.locator("#figure")).to_contain_text("stored example")
    expect(page.locator("#figure figcaption")).to_contain_text("60 of 114 rows kept")


def test_a_visitor_deduplicates_a_file_checks_a_pair_and_takes_it_home(page, own_file, tmp_path):
    drop(page, own_file)
    expect(page.locator("#plan")).to_contain_text("Plan for mine.csv: 7 rows", timeout=20_000)
    expect(page.locator("#columns")).to_contain_text("note")
    deduplicate(page, "mine.csv")
    expect(page.locator("#figure figcaption")).to_contain_text("5 of 7 rows kept")
    page.get_by_role("tab", name="Table", exact=True).click()
    expect(page.locator("#figure .table-panel")).to_contain_text("2 removed rows")
    rows, report = saved(page, tmp_path)
    assert rows == [["id", "note"], *([str(number), ROWS[number]] for number in (0, 1, 2, 4, 6))]
    assert [(item["row"], item["keeper"]) for item in report["removed_rows"]] == [(3, 0), (5, 2)]
    assert page.locator("#figure img").count() == 0


def test_the_threshold_moves_without_a_request_and_the_file_follows(page, own_file, tmp_path):
    drop(page, own_file)
    expect(page.locator("#columns")).to_contain_text("note", timeout=20_000)
    deduplicate(page, "mine.csv")
    requests: list[str] = []
    page.on(
        "request", lambda request: requests.append(request.url) if "heartbeat" not in request.url else None
    )
    slider = page.locator("#figure .threshold-panel input[type=range]")
    slider.fill("0.55")
    expect(page.locator("#figure .threshold-panel")).to_contain_text("4 of 7 rows kept")
    expect(page.locator("#figure .threshold-panel")).to_contain_text(
        "The bands were planned for 0.70; a pair at 0.55 was found with probability"
    )
    asked = [url for url in requests if "gradio_api/file" in url]
    assert asked == []
    page.wait_for_timeout(600)
    rows, report = saved(page, tmp_path)
    assert [row[0] for row in rows[1:]] == ["0", "2", "4", "6"] and report["threshold"] == 0.55


def test_a_pin_keeps_a_row(page, own_file, tmp_path):
    drop(page, own_file)
    expect(page.locator("#columns")).to_contain_text("note", timeout=20_000)
    deduplicate(page, "mine.csv")
    page.get_by_role("tab", name="Clusters", exact=True).click()
    page.get_by_role("searchbox").first.fill("evening")
    page.get_by_role("button", name="Always keep row 3").click()
    page.wait_for_timeout(600)
    rows, _ = saved(page, tmp_path)
    assert [row[0] for row in rows[1:]] == ["1", "2", "3", "4", "6"], "row 3 stays in the place of row 0"


def test_a_pin_survives_another_threshold_and_its_link(page):
    caption = page.locator("#figure figcaption")
    page.locator("#save").click()
    expect(page.locator("#files")).to_be_visible(timeout=20_000)
    page.get_by_role("tab", name="Clusters", exact=True).click()
    gone = page.locator("#figure .members tr", has_text="removed for").first
    gone.get_by_role("button", name=re.compile("^Always keep")).click()
    expect(caption).to_contain_text("1 pinned")
    page.get_by_role("tab", name="Threshold", exact=True).click()
    page.locator("#figure .threshold-panel input[type=range]").fill("0.6")
    page.wait_for_timeout(600)
    page.get_by_role("button", name="Use this threshold").click()
    expect(caption).to_contain_text("at 0.60", timeout=30_000)
    expect(caption).to_contain_text("1 pinned")
    expect(page.locator("#files")).to_be_hidden()  # they are the rows of the threshold before
    expect(page).to_have_url(re.compile(r"threshold=0\.6&.*pinned=\d+"), timeout=20_000)
    said = page.locator("#figure .key").inner_text()
    again = page.context.new_page()
    again.goto(page.url)
    expect(again.locator("#figure figcaption")).to_contain_text("1 pinned", timeout=30_000)
    assert again.locator("#figure .key").inner_text() == said


def test_the_link_reproduces_the_figure(page, suite_url):
    page.locator("#threshold input").first.fill("0.8")
    page.keyboard.press("Tab")
    page.locator("#start").click()
    expect(page).to_have_url(re.compile(r"room=duplicates&dataset=kitchen\.jsonl"), timeout=30_000)
    caption = page.locator("#figure figcaption").inner_text()
    assert "68 of 114 rows kept" in caption
    again = page.context.new_page()
    again.goto(page.url)
    expect(again.locator("#figure figcaption")).to_contain_text("68 of 114 rows kept", timeout=30_000)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("broken.jsonl", b'{"text": "a"}\n{"text": \n', "Line 2 is not JSON"),
        ("none.csv", b"", "empty"),
        ("n.json", b'[{"n": 1}]', "No column holds text"),
    ],
)
def test_errors_stand_where_the_figure_would(page, tmp_path, name, content, sentence):
    path = tmp_path / name
    path.write_bytes(content)
    drop(page, path)
    expect(page.locator("#plan")).to_contain_text(sentence, timeout=20_000)
    page.locator("#start").click()
    expect(page.locator("#figure [role=alert]")).to_contain_text(sentence, timeout=30_000)
    page.locator("#save").click()  # nobody gets the example's rows for their own
    expect(page.get_by_text("There is no result yet.")).to_be_visible(timeout=10_000)
    expect(page.locator("#files")).to_be_hidden()


def test_no_result_stands_beside_an_error(page):
    """Nor its files: they would be taken for those of the run that was refused."""
    page.locator("#save").click()
    expect(page.locator("#files")).to_be_visible(timeout=20_000)
    unfold(page, "Advanced")
    page.get_by_label("ngram").fill("0")
    page.locator("#start").click()
    expect(page.locator("#figure [role=alert]")).to_contain_text("ngram is 0.", timeout=20_000)
    expect(page.locator("#files")).to_be_hidden()
    page.locator("#save").click()
    expect(page.get_by_text("There is no result yet.")).to_be_visible(timeout=10_000)
    page.get_by_role("button", name="Kitchen notes").click()
    expect(page.locator("#figure")).to_contain_text("stored example", timeout=20_000)
    page.locator("#save").click()
    expect(page.locator("#files")).to_be_visible(timeout=20_000)


def test_train_against_test(page, suite_url):
    page.get_by_role("tab", name="Train against test").click()
    figure = page.locator("#contamination")
    expect(figure).to_contain_text("stored example")
    expect(figure.locator("figcaption")).to_contain_text("3 of 8 rows of test in train")
    splits = page.get_by_label("its splits")
    splits.fill("train")
    page.get_by_role("button", name="Quiz questions").click()
    expect(splits).to_have_value("train, test", timeout=30_000)  # else its answer may come after the run's
    page.locator("#compare").click()
    address = re.compile(r"room=contamination&dataset=quiz&splits=train&splits=test")
    expect(page).to_have_url(address, timeout=30_000)  # last of what a run brings
    expect(figure.locator("figcaption")).to_contain_text("3 of 8 rows of test in train")
    expect(figure).not_to_contain_text("stored example")
    panel = page.locator("#panel").locator("visible=true")
    panel.get_by_text("Code", exact=True).click()
    expect(panel.locator("pre").first).to_contain_text("def best_match", timeout=20_000)
    again = page.context.new_page()
    again.goto(page.url.replace("threshold=0.7", "threshold=0.95"))
    expect(again.locator("#contamination figcaption")).to_contain_text(
        "2 of 8 rows of test in train", timeout=30_000
    )


def test_a_split_leaves_clean(page, tmp_path):
    """Two files of a visitor: the rows of the first that the second holds go, all of them are listed."""
    (tmp_path / "train.csv").write_text('"text","n"\n"the first row of train is here","1"\n"a b c d","2"\n')
    (tmp_path / "test.jsonl").write_text('{"text": "The first row of train is here!", "id": "q7"}\n')
    page.get_by_role("tab", name="Train against test").click()
    paths = [str(tmp_path / name) for name in ("train.csv", "test.jsonl")]
    page.locator("#splits-file input[type=file]").set_input_files(paths)
    expect(page.locator("#splits-file")).to_contain_text("test", timeout=20_000)
    page.locator("#compare").click()
    caption = page.locator("#contamination figcaption")
    expect(caption).to_contain_text("1 of 2 rows of train are in no other split", timeout=30_000)
    page.locator("#splits-save").click()
    links = page.locator("#splits-files a[download]")
    expect(links).to_have_count(2, timeout=20_000)
    found = {}
    for link in links.all():
        with page.expect_download() as download:
            link.click()
        found[download.value.suggested_filename] = download.value.path().read_text()
    assert found["train-clean.csv"] == '"text","n"\n"a b c d","2"\n'
    lines = [json.loads(line) for line in found["leaks.jsonl"].splitlines()]
    assert [(line["split"], line["row"], line["in"]) for line in lines] == [
        ("train", 0, "test"),
        ("test", 0, "train"),
    ]
    assert lines[0]["match_id"] == "q7"


def paste(page: Page, field: str, text: str) -> None:
    """Put a text into a field from the clipboard, in the place of what it held."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate("text => navigator.clipboard.writeText(text)", text)
    page.locator(field).click()
    page.keyboard.press("Control+A")
    page.keyboard.press("Control+V")


@pytest.mark.parametrize("way", ["typed", "pasted"])
def test_text_in_a_field_counts_however_it_came_there(page, way):
    """The button is pressed with the cursor still in the field; it must not move away under the click."""
    for field, text in (
        ("#dataset input, #dataset textarea", " quiz_test.jsonl "),
        ("#columns input", "nope"),
    ):
        if way == "pasted":
            paste(page, field, text)
        else:
            page.locator(field).click()
            page.keyboard.press("Control+A")
            page.keyboard.type(text)
    page.locator("#start").click()
    expect(page.locator("#figure [role=alert]")).to_contain_text(
        "There is no column “nope”. Choose from: text.", timeout=30_000
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, SMALL], ids=["wide", "narrow"])
def test_the_export_opens_from_disk_without_a_network(page, browser, tmp_path, scheme, size):
    with downloaded(page, browser, tmp_path / "figure.html", size=size, scheme=scheme) as export:
        expect(export.locator("figcaption")).to_contain_text("60 of 114 rows kept")
        for view in ("Clusters", "Bands", "Table", "Threshold"):
            export.get_by_role("tab", name=view, exact=True).click()
            assert export.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        export.locator("input[type=range]").first.fill("0.9")
        expect(export.locator(".threshold-panel")).to_contain_text("96 of 114 rows kept")


def test_no_sideways_scrolling_on_a_phone(browser, suite_url):
    context = browser.new_context(viewport=SMALL)
    page = context.new_page()
    page.goto(f"{suite_url}/dedup/")
    expect(page.locator("#figure .dedup-figure")).to_be_visible(timeout=30_000)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_beyond_gradios_own(browser, suite_url, scheme):
    """Rules that Gradio's own widgets break are recorded; the figure itself breaks none."""
    url, first = f"{suite_url}/dedup/?__theme={scheme}", "#figure .dedup-figure"
    with opened(browser, url, first, color_scheme=scheme) as page:
        axe_in_views(page, ["Threshold", "Clusters", "Bands", "Table"])


def test_the_panel_gives_both_programs(page):
    page.get_by_text("Code", exact=True).click()
    expect(page.locator("#panel pre").first).to_contain_text("RMinHash")
    expect(page.locator("#panel pre").nth(1)).to_contain_text("MinhashDedupSignature")


def test_meaning_is_marked_as_a_hint(page, suite_url, tmp_path):
    page = page.context.new_page()
    page.goto(f"{suite_url}/dedup/?dataset=kitchen.jsonl&columns=text&measure=cosine&threshold=0.9")
    expect(page.locator("#figure figcaption")).to_contain_text(
        "by vectors: look at the pairs", timeout=90_000
    )
    expect(page.locator("#figure figcaption")).to_contain_text("cosine of static vectors (embedded)")
    expect(page.locator("#figure")).to_contain_text("not a proof")
    expect(page.get_by_role("tab", name="Bands", exact=True)).to_be_hidden()
    page.locator("#figure button.fold").first.click()
    expect(page.locator("#figure .counts")).to_contain_text("Cosine 0.")
    page.get_by_text("Code", exact=True).click()
    expect(page.locator("#panel pre").first).to_contain_text("StaticModel.from_pretrained")
    # labels outlive the run, and are in its report and link
    page.get_by_role("tab", name="Your labels", exact=True).click()
    panel = page.locator("#figure .labels-panel")
    for name in ("They say the same", "They say the same", "They differ"):
        panel.get_by_role("button", name=name).click()
    expect(panel.locator(".label-verdict")).to_contain_text("2 of 2 labelled pairs say the same")
    expect(panel.locator("h2")).to_have_text("Pair 4 of 20")
    page.locator("#start").click()
    expect(page.locator("#figure [role=alert]")).to_have_count(0)
    expect(page.locator("#panel")).to_contain_text("labels=", timeout=60_000)
    expect(panel.locator(".label-dot.same")).to_have_count(2)
    page.locator("#save").click()
    links = page.locator("#files a[download]")
    expect(links).to_have_count(2, timeout=20_000)
    with page.expect_download() as download:
        links.last.click()
    download.value.save_as(tmp_path / "report.json")
    said = json.loads((tmp_path / "report.json").read_text())["by_labels"]
    assert [label["same"] for label in said["labels"]] == [True, True, False] and said["of"] == 2


def test_a_cancelled_run_goes_on_where_it_stopped(page, tmp_path):
    path = tmp_path / "many.txt"
    chance = random.Random(0)
    rows = [" ".join(f"word{chance.randrange(3_000)}" for _ in range(12)) for _ in range(200_000)]
    path.write_text("\n".join(rows * 2))
    drop(page, path)
    expect(page.locator("#plan")).to_contain_text("400,000 rows", timeout=60_000)
    page.locator("#start").click()
    expect(page.locator("#figure")).to_contain_text("Signing rows", timeout=60_000)
    cancel = page.locator("#cancel")
    cancel.click()
    expect(page.locator("#figure [role=alert]")).to_contain_text("press Deduplicate to go on", timeout=30_000)
    expect(cancel).to_have_text("Cancel", timeout=30_000)
    deduplicate(page, "many.txt")
    expect(page.locator("#figure figcaption")).to_contain_text("200,000 of 400,000 rows kept")


def test_rows_that_differ_in_what_is_spared_stay(page, tmp_path):
    """The choice under Advanced is in the table below the curve, in the link and in the kept rows."""
    path = tmp_path / "mine.csv"
    texts = [
        "The train to the coast leaves the station at 6 in the morning",
        "The train to the coast leaves the station at 7 in the morning",
        "The train to the coast, leaves the station at 6 in the morning!",
    ]
    path.write_text("".join(f'"{text}"\n' for text in ["note", *texts]), encoding="utf-8")
    drop(page, path)
    expect(page.locator("#columns")).to_contain_text("note", timeout=20_000)
    page.locator("#threshold input").first.fill("0.5")
    page.keyboard.press("Tab")
    deduplicate(page, "mine.csv")
    kinds = page.locator("#figure .kinds")
    expect(page.locator("#figure figcaption")).to_contain_text("1 of 3 rows kept")
    expect(kinds.get_by_role("row", name=re.compile("number"))).to_contain_text("2")
    unfold(page, "Advanced")
    page.locator("#spare input").click()
    page.get_by_role("option", name="number").click()
    page.keyboard.press("Escape")
    deduplicate(page, "mine.csv")
    expect(page.locator("#figure figcaption")).to_contain_text("2 of 3 rows kept")
    expect(kinds).to_contain_text("Spared, and not counted: ")
    expect(kinds.get_by_role("row", name=re.compile("number"))).to_have_count(0)
    rows, report = saved(page, tmp_path)
    assert rows == [["note"], [texts[0]], [texts[1]]]
    assert report["request"]["spare"] == ["number"] and report["removed_rows"][0]["kind"] == "form"
    kinds.get_by_role("button", name="Spare rows that differ in case, spaces or punctuation").click()
    expect(page.locator("#figure figcaption")).to_contain_text("3 of 3 rows kept", timeout=30_000)
    page.wait_for_timeout(1_500)  # a press while the run before still ends is passed over, as of any button
    kinds.get_by_role("button", name="Spare nothing").click()
    expect(page.locator("#figure figcaption")).to_contain_text("1 of 3 rows kept", timeout=30_000)
    expect(page.locator("#spare")).not_to_contain_text("number")


def test_several_files_are_one_dataset_and_come_back_one_each(page, tmp_path):
    first, second = tmp_path / "shard-0.csv", tmp_path / "shard-1.jsonl"
    with first.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["note"], *([row] for row in ROWS[:3])])
    second.write_text("".join(json.dumps({"note": row}) + "\n" for row in [ROWS[2], ROWS[4]]))
    page.locator("#file input[type=file]").set_input_files([str(first), str(second)])
    expect(page.locator("#plan")).to_contain_text("shard-0.csv and shard-1.jsonl: 5 rows", timeout=20_000)
    deduplicate(page, "shard-0.csv and shard-1.jsonl")
    expect(page.locator("#figure")).to_contain_text("5 rows of 2 files")
    page.get_by_role("tab", name="Table", exact=True).click()
    expect(page.locator("#figure .table-panel")).to_contain_text("0 of shard-1.jsonl")
    page.get_by_role("tab", name="Clusters", exact=True).click()
    page.get_by_role("button", name=re.compile("^A recipe")).click()
    expect(page.locator("#figure")).to_contain_text("copy of row 2 of shard-0.csv")
    page.locator("#save").click()
    expect(page.locator("#files")).to_contain_text(
        re.compile(r"shard-1-deduplicated\s*\.jsonl"), timeout=20_000
    )
