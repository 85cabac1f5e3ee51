"""Date, Datetime, Time and TimeZone.

Apex Reference Guide: Date, Datetime, Time and TimeZone Classes. A Datetime is a moment, kept in UTC to the
millisecond; methods without Gmt speak in the user's time zone. Formats are those of SimpleDateFormat.
"""

from __future__ import annotations

import calendar
import datetime
import re
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from localorg.apex.types.platform import platform_type
from localorg.apex.values.exceptions import apex_error, null_pointer

__all__ = ["format_moment", "parse_moment"]

DATE = platform_type("Date")
DATETIME = platform_type("Datetime")
TIME = platform_type("Time")
ZONE = platform_type("TimeZone")

_UTC = datetime.UTC


def _need(*values: Any) -> None:
    if any(value is None for value in values):
        raise apex_error("NullPointerException", "Argument cannot be null.")


def _months(value: Any, months: int) -> Any:
    """Add months; a day the month lacks becomes its last."""
    index = value.year * 12 + value.month - 1 + months
    year, month = index // 12, index % 12 + 1
    return value.replace(year=year, month=month, day=min(value.day, calendar.monthrange(year, month)[1]))


def _new_date(year: int, month: int, day: int) -> datetime.date:
    """Lenient as GregorianCalendar: month 13 is next January, day 0 the day before the first."""
    _need(year, month, day)
    index = year * 12 + month - 1
    return datetime.date(index // 12, index % 12 + 1, 1) + datetime.timedelta(days=day - 1)


# ---- Date -----------------------------------------------------------------------------------------------------------

DATE.static("Date newInstance(Integer, Integer, Integer)")(_new_date)
DATE.static("Integer daysInMonth(Integer, Integer)")(lambda y, m: calendar.monthrange(y, m)[1])
DATE.static("Boolean isLeapYear(Integer)")(calendar.isleap)


@DATE.static("Date today()", runtime=True)
def _today(rt: Any) -> datetime.date:
    return rt.now().astimezone(rt.zone).date()  # type: ignore[no-any-return]  # the org's clock


@DATE.static("Date valueOf(String)")
def _date_of(text: str) -> datetime.date:
    _need(text)
    found = re.match(r"\s*(\d{4})-(\d{1,2})-(\d{1,2})(?:[ T].*)?$", text)
    if found is None:
        raise apex_error("TypeException", f"Invalid date: {text}")
    return _new_date(*map(int, found.groups()))


@DATE.static("Date valueOf(Object)")
def _date_of_object(value: Any) -> datetime.date:
    _need(value)
    if isinstance(value, str):
        return _date_of(value)
    if isinstance(value, datetime.datetime):
        return value.date()
    if isinstance(value, datetime.date):
        return value
    raise apex_error("TypeException", "Invalid date")


@DATE.static("Date parse(String)")
def _date_parse(text: str) -> datetime.date:
    _need(text)
    found = re.fullmatch(r"\s*(\d{1,2})/(\d{1,2})/(\d{4})\s*", text)
    if found is None:
        raise apex_error("TypeException", f"Invalid date: {text}")
    month, day, year = map(int, found.groups())
    return _new_date(year, month, day)


DATE.method("Date addDays(Integer)")(lambda d, n: d + datetime.timedelta(days=n) if n is not None else null_pointer())
DATE.method("Date addMonths(Integer)")(lambda d, n: _months(d, n) if n is not None else null_pointer())
DATE.method("Date addYears(Integer)")(lambda d, n: _months(d, n * 12) if n is not None else null_pointer())
DATE.method("Integer day()", inline="{0}.day")(lambda d: d.day)
DATE.method("Integer month()", inline="{0}.month")(lambda d: d.month)
DATE.method("Integer year()", inline="{0}.year")(lambda d: d.year)
DATE.method("Integer dayOfYear()")(lambda d: d.timetuple().tm_yday)


@DATE.method("Integer daysBetween(Date)")
def _days_between(start: datetime.date, end: datetime.date) -> int:
    _need(end)
    return (end - start).days


@DATE.method("Integer monthsBetween(Date)")
def _months_between(start: datetime.date, end: datetime.date) -> int:
    _need(end)
    return (end.year - start.year) * 12 + end.month - start.month


DATE.method("Boolean isSameDay(Date)")(lambda a, b: a == b)
DATE.method("Date toStartOfMonth()")(lambda d: d.replace(day=1))
DATE.method("Date toStartOfWeek()")(lambda d: d - datetime.timedelta(days=(d.weekday() + 1) % 7))
DATE.method("String format()")(lambda d: f"{d.month}/{d.day}/{d.year}")

# ---- Datetime -------------------------------------------------------------------------------------------------------


def _local(rt: Any, *parts: int) -> datetime.datetime:
    return _assembled(rt.zone, *parts)  # type: ignore[no-any-return]  # a datetime


def _assembled(zone: Any, year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> Any:
    _need(year, month, day, hour, minute, second)
    start = _new_date(year, month, day)
    naive = datetime.datetime(start.year, start.month, start.day)
    moved = naive + datetime.timedelta(hours=hour, minutes=minute, seconds=second)
    return moved.replace(tzinfo=zone).astimezone(_UTC)


def _gmt(*parts: int) -> datetime.datetime:
    return _assembled(_UTC, *parts)  # type: ignore[no-any-return]  # a datetime


DATETIME.static("Datetime newInstance(Integer, Integer, Integer)", runtime=True)(_local)
DATETIME.static("Datetime newInstance(Integer, Integer, Integer, Integer, Integer, Integer)", runtime=True)(_local)
DATETIME.static("Datetime newInstanceGmt(Integer, Integer, Integer)")(_gmt)
DATETIME.static("Datetime newInstanceGmt(Integer, Integer, Integer, Integer, Integer, Integer)")(_gmt)


@DATETIME.static("Datetime newInstance(Long)")
def _from_millis(milliseconds: int) -> datetime.datetime:
    _need(milliseconds)
    return datetime.datetime(1970, 1, 1, tzinfo=_UTC) + datetime.timedelta(milliseconds=milliseconds)


def _combined(zone: Any, day: datetime.date, time: datetime.time) -> datetime.datetime:
    _need(day, time)
    return datetime.datetime.combine(day, time, tzinfo=zone).astimezone(_UTC)


DATETIME.static("Datetime newInstance(Date, Time)", runtime=True)(lambda rt, d, t: _combined(rt.zone, d, t))
DATETIME.static("Datetime newInstanceGmt(Date, Time)")(lambda d, t: _combined(_UTC, d, t))
DATETIME.static("Datetime now()", runtime=True)(lambda rt: rt.now())


def parse_moment(text: str, zone: Any) -> datetime.datetime:
    """`yyyy-MM-dd HH:mm:ss` in a zone."""
    _need(text)
    found = re.match(r"\s*(\d{4})-(\d{1,2})-(\d{1,2})[ T](\d{1,2}):(\d{1,2}):(\d{1,2})\s*$", text)
    if found is None:
        raise apex_error("TypeException", f"Invalid date/time: {text}")
    return _assembled(zone, *map(int, found.groups()))  # type: ignore[no-any-return]  # a datetime


DATETIME.static("Datetime valueOf(String)", runtime=True)(lambda rt, text: parse_moment(text, rt.zone))
DATETIME.static("Datetime valueOfGmt(String)")(lambda text: parse_moment(text, _UTC))


@DATETIME.static("Datetime valueOf(Object)", runtime=True)
def _moment_of(rt: Any, value: Any) -> datetime.datetime:
    _need(value)
    if isinstance(value, str):
        return parse_moment(value, rt.zone)
    if isinstance(value, datetime.datetime):
        return value
    raise apex_error("TypeException", "Invalid date/time")


@DATETIME.static("Datetime parse(String)", runtime=True)
def _moment_parse(rt: Any, text: str) -> datetime.datetime:
    _need(text)
    found = re.fullmatch(r"\s*(\d{1,2})/(\d{1,2})/(\d{4}),? (\d{1,2}):(\d{2}) ?([AaPp][Mm])\s*", text)
    if found is None:
        raise apex_error("TypeException", f"Invalid date/time: {text}")
    month, day, year, hour, minute = map(int, found.groups()[:5])
    hour = hour % 12 + (12 if found[6].lower() == "pm" else 0)
    return _assembled(rt.zone, year, month, day, hour, minute, 0)  # type: ignore[no-any-return]  # a datetime


for _unit in ("Days", "Hours", "Minutes", "Seconds"):

    def _add_unit(rt: Any, moment: datetime.datetime, amount: int, unit: str = _unit.lower()) -> datetime.datetime:
        _need(amount)
        if unit == "days":  # a calendar day of the user, whatever the clock was put forward or back
            local = moment.astimezone(rt.zone).replace(tzinfo=None) + datetime.timedelta(days=amount)
            return local.replace(tzinfo=rt.zone).astimezone(_UTC)
        return moment + datetime.timedelta(**{unit: amount})

    DATETIME.method(f"Datetime add{_unit}(Integer)", runtime=True)(_add_unit)


def _add_months(rt: Any, moment: datetime.datetime, months: int) -> datetime.datetime:
    _need(months)
    local = moment.astimezone(rt.zone).replace(tzinfo=None)
    return _months(local, months).replace(tzinfo=rt.zone).astimezone(_UTC)  # type: ignore[no-any-return]  # a datetime


DATETIME.method("Datetime addMonths(Integer)", runtime=True)(_add_months)
DATETIME.method("Datetime addYears(Integer)", runtime=True)(lambda rt, m, n: _add_months(rt, m, n * 12))
DATETIME.method("Long getTime()")(
    lambda m: (m - datetime.datetime(1970, 1, 1, tzinfo=_UTC)) // datetime.timedelta(milliseconds=1)
)
DATETIME.method("Date date()", runtime=True)(lambda rt, m: m.astimezone(rt.zone).date())
DATETIME.method("Date dateGmt()")(lambda m: m.date())
DATETIME.method("Time time()", runtime=True)(lambda rt, m: m.astimezone(rt.zone).time())
DATETIME.method("Time timeGmt()")(lambda m: m.time())
DATETIME.method("Boolean isSameDay(Datetime)", runtime=True)(
    lambda rt, a, b: a.astimezone(rt.zone).date() == b.astimezone(rt.zone).date()
)
for _name, _read in {
    "year": lambda m: m.year,
    "month": lambda m: m.month,
    "day": lambda m: m.day,
    "hour": lambda m: m.hour,
    "minute": lambda m: m.minute,
    "second": lambda m: m.second,
    "millisecond": lambda m: m.microsecond // 1000,
    "dayOfYear": lambda m: m.timetuple().tm_yday,
}.items():
    DATETIME.method(f"Integer {_name}()", runtime=True)(lambda rt, m, read=_read: read(m.astimezone(rt.zone)))
    DATETIME.method(f"Integer {_name}Gmt()")(_read)


@DATETIME.method("String format()", runtime=True)
def _format_default(rt: Any, moment: datetime.datetime) -> str:
    return format_moment(moment.astimezone(rt.zone), "M/d/yyyy, h:mm a")


DATETIME.method("String formatLong()", runtime=True)(
    lambda rt, m: format_moment(m.astimezone(rt.zone), "M/d/yyyy, h:mm:ss a z")
)
DATETIME.method("String format(String)", runtime=True)(lambda rt, m, p: format_moment(m.astimezone(rt.zone), p))
DATETIME.method("String format(String, String)")(lambda m, p, z: format_moment(m.astimezone(_zone(z)), p))
DATETIME.method("String formatGmt(String)")(lambda m, p: format_moment(m, p))


def _zone(name: str) -> datetime.tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return _UTC


def format_moment(moment: datetime.datetime, pattern: str) -> str:
    """SimpleDateFormat in English."""
    _need(pattern)
    out = []
    for found in re.finditer(r"''|'((?:[^']|'')*)'|([A-Za-z])\2*|[^A-Za-z']+", pattern):
        text = found[0]
        if text == "''":
            out.append("'")
        elif text[0] == "'":
            out.append(found[1].replace("''", "'"))
        elif text[0].isalpha():
            out.append(_letter(moment, text[0], len(text)))
        else:
            out.append(text)
    return "".join(out)


def _letter(moment: datetime.datetime, letter: str, count: int) -> str:
    numbers = {
        "d": moment.day, "H": moment.hour, "h": (moment.hour - 1) % 12 + 1, "m": moment.minute, "s": moment.second,
        "S": moment.microsecond // 1000, "k": moment.hour or 24, "K": moment.hour % 12, "D": moment.timetuple().tm_yday,
        "u": moment.isoweekday(), "w": int(moment.strftime("%U")) + 1, "F": (moment.day - 1) // 7 + 1,
    }  # fmt: skip
    if letter in numbers:
        return str(numbers[letter]).zfill(count)
    if letter in "yY":
        return f"{moment.year % 100:02d}" if count == 2 else str(moment.year).zfill(count)
    if letter in "ML":
        names = [calendar.month_name[moment.month], calendar.month_abbr[moment.month]]
        return names[0] if count >= 4 else names[1] if count == 3 else str(moment.month).zfill(count)
    if letter == "E":
        return moment.strftime("%A" if count >= 4 else "%a")
    if letter == "a":
        return "AM" if moment.hour < 12 else "PM"
    if letter == "G":
        return "AD"
    return _offset(moment, letter, count)


def _offset(moment: datetime.datetime, letter: str, count: int) -> str:
    plain = moment.strftime("%z")
    if letter == "Z":
        return plain
    if letter == "X":
        if plain == "+0000":
            return "Z"
        return {1: plain[:3], 2: plain}.get(count, f"{plain[:3]}:{plain[3:]}")
    if letter == "z":
        name = moment.tzname() or "GMT"
        return "GMT" if name == "UTC" else name
    raise apex_error("IllegalArgumentException", f"Illegal pattern character '{letter}'")


# ---- Time and TimeZone ----------------------------------------------------------------------------------------------


@TIME.static("Time newInstance(Integer, Integer, Integer, Integer)")
def _new_time(hour: int, minute: int, second: int, millisecond: int) -> datetime.time:
    _need(hour, minute, second, millisecond)
    base = datetime.datetime(2000, 1, 1)
    return (base + datetime.timedelta(hours=hour, minutes=minute, seconds=second, milliseconds=millisecond)).time()


for _name, _read in {
    "hour": lambda t: t.hour,
    "minute": lambda t: t.minute,
    "second": lambda t: t.second,
    "millisecond": lambda t: t.microsecond // 1000,
}.items():
    TIME.method(f"Integer {_name}()")(_read)
for _unit in ("Hours", "Minutes", "Seconds", "Milliseconds"):

    def _add_time(value: datetime.time, amount: int, unit: str = _unit.lower()) -> datetime.time:
        _need(amount)
        base = datetime.datetime.combine(datetime.date(2000, 1, 1), value)
        return (base + datetime.timedelta(**{unit: amount})).time()

    TIME.method(f"Time add{_unit}(Integer)")(_add_time)


class Zone:
    """System.TimeZone."""

    apex_name = "TimeZone"

    def __init__(self, zone: ZoneInfo) -> None:
        self.zone = zone

    def __str__(self) -> str:
        return self.zone.key


ZONE.static("TimeZone getTimeZone(String)")(lambda name: Zone(ZoneInfo("UTC" if name == "GMT" else name)))
ZONE.method("String getID()")(lambda z: z.zone.key)
ZONE.method("String getDisplayName()")(lambda z: z.zone.key)
ZONE.method("Integer getOffset(Datetime)")(
    lambda z, m: int((m.astimezone(z.zone).utcoffset() or datetime.timedelta()).total_seconds() * 1000)
)
