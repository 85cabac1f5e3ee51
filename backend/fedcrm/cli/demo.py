"""`fedcrm demo`: the main job on one machine, with progress, a table, and everything it made in one directory."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from fedcrm.cli.training_view import comparison_table, shown_progress
from fedcrm.errors import SettingsError
from fedcrm.evaluation.demo import DemoOptions, run_demo
from fedcrm.evaluation.results import DemoResults
from fedcrm.federation import Gate, Quality
from fedcrm.secagg import collusion_table

__all__ = ["demo", "per_organisation"]


def demo(
    task: Annotated[str | None, typer.Option(help="Refuse a data set of another task.")] = None,
    data: Annotated[Path | None, typer.Option(help="Directory of a data set; default: telco churn.")] = None,
    epsilon: Annotated[float, typer.Option(help="Privacy budget of one training; smaller is stronger.")] = 8.0,
    epsilon_per_org: Annotated[Path | None, typer.Option(help="JSON file {organisation: epsilon}.")] = None,
    seed: Annotated[int, typer.Option(help="Of the splits; never of keys, masks or noise.")] = 1,
    out: Annotated[Path, typer.Option(help="Directory for everything the run makes.")] = Path("out/demo"),
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    fast: Annotated[bool, typer.Option("--fast", help="Fewer rounds and pairs; all else the same.")] = False,
    k_min: Annotated[int, typer.Option(help="Fewest organisations an opened sum may hold; 0 for the default.")] = 0,
    gate: Annotated[Gate, typer.Option(help="Rule by which a received model may serve.")] = Gate.BOOTSTRAP,
    quality: Annotated[Quality, typer.Option(help="Quality multiplier of the weights.")] = Quality.MEASURED,
    unit: Annotated[str | None, typer.Option(help="The data set's unit column, to protect whole units.")] = None,
    max_per_unit: Annotated[int, typer.Option(help="Most rows of one unit that take part; with --unit.")] = 1,
) -> None:
    """Nine organisations train one private model together and compare it with what each could do alone."""
    options = DemoOptions(
        out=out,
        task=task,
        data=data,
        epsilon=epsilon,
        epsilon_per_org={} if epsilon_per_org is None else per_organisation(epsilon_per_org),
        seed=seed,
        fast=fast,
        k_min=k_min,
        gate=gate,
        quality=quality,
        unit=unit,
        max_per_unit=max_per_unit,
    )
    console = Console()
    with shown_progress(console) as bars:
        results = run_demo(options, resume=resume, progress=bars)
    _print(console, results, out, explain_collusion=k_min > 0)


def per_organisation(path: Path) -> Mapping[str, float]:
    """Budgets in a JSON file, by organisation. Raises SettingsError."""
    try:
        raw = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise SettingsError(f"{path} is not JSON: {error}") from error
    if not isinstance(raw, dict) or not all(
        isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v) for v in raw.values()
    ):
        raise SettingsError(f"{path}: expected {{organisation: epsilon}}")
    return {str(name): float(value) for name, value in raw.items()}


def _print(console: Console, results: DemoResults, out: Path, *, explain_collusion: bool) -> None:
    console.print(comparison_table(results))
    if results.left_out:
        console.print(f"Not in the means (fewer than 5 of a class in test): {', '.join(results.left_out)}.")
    if results.stopped_early:
        console.print(f"Training ended early: {results.stopped_early}.")
    if explain_collusion:
        _print_collusion(console, results)
    seconds = ", ".join(f"{step} {value:.0f} s" for step, value in results.seconds.items())
    console.print(f"{len(results.rounds)} rounds, every one encrypted; {seconds}.")
    console.print(f"Report: {out / 'report.html'}   model: {out / 'model.ubj'}   ledgers: {out / 'nodes'}")


def _print_collusion(console: Console, results: DemoResults) -> None:
    n = len(results.organisations)
    table = Table(title=f"k_min {results.k_min} of {n}: coordinator and colluding organisations", title_justify="left")
    for heading in ("colluders", "smallest safe k_min", "safe here"):
        table.add_column(heading, justify="right")
    for row in collusion_table(n, results.quorum, results.k_min):
        least = "none is" if row.least_k_min is None else str(row.least_k_min)
        table.add_row(str(row.colluders), least, "yes" if row.safe else "no")
    console.print(table)
