"""Where rows come from: a visitor's files, a dataset of the Hub, an example."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from dedup import examples
from dedup.contamination import Split
from dedup.packed import PACKERS
from dedup.read import FORMATS, Dataset, read_file, read_hub
from dedup.request import Request, SplitsRequest
from dedup.several import different, read_together
from dedup.texts import compared
from shared import files, limits, page, shelf, web
from shared.cache import Cache, size_of
from shared.errors import VisitorError

KINDS = [*FORMATS, *PACKERS]
"""Files to choose from."""

_BOTH = VisitorError("Both a file and a dataset are given.", "Clear one of them.")


def source_fields(
    label: str, dataset: str, known: Iterable[str], prefix: str = "", **settings: Any
) -> tuple[gr.File, gr.Dropdown]:
    """The field for files, which `label` and the settings are of, and beside it that for a dataset: of the
    Hub, of the visitor's shelf, or one of those `known` here.
    """
    file = gr.File(
        label=label,
        file_types=KINDS,
        height=78,
        scale=3,
        min_width=200,
        elem_id=f"{prefix}file",
        elem_classes="slim",
        **settings,
    )
    named = page.dataset_field(dataset, known=list(known), scale=3, min_width=180, elem_id=f"{prefix}dataset")
    return file, named


def checkpoints() -> Path:
    """Where interrupted runs leave their signatures; they hold hashes only, no text, and the sweeper takes
    them after a day.
    """
    return files.cache_folder() / "dedup"


def open_rows(request: Request, file: Any = None, token: str | None = None) -> Dataset:
    """The rows that a request is about: the uploaded file, else the Hub's dataset, else an example of that
    name.

    Args:
        file: an upload, from a component or from an API call, or a list of several, which are one dataset.
        token: for the Hub.

    Raises:
        VisitorError: there is nothing to read, or it cannot be read.
    """
    given = given_of(file)
    if given and request.dataset and request.dataset not in examples.DATASETS:
        raise _BOTH
    if len(given) == 1:
        return _parsed(*given[0], request.limit)
    if given:
        return read_together(given, request.limit, _parsed, _check_size)
    if request.dataset in examples.DATASETS:
        return read_file(examples.FOLDER / request.dataset, request.dataset, request.limit)
    if shelf.is_made(request.dataset):
        return _made(request.dataset, request.limit)
    if not request.dataset:
        raise VisitorError("There is nothing to read yet.", "Drop a file, or name a dataset of the Hub.")
    return read_hub(request.dataset, request.config, request.split, request.limit, token)


def _made(name: str, limit: int) -> Dataset:
    """What a name of the shelf stands for."""
    rows = shelf.rows_of(name)
    return replace(_parsed(rows, rows.name, limit), name=name)


_kept: Cache[Dataset] = Cache(limits.PARSED_BYTES)
"""Uploads that were parsed last: the choice of columns, the plan and the run take the same."""


def _parsed(path: Path, name: str, limit: int) -> Dataset:
    """An upload's rows; a file that has not changed is parsed once, while there is room to keep it."""
    facts = path.stat()
    key = path.resolve(), name, facts.st_mtime_ns, facts.st_size, limit
    known = _kept.get(key)
    if known is None:
        known = read_file(path, name, limit)
        _kept.put(key, known)
    return known


def either(file: Any, files: Any) -> Any:
    """What an API call gave as one file, or as several.

    Raises:
        VisitorError: both, or `files` is no list.
    """
    if files and not isinstance(files, list):
        raise VisitorError(f"files is {str(files)[:40]}.", "Give a list.")
    if file and files:
        raise VisitorError("Both file and files are given.", "Put all files into files.")
    return files or file


def given_of(file: Any) -> list[tuple[Path, str]]:
    """The paths and names of an upload, or of a list of uploads.

    Raises:
        VisitorError: as `upload_of`, more files than are taken, or too many bytes together.
    """
    files = file if isinstance(file, list) else [file]
    if len(files) > limits.MAX_PARTS:
        raise VisitorError(
            f"{len(files):,} files were given; at most {limits.MAX_PARTS} are read as one dataset.",
            "Join some of them, or pack the rows as one Parquet file.",
        )
    given = list(filter(None, map(upload_of, files)))
    _check_bytes(given)
    return given


def _check_bytes(given: list[tuple[Path, str]]) -> None:
    size = sum(path.stat().st_size for path, _ in given)
    if len(given) > 1 and size > limits.MAX_FILE_BYTES:
        raise VisitorError(
            f"The files have {size / 1e6:,.0f} MB together; at most {limits.MAX_FILE_BYTES / 1e6:,.0f} "
            "MB are read.",
            "Leave some rows out.",
        )


def open_splits(request: SplitsRequest, uploads: Any = None, token: str | None = None) -> list[Split]:
    """The splits that a request is about, each with the texts that are compared; arguments as of
    `open_rows`, the files a list.
    """
    if uploads and not isinstance(uploads, list):
        raise VisitorError(f"files is {str(uploads)[:40]}.", "Give a list.")
    if uploads and request.dataset and request.dataset not in examples.PAIRS:
        raise _BOTH
    if uploads and len(uploads) > limits.MAX_UPLOADS:
        raise VisitorError(f"More than {limits.MAX_UPLOADS} files were given.", "Compare fewer at once.")
    limit = request.limit
    rows: list[tuple[str, str, Dataset]] = []  # name, source
    if uploads:
        given = list(filter(None, map(upload_of, uploads)))
        _check_bytes(given)
        for path, name in given:
            part = read_file(path, name, limit)
            rows.append((_stem(name), part.name, part))
            _check_size([dataset for *_, dataset in rows])
    elif any(map(shelf.is_made, (request.dataset, *request.splits))):
        for split in _with_made(request):
            if shelf.is_made(split):
                rows.append((split, split, _made(split, limit)))
            else:
                rows.append((split, split, read_hub(request.dataset, request.config, split, limit, token)))
    elif request.dataset in examples.PAIRS:
        for name in examples.PAIRS[request.dataset]:
            split = Path(name).stem.removeprefix(f"{request.dataset}_")
            rows.append((split, name, read_file(examples.FOLDER / name, name, limit)))
    elif request.dataset:
        for split in request.splits:
            rows.append((split, split, read_hub(request.dataset, request.config, split, limit, token)))
    if len(rows) < 2:
        raise VisitorError(
            "At least two splits are needed.", "Upload two files, or name two splits of a dataset."
        )
    names = different([name for name, *_ in rows])
    return [
        Split(name, source, compared(part, request), part.cut, part)
        for name, (_, source, part) in zip(names, rows, strict=True)
    ]


def _with_made(request: SplitsRequest) -> list[str]:
    """The splits to read; a dataset of the shelf is one split, and others may be named beside it.

    Raises:
        VisitorError: a split is named of no dataset.
    """
    first = [request.dataset] if shelf.is_made(request.dataset) else []
    splits = list(dict.fromkeys([*first, *request.splits]))
    loose = next((split for split in splits if not shelf.is_made(split)), None)
    if loose is not None and (first or not request.dataset or request.dataset in examples.PAIRS):
        raise VisitorError(
            f"“{loose[:60]}” is no split of a dataset of your shelf: each is one split.",
            "Name another one of your shelf as a split, or give a dataset of the Hub and its splits.",
        )
    return splits


def _stem(name: str) -> str:
    """A split's name by its file's, without the endings."""
    path = Path(name)
    return Path(path.stem).stem if path.suffix.lower() in PACKERS else path.stem


def _check_size(parts: list[Dataset]) -> None:
    """Refuse files whose rows, unpacked, take more memory together than one file may."""
    size = size_of(parts)
    if size > limits.MAX_FILE_BYTES * 1.5:  # places of the rows take some
        raise VisitorError(
            f"The rows of the files take {size / 1e6:,.0f} MB together; at most "
            f"{limits.MAX_FILE_BYTES * 1.5 / 1e6:,.0f} MB are compared.",
            "Leave some rows out.",
        )


def upload_of(file: Any) -> tuple[Path, str] | None:
    """The path and name of an uploaded file, as `web.file_of`; None for none."""
    return web.file_of(file) if file else None
