"""`python -m dedup rows.jsonl`: the kept rows beside a report, as the page gives them."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from dedup import deduplicate
from dedup.request import Request
from shared.errors import VisitorError


def parser() -> argparse.ArgumentParser:
    """What the command takes: files, a folder, and each setting of the page by its name."""
    found = argparse.ArgumentParser(
        prog="python -m dedup", description="Keep one of the rows that say nearly the same."
    )
    found.add_argument("files", nargs="*", help="CSV, JSONL, JSON, Parquet, Arrow, XLSX, text; one dataset")
    found.add_argument("--output", default="deduplicated", help="folder for the kept rows and the report")
    for name, field in Request.declared().items():
        says = str(field.metadata["says"]).replace("%", "%%")
        several = name in ("columns", "pinned", "spare")
        found.add_argument(f"--{name}", nargs="+" if several else None, help=says, default=argparse.SUPPRESS)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 2 where something cannot be used, with two sentences."""
    settings = vars(parser().parse_args(arguments))
    files, output = settings.pop("files"), settings.pop("output")
    try:
        done = deduplicate(files, token=os.environ.get("HF_TOKEN"), **settings)
        written = done.write(output)
    except (VisitorError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    answer = done.report
    print(f"{answer['kept']:,} of {answer['rows']:,} rows kept")
    if answer["recall"] is not None and answer["recall_interval"] is not None:
        low, high = answer["recall_interval"]
        print(f"recall of pairs {answer['recall']:.4f} (95 % interval {low:.4f} to {high:.4f})")
    for line in answer["warnings"]:
        print(line)
    print(*written, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
