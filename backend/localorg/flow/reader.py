"""A flow's XML to its definition. What is not in the subset is refused by name, line and file: nothing is skipped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from xml.etree.ElementTree import Element as XmlElement  # only the type; defusedxml parses  # nosec B405
from xml.etree.ElementTree import ParseError  # what the parser raises; defusedxml parses  # nosec B405

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

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
    Rule,
    Screen,
    Subflow,
    Trigger,
    Update,
    Value,
    Variable,
)

__all__ = ["read_flow"]

_PLAIN = frozenset(
    {
        "apiVersion", "areMetricsLoggedToDataCloud", "description", "environments", "interviewLabel",
        "isTemplate", "label", "processMetadataValues", "processType", "runInMode", "start", "status",
    }
)  # fmt: skip
_PROCESSES = frozenset({"AutoLaunchedFlow", "Flow"})
_MODES = frozenset({"", "DefaultMode", "SystemModeWithSharing", "SystemModeWithoutSharing"})
_OPERATORS = frozenset(
    {
        "Contains", "EndsWith", "EqualTo", "GreaterThan", "GreaterThanOrEqualTo", "IsBlank", "IsChanged", "IsNull",
        "LessThan", "LessThanOrEqualTo", "NotEqualTo", "StartsWith",
    }
)  # fmt: skip


def read_flow(text: bytes | str, name: str, namespace: str | None = None) -> Flow:
    """name: the flow's, without its namespace. Raises FlowProblem."""
    return _Reader(text, name, namespace).flow()


class _Reader:
    def __init__(self, text: bytes | str, name: str, namespace: str | None) -> None:
        self.text = text.decode() if isinstance(text, bytes) else text
        self.name = name
        self.namespace = namespace
        try:
            self.root: XmlElement = fromstring(self.text)
        except (ParseError, DefusedXmlException) as error:
            raise FlowProblem(f"{name}: {error}") from None

    def flow(self) -> Flow:
        """The whole definition, its references checked."""
        process = _value(self.root, "processType")
        if process not in _PROCESSES:
            raise self.unsupported(f"process type {process}", process or "processType")
        mode = _value(self.root, "runInMode")
        if mode not in _MODES:
            raise self.unsupported(f"run mode {mode}", mode)
        elements: dict[str, Element] = {}
        variables: dict[str, Variable] = {}
        for child in self.root:
            tag = _tag(child)
            if tag in _READERS:
                element = _READERS[tag](self, child)
                if element.name in elements:
                    raise FlowProblem(f"The element name {element.name} is used twice", self.line(element.name))
                elements[element.name] = element
            elif tag in ("variables", "constants"):
                variable = self.variable(child, tag)
                variables[variable.name] = variable
            elif tag not in _PLAIN:
                raise self.unsupported(f"{tag} {_value(child, 'name')}".strip(), f"<{tag}>")
        start = _first(self.root, "start")
        trigger = None if start is None else self.trigger(start)
        first = None if start is None else _target(start, "connector")
        flow = Flow(
            self.name, self.namespace, process, _value(self.root, "status") == "Active", first, trigger, mode, elements,
            variables,
        )  # fmt: skip
        self.check(flow)
        return flow

    # ---- problems -----------------------------------------------------------------------------------------------

    def line(self, marker: str) -> int:
        """Where a text first stands."""
        return next((number for number, line in enumerate(self.text.splitlines(), 1) if marker in line), 0)

    def unsupported(self, feature: str, marker: str) -> FlowProblem:
        """What refuses a flow outside the subset."""
        line = self.line(marker)
        return FlowProblem(f"Not supported by the local org: {feature} ({self.name}, line {line})", line)

    def check(self, flow: Flow) -> None:
        """Every connector leads to an element."""
        targets: list[str | None] = [flow.first]
        if flow.trigger is not None:
            targets += [flow.trigger.now, flow.trigger.later]
        for element in flow.elements.values():
            targets += [element.next, element.fault]
            if isinstance(element, Decision):
                targets += [rule.next for rule in element.rules]
        for target in targets:
            if target is not None and target not in flow.elements:
                raise FlowProblem(f'The connector\'s target "{target}" does not exist', self.line(f">{target}<"))
        if flow.trigger is not None and flow.process == "AutoLaunchedFlow":
            self.check_later(flow, flow.trigger)

    def check_later(self, flow: Flow, trigger: Trigger) -> None:
        """IsChanged is for entry conditions and for the path that runs at once."""
        reached: set[str] = set()
        waiting = [trigger.later]
        while waiting:
            name = waiting.pop()
            if name is None or name in reached:
                continue
            reached.add(name)
            element = flow.elements[name]
            waiting += [element.next, element.fault]
            if isinstance(element, Decision):
                waiting += [rule.next for rule in element.rules]
                if any(c.operator == "IsChanged" for rule in element.rules for c in rule.conditions):
                    message = f"{name}: the IsChanged operator is not supported on an asynchronous path"
                    raise FlowProblem(message, self.line(f">{name}<"))

    # ---- parts --------------------------------------------------------------------------------------------------

    def trigger(self, start: XmlElement) -> Trigger | None:
        """The start of a record-triggered flow; None where nothing triggers it."""
        kind = _value(start, "triggerType")
        if not kind:
            return None
        if kind != "RecordAfterSave":
            raise self.unsupported(f"trigger type {kind}", kind)
        for unknown in ("filterFormula", "schedule", "flowRunAsUser"):
            if _first(start, unknown) is not None:
                raise self.unsupported(unknown, f"<{unknown}>")
        later = None
        for path in _all(start, "scheduledPaths"):
            if _value(path, "pathType") != "AsyncAfterCommit":
                raise self.unsupported("scheduled path", "<scheduledPaths>")
            later = _target(path, "connector")
        saves = _value(start, "recordTriggerType")
        if saves not in ("Create", "Update", "CreateAndUpdate"):
            raise self.unsupported(f"record trigger type {saves}", saves or "recordTriggerType")
        return Trigger(
            _value(start, "object"),
            saves != "Update",
            saves != "Create",
            self.filters(start),
            self.any_of(start, "filterLogic"),
            _value(start, "doesRequireRecordChangedToMeetCriteria") == "true",
            _target(start, "connector"),
            later,
        )

    def any_of(self, node: XmlElement, tag: str) -> bool:
        """Conditions joined by or; a logic of numbers is outside the subset."""
        logic = _value(node, tag).lower() or "and"
        if logic not in ("and", "or"):
            raise self.unsupported(f"condition logic {logic}", _value(node, tag))
        return logic == "or"

    def filters(self, node: XmlElement) -> tuple[Condition, ...]:
        """`filters` of a start or of a data element."""
        return tuple(self.condition(each, "field", "value") for each in _all(node, "filters"))

    def condition(self, node: XmlElement, left: str, right: str) -> Condition:
        """One condition."""
        operator = _value(node, "operator")
        if operator not in _OPERATORS:
            raise self.unsupported(f"operator {operator}", operator or "operator")
        return Condition(_value(node, left), operator, self.value(_first(node, right)))

    def value(self, node: XmlElement | None) -> Value:
        """A FlowElementReferenceOrValue."""
        if node is None or len(node) == 0:
            return Value()
        [held] = list(node)
        tag, text = _tag(held), (held.text or "").strip()
        if tag == "elementReference":
            return Value(reference=text)
        if tag == "booleanValue":
            return Value(text == "true")
        if tag == "numberValue":
            return Value(float(text))
        if tag in ("stringValue", "dateValue", "dateTimeValue"):
            return Value(text)
        raise self.unsupported(tag, f"<{tag}>")

    def pairs(self, node: XmlElement, tag: str, key: str) -> tuple[tuple[str, Value], ...]:
        """Values by name or field."""
        return tuple((_value(each, key), self.value(_first(each, "value"))) for each in _all(node, tag))

    def variable(self, node: XmlElement, tag: str) -> Variable:
        """A variable or constant."""
        return Variable(
            _value(node, "name"),
            _value(node, "dataType"),
            _value(node, "isCollection") == "true",
            _value(node, "isInput") == "true",
            _value(node, "isOutput") == "true",
            self.value(_first(node, "value")) if _first(node, "value") is not None or tag == "constants" else None,
        )

    # ---- elements -----------------------------------------------------------------------------------------------

    def assignment(self, node: XmlElement) -> Element:
        """Assignment."""
        items = []
        for each in _all(node, "assignmentItems"):
            operator = _value(each, "operator")
            if operator not in ("Assign", "Add", "Subtract"):
                raise self.unsupported(f"assignment operator {operator}", operator)
            items.append((_value(each, "assignToReference"), operator, self.value(_first(each, "value"))))
        return Assignment(_value(node, "name"), tuple(items), _target(node, "connector"))

    def decision(self, node: XmlElement) -> Element:
        """Decision."""
        rules = tuple(
            Rule(
                _value(each, "name"),
                tuple(self.condition(c, "leftValueReference", "rightValue") for c in _all(each, "conditions")),
                self.any_of(each, "conditionLogic"),
                _target(each, "connector"),
            )
            for each in _all(node, "rules")
        )
        return Decision(_value(node, "name"), rules, _target(node, "defaultConnector"))

    def lookup(self, node: XmlElement) -> Element:
        """Get Records."""
        order = _value(node, "sortOrder")
        sort = (_value(node, "sortField"), order == "Desc") if order else None
        outputs = tuple((_value(e, "field"), _value(e, "assignToReference")) for e in _all(node, "outputAssignments"))
        return Lookup(
            _value(node, "name"),
            _value(node, "object"),
            self.filters(node),
            self.any_of(node, "filterLogic"),
            _value(node, "getFirstRecordOnly") == "true" or bool(outputs),
            sort,
            _value(node, "outputReference") or None,
            outputs,
            *_paths(node),
        )

    def create(self, node: XmlElement) -> Element:
        """Create Records."""
        return Create(
            _value(node, "name"),
            _value(node, "object") or None,
            _value(node, "inputReference") or None,
            self.pairs(node, "inputAssignments", "field"),
            _value(node, "assignRecordIdToReference") or None,
            *_paths(node),
        )

    def update(self, node: XmlElement) -> Element:
        """Update Records."""
        return Update(
            _value(node, "name"),
            _value(node, "object") or None,
            _value(node, "inputReference") or None,
            self.filters(node),
            self.any_of(node, "filterLogic"),
            self.pairs(node, "inputAssignments", "field"),
            *_paths(node),
        )

    def action(self, node: XmlElement) -> Element:
        """Apex action."""
        kind = _value(node, "actionType")
        if kind != "apex":
            raise self.unsupported(f"action type {kind}", kind)
        outputs = tuple((_value(e, "name"), _value(e, "assignToReference")) for e in _all(node, "outputParameters"))
        inputs = self.pairs(node, "inputParameters", "name")
        return Action(_value(node, "name"), _value(node, "actionName"), inputs, outputs, *_paths(node))

    def subflow(self, node: XmlElement) -> Element:
        """Subflow."""
        outputs = tuple((_value(e, "name"), _value(e, "assignToReference")) for e in _all(node, "outputAssignments"))
        inputs = self.pairs(node, "inputAssignments", "name")
        return Subflow(_value(node, "name"), _value(node, "flowName"), inputs, outputs, _target(node, "connector"))

    def screen(self, node: XmlElement) -> Element:
        """Screen: only in a flow for a person."""
        if _value(self.root, "processType") != "Flow":
            raise self.unsupported(f"screen {_value(node, 'name')}", "<screens>")
        return Screen(_value(node, "name"), _target(node, "connector"))


_READERS: dict[str, Callable[[_Reader, XmlElement], Element]] = {
    "assignments": _Reader.assignment,
    "decisions": _Reader.decision,
    "recordLookups": _Reader.lookup,
    "recordCreates": _Reader.create,
    "recordUpdates": _Reader.update,
    "actionCalls": _Reader.action,
    "subflows": _Reader.subflow,
    "screens": _Reader.screen,
}


def _tag(node: XmlElement) -> str:
    return str(node.tag).rsplit("}", 1)[-1]


def _all(node: XmlElement, tag: str) -> Iterator[XmlElement]:
    return (child for child in node if _tag(child) == tag)


def _first(node: XmlElement, tag: str) -> XmlElement | None:
    return next(_all(node, tag), None)


def _value(node: XmlElement, tag: str) -> str:
    found = _first(node, tag)
    return "" if found is None else (found.text or "").strip()


def _target(node: XmlElement, tag: str) -> str | None:
    connector = _first(node, tag)
    return None if connector is None else _value(connector, "targetReference") or None


def _paths(node: XmlElement) -> tuple[str | None, str | None]:
    return _target(node, "connector"), _target(node, "faultConnector")
