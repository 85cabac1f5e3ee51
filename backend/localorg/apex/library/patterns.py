"""Pattern and Matcher: Java regular expressions on Python's engine.

The two dialects differ in a few spellings, rewritten here: named groups, \\Q..\\E, POSIX classes, \\h, \\z, and `$1` in
replacements. Apex Reference Guide: Pattern Class, Matcher Class.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache

from localorg.apex.types.platform import platform_type
from localorg.apex.values.exceptions import apex_error, null_pointer
from localorg.apex.values.size import room_for

__all__ = ["java_pattern", "java_replacement", "split"]

PATTERN = platform_type("Pattern")
MATCHER = platform_type("Matcher")

_CLASSES = {
    "Alpha": "a-zA-Z", "Digit": "0-9", "Alnum": "a-zA-Z0-9", "Upper": "A-Z", "Lower": "a-z", "Space": r"\s",
    "Punct": r"!-/:-@\[-`{-~", "XDigit": "0-9a-fA-F", "ASCII": r"\x00-\x7f", "Blank": r" \t",
}  # fmt: skip


@lru_cache(maxsize=32)
def _class(name: str) -> str:
    """The inside of a character class for `\\p{name}`: a POSIX class, or a Unicode category such as L or Nd."""
    if name in _CLASSES:
        return _CLASSES[name]
    category = {"IsAlphabetic": "L", "IsDigit": "Nd", "IsPunctuation": "P"}.get(name, name.removeprefix("Is"))
    members = [code for code in range(0x10000) if unicodedata.category(chr(code)).startswith(category)]
    if not members:
        raise apex_error("StringException", f"Invalid regex: Unknown character property name {{{name}}}")
    spans: list[list[int]] = []
    for code in members:
        if spans and spans[-1][1] == code - 1:
            spans[-1][1] = code
        else:
            spans.append([code, code])
    return "".join(f"\\u{first:04x}-\\u{last:04x}" for first, last in spans)


@lru_cache(maxsize=512)
def java_pattern(pattern: str) -> re.Pattern[str]:
    """A Java pattern compiled. Raises System.StringException, Invalid regex."""
    text = re.sub(r"\\Q(.*?)(?:\\E|$)", lambda m: re.escape(m[1]), pattern, flags=re.DOTALL)
    text = re.sub(r"\(\?<([A-Za-z]\w*)>", r"(?P<\1>", text)
    text = re.sub(r"\\k<(\w+)>", r"(?P=\1)", text)
    text = text.replace(r"\z", r"\Z").replace(r"\h", r"[ \t\xa0]").replace(r"\R", r"(?:\r\n|[\n\r])")
    text = _with_properties(text)
    try:
        return re.compile(text, re.ASCII if "(?U)" not in text else 0)
    except re.error as error:
        raise apex_error(
            "StringException", f"Invalid regex: {error.msg} near index {error.pos or 0}\n{pattern}"
        ) from None


def _with_properties(text: str) -> str:
    """\\p{...} and \\P{...} written out; inside brackets only the ranges."""
    out, inside, position = [], False, 0
    for found in re.finditer(r"\\\\.|\\([pP])\{(\w+)\}|\\([pP])(\w)|\\.|[\[\]]", text, flags=re.DOTALL):
        out.append(text[position : found.start()])
        position = found.end()
        name = found[2] or found[4]
        if name is None:
            inside = found[0] == "[" or (inside and found[0] != "]")
            out.append(found[0])
        elif inside:
            out.append(_class(name))
        else:
            out.append(f"[{'^' if (found[1] or found[3]) == 'P' else ''}{_class(name)}]")
    return "".join(out) + text[position:]


def java_replacement(text: str) -> Callable[[re.Match[str]], str]:
    """`$1`, `${name}` and escapes of a replacement."""
    parts = re.findall(r"\\(.)|\$(\d)|\$\{(\w+)\}|([^\\$]+)", text, flags=re.DOTALL)

    length = 0

    def replaced(found: re.Match[str]) -> str:
        nonlocal length
        out = []
        for escaped, number, name, plain in parts:
            if number or name:
                try:
                    out.append(found[int(number) if number else name] or "")
                except IndexError:
                    raise apex_error("StringException", f"No group {number or name}") from None
            else:
                out.append(escaped or plain)
        made = "".join(out)
        length = room_for(length + len(made))
        return made

    return replaced


def split(pattern: re.Pattern[str], text: str, limit: int) -> list[str]:
    """String.split of Java: no empty first part from a match of no width, no empty last parts unless limit asks."""
    parts: list[str] = []
    start = 0
    for found in pattern.finditer(text):
        if limit > 0 and len(parts) == limit - 1:
            break
        if found.end() == 0 or (found.end() == found.start() == len(text)):
            continue
        parts.append(text[start : found.start()])
        start = found.end()
    parts.append(text[start:])
    if limit == 0:
        while len(parts) > 1 and not parts[-1]:
            parts.pop()
    return parts


class JavaPattern:
    """A compiled pattern."""

    apex_name = "Pattern"

    def __init__(self, written: str) -> None:
        if written is None:
            null_pointer()
        self.written = written
        self.compiled = java_pattern(written)

    def __str__(self) -> str:
        return self.written


class JavaMatcher:
    """A pattern at work on one text. found: the present match."""

    apex_name = "Matcher"

    def __init__(self, pattern: JavaPattern, text: str) -> None:
        if text is None:
            null_pointer()
        self.pattern = pattern
        self.text = text
        self.start, self.end = 0, len(text)
        self.found: re.Match[str] | None = None
        self.position = 0

    def now(self) -> re.Match[str]:
        """The present match."""
        if self.found is None:
            raise apex_error("StringException", "No match found")
        return self.found

    def keep(self, found: re.Match[str] | None) -> bool:
        """Make it the present match; the next search goes on behind it."""
        self.found = found
        if found is not None:
            self.position = found.end() + (found.end() == found.start())
        return found is not None


@PATTERN.static("Pattern compile(String)")
def _compile(written: str) -> JavaPattern:
    return JavaPattern(written)


@PATTERN.static("Boolean matches(String, String)")
def _matches(written: str, text: str) -> bool:
    return java_pattern(written).fullmatch(text) is not None


PATTERN.static("String quote(String)")(lambda text: "\\Q" + text + "\\E")
PATTERN.method("Matcher matcher(String)")(JavaMatcher)
PATTERN.method("String pattern()")(lambda p: p.written)


@PATTERN.method("List<String> split(String)")
def _pattern_split(pattern: JavaPattern, text: str) -> object:
    from localorg.apex.types.model import STRING
    from localorg.apex.values.collections import ApexList

    return ApexList(STRING, split(pattern.compiled, text, 0))


MATCHER.method("Boolean matches()")(lambda m: m.keep(m.pattern.compiled.fullmatch(m.text, m.start, m.end)))
MATCHER.method("Boolean lookingAt()")(lambda m: m.keep(m.pattern.compiled.match(m.text, m.start, m.end)))
MATCHER.method("Boolean hitEnd()")(lambda m: m.found is None or m.found.end() == m.end)
MATCHER.method("Integer groupCount()")(lambda m: m.pattern.compiled.groups)
MATCHER.method("Pattern pattern()")(lambda m: m.pattern)
MATCHER.method("String replaceAll(String)")(lambda m, new: m.pattern.compiled.sub(java_replacement(new), m.text))
MATCHER.method("String replaceFirst(String)")(lambda m, new: m.pattern.compiled.sub(java_replacement(new), m.text, 1))
MATCHER.method("String group()")(lambda m: m.now()[0])
MATCHER.method("Integer start()")(lambda m: m.now().start())
MATCHER.method("Integer end()")(lambda m: m.now().end())
MATCHER.method("Integer start(Integer)")(lambda m, n: m.now().start(n))
MATCHER.method("Integer end(Integer)")(lambda m, n: m.now().end(n))


@MATCHER.method("Boolean find()")
def _find(matcher: JavaMatcher) -> bool:
    if matcher.position > matcher.end:
        return matcher.keep(None)
    return matcher.keep(matcher.pattern.compiled.search(matcher.text, matcher.position, matcher.end))


@MATCHER.method("Boolean find(Integer)")
def _find_from(matcher: JavaMatcher, start: int) -> bool:
    matcher.position = start
    return _find(matcher)


@MATCHER.method("String group(Integer)")
def _group(matcher: JavaMatcher, number: int) -> str | None:
    try:
        return matcher.now()[number]
    except IndexError:
        raise apex_error("StringException", f"Group index out of bounds: {number}") from None


@MATCHER.method("Matcher reset()")
def _reset(matcher: JavaMatcher) -> JavaMatcher:
    matcher.found, matcher.position = None, 0
    matcher.start, matcher.end = 0, len(matcher.text)
    return matcher


@MATCHER.method("Matcher reset(String)")
def _reset_to(matcher: JavaMatcher, text: str) -> JavaMatcher:
    matcher.text = text
    return _reset(matcher)


@MATCHER.method("Matcher region(Integer, Integer)")
def _region(matcher: JavaMatcher, start: int, end: int) -> JavaMatcher:
    matcher.start, matcher.end, matcher.position = start, end, start
    return matcher
