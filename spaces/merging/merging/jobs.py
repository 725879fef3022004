"""Hands jobs to `merging.worker`: a socket carries each job's file, and back the number of the process that
was forked for it.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shared import limits

HERE = Path(__file__).parent

_lock = threading.Lock()
_worker: tuple[subprocess.Popen[bytes], socket.socket] | None = None


def running() -> bool:
    """Whether the worker has been started, which takes seconds."""
    return _worker is not None and _worker[0].poll() is None


def messages(job: dict[str, Any], folder: Path) -> Iterator[dict[str, Any]]:
    """What a job's process tells, until it ends; if the reader stops listening, or nothing is told for too
    long, as over a pattern of a stranger's tokenizer, the process is ended.

    Args:
        job: as `merging.worker` takes it.
        folder: of the job; gets its description and a log of what mergekit prints.
    """
    path = folder / "job.json"
    path.write_text(json.dumps(job), encoding="utf-8")
    with (folder / "log.txt").open("wb") as log:
        reading, writing = os.pipe()
        try:
            process = _forked(path, writing, log.fileno())
        except OSError as error:
            os.close(reading)
            yield {"silent": isinstance(error, TimeoutError)}
            return
        finally:
            os.close(writing)
    lines: queue.Queue[str | None] = queue.Queue()
    reader = threading.Thread(target=_read, args=(reading, lines), daemon=True)
    reader.start()
    try:
        while (line := lines.get(timeout=limits.MAX_SILENT_SECONDS)) is not None:
            yield json.loads(line)
    except queue.Empty:
        yield {"silent": True}
    finally:
        with contextlib.suppress(ProcessLookupError):  # it ended a moment ago
            if reader.is_alive():
                os.kill(process, signal.SIGKILL)
        reader.join()


def _forked(job: Path, told: int, log: int) -> int:
    """The number of a process that does a job.

    Args:
        job: the job's file.
        told: where the process tells of it.
        log: where the rest goes.

    Raises:
        TimeoutError: the worker does not answer.
        OSError: it has ended, twice.
    """
    global _worker
    with _lock:
        for attempt in range(2):
            process, jobs = _worker = _worker if _worker and running() else _started()
            jobs.settimeout(limits.MAX_SILENT_SECONDS)
            try:
                socket.send_fds(jobs, [os.fsencode(job)], [told, log])
                if answer := jobs.recv(32):
                    return int(answer)
                raise ConnectionResetError("the worker has ended")
            except OSError as error:
                process.kill()
                process.wait()
                jobs.close()
                _worker = None
                if attempt or isinstance(error, TimeoutError):
                    raise
    raise AssertionError


def _started() -> tuple[subprocess.Popen[bytes], socket.socket]:
    mine, theirs = socket.socketpair()
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(HERE.parent), *sys.path]),
        "PYTHONHASHSEED": "0",  # mergekit picks the donor of config.json from a set of names
        "HF_HUB_OFFLINE": "1",  # everything is here
        "CUDA_VISIBLE_DEVICES": "",
        "OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES",  # macOS would end forks of a process with its libraries
    }
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "merging.worker"],
            env=environment,
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
    return process, mine


def _read(reading: int, lines: queue.Queue[str | None]) -> None:
    with os.fdopen(reading, encoding="utf-8") as file:
        for line in file:
            if line.endswith("\n"):  # or it was ended in the middle of a line
                lines.put(line)
    lines.put(None)
