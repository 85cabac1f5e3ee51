import math

import numpy as np
import pytest

from fedcrm.features.forms import (
    Form,
    as_text,
    date_format_of,
    day_number,
    form_of,
    has_clock,
    is_missing,
    parse_number,
    words_of,
)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("12", 12), (" -3.50 ", -3.5), ("+.5", 0.5), ("1e3", 1000), ("1,234.5", 1234.5), ("-1,234,567", -1234567),
        ("$1,200", 1200), ("-$5", -5), ("12 %", 12), ("€ 7", 7), ("5.", 5), ("1e999", math.inf),
    ],
)  # fmt: skip
def test_numbers_are_read_as_people_write_them(text, number):
    assert parse_number(text) == number


@pytest.mark.parametrize("text", ["", " ", "abc", "nan", "inf", "1_000", "12,34", "1,23,456", "--1", "0x10", "½", "١٢"])
def test_what_is_no_number_is_nan_never_an_error(text):
    assert math.isnan(parse_number(text))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""), (float("nan"), ""), ("x", "x"), (True, "true"), (np.bool_(False), "false"), (7750.0, "7750"),
        (0.1, "0.1"), (np.int64(3), "3"), (np.float64(2.5), "2.5"), (1e300, "1e+300"),
    ],
)  # fmt: skip
def test_a_value_becomes_the_text_a_file_would_hold(value, text):
    assert as_text(value) == text


@pytest.mark.parametrize(
    ("texts", "form"),
    [
        (["2025-03-31", "2024-02-29"], "iso"),
        (["2025-03-31T10:20:30.000+0000"], "iso"),
        (["2025-03-31 10:20"], "iso"),
        (["31-03-2025"], "%d-%m-%Y"),
        (["03/04/2025", "03/31/2025"], "%m/%d/%Y"),
        (["03/04/2025", "31/03/2025"], "%d/%m/%Y"),
        (["31.03.2025"], "%d.%m.%Y"),
        (["25-03-2018 11:30"], "%d-%m-%Y %H:%M"),
        (["20250331"], "%Y%m%d"),
    ],
)
def test_a_columns_date_format_is_the_one_that_reads_its_values(texts, form):
    assert date_format_of(texts) == form
    days = {day_number(t, form) for t in texts}
    assert (np.datetime64("2025-03-31") - np.datetime64("1970-01-01")).astype(int) in days or "2018" in texts[0]


def test_one_odd_value_among_many_does_not_hide_a_date():
    assert date_format_of([f"2025-01-{1 + i % 28:02d}" for i in range(300)] + ["soon"]) == "iso"
    assert date_format_of(["2025-01-01", "soon"]) is None
    assert date_format_of([]) is None


def test_days_that_do_not_exist_are_no_dates():
    assert math.isnan(day_number("2025-02-29"))
    assert math.isnan(day_number("2025-13-01"))


def test_a_clock_is_seen_in_the_format_or_in_the_values():
    assert has_clock("%d-%m-%Y %H:%M", [])
    assert has_clock("iso", ["2025-03-31", "2025-03-31T10:00"])
    assert not has_clock("iso", ["2025-03-31"])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ExpectedRevenue__c", ("expected", "revenue")),
        ("Opportunity Amount USD", ("opportunity", "amount", "usd")),
        ("cons.price.idx", ("cons", "price", "idx")),
        ("mql_id", ("mql", "id")),
        ("ARRValue2", ("arr", "value2")),
        ("Price ($)", ("price", "$")),
    ],
)
def test_a_name_is_cut_into_words(name, words):
    assert words_of(name) == words


def form(name, texts):
    values, counts = np.unique(np.array(texts, dtype=object).astype(str), return_counts=True)
    return form_of(name, list(values), counts)


def test_each_form_of_column_is_recognised():
    numbers = [str(i * 1.5) for i in range(200)]
    assert form("Amount", numbers) is Form.NUMBER
    assert form("Amount", [*numbers, "n/k"]) is Form.NUMBER
    assert form("Close", [f"2025-{1 + i % 12:02d}-01" for i in range(200)]) is Form.DATE
    assert form("Stage", ["New", "Won", "Lost deal"] * 70) is Form.CATEGORY
    assert form("Mail", [f"p{i}@firm{i % 9}.com" for i in range(200)]) is Form.EMAIL
    assert form("Notes", [f"called them on day {i}" for i in range(200)]) is Form.TEXT
    assert form("hash", [f"{i:032x}z" for i in range(200)]) is Form.IDENTIFIER
    assert form("Order Number", [str(i) for i in range(200)]) is Form.IDENTIFIER
    assert form("landing_page", [f"{i % 60:032x}z" for i in range(200)]) is Form.CATEGORY


def test_amounts_that_all_differ_are_no_identifiers():
    assert form("Amount", [str(i) for i in range(200)]) is Form.NUMBER
    assert form("Loan id ratio", [str(i + 0.5) for i in range(200)]) is Form.NUMBER


def test_a_column_without_values_is_a_category():
    assert form_of("x", [], np.array([], dtype=np.int64)) is Form.CATEGORY


def test_a_sentinel_is_missing_as_text_and_as_number_and_a_missing_text_as_text_only():
    assert is_missing(" NA ", ("", "NA"))
    assert is_missing("999.0", ("",), ("999",))
    assert not is_missing("0.0", ("", "0"))
    assert not is_missing("9999", ("",), ("999",))


def test_an_integer_too_long_to_write_out_is_as_good_as_infinite():
    assert as_text(10**5000) == "1e999"
    assert parse_number(as_text(-(10**5000))) == -math.inf
