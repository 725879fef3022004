"""What 200 requests of each Space leave in memory: the server's resident set against that after a warm-up."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
from gradio_client import Client

from tests.bench.common import Row
from tests.conftest import Server
from tests.shared.test_load import CLIENTS, JOBS, make_tiny

WARM, REQUESTS, STEP = 40, 200, 40
MOST = 1.05


def rows() -> Iterator[Row]:
    """A row for each Space, all on one server."""
    from shared import models

    with tempfile.TemporaryDirectory() as folder:
        model = make_tiny(Path(folder), models.load(models.EMBEDDED_MODEL).tokenizer)
        server = Server(["-m", "shared.suite"], {}, "/decoding/")
        try:
            process = psutil.Process(server.process.pid)
            for space, job in JOBS.items():
                client = Client(f"{server.url}/{space}/", verbose=False, httpx_kwargs={"timeout": 300})
                sizes = []
                for number in range(WARM + REQUESTS):
                    job(client, number % CLIENTS, model)
                    if (number + 1) % STEP == 0:
                        sizes.append(process.memory_info().rss / 1e6)
                grown = sizes[-1] / sizes[WARM // STEP - 1]
                line = " → ".join(f"{size:,.0f}" for size in sizes)
                detail = f"MB every {STEP} requests after the first {WARM}: {line}"
                yield Row(f"{space}, {REQUESTS} requests", grown, f"≤ {MOST} ×", grown <= MOST, detail=detail)
        finally:
            server.stop()
