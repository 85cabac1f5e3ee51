"""An org's dialect as a document: where each column of the table went, under which name, in which words.

Whoever maps the org's fields, or checks what was read from it, works from this.
"""

from __future__ import annotations

from typing import Any

from localorg.seed.build import label_of
from localorg.seed.dialect import Dialect
from localorg.seed.facts import AS_OF, BORN, OUTCOMES
from localorg.seed.table import Table

__all__ = ["described"]


def described(table: Table, dialect: Dialect, *, alias: str, seed: int) -> dict[str, Any]:
    """The document; docs/localorg.md names its keys."""
    main = table.object_name
    satellite = None
    if dialect.satellite:
        satellite = {
            "object": dialect.satellite,
            "label": label_of(dialect.satellite),
            "parent_field": f"Parent_{main}__c",
        }
    return {
        "org": alias,
        "data_set": table.name,
        "task": table.task,
        "seed": seed,
        "rows": len(table.rows),
        "object": main,
        "language": dialect.language,
        "satellite": satellite,
        "row_number_field": "AccountNumber" if main == "Account" else None,
        "outcome": {
            "field": dialect.outcome,
            "label": label_of(dialect.outcome),
            "date_field": dialect.outcome_date,
            "date_label": label_of(dialect.outcome_date),
        },
        "days_before_now": {"created": list(BORN), "outcome": list(OUTCOMES), "table_values": list(AS_OF)},
        "columns": [
            {
                "column": field.column.name,
                "object": dialect.object_of(field, main),
                "field": field.api_name,
                "label": field.label,
                "type": field.type,
                "values": dict(field.values),
                "scale": field.scale,
                "decimals": field.decimals if field.type == "Number" else None,
                "fill": field.fill,
                "changes": field.changes,
            }
            for field in dialect.fields
        ],
    }
