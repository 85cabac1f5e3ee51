"""Conditions on a row as an admin writes them: `IsClosed = false; Priority in High|Critical`.

The extractor in the org reads and evaluates them; here they are only checked, and asked which fields they need. The
form is the extractor's (`FeatureFilter`): conditions joined by semicolons, all of which have to hold.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Condition", "Operator", "parse_conditions"]


class Operator(StrEnum):
    """What a field is held against."""

    EQUAL = "="
    UNEQUAL = "!="
    MORE = ">"
    AT_LEAST = ">="
    LESS = "<"
    AT_MOST = "<="
    IN = "in"
    NOT_IN = "not in"
    CONTAINS = "contains"
    IS = "is"

    @property
    def ordered(self) -> bool:
        """Whether it compares numbers."""
        return self in (self.MORE, self.AT_LEAST, self.LESS, self.AT_MOST)

    @property
    def takes_a_list(self) -> bool:
        """Whether several values may stand after it, separated by a bar."""
        return self in (self.IN, self.NOT_IN, self.CONTAINS)


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition. values: as written; "null" or "not null" after `is`."""

    field: str
    operator: Operator
    values: tuple[str, ...]


_FORM = re.compile(r"\s*([A-Za-z][A-Za-z0-9_.]*)\s*(!=|>=|<=|=|>|<|\b(?:not\s+in|in|contains|is)\b)\s*(.*?)\s*", re.I)


def parse_conditions(text: str) -> tuple[Condition, ...]:
    """Read conditions. Raises ValueError, with the condition that cannot be read."""
    return tuple(_parse(part) for part in text.split(";") if part.strip())


def _parse(text: str) -> Condition:
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError(text.strip())
    field, operator = found[1], Operator(re.sub(r"\s+", " ", found[2].lower()))
    values = tuple(value.strip() for value in found[3].split("|"))
    if not all(values) or (len(values) > 1 and not operator.takes_a_list):
        raise ValueError(text.strip())
    if operator is Operator.IS and values[0].lower() not in ("null", "not null"):
        raise ValueError(text.strip())
    if operator.ordered and not _is_number(values[0]):
        raise ValueError(text.strip())
    return Condition(field, operator, values)


def _is_number(text: str) -> bool:
    return re.fullmatch(r"-?\d+(\.\d+)?", text) is not None
