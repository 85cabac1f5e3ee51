"""Private ranges of numbers nobody declared one for, never the data's own minimum or maximum.

One noisy histogram over a grid that suits any field: both signs, powers of two from 2^-10 to 2^40, each octave
cut into a few equal cells or left whole, zero in a cell of its own. Cells, or octaves, whose noisy count stands
clear of noise tell where the values lie; the range is the outer edges of those that hold all but a sliver of that
mass. Whole octaves stand clear at an eighth of the signal that eight cells each would need.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["FINE", "WHOLE", "Range", "grid", "range_of"]

LOWEST, HIGHEST = -10, 40
FINE = 8  # cells an octave: fields far from zero (a price index of 92 to 95) need a fine octave
WHOLE = 1
FALSE_CELL = 4.5  # deviations: over 800 empty cells one of them looks full in 1 of 350 fields
SLIVER = 0.001  # of the mass clear of noise may lie outside, at either end
NEAR_ZERO = 4.0  # a range whose near end is within this fraction of its far end begins at zero
HEAVY = 10.0  # a range this many times its median, above its low end, is cut on a log scale


@lru_cache(maxsize=4)
def grid(per_octave: int) -> NDArray[np.float32]:
    """Inner edges, rising; the cell in the middle holds zero and what is as good as zero."""
    octaves = [2.0**o * (1 + np.arange(per_octave) / per_octave) for o in range(LOWEST, HIGHEST)]
    positive = np.concatenate([*octaves, [2.0**HIGHEST]])
    # Half-open cells [edge, next): zero's own cell ends just above zero, at the smallest positive edge.
    return np.concatenate([-positive[::-1], positive]).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Range:
    """Where a number lies, and whether equal widths of log1p(x - low) suit it better."""

    low: float
    high: float
    log: bool


def range_of(counts: NDArray[np.float64], variance: NDArray[np.float64], per_octave: int) -> Range | None:
    """Range from noisy counts over the grid's cells, both (len(grid(per_octave)) + 1,), "missing" excluded.

    None where no cell is clear of noise: the field tells nothing and gets a single bin.
    """
    mass = _clear(counts, variance, per_octave)
    if not mass.any():
        return None
    below = np.cumsum(mass) / mass.sum()
    first = int(np.searchsorted(below, SLIVER, side="right"))
    last = int(np.searchsorted(below, 1.0 - SLIVER, side="left"))
    inner = grid(per_octave)
    edges = np.concatenate([[2 * inner[0]], inner, [2 * inner[-1]]]).astype(np.float64)
    zero = len(inner) // 2
    low = 0.0 if first == zero else float(edges[first])
    high = 0.0 if last == zero else float(edges[last + 1])
    if low >= high:  # everything is zero
        return None
    # A thin tail towards zero is hard to see and cheap to cover.
    if per_octave == WHOLE and 0 < low <= high / NEAR_ZERO:
        low = 0.0
    elif per_octave == WHOLE and low / NEAR_ZERO <= high < 0:
        high = 0.0
    middle = int(np.searchsorted(below, 0.5))
    median = float(edges[middle] + edges[middle + 1]) / 2
    return Range(low, high, low >= 0 and high - low > HEAVY * max(median - low, 0.0))


def _clear(counts: NDArray[np.float64], variance: NDArray[np.float64], per_octave: int) -> NDArray[np.float64]:
    """The counts with everything that noise could have made set to zero.

    A cell counts where it stands clear by itself; the rest of an octave, where its thin cells do so together
    (a tail is spread over many cells, none of which would be seen alone).
    """
    clear = counts > np.maximum(FALSE_CELL * np.sqrt(variance), 2.0)
    side = (HIGHEST - LOWEST) * per_octave
    for start in [*range(1, 1 + side, per_octave), *range(side + 2, 2 * side + 2, per_octave)]:
        rest = np.flatnonzero(~clear[start : start + per_octave]) + start
        if counts[rest].sum() > max(FALSE_CELL * float(np.sqrt(variance[rest].sum())), 2.0):
            clear[rest] = True
    return np.where(clear, np.maximum(counts, 0.0), 0.0)
