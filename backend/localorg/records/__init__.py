"""Writes for everyone: REST, Bulk, Apex and flows go through the same checks and leave the same traces."""

from localorg.records.delete import delete, undelete
from localorg.records.outcomes import Operation, RowError, RowsRefused, SavedBatch, SaveResult
from localorg.records.save import insert, update, upsert
from localorg.records.session import Session

__all__ = [
    "Operation",
    "RowError",
    "RowsRefused",
    "SaveResult",
    "SavedBatch",
    "Session",
    "delete",
    "insert",
    "undelete",
    "update",
    "upsert",
]
