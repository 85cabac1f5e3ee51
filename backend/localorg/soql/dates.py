"""Date literals: `TODAY`, `LAST_N_DAYS:30`, `THIS_FISCAL_QUARTER`, as half-open ranges of days.

Weeks begin on Sunday, as in the platform's default locale. LAST_N_DAYS:n ends with today; the other
LAST_N ones end before the unit we are in. Fiscal years begin with the org's month and are named for the
calendar year they end in, the platform's default.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

__all__ = ["day_range", "is_date_literal", "stored_date", "stored_datetime", "utc_midnight"]

Days = tuple[date, date]


def is_date_literal(name: str, *, counted: bool) -> bool:
    """Whether there is a date literal of that name (in capitals), with or without a number."""
    return name in (_COUNTED if counted else _PLAIN)


def day_range(name: str, count: int | None, today: date, *, fiscal_start: int = 1) -> Days:
    """First day, and the day after the last one, of a date literal.

    fiscal_start: month the org's fiscal year begins with, 1 to 12.
    Raises ValueError where the range leaves the calendar.
    """
    try:
        return _PLAIN[name](today, fiscal_start) if count is None else _COUNTED[name](today, count, fiscal_start)
    except OverflowError as beyond:
        raise ValueError(f"{name}:{count} is beyond the calendar") from beyond


def utc_midnight(day: date, time_zone: str) -> str:
    """The moment a day begins in a time zone, as stored."""
    local = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(time_zone))
    return stored_datetime(local)


def stored_datetime(moment: datetime) -> str:
    """A moment as rows keep it and REST shows it: `2026-11-24T10:00:00.000+0000`; naive means UTC."""
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return moment.isoformat(timespec="milliseconds") + "+0000"


def stored_date(day: date) -> str:
    """A day as rows keep it."""
    return day.isoformat()


def _day(today: date, offset: int, length: int = 1) -> Days:
    first = today + timedelta(days=offset)
    return first, first + timedelta(days=length)


def _week(today: date, offset: int, length: int = 1) -> Days:
    sunday = today - timedelta(days=(today.weekday() + 1) % 7)
    first = sunday + timedelta(weeks=offset)
    return first, first + timedelta(weeks=length)


def _months_from(first: date, months: int) -> date:
    year, month = divmod(first.year * 12 + first.month - 1 + months, 12)
    if not 1 <= year <= 9999:
        raise OverflowError
    return date(year, month + 1, 1)


def _months(size: int, start: int) -> Callable[[date, int, int], Days]:
    """Units of `size` months, the first of them beginning with month `start` of a year."""

    def unit(today: date, offset: int, length: int = 1) -> Days:
        back = (today.month - start) % size
        first = _months_from(today.replace(day=1), offset * size - back)
        return first, _months_from(first, size * length)

    return unit


def _plain(unit: Callable[[date, int], Days], offset: int) -> Callable[[date, int], Days]:
    return lambda today, _fiscal: unit(today, offset)


def _fiscal(size: int, offset: int) -> Callable[[date, int], Days]:
    return lambda today, start: _months(size, start)(today, offset, 1)


_UNITS: Mapping[str, Callable[[date, int, int], Days]] = {
    "WEEK": _week,
    "MONTH": _months(1, 1),
    "QUARTER": _months(3, 1),
    "YEAR": _months(12, 1),
}
_FISCAL = {"FISCAL_QUARTER": 3, "FISCAL_YEAR": 12}
_OFFSETS = {"LAST": -1, "THIS": 0, "NEXT": 1}

_PLAIN: dict[str, Callable[[date, int], Days]] = {
    "YESTERDAY": lambda today, _fiscal: _day(today, -1),
    "TODAY": lambda today, _fiscal: _day(today, 0),
    "TOMORROW": lambda today, _fiscal: _day(today, 1),
    "LAST_90_DAYS": lambda today, _fiscal: _day(today, -90, 91),
    "NEXT_90_DAYS": lambda today, _fiscal: _day(today, 1, 90),
}
_COUNTED: dict[str, Callable[[date, int, int], Days]] = {
    "LAST_N_DAYS": lambda today, count, _fiscal: _day(today, -count, count + 1),
    "NEXT_N_DAYS": lambda today, count, _fiscal: _day(today, 1, count),
    "N_DAYS_AGO": lambda today, count, _fiscal: _day(today, -count),
}


def _name_units() -> None:
    for when, offset in _OFFSETS.items():
        for name, unit in _UNITS.items():
            _PLAIN[f"{when}_{name}"] = lambda today, _f, unit=unit, offset=offset: unit(today, offset, 1)  # type: ignore[misc]  # bound early
        for name, size in _FISCAL.items():
            _PLAIN[f"{when}_{name}"] = _fiscal(size, offset)
    for name, unit in _UNITS.items():
        _COUNTED[f"LAST_N_{name}S"] = lambda today, n, _f, unit=unit: unit(today, -n, n)  # type: ignore[misc]  # bound early
        _COUNTED[f"NEXT_N_{name}S"] = lambda today, n, _f, unit=unit: unit(today, 1, n)  # type: ignore[misc]  # bound early
        _COUNTED[f"N_{name}S_AGO"] = lambda today, n, _f, unit=unit: unit(today, -n, 1)  # type: ignore[misc]  # bound early
    for name, size in _FISCAL.items():
        _COUNTED[f"LAST_N_{name}S"] = lambda today, n, start, size=size: _months(size, start)(today, -n, n)  # type: ignore[misc]  # bound early
        _COUNTED[f"NEXT_N_{name}S"] = lambda today, n, start, size=size: _months(size, start)(today, 1, n)  # type: ignore[misc]  # bound early
        _COUNTED[f"N_{name}S_AGO"] = lambda today, n, start, size=size: _months(size, start)(today, -n, 1)  # type: ignore[misc]  # bound early


_name_units()
