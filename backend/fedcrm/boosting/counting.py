"""Counting records in public cells: what every learner of this package does before its first gradient.

First, where a number's range is nobody's knowledge, a coarse count over a grid that suits any number (`ranges`);
then the counts that bins are cut by.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fedcrm.boosting.messages import CountQuestion, spans
from fedcrm.boosting.quantise import SCALE
from fedcrm.boosting.ranges import grid, range_of
from fedcrm.features import Kind, Schema
from fedcrm.learning import Aggregate, Query, Structure

__all__ = ["check_answer", "check_start", "count_query", "counts_of", "ranged", "rangeless", "ranges_query"]


def check_start(schema: Schema, base_rate: float, signal: float, rows: float, share: float) -> float:
    """Log-odds of the base rate, clipped to [.005, .995]. Raises ValueError where no training can begin so."""
    if not (0 < share <= 1 and signal > 0 and rows > 0 and math.isfinite(base_rate)):
        raise ValueError(f"cannot start with share {share}, signal {signal}, {rows} rows, rate {base_rate}")
    if not schema.fields:
        raise ValueError("a schema needs a field")
    unknown = [f.name for f in schema.fields if f.kind is Kind.CATEGORICAL and f.categories is None]
    if unknown:
        raise ValueError(f"release the categories of {', '.join(unknown)} first")
    rate = min(max(base_rate, 0.005), 0.995)
    return math.log(rate / (1 - rate))


def check_answer(aggregate: Aggregate, query: Query) -> None:
    """Raises ValueError where the aggregate is not an answer to the query."""
    if aggregate.sums.shape != (query.length,) or aggregate.noise_variance.shape != (query.length,):
        raise ValueError(f"expected {query.length} coordinates, not {aggregate.sums.shape}")
    if not np.all(np.isfinite(aggregate.noise_variance)) or np.any(aggregate.noise_variance < 0):
        raise ValueError("noise variances are finite and not negative")
    if aggregate.unit < 1:
        raise ValueError("the unit weight is positive")


def rangeless(schema: Schema) -> list[int]:
    """Numbers without a range."""
    return [j for j, f in enumerate(schema.fields) if f.kind is Kind.NUMERIC and f.low is None]


def count_query(
    purpose: str, schema: Schema, fields: Sequence[int], edges: Sequence[NDArray[np.float32]], share: float
) -> Query:
    """Counts of these fields' cells, missing last; every field gets the same of the share."""
    structures = tuple(
        Structure(schema.fields[j].name, len(e) + 2, share / len(fields), schema.fields[j].block)
        for j, e in zip(fields, edges, strict=True)
    )
    return Query(purpose, structures, float(SCALE), SCALE, CountQuestion(tuple(fields), tuple(edges)).to_bytes())


def counts_of(query: Query, aggregate: Aggregate) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Noisy counts and their variances, one pair a structure."""
    unit = float(SCALE * aggregate.unit)
    return [
        (aggregate.sums[where] / unit, aggregate.noise_variance[where] / unit**2)
        for where in spans([s.length for s in query.structures])
    ]


def ranges_query(schema: Schema, per_octave: int, share: float) -> Query:
    """Where the values of fields without a range lie."""
    fields = rangeless(schema)
    return count_query("ranges", schema, fields, [grid(per_octave)] * len(fields), share)


def ranged(schema: Schema, query: Query, aggregate: Aggregate, per_octave: int) -> tuple[Schema, tuple[int, ...]]:
    """The schema with ranges from the answer, log scales where they suit; and fields in which nothing is seen.

    Those get the range [0, 1] and deserve a single bin.
    """
    found, logs, blank = {}, [], []
    for j, (counts, variance) in zip(rangeless(schema), counts_of(query, aggregate), strict=True):
        name = schema.fields[j].name
        r = range_of(counts[:-1], variance[:-1], per_octave)
        if r is None:
            found[name] = (0.0, 1.0)
            blank.append(j)
            continue
        found[name] = (r.low, r.high)
        if r.log:
            logs.append(name)
    raw = json.loads(schema.with_ranges(found, provenance="released privately").to_json())
    for f in raw["fields"]:
        if f["name"] in logs:
            f["log"] = True
    return Schema.from_json(json.dumps(raw)), tuple(blank)
