"""Cells as numpy values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from fedcrm.salesforce.columns import Kind, convert, join, kind_of


def test_numbers_are_what_float_makes_of_them():
    cells = ["1.5", "", "-0.1", "1e-7", "123456789012345678", "1E5"]
    found = convert(cells, Kind.NUMBER)
    assert [None if m else v for v, m in zip(found.values.tolist(), found.missing, strict=True)] == [
        float(c) if c else None for c in cells
    ]


def test_integers_keep_every_digit_and_may_come_as_decimals():
    found = convert(["9007199254740993", "12.0", "", "-7"], Kind.INTEGER)
    assert found.values.tolist() == [9007199254740993, 12, 0, -7]
    assert found.missing.tolist() == [False, False, True, False]


@pytest.mark.parametrize("offset", ["Z", "+0000", "", "+02:00", "-0530"])
def test_datetimes_are_in_utc_whatever_their_offset(offset):
    found = convert(["2026-03-29T01:30:00.125" + offset, ""], Kind.DATETIME)
    hours = {"+02:00": 2.0, "-0530": -5.5}.get(offset, 0.0)
    expected = datetime(2026, 3, 29, 1, 30, 0, 125_000, UTC) - timedelta(hours=hours)
    assert found.values[0].astype(datetime).replace(tzinfo=UTC) == expected
    assert found.missing.tolist() == [False, True]


def test_dates_from_the_first_to_the_last_the_platform_knows():
    found = convert(["1700-01-01", "4000-12-31", ""], Kind.DATE)
    assert [str(v) for v in found.values] == ["1700-01-01", "4000-12-31", "NaT"]


def test_times_are_since_midnight():
    found = convert(["03:04:05.006Z", ""], Kind.TIME)
    assert found.values[0] == np.timedelta64((3 * 3600 + 4 * 60 + 5) * 1000 + 6, "ms")
    assert found.missing.tolist() == [False, True]


def test_texts_keep_every_character_and_none_stands_for_nothing():
    found = convert(["true", "", " 7 ", "NaN"], Kind.TEXT)
    assert found.values.tolist() == ["true", None, " 7 ", "NaN"]


@pytest.mark.parametrize(
    ("kind", "cell"),
    [
        (Kind.BOOLEAN, "yes"),
        (Kind.BOOLEAN, "trueish"),
        (Kind.INTEGER, "1.5"),
        (Kind.INTEGER, "x"),
        (Kind.NUMBER, "1,5"),
        (Kind.DATE, "31.12.1999"),
        (Kind.DATETIME, "yesterday"),
        (Kind.TIME, "noon"),
    ],
)
def test_a_cell_of_another_kind_is_refused_and_never_a_guess(kind, cell):
    with pytest.raises(ValueError, match=r".+"):
        convert(["", cell], kind)


@pytest.mark.parametrize("kind", list(Kind))
def test_no_cells_have_their_kinds_dtype(kind):
    none, one = convert([], kind), convert([""], kind)
    assert none.values.dtype == one.values.dtype
    assert len(join([none, one])) == 1
    assert one.missing.all()


def test_every_type_of_the_platform_has_a_kind():
    assert kind_of("currency") is Kind.NUMBER
    assert kind_of("anyType") is Kind.TEXT
    assert kind_of("never heard of") is Kind.TEXT
