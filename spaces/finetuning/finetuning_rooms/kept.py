"""The adapters of a run that a page keeps on the disk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from finetuning.snapshot import Snapshot
from shared.errors import VisitorError
from shared.files import written_whole, zipped


def _gone() -> VisitorError:
    return VisitorError("The run's adapters are no longer kept.", "Train again: they stay for two hours.")


def _linked(source: str | Path, target: str | Path) -> None:
    """Give a file a second name, or copy it where the disk knows no such names."""
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)


@dataclass(frozen=True)
class Kept:
    """What a page keeps of a run on the disk.

    Args:
        folder: with a folder for each run and step.
        marks: the steps that are there, by run.
    """

    folder: Path
    marks: tuple[tuple[int, int], ...] = ()

    def with_one(self, snapshot: Snapshot) -> Kept:
        """The same with a snapshot more, written whole.

        Raises:
            VisitorError: the disk is full.
        """
        place = self.place(snapshot.run, snapshot.step)
        with written_whole(place, "the adapter") as unfinished:
            unfinished.mkdir(parents=True, exist_ok=True)
            (unfinished / "adapter_model.safetensors").write_bytes(snapshot.adapter)
            (unfinished / "adapter_config.json").write_text(snapshot.config, encoding="utf-8")
            (unfinished / "optimizer.safetensors").write_bytes(snapshot.optimizer)
        mark = snapshot.run, snapshot.step
        return replace(self, marks=(*(one for one in self.marks if one != mark), mark))

    def place(self, run: int, step: int) -> Path:
        """A snapshot's folder."""
        return self.folder / f"run-{run + 1}-step-{step:04d}"

    def steps(self) -> list[int]:
        """Steps of any run, in order."""
        return sorted({step for _, step in self.marks})

    def at(self, step: int) -> list[tuple[int, int]]:
        """The latest mark of each run that is not behind a step: one run may have ended before another."""
        until = [mark for mark in self.marks if mark[1] <= step]
        return [max(mark for mark in until if mark[0] == run) for run in sorted({run for run, _ in until})]

    def snapshot(self, run: int, step: int) -> Snapshot:
        """A snapshot, read again.

        Raises:
            VisitorError: it is gone.
        """
        place = self.place(run, step)
        try:
            return Snapshot(
                run,
                step,
                (place / "adapter_model.safetensors").read_bytes(),
                (place / "adapter_config.json").read_text(encoding="utf-8"),
                (place / "optimizer.safetensors").read_bytes(),
            )
        except OSError as error:
            raise _gone() from error

    def archive(self, run: int, step: int) -> Path:
        """The adapter of a step as a zip file that peft opens once it is unpacked.

        Raises:
            VisitorError: it is gone.
        """
        place, only = self.place(run, step), self.folder / f"adapter-run-{run + 1}-step-{step}"
        target = only.with_suffix(".zip")
        if target.exists():
            return target
        if not place.exists():
            raise _gone()
        shutil.rmtree(only, ignore_errors=True)
        only.mkdir()
        for name in ("adapter_model.safetensors", "adapter_config.json"):
            _linked(place / name, only / name)
        return zipped(only, target)

    def until(self, step: int) -> Kept:
        """The same without later steps."""
        return replace(self, marks=tuple(mark for mark in self.marks if mark[1] <= step))

    def carried(self, folder: Path, step: int) -> Kept:
        """The same without later steps in a folder of its own, in which a run can go on.

        Raises:
            VisitorError: they are gone.
        """
        now = replace(self.until(step), folder=folder)
        try:
            for mark in now.marks:
                shutil.copytree(self.place(*mark), now.place(*mark), copy_function=_linked)
        except FileNotFoundError as error:
            raise _gone() from error
        return now


def archives(kept: Kept, step: int) -> list[str]:
    """The adapters of a step as files, one of each run that had begun by then.

    Raises:
        VisitorError: they are gone, or the disk is full.
    """
    return [str(kept.archive(*mark)) for mark in kept.at(step)]


def keeping(
    steps: Generator[tuple[Mapping[str, Any], Snapshot | None]], kept: Kept
) -> Iterator[tuple[Mapping[str, Any], Kept, Snapshot | None]]:
    """A run with its adapters on the disk as they come: the figure, what is kept, and what was new of it.

    Where the disk is full the run ends: its figure says so, and what was kept before stays.

    Raises:
        VisitorError: the disk has no room for the first one.
    """
    with closing(steps):
        for data, snapshot in steps:
            if snapshot is None:
                yield data, kept, None
                continue
            try:
                kept = kept.with_one(snapshot)
            except VisitorError as error:
                if not any(run == snapshot.run for run, _ in kept.marks):
                    raise
                yield _ended(data, kept, snapshot, error), kept, None
                return
            yield data, kept, snapshot


def _ended(data: Mapping[str, Any], kept: Kept, snapshot: Snapshot, error: VisitorError) -> dict[str, Any]:
    """The figure of a run whose snapshot could not be written."""
    good = max(step for run, step in kept.marks if run == snapshot.run)
    stopped = f"After step {snapshot.step}: {error.what} The adapter of step {good} is kept. {error.remedy}"
    ended = {**data, "done": True, "progress": None}
    if data["kind"] == "grpo":
        return {**ended, "stopped": stopped, "verdict": stopped}
    return {**ended, "runs": [*data["runs"][:-1], {**data["runs"][-1], "stopped": stopped}]}
