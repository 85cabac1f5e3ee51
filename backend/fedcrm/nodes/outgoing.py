"""What left the organisation, one line each, for its privacy officer: `NODE/outgoing.jsonl`.

The ledger is the proof; this log says the same in plain words, names who received it, and adds what cost nothing. A
line names its charge by unit and place in that unit's ledger. Nothing is ever taken out of it.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from fedcrm.errors import StorageError
from fedcrm.privacy import Charge

__all__ = ["OutgoingLog", "PaidBy", "Sent"]


@dataclass(frozen=True, slots=True)
class PaidBy:
    """The charge behind a line.

    unit, sequence: whose ledger, and the entry's place in it. epsilon, delta: of this charge alone, as quoted.
    """

    unit: str
    sequence: int
    training: str
    purpose: str
    epsilon: float
    delta: float

    @classmethod
    def of(cls, charge: Charge, unit: str, delta: float) -> PaidBy:
        """delta: at which the period's epsilon is quoted."""
        epsilon = charge.event.cost.epsilon(delta)
        return cls(unit, charge.sequence, charge.training, charge.event.purpose, epsilon, delta)


@dataclass(frozen=True, slots=True)
class Sent:
    """One line.

    key:    names what was sent, so that it is written down once however often a step is repeated; None: no name.
    at:     UTC, ISO 8601. to: who received it.
    charge: None where it cost no privacy.
    """

    key: str | None
    at: str
    what: str
    to: str
    task: str | None
    charge: PaidBy | None


class OutgoingLog:
    """An append-only file of lines; several threads and processes may append."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: set[str] | None = None
        self._lock = threading.Lock()

    def append(
        self, what: str, to: str, *, task: str | None = None, charge: PaidBy | None = None, key: str | None = None
    ) -> None:
        """Add a line; it is on the disk when this returns. Nothing where a line of this key is there.

        Raises StorageError.
        """
        with self._lock:
            if self._known is None:
                self._known = {sent.key for sent in self if sent.key is not None}
            if key in self._known:
                return
            moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            self._write(Sent(key, moment, what, to, task, charge))
            if key is not None:
                self._known.add(key)

    def _write(self, sent: Sent) -> None:
        content = json.dumps(asdict(sent), ensure_ascii=False, allow_nan=False)
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            with os.fdopen(descriptor, "r+b", buffering=0) as file:
                # A line torn by a kill keeps its place; the next one begins on its own.
                torn = file.seek(0, os.SEEK_END) > 0 and os.pread(descriptor, 1, file.tell() - 1) != b"\n"
                file.write((b"\n" if torn else b"") + content.encode() + b"\n")
                os.fsync(descriptor)
        except OSError as error:
            raise StorageError(f"{self._path}: {error.strerror}") from error

    def __iter__(self) -> Iterator[Sent]:
        """Every whole line, oldest first; one torn by a kill is passed over. Raises StorageError."""
        try:
            lines = self._path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return
        except OSError as error:
            raise StorageError(f"{self._path}: {error.strerror}") from error
        for line in lines:
            try:
                raw = json.loads(line)
                charge = None if raw["charge"] is None else PaidBy(**raw["charge"])
                yield Sent(raw["key"], raw["at"], raw["what"], raw["to"], raw["task"], charge)
            except (ValueError, KeyError, TypeError):
                continue
