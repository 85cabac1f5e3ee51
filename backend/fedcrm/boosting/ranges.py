"""Private ranges of numbers nobody declared one for, never the data's own minimum or maximum.

One noisy histogram over a grid that suits any field: both signs, powers of two from 2^-10 to 2^40, each octave
cut into a few equal cells, zero in a cell of its own. Cells, or octaves, whose noisy count stands clear of noise
tell where the values lie; the range is the outer edges of the cells that hold all but a sliver of that mass.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["GRID", "Range", "range_of"]

LOWEST, HIGHEST = -10, 40
PER_OCTAVE = 8  # fields far from zero (a price index of 92 to 95) need a fine octave
FALSE_CELL = 4.5  # deviations: over 800 empty cells one of them looks full in 1 of 350 fields
SLIVER = 0.001  # of the mass clear of noise may lie outside, at either end
HEAVY = 10.0  # a range this many times its median, above its low end, is cut on a log scale


def _grid() -> NDArray[np.float32]:
    octaves = [2.0**o * (1 + np.arange(PER_OCTAVE) / PER_OCTAVE) for o in range(LOWEST, HIGHEST)]
    positive = np.concatenate([*octaves, [2.0**HIGHEST]])
    # Half-open cells [edge, next): zero's own cell ends just above zero, at the smallest positive edge.
    return np.concatenate([-positive[::-1], positive]).astype(np.float32)


GRID: NDArray[np.float32] = _grid()
"""Inner edges, rising; the cell in the middle holds zero and what is as good as zero."""


@dataclass(frozen=True, slots=True)
class Range:
    """Where a number lies, and whether equal widths of log1p(x - low) suit it better."""

    low: float
    high: float
    log: bool


def range_of(counts: NDArray[np.float64], variance: NDArray[np.float64]) -> Range | None:
    """Range from noisy counts over the grid's cells, both (len(GRID) + 1,), "missing" excluded.

    None where no cell is clear of noise: the field tells nothing and gets a single bin.
    """
    mass = _clear(counts, variance)
    if not mass.any():
        return None
    below = np.cumsum(mass) / mass.sum()
    first = int(np.searchsorted(below, SLIVER, side="right"))
    last = int(np.searchsorted(below, 1.0 - SLIVER, side="left"))
    edges = np.concatenate([[2 * GRID[0]], GRID, [2 * GRID[-1]]]).astype(np.float64)
    zero = len(GRID) // 2
    low = 0.0 if first == zero else float(edges[first])
    high = 0.0 if last == zero else float(edges[last + 1])
    if low >= high:  # everything is zero
        return None
    middle = int(np.searchsorted(below, 0.5))
    median = float(edges[middle] + edges[middle + 1]) / 2
    return Range(low, high, low >= 0 and high - low > HEAVY * max(median - low, 0.0))


def _clear(counts: NDArray[np.float64], variance: NDArray[np.float64]) -> NDArray[np.float64]:
    """The counts with everything that noise could have made set to zero.

    A cell counts where it stands clear by itself; the rest of an octave, where its thin cells do so together
    (a tail is spread over many cells, none of which would be seen alone).
    """
    clear = counts > np.maximum(FALSE_CELL * np.sqrt(variance), 2.0)
    side = (HIGHEST - LOWEST) * PER_OCTAVE
    for start in [*range(1, 1 + side, PER_OCTAVE), *range(side + 2, 2 * side + 2, PER_OCTAVE)]:
        rest = np.flatnonzero(~clear[start : start + PER_OCTAVE]) + start
        if counts[rest].sum() > max(FALSE_CELL * float(np.sqrt(variance[rest].sum())), 2.0):
            clear[rest] = True
    return np.where(clear, np.maximum(counts, 0.0), 0.0)
