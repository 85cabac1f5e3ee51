"""Privacy units with several rows: bound what each contributes, charge for as much as it may.

A unit (an account, say) may have any number of rows, so k of them are drawn and the others left out of everything.
Two neighbouring tables then differ in at most k rows. Each row adds a vector of L2 norm at most S to a release; the
k vectors may point the same way (all rows in the same bin with the same gradient), so a unit's L2 sensitivity is at
most k * S by the triangle inequality, and exactly that in the worst case. Hence the factor k, not sqrt(k).

The draw is private in itself: every unit's is independent of every other's, so adding a unit changes nothing about the
rest, and a release is a mixture, over the draws, of releases whose tables differ in at most k rows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fedcrm.errors import SettingsError

__all__ = ["bound_rows_per_unit", "unit_sensitivity"]


def bound_rows_per_unit(unit_ids: ArrayLike, k: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw at most k rows of every unit, without replacement, each row of a unit alike.

    unit_ids: (rows,); equal values are one unit. Missing ids must have been made distinct (a row of its own).

    Returns the rows kept, ascending. Raises SettingsError where k is below 1.
    """
    if k < 1:
        raise SettingsError(f"a unit may contribute at least 1 row, not {k}")
    ids = np.asarray(unit_ids)
    _, unit = np.unique(ids, return_inverse=True)
    # Rows in random order, then gathered by unit: the first k of each group are a uniform draw.
    shuffled = rng.permutation(len(ids))
    by_unit = shuffled[np.argsort(unit[shuffled], kind="stable")]
    sizes = np.bincount(unit) if len(ids) else np.zeros(0, dtype=np.int64)
    place = np.arange(len(ids)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.sort(by_unit[place < k]).astype(np.int64)


def unit_sensitivity(record_sensitivity: float, k: int) -> float:
    """L2 sensitivity for a unit of at most k rows: k times a record's, which is reached."""
    if k < 1:
        raise SettingsError(f"a unit may contribute at least 1 row, not {k}")
    return k * record_sensitivity
