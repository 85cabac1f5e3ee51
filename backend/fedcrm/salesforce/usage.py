"""The org's daily API calls, and the part of them that FedCRM leaves to others.

Every reply says how many calls of the rolling 24 hours are used (`Sforce-Limit-Info: api-usage=18/15000`).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from fedcrm.errors import LimitReached, SettingsError

__all__ = ["ApiUsage", "CallBudget"]

# What an org said this long ago may be over: the window rolls, so one call is let through to look again.
STALE_SECONDS = 600.0
_USAGE = re.compile(r"(?:^|[;,\s])api-usage=(\d+)/(\d+)")


@dataclass(frozen=True, slots=True)
class ApiUsage:
    """Calls of the last 24 hours, and how many there may be."""

    used: int
    total: int


class CallBudget:
    """Refuses a call that would eat into the reserve.

    reserve: share of the org's daily calls that stay for its other programs, in [0, 1).
    """

    def __init__(self, org: str, *, reserve: float, clock: Callable[[], float] = time.time) -> None:
        if not 0 <= reserve < 1:
            raise SettingsError(f"{org}: a reserve of {reserve:g} is no share of the org's calls (0 to below 1)")
        self.org, self.reserve, self._clock = org, reserve, clock
        self._usage: ApiUsage | None = None
        self._seen = 0.0

    @property
    def usage(self) -> ApiUsage | None:
        """What the org said last."""
        return self._usage

    def note(self, header: str | None) -> None:
        """Take in the `Sforce-Limit-Info` of a reply; a reply without one changes nothing."""
        if match := _USAGE.search(header or ""):
            self._usage, self._seen = ApiUsage(int(match[1]), int(match[2])), self._clock()

    def spend(self) -> None:
        """Ask for one call. Raises LimitReached where only the reserve is left."""
        usage = self._usage
        if usage is None or self._clock() - self._seen > STALE_SECONDS:
            return
        kept = round(self.reserve * usage.total)
        if usage.used >= usage.total - kept:
            raise LimitReached(self.org, used=usage.used, total=usage.total, reserve=kept)
