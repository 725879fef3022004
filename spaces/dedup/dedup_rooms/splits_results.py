"""What a comparison of splits is worth taking home: a clean split, the leaking rows, a dataset on the Hub."""

from __future__ import annotations

import json
from pathlib import Path

from dedup import examples
from dedup.card import clean_card
from dedup.contamination import Contamination, Split, compare
from dedup.read import write
from dedup.several import file_names, plain_stem, write_aparts
from dedup_rooms.kept import EXAMPLE, Kept
from dedup_rooms.source import open_splits
from shared import files, hub, shelf
from shared.steps import last


def _example() -> Contamination:
    result = last(compare(open_splits(examples.QUIZ), examples.QUIZ))
    assert isinstance(result, Contamination)
    return result


_kept = Kept("Compare", {EXAMPLE: _example})
keep, result_of = _kept.keep, _kept.result_of


def clean_file(result: Contamination) -> tuple[Path, Split, list[int]]:
    """Write the rows of the split to clean that no other split holds, in its own format; the file, the split,
    and those rows.
    """
    place = result.split_to_clean()
    split, rows = result.splits[place], result.clean_rows(place)
    assert split.dataset is not None
    (name,) = file_names(split.dataset, plain_stem(split.source), "-clean")
    path = files.result_folder() / name
    write(split.dataset, rows, path)
    return path, split, rows


def download(state: str | None) -> list[str]:
    """The clean split, and every row that has a match, as files."""
    return written(result_of(state))


def written(result: Contamination) -> list[str]:
    """The same of a comparison."""
    path, split, _ = clean_file(result)
    leaks = path.with_name("leaks.jsonl")
    with files.written_whole(leaks, "the report") as part, part.open("w", encoding="utf-8") as file:
        for line in result.lines():
            file.write(json.dumps(line, ensure_ascii=False).encode("utf-8", "replace").decode() + "\n")
    assert split.dataset is not None
    return [str(path), str(leaks), *map(str, write_aparts(split.dataset, path.parent))]


def shelved(state: str | None, path: Path) -> shelf.Made | None:
    """Put the clean split on the shelf of whoever asked for it."""
    result = result_of(state)
    split = result.splits[result.split_to_clean()]
    others = [one.name for one in result.splits if one is not split]
    return shelf.put(
        path.parent,
        "rows",
        f"clean {split.name}",
        says=f"without the rows that {', '.join(others)} held, cut from",
        parents=[split.dataset.name if split.dataset else split.source],
        relation="",
        file=path.name,
    )


def push(state: str | None, repository: str, token: str | None) -> str:
    """Upload the clean split and a card that says how it was made; the dataset's URL.

    Raises:
        VisitorError: there is no result, or as `hub.push`.
    """
    result = result_of(state)
    path, split, rows = clean_file(result)
    card = clean_card(result, split, len(rows), path.name)
    return hub.push(repository, "dataset", {f"data/{path.name}": path}, card, token)
