"""Run a merge: check, then mergekit in a fresh process, with progress; stopped or failed, it leaves nothing
behind.
"""

from __future__ import annotations

import errno
import hashlib
import importlib.metadata
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from merging import recipe as recipes
from merging.check import Check, check, relinked
from merging.costs import shortage
from merging.recipe import Finding
from merging.sources import Source, resolve
from shared.checks import whole
from shared.errors import VisitorError

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Progress:
    """How far a merge is.

    Args:
        label: what is being done.
        done: tensors saved.
        total: tensors to save; 0 where that is not known.
    """

    label: str
    done: int = 0
    total: int = 0


@dataclass(frozen=True)
class Report:
    """A finished merge.

    Args:
        kind: "merge", "mixture" or "extract".
        folder: the child's files.
        files: their names and bytes.
        sha256: of each weight file.
        seed: of the draws.
        seconds: the process took, its start included.
        peak: bytes of memory at the process's peak.
        recipe: as written.
        sources: the parents.
        findings: of the check, warnings and notes.
        versions: of the libraries.
    """

    kind: str
    folder: Path
    files: dict[str, int]
    sha256: dict[str, str]
    seed: int
    seconds: float
    peak: int
    recipe: str
    sources: dict[str, Source]
    findings: tuple[Finding, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The report as the API returns it."""
        return {
            "kind": self.kind,
            "files": self.files,
            "sha256": self.sha256,
            "seed": self.seed,
            "seconds": round(self.seconds, 1),
            "peak_memory": self.peak,
            "recipe": self.recipe,
            "findings": [finding.to_json() for finding in self.findings],
            "versions": self.versions,
            "models": [
                {"name": name, "revision": source.revision, "licence": source.licence}
                for name, source in self.sources.items()
            ],
        }


def merge(text: str, seed: int, folder: Path) -> Iterator[Progress | Report]:
    """Merge as a recipe says; the last item is the report.

    The weights equal those of `PYTHONHASHSEED=0 mergekit-yaml recipe.yml child --random-seed <seed>`, byte
    for byte.

    Args:
        text: YAML, of mergekit-yaml or of mergekit-moe.
        seed: of methods that draw.
        folder: where the child's folder is made; nothing stays there unless the merge succeeds.

    Raises:
        VisitorError: the check found an error, the disk is full, or the process was ended from outside.
    """
    yield Progress("Checking the recipe")
    found = check(text)
    if not found.ok:
        raise refused(found)
    recipe = recipes.parse(text)
    sources = yield from _fetch(list(found.sources))
    job = {"kind": "mixture" if recipes.is_moe(recipe) else "merge", "text": text, "seed": seed}
    yield from _run(job, recipe, sources, folder, tuple(found.findings))


def extract_lora(model: str, base_model: str, rank: int | str, folder: Path) -> Iterator[Progress | Report]:
    """Extract the difference of two models as a LoRA adapter of at most `rank`, as `mergekit-extract-lora`
    does.

    Raises:
        VisitorError: as `merge`; or the rank is not from 1 to 512.
    """
    rank = whole(1, 512)("The rank", rank)
    if model == base_model:
        raise VisitorError(
            "The model and its base are the same.", "Name the fine-tuned model and what it was tuned from."
        )
    names = [model, base_model]
    asked = [resolve(name, whole=False) for name in names]
    adapter = sum(4 * rank * sum(shape) for _, shape in asked[0].tensors.values() if len(shape) == 2)
    for finding in shortage(
        adapter,
        sum(source.bytes for source in asked if not source.here),
        "Free some, or choose a lower rank.",
    ):
        raise VisitorError(finding.message, finding.fix)
    sources = yield from _fetch(names)
    if sources[model].tensors.keys() != sources[base_model].tensors.keys():
        raise VisitorError(
            f"{model} and {base_model} have different tensors.",
            "Name a model and the one that it was tuned from.",
        )
    recipe = {"base_model": base_model, "models": [{"model": model}]}
    yield from _run({"kind": "extract", "rank": rank, "seed": 0, "text": ""}, recipe, sources, folder, ())


def refused(found: Check) -> VisitorError:
    """The first error of a check, as an exception."""
    first = next(finding for finding in found.findings if finding.level == "error")
    where = f"{first.where}: " if first.where else ""
    return VisitorError(f"{where}{first.message}", first.fix or "Correct the recipe.")


def _fetch(names: list[str]) -> Generator[Progress, None, dict[str, Source]]:
    """Download what is missing, with progress; the generator's value is the sources by name."""
    sources: dict[str, Source] = {}
    for name in names:
        yield Progress(f"Fetching {name}")
        sources[name] = resolve(name, whole=True)
    return sources  # type: ignore[return-value]


def _run(
    job: dict[str, Any],
    recipe: dict[str, Any],
    sources: dict[str, Source],
    folder: Path,
    findings: tuple[Finding, ...],
) -> Iterator[Progress | Report]:
    started = time.monotonic()
    work = Path(tempfile.mkdtemp(prefix=".merge-", dir=folder))
    try:
        named = relinked(recipe, sources, work / "models", "models")
        job |= {"folder": str(work), "out": "child", "recipe": named, "parent": os.getpid()}
        if job["kind"] == "extract":
            job |= {"model": named["models"][0]["model"], "base_model": named["base_model"]}
        (work / "recipe.yml").write_text(recipes.to_yaml(named), encoding="utf-8")
        last: dict[str, Any] = {}
        yield Progress("Starting mergekit")
        for message in _messages(job, work / "log.txt"):
            last = message
            if "done" in message:
                yield Progress(message["tensor"], message["done"], message["total"])
        if not last.get("finished"):
            raise _failed(last)
        child = folder / "child"
        if child.exists():
            shutil.rmtree(child)
        if job["kind"] == "extract":
            (work / "child" / "README.md").write_text(
                _adapter_card(recipe, int(job["rank"])), encoding="utf-8"
            )
        (work / "child").rename(child)
    except OSError as error:
        full = error.errno == errno.ENOSPC
        what = (
            "The disk is full: the run was stopped."
            if full
            else f"The run could not write its files ({error.strerror})."
        )
        raise VisitorError(what, "Free some space, or make less of it.") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    files = {path.name: path.stat().st_size for path in sorted(child.iterdir()) if path.is_file()}
    hashes = {name: _sha256(child / name) for name in files if name.endswith(".safetensors")}
    versions = {name: importlib.metadata.version(name) for name in ("mergekit", "torch", "transformers")}
    yield Report(
        job["kind"],
        child,
        files,
        hashes,
        job["seed"],
        time.monotonic() - started,
        int(last["peak"]),
        job["text"],
        sources,
        tuple(finding for finding in findings if finding.level != "error"),
        versions,
    )


def _adapter_card(recipe: dict[str, Any], rank: int) -> str:
    """The card of an extracted adapter."""
    from merging.card import hub_id
    from merging.programs import in_words_of_mergekit

    model, base = recipe["models"][0]["model"], recipe["base_model"]
    parent = {"base_model": hub_id(base), "base_model_relation": "adapter"} if hub_id(base) else {}
    head = recipes.to_yaml({"library_name": "peft", **parent, "tags": ["mergekit", "peft"]})
    named = [in_words_of_mergekit(name) for name in (model, base)]
    version = importlib.metadata.version("mergekit")
    return f"""---
{head.strip()}
---

# LoRA adapter: {model} from {base}

The difference of the two models' weights, cut to rank {rank} at most per matrix by singular value decomposition, with mergekit {version}
(`mergekit-extract-lora --model {named[0]} --base-model {named[1]} --max-rank {rank}`).
"""


def _messages(job: dict[str, Any], log: Path) -> Iterator[dict[str, Any]]:
    """Start the worker and yield what it tells, until it ends; if the reader stops listening, end the
    worker.
    """
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(HERE.parent), *sys.path]),
        "PYTHONHASHSEED": "0",  # mergekit picks the donor of config.json from a set of names
        "HF_HUB_OFFLINE": "1",  # everything is here
        "CUDA_VISIBLE_DEVICES": "",
    }
    with log.open("w", encoding="utf-8") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "merging.worker"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )
    lines: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=_read, args=(process, lines), daemon=True).start()
    try:
        assert process.stdin is not None
        process.stdin.write(json.dumps(job) + "\n")
        process.stdin.close()
        while (line := lines.get()) is not None:
            yield json.loads(line)
        process.wait()
        if process.returncode not in (0, 1):
            yield {"killed": process.returncode}
    except BrokenPipeError:
        yield {"killed": process.wait()}
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _read(process: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("{"):
            lines.put(line)
    lines.put(None)


def _failed(last: dict[str, Any]) -> VisitorError:
    """What a worker that did not finish says."""
    if last.get("full"):
        return VisitorError("The disk is full: the run was stopped.", "Free some space, or make less of it.")
    if last.get("memory"):
        return VisitorError(
            "The machine ran out of memory during the merge.", "Merge smaller models, or set dtype: bfloat16."
        )
    if "error" in last:
        return VisitorError(
            f"mergekit stopped: {str(last['error']).rstrip('.')}.",
            "Change the recipe so, or report it if it looks right.",
        )
    return VisitorError(
        "The merge's process was ended from outside, perhaps for want of memory; nothing was kept.",
        "Try again, or merge smaller models.",
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def run_all(
    items: Iterator[Progress | Report], report: Callable[[Progress], None] = lambda _: None
) -> Report:
    """Run a merge to its end."""
    last: Progress | Report | None = None
    for last in items:
        if isinstance(last, Progress):
            report(last)
    assert isinstance(last, Report)
    return last
