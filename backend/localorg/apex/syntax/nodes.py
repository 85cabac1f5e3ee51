"""The syntax tree of Apex as this package sees it: frozen, positioned, free of the grammar it came from.

Names keep their spelling; Apex is case-insensitive, so who compares them lowers them first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from localorg.apex.faults import At

__all__ = [
    "Annotation",
    "Anonymous",
    "Assign",
    "At",
    "Binary",
    "Block",
    "Break",
    "Call",
    "Cast",
    "Catch",
    "ClassLiteral",
    "Conditional",
    "Continue",
    "DeclaredVariable",
    "Dml",
    "DoWhile",
    "Expression",
    "ExpressionStatement",
    "FieldDeclaration",
    "For",
    "ForEach",
    "If",
    "Index",
    "Initializer",
    "InstanceOf",
    "Literal",
    "Local",
    "Member",
    "MethodDeclaration",
    "Name",
    "New",
    "NewArray",
    "NewList",
    "NewMap",
    "Parameter",
    "PropertyDeclaration",
    "Query",
    "Return",
    "RunAs",
    "Select",
    "Statement",
    "Super",
    "Switch",
    "This",
    "Throw",
    "Try",
    "TypeDeclaration",
    "TypeRef",
    "Unary",
    "Update",
    "When",
    "While",
]


@dataclass(frozen=True, slots=True)
class TypeRef:
    """A type as written: `Map<Id, List<Account>>`, `Database.Batchable<SObject>`; `T[]` is written out as List<T>."""

    at: At
    name: str
    arguments: tuple[TypeRef, ...] = ()


# ---- expressions -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Literal:
    """kind: Integer, Long, Double, Decimal, String, Boolean or null; value is the Python text or value of it."""

    at: At
    kind: str
    value: str | int | bool | None


@dataclass(frozen=True, slots=True)
class Name:
    """A bare name: variable, field, property or the first part of a type's name."""

    at: At
    name: str


@dataclass(frozen=True, slots=True)
class This:
    """`this`."""

    at: At


@dataclass(frozen=True, slots=True)
class Super:
    """`super`, only ever before a dot or an argument list."""

    at: At


@dataclass(frozen=True, slots=True)
class Select:
    """`target.name`, or `target?.name` when safe."""

    at: At
    target: Expression
    name: str
    safe: bool


@dataclass(frozen=True, slots=True)
class Call:
    """`target.name(arguments)`; no target means a method of this class or, named this or super, its constructor."""

    at: At
    target: Expression | None
    name: str
    arguments: tuple[Expression, ...]
    safe: bool


@dataclass(frozen=True, slots=True)
class New:
    """`new T(arguments)`; an SObject's fields come as assignments."""

    at: At
    type: TypeRef
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class NewList:
    """`new List<T>{...}`, `new Set<T>{...}` or `new T[]{...}`."""

    at: At
    type: TypeRef
    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class NewArray:
    """`new T[size]`: a list of that many nulls; type is the list's."""

    at: At
    type: TypeRef
    size: Expression


@dataclass(frozen=True, slots=True)
class NewMap:
    """`new Map<K, V>{k => v}`."""

    at: At
    type: TypeRef
    pairs: tuple[tuple[Expression, Expression], ...]


@dataclass(frozen=True, slots=True)
class Index:
    """`target[index]`."""

    at: At
    target: Expression
    index: Expression


@dataclass(frozen=True, slots=True)
class Unary:
    """Operators: + - ! ~."""

    at: At
    operator: str
    operand: Expression


@dataclass(frozen=True, slots=True)
class Update:
    """++ or --, before (prefix) or after its target."""

    at: At
    operator: str
    target: Expression
    prefix: bool


@dataclass(frozen=True, slots=True)
class Binary:
    """Arithmetic, comparison, logic, bits and `??`."""

    at: At
    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class InstanceOf:
    """`operand instanceof type`."""

    at: At
    operand: Expression
    type: TypeRef


@dataclass(frozen=True, slots=True)
class Cast:
    """`(type) operand`."""

    at: At
    type: TypeRef
    operand: Expression


@dataclass(frozen=True, slots=True)
class Conditional:
    """`condition ? yes : no`."""

    at: At
    condition: Expression
    yes: Expression
    no: Expression


@dataclass(frozen=True, slots=True)
class Assign:
    """operator: `=` or a compound one such as `+=`."""

    at: At
    target: Expression
    operator: str
    value: Expression


@dataclass(frozen=True, slots=True)
class ClassLiteral:
    """`T.class`."""

    at: At
    type: TypeRef


@dataclass(frozen=True, slots=True)
class Query:
    """Inline SOQL. Each bound expression stands in the text as `:b0`, `:b1`, ... in order."""

    at: At
    text: str
    binds: tuple[Expression, ...]


Expression: TypeAlias = (
    Literal
    | Name
    | This
    | Super
    | Select
    | Call
    | New
    | NewList
    | NewArray
    | NewMap
    | Index
    | Unary
    | Update
    | Binary
    | InstanceOf
    | Cast
    | Conditional
    | Assign
    | ClassLiteral
    | Query
)


# ---- statements --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Block:
    """Statements in braces: a scope."""

    at: At
    statements: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class DeclaredVariable:
    """One name of a declaration and what it starts with."""

    at: At
    name: str
    value: Expression | None


@dataclass(frozen=True, slots=True)
class Local:
    """Declaration of local variables of one type."""

    at: At
    type: TypeRef
    variables: tuple[DeclaredVariable, ...]
    final: bool = False


@dataclass(frozen=True, slots=True)
class ExpressionStatement:
    """An expression for its effect."""

    at: At
    expression: Expression


@dataclass(frozen=True, slots=True)
class Dml:
    """insert, update, upsert, delete, undelete or merge; mode is `user`, `system` or nothing."""

    at: At
    operation: str
    target: Expression
    mode: str | None
    key: str | None = None
    other: Expression | None = None


@dataclass(frozen=True, slots=True)
class If:
    """if / else."""

    at: At
    condition: Expression
    yes: Statement
    no: Statement | None


@dataclass(frozen=True, slots=True)
class While:
    """while."""

    at: At
    condition: Expression
    body: Statement


@dataclass(frozen=True, slots=True)
class DoWhile:
    """do while: the body runs at least once."""

    at: At
    body: Statement
    condition: Expression


@dataclass(frozen=True, slots=True)
class For:
    """The three-part loop."""

    at: At
    start: tuple[Statement, ...]
    condition: Expression | None
    updates: tuple[Expression, ...]
    body: Statement


@dataclass(frozen=True, slots=True)
class ForEach:
    """`for (T name : values)`, over a list, a set, an iterable or a query."""

    at: At
    type: TypeRef
    name: str
    values: Expression
    body: Statement


@dataclass(frozen=True, slots=True)
class Break:
    """break."""

    at: At


@dataclass(frozen=True, slots=True)
class Continue:
    """continue."""

    at: At


@dataclass(frozen=True, slots=True)
class Return:
    """return, with or without a value."""

    at: At
    value: Expression | None


@dataclass(frozen=True, slots=True)
class Throw:
    """throw."""

    at: At
    value: Expression


@dataclass(frozen=True, slots=True)
class Catch:
    """One catch clause."""

    at: At
    type: TypeRef
    name: str
    body: Block


@dataclass(frozen=True, slots=True)
class Try:
    """try / catch / finally."""

    at: At
    body: Block
    catches: tuple[Catch, ...]
    last: Block | None


@dataclass(frozen=True, slots=True)
class When:
    """One branch of a switch: values, or a type with the variable it binds, or neither for `when else`."""

    at: At
    values: tuple[Expression, ...]
    type: TypeRef | None
    name: str | None
    body: Block


@dataclass(frozen=True, slots=True)
class Switch:
    """switch on."""

    at: At
    subject: Expression
    branches: tuple[When, ...]


@dataclass(frozen=True, slots=True)
class RunAs:
    """`System.runAs(user) { ... }`, a statement of its own in the grammar."""

    at: At
    user: Expression
    body: Block


Statement: TypeAlias = (
    Block
    | Local
    | ExpressionStatement
    | Dml
    | If
    | While
    | DoWhile
    | For
    | ForEach
    | Break
    | Continue
    | Return
    | Throw
    | Try
    | Switch
    | RunAs
)


# ---- declarations ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Annotation:
    """`@Name(key=value)`; names and keys lowered, values as text."""

    at: At
    name: str
    values: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One formal parameter."""

    at: At
    type: TypeRef
    name: str


@dataclass(frozen=True, slots=True)
class FieldDeclaration:
    """Fields of one type. modifiers are lowered."""

    at: At
    modifiers: frozenset[str]
    annotations: tuple[Annotation, ...]
    type: TypeRef
    variables: tuple[DeclaredVariable, ...]


@dataclass(frozen=True, slots=True)
class PropertyDeclaration:
    """A property; an accessor without a body is automatic, an absent one is None.

    Each accessor is (modifiers, body or None).
    """

    at: At
    modifiers: frozenset[str]
    annotations: tuple[Annotation, ...]
    type: TypeRef
    name: str
    getter: tuple[frozenset[str], Block | None] | None
    setter: tuple[frozenset[str], Block | None] | None


@dataclass(frozen=True, slots=True)
class MethodDeclaration:
    """A method or, without a result, a constructor. result `void` is a TypeRef of that name; body None: abstract."""

    at: At
    modifiers: frozenset[str]
    annotations: tuple[Annotation, ...]
    result: TypeRef | None
    name: str
    parameters: tuple[Parameter, ...]
    body: Block | None
    end: At


@dataclass(frozen=True, slots=True)
class Initializer:
    """A static or instance initialisation block."""

    at: At
    static: bool
    body: Block


@dataclass(frozen=True, slots=True)
class TypeDeclaration:
    """A class, interface or enum. constants only for an enum; members in source order."""

    at: At
    kind: str
    modifiers: frozenset[str]
    annotations: tuple[Annotation, ...]
    name: str
    parent: TypeRef | None
    interfaces: tuple[TypeRef, ...]
    members: tuple[Member, ...]
    constants: tuple[str, ...] = ()
    end_line: int = 0


@dataclass(frozen=True, slots=True)
class Anonymous:
    """A block for executeAnonymous: statements with the methods and types declared among them."""

    statements: tuple[Statement, ...]
    methods: tuple[MethodDeclaration, ...]
    types: tuple[TypeDeclaration, ...]


Member: TypeAlias = FieldDeclaration | PropertyDeclaration | MethodDeclaration | Initializer | TypeDeclaration
