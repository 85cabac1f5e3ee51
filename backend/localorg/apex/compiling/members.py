"""Names and what stands after a dot: variables, fields, properties, statics, SObject fields, tokens, labels.

A target before a dot is a value where a variable or field has its name, else a type: `resolve_target` decides.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from localorg.apex.compiling.code import Code, guarded
from localorg.apex.compiling.scope import Scope
from localorg.apex.faults import At, CompileError
from localorg.apex.syntax import nodes as n
from localorg.apex.types.classes import ClassInfo, FieldInfo
from localorg.apex.types.conversion import platform_supertypes, substitute
from localorg.apex.types.fields import field_type
from localorg.apex.types.model import (
    AGGREGATE,
    ANY_RECORD,
    BOOLEAN,
    ID,
    STRING,
    Class,
    Platform,
    Record,
    Type,
    list_of,
)
from localorg.apex.types.names import UNSUPPORTED_NAMESPACES
from localorg.apex.types.platform import PLATFORM_TYPES, Member
from localorg.schema import SObjectType

__all__ = ["Members", "platform_member", "record_member"]


def record_member(scope: Scope, object_: SObjectType, name: str) -> tuple[str, Type, bool] | None:
    """A field, parent or child relationship of an SObject: (its key in the record, type, is it a parent)."""
    schema, within = scope.names.schema, scope.names.namespace
    field = schema.field_of(object_, name, within=within)
    if field is not None:
        return field.api_name, field_type(field.type), False
    lookup = schema.parent(object_, name, within=within)
    if lookup is not None and lookup.relationship_name is not None:
        targets = schema.targets(lookup)
        parent = Record(targets[0]) if len(targets) == 1 else (_polymorphic(scope) if targets else ANY_RECORD)
        return lookup.relationship_name, parent, True
    child = schema.child(object_, name, within=within)
    if child is not None and child.name is not None:
        return child.name, list_of(Record(child.child.api_name)), False
    return None


def _polymorphic(scope: Scope) -> Record:
    """The type of a polymorphic parent: the platform's Name object where the schema has it."""
    return ANY_RECORD if scope.names.schema.get("Name") is None else Record("Name")


class Members(ABC):
    """Compiles names and selections within one scope."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.names = scope.names

    @abstractmethod
    def expression(self, node: n.Expression) -> Code:
        """Any expression."""

    def guard(self, code: Code) -> str:
        """The value, or a NullPointerException."""
        return guarded(code, self.scope.temporary())

    # ---- targets ------------------------------------------------------------------------------------------------

    def resolve_target(self, node: n.Expression) -> Code | Type:
        """What stands before a dot: a value, or the type it names."""
        path = _path(node)
        if path is None or self._is_variable(path.split(".")[0]):
            return self.expression(node)
        type_ = self.names.find(path, self.scope.info)
        if type_ is not None and "." in path and isinstance(type_, Class) is False and self._longer_value(path):
            return self.expression(node)
        if type_ is not None:
            return type_
        return self.expression(node)

    def _longer_value(self, path: str) -> bool:
        """`Account.Name` names a field token even where some type is called Name."""
        head = path.rsplit(".", 1)[0].lower()
        return head not in ("system", "schema") and self.names.record(head) is not None

    def _is_variable(self, name: str) -> bool:
        return self.scope.local(name.lower()) is not None or self._field(name.lower()) is not None

    def _field(self, name: str) -> FieldInfo | None:
        info: ClassInfo | None = self.scope.info
        while info is not None:
            found = info.field(name)
            if found is not None and (info is self.scope.info or found.static):
                return found
            info = info.outer
        return None

    # ---- bare names ---------------------------------------------------------------------------------------------

    def name(self, node: n.Name) -> Code:
        """A variable, field or property by its bare name."""
        key = node.name.lower()
        local = self.scope.local(key)
        if local is not None:
            return Code(local.python, local.type)
        field = self._field(key)
        if field is None:
            if key in UNSUPPORTED_NAMESPACES:
                raise self.unsupported(node.name, node.at)
            raise CompileError(f"Variable does not exist: {node.name}", node.at)
        if field.static:
            return self._static_field(field, node.at)
        if self.scope.static:
            message = f"Non static field '{field.name}' can not be referenced from a static context"
            raise CompileError(message, node.at)
        return self._instance_field(Code("self", Class(self.scope.info), nonnull=True), field, node.at)

    def _check_visible(self, field: FieldInfo, at: At) -> None:
        if not self.scope.sees(field.owner, field.visibility, test_visible=field.test_visible):
            raise CompileError(f"Variable is not visible: {field.owner.name}.{field.name}", at)

    def _static_field(self, field: FieldInfo, at: At) -> Code:
        self._check_visible(field, at)
        owner = self.scope.unit.use(field.owner)
        if field.getter and not self._inside_accessor(field):
            return Code(f"{owner}.g_{field.name.lower()}()", field.type)
        if field.is_property and not field.readable:
            raise CompileError(f"Variable is not visible: {field.name}", at)
        return Code(f"{owner}.{field.python}", field.type, nonnull=field.owner.kind == "enum")

    def _instance_field(self, target: Code, field: FieldInfo, at: At) -> Code:
        self._check_visible(field, at)
        if field.getter and not self._inside_accessor(field):
            return Code(f"{self.guard(target)}.g_{field.name.lower()}()", field.type)
        if field.is_property and not field.readable:
            raise CompileError(f"Variable is not visible: {field.name}", at)
        return Code(f"{self.guard(target)}.{field.python}", field.type)

    def _inside_accessor(self, field: FieldInfo) -> bool:
        """Within its own accessors a property's name means the value kept behind it."""
        return self.scope.accessor_of is field

    # ---- after a dot --------------------------------------------------------------------------------------------

    def select(self, node: n.Select) -> Code:
        """`target.name`."""
        special = self._special(node)
        if special is not None:
            return special
        target = self.resolve_target(node.target)
        if not isinstance(target, Code):
            return self.static_member(target, node)
        if node.safe:
            kept = self.scope.temporary()
            rest = self._member(Code(kept, target.type, nonnull=True, row=target.row), node)
            return Code.safe(f"({kept} := {target.text}) is None", rest)
        if target.chain is not None:
            test, rest = target.chain
            return Code.safe(test, self._member(rest, node))
        return self._member(target, node)

    def _member(self, target: Code, node: n.Select) -> Code:
        key = node.name.lower()
        if target.row and isinstance(target.type, Platform):
            target = Code(f"only_row({target.text})", target.type.arguments[0], nonnull=True)
        if isinstance(target.type, Record):
            return self._record_field(target, node)
        if isinstance(target.type, Class):
            field = target.type.info.field(key)
            if field is None:
                raise CompileError(f"Variable does not exist: {node.name}", node.at)
            if field.static:
                raise CompileError(
                    f"Static field cannot be referenced from a non static context: {field.name}", node.at
                )
            return self._instance_field(target, field, node.at)
        member = platform_member(target.type, key)
        if member is None:
            raise CompileError(f"Variable does not exist: {node.name}", node.at)
        type_ = substitute(member.type, _arguments(target.type))
        return Code(f"{self.guard(target)}.{member.attribute}", type_)

    def _record_field(self, target: Code, node: n.Select) -> Code:
        assert isinstance(target.type, Record)  # noqa: S101 - callers dispatch on it
        getter = "get_through" if target.soft else "get_field"
        key, type_, parent = self.record_path(target.type, node.name, node.at)
        text = f"{getter}({target.text}, {key!r})"
        if type_ == BOOLEAN:
            return Code(f"field_boolean({target.text}, {key!r})", BOOLEAN)
        return Code(text, type_, soft=parent)

    def record_path(self, record: Record, name: str, at: At) -> tuple[str, Type, bool]:
        """An SObject's member. Raises CompileError where it has none of that name."""
        if record == AGGREGATE:
            raise CompileError(f"Variable does not exist: {name}", at)
        object_ = self.names.object(record)
        if object_ is None:
            if name.lower() == "id":
                return "Id", ID, False
            raise CompileError(f"Variable does not exist: {name}", at)
        found = record_member(self.scope, object_, name)
        if found is None:
            raise CompileError(f"Variable does not exist: {name}", at)
        return found

    # ---- statics ------------------------------------------------------------------------------------------------

    def static_member(self, type_: Type, node: n.Select) -> Code:
        """`Type.name`: a static field, an enum's constant, a token."""
        key = node.name.lower()
        if isinstance(type_, Class):
            field = type_.info.field(key)
            if field is None:
                raise CompileError(f"Variable does not exist: {node.name}", node.at)
            if not field.static:
                message = f"Non static field '{field.name}' can not be referenced from a static context"
                raise CompileError(message, node.at)
            return self._static_field(field, node.at)
        if isinstance(type_, Record):
            return self._token(type_, node)
        spec = PLATFORM_TYPES[type_.name.lower()]
        member = spec.static_fields.get(key)
        if member is None:
            raise CompileError(f"Variable does not exist: {node.name}", node.at)
        if member.runtime:
            return Code(f"rt.{member.attribute}", member.type)
        return Code(member.attribute, member.type, nonnull=True)

    def _token(self, record: Record, node: n.Select) -> Code:
        """`Account.SObjectType`, `Account.Name` (a field's token), `Account.fields`."""
        key = node.name.lower()
        if key == "sobjecttype":
            return Code(f"object_token(rt, {record.name!r})", Platform("Schema.SObjectType"), nonnull=True)
        if key == "fields":
            return Code(f"object_token(rt, {record.name!r})", Platform("Schema.SObjectTypeFields"), nonnull=True)
        object_ = self.names.object(record)
        found = None if object_ is None else record_member(self.scope, object_, node.name)
        if found is None or (isinstance(found[1], Platform) and found[1].name == "List"):
            raise CompileError(f"Variable does not exist: {node.name}", node.at)
        text = f"field_token(rt, {record.name!r}, {found[0]!r})"
        return Code(text, Platform("Schema.SObjectField"), nonnull=True)

    def _special(self, node: n.Select) -> Code | None:
        """Paths with rules of their own: labels, describe paths, field tokens behind `fields`."""
        path = _path(node)
        if path is None or self._is_variable(path.split(".")[0]):
            return None
        parts = path.split(".")
        lowered = [part.lower() for part in parts]
        if lowered[0] in ("system", "schema") and len(parts) > 2:
            parts, lowered = parts[1:], lowered[1:]
        if lowered[0] == "label" and len(parts) in (2, 3):
            return Code(f"label(rt, {'.'.join(parts[1:])!r})", STRING)
        if lowered[0] == "sobjecttype" and len(parts) >= 2:
            return self._described(parts[1:], node)
        if len(parts) == 3 and lowered[1] == "fields":
            record = self.names.record(parts[0])
            if record is not None:
                return self._token(record, n.Select(node.at, node.target, parts[2], safe=False))
        if lowered[0] in UNSUPPORTED_NAMESPACES and self.names.find(parts[0], self.scope.info) is None:
            raise self.unsupported(path, node.at)
        return None

    def _described(self, parts: list[str], node: n.Select) -> Code | None:
        """`SObjectType.Account` is its describe, `SObjectType.Account.fields.Name` a field's."""
        record = self.names.record(parts[0])
        if record is None:
            raise CompileError(f"Variable does not exist: {parts[0]}", node.at)
        if len(parts) == 1:
            result = Platform("Schema.DescribeSObjectResult")
            return Code(f"object_token(rt, {record.name!r}).describe()", result, nonnull=True)
        if len(parts) == 3 and parts[1].lower() == "fields":
            token = self._token(record, n.Select(node.at, node.target, parts[2], safe=False))
            return Code(f"{token.text}.describe()", Platform("Schema.DescribeFieldResult"), nonnull=True)
        return None

    def unsupported(self, feature: str, at: At) -> CompileError:
        """What refuses Apex outside the subset."""
        message = f"Not supported by the local org: {feature} ({self.scope.info.top.name}, line {at.line})"
        return CompileError(message, at)


def platform_member(type_: Type, name: str) -> Member | None:
    """A field of a platform type, own or inherited."""
    if not isinstance(type_, Platform):
        return None
    for each in [type_, *platform_supertypes(type_)]:
        spec = PLATFORM_TYPES.get(each.name.lower())
        if spec is not None and name in spec.fields:
            return spec.fields[name]
    return None


def _arguments(type_: Type) -> dict[str, Type]:
    if not isinstance(type_, Platform):
        return {}
    spec = PLATFORM_TYPES.get(type_.name.lower())
    return {} if spec is None else dict(zip(spec.parameters, type_.arguments, strict=False))


def _path(node: n.Expression) -> str | None:
    """`a.b.c` as text where every part is a plain name."""
    if isinstance(node, n.Name):
        return node.name
    if isinstance(node, n.Select) and not node.safe:
        head = _path(node.target)
        return None if head is None else f"{head}.{node.name}"
    return None
