"""Few directions a field instead of many bins: what a record says when noise drowns bins.

A number is told by the first waves of its quantile, cos(pi k u), orthonormal under the noisy marginal: the k-th
gets the scale k^-1/2 and an effect of about 1/k, so that slow waves are heard first. A category is told by
its levels' indicators, centred; "missing" by an indicator of its own. Centred, common levels cost a record little of
its unit length; one bin in sixteen would cost all of it and be noise to the other fifteen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedcrm.boosting.messages import floats, raw_floats

__all__ = ["Basis", "category_basis", "level_masses", "number_basis"]

_LEAST_NORM = 0.1  # a wave that is nearly a mix of slower ones is left out


@dataclass(frozen=True, slots=True)
class Basis:
    """One field's directions.

    table: value of every direction in every bin, missing last, (bins + 1, directions).
    covariance: of the directions over records, under the noisy marginal, (directions, directions).
    scale: what a record multiplies them by before it takes the unit length, (directions,).
    spread: prior standard deviation of their effects, up to a common factor, (directions,).
    mass:  share of the records in each bin, positive, (bins + 1,).
    """

    table: NDArray[np.float64]
    covariance: NDArray[np.float64]
    scale: NDArray[np.float64]
    spread: NDArray[np.float64]
    mass: NDArray[np.float64]

    @property
    def length(self) -> float:
        """Mean squared length that the field gives a record."""
        return float(np.sum(self.scale**2 * np.diag(self.covariance)))

    def to_raw(self) -> dict[str, Any]:
        """Plain values for JSON; from_raw is its inverse."""
        return {name: raw_floats(getattr(self, name)) for name in _ARRAYS}

    @classmethod
    def from_raw(cls, raw: Mapping[str, Any]) -> Basis:
        """Inverse of to_raw. Raises ValueError, KeyError or TypeError."""
        rows = {name: floats(raw[name]) for name in _ARRAYS}
        m, n = len(rows["mass"]), len(rows["scale"])
        return cls(
            rows["table"].reshape(m, n),
            rows["covariance"].reshape(n, n),
            rows["scale"],
            rows["spread"].reshape(n),
            rows["mass"],
        )


_ARRAYS = ("table", "covariance", "scale", "spread", "mass")


def number_basis(mass: NDArray[np.float64], waves: int) -> Basis:
    """Waves of a number's quantile. mass: share of the records in each bin, positive, missing last."""
    bins = len(mass) - 1
    w = mass[:bins] / mass[:bins].sum()
    u = np.cumsum(w) - w / 2
    found: list[NDArray[np.float64]] = []
    for k in range(1, min(waves, bins - 1) + 1):
        f = -np.cos(math.pi * k * u)
        f = f - w @ f
        for g in found:
            f = f - (w * f @ g) * g
        norm = math.sqrt(float(w * f @ f))
        if norm > _LEAST_NORM:
            found.append(f / norm)
    n, missing = len(found), float(mass[bins])
    table = np.zeros((bins + 1, n + 1))
    if n:
        table[:bins, :n] = np.array(found).T
    table[:, n] = -missing
    table[bins, n] += 1.0
    order = np.arange(1, n + 1)
    covariance = np.diag(np.append(np.full(n, 1 - missing), missing * (1 - missing)))
    return Basis(table, covariance, np.append(order**-0.5, 1.0), np.append(1.0 / order, 1.0), mass)


def category_basis(mass: NDArray[np.float64]) -> Basis:
    """Centred indicators of a category's levels. mass: share of the records in each, positive, missing last."""
    one = np.ones(len(mass))
    return Basis(np.eye(len(mass)) - mass, np.diag(mass) - np.outer(mass, mass), one, one, mass)


def level_masses(counts: NDArray[np.float64], variance: NDArray[np.float64], rows: float) -> NDArray[np.float64]:
    """Shares of a category's levels from noisy counts, shrunk towards equal ones as far as the noise says.

    counts, variance: per level, missing last. Positive, sum 1.
    """
    levels = len(counts) - 1
    prior = np.full(levels + 1, 1 / (levels + 0.5))
    prior[-1] /= 2
    spread = 2 * prior**2
    noise = variance / rows**2
    share = prior + spread / (spread + noise) * (counts / rows - prior)
    floor = np.minimum(np.sqrt(noise) + 1e-4, 0.3 * prior)
    share = np.maximum(share, floor)
    return np.asarray(share / share.sum(), np.float64)
