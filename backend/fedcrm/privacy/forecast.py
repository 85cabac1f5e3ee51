"""What is left of a period: how many trainings of which epsilon, and how many rounds of those under way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fedcrm.privacy.accountant import Cost
from fedcrm.privacy.budget import ROUNDING, TrainingBudget
from fedcrm.privacy.events import GaussianRelease
from fedcrm.privacy.ledger import Ledger

__all__ = ["RoundsLeft", "TrainingsLeft", "largest_training", "rounds_left", "trainings_left"]


@dataclass(frozen=True, slots=True)
class TrainingsLeft:
    """How many whole trainings of an epsilon still fit, and which allowance runs out first."""

    epsilon: float
    trainings: int
    limited_by: str


@dataclass(frozen=True, slots=True)
class RoundsLeft:
    """A training under way: what it has spent of its epsilon, and rounds like its last one that it can still pay."""

    training: str
    epsilon: float
    epsilon_spent: float
    rounds: int


def trainings_left(period: TrainingBudget, spent: Cost, epsilon: float) -> TrainingsLeft:
    """Trainings of `epsilon`, planned as Ledger.plan_training does, that fit what is left of a period."""
    one, limits = TrainingBudget.part_of(period, epsilon).limits, period.limits
    fits = {
        name: int(max(limit * (1 + ROUNDING) - used, 0.0) / price)
        for name, price, used, limit in (
            ("gaussian noise", one.mu_squared, spent.mu_squared, limits.mu_squared),
            ("counts and statistics", one.pure_epsilon, spent.pure_epsilon, limits.pure_epsilon),
            ("delta", one.delta, spent.delta, limits.delta),
            ("samples", one.samples, spent.samples, limits.samples),
        )
        if price > 0
    }
    scarcest = min(fits, key=lambda name: fits[name])
    return TrainingsLeft(epsilon, fits[scarcest], scarcest)


def largest_training(period: TrainingBudget, spent: Cost) -> float:
    """Epsilon of the largest training that still fits, to a thousandth, rounded down; 0 where none does."""
    if trainings_left(period, spent, period.epsilon).trainings >= 1:
        return period.epsilon
    low, high = 0, int(period.epsilon * 1000)
    while low < high:
        middle = (low + high + 1) // 2
        if trainings_left(period, spent, middle / 1000).trainings >= 1:
            low = middle
        else:
            high = middle - 1
    return low / 1000


def rounds_left(ledger: Ledger) -> tuple[RoundsLeft, ...]:
    """Every training opened in this ledger, oldest first; rounds as far as its own and the period's limit allow."""
    charges: Iterable[tuple[str, float]] = [
        (charge.training, charge.event.cost.mu_squared)
        for charge in ledger
        if isinstance(charge.event, GaussianRelease) and not charge.reserve
    ]
    last = dict(charges)
    period = ledger.spent()
    found = []
    for name in ledger.trainings():
        budget, spent = ledger.budget(name), ledger.spent(name)
        own = budget.learning_mu**2 - (spent.cost.mu_squared - ledger.reserve_spent(name).mu_squared)
        room = min(own, period.limits.mu_squared - period.cost.mu_squared)
        price = last.get(name)
        rounds = 0 if price is None else int(max(room + ROUNDING * budget.mu**2, 0.0) / price)
        found.append(RoundsLeft(name, budget.epsilon, spent.epsilon, rounds))
    return tuple(found)
