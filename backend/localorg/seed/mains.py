"""The standard side of a table's records: names, parents, and the outcome where the platform has fields for it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from localorg.seed.ends import case_life, conversion_of, lead_life, opportunity_life
from localorg.seed.lives import Life
from localorg.seed.surroundings import Surroundings
from localorg.seed.table import Table

__all__ = ["mains_of"]


def mains_of(table: Table, numbers: Sequence[int], born: Sequence[dt.datetime], around: Surroundings) -> list[Life]:
    """The records of some rows, without the table's facts."""
    parents = around.parents(born) if table.object_name in ("Opportunity", "Case") else [None] * len(numbers)
    return [
        _main(table, number, when, parent, around) for number, when, parent in zip(numbers, born, parents, strict=True)
    ]


def _main(table: Table, number: int, born: dt.datetime, parent: str | None, around: Surroundings) -> Life:
    positive, rng, now = table.outcomes[number], around.rng, around.now
    match table.object_name:
        case "Account":
            return Life({**around.company(number), "AccountNumber": str(table.numbers[number]), "CreatedDate": born})
        case "Lead":
            row = {**around.person(), "Company": around.company(number)["Name"], "CreatedDate": born}
            when = conversion_of(rng, born)
            return lead_life(rng, row, now, converts=when if positive else None, into={})
        case "Opportunity":
            row = {"Name": f"Deal {number}", "AccountId": parent, "CreatedDate": born}
            return opportunity_life(rng, row, now, wins=positive)
        case _:
            row = {"Subject": f"Request {number}", "AccountId": parent, "Status": "New", "Priority": "Medium"}
            return case_life(rng, {**row, "Origin": "Web", "CreatedDate": born}, now, escalates=positive)
