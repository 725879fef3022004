"""Parquet files, read within a limit of memory: a value that is stored once may stand in every row."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup.arrays import Int64
from shared import limits
from shared.errors import VisitorError, reason

BATCH = 1_000
"""Rows of a Parquet file that are decoded at once."""
AT_ONCE = 64
"""Rows that are Python values at once."""
_OBJECT = 64
"""Bytes of a dict or a list in Python, at least."""


def read_table(path: Path, limit: int) -> tuple[pa.Table, int]:
    """The first rows of a Parquet file, and how many it has.

    Raises:
        VisitorError: it is not Parquet, or its rows need more than `limits.unpacked_bytes` of memory.
    """
    import pyarrow.parquet as pq

    parts: list[pa.RecordBatch] = []
    size, left = 0, limit
    most = limits.unpacked_bytes(path.stat().st_size)
    try:
        file = pq.ParquetFile(path)
        if len(file.schema_arrow) > limits.MAX_COLUMNS:
            raise VisitorError(
                f"The file has {len(file.schema_arrow):,} columns; the limit is {limits.MAX_COLUMNS:,}.",
                "Leave out those that you do not need.",
            )
        total = file.metadata.num_rows
        for batch in file.iter_batches(batch_size=batch_rows(path, file.metadata, most // 4)):
            parts.append(batch.slice(0, left))
            size += sum(map(bytes_of, parts[-1].columns))
            rows = sum(map(len, parts))
            if size > most:
                raise VisitorError(
                    f"The first {rows:,} rows of the file hold more than {most / 1e6:,.0f} MB, the limit for "
                    f"a file of {path.stat().st_size / 1e6:,.1f} MB.",
                    "Lower the limit of rows, or run the exported script.",
                )
            check_cells(parts[-1], rows - len(parts[-1]))
            left -= len(parts[-1])
            if left <= 0:
                break
        return pa.Table.from_batches(parts, schema=file.schema_arrow), total
    except (pa.ArrowException, OSError, UnicodeError) as error:
        raise VisitorError(
            f"The file is not Parquet ({reason(error)}).", "Check that it was written completely."
        ) from error


def batches(table: pa.Table) -> Iterator[list[list[Any]]]:
    """The cells of a table as Python values, a list a column, of a few rows at a time."""
    for start in range(0, len(table), AT_ONCE):
        yield [column.to_pylist() for column in table.slice(start, AT_ONCE).columns]


def check_cells(batch: pa.RecordBatch | pa.Table, before: int = 0) -> None:
    """Raise a VisitorError where a text is too long to be compared.

    Args:
        batch: rows.
        before: how many rows stand before them.
    """
    for column in batch.columns:
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        if pa.types.is_string_view(kind):
            chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
            if not any((_view_lengths(chunk) > limits.MAX_CELL_CHARACTERS).any() for chunk in chunks):
                continue
            column, kind = column.cast(pa.large_string()), pa.large_string()
        if not pa.types.is_large_string(kind) and not pa.types.is_string(kind):
            continue
        if pa.types.is_dictionary(column.type):
            column = column.cast(kind)
        if column.nbytes <= limits.MAX_CELL_CHARACTERS:
            continue
        lengths = pc.utf8_length(column)
        longest = pc.max(lengths).as_py()
        if longest is not None and longest > limits.MAX_CELL_CHARACTERS:
            raise VisitorError(
                f"Row {before + pc.index(lengths, longest).as_py() + 1:,} holds a text of {longest:,} "
                f"characters; the limit is {limits.MAX_CELL_CHARACTERS:,}.",
                "Split the text, or leave the row out.",
            )


def is_view(kind: pa.DataType) -> bool:
    """Whether values of a type are shown where they lie, which may be the same place for all of them."""
    return bool(pa.types.is_string_view(kind) or pa.types.is_binary_view(kind))


def _view_lengths(array: pa.Array) -> Int64:
    """Bytes of each value of an array of views, of which many may show the same; Arrow counts none of them.

    Source: a view has 16 bytes, and begins with its length as an int32.
    """
    lengths = np.frombuffer(array.buffers()[1] or b"", dtype=np.int32)[::4]
    own = lengths[array.offset : array.offset + len(array)].astype(np.int64)
    return own if array.null_count == 0 else np.where(array.is_valid().to_numpy(zero_copy_only=False), own, 0)


def bytes_of(array: pa.Array) -> int:
    """Bytes of an array once each of its cells is a value of its own, as in Python."""
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return bytes_of(array.storage)
    if pa.types.is_dictionary(kind):
        return bytes_of(array.dictionary_decode())
    if is_view(kind):
        return int(_view_lengths(array).sum()) + 16 * len(array)
    if pa.types.is_struct(kind):
        return _OBJECT * len(array) + sum(map(bytes_of, array.flatten()))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return int(array.nbytes) + _OBJECT * len(array) + bytes_of(array.flatten())
    if pa.types.is_map(kind):
        return int(array.nbytes) + _OBJECT * len(array) + bytes_of(array.keys) + bytes_of(array.items)
    return int(array.nbytes)


def batch_rows(path: Path, metadata: Any, most: int) -> int:
    """Rows to decode at once: `BATCH`, or fewer where they might take more than `most` bytes.

    Parquet may store a value once and repeat it in every row, so that a file of kilobytes becomes gigabytes.
    """
    largest = 1
    with path.open("rb") as file:
        for group in map(metadata.row_group, range(metadata.num_row_groups)):
            largest = max(
                largest, sum(_repeatable(file, group.column(place)) for place in range(group.num_columns))
            )
    return max(1, min(BATCH, most // largest))


def _repeatable(file: BinaryIO, chunk: Any) -> int:
    """Bytes that any cell of a column chunk may have though they are stored once: those of its dictionary,
    the first page.
    """
    # DELTA_BYTE_ARRAY stores what a value does not share with the one before
    if "DELTA_BYTE_ARRAY" not in chunk.encodings:
        file.seek(min(offset for offset in (chunk.dictionary_page_offset, chunk.data_page_offset) if offset))
        # Thrift's compact form: field 1 is the page's type, field 2 its bytes, each a varint of twice that
        header = file.read(16)
        if header.startswith((b"\x15\x00", b"\x15\x06")):
            return 0  # a page of data
        if header.startswith(b"\x15\x04\x15"):
            size = 0
            for place, byte in enumerate(header[3:]):
                size |= (byte & 127) << 7 * place
                if byte < 128:
                    return size // 2
    return int(chunk.total_uncompressed_size)
