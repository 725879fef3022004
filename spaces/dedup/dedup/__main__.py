"""`python -m dedup rows.jsonl`: the kept rows beside a report, as the page gives them."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dedup import deduplicate
from dedup.cautions import listed
from dedup.request import Request
from shared.errors import VisitorError
from shared.files import written_whole


def parser() -> argparse.ArgumentParser:
    """What the command takes: files, a folder, and each setting of the page by its name."""
    found = argparse.ArgumentParser(
        prog="python -m dedup", description="Keep one of the rows that say nearly the same."
    )
    found.add_argument("files", nargs="*", help="CSV, JSONL, JSON, Parquet, Arrow, XLSX, text; one dataset")
    found.add_argument("--output", default="deduplicated", help="folder for the kept rows and the report")
    found.add_argument(
        "--from-disk",
        action="store_true",
        help="JSONL files larger than memory: read twice, with what is known of each row on disk",
    )
    for name, field in Request.declared().items():
        says = str(field.metadata["says"]).replace("%", "%%")
        several = name in ("columns", "pinned", "spare", "labels")
        found.add_argument(f"--{name}", nargs="+" if several else None, help=says, default=argparse.SUPPRESS)
    return found


def _say(rows: int, kept: int, recall: float | None, interval: tuple[float, float] | None) -> None:
    print(f"{kept:,} of {rows:,} rows kept")
    if recall is not None and interval is not None:
        low, high = interval
        print(f"recall of pairs {recall:.4f} (95 % interval {low:.4f} to {high:.4f})")


def _from_disk(files: Sequence[str], output: Path, settings: dict[str, Any]) -> int:
    from dedup import streamed

    answer = streamed.deduplicate([Path(file) for file in files], output, **settings)
    with written_whole(output / "report.json", "the report") as part:
        part.write_text(json.dumps(answer, indent=1), encoding="utf-8")
    _say(answer["rows"], answer["kept"], answer["recall"], answer["recall_interval"])
    for name, numbers in answer["lines_apart"].items():
        print(f"lines of {name} that are no rows, kept apart: {listed(numbers)}")
    print(f"written to {output}")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 2 where something cannot be used, with two sentences."""
    settings = vars(parser().parse_args(arguments))
    files, output = settings.pop("files"), settings.pop("output")
    from_disk = settings.pop("from_disk")
    try:
        if from_disk:
            return _from_disk(files, Path(output), settings)
        done = deduplicate(files, token=os.environ.get("HF_TOKEN"), **settings)
        written = done.write(output)
    except (VisitorError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    answer = done.report
    _say(answer["rows"], answer["kept"], answer["recall"], answer["recall_interval"])
    for line in answer["warnings"]:
        print(line)
    print(*written, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
