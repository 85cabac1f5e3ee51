"""Database: DML with partial success, dynamic SOQL, savepoints, query locators.

Apex Reference Guide: Database Class and the Database namespace; AccessLevel. Without an access level a method runs in
the mode of its class's API version: user mode from 67 on.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from localorg.apex.compiling.queries import check_query
from localorg.apex.faults import At, CompileError
from localorg.apex.library.json import PLATFORM_READERS
from localorg.apex.runtime.data import Locator, fetch, refuse_failed, run_query, write
from localorg.apex.runtime.values import to_bind
from localorg.apex.types.model import Platform, Record
from localorg.apex.types.platform import Member, platform_type
from localorg.apex.values.collections import ApexList
from localorg.apex.values.exceptions import apex_error, null_pointer
from localorg.apex.values.objects import ApexEnum
from localorg.apex.values.records import SObject
from localorg.errors import OrgError
from localorg.records import RowError
from localorg.records import SaveResult as EngineResult
from localorg.soql import Query, binds_of, parse
from localorg.soql.ast import Bind

DATABASE = platform_type("Database")
ACCESS = platform_type("AccessLevel")
ERROR = platform_type("Database.Error")
LOCATOR = platform_type("Database.QueryLocator")
OPTIONS = platform_type("Database.DMLOptions")
platform_type("Savepoint")
STATUS = platform_type("StatusCode", parent="Enum")

USER_MODE, SYSTEM_MODE = ApexEnum("AccessLevel", "USER_MODE", 0), ApexEnum("AccessLevel", "SYSTEM_MODE", 1)
ACCESS.constant("USER_MODE", "AccessLevel", USER_MODE)
ACCESS.constant("SYSTEM_MODE", "AccessLevel", SYSTEM_MODE)

for _ordinal, _code in enumerate(
    (
        "ALL_OR_NONE_OPERATION_ROLLED_BACK", "CANNOT_EXECUTE_FLOW_TRIGGER", "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
        "DELETE_FAILED", "DUPLICATE_EXTERNAL_ID", "DUPLICATE_VALUE", "DUPLICATES_DETECTED", "ENTITY_IS_DELETED",
        "ENTITY_IS_LOCKED", "FIELD_CUSTOM_VALIDATION_EXCEPTION", "FIELD_FILTER_VALIDATION_EXCEPTION",
        "FIELD_INTEGRITY_EXCEPTION", "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", "INSUFFICIENT_ACCESS_OR_READONLY",
        "INVALID_CROSS_REFERENCE_KEY", "INVALID_EMAIL_ADDRESS", "INVALID_FIELD", "INVALID_FIELD_FOR_INSERT_UPDATE",
        "INVALID_ID_FIELD", "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "INVALID_TYPE_ON_FIELD_IN_RECORD",
        "MALFORMED_ID", "MISSING_ARGUMENT", "NUMBER_OUTSIDE_VALID_RANGE", "REQUIRED_FIELD_MISSING", "STRING_TOO_LONG",
        "UNABLE_TO_LOCK_ROW", "UNDELETE_FAILED", "UNKNOWN_EXCEPTION",
    )
):  # fmt: skip
    STATUS.constant(_code, "StatusCode", ApexEnum("StatusCode", _code, _ordinal))

# ---- results --------------------------------------------------------------------------------------------------------


class Result:
    """Database.SaveResult and its sisters: one row's outcome."""

    def __init__(self, kind: str, result: EngineResult) -> None:
        self.apex_name = f"Database.{kind}Result"
        self.result = result
        self.id = result.id
        self.success = result.success
        self.created = result.created

    @property
    def errors(self) -> ApexList:
        """Database.Error for each."""
        return ApexList(Platform("Database.Error"), map(Fault, self.result.errors))

    def json_pairs(self) -> list[tuple[str, Any]]:
        """As JSON.serialize writes it."""
        return [("success", self.success), ("id", self.id), ("errors", self.errors)]

    def __str__(self) -> str:
        return f"{self.apex_name}[getErrors=...;getId={self.result.id};isSuccess={str(self.result.success).lower()};]"


class Fault:
    """Database.Error."""

    apex_name = "Database.Error"

    def __init__(self, error: RowError) -> None:
        self.error = error

    def json_pairs(self) -> list[tuple[str, Any]]:
        """As JSON.serialize writes it."""
        error = self.error
        fields = ApexList(Platform("String"), error.fields)
        return [("statusCode", error.status_code), ("message", error.message), ("fields", fields)]

    def __str__(self) -> str:
        error = self.error
        parts = f"getFields=({', '.join(error.fields)});getMessage={error.message};getStatusCode={error.status_code};"
        return f"Database.Error[{parts}]"


def _read_result(kind: str, given: Any) -> Result:
    errors = tuple(
        RowError(
            each.get("statusCode") or "UNKNOWN_EXCEPTION", each.get("message") or "", tuple(each.get("fields") or ())
        )
        for each in given.get("errors") or ()
    )
    created = bool(given.get("created"))
    return Result(kind, EngineResult(given.get("id"), bool(given.get("success")), created, errors))


for _kind in ("Save", "Upsert", "Delete", "Undelete"):
    PLATFORM_READERS[f"Database.{_kind}Result"] = partial(_read_result, _kind)
    _type = platform_type(f"Database.{_kind}Result")
    _type.method("Boolean isSuccess()")(lambda r: r.result.success)
    _type.method("Id getId()")(lambda r: r.result.id)
    _type.method("List<Database.Error> getErrors()")(
        lambda r: ApexList(Platform("Database.Error"), map(Fault, r.result.errors))
    )
    _type.read_only(id="Id", success="Boolean", errors="List<Database.Error>")
    if _kind == "Upsert":
        _type.read_only(created="Boolean")
        _type.method("Boolean isCreated()")(lambda r: r.result.created)
ERROR.method("String getMessage()")(lambda e: e.error.message)
ERROR.method("StatusCode getStatusCode()")(lambda e: ApexEnum("StatusCode", e.error.status_code, 0))
ERROR.method("List<String> getFields()")(lambda e: ApexList(Platform("String"), e.error.fields))

# ---- DML ------------------------------------------------------------------------------------------------------------


def _mode(rt: Any, access: Any) -> bool:
    if isinstance(access, ApexEnum):
        return access.name == "USER_MODE"
    return rt.caller_in_user_mode()  # type: ignore[no-any-return]  # a bool


class Options:
    """Database.DMLOptions: optAllOrNone is what counts here."""

    apex_name = "Database.DMLOptions"

    def __init__(self) -> None:
        self.optallornone: bool | None = None
        self.allowfieldtruncation: bool | None = None


OPTIONS.constructor("()")(Options)
for _name in ("optAllOrNone", "allowFieldTruncation"):
    OPTIONS.fields[_name.lower()] = Member(OPTIONS, _name, "Boolean", _name.lower(), settable=True)


def _many(
    rt: Any, operation: str, kind: str, records: Any, all_or_none: Any = True, access: Any = None, key: Any = None
) -> ApexList:
    if records is None:
        null_pointer()
    if isinstance(all_or_none, ApexEnum):
        all_or_none, access = True, all_or_none
    if isinstance(all_or_none, Options):
        all_or_none = all_or_none.optallornone is not False
    whole = True if all_or_none is None else all_or_none
    name = None if key is None else key.field.api_name
    outcome = write(
        rt, operation, records, user_mode=_mode(rt, access), sharing=rt.caller_sharing(), key=name, all_or_none=whole
    )
    if whole:
        refuse_failed(operation, records, outcome)
    return ApexList(Platform(f"Database.{kind}Result"), [Result(kind, each) for each in outcome])


def _declare_dml(operation: str, kind: str) -> None:
    result = f"Database.{kind}Result"

    def many(rt: Any, records: Any, *rest: Any) -> ApexList:
        return _many(rt, operation, kind, records, *rest)

    def one(rt: Any, record: Any, *rest: Any) -> Any:
        return _many(rt, operation, kind, None if record is None else [record], *rest)[0]

    extras = ["", ", Boolean", ", AccessLevel", ", Boolean, AccessLevel"]
    if operation in ("insert", "update"):
        extras += [", Database.DMLOptions", ", Database.DMLOptions, AccessLevel"]
    for extra in extras:
        DATABASE.static(f"List<{result}> {operation}(List<SObject>{extra})", runtime=True)(many)
        DATABASE.static(f"{result} {operation}(SObject{extra})", runtime=True)(one)
    if operation in ("delete", "undelete"):

        def by_ids(rt: Any, ids: Any, *rest: Any) -> ApexList:
            if ids is None:
                null_pointer()
            return many(rt, [SObject(_object_of(rt, each), {"Id": each}) for each in ids], *rest)

        def by_id(rt: Any, record_id: Any, *rest: Any) -> Any:
            return by_ids(rt, [record_id], *rest)[0]

        for extra in extras:
            DATABASE.static(f"List<{result}> {operation}(List<Id>{extra})", runtime=True)(by_ids)
            DATABASE.static(f"{result} {operation}(Id{extra})", runtime=True)(by_id)


def _object_of(rt: Any, record_id: str) -> str:
    found = rt.schema.of_id(record_id)
    if found is None:
        raise apex_error("StringException", f"Invalid id: {record_id}")
    return found.api_name  # type: ignore[no-any-return]  # a name


for _operation, _kind in (
    ("insert", "Save"),
    ("update", "Save"),
    ("upsert", "Upsert"),
    ("delete", "Delete"),
    ("undelete", "Undelete"),
):
    _declare_dml(_operation, _kind)


def _upsert_by(rt: Any, records: Any, key: Any, *rest: Any) -> ApexList:
    all_or_none: Any = True
    access: Any = None
    for each in rest:
        if isinstance(each, ApexEnum):
            access = each
        else:
            all_or_none = each
    return _many(rt, "upsert", "Upsert", records, all_or_none, access, key)


for _extra in ("", ", Boolean", ", AccessLevel", ", Boolean, AccessLevel"):
    DATABASE.static(f"List<Database.UpsertResult> upsert(List<SObject>, Schema.SObjectField{_extra})", runtime=True)(
        _upsert_by
    )
    DATABASE.static(f"Database.UpsertResult upsert(SObject, Schema.SObjectField{_extra})", runtime=True)(
        lambda rt, r, k, *rest: _upsert_by(rt, [r], k, *rest)[0]
    )


@DATABASE.static("List<Database.EmptyRecycleBinResult> emptyRecycleBin(List<SObject>)", runtime=True)
def _empty_bin(rt: Any, records: Any) -> ApexList:
    rt.limits.count("dml_statements")
    rt.limits.count("dml_rows", len(records))
    return ApexList(Platform("Database.EmptyRecycleBinResult"))


platform_type("Database.EmptyRecycleBinResult").method("Boolean isSuccess()")(lambda _r: True)

# ---- dynamic SOQL ---------------------------------------------------------------------------------------------------


def _parsed(rt: Any, text: str | None) -> tuple[Query, str, bool]:
    """A query from text: (tree, kind of its rows, whether it counts). Raises System.QueryException."""
    if text is None:
        raise apex_error("NullPointerException", "Argument cannot be null.")
    try:
        query = parse(text)
        kind, counts = check_query(query, rt.names, At(0, 0))
    except OrgError as refused:
        raise apex_error("QueryException", refused.message) from None
    except CompileError as refused:
        raise apex_error("QueryException", refused.message) from None
    return query, kind, counts


def _bound(rt: Any, query: Query, given: Any) -> dict[str, Any]:
    """Values of a query's binds: those given, else the variables of the calling method."""
    values: dict[str, Any] = {}
    for bind in binds_of(query):
        values[bind.text] = to_bind(_bind_value(rt, bind, given))
    return values


def _bind_value(rt: Any, bind: Bind, given: Any) -> Any:
    if given is not None:
        for key, value in given.items():
            if key.lower() == bind.text.lower():
                return value
        raise apex_error("QueryException", f"Key '{bind.text}' does not exist in the bindMap")
    found, value = rt.caller_variable(bind.text)
    if not found:
        raise apex_error("QueryException", f"Variable does not exist: {bind.text}")
    return value


def _dynamic(rt: Any, text: str | None, access: Any = None, binds: Any = None) -> tuple[Any, str]:
    query, kind, _ = _parsed(rt, text)
    values = _bound(rt, query, binds)
    return run_query(rt, query, values, user_mode=_mode(rt, access), sharing=rt.caller_sharing()), kind


@DATABASE.static("List<SObject> query(String)", runtime=True)
def _query(rt: Any, text: str | None, access: Any = None, binds: Any = None) -> ApexList:
    result, kind = _dynamic(rt, text, access, binds)
    return ApexList(Record(kind), fetch(rt, result))


DATABASE.static("List<SObject> query(String, AccessLevel)", runtime=True)(_query)
DATABASE.static("List<SObject> queryWithBinds(String, Map<String,Object>, AccessLevel)", runtime=True)(
    lambda rt, text, binds, access: _query(rt, text, access, binds)
)


@DATABASE.static("Integer countQuery(String)", runtime=True)
def _count(rt: Any, text: str | None, access: Any = None, binds: Any = None) -> int:
    result, _ = _dynamic(rt, text, access, binds)
    rt.limits.count("query_rows")
    return result.total_size  # type: ignore[no-any-return]  # an int


DATABASE.static("Integer countQuery(String, AccessLevel)", runtime=True)(_count)
DATABASE.static("Integer countQueryWithBinds(String, Map<String,Object>, AccessLevel)", runtime=True)(
    lambda rt, text, binds, access: _count(rt, text, access, binds)
)


@DATABASE.static("Database.QueryLocator getQueryLocator(String)", runtime=True)
def _locator(rt: Any, text: str | None, access: Any = None, binds: Any = None) -> Locator:
    rt.limits.count("queries")
    query, kind, _ = _parsed(rt, text)
    sharing = rt.caller_sharing()
    return Locator(query, kind, _bound(rt, query, binds), user_mode=_mode(rt, access), sharing=sharing)


DATABASE.static("Database.QueryLocator getQueryLocator(String, AccessLevel)", runtime=True)(_locator)
DATABASE.static(
    "Database.QueryLocator getQueryLocatorWithBinds(String, Map<String,Object>, AccessLevel)", runtime=True
)(lambda rt, text, binds, access: _locator(rt, text, access, binds))
LOCATOR.method("String getQuery()")(lambda locator: locator.query.text)

# ---- savepoints -----------------------------------------------------------------------------------------------------


@DATABASE.static("Savepoint setSavepoint()", runtime=True)
def _set_savepoint(rt: Any) -> Any:
    rt.limits.count("dml_statements")
    return rt.transaction.savepoint()


@DATABASE.static("void rollback(Savepoint)", runtime=True)
def _roll_back(rt: Any, savepoint: Any) -> None:
    if savepoint is None:
        null_pointer()
    rt.limits.count("dml_statements")
    rt.transaction.roll_back(savepoint)


@DATABASE.static("void releaseSavepoint(Savepoint)")
def _release(savepoint: Any) -> None:
    if savepoint is None:
        null_pointer()
