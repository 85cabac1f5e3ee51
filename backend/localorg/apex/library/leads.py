"""Database.convertLead: a lead becomes an account, a contact and, unless told not to, an opportunity.

Apex Reference Guide: LeadConvert and LeadConvertResult Classes. Standard fields are mapped as the platform maps them;
the opportunity is named for the company and closes with the quarter.
"""

from __future__ import annotations

import calendar
import datetime
from dataclasses import dataclass, field
from typing import Any

from localorg.apex.library.database import DATABASE, Fault
from localorg.apex.runtime.values import to_engine
from localorg.apex.types.model import Platform
from localorg.apex.types.platform import platform_type
from localorg.apex.values.collections import ApexList
from localorg.apex.values.exceptions import exception_class, null_pointer
from localorg.records import RowError

CONVERT = platform_type("Database.LeadConvert")
RESULT = platform_type("Database.LeadConvertResult")

_PERSON = (
    "Salutation",
    "FirstName",
    "LastName",
    "Title",
    "Phone",
    "MobilePhone",
    "Fax",
    "Email",
    "LeadSource",
    "Description",
)
_ADDRESS = ("Street", "City", "State", "PostalCode", "Country")


@dataclass
class LeadConvert:
    """What to convert and into what. Ids that are given are used instead of new rows."""

    apex_name = "Database.LeadConvert"

    lead: str | None = None
    status: str | None = None
    account: str | None = None
    contact: str | None = None
    opportunity: str | None = None
    opportunity_name: str | None = None
    owner: str | None = None
    no_opportunity: bool = False
    send_email: bool = False
    overwrite_source: bool = False


@dataclass(frozen=True)
class LeadConvertResult:
    """What came of one."""

    apex_name = "Database.LeadConvertResult"

    lead: str | None
    account: str | None = None
    contact: str | None = None
    opportunity: str | None = None
    errors: list[RowError] = field(default_factory=list)


CONVERT.constructor("()")(LeadConvert)
for _name, _kind, _attribute in (
    ("LeadId", "Id", "lead"),
    ("ConvertedStatus", "String", "status"),
    ("AccountId", "Id", "account"),
    ("ContactId", "Id", "contact"),
    ("OpportunityId", "Id", "opportunity"),
    ("OpportunityName", "String", "opportunity_name"),
    ("OwnerId", "Id", "owner"),
    ("DoNotCreateOpportunity", "Boolean", "no_opportunity"),
    ("SendNotificationEmail", "Boolean", "send_email"),
    ("OverwriteLeadSource", "Boolean", "overwrite_source"),
):

    def _set(target: LeadConvert, value: Any, attribute: str = _attribute) -> None:
        setattr(target, attribute, value)

    def _get(target: LeadConvert, attribute: str = _attribute) -> Any:
        return getattr(target, attribute)

    CONVERT.method(f"void set{_name}({_kind})")(_set)
    CONVERT.method(f"{_kind} {'is' if _kind == 'Boolean' else 'get'}{_name}()")(_get)
for _name in ("Lead", "Account", "Contact", "Opportunity"):
    RESULT.method(f"Id get{_name}Id()")(lambda r, attribute=_name: getattr(r, attribute.lower()))
RESULT.method("Boolean isSuccess()")(lambda r: not r.errors)
RESULT.method("List<Database.Error> getErrors()")(lambda r: ApexList(Platform("Database.Error"), map(Fault, r.errors)))


class _Refused(Exception):
    def __init__(self, error: RowError) -> None:
        super().__init__(error.message)
        self.error = error


def _convert_many(rt: Any, requests: Any, all_or_none: bool = True, _access: Any = None) -> ApexList:
    if requests is None:
        null_pointer()
    rt.limits.count("dml_statements")
    rt.limits.count("dml_rows", len(requests))
    results = []
    begin = rt.transaction.savepoint()
    for index, request in enumerate(requests):
        mark = rt.transaction.savepoint()
        try:
            results.append(_convert(rt, request))
        except _Refused as refused:
            rt.transaction.roll_back(mark)
            if all_or_none:
                rt.transaction.roll_back(begin)
                error = refused.error
                first = f"{error.status_code}, {error.message}: [{', '.join(error.fields)}]"
                text = f"ConvertLead failed. First exception on row {index}; first error: {first}"
                raise exception_class("DmlException")(text) from None
            results.append(LeadConvertResult(request.lead, errors=[refused.error]))
    return ApexList(Platform("Database.LeadConvertResult"), results)


for _extra in ("", ", Boolean", ", Boolean, AccessLevel"):
    DATABASE.static(f"List<Database.LeadConvertResult> convertLead(List<Database.LeadConvert>{_extra})", runtime=True)(
        _convert_many
    )
    DATABASE.static(f"Database.LeadConvertResult convertLead(Database.LeadConvert{_extra})", runtime=True)(
        lambda rt, request, *rest: _convert_many(rt, [request], *rest)[0]
    )


def _convert(rt: Any, request: LeadConvert) -> LeadConvertResult:
    lead = _lead(rt, request)
    owner = request.owner or lead["OwnerId"]
    account = request.account or _insert(rt, "Account", _account(lead, owner))
    contact = request.contact or _insert(rt, "Contact", {**_contact(lead, owner), "AccountId": account})
    opportunity = request.opportunity
    if opportunity is None and not request.no_opportunity:
        opportunity = _insert(rt, "Opportunity", _opportunity(rt, request, lead, owner, account))
        _insert(rt, "OpportunityContactRole", {"OpportunityId": opportunity, "ContactId": contact, "IsPrimary": True})
    changes = {
        "Id": lead["Id"], "Status": request.status, "IsConverted": True, "ConvertedAccountId": account,
        "ConvertedContactId": contact, "ConvertedOpportunityId": opportunity,
        "ConvertedDate": rt.now().astimezone(rt.zone).date().isoformat(),
    }  # fmt: skip
    [saved] = rt.platform.update("Lead", [changes])
    if not saved.success:
        raise _Refused(saved.errors[0])
    return LeadConvertResult(lead["Id"], account, contact, opportunity)


def _lead(rt: Any, request: LeadConvert) -> Any:
    names = (
        "Id",
        "OwnerId",
        "IsConverted",
        "Company",
        "Website",
        "Industry",
        "Rating",
        "AnnualRevenue",
        "NumberOfEmployees",
    )
    text = f"SELECT {', '.join((*names, *_PERSON, *_ADDRESS))} FROM Lead WHERE Id = :i"  # noqa: S608 - names of this file
    row = next(iter(rt.database(user_mode=False, sharing=True).query(text, binds={"i": request.lead})), None)
    if row is None:
        raise _Refused(RowError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", ()))
    if row["IsConverted"]:
        raise _Refused(RowError("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead", ()))
    statuses = rt.system.query(
        "SELECT Id FROM LeadStatus WHERE ApiName = :s AND IsConverted = true", binds={"s": request.status}
    )
    if next(iter(statuses), None) is None:
        message = f"invalid convertedStatus: {request.status} is not a valid converted lead status"
        raise _Refused(RowError("INVALID_STATUS", message, ("Status",)))
    return row


def _insert(rt: Any, object_name: str, values: dict[str, Any]) -> str:
    rows = [{name: to_engine(value) for name, value in values.items() if value is not None}]
    [saved] = rt.system.insert(object_name, rows)
    if not saved.success or saved.id is None:
        raise _Refused(saved.errors[0])
    return str(saved.id)


def _account(lead: Any, owner: str) -> dict[str, Any]:
    same = ("Website", "Industry", "Rating", "AnnualRevenue", "NumberOfEmployees", "Phone", "Fax")
    return {
        "Name": lead["Company"], "OwnerId": owner, "AccountSource": lead["LeadSource"],
        **{name: lead[name] for name in same}, **{f"Billing{name}": lead[name] for name in _ADDRESS},
    }  # fmt: skip


def _contact(lead: Any, owner: str) -> dict[str, Any]:
    address = {f"Mailing{name}": lead[name] for name in _ADDRESS}
    return {"OwnerId": owner, **{name: lead[name] for name in _PERSON}, **address}


def _opportunity(rt: Any, request: LeadConvert, lead: Any, owner: str, account: str) -> dict[str, Any]:
    today = rt.now().astimezone(rt.zone).date()
    month = (today.month - 1) // 3 * 3 + 3
    close = datetime.date(today.year, month, calendar.monthrange(today.year, month)[1])
    stage = next(
        iter(rt.system.query("SELECT ApiName FROM OpportunityStage WHERE IsClosed = false ORDER BY SortOrder LIMIT 1"))
    )
    return {
        "Name": request.opportunity_name or f"{lead['Company']}-", "AccountId": account, "OwnerId": owner,
        "StageName": stage["ApiName"], "CloseDate": close, "LeadSource": lead["LeadSource"],
    }  # fmt: skip
