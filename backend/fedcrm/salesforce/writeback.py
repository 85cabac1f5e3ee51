"""Writing rows back: upsert by an external id, so that running it twice changes nothing.

Collections of 200 below 2,000 rows, Bulk 2 ingest jobs above. Rows the org refuses for a passing reason are sent
again; what is left is reported row by row with its key, and written to a CSV.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np

from fedcrm.errors import AccessDenied, InputError, SettingsError
from fedcrm.files import write_atomically
from fedcrm.salesforce.client import COLLECTION, Client
from fedcrm.salesforce.ingest import Ingest

__all__ = ["RowFailure", "WriteBack", "WriteReport"]

BULK_FROM = 2_000
JOB_BYTES = 100_000_000  # of 150 MB that a job may have once it is base64
NULL = "#N/A"
UNPROCESSED = "UNPROCESSED"  # our word for a row of which the org says nothing else
PASSING = frozenset({"UNABLE_TO_LOCK_ROW", "REQUEST_LIMIT_EXCEEDED", "SERVER_UNAVAILABLE", UNPROCESSED})

Row = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class RowFailure:
    """One row that is not in the org. key: its external id. code, message: the platform's. fields: those at fault."""

    key: str
    code: str
    message: str
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WriteReport:
    """What became of the rows: saved + len(failed) of them there were. created: of the saved, those that were new."""

    saved: int
    created: int
    failed: tuple[RowFailure, ...]


@dataclass(frozen=True, slots=True)
class _Saved:
    created: bool


class WriteBack:
    """Writes rows of one object by one external id.

    bulk_from: rows from which a bulk job is used.
    """

    def __init__(
        self,
        client: Client,
        *,
        bulk_from: int = BULK_FROM,
        job_bytes: int = JOB_BYTES,
        patience: float = 6 * 3600.0,
    ) -> None:
        self._client, self._bulk_from = client, bulk_from
        self._job_bytes, self._patience = job_bytes, patience

    def upsert(
        self, object_name: str, key_field: str, rows: Sequence[Row], *, failures: Path | None = None
    ) -> WriteReport:
        """Write rows; all have the same fields, key_field among them, no key twice.

        Values are str, int, float, bool, date, datetime or None (which empties the field); NaN is None.
        failures: a CSV of the rows that were refused, with code and message in front; only a header where all were
            saved.

        Raises InputError or AccessDenied before anything is sent.
        """
        columns = self._check(object_name, key_field, rows)
        rows = [_plain(object_name, number, row) for number, row in enumerate(rows, 1)]
        retry = self._client.session.retry
        failed: dict[str, RowFailure] = {}
        saved: dict[str, _Saved] = {}
        pending, attempt = list(rows), 0
        while pending:
            attempt += 1
            outcomes = self._send(object_name, key_field, columns, pending)
            saved |= {key: one for key, one in outcomes.items() if isinstance(one, _Saved)}
            refused = {key: one for key, one in outcomes.items() if isinstance(one, RowFailure)}
            again = {key for key, one in refused.items() if one.code in PASSING} if retry.left(attempt) else set()
            failed |= {key: one for key, one in refused.items() if key not in again}
            pending = [row for row in pending if _key(row, key_field) in again]
            if pending:
                retry.wait(attempt)
        if failures is not None:
            _write_failures(failures, columns, [(failed[k], r) for r in rows if (k := _key(r, key_field)) in failed])
        order = (failed[k] for row in rows if (k := _key(row, key_field)) in failed)
        return WriteReport(len(saved), sum(one.created for one in saved.values()), tuple(order))

    def _check(self, object_name: str, key_field: str, rows: Sequence[Row]) -> tuple[str, ...]:
        """Everything that can be known before the first row leaves."""
        described = self._client.describe(object_name)
        key = described.field(key_field)
        if key is None:
            raise AccessDenied(self._client.org, object_name, (key_field,))
        if not key.external_id and not key.id_lookup:
            raise SettingsError(f"{object_name}.{key_field} is no external id: rows cannot be found by it")
        columns = tuple(rows[0]) if rows else (key_field,)
        fields = {name: described.field(name) for name in columns}
        closed = tuple(n for n, f in fields.items() if f is None or not (f.createable or f.updateable or f is key))
        if closed:
            raise AccessDenied(self._client.org, object_name, closed, to="write")
        seen: set[str] = set()
        for number, row in enumerate(rows, 1):
            if tuple(row) != columns:
                raise InputError(f"{object_name}: row {number} has other fields than the first")
            value = _key(row, key_field)
            same = value if key.case_sensitive else value.lower()
            if not value or same in seen:
                what = f"the key {value!r} a second time" if value else "no key"
                raise InputError(f"{object_name}: row {number} has {what} in {key_field}")
            seen.add(same)
        return columns

    def _send(
        self, object_name: str, key_field: str, columns: tuple[str, ...], rows: Sequence[Row]
    ) -> dict[str, _Saved | RowFailure]:
        """One attempt at every row: what became of each, by key."""
        if len(rows) >= self._bulk_from:
            outcomes: dict[str, _Saved | RowFailure] = {}
            for part in self._parts(columns, rows):
                outcomes |= self._ingest(object_name, key_field, columns, part)
            silent = RowFailure("", UNPROCESSED, "the org's results do not mention it")
            keys = [_key(row, key_field) for row in rows]
            return {key: outcomes.get(key, replace(silent, key=key)) for key in keys}
        found: dict[str, _Saved | RowFailure] = {}
        for start in range(0, len(rows), COLLECTION):
            batch = rows[start : start + COLLECTION]
            answers = self._client.upsert(object_name, key_field, batch)
            for row, answer in zip(batch, answers, strict=True):
                key = _key(row, key_field)
                refused = RowFailure(key, answer.code, answer.message, answer.fields)
                found[key] = _Saved(answer.created) if answer.saved else refused
        return found

    # --- bulk -------------------------------------------------------------------------------------

    def _parts(self, columns: tuple[str, ...], rows: Sequence[Row]) -> Iterator[bytes]:
        """The rows as CSV documents, each small enough for a job."""
        header = _csv_line(columns)
        lines, size = [header], len(header)
        for row in rows:
            line = _csv_line([_cell(row[name]) for name in columns])
            if size + len(line) > self._job_bytes and len(lines) > 1:
                yield b"".join(lines)
                lines, size = [header], len(header)
            lines.append(line)
            size += len(line)
        yield b"".join(lines)

    def _ingest(
        self, object_name: str, key_field: str, columns: tuple[str, ...], content: bytes
    ) -> dict[str, _Saved | RowFailure]:
        ingest = Ingest(self._client, self._patience)
        job = ingest.start(object_name, key_field, content)
        detail = ingest.wait(job)
        at = [c.lower() for c in columns].index(key_field.lower())
        outcomes: dict[str, _Saved | RowFailure] = {}
        for _, created, *cells in ingest.rows(job, "successfulResults", ("sf__Id", "sf__Created", *columns)):
            outcomes[cells[at]] = _Saved(created == "true")
        for _, error, *cells in ingest.rows(job, "failedResults", ("sf__Id", "sf__Error", *columns)):
            outcomes[cells[at]] = _row_failure(cells[at], error)
        for row in ingest.rows(job, "unprocessedrecords", columns):
            outcomes[row[at]] = RowFailure(row[at], UNPROCESSED, detail or "the org did not come to it")
        return outcomes


def _row_failure(key: str, error: str) -> RowFailure:
    """`CODE:message:Field1,Field2 --`"""
    code, _, rest = error.partition(":")
    message, _, fields = rest.rpartition(":")
    names = tuple(f.strip() for f in fields.removesuffix("--").split(",") if f.strip())
    return RowFailure(key, code, message or rest, names)


def _key(row: Row, key_field: str) -> str:
    value = row.get(key_field)
    return "" if value is None else str(value)


def _plain(object_name: str, number: int, row: Row) -> Row:
    """A row as JSON can carry it. Raises InputError for what the platform has no way to hold."""
    found = {name: _value(value) for name, value in row.items()}
    for name, value in found.items():
        if value == NULL or (isinstance(value, float) and not math.isfinite(value)):
            raise InputError(f"{object_name}: row {number} has {value!r} in {name}, which cannot be written")
    return found


def _value(value: object) -> object:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, datetime):
        value = value if value.tzinfo else value.replace(tzinfo=UTC)  # as the columns of an extraction are
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    return value.isoformat() if isinstance(value, date) else value


def _cell(value: object) -> str:
    """A value in a CSV, where an empty cell would leave the field as it is."""
    if value is None or value == "":
        return NULL
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)


def _csv_line(cells: Sequence[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode("utf-8")


def _write_failures(path: Path, columns: tuple[str, ...], failed: Sequence[tuple[RowFailure, Row]]) -> None:
    lines = [_csv_line(("error_code", "error_message", *columns))]
    for failure, row in failed:
        cells = ("" if row[name] is None else str(row[name]) for name in columns)
        lines.append(_csv_line((failure.code, failure.message, *cells)))
    write_atomically(path, b"".join(lines), mode=0o600)
