"""Calibration statistics of one participant, released once a training on the pure-epsilon allowance.

Counts by class, completeness, recency and label reliability, all integers through diffprivlib's geometric mechanism
(Ghosh, Roughgarden & Sundararajan, "Universally utility-maximizing privacy mechanisms", STOC 2009). Under
adding or removing a unit of at most k rows:

    counts by class and label source   a record is in one of four cells     L1 sensitivity k       share 0.5
    completeness, centred              rint(64 c) - 32 in [-32, 32]          sensitivity 32 k       share 0.2
    recency, centred                   likewise                              sensitivity 32 k       share 0.3

diffprivlib samples by floating-point inversion, which is not exactly geometric; how far off it can be is bounded
below and charged as delta. Estimates are shrunk towards public priors in proportion to their noise, so that a small
participant under a strict budget reads as "ordinary" and not as noise.
"""

from __future__ import annotations

import math
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from fedcrm.errors import MechanismError
from fedcrm.privacy.events import PureRelease
from fedcrm.privacy.gaussian import RandomBytes

__all__ = [
    "Calibration",
    "CalibrationRecords",
    "Estimate",
    "calibrate",
    "calibration_event",
    "counts_event",
    "enough_examples",
    "noisy_counts",
]

_COUNTS_SHARE, _COMPLETENESS_SHARE, _RECENCY_SHARE = 0.5, 0.2, 0.3
_STEPS = 64


@dataclass(frozen=True, slots=True)
class Estimate:
    """A noisy number and how far it may be off: one standard error."""

    value: float
    standard_error: float


# What is thought of a participant before anything is known, mean and standard deviation; public.
_COMPLETENESS_PRIOR = Estimate(0.85, 0.15)
_RECENCY_PRIOR = Estimate(0.8, 0.2)
_RELIABILITY_PRIOR = Estimate(0.9, 0.15)


@dataclass(frozen=True, slots=True)
class CalibrationRecords:
    """What the statistics are taken of, one value a training record.

    positive:   bool, (n,): its class.
    filled:     float64, (n,): share of mapped fields that have a value, in [0, 1].
    recency:    float64, (n,): 1 where it was touched within the window, falling to 0; in [0, 1].
    definitive: bool, (n,): whether the label is an outcome and not a guess.
    """

    positive: NDArray[np.bool_]
    filled: NDArray[np.float64]
    recency: NDArray[np.float64]
    definitive: NDArray[np.bool_]

    def __post_init__(self) -> None:
        shape = (len(self.positive),)
        for column in (self.positive, self.filled, self.recency, self.definitive):
            if column.shape != shape:
                raise MechanismError("calibration records have one value of each kind")
        for column in (self.filled, self.recency):
            # Also refuses nan: a value outside its range would have a sensitivity nobody has accounted.
            if not bool(np.all((column >= 0) & (column <= 1))):
                raise MechanismError("completeness and recency of a record lie in [0, 1]")


@dataclass(frozen=True, slots=True)
class Calibration:
    """What may leave: estimates after noise and shrinkage. Post-processing of one PureRelease."""

    positives: Estimate
    negatives: Estimate
    completeness: Estimate
    recency: Estimate
    label_reliability: Estimate

    @property
    def rows(self) -> Estimate:
        """Records in all."""
        return Estimate(
            self.positives.value + self.negatives.value,
            math.hypot(self.positives.standard_error, self.negatives.standard_error),
        )

    def to_json(self) -> dict[str, dict[str, float]]:
        """Plain values by field."""
        return asdict(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Mapping[str, float]]) -> Calibration:
        """Inverse of to_json. Raises MechanismError on anything else."""
        try:
            return cls(
                **{
                    f.name: Estimate(float(raw[f.name]["value"]), float(raw[f.name]["standard_error"]))
                    for f in fields(cls)
                }
            )
        except (KeyError, TypeError, ValueError) as wrong:
            raise MechanismError(f"not a calibration: {wrong!r}") from wrong


def calibration_event(epsilon: float, *, unit_rows: int = 1) -> PureRelease:
    """What to charge before `calibrate` draws."""
    counts, completeness, recency = _split(epsilon)
    delta = (
        _residue(counts, unit_rows, draws=4)
        + _residue(completeness, _STEPS // 2 * unit_rows, draws=1)
        + _residue(recency, _STEPS // 2 * unit_rows, draws=1)
    )
    return PureRelease(epsilon, 1, "calibration: counts by class, completeness, recency, label reliability", delta)


def calibrate(
    records: CalibrationRecords, epsilon: float, *, unit_rows: int = 1, random_bytes: RandomBytes = os.urandom
) -> Calibration:
    """Release the statistics; spends exactly `epsilon`.

    unit_rows: most rows of one privacy unit among the records (fedcrm.privacy.units).
    """
    for_counts, for_completeness, for_recency = _split(epsilon)
    positive, definitive = records.positive, records.definitive
    cells = [int(np.sum(a & b)) for a in (positive, ~positive) for b in (definitive, ~definitive)]
    sure_pos, other_pos, sure_neg, other_neg = noisy_counts(
        cells, for_counts, sensitivity=unit_rows, random_bytes=random_bytes
    )
    positives, negatives = _sum(sure_pos, other_pos), _sum(sure_neg, other_neg)
    sure, other = _sum(sure_pos, sure_neg), _sum(other_pos, other_neg)
    rows = _sum(sure, other)
    # Half the difference: unlike the sum of one of them, its noise is uncorrelated with that of the rows.
    surplus = Estimate((sure.value - other.value) / 2, rows.standard_error / 2)
    completeness = _centred_sum(records.filled, for_completeness, unit_rows, random_bytes)
    recency = _centred_sum(records.recency, for_recency, unit_rows, random_bytes)
    return Calibration(
        positives=_not_negative(positives),
        negatives=_not_negative(negatives),
        completeness=_mean(completeness, rows, prior=_COMPLETENESS_PRIOR),
        recency=_mean(recency, rows, prior=_RECENCY_PRIOR),
        label_reliability=_mean(surplus, rows, prior=_RELIABILITY_PRIOR),
    )


def counts_event(epsilon: float, count: int, purpose: str, *, sensitivity: int = 1) -> PureRelease:
    """What to charge before `noisy_counts` draws `count` counts."""
    return PureRelease(epsilon, 1, purpose, _residue(epsilon, sensitivity, draws=count))


def noisy_counts(
    counts: Sequence[int], epsilon: float, *, sensitivity: int = 1, random_bytes: RandomBytes = os.urandom
) -> list[Estimate]:
    """Counts with two-sided geometric noise; epsilon for all of them together.

    sensitivity: L1, over all counts: most that one privacy unit changes them together. 1 where a record is in one
        cell; the number of features where it may be counted for each of them.

    Unbiased: an estimate may be negative.
    """
    # Here and not above: it loads scikit-learn, and reading a budget should not wait two seconds for that.
    from diffprivlib.mechanisms import Geometric

    mechanism = Geometric(epsilon=epsilon, sensitivity=sensitivity, random_state=_OsRandom(random_bytes))
    decay = math.exp(-epsilon / sensitivity)
    error = math.sqrt(2 * decay) / (-math.expm1(-epsilon / sensitivity))
    return [Estimate(float(mechanism.randomise(int(count))), error) for count in counts]


def enough_examples(count: Estimate, minimum: int = 50) -> bool:
    """Whether a feature or class has enough examples, by its charged noisy count: a false yes or no is harmless."""
    return count.value >= minimum


class _OsRandom(secrets.SystemRandom):
    """Uniform numbers for diffprivlib out of a byte source.

    (2 i + 1) / 2^53 for i of 52 bits: symmetrical about 1/2, which it never is. At exactly 1/2, which
    `SystemRandom.random` may return, diffprivlib's formula takes the logarithm of zero.
    """

    def __init__(self, random_bytes: RandomBytes) -> None:
        super().__init__()
        self._random_bytes = random_bytes

    def random(self) -> float:
        drawn = int.from_bytes(self._random_bytes(8), "little") >> 12
        return float(2 * drawn + 1) / 2.0**53


def _residue(epsilon: float, sensitivity: int, *, draws: int) -> float:
    """Delta of `draws` geometric samples by diffprivlib, released together at this epsilon.

    With s = epsilon / sensitivity, the sample is k where x = |u - 1/2| (1 + e^-s) lies in (e^-s(k+1), e^-sk]. There are
    fewer than 37/s such boundaries on each side, since x >= 2^-53. Each is misplaced by at most one step of the grid,
    2^-52, and by the error of product, logarithm and quotient: in log x at most (3 * 37 + 2) * 2^-53, so in x that
    times e^-sk, and sum_k e^-sk <= 1 + 1/s. Both sides together: total variation below
    2 * (37 + 57) * 2^-52 * (1 + 1/s) < 2^-44 * (1 + 1/s) a sample, counted (1 + e^epsilon)-fold.
    """
    variation = draws * 2.0**-44 * (1 + sensitivity / epsilon)
    return min(variation * (1 + math.exp(min(epsilon, 700.0))), 1 - 2.0**-53)


def _split(epsilon: float) -> tuple[float, float, float]:
    counts, completeness = _COUNTS_SHARE * epsilon, _COMPLETENESS_SHARE * epsilon
    return counts, completeness, epsilon - counts - completeness


def _centred_sum(values: NDArray[np.float64], epsilon: float, unit_rows: int, random_bytes: RandomBytes) -> Estimate:
    """Noisy sum of values - 1/2, values rounded to 64ths."""
    total = int(np.rint(_STEPS * values).astype(np.int64).sum()) - _STEPS // 2 * len(values)
    noisy = noisy_counts([total], epsilon, sensitivity=_STEPS // 2 * unit_rows, random_bytes=random_bytes)[0]
    return Estimate(noisy.value / _STEPS, noisy.standard_error / _STEPS)


def _mean(total: Estimate, rows: Estimate, *, prior: Estimate) -> Estimate:
    """A share out of a noisy sum of (value - 1/2) and a noisy number of rows, shrunk as far as the noise says."""
    count = max(rows.value, rows.standard_error, 1.0)
    observed = min(max(0.5 + total.value / count, 0.0), 1.0)
    error = math.hypot(total.standard_error, (observed - 0.5) * rows.standard_error) / count
    precision, prior_precision = error**-2, prior.standard_error**-2
    mean = (precision * observed + prior_precision * prior.value) / (precision + prior_precision)
    return Estimate(mean, (precision + prior_precision) ** -0.5)


def _not_negative(noisy: Estimate) -> Estimate:
    """Mean and deviation of a normal cut off below zero: a count is not negative, whatever the noise."""
    value, error = noisy.value, noisy.standard_error
    z = value / error
    hazard = math.exp(-z * z / 2 - math.log(2 * math.pi) / 2 - float(log_ndtr(z)))
    mean = max(value + error * hazard, 0.0)
    return Estimate(mean, error * math.sqrt(max(1 - z * hazard - hazard**2, 1e-12)))


def _sum(a: Estimate, b: Estimate) -> Estimate:
    return Estimate(a.value + b.value, math.hypot(a.standard_error, b.standard_error))
