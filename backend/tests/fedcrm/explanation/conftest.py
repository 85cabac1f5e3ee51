"""A small federation, an organisation at home in it, and its explainers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray

from fedcrm.boosting import FederatedModel, HomeModel
from fedcrm.explanation import Calibration, Explainer, Meaning, Moves, prepare

from ..boosting.conftest import Federation, make_federation, train

# Machines that run several suites at once are slow, not wrong.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

MEANINGS = {
    "amount": Meaning("Amount", moves=Moves.BOTH),
    "channel": Meaning("Channel", moves=Moves.BOTH, choices=("level 0", "level 1")),
    "age": Meaning("Age"),
}


@dataclass(frozen=True)
class World:
    federation: Federation
    federated: FederatedModel
    X: NDArray[np.float32]
    y: NDArray[np.float64]
    trained: int
    home: HomeModel


def make_world(rows: int = 320, seed: int = 0, sizes: tuple[int, ...] = (300, 900, 1600, 3000)) -> World:
    """One organisation of `rows` rows; the last eighth judged and was never seen by the federation."""
    federation = make_federation(sizes, seed=seed)
    federated = train(federation, 1.67, seed=seed)[0].model()
    small = make_federation((rows, 400), seed=21 + seed)
    X, y, n = small.X[0], small.y[0], int(0.875 * rows)
    return World(federation, federated, X, y, n, HomeModel.fit(federated, X[:n], y[:n], X[n:], y[n:], seed))


@pytest.fixture(scope="session")
def world() -> World:
    return make_world()


@pytest.fixture(scope="session")
def explainer_of(world: World) -> Callable[[str], Explainer]:
    made: dict[str, Explainer] = {}

    def make(kind: str) -> Explainer:
        if kind not in made:
            model = {"federated": world.federated, "personal": world.home.personal, "local": world.home.local}[kind]
            fresh = np.arange(len(world.y)) >= world.trained
            margin = world.federated.margin(world.X) if kind == "federated" else model.oof  # type: ignore[union-attr]  # home models have one
            made[kind] = prepare(
                model,
                world.federation.schema,
                world.X,
                world.y,
                Calibration.fit(np.where(fresh, margin, np.nan), world.y),
                MEANINGS,
                better=1,
                rng=np.random.default_rng(0),
            )
        return made[kind]

    return make


@pytest.fixture(params=["federated", "personal", "local"])
def explainer(request: pytest.FixtureRequest, explainer_of: Callable[[str], Explainer]) -> Explainer:
    return explainer_of(request.param)
