"""The two loops over records: margins from tables, and histograms of quantised gradients.

Codes are held field by field (one contiguous uint8 row per field); rows are walked in blocks that fit the
cache, so the cost is linear in rows. A record's integer gradient and Hessian travel in one int64
(g in the upper 32 bits, 3.3 h in the lower), so that a cell is one addition.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from fedcrm.boosting.quantise import HESSIAN_SCALE, SCALE

__all__ = ["Layout", "bin_field", "count_cells", "histogram", "margins"]

BLOCK = 1024  # rows: a block's cells of a hundred structures stay in the second-level cache

_SCALE = float(SCALE)
_HESSIAN = float(SCALE * HESSIAN_SCALE)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where each term finds a record's cell: cell = sum over its fields of lookup[start + code of the field].

    fields:   (terms, 3) int32, column of each field, -1 = unused.
    starts:   (terms, 3) int32, offset of that field's map in `lookup`.
    lookup:   int32, bin -> coarse bin x stride, one map after the other.
    offsets:  (terms + 1,) int64, where each term's cells begin in a flat table.
    """

    fields: NDArray[np.int32]
    starts: NDArray[np.int32]
    lookup: NDArray[np.int32]
    offsets: NDArray[np.int64]


@numba.njit(cache=True)
def _cell(v, cuts):  # type: ignore[no-untyped-def]  # compiled: numba infers the types
    """Number of cuts <= v, by bisection."""
    low, high = 0, len(cuts)
    while low < high:
        middle = (low + high) // 2
        if cuts[middle] <= v:
            low = middle + 1
        else:
            high = middle
    return low


@numba.njit(cache=True)
def bin_field(x, cuts, bins, missing):  # type: ignore[no-untyped-def]  # compiled: numba infers the types
    """uint8 code of every value: bins[number of cuts <= x], `missing` where x is not finite."""
    n = len(x)
    out = np.empty(n, np.uint8)
    for i in range(n):
        v = x[i]
        if not np.isfinite(v):
            out[i] = missing
            continue
        out[i] = bins[_cell(v, cuts)]
    return out


@numba.njit(cache=True)
def count_cells(x, cuts, cells):  # type: ignore[no-untyped-def]  # compiled: numba infers the types
    """Records in every cell between cuts, the last of `cells` for values that are not finite; int64."""
    out = np.zeros(cells, np.int64)
    for i in range(len(x)):
        v = x[i]
        if not np.isfinite(v):
            out[cells - 1] += 1
            continue
        out[_cell(v, cuts)] += 1
    return out


@numba.njit(cache=True)
def _cells(codes, begin, end, fields, starts, lookup, t, out):  # type: ignore[no-untyped-def]  # compiled: numba infers the types
    n = end - begin
    first = codes[fields[t, 0], begin:end]
    map0 = lookup[starts[t, 0] :]
    if fields[t, 1] < 0:
        for i in range(n):
            out[i] = map0[first[i]]
        return
    second = codes[fields[t, 1], begin:end]
    map1 = lookup[starts[t, 1] :]
    if fields[t, 2] < 0:
        for i in range(n):
            out[i] = map0[first[i]] + map1[second[i]]
        return
    third = codes[fields[t, 2], begin:end]
    map2 = lookup[starts[t, 2] :]
    for i in range(n):
        out[i] = map0[first[i]] + map1[second[i]] + map2[third[i]]


@numba.njit(cache=True)
def _add_points(points, cell, margin):  # type: ignore[no-untyped-def]  # compiled: numba infers the types
    for i in range(len(margin)):
        margin[i] += points[cell[i]]


@numba.njit(cache=True)
def _margins(codes, fields, starts, lookup, offsets, table, which, out):  # type: ignore[no-untyped-def]  # compiled: numba infers the types
    n = codes.shape[1]
    cell = np.empty(BLOCK, np.uint16)
    for begin in range(0, n, BLOCK):
        end = min(n, begin + BLOCK)
        for t in which:
            _cells(codes, begin, end, fields, starts, lookup, t, cell)
            _add_points(table[offsets[t] :], cell, out[begin:end])


@numba.njit(cache=True)
def _histogram(codes, fields, starts, lookup, offsets, table, needed, live, places, margin, y, total):  # type: ignore[no-untyped-def]  # compiled: numba infers the types
    n = codes.shape[1]
    cells = np.empty((len(needed), BLOCK), np.uint16)
    packed = np.empty(BLOCK, np.int64)
    f = np.empty(BLOCK, np.float64)
    sums = np.zeros(total, np.int64)
    for begin in range(0, n, BLOCK):
        end = min(n, begin + BLOCK)
        m = end - begin
        f[:m] = margin[begin:end]
        for k in range(len(needed)):
            t = needed[k]
            cell = cells[k]
            _cells(codes, begin, end, fields, starts, lookup, t, cell)
            if live[k]:
                _add_points(table[offsets[t] :], cell, f[:m])
        for i in range(m):
            p = 1.0 / (1.0 + np.exp(-f[i]))
            g = np.int64(np.rint(_SCALE * (p - y[begin + i])))
            h = np.int64(np.rint(_HESSIAN * (p * (1.0 - p))))
            packed[i] = (g << 32) + h
        for k in range(len(needed)):
            if places[k] >= 0:
                cell = cells[k]
                sum_ = sums[places[k] :]
                for i in range(m):
                    sum_[cell[i]] += packed[i]
    return sums


def margins(
    codes: NDArray[np.uint8],
    layout: Layout,
    table: NDArray[np.float64],
    which: NDArray[np.int64],
    start: NDArray[np.float64],
) -> NDArray[np.float64]:
    """start + the tables of the terms named in `which`, (n,); codes (fields, n), start (n,)."""
    out = start.copy()
    _margins(codes, layout.fields, layout.starts, layout.lookup, layout.offsets, table, which, out)
    return out


def histogram(
    codes: NDArray[np.uint8],
    layout: Layout,
    table: NDArray[np.float64],
    live: NDArray[np.int64],
    asked: NDArray[np.int64],
    start: NDArray[np.float64],
    y: NDArray[np.float64],
) -> list[NDArray[np.int64]]:
    """Quantised (g, 3.3 h) summed over records, one (2, cells) array for each term in `asked`.

    The margin is start + the tables of `live`. Sums are exact for up to 2^32 / 53 records, 81 million.
    """
    lengths = np.diff(layout.offsets)[asked]
    ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    needed = np.union1d(live, asked).astype(np.int64)
    places = np.full(len(needed), -1, np.int64)
    places[np.searchsorted(needed, asked)] = ends[:-1]
    flat = _histogram(
        codes,
        layout.fields,
        layout.starts,
        layout.lookup,
        layout.offsets,
        table,
        needed,
        np.isin(needed, live),
        places,
        start,
        y,
        int(ends[-1]),
    )
    # Unpack: the Hessian is never negative and stays below 2^32, so the low word is its own.
    h = flat & 0xFFFFFFFF
    g = (flat - h) >> 32
    return [np.stack([g[a:b], h[a:b]]) for a, b in itertools.pairwise(ends)]
