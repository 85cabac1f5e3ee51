"""Interviews: flows run, all that begin together in step, so that each data element and action is one call for all.

What fails inside an element with a fault path goes there with `$Flow.FaultMessage`; without one the run fails.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from localorg.errors import OrgError
from localorg.flow.definition import (
    Action,
    Assignment,
    Condition,
    Create,
    Decision,
    Element,
    Flow,
    FlowProblem,
    Lookup,
    Screen,
    Subflow,
    Update,
    Value,
)
from localorg.org import Transaction

__all__ = ["FlowFault", "Interview", "World", "conditions_hold", "resolve_plain", "run_interviews"]

_MOST_STEPS = 2000


class FlowFault(Exception):
    """An element failed and had no fault path."""


class World(Protocol):
    """What interviews reach: the database, other flows, Apex."""

    transaction: Transaction

    def flow(self, name: str, namespace: str | None) -> Flow:
        """A flow by name. Raises FlowProblem."""

    def act(
        self, class_name: str, namespace: str | None, inputs: Sequence[Mapping[str, Any]]
    ) -> list[Mapping[str, Any]]:
        """Run an @InvocableMethod: outputs for each input. Raises OrgError."""

    def label(self, name: str) -> str | None:
        """A custom label."""


@dataclass
class Interview:
    """One run of a flow. values: by variable and element name; record, prior: of a record-triggered flow."""

    flow: Flow
    values: dict[str, Any]
    record: dict[str, Any] | None = None
    prior: dict[str, Any] | None = None
    at: str | None = None
    fault: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, flow: Flow, inputs: Mapping[str, Any], **more: Any) -> Interview:
        """Begin one: inputs by name, variables at what they start with."""
        values: dict[str, Any] = {}
        for variable in flow.variables.values():
            start: Any = [] if variable.collection else (variable.value.literal if variable.value else None)
            values[variable.name] = inputs.get(variable.name, start) if variable.input else start
        return cls(flow, values, **more)

    @property
    def outputs(self) -> dict[str, Any]:
        """Output variables."""
        return {each.name: self.values[each.name] for each in self.flow.variables.values() if each.output}


def run_interviews(world: World, interviews: Sequence[Interview], first: str | None) -> None:
    """Take interviews of one flow from an element to their ends. Raises FlowFault."""
    for interview in interviews:
        interview.at = first
    for _ in range(_MOST_STEPS):
        waiting = next((each.at for each in interviews if each.at is not None), None)
        if waiting is None:
            return
        group = [each for each in interviews if each.at == waiting]
        _step(world, group, group[0].flow.elements[waiting])
    raise FlowFault("The flow ran too many elements")


def _step(world: World, group: Sequence[Interview], element: Element) -> None:
    for interview in group:
        interview.at = element.next
    try:
        _RUNNERS[type(element)](world, group, element)
    except (OrgError, FlowFault, FlowProblem) as failed:
        if element.fault is None:
            raise FlowFault(str(getattr(failed, "message", failed))) from failed
        for interview in group:
            interview.at, interview.fault = element.fault, str(getattr(failed, "message", failed))


# ---- values ---------------------------------------------------------------------------------------------------------


def resolve(world: World, interview: Interview, value: Value) -> Any:
    """What a value stands for now."""
    if value.reference is None:
        return value.literal
    return _referenced(world, interview, value.reference)


def resolve_plain(value: Value) -> Any:
    """A literal in an entry condition, where nothing runs yet."""
    return value.literal


def _referenced(world: World, interview: Interview, reference: str) -> Any:
    head, *path = reference.split(".")
    if head == "$Flow":
        return interview.fault if path == ["FaultMessage"] else world.transaction.now().isoformat()
    if head == "$Label":
        return world.label(path[0])
    if head == "$User":
        return _user(world, path[0])
    held: Any = {"$Record": interview.record, "$Record__Prior": interview.prior}.get(head, interview.values.get(head))
    for part in path:
        held = None if held is None else _field(held, part)
    return held


def _field(record: Mapping[str, Any], name: str) -> Any:
    return next((value for key, value in record.items() if key.lower() == name.lower()), None)


def _user(world: World, name: str) -> Any:
    context = world.transaction.context
    if name == "Id":
        return context.user_id
    rows = world.transaction.query(f"SELECT {name} FROM User WHERE Id = :u", binds={"u": context.user_id})  # noqa: S608 - parsed as SOQL, which writes nothing
    return next(iter(rows))[name]


def conditions_hold(
    conditions: Sequence[Condition], any_of: bool, left: Callable[[str], Any], right: Callable[[Value], Any],
    changed: Callable[[str], bool],
) -> bool:  # fmt: skip
    """Whether conditions hold, all or any of them; none hold always."""
    found = (_holds(each, left, right, changed) for each in conditions)
    return any(found) if any_of and conditions else all(found)


def _holds(
    condition: Condition, left: Callable[[str], Any], right: Callable[[Value], Any], changed: Callable[[str], bool]
) -> bool:
    wanted = right(condition.right)
    if condition.operator == "IsChanged":
        return changed(condition.left) == (wanted is True)
    held = left(condition.left)
    if condition.operator == "IsNull":
        return (held is None) == (wanted is True)
    if condition.operator == "IsBlank":
        return (held is None or held == "") == (wanted is True)
    return _COMPARE[condition.operator](_comparable(held, wanted), _comparable(wanted, held))


def _comparable(value: Any, other: Any) -> Any:
    """Text without case, stored checkboxes as booleans, numbers as numbers."""
    if isinstance(value, str):
        return value.lower()
    if isinstance(other, bool) and value in (0, 1):
        return bool(value)
    return value


def _ordered(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda a, b: a is not None and b is not None and test(a, b)


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "EqualTo": lambda a, b: a == b,
    "NotEqualTo": lambda a, b: a != b,
    "GreaterThan": _ordered(lambda a, b: a > b),
    "GreaterThanOrEqualTo": _ordered(lambda a, b: a >= b),
    "LessThan": _ordered(lambda a, b: a < b),
    "LessThanOrEqualTo": _ordered(lambda a, b: a <= b),
    "Contains": _ordered(lambda a, b: str(b) in str(a)),
    "StartsWith": _ordered(lambda a, b: str(a).startswith(str(b))),
    "EndsWith": _ordered(lambda a, b: str(a).endswith(str(b))),
}

# ---- elements -------------------------------------------------------------------------------------------------------


def _store(interview: Interview, target: str, value: Any) -> None:
    head, *path = target.split(".")
    if not path:
        interview.values[head] = value
        return
    record = interview.record if head == "$Record" else interview.values.setdefault(head, {})
    if record is None:
        raise FlowFault(f"{target} cannot be assigned")
    known = next((key for key in record if key.lower() == path[0].lower()), path[0])
    record[known] = value


def _assign(world: World, group: Sequence[Interview], element: Assignment) -> None:
    for interview in group:
        for target, operator, value in element.items:
            new = resolve(world, interview, value)
            if operator != "Assign":
                new = _combined(_referenced(world, interview, target), operator, new)
            _store(interview, target, new)


def _combined(held: Any, operator: str, new: Any) -> Any:
    if isinstance(held, list):
        return [*held, new] if operator == "Add" else [each for each in held if each != new]
    if isinstance(held, str):
        return held + str(new) if operator == "Add" else held
    return (held or 0) + (new if operator == "Add" else -new)


def _decide(world: World, group: Sequence[Interview], element: Decision) -> None:
    for interview in group:
        for rule in element.rules:
            if conditions_hold(
                rule.conditions,
                rule.any_of,
                lambda name, i=interview: _referenced(world, i, name),  # type: ignore[misc]  # mypy cannot infer it
                lambda value, i=interview: resolve(world, i, value),  # type: ignore[misc]  # as above
                lambda name, i=interview: _changed(i, name),  # type: ignore[misc]  # as above
            ):
                interview.at = rule.next
                break


def _changed(interview: Interview, reference: str) -> bool:
    name = reference.partition(".")[2]
    if interview.prior is None:
        return interview.record is not None
    return bool(_field(interview.record or {}, name) != _field(interview.prior, name))


def _where(
    world: World, interview: Interview, filters: Sequence[Condition], any_of: bool
) -> tuple[str, dict[str, Any]]:
    """Filters as SOQL with binds."""
    parts, binds = [], {}
    for number, each in enumerate(filters):
        value = resolve(world, interview, each.right)
        if each.operator == "IsNull":
            parts.append(f"{each.left} {'=' if value is True else '!='} null")
            continue
        binds[f"f{number}"] = _LIKE[each.operator].format(value) if each.operator in _LIKE else value
        parts.append(f"{each.left} {_SOQL.get(each.operator, 'LIKE')} :f{number}")
    joined = (" OR " if any_of else " AND ").join(parts)
    return (f" WHERE {joined}" if parts else ""), binds


_SOQL = {
    "EqualTo": "=", "NotEqualTo": "!=", "GreaterThan": ">", "GreaterThanOrEqualTo": ">=", "LessThan": "<",
    "LessThanOrEqualTo": "<=",
}  # fmt: skip
_LIKE = {"Contains": "%{}%", "StartsWith": "{}%", "EndsWith": "%{}"}


def _look_up(world: World, group: Sequence[Interview], element: Lookup) -> None:
    object_ = world.transaction.schema.object(element.object, within=group[0].flow.namespace)
    names = ", ".join(each.api_name for each in object_.fields if not each.type.is_compound)
    for interview in group:
        where, binds = _where(world, interview, element.filters, element.any_of)
        order = "" if element.sort is None else f" ORDER BY {element.sort[0]} {'DESC' if element.sort[1] else 'ASC'}"
        limit = " LIMIT 1" if element.first_only else ""
        text = f"SELECT {names} FROM {object_.api_name}{where}{order}{limit}"  # noqa: S608 - parsed as SOQL, which writes nothing
        rows = [dict(row) for row in world.transaction.query(text, binds=binds)]
        found: Any = (rows[0] if rows else None) if element.first_only else rows
        interview.values[element.into or element.name] = found
        for name, target in element.outputs:
            _store(interview, target, None if not rows else _field(rows[0], name))


def _create(world: World, group: Sequence[Interview], element: Create) -> None:
    rows = []
    for interview in group:
        if element.record is not None:
            rows.append(dict(_referenced(world, interview, element.record) or {}))
        else:
            rows.append({name: resolve(world, interview, value) for name, value in element.values})
    object_name = element.object or group[0].flow.variables[element.record or ""].type
    saved = world.transaction.insert(object_name, rows, all_or_none=True)
    _refuse(saved)
    for interview, outcome in zip(group, saved, strict=True):
        interview.values[element.name] = outcome.id
        if element.id_into is not None:
            _store(interview, element.id_into, outcome.id)
        if element.record is not None:
            _store(interview, f"{element.record}.Id", outcome.id)


def _update(world: World, group: Sequence[Interview], element: Update) -> None:
    by_object: dict[str, dict[str, dict[str, Any]]] = {}
    for interview in group:
        values = {name: resolve(world, interview, value) for name, value in element.values}
        for object_name, row_id in _targets(world, interview, element):
            by_object.setdefault(object_name, {}).setdefault(row_id, {"Id": row_id}).update(values)
    for object_name, rows in by_object.items():
        _refuse(world.transaction.update(object_name, list(rows.values()), all_or_none=True))


def _targets(world: World, interview: Interview, element: Update) -> list[tuple[str, str]]:
    if element.record is not None:
        record = _referenced(world, interview, element.record) or {}
        object_ = world.transaction.schema.of_id(record["Id"])
        return [] if object_ is None else [(object_.api_name, record["Id"])]
    where, binds = _where(world, interview, element.filters, element.any_of)
    rows = world.transaction.query(f"SELECT Id FROM {element.object}{where}", binds=binds)  # noqa: S608 - parsed as SOQL, which writes nothing
    return [(str(element.object), row["Id"]) for row in rows]


def _refuse(saved: Sequence[Any]) -> None:
    errors = [error for outcome in saved if not outcome.success for error in outcome.errors]
    real = [each for each in errors if each.status_code != "ALL_OR_NONE_OPERATION_ROLLED_BACK"] or errors
    if real:
        raise FlowFault(f"{real[0].status_code}: {real[0].message}")


def _act(world: World, group: Sequence[Interview], element: Action) -> None:
    inputs = [{name: resolve(world, each, value) for name, value in element.inputs} for each in group]
    outputs = world.act(element.class_name, group[0].flow.namespace, inputs)
    for interview, result in zip(group, outputs, strict=True):
        _take(interview, element.name, element.outputs, result)


def _take(interview: Interview, name: str, outputs: Sequence[tuple[str, str]], result: Mapping[str, Any]) -> None:
    interview.values[name] = dict(result)
    for output, target in outputs:
        _store(interview, target, _field(result, output))


def _sub(world: World, group: Sequence[Interview], element: Subflow) -> None:
    flow = world.flow(element.flow, group[0].flow.namespace)
    inner = [
        Interview.of(flow, {name: resolve(world, each, value) for name, value in element.inputs}) for each in group
    ]
    run_interviews(world, inner, flow.first)
    for interview, ended in zip(group, inner, strict=True):
        _take(interview, element.name, element.outputs, ended.outputs)


def _show(_world: World, _group: Sequence[Interview], element: Screen) -> None:
    raise FlowFault(f"The screen {element.name} needs a person and a browser")


_RUNNERS: dict[type, Callable[[World, Sequence[Interview], Any], None]] = {
    Assignment: _assign,
    Decision: _decide,
    Lookup: _look_up,
    Create: _create,
    Update: _update,
    Action: _act,
    Subflow: _sub,
    Screen: _show,
}
