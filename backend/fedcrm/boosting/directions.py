"""What a record says along directions: one integer vector of bounded length, whatever it is asked.

With z the record's directions, field after field, r = (y - p) / max(p, 1 - p) and c = min(p, 1 - p), a record adds

    rint(DIRECTION_SCALE * [ sqrt(1 - q/4) r z/|z| , sqrt(q) c ])

whose real length is at most 1: where |r| = 1 the second coordinate's square is at most q/4. The factors that
are no part of a gradient depend on z and p alone, so they weigh records and bias nothing. The second coordinate
tells how curved the likelihood is. Unit length is what keeps fields apart from paying for each other's bins.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fedcrm.boosting.quantise import DIRECTION_SCALE
from fedcrm.features import Schema

__all__ = ["CURVATURE", "REMAINDER", "direction_groups", "direction_sums"]

CURVATURE = math.sqrt(0.04)
"""sqrt(q): length that a record spends on telling the curvature."""

REMAINDER = math.sqrt(1 - CURVATURE**2 / 4)

_SHORT = 1e-100  # its square would no longer be exact: no direction at all
_ROWS = 4096  # at a time


def direction_groups(schema: Schema) -> list[tuple[str | None, tuple[int, ...]]]:
    """Fields that share a vector: those everybody has, then block by block, sorted by name."""
    names = sorted({f.block for f in schema.fields}, key=lambda b: (b is not None, b or ""))
    return [(name, tuple(j for j, f in enumerate(schema.fields) if f.block == name)) for name in names]


def direction_sums(
    codes: NDArray[np.uint8],
    directions: Sequence[NDArray[np.float64]],
    margin: NDArray[np.float64],
    y: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Sum of the records' vectors, (directions + 1,).

    codes: bins of these fields, (fields, n); directions: per field, (bins + 1, directions); margin, y: (n,).
    """
    width = sum(d.shape[1] for d in directions)
    total = np.zeros(width + 1, np.int64)
    p = 1 / (1 + np.exp(-np.clip(margin, -30.0, 30.0)))
    r, c = (y - p) / np.maximum(p, 1 - p), np.minimum(p, 1 - p)
    for begin in range(0, len(y), _ROWS):
        rows = slice(begin, begin + _ROWS)
        z = np.concatenate([d[codes[f, rows]] for f, d in enumerate(directions)], axis=1)
        length = np.sqrt(np.sum(z * z, axis=1))
        along = np.divide(r[rows], length, out=np.zeros_like(length), where=length > _SHORT)
        total[:width] += np.rint(DIRECTION_SCALE * REMAINDER * along[:, None] * z).astype(np.int64).sum(axis=0)
        total[width] += np.rint(DIRECTION_SCALE * CURVATURE * c[rows]).astype(np.int64).sum()
    return total
