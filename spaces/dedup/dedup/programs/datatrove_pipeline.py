"""Remove near-duplicates with datatrove: on this machine, on a Ray or Slurm cluster, or as Hugging Face Jobs.

    pip install "datatrove[io,processing,ray]==0.10.1" spacy datasets
    python datatrove_pipeline.py --executor local --tasks 4 --workers 4 --input … --output …

The kept rows are in <output>/kept, the removed ones in <output>/removed. Take a new output folder for other
settings: a stage that is complete there is not run again.

After https://github.com/huggingface/datatrove/blob/v0.10.1/examples/minhash_deduplication.py
"""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import sys
from collections.abc import Iterator
from itertools import islice
from typing import Any

import dill
import fsspec
from datasets import load_dataset
from datasets.distributed import split_dataset_by_node
from datatrove.data import Document
from datatrove.executor import (
    JobsPipelineExecutor,
    LocalPipelineExecutor,
    RayPipelineExecutor,
    SlurmPipelineExecutor,
)
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.dedup import (
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.writers.jsonl import JsonlWriter
from datatrove.utils.hashing import HashConfig
from datatrove.utils.text import TextNormConfig

from dedup.chat import Column, joined
from dedup.fields import named
from dedup.programs.rows import Row, read
from dedup.shingles import clean

# Slurm and Jobs send these functions to other machines, with the constants that they use
dill.settings["recurse"] = True

# --- settings of the run ---
SOURCE = "rows.jsonl"
CONFIG: str | None = None
SPLIT: str | None = None  # of a dataset of the Hub; None where the source is a file
SUFFIX = ".jsonl"  # of the files, where the source is a folder
COLUMNS: tuple[str, ...] = ("text",)
PART = "all"  # of conversations
LIMIT: int | None = None  # rows to read of each file at most; None for all
NGRAM = 3
BANDS = 16
ROWS_PER_BAND = 8
SEED = 42
# --- end of the settings ---

DEPENDENCIES = ["datatrove[io,processing]==0.10.1", "spacy", "datasets"]  # of a Hugging Face Job


def text_of(row: Row) -> str:
    """The text of a row that is compared: its columns, joined."""
    texts = []
    for name in COLUMNS:
        column = Column(PART)
        column.add(named(row, name))
        texts.append(column.texts)
    return clean(joined(texts, "\n")[0])


class Rows(PipelineStep):
    """A task's share of the rows.

    Args:
        source: a dataset of the Hub, or a file or a folder of files, here or on remote storage.
    """

    type, name = "📖 - READER", "rows"

    def __init__(self, source: str) -> None:
        super().__init__()
        self.source = source

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """The task's rows as documents."""
        for place, row in self.of_hub(rank, world_size) if SPLIT else self.of_files(rank, world_size):
            yield Document(text=text_of(row), id=place, metadata={"row": row})

    def of_hub(self, rank: int, world_size: int) -> Iterator[tuple[str, Row]]:
        """Rows of a dataset of the Hub, each with its place."""
        rows = load_dataset(self.source, CONFIG, split=SPLIT, streaming=True)
        rows = rows if LIMIT is None else rows.take(LIMIT)
        for place, row in enumerate(split_dataset_by_node(rows, rank=rank, world_size=world_size)):
            yield f"{rank}/{place}", row

    def of_files(self, rank: int, world_size: int) -> Iterator[tuple[str, Row]]:
        """Rows of files: of whole ones where there are enough for all tasks, else every n-th row."""
        system, path = fsspec.url_to_fs(self.source)
        paths = [path]
        if system.isdir(path):
            paths = sorted(name for name in system.find(path) if name.endswith(SUFFIX))
        whole = len(paths) >= world_size
        for path in paths[rank::world_size] if whole else paths:
            with system.open(path, "rb") as file:
                for place, row in enumerate(islice(read(file, SUFFIX), LIMIT)):
                    if whole or place % world_size == rank:
                        yield f"{path}/{place}", row


class RowWriter(JsonlWriter):
    """Writes rows as they were read, one a line."""

    def _default_adapter(self, document: Any) -> Any:
        return document.metadata["row"]

    def _write(self, document: Any, file_handler: Any, _filename: Any) -> None:
        file_handler.write((json.dumps(document, default=str) + "\n").encode())


def stages(source: str, output: str, tasks: int) -> dict[str, tuple[list[Any], int]]:
    """The pipeline of each stage and its number of tasks."""
    config = MinhashConfig(
        n_grams=NGRAM,
        num_buckets=BANDS,
        hashes_per_bucket=ROWS_PER_BAND,
        seed=SEED,
        hash_config=HashConfig(precision=64),
        # numbers and accents count, as on the page
        norm_config=TextNormConfig(norm_numbers=False, norm_unicode_diacritics=False),
    )
    out = output.rstrip("/")
    buffer = -1 if "://" in out else 5  # remote storage: read a file at once, not five signatures a request
    signatures = MinhashDedupSignature(f"{out}/signatures", config=config)
    buckets = MinhashDedupBuckets(
        f"{out}/signatures", f"{out}/buckets", config=config, lines_to_buffer=buffer
    )
    clusters = MinhashDedupCluster(f"{out}/buckets", f"{out}/clusters", config=config, lines_to_buffer=buffer)
    removed = RowWriter(f"{out}/removed", compression=None)
    kept = MinhashDedupFilter(f"{out}/clusters", exclusion_writer=removed, lines_to_buffer=buffer)
    return {
        "signatures": ([Rows(source), signatures], tasks),
        "buckets": ([buckets], BANDS),
        "clusters": ([clusters], 1),
        "kept": ([Rows(source), kept, RowWriter(f"{out}/kept", compression=None)], tasks),
    }


def executor(name: str, pipeline: list[Any], tasks: int, args: argparse.Namespace, before: Any) -> Any:
    """A stage on the chosen machines; `before` is the stage that it waits for."""
    logs = f"{args.output.rstrip('/')}/logs/{name}"
    common: dict[str, Any] = {
        "pipeline": pipeline,
        "tasks": tasks,
        "workers": args.workers,
        "logging_dir": logs,
    }
    if args.executor == "local":
        return LocalPipelineExecutor(**common)
    if args.executor == "ray":
        # processes of one Ray worker: buckets are light, and starting a worker takes long
        together = 16 if name == "buckets" else 1
        return RayPipelineExecutor(**common, mem_per_cpu_gb=1, tasks_per_job=together)
    # a start takes longer than most tasks
    common["tasks_per_job"] = math.ceil(tasks / args.workers) if args.workers > 0 else 1
    if args.executor == "slurm":
        place = {"time": args.time, "partition": args.partition}
        return SlurmPipelineExecutor(**common, **place, job_name=name, depends=before)
    return JobsPipelineExecutor(**common, dependencies=DEPENDENCIES, job_name=name)


def start_ray(workers: int) -> None:
    """Join the cluster that RAY_ADDRESS names, or start one that listens to this machine alone."""
    own: dict[str, Any] = {}
    if not os.environ.get("RAY_ADDRESS"):
        # makes Ray listen on 127.0.0.1, on any system
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        own = {"num_cpus": workers if workers > 0 else None, "include_dashboard": False}
    import ray

    ray.init(runtime_env={"worker_process_setup_hook": end_children}, **own)


def end_children() -> None:
    """Let what datatrove forks from a Ray worker die when it is told to: Ray's handler, inherited, can miss
    the signal.
    """
    os.register_at_fork(after_in_child=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL))


def main() -> None:
    """Run the four stages, one after the other."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--executor", choices=["local", "ray", "slurm", "jobs"], default="local")
    parser.add_argument("--tasks", type=int, default=1, help="parts that the rows are split into")
    parser.add_argument("--workers", type=int, default=-1, help="tasks at the same time; -1 for all")
    parser.add_argument("--input", default=SOURCE)
    place = "a new folder; with jobs a remote one, such as hf://buckets/…"
    parser.add_argument("--output", default="deduplicated", help=place)
    parser.add_argument("--partition", default="normal", help="of Slurm")
    parser.add_argument("--time", default="10:00:00", help="limit of a Slurm job")
    args = parser.parse_args()
    if args.executor == "ray":
        start_ray(args.workers)
    before: Any = None
    for name, (pipeline, tasks) in stages(args.input, args.output, args.tasks).items():
        before = executor(name, pipeline, tasks, args, before)
        if args.executor == "slurm":
            continue  # the last stage submits the others, each to wait for the one before it
        before.run()
        before.logging_dir.fs.invalidate_cache()  # remote tasks have written there
        if failed := before.get_incomplete_ranks(skip_completed=True):
            sys.exit(f"{name}: {len(failed)} of {tasks} tasks failed, see the logs; run again to go on")
    if args.executor == "slurm":
        before.run()


if __name__ == "__main__":
    main()
