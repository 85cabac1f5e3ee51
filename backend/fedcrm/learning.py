"""The seam between rounds and whatever learns.

A learner asks queries; a participant's respondent answers each with exact integers; rounds add noise,
weigh, encrypt, add and open, and hand the learner the noisy sum. Neither side of the seam knows the
other: rounds, privacy and aggregation work on `Query` and `Aggregate` alone.
"""

from __future__ import annotations

import hashlib
import json
import math
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Aggregate", "Learner", "Query", "Respondent", "Structure"]


@dataclass(frozen=True, slots=True)
class Structure:
    """One vector of coordinates to which a record adds one of bounded length.

    length: coordinates, >= 1.
    share:  this table's fraction a^2 of the training's mu^2, > 0.
    block:  name of the feature block it belongs to, None for features everybody has. A participant
            without the block uploads zeros: no data, no noise, no charge.
    """

    name: str
    length: int
    share: float
    block: str | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """What a learner asks of every participant in one round.

    structures:  laid out one after the other in the vector.
    sensitivity: most that one record changes one structure, L2 norm over its integers.
    magnitude:   most that one record changes one coordinate.
    body:        the learner's own, canonical bytes; nobody else reads them.
    places:      over how many places of a structure records spread, for weighing noise against sampling;
                 None where the answer is a plain count that weighs everybody alike.
    """

    purpose: str
    structures: tuple[Structure, ...]
    sensitivity: float
    magnitude: int
    body: bytes
    places: float | None = None

    @property
    def length(self) -> int:
        """Coordinates in all."""
        return sum(s.length for s in self.structures)

    def share(self, blocks: frozenset[str]) -> float:
        """Fraction of mu^2 that a participant with these blocks spends on an answer."""
        return math.fsum(s.share for s in self.structures if s.block is None or s.block in blocks)

    def noise_scale(self, mu: float, blocks: frozenset[str]) -> NDArray[np.float64]:
        """Noise standard deviation of each coordinate, (length,), for a participant whose whole training is mu-GDP.

        sensitivity / (mu * sqrt(share)), so that the release is mu * sqrt(share of all structures)-GDP;
        zero where the participant has no data to protect.
        """
        scale = [
            0.0 if s.block is not None and s.block not in blocks else self.sensitivity / (mu * math.sqrt(s.share))
            for s in self.structures
        ]
        return np.repeat(np.array(scale), [s.length for s in self.structures])

    def to_bytes(self) -> bytes:
        """Canonical: equal queries have equal bytes."""
        return json.dumps(
            {
                "purpose": self.purpose,
                "structures": [[s.name, s.length, s.share, s.block] for s in self.structures],
                "sensitivity": self.sensitivity,
                "magnitude": self.magnitude,
                "body": b64encode(self.body).decode(),
                "places": self.places,
            },
            sort_keys=True,
            separators=(",", ":"),
        ).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Query:
        """Inverse of to_bytes. Raises ValueError, KeyError or TypeError on anything else."""
        raw = json.loads(data)
        structures = tuple(
            Structure(str(n), int(length), float(share), None if block is None else str(block))
            for n, length, share, block in raw["structures"]
        )
        if any(s.length < 1 or not s.share > 0 for s in structures) or not raw["sensitivity"] > 0:
            raise ValueError("a query's lengths, shares and sensitivity are positive")
        body = b64decode(raw["body"], validate=True)
        places = None if raw["places"] is None else float(raw["places"])
        return cls(str(raw["purpose"]), structures, float(raw["sensitivity"]), int(raw["magnitude"]), body, places)

    def digest(self) -> bytes:
        """SHA-256 of the canonical bytes."""
        return hashlib.sha256(self.to_bytes()).digest()


@dataclass(frozen=True, slots=True)
class Aggregate:
    """The opened sum of one round.

    sums:           sum over participants of weight_i * (answer_i + noise_i); int64, (length,).
    noise_variance: sum of weight_i^2 * variance of noise_i, rounding included; float64, (length,); 0 without noise.
    weights:        integer weight by participant that counted.
    unit:           the integer weight that stands for 1.
    """

    sums: NDArray[np.int64]
    noise_variance: NDArray[np.float64]
    weights: Mapping[str, int]
    unit: int


class Learner(Protocol):
    """The coordinator's side. Deterministic: the same state asks the same query."""

    def next_query(self) -> Query | None:
        """The next question, or None when the model is finished. Asking twice changes nothing."""

    def absorb(self, aggregate: Aggregate) -> None:
        """Take the answer to next_query and move on."""

    def suspicious(self, aggregate: Aggregate) -> str | None:
        """Why this aggregate cannot be the sum of honest answers, or None."""

    def state(self) -> bytes:
        """Everything needed to go on after a restart; never pickle."""


class Respondent(Protocol):
    """A participant's side: exact integers over its own records, before noise."""

    blocks: frozenset[str]

    def answer(self, query: Query) -> NDArray[np.int64]:
        """The participant's vector for this query, (query.length,); zeros where it lacks the block.

        The query comes from a coordinator that may be hostile. Raises ValueError unless its structures are
        exactly those of its body and its sensitivity and magnitude are at least what the answer has.
        """
