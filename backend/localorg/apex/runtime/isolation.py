"""A private copy of an org for tests: nothing a test does reaches the org, and nobody waits for it."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from localorg.org import Org, Transaction
from localorg.schema import ObjectKind, Schema
from localorg.store.tables import quoted

__all__ = ["copy_of", "data_objects", "hide_data"]


def data_objects(schema: Schema) -> list[str]:
    """Objects whose rows a test does not see: all data, no set-up and no custom metadata."""
    return [
        each.api_name
        for each in schema
        if not each.setup and not each.virtual and each.kind is not ObjectKind.CUSTOM_METADATA
    ]


@contextmanager
def copy_of(org: Org, *, with_data: bool) -> Iterator[Org]:
    """The org as last committed, in a directory that goes away again.

    with_data: keep its records, as SeeAllData=true wants; the standard price book stays either way.
    """
    with tempfile.TemporaryDirectory(prefix="apex-test-") as directory:
        path = Path(directory) / f"{org.alias}.sqlite"
        with org.store.reader() as connection:
            connection.execute("VACUUM INTO ?", (str(path),))
        if not with_data:
            _empty(path, org.schema)
        copied = Org.open(Path(directory), org.alias, clock=org.clock)
        copied.saved_hooks.extend(org.saved_hooks)
        try:
            yield copied
        finally:
            copied.close()


def hide_data(transaction: Transaction) -> None:
    """Take all data out of an open transaction; whoever asks puts it back with a savepoint."""
    platform = transaction.acting_as(transaction.context.as_platform())
    for name in data_objects(transaction.schema):
        kept = " WHERE IsStandard = false" if name == "Pricebook2" else ""
        ids = [row["Id"] for row in platform.query(f"SELECT Id FROM {name}{kept}")]  # noqa: S608 - names of the schema
        if ids:
            platform.delete(ids)


def _empty(path: Path, schema: Schema) -> None:
    connection = sqlite3.connect(path)
    for name in data_objects(schema):
        kept = " WHERE IsStandard = 0" if name == "Pricebook2" else ""
        connection.execute(f"DELETE FROM {quoted(name)}{kept}")  # noqa: S608 - quoted() admits API names only
    connection.commit()
    connection.close()
