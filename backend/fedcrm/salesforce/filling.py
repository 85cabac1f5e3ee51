"""How often a field is filled: counted by the org where it can count, looked at in the newest rows where not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fedcrm.errors import RequestRefused
from fedcrm.salesforce.client import Client
from fedcrm.salesforce.describe import FieldDescription, ObjectDescription
from fedcrm.salesforce.extractor import COMPOUND
from fedcrm.salesforce.soql import select

__all__ = ["Filling", "fill_rates"]

SAMPLE_ROWS = 2_000
FIELDS_A_QUERY = 90  # an aggregate query answers with at most 100 aliases
COUNTED_UP_TO = 200_000  # above, an aggregate over every row may time out


@dataclass(frozen=True, slots=True)
class Filling:
    """rates: share of rows with a value, by field, 0 to 1. rows: that were looked at; the newest if not all."""

    rates: Mapping[str, float]
    rows: int


def fill_rates(client: Client, one: ObjectDescription, visible: int) -> Filling:
    """Rates of every field that has a value of its own; visible: rows this user sees, >= 1."""
    fields = [f for f in one.fields.values() if f.type not in COMPOUND]
    always = {f.name: 1.0 for f in fields if f.type in ("boolean", "id")}
    open_fields = [f for f in fields if f.name not in always]
    if visible <= COUNTED_UP_TO:
        counted = [f for f in open_fields if f.aggregatable]
        rates = _counted(client, one, counted, visible)
        if rates is not None:
            seen = [f for f in open_fields if f.name not in rates]
            return Filling(always | rates | (_sampled(client, one, seen)[0] if seen else {}), visible)
    rates, rows = _sampled(client, one, open_fields)
    return Filling(always | rates, rows)


def _counted(
    client: Client, one: ObjectDescription, fields: list[FieldDescription], visible: int
) -> dict[str, float] | None:
    """None where the org does not count these."""
    rates: dict[str, float] = {}
    for start in range(0, len(fields), FIELDS_A_QUERY):
        part = fields[start : start + FIELDS_A_QUERY]
        expressions = [f"COUNT({f.name}) n{i}" for i, f in enumerate(part)]
        try:
            row = next(iter(client.query(select(expressions, one.name))))
        except (RequestRefused, StopIteration):
            return None
        rates |= {f.name: min(1.0, int(row[f"n{i}"]) / visible) for i, f in enumerate(part)}
    return rates


def _sampled(client: Client, one: ObjectDescription, fields: list[FieldDescription]) -> tuple[dict[str, float], int]:
    """In the newest rows, as far as the object says when a row was made."""
    order = " ORDER BY CreatedDate DESC" if "CreatedDate" in one.fields else ""
    rates: dict[str, float] = {}
    rows = 0
    for start in range(0, len(fields), FIELDS_A_QUERY):
        names = [f.name for f in fields[start : start + FIELDS_A_QUERY]]
        counts, rows = dict.fromkeys(names, 0), 0
        for record in client.query(f"{select(names, one.name)}{order} LIMIT {SAMPLE_ROWS}"):
            rows += 1
            for name in names:
                counts[name] += record.get(name) is not None
        rates |= {name: count / rows for name, count in counts.items() if rows}
    return rates, rows
