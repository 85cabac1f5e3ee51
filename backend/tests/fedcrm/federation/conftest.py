"""A made-up federation: a few organisations with a known signal, nodes in a temporary directory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from fedcrm.boosting import Settings
from fedcrm.features import DataSet, Part, Split, propose_schema, split
from fedcrm.features.description import Description, PublicCategories, PublicRange
from fedcrm.federation import (
    Coordinator,
    CoordinatorStore,
    LocalChannel,
    Node,
    NodeBooks,
    NodeSettings,
    Participant,
    Records,
    TrainingTerms,
)
from fedcrm.secagg import Identity, Roster

NAMES = ("Northwind", "Contoso", "Fabrikam", "Adventure/Works", "Litware")


def made_up_data(sizes: dict[str, int], *, seed: int = 0, public: bool = True, **roles: list[object]) -> DataSet:
    """Organisations with a visit count, a plan and a score; a record is positive more often with few visits."""
    rng = np.random.default_rng(seed)
    n = sum(sizes.values())
    visits = rng.integers(0, 60, n)
    plan = rng.choice(["monthly", "yearly", "trial"], n, p=[0.5, 0.3, 0.2])
    score = rng.normal(size=n).round(3)
    margin = 1.2 - 0.08 * visits + 1.0 * (plan == "trial") + 0.7 * np.tanh(score)
    label = np.where(rng.random(n) < 1 / (1 + np.exp(-margin)), "yes", "no")
    description = Description(
        name="made_up",
        task="churn",
        label="left",
        positive=frozenset({"yes"}),
        numeric=("visits", "score"),
        ranges={"visits": PublicRange(0, 60), "score": PublicRange(-4, 4)} if public else {},
        categories={"plan": PublicCategories(("monthly", "yearly", "trial"))} if public else {},
        activity_date="touched" if "touched" in roles else None,
        label_source="source" if "source" in roles else None,
    )
    participant = [name for name, size in sizes.items() for _ in range(size)]
    columns = {"visits": visits, "plan": plan, "score": score, "left": label, **roles}
    return DataSet.from_columns(description, {k: list(v) for k, v in columns.items()}, participant)


@dataclass
class Federation:
    """Everything a training needs, in one place. `participants()` starts the clients anew, as after a restart."""

    home: Path
    data: DataSet
    parts: Split
    identity: Identity
    nodes: dict[str, Node]
    epsilon: dict[str, float]
    settings: Settings
    training: str = "spring"

    @property
    def roster(self) -> Roster:
        return Roster(self.identity.public, tuple(node.identity.public for node in self.nodes.values()))

    def records(self, name: str) -> Records:
        return Records(
            self.data, self.parts.rows(name, Part.TRAIN), self.parts.rows(name, Part.VALIDATION), as_of=20_000.0
        )

    def participants(self, **arguments: object) -> dict[str, Participant]:
        return {
            name: Participant(
                node.identity,
                self.identity.public,
                self.records(name),
                NodeBooks(node),
                node.journal,
                training=self.training,
                epsilon=self.epsilon[name],
                **arguments,  # type: ignore[arg-type]  # a test's own byte source
            )
            for name, node in self.nodes.items()
        }

    def channel(self, **arguments: object) -> LocalChannel:
        return LocalChannel(self.participants(), **arguments)  # type: ignore[arg-type]  # faults of a test

    def coordinator(self, store: CoordinatorStore) -> Coordinator:
        terms = TrainingTerms(self.training, "churn", propose_schema(self.data), learner=self.settings)
        return Coordinator(terms, store)

    def store(self) -> CoordinatorStore:
        return CoordinatorStore(self.home / "coordinator.sqlite")

    def reopen(self) -> None:
        """What a restart leaves: the files."""
        for name, node in self.nodes.items():
            node.close()
            self.nodes[name] = Node.open(node.directory)


QUICK = Settings(main_rounds=2, free_rounds=1, pair_rounds=0, pair_signal=1e18, compact_signal=0.0)
"""Two rounds over fields and no pairs: enough for every step of the protocol."""

COMPACT = Settings(compact_rounds=2, compact_signal=1e18)
"""The same by the other learner."""


@pytest.fixture
def federate(tmp_path: Path) -> Callable[..., Federation]:
    """Make a federation of n organisations with so many rows each."""
    made: list[Federation] = []

    def make(
        n: int = 4,
        rows: int = 300,
        epsilon: float = 8.0,
        budget: float | None = None,
        public: bool = True,
        compact: bool = False,
    ) -> Federation:
        sizes = dict.fromkeys(NAMES[:n], rows)
        data = made_up_data(sizes, public=public)
        nodes = {
            name: Node.create(
                tmp_path / f"node{i}",
                NodeSettings(name, budget or epsilon, 1e-5, "record", "2026"),
            )
            for i, name in enumerate(sizes)
        }
        made.append(
            Federation(
                tmp_path,
                data,
                split(data, seed=1),
                Identity.generate("coordinator"),
                nodes,
                dict.fromkeys(sizes, epsilon),
                COMPACT if compact else QUICK,
            )
        )
        return made[-1]

    yield make
    for federation in made:
        for node in federation.nodes.values():
            node.close()
