"""Worlds that nothing was tuned on: drawn field by field, of another form than `make_federation`, each seed another.

What is drawn: how many numbers (3 to 9) and categories (0 to 3), how they hang together, which are heavy-tailed and
which have gaps, the form of each field's effect (straight, bent, a step, a wave), which pairs and which triple
interact, how strong the signal is (deviation of the true log-odds 0.6 to 1.8), the base rate (0.05 to 0.5), how large
the organisations are, and by how much the one at home differs from the others.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fedcrm.boosting import HomeModel
from fedcrm.features import Field

from ..boosting.conftest import Federation, category, number, schema_of, train
from .conftest import World

Effect = Callable[[NDArray[np.float64]], NDArray[np.float64]]
FORMS: tuple[Effect, ...] = (
    lambda z: z,
    lambda z: np.maximum(z, 0.0) - 0.5 * np.minimum(z, 0.3),
    lambda z: np.where(z > 0.4, 1.0, -0.6),
    lambda z: np.sin(2.2 * z),
    lambda z: np.minimum(z**2, 4.0) - 1.0,
)


def unfamiliar_world(seed: int) -> World:
    """The world of a seed: federation trained with noise, one organisation at home in it, truth known."""
    rng = np.random.default_rng([seed, 2026])
    numbers, categories = int(rng.integers(3, 10)), int(rng.integers(0, 4))
    heavy = rng.random(numbers) < 0.3
    levels = rng.integers(3, 7, categories)
    gaps = rng.random(numbers + categories) * rng.choice([0.0, 0.15])
    mixing = rng.normal(size=(numbers, numbers)) * rng.uniform(0, 0.5) + np.eye(numbers)
    mixing /= np.sqrt((mixing**2).sum(axis=1, keepdims=True))
    fields: list[Field] = [
        number(f"n{i}", 0.0, 400.0, log=True) if heavy[i] else number(f"n{i}", -5.0, 5.0) for i in range(numbers)
    ]
    fields += [category(f"c{j}", int(n) + 1) for j, n in enumerate(levels)]
    schema = schema_of(*fields)

    def draw(n: int) -> NDArray[np.float32]:
        z = rng.normal(size=(n, numbers)) @ mixing.T
        columns = [np.exp(1.5 + z[:, i]) if heavy[i] else z[:, i] for i in range(numbers)]
        columns += [rng.integers(0, n_levels, n) for n_levels in levels]
        X = np.stack(columns, axis=1).astype(np.float32)
        X[rng.random(X.shape) < gaps] = np.nan
        return X

    plain, home_truth = _truths(rng, heavy, levels)
    sizes = tuple(int(n) for n in rng.integers(300, 3500, int(rng.integers(3, 7))))
    shares = [draw(n) for n in sizes]
    rows = int(np.exp(rng.uniform(np.log(400), np.log(2500))))
    X, held = draw(rows), draw(2000)
    federation = Federation(schema, shares, [_labels(plain(x), rng) for x in shares], home_truth, held)
    federated = train(federation, float(rng.uniform(0.8, 2.5)), seed=seed)[0].model()
    y, trained = _labels(home_truth(X), rng), int(0.875 * rows)
    home = HomeModel.fit(federated, X[:trained], y[:trained], X[trained:], y[trained:], seed)
    return World(federation, federated, X, y, trained, home)


def _labels(log_odds: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    return np.asarray(rng.random(len(log_odds)) < 1 / (1 + np.exp(-log_odds)), np.float64)


def _truths(
    rng: np.random.Generator, heavy: NDArray[np.bool_], levels: NDArray[np.int64]
) -> tuple[Callable[[NDArray[np.float32]], NDArray[np.float64]], ...]:
    """True log-odds of the others and at home: the same, plus at home an effect of its own in every second world."""
    k = len(heavy)
    forms, own_forms = rng.integers(0, len(FORMS), (2, k))
    weights, own_weights = rng.normal(size=(2, k)) * (rng.random(k) < 0.7)
    tables = [rng.normal(size=n + 1) for n in levels]
    pairs = [(*rng.choice(k, 2, replace=False), rng.normal()) for _ in range(int(rng.integers(0, 4)))]
    triple = rng.choice(k, 3, replace=False), rng.normal() * 0.3

    def standard(X: NDArray[np.float32]) -> NDArray[np.float64]:
        z = X[:, :k].astype(np.float64)
        z[:, heavy] = np.log(np.maximum(z[:, heavy], 1e-6)) - 1.5
        return np.asarray(np.nan_to_num(z, nan=-0.5), np.float64)

    def common(X: NDArray[np.float32]) -> NDArray[np.float64]:
        z = standard(X)
        out = sum(
            (w * FORMS[f](z[:, i]) for i, (w, f) in enumerate(zip(weights, forms, strict=True))), np.zeros(len(X))
        )
        for j, table in enumerate(tables):
            cell = X[:, k + j]
            out += 0.7 * table[np.where(np.isnan(cell), len(table) - 1, cell).astype(int)]
        for a, b, w in pairs:
            out += 0.6 * w * z[:, a] * z[:, b]
        (a, b, c), w = triple
        return np.asarray(out + w * np.sign(z[:, a]) * z[:, b] * (z[:, c] > 0), np.float64)

    def of_home(X: NDArray[np.float32]) -> NDArray[np.float64]:
        z = standard(X)
        return np.asarray(
            sum(
                (w * FORMS[f](z[:, i]) for i, (w, f) in enumerate(zip(own_weights, own_forms, strict=True))),
                np.zeros(len(X)),
            ),
            np.float64,
        )

    # Scaled on a sample of its own, so that signal and base rate are what was drawn.
    z = np.where(heavy, np.exp(1.5 + rng.normal(size=(4000, k))), rng.normal(size=(4000, k)))
    sample = np.hstack([z, np.stack([rng.integers(0, n, 4000) for n in levels], 1)] if len(levels) else [z])
    sample = sample.astype(np.float32)
    told, own = common(sample), of_home(sample)
    signal, base = rng.uniform(0.6, 1.8), rng.uniform(0.05, 0.5)
    difference = rng.choice([0.0, 0.25]) * signal / max(float(own.std()), 1e-9)
    scale, shift = signal / float(told.std()), np.log(base / (1 - base))

    def plain(X: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.asarray(shift + scale * (common(X) - told.mean()), np.float64)

    def at_home(X: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.asarray(plain(X) + difference * (of_home(X) - own.mean()), np.float64)

    return plain, at_home
