"""Tables over two fields: which, how coarse, and without what the fields' own tables already say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fedcrm.boosting.bins import Bins
from fedcrm.boosting.grid import Axis

__all__ = ["coarse_axis", "purified"]


def coarse_axis(
    field: int,
    bins: Bins,
    mass: NDArray[np.float64],
    table: NDArray[np.float64],
    number_places: int,
    category_places: int,
) -> Axis:
    """A field as one side of a grid.

    mass, table: Hessian and present log-odds of its bins, missing last, (bins.count + 1,).

    Numbers fall into `number_places` stretches of equal mass. Categories keep their levels where these are few;
    otherwise levels with like effects share a place (Fisher's ordering by response), and places are then ordered.
    """
    if bins.count <= (number_places if bins.ordered else category_places):
        return Axis(field, tuple(range(bins.count + 1)), bins.ordered)
    places = number_places if bins.ordered else category_places
    order = np.arange(bins.count) if bins.ordered else np.argsort(table[: bins.count], kind="stable")
    m = np.maximum(mass[order], 1e-9)
    middle = (np.cumsum(m) - m / 2) / m.sum()
    stretch = np.minimum((middle * places).astype(int), places - 1)
    _, stretch = np.unique(stretch, return_inverse=True)
    where = np.empty(bins.count + 1, np.int64)
    where[order] = stretch
    where[-1] = stretch.max() + 1
    return Axis(field, tuple(where.tolist()), True)


def purified(table: NDArray[np.float64], weight: NDArray[np.float64], shape: Sequence[int]) -> NDArray[np.float64]:
    """The table without its weighted means along every axis, flat.

    Lengerich, Tan, Chang, Hooker & Caruana, "Purifying Interaction Effects with the Functional ANOVA"
    (AISTATS 2020): row and column means taken out in turn; a few turns settle it. What is taken out belongs
    to tables over fewer fields, which the next round fits anyway.
    """
    T = table.reshape(tuple(shape)).copy()
    W = weight.reshape(tuple(shape)) + 1e-6
    for _ in range(4):
        for axis in range(T.ndim):
            others = tuple(a for a in range(T.ndim) if a != axis) if T.ndim == 2 else (axis,)
            T -= np.sum(T * W, axis=others, keepdims=True) / np.sum(W, axis=others, keepdims=True)
    return T.ravel()
