"""Reading a dataset and writing the kept rows back, in the input's own format and with every column intact.

Rows of text, CSV, JSONL and JSON files are kept as the bytes they were; Parquet as an Arrow table with its
schema. A row is parsed when it is needed, and no longer kept than that: parsed it takes up to forty times its
bytes. What lies past the limit of rows is not read, and only Parquet says how much that is.

The module is long because a format is read and written back by the same rules, and those stand side by side.
"""

from __future__ import annotations

import codecs
import csv
import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from dedup import ipc, parquet
from dedup.csv_form import PLAIN, Form, ending_as, fitted, form_of, names_of
from dedup.fields import as_record, field_of, place_of
from dedup.ipc import Kind
from dedup.json_list import Around, first_sign, objects, reason, too_long
from dedup.packed import unpacked
from dedup.paragraphs import are_paragraphs, parts_of
from dedup.rows import Rows
from dedup.sheet import Sheet, read_sheet, write_sheet
from dedup.shingles import clean
from shared import limits
from shared.encodings import as_utf8, convert, encoding_of
from shared.errors import VisitorError
from shared.files import written_whole

if TYPE_CHECKING:
    import pyarrow as pa

FORMATS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
    ".xlsx": "xlsx",
    ".txt": "text",
    ".text": "text",
    ".md": "text",
}


_object = json.JSONDecoder().raw_decode
"""As `json.loads` without its looking for an encoding, and for what follows: rows are known to be right."""

MOST_APART = 1_000
"""Lines of a CSV or JSONL file that may fit no row."""


@dataclass(frozen=True)
class Dataset:
    """Rows of some source, with what it takes to write a part of them back.

    Args:
        name: the file's or dataset's name, for captions.
        format: "csv", "jsonl", "json", "parquet", "arrow", "xlsx" or "text"; "several" of several files.
        rows: how many.
        columns: names, in order, as a page can show them.
        raw: the same names as the file has them, where they hold half characters or bytes that are not UTF-8.
        lines: each row's bytes, without its newline; of a sheet its values as JSON. Empty where `table` is.
        table: Parquet and Arrow: the cells; None otherwise.
        cut: rows left out because of the limit; None where some were and nobody counted them.
        encoding: of the file, as Python names it; its rows here are UTF-8.
        form: CSV: how it is written.
        opening: CSV: the line that names the columns. JSON: what stands before its rows, to the bracket.
        closing: JSON: what stands behind its rows, from the bracket.
        apart: CSV, JSONL: lines that fit no row, each with its number; they are no rows.
        paragraphs: text: whether rows are what blank lines part, and no lines.
        packed: the name of the file that it was unpacked from; "" for none.
        ipc: Arrow: how the file is written.
        sheet: of a workbook: which one, and what it takes to write it.
        parts: the files whose rows these are, in their order, see `dedup.several`; empty for one file.
    """

    name: str
    format: str
    rows: int
    columns: tuple[str, ...]
    lines: Sequence[bytes] = ()
    table: Any = None
    cut: int | None = 0
    raw: tuple[str, ...] = ()
    encoding: str = "utf-8"
    form: Form = PLAIN
    opening: bytes = b"["
    closing: bytes = b"]"
    apart: tuple[tuple[int, bytes], ...] = ()
    paragraphs: bool = False
    packed: str = ""
    ipc: Kind | None = None
    sheet: Sheet | None = None
    parts: tuple[Dataset, ...] = ()

    @property
    def files(self) -> tuple[Dataset, ...]:
        """The files that its rows come from."""
        return self.parts or (self,)

    def place(self, row: int) -> tuple[int, int]:
        """Which of `files` a row comes from, and its number there."""
        for number, part in enumerate(self.files):
            if row < part.rows:
                return number, row
            row -= part.rows
        raise IndexError(row)

    def require(self, name: str) -> None:
        """Raise a VisitorError unless there is a column of that name, or one that it is a field of."""
        if place_of(name, self.columns) is None:
            raise VisitorError(
                f"There is no column “{name[:60]}”.", f"Choose from: {', '.join(self.columns)[:200]}."
            )

    def column(self, name: str) -> list[Any]:
        """One column's cells, as Python values.

        Raises:
            VisitorError: no such column.
        """
        return self.cells([name])[0]

    def cells(self, names: Iterable[str], rows: int | None = None) -> list[list[Any]]:
        """The cells of some columns, as Python values, a list a column; a row is parsed once for all of them.

        Args:
            names: of the columns.
            rows: how many of the first rows; None for all.

        Raises:
            VisitorError: no such column.
        """
        names = list(names)
        columns: list[list[Any]] = [[] for _ in names]
        for row in self.each(names, rows):
            for cells, cell in zip(columns, row, strict=True):
                cells.append(cell)
        return columns

    def each(self, names: Iterable[str], rows: int | None = None) -> Iterator[Sequence[Any]]:
        """The same row by row: no more than a few rows are parsed at once.

        Raises:
            VisitorError: no such column.
        """
        names = list(names)
        for name in names:
            self.require(name)
        parts = [place_of(name, self.columns) or (name, ()) for name in names]
        heads = [head for head, _ in parts]
        if not any(fields for _, fields in parts):
            yield from self._columns(heads, rows)
            return
        for row in self._columns(heads, rows):
            yield [field_of(cell, fields) for cell, (_, fields) in zip(row, parts, strict=True)]

    def _columns(self, names: list[str], rows: int | None) -> Iterator[Sequence[Any]]:
        """The cells of whole columns row by row; None where a file of several has no such column."""
        left = self.rows if rows is None else rows
        for part in self.parts:
            has = [name in part.columns for name in names]
            own = [name for name, there in zip(names, has, strict=True) if there]
            for row in part._columns(own, left) if own else itertools.repeat((), min(left, part.rows)):
                cells = iter(row)
                yield [next(cells) if there else None for there in has]
            left -= min(left, part.rows)
        if self.parts:
            return
        if self.table is not None:
            for batch in parquet.batches(self.table.select(names).slice(0, rows)):
                yield from zip(*batch, strict=True)
        elif self.format == "text":
            for line in itertools.islice(self.lines, rows):
                yield [line.decode("utf-8", "replace")] * len(names)
        elif self.format == "csv":
            places = [self.columns.index(name) for name in names]
            for row in self._cells(rows):
                yield [row[place] for place in places]
        else:
            raw = dict(zip(self.columns, self.raw or self.columns, strict=True))
            keys = [raw[name] for name in names]
            for record in self._parsed(rows):
                yield [record.get(key) for key in keys]
                del record  # before the next one is parsed

    def head(self, rows: int) -> dict[str, list[Any]]:
        """What stands in the first rows by column, in fewer of them where they are long; of JSON, where every
        row may have keys of its own, without the empty cells.
        """
        while rows > 1 and self._size(rows) > limits.MAX_ROW_BYTES:
            rows //= 2
        if self.parts:
            share = -(-rows // len(self.parts))
            cells: dict[str, list[Any]] = {}
            for part in self.parts:
                for name, own in part.head(share).items():
                    cells.setdefault(name, []).extend(own)
            return cells
        if self.format not in ("jsonl", "json", "xlsx"):
            return dict(zip(self.columns, self.cells(self.columns, rows), strict=True))
        filled: dict[str, list[Any]] = {}
        for record in self._parsed(rows):
            for key, cell in record.items():
                filled.setdefault(clean(key), []).append(cell)
        return filled

    def _size(self, rows: int) -> int:
        """Bytes of the first rows."""
        if self.table is not None:
            return int(self.table.slice(0, rows).nbytes)
        return sum(map(len, itertools.islice(self.lines, rows)))

    def _parsed(self, rows: int | None) -> Iterator[Any]:
        for line in itertools.islice(self.lines, rows):
            yield as_record(_object(line.decode("utf-8", "surrogatepass").lstrip())[0])

    def _cells(self, rows: int | None) -> Iterator[list[str]]:
        texts = (line.decode("utf-8", "surrogateescape") for line in itertools.islice(self.lines, rows))
        for row in csv.reader(texts, strict=True, **self.form.settings):  # type: ignore[arg-type]
            yield fitted(row, len(self.columns)) or row


def read_file(path: Path, name: str, limit: int) -> Dataset:
    """Read a file by its extension.

    Args:
        path: where it lies.
        name: what it was called.
        limit: rows to read at most.

    Raises:
        VisitorError: unknown format, empty, too large, two columns of one name, or malformed (with the line).
    """
    name = clean(name)
    size = path.stat().st_size
    if size > limits.MAX_FILE_BYTES:
        raise VisitorError(
            f"The file has {size / 1e6:,.0f} MB; at most {limits.MAX_FILE_BYTES / 1e6:,.0f} MB are read.",
            "Split it, or run the exported script.",
        )
    with unpacked(path, name, tuple(FORMATS)) as (inner, inside):
        dataset = _read_plain(inner, clean(inside), limit)
    return dataset if inside == name else replace(dataset, packed=name)


def _read_plain(path: Path, name: str, limit: int) -> Dataset:
    kind = FORMATS.get(Path(name).suffix.lower())
    if kind is None:
        sheet = Path(name).suffix.lower() in (".xls", ".xlsb", ".ods")
        raise VisitorError(
            f"“{name[:80]}” is not a file that this page reads.",
            "Save the sheet as XLSX or CSV."
            if sheet
            else "Use CSV, TSV, JSONL, JSON, Parquet, Arrow, XLSX or plain text.",
        )
    if path.stat().st_size == 0:
        raise VisitorError("The file is empty.", "Choose one with rows.")
    reader = {
        "csv": _read_csv,
        "jsonl": _read_jsonl,
        "json": _read_json,
        "parquet": _read_parquet,
        "arrow": _read_arrow,
        "xlsx": _read_xlsx,
        "text": _read_text,
    }[kind]
    encoding = "utf-8" if kind in ("parquet", "arrow", "xlsx") else encoding_of(path)
    with as_utf8(path, encoding) as readable:
        dataset = replace(reader(readable, name, limit), encoding=encoding)
        if dataset.format in ("text", "jsonl"):
            dataset = replace(dataset, form=replace(PLAIN, ending=_line_end(readable)))
    if dataset.rows == 0:
        raise VisitorError("The file has no rows.", "Choose one with rows.")
    if len(set(dataset.columns)) != len(dataset.columns):
        raise VisitorError("Two columns of the file have the same name.", "Rename one of them.")
    return dataset


def _check_cells(cells: Iterable[Any], place: str) -> None:
    """Raise a VisitorError where a text is too long to be compared."""
    for cell in cells:
        if isinstance(cell, str) and len(cell) > limits.MAX_CELL_CHARACTERS:
            raise VisitorError(
                f"{place} holds a text of {len(cell):,} characters; the limit is "
                f"{limits.MAX_CELL_CHARACTERS:,}.",
                "Split the text, or leave the row out.",
            )


def _check_columns(count: int) -> None:
    if count > limits.MAX_COLUMNS:
        raise VisitorError(
            f"The file has more than {limits.MAX_COLUMNS:,} columns.", "Leave out those that you do not need."
        )


def _lines(path: Path) -> Iterator[bytes]:
    """A file's lines, without their ends, one at a time.

    Raises:
        VisitorError: a line is longer than a row may be.
    """
    most = limits.MAX_ROW_BYTES
    with path.open("rb") as file:
        for number in itertools.count(1):
            line = file.readline(most + 2)
            if not line:
                return
            if number == 1:
                line = line.removeprefix(codecs.BOM_UTF8)
            line = line.removesuffix(b"\n").removesuffix(b"\r")
            if len(line) > most:
                raise too_long(f"Line {number:,}")
            yield line


def _line_end(path: Path) -> str:
    """What a file's first line ends in."""
    with path.open("rb") as file:
        return "\r\n" if file.readline(limits.MAX_ROW_BYTES + 2).endswith(b"\r\n") else "\n"


def _shown(raw: Iterable[str]) -> dict[str, str]:
    """Column names as a page can show them, and as the file has them; of two that look the same, the
    first.
    """
    names: dict[str, str] = {}
    for name in raw:
        names.setdefault(clean(name), name)
    return names


def _read_text(path: Path, name: str, limit: int) -> Dataset:
    with path.open("rb") as file:
        paragraphs = are_paragraphs(file.read(limits.MAX_CELL_CHARACTERS))
    rows, cut = Rows(), None
    for number, line in enumerate(parts_of(_lines(path)) if paragraphs else _lines(path), start=1):
        if len(rows) == limit:
            break
        if len(line) > limits.MAX_CELL_CHARACTERS:
            what = "Paragraph" if paragraphs else "Line"
            _check_cells([line.decode("utf-8", "replace")], f"{what} {number:,}")
        rows.append(line)
    else:
        return Dataset(name, "text", len(rows), ("text",), rows, paragraphs=paragraphs)
    return Dataset(name, "text", len(rows), ("text",), rows, cut=cut, paragraphs=paragraphs)


def _read_jsonl(path: Path, name: str, limit: int) -> Dataset:
    rows, columns, apart = Rows(), dict[str, None](), list[tuple[int, bytes]]()
    cut: int | None = 0
    for line in _json_lines(path, columns, apart):
        if len(rows) == limit:
            cut = None
            break
        rows.append(line)
    return replace(_records(name, "jsonl", rows, columns, cut), apart=tuple(apart))


def _json_lines(path: Path, columns: dict[str, None], apart: list[tuple[int, bytes]]) -> Iterator[bytes]:
    """The lines of a JSONL file that are rows; their columns are added as they come, and to `apart` the lines
    that are neither rows nor blank.

    Raises:
        VisitorError: more than `MOST_APART` lines are no rows, or as many as are.
    """
    first: VisitorError | None = None
    rows = 0
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            what = f"Line {number:,} is not JSON ({reason(error)})."
            first = first or VisitorError(what, "Fix the line, or remove it.")
            row = None
        if not isinstance(row, (dict, str)):
            what, remedy = f"Line {number:,} is not a JSON object.", 'Write each row as {"text": "…"}.'
            first = first or VisitorError(what, remedy)
            apart.append((number, line))
            if len(apart) > min(MOST_APART, rows + 1):
                raise first
            continue
        _add(columns, as_record(row), f"Line {number:,}")
        del row  # before the next one is parsed
        rows += 1
        yield line
    if first and len(apart) >= rows:
        raise first


def jsonl_parts(path: Path, most: int, apart: list[tuple[int, bytes]]) -> Iterator[Dataset]:
    """A JSONL file of UTF-8 in parts of about so many bytes, however large it is; columns are those that came
    so far.

    Args:
        apart: gets the lines that are no rows, with their numbers.

    Raises:
        VisitorError: malformed, with the line.
    """
    rows, columns, held = Rows(), dict[str, None](), 0
    for line in _json_lines(path, columns, apart):
        rows.append(line)
        held += len(line)
        if held >= most:
            yield _records(path.name, "jsonl", rows, columns, 0)
            rows, held = Rows(), 0
    if len(rows):
        yield _records(path.name, "jsonl", rows, columns, 0)


def _add(columns: dict[str, None], row: dict[str, Any], place: str) -> None:
    _check_cells(row.values(), place)
    columns.update(dict.fromkeys(row))
    _check_columns(len(columns))


def _records(name: str, form: str, rows: Rows, columns: Iterable[str], cut: int | None) -> Dataset:
    names = _shown(columns)
    return Dataset(name, form, len(rows), tuple(names), rows, cut=cut, raw=tuple(names.values()))


def _read_json(path: Path, name: str, limit: int) -> Dataset:
    with path.open("rb") as file:
        if b"\n{" in file.read(1_000_000) and first_sign(path) == "{" and _is_a_line(path):
            return _read_jsonl(path, name, limit)
    rows, columns = Rows(), dict[str, None]()
    around = Around()
    for number, (text, row) in enumerate(objects(path, around), start=1):
        if len(rows) == limit:
            return _records(name, "json", rows, columns, None)
        _add(columns, as_record(row), f"Object {number:,}")
        rows.append(text.encode("utf-8", "surrogatepass"))
        del row
    return replace(_records(name, "json", rows, columns, 0), opening=around.head, closing=around.tail)


def _is_a_line(path: Path) -> bool:
    """Whether a file's first line is a whole JSON object."""
    try:
        return isinstance(json.loads(next(line for line in _lines(path) if line.strip())), dict)
    except (ValueError, RecursionError, StopIteration, VisitorError):
        return False


def _read_csv(path: Path, name: str, limit: int) -> Dataset:
    csv.field_size_limit(limits.MAX_CELL_CHARACTERS)
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        form = form_of(file.read(100_000), name)
        file.seek(0)
        file.read(len(form.before))
        return _csv_rows(file, form, name, limit)


def _csv_rows(file: IO[str], form: Form, name: str, limit: int) -> Dataset:
    rows = Rows()
    raw: list[str] = []
    head = b""
    apart: list[tuple[int, bytes]] = []
    cells = 0  # of the first line that fits no row
    record: list[str] = []  # the lines of the row that is being read
    before = form.before.count("\n")

    def lines() -> Iterator[str]:
        length = 0
        while line := file.readline(limits.MAX_ROW_BYTES + 1):
            length = len(line) + (length if record else 0)
            if length > limits.MAX_ROW_BYTES:
                raise too_long(f"The row of line {reader.line_num + before + 1:,}")
            record.append(line)
            yield line

    reader = csv.reader(lines(), strict=True, **form.settings)  # type: ignore[arg-type]
    cut: int | None = 0
    try:
        for row in reader:
            whole = "".join(record)
            written = whole.removesuffix("\n").removesuffix("\r")
            record.clear()
            if not row:
                continue
            if not raw:
                _check_columns(len(row))
                raw, form = row, ending_as(form, whole)
                if form.header:
                    head = written.encode("utf-8", "surrogateescape")
                    continue
            if len(rows) == limit:
                cut = None
                break
            if fitted(row, len(raw)) is None:
                cells = cells or len(row)
                apart.append((reader.line_num + before, written.encode("utf-8", "surrogateescape")))
                if len(apart) > MOST_APART or len(apart) > len(rows) + 1:
                    break
            else:
                rows.append(written.encode("utf-8", "surrogateescape"))
    except csv.Error as error:
        line = reader.line_num + before
        raise _no_csv(str(error), line, line - len(record) + 1) from error
    if len(apart) > min(MOST_APART, len(rows)):
        raise VisitorError(
            f"Line {apart[0][0]:,} has {cells} cells, the header {len(raw)}.",
            "Fix the line: a quote may be missing.",
        )
    names = names_of([clean(cell) for cell in raw] if form.header else [""] * len(raw))
    return Dataset(
        name,
        "csv",
        len(rows),
        names,
        rows,
        cut=cut,
        raw=tuple(raw),
        form=form,
        opening=head,
        apart=tuple(apart),
    )


def _no_csv(why: str, line: int, begun: int) -> VisitorError:
    """The error for a file that is no CSV.

    Args:
        why: as the `csv` module says it.
        line: where it stopped.
        begun: the first line of the row that it was reading.
    """
    if "field larger" in why:
        return VisitorError(
            f"Line {line:,} holds a text of more than {limits.MAX_CELL_CHARACTERS:,} characters.",
            "Split the text, or leave the row out; a quote may be missing.",
        )
    if "unexpected end" in why:  # all that follows the quote was taken for its text
        return VisitorError(
            f"A quote that opens in line {begun:,} is never closed.",
            "Close it, or write two quotes for one within a text.",
        )
    return VisitorError(f"Line {line:,} is not CSV ({why[:80]}).", "Fix the line: a quote may be missing.")


def _read_parquet(path: Path, name: str, limit: int) -> Dataset:
    table, total = parquet.read_table(path, limit)
    cut = max(0, total - table.num_rows)
    return Dataset(name, "parquet", table.num_rows, tuple(table.column_names), table=table, cut=cut)


def _read_arrow(path: Path, name: str, limit: int) -> Dataset:
    table, total, kind = ipc.read_table(path, limit)
    columns, cut = tuple(table.column_names), total - table.num_rows
    return Dataset(name, "arrow", table.num_rows, columns, table=table, cut=cut, ipc=kind)


def _read_xlsx(path: Path, name: str, limit: int) -> Dataset:
    table = read_sheet(path, limit)
    return Dataset(
        name,
        "xlsx",
        len(table.rows),
        table.columns,
        table.rows,
        cut=table.cut,
        form=replace(PLAIN, header=table.header),
        sheet=table.sheet,
    )


def read_hub(name: str, config: str | None, split: str, limit: int, token: str | None = None) -> Dataset:
    """Stream the first rows of a dataset of the Hub; what leaves is Parquet.

    Raises:
        VisitorError: unknown, gated, without that config or split, too large, or the Hub cannot be reached.
    """
    from shared import hub

    table, more = hub.dataset_rows(name, config, split, limit, token)
    _check_columns(table.num_columns)
    parquet.check_cells(table)
    return Dataset(
        f"{name}, {split}",
        "parquet",
        table.num_rows,
        tuple(table.column_names),
        table=table,
        cut=None if more else 0,
    )


def write(dataset: Dataset, keep: list[int], path: Path) -> None:
    """Write some rows, in their order, in the dataset's format.

    Args:
        keep: row numbers, ascending.
        path: the file to write; it appears whole or not at all.

    Raises:
        VisitorError: the disk is full.
    """
    with written_whole(path, "the kept rows") as part:
        if dataset.format == "parquet":
            import pyarrow.parquet as pq

            pq.write_table(_taken(dataset.table, keep), part)
            return
        if dataset.ipc is not None:
            ipc.write_table(_taken(dataset.table, keep), dataset.ipc, part)
            return
        if dataset.sheet is not None:
            write_sheet(dataset.sheet, keep, part)
            return
        # as they came: quotes, escapes, digits of numbers
        rows: Iterable[bytes] = (dataset.lines[row] for row in keep)
        with part.open("wb") as file:
            if dataset.format == "json":
                file.write(dataset.opening)
                for number, row in enumerate(rows):
                    file.write((b",\n" if number else b"\n") + row)
                file.write((b"\n" if keep else b"") + dataset.closing)
            elif dataset.paragraphs:
                ending = dataset.form.ending.encode()
                for number, row in enumerate(rows):
                    file.write((ending if number else b"") + row.replace(b"\n", ending) + ending)
            else:
                ending = dataset.form.ending.encode()
                if dataset.format == "csv":
                    file.write(dataset.form.before.encode("utf-8", "surrogateescape"))
                    rows = itertools.chain([dataset.opening] if dataset.form.header else [], rows)
                file.writelines(row + ending for row in rows)
        _encode(part, dataset.encoding)


def _encode(path: Path, encoding: str) -> None:
    """Write a file of UTF-8 in another encoding."""
    if encoding != "utf-8":
        other = path.with_suffix(".encoded")
        convert(path, "utf-8", other, encoding)
        other.replace(path)


def _taken(table: pa.Table, keep: list[int]) -> pa.Table:
    """Some rows of a table, whatever the types of its columns."""
    import pyarrow as pa

    try:
        return table.take(pa.array(keep, pa.int64()))
    except pa.ArrowNotImplementedError:  # string_view and binary_view have no kernel for it
        if not keep:
            return table.slice(0, 0)
        starts = [at for at, row in enumerate(keep) if at == 0 or row != keep[at - 1] + 1]
        runs = zip(starts, [*starts[1:], len(keep)], strict=True)
        return pa.concat_tables(table.slice(keep[start], end - start) for start, end in runs)


def write_apart(dataset: Dataset, path: Path) -> None:
    """Write the lines of a CSV or JSONL file that fit no row, as they came."""
    with written_whole(path, "the lines that fit no row") as part:
        part.write_bytes(b"".join(line + dataset.form.ending.encode() for _, line in dataset.apart))
        _encode(part, dataset.encoding)


def suffix_of(dataset: Dataset) -> str:
    """Of the file that the dataset's format is written to."""
    if dataset.format == "arrow":
        return Path(dataset.name).suffix.lower()
    return ".txt" if dataset.format == "text" else f".{dataset.format}"
