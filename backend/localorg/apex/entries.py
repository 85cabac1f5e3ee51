"""Ways into a program from outside: REST resources, invocable actions, Lightning controllers.

Apex Developer Guide: "Exposing Apex Classes as REST Web Services", "InvocableMethod Annotation", "AuraEnabled
Annotation". Each finds its method by annotation and carries values over as JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from localorg.apex.library.http import RestRequest, RestResponse
from localorg.apex.library.json import from_json, to_json_text
from localorg.apex.program import Program
from localorg.apex.runtime.testing import trace_of
from localorg.apex.runtime.transaction import Runtime
from localorg.apex.types.classes import ClassInfo, MethodInfo
from localorg.apex.types.model import VOID, Class, Platform, Type
from localorg.apex.values.collections import ApexList
from localorg.apex.values.exceptions import ApexException, Fatal
from localorg.calls import ActionOutcome, RestAnswer, RestCall
from localorg.errors import OrgError

__all__ = [
    "AuraFailure",
    "call_action",
    "call_aura",
    "call_rest",
    "invocables",
]

Json = Any
_VERBS = ("GET", "POST", "PUT", "PATCH", "DELETE")


class AuraFailure(OrgError):
    """A controller's exception as Lightning gets it.

    exception_type: the Apex type; user_defined: declared by the program.
    """

    def __init__(self, message: str, exception_type: str, stack: str, *, user_defined: bool) -> None:
        super().__init__("APEX_ERROR", message, status=500)
        self.exception_type = exception_type
        self.stack = stack
        self.user_defined = user_defined

    @property
    def document(self) -> dict[str, Json]:
        """The `body` a component sees."""
        return {
            "exceptionType": self.exception_type,
            "isUserDefinedException": self.user_defined,
            "message": self.message,
            "stackTrace": self.stack,
        }


# ---- REST -----------------------------------------------------------------------------------------------------------


def find_resource(program: Program, path: str) -> ClassInfo | None:
    """The class whose urlMapping fits a path best: the longest."""
    prefix = f"/{program.namespace}" if program.namespace else ""
    found: list[tuple[int, ClassInfo]] = []
    for info in program.classes.values():
        annotation = info.annotation("restresource")
        if annotation is None:
            continue
        mapping = prefix + annotation.get("urlmapping", "")
        pattern = re.escape(mapping).replace(r"\*", ".*")
        if re.fullmatch(pattern, path) or (mapping.endswith("/*") and path == mapping[:-2]):
            found.append((len(mapping), info))
    return max(found, key=lambda each: each[0])[1] if found else None


def rest_method(info: ClassInfo, verb: str) -> MethodInfo:
    """The class's method for an HTTP verb. Raises OrgError METHOD_NOT_ALLOWED."""
    by_verb = {
        each: method
        for methods in info.methods.values()
        for method in methods
        for each in _VERBS
        if f"http{each.lower()}" in method.annotations
    }
    if verb not in by_verb:
        allowed = ",".join(sorted(by_verb))
        raise OrgError("METHOD_NOT_ALLOWED", f"HTTP Method '{verb}' not allowed. Allowed are {allowed}", status=405)
    return by_verb[verb]


def call_rest(rt: Runtime, info: ClassInfo, call: RestCall) -> RestAnswer:
    """Run the resource. Raises what the program throws, and OrgError for a request that does not fit."""
    method = rest_method(info, call.method.upper())
    request, response = RestRequest(), RestResponse()
    prefix = f"/{rt.namespace}" if rt.namespace else ""
    request.requesturi = call.path.removeprefix(prefix)
    request.resourcepath = f"/services/apexrest{prefix}{(info.annotation('restresource') or {}).get('urlmapping', '')}"
    request.httpmethod = call.method.upper()
    request.remoteaddress = call.remote_address
    request.requestbody = call.body
    request.headers.update(call.headers)
    request.params.update(call.query)
    rt.rest.request, rt.rest.response = request, response
    arguments = _rest_arguments(rt, method, call)
    result = rt.call_static(info, method.python, *arguments)
    headers = {"content-type": "application/json;charset=UTF-8", **{k.lower(): v for k, v in response.headers.items()}}
    if method.result == VOID:
        return RestAnswer(response.statuscode or 200, response.responsebody or b"", headers)
    return RestAnswer(response.statuscode or 200, to_json_text(result).encode(), headers)


def _rest_arguments(rt: Runtime, method: MethodInfo, call: RestCall) -> list[Any]:
    if not method.parameters or method.declaration is None:
        return []
    try:
        document = json.loads(call.body or b"{}")
    except ValueError:
        raise OrgError("JSON_PARSER_ERROR", "Unexpected character in the request body") from None
    given = {key.lower(): value for key, value in document.items()} if isinstance(document, dict) else {}
    names = [each.name.lower() for each in method.declaration.parameters]
    unknown = set(given) - set(names)
    if unknown:
        raise OrgError("JSON_PARSER_ERROR", f"Unexpected parameter encountered during deserialization: {min(unknown)}")
    return [from_json(rt, given.get(name), type_) for name, type_ in zip(names, method.parameters, strict=True)]


# ---- actions --------------------------------------------------------------------------------------------------------


def invocables(program: Program) -> Iterator[tuple[ClassInfo, MethodInfo]]:
    """Classes with an @InvocableMethod, with it."""
    for info in program.classes.values():
        for methods in info.methods.values():
            for method in methods:
                if method.static and "invocablemethod" in method.annotations:
                    yield info, method


def call_action(
    rt: Runtime, info: ClassInfo, method: MethodInfo, inputs: Sequence[Mapping[str, Json]]
) -> list[ActionOutcome]:
    """One call for all inputs. Raises what the program throws."""
    arguments: list[Any] = []
    if method.parameters:
        [parameter] = method.parameters
        element = parameter.arguments[0] if isinstance(parameter, Platform) and parameter.arguments else parameter
        arguments.append(ApexList(element, [_action_input(rt, element, each) for each in inputs]))
    result = rt.call_static(info, method.python, *arguments)
    if method.result == VOID:
        return [ActionOutcome(success=True) for _ in inputs]
    if result is None or len(result) != len(inputs):
        raise OrgError(
            "INVALID_ACTION_OUTPUT", "The number of results does not match the number of interview executions"
        )
    return [ActionOutcome(success=True, outputs=_action_output(each)) for each in result]


def _variables(info: ClassInfo) -> dict[str, Any]:
    return {
        f.name.lower(): f
        for each in info.ancestors()
        for f in each.fields.values()
        if any(a.name == "invocablevariable" for a in _annotations(each, f.name))
    }


def _annotations(info: ClassInfo, name: str) -> Sequence[Any]:
    for member in info.declaration.members:
        names = [v.name for v in getattr(member, "variables", ())] or [getattr(member, "name", "")]
        if name in names and hasattr(member, "annotations"):
            return member.annotations
    return ()


def _action_input(rt: Runtime, element: Type, given: Mapping[str, Json]) -> Any:
    if not isinstance(element, Class):
        return from_json(rt, next(iter(given.values()), None), element)
    info = element.info
    variables = _variables(info)
    made = rt.load(info)().c()
    for name, value in given.items():
        known = variables.get(name.lower())
        if known is None:
            raise OrgError("INVALID_ARGUMENT", f"Unknown input parameter: {name}")
        _assign(made, known, from_json(rt, value, known.type))
    for name, known in variables.items():
        required = any(dict(a.values).get("required") == "true" for a in _annotations(known.owner, known.name))
        if required and given.get(known.name, given.get(name)) is None:
            raise OrgError("REQUIRED_FIELD_MISSING", f"Missing required input parameter: {known.name}")
    return made


def _assign(target: Any, known: Any, value: Any) -> None:
    if known.setter:
        getattr(target, f"p_{known.name.lower()}")(value)
    else:
        setattr(target, known.python, value)


def _action_output(value: Any) -> Mapping[str, Json]:
    info = getattr(value, "info", None)
    if info is None:
        return {"output": json.loads(to_json_text(value))}
    out = {}
    for known in _variables(info).values():
        held = getattr(value, f"g_{known.name.lower()}")() if known.getter else getattr(value, known.python)
        out[known.name] = json.loads(to_json_text(held))
    return out


# ---- Lightning ------------------------------------------------------------------------------------------------------


def call_aura(rt: Runtime, info: ClassInfo, name: str, given: Mapping[str, Json]) -> Json:
    """Run an @AuraEnabled static method. Raises AuraFailure, and OrgError where there is none of that name."""
    methods = [m for m in info.methods.get(name.lower(), ()) if m.static and "auraenabled" in m.annotations]
    if not methods:
        raise OrgError("NOT_FOUND", f"Apex method {info.name}.{name} is not @AuraEnabled", status=404)
    [method, *_] = methods
    keys = {key.lower(): value for key, value in given.items()}
    names = [each.name.lower() for each in method.declaration.parameters] if method.declaration else []
    try:
        arguments = [from_json(rt, keys.get(key), type_) for key, type_ in zip(names, method.parameters, strict=True)]
        result = rt.call_static(info, method.python, *arguments)
        return None if method.result == VOID else json.loads(to_json_text(result))
    except (ApexException, Fatal) as error:
        raise aura_failure(error) from error


def aura_failure(error: BaseException) -> AuraFailure:
    """An exception in a component's words."""
    message = getattr(error, "x_message", None)
    kind = getattr(error, "type_name", "System.UnexpectedException")
    return AuraFailure(message or "Script-thrown exception", kind, trace_of(error), user_defined=hasattr(error, "info"))
