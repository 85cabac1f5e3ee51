"""`fedcrm evaluate`: every method on data sets of one's own, compared under the same conditions."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from fedcrm.errors import FederationError, SettingsError
from fedcrm.evaluation.comparison import ComparisonOptions, Step, run_comparison
from fedcrm.evaluation.metrics import Difference
from fedcrm.evaluation.paired import Line, Paired, across, paired
from fedcrm.evaluation.runs import Comparison

__all__ = ["evaluate"]

WIDTH = 118


def evaluate(
    directories: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Data set directories.")],
    epsilon: Annotated[str, typer.Option(help="Epsilon of a whole training; several with commas.")] = "8,1",
    seeds: Annotated[int, typer.Option(help="How many splits, numbered from 0.")] = 5,
    out: Annotated[Path, typer.Option(help="Results file; one that is there is gone on with.")] = Path("results.json"),
    task: Annotated[str | None, typer.Option(help="Refuse data sets of another task.")] = None,
    by_time: Annotated[bool, typer.Option("--by-time", help="Oldest rows train, newest test.")] = False,
    encrypted: Annotated[bool, typer.Option("--encrypted", help="Encrypt as a federation does; same figures.")] = False,
    jobs: Annotated[int, typer.Option(help="Processes, one thread each.")] = 2,
) -> None:
    """Compare methods on data sets: local, central, federated, personal. Same splits, same noise, several seeds."""
    options = ComparisonOptions(
        tuple(directories), out, _numbers(epsilon), seeds, task=task, by_time=by_time, encrypted=encrypted, jobs=jobs
    )
    errors, console = Console(stderr=True), Console(width=None if Console().is_terminal else WIDTH)
    with _progress(errors) as bar:
        comparison = _run(options, bar)
    _show(comparison, console)
    console.print(f"Results are in {out}.", markup=False, highlight=False, soft_wrap=True)


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise SettingsError("--epsilon takes numbers separated by commas, such as 8,1") from error


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    )


def _run(options: ComparisonOptions, bar: Progress) -> Comparison:
    task = bar.add_task("reading data sets", total=None)

    def on_step(step: Step) -> None:
        epsilon = "" if step.epsilon is None else f" at epsilon {step.epsilon:g}"
        text = f"{step.name}, seed {step.seed}: {step.method}{epsilon}"
        bar.update(task, description=text, completed=step.done, total=step.total)

    try:
        comparison = run_comparison(options, on_step)
    except KeyboardInterrupt as stopped:
        raise FederationError("stopped; the same command again goes on from what is finished") from stopped
    bar.update(task, description="compared", completed=1, total=1)
    return comparison


# --- tables ----------------------------------------------------------------------------------------


def _show(comparison: Comparison, console: Console) -> None:
    for found in comparison.datasets:
        table = paired(found)
        console.print(_table(_title(table), table.lines, spearman=table.metric == "auc+spearman"))
        console.print(f"Judged: {', '.join(table.judged)}.", markup=False, highlight=False)
        if table.left_out:
            text = f"Left out of the mean (fewer than five of a class in a test part): {', '.join(table.left_out)}."
            console.print(text, markup=False, highlight=False)
        console.print()
    if len(comparison.datasets) > 1:
        seeds = comparison.protocol["seeds"]
        names = ", ".join(found.name for found in comparison.datasets)
        console.print(_table(f"mean over {names}; {len(seeds)} seeds", across(comparison.datasets), spearman=False))
    console.print(
        "AUC x 100, mean over participants of each one's own test rows, then over seeds. Differences are paired by "
        "seed, standard errors over seeds in brackets.\nNoise is simulated: nothing trained here may be released.",
        markup=False,
        highlight=False,
    )


def _title(table: Paired) -> str:
    seeds = f"{len(table.seeds)} seed{'s' if len(table.seeds) > 1 else ''}"
    return f"{table.name}: {table.metric}, {len(table.judged)} participants, {seeds}"


def _table(title: str, lines: tuple[Line, ...], *, spearman: bool) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("method", no_wrap=True)
    for heading in ("epsilon", "AUC", "- local", "- central", "- without noise"):
        table.add_column(heading, justify="right", no_wrap=True)
    if spearman:
        table.add_column("Spearman (max)", justify="right", no_wrap=True)
    table.add_column("CPU s", justify="right", no_wrap=True)
    for line in lines:
        cells = [
            line.method.value,
            "-" if line.epsilon is None else f"{line.epsilon:g}",
            _points(line.mean, sign=False),
            _points(line.local),
            _points(line.central),
            _points(line.noiseless),
        ]
        if spearman:
            given = line.spearman is not None and line.spearman_max is not None
            cells.append(f"{line.spearman:.3f} ({line.spearman_max:.3f})" if given else "")
        table.add_row(*cells, f"{line.cpu_seconds:.0f}")
    return table


def _points(difference: Difference | None, *, sign: bool = True) -> str:
    if difference is None:
        return ""
    value = f"{100 * difference.mean:+.2f}" if sign else f"{100 * difference.mean:.2f}"
    error = difference.standard_error
    return value if math.isnan(error) else f"{value} ({100 * error:.2f})"
