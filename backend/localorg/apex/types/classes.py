"""Declared classes, interfaces and enums with their members: what names mean, before any body is read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from localorg.apex.syntax import nodes as n
from localorg.apex.types.model import Class, Platform, Type

__all__ = ["ClassInfo", "FieldInfo", "MethodInfo"]

_VISIBILITIES = ("private", "protected", "public", "global")


@dataclass(frozen=True, eq=False)
class FieldInfo:
    """A field, property or enum constant. python: its attribute in generated code.

    For a property, getter and setter say which accessors exist; automatic ones live in the attribute itself.
    """

    owner: ClassInfo
    name: str
    type: Type
    static: bool
    modifiers: frozenset[str]
    test_visible: bool
    python: str
    getter: bool = False
    setter: bool = False
    is_property: bool = False
    private_set: bool = False
    readable: bool = True
    writable: bool = True

    @property
    def visibility(self) -> str:
        """private, protected, public or global."""
        return _visibility(self.modifiers)


@dataclass(frozen=True, eq=False)
class MethodInfo:
    """A method or constructor. python: its attribute in generated code, equal along an override chain."""

    owner: ClassInfo
    name: str
    parameters: tuple[Type, ...]
    result: Type
    static: bool
    modifiers: frozenset[str]
    annotations: dict[str, dict[str, str]]
    declaration: n.MethodDeclaration | None
    python: str

    @property
    def visibility(self) -> str:
        """private, protected, public or global."""
        return "public" if self.owner.kind == "interface" else _visibility(self.modifiers)

    @property
    def abstract(self) -> bool:
        """Has no body."""
        return self.owner.kind == "interface" or "abstract" in self.modifiers

    def __str__(self) -> str:
        return f"{self.result} {self.owner.name}.{self.name}({', '.join(map(str, self.parameters))})"


@dataclass(eq=False)
class ClassInfo:
    """One declared type; filled in two steps, names first, so that classes may refer to each other.

    resolved: what the types written in it have turned out to be, so that each is looked up once.
    """

    name: str
    declaration: n.TypeDeclaration
    outer: ClassInfo | None
    python: str
    parent: Class | Platform | None = None
    interfaces: list[Class | Platform] = field(default_factory=list)
    fields: dict[str, FieldInfo] = field(default_factory=dict)
    methods: dict[str, list[MethodInfo]] = field(default_factory=dict)
    constructors: list[MethodInfo] = field(default_factory=list)
    inner: dict[str, ClassInfo] = field(default_factory=dict)
    uses: set[str] = field(default_factory=set)
    resolved: dict[n.TypeRef, Type] = field(default_factory=dict, repr=False)

    @property
    def key(self) -> str:
        """The lowered full name."""
        return self.name.lower()

    @property
    def kind(self) -> str:
        """class, interface or enum."""
        return self.declaration.kind

    @property
    def top(self) -> ClassInfo:
        """The top-level class this one stands in."""
        return self if self.outer is None else self.outer.top

    @property
    def is_test(self) -> bool:
        """Annotated @IsTest, itself or around."""
        return any(a.name == "istest" for a in self.declaration.annotations) or (
            self.outer is not None and self.outer.is_test
        )

    @property
    def last_line(self) -> int:
        """No statement of the class stands behind this line."""
        return self.declaration.end_line

    @property
    def modifiers(self) -> frozenset[str]:
        """Lowered."""
        return self.declaration.modifiers

    def ancestors(self) -> Iterator[ClassInfo]:
        """This class, its parent, and so on, as far as the program declares them."""
        current: ClassInfo | None = self
        while current is not None:
            yield current
            current = current.parent.info if isinstance(current.parent, Class) else None

    def platform_root(self) -> Platform | None:
        """The platform class the chain ends in, if any: Exception."""
        *_, last = self.ancestors()
        return last.parent if isinstance(last.parent, Platform) else None

    def supertypes(self) -> Iterator[Class | Platform]:
        """Every class and interface this one is, itself included; a type may come twice."""
        yield Class(self)
        for each in [self.parent, *self.interfaces]:
            if isinstance(each, Class):
                yield from each.info.supertypes()
            elif each is not None:
                yield each

    def field(self, name: str) -> FieldInfo | None:
        """A field or property by name, own or inherited."""
        for info in self.ancestors():
            if name in info.fields:
                return info.fields[name]
        return None

    def overloads(self, name: str) -> list[MethodInfo]:
        """Methods by lowered name, own and inherited; an overridden one comes once, as its override."""
        found: dict[str, MethodInfo] = {}
        for each in self.supertypes():
            if isinstance(each, Class):
                for method in each.info.methods.get(name, ()):
                    found.setdefault(method.python, method)
        return list(found.values())

    def method_of_arity(self, name: str, arity: int) -> MethodInfo | None:
        """The implementation of a platform interface's method."""
        fitting = [m for m in self.overloads(name) if len(m.parameters) == arity and not m.abstract]
        return fitting[0] if fitting else None

    def annotation(self, name: str) -> dict[str, str] | None:
        """An annotation's values, None where absent."""
        return next((dict(a.values) for a in self.declaration.annotations if a.name == name), None)


def _visibility(modifiers: frozenset[str]) -> str:
    return next((each for each in _VISIBILITIES if each in modifiers), "private")
