"""The likely range of a probability: 90 % of records have their true probability inside.

Variance of the calibrated log-odds, four parts added:

    stretch^2 (posterior + bootstrap + allowance) + calibration

posterior: of the federated tables, cell by cell. bootstrap: of what was fitted at home (`spread`). calibration: of not
knowing its three numbers. allowance: what no variance sees, that tables, trees and chosen pairs cannot say everything
and are shrunk: `Allowance`, by kind of model. A convention, set on invented worlds so that coverage holds on others
(docs/explanations.md has both); on plain ones the ranges are a little wide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedcrm.boosting import FederatedModel, LocalModel, PersonalModel
from fedcrm.explanation.calibration import Calibration, sigmoid
from fedcrm.explanation.log_odds import Served
from fedcrm.explanation.spread import Spread

__all__ = ["COVERAGE", "Allowance", "Doubt"]

COVERAGE = 0.9
_DEVIATIONS = 1.6448536269514722  # of a normal, for COVERAGE


@dataclass(frozen=True, slots=True)
class Allowance:
    """shape V + min(rows / n, 1) (V + floor), V the variance of the model's own log-odds on own records.

    n is 4 p (1 - p) times the rows fitted at home, p the rate of the outcome: it is the rarer class that teaches.
    floor: of V, for what a model of few rows was too careful to say at all.
    """

    shape: float
    rows: float = 0.0
    floor: float = 0.0

    def variance(self, margins: NDArray[np.float64], y: NDArray[np.float64]) -> float:
        """margins: of own records, (n,); y: the 0/1 outcomes of the rows fitted at home."""
        signal = float(np.var(margins)) if len(margins) > 1 else 1.0
        rate = float(np.mean(y))
        rows = max(4 * rate * (1 - rate) * len(y), 1.0)
        return self.shape * signal + min(self.rows / rows, 1.0) * (signal + self.floor)


_ALLOWED: Mapping[type[Served], Allowance] = {
    FederatedModel: Allowance(0.25),
    PersonalModel: Allowance(0.15, rows=50.0),
    LocalModel: Allowance(0.25, rows=100.0, floor=0.5),
}


@dataclass(frozen=True, slots=True)
class Doubt:
    """How unsure a model's margins are.

    spread: bootstrap variance by record; allowance: variance of every margin beside it.
    """

    spread: Spread
    allowance: float

    @classmethod
    def of(cls, model: Served, spread: Spread, margins: NDArray[np.float64], y: NDArray[np.float64]) -> Doubt:
        """margins, y: of own records, (n,) each."""
        return cls(spread, _ALLOWED[type(model)].variance(margins, y))

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
