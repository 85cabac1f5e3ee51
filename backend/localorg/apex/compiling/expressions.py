"""Expressions: every node to Python text with its Apex type, checked on the way."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from localorg.apex.compiling.calls import Calls
from localorg.apex.compiling.code import Code
from localorg.apex.compiling.members import platform_member
from localorg.apex.compiling.operators import binary, condition, unary
from localorg.apex.compiling.queries import compile_query
from localorg.apex.faults import At, CompileError
from localorg.apex.syntax import nodes as n
from localorg.apex.types.classes import FieldInfo
from localorg.apex.types.conversion import NUMBERS, castable, cost
from localorg.apex.types.model import (
    BOOLEAN,
    DECIMAL,
    DOUBLE,
    INTEGER,
    LONG,
    NULL,
    OBJECT,
    STRING,
    TYPE,
    Class,
    Platform,
    Record,
    Type,
)

__all__ = ["Expressions"]

_LITERALS = {"Integer": INTEGER, "Long": LONG, "Double": DOUBLE, "Decimal": DECIMAL, "String": STRING}


class Expressions(Calls):
    """Compiles any expression within one scope."""

    def expression(self, node: n.Expression) -> Code:
        """Any expression. Raises CompileError."""
        return _COMPILERS[type(node)](self, node)

    def value(self, node: n.Expression, target: Type) -> str:
        """An expression for a variable of a type."""
        return self.assignable(self.expression(node), target, node.at)

    def condition(self, node: n.Expression) -> str:
        """An expression for if and loops."""
        return condition(self.expression(node), node.at)

    # ---- simple ones --------------------------------------------------------------------------------------------

    def literal(self, node: n.Literal) -> Code:
        """A literal."""
        if node.kind == "null":
            return Code("None", NULL)
        if node.kind == "Boolean":
            return Code(str(node.value), BOOLEAN, nonnull=True)
        type_ = _LITERALS[node.kind]
        if node.kind == "Decimal":
            return Code(self.scope.unit.constant(Decimal(str(node.value))), type_, nonnull=True)
        if node.kind == "Double":
            return Code(repr(float(str(node.value))), type_, nonnull=True)
        text = repr(node.value)
        return Code(f"({text})" if text.startswith("-") else text, type_, nonnull=True)

    def this(self, node: n.This) -> Code:
        """`this`."""
        if self.scope.static:
            raise CompileError("Variable does not exist: this", node.at)
        return Code("self", Class(self.scope.info), nonnull=True)

    def super(self, node: n.Super) -> Code:
        """A `super` that is no call's target."""
        raise CompileError("Unexpected token 'super'.", node.at)

    def unary(self, node: n.Unary) -> Code:
        """+ - ! ~."""
        return unary(node.operator, self.expression(node.operand), node.at)

    def binary(self, node: n.Binary) -> Code:
        """Two operands."""
        if node.operator == "??":
            return self._coalesce(node)
        return binary(node.operator, self.expression(node.left), self.expression(node.right), node.at)

    def _coalesce(self, node: n.Binary) -> Code:
        left, right = self.expression(node.left), self.expression(node.right)
        kept = self.scope.temporary()
        if left.row and (right.is_null or isinstance(right.type, Record)):
            row = left.type.arguments[0] if right.is_null and isinstance(left.type, Platform) else right.type
            return Code(f"({kept} if ({kept} := first_row({left.text})) is not None else {right.text})", row)
        type_ = self._common(left.type, right.type, node.at)
        chosen = Code(kept, left.type, nonnull=True).to(type_)
        return Code(
            f"({chosen} if ({kept} := {left.text}) is not None else {right.to(type_)})", type_, nonnull=right.nonnull
        )

    def conditional(self, node: n.Conditional) -> Code:
        """?:"""
        test = self.condition(node.condition)
        yes, no = self.expression(node.yes), self.expression(node.no)
        type_ = self._common(yes.type, no.type, node.at)
        return Code(f"({yes.to(type_)} if {test} else {no.to(type_)})", type_, nonnull=yes.nonnull and no.nonnull)

    def _common(self, left: Type, right: Type, at: At) -> Type:
        if left == NULL or right == NULL:
            return right if left == NULL else left
        if cost(right, left) is not None and (left not in NUMBERS or right not in NUMBERS):
            return left
        if cost(left, right) is not None:
            return right
        if cost(right, left) is not None:
            return left
        raise CompileError(f"Incompatible types in ternary operator: {left}, {right}", at)

    def index(self, node: n.Index) -> Code:
        """`list[i]`."""
        target, index = self.expression(node.target), self.expression(node.index)
        if not (isinstance(target.type, Platform) and target.type.name == "List"):
            raise CompileError("Expression must be a list type: " + str(target.type), node.at)
        if index.type != INTEGER:
            raise CompileError(f"Illegal assignment from {index.type} to Integer", node.index.at)
        return Code(f"{self.guard(target)}.at({index.text})", target.type.arguments[0])

    # ---- types at run time --------------------------------------------------------------------------------------

    def instance_of(self, node: n.InstanceOf) -> Code:
        """instanceof."""
        operand, type_ = self.expression(node.operand), self.names.resolve(node.type, self.scope.info)
        if not castable(operand.type, type_):
            message = f"Incompatible types since an instance of {operand.type} is never an instance of {type_}"
            raise CompileError(message, node.at)
        always = cost(operand.type, type_) is not None and operand.type not in (*NUMBERS, STRING, NULL)
        if always:
            always_is = f"an instance of {operand.type} is always an instance of {type_}"
            message = f"Operation instanceof is always true since {always_is}"
            raise CompileError(message, node.at)
        return Code(f"instance_of({operand.to(OBJECT)}, {self.runtime_type(type_)})", BOOLEAN, nonnull=True)

    def cast(self, node: n.Cast) -> Code:
        """(T) x."""
        operand, type_ = self.expression(node.operand), self.names.resolve(node.type, self.scope.info)
        if operand.row and isinstance(type_, Record):
            return Code(f"only_row({operand.text})", type_)
        if not castable(operand.type, type_):
            raise CompileError(
                f"Incompatible types since an instance of {operand.type} is never an instance of {type_}", node.at
            )
        if operand.type in NUMBERS and type_ in NUMBERS:
            return Code(f"to_{str(type_).lower()}({operand.text})", type_, nonnull=operand.nonnull)
        if cost(operand.type, type_) is not None:
            exact = type_ == OBJECT or operand.type in (NULL,) or not isinstance(operand.type, Platform)
            if exact or operand.type == type_ or (isinstance(type_, Platform) and not type_.arguments):
                return Code(operand.to(type_), type_, nonnull=operand.nonnull)
        return Code(f"cast({operand.to(OBJECT)}, {self.runtime_type(type_)})", type_)

    def runtime_type(self, type_: Type) -> str:
        """A type as a value in generated code; a class of the program is loaded with it."""
        self._use_all(type_)
        return self.scope.unit.constant(type_)

    def _use_all(self, type_: Type) -> None:
        if isinstance(type_, Class):
            self.scope.unit.use(type_.info)
        elif isinstance(type_, Platform):
            for each in type_.arguments:
                self._use_all(each)

    def class_literal(self, node: n.ClassLiteral) -> Code:
        """T.class."""
        type_ = self.names.resolve(node.type, self.scope.info)
        return Code(f"type_value({self.runtime_type(type_)})", TYPE, nonnull=True)

    def query(self, node: n.Query) -> Code:
        """Inline SOQL."""
        return compile_query(self, node)

    # ---- collections --------------------------------------------------------------------------------------------

    def new_list(self, node: n.NewList) -> Code:
        """`new List<T>{...}` and `new Set<T>{...}`."""
        type_ = self.names.resolve(node.type, self.scope.info)
        if isinstance(type_, Platform) and type_.name == "Map" and not node.items:
            return self.new_map(n.NewMap(node.at, node.type, ()))
        if not (isinstance(type_, Platform) and type_.name in ("List", "Set")):
            raise CompileError(f"Invalid initializer type {type_}", node.at)
        element = type_.arguments[0]
        items = ", ".join(self.value(each, element) for each in node.items)
        return Code(f"Apex{type_.name}({self.runtime_type(element)}, [{items}])", type_, nonnull=True)

    def new_array(self, node: n.NewArray) -> Code:
        """`new T[n]`."""
        type_ = self.names.resolve(node.type, self.scope.info)
        assert isinstance(type_, Platform)  # noqa: S101 - the reader wrote List
        size = self.value(node.size, INTEGER)
        return Code(
            f"ApexList({self.runtime_type(type_.arguments[0])}, [None] * seats_for({size}))", type_, nonnull=True
        )

    def new_map(self, node: n.NewMap) -> Code:
        """`new Map<K, V>{k => v}`."""
        type_ = self.names.resolve(node.type, self.scope.info)
        if isinstance(type_, Platform) and type_.name in ("List", "Set") and not node.pairs:
            return self.new_list(n.NewList(node.at, node.type, ()))
        if not (isinstance(type_, Platform) and type_.name == "Map"):
            raise CompileError(f"Invalid initializer type {type_}", node.at)
        key, value = type_.arguments
        pairs = ", ".join(f"({self.value(k, key)}, {self.value(v, value)})" for k, v in node.pairs)
        types = f"{self.runtime_type(key)}, {self.runtime_type(value)}"
        return Code(f"ApexMap({types}, [{pairs}])", type_, nonnull=True)

    # ---- assignment ---------------------------------------------------------------------------------------------

    def assign(self, node: n.Assign) -> Code:
        """`target = value` and its compound forms, as an expression."""
        return self._store(node.target, lambda current: self._assigned(node, current), node.at, node.operator != "=")

    def _assigned(self, node: n.Assign, current: Code) -> Code:
        value = self.expression(node.value)
        if node.operator == "=":
            return value
        combined = binary(node.operator[:-1], current, value, node.at)
        if cost(combined.type, current.type) is None:
            raise CompileError(f"Illegal assignment from {combined.type} to {current.type}", node.at)
        return combined

    def update(self, node: n.Update) -> Code:
        """++ and --."""

        def changed(current: Code) -> Code:
            if current.type not in NUMBERS:
                raise CompileError("Arithmetic expressions must use numeric arguments", node.at)
            return binary(node.operator[0], current, Code("1", INTEGER, nonnull=True), node.at)

        if node.prefix:
            return self._store(node.target, changed, node.at, reads=True)
        kept = self.scope.temporary()

        def remembered(current: Code) -> Code:
            return changed(Code(f"({kept} := {current.text})", current.type))

        stored = self._store(node.target, remembered, node.at, reads=True)
        plain = None if stored.effect is None else stored.effect.replace(f"({kept} := ", "(", 1)
        return Code(f"second({stored.text}, {kept})", stored.type, nonnull=True, effect=plain)

    def _store(self, target: n.Expression, value: Callable[[Code], Code], at: At, reads: bool) -> Code:
        """Store into a target what `value` makes of its present value; gives what was stored."""
        if isinstance(target, n.Name):
            return self._store_name(target, value, at)
        if isinstance(target, n.Index):
            return self._store_index(target, value, at, reads)
        if isinstance(target, n.Select):
            return self._store_member(target, value, at, reads)
        raise CompileError("Expression cannot be assigned", at)

    def _store_name(self, target: n.Name, value: Callable[[Code], Code], at: At) -> Code:
        local = self.scope.local(target.name.lower())
        if local is None:
            field = self._field(target.name.lower())
            if field is None:
                raise CompileError(f"Variable does not exist: {target.name}", target.at)
            if field.static:
                return self._store_static(field, value, at)
            return self._store_field(Code("self", Class(self.scope.info), nonnull=True), field, value, at, target)
        if local.final:
            raise CompileError(f"Final variable has already been initialized: {local.name}", at)
        made = value(Code(local.python, local.type))
        text = self.assignable(made, local.type, at)
        effect = f"{local.python} = {text}"
        return Code(f"({local.python} := {text})", local.type, made.nonnull, effect=effect)

    def _store_static(self, field: FieldInfo, value: Callable[[Code], Code], at: At) -> Code:
        self._check_writable(field, at)
        owner = self.scope.unit.use(field.owner)
        made = self.assignable(value(self._readable_static(field, at)), field.type, at)
        if field.setter and self.scope.accessor_of is not field:
            return Code(f"{owner}.p_{field.name.lower()}({made})", field.type)
        effect = f"{owner}.{field.python} = {made}" if field.owner is self.scope.info else None
        return Code(f"put_static({owner}, {field.python!r}, {made})", field.type, effect=effect)

    def _readable_static(self, field: FieldInfo, at: At) -> Code:
        if field.is_property and not field.readable:
            return Code("None", field.type)
        return self._static_field(field, at)

    def _store_field(
        self, target: Code, field: FieldInfo, value: Callable[[Code], Code], at: At, node: n.Expression
    ) -> Code:
        if target.text == "self" and self.scope.static and isinstance(node, n.Name):
            message = f"Non static field '{field.name}' can not be referenced from a static context"
            raise CompileError(message, at)
        self._check_writable(field, at)
        current = Code("None", field.type)
        if not field.is_property or field.readable:
            current = self._instance_field(target, field, at)
        made = self.assignable(value(current), field.type, at)
        if field.setter and self.scope.accessor_of is not field:
            return Code(f"{self.guard(target)}.p_{field.name.lower()}({made})", field.type)
        owner = self.guard(target)
        # Python would look at the value first; that is the same only where finding the owner has no effect.
        effect = None if ":=" in owner or "(" in target.text else f"{owner}.{field.python} = {made}"
        return Code(f"put({owner}, {field.python!r}, {made})", field.type, effect=effect)

    def _check_writable(self, field: FieldInfo, at: At) -> None:
        self._check_visible(field, at)
        if field.owner.kind == "enum" or (field.is_property and not field.writable):
            raise CompileError(f"Variable is not writeable: {field.name}", at)
        hidden = field.private_set and field.owner.top.key != self.scope.info.top.key
        if hidden and not (field.test_visible and self.scope.info.is_test):
            raise CompileError(f"Variable is not visible: {field.name}", at)
        if "final" in field.modifiers and not self.scope.initialising(field):
            raise CompileError(
                f"Final members can only be assigned in their declaration, init blocks, or constructors: {field.name}",
                at,
            )

    def _store_index(self, target: n.Index, value: Callable[[Code], Code], at: At, reads: bool) -> Code:
        list_, index = self.expression(target.target), self.expression(target.index)
        if not (isinstance(list_.type, Platform) and list_.type.name == "List"):
            raise CompileError("Expression must be a list type: " + str(list_.type), at)
        if index.type != INTEGER:
            raise CompileError(f"Illegal assignment from {index.type} to Integer", target.index.at)
        element = list_.type.arguments[0]
        if not reads:
            made = self.assignable(value(Code("None", element)), element, at)
            return Code(f"{self.guard(list_)}.put({index.text}, {made})", element)
        held, where = self.scope.temporary(), self.scope.temporary()
        made = self.assignable(value(Code(f"{held}.at({where})", element)), element, at)
        return Code(f"({held} := {self.guard(list_)}).put(({where} := {index.text}), {made})", element)

    def _store_member(self, target: n.Select, value: Callable[[Code], Code], at: At, reads: bool) -> Code:
        owner = self.resolve_target(target.target)
        if not isinstance(owner, Code):
            return self._store_static_member(owner, target, value, at)
        if target.safe:
            raise CompileError("Safe navigation operator cannot be used in an assignment target", at)
        held = owner
        if reads and not owner.text.isidentifier():
            name = self.scope.temporary()
            held, owner = (
                Code(name, owner.type, nonnull=True),
                Code(f"({name} := {self.guard(owner)})", owner.type, True),
            )
        if isinstance(owner.type, Record):
            key, type_, _ = self.record_path(owner.type, target.name, target.at)
            current = Code(f"get_field({held.text}, {key!r})", type_)
            made = self.assignable(value(current), type_, at)
            return Code(f"set_field({owner.text}, {key!r}, {made})", type_)
        if isinstance(owner.type, Class):
            field = owner.type.info.field(target.name.lower())
            if field is None:
                raise CompileError(f"Variable does not exist: {target.name}", target.at)
            made_value: Callable[[Code], Code] = lambda current: value(_renamed(current, owner.text, held.text))  # noqa: E731 - one name for two targets
            return self._store_field(owner, field, made_value, at, target)
        member = platform_member(owner.type, target.name.lower())
        if member is None:
            raise CompileError(f"Variable does not exist: {target.name}", target.at)
        if not member.settable:
            raise CompileError(f"Variable is not writeable: {target.name}", at)
        made = self.assignable(value(Code(f"{held.text}.{member.attribute}", member.type)), member.type, at)
        return Code(f"put({self.guard(owner)}, {member.attribute!r}, {made})", member.type)

    def _store_static_member(self, owner: Type, target: n.Select, value: Callable[[Code], Code], at: At) -> Code:
        if isinstance(owner, Class):
            field = owner.info.field(target.name.lower())
            if field is None or not field.static:
                raise CompileError(f"Variable does not exist: {target.name}", target.at)
            return self._store_static(field, value, at)
        current = self.static_member(owner, target)
        if not current.text.startswith("rt."):
            raise CompileError(f"Variable is not writeable: {target.name}", at)
        place, attribute = current.text.rsplit(".", 1)
        return Code(f"put({place}, {attribute!r}, {self.assignable(value(current), current.type, at)})", current.type)


def _renamed(code: Code, before: str, after: str) -> Code:
    return Code(code.text.replace(before, after, 1), code.type, code.nonnull) if before != after else code


_COMPILERS: dict[type, Callable[[Expressions, Any], Code]] = {
    n.Literal: Expressions.literal,
    n.Name: Expressions.name,
    n.This: Expressions.this,
    n.Super: Expressions.super,
    n.Select: Expressions.select,
    n.Call: Expressions.call,
    n.New: Expressions.new,
    n.NewList: Expressions.new_list,
    n.NewArray: Expressions.new_array,
    n.NewMap: Expressions.new_map,
    n.Index: Expressions.index,
    n.Unary: Expressions.unary,
    n.Update: Expressions.update,
    n.Binary: Expressions.binary,
    n.InstanceOf: Expressions.instance_of,
    n.Cast: Expressions.cast,
    n.Conditional: Expressions.conditional,
    n.Assign: Expressions.assign,
    n.ClassLiteral: Expressions.class_literal,
    n.Query: Expressions.query,
}
