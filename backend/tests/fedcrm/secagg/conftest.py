"""A whole attempt on a small, INSECURE ring, driven step by step so that a test may interfere anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pytest

from fedcrm.secagg import (
    AttemptId,
    AttemptTerms,
    CoordinatorAttempt,
    Identity,
    MemoryJournal,
    Opened,
    ParticipantAttempt,
    Roster,
)
from fedcrm.secagg.ring import RingParameters

INSECURE_1024 = RingParameters(
    degree=1024,
    primes=(1125899906732033, 1125899906738177, 1125899906820097, 1125899906826241),
    key_prime=249857,
    insecure=True,
)


class Attempt:
    """One attempt among n participants; every step takes who takes part and what is done to the messages."""

    def __init__(
        self, n: int, identities, coordinator, *, number: int = 1, journals=None, values=None, **terms
    ) -> None:
        self.identities = {one.name: one for one in identities[:n]}
        self.roster = Roster(coordinator.public, tuple(one.public for one in identities[:n]))
        settings = {"coordinates": 1500, "magnitude": 1 << 24, "request": b"a request", "parameters": INSECURE_1024}
        self.terms = AttemptTerms(AttemptId("training", 1, number), self.roster, **(settings | terms))
        self.coordinator_identity = coordinator
        self.coordinator = CoordinatorAttempt(coordinator, self.terms)
        self.journals = journals if journals is not None else {name: MemoryJournal() for name in self.names}
        self.participants = {
            name: ParticipantAttempt(
                self.identities[name],
                self.roster,
                self.journals[name],
                least_quorum=self.terms.quorum,
                least_k_min=self.terms.k_min,
                parameters=self.terms.parameters,
            )
            for name in self.names
        }
        rng = np.random.default_rng(number)
        bound = self.terms.magnitude
        self.values = values or {
            name: rng.integers(-bound, bound + 1, self.terms.coordinates, dtype=np.int64) for name in self.names
        }

    @property
    def names(self) -> tuple[str, ...]:
        return self.roster.names

    def ask(self, message: bytes | dict[str, bytes], names: Iterable[str]) -> dict[str, bytes]:
        """Replies of these participants."""
        each = message if isinstance(message, dict) else dict.fromkeys(names, message)
        return {name: self.participants[name].handle(each[name]) for name in names}

    def commits(self, names=None):
        return self.ask(self.coordinator.open(), names or self.names)

    def reveals(self, names=None):
        return self.ask(self.coordinator.request_reveals(self.commits(names)), names or self.names)

    def accepts(self, names=None):
        return self.ask(self.coordinator.relay_deals(self.reveals(names)), names or self.names)

    def bound(self, names=None):
        self.ask(self.coordinator.manifest(self.accepts(names)), names or self.names)
        return self

    def uploads(self, names=None):
        self.bound(names)
        return {name: self.participants[name].upload(self.values[name]) for name in names or self.names}

    def partials(self, names=None):
        return self.ask(self.coordinator.request_decryption(self.uploads(names)), names or self.names)

    def run(self, names=None) -> Opened:
        return self.coordinator.finish(self.partials(names))

    def plain_sum(self, names=None):
        return sum(self.values[name] for name in names or self.names)


@pytest.fixture(scope="session")
def identities() -> list[Identity]:
    return [Identity.generate(f"organisation {number}") for number in range(1, 51)]


@pytest.fixture(scope="session")
def coordinator_identity() -> Identity:
    return Identity.generate("coordinator")


@pytest.fixture
def attempt(identities, coordinator_identity) -> Callable[..., Attempt]:
    """attempt(n, ...) -> Attempt on the insecure ring."""
    return lambda n=4, **settings: Attempt(n, identities, coordinator_identity, **settings)


@pytest.fixture(scope="session")
def ring() -> RingParameters:
    return INSECURE_1024
