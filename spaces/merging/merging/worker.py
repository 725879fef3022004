"""Merges in processes of their own: `python -m merging.worker` imports mergekit once, which takes seconds,
and forks itself for each job; see `merging.jobs`.

mergekit keeps loaders for the life of a process, draws from the process's random generator and changes the
configuration that it is given, so every merge gets a fresh process. What it calls is what the
`mergekit-yaml`, `mergekit-moe` and `mergekit-extract-lora` commands call.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from shared.files import is_disk_full


def tell(channel: TextIO, **message: Any) -> None:
    """One line of JSON for the parent."""
    channel.write(json.dumps(message) + "\n")
    channel.flush()


def watch_parent(parent: int) -> None:
    """End this process when the one that started it is gone: nobody would take the result."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(3)


def reporting(executor: type, channel: TextIO) -> type:
    """Mergekit's executor, which also tells of every tensor that it saved."""

    class Reporting(executor):  # type: ignore[misc]
        def run(self, quiet: bool = False, desc: str | None = None) -> Iterator[tuple[Any, Any]]:
            total = sum(hasattr(handle.task(), "tensor_name") for handle in self.targets)
            done = 0
            for task, value in super().run(quiet=True, desc=desc):
                if name := getattr(task, "tensor_name", None):
                    done += 1
                    tell(channel, done=done, total=total, tensor=name)
                yield task, value

    return Reporting


def merge(job: dict[str, Any], channel: TextIO) -> None:
    """As `mergekit-yaml recipe out --random-seed seed`."""
    import mergekit.merge
    from mergekit.config import MergeConfiguration
    from mergekit.options import MergeOptions

    mergekit.merge.Executor = reporting(mergekit.merge.Executor, channel)  # type: ignore[misc]
    # No card: it would ask the Hub whether a model named like each folder exists. The parent writes a better
    # one.
    options = MergeOptions(
        random_seed=job["seed"],
        lora_merge_cache="adapters",
        lora_merge_dtype="float32",
        quiet=True,
        write_model_card=False,
    )
    options.apply_global_options()
    mergekit.merge.run_merge(
        MergeConfiguration.model_validate(job["recipe"]),
        job["out"],
        options=options,
        config_source=job["text"],
    )


def mixture(job: dict[str, Any], channel: TextIO) -> None:
    """As `mergekit-moe recipe out --random-seed seed`."""
    from mergekit.moe.config import MoEMergeConfig
    from mergekit.options import MergeOptions
    from mergekit.scripts.moe import build

    options = MergeOptions(
        random_seed=job["seed"], lora_merge_cache="adapters", lora_merge_dtype="float32", quiet=True
    )
    options.apply_global_options()
    build(
        MoEMergeConfig.model_validate(job["recipe"]), out_path=job["out"], merge_options=options, device="cpu"
    )
    (Path(job["out"]) / "mergekit_moe_config.yml").write_text(job["text"], encoding="utf-8")


def extract(job: dict[str, Any], channel: TextIO) -> None:
    """As `mergekit-extract-lora`."""
    import mergekit.scripts.extract_lora as script

    script.Executor = reporting(script.Executor, channel)  # type: ignore[misc]
    script.generate_card_lora = lambda *_, **__: ""  # type: ignore[assignment]  # as above
    words = [
        "--model",
        job["model"],
        "--base-model",
        job["base_model"],
        "--out-path",
        job["out"],
        "--max-rank",
        str(job["rank"]),
    ]
    script.main.main([*words, "--lora-merge-cache", "adapters"], standalone_mode=False)


def sample(job: dict[str, Any], channel: TextIO) -> None:
    """Of `mergekit-yaml recipe out --random-seed seed` the tensors that the job names, and nothing else of
    the child.
    """
    from mergekit.architecture import get_architecture_info
    from mergekit.config import MergeConfiguration
    from mergekit.graph import Executor
    from mergekit.io.tasks import FinalizeModel, LoaderCache
    from mergekit.merge import _model_out_config
    from mergekit.options import MergeOptions
    from mergekit.plan import MergePlanner

    options = MergeOptions(
        random_seed=job["seed"], lora_merge_cache="adapters", lora_merge_dtype="float32", quiet=True
    )
    options.apply_global_options()
    config = MergeConfiguration.model_validate(job["recipe"])
    architecture = get_architecture_info(config, options)
    LoaderCache().setup(options=options)
    out = _model_out_config(config, architecture)
    planned = MergePlanner(config, architecture, options, out).plan_to_disk(job["out"])
    saved = [task for task in planned if getattr(task, "tensor_name", None) in job["tensors"]]
    written = FinalizeModel(tensor_save_tasks=tuple(saved), writer_task=saved[0].writer_task)
    executor = reporting(Executor, channel)([*saved, written], math_device="cpu", storage_device="cpu")
    for _ in executor.run(quiet=True):
        pass


JOBS = {"merge": merge, "mixture": mixture, "extract": extract, "sample": sample}


def work(job: dict[str, Any], channel: TextIO) -> int:
    """Do a job and tell of it; 0, or 1 with the reason told."""
    os.chdir(job["folder"])
    try:
        JOBS[job["kind"]](job, channel)
        _sync(Path(job["out"]))
    except BaseException as error:  # noqa: BLE001  the parent says it in the page
        import traceback

        traceback.print_exc()
        lines = str(error).strip().splitlines() or [type(error).__name__]
        tell(
            channel,
            error=lines[0][:400],
            kind=type(error).__name__,
            full=is_disk_full(error),
            memory=isinstance(error, MemoryError),
        )
        return 1
    tell(channel, finished=True, peak=peak_memory())
    return 0


IDLE_SECONDS = 600
"""After so long without a job the process ends: it holds half a gigabyte."""


def main() -> None:
    """Fork for every job that standard input, a socket, brings: the name of its file, with a pipe for what is
    told and a file for whatever mergekit prints; the answer is the fork's number.
    """
    import mergekit.merge
    import mergekit.scripts.extract_lora
    import mergekit.scripts.moe  # noqa: F401  for the forks

    jobs = socket.socket(fileno=0)
    jobs.settimeout(IDLE_SECONDS)
    while True:
        try:
            name, (channel, log), _, _ = socket.recv_fds(jobs, 4096, 2)
        except TimeoutError:
            if not _children():
                return
            continue
        except ValueError:
            return  # the suite has ended
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            jobs.close()
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(log, 1)
            os.dup2(log, 2)
            threading.Thread(target=watch_parent, args=(parent,), daemon=True).start()
            code = work(json.loads(Path(os.fsdecode(name)).read_text("utf-8")), os.fdopen(channel, "w"))
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)  # all is written and told; to take torch down in good order would take seconds
        os.close(channel)
        os.close(log)
        jobs.sendall(f"{pid}".encode())
        _children()


def _children() -> bool:
    """Whether any fork still runs; those that ended are let go."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def peak_memory() -> int:
    """Bytes of memory at this process's peak."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux counts to a process's own ru_maxrss what its parent had when it was started
        return 1024 * int(
            next(line for line in status.read_text().splitlines() if line.startswith("VmHWM")).split()[1]
        )
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _sync(folder: Path) -> None:
    """Wait until the files are on the disk: a full one may say so only now."""
    for path in folder.iterdir():
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())


if __name__ == "__main__":
    main()
