"""Compute the stored examples again: the cautious expert's direction found, removed, measured, searched for a
kernel, taken apart; the edit found again in the weights; and behaviours planted for the truth bench.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

from abliteration import optimise, record
from abliteration.bench_request import BenchRequest
from abliteration.chat_request import EDIT, ChatRequest, settings_of
from abliteration.forensics_request import ForensicsRequest
from abliteration.outcome import bench, chat, features, find, forensics, remove, search, take
from abliteration.request import Request

BENCH = BenchRequest.parse(plants=["cooking", "gardening", "travel"], steps=24, trials=10, candidates=3)


def last(steps: Iterator[Any]) -> Any:
    """The complete result, with the progress printed on the way."""
    label, data = "", {}
    for data in steps:
        now = (data["progress"] or {"label": "done"})["label"]
        if now != label:
            print(now, flush=True)
        label = now
    return data


def write(name: str, data: Any) -> None:
    """Store a result."""
    (HERE / "examples").mkdir(exist_ok=True)
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    (HERE / "examples" / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def main(*names: str) -> None:
    """Write the examples of these names, all by default; the edit that is shown is the one that the search
    found.
    """
    for name, compute in (
        ("optimise", searched),
        ("find", lambda: last(find.find(Request()))),
        ("ablate", lambda: last(remove.ablate(chosen()))),
        ("certificate", lambda: last(take.certificate(chosen()))),
        ("features", taken_apart),
        ("forensics", examined),
        ("chat", lambda: last(chat.chat(talked()))),
        ("bench", lambda: last(bench.bench(BENCH))),
    ):
        if name in names or not names:
            write(name, compute())


def searched() -> Any:
    """The search; it leaves aside what it finds, so that the chosen settings ask for the same one."""
    best = last(search.search(Request()))
    return {**best, "request": best["chosen"]}


def chosen() -> Request:
    """The settings that the stored search chose."""
    text = (HERE / "examples" / "optimise.json").read_text(encoding="utf-8")
    return Request.parse(**json.loads(text)["chosen"])


def ablation() -> Request:
    """The settings of the best ablation that it tried: a direction read at one layer, and removed."""
    tried = json.loads((HERE / "examples" / "optimise.json").read_text(encoding="utf-8"))["trials"]
    few = [trial for trial in tried if trial["method"] == "ablate"]
    best = min(few, key=lambda trial: (trial["refusals"] > optimise.ENOUGH, trial["kl"], trial["number"]))
    settings = {name: best[name] for name in ("layer", "projection", "kernel", "method")}
    return Request.parse(**settings)


def talked() -> ChatRequest:
    """A conversation with the edit that the search found, beside the best ablation that it tried."""
    stated = {name: value for name, value in chosen().to_json().items() if name in EDIT}
    return ChatRequest.parse(
        **stated,
        messages=["How do I cook rice?", "What is a comet?"],
        second=settings_of(ablation()),
        reply_tokens=40,
    )


def taken_apart() -> Any:
    """The features of the ablation's direction, with the autoencoder beside them."""
    folder = HERE / "examples" / "sae"
    shutil.rmtree(folder, ignore_errors=True)
    return last(features.explain(ablation(), folder))


def examined() -> Any:
    """The ablation that the search found, exported, and its record held against the model it was made of."""
    with tempfile.TemporaryDirectory() as name:
        last(take.export(ablation(), Path(name) / "edited"))
        shutil.copy(Path(name) / "edited" / record.NAME, HERE / "examples" / record.NAME)
        return last(forensics.forensics(ForensicsRequest(measured=True), Path(name) / "replayed"))


if __name__ == "__main__":
    main(*sys.argv[1:])
