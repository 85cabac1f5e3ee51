import calendar
import datetime as dt
import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedcrm.features.derived import (
    RULES,
    TRANSFORMS,
    Kind,
    days_of_month,
    days_since_epoch,
    days_to_month_end,
    days_to_quarter_end,
    email_domain_kinds,
    hours,
    is_money,
    is_sentinel,
    months,
    quarters,
    ratio,
    significant_digits,
    text_is_empty,
    text_length,
    trailing_zeros,
    weekdays,
)
from fedcrm.features.forms import Form


def by_hand(value):
    """(zeros, digits) of an amount, with decimal arithmetic."""
    d = Decimal(value).quantize(Decimal("0.01")).normalize().as_tuple()
    return d.exponent, len(d.digits)


@pytest.mark.parametrize(
    ("text", "zeros", "digits"),
    [
        ("7750", 1, 3), ("100000", 5, 1), ("1", 0, 1), ("29.85", -2, 4), ("1889.5", -1, 5), ("-300", 2, 1),
        ("1,250,000.00", 4, 3), ("$90", 1, 1), ("1e4", 4, 1), ("20000000000", 9, 1), ("123456789012", 0, 9),
    ],
)  # fmt: skip
def test_precision_of_money_is_what_a_person_would_say(text, zeros, digits):
    assert trailing_zeros([text]).tolist() == [zeros]
    assert significant_digits([text]).tolist() == [digits]


@given(st.integers(1, 10**11))
def test_precision_of_money_agrees_with_decimal_arithmetic(cents):
    text = f"{cents // 100}.{cents % 100:02d}"
    zeros, digits = by_hand(text)
    assert trailing_zeros([text])[0] == min(zeros, 9)
    assert significant_digits([text])[0] == min(digits, 9)


@pytest.mark.parametrize("text", ["0", "0.001", "", "abc", "1e300", "-0.0"])
def test_nothing_and_too_much_have_no_precision(text):
    assert np.isnan(trailing_zeros([text])).all()
    assert np.isnan(significant_digits([text])).all()


@pytest.mark.parametrize(
    ("name", "high", "money"),
    [
        ("Opportunity Amount USD", None, True),
        ("ExpectedRevenue", None, True),
        ("Deal_Value__c", None, True),
        ("x17", None, False),
        ("x17", 50_000, True),
        ("Probability (%)", 100, False),
        ("Amount discount pct", 100_000, False),
        ("ZipCode", 99_999, False),
        ("TotalCharges", 12_000, False),
        ("tenure", None, False),
        ("cons.price.idx", None, False),
        ("Number of Employees", 500_000, False),
    ],
)
def test_money_is_what_a_person_wrote_down_by_name_or_by_public_range(name, high, money):
    assert is_money(name, high) is money


@given(st.dates(dt.date(1900, 1, 1), dt.date(2199, 12, 31)))
def test_calendar_parts_agree_with_the_standard_library(day):
    texts, quarter = [day.isoformat()], (day.month - 1) // 3 + 1
    last_of_quarter = dt.date(day.year, 3 * quarter, calendar.monthrange(day.year, 3 * quarter)[1])
    assert months(texts, "iso") == day.month
    assert quarters(texts, "iso") == quarter
    assert days_of_month(texts, "iso") == day.day
    assert weekdays(texts, "iso") == day.isoweekday()
    assert days_to_month_end(texts, "iso") == calendar.monthrange(day.year, day.month)[1] - day.day
    assert days_to_quarter_end(texts, "iso") == (last_of_quarter - day).days
    assert days_since_epoch(texts, "iso") == (day - dt.date(1970, 1, 1)).days


def test_calendar_parts_of_no_date_are_missing():
    for part in (months, quarters, days_of_month, weekdays, days_to_month_end, days_to_quarter_end, hours):
        assert np.isnan(part(["", "soon"], "iso")).all()


def test_hours_are_as_written():
    assert hours(["2025-03-31T23:59:00+09:00", "2025-03-31"], "iso").tolist() == [23, 0]


def test_length_and_emptiness_of_text():
    assert text_length(["", "  ", " ab c "]).tolist() == [0, 0, 4]
    assert text_is_empty(["", "  ", "x"]).tolist() == [1, 1, 0]


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("a@gmail.com", "free"), ("a@yahoo.co.uk", "free"), ("A@GMX.de ", "free"), ("a@mit.edu", "education"),
        ("a@ox.ac.uk", "education"), ("a@treasury.gov", "government"), ("a@x.gov.br", "government"),
        ("a@redcross.org", "organisation"), ("a@mailinator.com", "disposable"), ("a@acme.com", "company"),
        ("a@sales.acme.io", "company"), ("a", "invalid"), ("@x.com", "invalid"), ("a@b", "invalid"),
        ("a@.com", "invalid"), ("", "invalid"),
    ],
)  # fmt: skip
def test_an_email_address_tells_only_its_kind_of_domain(address, kind):
    assert email_domain_kinds([address]) == [kind]
    assert kind in TRANSFORMS["email_domain_kind"].categories


def test_a_sentinel_is_recognised_as_text_and_as_number():
    assert is_sentinel(["999", "999.0", " 999 ", "99", "", "abc"], "999").tolist() == [1, 1, 1, 0, 0, 0]
    assert is_sentinel(["never", "always"], "never").tolist() == [1, 0]


def test_a_ratio_with_nothing_below_is_missing():
    found = ratio(np.array([1.0, 4.0, math.nan, 0.0]), np.array([0.0, 2.0, 1.0, 0.0]))
    assert np.array_equal(found, [math.nan, 2.0, math.nan, math.nan], equal_nan=True)


def test_every_rule_names_a_transform_and_every_form_has_a_rule():
    assert set(RULES) == set(Form)
    assert {key for keys in RULES.values() for key in keys} <= set(TRANSFORMS)


@pytest.mark.parametrize("key", sorted(TRANSFORMS))
@settings(max_examples=30)
@given(texts=st.lists(st.text(max_size=30) | st.from_regex(r"-?\d{1,25}(\.\d{1,4})?|\d{4}-\d\d-\d\d", fullmatch=True)))
def test_no_text_breaks_a_transform_or_leaves_its_public_range(key, texts):
    t = TRANSFORMS[key]
    values = t.compute(texts, "iso" if t.kind is Kind.NUMERIC else "")
    assert len(values) == len(texts)
    if t.kind is Kind.NUMERIC and t.low is not None:
        given_values = values[~np.isnan(values)]
        assert ((given_values >= t.low) & (given_values <= t.high)).all()
    elif t.categories is not None:
        assert set(values) <= set(t.categories)
