"""How a node stands, from its own directory alone: the org is not asked, and nothing of it leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from fedcrm.errors import FedCRMError, LedgerCorrupted
from fedcrm.nodes.configuration import UNIT_OF_TASK
from fedcrm.nodes.nightly_state import DataSetFacts, Failure, Night, ScoreFacts
from fedcrm.nodes.organisation import OrganisationNode
from fedcrm.nodes.serving import facts_by_task
from fedcrm.privacy import largest_training
from fedcrm.salesforce import Orgs, Purpose
from fedcrm.service import ModelFacts

__all__ = ["NodeStatus", "TaskStatus", "UnitStatus", "status_of"]


@dataclass(frozen=True, slots=True)
class UnitStatus:
    """A ledger: epsilon of the period, spent of it, the largest training that still fits. broken: what is wrong."""

    unit: str
    epsilon_budget: float
    epsilon_spent: float | None
    largest_training: float | None
    charges: int | None
    broken: str | None


@dataclass(frozen=True, slots=True)
class TaskStatus:
    """A task.

    data, scores: the last that succeeded. score_hours: age of the scores. fresh: younger than the file allows.
    serving:      what scores now; None where nothing was published.
    failures:     of the last night, by purpose.
    """

    task: str
    unit: str
    data: DataSetFacts | None
    serving: ModelFacts | None
    scores: ScoreFacts | None
    score_hours: float | None
    fresh: bool
    failures: Mapping[str, Failure]


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """A node.

    orgs: where its org is registered. org_id: None before the pairing.
    night: the last; None before the first. sent: lines of the log of what left.
    """

    organisation: str
    org: str
    orgs: str
    org_id: str | None
    period: str
    units: tuple[UnitStatus, ...]
    tasks: tuple[TaskStatus, ...]
    night: Night | None
    sent: int
    problems: tuple[str, ...]


def status_of(node: OrganisationNode, now: datetime) -> NodeStatus:
    """Everything that the directory tells.

    problems: a line each for what somebody should look after, with the remedy. Raises StorageError where the state
    of the nightly work cannot be read.
    """
    configuration = node.configuration
    night = Night.read(node.directory / "nightly.json")
    problems: list[str] = []
    org_id, serving = None, {}
    try:
        org_id = Orgs.open(configuration.orgs).pairing(configuration.org).require().org_id
        serving = dict(facts_by_task(node, str(org_id)))
    except FedCRMError as error:
        problems.append(str(error))
    units = tuple(_unit(node, unit) for unit in configuration.units)
    problems += [f"ledger of {unit.unit}: {unit.broken}" for unit in units if unit.broken]
    tasks = tuple(_task(node, night, serving.get(task), task, now) for task in configuration.tasks)
    for task in tasks:
        problems += [f"{task.task}, {purpose}: {failure.line}" for purpose, failure in task.failures.items()]
        if task.serving is not None and not task.fresh:
            age = "were never brought" if task.score_hours is None else f"are {task.score_hours:.0f} hours old"
            problems.append(f"{task.task}: scores {age}; run `fedcrm node run --node {node.directory}` every night")
    return NodeStatus(
        configuration.organisation,
        configuration.org,
        str(configuration.orgs),
        org_id,
        configuration.period,
        units,
        tasks,
        night,
        sum(1 for _ in node.outgoing),
        tuple(dict.fromkeys(problems)),
    )


def _unit(node: OrganisationNode, unit: str) -> UnitStatus:
    budget = node.configuration.epsilon_budgets[unit]
    task = next(task for task in node.configuration.tasks if UNIT_OF_TASK[task] == unit)
    try:
        ledger = node.books(task).ledger
    except LedgerCorrupted as broken:
        return UnitStatus(unit, budget, None, None, None, str(broken))
    spent = ledger.spent()
    largest = largest_training(ledger.period_budget, spent.cost)
    return UnitStatus(unit, budget, spent.epsilon, largest, spent.charges, None)


def _task(
    node: OrganisationNode, night: Night | None, serving: ModelFacts | None, task: str, now: datetime
) -> TaskStatus:
    jobs = {} if night is None else {purpose: night.job(task, purpose) for purpose in Purpose}
    data = jobs[Purpose.TRAINING].data if jobs else None
    scores = jobs[Purpose.SCORING].scores if jobs else None
    hours = None if scores is None else (now - datetime.fromisoformat(scores.at)).total_seconds() / 3600
    fresh = hours is not None and hours <= node.configuration.nightly.fresh_hours
    failures = {purpose.value.lower(): job.failure for purpose, job in jobs.items() if job.failure is not None}
    return TaskStatus(task, UNIT_OF_TASK[task], data, serving, scores, hours, fresh, failures)
