"""One round: from a request to the opened noisy sum, encrypted or in plain.

`SecureRounds` is what a federation runs. `PlainRounds` adds the same integers without encryption, for
evaluations in one process; a test holds the two bit for bit against each other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fedcrm.errors import AttemptVoid, ProtocolError, TooFewParticipants, TrainingStopped
from fedcrm.federation.channel import Channel
from fedcrm.federation.messages import Kind, RoundRequest
from fedcrm.federation.participant import Participant
from fedcrm.federation.post import Notes, Post
from fedcrm.secagg import (
    PRODUCTION,
    AttemptId,
    AttemptTerms,
    CoordinatorAttempt,
    Identity,
    RingParameters,
    Roster,
)

__all__ = ["MAXIMUM_ATTEMPTS", "AttemptLog", "PlainRounds", "RoundResult", "Rounds", "SecureRounds"]

MAXIMUM_ATTEMPTS = 4
"""Attempts the coordinator makes at one round; a participant's own cap may stop it earlier."""


@dataclass(frozen=True)
class RoundResult:
    """sums: (length,) of the contributors' weighted noisy integers. seconds, bytes_moved: by step, for the report."""

    sums: NDArray[np.int64]
    contributors: tuple[str, ...]
    transcript: bytes
    attempts: int
    seconds: Mapping[str, float] = field(default_factory=dict)
    bytes_moved: Mapping[str, int] = field(default_factory=dict)


class AttemptLog(Notes, Protocol):
    """Durable numbering of attempts: a number is never used twice, also after a crash."""

    def next_attempt(self, round_number: int) -> int:
        """A fresh attempt number of this round, stored before it returns."""


class Rounds(Protocol):
    """Whatever can carry out a round."""

    def run(self, request: RoundRequest) -> RoundResult:
        """Raises TrainingStopped where no further attempt would help."""


class PlainRounds:
    """The plain sum, for evaluations: whoever runs it sees every noisy update."""

    def __init__(self, participants: Mapping[str, Participant]) -> None:
        self._participants = participants

    def run(self, request: RoundRequest) -> RoundResult:
        """Ask each participant directly."""
        names = tuple(name for name in self._participants if name in request.weights)
        total = np.zeros(request.query.length, dtype=np.int64)
        for name in names:
            total += self._participants[name].contribute(request, names)
        return RoundResult(total, names, b"", 1)


class SecureRounds:
    """Threshold-encrypted attempts over a channel, as many as it takes.

    timeout: seconds to wait for the replies of one step. k_min, quorum: 0 for the defaults.
    parameters: of secure aggregation; the same for everybody.
    """

    def __init__(
        self,
        identity: Identity,
        roster: Roster,
        channel: Channel,
        log: AttemptLog,
        *,
        training: str,
        quorum: int = 0,
        k_min: int = 0,
        timeout: float = 60.0,
        clock: Callable[[], float] = time.time,
        parameters: RingParameters = PRODUCTION,
    ) -> None:
        self._identity, self._roster, self._log = identity, roster, log
        self._post = Post(identity, roster, channel, log, training=training, timeout=timeout)
        self._training, self._quorum, self._k_min = training, quorum, k_min
        self._timeout, self._clock, self._parameters = timeout, clock, parameters
        # Who was silent up to its upload is not waited for again in this round; a late answer to a decryption
        # request is harmless, so silence there says nothing.
        self._silent: set[str] = set()

    def run(self, request: RoundRequest) -> RoundResult:
        """Attempt the round until its sum is opened."""
        self._silent.clear()
        reasons: list[str] = []
        for tries in range(1, MAXIMUM_ATTEMPTS + 1):
            attempt = self._log.next_attempt(request.round)
            try:
                return self._attempt(request, attempt, tries)
            except TooFewParticipants as error:
                self._log.note("too few", round=request.round, attempt=attempt, reason=str(error))
                if not self._silent:
                    raise TrainingStopped(f"round {request.round}: {error}") from error
                # Whoever was silent may be back: the last resort before giving up is to ask everybody again.
                reasons.append(str(error))
                self._silent.clear()
            except (AttemptVoid, ProtocolError) as error:
                reasons.append(str(error))
                self._log.note("attempt void", round=request.round, attempt=attempt, reason=str(error))
        raise TrainingStopped(f"round {request.round} failed {MAXIMUM_ATTEMPTS} times: {'; '.join(reasons)}")

    def _attempt(self, request: RoundRequest, attempt: int, tries: int) -> RoundResult:
        terms = AttemptTerms(
            id=AttemptId(self._training, request.round, attempt),
            roster=self._roster,
            coordinates=request.query.length,
            magnitude=request.magnitude,
            request=request.to_bytes(),
            deadline=int(self._clock() + 10 * self._timeout),
            quorum=self._quorum,
            k_min=self._k_min,
            parameters=self._parameters,
        )
        coordinator = CoordinatorAttempt(self._identity, terms)
        steps = _Steps()
        everybody = [n for n in self._roster.names if n not in self._silent and n in request.weights]
        commits = self._ask(Kind.OPEN, dict.fromkeys(everybody, coordinator.open()), steps, "keys")
        reveal = coordinator.request_reveals(commits)
        reveals = self._ask(Kind.ATTEMPT, dict.fromkeys(coordinator.committed, reveal), steps, "keys")
        accepts = self._ask(Kind.ATTEMPT, coordinator.relay_deals(reveals), steps, "shares")
        manifest = coordinator.manifest(accepts)
        uploads = self._ask(Kind.ATTEMPT, dict.fromkeys(coordinator.contributors, manifest), steps, "uploads")
        request_bytes = coordinator.request_decryption(uploads)
        partials = self._ask(Kind.ATTEMPT, dict.fromkeys(coordinator.contributors, request_bytes), steps, "decryption")
        opened = coordinator.finish(partials)
        for name, why in coordinator.dropped.items():
            self._log.note("dropped", round=request.round, attempt=attempt, participant=name, reason=str(why))
        return RoundResult(opened.sums, opened.contributors, opened.transcript, tries, steps.seconds, steps.bytes_moved)

    def _ask(self, kind: Kind, bodies: Mapping[str, bytes], steps: _Steps, step: str) -> Mapping[str, bytes]:
        started = self._clock()
        exchange = self._post.exchange(kind, bodies, step)
        if step != "decryption":
            self._silent.update(exchange.silent)
        steps.add(step, self._clock() - started, exchange.moved)
        return exchange.replies


@dataclass
class _Steps:
    seconds: dict[str, float] = field(default_factory=dict)
    bytes_moved: dict[str, int] = field(default_factory=dict)

    def add(self, step: str, seconds: float, moved: int) -> None:
        self.seconds[step] = self.seconds.get(step, 0.0) + seconds
        self.bytes_moved[step] = self.bytes_moved.get(step, 0) + moved
