"""Parquet files, read within a limit of memory: a value that is stored once may stand in every row."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from shared import limits
from shared.errors import VisitorError, reason

BATCH = 1_000
"""Rows of a Parquet file that are decoded at once."""


def read_table(path: Path, limit: int) -> tuple[pa.Table, int]:
    """The first rows of a Parquet file, and how many it has.

    Raises:
        VisitorError: it is not Parquet, or its rows need more than `limits.MAX_FILE_BYTES` of memory.
    """
    import pyarrow.parquet as pq

    batches: list[pa.RecordBatch] = []
    size, left = 0, limit
    try:
        file = pq.ParquetFile(path)
        total = file.metadata.num_rows
        for batch in file.iter_batches(batch_size=batch_rows(path, file.metadata)):
            batches.append(batch.slice(0, left))
            size += _bytes(batches[-1])
            if size > limits.MAX_FILE_BYTES:
                first = f"The first {sum(map(len, batches)):,} rows of the file"
                raise VisitorError(
                    f"{first} hold more than {limits.MAX_FILE_BYTES / 1e6:,.0f} MB.",
                    "Lower the limit of rows, or run the exported script.",
                )
            left -= len(batches[-1])
            if left <= 0:
                break
        return pa.Table.from_batches(batches, schema=file.schema_arrow), total
    except (pa.ArrowException, OSError, UnicodeError) as error:
        raise VisitorError(
            f"The file is not Parquet ({reason(error)}).", "Check that it was written whole."
        ) from error


def _bytes(batch: pa.RecordBatch) -> int:
    """Bytes of a batch once each of its cells is a value of its own."""
    columns = (
        column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
        for column in batch.columns
    )
    return sum(column.nbytes for column in columns)


def batch_rows(path: Path, metadata: Any) -> int:
    """Rows to decode at once: `BATCH`, or fewer where they might not fit into `limits.MAX_FILE_BYTES`.

    Parquet may store a value once and repeat it in every row, so that a file of kilobytes becomes gigabytes.
    """
    largest = 1
    with path.open("rb") as file:
        for group in map(metadata.row_group, range(metadata.num_row_groups)):
            largest = max(
                largest, sum(_repeatable(file, group.column(place)) for place in range(group.num_columns))
            )
    return max(1, min(BATCH, limits.MAX_FILE_BYTES // largest))


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
