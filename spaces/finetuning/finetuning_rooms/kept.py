"""The adapters of a run that a page keeps on the disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import gradio as gr

from finetuning.snapshot import Snapshot
from shared.errors import VisitorError
from shared.files import written_whole, zipped


def _gone() -> VisitorError:
    return VisitorError("The run's adapters are no longer kept.", "Train again: they stay for two hours.")


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
        return Kept(self.folder, (*self.marks, (snapshot.run, snapshot.step)))

    def place(self, run: int, step: int) -> Path:
        """A snapshot's folder."""
        return self.folder / f"run-{run + 1}-step-{step:04d}"

    def steps(self) -> list[int]:
        """Steps that every run that began has, in order."""
        runs = {run for run, _ in self.marks}
        return sorted({step for _, step in self.marks if all((run, step) in self.marks for run in runs)})

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
        if not place.exists():
            raise _gone()
        only.mkdir(exist_ok=True)
        for name in ("adapter_model.safetensors", "adapter_config.json"):
            (only / name).write_bytes((place / name).read_bytes())
        return zipped(only, self.folder / f"{only.name}.zip")

    def until(self, step: int) -> Kept:
        """The same without later steps."""
        return Kept(self.folder, tuple(mark for mark in self.marks if mark[1] <= step))


def archives(kept: Kept, step: int) -> list[str]:
    """The adapters of a step as files, one of each run.

    Raises:
        gr.Error: they are gone.
    """
    try:
        return [str(kept.archive(run, step)) for run in sorted({run for run, _ in kept.marks})]
    except VisitorError as error:
        raise gr.Error(str(error), print_exception=False) from None
