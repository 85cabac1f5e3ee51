"""Throughput of a participant's answer: margin update and histogram, by rows."""

from __future__ import annotations

import json
import time

import numpy as np

from fedcrm.boosting.bins import Bins
from fedcrm.boosting.grid import Axis, Grid, layout
from fedcrm.boosting.kernels import histogram

FIELDS, BINS, PLACES, PAIRS = 40, 16, 5, 26


def tables() -> dict[str, list[dict[str, float | int | str]]]:
    """What `make bench` measures of it, by title."""
    return {"answers": rows(50_000, 500_000, 5_000_000)}


def rows(*sizes: int, seed: int = 0) -> list[dict[str, float | int | str]]:
    """One entry a size: seconds for one answer over 66 structures (40 fields, 26 pairs), one thread.

    An answer computes every record's margin over all structures from scratch and sums gradients and Hessians into
    all of them; binning the records, done once a training, is not in it.
    """
    rng = np.random.default_rng(seed)
    bins = [Bins(np.arange(1, BINS, dtype=np.float32), np.arange(BINS, dtype=np.uint8), BINS, True)] * FIELDS
    grids = [Grid.of_field(j, b) for j, b in enumerate(bins)]
    places = (*(np.arange(BINS) * PLACES // BINS).tolist(), PLACES)
    grids += [Grid((Axis(j, places, True), Axis(j + 1, places, True))) for j in range(PAIRS)]
    plan = layout(grids, bins)
    table = rng.normal(size=int(plan.offsets[-1])) * 0.1
    every = np.arange(len(grids), dtype=np.int64)
    found: list[dict[str, float | int | str]] = []
    for n in (1000, *sizes):  # the first compiles
        codes = rng.integers(0, BINS + 1, (FIELDS, n), dtype=np.uint8)
        y = (rng.random(n) < 0.2).astype(np.float64)
        start = np.full(n, -1.0)
        seconds = []
        for _ in range(3):
            began = time.thread_time()  # of this thread's work, whoever else is on the machine
            histogram(codes, plan, table, every, every, start, y)
            seconds.append(time.thread_time() - began)
        found.append(
            {
                "name": "histogram and margin update",
                "rows": n,
                "structures": len(grids),
                "seconds": min(seconds),
                "rows_per_second": n / min(seconds),
            }
        )
    return found[1:]


if __name__ == "__main__":
    for entry in rows(50_000, 500_000, 5_000_000):
        print(json.dumps(entry))  # noqa: T201  # a command's output
