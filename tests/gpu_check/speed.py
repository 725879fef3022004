"""Seconds by model size: the start, the way to the GPU, reading, writing, and each Space's main job."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

from tests.gpu_check import abliteration, decoding, merging, quantization, setting, subjects

READ = (256, 1024)
"""Tokens of a pass."""
ROWS = (1, 8, 40)
"""Rows of a step."""
STEPS = 12
LONG = {
    "quantization: one own format": {"float32": 1.2},
    "quantization: one GGUF format": {"float32": 0.5},
    "abliteration: ablate and measure": {"float32": 0.3, "bfloat16": 0.3},
}
"""Jobs that take long, by dtype up to which size they are timed, in billions of parameters."""
LARGEST = 5e9
"""Largest model in float32 whose jobs, and whose way to the GPU, are timed."""

Job = Callable[[Any], dict[str, float]]
JOBS: dict[str, Job] = {
    "decoding": decoding.job,
    "merging: one model": merging.job,
    "merging: one point": merging.point_job,
    "merging: layers of a parent": merging.layers_job,
    "abliteration: find": abliteration.job,
    "abliteration: ablate and measure": abliteration.measure_job,
    "quantization: one own format": quantization.job,
    "quantization: one GGUF format": lambda loaded: _gguf_job(loaded),
}
"""What is timed, in an order in which a later one may use what an earlier one left."""


def _gguf_job(loaded: Any) -> dict[str, float]:
    """Blocks of a GGUF type by whatever makes them here, and the measurement of the copy."""
    base, material = quantization._base(loaded, 256, 4)
    quantization._row(loaded, "gguf:Q8_0", base, material)
    return {"formats": 1}


def starts(count: int = 3) -> list[float]:
    """Seconds of the first use of the GPU, each in a process of its own."""
    command = [sys.executable, "-m", "tests.gpu_check.start"]
    done = [
        subprocess.run(command, cwd=setting.ROOT, capture_output=True, text=True, check=False)
        for _ in range(count)
    ]
    for one in done:
        if one.returncode:
            raise RuntimeError((one.stderr.strip().splitlines() or ["the process ended early"])[-1])
    return [float(one.stdout.split()[-1]) for one in done]


def measured(name: str, dtype: str, device: str, until: float) -> Iterator[dict[str, Any]]:
    """One size; yields the growing record, so that what is measured is kept whatever happens next.

    Args:
        name: of the size.
        dtype: of the weights.
        device: to measure on.
        until: `time.monotonic()` after which no job begins.
    """
    loaded = subjects.random_model(name, dtype, device)
    parameters = subjects.parameters_of(loaded)
    record: dict[str, Any] = {
        "size": name,
        "parameters": parameters,
        "dtype": dtype,
        "jobs": {},
        "skipped": {},
    }
    record["bytes"] = sum(parameter.nbytes for parameter in loaded.model.parameters())
    if dtype != "float32" or parameters <= LARGEST:
        loaded.model.to("cpu")
        record["move"] = setting.seconds_of(lambda: loaded.model.to(device))
        setting.free()
        yield record
    record["passes"] = [[tokens, _pass(loaded, tokens)] for tokens in READ]
    record["steps"] = [[rows, _step(loaded, rows)] for rows in ROWS]
    yield record
    for title, job in JOBS.items():
        if not _wanted(title, dtype, parameters):
            continue
        if time.monotonic() > until:
            record["skipped"][title] = "no time left"
            continue
        facts: dict[str, float] = {}
        try:
            seconds = setting.seconds_of(lambda job=job, facts=facts: facts.update(job(loaded)))
        except Exception as error:  # one Space's failure must not take the other numbers away
            record["skipped"][title] = f"{type(error).__name__}: {error}"[:200]
        else:
            record["jobs"][title] = {"seconds": seconds, **facts}
        setting.free()
        yield record


def _wanted(title: str, dtype: str, parameters: int) -> bool:
    """Whether a job of this size is timed at all."""
    if title in LONG:
        return parameters <= 1e9 * LONG[title].get(dtype, 0)
    return dtype != "float32" or parameters <= LARGEST


def _ids(loaded: Any, tokens: int) -> list[int]:
    from shared import talk
    from shared.texts import sample

    ids = talk.plain_ids(loaded.tokenizer, sample("evaluation"))
    return (ids * (tokens // len(ids) + 1))[:tokens]


def _pass(loaded: Any, tokens: int) -> float:
    """Seconds of a forward pass over one row, logits for its second half."""
    from shared import measure

    ids = _ids(loaded, tokens)
    times = [
        setting.seconds_of(lambda: measure.next_token_logits(loaded.model, ids, tokens // 2 + 1))
        for _ in range(7)
    ]
    return median(times[2:])


def _step(loaded: Any, rows: int) -> float:
    """Seconds of a step that writes a token of every row, with a cache."""
    from shared import talk

    times = [time.perf_counter()]
    for _ in talk.greedy(loaded.model, loaded.tokenizer, [_ids(loaded, 48)] * rows, STEPS + 2):
        times.append(time.perf_counter())
    return median(after - before for before, after in itertools.pairwise(times[2:]))
