"""Chat templates: programs of a model's author, which only a process of its own may run.

Jinja's sandbox keeps a template from files and attributes, not from writing 20 million letters, counting for
an hour or holding all memory. So a template is filled in by `shared/chat_template_worker.py`, in a process
that ends when a text has taken too long, needs too much memory or grows too long; the next text starts
another.
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

from shared import limits

WORKER = Path(__file__).with_name("chat_template_worker.py")
_DEADLINE = 30.0
"""Seconds until a process that does not answer is stopped: its own limit counts the processor's time, which
a busy machine stretches.
"""

_process: subprocess.Popen[str] | None = None
_lock = threading.Lock()


def _forget() -> None:
    """A forked process must not share its parent's pipe: it starts a process of its own."""
    global _process, _lock
    _process, _lock = None, threading.Lock()
    atexit.unregister(_end)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


class TooMuch(Exception):
    """A template went past `limits.TEMPLATE_SECONDS`, `TEMPLATE_BYTES` or `MAX_TEMPLATE_CHARACTERS`."""


class Failed(Exception):
    """A template raised an error: its sentence, or jinja's."""


def fill(template: str, variables: dict[str, Any]) -> str:
    """The text that a chat template writes, as transformers' `render_jinja_template` gives it.

    Args:
        template: in jinja2.
        variables: of the template, in the types of JSON.

    Raises:
        Failed: the template is no template, or raised an error.
        TooMuch: it is too long, or went past a limit.
    """
    if len(template) > limits.MAX_TEMPLATE_CHARACTERS:
        raise TooMuch
    answer = _asked(json.dumps({"template": template, "variables": variables}))
    if "text" in answer:
        return str(answer["text"])
    if "error" in answer:
        raise Failed(answer["error"])
    raise TooMuch


def _asked(line: str) -> dict[str, Any]:
    """What the process answers; nothing where it ended over it."""
    global _process
    with _lock:
        if _process is None or _process.poll() is not None:
            _process = _started()
        process = _process
        assert process.stdin is not None and process.stdout is not None
        clock = threading.Timer(_DEADLINE, process.kill)
        clock.daemon = True
        clock.start()
        try:
            process.stdin.write(line + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except OSError:
            answer = ""
        finally:
            clock.cancel()
        if answer.endswith("\n"):
            return dict(json.loads(answer))
        _process = None
        _end(process)
        return {}


def _started() -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [
            sys.executable,
            "-P",  # the folder of the script has modules with common names
            str(WORKER),
            str(limits.TEMPLATE_SECONDS),
            str(limits.TEMPLATE_BYTES),
            str(limits.MAX_TEMPLATE_CHARACTERS),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    atexit.register(_end, process)
    return process


def _end(process: subprocess.Popen[str]) -> None:
    atexit.unregister(_end)
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
