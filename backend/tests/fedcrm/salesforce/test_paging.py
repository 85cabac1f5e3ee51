"""Pages as blocks: whatever breaks, each row once; and a million of them in the memory of a few."""

from __future__ import annotations

import random
import tracemalloc

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from fedcrm.errors import OrgUnreachable, SchemaChanged
from fedcrm.salesforce.columns import Column
from fedcrm.salesforce.extractor import Bookmark, Extraction
from fedcrm.salesforce.paging import Page, PageReader
from fedcrm.salesforce.retry import Retry

COLUMNS = (Column("Id", "id"), Column("Name", "string"), Column("Amount", "currency"), Column("At", "datetime"))
EXTRACTION = Extraction("Account", tuple(c.name for c in COLUMNS))
START = Bookmark("bulk2", "750", "", 0)
QUIET = Retry(attempts=3, sleep=lambda _: None)


def body(rows: int):
    yield b'"Id","Name","Amount","At"\n'
    for start in range(0, rows, 500):
        lines = (
            f'"{i:018}","Name {i}","{i}.5","2026-01-01T00:00:00.000Z"\n' for i in range(start, min(start + 500, rows))
        )
        yield "".join(lines).encode()


def reader(block_rows: int) -> PageReader:
    return PageReader("north", EXTRACTION, COLUMNS, QUIET, block_rows)


def test_memory_is_of_a_block_and_not_of_the_page():
    def peak(rows: int) -> int:
        tracemalloc.start()
        page = Page(body(rows), rows, lambda: None)
        taken = sum(len(b) for b in reader(2_000).blocks(lambda: page, START))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert taken == rows
        return most

    peak(1_000)
    assert peak(20_000) < 1.2 * peak(6_000)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 400), st.integers(1, 90), st.lists(st.integers(0, 16_000), max_size=2), st.integers(0, 10_000))
def test_a_page_that_breaks_anywhere_any_number_of_times_gives_each_row_once_and_in_order(rows, size, cuts, seed):
    content, chance, breaks = b"".join(body(rows)), random.Random(seed), list(cuts)

    def open_page() -> Page:
        def chunks(end: int):
            at = 0
            while at < end:
                step = chance.randint(1, 700)
                yield content[at : min(at + step, end)]
                at += step
            if end < len(content):
                raise requests.ConnectionError

        return Page(chunks(min(breaks.pop(), len(content)) if breaks else len(content)), rows, lambda: None)

    found = [v for block in reader(size).blocks(open_page, START) for v in block.values["Id"].values]
    assert found == [f"{i:018}" for i in range(rows)]


def test_bookmarks_count_the_rows_of_the_page_that_were_handed_out():
    page = Page(body(1_700), 1_700, lambda: None)
    blocks = list(reader(600).blocks(lambda: page, START))
    seen = 0
    for block in blocks:
        seen += len(block)
        assert block.bookmark.rows == seen
    again = Page(body(1_700), 1_700, lambda: None)
    rest = list(reader(600).blocks(lambda: again, blocks[0].bookmark))
    assert sum(map(len, rest)) + len(blocks[0]) == 1_700


def test_each_page_that_was_opened_is_closed():
    closed = []
    pages = [Page(iter([b'"Id"']), 5, lambda: closed.append(1)) for _ in range(3)]
    with pytest.raises(OrgUnreachable):
        list(reader(10).blocks(lambda: pages.pop(), START))
    assert len(closed) == 3


def test_columns_that_are_others_are_named():
    page = Page(iter([b'"Id","Name","At"\n']), 0, lambda: None)
    with pytest.raises(SchemaChanged) as refused:
        list(reader(10).blocks(lambda: page, START))
    assert refused.value.changes == ("Amount is gone",)
