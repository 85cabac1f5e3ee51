"""Instances of classes and enums the program declares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from localorg.apex.values.exceptions import ApexException, apex_error

if TYPE_CHECKING:
    from localorg.apex.types.classes import ClassInfo

__all__ = ["ApexClass", "ApexEnum", "ApexObject", "UserException"]


class ApexClass(type):
    """Metaclass of generated classes: a static member that is not there yet starts the class's initialisation."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("s_"):
            for owner in cls.__mro__:
                if owner.__dict__.get("pending"):
                    owner.initialise()  # type: ignore[attr-defined]  # every generated class has it
            for owner in cls.__mro__:
                if name in owner.__dict__:
                    return owner.__dict__[name]
        raise AttributeError(name)


class Instance:
    """What every generated class shares. info: its declaration, set by the generated class."""

    info: ClassVar[ClassInfo]
    pending: ClassVar[bool] = False

    def call(self, name: str, *arguments: Any) -> Any:
        """Call a method by lowered name and arity: how the platform reaches an interface's implementation."""
        method = self.info.method_of_arity(name, len(arguments))
        if method is None:
            raise apex_error("TypeException", f"{self.info.name} does not implement {name}")
        return getattr(self, method.python)(*arguments)

    def call_typed(self, name: str, parameter: str, argument: Any) -> Any:
        """Call the overload of one parameter whose type has this name, as execute(QueueableContext)."""
        for method in self.info.overloads(name):
            if len(method.parameters) == 1 and getattr(method.parameters[0], "name", None) == parameter:
                return getattr(self, method.python)(argument)
        return self.call(name, argument)

    def implements(self, name: str) -> bool:
        """Whether the class declares the platform interface of that name."""
        return any(getattr(each, "name", None) == name for each in self.info.supertypes())


class ApexObject(Instance, metaclass=ApexClass):
    """An instance of a class of the program."""


class ExceptionClass(ApexClass):
    """The same for exceptions."""


class UserException(ApexException, Instance, metaclass=ExceptionClass):
    """An instance of an exception class of the program."""


class ApexEnum:
    """One constant of an enum. Constants compare by identity; python: the generated class's name."""

    __slots__ = ("enum", "name", "ordinal")

    def __init__(self, enum: str, name: str, ordinal: int) -> None:
        self.enum = enum
        self.name = name
        self.ordinal = ordinal

    def __repr__(self) -> str:
        return self.name

    def __copy__(self) -> ApexEnum:
        return self

    def __deepcopy__(self, _: object) -> ApexEnum:
        return self

    def __reduce__(self) -> tuple[type[ApexEnum], tuple[str, str, int]]:
        return ApexEnum, (self.enum, self.name, self.ordinal)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ApexEnum) and (self.enum, self.name) == (other.enum, other.name)

    def __hash__(self) -> int:
        return hash((self.enum, self.name))
