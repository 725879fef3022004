"""Text files whose rows are paragraphs: lines that were wrapped, with blank lines between."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator

MOST_LINES = 60
"""Of the middle one of a file's paragraphs; longer ones are rows, with a blank line here and there."""

ENDS = (b".", b"!", b"?", b'."', b'!"', b'?"', b":", b";", "。".encode(), "！".encode(), "？".encode(), b"|")
"""What a whole sentence ends in; most lines that were wrapped do not."""


def are_paragraphs(start: bytes) -> bool:
    """Whether the rows of a file that begins like this are paragraphs: blank lines part most of it into runs
    of lines, and most of those are broken off within a sentence.
    """
    runs = [run.split(b"\n") for run in parts_of(start.splitlines())]
    several = [run for run in runs if len(run) > 1]
    if len(runs) < 2 or 2 * len(several) < len(runs):
        return False
    broken = [not line.rstrip().endswith(ENDS) for run in several for line in run[:-1]]
    return 2 * sum(broken) >= len(broken) and statistics.median(map(len, runs)) <= MOST_LINES


def parts_of(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Runs of lines between blank ones, each with newlines inside."""
    run: list[bytes] = []
    for line in lines:
        if line.strip():
            run.append(line)
        elif run:
            yield b"\n".join(run)
            run = []
    if run:
        yield b"\n".join(run)
