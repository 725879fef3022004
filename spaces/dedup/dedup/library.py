"""The engine as a library: files in, the kept rows and a report out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dedup import data
from dedup.engine import Progress, Result, deduplicate
from dedup.outcome import Outcome, outcome
from dedup.read import read_hub
from dedup.report import report
from dedup.request import Request
from dedup.several import file_names, plain_stem, read_together, write_aparts, write_each
from shared.errors import VisitorError
from shared.files import written_whole

REPORT = "removed_rows.json"


@dataclass(frozen=True)
class Deduplicated:
    """A run and what it decided."""

    result: Result
    outcome: Outcome

    @property
    def kept(self) -> list[int]:
        """Numbers of the rows that stay, ascending; of several files one after the other."""
        return self.outcome.kept

    @property
    def report(self) -> data.Report:
        """What the API answers: counts, recall with its interval, every removed row with its keeper."""
        return report(self.result, self.outcome)

    def write(self, folder: str | Path) -> list[Path]:
        """Write the kept rows, a file for each that was read, in its own format; the report as JSON; and the
        lines that fit no row, where there are some.

        Args:
            folder: is made where it is missing; files in it of the same names are replaced.

        Raises:
            VisitorError: the disk is full.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        dataset = self.result.dataset
        paths = [folder / name for name in file_names(dataset, plain_stem(dataset.name), "-deduplicated")]
        write_each(dataset, self.kept, paths)
        with written_whole(folder / REPORT, "the report") as part:
            part.write_text(json.dumps(self.report, ensure_ascii=False, indent=1), encoding="utf-8")
        return [*paths, folder / REPORT, *write_aparts(dataset, folder)]


def run(
    files: str | Path | Sequence[str | Path] = (), token: str | None = None, **settings: Any
) -> Deduplicated:
    """Find the duplicates of files, which are one dataset together, or of a dataset of the Hub.

    Args:
        files: one path or several.
        token: for the Hub, where the setting `dataset` names a dataset of it.
        settings: those of `dedup.request.Request`, by name.

    Raises:
        VisitorError: a setting or a file that cannot be used, in two sentences.
    """
    request = Request.parse(**settings)
    paths = [Path(files)] if isinstance(files, (str, Path)) else [Path(path) for path in files]
    if bool(paths) == bool(request.dataset):
        raise VisitorError(
            "Both files and a dataset are named." if paths else "There is nothing to read.",
            "Name files, or a dataset of the Hub.",
        )
    for path in paths:
        if not path.is_file():
            raise VisitorError(f"There is no file {str(path)[:200]}.", "Check the path.")
    if paths:
        dataset = read_together([(path, path.name) for path in paths], request.limit)
    else:
        dataset = read_hub(request.dataset, request.config, request.split, request.limit, token)
    steps: list[Progress | Result] = list(deduplicate(dataset, request))
    result = steps[-1]
    assert isinstance(result, Result)
    return Deduplicated(result, outcome(result))
