"""The merging Space: a merge against the mergekit-yaml command, a check before it, and a slider over sampled
tensors.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.common import Row, ratio
from tests.conftest import ROOT, chromium_path

REPEATS = 5
COMMAND = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
"""
"""A command and the bytes of memory at its peak; started from here, it would be said to have had what this
process has.
"""


def merge_rows(method: str) -> list[Row]:
    """One recipe of two 135M models, merged by the Space and by the command in turn."""
    from merging.check import check
    from merging.request import Request
    from merging.run import finished, merge
    from shared import embedded_model

    folders = [str(embedded_model.expert_folder(name)[0]) for name in ("pirate", "cautious")]
    base = f"base_model: {embedded_model.embedded_folder()}\n" if method == "ties" else ""
    parameters = "{weight: 1.0, density: 0.5}" if method == "ties" else "{weight: 1.0}"
    entries = "".join(f"- model: {folder}\n  parameters: {parameters}\n" for folder in folders)
    text = f"merge_method: {method}\n{base}models:\n{entries}dtype: float32\n"
    check(text)  # a page's process has done its imports
    peaks: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "recipe.yml").write_text(text)
        tool = str(Path(sys.executable).parent / "mergekit-yaml")
        asked = [
            sys.executable,
            "-I",
            "-S",
            "-c",
            COMMAND,
            tool,
            str(folder / "recipe.yml"),
            str(folder / "theirs"),
            "--random-seed",
            "0",
        ]

        def mine() -> None:
            shutil.rmtree(folder / "child", ignore_errors=True)
            peaks.append(finished(merge(Request(text), folder)).peak)

        def theirs() -> None:
            shutil.rmtree(folder / "theirs", ignore_errors=True)
            peaks[-1] /= int(
                subprocess.run(
                    asked, check=True, capture_output=True, env={**os.environ, "PYTHONHASHSEED": "0"}
                ).stdout
            )

        wall, detail = ratio(mine, theirs, REPEATS)
    peaks = sorted(peaks[1:])  # the first is the warm-up's
    peak = peaks[REPEATS // 2]
    return [
        Row(f"{method} with its check ÷ mergekit-yaml, wall time", wall, "≤ 1.1", wall <= 1.1, detail=detail),
        Row(
            f"{method} with its check ÷ mergekit-yaml, peak memory",
            peak,
            "≤ 1.1",
            peak <= 1.1,
            detail=f"{peaks[0]:.2f} to {peaks[-1]:.2f}, n = {REPEATS}",
        ),
    ]


def check_row() -> Row:
    """Seconds of a check of two local 135M models."""
    from merging.check import check

    text = (
        "merge_method: linear\nmodels:\n- model: pirate\n  parameters: {weight: 1}\n- model: cautious\n"
        "  parameters: {weight: 1}\n"
    )
    check(text)
    spent = []
    for _ in range(5):
        began = time.monotonic()
        check(text)
        spent.append(time.monotonic() - began)
    spent.sort()
    return Row(
        "check of two 135M models",
        spent[2],
        "≤ 2 s",
        spent[2] <= 2,
        " s",
        f"{spent[0]:.2f} to {spent[-1]:.2f}, n = 5",
    )


def first_merge_row() -> Row:
    """Seconds from the press of the first recipe to its merge with a picture; measures follow."""
    from merging import outcome, presets
    from merging.request import Request
    from merging.run import finished, merge

    request = Request.parse(recipe=presets.PRESETS[presets.FIRST])
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        report = finished(merge(request, Path(folder)))
        next(outcome.compare(report, request))
        spent = time.monotonic() - began
    return Row("the first recipe, to its first picture", spent, "≤ 30 s", spent <= 30, " s", "n = 1")


def large_check_row() -> Row:
    """Seconds of a check of two 7B models by the headers of a Hub on loopback that takes 50 ms an answer."""
    from merging import sources
    from merging.check import check
    from tests.merging.conftest import headers_alone
    from tests.shared.hub_server import Repo, the_hub

    files = headers_alone(
        hidden_size=4096,
        intermediate_size=14336,
        num_hidden_layers=32,
        vocab_size=32000,
        num_attention_heads=32,
        num_key_value_heads=8,
    )
    repos = {f"large/{name}": Repo(files, parameters=7_241_732_096) for name in "ab"}
    text = (
        "merge_method: linear\ndtype: bfloat16\nmodels:\n- model: large/a\n  parameters: {weight: 1}\n"
        "- model: large/b\n  parameters: {weight: 1}\n"
    )
    check(text.replace("large/a", "pirate").replace("large/b", "cautious"))  # its imports are done
    spent = []
    for number in range(3):
        for repo in repos.values():  # what is known of a commit is kept
            repo.sha = f"{number:040x}"
        sources._remembered.clear()
        with tempfile.TemporaryDirectory() as cache, the_hub(repos, Path(cache)) as server:
            server.delay = 0.05
            began = time.monotonic()
            found = check(text)
            spent.append(time.monotonic() - began)
        assert found.plan and found.plan.tensors == 291
    sources._remembered.clear()
    spent.sort()
    return Row(
        "check of a 7B pair on the Hub",
        spent[1],
        "≤ 4 s",
        spent[1] <= 4,
        " s",
        f"{spent[0]:.2f} to {spent[-1]:.2f}, n = 3, 50 ms an answer",
    )


def slider_row() -> Row:
    """Milliseconds from a move of the density slider to the next frame, on 4,096 entries of three task
    vectors.
    """
    import random

    from playwright.sync_api import sync_playwright

    from tests.browser.harness import figures

    chance = random.Random(0)
    example = json.loads((ROOT / "spaces" / "merging" / "examples" / "merge.json").read_text())
    parents = ["a", "b", "c"]
    sample = {
        "name": "w",
        "entries": 300_000,
        "sampled": 4096,
        "values": {name: [chance.gauss(0, 1) for _ in range(4096)] for name in parents},
    }
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=arguments)
        with figures(browser, ROOT / "spaces" / "merging" / "merging" / "js") as open_page:
            page = open_page(example)
            page.evaluate("value => { window.answer = value; }", sample)
            page.get_by_role("tab", name="Atlas of task vectors", exact=True).click()
            page.locator("svg.atlas .cell").first.click()
            page.locator(".lens input[type=range]").wait_for()
            spent = page.evaluate(
                """async () => {
                  const slider = document.querySelector(".lens input[type=range]");
                  const found = [];
                  for (let step = 1; step <= 20; step += 1) {
                    const began = performance.now();
                    slider.value = String(step / 20);
                    slider.dispatchEvent(new Event("input", { bubbles: true }));
                    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
                    found.push(performance.now() - began);
                  }
                  return found.sort((a, b) => a - b);
                }"""
            )
        browser.close()
    return Row(
        "density slider to picture",
        spent[10],
        "≤ 100 ms",
        spent[10] <= 100,
        " ms",
        f"{spent[0]:.0f} to {spent[-1]:.0f}, n = 20",
    )


def tree_rows() -> list[Row]:
    """A family of 300 models on a loopback Hub that takes 50 ms for every answer; and its picture."""
    import random

    from huggingface_hub import constants
    from playwright.sync_api import sync_playwright

    from family_tree import hub_reader
    from family_tree.grow import grow
    from family_tree.request import TreeRequest
    from shared import hub as shared_hub
    from tests.browser.harness import figures
    from tests.family_tree.hub import FamilyHub, Model

    chance = random.Random(0)
    family = {}
    for index in range(300):
        later = range(index + 1, min(300, index + 60))
        parents = [
            f"acme/m{other}"
            for other in sorted(chance.sample(later, min(len(later), 30 if index == 0 else 2)))
        ]
        text = "merge_method: linear\nmodels:\n" + "".join(
            f"- model: {name}\n  parameters: {{weight: 1}}\n" for name in parents
        )
        family[f"acme/m{index}"] = Model(parents, "merge", {"mergekit_config.yml": text} if parents else {})
    server = FamilyHub(family, delay=0.05)
    kept = constants.ENDPOINT, constants.HF_HUB_OFFLINE, shared_hub.reachable
    constants.ENDPOINT, constants.HF_HUB_OFFLINE = server.url, False
    shared_hub.reachable = lambda: True  # type: ignore[assignment]
    found = []
    try:
        hub_reader.forget()
        for _ in range(2):
            began = time.monotonic()
            steps = grow(TreeRequest("acme/m0", 12, 0, 300))
            step = next(steps)
            first = time.monotonic() - began
            *_, step = [step, *steps]
            found.append((first, time.monotonic() - began))
    finally:
        server.stop()
        constants.ENDPOINT, constants.HF_HUB_OFFLINE, shared_hub.reachable = kept  # type: ignore[assignment]
        hub_reader.forget()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium_path(), args=["--no-sandbox"] if os.geteuid() == 0 else []
        )
        with figures(browser, ROOT / "spaces" / "merging" / "merging" / "js") as open_page:
            page = open_page()
            paint = page.evaluate(
                """async (data) => {
                  const began = performance.now();
                  draw(data);
                  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
                  return (performance.now() - began) / 1000;
                }""",
                step,
            )
        browser.close()
    detail = f"{len(step['nodes'])} models, {len(step['edges'])} relations, 50 ms an answer"
    (first, whole), (_, again) = found
    return [
        Row("family tree, first models", first, "≤ 1 s", first <= 1, " s", detail),
        Row("family tree, complete", whole, "≤ 8 s", whole <= 8, " s", detail),
        Row("family tree, a second look", again, "≤ 0.5 s", again <= 0.5, " s", "from memory"),
        Row("family tree, first paint", paint, "≤ 1 s", paint <= 1, " s", detail),
    ]


def rows() -> list[Row]:
    """All of this Space."""
    return [
        *merge_rows("linear"),
        *merge_rows("ties"),
        check_row(),
        large_check_row(),
        first_merge_row(),
        slider_row(),
        *tree_rows(),
    ]
