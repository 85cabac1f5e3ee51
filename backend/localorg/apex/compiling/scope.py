"""Where a body stands: its class, its method, the local variables in sight, and what it collects for the class."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from localorg.apex.faults import At, CompileError
from localorg.apex.types.classes import ClassInfo, FieldInfo
from localorg.apex.types.identifiers import check_identifier
from localorg.apex.types.model import Class, Platform, Record, Type
from localorg.apex.types.names import Names

__all__ = ["USER_MODE_SINCE", "Local", "Scope", "Unit"]

USER_MODE_SINCE = 67.0


@dataclass(frozen=True, slots=True)
class Local:
    """A local variable or parameter. python: its name in generated code."""

    name: str
    type: Type
    python: str
    final: bool = False


@dataclass
class Unit:
    """One class's generated code while it grows.

    constants: names the code needs in its globals. uses: classes it needs loaded. lines: Apex lines with statements.
    api_version: of the class; from 67 on, queries and DML run in user mode unless they say otherwise.
    """

    info: ClassInfo
    names: Names
    api_version: float
    constants: dict[str, object] = field(default_factory=dict)
    uses: dict[str, ClassInfo] = field(default_factory=dict)
    lines: set[int] = field(default_factory=set)
    _shared: dict[str, str] = field(default_factory=dict)

    @property
    def user_mode(self) -> bool:
        """Queries and DML that say nothing run in user mode (from API 67 on)."""
        return self.api_version >= USER_MODE_SINCE

    @property
    def sharing(self) -> str:
        """with, without or inherited; a class that says nothing is with sharing from API 67 on."""
        for each in ("with", "without", "inherited"):
            if f"{each} sharing" in self.info.modifiers:
                return each
        return "with" if self.user_mode else "inherited"

    def constant(self, value: object) -> str:
        """A global name for a value; equal types and numbers share one."""
        key = f"{type(value).__name__} {value}" if isinstance(value, Platform | Record | Class | Decimal) else None
        if key is not None and key in self._shared:
            return self._shared[key]
        name = f"k_{self.info.python}_{len(self.constants)}"
        self.constants[name] = value
        if key is not None:
            self._shared[key] = name
        return name

    def use(self, info: ClassInfo) -> str:
        """A class's Python name, noting that it has to be there."""
        self.uses[info.key] = info
        return info.python


class Scope:
    """One body's scope. static: no `this`. result: what return must give; None where return takes no value."""

    def __init__(self, unit: Unit, *, static: bool, result: Type | None) -> None:
        self.unit = unit
        self.names = unit.names
        self.info = unit.info
        self.static = static
        self.result = result
        self.in_constructor = False
        self.in_initialiser = False
        self.accessor_of: FieldInfo | None = None
        self._blocks: list[dict[str, Local]] = [{}]
        self._temporaries = 0

    @property
    def coverage(self) -> str:
        """The global that notes executed lines of this file."""
        return f"cov_{self.info.top.python}"

    def push(self) -> None:
        """Enter a block."""
        self._blocks.append({})

    def pop(self) -> None:
        """Leave it."""
        self._blocks.pop()

    def declare(self, name: str, type_: Type, at: At, *, final: bool = False) -> Local:
        """A new variable; Apex lets no inner block shadow an outer one."""
        key = name.lower()
        check_identifier(name, at)
        if any(key in block for block in self._blocks):
            raise CompileError(f"Duplicate variable: {name}", at)
        made = Local(name, type_, f"v_{key}", final)
        self._blocks[-1][key] = made
        return made

    def local(self, name: str) -> Local | None:
        """A variable in sight."""
        for block in reversed(self._blocks):
            if name in block:
                return block[name]
        return None

    def temporary(self) -> str:
        """A fresh local name."""
        self._temporaries += 1
        return f"t{self._temporaries}"

    def initialising(self, field: FieldInfo) -> bool:
        """Whether a final field may still be given its value here."""
        return field.owner is self.info and (self.in_constructor or self.in_initialiser)

    def sees(self, owner: ClassInfo, visibility: str, *, test_visible: bool) -> bool:
        """Whether this body may use a member of a class."""
        if visibility in ("public", "global") or owner.top.key == self.info.top.key:
            return True
        if test_visible and self.info.is_test:
            return True
        return visibility == "protected" and any(Class(owner) == each for each in self.info.supertypes())
