"""The decoding Space: recording against `generate`, the page against an empty one."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.bench.common import Row, ratio
from tests.browser.harness import figures
from tests.browser.long_trace import long_trace, parting
from tests.conftest import ROOT, Server, chromium_path

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PROMPT = "The lighthouse keeper opened the door and"


def engine_rows() -> list[Row]:
    """The recording engine against `generate`, and against a tree that re-runs the model without a cache."""
    import torch

    from decoding import presets
    from decoding.engine import decode
    from decoding.request import Request
    from shared import models

    loaded = models.load(models.EMBEDDED_MODEL)
    ids = loaded.tokenizer(PROMPT, return_tensors="pt")

    def record(config: dict, new: int) -> Callable[[], object]:
        request = Request.parse(prompt=PROMPT, strategies=[config], max_new_tokens=new)

        def run() -> object:
            for trace in decode(request, loaded):  # noqa: B007
                pass
            return trace.to_json()

        return run

    def generate(config: dict, new: int) -> Callable[[], object]:
        def run() -> object:
            torch.manual_seed(0)
            return loaded.model.generate(**ids, **{"do_sample": False, **config}, max_new_tokens=new)

        return run

    def uncached(new: int) -> None:
        text = ids["input_ids"]
        with torch.inference_mode():
            for _ in range(new):
                logits = loaded.model(text, use_cache=False).logits[:, -1]
                text = torch.cat([text, logits.argmax(-1, keepdim=True)], dim=1)

    samples = {"do_sample": True, "top_k": 0, "top_p": 0.95, "num_return_sequences": 4}
    barred = {"bad_words_ids": [[2]]}  # no end of text, so that both write the same number of tokens
    rows = []
    value, detail = ratio(record({**samples, **barred}, 64), generate({**samples, **barred}, 64))
    rows.append(
        Row("record 4 samples of 64 tokens ÷ generate", value, "≤ 1.25", value <= 1.25, detail=detail)
    )
    value, detail = ratio(record({"num_beams": 5, **barred}, 32), generate({"num_beams": 5, **barred}, 32))
    rows.append(Row("record 5 beams of 32 tokens ÷ generate", value, "≤ 1.15", value <= 1.15, detail=detail))

    def beams_without_cache() -> None:
        text = ids["input_ids"]
        with torch.inference_mode():
            for step in range(
                16
            ):  # every beam on its own, the whole text each time, as a recursive tree does
                for _ in range(1 if step == 0 else 5):
                    logits = loaded.model(text, use_cache=False).logits[:, -1]
                text = torch.cat([text, logits.argmax(-1, keepdim=True)], dim=1)

    value, detail = ratio(beams_without_cache, record({"num_beams": 5, **barred}, 16), runs=3)
    rows.append(
        Row("tree of 5 beams × 16 tokens without cache ÷ ours", value, "≥ 5", value >= 5, detail=detail)
    )
    names = ["greedy", "beam 5", "nucleus .9", "contrastive .6"]
    configs = [presets.PRESETS[name] for name in names]
    request = Request.parse(prompt=PROMPT, strategies=configs, max_new_tokens=32, seed=4)
    *_, trace = decode(request, loaded)
    size = len(json.dumps(trace.to_json(), ensure_ascii=False, separators=(",", ":")).encode()) / 1000
    rows.append(
        Row("trace of 4 strategies × 32 tokens", size, "≤ 500 kB", size <= 500, " kB", ", ".join(names))
    )
    return rows


def speculative_row() -> Row:
    """The rounds of a speculative run, recorded, against transformers' assisted generation with the same
    draft; what the page measures beside them, the model without a draft, is no part of either.
    """

    from decoding.speculative.engine import recorded_rounds
    from decoding.speculative.layers import first_layers
    from decoding.speculative.request import Request
    from shared import models

    loaded = models.load(models.EMBEDDED_MODEL)
    ids = loaded.tokenizer(PROMPT, return_tensors="pt")
    layers, ahead, new = 29, 4, 48
    drafting = first_layers(loaded, layers)
    draft = drafting.model
    draft.generation_config.num_assistant_tokens = ahead
    draft.generation_config.num_assistant_tokens_schedule = "constant"
    draft.generation_config.assistant_confidence_threshold = 0
    request = Request.parse(
        prompt=PROMPT, draft="layers", layers=layers, draft_tokens=ahead, max_new_tokens=new
    )

    def assisted() -> object:
        return loaded.model.generate(**ids, do_sample=False, max_new_tokens=new, assistant_model=draft)

    text = assisted()[0, ids["input_ids"].shape[1] :].tolist()  # type: ignore[index]
    run = recorded_rounds(request, loaded, drafting)
    assert run.text == text, "both write the same text"
    value, detail = ratio(lambda: recorded_rounds(request, loaded, drafting), assisted)
    passes = f"{len(run.rounds)} rounds, {len(text)} tokens"
    return Row(
        "record a speculative run ÷ assisted generation",
        value,
        "≤ 1.15",
        value <= 1.15,
        detail=f"{detail}; {passes}",
    )


EMPTY = """
import gradio as gr
from shared import server
with gr.Blocks() as demo:
    gr.Markdown("empty")
server.launch(demo, "")
"""
USABLE = """() => new Promise(resolve => { const ready = () => document.querySelector(SELECTOR)
  ? requestAnimationFrame(() => resolve(performance.now())) : setTimeout(ready, 5); ready(); })"""


def page_rows() -> list[Row]:
    """The page in a browser against an empty Blocks page, and a slider's repaint."""
    from playwright.sync_api import sync_playwright

    app = Server(["-m", "shared.suite", "decoding"], {})
    empty = Server(["-c", EMPTY], {})
    rows = []
    try:
        with sync_playwright() as playwright:
            arguments = ["--disable-background-networking", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
            browser = playwright.chromium.launch(executable_path=chromium_path(), args=arguments)

            def open_page(url: str, selector: str) -> tuple[float, Page]:
                page = browser.new_context().new_page()
                page.goto(url)
                return page.evaluate(USABLE.replace("SELECTOR", json.dumps(selector))), page

            ratios = []
            for turn in range(6):
                mine, page = open_page(app.url, "#figure svg [role=treeitem]")
                page.context.close()
                other, page = open_page(empty.url, ".prose")
                page.context.close()
                if turn:
                    ratios.append(mine / other)
            value = statistics.median(ratios)
            rows.append(
                Row(
                    "page usable ÷ empty Blocks page",
                    value,
                    "≤ 1.4",
                    value <= 1.4,
                    detail=f"{min(ratios):.2f} to {max(ratios):.2f}, n = 5",
                )
            )
            _, page = open_page(app.url, "#figure svg [role=treeitem]")
            page.wait_for_selector(".stage input[type=range]")
            page.wait_for_timeout(1_500)  # the page's own last requests
            requests: list[str] = []
            page.on("request", lambda request: requests.append(request.url))
            times = page.evaluate(SLIDE)
            value = statistics.median(times)
            quiet = not requests
            rows.append(
                Row(
                    "slider to repaint",
                    value,
                    "≤ 50 ms, no request",
                    value <= 50 and quiet,
                    " ms",
                    f"median of {len(times)}, max {max(times):.0f} ms, {len(requests)} requests",
                )
            )
            rows += [*run_rows(page), *tree_rows(browser)]
            browser.close()
    finally:
        app.stop()
        empty.stop()
    return rows


def run_rows(page: Page) -> list[Row]:
    """What a run sends to the browser, and when a visitor sees the first of it, from a warm server."""
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    sent = [0]
    network.on("Network.dataReceived", lambda part: sent.__setitem__(0, sent[0] + part["dataLength"]))
    from decoding import presets

    page.get_by_role("button", name="Advanced").first.click()
    page.wait_for_timeout(600)
    configs = [{"name": name, **presets.PRESETS[name]} for name in FOUR]
    rows = []
    for turn, (prompt, length) in enumerate((("My cat is called", 2), (PROMPT, 64))):
        page.locator("#prompt textarea").fill(prompt)
        page.locator("#strategies textarea").fill(json.dumps(configs))
        page.get_by_label("max_new_tokens").first.fill(str(length))
        page.keyboard.press("Tab")
        page.wait_for_timeout(1_500)
        sent[0] = 0
        page.locator("#decode").click()
        began = time.perf_counter()
        shown = page.locator("#figure .figure-title", has_text=prompt)
        shown.wait_for(timeout=300_000)
        page.locator("#figure svg [role=treeitem].taken").nth(1).wait_for()
        first = time.perf_counter() - began
        page.locator("#panel pre", has_text=prompt).first.wait_for(state="attached", timeout=500_000)
        if turn:  # the first run loaded the model
            rows.append(Row("first own result, from a warm server", first, "≤ 10 s", first <= 10, " s"))
    size = sent[0] / 1e6
    detail = ", ".join(FOUR)
    rows.append(Row("bytes of 4 strategies × 64 tokens", size, "≤ 1.5 MB", size <= 1.5, " MB", detail))
    return rows


def tree_rows(browser: Browser) -> list[Row]:
    """A tree of 4 × 128 tokens: its first paint, and the frames while it is moved, folded and unfolded."""
    first, second, third, fourth = parting(128, 3, 40, 90)
    trace = long_trace([first], [second], [third], [fourth])
    with figures(browser, ROOT / "spaces/decoding/decoding/js") as make:
        page = make()
        paint = page.evaluate(PAINT, trace)
        rows = [Row("tree of 4 × 128 tokens: first paint", paint, "≤ 300 ms", paint <= 300, " ms")]
        for name, script in (("fold and unfold", FOLD), ("pan", PAN)):
            frames = page.evaluate(script)
            value = statistics.median(frames)
            detail = f"median of {len(frames)} frames, max {max(frames):.0f} ms"
            label = f"tree of 4 × 128 tokens: {name}"
            rows.append(Row(label, value, "≤ 32 ms a frame", value <= 32, " ms", detail))
    return rows


FOUR = ["greedy", "beam 5", "nucleus .9", "contrastive .6"]
PAINT = """(trace) => new Promise((done) => {
  const began = performance.now();
  draw(trace);
  requestAnimationFrame(() => setTimeout(() => done(performance.now() - began)));
})"""
_FRAMES = """() => new Promise((done) => {
  const frames = [];
  let last = performance.now();
  const next = () => {
    frames.push(performance.now() - last);
    if (frames.length >= 60) return done(frames);
    last = performance.now();
    STEP;
    requestAnimationFrame(next);
  };
  last = performance.now();
  STEP;
  requestAnimationFrame(next);
})"""
FOLD = _FRAMES.replace(
    "STEP", "if (frames.length % 10 === 0) [...document.querySelectorAll('.way button')].at(-1).click()"
)
PAN = _FRAMES.replace("STEP", "document.querySelector('.tree-panel .scroll').scrollLeft += 60")

SLIDE = """async () => {
  const slider = document.querySelector('.stage[data-stage=temperature] input[type=range]');
  const times = [];
  for (let i = 0; i < 20; i++) {
    const began = performance.now();
    slider.value = String(0.3 + 0.07 * i);
    slider.dispatchEvent(new Event('input', { bubbles: true }));
    await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
    times.push(performance.now() - began);
  }
  return times;
}"""


def import_row() -> Row:
    """Importing the app against importing the libraries it cannot do without."""
    env = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'spaces/decoding'}"}

    def start(code: str) -> Callable[[], object]:
        return lambda: subprocess.run(
            [sys.executable, "-c", code], env=env, check=True, cwd=ROOT, capture_output=True
        )

    value, detail = ratio(
        start("from shared.suite import load_app; load_app('decoding')"),
        start("import gradio, torch, transformers"),
        5,
    )
    return Row("import the app ÷ gradio, torch, transformers", value, "≤ 1.3", value <= 1.3, detail=detail)


def rows() -> list[Row]:
    """All figures of the Space."""
    return [*engine_rows(), speculative_row(), import_row(), *page_rows()]
