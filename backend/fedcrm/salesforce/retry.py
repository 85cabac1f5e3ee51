"""How long to wait before a request is sent again: exponential backoff with full jitter.

Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015): the delay is uniform between zero and
the exponential bound, so that many clients which failed together do not come back together.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["Retry"]


@dataclass(frozen=True, slots=True)
class Retry:
    """When to give up, and the way there.

    attempts: requests in all, >= 1.
    base:     bound of the first delay, seconds; it doubles with each.
    cap:      bound of any delay, seconds; also of what a server asks for.
    uniform:  draws from [0, 1).
    """

    attempts: int = 6
    base: float = 0.5
    cap: float = 30.0
    uniform: Callable[[], float] = field(default=secrets.SystemRandom().random, repr=False)
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)

    def left(self, attempt: int) -> bool:
        """Whether another request may follow attempt (1, 2, ...)."""
        return attempt < self.attempts

    def wait(self, attempt: int, *, asked: float = 0.0) -> None:
        """Sleep before attempt + 1. asked: seconds the server wants at least (Retry-After)."""
        bound = min(self.cap, self.base * 2.0 ** (attempt - 1))
        self.sleep(min(self.cap, max(asked, self.uniform() * bound)))
