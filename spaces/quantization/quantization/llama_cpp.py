"""Run a GGUF file in llama.cpp itself, in a process of its own: a crash in C code must not take the page
down.

`python -m quantization.llama_cpp` reads one JSON request from standard input and writes one JSON answer.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shared.errors import VisitorError

TIMEOUT = 180
"""Seconds that one request may take."""

PREFILL, DECODE, REPEATS, WARM = 64, 12, 3, 8
"""Tokens read and written, and how often, to measure speed; and read before, to warm up."""

SECONDS = 4
"""After which speed is not measured once more."""


def check_installed() -> None:
    """Raise a VisitorError where xllamacpp is missing."""
    if importlib.util.find_spec("xllamacpp") is None:
        raise VisitorError("llama.cpp is not installed here.", "Install xllamacpp.")


def environment() -> dict[str, str]:
    """The environment of a process that finds this package."""
    here = Path(__file__).parents[1]
    shared = next(folder for folder in (here, *here.parents) if (folder / "shared").is_dir())
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(here), str(shared)])}


def ask(request: dict[str, Any]) -> dict[str, Any]:
    """Send a request to a fresh process.

    Raises:
        VisitorError: xllamacpp is missing, llama.cpp could not load the file, crashed, or took too long.
    """
    check_installed()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "quantization.llama_cpp"],
            input=json.dumps(request),
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            env=environment(),
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise VisitorError(
            f"llama.cpp did not finish within {TIMEOUT} seconds.", "Try a smaller model."
        ) from None
    if done.returncode or not done.stdout.strip():
        raise VisitorError(
            "llama.cpp could not run the file.", "Try another format, and report it if it persists."
        )
    return json.loads(done.stdout.splitlines()[-1])


def run(path: Path, prompt: str, n_predict: int) -> dict[str, Any]:
    """Continue a prompt greedily.

    Returns:
        text, prefill_tokens_per_second, decode_tokens_per_second and version.
    """
    return ask({"path": str(path), "prompts": [prompt], "n_predict": n_predict})["answers"][0]


def speed(path: Path) -> dict[str, Any]:
    """The speed of reading 64 and writing 12 tokens, with as many threads as PyTorch has: llama.cpp's wait
    for each other at work, and more than there are processors for take many times as long.

    Returns:
        Warm medians, prefill_ and decode_tokens_per_second, of `runs` repeats: fewer where they take long;
        `decode_range`, the slowest and the fastest of them; and version.
    """
    from statistics import median

    import torch

    # Every prompt starts with another word, so that none is found in the cache.
    prompts = [
        f"{first} " + "word " * (count - 2)
        for first, count in zip(("Warm", "One", "Two", "Three"), (WARM, *[PREFILL] * REPEATS), strict=True)
    ]
    asked = {"path": str(path), "prompts": prompts, "n_predict": DECODE, "threads": torch.get_num_threads()}
    _, *answers = ask({**asked, "seconds": SECONDS})["answers"]
    rates = ("prefill_tokens_per_second", "decode_tokens_per_second")
    written = [answer[rates[1]] for answer in answers]
    return {
        **{name: median(answer[name] for answer in answers) for name in rates},
        "runs": len(answers),
        "decode_range": (min(written), max(written)),
        "version": answers[0]["version"],
    }


def read(path: Path, texts: list[str], tokens: list[int]) -> tuple[list[list[int]], npt.NDArray[np.float32]]:
    """What llama.cpp makes of texts and tokens.

    Args:
        path: of a GGUF file.
        texts: to cut into tokens.
        tokens: to predict after, at most 512.

    Returns:
        The tokens of each text, and the logits after each of `tokens` (tokens, vocabulary).
    """
    with tempfile.TemporaryDirectory(prefix="logits-") as folder:
        place = Path(folder) / "logits.npy"
        answer = ask({"path": str(path), "texts": texts, "tokens": tokens, "logits": str(place)})
        return answer["tokens"], np.load(place)


def _read(request: dict[str, Any]) -> dict[str, Any]:
    """Answer `read` in this process."""
    from quantization.llama_library import Reader

    reader = Reader(request["path"])
    np.save(request["logits"], reader.logits(request["tokens"]))
    return {"tokens": [reader.tokens(text) for text in request["texts"]]}


def _serve(request: dict[str, Any]) -> dict[str, Any]:
    """Answer a request in this process."""
    if "tokens" in request:
        return _read(request)
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = request["path"]
    parameters.n_ctx = 512
    parameters.n_predict = request["n_predict"]
    parameters.cpuparams.n_threads = request.get("threads") or os.cpu_count() or 1
    parameters.n_gpu_layers = 0
    parameters.warmup = False
    server = xllamacpp.Server(parameters)
    answers: list[dict[str, Any]] = []
    began = time.perf_counter()
    for prompt in request["prompts"]:
        if len(answers) > 1 and time.perf_counter() - began > request.get("seconds", TIMEOUT):
            break
        answer = server.handle_completions(
            {
                "prompt": prompt,
                "n_predict": request["n_predict"],
                "temperature": 0,
                "cache_prompt": False,
                "ignore_eos": True,
            }
        )
        answer = json.loads(answer) if isinstance(answer, str) else answer
        timings = answer.get("timings", {})
        answers.append(
            {
                "text": answer["choices"][0]["text"] if "choices" in answer else answer["content"],
                "prefill_tokens_per_second": timings.get("prompt_per_second"),
                "decode_tokens_per_second": timings.get("predicted_per_second"),
                "version": f"xllamacpp {importlib.metadata.version('xllamacpp')}",
            }
        )
    return {"answers": answers}


def main() -> None:
    """Read a request, write an answer; llama.cpp's own messages go nowhere."""
    output = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    answer = _serve(json.loads(sys.stdin.read()))
    os.write(output, (json.dumps(answer) + "\n").encode())
    os._exit(0)  # the server's threads are not waited for


if __name__ == "__main__":
    main()
