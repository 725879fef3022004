"""A process of its own for what a model's author wrote: it answers lines of JSON, and ends where an answer
takes too much time or memory; the next line starts another.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any
from weakref import WeakSet

_DEADLINE = 30.0
"""Seconds until a process that does not answer is stopped: its own limit counts the processor's time, which
a busy machine stretches.
"""

_ROOT = str(Path(__file__).parents[1])
_workers: WeakSet[Worker] = WeakSet()


class Worker:
    """A script that reads a line of JSON and writes one, as `chat_template_worker.py` does.

    Args:
        script: imports nothing of this suite but `worker_loop`, so that it starts at once.
        arguments: of the script: its limits.
    """

    def __init__(self, script: Path, *arguments: float) -> None:
        self.script = script
        self.arguments = arguments
        self.process: subprocess.Popen[str] | None = None
        self.lock = threading.Lock()
        _workers.add(self)

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """What the process answers; nothing where it ended over it."""
        with self.lock:
            if self.process is None or self.process.poll() is not None:
                self.process = self._started()
            process = self.process
            assert process.stdin is not None and process.stdout is not None
            clock = threading.Timer(_DEADLINE, process.kill)
            clock.daemon = True
            clock.start()
            try:
                process.stdin.write(json.dumps(question) + "\n")
                process.stdin.flush()
                answer = process.stdout.readline()
            except OSError:
                answer = ""
            finally:
                clock.cancel()
            if answer.endswith("\n"):
                return dict(json.loads(answer))
            self.end()
            return {}

    def _started(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            # -P: the folder of the script has modules with common names
            [sys.executable, "-P", str(self.script), *map(str, self.arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            env={**os.environ, "PYTHONPATH": os.pathsep.join([_ROOT, *filter(None, sys.path)])},
        )

    def end(self) -> None:
        """End the process, where there is one."""
        process, self.process = self.process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def _end() -> None:
    for worker in list(_workers):
        worker.end()


def _forget() -> None:
    """A forked process must not share its parent's pipe: it starts a process of its own."""
    for worker in list(_workers):
        worker.process, worker.lock = None, threading.Lock()


atexit.register(_end)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
