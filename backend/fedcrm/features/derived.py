"""Fixed transforms of a record's own values. They look at nothing else, so they are public and cost no privacy.

Training and scoring call the same functions. `TRANSFORMS` is the whole list; `RULES` says which forms of column
get which of them without being asked, and `is_money` which numbers count as money.

Why money: people round what they guess and write down what they know. In one public set of 78,000 opportunities
38 % of those with an amount precise to the unit were won, 10 % of those rounded to ten thousands.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from fedcrm.features.forms import Form, day_number, parse_date, parse_number, words_of

__all__ = [
    "MOST_DERIVED",
    "RULES",
    "TRANSFORMS",
    "Kind",
    "Transform",
    "is_money",
    "ratio",
    "significant_digits",
    "trailing_zeros",
]

MOST_DERIVED = 16
"""Derived fields a schema proposes at most: each takes its share of the privacy budget from the others."""

Array = NDArray[np.float64]


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


class Kind(StrEnum):
    """How a field's values are to be read."""

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"


@dataclass(frozen=True, slots=True)
class Transform:
    """One fixed way from raw texts to values.

    compute:    (distinct texts, argument) -> for NUMERIC float64 of the same length, NaN = missing; for
                CATEGORICAL category names, "" = missing. A text the schema calls missing never gets here, except
                where sees_missing is set: then it comes as "".
    low, high:  public range of a NUMERIC transform, None where it is the column's own.
    categories: public names of a CATEGORICAL transform, None where they are the column's own.
    words:      for people; {} is the column's name.
    """

    kind: Kind
    words: str
    compute: Callable[[Sequence[str], str], Array | list[str]]
    low: float | None = None
    high: float | None = None
    categories: tuple[str, ...] | None = None
    unit: str = ""
    sees_missing: bool = False


# --- numbers and money -----------------------------------------------------------------------------


def numbers(texts: Sequence[str], _argument: str = "") -> Array:
    """Each text as a number, NaN where it is none."""
    return np.array([parse_number(t) for t in texts], dtype=np.float64)


def _cents(texts: Sequence[str]) -> NDArray[np.int64]:
    """Amounts in hundredths; 0 for no amount, nothing, or more than 64 bits hold."""
    hundredths = np.round(np.abs(numbers(texts)) * 100)
    return np.where(hundredths < 2**62, hundredths, 0).astype(np.int64)


def _zeros_in_cents(cents: NDArray[np.int64]) -> NDArray[np.int64]:
    zeros = np.zeros(len(cents), dtype=np.int64)
    for power in range(1, 19):
        zeros += (cents != 0) & (cents % 10**power == 0)
    return zeros


def trailing_zeros(texts: Sequence[str], _argument: str = "") -> Array:
    """How round an amount is: the largest k with 10^k dividing it, -2 (has cents) to 9; NaN for zero and no amount."""
    cents = _cents(texts)
    return np.where(cents == 0, np.nan, np.minimum(_zeros_in_cents(cents) - 2.0, 9.0))


def significant_digits(texts: Sequence[str], _argument: str = "") -> Array:
    """Digits between an amount's first and its last that is not zero, 1 to 9; NaN for zero and no amount."""
    cents = _cents(texts)
    digits = np.array([len(str(c)) for c in cents], dtype=np.float64) - _zeros_in_cents(cents)
    return np.where(cents == 0, np.nan, np.minimum(digits, 9.0))


_MONEY = _words(
    "amount amt revenue turnover price value budget cost costs salary income wage arr mrr acv tcv ltv clv quote sales "
    "deal usd eur gbp chf jpy brl inr dollars euros $ € £ money credit loan limit worth profit pipeline forecast"
)
_NOT_MONEY = _words(
    # counted or coded
    "id year month day days week weeks hour hours age count number num no nr rate ratio pct percent percentage % "
    "index idx zip postal code phone fax score rank tenure duration latitude longitude probability quantity qty "
    # computed by a system: nobody chose how precise it is
    "charge charges fee fees balance invoice invoiced payment payments spend spent premium tax interest paid billed"
)
_WIDE = 1_000.0


def is_money(name: str, high: float | None) -> bool:
    """Whether a numeric column is an amount whose precision may mean something, from public facts only.

    An amount that a person wrote: its name says so ("ExpectedRevenue", "Opportunity Amount USD"), or its public
    range reaches a thousand and its name does not say otherwise. Percentages and small counts have no precision to
    look at, and a bill's is the billing system's.
    """
    words = set(words_of(name))
    if words & _NOT_MONEY:
        return False
    return bool(words & _MONEY) or (high is not None and high >= _WIDE)


def ratio(above: Array, below: Array) -> Array:
    """above / below, NaN where either is missing or below is zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(below == 0, np.nan, above / below)


# --- dates -----------------------------------------------------------------------------------------


def _of_dates(texts: Sequence[str], form: str, part: Callable[[int, int, int, int], float]) -> Array:
    """part(year, month, day, weekday from 1 = Monday) of each date, NaN where the text is none."""
    moments = (parse_date(t, form) for t in texts)
    return np.array(
        [math.nan if m is None else part(m.year, m.month, m.day, m.isoweekday()) for m in moments], dtype=np.float64
    )


def _length_of_month(year: int, month: int) -> int:
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return (31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[month - 1]


def _to_quarter_end(year: int, month: int, day: int, _weekday: int) -> float:
    last = 3 * ((month - 1) // 3) + 3
    return float(sum(_length_of_month(year, m) for m in range(month, last + 1)) - day)


def days_since_epoch(texts: Sequence[str], form: str) -> Array:
    """Days since 1970-01-01, whole."""
    return np.array([day_number(t, form) for t in texts], dtype=np.float64)


def months(texts: Sequence[str], form: str) -> Array:
    """1 to 12."""
    return _of_dates(texts, form, lambda _y, m, _d, _w: m)


def quarters(texts: Sequence[str], form: str) -> Array:
    """1 to 4."""
    return _of_dates(texts, form, lambda _y, m, _d, _w: (m + 2) // 3)


def days_of_month(texts: Sequence[str], form: str) -> Array:
    """1 to 31."""
    return _of_dates(texts, form, lambda _y, _m, d, _w: d)


def weekdays(texts: Sequence[str], form: str) -> Array:
    """1 = Monday to 7 = Sunday."""
    return _of_dates(texts, form, lambda _y, _m, _d, w: w)


def days_to_month_end(texts: Sequence[str], form: str) -> Array:
    """0 on the last day of the month, to 30."""
    return _of_dates(texts, form, lambda y, m, d, _w: _length_of_month(y, m) - d)


def days_to_quarter_end(texts: Sequence[str], form: str) -> Array:
    """0 on the last day of the calendar quarter, to 91."""
    return _of_dates(texts, form, _to_quarter_end)


def hours(texts: Sequence[str], form: str) -> Array:
    """Hour of the day as written, 0 to 23."""
    moments = (parse_date(t, form) for t in texts)
    return np.array([math.nan if m is None else m.hour for m in moments], dtype=np.float64)


# --- text, e-mail, sentinels -------------------------------------------------------------------------


def categories(texts: Sequence[str], _argument: str = "") -> list[str]:
    """The text itself, without blanks around it."""
    return [t.strip() for t in texts]


def text_length(texts: Sequence[str], _argument: str = "") -> Array:
    """Characters, 0 where there is no text."""
    return np.array([len(t.strip()) for t in texts], dtype=np.float64)


def text_is_empty(texts: Sequence[str], _argument: str = "") -> Array:
    """1 where there is no text, else 0."""
    return np.array([not t.strip() for t in texts], dtype=np.float64)


_FREE = _words(
    "gmail googlemail yahoo ymail hotmail outlook live msn aol icloud me mac gmx web t-online proton protonmail zoho "
    "mail yandex qq 163 126 uol bol terra orange free laposte libero wanadoo comcast verizon att sbcglobal rediffmail "
    "naver hanmail fastmail tutanota bluewin btinternet"
)
_DISPOSABLE = _words("mailinator guerrillamail 10minutemail tempmail yopmail trashmail sharklasers discard")
_DOMAIN_KINDS = ("company", "free", "education", "government", "organisation", "disposable", "invalid")


def _domain_kind(address: str) -> str:
    name, at, domain = address.strip().lower().rpartition("@")
    labels = domain.split(".")
    if not name or not at or len(labels) < 2 or not all(labels):
        return "invalid"
    if labels[0] in _FREE or labels[-2] in _FREE:
        return "free"
    if labels[-2] in _DISPOSABLE:
        return "disposable"
    tail = set(labels[-2:])
    if tail & {"edu", "ac"}:
        return "education"
    if tail & {"gov", "gob", "gouv", "govt", "mil"}:
        return "government"
    return "organisation" if labels[-1] in ("org", "ngo") else "company"


def email_domain_kinds(texts: Sequence[str], _argument: str = "") -> list[str]:
    """Company, free mail, education, government, organisation, disposable or invalid; the address is not kept."""
    return [_domain_kind(t) for t in texts]


def is_sentinel(texts: Sequence[str], argument: str) -> Array:
    """1 where the value is the declared sentinel, as text or as number; else 0. Missing counts as 0."""
    number = parse_number(argument)
    same = [t.strip() == argument or (not math.isnan(number) and parse_number(t) == number) for t in texts]
    return np.array(same, dtype=np.float64)


# --- the table ---------------------------------------------------------------------------------------

TRANSFORMS: Mapping[str, Transform] = MappingProxyType(
    {
        "number": Transform(Kind.NUMERIC, "{}", numbers),
        "category": Transform(Kind.CATEGORICAL, "{}", categories),
        "trailing_zeros": Transform(Kind.NUMERIC, "how round {} is", trailing_zeros, -2, 9, unit="zeros"),
        "significant_digits": Transform(Kind.NUMERIC, "digits given in {}", significant_digits, 1, 9, unit="digits"),
        "ratio": Transform(Kind.NUMERIC, "{}", numbers),  # of two columns: schema divides with `ratio`
        "days_since_epoch": Transform(Kind.NUMERIC, "{}", days_since_epoch, unit="days since 1970-01-01"),
        "month": Transform(Kind.NUMERIC, "month of {}", months, 1, 12),
        "quarter": Transform(Kind.NUMERIC, "quarter of {}", quarters, 1, 4),
        "day_of_month": Transform(Kind.NUMERIC, "day of the month of {}", days_of_month, 1, 31),
        "weekday": Transform(Kind.NUMERIC, "weekday of {} (1 = Monday)", weekdays, 1, 7),
        "days_to_month_end": Transform(Kind.NUMERIC, "days from {} to the month's end", days_to_month_end, 0, 30),
        "days_to_quarter_end": Transform(Kind.NUMERIC, "days from {} to the quarter's end", days_to_quarter_end, 0, 91),
        "hour": Transform(Kind.NUMERIC, "hour of {}", hours, 0, 23),
        "text_length": Transform(
            Kind.NUMERIC, "length of {}", text_length, 0, 131_072, unit="characters", sees_missing=True
        ),
        "text_is_empty": Transform(Kind.NUMERIC, "{} is empty", text_is_empty, 0, 1, sees_missing=True),
        "email_domain_kind": Transform(
            Kind.CATEGORICAL, "kind of e-mail domain of {}", email_domain_kinds, categories=_DOMAIN_KINDS
        ),
        "is_sentinel": Transform(Kind.NUMERIC, "{} is a declared special value", is_sentinel, 0, 1, sees_missing=True),
    }
)

RULES: Mapping[Form, tuple[str, ...]] = MappingProxyType(
    {
        Form.NUMBER: ("trailing_zeros", "significant_digits"),  # money only: is_money
        # Quarter follows from month, day of the month from the days to its end: possible, not proposed.
        Form.DATE: ("month", "weekday", "days_to_month_end", "days_to_quarter_end", "hour"),  # hour: with a clock only
        Form.TEXT: ("text_length", "text_is_empty"),
        Form.EMAIL: ("email_domain_kind",),
        Form.CATEGORY: (),
        Form.IDENTIFIER: (),
    }
)
"""Derived fields that a column of each form gets; sentinels and ratios come from the description instead."""
