"""Arrow files, `.arrow` and `.feather`, of the file and the stream format, read within a limit of memory."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from dedup import parquet
from shared import limits
from shared.errors import VisitorError, reason

MAGIC = b"ARROW1"
"""What a file of the file format begins with; two zeros and a stream follow."""

_BROKEN = (pa.ArrowException, OSError, UnicodeError, struct.error, IndexError, ValueError)


@dataclass(frozen=True)
class Kind:
    """How an Arrow file is written.

    Args:
        stream: whether it is the stream format, as `datasets` writes it.
        compression: of its buffers: "", "lz4" or "zstd".
    """

    stream: bool
    compression: str


def read_table(path: Path, limit: int) -> tuple[pa.Table, int, Kind]:
    """The first rows of an Arrow file, how many it has, and how it is written.

    Raises:
        VisitorError: it is not Arrow, holds columns that are stored as references, or its rows need more than
            `limits.unpacked_bytes` of memory.
    """
    size = path.stat().st_size
    most = limits.unpacked_bytes(size)
    try:
        with pa.OSFile(str(path)) as source:
            start = source.read(8)
            if start[:4] == b"FEA1":
                raise VisitorError(
                    "The file is Feather of version 1, which is no longer read.",
                    "Write it again with a newer pandas or pyarrow, or save it as Parquet.",
                )
            stream = not start.startswith(MAGIC)
            begin = 0 if stream else 8
            source.seek(begin)
            compression = _check_messages(source, most)
            source.seek(begin)
            reader = pa.ipc.open_stream(source)
            _check_schema(reader.schema)
            parts: list[pa.RecordBatch] = []
            held, total = 0, 0
            for batch in reader:
                total += len(batch)
                if (left := limit - total + len(batch)) <= 0:
                    continue
                batch.validate(full=True)  # places in it may point anywhere
                for part in _small(batch.slice(0, left), most):
                    held += sum(map(parquet.bytes_of, part.columns))
                    if held > most:
                        raise VisitorError(
                            f"The file’s rows hold more than {most / 1e6:,.0f} MB, the limit for a file of "
                            f"{size / 1e6:,.1f} MB.",
                            "Lower the limit of rows, or run the exported script.",
                        )
                    parquet.check_cells(part, sum(len(own) for own in parts))
                    parts.append(part)
            table = pa.Table.from_batches(parts, schema=reader.schema)
    except _BROKEN as error:
        raise VisitorError(
            f"The file is not Arrow ({reason(error)}).", "Check that it was written completely."
        ) from error
    return table, total, Kind(stream, compression)


def write_table(table: pa.Table, kind: Kind, path: Path) -> None:
    """Write a table as the file that it came from was written."""
    options = pa.ipc.IpcWriteOptions(compression=kind.compression or None)
    opened = pa.ipc.new_stream if kind.stream else pa.ipc.new_file
    with opened(str(path), table.schema, options=options) as file:
        file.write_table(table.unify_dictionaries())  # the file format has one of each


def _small(batch: pa.RecordBatch, most: int) -> Iterator[pa.RecordBatch]:
    """A batch in parts whose values, written out, would take no more than a quarter of `most` bytes."""
    repeated = sum(
        column.dictionary.nbytes for column in batch.columns if pa.types.is_dictionary(column.type)
    )
    rows = max(1, min(parquet.BATCH, most // 4 // max(1, repeated)))
    for start in range(0, len(batch), rows):
        yield batch.slice(start, rows)


def _check_schema(schema: pa.Schema) -> None:
    if len(schema) > limits.MAX_COLUMNS:
        raise VisitorError(
            f"The file has {len(schema):,} columns; the limit is {limits.MAX_COLUMNS:,}.",
            "Leave out those that you do not need.",
        )
    for field in schema:
        if _by_reference(field.type):
            raise VisitorError(
                f"The column “{field.name[:60]}” is stored as references ({str(field.type)[:60]}).",
                "Write it as a plain column, or save the table as Parquet.",
            )


def _by_reference(kind: pa.DataType) -> bool:
    """Whether a type lets a few bytes stand for many values, in a way that nobody could count beforehand."""
    types = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    if types.is_run_end_encoded(kind) or types.is_list_view(kind) or types.is_large_list_view(kind):
        return True
    if types.is_union(kind):
        return True
    if types.is_dictionary(kind):
        return types.is_nested(kind.value_type) or parquet.is_view(kind.value_type)
    inner = [kind.field(place).type for place in range(kind.num_fields)]
    return any(_by_reference(own) or types.is_dictionary(own) for own in inner)


def _check_messages(source: Any, most: int) -> str:
    """How the buffers of a stream are compressed.

    Raises:
        VisitorError: unpacked they have more than `most` bytes.
    """
    held, found = 0, ""
    for message in pa.ipc.MessageReader.open_stream(source):
        sizes, name = _unpacked(message)
        held, found = held + sizes, found or name
        if held > most:
            raise VisitorError(
                f"The file unpacks to more than {most / 1e6:,.0f} MB.", "Split it, or save it as Parquet."
            )
    return found


def _unpacked(message: Any) -> tuple[int, str]:
    """Bytes of a message's buffers once unpacked, and the name of the compression; (0, "") for none.

    Source: the tables Message, DictionaryBatch and RecordBatch of Arrow's Message.fbs; a compressed buffer
    begins with its unpacked size as an int64, or -1 where it is not compressed.
    """
    if message.type not in ("dictionary", "record batch"):
        return 0, ""
    content, body = bytes(message.metadata), message.body
    batch = _field(content, struct.unpack_from("<I", content)[0], 2, follow=True)
    if message.type == "dictionary" and batch is not None:
        batch = _field(content, batch, 1, follow=True)
    packed = None if batch is None else _field(content, batch, 3, follow=True)
    if batch is None or packed is None:
        return 0, ""
    codec = _field(content, packed, 0)
    buffers = _field(content, batch, 2, follow=True)
    size = 0
    if buffers is not None:
        for place in range(struct.unpack_from("<I", content, buffers)[0]):
            start, length = struct.unpack_from("<qq", content, buffers + 4 + 16 * place)
            if length >= 8:
                size += max(length, struct.unpack_from("<q", body, start)[0])
    return size, "zstd" if codec is not None and content[codec] == 1 else "lz4"


def _field(content: bytes, table: int, number: int, follow: bool = False) -> int | None:
    """Where a field of a FlatBuffers table lies; None where it has its default.

    Args:
        follow: whether the field is a table or a vector, to which it holds the way.
    """
    shape = table - struct.unpack_from("<i", content, table)[0]
    if 4 + 2 * number >= struct.unpack_from("<H", content, shape)[0]:
        return None
    place = struct.unpack_from("<H", content, shape + 4 + 2 * number)[0]
    if place == 0:
        return None
    return table + place + (struct.unpack_from("<I", content, table + place)[0] if follow else 0)
