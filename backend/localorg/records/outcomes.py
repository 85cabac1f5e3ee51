"""What became of each row of a write, and of the write as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from localorg.errors import LocalOrgError
from localorg.schema import SObjectType

__all__ = ["Operation", "RowError", "RowsRefused", "SaveResult", "SavedBatch"]


@dataclass(frozen=True, slots=True)
class RowError:
    """Why a row was refused, in the platform's status code and words."""

    status_code: str
    message: str
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SaveResult:
    """One row's outcome, at the row's own place in the answer.

    id:      of the row where it succeeded; for an update or a delete also where it did not.
    created: an upsert made a new row.
    """

    id: str | None
    success: bool
    created: bool = False
    errors: tuple[RowError, ...] = ()


class Operation(Enum):
    """What a write does to its rows."""

    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"
    UNDELETE = "undelete"


@dataclass(frozen=True, slots=True)
class SavedBatch:
    """Rows of one object as one write left them.

    ids: of the rows, in order.
    new: every stored field of each row, by API name (empty for a delete).
    old: the same before the write (empty for an insert).
    """

    sobject: SObjectType
    operation: Operation
    ids: tuple[str, ...]
    new: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    old: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)


class RowsRefused(LocalOrgError):
    """A hook's answer to a batch: these rows must not be saved. The others are tried again without them.

    errors: by row id.
    """

    def __init__(self, errors: Mapping[str, RowError]) -> None:
        super().__init__(f"{len(errors)} rows refused")
        self.errors = dict(errors)
