"""What passes between coordinator and participants outside secure aggregation, signed and typed.

An envelope names its kind, training and sender and carries a body. Secure aggregation's own messages are
signed inside; here they travel as the body of an ATTEMPT. Nothing in an envelope is secret.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fedcrm.errors import MalformedMessage
from fedcrm.learning import Query
from fedcrm.privacy import Calibration
from fedcrm.secagg import Identity, PublicIdentity

__all__ = ["Agreement", "Envelope", "Invitation", "Kind", "Report", "RoundRequest", "canonical"]

_PREFIX = b"fedcrm federation 1\0"


class Kind(StrEnum):
    """What an envelope is for. INVITE is answered by REPORT, the others by themselves."""

    INVITE = "invite"
    REPORT = "report"
    AGREE = "agree"
    OPEN = "open"
    ATTEMPT = "attempt"
    CLOSE = "close"
    MODEL = "model"


def canonical(value: Mapping[str, Any]) -> bytes:
    """JSON with sorted keys and no spaces: equal values have equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


@dataclass(frozen=True, slots=True)
class Envelope:
    """One signed message. body: depends on kind."""

    kind: Kind
    training: str
    sender: str
    body: bytes

    def seal(self, identity: Identity) -> bytes:
        """Bytes with the sender's signature over everything in them."""
        head = canonical({"kind": self.kind, "training": self.training, "sender": self.sender})
        content = len(head).to_bytes(4, "big") + head + self.body
        return identity.sign(_PREFIX + content) + content

    @classmethod
    def unseal(cls, data: bytes, sender: PublicIdentity, training: str) -> Envelope:
        """Check signature, sender and training. Raises MalformedMessage or BadSignature, with the culprit."""
        signature, content = data[:64], data[64:]
        sender.verify(signature, _PREFIX + content)
        try:
            size = int.from_bytes(content[:4], "big")
            head = json.loads(content[4 : 4 + size])
            envelope = cls(Kind(head["kind"]), head["training"], head["sender"], content[4 + size :])
        except (ValueError, KeyError, TypeError) as error:
            raise MalformedMessage("not an envelope", culprit=sender.name) from error
        if envelope.sender != sender.name or envelope.training != training:
            raise MalformedMessage("an envelope of another sender or training", culprit=sender.name)
        return envelope


@dataclass(frozen=True, slots=True)
class Invitation:
    """Coordinator -> participants: the training's terms. schema: JSON, categories and ranges possibly unknown."""

    task: str
    schema: str
    roster: bytes

    def to_bytes(self) -> bytes:
        """Canonical."""
        return canonical({"task": self.task, "schema": self.schema, "roster": b64encode(self.roster).decode()})

    @classmethod
    def from_bytes(cls, data: bytes) -> Invitation:
        """Raises MalformedMessage."""
        raw = _parse(data, ("task", "schema", "roster"))
        return cls(raw["task"], raw["schema"], b64decode(raw["roster"]))


@dataclass(frozen=True, slots=True)
class Report:
    """Participant -> coordinator: charged statistics and public privacy parameters.

    calibration: charged counts and quality statistics. categories: released names by field, most frequent first.
    epsilon, delta: of this training. mu: GDP parameter of one record over the whole training.
    """

    calibration: Calibration
    categories: Mapping[str, tuple[str, ...]]
    epsilon: float
    delta: float
    mu: float

    def to_bytes(self) -> bytes:
        """Canonical."""
        return canonical(
            {
                "calibration": self.calibration.to_json(),
                "categories": {field: list(names) for field, names in self.categories.items()},
                "epsilon": self.epsilon,
                "delta": self.delta,
                "mu": self.mu,
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Report:
        """Raises MalformedMessage."""
        raw = _parse(data, ("calibration", "categories", "epsilon", "delta", "mu"))
        try:
            categories = {str(f): tuple(map(str, names)) for f, names in raw["categories"].items()}
            calibration = Calibration.from_json(raw["calibration"])
            return cls(calibration, categories, float(raw["epsilon"]), float(raw["delta"]), float(raw["mu"]))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise MalformedMessage("not a report") from error


@dataclass(frozen=True, slots=True)
class Agreement:
    """Coordinator -> participants: the schema everybody encodes by, complete, and the federation's base rate."""

    schema: str
    base_rate: float

    def to_bytes(self) -> bytes:
        """Canonical."""
        return canonical({"schema": self.schema, "base_rate": self.base_rate})

    @classmethod
    def from_bytes(cls, data: bytes) -> Agreement:
        """Raises MalformedMessage."""
        raw = _parse(data, ("schema", "base_rate"))
        return cls(raw["schema"], float(raw["base_rate"]))


@dataclass(frozen=True, slots=True)
class RoundRequest:
    """What is asked in a round, apart from who asks and under which keys.

    Two requests with equal bytes ask for the same thing: model, structures, scales, weights and lanes are in
    them. Together with the contributors that is what decides whether noisy integers may be sent again.

    weights:   integer weight by participant; unit stands for 1.
    magnitude: public bound on a weighted noisy entry of anybody: the width of the lanes.
    """

    training: str
    round: int
    query: Query
    weights: Mapping[str, int]
    unit: int
    magnitude: int

    def to_bytes(self) -> bytes:
        """Canonical."""
        return canonical(
            {
                "training": self.training,
                "round": self.round,
                "query": b64encode(self.query.to_bytes()).decode(),
                "weights": dict(self.weights),
                "unit": self.unit,
                "magnitude": self.magnitude,
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> RoundRequest:
        """Raises MalformedMessage, also on weights outside 1..unit."""
        raw = _parse(data, ("training", "round", "query", "weights", "unit", "magnitude"))
        try:
            query = Query.from_bytes(b64decode(raw["query"], validate=True))
            weights = {str(name): int(weight) for name, weight in raw["weights"].items()}
            request = cls(raw["training"], int(raw["round"]), query, weights, int(raw["unit"]), int(raw["magnitude"]))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise MalformedMessage("not a round request") from error
        if request.round < 1 or any(not 1 <= w <= request.unit for w in weights.values()):
            raise MalformedMessage("a round below 1 or a weight outside 1..unit")
        return request


def _parse(data: bytes, keys: tuple[str, ...]) -> dict[str, Any]:
    try:
        raw = json.loads(data)
    except ValueError as error:
        raise MalformedMessage("not JSON") from error
    if not isinstance(raw, dict) or set(raw) != set(keys):
        raise MalformedMessage(f"expected exactly {', '.join(keys)}")
    return raw
