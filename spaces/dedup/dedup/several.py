"""Several files as one dataset: their rows one after the other, and the kept ones written a file each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from dedup.read import Dataset, read_file, suffix_of, write, write_apart
from shared.errors import VisitorError


def together(parts: Sequence[Dataset]) -> Dataset:
    """The rows of files one after the other; a column is there if one of them has it.

    Args:
        parts: two or more, each with a name of its own.
    """
    columns = tuple(dict.fromkeys(name for part in parts for name in part.columns))
    first, *others = (part.name for part in parts)
    cuts = [part.cut for part in parts]
    return Dataset(
        f"{first} and {others[0] if len(others) == 1 else f'{len(others)} more files'}",
        "several",
        sum(part.rows for part in parts),
        columns,
        cut=None if None in cuts else sum(cut or 0 for cut in cuts),
        parts=tuple(parts),
    )


def read_together(
    given: Sequence[tuple[Path, str]],
    limit: int,
    read: Callable[[Path, str, int], Dataset] = read_file,
    check: Callable[[list[Dataset]], None] = lambda _: None,
) -> Dataset:
    """Files as one dataset, of whose rows as many are read as the limit allows.

    Args:
        given: where each lies, and its name.
        read: reads one of them, as `read_file` does.
        check: looks at those that were read so far.

    Raises:
        VisitorError: as `read_file`, with the file's name where there are several.
    """
    parts: list[Dataset] = []
    left = limit
    for (path, _), name in zip(given, different([name for _, name in given]), strict=True):
        if left == 0:
            parts[-1] = replace(parts[-1], cut=None)  # nobody counted the rows of the files that follow
            break
        try:
            parts.append(read(path, name, left))
        except VisitorError as error:
            if len(given) == 1:
                raise
            raise VisitorError(f"{name[:80]}: {error.what}", error.remedy) from error
        left -= parts[-1].rows
        check(parts)
    return together(parts) if len(parts) > 1 else parts[0]


def different(names: Sequence[str]) -> list[str]:
    """Names, of equal ones the later with a number before the ending."""
    found: list[str] = []
    for name in names:
        own, number, path = name, 2, Path(name)
        while own in found:
            own, number = f"{path.stem} ({number}){path.suffix}", number + 1
        found.append(own)
    return found


def check_columns(dataset: Dataset, columns: Sequence[str]) -> None:
    """Raise a VisitorError where one of several files has none of the columns that are compared."""
    heads = {head for name in columns for head in (name, name.split(".")[0])}
    for part in dataset.parts:
        if not heads & set(part.columns):
            raise VisitorError(
                f"{part.name[:60]} has none of the columns that are compared ({', '.join(columns)[:80]}); it "
                f"has {', '.join(part.columns)[:80]}.",
                "Name columns of every file, or leave the file out.",
            )


def lacking(dataset: Dataset, columns: Sequence[str]) -> list[str]:
    """Sentences of which of several files lack a column that is compared."""
    lines = []
    for part in dataset.parts:
        missing = [name for name in columns if not {name, name.split(".")[0]} & set(part.columns)]
        if missing:
            lines.append(
                f"{part.name} has no column {', '.join(f'“{name}”' for name in missing[:4])}: in its "
                f"{part.rows:,} {'row' if part.rows == 1 else 'rows'} it counts as empty."
            )
    return lines


def named_row(dataset: Dataset, row: int) -> str:
    """A row as its reader finds it, counted from 0: with its file where there are several."""
    if not dataset.parts:
        return f"row {row:,}"
    part, own = dataset.place(row)
    return f"row {own:,} of {dataset.parts[part].name}"


def of_parts(dataset: Dataset, keep: Sequence[int]) -> list[list[int]]:
    """Which rows of each file are kept, by their numbers there.

    Args:
        keep: row numbers, ascending.
    """
    ends = np.cumsum([part.rows for part in dataset.files])
    kept = np.asarray(keep, dtype=np.int64)
    cuts = np.searchsorted(kept, ends)
    begins, starts = [0, *cuts[:-1]], [0, *ends[:-1]]
    return [
        (kept[begin:end] - start).tolist() for begin, end, start in zip(begins, cuts, starts, strict=True)
    ]


def write_each(dataset: Dataset, keep: Sequence[int], paths: Sequence[Path]) -> None:
    """Write the kept rows of each file, in its own format.

    Args:
        paths: of `dataset.files`.

    Raises:
        VisitorError: the disk is full.
    """
    for part, rows, path in zip(dataset.files, of_parts(dataset, keep), paths, strict=True):
        write(part, rows, path)


def write_aparts(dataset: Dataset, folder: Path) -> list[Path]:
    """Write the lines that fit no row, a file for each file that has some; these files.

    Raises:
        VisitorError: the disk is full.
    """
    paths = []
    names = file_names(dataset, "", "-lines_apart" if dataset.parts else "lines_apart")
    for part, name in zip(dataset.files, names, strict=True):
        if part.apart:
            paths.append(folder / name)
            write_apart(part, paths[-1])
    return paths


def file_names(dataset: Dataset, stem: str, ending: str) -> list[str]:
    """Names of files to write, none of them twice: what stands before the ending, and the format's suffix.

    Args:
        stem: of one file; several have their own.
        ending: as "-deduplicated".
    """
    names: list[str] = []
    for part in dataset.files:
        own = plain_stem(part.name) if dataset.parts else stem
        name, number = f"{own}{ending}{suffix_of(part)}", 2
        while name in names:
            name, number = f"{own}{ending}-{number}{suffix_of(part)}", number + 1
        names.append(name)
    return names


def plain_stem(name: str) -> str:
    """The beginning of a file's name that every system takes, from that of a dataset."""
    plain = "".join(sign if sign.isprintable() and sign != "/" else "-" for sign in name)
    return Path(plain).stem[:40] or "dataset"
