"""The form a raw value takes in a file: number, date, category, text, e-mail address, identifier.

In a CRM the form of a field is metadata (its field type), known to everybody who agreed on the schema. A CSV
file has no metadata, so the form is read off a whole column. We treat the result, one of six words a column, as
that agreed fact: it is not charged, and for this reason a single odd value never decides it (`MOST`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "DATE_FORMATS",
    "HALF",
    "MOST",
    "Form",
    "as_text",
    "date_format_of",
    "day_number",
    "form_of",
    "has_clock",
    "is_missing",
    "moment_number",
    "parse_date",
    "parse_number",
    "words_of",
]

MOST = 0.99
"""Share of a column's distinct values that must have a form before the column has it."""

HALF = 0.5
"""The same where the description says that a column holds dates: the others are missing."""

DATE_FORMATS = (
    "iso",  # 2026-03-31, 2026-03-31T10:20:30.000+0000, 2026-03-31 10:20
    "%d-%m-%Y",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%d.%m.%Y",
    "%Y/%m/%d",
    "%Y%m%d",
    "%d-%m-%Y %H:%M",
    "%m/%d/%Y %H:%M",
    "%d/%m/%Y %H:%M",
    "%d.%m.%Y %H:%M",
    "%d-%m-%Y %H:%M:%S",
    "%m/%d/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M:%S",
    "%d %b %Y",
    "%b %d, %Y",
)
"""Tried in this order; the first that reads most of a column's values is the column's format."""

_PLAIN = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d*)?", re.ASCII)
_CURRENCY = "$€£¥"
_ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ].*)?", re.ASCII)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
_EPOCH = date(1970, 1, 1).toordinal()
_LONGEST = 1_100  # bits; beyond what a float holds
_ID_WORDS = frozenset({"id", "key", "uuid", "guid", "number", "no", "nr", "ref", "reference", "hash"})


class Form(StrEnum):
    """What the values of a column are."""

    NUMBER = "number"
    DATE = "date"
    CATEGORY = "category"
    TEXT = "text"
    EMAIL = "e-mail"
    IDENTIFIER = "identifier"


def as_text(value: object) -> str:
    """A value as the text that a CSV file would hold; None and NaN are blank, 7750.0 is "7750", True is "true"."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float | np.floating):
        number = float(value)
        if math.isnan(number):
            return ""
        return str(int(number)) if number.is_integer() and abs(number) < 2**53 else repr(number)
    if isinstance(value, int) and value.bit_length() > _LONGEST:
        return "1e999" if value > 0 else "-1e999"  # Python refuses to write out very long integers
    return str(value)


def is_missing(text: str, missing: Collection[str], sentinels: Collection[str] = ()) -> bool:
    """Whether a raw text stands for no value: one of these texts, or a sentinel as text or as number."""
    text = text.strip()
    if text in missing or text in sentinels:
        return True
    number = parse_number(text) if sentinels else math.nan
    return not math.isnan(number) and any(parse_number(s) == number for s in sentinels)


def parse_number(text: str) -> float:
    """A number as people write it (1234.5, 1,234.50, $12, 12 %), NaN for anything else; may be infinite (1e999)."""
    text = text.strip()
    if _PLAIN.fullmatch(text):
        return float(text)
    text = text.removesuffix("%").strip()
    sign = "-" if text.startswith("-") else ""
    text = sign + text.removeprefix("-").strip().strip(_CURRENCY).strip()
    if _PLAIN.fullmatch(text):
        return float(text)
    return float(text.replace(",", "")) if _GROUPED.fullmatch(text) else math.nan


def parse_date(text: str, form: str = "iso") -> datetime | None:
    """A calendar moment by one of DATE_FORMATS, or None. Time zones are kept off: a day is the writer's day."""
    text = text.strip()
    try:
        if form != "iso":
            return datetime.strptime(text, form)  # days as written, no zone meant
        if not _ISO_DAY.fullmatch(text):
            return None
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        return None


def day_number(text: str, form: str = "iso") -> float:
    """Days since 1970-01-01, whole; NaN where the text is not such a date."""
    moment = parse_date(text, form)
    return math.nan if moment is None else float(moment.toordinal() - _EPOCH)


def moment_number(text: str, form: str = "iso") -> float:
    """Days since 1970-01-01 with the time of day as a fraction; NaN where the text is not such a date."""
    moment = parse_date(text, form)
    return math.nan if moment is None else (moment - datetime(1970, 1, 1)) / timedelta(days=1)


def has_clock(form: str, texts: Iterable[str]) -> bool:
    """Whether dates of this format carry a time of day."""
    return "%H" in form or (form == "iso" and any(len(t.strip()) > 10 for t in texts))


def date_format_of(texts: Sequence[str], share: float = MOST) -> str | None:
    """The first of DATE_FORMATS that reads this share of the texts (none blank), or None."""
    if not texts:
        return None
    for form in DATE_FORMATS:
        # A few values settle most formats; only a candidate is held against them all.
        if parse_date(texts[0], form) is None and all(parse_date(t, form) is None for t in texts[1:50]):
            continue
        if sum(parse_date(t, form) is not None for t in texts) >= share * len(texts):
            return form
    return None


def words_of(name: str) -> tuple[str, ...]:
    """A column's name cut into lower-case words: "ExpectedRevenue__c" -> ("expected", "revenue")."""
    name = re.sub(r"__[a-z]+$", "", name)
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return tuple(re.findall(r"[a-z0-9]+|[$€£]", name.lower()))


def form_of(name: str, values: Sequence[str], counts: NDArray[np.int64]) -> Form:
    """The form of a column from its distinct values (missing ones left out) and how often each occurs.

    Number: most distinct values parse as a number. Identifier: practically every row has its own value, and the
    name says so or the values are no numbers and no sentences. Text: mostly distinct sentences.
    """
    if not values:
        return Form.CATEGORY
    distinct, rows = len(values), int(counts.sum())
    unique = distinct >= MOST * rows and rows >= 50
    named_id = bool(set(words_of(name)) & _ID_WORDS)
    if sum(not math.isnan(parse_number(v)) for v in values) >= MOST * distinct:
        whole = all(parse_number(v) % 1 == 0 for v in values[:200])
        return Form.IDENTIFIER if unique and named_id and whole else Form.NUMBER
    if date_format_of(values) is not None:
        return Form.DATE
    if sum(_EMAIL.fullmatch(v.strip()) is not None for v in values) >= MOST * distinct:
        return Form.EMAIL
    sentences = sum(len(v.split()) >= 3 for v in values) >= 0.5 * distinct
    if sentences and distinct >= 0.5 * rows and distinct > 50:
        return Form.TEXT
    return Form.IDENTIFIER if unique else Form.CATEGORY
