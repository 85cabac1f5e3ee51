"""Categories nobody listed beforehand, found privately: noisy counts and a threshold.

Korolova, Kenthapadi, Mishra & Ntoulas, "Releasing search queries and clicks privately" (WWW 2009) with Laplace noise;
the Gaussian form: Wilkins, Kifer, Zhang & Karrer, "Exact privacy analysis of the Gaussian sparse histogram
mechanism" (JPC 2024) and, iterated, Swanberg, Desfontaines & Haney, "DP-SIPS" (PETS 2023). A value that
occurs gets a noisy count and is released where that reaches a threshold. On values that others have too this is
the Gaussian mechanism, mu-GDP; a value that a single unit brought is released with probability at most
threshold_delta. Proof, and why the two add up as mu and delta: docs/privacy.md.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from fedcrm.errors import MechanismError
from fedcrm.privacy.events import DomainRelease
from fedcrm.privacy.gaussian import RandomBytes, rounded_gaussian

__all__ = ["DomainPlan", "plan_domains", "release_domain"]


@dataclass(frozen=True, slots=True)
class DomainPlan:
    """How the values of several fields are released together.

    noise_multiplier: of all fields' counts together; 1 / mu.
    scale:            noise standard deviation of one count.
    threshold:        least noisy count at which a value is released.
    threshold_delta:  over all fields.
    """

    noise_multiplier: float
    scale: float
    threshold: int
    fields: int
    unit_rows: int
    threshold_delta: float

    def event(self, purpose: str) -> DomainRelease:
        """What to charge before the first field is released; it pays for all of them, once each."""
        return DomainRelease(self.noise_multiplier, self.fields, self.threshold_delta, purpose)


def plan_domains(*, mu: float, fields: int, threshold_delta: float, unit_rows: int = 1) -> DomainPlan:
    """Scale and threshold for releasing the values of some fields.

    mu:              that the counts of all fields together spend.
    fields:          each record has one value in each, or none.
    threshold_delta: probability, over all fields, that a value only one unit has is released.
    unit_rows:       rows of one unit.

    A unit changes each field's counts by at most unit_rows in L2 norm (all its rows have one value), so all fields'
    by unit_rows * sqrt(fields). It brings at most unit_rows values of its own to a field, none counted more than
    unit_rows times. A rounded count reaches T where the Gaussian reaches T - 1/2, so by the union bound
    T >= unit_rows + 1/2 + scale * Phi^-1(1 - threshold_delta / (fields * unit_rows)) is enough.
    """
    if not (math.isfinite(mu) and mu > 0 and 0 < threshold_delta < 1 and fields >= 1 and unit_rows >= 1):
        raise MechanismError("domains are released with mu > 0, 0 < delta < 1 and at least one field and row")
    scale = unit_rows * math.sqrt(fields) / mu
    quantile = -float(ndtri(threshold_delta / (fields * unit_rows)))
    # A hair more than the quantile: ndtri is a float.
    threshold = math.ceil(unit_rows + 0.5 + scale * quantile * (1 + 1e-12))
    return DomainPlan(1 / mu, scale, threshold, fields, unit_rows, threshold_delta)


def release_domain(
    values: Iterable[str | None], plan: DomainPlan, random_bytes: RandomBytes = os.urandom
) -> dict[str, int]:
    """One field's values with their noisy counts, most frequent first; ties by name.

    values: one a record, None where it has none.

    The order of the result depends on the noisy counts alone, not on that of the records.
    """
    counts = Counter(value for value in values if value is not None)
    names = sorted(counts)
    exact = np.array([counts[name] for name in names], dtype=np.int64)
    noisy = exact + rounded_gaussian(plan.scale, len(names), random_bytes)
    kept = [(int(count), name) for count, name in zip(noisy, names, strict=True) if count >= plan.threshold]
    return {name: count for count, name in sorted(kept, key=lambda pair: (-pair[0], pair[1]))}
