"""`fedcrm federation`: a training over organisations' nodes, all of them and the coordinator in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fedcrm.cli.training_view import comparison_table, shown_progress
from fedcrm.federation import Gate, Quality
from fedcrm.nodes import FederationOptions, FederationResult, Outcome, State, run_federation

__all__ = ["federation", "print_outcomes"]

federation = typer.Typer(no_args_is_help=True, help="Train over organisations' nodes.")


@federation.callback()
def _group() -> None:
    """Train over organisations' nodes."""


@federation.command()
def run(
    nodes: Annotated[list[Path], typer.Option("--nodes", metavar="DIR", help="A node's directory; once for each.")],
    task: Annotated[str, typer.Option("--task", metavar="NAME", help="What is learned: churn, opportunity_win, ...")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The coordinator's directory of this training.")],
    more: Annotated[list[Path] | None, typer.Argument(metavar="[DIR]...", help="Further nodes.")] = None,
    epsilon: Annotated[float, typer.Option(help="Most it may cost each organisation; smaller is stronger.")] = 8.0,
    seed: Annotated[int, typer.Option(help="Of the splits; never of keys, masks or noise.")] = 1,
    fast: Annotated[bool, typer.Option("--fast", help="Fewer rounds and pairs; all else the same.")] = False,
    k_min: Annotated[int, typer.Option(help="Fewest organisations an opened sum may hold; 0 for the default.")] = 0,
    gate: Annotated[Gate, typer.Option(help="Rule by which a received model may serve.")] = Gate.BOOTSTRAP,
    quality: Annotated[Quality, typer.Option(help="Quality multiplier of the weights.")] = Quality.MEASURED,
    compare: Annotated[
        bool, typer.Option("--compare", help="For whoever owns all directories: also alone, and pooled.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the training in --out.")] = False,
) -> None:
    """Train one task; then every organisation judges the model, chooses, and publishes into its own service.

    Whoever cannot take part is named and the others go on. Safe to break off: --resume pays for nothing twice.
    """
    options = FederationOptions(
        nodes=(*nodes, *(more or ())),
        task=task,
        out=out,
        epsilon=epsilon,
        seed=seed,
        fast=fast,
        k_min=k_min,
        gate=gate,
        quality=quality,
        compare=compare,
    )
    console = Console()
    with shown_progress(console) as bars:
        result = run_federation(options, resume=resume, progress=bars)
    print_outcomes(console, result, out)


def print_outcomes(console: Console, result: FederationResult, out: Path) -> None:
    """Who is in and by what it serves, who is out and why, and where everything lies."""
    table = Table(title=f"Training {result.training}", title_justify="left")
    for heading in ("organisation", "epsilon spent", "serves", "version", "in?"):
        table.add_column(heading, justify="right" if heading == "epsilon spent" else "left", overflow="fold")
    for one in result.outcomes:
        table.add_row(
            escape(one.organisation),
            "-" if one.spent is None else f"{one.spent:.3f} of {one.epsilon:g}",
            "-" if one.adoption is None else _serves(one),
            one.version or "-",
            "yes" if one.state is State.IN else escape(f"{one.state}, since {one.when}: {one.why}"),
        )
    console.print(table)
    if result.results is not None:
        console.print(comparison_table(result.results))
    for remark in result.remarks:
        console.print(escape(remark), soft_wrap=True)
    if result.stopped_early is not None:
        console.print(f"Training ended early: {escape(result.stopped_early)}.")
    seconds = ", ".join(f"{step} {value:.0f} s" for step, value in result.seconds.items())
    console.print(f"{len(result.rounds)} rounds, every one encrypted; {seconds}.")
    report = f"   report: {out / 'report.html'}" if result.results is not None else ""
    console.print(f"Who took part: {out / 'participants.json'}   model: {out / 'model.ubj'}{report}", soft_wrap=True)


def _serves(one: Outcome) -> str:
    adoption = one.adoption
    if adoption is None:
        return "-"
    return adoption.choice if adoption.accepted else f"{adoption.choice}, gate refused"
