"""What a flow says, as frozen values; everything in it that the runtime does not know has been refused before.

Metadata API Developer Guide, "Flow".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

__all__ = [
    "Action",
    "Assignment",
    "Condition",
    "Create",
    "Decision",
    "Element",
    "Flow",
    "FlowProblem",
    "Lookup",
    "Rule",
    "Screen",
    "Subflow",
    "Trigger",
    "Update",
    "Value",
    "Variable",
]


class FlowProblem(Exception):
    """A flow cannot be used as it is written. line: 1-based, 0 where there is no place."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


@dataclass(frozen=True, slots=True)
class Value:
    """A literal, or a reference as `$Record.Id` or `variable.Field`. reference None: the literal counts, null too."""

    literal: str | bool | float | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """left: a reference or, in a filter, a field's name."""

    left: str
    operator: str
    right: Value


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable, constant or input. type: String, Number, Boolean, Date, DateTime, SObject, ..."""

    name: str
    type: str
    collection: bool
    input: bool
    output: bool
    value: Value | None = None


@dataclass(frozen=True, slots=True)
class Assignment:
    """items: (target, operator, value), operator one of Assign, Add, Subtract."""

    name: str
    items: tuple[tuple[str, str, Value], ...]
    next: str | None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One outcome of a decision. any_of: conditions are joined by or."""

    name: str
    conditions: tuple[Condition, ...]
    any_of: bool
    next: str | None


@dataclass(frozen=True, slots=True)
class Decision:
    """The first rule that holds leads on; next is the default outcome."""

    name: str
    rules: tuple[Rule, ...]
    next: str | None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Lookup:
    """Get Records. outputs: (field, variable) pairs; into: a record variable; neither: kept under the element."""

    name: str
    object: str
    filters: tuple[Condition, ...]
    any_of: bool
    first_only: bool
    sort: tuple[str, bool] | None
    into: str | None
    outputs: tuple[tuple[str, str], ...]
    next: str | None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Create:
    """Create Records, from a record variable or from values. id_into: a variable that takes the new id."""

    name: str
    object: str | None
    record: str | None
    values: tuple[tuple[str, Value], ...]
    id_into: str | None
    next: str | None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Update:
    """Update Records: the record of a reference, or all that fit the filters."""

    name: str
    object: str | None
    record: str | None
    filters: tuple[Condition, ...]
    any_of: bool
    values: tuple[tuple[str, Value], ...]
    next: str | None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """A call of an @InvocableMethod. outputs: (name, variable) pairs; none: kept under the element's name."""

    name: str
    class_name: str
    inputs: tuple[tuple[str, Value], ...]
    outputs: tuple[tuple[str, str], ...]
    next: str | None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Subflow:
    """Another flow's interview inside this one."""

    name: str
    flow: str
    inputs: tuple[tuple[str, Value], ...]
    outputs: tuple[tuple[str, str], ...]
    next: str | None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Screen:
    """A page for a person; flows with one are stored and run in a browser only."""

    name: str
    next: str | None
    fault: str | None = None


Element: TypeAlias = Assignment | Decision | Lookup | Create | Update | Action | Subflow | Screen


@dataclass(frozen=True, slots=True)
class Trigger:
    """After which saves a flow runs. now: element the immediate path begins with; later: AsyncAfterCommit's.

    became: run only for rows that did not fit the filters before.
    """

    object: str
    on_create: bool
    on_update: bool
    filters: tuple[Condition, ...]
    any_of: bool
    became: bool
    now: str | None
    later: str | None


@dataclass(frozen=True, slots=True)
class Flow:
    """One flow. namespace: of its package; first: element an autolaunched one begins with.

    mode: its runInMode; a triggered flow runs in system mode whatever it says, another one in the user's by default.
    """

    name: str
    namespace: str | None
    process: str
    active: bool
    first: str | None
    trigger: Trigger | None
    mode: str = ""
    elements: Mapping[str, Element] = field(default_factory=dict)
    variables: Mapping[str, Variable] = field(default_factory=dict)
