"""Writes for everyone: REST, Bulk, Apex and flows go through the same checks and leave the same traces."""

from localorg.records.convert import Conversion, LeadConversion, convert_lead
from localorg.records.delete import delete, purge, undelete
from localorg.records.outcomes import Operation, RowError, RowsRefused, SavedBatch, SaveResult
from localorg.records.save import insert, update
from localorg.records.session import Session
from localorg.records.upsert import upsert
from localorg.records.validation import RecordScope, check_rule, path_exists

__all__ = [
    "Conversion",
    "LeadConversion",
    "Operation",
    "RecordScope",
    "RowError",
    "RowsRefused",
    "SaveResult",
    "SavedBatch",
    "Session",
    "check_rule",
    "convert_lead",
    "delete",
    "insert",
    "path_exists",
    "purge",
    "undelete",
    "update",
    "upsert",
]
