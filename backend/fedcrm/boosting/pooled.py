"""Effects of many fields' directions from noisy sums, shrunk as far as the fields together say.

Model of one field: v ~ N(R theta, D + omega R), theta ~ N(0, a diag(spread^2)); R its directions' covariance, D the
privacy noise, omega R the records' own scatter. A common amplitude a is that of largest evidence over all
fields; each field's own then follows from a few EM steps with the common one as a prior worth PRIOR_WEIGHT
directions. One field's evidence alone would be too little to go by: under much noise it is nearly all chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Evidence", "Posterior", "posteriors"]

AMPLITUDES = (1e-4, 1e-3, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
PRIOR_WEIGHT = 2.0
STEPS = 15


@dataclass(frozen=True, slots=True)
class Evidence:
    """One field's noisy sums.

    target: v, (k,); covariance: R, (k, k); noise: diagonal of D, (k,); scatter: omega; spread: (k,).
    """

    target: NDArray[np.float64]
    covariance: NDArray[np.float64]
    noise: NDArray[np.float64]
    scatter: float
    spread: NDArray[np.float64]

    def total_noise(self) -> NDArray[np.float64]:
        """D + omega R, a hair above singular."""
        hair = 1e-5 * np.diag(self.covariance) + 1e-8
        return np.asarray(np.diag(self.noise + hair) + self.scatter * self.covariance, np.float64)


@dataclass(frozen=True, slots=True)
class Posterior:
    """Mean and variance of every direction's effect, (k,)."""

    mean: NDArray[np.float64]
    variance: NDArray[np.float64]


def posteriors(fields: Sequence[Evidence]) -> list[Posterior]:
    """One posterior a field."""
    if not fields:
        return []
    total = [f.total_noise() for f in fields]
    common = max(
        AMPLITUDES, key=lambda a: sum(_log_evidence(f, noise, a) for f, noise in zip(fields, total, strict=True))
    )
    return [_own(f, noise, common) for f, noise in zip(fields, total, strict=True)]


def _log_evidence(f: Evidence, noise: NDArray[np.float64], amplitude: float) -> float:
    S = (f.covariance * (amplitude * f.spread**2)) @ f.covariance + noise
    return -0.5 * float(f.target @ np.linalg.solve(S, f.target)) - 0.5 * float(np.linalg.slogdet(S)[1])


def _own(f: Evidence, noise: NDArray[np.float64], common: float) -> Posterior:
    prior, a = f.spread**2, common
    for _ in range(STEPS):
        RL = f.covariance * (a * prior)
        X = np.linalg.solve(RL @ f.covariance + noise, np.column_stack([f.target, RL]))
        mean = RL.T @ X[:, 0]
        variance = np.maximum(a * prior - np.einsum("ij,ij->j", RL, X[:, 1:]), 0.0)
        a = float((np.sum((mean**2 + variance) / prior) + PRIOR_WEIGHT * common) / (len(prior) + PRIOR_WEIGHT))
    return Posterior(mean, variance)
