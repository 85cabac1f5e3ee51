"""Who runs and with what left: UserInfo, FeatureManagement, Limits, Security, Request, URL.

Apex Reference Guide: UserInfo, FeatureManagement, Limits, Security, SObjectAccessDecision, URL, Request.
"""

from __future__ import annotations

from typing import Any

from localorg.apex.types.model import INTEGER, STRING, set_of
from localorg.apex.types.platform import platform_type
from localorg.apex.values.collections import ApexList, ApexMap, ApexSet
from localorg.apex.values.exceptions import apex_error, null_pointer
from localorg.apex.values.objects import ApexEnum
from localorg.apex.values.records import SObject

USER = platform_type("UserInfo")
FEATURES = platform_type("FeatureManagement")
LIMIT = platform_type("Limits")
SECURITY = platform_type("Security")
DECISION = platform_type("SObjectAccessDecision")
platform_type("AccessType", parent="Enum", constants=("CREATABLE", "READABLE", "UPDATABLE", "UPSERTABLE"))
platform_type(
    "Quiddity",
    parent="Enum",
    constants=(
        "ANONYMOUS", "AURA", "BATCH_ACS", "BATCH_APEX", "BATCH_CHUNK_PARALLEL", "BATCH_CHUNK_SERIAL", "BULK_API",
        "COMMERCE_INTEGRATION", "DISCOVERABLE_LOGIN", "FUNCTION_CALLBACK", "FUTURE", "INBOUND_EMAIL_SERVICE",
        "INVOCABLE_ACTION", "IOT", "PLATFORM_EVENT_PUBLISH_CALLBACK", "POST_INSTALL_SCRIPT", "QUEUEABLE",
        "QUICK_ACTION", "REMOTE_ACTION", "REST", "RUNTEST_ASYNC", "RUNTEST_DEPLOY", "RUNTEST_SYNC", "SCHEDULED",
        "SOAP", "SYNCHRONOUS", "TRANSACTION_FINALIZER_QUEUEABLE", "UNDEFINED", "VF",
    ),
)  # fmt: skip
REQUEST = platform_type("Request")
URL = platform_type("URL")

# ---- UserInfo -------------------------------------------------------------------------------------------------------


def _user(rt: Any, field: str) -> Any:
    text = f"SELECT {field} FROM User WHERE Id = :u"  # noqa: S608 - fields of this file
    row: Any = next(iter(rt.system.query(text, binds={"u": rt.user_id})), None)
    for part in field.split("."):
        row = None if row is None else row[part]
    return row


for _name, _field in {
    "getUserName": "Username",
    "getUserEmail": "Email",
    "getName": "Name",
    "getFirstName": "FirstName",
    "getLastName": "LastName",
    "getProfileId": "ProfileId",
    "getUserRoleId": "UserRoleId",
    "getLanguage": "LanguageLocaleKey",
    "getLocale": "LocaleSidKey",
    "getUserType": "UserType",
}.items():
    USER.static(f"String {_name}()", runtime=True)(lambda rt, field=_field: _user(rt, field))
USER.static("Id getUserId()", runtime=True)(lambda rt: rt.user_id)
USER.static("Id getOrganizationId()", runtime=True)(lambda rt: rt.transaction.org.org_id)
USER.static("String getOrganizationName()", runtime=True)(
    lambda rt: next(iter(rt.system.query("SELECT Name FROM Organization")))["Name"]
)
USER.static("String getDefaultCurrency()")(lambda: "USD")
USER.static("Boolean isMultiCurrencyOrganization()", runtime=True)(lambda rt: rt.schema.get("CurrencyType") is not None)
USER.static("String getUiThemeDisplayed()")(lambda: "Theme4d")
USER.static("String getSessionId()")(lambda: None)
USER.static("TimeZone getTimeZone()", runtime=True)(lambda rt: _zone(rt))


def _zone(rt: Any) -> Any:
    from localorg.apex.library.temporal import Zone

    return Zone(rt.zone)


@USER.static("Boolean isCurrentUserLicensed(String)")
def _licensed(_package: str) -> bool:
    return True


@FEATURES.static("Boolean checkPermission(String)", runtime=True)
def _check_permission(rt: Any, name: str) -> bool:
    if name is None:
        null_pointer()
    held = {each.lower() for each in rt.rights.custom_permissions}
    plain = name.lower().removeprefix(f"{rt.namespace}__".lower()) if rt.namespace else name.lower()
    return plain in held or name.lower() in held


# ---- Limits ---------------------------------------------------------------------------------------------------------

for _shown, _counter in {
    "Queries": "queries",
    "QueryRows": "query_rows",
    "AggregateQueries": "aggregate_queries",
    "DmlStatements": "dml_statements",
    "DmlRows": "dml_rows",
    "Callouts": "callouts",
    "QueueableJobs": "queueable_jobs",
    "FutureCalls": "future_calls",
    "EmailInvocations": "emails",
    "QueryLocatorRows": "query_locator_rows",
    "SoslQueries": "sosl_queries",
}.items():
    LIMIT.static(f"Integer get{_shown}()", runtime=True)(lambda rt, name=_counter: rt.limits.used.get(name, 0))
    LIMIT.static(f"Integer getLimit{_shown}()", runtime=True)(lambda rt, name=_counter: rt.limits.limit(name))
LIMIT.static("Integer getCpuTime()", runtime=True)(lambda rt: rt.limits.cpu_time())
LIMIT.static("Integer getLimitCpuTime()", runtime=True)(lambda rt: rt.limits.limit("cpu_time"))
LIMIT.static("Integer getHeapSize()", runtime=True)(lambda rt: rt.limits.used.get("heap", 1000))
LIMIT.static("Integer getLimitHeapSize()", runtime=True)(lambda rt: rt.limits.limit("heap"))

# ---- Security.stripInaccessible -------------------------------------------------------------------------------------


class Decision:
    """System.SObjectAccessDecision."""

    apex_name = "SObjectAccessDecision"

    def __init__(self, records: ApexList, removed: dict[str, set[str]], modified: list[int]) -> None:
        self.records = records
        self.removed = removed
        self.modified = modified


@SECURITY.static("SObjectAccessDecision stripInaccessible(AccessType, List<SObject>)", runtime=True)
def _strip(rt: Any, access: ApexEnum, records: Any, enforce_object: bool = True) -> Decision:
    if access is None or records is None:
        null_pointer()
    removed: dict[str, set[str]] = {}
    kept = ApexList(records.element)
    modified = []
    for index, record in enumerate(records):
        clean = _stripped(rt, access.name, record, removed, enforce_object)
        if len(clean.values) != len(record.values):
            modified.append(index)
        kept.append(clean)
    return Decision(kept, removed, modified)


SECURITY.static("SObjectAccessDecision stripInaccessible(AccessType, List<SObject>, Boolean)", runtime=True)(_strip)


def _stripped(rt: Any, access: str, record: SObject, removed: dict[str, set[str]], enforce: bool) -> SObject:
    object_ = rt.schema.object(record.type)
    rights = rt.rights.on(object_)
    allowed = {
        "READABLE": rights.read,
        "CREATABLE": rights.create,
        "UPDATABLE": rights.edit,
        "UPSERTABLE": rights.create and rights.edit,
    }[access]
    if enforce and not allowed:
        raise apex_error("NoAccessException", f"No access to entity: {record.type}")
    values: dict[str, Any] = {}
    for name, value in record.values.items():
        if isinstance(value, SObject):
            values[name] = _stripped(rt, access, value, removed, enforce=False)
        elif isinstance(value, ApexList):
            below = [_stripped(rt, access, each, removed, enforce=False) for each in value]
            values[name] = ApexList(value.element, below)
        else:
            field = object_.get(name)
            held = None if field is None else rt.rights.of(object_, field)
            fits = held is None or (held.read if access == "READABLE" else held.edit)
            if fits and (
                field is None
                or access == "READABLE"
                or field.api_name == "Id"
                or (field.createable or field.updateable)
            ):
                values[name] = value
            else:
                removed.setdefault(record.type, set()).add(name)
    clean = SObject(record.type, values, queried=record.queried)
    clean.changed.update(record.changed & values.keys())
    return clean


DECISION.method("List<SObject> getRecords()")(lambda d: d.records)
DECISION.method("Map<String,Set<String>> getRemovedFields()")(
    lambda d: ApexMap(STRING, set_of(STRING), ((k, ApexSet(STRING, sorted(v))) for k, v in d.removed.items()))
)
DECISION.method("Set<Integer> getModifiedIndexes()")(lambda d: ApexSet(INTEGER, d.modified))

# ---- Request and URL ------------------------------------------------------------------------------------------------

_QUIDDITIES = {
    "anonymous": "ANONYMOUS", "aura": "AURA", "batch": "BATCH_APEX", "action": "INVOCABLE_ACTION",
    "queueable": "QUEUEABLE", "rest": "REST", "test": "RUNTEST_SYNC", "scheduled": "SCHEDULED",
}  # fmt: skip


class CurrentRequest:
    """System.Request."""

    apex_name = "Request"


REQUEST.static("Request getCurrent()")(CurrentRequest)
REQUEST.method("Quiddity getQuiddity()", runtime=True)(
    lambda rt, _r: ApexEnum("Quiddity", _QUIDDITIES.get(rt.kind, "UNDEFINED"), 0)
)
REQUEST.method("String getRequestId()", runtime=True)(lambda rt, _r: f"local-{id(rt):x}")


class Url:
    """System.URL: the org's own address."""

    apex_name = "URL"

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text


URL.static("URL getOrgDomainUrl()", runtime=True)(lambda rt: Url(f"https://{rt.transaction.org.alias}.localhost"))
URL.method("String toExternalForm()")(lambda url: url.text)
URL.method("String getHost()")(lambda url: url.text.removeprefix("https://"))
