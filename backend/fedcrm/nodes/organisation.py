"""The open directory of one organisation's node: a ledger for each privacy unit, models, data, its service.

NODE/node.toml                configuration
NODE/units/UNIT/              a federation.Node: ledger, keys, journal; tasks of one unit share it
NODE/models/TASK/             what was adopted for a task
NODE/data/TASK/               the training data set last extracted
NODE/service/                 data directory of the prediction service
NODE/outgoing.jsonl           what left the organisation
NODE/nightly.json             how the nightly work stands
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from fedcrm.errors import FedCRMError, LedgerCorrupted, SettingsError
from fedcrm.federation import Node, NodeSettings
from fedcrm.files import directory_made_whole, write_atomically
from fedcrm.nodes.configuration import UNIT_OF_TASK, NodeConfiguration
from fedcrm.nodes.outgoing import OutgoingLog, PaidBy
from fedcrm.privacy import Charge
from fedcrm.service import Service, ServiceSettings, read_settings

__all__ = ["OrganisationNode"]


class OrganisationNode:
    """An open node directory; made by `create` and `open`."""

    def __init__(
        self, directory: Path, configuration: NodeConfiguration, units: Mapping[str, Node | LedgerCorrupted]
    ) -> None:
        self.directory, self.configuration = directory, configuration
        self.outgoing = OutgoingLog(directory / "outgoing.jsonl")
        self._units = units

    @classmethod
    def create(
        cls, directory: Path, configuration: NodeConfiguration, *, random_bytes: Callable[[int], bytes] = os.urandom
    ) -> OrganisationNode:
        """Make a node with its ledgers and its service's storage key, whole or not at all.

        Raises SettingsError where something is there already, StorageError where the disk refuses.
        """
        if directory.exists() and not (directory.is_dir() and not any(directory.iterdir())):
            raise SettingsError(f"{directory} exists already")
        with directory_made_whole(directory, mode=0o700) as building:
            write_atomically(building / "node.toml", configuration.to_toml().encode())
            for unit in configuration.units:
                (building / "units").mkdir(exist_ok=True)
                settings = NodeSettings(
                    configuration.organisation,
                    configuration.epsilon_budgets[unit],
                    configuration.delta,
                    unit,
                    configuration.period,
                )
                Node.create(building / "units" / unit, settings, random_bytes=random_bytes).close()
            for task in configuration.tasks:
                (building / "models" / task).mkdir(parents=True)
            (building / "data").mkdir()
            Service.make_storage_key(read_settings(data=building / configuration.service.data))
        return cls.open(directory)

    @classmethod
    def open(cls, directory: Path) -> OrganisationNode:
        """Open a node.

        Raises SettingsError where node.toml cannot be used or differs from what a ledger was made with, StorageError
        where a ledger or its keys are gone. A ledger that is broken is told by `books`: the others still work.
        """
        configuration = NodeConfiguration.read(directory / "node.toml")
        units: dict[str, Node | LedgerCorrupted] = {}
        try:
            for unit in configuration.units:
                units[unit] = _open_unit(directory, configuration, unit)
        except FedCRMError:
            _close(units)
            raise
        return cls(directory, configuration, units)

    def books(self, task: str) -> Node:
        """The ledger, keys and journal that a task's trainings are charged to; always the same object.

        Raises SettingsError for a task that is not this node's, LedgerCorrupted.
        """
        unit = self._units[UNIT_OF_TASK[self._own(task)]]
        if isinstance(unit, LedgerCorrupted):
            raise unit
        return unit

    def models(self, task: str) -> Path:
        """Directory of what was adopted for a task; it is there."""
        path = self.directory / "models" / self._own(task)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def data(self, task: str) -> Path:
        """Where the training data set of a task lies once it was extracted."""
        return self.directory / "data" / self._own(task)

    @property
    def service(self) -> Path:
        """Data directory of the organisation's prediction service."""
        return self.directory / self.configuration.service.data

    def service_settings(self) -> ServiceSettings:
        """Settings of that service. Raises SettingsError."""
        return read_settings(data=self.service)

    def note_outgoing(
        self,
        what: str,
        to: str,
        *,
        task: str | None = None,
        charge: Charge | None = None,
        key: str | None = None,
    ) -> None:
        """Write down durably that something left, before it does.

        task:   whose; needed with a charge.
        charge: what it cost, written down once; None where it cost no privacy.
        key:    names what has no charge, so that it is written down once.
        """
        paid = None
        if charge is not None:
            if task is None:
                raise SettingsError("a charge belongs to a task")
            unit = UNIT_OF_TASK[self._own(task)]
            paid, key = PaidBy.of(charge, unit, self.configuration.delta), f"{unit} {charge.sequence}"
        self.outgoing.append(what, to, task=task, charge=paid, key=key)

    def close(self) -> None:
        """Close the ledgers. Closing twice is harmless."""
        _close(self._units)

    def _own(self, task: str) -> str:
        if task not in self.configuration.tasks:
            known = ", ".join(self.configuration.tasks)
            raise SettingsError(f"{self.directory}: {task!r} is no task of this node; it has {known}")
        return task


def _open_unit(directory: Path, configuration: NodeConfiguration, unit: str) -> Node | LedgerCorrupted:
    place = directory / "units" / unit
    if not place.exists():
        raise SettingsError(
            f"{place} is missing; bring it back: made anew, it would offer a budget that was spent once more"
        )
    try:
        node = Node.open(place)
    except LedgerCorrupted as broken:
        return broken
    try:
        _compare(directory / "node.toml", configuration, unit, node, place)
    except SettingsError:
        node.close()
        raise
    return node


def _compare(path: Path, configuration: NodeConfiguration, unit: str, node: Node, place: Path) -> None:
    """Raise SettingsError where the file says something else than the ledger."""
    ledger, epsilon = node.ledger, configuration.epsilon_budgets[unit]
    for key, written, kept in (
        ("organisation", configuration.organisation, ledger.organisation),
        ("budget.period", configuration.period, ledger.period),
        (f"budget.{unit}", epsilon, ledger.epsilon_budget),
        ("budget.delta", configuration.delta, ledger.delta),
    ):
        if written != kept:
            if key == "organisation":
                remedy = "a ledger keeps its name"
            else:
                remedy = (
                    f"a new period is begun by `fedcrm budget renew --node {place} --period "
                    f"{configuration.period if configuration.period != ledger.period else 'NEW'} --epsilon {epsilon:g}`"
                )
            raise SettingsError(
                f"{path}: {key}: it says {written!r}, the ledger of {unit} {kept!r}; set it back, or {remedy}"
            )


def _close(units: Mapping[str, Node | LedgerCorrupted]) -> None:
    for unit in units.values():
        if isinstance(unit, Node):
            unit.close()
