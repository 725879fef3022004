"""The evaluation Space: items read packed against row by row, the time to first intervals, and to the end."""

from __future__ import annotations

import time
from collections.abc import Iterator

from shared.embedded_model import EMBEDDED_MODEL
from tests.bench.common import Row, timed

ITEMS, RUNS = 200, 3


def rows() -> Iterator[Row]:
    """The table's lines."""
    from evaluation.engine import compare, plan
    from evaluation.request import CompareRequest
    from shared import models
    from shared.choices import packable, scored

    request = CompareRequest(models=(EMBEDDED_MODEL, "pirate"), limit=24)
    loaded = [models.load(name, exact=True) for name in request.models]
    planned = plan(request, loaded)
    packable(loaded[0].model)
    some, read = planned.items[:ITEMS], planned.rows[0][:ITEMS]
    ratios = []
    for _ in range(RUNS):
        alone = timed(lambda: scored(loaded[0].model, some, read, packed=False))
        ratios.append(alone / timed(lambda: scored(loaded[0].model, some, read)))
    ratios.sort()
    detail = f"{ratios[0]:.2f} to {ratios[-1]:.2f}, n = {RUNS}, {ITEMS} items"
    yield Row("every choice in a row of its own ÷ packed", ratios[1], "≥ 1.2", ratios[1] >= 1.2, "×", detail)
    began = time.monotonic()
    first = 0.0
    for data in compare(request, loaded, planned):
        if data["scores"] and not first:
            first = time.monotonic() - began
    whole = time.monotonic() - began
    words = f"{len(planned.items)} items, two models of 135M"
    yield Row("first intervals", first, "≤ 5 s", first <= 5, " s", words)
    yield Row("a whole comparison", whole, "≤ 60 s", whole <= 60, " s", words)
