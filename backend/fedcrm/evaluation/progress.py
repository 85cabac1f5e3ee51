"""What a caller may show while a long run is at work."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Progress", "measured"]


class Progress:
    """Steps of a run as they go; this one shows nothing."""

    def begin(self, step: str, total: int) -> None:
        """A step of so many parts begins."""

    def advance(self, step: str, done: int, total: int) -> None:
        """So many parts of a step are done; total may have changed."""


@contextmanager
def measured(seconds: dict[str, float], step: str) -> Iterator[None]:
    """Write down the wall seconds of a block, also of one that fails."""
    began = time.monotonic()
    try:
        yield
    finally:
        seconds[step] = time.monotonic() - began
