"""All Apex of one org, compiled: sources in, problems or ready classes out.

A class is parsed and declared at once; bodies are checked by `check`, at deployment, and compiled the first time a
transaction needs the class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from localorg.apex.compiling.classes import CompiledClass, compile_class
from localorg.apex.faults import At, CompileError, Problem
from localorg.apex.syntax import nodes as n
from localorg.apex.syntax import parse_anonymous, parse_class
from localorg.apex.types.classes import ClassInfo
from localorg.apex.types.declare import check_declaration, declare_headers, declare_members, sketch
from localorg.apex.types.names import Names
from localorg.schema import Schema

__all__ = ["ANONYMOUS", "ClassSource", "Program"]

ANONYMOUS = "AnonymousBlock"
_DEFAULT_VERSION = 67.0
_TOO_DEEP = "Not supported by the local org: an expression nested this deeply"


@dataclass(frozen=True, slots=True)
class ClassSource:
    """A class as deployed. api_version: from its meta file."""

    name: str
    body: str
    api_version: float = _DEFAULT_VERSION


class Program:
    """The classes of one org over its schema.

    problems: what parsing and declaring found; `check` adds what the bodies hold.
    """

    def __init__(self, sources: Iterable[ClassSource], schema: Schema, namespace: str | None = None) -> None:
        self.sources = {source.name.lower(): source for source in sources}
        self.schema = schema
        self.namespace = namespace
        self.classes: dict[str, ClassInfo] = {}
        self.names = Names(self.classes, schema, namespace)
        self.problems: list[Problem] = []
        self._compiled: dict[ClassInfo, CompiledClass] = {}
        self._broken: dict[str, CompileError] = {}
        for key, source in self.sources.items():
            self._guard(source.name, partial(self._sketch, key, source))
        self._declare(list(self.classes.values()))

    def _sketch(self, key: str, source: ClassSource) -> None:
        declaration = parse_class(source.body, source.name)
        if declaration.name.lower() != key:
            raise CompileError(f"Class name must match file name: {declaration.name}", declaration.at)
        self.classes[key] = sketch(declaration)

    def _declare(self, added: list[ClassInfo]) -> None:
        for step in (declare_headers, declare_members):
            for info in added:
                if info.key in self.classes:
                    self._guard(info.name, partial(step, info, self.names))

    def _guard(self, name: str, step: Callable[[], object]) -> bool:
        try:
            step()
        except CompileError as error:
            self.problems.append(Problem(name, error.message, error.at.line, error.at.column))
            self._broken.setdefault(name.lower(), error)
            return False
        except RecursionError:
            self.problems.append(Problem(name, _TOO_DEEP, 1, 1))
            self._broken.setdefault(name.lower(), CompileError(_TOO_DEEP, At(1, 1)))
            return False
        return True

    def find(self, name: str) -> ClassInfo | None:
        """A class by its name, with or without the namespace, inner ones as Outer.Inner."""
        parts = name.lower().split(".")
        if self.namespace is not None and parts[0] == self.namespace.lower() and parts[0] not in self.classes:
            parts = parts[1:]
        info = self.classes.get(parts[0]) if parts else None
        for part in parts[1:]:
            info = None if info is None else info.inner.get(part)
        return info

    def check(self) -> list[Problem]:
        """Compile everything; every class's first problem."""
        broken = {problem.class_name for problem in self.problems}
        for info in list(self.classes.values()):
            if info.name in broken:
                continue
            for each in (info, *info.inner.values()):
                if not self._guard(info.name, partial(self.compiled, each)):
                    break
        return list(self.problems)

    def compiled(self, info: ClassInfo) -> CompiledClass:
        """A class's code. Raises CompileError where it does not compile."""
        found = self._compiled.get(info)
        broken = self._broken.get(info.top.key)
        if broken is not None:
            raise broken
        if found is None:
            check_declaration(info)
            found = compile_class(info, self.names, self.version(info))
            if info.top.name != ANONYMOUS:
                self._compiled[info] = found
        return found

    def version(self, info: ClassInfo) -> float:
        """The API version a class was deployed with."""
        source = self.sources.get(info.top.key)
        return _DEFAULT_VERSION if source is None else source.api_version

    def anonymous(self, text: str) -> ClassInfo:
        """A block for executeAnonymous as a class with a method `run__anonymous`, not kept in the program.

        Raises CompileError.
        """
        parsed = parse_anonymous(text)
        start = At(1, 1)
        run = n.MethodDeclaration(
            start,
            frozenset({"public"}),
            (),
            n.TypeRef(start, "void"),
            "run__anonymous",
            (),
            n.Block(start, parsed.statements),
            start,
        )
        members: tuple[n.Member, ...] = (run, *parsed.methods, *parsed.types)
        declaration = n.TypeDeclaration(
            start, "class", frozenset({"public"}), (), ANONYMOUS, None, (), members, end_line=text.count("\n") + 1
        )
        info = sketch(declaration)
        declare_headers(info, self.names)
        declare_members(info, self.names)
        for each in (info, *info.inner.values()):
            check_declaration(each)
        return info

    def statements(self, info: ClassInfo) -> Mapping[str, frozenset[int]]:
        """Executable lines of a top-level class and its inner ones, by class name."""
        return {each.name: self.compiled(each).statements for each in (info, *info.inner.values())}
