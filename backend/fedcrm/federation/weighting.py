"""How much each participant's histogram counts in the sum: integers, from charged figures only.

A histogram already counts its rows, so a multiplier of 1 for everybody is weighting by volume (FedAvg).
On top of that stand three factors, each of which can be turned apart:

    n^alpha           alpha = 0 is volume, alpha = -1 gives every organisation the same weight;
    inverse variance  1 / (1/7 + noise variance / rows of one place): the best linear weights for a
                      cell's mean gradient, where an organisation's own noise competes with its own
                      sampling variance (1/7 is about the mean Hessian of a CRM label);
    quality^beta      the correction for stale records and inferred labels, within [0.6, 1.4].
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from fedcrm.errors import SettingsError
from fedcrm.learning import Query
from fedcrm.privacy import Calibration

__all__ = ["QUALITY_RANGE", "UNIT", "Quality", "Standing", "WeightSettings", "integer_weights", "quality_multipliers"]

UNIT = 255
"""The integer that stands for weight 1: eight bits resolve a participant two hundred times noisier than the best."""

QUALITY_RANGE = (0.6, 1.4)
SAMPLING_VARIANCE = 0.14
"""Mean p(1-p) of a record's gradient: between 0.10 (11 % positive) and 0.19 (25 %) on CRM labels."""


class Quality(StrEnum):
    """Which quality multiplier."""

    NONE = "none"
    MEASURED = "measured"
    PAPER = "paper"


@dataclass(frozen=True, slots=True)
class WeightSettings:
    """alpha, beta: exponents of volume and quality. inverse_variance: weigh down organisations whose noise is large."""

    alpha: float = 0.0
    beta: float = 1.0
    inverse_variance: bool = True
    quality: Quality = Quality.MEASURED

    def __post_init__(self) -> None:
        if not (math.isfinite(self.alpha) and math.isfinite(self.beta) and self.beta >= 0):
            raise SettingsError("weight exponents are finite numbers, the quality exponent not below zero")


@dataclass(frozen=True, slots=True)
class Standing:
    """What the federation knows of a participant: charged figures and its public privacy parameter.

    mu:   GDP parameter of one record over the whole training; inf without noise.
    """

    calibration: Calibration
    mu: float

    @property
    def rows(self) -> float:
        """Noisy row count, at least 1."""
        return max(self.calibration.rows.value, 1.0)


def quality_multipliers(standings: Mapping[str, Standing], quality: Quality) -> dict[str, float]:
    """Multiplier by participant, within QUALITY_RANGE.

    MEASURED: reliability of labels times recency of records, relative to the federation's row-weighted
    mean. Completeness has coefficient 0: a missing value is a leaf of its own and costs nothing more
    (measured). PAPER: completeness / 0.85 times recency / 0.90, so that above both the weight grows.
    """
    if quality is Quality.NONE or not standings:
        return dict.fromkeys(standings, 1.0)
    low, high = QUALITY_RANGE
    if quality is Quality.PAPER:
        raw = {
            n: s.calibration.completeness.value / 0.85 * s.calibration.recency.value / 0.90
            for n, s in standings.items()
        }
    else:
        score = {n: s.calibration.label_reliability.value * s.calibration.recency.value for n, s in standings.items()}
        rows = math.fsum(s.rows for s in standings.values())
        mean = math.fsum(score[n] * s.rows for n, s in standings.items()) / rows
        raw = {n: value / mean if mean > 0 else 1.0 for n, value in score.items()}
    return {n: min(max(value, low), high) for n, value in raw.items()}


def integer_weights(
    query: Query, standings: Mapping[str, Standing], settings: WeightSettings, quality: Mapping[str, float]
) -> dict[str, int]:
    """Weight by participant, 1..UNIT, the largest UNIT. Plain counts (query.places is None) weigh everybody alike."""
    if query.places is None:
        return dict.fromkeys(standings, UNIT)
    share = math.fsum(s.share for s in query.structures) / len(query.structures)
    raw = {}
    for name, standing in standings.items():
        weight = standing.rows**settings.alpha * quality[name] ** settings.beta
        if settings.inverse_variance and math.isfinite(standing.mu):
            noise = 1.0 / (standing.mu**2 * share)
            weight /= SAMPLING_VARIANCE + noise * query.places / standing.rows
        raw[name] = weight
    top = max(raw.values())
    return {name: max(1, round(UNIT * weight / top)) for name, weight in raw.items()}
