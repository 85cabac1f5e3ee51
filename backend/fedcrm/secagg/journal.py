"""What a participant must still know after a crash: which manifest it accepted, which request it answered.

Keys and shares are never written down: a participant that loses them cannot answer in that attempt any more.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from fedcrm.secagg.terms import AttemptId

__all__ = ["AnswerJournal", "MemoryJournal", "Step"]


class Step(StrEnum):
    """What may happen once an attempt."""

    MANIFEST = "manifest"
    ANSWER = "answer"


class AnswerJournal(Protocol):
    """Durable memory, written before anything is released."""

    def claim(self, attempt: AttemptId, step: Step, digest: bytes) -> bytes:
        """Store digest for (attempt, step) unless something stands there; durable and atomic before it returns.

        Returns what stands there now: the given digest, or an earlier one, which is never overwritten.
        """

    def latest(self, training: str) -> tuple[int, int] | None:
        """(round, attempt) of the highest attempt of this training with a claimed MANIFEST, or None."""


class MemoryJournal:
    """A journal that forgets with its process: for evaluation and tests."""

    def __init__(self) -> None:
        self._claims: dict[tuple[AttemptId, Step], bytes] = {}

    def claim(self, attempt: AttemptId, step: Step, digest: bytes) -> bytes:
        """See AnswerJournal."""
        return self._claims.setdefault((attempt, step), digest)

    def latest(self, training: str) -> tuple[int, int] | None:
        """See AnswerJournal."""
        accepted = [
            (attempt.round, attempt.attempt)
            for attempt, step in self._claims
            if attempt.training == training and step is Step.MANIFEST
        ]
        return max(accepted, default=None)
