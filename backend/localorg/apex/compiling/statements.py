"""Statements: checked, and written as Python lines that remember which Apex line they came from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from localorg.apex.compiling.code import Code
from localorg.apex.compiling.expressions import Expressions
from localorg.apex.compiling.scope import Scope
from localorg.apex.faults import At, CompileError
from localorg.apex.syntax import nodes as n
from localorg.apex.types.conversion import cost
from localorg.apex.types.model import (
    ANY_RECORD,
    EXCEPTION,
    INTEGER,
    LONG,
    OBJECT,
    STRING,
    VOID,
    Class,
    Platform,
    Record,
    Type,
)

__all__ = ["Lines", "Statements"]

_DML = frozenset({"insert", "update", "upsert", "delete", "undelete"})


class Lines:
    """Python text in the making, with the Apex line of each of its lines."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self.apex: list[int] = [0]
        self.depth = 0

    def add(self, text: str, line: int = 0) -> None:
        """One line at the present depth."""
        self.text.append("    " * self.depth + text)
        self.apex.append(line)


class Statements:
    """Writes one body."""

    def __init__(self, scope: Scope, lines: Lines) -> None:
        self.scope = scope
        self.lines = lines
        self.expressions = Expressions(scope)
        self._loops = 0

    def body(self, block: n.Block) -> bool:
        """All statements of a body; whether its end can be reached."""
        return self._sequence(block.statements)

    # ---- sequences ----------------------------------------------------------------------------------------------

    def _sequence(self, statements: tuple[n.Statement, ...]) -> bool:
        before = len(self.lines.text)
        reachable = True
        for statement in statements:
            if not reachable:
                raise CompileError("Unreachable statement", statement.at)
            reachable = self.statement(statement)
        if len(self.lines.text) == before:
            self.lines.add("pass")
        return reachable

    def _indented(self, statement: n.Statement) -> bool:
        self.lines.depth += 1
        self.scope.push()
        inner = statement.statements if isinstance(statement, n.Block) else (statement,)
        reachable = self._sequence(inner)
        self.scope.pop()
        self.lines.depth -= 1
        return reachable

    def statement(self, node: n.Statement) -> bool:
        """One statement; whether what follows it can be reached."""
        return _WRITERS[type(node)](self, node)

    def _covered(self, at: At) -> None:
        """Count the line as executed."""
        self.scope.unit.lines.add(at.line)
        self.lines.add(f"{self.scope.coverage}[{at.line}] = 1", at.line)

    # ---- simple statements --------------------------------------------------------------------------------------

    def _block(self, node: n.Block) -> bool:
        self.scope.push()
        reachable = self._sequence(node.statements) if node.statements else True
        self.scope.pop()
        return reachable

    def _local(self, node: n.Local) -> bool:
        type_ = self.scope.names.resolve(node.type, self.scope.info)
        if type_ == VOID:
            raise CompileError("Invalid type: void", node.type.at)
        self._covered(node.at)
        for variable in node.variables:
            text = "None" if variable.value is None else self.expressions.value(variable.value, type_)
            local = self.scope.declare(variable.name, type_, variable.at, final=node.final)
            self.lines.add(f"{local.python} = {text}", variable.at.line)
        return True

    def _expression(self, node: n.ExpressionStatement) -> bool:
        self._covered(node.at)
        code = self.expressions.expression(node.expression)
        self.lines.add(code.effect or code.text, node.at.line)
        return True

    def _dml(self, node: n.Dml) -> bool:
        if node.operation not in _DML:
            raise self.expressions.unsupported(node.operation, node.at)
        self._covered(node.at)
        target = self.expressions.expression(node.target)
        self._check_records(target, node)
        unit = self.scope.unit
        mode = node.mode or ("user" if unit.user_mode else "system")
        arguments = f"{node.operation!r}, {target.text}, {mode!r}, {unit.sharing!r}, {node.key!r}"
        self.lines.add(f"dml(rt, {arguments})", node.at.line)
        return True

    def _check_records(self, target: Code, node: n.Dml) -> None:
        type_ = target.type
        element = type_.arguments[0] if isinstance(type_, Platform) and type_.name == "List" else type_
        if not isinstance(element, Record):
            raise CompileError(f"DML requires SObject or SObject list type: {type_}", node.at)
        if node.key is not None:
            object_ = self.scope.names.object(element)
            if object_ is not None:
                self.expressions.record_path(element, node.key.rsplit(".", 1)[-1], node.at)

    def _return(self, node: n.Return) -> bool:
        self._covered(node.at)
        if node.value is None:
            if self.scope.result is not None:
                raise CompileError(f"Return type does not match: void, expected {self.scope.result}", node.at)
            self.lines.add("return" if not self.scope.in_constructor else "return self", node.at.line)
            return False
        if self.scope.result is None:
            raise CompileError("Return value is not allowed: void method or constructor", node.at)
        code = self.expressions.expression(node.value)
        if cost(code.type, self.scope.result) is None and not code.gives_row(self.scope.result):
            raise CompileError(f"Illegal conversion from {code.type} to {self.scope.result}", node.at)
        self.lines.add(f"return {self.expressions.assignable(code, self.scope.result, node.at)}", node.at.line)
        return False

    def _throw(self, node: n.Throw) -> bool:
        self._covered(node.at)
        code = self.expressions.expression(node.value)
        if cost(code.type, EXCEPTION) is None:
            raise CompileError(f"Throw expression must be of type exception: {code.type}", node.at)
        self.lines.add(f"raise thrown({code.text})", node.at.line)
        return False

    def _break(self, node: n.Break) -> bool:
        if not self._loops:
            raise CompileError("Break statement must be in loop", node.at)
        self._covered(node.at)
        self.lines.add("break", node.at.line)
        return False

    def _continue(self, node: n.Continue) -> bool:
        if not self._loops:
            raise CompileError("Continue statement must be in loop", node.at)
        self._covered(node.at)
        self.lines.add("continue", node.at.line)
        return False

    # ---- branches -----------------------------------------------------------------------------------------------

    def _if(self, node: n.If) -> bool:
        self._covered(node.at)
        self.lines.add(f"if {self.expressions.condition(node.condition)}:", node.at.line)
        yes = self._indented(node.yes)
        if node.no is None:
            return True
        self.lines.add("else:")
        no = self._indented(node.no)
        return yes or no

    def _switch(self, node: n.Switch) -> bool:
        self._covered(node.at)
        subject = self.expressions.expression(node.subject)
        held = self.scope.temporary()
        self.lines.add(f"{held} = {subject.text}", node.at.line)
        reachable = False
        has_else = False
        word = "if"
        for branch in node.branches:
            if has_else:
                raise CompileError("No more 'when' blocks can be specified after 'when else'", branch.at)
            if branch.type is None and not branch.values:
                has_else = True
                self.lines.add("else:" if word == "elif" else "if True:")
            else:
                self.lines.add(f"{word} {self._when(branch, subject, held)}:", branch.at.line)
            word = "elif"
            reachable = self._branch(branch, held) or reachable
        return reachable or not has_else

    def _when(self, branch: n.When, subject: Code, held: str) -> str:
        if branch.type is not None:
            type_ = self.scope.names.resolve(branch.type, self.scope.info)
            return f"instance_of({held}, {self.expressions.runtime_type(type_)})"
        return " or ".join(self._matches(each, subject, held) for each in branch.values)

    def _matches(self, value: n.Expression, subject: Code, held: str) -> str:
        if isinstance(value, n.Name):
            return f"{held} == {self._constant(value, subject.type)}"
        if not isinstance(value, n.Literal):
            raise CompileError("When value must be a literal or an enum constant", value.at)
        code = self.expressions.expression(value)
        if code.is_null:
            return f"{held} is None"
        if code.type not in (INTEGER, LONG, STRING):
            raise CompileError("When value must be of type Integer, Long or String", value.at)
        if cost(code.type, subject.type) is None:
            raise CompileError(f"Illegal assignment from {code.type} to {subject.type}", value.at)
        return f"{held} == {code.text}"

    def _constant(self, value: n.Name, type_: Type) -> str:
        """An enum's constant by its bare name."""
        if isinstance(type_, Class):
            field = type_.info.fields.get(value.name.lower())
            if type_.info.kind == "enum" and field is not None:
                return f"{self.scope.unit.use(type_.info)}.{field.python}"
        elif isinstance(type_, Platform):
            return self.expressions.static_member(type_, n.Select(value.at, value, value.name, safe=False)).text
        raise CompileError(f"Variable does not exist: {value.name}", value.at)

    def _branch(self, branch: n.When, held: str) -> bool:
        if branch.type is None or branch.name is None:
            return self._indented(branch.body)
        type_ = self.scope.names.resolve(branch.type, self.scope.info)
        self.lines.depth += 1
        self.scope.push()
        local = self.scope.declare(branch.name, type_, branch.at)
        self.lines.add(f"{local.python} = {held}")
        self.lines.depth -= 1
        reachable = self._indented(branch.body)
        self.scope.pop()
        return reachable

    # ---- loops --------------------------------------------------------------------------------------------------

    def _loop_body(self, body: n.Statement, before: str | None = None) -> None:
        self._loops += 1
        self.lines.depth += 1
        self.lines.add("tick()")
        if before is not None:
            self.lines.add(before)
        self.lines.depth -= 1
        self._indented(body)
        self._loops -= 1

    def _while(self, node: n.While) -> bool:
        self._covered(node.at)
        self.lines.add(f"while {self.expressions.condition(node.condition)}:", node.at.line)
        self._loop_body(node.body)
        return not _is_true(node.condition) or _breaks(node.body)

    def _do_while(self, node: n.DoWhile) -> bool:
        self._covered(node.at)
        first = self.scope.temporary()
        self.lines.add(f"{first} = True")
        condition = self.expressions.condition(node.condition)
        self.lines.add(f"while {first} or {condition}:", node.at.line)
        self._loop_body(node.body, before=f"{first} = False")
        return not _is_true(node.condition) or _breaks(node.body)

    def _for(self, node: n.For) -> bool:
        self._covered(node.at)
        self.scope.push()
        for start in node.start:
            self.statement(start)
        condition = "True" if node.condition is None else self.expressions.condition(node.condition)
        if _continues(node.body):
            self._for_with_continue(node, condition)
        else:
            self.lines.add(f"while {condition}:", node.at.line)
            self._loop_body(node.body)
            self.lines.depth += 1
            self._updates(node)
            self.lines.depth -= 1
        self.scope.pop()
        return (node.condition is not None and not _is_true(node.condition)) or _breaks(node.body)

    def _for_with_continue(self, node: n.For, condition: str) -> None:
        """`continue` has to come past the updates: they stand at the head of every turn but the first."""
        first = self.scope.temporary()
        self.lines.add(f"{first} = True")
        self.lines.add("while True:")
        self.lines.depth += 1
        self.lines.add(f"if {first}:")
        self.lines.depth += 1
        self.lines.add(f"{first} = False")
        self.lines.depth -= 1
        self.lines.add("else:")
        self.lines.depth += 1
        self._updates(node)
        self.lines.add("pass")
        self.lines.depth -= 1
        self.lines.add(f"if not ({condition}):", node.at.line)
        self.lines.depth += 1
        self.lines.add("break")
        self.lines.depth -= 2
        self._loop_body(node.body)

    def _updates(self, node: n.For) -> None:
        for update in node.updates:
            code = self.expressions.expression(update)
            self.lines.add(code.effect or code.text, node.at.line)

    def _for_each(self, node: n.ForEach) -> bool:
        self._covered(node.at)
        type_ = self.scope.names.resolve(node.type, self.scope.info)
        values = self.expressions.expression(node.values)
        self.scope.push()
        local = self.scope.declare(node.name, type_, node.at)
        if isinstance(node.values, n.Query) and values.row:
            chunks = isinstance(type_, Platform) and type_.name == "List"
            text = values.text.replace("query(", "query_chunks(" if chunks else "query_rows(", 1)
            if not chunks and cost(values.type.arguments[0], type_) is None:  # type: ignore[union-attr]  # a row is a list
                raise CompileError(f"Loop must iterate over collection: {values.type}", node.at)
            self.lines.add(f"for {local.python} in {text}:", node.at.line)
        else:
            self._check_element(values.type, type_, node)
            iterable = self._iterable(values)
            self.lines.add(f"for {local.python} in {iterable}:", node.at.line)
        self._loop_body(node.body)
        self.scope.pop()
        return True

    def _iterable(self, values: Code) -> str:
        if isinstance(values.type, Platform) and values.type.name in ("List", "Set"):
            return self.expressions.guard(values)
        return f"each_of({self.expressions.guard(values)})"

    def _check_element(self, values: Type, wanted: Type, node: n.ForEach) -> None:
        supertypes = values.info.supertypes() if isinstance(values, Class) else [values]
        for each in supertypes:
            if isinstance(each, Platform) and each.name in ("List", "Set", "Iterable", "Iterator"):
                element = each.arguments[0]
                narrowed = element == ANY_RECORD and isinstance(wanted, Record)
                if cost(element, wanted) is None and element != OBJECT and not narrowed:
                    raise CompileError(f"Loop variable must be of type {element}", node.at)
                if element == OBJECT and wanted != OBJECT:
                    raise CompileError("Loop variable must be of type Object", node.at)
                return
        raise CompileError(f"Loop must iterate over collection: {values}", node.at)

    # ---- exceptions and users -----------------------------------------------------------------------------------

    def _try(self, node: n.Try) -> bool:
        self._covered(node.at)
        self.lines.add("try:")
        reachable = self._indented(node.body)
        for clause in node.catches:
            reachable = self._catch(clause) or reachable
        if node.last is not None:
            self.lines.add("finally:")
            self.lines.depth += 1
            self.lines.add("if alive():")
            last = self._indented(node.last)
            self.lines.depth -= 1
            reachable = reachable and last
        return reachable

    def _catch(self, clause: n.Catch) -> bool:
        type_ = self.scope.names.resolve(clause.type, self.scope.info)
        if cost(type_, EXCEPTION) is None:
            raise CompileError(f"Catch type must be an exception: {type_}", clause.at)
        python = self.scope.unit.use(type_.info) if isinstance(type_, Class) else f"exceptions[{str(type_)!r}]"
        caught = self.scope.temporary()
        self.lines.add(f"except {python} as {caught}:", clause.at.line)
        self.lines.depth += 1
        self.scope.push()
        local = self.scope.declare(clause.name, type_, clause.at)
        self.lines.add(f"{local.python} = caught({caught})")
        self.lines.depth -= 1
        reachable = self._indented(clause.body)
        self.scope.pop()
        return reachable

    def _run_as(self, node: n.RunAs) -> bool:
        self._covered(node.at)
        user = self.expressions.expression(node.user)
        if user.type != Record("User"):
            raise CompileError(
                f"Method does not exist or incorrect signature: void runAs({user.type}) from the type System", node.at
            )
        self.lines.add(f"with run_as(rt, {user.text}):", node.at.line)
        return self._indented(node.body)


def _is_true(node: n.Expression) -> bool:
    return isinstance(node, n.Literal) and node.value is True


def _breaks(node: n.Statement) -> bool:
    return _contains(node, n.Break)


def _continues(node: n.Statement) -> bool:
    return _contains(node, n.Continue)


def _contains(node: n.Statement, kind: type) -> bool:
    """Whether a loop's body has a break or continue of its own; inner loops keep theirs."""
    if isinstance(node, kind):
        return True
    if isinstance(node, n.Block):
        return any(_contains(each, kind) for each in node.statements)
    if isinstance(node, n.If):
        return _contains(node.yes, kind) or (node.no is not None and _contains(node.no, kind))
    if isinstance(node, n.Try):
        blocks = [node.body, *(clause.body for clause in node.catches), *([node.last] if node.last else [])]
        return any(_contains(each, kind) for each in blocks)
    if isinstance(node, n.Switch):
        return any(_contains(branch.body, kind) for branch in node.branches)
    if isinstance(node, n.RunAs):
        return _contains(node.body, kind)
    return False


_WRITERS: dict[type, Callable[[Statements, Any], bool]] = {
    n.Block: Statements._block,
    n.Local: Statements._local,
    n.ExpressionStatement: Statements._expression,
    n.Dml: Statements._dml,
    n.If: Statements._if,
    n.While: Statements._while,
    n.DoWhile: Statements._do_while,
    n.For: Statements._for,
    n.ForEach: Statements._for_each,
    n.Break: Statements._break,
    n.Continue: Statements._continue,
    n.Return: Statements._return,
    n.Throw: Statements._throw,
    n.Try: Statements._try,
    n.Switch: Statements._switch,
    n.RunAs: Statements._run_as,
}
