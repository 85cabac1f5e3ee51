"""String and Id. Apex Reference Guide: String Class, Id Class.

Regular expressions are Java's: see `patterns`. Text is a sequence of code points here and of UTF-16 units there: the
two differ only outside the basic plane.
"""

from __future__ import annotations

import datetime
import html
import re
import unicodedata
from collections.abc import Callable
from typing import Any

from localorg.apex.library.patterns import java_pattern, java_replacement, split
from localorg.apex.runtime.kinds import as_id
from localorg.apex.types.model import INTEGER
from localorg.apex.types.model import STRING as STRING_TYPE
from localorg.apex.types.platform import platform_type
from localorg.apex.values.collections import ApexList
from localorg.apex.values.exceptions import apex_error, null_pointer
from localorg.apex.values.size import held, room_for
from localorg.apex.values.text import datetime_text, to_text

STRING = platform_type("String")
ID = platform_type("Id")
BOOLEAN = platform_type("Boolean")


def _need(*values: Any) -> None:
    for value in values:
        if value is None:
            raise apex_error("NullPointerException", "Argument cannot be null.")


# ---- measures and parts ---------------------------------------------------------------------------------------------

STRING.method("Integer length()", inline="len({0})")(len)


@STRING.method("String substring(Integer)")
def _substring_from(text: str, start: int) -> str:
    return _substring(text, start, len(text))


@STRING.method("String substring(Integer, Integer)")
def _substring(text: str, start: int, end: int) -> str:
    _need(start, end)
    if start < 0 or end > len(text) or start > end:
        bound = start if start < 0 else end
        raise apex_error(
            "StringException",
            f"Ending position out of bounds: {bound}" if start >= 0 else f"Starting position out of bounds: {start}",
        )
    return text[start:end]


@STRING.method("String left(Integer)")
def _left(text: str, count: int) -> str:
    _need(count)
    return text[: max(count, 0)]


@STRING.method("String right(Integer)")
def _right(text: str, count: int) -> str:
    _need(count)
    return text[max(len(text) - count, 0) :] if count > 0 else ""


@STRING.method("String mid(Integer, Integer)")
def _mid(text: str, start: int, count: int) -> str:
    _need(start, count)
    start = max(start, 0)
    return text[start : start + max(count, 0)]


@STRING.method("Integer charAt(Integer)")
def _char_at(text: str, index: int) -> int:
    _need(index)
    if not 0 <= index < len(text):
        raise apex_error("StringException", f"String index out of range: {index}")
    return ord(text[index])


STRING.method("Integer codePointAt(Integer)")(_char_at)


@STRING.method("List<Integer> getChars()")
def _get_chars(text: str) -> ApexList:
    return ApexList(INTEGER, map(ord, text))


def _between(text: str, opening: str, closing: str) -> str | None:
    start = text.find(opening)
    end = text.find(closing, start + len(opening)) if start >= 0 else -1
    return text[start + len(opening) : end] if end >= 0 else None


STRING.method("String substringBetween(String, String)")(_between)
STRING.method("String substringBetween(String)")(lambda text, tag: _between(text, tag, tag))
STRING.method("String substringBefore(String)")(lambda t, s: t.split(s, 1)[0] if s else ("" if s == "" else t))
STRING.method("String substringAfter(String)")(lambda t, s: (t if s == "" else "") if not s else t.partition(s)[2])
STRING.method("String substringBeforeLast(String)")(lambda t, s: t.rpartition(s)[0] if s and s in t else t)
STRING.method("String substringAfterLast(String)")(lambda t, s: t.rpartition(s)[2] if s and s in t else "")

# ---- searching ------------------------------------------------------------------------------------------------------


def _searched(function: Callable[..., Any]) -> Callable[..., Any]:
    def checked(text: str, part: str | None, *rest: int) -> Any:
        _need(part)
        return function(text, part, *rest)

    return checked


STRING.method("Boolean contains(String)")(_searched(lambda t, p: p in t))
STRING.method("Boolean containsIgnoreCase(String)")(_searched(lambda t, p: p.lower() in t.lower()))
STRING.method("Boolean startsWith(String)")(_searched(str.startswith))
STRING.method("Boolean endsWith(String)")(_searched(str.endswith))
STRING.method("Boolean startsWithIgnoreCase(String)")(_searched(lambda t, p: t.lower().startswith(p.lower())))
STRING.method("Boolean endsWithIgnoreCase(String)")(_searched(lambda t, p: t.lower().endswith(p.lower())))
STRING.method("Integer indexOf(String)")(_searched(str.find))
STRING.method("Integer indexOf(String, Integer)")(_searched(lambda t, p, i: t.find(p, max(i, 0))))
STRING.method("Integer indexOfIgnoreCase(String)")(_searched(lambda t, p: t.lower().find(p.lower())))
STRING.method("Integer indexOfIgnoreCase(String, Integer)")(
    _searched(lambda t, p, i: t.lower().find(p.lower(), max(i, 0)))
)
STRING.method("Integer lastIndexOf(String)")(_searched(str.rfind))
STRING.method("Integer lastIndexOf(String, Integer)")(
    _searched(lambda t, p, i: t.rfind(p, 0, i + len(p)) if i >= 0 else -1)
)
STRING.method("Integer lastIndexOfIgnoreCase(String)")(_searched(lambda t, p: t.lower().rfind(p.lower())))
STRING.method("Integer indexOfChar(Integer)")(lambda t, c: t.find(chr(c)))
STRING.method("Integer indexOfAny(String)")(_searched(lambda t, p: next((i for i, c in enumerate(t) if c in p), -1)))
STRING.method("Integer indexOfAnyBut(String)")(
    _searched(lambda t, p: next((i for i, c in enumerate(t) if c not in p), -1))
)
STRING.method("Integer indexOfDifference(String)")(lambda t, o: _difference_at(t, o))
STRING.method("String difference(String)")(lambda t, o: "" if _difference_at(t, o) < 0 else o[_difference_at(t, o) :])
STRING.method("Boolean containsAny(String)")(lambda t, p: p is not None and any(c in t for c in p))
STRING.method("Boolean containsNone(String)")(lambda t, p: p is None or not any(c in t for c in p))
STRING.method("Boolean containsOnly(String)")(lambda t, p: p is not None and all(c in p for c in t))
STRING.method("Boolean containsWhitespace()")(lambda t: any(c.isspace() for c in t))
STRING.method("Integer countMatches(String)")(lambda t, p: t.count(p) if p else 0)


def _difference_at(text: str, other: str | None) -> int:
    if other is None or text == other:
        return -1
    return next((i for i, (a, b) in enumerate(zip(text, other, strict=False)) if a != b), min(len(text), len(other)))


# ---- comparing ------------------------------------------------------------------------------------------------------


@STRING.method("Boolean equals(String)")
def _equals(text: str, other: str | None) -> bool:
    return text == other


STRING.method("Boolean equals(Object)")(lambda text, other: isinstance(other, str) and text == other)
STRING.method("Boolean equalsIgnoreCase(String)")(lambda t, o: o is not None and t.lower() == o.lower())


@STRING.method("Integer compareTo(String)")
def _compare_to(text: str, other: str | None) -> int:
    if other is None:
        null_pointer()
    for a, b in zip(text, other, strict=False):
        if a != b:
            return ord(a) - ord(b)
    return len(text) - len(other)


@STRING.method("Integer hashCode()")
def _hash_code(text: str) -> int:
    value = 0
    units = text.encode("utf-16-be")
    for position in range(0, len(units), 2):
        value = (31 * value + int.from_bytes(units[position : position + 2], "big")) & 0xFFFFFFFF
    return value - (1 << 32) if value & 0x80000000 else value


# ---- kinds of text --------------------------------------------------------------------------------------------------

for _name, _test in {
    "isAlpha": str.isalpha,
    "isNumeric": str.isdigit,
    "isAlphanumeric": str.isalnum,
}.items():
    STRING.method(f"Boolean {_name}()")(_test)
STRING.method("Boolean isAlphaSpace()")(lambda t: all(c.isalpha() or c == " " for c in t))
STRING.method("Boolean isAlphanumericSpace()")(lambda t: all(c.isalnum() or c == " " for c in t))
STRING.method("Boolean isNumericSpace()")(lambda t: all(c.isdigit() or c == " " for c in t))
STRING.method("Boolean isAllLowerCase()")(lambda t: bool(t) and all(c.islower() for c in t))
STRING.method("Boolean isAllUpperCase()")(lambda t: bool(t) and all(c.isupper() for c in t))
STRING.method("Boolean isWhitespace()")(lambda t: all(c.isspace() for c in t))
STRING.method("Boolean isAsciiPrintable()")(lambda t: all(" " <= c <= "~" for c in t))
STRING.static("Boolean isBlank(String)")(lambda t: t is None or not t.strip())
STRING.static("Boolean isNotBlank(String)")(lambda t: t is not None and bool(t.strip()))
STRING.static("Boolean isEmpty(String)")(lambda t: not t)
STRING.static("Boolean isNotEmpty(String)")(lambda t: bool(t))

# ---- other forms of the same text -----------------------------------------------------------------------------------

STRING.method("String toLowerCase()")(lambda t: t.lower())
STRING.method("String toUpperCase()")(lambda t: t.upper())
STRING.method("String toLowerCase(String)")(lambda t, _locale: t.lower())
STRING.method("String toUpperCase(String)")(lambda t, _locale: t.upper())
STRING.method("String trim()")(lambda t: t.strip("".join(map(chr, range(33)))))
STRING.method("String capitalize()")(lambda t: t[:1].upper() + t[1:])
STRING.method("String uncapitalize()")(lambda t: t[:1].lower() + t[1:])
STRING.method("String swapCase()")(lambda t: t.swapcase())
STRING.method("String reverse()")(lambda t: t[::-1])
STRING.method("String repeat(Integer)")(lambda t, n: t * _times(t, n))
STRING.method("String repeat(String, Integer)")(lambda t, s, n: (s or "").join([t] * _times(t + (s or ""), n)))
STRING.method("String normalizeSpace()")(lambda t: " ".join(t.split()))
STRING.method("String deleteWhitespace()")(lambda t: "".join(t.split()))
STRING.method("String center(Integer)")(lambda t, n: _center(t, n, " "))
STRING.method("String center(Integer, String)")(lambda t, n, s: _center(t, n, s))
STRING.method("String leftPad(Integer)")(lambda t, n: t.rjust(room_for(n)))
STRING.method("String leftPad(Integer, String)")(lambda t, n, s: _padding(s, n - len(t)) + t)
STRING.method("String rightPad(Integer)")(lambda t, n: t.ljust(room_for(n)))
STRING.method("String rightPad(Integer, String)")(lambda t, n, s: t + _padding(s, n - len(t)))
STRING.method("String remove(String)")(lambda t, p: t.replace(p, "") if p else t)
STRING.method("String removeStart(String)")(lambda t, p: t.removeprefix(p or ""))
STRING.method("String removeEnd(String)")(lambda t, p: t.removesuffix(p or ""))
STRING.method("String removeStartIgnoreCase(String)")(
    lambda t, p: t[len(p) :] if p and t.lower().startswith(p.lower()) else t
)
STRING.method("String removeEndIgnoreCase(String)")(
    lambda t, p: t[: -len(p)] if p and t.lower().endswith(p.lower()) else t
)
STRING.method("String stripHtmlTags()")(lambda t: re.sub(r"<[^>]*>", "", t))
STRING.method("String escapeJava()")(lambda t: _escape_java(t))
STRING.method("String escapeEcmaScript()")(lambda t: held(_escape_java(t).replace("'", "\\'").replace("/", "\\/")))
STRING.method("String escapeCsv()")(
    lambda t: held('"' + t.replace('"', '""') + '"') if re.search(r'[",\r\n]', t) else t
)
STRING.method("String unescapeCsv()")(
    lambda t: t[1:-1].replace('""', '"') if t[:1] == t[-1:] == '"' and len(t) > 1 else t
)
STRING.method("String escapeHtml4()")(lambda t: _escape_html(t))
STRING.method("String escapeHtml3()")(lambda t: _escape_html(t))
STRING.method("String unescapeHtml4()")(html.unescape)
STRING.method("String escapeXml()")(lambda t: held(_escape_html(t).replace("'", "&apos;")))
STRING.method("String unescapeXml()")(html.unescape)
STRING.method("String escapeUnicode()")(lambda t: held("".join(c if ord(c) < 128 else f"\\u{ord(c):04X}" for c in t)))
STRING.static("String escapeSingleQuotes(String)")(
    lambda t: held(t.replace("\\", "\\\\").replace("'", "\\'")) if t is not None else null_pointer()
)


def _times(text: str, count: int) -> int:
    """How often a text may be repeated."""
    room_for(len(text) * count)
    return max(count, 0)


def _padding(filler: str | None, width: int) -> str:
    filler = filler or " "
    room_for(width)
    return (filler * (max(width, 0) // len(filler) + 1))[: max(width, 0)]


def _center(text: str, width: int, filler: str | None) -> str:
    missing = max(width - len(text), 0)
    left = missing // 2
    return _padding(filler, left) + text + _padding(filler, missing - left)


def _escape_html(text: str) -> str:
    return held(html.escape(text, quote=False).replace('"', "&quot;"))


_JAVA_ESCAPES = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r", '"': '\\"', "\\": "\\\\"}


def _escape_java(text: str) -> str:
    return held("".join(_JAVA_ESCAPES.get(c, c if " " <= c <= "~" else f"\\u{ord(c):04X}") for c in text))


@STRING.method("String abbreviate(Integer)")
def _abbreviate(text: str, width: int) -> str:
    if width < 4:
        raise apex_error("IllegalArgumentException", "Minimum abbreviation width is 4")
    return text if len(text) <= width else text[: width - 3] + "..."


@STRING.method("Integer getLevenshteinDistance(String)")
def _levenshtein(text: str, other: str) -> int:
    row = list(range(len(other) + 1))
    for i, a in enumerate(text, 1):
        previous, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (a != b))
    return row[-1]


# ---- replacing, splitting, joining ----------------------------------------------------------------------------------


@STRING.method("String replace(String, String)")
def _replace(text: str, old: str, new: str) -> str:
    _need(old, new)
    if len(new) > len(old):
        room_for(len(text) + text.count(old) * (len(new) - len(old)))
    return text.replace(old, new)


@STRING.method("String replaceAll(String, String)")
def _replace_all(text: str, pattern: str, new: str) -> str:
    _need(pattern, new)
    return java_pattern(pattern).sub(java_replacement(new), text)


@STRING.method("String replaceFirst(String, String)")
def _replace_first(text: str, pattern: str, new: str) -> str:
    _need(pattern, new)
    return java_pattern(pattern).sub(java_replacement(new), text, count=1)


@STRING.method("List<String> split(String)")
def _split(text: str, pattern: str) -> ApexList:
    _need(pattern)
    return ApexList(STRING_TYPE, split(java_pattern(pattern), text, 0))


@STRING.method("List<String> split(String, Integer)")
def _split_limited(text: str, pattern: str, limit: int) -> ApexList:
    _need(pattern, limit)
    return ApexList(STRING_TYPE, split(java_pattern(pattern), text, limit))


@STRING.method("List<String> splitByCharacterType()")
def _split_by_type(text: str) -> ApexList:
    parts: list[str] = []
    for character in text:
        if parts and unicodedata.category(parts[-1][-1]) == unicodedata.category(character):
            parts[-1] += character
        else:
            parts.append(character)
    return ApexList(STRING_TYPE, parts)


@STRING.static("String join(Iterable<Object>, String)")
def _join(values: Any, separator: str | None) -> str:
    if values is None:
        null_pointer()
    parts = ["" if each is None else to_text(each) for each in values]
    room_for(sum(map(len, parts)) + len(separator or "") * len(parts))
    return (separator or "").join(parts)


@STRING.static("String format(String, List<Object>)")
def _format(text: str, values: Any) -> str:
    """MessageFormat: {0} is replaced, text in single quotes is not, two quotes are one."""
    _need(text)
    out: list[str] = []
    quoted, length = False, 0
    for part in re.split(r"('+|\{\d+\})", text):
        if part and set(part) == {"'"}:
            out.append("'" * (len(part) // 2))
            quoted ^= len(part) % 2 == 1
        elif not quoted and re.fullmatch(r"\{\d+\}", part):
            index = int(part[1:-1])
            out.append(to_text(values[index]) if values is not None and index < len(values) else part)
            length = room_for(length + len(out[-1]))
        else:
            out.append(part)
    return "".join(out)


@STRING.static("String fromCharArray(List<Integer>)")
def _from_chars(codes: Any) -> str:
    return "".join(map(chr, codes))


@STRING.static("String getCommonPrefix(List<String>)")
def _common_prefix(values: Any) -> str:
    shortest = min(values, key=len, default="")
    while not all(each.startswith(shortest) for each in values):
        shortest = shortest[:-1]
    return shortest


# ---- valueOf --------------------------------------------------------------------------------------------------------


def _value_of(rt: Any, value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, datetime.datetime):
        return datetime_text(value.astimezone(rt.zone))
    return to_text(value)


for _type in ("Date", "Datetime", "Decimal", "Double", "Integer", "Long", "Object"):
    STRING.static(f"String valueOf({_type})", runtime=True)(_value_of)
STRING.static("String valueOfGmt(Datetime)")(lambda v: None if v is None else datetime_text(v))


# ---- Id and Boolean -------------------------------------------------------------------------------------------------


@ID.static("Id valueOf(String)")
def _id_value_of(text: str) -> str | None:
    if text is None:
        null_pointer()
    return as_id(text)


@ID.static("Id valueOf(String, Boolean)")
def _id_restored(text: str, _restore_casing: bool) -> str | None:
    return _id_value_of(text)


ID.method("String to15()")(lambda value: value[:15])


@ID.method("Schema.SObjectType getSObjectType()", runtime=True)
def _object_of_id(rt: Any, value: str) -> Any:
    found = rt.schema.of_id(value)
    if found is None:
        raise apex_error("SObjectException", f"Invalid id: {value}")
    return rt.object_token(found.api_name)


for _method, _signatures in STRING.methods.items():
    ID.methods.setdefault(_method, _signatures)

BOOLEAN.static("Boolean valueOf(String)")(lambda v: null_pointer() if v is None else v.lower() == "true")


@BOOLEAN.static("Boolean valueOf(Object)")
def _boolean_of(value: Any) -> bool:
    if value is None:
        null_pointer()
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return value.lower() == "true"
    raise apex_error("TypeException", "Invalid conversion to Boolean")
