"""What was released, apart from how it is accounted.

The ledger stores these events, not epsilons, so that it stays valid when accounting improves. Two rules keep old
ledgers valid: a field never changes its meaning, and a new field has a default that means what was meant before.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import ClassVar

from fedcrm.errors import MechanismError
from fedcrm.learning import Query
from fedcrm.privacy.accountant import Cost

__all__ = ["DomainRelease", "Event", "GaussianRelease", "PureRelease", "event_from_json", "event_to_json"]


@dataclass(frozen=True, slots=True)
class GaussianRelease:
    """Integer vectors released with rounded Gaussian noise.

    noise_multiplier: standard deviation of the noise over `sensitivity`; no unit, > 0.
    count:            releases like this one, >= 1.
    sensitivity:      most that one privacy unit changes the vector, L2 norm over its integers, > 0. The joint one
                      where structures are noised differently: noise_multiplier then is 1 / mu of them together.
    samples:          noise samples drawn in each release, >= 0.
    purpose:          what for, in words a privacy officer knows.
    """

    kind: ClassVar[str] = "gaussian"
    noise_multiplier: float
    count: int
    sensitivity: float
    samples: int
    purpose: str

    def __post_init__(self) -> None:
        _check(_positive(self.noise_multiplier), "a noise multiplier is finite and positive")
        _check(self.count >= 1, "a release happens at least once")
        _check(_positive(self.sensitivity), "a sensitivity is finite and positive")
        _check(self.samples >= 0, "samples are not negative")

    @property
    def cost(self) -> Cost:
        """mu^2 = count / noise_multiplier^2."""
        return Cost(mu_squared=self.count / self.noise_multiplier**2, samples=self.count * self.samples)

    @classmethod
    def of_query(cls, query: Query, *, mu: float, blocks: frozenset[str], unit_rows: int = 1) -> GaussianRelease | None:
        """The release that answers a query under noise of standard deviation query.noise_scale(mu / unit_rows, blocks).

        mu:        of the whole training, for a privacy unit (TrainingBudget.learning_mu).
        blocks:    feature blocks that the participant has.
        unit_rows: rows that one unit may have; they may all fall into the same place, so the sensitivity is
                   that many times a record's.

        None where the participant has none of the structures: it uploads zeros, releases nothing and pays nothing.
        """
        share = query.share(blocks)
        if share == 0:
            return None
        own = sum(s.length for s in query.structures if s.block is None or s.block in blocks)
        multiplier = 1 / (mu * math.sqrt(share))
        return cls(multiplier, 1, unit_rows * query.sensitivity, own, query.purpose)


@dataclass(frozen=True, slots=True)
class PureRelease:
    """Releases of a pure-epsilon mechanism.

    epsilon: of each, > 0.
    count:   how many, >= 1.
    delta:   of each: what the mechanism's floating-point sampler loses, 0 for an exact one.
    """

    kind: ClassVar[str] = "pure"
    epsilon: float
    count: int
    purpose: str
    delta: float = 0.0

    def __post_init__(self) -> None:
        _check(_positive(self.epsilon), "an epsilon is finite and positive")
        _check(self.count >= 1, "a release happens at least once")
        _check(0 <= self.delta < 1, "a delta lies in [0, 1)")

    @property
    def cost(self) -> Cost:
        """Plain sums."""
        return Cost(pure_epsilon=self.count * self.epsilon, delta=self.count * self.delta)


@dataclass(frozen=True, slots=True)
class DomainRelease:
    """Values nobody listed beforehand, released where their noisy count passes a threshold (fedcrm.privacy.domains).

    noise_multiplier: of the counts of all fields together, > 0.
    fields:           released together, >= 1.
    threshold_delta:  probability that a value which only one unit has is released, over all fields, in (0, 1).
    """

    kind: ClassVar[str] = "domain"
    noise_multiplier: float
    fields: int
    threshold_delta: float
    purpose: str

    # How many values there are is private, so their number cannot be written down; no table has more.
    SAMPLES: ClassVar[int] = 2**32

    def __post_init__(self) -> None:
        _check(_positive(self.noise_multiplier), "a noise multiplier is finite and positive")
        _check(self.fields >= 1, "a release has at least one field")
        _check(0 < self.threshold_delta < 1, "a threshold's delta lies in (0, 1)")

    @property
    def cost(self) -> Cost:
        """mu^2 of the counts; the threshold's delta."""
        return Cost(mu_squared=1 / self.noise_multiplier**2, delta=self.threshold_delta, samples=self.SAMPLES)


Event = GaussianRelease | PureRelease | DomainRelease

_KINDS: Mapping[str, type[GaussianRelease] | type[PureRelease] | type[DomainRelease]] = {
    kind.kind: kind for kind in (GaussianRelease, PureRelease, DomainRelease)
}


def event_to_json(event: Event) -> dict[str, object]:
    """Plain values; `kind` names the class."""
    return {"kind": event.kind, **asdict(event)}


def event_from_json(raw: Mapping[str, object]) -> Event:
    """Inverse of event_to_json; fields added since are filled with their defaults.

    Raises MechanismError on an unknown kind, an unknown or missing field or a value out of range: what cannot be
    understood cannot be accounted.
    """
    kind = _KINDS.get(str(raw.get("kind")))
    if kind is None:
        raise MechanismError(f"unknown kind of release: {raw.get('kind')!r}")
    given = {name: value for name, value in raw.items() if name != "kind"}
    types = {f.name: str(f.type) for f in fields(kind)}
    if unknown := sorted(set(given) - set(types)):
        raise MechanismError(f"a {kind.kind} release has no field {unknown[0]!r}")
    for name, value in given.items():
        _check(_has_type(value, types[name]), f"{name} of a {kind.kind} release is not of type {types[name]}")
    try:
        return kind(**given)  # type: ignore[arg-type]  # checked field by field just above
    except TypeError as missing:
        raise MechanismError(f"a {kind.kind} release lacks a field: {missing}") from missing


def _has_type(value: object, name: str) -> bool:
    kinds: dict[str, type | tuple[type, ...]] = {"float": (int, float), "int": int, "str": str}
    return isinstance(value, kinds[name]) and not isinstance(value, bool)


def _positive(value: float) -> bool:
    return math.isfinite(value) and value > 0


def _check(condition: bool, reason: str) -> None:
    if not condition:
        raise MechanismError(reason)
