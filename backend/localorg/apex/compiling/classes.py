"""A class to Python: one code object that, run in a transaction's globals, makes the class there.

Statics live on the class object, so every transaction has its own. Initialisation runs on first use: a static member
that is missing, a static method or a constructor starts it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from types import CodeType

from localorg.apex.compiling.expressions import Expressions
from localorg.apex.compiling.scope import Scope, Unit
from localorg.apex.compiling.statements import Lines, Statements
from localorg.apex.faults import CompileError
from localorg.apex.syntax import nodes as n
from localorg.apex.types.classes import ClassInfo, MethodInfo
from localorg.apex.types.declare import implementation
from localorg.apex.types.model import VOID, Class, Type
from localorg.apex.types.names import Names

__all__ = ["CompiledClass", "compile_class"]


@dataclass(frozen=True)
class CompiledClass:
    """A class ready to be made in a transaction.

    constants:  globals its code needs. uses: classes that have to be there when it runs.
    apex_lines: Apex line by Python line, for stack traces. statements: lines that count for coverage.
    """

    info: ClassInfo
    code: CodeType
    constants: dict[str, object]
    uses: tuple[ClassInfo, ...]
    apex_lines: list[int]
    names: dict[str, str]
    statements: frozenset[int]

    @property
    def file(self) -> str:
        """The file name its frames carry."""
        return self.code.co_filename


def compile_class(info: ClassInfo, names: Names, api_version: float) -> CompiledClass:
    """Check every body and write the class. Raises CompileError at the first fault."""
    unit = Unit(info, names, api_version)
    lines = Lines()
    writer = _ClassWriter(unit, lines)
    writer.write()
    code = _code("\n".join(lines.text) + "\n", f"apex:{info.name}")
    return CompiledClass(
        info, code, unit.constants, tuple(unit.uses.values()), lines.apex, writer.function_names, frozenset(unit.lines)
    )


@lru_cache(maxsize=512)
def _code(text: str, file: str) -> CodeType:
    """Byte code follows from the text alone: orgs that hold the same class share it."""
    return compile(text, file, "exec")


class _ClassWriter:
    def __init__(self, unit: Unit, lines: Lines) -> None:
        self.unit = unit
        self.info = unit.info
        self.lines = lines
        self.function_names: dict[str, str] = {}

    def write(self) -> None:
        info = self.info
        base = self._base()
        self.lines.add(f"class {info.python}({base}):")
        self.lines.depth += 1
        self.lines.add(f"info = {self.unit.constant(info)}")
        self.lines.add(f"type_name = {info.name!r}")
        if info.kind == "enum":
            self._enum()
        else:
            self.lines.add(f"pending = {self._has_static_start()}")
            self._defaults()
            for member in info.declaration.members:
                if isinstance(member, n.PropertyDeclaration):
                    self._accessors(member)
            for methods in info.methods.values():
                for method in methods:
                    self._method(method)
            if info.kind == "class":
                self._initialise()
                self._start()
                self._constructors()
                self._identity()
                self._bridges()
        self.lines.depth -= 1

    def _base(self) -> str:
        parent = self.info.parent
        if isinstance(parent, Class):
            return self.unit.use(parent.info)
        return "UserException" if self.info.platform_root() is not None else "ApexObject"

    # ---- fields -------------------------------------------------------------------------------------------------

    def _enum(self) -> None:
        constants = [(field.python, field.name) for field in self.info.fields.values()]
        for ordinal, (python, name) in enumerate(constants):
            self.lines.add(f"{python} = ApexEnum({self.info.name!r}, {name!r}, {ordinal})")
        names = ", ".join(f"{python}" for python, _ in constants)
        self.lines.add(f"all = ({names}{',' if constants else ''})")
        self.lines.add("enum_values = classmethod(enum_values)")
        self.lines.add("enum_value = classmethod(enum_value)")

    def _defaults(self) -> None:
        """Every field is null until its turn comes."""
        for field in self.info.fields.values():
            if not field.static or not self._has_static_start():
                self.lines.add(f"{field.python} = None")

    def _has_static_start(self) -> bool:
        return any(
            (isinstance(member, n.Initializer) and member.static)
            or (
                isinstance(member, n.FieldDeclaration)
                and "static" in member.modifiers
                and any(variable.value is not None for variable in member.variables)
            )
            for member in self.info.declaration.members
        )

    def _scope(self, *, static: bool, result: Type | None = None) -> Scope:
        return Scope(self.unit, static=static, result=result)

    def _initialise(self) -> None:
        """Static fields and blocks, in the order written."""
        if not self._has_static_start():
            return
        self.lines.add("@classmethod")
        self.lines.add("def initialise(cls):")
        self.lines.depth += 1
        self.lines.add("cls.pending = False")
        self.function_names[f"{self.info.python}.initialise"] = f"Class.{self.info.name}.<clinit>"
        for field in self.info.fields.values():
            if field.static:
                self.lines.add(f"cls.{field.python} = None")
        scope = self._scope(static=True)
        scope.in_initialiser = True
        for member in self.info.declaration.members:
            if isinstance(member, n.FieldDeclaration) and "static" in member.modifiers:
                self._field_values(member, scope, "cls")
            elif isinstance(member, n.Initializer) and member.static:
                self._block(member.body, scope)
        self.lines.depth -= 1

    def _start(self) -> None:
        """Instance fields and blocks, in the order written."""
        self.lines.add("def start(self):")
        self.lines.depth += 1
        self.function_names[f"{self.info.python}.start"] = f"Class.{self.info.name}.<init>"
        before = len(self.lines.text)
        scope = self._scope(static=False)
        scope.in_initialiser = True
        for member in self.info.declaration.members:
            if isinstance(member, n.FieldDeclaration) and "static" not in member.modifiers:
                self._field_values(member, scope, "self")
            elif isinstance(member, n.Initializer) and not member.static:
                self._block(member.body, scope)
        if len(self.lines.text) == before:
            self.lines.add("pass")
        self.lines.depth -= 1

    def _field_values(self, member: n.FieldDeclaration, scope: Scope, owner: str) -> None:
        for variable in member.variables:
            if variable.value is not None:
                field = self.info.fields[variable.name.lower()]
                text = Expressions(scope).value(variable.value, field.type)
                self.unit.lines.add(variable.at.line)
                self.lines.add(f"{scope.coverage}[{variable.at.line}] = 1", variable.at.line)
                self.lines.add(f"{owner}.{field.python} = {text}", variable.at.line)

    def _block(self, block: n.Block, scope: Scope) -> None:
        scope.push()
        Statements(scope, self.lines).body(block)
        scope.pop()

    def _accessors(self, member: n.PropertyDeclaration) -> None:
        field = self.info.fields[member.name.lower()]
        static = field.static
        for prefix, accessor in (("g", member.getter), ("p", member.setter)):
            if accessor is None or accessor[1] is None:
                continue
            getter = prefix == "g"
            scope = self._scope(static=static, result=field.type if getter else None)
            scope.accessor_of = field
            name = f"{prefix}_{member.name.lower()}"
            self._head(name, static, [] if getter else ["v_value"], f"{member.name}")
            if not getter:
                scope.declare("value", field.type, member.at)
            reachable = Statements(scope, self.lines).body(accessor[1])
            if getter and reachable:
                raise CompileError(f"Missing return statement required return type: {field.type}", member.at)
            if not getter:
                self.lines.add("return v_value")
            self.lines.depth -= 1

    # ---- methods ------------------------------------------------------------------------------------------------

    def _head(self, name: str, static: bool, parameters: list[str], shown: str) -> None:
        if static:
            self.lines.add("@staticmethod")
        given = ", ".join(parameters if static else ["self", *parameters])
        self.lines.add(f"def {name}({given}):")
        self.lines.depth += 1
        self.function_names[f"{self.info.python}.{name}"] = f"Class.{self.info.name}.{shown}"
        if static and self._has_static_start():
            self.lines.add(f"if {self.info.python}.pending: {self.info.python}.initialise()")

    def _parameters(self, method: MethodInfo, scope: Scope) -> list[str]:
        declaration = method.declaration
        if declaration is None:
            return []
        return [
            scope.declare(each.name, type_, each.at).python
            for each, type_ in zip(declaration.parameters, method.parameters, strict=True)
        ]

    def _method(self, method: MethodInfo) -> None:
        declaration = method.declaration
        if declaration is None or declaration.body is None:
            return
        scope = self._scope(static=method.static, result=None if method.result == VOID else method.result)
        parameters = self._parameters(method, scope)
        self._head(method.python, method.static, parameters, method.name)
        reachable = Statements(scope, self.lines).body(declaration.body)
        if reachable and method.result != VOID:
            raise CompileError(f"Missing return statement required return type: {method.result}", declaration.end)
        self.lines.depth -= 1

    def _constructors(self) -> None:
        implied = not self.info.constructors or self.info.platform_root() is not None
        if implied and not any(not each.parameters for each in self.info.constructors):
            self._head("c", False, [], "<init>")
            self._begin(None)
            self.lines.add("return self")
            self.lines.depth -= 1
        for method in self.info.constructors:
            declaration = method.declaration
            assert declaration is not None  # noqa: S101 - every constructor was written
            scope = self._scope(static=False)
            parameters = self._parameters(method, scope)
            self._head(method.python, False, parameters, "<init>")
            scope.in_constructor = True
            body = declaration.body
            if body is None:
                raise CompileError(f"Method must have a body: {method.name}", declaration.at)
            first = body.statements[0] if body.statements else None
            rest = body.statements
            chained = _chained(first)
            if chained is not None:
                rest = rest[1:]
                self.lines.add(Expressions(scope).expression(chained).text, chained.at.line)
            if chained is None or chained.name.lower() == "super":
                self._begin(chained)
            Statements(scope, self.lines).body(n.Block(body.at, rest))
            self.lines.add("return self")
            self.lines.depth -= 1

    def _begin(self, chained: n.Call | None) -> None:
        """The parent's constructor first, then this class's own fields."""
        python = self.info.python
        if self._has_static_start():
            self.lines.add(f"if {python}.pending: {python}.initialise()")
        parent = self.info.parent
        if chained is None and isinstance(parent, Class):
            scope = self._scope(static=False)
            self.lines.add(Expressions(scope).constructor(parent.info, [], self.info.declaration.at, on="self"))
        self.lines.add(f"{python}.start(self)")

    def _bridges(self) -> None:
        """A promise kept by a method of wider parameters is called by the promise's name."""
        for each in self.info.supertypes():
            if not isinstance(each, Class):
                continue
            for methods in each.info.methods.values():
                for promised in methods:
                    kept = implementation(self.info, promised.name.lower(), promised.parameters)
                    if promised.abstract and kept is not None and kept.python != promised.python:
                        self.lines.add(f"def {promised.python}(self, *given): return self.{kept.python}(*given)")

    def _identity(self) -> None:
        """equals and hashCode of the class decide how Python's dictionaries see its instances."""
        equals = next((m for m in self.info.methods.get("equals", ()) if len(m.parameters) == 1), None)
        hashes = next((m for m in self.info.methods.get("hashcode", ()) if not m.parameters), None)
        if equals is not None:
            self.lines.add(f"def __eq__(self, other): return other is not None and bool(self.{equals.python}(other))")
            if hashes is None:
                self.lines.add("__hash__ = object.__hash__")
        if hashes is not None:
            self.lines.add(f"def __hash__(self): return self.{hashes.python}()")


def _chained(first: n.Statement | None) -> n.Call | None:
    """`this(...)` or `super(...)` at the head of a constructor."""
    if isinstance(first, n.ExpressionStatement) and isinstance(first.expression, n.Call):
        call = first.expression
        if call.target is None and call.name.lower() in ("this", "super"):
            return call
    return None
