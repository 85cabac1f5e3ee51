"""How the coordinator reaches participants: one call, many answers, some of them missing.

The protocol code talks to a `Channel` and knows no transport. A channel carries bytes; who they are from is
proven by the signatures inside, never by the channel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

__all__ = ["Channel", "Outcome"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """replies: bytes by participant that answered in time. failed: why, for each that did not."""

    replies: Mapping[str, bytes]
    failed: Mapping[str, str] = field(default_factory=dict)


class Channel(Protocol):
    """One exchange at a time."""

    def call(self, messages: Mapping[str, bytes], *, timeout: float) -> Outcome:
        """Deliver each participant its message and wait at most `timeout` seconds for their replies."""
