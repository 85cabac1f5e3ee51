import numpy as np

from fedcrm.boosting.bins import Bins, codes
from fedcrm.boosting.grid import Axis, Grid, layout
from fedcrm.boosting.kernels import BLOCK, count_cells, histogram, margins
from fedcrm.boosting.quantise import quantised


def some_records(n: int):
    rng = np.random.default_rng(3)
    bins = (
        Bins(np.array([-1, 0, 1], np.float32), np.arange(4, dtype=np.uint8), 4, True),
        Bins(np.array([0.5, 1.5], np.float32), np.array([0, 1, 0], np.uint8), 2, False),
    )
    grids = (
        Grid.of_field(0, bins[0]),
        Grid.of_field(1, bins[1]),
        Grid((Axis(0, (0, 0, 1, 1, 2), True), Axis(1, (0, 1, 0), False))),
    )
    X = np.stack([rng.normal(size=n), rng.integers(0, 3, n)], 1).astype(np.float32)
    X[rng.random(X.shape) < 0.1] = np.nan
    y = (rng.random(n) < 0.4).astype(np.float64)
    tables = [rng.normal(size=g.cells) for g in grids]
    return bins, grids, X, y, tables, rng.normal(size=n)


def plain_cells(bins, grid, X):
    """Cell of every record, one record at a time."""
    out = []
    for row in X:
        cell = 0
        for axis in grid.axes:
            b, v = bins[axis.field], row[axis.field]
            code = b.count if np.isnan(v) else int(b.members[int(np.sum(b.cuts <= v))])
            cell = cell * axis.size + axis.places[code]
        out.append(cell)
    return np.array(out)


def test_margins_and_histograms_equal_a_plain_numpy_loop_across_block_edges():
    bins, grids, X, y, tables, start = some_records(2 * BLOCK + 77)
    plan, table, binned = layout(grids, bins), np.concatenate(tables), codes(bins, X)
    every = np.arange(3, dtype=np.int64)
    cells = [plain_cells(bins, g, X) for g in grids]
    expected = start + sum(t[c] for t, c in zip(tables, cells, strict=True))
    np.testing.assert_allclose(margins(binned, plan, table, every, start), expected, rtol=0, atol=1e-12)

    found = histogram(binned, plan, table, every, np.array([2, 0], np.int64), start, y)
    g, h = quantised(1 / (1 + np.exp(-expected)), y)
    for t, (got_g, got_h) in zip((2, 0), found, strict=True):
        for got, values in ((got_g, g), (got_h, h)):
            plain = np.zeros(grids[t].cells, np.int64)
            np.add.at(plain, cells[t], values)
            np.testing.assert_array_equal(got, plain)


def test_packing_survives_sums_that_are_negative_in_the_gradient():
    bins, grids, X, _, tables, _ = some_records(5000)
    plan, table = layout(grids, bins), np.zeros(sum(len(t) for t in tables))
    none, every = np.zeros(0, np.int64), np.arange(3, dtype=np.int64)
    found = histogram(codes(bins, X), plan, table, none, every, np.zeros(5000), np.ones(5000))
    for g, h in found:
        assert g.sum() == -32 * 5000
        assert h.sum() == 53 * 5000


def test_counts_of_cells_are_those_of_numpy_with_missing_last():
    rng = np.random.default_rng(1)
    x = rng.normal(size=4000).astype(np.float32)
    x[:100], x[100:110] = np.nan, np.inf
    edges = np.linspace(-2, 2, 9).astype(np.float32)
    counts = count_cells(x, edges, len(edges) + 2)
    where = np.searchsorted(edges, x[np.isfinite(x)], side="right")
    np.testing.assert_array_equal(counts, [*np.bincount(where, minlength=10), 110])


def test_extreme_margins_neither_overflow_nor_leave_the_table():
    bins, grids, X, y, tables, _ = some_records(300)
    plan, table = layout(grids, bins), np.concatenate(tables)
    none, every = np.zeros(0, np.int64), np.arange(3, dtype=np.int64)
    for extreme in (-1e6, 1e6):
        found = histogram(codes(bins, X), plan, table, none, every, np.full(300, extreme), y)
        assert all(np.all(h == 0) for _, h in found)
        wrong = np.sum(y == (extreme < 0))
        assert all(abs(g.sum()) == 64 * wrong for g, _ in found)
