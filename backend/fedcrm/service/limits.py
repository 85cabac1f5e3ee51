"""How much one caller may ask in a minute: a bucket that holds a minute's worth and fills evenly."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

__all__ = ["Buckets"]

_MOST_BUCKETS = 10_000


class Buckets:
    """One bucket a name. In memory: a service that is started again starts with full ones."""

    def __init__(self, per_minute: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._size, self._clock = float(per_minute), clock
        self._held: dict[str, tuple[float, float]] = {}

    def take(self, name: str, amount: int = 1) -> int:
        """0 where there was enough, which is then taken; else the seconds after which there will be.

        More than a minute's worth at once can never be had, and waits a whole minute for the refusal.
        """
        now = self._clock()
        held = self._now(name, now)
        if amount <= held:
            self._held[name] = (held - amount, now)
            return 0
        return math.ceil(min(amount - held, self._size) / self._size * 60) or 1

    def waits(self, name: str) -> int:
        """Seconds until the bucket holds one again; 0 where it does."""
        held = self._now(name, self._clock())
        return 0 if held >= 1 else math.ceil((1 - held) / self._size * 60)

    def _now(self, name: str, now: float) -> float:
        if name not in self._held and len(self._held) >= _MOST_BUCKETS:
            self._forget_full(now)
        held, at = self._held.get(name, (self._size, now))
        return min(self._size, held + (now - at) * self._size / 60)

    def _forget_full(self, now: float) -> None:
        """A full bucket is one that nobody used for a minute; if none is, the oldest half goes."""
        full = [n for n, (held, at) in self._held.items() if held + (now - at) * self._size / 60 >= self._size]
        oldest = sorted(self._held, key=lambda n: self._held[n][1])[: _MOST_BUCKETS // 2]
        for name in full or oldest:
            del self._held[name]
