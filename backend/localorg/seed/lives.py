"""Rows with a past: as they were made, and what changed later, in its object's history under its own date."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from localorg.errors import OrgError
from localorg.org import Transaction
from localorg.records import SaveResult

__all__ = ["Life", "Row", "Writer"]

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Life:
    """One row.

    row:     as it was made, with its CreatedDate.
    changes: what changed later and when (UTC), in order of time.
    """

    row: Row
    changes: tuple[tuple[dt.datetime, Row], ...] = ()

    def joined(self, other: Life) -> Life:
        """One row that holds both."""
        changes = sorted((*self.changes, *other.changes), key=lambda change: change[0])
        return Life({**self.row, **other.row}, tuple(changes))


class Writer:
    """Stores lives through the checks that hold for everyone, as the platform itself: it may say when."""

    def __init__(self, transaction: Transaction) -> None:
        """`counts` holds the rows made so far by object."""
        self.transaction = transaction.acting_as(transaction.context.as_platform())
        self.counts: dict[str, int] = {}

    def write(self, name: str, lives: Sequence[Life]) -> list[str]:
        """Ids, in order. Raises OrgError where the org refuses a row."""
        if not lives:
            return []
        ids = _done(self.transaction.insert(name, [life.row for life in lives]))
        for step in range(max(len(life.changes) for life in lives)):
            changed = [
                {"Id": row_id, **values, "LastModifiedDate": when}
                for row_id, life in zip(ids, lives, strict=True)
                for when, values in life.changes[step : step + 1]
            ]
            _done(self.transaction.update(name, changed))
        self.counts[name] = self.counts.get(name, 0) + len(ids)
        return ids


def _done(results: Sequence[SaveResult]) -> list[str]:
    for result in results:
        if not result.success or result.id is None:
            error = result.errors[0]
            raise OrgError(error.status_code, f"a seeded row was refused: {error.message}", fields=error.fields)
    return [str(result.id) for result in results]
