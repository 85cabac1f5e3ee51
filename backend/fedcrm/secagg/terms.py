"""What an attempt is about, agreed before anything is encrypted; and whom k_min protects against.

`quorum` (t) is how many must answer to open the sum; `k_min` how many must count in it. They are settings apart:
see collusion_table.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from fedcrm.errors import SettingsError, TooManyCoordinates
from fedcrm.secagg.identity import Roster
from fedcrm.secagg.packing import Lanes
from fedcrm.secagg.ring import PRODUCTION, RingParameters

__all__ = [
    "AttemptId",
    "AttemptTerms",
    "CollusionRow",
    "collusion_table",
    "coordinate_limit",
    "default_k_min",
    "default_quorum",
    "safe_against",
]

_COUNTER_LIMIT = 1 << 32
_MOST_COORDINATES, _LARGE_ROSTER, _LEAST_LIMIT = 1_000_000, 12, 65_536


@dataclass(frozen=True, slots=True, order=True)
class AttemptId:
    """One try at one round of one training. round, attempt: 0 .. 2^32 - 1."""

    training: str
    round: int
    attempt: int

    def __post_init__(self) -> None:
        if not self.training or len(self.training.encode()) > 1000:
            raise SettingsError("a training's identifier has 1 to 1000 bytes")
        if not (0 <= self.round < _COUNTER_LIMIT and 0 <= self.attempt < _COUNTER_LIMIT):
            raise SettingsError(f"round and attempt lie in 0 .. {_COUNTER_LIMIT - 1}")


def default_quorum(participants: int) -> int:
    """ceil(0.6 n): six of nine."""
    return -(-6 * participants // 10)


def default_k_min(participants: int, quorum: int) -> int:
    """max(t, floor((n + 2) / 2) + 1): safe against two colluders at least."""
    return min(participants, max(quorum, (participants + 2) // 2 + 1))


def coordinate_limit(participants: int) -> int:
    """Most coordinates a roster of n may ask for.

    What all participants deal grows with n^2 a coordinate. 1,000,000 up to n = 12; beyond that the total of
    shares stays what it is there, 144,000,000 / n^2, but never under 65,536.
    """
    if participants <= _LARGE_ROSTER:
        return _MOST_COORDINATES
    return max(_LEAST_LIMIT, _MOST_COORDINATES * _LARGE_ROSTER**2 // participants**2)


@dataclass(frozen=True)
class AttemptTerms:
    """What everybody must agree on before an attempt; the coordinator proposes it, each participant checks it.

    coordinates: entries of the vector, >= 1.
    magnitude:   public bound on |entry| of one participant, noise headroom included, >= 1.
    request:     opaque here: what is asked for. Its SHA-256 is in every signature of the attempt.
    deadline:    Unix seconds, for whoever has a clock.
    quorum:      answers that open the sum; 0 means default_quorum.
    k_min:       contributors without which nothing is opened; 0 means default_k_min.

    Raises SettingsError, TooManyCoordinates, OutOfLane.
    """

    id: AttemptId
    roster: Roster
    coordinates: int
    magnitude: int
    request: bytes
    deadline: int = 0
    quorum: int = 0
    k_min: int = 0
    parameters: RingParameters = PRODUCTION

    def __post_init__(self) -> None:
        n = len(self.roster)
        if not self.quorum:
            object.__setattr__(self, "quorum", default_quorum(n))
        if not self.k_min:
            object.__setattr__(self, "k_min", default_k_min(n, self.quorum))
        if not 2 <= self.quorum <= n:
            raise SettingsError(f"a quorum of {self.quorum}; it lies in 2 .. {n}")
        if not self.quorum <= self.k_min <= n:
            raise SettingsError(f"k_min of {self.k_min}; it lies in {self.quorum} (the quorum) .. {n}")
        if self.coordinates < 1 or self.magnitude < 1:
            raise SettingsError("a vector has at least one coordinate, and a magnitude of at least 1")
        if not 0 <= self.deadline < 1 << 64:
            raise SettingsError("a deadline is a Unix time in seconds")
        self.lanes  # noqa: B018 - raises OutOfLane
        if self.coordinates > coordinate_limit(n):
            raise TooManyCoordinates(coordinates=self.coordinates, participants=n, bytes_needed=self.dealt_bytes)

    @cached_property
    def lanes(self) -> Lanes:
        """Lanes that fit the sum of everybody's values."""
        return Lanes.for_sum(self.magnitude, len(self.roster), self.parameters.plain_bits)

    @cached_property
    def chunks(self) -> int:
        """Ciphertexts an upload takes."""
        return self.lanes.chunks(self.coordinates, self.parameters.degree)

    @property
    def dealt_bytes(self) -> int:
        """Bytes of shares each participant deals: quorum - 1 seeds, whole polynomials to the others."""
        n = len(self.roster)
        return (n - self.quorum) * (1 + self.chunks) * self.parameters.polynomial_bytes + 32 * (self.quorum - 1)


@dataclass(frozen=True, slots=True)
class CollusionRow:
    """colluders:        f participants that side with the coordinator.
    least_k_min:      smallest k_min for which two manifests cannot have disjoint honest members: > (n + f) / 2;
                      None where f of n leave fewer than two honest contributors at k_min = n.
    safe:  whether the k_min asked about is at least that.
    honest_in_sum:    honest updates that the opened sum mixes, at that k_min.
    quorum_holds:     f < t: they cannot decrypt by themselves.
    one_answer:       f < 2t - n: one answer an honest participant excludes two decryptions.
    """

    colluders: int
    least_k_min: int | None
    safe: bool
    honest_in_sum: int
    quorum_holds: bool
    one_answer: bool


def safe_against(participants: int, k_min: int) -> int:
    """Most colluders f with k_min > (n + f) / 2; negative where k_min <= n / 2 protects against nobody."""
    return 2 * k_min - participants - 1


def collusion_table(participants: int, quorum: int, k_min: int = 0) -> list[CollusionRow]:
    """One row for each number of colluders from 0 to quorum; k_min 0 means the default."""
    k_min = k_min or default_k_min(participants, quorum)
    rows = []
    for f in range(quorum + 1):
        least = max(quorum, (participants + f) // 2 + 1)
        rows.append(
            CollusionRow(
                colluders=f,
                least_k_min=least if least <= participants and least - f >= 2 else None,
                safe=f <= safe_against(participants, k_min),
                honest_in_sum=max(0, k_min - f),
                quorum_holds=f < quorum,
                one_answer=f < 2 * quorum - participants,
            )
        )
    return rows
