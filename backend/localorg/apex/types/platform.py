"""The platform's own classes as tables: each library file declares the types it implements here.

A declaration is written as in the Apex Reference Guide and stands beside the Python that does it:

    STRING = platform_type("String")

    @STRING.method("Integer indexOf(String)")
    def index_of(text: str, part: str) -> int: ...

`runtime=True` hands the function the running transaction first. A signature may be given `inline`, Python text with
{0}, {1}, ... for receiver and arguments, where a call would cost more than the work.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from localorg.apex.faults import At
from localorg.apex.syntax.nodes import TypeRef
from localorg.apex.types.model import ANY_RECORD, Platform, Record, Type
from localorg.apex.values.collections import ApexList
from localorg.apex.values.exceptions import apex_error
from localorg.apex.values.objects import ApexEnum

__all__ = ["PLATFORM_TYPES", "SYMBOLS", "Member", "PlatformType", "Signature", "platform_type", "written_type"]

F = TypeVar("F", bound=Callable[..., Any])
_NOWHERE = At(0, 0)


@dataclass(frozen=True)
class Signature:
    """One method, static method or constructor of a platform type.

    symbol: the name generated code knows the function by. parameters: types, with the owner's type parameters as
    Platform("T"). varargs are not a thing in Apex.
    """

    owner: PlatformType
    text: str
    name: str
    symbol: str
    runtime: bool
    inline: str | None
    static: bool
    abstract: bool = False

    @cached_property
    def result(self) -> Type:
        """Declared result; void is a type of its own."""
        return self.owner.read(_SHAPE.fullmatch(self.text)[1])  # type: ignore[index]  # checked when declared

    @cached_property
    def parameters(self) -> tuple[Type, ...]:
        """Declared parameter types."""
        inside = _SHAPE.fullmatch(self.text)[3]  # type: ignore[index]  # checked when declared
        return tuple(self.owner.read(part) for part in _split(inside))


@dataclass(frozen=True)
class Member:
    """A field or property of a platform type. attribute: its Python attribute, or for a static one its symbol."""

    owner: PlatformType
    name: str
    written: str
    attribute: str
    settable: bool
    runtime: bool = False

    @cached_property
    def type(self) -> Type:
        """Declared type."""
        return self.owner.read(self.written)


_SHAPE = re.compile(r"(.+?)\s+(\w+)\((.*)\)")


@dataclass
class PlatformType:
    """One platform type. name: as documented, without the System namespace."""

    name: str
    parameters: tuple[str, ...] = ()
    parent: str | None = None
    interfaces: tuple[str, ...] = ()
    interface: bool = False
    constants: tuple[str, ...] = ()
    python: type | None = None
    methods: dict[str, list[Signature]] = field(default_factory=dict)
    statics: dict[str, list[Signature]] = field(default_factory=dict)
    constructors: list[Signature] = field(default_factory=list)
    fields: dict[str, Member] = field(default_factory=dict)
    static_fields: dict[str, Member] = field(default_factory=dict)

    def method(self, text: str, *, runtime: bool = False, inline: str | None = None) -> Callable[[F], F]:
        """Declare an instance method; the receiver comes first (after the runtime)."""
        return self._declare(text, self.methods, runtime=runtime, inline=inline, static=False)

    def static(self, text: str, *, runtime: bool = False, inline: str | None = None) -> Callable[[F], F]:
        """Declare a static method."""
        return self._declare(text, self.statics, runtime=runtime, inline=inline, static=True)

    def constructor(self, text: str, *, runtime: bool = False) -> Callable[[F], F]:
        """Declare a constructor, as `(String, Integer)`; the function makes the instance."""

        def register(function: F) -> F:
            symbol = f"new_{self._symbol()}_{len(self.constructors)}"
            SYMBOLS[symbol] = function
            written = f"{self.name} new{text}"
            self.constructors.append(Signature(self, written, "new", symbol, runtime, None, static=True))
            return function

        return register

    def demands(self, *texts: str) -> None:
        """Declare an interface's methods, which a class of the program has to implement."""
        for text in texts:
            name = _shape(text)[2]
            symbol = f"invoke_{name.lower()}"
            signature = Signature(self, text, name, symbol, False, None, static=False, abstract=True)
            self.methods.setdefault(name.lower(), []).append(signature)
            SYMBOLS.setdefault(symbol, _invoker(name.lower()))

    def read_only(self, **written: str) -> None:
        """Declare properties that only the platform sets."""
        for name, text in written.items():
            self.fields[name.lower()] = Member(self, name, text, name, settable=False)

    def constant(self, name: str, written: str, value: object) -> None:
        """Declare a static constant."""
        symbol = f"k_{self._symbol()}_{name}"
        SYMBOLS[symbol] = value
        self.static_fields[name.lower()] = Member(self, name, written, symbol, settable=False)

    def static_property(self, name: str, written: str, attribute: str) -> None:
        """Declare a static property of the running transaction: an attribute path on the runtime."""
        self.static_fields[name.lower()] = Member(self, name, written, attribute, settable=True, runtime=True)

    def read(self, text: str) -> Type:
        """A type in the documentation's notation, with this type's parameters."""
        return written_type(text, self.parameters)

    def _declare(
        self, text: str, table: dict[str, list[Signature]], *, runtime: bool, inline: str | None, static: bool
    ) -> Callable[[F], F]:
        name = _shape(text)[2]

        def register(function: F) -> F:
            overloads = table.setdefault(name.lower(), [])
            symbol = f"{'s' if static else 'm'}_{self._symbol()}_{name}_{len(overloads)}"
            SYMBOLS[symbol] = function
            overloads.append(Signature(self, text, name, symbol, runtime, inline, static))
            return function

        return register

    def _symbol(self) -> str:
        return re.sub(r"\W", "_", self.name)


PLATFORM_TYPES: dict[str, PlatformType] = {}
SYMBOLS: dict[str, object] = {}


def platform_type(
    name: str,
    *,
    parameters: tuple[str, ...] = (),
    parent: str | None = None,
    interfaces: tuple[str, ...] = (),
    interface: bool = False,
    constants: tuple[str, ...] = (),
    python: type | None = None,
) -> PlatformType:
    """Declare a type; its lowered name is how programs find it."""
    made = PlatformType(name, parameters, parent, interfaces, interface, constants, python)
    PLATFORM_TYPES[name.lower()] = made
    members = [ApexEnum(name, constant, ordinal) for ordinal, constant in enumerate(constants)]
    for member in members:
        made.constant(member.name, name, member)
    if constants:
        made.static(f"List<{name}> values()")(lambda: ApexList(Platform(name), members))
        made.static(f"{name} valueOf(String)")(lambda text: _member_named(name, members, text))
    return made


def _member_named(name: str, members: list[ApexEnum], text: str | None) -> ApexEnum:
    for member in members:
        if text is not None and member.name.lower() == text.lower():
            return member
    raise apex_error("NoSuchElementException", f"No enum constant System.{name}.{text}")


def written_type(text: str, parameters: tuple[str, ...] = ()) -> Type:
    """`Map<String, List<SObject>>` to its type; names are not checked here."""
    ref = _parse(text.strip())
    return _to_type(ref, parameters)


def _to_type(ref: TypeRef, parameters: tuple[str, ...]) -> Type:
    if ref.name == "SObject":
        return ANY_RECORD
    if ref.name in _RECORDS:
        return Record(ref.name)
    return Platform(ref.name, tuple(_to_type(each, parameters) for each in ref.arguments))


_RECORDS = frozenset({"User", "AggregateResult", "PermissionSet", "Group"})


def _parse(text: str) -> TypeRef:
    if "<" not in text:
        return TypeRef(_NOWHERE, text)
    name, inside = text[:-1].split("<", 1)
    return TypeRef(_NOWHERE, name, tuple(_parse(part) for part in _split(inside)))


def _split(text: str) -> list[str]:
    """Split at top-level commas; parameter names after their types are dropped."""
    parts: list[str] = []
    depth = start = 0
    for position, character in enumerate(text):
        depth += (character == "<") - (character == ">")
        if character == "," and depth == 0:
            parts.append(text[start:position])
            start = position + 1
    parts.append(text[start:])
    return [part.strip() for part in parts if part.strip()]


def _shape(text: str) -> re.Match[str]:
    shape = _SHAPE.fullmatch(text)
    if shape is None:
        raise ValueError(f"not a signature: {text}")
    return shape


def _invoker(name: str) -> Callable[..., object]:
    def invoke(target: Any, *arguments: object) -> object:
        if hasattr(target, "call"):
            return target.call(name, *arguments)
        signatures = PLATFORM_TYPES[target.type.name.lower()].methods[name]  # a list or set behind an interface
        function: Callable[..., object] = SYMBOLS[signatures[0].symbol]  # type: ignore[assignment]  # a method's symbol is a function
        return function(target, *arguments)

    return invoke
