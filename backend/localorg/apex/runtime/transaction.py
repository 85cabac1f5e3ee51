"""One transaction of Apex: its classes with their statics, its user, its limits, its database.

Generated code knows this object as `rt`.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from localorg.apex.program import Program
from localorg.apex.runtime.limits import Counters
from localorg.apex.runtime.vocabulary import VOCABULARY
from localorg.apex.types.classes import ClassInfo

__all__ = ["DebugLine", "Runtime"]


@dataclass(frozen=True, slots=True)
class DebugLine:
    """One System.debug. line: where in the Apex it stands."""

    moment: datetime.datetime
    line: int
    level: str
    text: str


class Runtime:
    """Everything one transaction can see and change."""

    def __init__(self, program: Program, *, asynchronous: bool = False) -> None:
        self.program = program
        self.limits = Counters(asynchronous=asynchronous)
        self.dead = False
        self.debug: list[DebugLine] = []
        self.coverage: dict[str, bytearray] = {}
        self._loaded: set[str] = set()
        self.globals: dict[str, Any] = dict(VOCABULARY)
        self.globals["rt"] = self
        self.globals["tick"] = self.limits.tick
        self.globals["apex_lines"] = {}

    def load(self, info: ClassInfo) -> Any:
        """A class in this transaction, made on first use together with all it refers to."""
        if info.key not in self._loaded:
            self._loaded.add(info.key)
            compiled = self.program.compiled(info)
            for each in info.supertypes():
                parent = getattr(each, "info", None)
                if parent is not None and parent is not info:
                    self.load(parent)
            self.globals.update(compiled.constants)
            self._cover(info)
            self.globals["apex_lines"][compiled.file] = (compiled.apex_lines, compiled.names)
            exec(compiled.code, self.globals)  # noqa: S102 - code this package has generated from a checked program
            for used in compiled.uses:
                self.load(used)
        return self.globals[info.python]

    def _cover(self, info: ClassInfo) -> None:
        top = info.top
        name = f"cov_{top.python}"
        if name not in self.globals:
            last = top.declaration.members[-1].at.line if top.declaration.members else 0
            source = self.program.sources.get(top.key)
            size = max(last, 0 if source is None else source.body.count("\n") + 1)
            self.coverage[top.key] = self.globals[name] = bytearray(size + 4096 if source is None else size + 2)

    def call_static(self, info: ClassInfo, python: str, *arguments: Any) -> Any:
        """Call a static method by its Python name."""
        return getattr(self.load(info), python)(*arguments)
