"""What a write does beyond its own rows: history, the accounts of activities, sums of line items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from localorg.records.activities import ACTIVITIES, relate_to_accounts, renew_last_activity
from localorg.records.history import write_history
from localorg.records.prepare import Row
from localorg.records.products import LINE_ITEMS, PRICED, renew_sums, take_over
from localorg.records.session import Session
from localorg.schema import SObjectType

__all__ = ["after_save", "before_save", "renew"]

Rows = Mapping[str, Mapping[str, Any]]


def before_save(session: Session, sobject: SObjectType, rows: Sequence[Row], there: Rows) -> None:
    """Fill in what a row takes from the rows it looks up; `there` holds the rows as they were, by id."""
    if sobject.api_name in ACTIVITIES:
        relate_to_accounts(session, rows, there)
    if sobject.api_name in PRICED and not there:
        take_over(session, sobject.api_name, rows)


def after_save(session: Session, sobject: SObjectType, rows: Sequence[Row], there: Rows) -> None:
    """Write history, and work out anew what other rows say of these."""
    write_history(session, sobject, rows, there)
    now = [{**there.get(row.id or "", {}), **row.values} for row in rows] if _has_effects(sobject) else []
    renew(session, sobject, [*there.values(), *now])


def renew(session: Session, sobject: SObjectType, rows: Sequence[Mapping[str, Any]]) -> None:
    """Work out anew what other rows say of these, which were made, changed or removed."""
    if rows and sobject.api_name in ACTIVITIES:
        renew_last_activity(session, rows)
    if rows and sobject.api_name in LINE_ITEMS:
        renew_sums(session, sobject.api_name, rows)


def _has_effects(sobject: SObjectType) -> bool:
    return sobject.api_name in ACTIVITIES or sobject.api_name in LINE_ITEMS
