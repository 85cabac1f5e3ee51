"""What the coordinator knows about one structure, and how a noisy answer changes it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedcrm.boosting.grid import Grid
from fedcrm.boosting.messages import floats, raw_floats
from fedcrm.boosting.pairs import purified
from fedcrm.boosting.posterior import Kernel, denoise, product_kernel, smooth_kernel
from fedcrm.boosting.quantise import HESSIAN_SCALE

__all__ = ["Estimate", "Evidence"]

LEAST_HESSIAN = 1e-3


@dataclass(frozen=True, slots=True)
class Evidence:
    """One structure's part of an aggregate, in units of a record at weight 1.

    gradient, hessian: (cells,); noise: variance of the gradients' noise (the Hessians' is that / 3.3^2);
    spread: weight of a record's own spread, sum w^2 h / sum w h.
    """

    gradient: NDArray[np.float64]
    hessian: NDArray[np.float64]
    noise: NDArray[np.float64]
    spread: float


@dataclass(slots=True)
class Estimate:
    """Running estimate of one structure's table of log-odds.

    table, variance: where the model stands, and the posterior variance behind it, (cells,).
    target:   discounted average of the Newton targets u = H theta - G; target_noise its noise variance,
              target_weight the average's weight.
    hessian:  precision-weighted average of the noisy Hessians; hessian_weight its precision.
    gain:     evidence for the table, nats.
    move, slope: last step and the directional derivative where it began, for the secant rule.
    """

    grid: Grid
    table: NDArray[np.float64] = field(init=False)
    variance: NDArray[np.float64] = field(init=False)
    target: NDArray[np.float64] = field(init=False)
    target_noise: NDArray[np.float64] = field(init=False)
    target_weight: float = 0.0
    hessian: NDArray[np.float64] = field(init=False)
    hessian_weight: float = 0.0
    gain: float = 0.0
    move: NDArray[np.float64] = field(init=False)
    slope: float = 0.0

    def __post_init__(self) -> None:
        for name in _ARRAYS:
            setattr(self, name, np.zeros(self.grid.cells))

    def kernels(self) -> list[Kernel]:
        """What its cells may have in common."""
        found: list[Kernel] = [None]
        axes = self.grid.axes
        if len(axes) == 1:
            if axes[0].ordered:
                count = axes[0].size - 1
                # Short and long waves, in proportion to the bins: 2 and 6 of 16.
                found += [smooth_kernel(count, max(count * f, 0.5)) for f in (1 / 8, 3 / 8)]
        elif any(a.ordered for a in axes):
            sides = [(a.size, a.ordered, a.missing_alone) for a in axes]
            found += [product_kernel(sides, length) for length in (0.8, 2.0)]
        return found

    def absorb(self, seen: Evidence, memory: float, step: float) -> None:
        """Move `step` of the way to the posterior mean given this and, discounted, earlier answers.

        memory: discount of the earlier targets; 0 uses this answer alone.
        """
        v = float(np.max(seen.noise))
        precision = 1.0 / v if v > 0 else 1.0
        total = self.hessian_weight + precision
        self.hessian = (self.hessian * self.hessian_weight + precision * seen.hessian) / total
        self.hessian_weight = total
        deviation = math.sqrt(1.0 / total) / HESSIAN_SCALE if v > 0 else 0.0
        H = np.maximum(self.hessian, max(0.5 * deviation, LEAST_HESSIAN))
        u = H * self.table - seen.gradient
        if len(self.grid.axes) > 1 or not self.grid.axes[0].ordered:
            # A cell no larger than its noise tells nothing: its gradient would only bring noise.
            known = self.hessian > 2.0 * deviation
            u, H = np.where(known, u, 0.0), np.where(known, H, 1e-6)
        old = self.target_weight * memory
        self.target = (self.target * old + precision * u) / (old + precision)
        self.target_noise = (old**2 * self.target_noise + precision**2 * seen.noise) / (old + precision) ** 2
        self.target_weight = old + precision
        found = denoise(self.target, H, self.target_noise, self.kernels(), seen.spread)
        self.gain = found.gain
        if len(self.grid.axes) == 1:
            mean = found.mean - float(found.mean @ H) / float(H.sum())
        else:
            mean = purified(found.mean, H, self.grid.shape)
        if found.gain <= 0:
            mean = np.zeros_like(mean)
        self.variance = found.variance
        self.move = step * (mean - self.table)
        self.table = self.table + self.move
        self.slope = float(seen.gradient @ self.move)

    def mass(self) -> NDArray[np.float64]:
        """Hessian of its cells, noisy, floored positive, (cells,)."""
        return np.maximum(self.hessian, max(1e-6 * float(np.abs(self.hessian).sum()), LEAST_HESSIAN))

    def to_raw(self) -> dict[str, Any]:
        """Plain values for JSON; from_raw is its inverse."""
        raw: dict[str, Any] = {name: raw_floats(getattr(self, name)) for name in _ARRAYS}
        return raw | {"grid": self.grid.to_raw()} | {name: getattr(self, name) for name in _NUMBERS}

    @classmethod
    def from_raw(cls, raw: Mapping[str, Any]) -> Estimate:
        """Inverse of to_raw. Raises ValueError, KeyError or TypeError."""
        found = cls(Grid.from_raw(raw["grid"]))
        for name in _ARRAYS:
            values = floats(raw[name])
            if values.shape != (found.grid.cells,):
                raise ValueError(f"{name} does not fit the grid")
            setattr(found, name, values)
        for name in _NUMBERS:
            setattr(found, name, float(raw[name]))
        return found


_ARRAYS = ("table", "variance", "target", "target_noise", "hessian", "move")
_NUMBERS = ("target_weight", "hessian_weight", "gain", "slope")
