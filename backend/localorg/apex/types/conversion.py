"""Which type goes into which, at what cost, and the Python that carries a value over.

Costs only rank overloads: nothing for the same type, little for a near supertype, much for Object.
"""

from __future__ import annotations

from localorg.apex.types.model import (
    ANY_RECORD,
    DATE,
    DATETIME,
    DECIMAL,
    DOUBLE,
    ID,
    INTEGER,
    LONG,
    NULL,
    OBJECT,
    STRING,
    VOID,
    Class,
    Platform,
    Record,
    Type,
)
from localorg.apex.types.platform import PLATFORM_TYPES

__all__ = ["NUMBERS", "carried", "castable", "cost", "is_record_list", "platform_supertypes", "substitute"]

NUMBERS = (INTEGER, LONG, DOUBLE, DECIMAL)
_FAR = 1000
_WITHIN = 10  # most that an argument of a collection adds: any collection is nearer than Object


def cost(source: Type, target: Type) -> int | None:
    """What an implicit conversion costs; None where there is none."""
    if source == target:
        return 0
    if source == VOID or target == VOID:
        return None
    if source == NULL:
        return _FAR // 2 if target == OBJECT else 1
    if target == OBJECT:
        return _FAR
    if isinstance(source, Platform) and isinstance(target, Platform):
        return _platform_cost(source, target)
    if isinstance(source, Record) and isinstance(target, Record):
        return 2 if target == ANY_RECORD else None
    if isinstance(source, Class):
        return _class_cost(source, target)
    return None


def _platform_cost(source: Platform, target: Platform) -> int | None:
    if source in NUMBERS and target in NUMBERS:
        up = NUMBERS.index(target) - NUMBERS.index(source)
        return up if up > 0 else (1 if source == DECIMAL and target == DOUBLE else None)
    if (source, target) in _TEXT_COSTS:
        return _TEXT_COSTS[source, target]
    if source.name == target.name and source.name in ("List", "Iterable", "Iterator", "Map"):
        return _arguments_cost(source, target)
    for distance, parent in enumerate(platform_supertypes(source), 1):
        if parent == target or (parent.name == target.name and _arguments_cost(parent, target) is not None):
            return distance + 1
    return None


_TEXT_COSTS = {(ID, STRING): 1, (STRING, ID): 3, (DATE, DATETIME): 2}


def _arguments_cost(source: Platform, target: Platform) -> int | None:
    """Collections are covariant in classes and records; a list of SObject also goes into one of a concrete type."""
    total = 1
    for have, want in zip(source.arguments, target.arguments, strict=True):
        if have == want:
            continue
        if isinstance(have, Record) and isinstance(want, Record) and ANY_RECORD in (have, want):
            total += 1
            continue
        both_text = {have, want} == {ID, STRING}
        if both_text or (have in NUMBERS and want in NUMBERS):
            return None
        each = cost(have, want)
        if each is None:
            return None
        total += min(each, _WITHIN)
    return total


def _class_cost(source: Class, target: Type) -> int | None:
    for distance, each in enumerate(source.info.supertypes()):
        if each == target:
            return distance
        if isinstance(each, Platform) and isinstance(target, Platform):
            if each.name == target.name:
                return distance if _arguments_cost(each, target) is not None else None
            below = _platform_cost(each, target)
            if below is not None:
                return distance + below
    return None


def platform_supertypes(source: Platform) -> list[Platform]:
    """Parents and interfaces of a platform type, nearest first, with its arguments put in."""
    spec = PLATFORM_TYPES.get(source.name.lower())
    if spec is None:
        return []
    found: list[Platform] = []
    for written in [spec.parent, *spec.interfaces]:
        if written is None:
            continue
        parent = substitute(spec.read(written), dict(zip(spec.parameters, source.arguments, strict=False)))
        if isinstance(parent, Platform):
            found += [parent, *platform_supertypes(parent)]
    return found


def substitute(written: Type, arguments: dict[str, Type]) -> Type:
    """A signature's type with the owner's type parameters replaced."""
    if not isinstance(written, Platform):
        return written
    if not written.arguments:
        return arguments.get(written.name, written)
    return Platform(written.name, tuple(substitute(each, arguments) for each in written.arguments))


def castable(source: Type, target: Type) -> bool:
    """Whether `(target) source` can ever work."""
    if cost(source, target) is not None or cost(target, source) is not None or source == OBJECT:
        return True
    if source in NUMBERS and target in NUMBERS:
        return True
    if isinstance(source, Class) and isinstance(target, Class):
        return "interface" in (source.info.kind, target.info.kind)
    if isinstance(source, Platform) and isinstance(target, Platform) and source.name == target.name:
        return all(castable(a, b) for a, b in zip(source.arguments, target.arguments, strict=True))
    if isinstance(source, Platform) and isinstance(target, Class):
        return _is_interface(source)
    return isinstance(source, Class) and isinstance(target, Platform) and _is_interface(target)


def _is_interface(platform: Platform) -> bool:
    spec = PLATFORM_TYPES.get(platform.name.lower())
    return spec is not None and spec.interface


def carried(code: str, source: Type, target: Type) -> str:
    """Python for a value of one type as another, where cost() allows it."""
    if source in (target, NULL):
        return code
    if target == DECIMAL and source in NUMBERS:
        return f"Decimal({code})" if source == INTEGER and code.isdigit() else f"to_decimal({code})"
    if target == DOUBLE and source in NUMBERS:
        return f"{code}.0" if source == INTEGER and code.isdigit() else f"to_double({code})"
    if target == ID and source == STRING:
        return f"as_id({code})"
    if target == DATETIME and source == DATE:
        return f"start_of_day({code})"
    if target == OBJECT and source == LONG:
        return f"box_long({code})"
    if target == OBJECT and source == ID:
        return f"box_id({code})"
    return code


def is_record_list(type_: Type) -> bool:
    """List of any SObject."""
    return isinstance(type_, Platform) and type_.name == "List" and isinstance(type_.arguments[0], Record)
