"""What llama.cpp predicts at the scored positions of every window, with keys and values in one format or
another; in a process of its own, which computes one window after another as they are fetched.

`python -m quantization.llama_windows` reads a JSON request from the first line of standard input, writes the
logits of a window to a file and says so in a line, and goes on when a line comes back.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from quantization import llama_cpp
from shared.errors import VisitorError


def predictions(
    path: Path, windows: Sequence[Sequence[int]], first: int, caches: Sequence[str]
) -> Iterator[tuple[int, str, npt.NDArray[np.float32] | None]]:
    """Logits window by window, and in each cache by cache.

    Args:
        path: of a GGUF file.
        windows: tokens.
        first: place in each window from which on logits are wanted.
        caches: formats of keys and values, of `llama_library.CACHES`.

    Yields:
        The window's number, the cache's format, and logits (tokens − first, vocabulary); None where keys and
            values cannot be held in that format.

    Raises:
        VisitorError: xllamacpp is missing, or llama.cpp could not load the file or crashed.
    """
    llama_cpp.check_installed()
    with tempfile.TemporaryDirectory(prefix="logits-") as folder:
        place = Path(folder) / "logits.npy"
        request = {"path": str(path), "windows": windows, "first": first, "caches": caches, "to": str(place)}
        process = subprocess.Popen(
            [sys.executable, "-m", "quantization.llama_windows"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=llama_cpp.environment(),
        )
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(json.dumps(request) + "\n")
            for number in range(len(windows)):
                for cache in caches:
                    with suppress(BrokenPipeError):
                        process.stdin.flush()
                    said = process.stdout.readline().strip()
                    if said not in ("computed", "impossible"):
                        raise VisitorError(
                            "llama.cpp could not run the file.",
                            "Try another format, and report it if it persists.",
                        )
                    yield number, cache, np.load(place) if said == "computed" else None
                    process.stdin.write("\n")
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
            with suppress(OSError):
                process.stdin.close()


def _serve(request: dict[str, Any], output: int) -> None:
    """Compute in this process."""
    from quantization.llama_library import Context, Reader

    reader = Reader(request["path"])
    contexts: dict[str, Context | None] = {}
    for cache in request["caches"]:
        try:
            contexts[cache] = reader.context(max(map(len, request["windows"])), cache)
        except RuntimeError:
            contexts[cache] = None
    for tokens in request["windows"]:
        for context in contexts.values():
            if context is not None:
                np.save(request["to"], reader.predictions(context, tokens, request["first"]))
            os.write(output, b"computed\n" if context is not None else b"impossible\n")
            if not sys.stdin.readline():
                os._exit(0)  # whoever asked is gone


def main() -> None:
    """Answer; llama.cpp's own messages go nowhere."""
    output, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    _serve(json.loads(sys.stdin.readline()), output)
    os._exit(0)


if __name__ == "__main__":
    main()
