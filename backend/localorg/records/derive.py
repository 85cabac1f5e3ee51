"""Values the platform works out itself: names of people, what a stage or a status means, totals.

Each function takes a row's values as they will stand (old ones and the changes) and returns the fields it
fills in. `changed` holds the fields that were sent.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from localorg.records.session import Session
from localorg.schema import ObjectKind, PicklistValue, SObjectType
from localorg.soql import stored_datetime

__all__ = ["derived"]

Values = Mapping[str, Any]


def derived(
    session: Session, sobject: SObjectType, values: Values, changed: Collection[str], *, insert: bool
) -> dict[str, Any]:
    """Everything the platform fills in for a row of this object."""
    if sobject.kind is ObjectKind.CUSTOM_METADATA:
        return _metadata_names(values)
    rule = _RULES.get(sobject.api_name)
    return rule(session, sobject, values, changed, insert) if rule is not None else {}


def _value(sobject: SObjectType, name: str, value: object) -> PicklistValue | None:
    field = sobject.get(name)
    if field is None or value is None:
        return None
    wanted = str(value).casefold()
    return next((item for item in field.picklist if item.value.casefold() == wanted), None)


def _person(_s: Session, _o: SObjectType, values: Values, _changed: Collection[str], _insert: bool) -> dict[str, Any]:
    return {"Name": " ".join(part for part in (values.get("FirstName"), values.get("LastName")) if part) or None}


def _metadata_names(values: Values) -> dict[str, Any]:
    namespace, name = values.get("NamespacePrefix"), values.get("DeveloperName")
    return {"Label": values.get("MasterLabel"), "QualifiedApiName": f"{namespace}__{name}" if namespace else name}


def _user(
    session: Session, sobject: SObjectType, values: Values, changed: Collection[str], insert: bool
) -> dict[str, Any]:
    found = _person(session, sobject, values, changed, insert)
    if insert:
        found["UserType"] = values.get("UserType") or "Standard"
        # Unique in the org, as a user name is.
        found["CommunityNickname"] = values.get("CommunityNickname") or str(values.get("Username", ""))[:40]
    return found


def _moment(session: Session, values: Values, changed: Collection[str]) -> str:
    """When a row was changed so."""
    return session.moment_of({name: values[name] for name in changed if name == "LastModifiedDate"})


_FORECASTS = {"BestCase": "Best Case", "Forecast": "Commit", "MostLikely": "Most Likely"}


def _opportunity(
    session: Session, sobject: SObjectType, values: Values, changed: Collection[str], insert: bool
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    stage = _value(sobject, "StageName", values.get("StageName"))
    if insert or "StageName" in changed:
        found["IsClosed"] = int(stage.closed) if stage else 0
        found["IsWon"] = int(stage.won) if stage else 0
        found["LastStageChangeDate"] = None if insert else _moment(session, values, changed)
        if "Probability" not in changed:
            found["Probability"] = float(stage.probability) if stage and stage.probability is not None else 0.0
        if "ForecastCategoryName" not in changed:
            forecast = (stage.forecast if stage else None) or "Pipeline"
            found["ForecastCategory"] = forecast
            found["ForecastCategoryName"] = _FORECASTS.get(forecast, forecast)
    if "ForecastCategoryName" in changed:
        names = {shown: value for value, shown in _FORECASTS.items()}
        given = values.get("ForecastCategoryName")
        found["ForecastCategory"] = names.get(str(given), given)
    amount, probability = values.get("Amount"), found.get("Probability", values.get("Probability"))
    found["ExpectedRevenue"] = (
        round(amount * probability / 100, 2) if amount is not None and probability is not None else None
    )
    close = values.get("CloseDate")
    if close:
        year, month = int(close[:4]), int(close[5:7])
        found.update(FiscalYear=year, FiscalQuarter=(month + 2) // 3, Fiscal=f"{year} {(month + 2) // 3}")
    if insert:
        found.update(PushCount=0, HasOpportunityLineItem=0, HasOpenActivity=0, HasOverdueTask=0)
    return found


def _case(
    session: Session, sobject: SObjectType, values: Values, changed: Collection[str], insert: bool
) -> dict[str, Any]:
    if not insert and "Status" not in changed:
        return {}
    status = _value(sobject, "Status", values.get("Status"))
    closed = bool(status and status.closed)
    found: dict[str, Any] = {"IsClosed": int(closed)}
    if insert:
        found["IsClosedOnCreate"] = int(closed)
    if not closed:
        found["ClosedDate"] = None
    elif insert or not values.get("IsClosed"):
        found["ClosedDate"] = session.now if insert else _moment(session, values, changed)
    return found


def _task(
    session: Session, sobject: SObjectType, values: Values, changed: Collection[str], insert: bool
) -> dict[str, Any]:
    found: dict[str, Any] = {"IsHighPriority": int(values.get("Priority") == "High"), **_related(values)}
    if insert or "Status" in changed:
        status = _value(sobject, "Status", values.get("Status"))
        closed = bool(status and status.closed)
        found["IsClosed"] = int(closed)
        if not closed:
            found["CompletedDateTime"] = None
        elif insert or not values.get("IsClosed"):
            found["CompletedDateTime"] = session.now
    return found


def _event(
    _session: Session, _sobject: SObjectType, values: Values, changed: Collection[str], _insert: bool
) -> dict[str, Any]:
    found = _related(values)
    start = values.get("StartDateTime" if "StartDateTime" in changed else "ActivityDateTime") or values.get(
        "StartDateTime"
    )
    if not start:
        return found
    found.update(StartDateTime=start, ActivityDateTime=start, ActivityDate=start[:10])
    begins, end, minutes = datetime.fromisoformat(start), values.get("EndDateTime"), values.get("DurationInMinutes")
    if end and ("EndDateTime" in changed or minutes is None):
        found["DurationInMinutes"] = int((datetime.fromisoformat(end) - begins).total_seconds() // 60)
    elif minutes is not None:
        end = found["EndDateTime"] = stored_datetime(begins + timedelta(minutes=minutes))
    found["EndDate"] = end[:10] if end else None
    return found


def _related(values: Values) -> dict[str, Any]:
    return {"WhoCount": int(bool(values.get("WhoId"))), "WhatCount": int(bool(values.get("WhatId")))}


def _campaign_member(
    session: Session, _sobject: SObjectType, values: Values, changed: Collection[str], insert: bool
) -> dict[str, Any]:
    responded = values.get("Status") == "Responded"
    found: dict[str, Any] = {
        "HasResponded": int(responded),
        "LeadOrContactId": values.get("ContactId") or values.get("LeadId"),
        "Type": "Contact" if values.get("ContactId") else "Lead",
    }
    if responded and (insert or "Status" in changed) and not values.get("FirstRespondedDate"):
        found["FirstRespondedDate"] = session.today
    return found


def _line_item(
    _session: Session, sobject: SObjectType, values: Values, changed: Collection[str], _insert: bool
) -> dict[str, Any]:
    quantity, price = values.get("Quantity"), values.get("UnitPrice")
    if quantity is None or price is None or "TotalPrice" in changed:
        return {}
    subtotal = quantity * price
    discount = values.get("Discount") or 0
    total = {"TotalPrice": round(subtotal * (1 - discount / 100), 2)}
    return {"Subtotal": round(subtotal, 2), **total} if sobject.get("Subtotal") else total


_RULES: Mapping[str, Callable[[Session, SObjectType, Values, Collection[str], bool], dict[str, Any]]] = {
    "Contact": _person,
    "Lead": _person,
    "User": _user,
    "Individual": _person,
    "Opportunity": _opportunity,
    "Case": _case,
    "Task": _task,
    "Event": _event,
    "CampaignMember": _campaign_member,
    "OpportunityLineItem": _line_item,
    "QuoteLineItem": _line_item,
    "OrderItem": _line_item,
}
