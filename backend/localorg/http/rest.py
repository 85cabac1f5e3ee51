"""REST: versions, resources, describe, single records, limits and counts."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

from starlette.responses import Response

from localorg.access import Rights
from localorg.errors import OrgError
from localorg.http.answers import json_answer, nothing
from localorg.http.calls import Call, Route
from localorg.http.records_json import record_document
from localorg.http.rows import Operation, save_rows
from localorg.records import SaveResult
from localorg.schema import SObjectType

__all__ = ["ROUTES", "V", "limits_document", "sobject_of"]

V = "/services/data/v{version}"
_RESOURCES = (
    "tooling",
    "metadata",
    "composite",
    "queryAll",
    "query",
    "search",
    "sobjects",
    "limits",
    "jobs",
    "actions",
    "analytics",
    "recent",
)


def _versions(_: Call) -> Response:
    found = []
    for number in range(31, 68):
        # 31.0 was Summer '14; three releases a year.
        year, season = divmod(number - 31 + 1, 3)
        label = f"{('Spring', 'Summer', 'Winter')[season]} '{14 + year + (season == 2)}"
        found.append({"label": label, "url": f"/services/data/v{number}.0", "version": f"{number}.0"})
    return json_answer(found)


def _resources(call: Call) -> Response:
    base = f"/services/data/v{call.version}"
    identity = f"{call.base_url}/id/{call.org.org_id}/{call.context.user_id}"
    return json_answer({**{name: f"{base}/{name}" for name in _RESOURCES}, "identity": identity})


def sobject_of(call: Call, name: str | None = None) -> SObjectType:
    """The object a path names; 404 where the org has none or the user may not read it."""
    wanted = name or call.params["object"]
    found = call.org.schema.get(wanted)
    if found is None or not _rights(call).on(found).read:
        raise OrgError("NOT_FOUND", "The requested resource does not exist", status=404)
    return found


def _global_describe(call: Call) -> Response:
    unchanged = _unchanged(call)
    return unchanged or json_answer(_described(call, None), headers={"Last-Modified": _changed_at(call)})


def _describe(call: Call) -> Response:
    sobject = sobject_of(call)
    unchanged = _unchanged(call)
    return unchanged or json_answer(
        _described(call, sobject),
        headers={"Last-Modified": _changed_at(call)},
    )


def _changed_at(call: Call) -> str:
    return format_datetime(call.server.ages.changed_at(call.org, _rights(call)), usegmt=True)


def _unchanged(call: Call) -> Response | None:
    since = call.headers.get("if-modified-since")
    if since is None:
        return None
    try:
        moment = parsedate_to_datetime(since)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return nothing(304) if call.server.ages.changed_at(call.org, _rights(call)) <= moment else None


def _described(call: Call, sobject: SObjectType | None) -> dict[str, Any]:
    with call.transaction() as transaction:
        if sobject is None:
            return transaction.describe_global(call.version)
        return transaction.describe(sobject.api_name, call.version)


def _rights(call: Call) -> Rights:
    return call.org.rights(call.context.user_id)


def _metadata(call: Call) -> Response:
    sobject = sobject_of(call)
    document = _described(call, sobject)
    brief = {key: value for key, value in document.items() if key not in {"fields", "childRelationships"}}
    return json_answer({"objectDescribe": brief, "recentItems": []})


def _create(call: Call) -> Response:
    sobject = sobject_of(call)
    values = call.body.object()
    if any(name.lower() == "id" for name in values):
        raise OrgError("INVALID_FIELD", "The Id field should not be specified in the sobject data.")
    (result,) = _save(call, Operation.INSERT, sobject, values)
    return json_answer({"id": result.id, "success": True, "errors": []}, 201)


def _read(call: Call) -> Response:
    sobject = sobject_of(call)
    return json_answer(_record(call, sobject, "Id", call.params["id"]))


def _read_by_key(call: Call) -> Response:
    sobject, field = _key_of(call)
    try:
        return json_answer(_record(call, sobject, field, call.params["key"]))
    except _Several as several:
        return _choices(call, sobject, several.ids)


def _choices(call: Call, sobject: SObjectType, ids: Sequence[str]) -> Response:
    """300: the caller may choose; the body lists where."""
    base = f"/services/data/v{call.version}/sobjects/{sobject.api_name}"
    return json_answer([f"{base}/{record_id}" for record_id in ids], 300)


class _Several(Exception):
    """An external id names more than one record; ids: of two of them."""

    def __init__(self, ids: list[str]) -> None:
        super().__init__(f"{len(ids)} records")
        self.ids = ids


def _record(call: Call, sobject: SObjectType, field: str, value: str) -> dict[str, Any]:
    names = [name for name in call.query.get("fields", "").split(",") if name]
    with call.transaction() as transaction:
        if not names:
            rights = _rights(call)
            names = [field.api_name for field in sobject if rights.of(sobject, field).read]
        # Names come from the caller, so they are parsed, never trusted: they must be one name each.
        for name in names:
            if not name.replace(".", "_").isidentifier():
                raise OrgError("INVALID_FIELD", f"No such column '{name}' on sobject of type {sobject.api_name}")
        soql = f"SELECT {', '.join(names)} FROM {sobject.api_name} WHERE {field} = :value LIMIT 2"  # noqa: S608 - names of the schema
        found = list(transaction.query(soql, binds={"value": value}))
        if not found:
            raise OrgError("NOT_FOUND", "The requested resource does not exist", status=404)
        if len(found) > 1:
            raise _Several([str(row["Id"]) for row in found])
        return record_document(found[0], call.version)


def _update(call: Call) -> Response:
    sobject = sobject_of(call)
    _save(call, Operation.UPDATE, sobject, {**_without_id(call.body.object()), "Id": call.params["id"]})
    return nothing()


def _delete(call: Call) -> Response:
    sobject = sobject_of(call)
    _save(call, Operation.DELETE, sobject, {"Id": call.params["id"]})
    return nothing()


def _upsert(call: Call) -> Response:
    sobject, field = _key_of(call)
    row = {**_without_id(call.body.object()), field: call.params["key"]}
    try:
        (result,) = _save(call, Operation.UPSERT, sobject, row, external_id=field)
    except OrgError as refused:
        if refused.code != "DUPLICATE_EXTERNAL_ID":
            raise
        return _choices(call, sobject, re.findall(r"\w{18}", refused.message))
    document: dict[str, Any] = {"id": result.id, "success": True, "errors": [], "created": result.created}
    if not result.created and float(call.version) < 46:
        return nothing()
    return json_answer(document, 201 if result.created else 200)


def _delete_by_key(call: Call) -> Response:
    sobject, field = _key_of(call)
    try:
        found = _record(call, sobject, field, call.params["key"])
    except _Several as several:
        return _choices(call, sobject, several.ids)
    _save(call, Operation.DELETE, sobject, {"Id": found["Id"]})
    return nothing()


def _key_of(call: Call) -> tuple[SObjectType, str]:
    sobject = sobject_of(call)
    field = call.org.schema.field_of(sobject, call.params["field"])
    if field is None or not (field.external_id or field.id_lookup or field.api_name == "Id"):
        raise OrgError(
            "NOT_FOUND",
            "Provided external ID field does not exist or is not accessible: " + call.params["field"],
            status=404,
        )
    return sobject, field.api_name


def _without_id(row: Mapping[str, object]) -> dict[str, object]:
    if any(name.lower() == "id" for name in row):
        raise OrgError("INVALID_FIELD", "The Id field should not be specified in the sobject data.", fields=("Id",))
    return dict(row)


def _save(
    call: Call, operation: Operation, sobject: SObjectType, row: Mapping[str, object], external_id: str | None = None
) -> list[SaveResult]:
    results = save_rows(
        call.org,
        call.context,
        call.server.faults,
        operation,
        sobject.api_name,
        [row],
        external_id=external_id,
        within=call.within,
    )
    if results[0].errors:
        error = results[0].errors[0]
        missing = error.status_code in {"ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY"}
        status = 404 if missing and operation is not Operation.INSERT else 400
        raise OrgError(error.status_code, error.message, status=status, fields=tuple(error.fields))
    return results


def _updated(call: Call) -> Response:
    sobject = sobject_of(call)
    start, end = call.query.get("start", ""), call.query.get("end", "")
    soql = f"SELECT Id FROM {sobject.api_name} WHERE SystemModstamp >= :start AND SystemModstamp < :end"  # noqa: S608 - names of the schema
    ids = [str(row["Id"]) for row in _changed(call, soql, start, end, deleted=False)]
    return json_answer({"ids": ids, "latestDateCovered": end})


def _deleted(call: Call) -> Response:
    sobject = sobject_of(call)
    start, end = call.query.get("start", ""), call.query.get("end", "")
    soql = (
        f"SELECT Id, SystemModstamp FROM {sobject.api_name} "  # noqa: S608 - the name is the schema's
        "WHERE IsDeleted = true AND SystemModstamp >= :start AND SystemModstamp < :end"
    )
    records = [
        {"id": row["Id"], "deletedDate": row["SystemModstamp"]}
        for row in _changed(call, soql, start, end, deleted=True)
    ]
    return json_answer({"deletedRecords": records, "earliestDateAvailable": start, "latestDateCovered": end})


def _changed(call: Call, soql: str, start: str, end: str, *, deleted: bool) -> list[Any]:
    try:
        binds = {"start": dt.datetime.fromisoformat(start), "end": dt.datetime.fromisoformat(end)}
    except ValueError as wrong:
        raise OrgError("INVALID_REPLICATION_DATE", "start and end must be ISO 8601 dates") from wrong
    with call.transaction() as transaction:
        return list(transaction.query(soql, binds=binds, include_deleted=deleted))


def _set_password(call: Call) -> Response:
    user_id = _record(call, sobject_of(call, "User"), "Id", call.params["id"])["Id"]
    if call.context.user_id != user_id and "ManageUsers" not in _rights(call).permissions:
        raise OrgError("INSUFFICIENT_ACCESS", "insufficient access rights on cross-reference id", status=403)
    password = str(call.body.object().get("NewPassword", ""))
    if len(password) < 8:
        raise OrgError("INVALID_NEW_PASSWORD", "Your password must be at least 8 characters long.")
    call.server.set_password(str(user_id), password)
    return nothing()


def limits_document(call: Call) -> dict[str, dict[str, int]]:
    """The limits as `limits` shows them; calls are counted, the rest is never reached here."""
    used, allowed = call.server.usage.used(call.org.org_id), call.server.usage.allowed(call.org.org_id)

    def free(most: int) -> dict[str, int]:
        return {"Max": most, "Remaining": most}

    return {
        "DailyApiRequests": {"Max": allowed, "Remaining": max(0, allowed - used)},
        "DailyBulkApiBatches": free(15_000),
        "DailyBulkV2QueryJobs": free(10_000),
        "DailyBulkV2QueryFileStorageMB": free(976_562),
        "DailyAsyncApexExecutions": free(250_000),
        "DailyWorkflowEmails": free(1_000),
        "DataStorageMB": free(10_240),
        "FileStorageMB": free(10_240),
        "HourlyAsyncReportRuns": free(1_200),
        "SingleEmail": free(5_000),
        "MassEmail": free(5_000),
        "ActiveScratchOrgs": free(40),
        "DailyScratchOrgs": free(80),
    }


def _limits(call: Call) -> Response:
    return json_answer(limits_document(call))


def _record_count(call: Call) -> Response:
    wanted = [name for name in call.query.get("sObjects", "").split(",") if name]
    rights = _rights(call)
    objects = [call.org.schema.get(name) for name in wanted] if wanted else list(call.org.schema)
    counts = []
    with call.org.transaction(call.org.admin_context()) as transaction:
        for sobject in objects:
            if sobject is None or sobject.virtual or not rights.on(sobject).read:
                continue
            count = transaction.query(f"SELECT COUNT() FROM {sobject.api_name}").total_size  # noqa: S608 - names of the schema
            if count or wanted:
                counts.append({"count": count, "name": sobject.api_name})
    return json_answer({"sObjects": counts})


def _allow(call: Call) -> Response:
    document = call.body.object()
    entry = call.server.registry.entry(str(document.get("org", "")))
    calls = document.get("daily_calls")
    if entry is None or not isinstance(calls, int) or calls < 0:
        raise OrgError("INVALID_FIELD", 'Give {"org": ALIAS, "daily_calls": N}')
    call.server.usage.allow(entry.org_id, calls)
    return json_answer({"org": entry.alias, "daily_calls": calls})


ROUTES = (
    Route("GET", "/services/data", _versions, open=True),
    Route("GET", V, _resources),
    Route("GET", V + "/limits", _limits),
    Route("GET", V + "/limits/recordCount", _record_count),
    Route("GET", V + "/sobjects", _global_describe),
    Route("GET", V + "/sobjects/{object}/describe", _describe),
    Route("GET", V + "/sobjects/{object}/updated", _updated),
    Route("GET", V + "/sobjects/{object}/deleted", _deleted),
    Route("POST|PATCH", V + "/sobjects/User/{id}/password", _set_password),
    Route("GET", V + "/sobjects/{object}", _metadata),
    Route("POST", V + "/sobjects/{object}", _create),
    Route("GET", V + "/sobjects/{object}/{id}", _read),
    Route("PATCH", V + "/sobjects/{object}/{id}", _update),
    Route("DELETE", V + "/sobjects/{object}/{id}", _delete),
    Route("GET", V + "/sobjects/{object}/{field}/{key:path}", _read_by_key),
    Route("PATCH", V + "/sobjects/{object}/{field}/{key:path}", _upsert),
    Route("DELETE", V + "/sobjects/{object}/{field}/{key:path}", _delete_by_key),
    Route("POST", "/_local/allowance", _allow, open=True),
)
