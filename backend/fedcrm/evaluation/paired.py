"""What a comparison's figures say, seed by seed: means, paired differences and their standard errors.

Splits differ more than methods do. Every difference is taken on the same split and participants first and
averaged after; its standard error is over seeds. Seeds share rows, so it is a little too small.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fedcrm.evaluation.metrics import Difference, paired_difference
from fedcrm.evaluation.runs import Method, Run, SetRuns

__all__ = ["Line", "Paired", "across", "paired"]


@dataclass(frozen=True, slots=True)
class Line:
    """One method at one epsilon.

    mean:        over seeds, with its standard error, AUC 0..1.
    differences: minus LOCAL, CENTRAL and this method without privacy; None against itself.
    spearman, spearman_max: means over seeds, None where not asked.
    cpu_seconds: mean over seeds.
    """

    method: Method
    epsilon: float | None
    mean: Difference
    local: Difference | None
    central: Difference | None
    noiseless: Difference | None
    spearman: float | None
    spearman_max: float | None
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Paired:
    """One data set's table. judged: participants in the mean in every seed; left_out: those missing in some."""

    name: str
    metric: str
    seeds: tuple[int, ...]
    judged: tuple[str, ...]
    left_out: tuple[str, ...]
    lines: tuple[Line, ...]


_WITHOUT_NOISE = {
    Method.FEDERATED: Method.FEDERATED_NOISELESS,
    Method.FEDERATED_VOLUME: Method.FEDERATED_NOISELESS,
    Method.FEDERATED_UNIFORM: Method.FEDERATED_NOISELESS,
    Method.PERSONAL: Method.PERSONAL,
    Method.CHOSEN: Method.CHOSEN,
}


def paired(found: SetRuns) -> Paired:
    """The table of one data set. Raises ValueError where no seed is finished."""
    seeds = tuple(found.runs)
    if not seeds:
        raise ValueError(f"no seed of {found.name} is finished")
    by_row = {key: [_row(found.runs[s], key) for s in seeds] for key in _keys(found.runs[seeds[0]])}
    left_out = tuple(n for n in found.participants if any(n in found.left_out[s] for s in seeds))
    means = {key: [run.mean for run in runs] for key, runs in by_row.items()}
    lines = tuple(_line(key, means, by_row[key]) for key in by_row)
    return Paired(
        found.name, found.metric, seeds, tuple(n for n in found.participants if n not in left_out), left_out, lines
    )


def across(sets: Sequence[SetRuns]) -> tuple[Line, ...]:
    """The same over several data sets: unweighted mean over sets first, seed by seed.

    Only seeds finished on every set, and methods all of them have; () where there are none.
    """
    seeds = sorted(set.intersection(*(set(s.runs) for s in sets))) if sets else []
    if not seeds:
        return ()
    by_row = {key: [[_row(s.runs[seed], key) for s in sets] for seed in seeds] for key in _keys(sets[0].runs[seeds[0]])}
    means = {key: [math.fsum(r.mean for r in runs) / len(runs) for runs in of] for key, of in by_row.items()}
    # Spearman is asked of some sets only, and its limit is another one on each: no mean over sets.
    return tuple(
        _line(
            key,
            means,
            [Run(*key, seed=0, participants={}, cpu_seconds=sum(r.cpu_seconds for r in runs)) for runs in of],
        )
        for key, of in by_row.items()
    )


_Key = tuple[Method, float | None]


def _keys(runs: Sequence[Run]) -> list[_Key]:
    return [(run.method, run.epsilon) for run in runs]


def _row(runs: Sequence[Run], key: _Key) -> Run:
    return next(run for run in runs if (run.method, run.epsilon) == key)


def _line(key: _Key, means: Mapping[_Key, Sequence[float]], runs: Sequence[Run]) -> Line:
    method, epsilon = key

    def against(other: _Key) -> Difference | None:
        return None if other == key or other not in means else paired_difference(means[key], means[other])

    noiseless = _WITHOUT_NOISE.get(method)
    return Line(
        method,
        epsilon,
        paired_difference(means[key], [0.0] * len(runs)),
        against((Method.LOCAL, None)),
        against((Method.CENTRAL, None)),
        None if noiseless is None else against((noiseless, None)),
        _mean([run.spearman for run in runs]),
        _mean([run.spearman_max for run in runs]),
        math.fsum(run.cpu_seconds for run in runs) / len(runs),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    given = [v for v in values if v is not None]
    return math.fsum(given) / len(given) if given else None
