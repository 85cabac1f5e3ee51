"""Privacy units with several rows: bound what each contributes, charge for as much as it may.

A unit (an account, say) may have any number of rows, so k of them are drawn and the others left out of everything.
Two neighbouring tables then differ in at most k rows. Each row adds a vector of L2 norm at most S to a release; the
k vectors may point the same way (all rows in the same bin with the same gradient), so a unit's L2 sensitivity is at
most k * S by the triangle inequality, and exactly that in the worst case. Hence the factor k, not sqrt(k).

Which rows of a unit are drawn depends on that unit alone: a row's rank is a hash, under a key that is drawn once, of
its unit and its place among the unit's rows. So adding a unit changes nothing about any other's rows, exactly, even
where the key is known; a shuffle of the whole table would not have that property.
"""

from __future__ import annotations

import hashlib

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
    key = rng.bytes(32)
    ids = np.asarray(unit_ids)
    if len(ids) == 0:
        return np.zeros(0, dtype=np.int64)
    _, unit = np.unique(ids, return_inverse=True)
    place = _place_in_group(unit, np.argsort(unit, kind="stable"))
    rank = np.fromiter(
        (_rank(key, str(name), int(nth)) for name, nth in zip(ids, place, strict=True)), np.uint64, count=len(ids)
    )
    chosen = _place_in_group(unit, np.lexsort((rank, unit))) < k
    return np.flatnonzero(chosen).astype(np.int64)


def unit_sensitivity(record_sensitivity: float, k: int) -> float:
    """L2 sensitivity for a unit of at most k rows: k times a record's, which is reached."""
    if k < 1:
        raise SettingsError(f"a unit may contribute at least 1 row, not {k}")
    return k * record_sensitivity


def _place_in_group(group: NDArray[np.int64], order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of each row, its place from 0 among the rows of its group; `order` puts groups one after the other."""
    sizes = np.bincount(group)
    place = np.empty(len(group), dtype=np.int64)
    place[order] = np.arange(len(group)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return place


def _rank(key: bytes, unit: str, place: int) -> int:
    digest = hashlib.blake2b(f"{place}:{unit}".encode(), key=key, digest_size=8).digest()
    return int.from_bytes(digest, "little")
