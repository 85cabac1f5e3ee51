"""`fedcrm node`: one organisation's node, made, run every night, looked after."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from fedcrm.cli.org import DEFAULT_ORGS, OrgsOption
from fedcrm.errors import SettingsError
from fedcrm.nodes import (
    UNIT_OF_TASK,
    Night,
    Nightly,
    NodeConfiguration,
    NodeStatus,
    OrganisationNode,
    planned_steps,
    status_of,
)
from fedcrm.salesforce import Orgs

__all__ = ["node"]

node = typer.Typer(no_args_is_help=True, help="One organisation's node: make it, run its nightly work, look after it.")

NodeOption = Annotated[Path, typer.Option("--node", metavar="DIR", help="The organisation's node directory.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object instead of words.")]


@node.command()
def init(
    directory: NodeOption,
    organisation: Annotated[str, typer.Option(help="Its name, as the other organisations see it.")],
    org: Annotated[
        str, typer.Option("--org", metavar="ALIAS", help="Its Salesforce org, as `fedcrm org add` knows it.")
    ],
    task: Annotated[list[str], typer.Option("--task", metavar="NAME", help="Learned and scored; several times.")],
    epsilon_budget: Annotated[
        list[str],
        typer.Option(metavar="EPSILON", help="Of one entity in the period; smaller is stronger. case=4: of a unit."),
    ],
    period: Annotated[str, typer.Option(help="Name of the first governance period.")],
    delta: Annotated[float, typer.Option(help="Slack of every epsilon.")] = 1e-5,
    orgs: OrgsOption = DEFAULT_ORGS,
) -> None:
    """Make a node with its ledgers and its configuration file, whole or not at all."""
    place = directory.absolute()
    if (place / "node.toml").exists():
        raise SettingsError(f"{directory} exists already: `fedcrm node status --node {directory}`")
    registry = orgs.absolute()
    Orgs.open(registry).get(org)
    configuration = NodeConfiguration(
        organisation, org, registry, tuple(task), period, _budgets(epsilon_budget, task), delta
    )
    OrganisationNode.create(place, configuration).close()
    _say(f"{organisation}: a node in {directory}; its configuration is {directory / 'node.toml'}.")
    _say("Next:")
    steps = [
        f"fedcrm org pair {org}{_orgs_words(orgs)}",
        "fedcrm schema check, then apply (docs/admin-guide.md)",
    ]
    for number, step in enumerate([*steps, f"fedcrm node run --node {directory}"], start=1):
        _say(f"  {number}. {step}")


@node.command()
def run(
    directory: NodeOption,
    task: Annotated[list[str] | None, typer.Option("--task", metavar="NAME", help="Only these.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done; touch nothing.")] = False,
) -> None:
    """Do the nightly work: read the org, refresh the training data sets, score and write back, tidy up.

    For cron or a systemd timer. May be killed at any moment; the next run goes on with the next step. What fails is
    told, a line each, and does not stop the rest; the exit status is then 1.
    """
    with _open(directory) as opened:
        if dry_run:
            for line in planned_steps(opened, tuple(task or ()), now=datetime.now(UTC)):
                _say(line)
            return
        night = Nightly(opened, _say, tuple(task or ())).run()
    failures = [each for each in night.failures if not task or each[0] in task]
    for name, purpose, failure in failures:
        typer.echo(f"fedcrm: {name}, {purpose.value.lower()}: {failure.line}", err=True)
    if failures:
        raise typer.Exit(1)


@node.command()
def status(
    directory: NodeOption,
    as_json: JsonOption = False,
    check: Annotated[bool, typer.Option("--check", help="Exit status 1 where something needs looking after.")] = False,
) -> None:
    """How the node stands: runs, data sets, budget, what serves, age of the scores, what failed and the remedy."""
    with _open(directory) as opened:
        found = status_of(opened, datetime.now(UTC))
    if as_json:
        typer.echo(json.dumps(_json_of(found), indent=1, ensure_ascii=False, allow_nan=False))
    else:
        _show(found)
    if check and found.problems:
        raise typer.Exit(1)


@node.command()
def outgoing(directory: NodeOption, as_json: JsonOption = False) -> None:
    """What left the organisation, to whom, and which charge of which ledger paid for it."""
    with _open(directory) as opened:
        lines = list(opened.outgoing)
        name = opened.configuration.organisation
    if as_json:
        typer.echo(json.dumps([asdict(line) for line in lines], indent=1, ensure_ascii=False, allow_nan=False))
        return
    table = Table(title=f"What left {name}")
    for heading in ("when", "what", "to", "task", "charge"):
        table.add_column(heading)
    table.add_column("epsilon alone", justify="right")
    for line in lines:
        paid = line.charge
        words = "none" if paid is None else f"{paid.unit} {paid.sequence}, training {paid.training}"
        table.add_row(
            line.at, line.what, line.to, line.task or "", words, "" if paid is None else f"{paid.epsilon:.4f}"
        )
    _console().print(table)
    _say("Charges stand in the ledgers, by the same number: `fedcrm budget show --node DIR/units/UNIT`.")


@contextmanager
def _open(directory: Path) -> Iterator[OrganisationNode]:
    opened = OrganisationNode.open(directory.absolute())
    try:
        yield opened
    finally:
        opened.close()


def _budgets(given: list[str], tasks: list[str]) -> dict[str, float]:
    """By unit: a plain number holds for every unit of the tasks that has none of its own."""
    common: float | None = None
    own: dict[str, float] = {}
    for text in given:
        unit, _, number = text.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            raise SettingsError(f"--epsilon-budget {text}: a number is meant, or UNIT=NUMBER") from None
        if not math.isfinite(value):
            raise SettingsError(f"--epsilon-budget {text}: a finite number is meant")
        if unit:
            own[unit] = value
        else:
            common = value
    units = dict.fromkeys(UNIT_OF_TASK[task] for task in tasks if task in UNIT_OF_TASK)
    return ({} if common is None else dict.fromkeys(units, common)) | own


def _orgs_words(orgs: Path) -> str:
    return "" if orgs == DEFAULT_ORGS.expanduser() else f" --orgs {orgs}"


def _show(found: NodeStatus) -> None:
    _say(f"{found.organisation}, org {found.org} ({found.org_id or 'not paired'}), period {found.period}")
    _say(_night_words(found.night))
    table = Table()
    for heading in ("task", "training data", "serves", "scores", "age"):
        table.add_column(heading)
    for task in found.tasks:
        data, serving, scores = task.data, task.serving, task.scores
        table.add_row(
            task.task,
            "none yet" if data is None else f"{data.rows} rows, {data.features} features, {data.at}",
            "nothing" if serving is None else f"{serving.version} ({serving.origin})",
            "none yet" if scores is None else f"{scores.scored} by {scores.version}",
            "" if task.score_hours is None else f"{task.score_hours:.1f} h{'' if task.fresh else ', stale'}",
        )
    _console().print(table)
    table = Table(title="Privacy budget; smaller is stronger")
    table.add_column("one")
    for heading in ("epsilon spent", "of", "largest training left", "charges"):
        table.add_column(heading, justify="right")
    for unit in found.units:
        if unit.epsilon_spent is None or unit.largest_training is None:
            table.add_row(unit.unit, "ledger broken", f"{unit.epsilon_budget:g}", "none", "")
            continue
        row = (f"{unit.epsilon_spent:.3f}", f"{unit.epsilon_budget:g}", f"{unit.largest_training:g}")
        table.add_row(unit.unit, *row, str(unit.charges))
    _console().print(table)
    _say(f"{found.sent} lines in the log of what left: `fedcrm node outgoing`.")
    for problem in found.problems:
        _say(f"! {problem}")


def _night_words(night: Night | None) -> str:
    if night is None:
        return "The nightly work was never run."
    if night.ended is None:
        return f"The night of {night.began} was broken off; `fedcrm node run` goes on with it."
    failed = f", {len(night.failures)} jobs failed" if night.failures else ""
    return f"Last night: {night.began} to {night.ended}{failed}."


def _json_of(found: NodeStatus) -> dict[str, object]:
    raw = asdict(found)
    night = found.night
    raw["night"] = None if night is None else {"began": night.began, "ended": night.ended}
    return raw


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=150)


def _say(text: str) -> None:
    _console().print(text, markup=False, highlight=False, soft_wrap=True)
