"""The same training without channel, encryption or node: directly on the vectors, for comparison to the last bit.

Reads the data sets that lie in the nodes' directories, makes the schema from them anew, gives every organisation a
ledger of its own elsewhere, the same noise bytes, and adds the answers in plain. Used by the chain's test as well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from fedcrm.boosting import FederatedModel, Settings
from fedcrm.features import Part, join, load_data_set, schema_of, split, systems_of
from fedcrm.federation import (
    Coordinator,
    Node,
    NodeBooks,
    NodeSettings,
    Participant,
    PlainRounds,
    Records,
    TrainingTerms,
)
from fedcrm.federation.checkpoint import MemoryStore
from fedcrm.nodes import UNIT_OF_TASK, NodeConfiguration
from fedcrm.secagg import Identity, Roster

__all__ = ["seeded_noise", "train_directly"]


def seeded_noise(organisation: str) -> Callable[[int], bytes]:
    """Noise bytes that are the same each time: for comparisons only, they protect nobody."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256(organisation.encode()).digest(), "big")).bytes


def train_directly(
    directories: Sequence[Path],
    task: str,
    training: str,
    scratch: Path,
    *,
    epsilon: float = 8.0,
    seed: int = 1,
    settings: Settings | None = None,
    noise: Callable[[str], Callable[[int], bytes]] = seeded_noise,
) -> FederatedModel:
    """The model that `run_federation` must have trained over these nodes under the same noise.

    training: its name there (part of what is asked). epsilon: of the training, at most each node's budget. One row
    per privacy unit is assumed, as an extraction leaves it.
    """
    configurations = {}
    for directory in directories:
        configuration = NodeConfiguration.read(directory / "node.toml")
        configurations[configuration.organisation] = (directory, configuration)
    data = {name: load_data_set(at / "data" / task, task) for name, (at, _) in configurations.items()}
    schema = schema_of(join([systems_of(one) for one in data.values()], task).systems)
    coordinator, participants, identities = Identity.generate("coordinator"), {}, []
    with ExitStack() as stack:
        for number, (name, (_, configuration)) in enumerate(configurations.items()):
            unit = UNIT_OF_TASK[task]
            budget = configuration.epsilon_budgets[unit]
            books = Node.create(scratch / str(number), NodeSettings(name, budget, configuration.delta, unit, "2026"))
            stack.callback(books.close)
            identities.append(books.identity.public)
            parts = split(data[name], seed)
            participants[name] = Participant(
                books.identity,
                coordinator.public,
                Records(data[name], parts.rows(name, Part.TRAIN), parts.rows(name, Part.VALIDATION), as_of=0.0),
                NodeBooks(books),
                books.journal,
                training=training,
                epsilon=min(epsilon, budget),
                random_bytes=noise(name),
            )
        terms = TrainingTerms(training, task, schema, learner=settings or Settings())
        chair = Coordinator(terms, MemoryStore())
        invitation = chair.invitation(Roster(coordinator.public, tuple(identities)).to_bytes())
        reports = {name: participant.report(invitation) for name, participant in participants.items()}
        agreement = chair.agree(reports)
        for participant in participants.values():
            participant.agree(agreement)
        return chair.train(reports, agreement, PlainRounds(participants))
