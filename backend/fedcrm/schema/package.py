"""A reviewed mapping and a snapshot of its org, as what is deployed into that org."""

from __future__ import annotations

from fedcrm.salesforce import Snapshot
from fedcrm.schema.check import own_kinds, readable_fields
from fedcrm.schema.definitions import Definition, definitions, deployable
from fedcrm.schema.mapping import SchemaMapping
from fedcrm.schema.vocabulary import Vocabulary

__all__ = ["package_of"]


def package_of(
    mapping: SchemaMapping, snapshot: Snapshot, words: Vocabulary, *, namespace: str | None = None
) -> tuple[tuple[Definition, ...], bytes]:
    """The feature definitions, and the Metadata API zip that holds them with the rights to read their fields.

    For a mapping in which `check_mapping` finds nothing wrong. namespace: of the installed package, None where it is
    not managed.
    """
    records = definitions(mapping, words, own_kinds(mapping, snapshot))
    return records, deployable(records, readable_fields(mapping, snapshot), namespace=namespace)
