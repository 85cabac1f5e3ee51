"""The CSV stream, held against the csv module, however the bytes are cut up."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedcrm.salesforce.csv_stream import BadCsv, HeaderDiffers, read_columns

NAMES = ("Id", "Name", "Notes")
CELLS = st.text(st.sampled_from('ab ",\n\r;é漢🎈'), max_size=8)
ROWS = st.lists(st.lists(CELLS, min_size=3, max_size=3), max_size=12)


def body(rows, quoting=csv.QUOTE_ALL, end="\n") -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=end, quoting=quoting)
    writer.writerow(NAMES)
    writer.writerows(rows)
    return text.getvalue().encode()


def rows_of(pieces):
    return [list(row) for cells in pieces for row in zip(*cells, strict=True)]


def cut(content: bytes, size: int):
    return [content[i : i + size] for i in range(0, len(content), size)]


@settings(max_examples=120, deadline=None)
@given(
    st.lists(st.lists(CELLS, min_size=3, max_size=3), max_size=12),
    st.integers(1, 40),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_any_cells_come_out_as_the_csv_module_would_read_them(rows, size, quoting):
    if (
        quoting == csv.QUOTE_MINIMAL
    ):  # the module's own writer leaves a bare \r unquoted, and its reader ends a row there
        rows = [[cell.replace("\r", "") for cell in row] for row in rows]
    content = body(rows, quoting=quoting)
    assert rows_of(read_columns(cut(content, size), NAMES)) == rows


@settings(max_examples=80, deadline=None)
@given(st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=6), st.data())
def test_a_body_that_ends_early_never_gives_a_row_that_was_not_there(rows, data):
    content = body(rows)
    end = data.draw(st.integers(0, len(content) - 1))
    seen = []
    try:
        for cells in read_columns(cut(content[:end], 7), NAMES):
            seen += [list(row) for row in zip(*cells, strict=True)]
    except (BadCsv, HeaderDiffers):
        pass
    whole = [r for r in seen if r in rows]
    # The last row may be one that lost its end; the number of rows, which the org sends, tells.
    assert seen[:-1] == rows[: len(seen[:-1])]
    assert len(seen) - len(whole) <= 1


def test_crlf_line_ends_are_read():
    rows = [["1", "a", "two\r\nlines"], ["2", "", "x"]]
    assert rows_of(read_columns([body(rows, end="\r\n")], NAMES)) == rows


def test_a_last_line_without_its_end_is_a_row():
    assert rows_of(read_columns([body([["1", "a", "b"]])[:-1]], NAMES)) == [["1", "a", "b"]]


def test_an_empty_body_and_a_bare_header_have_no_rows():
    assert list(read_columns([], NAMES)) == []
    assert list(read_columns([body([])], NAMES)) == []


def test_a_header_in_other_capitals_or_behind_a_byte_order_mark_is_the_same():
    content = b"\xef\xbb\xbf" + body([["1", "a", "b"]])
    assert rows_of(read_columns([content], ("id", "NAME", "notes"))) == [["1", "a", "b"]]


def test_other_columns_are_named():
    with pytest.raises(HeaderDiffers) as differs:
        list(read_columns([body([])], ("Id", "Name")))
    assert differs.value.found == NAMES


@pytest.mark.parametrize(
    "tail", [b'"1","a"\n', b'"1","a","b","c"\n', b'"1","a","\xff"\n', b'"1","a"x,"b"\n', b'"1","a","b']
)
def test_what_is_no_row_of_these_columns_is_refused(tail):
    with pytest.raises(BadCsv):
        list(read_columns([body([]) + tail], NAMES))
