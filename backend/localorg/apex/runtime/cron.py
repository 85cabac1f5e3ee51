"""Cron expressions as System.schedule takes them: seconds, minutes, hours, day of month, month, day of week, year.

Apex Reference Guide, System.schedule. Exactly one of the two day fields is `?`.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

__all__ = ["Cron", "CronError"]

_MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
_DAYS = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), 1)}
_BOUNDS = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (1, 7), (1970, 2099))


class CronError(ValueError):
    """The expression is not one."""


@dataclass(frozen=True, slots=True)
class Cron:
    """A parsed expression. Each set holds the values that fit; last and weekday are L, nW and n#m."""

    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int] | None
    months: frozenset[int]
    weekdays: frozenset[int] | None
    years: frozenset[int]
    last_day: bool = False
    nth: tuple[int, int] | None = None

    @classmethod
    def parse(cls, text: str) -> Cron:
        """Raises CronError."""
        parts = text.upper().split()
        if not 6 <= len(parts) <= 7:
            raise CronError(f"expected 6 or 7 fields, got {len(parts)}")
        if (parts[3] == "?") == (parts[5] == "?"):
            raise CronError("exactly one of day of month and day of week must be ?")
        if len(parts) == 6:
            parts.append("*")
        last = parts[3] == "L"
        nth = None
        if "#" in parts[5] or (parts[5].endswith("L") and parts[5] != "L"):
            day, _, number = parts[5].partition("#")
            nth = (_number(day.rstrip("L"), _DAYS), int(number) if number else -1)
            parts[5] = "*"
        sets = [
            None
            if part == "?" or (index == 3 and last)
            else _values(part, *_BOUNDS[index], names=_NAMES.get(index, {}))
            for index, part in enumerate(parts)
        ]
        seconds, minutes, hours, days, months, weekdays, years = sets
        if seconds is None or minutes is None or hours is None or months is None or years is None:
            raise CronError("? is for the day fields only")
        return cls(seconds, minutes, hours, days, months, weekdays, years, last, nth)

    def after(self, moment: datetime, zone: ZoneInfo) -> datetime | None:
        """The next time it fires after a moment; None when never."""
        local = moment.astimezone(zone).replace(microsecond=0, tzinfo=None) + timedelta(seconds=1)
        for year in sorted(each for each in self.years if each >= local.year):
            for month in sorted(self.months):
                for day in range(1, calendar.monthrange(year, month)[1] + 1):
                    if datetime(year, month, day) + timedelta(days=1) > local and self._fits_day(year, month, day):
                        found = self._of_day(datetime(year, month, day), local)
                        if found is not None:
                            return found.replace(tzinfo=zone)
        return None

    def _of_day(self, day: datetime, earliest: datetime) -> datetime | None:
        for hour in sorted(self.hours):
            for minute in sorted(self.minutes):
                for second in sorted(self.seconds):
                    found = day.replace(hour=hour, minute=minute, second=second)
                    if found >= earliest:
                        return found
        return None

    def _fits_day(self, year: int, month: int, day: int) -> bool:
        if year not in self.years or month not in self.months:
            return False
        length = calendar.monthrange(year, month)[1]
        weekday = (calendar.weekday(year, month, day) + 1) % 7 + 1
        if self.nth is not None:
            which, number = self.nth
            return weekday == which and ((day - 1) // 7 + 1 == number if number > 0 else day + 7 > length)
        if self.last_day:
            return day == length
        if self.days is not None:
            return day in self.days
        return self.weekdays is not None and weekday in self.weekdays


_NAMES = {4: _MONTHS, 5: _DAYS}


def _number(text: str, names: dict[str, int]) -> int:
    if text in names:
        return names[text]
    if not text.isdigit():
        raise CronError(f"not a number: {text}")
    return int(text)


def _values(text: str, low: int, high: int, *, names: dict[str, int]) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        if span == "*":
            first, last = low, high
        elif "-" in span:
            first, last = (_number(each, names) for each in span.split("-", 1))
        else:
            first = _number(span, names)
            last = high if step else first
        if not low <= first <= high or not low <= last <= high:
            raise CronError(f"out of range: {part}")
        found.update(range(first, last + 1, int(step) if step else 1))
    return frozenset(found)
