"""Partition identity: a check that no vector of made-up numbers passes.

Every record lies in exactly one cell of every structure, so all structures of a query that the same
participants answer have the same total, up to noise. A participant who sends anything but sums over records
(random gradients, a scaled vector for some structures) breaks that; one who lies consistently, record by
record, does not, and is not caught here.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from fedcrm.boosting.messages import spans
from fedcrm.learning import Aggregate, Query

__all__ = ["FALSE_ALARM", "balance_fault", "partition_fault"]

FALSE_ALARM = 1e-6
"""Chance that honest noise fails the check, per block and query."""


def partition_fault(query: Query, aggregate: Aggregate, parts: int) -> str | None:
    """Why the structures' totals cannot be those of one set of records, or None.

    parts: quantities a structure holds one after the other (1: counts; 2: gradients, then Hessians).

    Totals are compared by a chi-square test at FALSE_ALARM. Where it is unknown how many share a block the
    noise variance is an upper bound, and the test is milder than it says.
    """
    groups: dict[str | None, list[slice]] = defaultdict(list)
    for structure, where in zip(query.structures, spans([s.length for s in query.structures]), strict=True):
        groups[structure.block].append(where)
    for block, places in groups.items():
        statistic, freedom = 0.0, 0
        for part in range(parts):
            totals, variances = [], []
            for where in places:
                piece = slice(*_piece(where, part, parts))
                totals.append(int(aggregate.sums[piece].sum()))
                variances.append(float(aggregate.noise_variance[piece].sum()))
            if min(variances) <= 0:
                if len(set(totals)) > 1:
                    return _message(block, "exactly")
                continue
            x, v = np.array(totals, np.float64), np.array(variances)
            centre = np.sum(x / v) / np.sum(1 / v)
            statistic += float(np.sum((x - centre) ** 2 / v))
            freedom += len(x) - 1
        if freedom and statistic > chi2.isf(FALSE_ALARM, freedom):
            return _message(block, f"within noise (chi-square {statistic:.1f} with {freedom} degrees of freedom)")
    return None


def balance_fault(
    totals: NDArray[np.float64], variances: NDArray[np.float64], slack: NDArray[np.float64]
) -> str | None:
    """Why sums that are zero for every record are not zero up to noise and rounding, or None.

    A category's centred indicators add up to nothing, whatever the level. totals: their sums, one a category;
    variances: of the totals' noise; slack: most that rounding moves them. All (categories,).
    """
    excess = np.maximum(np.abs(totals) - slack, 0.0)
    if np.any((variances <= 0) & (excess > 0)):
        return _message(None, "exactly")
    known = variances > 0
    statistic = float(np.sum(excess[known] ** 2 / variances[known]))
    if np.any(known) and statistic > chi2.isf(FALSE_ALARM, int(known.sum())):
        return _message(None, f"within noise (chi-square {statistic:.1f} with {int(known.sum())} degrees of freedom)")
    return None


def _piece(where: slice, part: int, parts: int) -> tuple[int, int]:
    width = (where.stop - where.start) // parts
    return where.start + part * width, where.start + (part + 1) * width


def _message(block: str | None, how: str) -> str:
    of = "the common structures" if block is None else f"block {block}"
    return f"totals of {of} do not agree {how}: some answer is not a sum over records"
