"""Governor limits of one transaction: counted, shown by `Limits`, enforced by an exception no program can catch.

Apex Developer Guide, "Execution Governors and Limits". CPU time is this thread's own and heap is not measured but
estimated from what queries and JSON bring in: both are estimates, generous for an interpreter.
"""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass, field
from pathlib import Path

from localorg.apex.values.exceptions import LimitException

__all__ = ["LIMITS", "Counters", "Limit"]


@dataclass(frozen=True, slots=True)
class Limit:
    """One governor. message names it as the platform's exception does."""

    synchronous: int
    asynchronous: int
    message: str


LIMITS: dict[str, Limit] = {
    "queries": Limit(100, 200, "Too many SOQL queries: {}"),
    "query_rows": Limit(50_000, 50_000, "Too many query rows: {}"),
    "aggregate_queries": Limit(300, 300, "Too many aggregate queries: {}"),
    "dml_statements": Limit(150, 150, "Too many DML statements: {}"),
    "dml_rows": Limit(10_000, 10_000, "Too many DML rows: {}"),
    "callouts": Limit(100, 100, "Too many callouts: {}"),
    "queueable_jobs": Limit(50, 1, "Too many queueable jobs added to the queue: {}"),
    "future_calls": Limit(50, 0, "Too many future calls: {}"),
    "emails": Limit(10, 10, "Too many Email Invocations: {}"),
    "savepoints": Limit(150, 150, "Too many DML statements: {}"),
    "query_locator_rows": Limit(10_000, 10_000, "Too many query locator rows: {}"),
    "sosl_queries": Limit(20, 20, "Too many SOSL queries: {}"),
    "cpu_time": Limit(10_000, 60_000, "Apex CPU time limit exceeded"),
    "heap": Limit(6_000_000, 12_000_000, "Apex heap size too large: {}"),
}


# A loop that fills memory is stopped here: an interpreter's objects are larger than the platform's.
_MOST_MEMORY = 512_000_000
_PAGE = resource.getpagesize()


def _resident() -> int:
    """Bytes this process holds; 0 where the system does not tell."""
    try:
        return int(_STATM.read_text().split()[1]) * _PAGE
    except OSError:
        return 0


_STATM = Path("/proc/self/statm")


@dataclass
class Counters:
    """What a transaction has used. asynchronous: batch, queueable and scheduled code has the wider limits."""

    asynchronous: bool = False
    used: dict[str, int] = field(default_factory=dict)
    _cpu_start: float = field(default_factory=time.thread_time)
    _excused: float = 0.0
    _ticks: int = 0
    _resident_at_start: int = field(default_factory=lambda: _resident())

    def limit(self, name: str) -> int:
        """The most a transaction may use."""
        each = LIMITS[name]
        return each.asynchronous if self.asynchronous else each.synchronous

    def count(self, name: str, amount: int = 1) -> None:
        """Use some of a limit. Raises LimitException past it."""
        total = self.used.get(name, 0) + amount
        self.used[name] = total
        if total > self.limit(name):
            raise LimitException(LIMITS[name].message.format(total))

    def cpu_time(self) -> int:
        """Milliseconds of this thread since the transaction began, time in the database left out."""
        return int((time.thread_time() - self._cpu_start - self._excused) * 1000)

    def excuse(self, seconds: float) -> None:
        """Time that is not the program's own."""
        self._excused += seconds

    def tick(self) -> None:
        """One turn of a loop; now and then clock and memory are looked at."""
        self._ticks += 1
        if not self._ticks & 0x3FF:
            if self.cpu_time() > self.limit("cpu_time"):
                raise LimitException(LIMITS["cpu_time"].message)
            grown = _resident() - self._resident_at_start
            if grown > _MOST_MEMORY:
                raise LimitException(LIMITS["heap"].message.format(grown))

    def hold(self, text: str) -> str:
        """A text that has grown: past the heap's size it cannot be kept."""
        size = len(text)
        if size > self.limit("heap"):
            raise LimitException(LIMITS["heap"].message.format(size))
        return text
