"""A CSV body as it arrives, in pieces of whole rows, column by column.

Bulk results quote every cell, so most pieces need no parser: where a piece has exactly two quotes a cell, no cell
holds one, and three string operations at C speed take it apart. Any other piece goes through the csv module.
Memory is one piece, whatever the size of the body.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

__all__ = ["BadCsv", "HeaderDiffers", "read_columns"]

QUOTE = b'"'


class BadCsv(Exception):
    """The body is not CSV of these columns, or ends within a row."""


class HeaderDiffers(Exception):
    """The columns are not the ones asked for. found: the header."""

    def __init__(self, found: tuple[str, ...]) -> None:
        super().__init__(", ".join(found))
        self.found = found


def read_columns(chunks: Iterable[bytes], names: Sequence[str]) -> Iterator[list[Sequence[str]]]:
    """Pieces of a body in UTF-8: for each of names its cells, all of one length, at least one.

    names: expected header, in order; capitals do not matter.

    An empty body is a header without rows. Raises HeaderDiffers, BadCsv.
    """
    buffer, header_read = b"", False
    for chunk in chunks:
        buffer += chunk
        end = _last_row_end(buffer)
        if not end:
            continue
        piece, buffer = buffer[:end], buffer[end:]
        if not header_read:
            piece = _after_header(piece, names)
            header_read = True
        if piece:
            yield _columns(piece, len(names))
    if buffer:
        # The last row of a body may go without a line end; one cut inside a cell has an odd number of quotes.
        if buffer.count(QUOTE) % 2 or not header_read:
            raise BadCsv("the body ends within a row")
        yield _columns(buffer + b"\n", len(names))


def _last_row_end(buffer: bytes) -> int:
    """Just behind the last line end that is not inside quotes (even number of quotes before it), or 0."""
    quotes, upper = buffer.count(QUOTE), len(buffer)
    while (newline := buffer.rfind(b"\n", 0, upper)) >= 0:
        quotes -= buffer.count(QUOTE, newline, upper)
        if quotes % 2 == 0:
            return newline + 1
        upper = newline
    return 0


def _after_header(piece: bytes, names: Sequence[str]) -> bytes:
    line, _, rest = piece.partition(b"\n")
    found = tuple(_rows(line.decode("utf-8-sig"))[0])
    if [n.lower() for n in found] != [n.lower() for n in names]:
        raise HeaderDiffers(found)
    return rest


def _columns(piece: bytes, count: int) -> list[Sequence[str]]:
    try:
        text = piece.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadCsv("the body is not UTF-8") from error
    if text.startswith('"') and text.endswith('"\n'):
        body = text[1:-2]
        cells = body.replace('"\n"', '","').split('","')
        rows = body.count('"\n"') + 1
        if len(cells) == rows * count and text.count('"') == 2 * len(cells):
            return [cells[j::count] for j in range(count)]
    table = _rows(text)
    if not all(len(row) == count for row in table):
        raise BadCsv(f"a row has not {count} cells")
    return [list(column) for column in zip(*table, strict=True)]


def _rows(text: str) -> list[list[str]]:
    try:
        return list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise BadCsv(str(error)) from error
