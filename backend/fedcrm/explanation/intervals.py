"""The likely range of a probability: 90 % of records have their true probability inside.

Variance of the calibrated log-odds, four parts added:

    stretch^2 (posterior + bootstrap + allowance) + calibration

posterior: of the federated tables, cell by cell. bootstrap: of what was fitted at home (`spread`). calibration: of not
knowing its three numbers. allowance: what no variance sees, that tables, trees and chosen pairs cannot say everything
and are shrunk: SHAPE + ROWS / n of the variance of the model's own log-odds, n the rows fitted at home (the second
part only where something was). A convention, set so that coverage holds on invented federations with strong
interactions; on plain ones the ranges are a little wide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedcrm.explanation.calibration import Calibration, sigmoid
from fedcrm.explanation.spread import Spread

__all__ = ["COVERAGE", "Doubt"]

COVERAGE = 0.9
SHAPE = 0.25
ROWS = 100.0
_DEVIATIONS = 1.6448536269514722  # of a normal, for COVERAGE


@dataclass(frozen=True, slots=True)
class Doubt:
    """How unsure a model's margins are.

    spread: bootstrap variance by record; allowance: variance of every margin beside it.
    """

    spread: Spread
    allowance: float

    @classmethod
    def of(cls, spread: Spread, margins: NDArray[np.float64], rows: int) -> Doubt:
        """margins: of own records, (n,); rows: fitted at home, 0 where nothing was."""
        signal = float(np.var(margins)) if len(margins) > 1 else 1.0
        return cls(spread, (SHAPE + (min(ROWS / rows, 1.0) if rows else 0.0)) * signal)

    def variance(
        self, cells: NDArray[np.uint8], margin: NDArray[np.float64], posterior: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Of the margin, (n,); cells: of the profile; posterior: variance of the federated tables, (n,)."""
        return np.asarray(posterior + self.spread.variance(cells, margin) + self.allowance, np.float64)

    def interval(
        self,
        calibration: Calibration,
        cells: NDArray[np.uint8],
        margin: NDArray[np.float64],
        posterior: NDArray[np.float64],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lower and upper end of the probability, (n,) each, the calibrated probability strictly between."""
        middle = calibration.log_odds(margin)
        variance = calibration.stretch(margin) ** 2 * self.variance(cells, margin, posterior)
        reach = _DEVIATIONS * np.sqrt(variance + calibration.variance(margin))
        return sigmoid(middle - reach), sigmoid(middle + reach)

    def to_raw(self) -> dict[str, Any]:
        """Plain values for JSON; from_raw is the inverse."""
        return {"spread": self.spread.to_raw(), "allowance": self.allowance}

    @classmethod
    def from_raw(cls, raw: Mapping[str, Any], fields: int) -> Doubt:
        """Inverse of to_raw. Raises ValueError, KeyError, IndexError or TypeError."""
        return cls(Spread.from_raw(raw["spread"], fields), float(raw["allowance"]))
