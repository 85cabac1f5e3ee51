"""Where a participant charges and remembers: its node's ledger, or a simulation's running sum.

A participant draws no noise but through its books, so that nothing can be drawn that was not charged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fedcrm.errors import BudgetExceeded
from fedcrm.federation.node import Node
from fedcrm.privacy import Cost, Event, TrainingBudget, release_once

__all__ = ["Books", "NodeBooks", "SimulatedBooks"]


class Books(Protocol):
    """Charging, resending and remembering of one participant."""

    def plan(self, training: str, epsilon: float, *, unit_rows: int) -> TrainingBudget:
        """Open a training under the period's limit; again with the same terms changes nothing."""

    def charge(self, training: str, key: str, event: Event) -> None:
        """Durable before it returns; the same key and event again cost nothing. Raises BudgetExceeded."""

    def release(
        self, training: str, round_number: int, key: str, event: Event | None, draw: Callable[[], NDArray[np.int64]]
    ) -> NDArray[np.int64]:
        """Charge, draw, persist and return the noisy integers; for a known key return the ones sent before."""

    def admit(self, training: str, round_number: int, attempt: int, key: str) -> None:
        """Count an attempt asked by the coordinator. Raises TrainingStopped past the cap."""

    def close_round(self, training: str, round_number: int) -> None:
        """Forget the round's noisy integers; nothing is drawn under its charges again."""

    def remember(self, training: str, name: str, value: bytes) -> bytes:
        """Store a value once, durably; the first one stands and is returned."""

    def recall(self, training: str, name: str) -> bytes | None:
        """What was remembered, or None."""


class NodeBooks:
    """The books of a node: everything durable, in one database."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._begun: set[str] = set()

    def plan(self, training: str, epsilon: float, *, unit_rows: int) -> TrainingBudget:
        """See Books."""
        if training not in self._begun:
            self._begun.add(training)
            self._forgive_interrupted(training)
        ledger = self._node.ledger
        if training in ledger.trainings():
            return ledger.budget(training)
        budget = ledger.plan_training(epsilon, unit_rows=unit_rows)
        ledger.open_training(training, budget)
        return budget

    def charge(self, training: str, key: str, event: Event) -> None:
        """See Books."""
        self._node.ledger.charge(event, training=training, key=key)

    def release(
        self, training: str, round_number: int, key: str, event: Event | None, draw: Callable[[], NDArray[np.int64]]
    ) -> NDArray[np.int64]:
        """See Books. A round's first charge is planned; every further one is a retry and draws on the reserve."""
        first = self._node.journal.remember(training, f"round {round_number} key", key.encode()).decode()

        def once(*, reserve: bool) -> NDArray[np.int64]:
            return release_once(
                self._node.ledger,
                self._node.answers,
                training=training,
                round_name=str(round_number),
                key=key,
                event=event,
                draw=draw,
                reserve=reserve,
            )

        if first == key:
            return once(reserve=False)
        try:
            return once(reserve=True)
        except BudgetExceeded as refused:
            if refused.scope != "reserve":
                raise
        # The reserve is gone: the retry is paid from what later rounds would have used, so there are fewer of them.
        return once(reserve=False)

    def admit(self, training: str, round_number: int, attempt: int, key: str) -> None:
        """See Books."""
        charges = self._node.ledger.charged(key) is None
        self._node.cap.admit(
            training, str(round_number), _attempt_name(training, round_number, attempt), charges=charges
        )

    def _forgive_interrupted(self, training: str) -> None:
        """Once a process: the attempt its predecessor was in, if it ended before it answered, was our own fault.

        An invitation that comes again forgives nothing: that is in the coordinator's hands.
        """
        latest = self._node.journal.latest(training)
        if latest is not None and not self._node.journal.answered(training, *latest):
            self._node.cap.forgive(training, str(latest[0]), _attempt_name(training, *latest))

    def close_round(self, training: str, round_number: int) -> None:
        """See Books."""
        self._node.answers.close_round(training, str(round_number))

    def remember(self, training: str, name: str, value: bytes) -> bytes:
        """See Books."""
        return self._node.journal.remember(training, name, value)

    def recall(self, training: str, name: str) -> bytes | None:
        """See Books."""
        return self._node.journal.recall(training, name)


def _attempt_name(training: str, round_number: int, attempt: int) -> str:
    return f"{training}/{round_number}/{attempt}"


class SimulatedBooks:
    """Books of a simulated participant: the same limits and refusals, in memory, for evaluations only."""

    def __init__(self, organisation: str, *, delta: float = 1e-5) -> None:
        self._organisation, self._delta = organisation, delta
        self._budgets: dict[str, TrainingBudget] = {}
        self._costs: dict[str, Cost] = {}
        self._charged: dict[str, Event] = {}
        self._sent: dict[str, NDArray[np.int64]] = {}
        self._values: dict[tuple[str, str], bytes] = {}

    def plan(self, training: str, epsilon: float, *, unit_rows: int) -> TrainingBudget:
        """See Books."""
        if training not in self._budgets:
            self._budgets[training] = TrainingBudget.plan(epsilon, self._delta, unit_rows=unit_rows)
            self._costs[training] = Cost()
        return self._budgets[training]

    def charge(self, training: str, key: str, event: Event) -> None:
        """See Books."""
        if key in self._charged:
            return
        budget = self._budgets[training]
        cost = self._costs[training] + event.cost
        if (would_be := cost.epsilon(self._delta)) > budget.epsilon * (1 + 1e-9):
            raise BudgetExceeded(organisation=self._organisation, would_be=would_be, limit=budget.epsilon)
        self._costs[training], self._charged[key] = cost, event

    def release(
        self, training: str, round_number: int, key: str, event: Event | None, draw: Callable[[], NDArray[np.int64]]
    ) -> NDArray[np.int64]:
        """See Books."""
        del round_number
        if event is not None:
            self.charge(training, key, event)
        if key not in self._sent:
            self._sent[key] = draw()
        return self._sent[key]

    def admit(self, training: str, round_number: int, attempt: int, key: str) -> None:
        """A simulation has no cap."""

    def close_round(self, training: str, round_number: int) -> None:
        """See Books."""
        del training, round_number
        self._sent.clear()

    def remember(self, training: str, name: str, value: bytes) -> bytes:
        """See Books."""
        return self._values.setdefault((training, name), value)

    def recall(self, training: str, name: str) -> bytes | None:
        """See Books."""
        return self._values.get((training, name))

    def epsilon(self, training: str) -> float:
        """Quoted epsilon spent in a training."""
        return self._costs[training].epsilon(self._delta)
