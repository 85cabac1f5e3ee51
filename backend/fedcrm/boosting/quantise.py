"""A record's gradient and Hessian as integers, and the most they can weigh.

A record with probability p and label y puts (g, HESSIAN_SCALE * h) into one cell of every structure, with
g = p - y and h = p(1 - p). For HESSIAN_SCALE <= 3.33 the real pair never leaves the unit disc, so the Hessian
costs no privacy ("free Hessian"). On the wire both are integers, rint(SCALE * .): rounding lengthens the pair
a little, and the bound used for the noise is that of the integers.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "DIRECTION_SCALE",
    "HESSIAN_SCALE",
    "QUANTISED_SENSITIVITY",
    "SCALE",
    "direction_sensitivity",
    "quantised",
    "reachable_pairs",
]

SCALE: Final = 64
"""Integers per unit of gradient (and per record of a count): rounding then adds under 1 % to a record's own spread."""

HESSIAN_SCALE: Final = 3.3
"""Largest round factor with p^2 + (factor * p(1 - p))^2 <= 1 for every p in [0, 1]."""


def quantised(p: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Integer gradients and Hessians; p in [0, 1], y in {0, 1}, both (n,). Ties round to even."""
    g = np.rint(SCALE * (p - y)).astype(np.int64)
    h = np.rint(SCALE * HESSIAN_SCALE * (p * (1.0 - p))).astype(np.int64)
    return g, h


def reachable_pairs() -> NDArray[np.int64]:
    """Every (|g|, h) that some p reaches, (m, 2), sorted and distinct.

    Both coordinates are step functions of p. Between two neighbouring steps nothing changes, so one p
    inside each interval sees every pair; at a step itself rounding picks one of the two neighbours of
    each coordinate, so both are combined there. The label y = 1 mirrors y = 0 (p -> 1 - p).
    """
    steps = [(j + 0.5) / SCALE for j in range(SCALE)]
    scale = SCALE * HESSIAN_SCALE
    for j in range(math.ceil(scale / 4)):
        inside = 1.0 - 4.0 * (j + 0.5) / scale
        if inside >= 0:  # p(1 - p) = (j + 1/2) / scale
            root = math.sqrt(inside)
            steps += [(1 - root) / 2, (1 + root) / 2]
    edges = np.unique(np.concatenate([[0.0, 1.0], steps]))
    middle = (edges[:-1] + edges[1:]) / 2
    g, h = quantised(middle, np.zeros_like(middle))
    # At an edge each coordinate may fall to either side: take all four combinations of the two neighbours.
    left, right = slice(None, -1), slice(1, None)
    pairs = [np.stack([g, h], 1)]
    pairs += [np.stack([g[a], h[b]], 1) for a in (left, right) for b in (left, right)]
    return np.unique(np.concatenate(pairs), axis=0)


def _maximum_norm() -> float:
    pairs = reachable_pairs()
    return math.sqrt(int(np.max(pairs[:, 0] ** 2 + pairs[:, 1] ** 2)))


QUANTISED_SENSITIVITY: Final[float] = _maximum_norm()
"""Most that one record changes one structure: L2 norm over the quantised table (64.2, not 64)."""


DIRECTION_SCALE: Final = 1024
"""Integers per unit length of a vector of directions. All its coordinates are rounded, so the grid is finer."""


def direction_sensitivity(length: int) -> float:
    """Most that one record changes a vector of this many coordinates: unit length, each coordinate half a step off."""
    return DIRECTION_SCALE * (1 + 1e-9) + math.sqrt(length) / 2
