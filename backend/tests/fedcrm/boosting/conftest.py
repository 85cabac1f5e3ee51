"""Small invented federations, and the plain noisy sum that stands in for secure aggregation."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from fedcrm.boosting import BoostedTrees, HistogramRespondent, Settings
from fedcrm.features import Field, Kind, Schema
from fedcrm.learning import Aggregate, Query

UNIT = 16


def number(name: str, low: float | None, high: float | None, *, log: bool = False, block: str | None = None) -> Field:
    return Field(name, Kind.NUMERIC, (name,), "number", low=low, high=high, log=log, block=block)


def category(name: str, levels: int, *, block: str | None = None) -> Field:
    names = tuple(f"level {i}" for i in range(levels - 1))
    return Field(name, Kind.CATEGORICAL, (name,), "category", categories=names, block=block)


def schema_of(*fields: Field) -> Schema:
    return Schema(fields=fields, missing=(), sentinels={})


@dataclass(frozen=True)
class Federation:
    schema: Schema
    X: list[NDArray[np.float32]]
    y: list[NDArray[np.float64]]
    truth: Callable[[NDArray[np.float32]], NDArray[np.float64]]
    held: NDArray[np.float32]

    def respondents(self, intercept: float | None = None) -> list[HistogramRespondent]:
        found = []
        for X, y in zip(self.X, self.y, strict=True):
            rate = np.clip(y.mean(), 0.005, 0.995)
            found.append(
                HistogramRespondent(self.schema, X, y, math.log(rate / (1 - rate)) if intercept is None else intercept)
            )
        return found


def noisy_sum(
    query: Query,
    respondents: Sequence[HistogramRespondent],
    mu: float,
    rng: np.random.Generator,
    weights: Sequence[int] | None = None,
) -> Aggregate:
    """The rounds layer in six lines: noise, rounding, weight, sum. mu = math.inf: no noise."""
    weights = [UNIT] * len(respondents) if weights is None else weights
    sums, variance = np.zeros(query.length, np.int64), np.zeros(query.length)
    for r, w in zip(respondents, weights, strict=True):
        answer = r.answer(query)
        if math.isfinite(mu):
            scale = query.noise_scale(mu, r.blocks)
            answer = answer + np.rint(rng.normal(size=len(answer)) * scale).astype(np.int64)
            variance += w**2 * np.where(scale > 0, scale**2 + 1 / 12, 0.0)
        sums += w * answer
    return Aggregate(sums, variance, {str(i): w for i, w in enumerate(weights)}, UNIT)


def train(
    federation: Federation, mu: float, seed: int = 0, settings: Settings | None = None, share: float = 1.0
) -> tuple[BoostedTrees, list[Query]]:
    rng = np.random.default_rng(seed)
    rows = np.array([len(y) for y in federation.y])
    signal = math.sqrt(float(np.sum((rows * mu) ** 2))) if math.isfinite(mu) else math.inf
    rate = float(np.concatenate(federation.y).mean())
    learner = BoostedTrees.start(federation.schema, rate, settings or Settings(), signal, float(rows.sum()), share)
    respondents, queries = federation.respondents(), []
    while (query := learner.next_query()) is not None:
        queries.append(query)
        learner.absorb(noisy_sum(query, respondents, mu, rng))
    return learner, queries


def make_federation(sizes: Sequence[int] = (400, 900, 1600, 3000), seed: int = 0, declared: bool = True) -> Federation:
    """Two numbers (one heavy-tailed, one with an interaction), a category, a nuisance number; gaps in each."""
    amount = number("amount", 0.0 if declared else None, 50_000.0 if declared else None, log=declared)
    age = number("age", 0.0 if declared else None, 10.0 if declared else None)
    schema = schema_of(amount, age, category("channel", 5), number("noise", -4.0, 4.0))
    level = np.array([-0.8, 0.9, 0.0, 0.3, -0.4])

    def truth(X: NDArray[np.float32]) -> NDArray[np.float64]:
        size = np.nan_to_num(np.log(X[:, 0]), nan=6.0) - 6.0
        old = np.nan_to_num(X[:, 1], nan=2.0) - 5.0
        channel = np.where(np.isnan(X[:, 2]), 4, X[:, 2]).astype(int)
        return np.asarray(-1.0 + 0.7 * size + level[channel] + 0.9 * np.sign(size) * np.sign(old), np.float64)

    rng = np.random.default_rng(seed)

    def draw(n: int) -> NDArray[np.float32]:
        X = np.stack(
            [np.exp(6 + 1.2 * rng.normal(size=n)), rng.uniform(0, 10, n), rng.integers(0, 4, n), rng.normal(size=n)], 1
        ).astype(np.float32)
        X[rng.random(X.shape) < 0.05] = np.nan
        return X

    X = [draw(n) for n in sizes]
    y = [(rng.random(len(x)) < 1 / (1 + np.exp(-truth(x)))).astype(np.float64) for x in X]
    return Federation(schema, X, y, truth, draw(4000))


@pytest.fixture(scope="session")
def federation() -> Federation:
    return make_federation()
