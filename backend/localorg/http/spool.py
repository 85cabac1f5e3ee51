"""A query's result as a CSV file that can be served from any row on, and loaded as rows again.

Written once, as the rows come; beside it lies where each row begins (8 bytes a row), so that a page of any
length at any locator is one seek. Nobody holds a result in memory, neither here nor while it is sent.
"""

from __future__ import annotations

import array
import csv
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO

from localorg.errors import OrgError

__all__ = ["DELIMITERS", "LINE_ENDINGS", "Spool", "gzipped", "read_csv", "write_spool"]

DELIMITERS = {"COMMA": ",", "TAB": "\t", "SEMICOLON": ";", "PIPE": "|", "CARET": "^", "BACKQUOTE": "`"}
LINE_ENDINGS = {"LF": "\n", "CRLF": "\r\n"}

_CHUNK = 1 << 18  # bytes sent at a time
_ROWS = 1000  # rows written at a time


@dataclass(frozen=True, slots=True)
class Spool:
    """A finished result. rows: how many, the header not counted."""

    path: Path
    rows: int

    def page(self, first: int, count: int) -> Iterator[bytes]:
        """The header and rows first .. first + count - 1, as bytes in pieces."""
        with _index(self.path).open("rb") as index, self.path.open("rb") as file:
            header_end = _offset(index, 0)
            yield file.read(header_end)
            file.seek(_offset(index, min(first, self.rows)))
            left = _offset(index, min(first + count, self.rows)) - file.tell()
            while left > 0:
                piece = file.read(min(_CHUNK, left))
                left -= len(piece)
                yield piece


def write_spool(path: Path, header: str, lines: Iterable[str], *, line_end: str = "\n") -> Spool:
    """Write a result, one finished line a row; returns when it is whole."""
    offsets = array.array("Q")
    end, count = line_end.encode(), 0
    source = iter(lines)
    with path.open("wb") as file, _index(path).open("wb") as index:
        at = file.write(header.encode() + end)
        offsets.append(at)
        while batch := [line.encode() + end for line in islice(source, _ROWS)]:
            for line in batch:
                at += len(line)
                offsets.append(at)
            file.write(b"".join(batch))
            count += len(batch)
            offsets.tofile(index)
            del offsets[:]
        offsets.tofile(index)
    return Spool(path, count)


def gzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes as a gzip stream, at the level that costs least."""
    squeezer = zlib.compressobj(1, zlib.DEFLATED, 31)
    for piece in pieces:
        if squeezed := squeezer.compress(piece):
            yield squeezed
    yield squeezer.flush()


def read_csv(file: IO[str], *, delimiter: str = ",") -> Iterator[tuple[list[str], list[str]]]:
    """Header and row, row by row; empty lines are skipped.

    Raises OrgError where a row has more or fewer values than the header.
    """
    csv.field_size_limit(1 << 24)
    reader = csv.reader(file, delimiter=delimiter)
    try:
        header = next(reader, None)
        if header is None:
            return
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                raise OrgError(
                    "InvalidBatch", f"Row {reader.line_num} has {len(row)} values, the header {len(header)} columns"
                )
            yield header, row
    except csv.Error as broken:
        raise OrgError("InvalidBatch", f"Failed to parse CSV, line {reader.line_num}: {broken}") from broken


def _index(path: Path) -> Path:
    return path.with_suffix(".offsets")


def _offset(index: IO[bytes], row: int) -> int:
    index.seek(row * 8)
    held = array.array("Q")
    held.frombytes(index.read(8))
    return held[0]
