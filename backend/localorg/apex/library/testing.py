"""Test: what only tests may do.

Apex Reference Guide: Test Class. stopTest runs what was enqueued since startTest; between the two a fresh set of
governor limits holds.
"""

from __future__ import annotations

from typing import Any

from localorg.apex.types.platform import platform_type
from localorg.apex.values.exceptions import apex_error, null_pointer

TEST = platform_type("Test")

TEST.static("Boolean isRunningTest()", runtime=True)(lambda rt: rt.test is not None)


def _state(rt: Any) -> Any:
    if rt.test is None:
        raise apex_error("UnexpectedException", "This method may only be called from a test")
    return rt.test


@TEST.static("void startTest()", runtime=True)
def _start(rt: Any) -> None:
    _state(rt).start(rt)


@TEST.static("void stopTest()", runtime=True)
def _stop(rt: Any) -> None:
    _state(rt).stop(rt)


@TEST.static("void setMock(Type, Object)", runtime=True)
def _set_mock(rt: Any, interface: Any, instance: Any) -> None:
    if interface is None or instance is None:
        null_pointer()
    _state(rt).mocks[str(interface)] = instance


@TEST.static("Id getStandardPricebookId()", runtime=True)
def _pricebook(rt: Any) -> str:
    _state(rt)
    row = next(iter(rt.system.query("SELECT Id FROM Pricebook2 WHERE IsStandard = true")), None)
    if row is None:
        raise apex_error("UnexpectedException", "No standard price book")
    return str(row["Id"])


@TEST.static("void setCreatedDate(Id, Datetime)", runtime=True)
def _set_created(rt: Any, record_id: str, moment: Any) -> None:
    _state(rt)
    if record_id is None or moment is None:
        null_pointer()
    rt.scheduling.change_row(rt, rt.schema.of_id(record_id).api_name, record_id, CreatedDate=moment)
