"""`fedcrm chain`: everything on one machine, from nine empty local orgs to scores on their records."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from fedcrm.chain import TASKS, ChainOptions, ChainReport, Show, page_of, run_chain, stop_chain
from fedcrm.cli.demo import per_organisation
from fedcrm.cli.training_view import STEPS, comparison_table
from fedcrm.nodes import Outcome, State

__all__ = ["chain"]

_WORDS = {
    "records": "records from the table, each org's own words",
    "package": "the package, by the Metadata API",
    "users": "permission sets, the node's app and user",
    "node": "a node for each organisation, paired",
    "mapping": "each organisation's reviewed mapping",
    "check": "fedcrm org check",
    "service": "a prediction service for each, paired",
    "extraction": "the org's extractor, read by the node",
    "scores": "scores written back to every org",
}
_SYNTHETIC = "cases, opportunities and leads are synthetic, and so is what their models find"


def chain(
    out: Annotated[Path, typer.Option(help="Directory for everything the chain makes.")] = Path("out/chain"),
    orgs: Annotated[int, typer.Option(help="Organisations, 3 to 9, the largest first.")] = 9,
    tasks: Annotated[str, typer.Option(help="What is learned, separated by commas; the first is compared.")] = ",".join(
        TASKS
    ),
    rows: Annotated[int | None, typer.Option(min=1, help="Accounts of each org, at most.")] = None,
    epsilon: Annotated[float, typer.Option(help="Privacy budget of each task's training; smaller is stronger.")] = 8.0,
    epsilon_per_org: Annotated[Path | None, typer.Option(help="JSON file {organisation: epsilon}.")] = None,
    seed: Annotated[int, typer.Option(help="Of the orgs and of splits; never of keys, masks or noise.")] = 1,
    fast: Annotated[bool, typer.Option("--fast", help="Fewer rounds for churn, too.")] = False,
    browser: Annotated[bool, typer.Option("--browser", help="Serve the record page with real scores.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave orgs and services running.")] = False,
    stop: Annotated[bool, typer.Option("--stop", help="End what a chain in --out left running, no more.")] = False,
) -> None:
    """Start local orgs, install the package, train, score, and show a record's score; go on with what is in --out.

    Safe to break off at any moment: the same command goes on, and pays for nothing twice. An organisation that cannot
    go on is named with the reason, and the others finish.
    """
    if stop:
        stop_chain(out)
        typer.echo(f"{out}: everything is stopped; the same command without --stop goes on with it")
        return
    options = ChainOptions(
        out=out,
        orgs=orgs,
        tasks=tuple(dict.fromkeys(task.strip() for task in tasks.split(",") if task.strip())),
        rows=rows,
        epsilon=epsilon,
        budgets={} if epsilon_per_org is None else per_organisation(epsilon_per_org),
        seed=seed,
        fast=fast,
    )
    console = Console()
    with _shown(console) as show:
        report = run_chain(options, keep=keep or browser, show=show)
    _print(console, report)
    if browser:
        _open(console, report)
    if keep or browser:
        console.print(f"Everything runs on. Stop it: fedcrm chain --out {out} --stop", soft_wrap=True)
    else:
        console.print(f"Orgs and services are stopped. Again, and left running: fedcrm chain --out {out} --keep")
    if report.out or report.failed or any(one.state in (State.OUT, State.PARTLY) for _, one in _not_in(report)):
        raise typer.Exit(1)


@contextmanager
def _shown(console: Console) -> Iterator[Show]:
    columns = (TextColumn("{task.description:46}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bars:
        yield _Bars(bars)


class _Bars(Show):
    def __init__(self, bars: Progress) -> None:
        self._bars, self._tasks, self._lock = bars, dict[str, TaskID](), threading.Lock()

    def begin(self, step: str, total: int) -> None:
        task, _, inner = step.partition(": ")
        words = f"{task}: {STEPS.get(inner, inner)}" if inner else _WORDS.get(step, step)
        with self._lock:
            self._tasks[step] = self._bars.add_task(words, total=total)

    def advance(self, step: str, done: int, total: int) -> None:
        with self._lock:
            self._bars.update(self._tasks[step], completed=done, total=total)

    def say(self, line: str) -> None:
        self._bars.console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)


def _print(console: Console, report: ChainReport) -> None:
    if report.results is not None:
        console.print(comparison_table(report.results))
    trained = Table(title="Trainings", title_justify="left")
    for heading in ("task", "organisations in", "signal"):
        trained.add_column(heading)
    for task, outcomes in report.outcomes.items():
        inside = [one for one in outcomes if one.version is not None]
        trained.add_row(task, f"{len(inside)} of {len(outcomes)}", "real" if task == "churn" else "synthetic")
    console.print(trained)
    console.print(f"Only churn's labels are real: {_SYNTHETIC}.")
    if report.live:
        console.print(_live(report))
    for task, outcome in _not_in(report):
        where = f"{task}, {outcome.state} {outcome.when}"
        console.print(f"[bold]{escape(outcome.organisation)}[/bold], {where}: {escape(outcome.why)}", soft_wrap=True)
    for name, (step, why) in report.out.items():
        console.print(f"[bold]Out:[/bold] {escape(name)}, at step {step}: {escape(why)}", soft_wrap=True)
    for task, why in report.failed.items():
        console.print(f"[bold]Not trained:[/bold] {task}: {escape(why)}", soft_wrap=True)
    places, first = report.places, report.options.tasks[0]
    if report.results is not None:
        console.print(f"Report: {places.federation(first) / 'report.html'}", soft_wrap=True)
    console.print(
        f"Trainings: {places.out / 'federation'}   nodes with their ledgers: {places.out / 'nodes'}   "
        f"orgs: {places.out / 'orgs'}   how far everybody is: {places.state}",
        soft_wrap=True,
    )
    if report.where is not None:
        one = report.where
        console.print(
            f"Look into an org while it runs: `localorg status --data {places.orgs(one.server)}` has its address; "
            f"{one.name} is {one.alias} there, its administrator admin@{one.alias}.localorg.example.",
            soft_wrap=True,
        )
        node = places.node(one)
        console.print(
            f"Next: `fedcrm budget show --node '{node / 'units' / 'account'}'`, "
            f"`fedcrm schema check` with a mapping of your own (docs/salesforce.md), `fedcrm chain --browser`.",
            soft_wrap=True,
        )


def _not_in(report: ChainReport) -> list[tuple[str, Outcome]]:
    """Whoever is not in a training as everybody else is, by task."""
    return [(task, one) for task, outcomes in report.outcomes.items() for one in outcomes if one.state is not State.IN]


def _live(report: ChainReport) -> Table:
    where = "" if report.where is None else f" of {report.where.name}"
    table = Table(title=f"Saved in the org{where}, scored behind the save", title_justify="left")
    for heading in ("record", "score", "likely", "model", "seconds"):
        table.add_column(heading, justify="left" if heading in ("record", "model") else "right")
    for score in report.live:
        low, high = score.interval
        table.add_row(score.what, f"{score.score:.1f}", f"{low:.0f} to {high:.0f}", score.origin, f"{score.waited:.1f}")
    return table


def _open(console: Console, report: ChainReport) -> None:
    address = page_of(report)
    for one in report.live:
        console.print(f"{one.what}: {address}?recordId={one.record_id}&objectApiName={one.sobject}", soft_wrap=True)
    if report.live:
        first = report.live[0]
        typer.launch(f"{address}?recordId={first.record_id}&objectApiName={first.sobject}")
