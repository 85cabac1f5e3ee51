"""How an epsilon is divided, once, before anything is released.

An adaptive filter needs limits that do not depend on what was released (Rogers, Roth, Ullman & Vadhan, "Privacy
odometers and filters", NeurIPS 2016), so an epsilon is split beforehand into what Gaussian releases, pure releases
and deltas may spend, such that a budget spent to the last drop is quoted as that epsilon, never above. The same
split serves a governance period, where it is the limit, and a training, where it is a limit under that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

from fedcrm.errors import MechanismError, SettingsError
from fedcrm.privacy.accountant import Cost, gdp_mu, sampler_delta

__all__ = ["ROUNDING", "TrainingBudget"]

# Sums of floats may pass a limit by rounding. They are allowed this fraction of it; the plan keeps ten times as
# much back, so that epsilon holds all the same.
ROUNDING = 1e-9
"""Fraction by which a sum may pass its limit."""
_HELD_BACK = 1e-8
_LARGEST_EPSILON = 100.0


@dataclass(frozen=True, slots=True)
class TrainingBudget:
    """Limits that together are quoted as (epsilon, delta).

    mu:            sqrt of the sum of mu^2 over all Gaussian releases, the reserve included; for a privacy unit.
    pure_epsilon:  allowance for pure releases (calibration statistics, counts).
    domain_delta:  allowance for thresholds of unknown domains.
    extra_delta:   domain_delta and the allowance for floating-point residues.
    samples:       most Gaussian samples.
    reserve_share: part of mu^2 that only retries may spend.
    unit_rows:     rows that one privacy unit may have.
    """

    epsilon: float
    delta: float
    mu: float
    pure_epsilon: float
    domain_delta: float
    extra_delta: float
    samples: int
    reserve_share: float
    unit_rows: int

    @classmethod
    def plan(
        cls,
        epsilon: float,
        delta: float = 1e-5,
        *,
        pure_share: float = 0.04,
        domain_delta_share: float = 0.1,
        residue_delta_share: float = 0.01,
        reserve_share: float = 0.04,
        samples: int = 2**40,
        unit_rows: int = 1,
    ) -> TrainingBudget:
        """Divide (epsilon, delta). Raises SettingsError on anything that is no epsilon, delta or share.

        pure_share:         of epsilon, for pure releases; in [0, 1).
        domain_delta_share: of delta, for unknown domains; in [0, 0.9].
        residue_delta_share: of delta, for floating-point samplers, which need about 1e-10; in [0, 0.09].
        reserve_share:      of mu^2, for retries; in [0, 1).
        """
        _require(math.isfinite(epsilon) and 0 < epsilon <= _LARGEST_EPSILON, f"epsilon lies in (0, 100], not {epsilon}")
        _require(0 < delta <= 0.01, f"delta lies in (0, 0.01], not {delta}")
        _require(0 <= pure_share < 1, f"the share of pure releases lies in [0, 1), not {pure_share}")
        _require(
            0 <= domain_delta_share <= 0.9, f"the domains' share of delta lies in [0, 0.9], not {domain_delta_share}"
        )
        _require(
            0 <= residue_delta_share <= 0.09,
            f"the residues' share of delta lies in [0, 0.09], not {residue_delta_share}",
        )
        _require(0 <= reserve_share < 1, f"the reserve's share lies in [0, 1), not {reserve_share}")
        _require(samples >= 1, f"samples are at least 1, not {samples}")
        _require(unit_rows >= 1, f"a unit has at least 1 row, not {unit_rows}")
        pure = pure_share * epsilon
        domain_delta = domain_delta_share * delta
        extra = domain_delta + residue_delta_share * delta
        rest = delta * (1 - _HELD_BACK) - extra - sampler_delta(samples, epsilon + 2)
        mu = gdp_mu(epsilon * (1 - _HELD_BACK) - pure, rest)
        return cls(float(epsilon), float(delta), mu, pure, domain_delta, extra, samples, reserve_share, unit_rows)

    @classmethod
    def part_of(
        cls, period: TrainingBudget, epsilon: float, *, reserve_share: float = 0.04, unit_rows: int = 1
    ) -> TrainingBudget:
        """A training's budget under a period's: what adds up plainly is divided in proportion to epsilon.

        So N trainings of epsilon / N fit a period of epsilon in every respect; in mu^2 they leave something over.
        Raises SettingsError where epsilon is more than the period's.
        """
        _require(epsilon <= period.epsilon, f"epsilon {epsilon} is more than the period's {period.epsilon}")
        part = epsilon / period.epsilon
        return cls.plan(
            epsilon,
            period.delta,
            pure_share=period.pure_epsilon / period.epsilon,
            domain_delta_share=part * period.domain_delta / period.delta,
            residue_delta_share=part * (period.extra_delta - period.domain_delta) / period.delta,
            reserve_share=reserve_share,
            samples=max(int(part * period.samples), 1),
            unit_rows=unit_rows,
        )

    @property
    def limits(self) -> Cost:
        """What all releases together may cost."""
        return Cost(self.mu**2, self.pure_epsilon, self.extra_delta, self.samples)

    @property
    def learning_mu(self) -> float:
        """mu of everything but the reserve, for a privacy unit: what the shares of queries are shares of."""
        return self.mu * math.sqrt(1 - self.reserve_share)

    @property
    def record_mu(self) -> float:
        """learning_mu for one record of a unit's unit_rows: what noise is scaled to (Query.noise_scale)."""
        return self.learning_mu / self.unit_rows

    @property
    def reserve_mu_squared(self) -> float:
        """What retries with fresh noise may spend."""
        return self.mu**2 * self.reserve_share

    def to_json(self) -> dict[str, float | int]:
        """Plain values by field."""
        return asdict(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, object]) -> TrainingBudget:
        """Inverse of to_json. Raises MechanismError on anything else."""
        names = [f.name for f in fields(cls)]
        numbers = [raw.get(name) for name in names]
        if set(raw) != set(names) or not all(isinstance(n, int | float) and not isinstance(n, bool) for n in numbers):
            raise MechanismError("a budget's fields are numbers: " + ", ".join(names))
        return cls(**raw)  # type: ignore[arg-type]  # checked just above


def _require(condition: bool, reason: str) -> None:
    if not condition:
        raise SettingsError(reason)
