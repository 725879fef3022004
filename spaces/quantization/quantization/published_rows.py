"""The rows of a comparison that are published files: named one by one, held against the base model by their
headers, and downloaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from quantization import formats, published, published_model
from quantization.comparison import Comparison, Row
from quantization.published_check import Expected, expected
from quantization.record import QuantizedModel
from quantization.request import Request
from shared.errors import VisitorError
from shared.models import Loaded

GUESS = 14
"""Files of a repository that cannot be asked."""


def names(listed: Sequence[str]) -> tuple[str, ...]:
    """Formats by name, with every file of a named repository in its place.

    Raises:
        VisitorError: as `published.expanded`.
    """
    found, wrong = named(listed)
    for error in wrong.values():
        raise error
    return found


def named(listed: Sequence[str]) -> tuple[tuple[str, ...], dict[str, VisitorError]]:
    """The same, and what is wrong with those names that stand for no file, which stay as they are.

    Raises:
        VisitorError: they are too many.
    """
    found: list[str] = []
    wrong: dict[str, VisitorError] = {}
    for name in listed:
        try:
            form = formats.parse(name)
            specs = published.expanded([form.spec]) if form.engine == published.ENGINE else []
            found += [f"{published.ENGINE}:{spec}" for spec in specs] or [name]
        except VisitorError as error:
            found.append(name)
            wrong[name] = error
    found = list(dict.fromkeys(found))
    published.check_count(sum(map(is_published, found)))
    return tuple(found), wrong


def rows(listed: Sequence[str], asked: bool = True) -> list[Row]:
    """The rows of formats by name; those that stand for no file have failed.

    Args:
        listed: the formats.
        asked: whether repositories are asked for their files.

    Raises:
        VisitorError: as `named`.
    """
    found, wrong = named(listed) if asked else (listed, {})
    return [
        Row(formats.parse(name), "failed" if name in wrong else "waiting", error=wrong.get(name))
        for name in found
    ]


def is_published(name: str) -> bool:
    """Whether a format's name means a published file."""
    return name.startswith(f"{published.ENGINE}:")


def counted(listed: Sequence[str]) -> int:
    """How many rows formats will be, as far as it can be known; of an unknown repository a guess."""
    try:
        found, wrong = named(listed)
    except VisitorError:
        return len(listed) + GUESS * sum(map(is_published, listed))
    return len(found) + GUESS * len(wrong)


def to_download(listed: Sequence[str]) -> int:
    """Bytes of the published files among formats that are not here yet; what cannot be found has none."""
    total = 0
    for name in filter(is_published, listed):
        try:
            place = published.place(formats.parse(name).spec)
        except VisitorError:
            continue
        total += 0 if place.is_here() else place.size
    return total


def opened(run: Comparison) -> Iterator[str]:
    """Read the headers of all files, and mark those rows that are not the base model as failed; yields what
    it does. No weight is downloaded.
    """
    rows = [row for row in run.rows if row.form.engine == published.ENGINE and row.error is None]
    base: Expected | None = None
    for row in rows:
        yield f"Reading the header of {row.form.label}"
        try:
            if run.request.rotated:
                raise VisitorError(
                    "A published file holds the model as it is, not the rotated equivalent.",
                    "Compare it without the rotation.",
                )
            base = base or expected(run.loaded)
            row.published = published_model.opened(published.place(row.form.spec), base)
            row.base = base
        except VisitorError as error:
            row.status, row.error = "failed", error


def made(row: Row) -> QuantizedModel:
    """The model of a row's file, which is downloaded where it is not here.

    Raises:
        VisitorError: as `published.Place.fetched` and `published_model.read`.
    """
    assert row.published is not None and row.base is not None
    return published_model.read(row.published, row.published.place.fetched(), row.base)


def fetched(request: Request, loaded: Loaded) -> Iterator[str]:
    """Download every file that fits the model, before a GPU is borrowed; yields what it does. What is wrong
    with a file says its row later.

    Raises:
        VisitorError: as `named`.
    """
    found, wrong = named(request.formats)
    listed = [name for name in found if is_published(name) and name not in wrong]
    if not listed or request.rotated:
        return
    try:
        base = expected(loaded)
    except VisitorError:
        return
    for name in listed:
        form = formats.parse(name)
        yield f"Reading the header of {form.label}"
        try:
            place = published.place(form.spec)
            published_model.opened(place, base)
            if not place.is_here():
                yield f"Downloading {place.name}, {place.size / 1e6:,.0f} MB"
                place.fetched()
        except VisitorError:
            continue
