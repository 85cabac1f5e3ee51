"""Lead conversion: a lead becomes a contact at an account and, unless refused, an opportunity.

The lead stays, marked with what it became, and can no longer be changed. Its activities and campaign
memberships go to the contact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from localorg.errors import OrgError
from localorg.records.history import record_change
from localorg.records.outcomes import SaveResult
from localorg.records.save import insert, update
from localorg.records.session import Session
from localorg.schema import PicklistValue
from localorg.store import is_id, to18

__all__ = ["Conversion", "LeadConversion", "convert_lead"]

_ACCOUNT = {
    "Company": "Name", "Phone": "Phone", "Fax": "Fax", "Website": "Website", "Industry": "Industry",
    "AnnualRevenue": "AnnualRevenue", "NumberOfEmployees": "NumberOfEmployees", "Rating": "Rating",
    "LeadSource": "AccountSource", "Description": "Description",
}  # fmt: skip
_CONTACT = {
    "FirstName": "FirstName", "LastName": "LastName", "Salutation": "Salutation", "Title": "Title", "Phone": "Phone",
    "MobilePhone": "MobilePhone", "Fax": "Fax", "Email": "Email", "LeadSource": "LeadSource",
    "Description": "Description", "HasOptedOutOfEmail": "HasOptedOutOfEmail", "HasOptedOutOfFax": "HasOptedOutOfFax",
    "DoNotCall": "DoNotCall", "IndividualId": "IndividualId",
}  # fmt: skip
_ADDRESS = ("Street", "City", "State", "PostalCode", "Country", "Latitude", "Longitude")


@dataclass(frozen=True, slots=True)
class LeadConversion:
    """What to convert, and into what.

    status:            a lead status that means converted.
    account, contact:  ids of rows to merge into; new ones are made where None.
    opportunity_name:  of the new opportunity; the company's name where None.
    """

    lead: str
    status: str
    account: str | None = None
    contact: str | None = None
    opportunity: bool = True
    opportunity_name: str | None = None
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class Conversion:
    """What a lead became: ids."""

    lead: str
    account: str
    contact: str
    opportunity: str | None


def convert_lead(session: Session, wanted: LeadConversion) -> Conversion:
    """Convert one lead, wholly or not at all.

    Raises OrgError with the platform's code where it cannot be converted.
    """
    lead_type = session.schema.object("Lead")
    if not is_id(wanted.lead):
        raise OrgError("INVALID_ID_FIELD", f"invalid lead id: {wanted.lead}")
    lead_id = to18(wanted.lead)
    lead = session.rows(lead_type, [lead_id]).get(lead_id)
    if lead is None:
        raise OrgError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
    if lead["IsConverted"]:
        raise OrgError("CANNOT_UPDATE_CONVERTED_LEAD", "lead has already been converted")
    if session.user_mode and "ConvertLeads" not in session.rights.permissions:
        raise OrgError("INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id", status=403)
    status = lead_type.get("Status")
    if not _means_converted(status.picklist if status else (), wanted.status):
        raise OrgError("INVALID_STATUS", f"invalid convertedStatus: {wanted.status}")
    if wanted.contact is not None and wanted.account is None:
        raise OrgError("REQUIRED_FIELD_MISSING", "accountId must be specified when a contactId is")
    session.connection.execute("SAVEPOINT convert")
    batches = len(session.batches)
    try:
        made = _convert(session, wanted, lead)
    except BaseException:
        session.connection.execute("ROLLBACK TO convert")
        session.connection.execute("RELEASE convert")
        del session.batches[batches:]
        raise
    session.connection.execute("RELEASE convert")
    return made


def _means_converted(values: tuple[PicklistValue, ...], status: str) -> bool:
    return any(value.converted and value.value.casefold() == status.casefold() for value in values)


def _convert(session: Session, wanted: LeadConversion, lead: Mapping[str, Any]) -> Conversion:
    lead_id = str(lead["Id"])
    owner = {"OwnerId": wanted.owner or lead["OwnerId"]} if str(wanted.owner or lead["OwnerId"])[:3] == "005" else {}
    account = wanted.account or _make(session, "Account", {**_mapped(lead, _ACCOUNT, "Billing"), **owner})
    contact = wanted.contact or _make(
        session, "Contact", {**_mapped(lead, _CONTACT, "Mailing"), **owner, "AccountId": account}
    )
    opportunity = None
    if wanted.opportunity:
        stage = session.schema.object("Opportunity").get("StageName")
        first = next((value.value for value in stage.picklist if value.active), None) if stage else None
        year, month = int(session.today[:4]), int(session.today[5:7])
        close = f"{year:04d}-{(month + 2) // 3 * 3:02d}-{30 if month in (4, 5, 6, 7, 8, 9) else 31}"
        name = wanted.opportunity_name or f"{lead['Company']}-"
        values = {"Name": name, "StageName": first, "CloseDate": close, "AccountId": account, **owner}
        opportunity = _make(session, "Opportunity", {**values, "LeadSource": lead["LeadSource"]})
        role = {"OpportunityId": opportunity, "ContactId": contact, "IsPrimary": True}
        _make(session, "OpportunityContactRole", role)
    changes = {
        "Status": wanted.status,
        "IsConverted": True,
        "IsUnreadByOwner": False,
        "ConvertedDate": session.today,
        "ConvertedAccountId": account,
        "ConvertedContactId": contact,
        "ConvertedOpportunityId": opportunity,
    }
    platform = _as_platform(session)
    _settled(update(platform, session.schema.object("Lead"), [{"Id": lead_id, **changes}], all_or_none=True))
    record_change(session, session.schema.object("Lead"), lead_id, "leadConverted")
    moved = (contact, account, lead_id)
    session.connection.execute("UPDATE Task SET WhoId = ?, AccountId = ? WHERE WhoId = ?", moved)
    session.connection.execute("UPDATE Event SET WhoId = ?, AccountId = ? WHERE WhoId = ?", moved)
    session.connection.execute(
        "UPDATE CampaignMember SET ContactId = ? WHERE LeadId = ? AND ContactId IS NULL", (contact, lead_id)
    )
    return Conversion(lead_id, account, contact, opportunity)


def _as_platform(session: Session) -> Session:
    return replace(session, context=session.context.as_platform())


def _mapped(lead: Mapping[str, Any], fields: Mapping[str, str], address: str) -> dict[str, Any]:
    found = {target: lead[source] for source, target in fields.items() if lead.get(source) is not None}
    found |= {f"{address}{part}": lead[part] for part in _ADDRESS if lead.get(part) is not None}
    booleans = ("HasOptedOutOfEmail", "HasOptedOutOfFax", "DoNotCall")
    return {name: bool(value) if name in booleans else value for name, value in found.items()}


def _make(session: Session, name: str, values: Mapping[str, Any]) -> str:
    return _settled(insert(_as_platform(session), session.schema.object(name), [values], all_or_none=True))


def _settled(results: list[SaveResult]) -> str:
    [result] = results
    if not result.success or result.id is None:
        error = result.errors[0]
        raise OrgError(error.status_code, error.message, fields=error.fields)
    return result.id
