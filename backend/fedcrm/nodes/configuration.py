"""`node.toml`: what one organisation's node is for, in a file that its administrator reads and edits.

Budget, unit and period stand in the ledgers as well, where they cannot be edited; `OrganisationNode.open` holds the
file to them.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import tomlkit

from fedcrm.errors import SettingsError
from fedcrm.federation import directory_name
from fedcrm.privacy import TrainingBudget

__all__ = ["UNIT_OF_TASK", "NightlySettings", "NodeConfiguration", "ServicePlace"]

UNIT_OF_TASK: Mapping[str, str] = {
    "churn": "account",
    "opportunity_win": "opportunity",
    "lead_conversion": "lead",
    "case_escalation": "case",
}
"""What a privacy unit of each task is; tasks of one unit share a ledger."""

_UNITS = tuple(dict.fromkeys(UNIT_OF_TASK.values()))
_ALIAS = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ServicePlace:
    """Where this organisation's prediction service is. data: relative to the node's directory, or absolute."""

    data: Path = Path("service")
    host: str = "127.0.0.1"
    port: int = 8443


@dataclass(frozen=True, slots=True)
class NightlySettings:
    """How the nightly work is done.

    patience_hours: to wait for a run of the org, at most, > 0.
    change:         points by which a score must have moved to be written again, >= 0.
    top:            of entities without a score, only so many with the highest; None: all.
    fresh_hours:    how old scores may be before they count as stale, > 0.
    """

    patience_hours: float = 6.0
    change: float = 1.0
    top: int | None = None
    fresh_hours: float = 36.0


@dataclass(frozen=True)
class NodeConfiguration:
    """One organisation's node.

    org:             alias in the registry of orgs. orgs: directory of that registry, absolute.
    epsilon_budgets: of the first governance period, by privacy unit; one for each unit of the tasks.
    period, delta:   of every ledger.
    """

    organisation: str
    org: str
    orgs: Path
    tasks: tuple[str, ...]
    period: str
    epsilon_budgets: Mapping[str, float]
    delta: float = 1e-5
    service: ServicePlace = field(default_factory=ServicePlace)
    nightly: NightlySettings = field(default_factory=NightlySettings)

    def __post_init__(self) -> None:
        _check(self)

    @property
    def units(self) -> tuple[str, ...]:
        """Privacy units of the tasks, each once."""
        return tuple(dict.fromkeys(UNIT_OF_TASK[task] for task in self.tasks))

    def to_toml(self) -> str:
        """The file, with a word about every line."""
        budgets = "".join(f"{unit} = {float(self.epsilon_budgets[unit])!r}\n" for unit in self.epsilon_budgets)
        top = "# top = 5000" if self.nightly.top is None else f"top = {self.nightly.top}"
        return _TEMPLATE.format(
            organisation=_quoted(self.organisation),
            org=_quoted(self.org),
            orgs=_quoted(str(self.orgs)),
            tasks=f"[{', '.join(map(_quoted, self.tasks))}]",
            known=", ".join(UNIT_OF_TASK),
            period=_quoted(self.period),
            delta=repr(float(self.delta)),
            budgets=budgets,
            data=_quoted(str(self.service.data)),
            host=_quoted(self.service.host),
            port=self.service.port,
            patience=repr(float(self.nightly.patience_hours)),
            change=repr(float(self.nightly.change)),
            top=top,
            fresh=repr(float(self.nightly.fresh_hours)),
        )

    @classmethod
    def read(cls, path: Path) -> NodeConfiguration:
        """Inverse of to_toml. Raises SettingsError, naming the file and the line's key."""
        try:
            raw = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
        except FileNotFoundError as error:
            raise SettingsError(f"{path.parent} is no organisation's node: `fedcrm node init` makes one") from error
        except OSError as error:
            raise SettingsError(f"{path}: cannot be read ({error.strerror})") from error
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise SettingsError(f"{path}: not TOML: {error}") from error
        try:
            return _configuration(raw, path.parent)
        except SettingsError as error:
            raise SettingsError(f"{path}: {error}") from error


_TEMPLATE = """\
# The FedCRM node of one organisation. `fedcrm node run` does its nightly work, `fedcrm node status` tells how it
# stands. Nothing in this file is secret: keys lie sealed where `orgs` says and in units/*/keys.

organisation = {organisation}   # its name, as the other organisations of the federation see it
org = {org}   # alias of its Salesforce org: `fedcrm org list`
orgs = {orgs}   # where that alias is registered
tasks = {tasks}   # what is learned and scored; known: {known}

# Privacy budget. Smaller epsilon is stronger. These lines repeat what the ledgers in units/ were made with: changing
# them here changes nothing, and the node says so. `fedcrm budget renew` begins a new period; then write it here too.
[budget]
period = {period}   # governance period that charges go to
delta = {delta}   # slack of every epsilon, at most one in the number of records
# epsilon of one entity in that period, by what the entity is
{budgets}
# Where this organisation's prediction service is. `fedcrm serve --data` takes the same directory.
[service]
data = {data}   # relative to this file
host = {host}
port = {port}

[nightly]
patience_hours = {patience}   # to wait for a run of the org, at most
change = {change}   # points by which a score must have moved to be written again
{top}   # of entities without a score, only so many with the highest; without this line: all
fresh_hours = {fresh}   # older scores count as stale
"""


def _quoted(text: str) -> str:
    return tomlkit.item(text).as_string()


# --- checking --------------------------------------------------------------------------------------


def _check(wanted: NodeConfiguration) -> None:
    """Raise SettingsError with the key of the first line that makes no sense."""
    try:
        directory_name(wanted.organisation)
    except SettingsError as error:
        raise SettingsError(f"organisation: {error}") from error
    if not wanted.organisation.isprintable():
        raise SettingsError("organisation: a name has no control characters")
    if not _ALIAS.fullmatch(wanted.org):
        raise SettingsError(f"org: {wanted.org!r} is no alias: letters, digits, - and _, at most 64")
    if not wanted.tasks:
        raise SettingsError("tasks: name at least one")
    for task in wanted.tasks:
        if task not in UNIT_OF_TASK:
            raise SettingsError(f"tasks: {task!r} is no task; known: {', '.join(UNIT_OF_TASK)}")
    if len(set(wanted.tasks)) < len(wanted.tasks):
        raise SettingsError("tasks: one of them is named twice")
    if not wanted.period.strip():
        raise SettingsError("budget.period: a period has a name")
    for unit, epsilon in wanted.epsilon_budgets.items():
        if unit not in _UNITS:
            raise SettingsError(f"budget.{unit}: no such line; units are {', '.join(_UNITS)}")
        try:
            TrainingBudget.plan(epsilon, wanted.delta)
        except SettingsError as error:
            raise SettingsError(f"budget.{unit}: {error}") from error
    for unit in wanted.units:
        if unit not in wanted.epsilon_budgets:
            raise SettingsError(f"budget.{unit}: missing; it is the epsilon of one {unit} in a period")
    if not 0 <= wanted.service.port <= 65535:
        raise SettingsError(f"service.port: {wanted.service.port} is no port")
    nightly = wanted.nightly
    for key, value, fits in (
        ("patience_hours", nightly.patience_hours, nightly.patience_hours > 0),
        ("change", nightly.change, nightly.change >= 0),
        ("fresh_hours", nightly.fresh_hours, nightly.fresh_hours > 0),
    ):
        if not (fits and math.isfinite(value)):
            raise SettingsError(f"nightly.{key}: {value:g} is out of range")
    if nightly.top is not None and nightly.top < 0:
        raise SettingsError(f"nightly.top: {nightly.top} is out of range")


def _configuration(raw: dict[str, Any], directory: Path) -> NodeConfiguration:
    _only(raw, "", ("organisation", "org", "orgs", "tasks", "budget", "service", "nightly"))
    budget = _table(raw, "budget")
    service, nightly = _table(raw, "service"), _table(raw, "nightly")
    _only(budget, "budget.", ("period", "delta", *_UNITS))
    _only(service, "service.", ("data", "host", "port"))
    _only(nightly, "nightly.", ("patience_hours", "change", "top", "fresh_hours"))
    place, settings = ServicePlace(), NightlySettings()
    return NodeConfiguration(
        organisation=_value(raw, "", "organisation", _text),
        org=_value(raw, "", "org", _text),
        orgs=directory / _value(raw, "", "orgs", _path),
        tasks=_value(raw, "", "tasks", _texts),
        period=_value(budget, "budget.", "period", _text),
        epsilon_budgets={u: _value(budget, "budget.", u, _number) for u in budget if u in _UNITS},
        delta=_value(budget, "budget.", "delta", _number, 1e-5),
        service=ServicePlace(
            data=_value(service, "service.", "data", _path, place.data),
            host=_value(service, "service.", "host", _text, place.host),
            port=_value(service, "service.", "port", _whole, place.port),
        ),
        nightly=NightlySettings(
            patience_hours=_value(nightly, "nightly.", "patience_hours", _number, settings.patience_hours),
            change=_value(nightly, "nightly.", "change", _number, settings.change),
            top=_value(nightly, "nightly.", "top", _whole) if "top" in nightly else None,
            fresh_hours=_value(nightly, "nightly.", "fresh_hours", _number, settings.fresh_hours),
        ),
    )


def _only(raw: Mapping[str, object], prefix: str, known: Iterable[str]) -> None:
    for key in raw:
        if key not in known:
            raise SettingsError(f"{prefix}{key}: no such line; known: {', '.join(known)}")


def _table(raw: Mapping[str, Any], key: str) -> dict[str, Any]:
    table = raw.get(key, {})
    if not isinstance(table, dict):
        raise SettingsError(f"{key}: a section [{key}] is meant")
    return table


def _value(
    raw: Mapping[str, object], prefix: str, key: str, convert: Callable[[object], T], default: T | None = None
) -> T:
    if key not in raw:
        if default is None:
            raise SettingsError(f"{prefix}{key}: missing")
        return default
    try:
        return convert(raw[key])
    except (TypeError, RuntimeError) as error:
        raise SettingsError(f"{prefix}{key}: {error}") from error


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a text in quotes is meant")
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError('a list is meant: ["churn", "case_escalation"]')
    return tuple(_text(one) for one in value)


def _path(value: object) -> Path:
    return Path(_text(value)).expanduser()  # RuntimeError for a user without a home


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("a number is meant")
    return float(value)


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError("a whole number is meant")
    return value
