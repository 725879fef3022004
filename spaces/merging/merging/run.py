"""Run a merge: check, then mergekit in a process of its own, with progress; stopped or failed, it leaves
nothing behind.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import shutil
import tempfile
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from merging import recipe as recipes
from merging.card import adapter_card
from merging.check import check
from merging.costs import shortage
from merging.finding import Finding
from merging.jobs import messages
from merging.model_links import relinked
from merging.report import Progress, Report
from merging.request import Request
from merging.sources import Source, resolve
from shared import limits
from shared.checks import whole
from shared.errors import VisitorError
from shared.files import DISK_REMEDY, is_disk_full
from shared.steps import last


def merge(request: Request, folder: Path) -> Iterator[Progress | Report]:
    """Merge as a recipe says; the last item is the report.

    The weights equal those of `PYTHONHASHSEED=0 mergekit-yaml recipe.yml child --random-seed <seed>`, byte
    for byte.

    Args:
        request: recipe and seed.
        folder: where the child's folder is made; nothing stays there unless the merge succeeds.

    Raises:
        VisitorError: the check has an error, the disk is full, or the process was ended from outside.
    """
    yield Progress("Checking the recipe")
    result = check(request.recipe)
    if not result.ok:
        raise result.refusal()
    recipe = recipes.parse(request.recipe)
    sources = yield from _fetch(list(result.sources))
    kind = "mixture" if recipes.is_moe(recipe) else "merge"
    job = {"kind": kind, "text": request.recipe, "seed": request.seed}
    yield from _run(job, recipe, sources, folder, result.findings)


def merge_tensors(
    recipe: dict[str, Any], seed: int, sources: Mapping[str, Source], names: Sequence[str], folder: Path
) -> Iterator[Progress | Report]:
    """Merge some tensors alone; the last item is the report.

    They equal those of `merge`, byte for byte, where the method does not draw: what is drawn depends on all
    tensors before.

    Args:
        recipe: checked.
        seed: of the draws.
        sources: its models by name; of their weights those that these tensors are made of must be there.
        names: of the child's tensors.
        folder: as for `merge`.

    Raises:
        VisitorError: as `merge`.
    """
    job = {"kind": "sample", "text": "", "seed": seed, "tensors": list(names)}
    yield from _run(job, recipe, sources, folder)


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
    headers = [resolve(name, whole=False) for name in names]
    adapter = sum(4 * rank * sum(shape) for _, shape in headers[0].tensors.values() if len(shape) == 2)
    download = sum(source.bytes for source in headers if not source.here)
    for finding in shortage(adapter, download, "Free some, or choose a lower rank."):
        raise VisitorError(finding.message, finding.fix)
    sources = yield from _fetch(names)
    if sources[model].tensors.keys() != sources[base_model].tensors.keys():
        raise VisitorError(
            f"{model} and {base_model} have different tensors.",
            "Name a model and the one that it was tuned from.",
        )
    recipe = {"base_model": base_model, "models": [{"model": model}]}
    yield from _run({"kind": "extract", "rank": rank, "seed": 0, "text": ""}, recipe, sources, folder)


def _fetch(names: Sequence[str]) -> Generator[Progress, None, dict[str, Source]]:
    """Download what is missing, with progress; the generator's value is the sources by name."""
    sources: dict[str, Source] = {}
    for name in names:
        yield Progress(f"Fetching {name}")
        sources[name] = resolve(name, whole=True)
    return sources


def _run(
    job: dict[str, Any],
    recipe: dict[str, Any],
    sources: Mapping[str, Source],
    folder: Path,
    findings: Sequence[Finding] = (),
) -> Iterator[Progress | Report]:
    started = time.monotonic()
    work = Path(tempfile.mkdtemp(prefix=".merge-", dir=folder))
    child = folder / "child"
    try:
        linked = relinked(recipe, sources, work / "models", "models")
        job |= {"folder": str(work), "out": "child", "recipe": linked}
        if job["kind"] == "extract":
            job |= {"model": linked["models"][0]["model"], "base_model": linked["base_model"]}
        (work / "recipe.yml").write_text(recipes.to_yaml(linked), encoding="utf-8")
        message: dict[str, Any] = {}
        yield Progress("Starting mergekit")
        for message in messages(job, work):
            if "done" in message:
                yield Progress(message["tensor"], message["done"], message["total"])
        if not message.get("finished"):
            raise _failure(message)
        if child.exists():
            shutil.rmtree(child)
        if job["kind"] == "extract":
            text = adapter_card(recipe["models"][0]["model"], sources, recipe["base_model"], job["rank"])
            (work / "child" / "README.md").write_text(text, encoding="utf-8")
        (work / "child").rename(child)
    except OSError as error:
        if is_disk_full(error):
            raise _full() from error
        raise VisitorError(
            f"The run could not write its files ({error.strerror}).", "Free some space, or try again."
        ) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    files = {path.name: path.stat().st_size for path in sorted(child.iterdir()) if path.is_file()}
    yield Report(
        kind=job["kind"],
        folder=child,
        files=files,
        sha256={name: _sha256(child / name) for name in files if name.endswith(".safetensors")},
        seed=job["seed"],
        seconds=time.monotonic() - started,
        peak=int(message["peak"]),
        recipe=job["text"],
        sources=sources,
        findings=tuple(finding for finding in findings if finding.level != "error"),
        versions={name: importlib.metadata.version(name) for name in ("mergekit", "torch", "transformers")},
    )


def _failure(message: Mapping[str, Any]) -> VisitorError:
    """The sentences for a worker that did not finish, from its last message."""
    if message.get("full"):
        return _full()
    if message.get("silent"):
        return VisitorError(
            f"mergekit told nothing for {limits.MAX_SILENT_SECONDS / 60:.0f} minutes: the run was stopped.",
            "Merge smaller models, or run the command at home.",
        )
    if message.get("memory"):
        return VisitorError(
            "The machine ran out of memory during the merge.", "Merge smaller models, or set dtype: bfloat16."
        )
    if "error" in message:
        return VisitorError(
            f"mergekit stopped: {str(message['error']).rstrip('.')}.",
            "Change the recipe accordingly, or report it if it looks right.",
        )
    return VisitorError(
        "The merge's process was ended from outside, perhaps because memory ran out; nothing was kept.",
        "Try again, or merge smaller models.",
    )


def _full() -> VisitorError:
    return VisitorError("The disk is full: the run was stopped.", DISK_REMEDY)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def finished(steps: Iterator[Progress | Report]) -> Report:
    """The report of a merge that is run to its end."""
    report = last(steps)
    assert isinstance(report, Report)
    return report
