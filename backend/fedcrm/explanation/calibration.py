"""From a margin to a probability one can bet on: beta calibration on rows the margin has not seen.

    log-odds = c - a ln(1 + e^-m) + b ln(1 + e^m),   a, b > 0

Kull, Silva Filho & Flach, "Beta calibration" (2017), written in the margin m; a = b is Platt's line a m + c, and
a = b = 1, c = 0 leaves the margin alone. Rising and smooth everywhere, so points stay defined. A ridge towards
leaving it alone carries organisations with few rows; the curvature at the optimum says how sure the map is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

__all__ = ["Calibration", "sigmoid"]

STRENGTH = 10.0
"""Rows' worth of curvature that hold a and b at 1."""
_LEAST = 0.05  # of a and b: the map never turns flat


def sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / (1 + e^-x), without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)), np.float64)


@dataclass(frozen=True, slots=True)
class Calibration:
    """The map and its uncertainty.

    a, b, c:    see the module.
    covariance: of (a, b, c), (3, 3); zeros where nothing was fitted.
    rows:       how many it was fitted on.
    """

    a: float
    b: float
    c: float
    covariance: NDArray[np.float64]
    rows: int

    def __post_init__(self) -> None:
        if not (self.a > 0 and self.b > 0 and np.isfinite([self.a, self.b, self.c]).all()):
            raise ValueError("a calibration rises")
        if self.covariance.shape != (3, 3) or not np.all(np.isfinite(self.covariance)):
            raise ValueError("a covariance of three numbers is 3 x 3")

    @classmethod
    def identity(cls) -> Calibration:
        """The margin as it is."""
        return cls(1.0, 1.0, 0.0, np.zeros((3, 3)), 0)

    @classmethod
    def fit(cls, margin: NDArray[np.float64], y: NDArray[Any]) -> Calibration:
        """margin: out of fold, (n,), rows that are not finite do not count; y: 0/1, (n,).

        With few rows, even none or of one class only, the answer stays near the identity.
        """
        seen = np.isfinite(margin)
        m, y = margin[seen], np.asarray(y, np.float64)[seen]
        if len(m) == 0:
            return cls.identity()
        basis = _basis(m)
        centre = np.array([1.0, 1.0, 0.0])
        # The intercept is held less: the rate of an organisation is what calibration is for.
        ridge = np.array([STRENGTH, STRENGTH, 4.0])

        def loss(x: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            z = basis @ x
            error = sigmoid(z) - y
            off = x - centre
            value = np.sum(np.logaddexp(0, z) - y * z) + 0.5 * np.sum(ridge * off**2)
            return float(value), basis.T @ error + ridge * off

        bounds = [(_LEAST, None), (_LEAST, None), (None, None)]
        found = np.asarray(minimize(loss, centre, jac=True, method="L-BFGS-B", bounds=bounds).x, np.float64)
        p = sigmoid(basis @ found)
        hessian = (basis * (p * (1 - p))[:, None]).T @ basis + np.diag(ridge)
        covariance = np.asarray(np.linalg.inv(hessian), np.float64)
        return cls(float(found[0]), float(found[1]), float(found[2]), covariance, len(m))

    def log_odds(self, margin: NDArray[np.float64]) -> NDArray[np.float64]:
        """Calibrated log-odds of margins, any shape."""
        return np.asarray(self.c - self.a * np.logaddexp(0, -margin) + self.b * np.logaddexp(0, margin), np.float64)

    def probability(self, margin: NDArray[np.float64]) -> NDArray[np.float64]:
        """Calibrated probability of margins, any shape."""
        return sigmoid(self.log_odds(margin))

    def slope(self, margin: NDArray[np.float64]) -> NDArray[np.float64]:
        """d probability / d margin, positive."""
        p = self.probability(margin)
        return np.asarray(p * (1 - p) * self.stretch(margin), np.float64)

    def stretch(self, margin: NDArray[np.float64]) -> NDArray[np.float64]:
        """d calibrated log-odds / d margin, positive."""
        return np.asarray(self.a * sigmoid(-margin) + self.b * sigmoid(margin), np.float64)

    def variance(self, margin: NDArray[np.float64]) -> NDArray[np.float64]:
        """Of the calibrated log-odds, for not knowing a, b and c exactly, (n,)."""
        basis = _basis(margin)
        return np.asarray(np.einsum("ni,ij,nj->n", basis, self.covariance, basis), np.float64)

    def to_raw(self) -> dict[str, Any]:
        """Plain values for JSON; from_raw is the inverse."""
        return {"a": self.a, "b": self.b, "c": self.c, "covariance": self.covariance.tolist(), "rows": self.rows}

    @classmethod
    def from_raw(cls, raw: Mapping[str, Any]) -> Calibration:
        """Inverse of to_raw. Raises ValueError, KeyError or TypeError."""
        covariance = np.asarray(raw["covariance"], np.float64)
        return cls(float(raw["a"]), float(raw["b"]), float(raw["c"]), covariance, int(raw["rows"]))


def _basis(margin: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([-np.logaddexp(0, -margin), np.logaddexp(0, margin), np.ones_like(margin)], axis=-1)
