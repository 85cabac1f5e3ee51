"""A record as REST shows it: `attributes` first, parents nested, children as small results of their own."""

from __future__ import annotations

from typing import Any

from localorg.soql import Children, Record

__all__ = ["record_document"]


def record_document(record: Record, version: str) -> dict[str, Any]:
    """The record's JSON document, for callers of that API version."""
    attributes: dict[str, Any] = {"type": record.type}
    if "Id" in record and record.type != "AggregateResult":
        attributes["url"] = f"/services/data/v{version}/sobjects/{record.type}/{record['Id']}"
    document: dict[str, Any] = {"attributes": attributes}
    for name, value in record.items():
        if isinstance(value, Record):
            document[name] = record_document(value, version)
        elif isinstance(value, Children):
            document[name] = children_document(value, version)
        else:
            document[name] = value
    return document


def children_document(children: Children, version: str) -> dict[str, Any] | None:
    """A sub-query's records; null where there are none, as the platform has it."""
    if not children:
        return None
    return {
        "totalSize": len(children),
        "done": True,
        "records": [record_document(child, version) for child in children],
    }
