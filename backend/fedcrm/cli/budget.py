"""`fedcrm budget`: what an organisation has spent, whether its ledger is whole, what still fits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from fedcrm.errors import LedgerCorrupted, SettingsError
from fedcrm.node_settings import NodeSettings
from fedcrm.privacy import Ledger, largest_training, rounds_left, trainings_left

__all__ = ["budget"]

budget = typer.Typer(no_args_is_help=True, help="What an organisation has spent of its privacy budget.")

NodeOption = Annotated[Path, typer.Option("--node", metavar="DIR", help="The organisation's node directory.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object instead of words.")]


@budget.command()
def show(node: NodeOption, as_json: JsonOption = False) -> None:
    """Spent so far: in this period, by each training, and since the beginning."""
    settings = NodeSettings.read(node)
    try:
        ledger = _open(node, settings)
    except LedgerCorrupted as broken:
        _show_broken(settings, broken, as_json=as_json)
        return
    spent, total = ledger.spent(), ledger.all_time()
    trainings = {name: ledger.spent(name) for name in ledger.trainings()}
    if as_json:
        _print_json(
            {
                "organisation": ledger.organisation,
                "epsilon_budget": ledger.epsilon_budget,
                "epsilon_spent": spent.epsilon,
                "delta": ledger.delta,
                "charges": spent.charges,
                "intact": True,
                "unit": ledger.unit,
                "period": ledger.period,
                "trainings": [
                    {
                        "training": name,
                        "epsilon_budget": one.epsilon_limit,
                        "epsilon_spent": one.epsilon,
                        "charges": one.charges,
                    }
                    for name, one in trainings.items()
                ],
                "all_time": {"epsilon_spent": total.epsilon, "delta": total.delta, "charges": total.charges},
            }
        )
        return
    table = Table(title=f"{ledger.organisation}: privacy budget of one {ledger.unit}, delta {ledger.delta:g}")
    table.add_column("")
    for heading in ("epsilon spent", "of", "charges"):
        table.add_column(heading, justify="right")
    table.add_row(f"period {ledger.period}", f"{spent.epsilon:.3f}", f"{spent.epsilon_limit:g}", str(spent.charges))
    for name, one in trainings.items():
        table.add_row(f"training {name}", f"{one.epsilon:.3f}", f"{one.epsilon_limit:g}", str(one.charges))
    table.add_row(f"since the beginning (delta {total.delta:g})", f"{total.epsilon:.3f}", "", str(total.charges))
    _console().print(table)
    _say("Smaller is stronger. The chain is intact: nothing was changed, left out or reordered.")


@budget.command()
def verify(node: NodeOption, as_json: JsonOption = False) -> None:
    """Check every link of the ledger; anything changed, missing or reordered ends with a non-zero status."""
    settings = NodeSettings.read(node)
    try:
        ledger = _open(node, settings)
        head = ledger.verify()
    except LedgerCorrupted as broken:
        if not as_json:
            raise
        _print_json(
            {"organisation": settings.organisation, "intact": False, "sequence": broken.sequence, "why": broken.reason}
        )
        raise typer.Exit(broken.exit_status) from broken
    if as_json:
        _print_json(
            {
                "organisation": ledger.organisation,
                "intact": True,
                "entries": head.sequence,
                "charges": len(ledger),
                "head": head.hash,
            }
        )
        return
    _say(f"{ledger.organisation}: the ledger is intact, {head.sequence} entries, {len(ledger)} of them charges.")
    _say(f"Head: {head.sequence} {head.hash}")
    _say("Write the head down elsewhere: it also shows whether a whole ledger was exchanged for an older one.")


@budget.command()
def forecast(
    node: NodeOption,
    epsilon: Annotated[
        list[float] | None, typer.Option("--epsilon", help="Of a training to come; may be given several times.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """What still fits into this period: whole trainings by their epsilon, and rounds of those under way."""
    ledger = _open(node, NodeSettings.read(node))
    period, spent = ledger.period_budget, ledger.spent()
    for wanted in epsilon or ():
        if not 0 < wanted <= period.epsilon:
            raise SettingsError(f"--epsilon {wanted:g}: a training's epsilon lies between 0 and {period.epsilon:g}")
    wanted_epsilons = epsilon or [e for e in (0.5, 1.0, 2.0, 4.0, 8.0) if e < period.epsilon] + [period.epsilon]
    fits = [trainings_left(period, spent.cost, one) for one in wanted_epsilons]
    largest, under_way = largest_training(period, spent.cost), rounds_left(ledger)
    if as_json:
        _print_json(
            {
                "organisation": ledger.organisation,
                "period": ledger.period,
                "epsilon_budget": ledger.epsilon_budget,
                "epsilon_spent": spent.epsilon,
                "largest_training": largest,
                "trainings": [
                    {"epsilon": one.epsilon, "fit": one.trainings, "limited_by": one.limited_by} for one in fits
                ],
                "under_way": [
                    {
                        "training": one.training,
                        "epsilon_budget": one.epsilon,
                        "epsilon_spent": one.epsilon_spent,
                        "rounds_like_the_last": one.rounds,
                    }
                    for one in under_way
                ],
            }
        )
        return
    table = Table(title=f"{ledger.organisation}: what still fits into period {ledger.period}")
    table.add_column("a training of epsilon", justify="right")
    table.add_column("fits", justify="right")
    table.add_column("then runs out")
    for one in fits:
        times = {0: "not at all", 1: "once"}.get(one.trainings, f"{one.trainings} times")
        table.add_row(f"{one.epsilon:g}", times, one.limited_by)
    _console().print(table)
    _say(f"The largest training that still fits has epsilon {largest:g}.")
    for row in under_way:
        _say(
            f"Training {row.training}: {row.epsilon_spent:.3f} of {row.epsilon:g} spent; "
            f"{row.rounds} more rounds like its last."
        )


@budget.command()
def renew(
    node: NodeOption,
    period: Annotated[str, typer.Option("--period", help="Name of the new period, one never used before.")],
    epsilon: Annotated[
        float | None, typer.Option("--epsilon", help="Its limit; default: that of the node's first period.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Begin a new governance period, with a limit of its own. The sum since the beginning goes on."""
    settings = NodeSettings.read(node)
    ledger, limit = _open(node, settings), settings.epsilon_budget if epsilon is None else epsilon
    spent, total = ledger.spent(), ledger.all_time()
    _say(
        f"{ledger.organisation}: {spent.epsilon:.3f} of {ledger.epsilon_budget:g} was spent in period {ledger.period}."
    )
    _say(f"Since the beginning it was {total.epsilon:.3f}; period {period} allows {limit:g} on top of it.")
    if not yes and not typer.confirm("Begin it? This is a decision of the organisation and cannot be taken back."):
        _say("Nothing was changed.")
        raise typer.Exit(1)
    ledger.start_period(period, epsilon_budget=limit, delta=settings.delta, pure_share=settings.pure_share)
    head = ledger.verify()
    _say(f"Period {period} has begun, with epsilon {limit:g}. The chain ends at {head.sequence} {head.hash}.")


def _open(node: Path, settings: NodeSettings) -> Ledger:
    """The ledger alone: no keys are needed to look at it."""
    return Ledger.open(settings.database or node / "node.sqlite")


def _show_broken(settings: NodeSettings, broken: LedgerCorrupted, *, as_json: bool) -> None:
    """What can still be said: nothing that was read past the break."""
    if as_json:
        _print_json(
            {
                "organisation": settings.organisation,
                "epsilon_budget": settings.epsilon_budget,
                "epsilon_spent": None,
                "delta": settings.delta,
                "charges": None,
                "intact": False,
                "why": str(broken),
            }
        )
        return
    _say(f"{settings.organisation}: the ledger is NOT intact: {broken}.")
    _say("What was spent cannot be told from it, and nothing more can be charged.")


def _print_json(value: dict[str, object]) -> None:
    typer.echo(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False))


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=118)


def _say(text: str) -> None:
    _console().print(text, markup=False, highlight=False, soft_wrap=True)
