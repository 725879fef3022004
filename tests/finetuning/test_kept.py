"""What a page keeps of a run on the disk, also where the disk is full."""

from __future__ import annotations

import errno
import zipfile
from pathlib import Path

import gradio as gr
import pytest

from shared.errors import VisitorError
from shared.suite import load_app

load_app("finetuning")
from finetuning.snapshot import Snapshot
from finetuning_rooms.kept import Kept, archives, keeping
from finetuning_rooms.train import since_of

RUN = {"kind": "train", "drawable": True, "done": False, "progress": {}, "runs": [{"stopped": None}]}


def test_the_page_has_no_component_that_nobody_placed():
    """What an event is to change, made while the page is built, stood below the figure as “Dropdown”, “Run”,
    “Run”.
    """
    blocks = load_app("finetuning").demo.blocks.values()
    placed = [one for one in blocks if isinstance(one, (gr.Button, gr.Dropdown, gr.Files))]
    assert len(placed) > 20
    assert not [one for one in placed if isinstance(one, gr.Button) and one.value == "Run"]
    assert not [one for one in placed if isinstance(one, (gr.Dropdown, gr.Files)) and one.label is None]


def snapshot(run: int, step: int) -> Snapshot:
    return Snapshot(run, step, f"adapter {run} {step}".encode(), "{}", b"")


def filled(folder: Path, *marks: tuple[int, int]) -> Kept:
    kept = Kept(folder)
    for mark in marks:
        kept = kept.with_one(snapshot(*mark))
    return kept


def names(paths: list[str]) -> list[str]:
    return [Path(path).name for path in paths]


def full_disk_at(monkeypatch, word: str) -> None:
    """Writing a file whose bytes contain a word fails as on a full disk."""
    write = Path.write_bytes

    def refusing(path: Path, data: bytes) -> int:
        if word.encode() in data:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", refusing)


@pytest.mark.parametrize("kind", ["train", "grpo"])
def test_a_full_disk_ends_a_run_and_keeps_figure_and_adapter(kind, tmp_path, monkeypatch):
    full_disk_at(monkeypatch, "adapter 0 4")
    after = []

    def steps():
        for step in (0, 2, 4, 6):
            yield {**RUN, "kind": kind}, snapshot(0, step)
            after.append(step)

    *_, (data, kept, new) = keeping(steps(), Kept(tmp_path))
    stopped = data["stopped"] if kind == "grpo" else data["runs"][0]["stopped"]
    assert stopped.startswith("After step 4: The disk is full") and "of step 2 is kept" in stopped
    assert data["done"] and data["progress"] is None and new is None
    assert kept.steps() == [0, 2] and kept.snapshot(0, 2).adapter == b"adapter 0 2"
    assert after == [0, 2], "nothing is computed that could not be kept"
    assert names(archives(kept, 2)) == ["adapter-run-1-step-2.zip"]


def test_a_disk_without_room_for_the_first_adapter_is_an_error(tmp_path, monkeypatch):
    full_disk_at(monkeypatch, "adapter 0 0")
    with pytest.raises(VisitorError, match="disk is full"):
        list(keeping(iter_of((RUN, snapshot(0, 0))), Kept(tmp_path)))


def iter_of(*items):
    yield from items


def test_a_run_that_ended_early_hides_no_step_of_the_other(tmp_path):
    """The second broke at step 4, and the first one's last adapter was nowhere to be found."""
    kept = filled(tmp_path, (0, 0), (0, 3), (0, 6), (1, 0), (1, 3))
    assert kept.steps() == [0, 3, 6]
    assert names(archives(kept, 6)) == ["adapter-run-1-step-6.zip", "adapter-run-2-step-3.zip"]
    since = since_of(kept, {"runs": []}, 6)
    assert [(one.run, one.step) for one in since.snapshots] == [(0, 6), (1, 3)]


def test_a_run_that_goes_on_can_be_undone_to_before_it_did(tmp_path):
    kept = filled(tmp_path / "old", (0, 0), (0, 3), (0, 6))
    (tmp_path / "new").mkdir()
    now = kept.carried(tmp_path / "new", 3).with_one(snapshot(0, 3)).with_one(snapshot(0, 5))
    assert now.steps() == [0, 3, 5] and now.snapshot(0, 0).adapter == b"adapter 0 0"
    (path,) = archives(now, 0)
    assert zipfile.ZipFile(path).read("adapter_model.safetensors") == b"adapter 0 0"
    with pytest.raises(VisitorError, match="no longer kept"):
        Kept(tmp_path / "gone", ((0, 0),)).carried(tmp_path / "other", 0)
