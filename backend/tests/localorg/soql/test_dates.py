"""Expected ranges are worked out by hand for Tuesday 2026-11-24, from the SOQL reference's date literals page."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localorg.soql.dates import day_range, utc_midnight

TUESDAY = date(2026, 11, 24)


@pytest.mark.parametrize(
    ("name", "count", "first", "after"),
    [
        ("TODAY", None, "2026-11-24", "2026-11-25"),
        ("YESTERDAY", None, "2026-11-23", "2026-11-24"),
        ("TOMORROW", None, "2026-11-25", "2026-11-26"),
        ("THIS_WEEK", None, "2026-11-22", "2026-11-29"),
        ("LAST_WEEK", None, "2026-11-15", "2026-11-22"),
        ("NEXT_WEEK", None, "2026-11-29", "2026-12-06"),
        ("THIS_MONTH", None, "2026-11-01", "2026-12-01"),
        ("LAST_MONTH", None, "2026-10-01", "2026-11-01"),
        ("NEXT_MONTH", None, "2026-12-01", "2027-01-01"),
        ("THIS_QUARTER", None, "2026-10-01", "2027-01-01"),
        ("LAST_QUARTER", None, "2026-07-01", "2026-10-01"),
        ("NEXT_YEAR", None, "2027-01-01", "2028-01-01"),
        ("LAST_90_DAYS", None, "2026-08-26", "2026-11-25"),
        ("NEXT_90_DAYS", None, "2026-11-25", "2027-02-23"),
        ("LAST_N_DAYS", 3, "2026-11-21", "2026-11-25"),
        ("NEXT_N_DAYS", 3, "2026-11-25", "2026-11-28"),
        ("N_DAYS_AGO", 3, "2026-11-21", "2026-11-22"),
        ("LAST_N_WEEKS", 2, "2026-11-08", "2026-11-22"),
        ("NEXT_N_MONTHS", 2, "2026-12-01", "2027-02-01"),
        ("LAST_N_MONTHS", 12, "2025-11-01", "2026-11-01"),
        ("N_MONTHS_AGO", 1, "2026-10-01", "2026-11-01"),
        ("LAST_N_QUARTERS", 2, "2026-04-01", "2026-10-01"),
        ("LAST_N_YEARS", 1, "2025-01-01", "2026-01-01"),
    ],
)
def test_a_literal_is_these_days(name, count, first, after):
    assert day_range(name, count, TUESDAY) == (date.fromisoformat(first), date.fromisoformat(after))


@pytest.mark.parametrize(
    ("name", "count", "first", "after"),
    [
        ("THIS_FISCAL_YEAR", None, "2026-02-01", "2027-02-01"),
        ("LAST_FISCAL_YEAR", None, "2025-02-01", "2026-02-01"),
        ("THIS_FISCAL_QUARTER", None, "2026-11-01", "2027-02-01"),
        ("NEXT_FISCAL_QUARTER", None, "2027-02-01", "2027-05-01"),
        ("LAST_N_FISCAL_QUARTERS", 2, "2026-05-01", "2026-11-01"),
    ],
)
def test_a_fiscal_literal_follows_the_orgs_first_month(name, count, first, after):
    assert day_range(name, count, TUESDAY, fiscal_start=2) == (date.fromisoformat(first), date.fromisoformat(after))


@given(st.dates(date(1950, 1, 1), date(2100, 1, 1)), st.integers(1, 12))
def test_last_this_and_next_follow_one_another_without_a_gap(today, fiscal_start):
    for unit in ("WEEK", "MONTH", "QUARTER", "YEAR", "FISCAL_QUARTER", "FISCAL_YEAR"):
        last, this, after = (
            day_range(f"{when}_{unit}", None, today, fiscal_start=fiscal_start) for when in ("LAST", "THIS", "NEXT")
        )
        assert last[1] == this[0] <= today < this[1] == after[0]


def test_a_count_beyond_the_calendar_is_a_value_error():
    for name in ("LAST_N_DAYS", "NEXT_N_WEEKS", "LAST_N_MONTHS", "NEXT_N_YEARS", "LAST_N_FISCAL_QUARTERS"):
        with pytest.raises(ValueError, match="calendar"):
            day_range(name, 99_999_999, TUESDAY)


def test_midnight_is_where_the_user_is():
    assert utc_midnight(TUESDAY, "America/Los_Angeles") == "2026-11-24T08:00:00.000+0000"
    assert utc_midnight(TUESDAY - timedelta(days=120), "Europe/Berlin") == "2026-07-26T22:00:00.000+0000"
