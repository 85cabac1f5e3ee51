"""What a type is: one of the platform's own, an SObject of the org, or a class of the program.

Types are values: two `List<Account>` are equal wherever they were written. `Class` compares by its declaration.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from localorg.apex.types.classes import ClassInfo

__all__ = [
    "AGGREGATE",
    "ANY_RECORD",
    "BLOB",
    "BOOLEAN",
    "DATE",
    "DATETIME",
    "DECIMAL",
    "DOUBLE",
    "EXCEPTION",
    "ID",
    "INTEGER",
    "LONG",
    "NULL",
    "OBJECT",
    "STRING",
    "TIME",
    "TYPE",
    "VOID",
    "Class",
    "Platform",
    "Record",
    "Type",
    "list_of",
    "map_of",
    "set_of",
]


@dataclass(frozen=True, slots=True)
class Platform:
    """A type of the platform's library, spelled as its documentation does: `Integer`, `Database.SaveResult`."""

    name: str
    arguments: tuple[Type, ...] = ()

    def __str__(self) -> str:
        if not self.arguments:
            return self.name
        return f"{self.name}<{','.join(map(str, self.arguments))}>"

    @property
    def key(self) -> str:
        """The type as a part of a Python name."""
        return "_".join([self.name.replace(".", "_"), *(argument.key for argument in self.arguments)])


@dataclass(frozen=True, slots=True)
class Record:
    """An SObject type by its API name; "" is SObject itself, which any of them is."""

    name: str

    def __str__(self) -> str:
        return self.name or "SObject"

    @property
    def key(self) -> str:
        """The type as a part of a Python name."""
        return f"R{self.name}"


@dataclass(frozen=True, slots=True, eq=False)
class Class:
    """A class, interface or enum of the program."""

    info: ClassInfo

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Class) and other.info.key == self.info.key

    def __hash__(self) -> int:
        return hash(self.info.key)

    def __str__(self) -> str:
        return self.info.name

    @property
    def key(self) -> str:
        """The type as a part of a Python name."""
        return self.info.python


Type: TypeAlias = Platform | Record | Class

INTEGER = Platform("Integer")
LONG = Platform("Long")
DOUBLE = Platform("Double")
DECIMAL = Platform("Decimal")
STRING = Platform("String")
ID = Platform("Id")
BOOLEAN = Platform("Boolean")
DATE = Platform("Date")
DATETIME = Platform("Datetime")
TIME = Platform("Time")
BLOB = Platform("Blob")
OBJECT = Platform("Object")
VOID = Platform("void")
NULL = Platform("null")
TYPE = Platform("Type")
EXCEPTION = Platform("Exception")
ANY_RECORD = Record("")
AGGREGATE = Record("AggregateResult")


def list_of(element: Type) -> Platform:
    """List<element>."""
    return Platform("List", (element,))


def set_of(element: Type) -> Platform:
    """Set<element>."""
    return Platform("Set", (element,))


def map_of(key: Type, value: Type) -> Platform:
    """Map<key, value>."""
    return Platform("Map", (key, value))
