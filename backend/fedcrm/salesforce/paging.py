"""One page of CSV as blocks, however often its connection breaks: rows handed out are skipped when it comes again.

The org keeps a page as a file, so that the same page has the same rows in the same order each time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import requests
from urllib3.exceptions import HTTPError

from fedcrm.errors import OrgUnreachable, SchemaChanged
from fedcrm.salesforce.columns import Column, Values, join
from fedcrm.salesforce.csv_stream import BadCsv, HeaderDiffers, read_columns
from fedcrm.salesforce.extractor import Block, Bookmark, Extraction, typed
from fedcrm.salesforce.retry import Retry

__all__ = ["CHUNK_BYTES", "Page", "PageReader"]

CHUNK_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class Page:
    """A page as it was opened.

    chunks:  its body.
    rows:    how many rows the org says it has; None where it does not say.
    close:   gives the connection back.
    """

    chunks: Iterable[bytes]
    rows: int | None
    close: Callable[[], None]


class PageReader:
    """Reads pages of one extraction.

    block_rows: rows a block, about.
    """

    def __init__(
        self, org: str, extraction: Extraction, columns: tuple[Column, ...], retry: Retry, block_rows: int
    ) -> None:
        self._org, self._extraction, self._columns = org, extraction, columns
        self._retry, self._block_rows = retry, block_rows

    def blocks(self, open_page: Callable[[], Page], bookmark: Bookmark) -> Iterator[Block]:
        """The page's blocks behind the bookmark, whose `rows` were handed out before.

        Raises OrgUnreachable where the body keeps breaking off, SchemaChanged where its columns are others.
        """
        delivered, failures = bookmark.rows, 0
        while True:
            page = open_page()
            try:
                for block in self._read(page, Bookmark(bookmark.source, bookmark.job, bookmark.position, delivered)):
                    delivered, failures = block.bookmark.rows, 0
                    yield block
            except HeaderDiffers as differs:
                found = {name.lower() for name in differs.found}
                changes = tuple(f"{c.name} is gone" for c in self._columns if c.name.lower() not in found)
                raise SchemaChanged(
                    self._org, self._extraction.object_name, changes or ("its columns are not those asked for",)
                ) from differs
            except (requests.RequestException, HTTPError, BadCsv) as cut:
                failures += 1
                if not self._retry.left(failures):
                    raise OrgUnreachable(
                        self._org,
                        f"the rows of {bookmark.job} keep breaking off ({type(cut).__name__}, {failures} times)",
                        "check the network and the proxy and run the same command again",
                    ) from None
                self._retry.wait(failures)
            else:
                return
            finally:
                page.close()

    def _read(self, page: Page, behind: Bookmark) -> Iterator[Block]:
        """Raises BadCsv where the body is shorter than the org says."""
        # Each piece becomes numpy at once, while it is in the processor's cache: half as much time again as later.
        pieces: list[dict[str, Values]] = []
        seen, taken, delivered = 0, behind.rows, behind.rows
        for cells in read_columns(page.chunks, [c.name for c in self._columns]):
            count = len(cells[0])
            seen += count
            fresh = min(count, seen - taken)  # the rest was handed out before a cut
            if fresh <= 0:
                continue
            cells = cells if fresh == count else [column[count - fresh :] for column in cells]
            pieces.append(typed(self._org, self._extraction, self._columns, cells))
            taken += fresh
            if taken - delivered >= self._block_rows:
                yield self._block(pieces, behind, taken)
                pieces, delivered = [], taken
        if page.rows is not None and seen != page.rows:
            raise BadCsv(f"{seen} rows of {page.rows}")
        if pieces:
            yield self._block(pieces, behind, taken)

    def _block(self, pieces: Sequence[Mapping[str, Values]], behind: Bookmark, taken: int) -> Block:
        values = {c.name: join([piece[c.name] for piece in pieces]) for c in self._columns}
        return Block(self._columns, values, Bookmark(behind.source, behind.job, behind.position, taken))
