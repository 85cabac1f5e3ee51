"""From log-odds to points of the score, and from points to figures that add up on the screen.

A score is 100 C(m), C the calibrated probability of the margin m. Let a record's ideas add c_1 ... c_n to the
baseline's margin m0, so that m = m0 + c_1 + ... + c_n. Along the straight line from the baseline to the record, all
ideas growing together, idea i changes the probability by (Aumann & Shapley, "Values of Non-Atomic Games", 1974)

    integral over t in [0, 1] of c_i C'(m0 + t (m - m0)) = c_i (C(m) - C(m0)) / (m - m0),

and by c_i C'(m0) where m = m0. So the points of an idea have the sign and the proportions of its log-odds, ideas that
add equally get equally, an idea without effect gets none, and together they are exactly score minus baseline.

On screen everything is rounded to `decimals` places. Score and baseline are rounded as they are; the points are
rounded down and then the largest remainders up, as seats are given to parties, until they are the difference of the
two rounded figures: baseline + points = score in what is shown, always.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedcrm.explanation.calibration import Calibration

__all__ = ["Figures", "figures", "path_slope"]

_NEAR = 1e-6  # margins this close have the derivative for their slope


def path_slope(calibration: Calibration, baseline: float, margin: NDArray[np.float64]) -> NDArray[np.float64]:
    """(C(m) - C(m0)) / (m - m0), (n,): probability per unit of log-odds along the way from the baseline."""
    step = margin - baseline
    near = np.abs(step) < _NEAR
    rise = calibration.probability(margin) - calibration.probability(np.full_like(margin, baseline))
    return np.asarray(np.where(near, calibration.slope(margin), rise / np.where(near, 1.0, step)), np.float64)


@dataclass(frozen=True, slots=True)
class Figures:
    """What a screen shows, in units of 10^-decimals: baseline + points.sum(axis=1) == score, exactly.

    score:    (n,) int64. points: (n, ideas) int64. baseline: int.
    decimals: places after the point.
    """

    score: NDArray[np.int64]
    baseline: int
    points: NDArray[np.int64]
    decimals: int


def figures(
    calibration: Calibration, baseline: float, shares: NDArray[np.float64], decimals: int
) -> tuple[NDArray[np.float64], Figures]:
    """Exact probability (n,) and rounded figures.

    baseline: margin m0. shares: log-odds of every idea, (n, ideas). decimals: 0 or more.
    """
    margin = baseline + shares.sum(axis=1)
    probability = calibration.probability(margin)
    scale = 100.0 * 10**decimals
    score = np.rint(scale * probability).astype(np.int64)
    at_rest = int(np.rint(scale * calibration.probability(np.array([baseline]))[0]))
    exact = scale * path_slope(calibration, baseline, margin)[:, None] * shares
    return probability, Figures(score, at_rest, _seats(exact, score - at_rest), decimals)


def _seats(exact: NDArray[np.float64], total: NDArray[np.int64]) -> NDArray[np.int64]:
    """Whole numbers near `exact`, (n, k), whose rows add up to `total`, by largest remainder.

    Score and baseline are each rounded by up to a half, so the total may lie beyond what rounding every entry up or
    down can reach; then the largest entry carries the rest, at most one unit more.
    """
    if exact.shape[1] == 0:
        return np.zeros(exact.shape, np.int64)
    down = np.floor(exact).astype(np.int64)
    order = np.argsort(-(exact - down), axis=1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(exact.shape[1])[None, :], axis=1)
    wanted = total - down.sum(axis=1)
    given = np.clip(wanted, 0, exact.shape[1])
    out: NDArray[np.int64] = down + (rank < given[:, None])
    largest = np.argmax(np.abs(exact), axis=1)
    out[np.arange(len(out)), largest] += wanted - given
    return out
