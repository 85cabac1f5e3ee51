"""What goes wrong on purpose: a list of faults, each struck a given number of times.

`POST /_local/faults` with one document of `Fault`'s fields (`path` is a regular expression searched in the
request's path) adds one, GET lists what is left, DELETE clears. The first fault that fits strikes.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

from starlette.responses import Response

from localorg.errors import OrgError
from localorg.http.answers import json_answer, nothing
from localorg.http.calls import Call, Route

__all__ = ["ROUTES", "Fault", "Faults", "Kind", "strike"]


class Kind(StrEnum):
    """What a fault does.

    ERROR:        answer `status`, `code`, `message` instead of doing the thing (`after`: having done it).
    DELAY:        answer `delay` seconds late, nothing else.
    CUT:          close the connection after `bytes` bytes of the body.
    TRUNCATE:     end the body after `bytes` bytes as if it were whole: a CSV that stops in the middle.
    EXPIRE:       the session ends: 401, also for every later call with its token.
    FAIL_JOB:     the bulk job that the call creates or closes fails with `message`.
    LOSE_LOCATOR: the locator or cursor in the call is unknown.
    LIMIT:        the org's daily calls are used up: 403 REQUEST_LIMIT_EXCEEDED.
    REFUSE_ROW:   a customer's validation rule or trigger refuses rows of `object` whose `field` is `value`
                  (no `field`: every row) with `code` and `message`, `times` rows in all.
    MAINTENANCE:  503 SERVER_UNAVAILABLE, as an org in maintenance answers.
    """

    ERROR = "error"
    DELAY = "delay"
    CUT = "cut"
    TRUNCATE = "truncate"
    EXPIRE = "expire"
    FAIL_JOB = "fail_job"
    LOSE_LOCATOR = "lose_locator"
    LIMIT = "limit"
    REFUSE_ROW = "refuse_row"
    MAINTENANCE = "maintenance"


AT_THE_DOOR = frozenset({Kind.ERROR, Kind.DELAY, Kind.CUT, Kind.TRUNCATE, Kind.EXPIRE, Kind.LIMIT, Kind.MAINTENANCE})


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of trouble. org: alias of the org it strikes; None: any. times: how often, >= 1. delay: seconds."""

    kind: Kind = Kind.ERROR
    path: str = ""
    method: str | None = None
    org: str | None = None
    times: int = 1
    status: int = 503
    code: str = "SERVER_UNAVAILABLE"
    message: str = "The server is unavailable"
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    after: bool = False
    bytes: int = 1000
    object: str | None = None
    field: str | None = None
    value: str | None = None

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Fault:
        """Parse what was posted; raises OrgError where it is not a fault."""
        unknown = set(document) - set(cls.__dataclass_fields__)
        if unknown:
            raise OrgError("INVALID_FIELD", f"A fault has no {', '.join(sorted(unknown))}")
        try:
            fault = cls(**{**document, "kind": Kind(document.get("kind", "error"))})
            re.compile(fault.path)
        except (ValueError, TypeError, re.error) as wrong:
            raise OrgError("INVALID_FIELD", f"Not a fault: {wrong}") from wrong
        if fault.times < 1 or fault.delay < 0 or fault.bytes < 0:
            raise OrgError("INVALID_FIELD", "times must be at least 1, delay and bytes not negative")
        return fault


class Faults:
    """The faults still to strike, in the order they were added; safe from many threads."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        """Let `fault` strike `fault.times` times from now on."""
        with self._lock:
            self._waiting.append(fault)

    def clear(self) -> None:
        """Forget every fault."""
        with self._lock:
            self._waiting.clear()

    def waiting(self) -> list[Fault]:
        """What has not struck yet; `times` is what is left."""
        with self._lock:
            return list(self._waiting)

    def take(self, kinds: frozenset[Kind], *, org: str | None, method: str, path: str) -> Fault | None:
        """The first fault of `kinds` that fits this request, counted down; None: all is well."""
        if not self._waiting:
            return None
        with self._lock:
            for fault in self._waiting:
                if fault.kind in kinds and _fits(fault, org, method) and re.search(fault.path, path):
                    return self._strike(fault)
        return None

    def take_row(self, org: str, object_name: str, row: Mapping[str, object]) -> Fault | None:
        """The first REFUSE_ROW that fits this row, counted down."""
        if not self._waiting:
            return None
        with self._lock:
            for fault in self._waiting:
                if fault.kind is Kind.REFUSE_ROW and _fits(fault, org, None) and _row_fits(fault, object_name, row):
                    return self._strike(fault)
        return None

    def _strike(self, fault: Fault) -> Fault:
        at = self._waiting.index(fault)
        if fault.times > 1:
            self._waiting[at] = replace(fault, times=fault.times - 1)
        else:
            del self._waiting[at]
        return fault


def strike(fault: Fault | None) -> None:
    """Fail the job that the fault was taken for; None: nothing."""
    if fault is not None:
        raise OrgError("InternalServerError", fault.message)


def _fits(fault: Fault, org: str | None, method: str | None) -> bool:
    return (fault.org is None or fault.org == org) and (fault.method is None or method in (None, fault.method))


def _row_fits(fault: Fault, object_name: str, row: Mapping[str, object]) -> bool:
    if fault.object is not None and fault.object.lower() != object_name.lower():
        return False
    if fault.field is None:
        return True
    held = next((value for name, value in row.items() if name.lower() == fault.field.lower()), None)
    return held is not None and (fault.value is None or str(held) == fault.value)


def _list(call: Call) -> Response:
    return json_answer([asdict(fault) for fault in call.server.faults.waiting()])


def _add(call: Call) -> Response:
    document = call.body.json()
    for each in document if isinstance(document, list) else [document]:
        call.server.faults.add(Fault.from_json(each))
    return _list(call)


def _clear(call: Call) -> Response:
    call.server.faults.clear()
    return nothing()


ROUTES = (
    Route("GET", "/_local/faults", _list, open=True),
    Route("POST", "/_local/faults", _add, open=True),
    Route("DELETE", "/_local/faults", _clear, open=True),
)
