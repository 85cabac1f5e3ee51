"""An org's time: the machine's, moved by as much as someone asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

__all__ = ["Clock"]


class Clock:
    """Tells the time in UTC, and can be moved. Time goes on from wherever it is moved to."""

    def __init__(self, source: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._source = source
        self._offset = timedelta()
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """The moment it is, whole milliseconds, UTC."""
        moment = self._source() + self._offset
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)

    def rest_stamp(self) -> str:
        """The moment as REST and Bulk 2 documents write it, whole seconds."""
        return f"{self.now():%Y-%m-%dT%H:%M:%S.000+0000}"

    def soap_stamp(self) -> str:
        """The moment as SOAP and Bulk 1 documents write it, whole seconds."""
        return f"{self.now():%Y-%m-%dT%H:%M:%S.000Z}"

    @property
    def offset(self) -> timedelta:
        """How far it was moved."""
        return self._offset

    def move(self, by: timedelta) -> None:
        """Move it on, or with a negative `by` back."""
        with self._lock:
            self._offset += by

    def move_to(self, moment: datetime) -> None:
        """Make it that moment now; a naive one means UTC."""
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        with self._lock:
            self._offset = aware - self._source()

    def reset(self) -> None:
        """Back to the machine's own time."""
        with self._lock:
            self._offset = timedelta()
