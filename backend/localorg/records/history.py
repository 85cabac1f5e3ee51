"""History rows: who changed which tracked field, when, from what to what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from localorg.records.prepare import Row
from localorg.records.session import Session
from localorg.schema import FieldType, SObjectType
from localorg.store import quoted

__all__ = ["record_change", "write_history"]


def write_history(
    session: Session, sobject: SObjectType, rows: Sequence[Row], there: Mapping[str, Mapping[str, Any]]
) -> None:
    """Record what these rows changed; `there` holds the rows as they were, none of a new one."""
    if not rows:
        return
    if sobject.history is not None:
        _field_history(session, sobject, rows, there)
    if sobject.api_name == "Opportunity":
        _stages(session, rows, there)


def _field_history(
    session: Session, sobject: SObjectType, rows: Sequence[Row], there: Mapping[str, Mapping[str, Any]]
) -> None:
    history = session.schema.object(sobject.history or "")
    tracked = [field for field in sobject if field.tracked]
    made: list[dict[str, Any]] = []
    for row in rows:
        before = there.get(row.id or "")
        stamp = {
            str(history.master_field): row.id,
            "IsDeleted": 0,
            "CreatedById": session.context.user_id,
            "CreatedDate": session.moment_of(row.values),
        }
        if before is None:
            if tracked:
                moment = row.values.get("CreatedDate", session.now)
                made.append({**stamp, "Field": "created", "DataType": "Text", "CreatedDate": moment})
            continue
        for field in tracked:
            name = field.api_name
            if name in row.values and row.values[name] != before.get(name):
                change: dict[str, Any] = {
                    "Field": _shown(sobject, name),
                    "DataType": _DATA_TYPES.get(field.type, "Text"),
                }
                if field.length <= 255 or not field.type.is_text:
                    change |= {
                        "OldValue": _text(before.get(name), field.type),
                        "NewValue": _text(row.values[name], field.type),
                    }
                made.append({**stamp, **change})
    _store(session, history, made)


def record_change(session: Session, sobject: SObjectType, row_id: str, what: str) -> None:
    """A history row that names an event, as `leadConverted`, where the object keeps history."""
    if sobject.history is None:
        return
    history = session.schema.object(sobject.history)
    stamp = {"IsDeleted": 0, "CreatedById": session.context.user_id, "CreatedDate": session.now}
    _store(session, history, [{str(history.master_field): row_id, "Field": what, "DataType": "Text", **stamp}])


def _shown(sobject: SObjectType, name: str) -> str:
    if name == "OwnerId":
        return "Owner"
    return name.removesuffix("Id") if name.endswith("Id") and sobject.get(name.removesuffix("Id")) is None else name


_DATA_TYPES = {
    FieldType.CURRENCY: "Currency",
    FieldType.DOUBLE: "Double",
    FieldType.PERCENT: "Percent",
    FieldType.INT: "Integer",
    FieldType.DATE: "DateOnly",
    FieldType.DATETIME: "DateTime",
    FieldType.BOOLEAN: "Boolean",
    FieldType.PICKLIST: "DynamicEnum",
    FieldType.MULTIPICKLIST: "MultiEnum",
    FieldType.REFERENCE: "EntityId",
    FieldType.EMAIL: "Email",
    FieldType.PHONE: "Phone",
    FieldType.URL: "Url",
}


def _text(value: Any, kind: FieldType) -> str | None:
    if value is None:
        return None
    if kind is FieldType.BOOLEAN:
        return "true" if value else "false"
    return str(value)


def _stages(session: Session, rows: Sequence[Row], there: Mapping[str, Mapping[str, Any]]) -> None:
    """OpportunityHistory: a row when an opportunity is made, and when a figure of its forecast changes."""
    watched = ("StageName", "Amount", "Probability", "CloseDate", "ForecastCategory")
    made = []
    for row in rows:
        before = there.get(row.id or "")
        now = {**(before or {}), **row.values}
        if before is not None and all(now.get(name) == before.get(name) for name in watched):
            continue
        old = before or {}
        moment = session.moment_of(row.values) if before is not None else row.values.get("CreatedDate", session.now)
        made.append(
            {
                **{name: now.get(name) for name in (*watched, "ExpectedRevenue")},
                "OpportunityId": row.id,
                "PrevAmount": old.get("Amount"),
                "PrevCloseDate": old.get("CloseDate"),
                "FromStageName": old.get("StageName"),
                "FromForecastCategory": old.get("ForecastCategory"),
                "IsDeleted": 0,
                "CreatedById": session.context.user_id,
                "CreatedDate": moment,
            }
        )
    _store(session, session.schema.object("OpportunityHistory"), made)


def _store(session: Session, history: SObjectType, made: list[dict[str, Any]]) -> None:
    if not made:
        return
    ids = session.store.next_ids(session.connection, history.key_prefix or "017", len(made))
    names = [field.api_name for field in history if field.stored]
    sql = (
        f"INSERT INTO {quoted(history.api_name)} ({', '.join(quoted(name) for name in names)}) "  # noqa: S608 -- quoted() admits API names only
        f"VALUES ({', '.join('?' * len(names))})"
    )
    rows = ([row_id, *map(row.get, names[1:])] for row_id, row in zip(ids, made, strict=True))
    session.connection.executemany(sql, rows)
