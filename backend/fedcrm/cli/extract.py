"""`fedcrm extract`: what an org's extractor measured, read into a data set that training takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fedcrm.cli.org import DEFAULT_ORGS, OrgsOption
from fedcrm.salesforce import Orgs, Purpose, Staging, write_data_set, write_vectors

__all__ = ["extract"]

_DAY = 24 * 3600.0


def extract(
    org: Annotated[str, typer.Option("--org", metavar="ALIAS", help="Which org.")],
    task: Annotated[str, typer.Option("--task", metavar="NAME", help="What is learned: churn, opportunity_win, ...")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the data set goes; exchanged whole.")],
    purpose: Annotated[str, typer.Option(help="training or scoring.", metavar="PURPOSE")] = "training",
    wait: Annotated[bool, typer.Option("--wait", help="Until the org has done with the run.")] = False,
    patience: Annotated[float, typer.Option(help="Seconds to wait, at most.", min=0)] = _DAY,
    orgs: OrgsOption = DEFAULT_ORGS,
) -> None:
    """Start a run in the org or find the one under way, read what is complete, and write it as a data set.

    Safe to break off and to repeat: what was read is kept, sealed, and only what is new is read.
    """
    wanted = _purpose(purpose)
    registry = Orgs.open(orgs)
    pairing = registry.pairing(org).require()
    store = registry.blocks(org, task, wanted)
    staging = Staging(
        registry.connect(org), pairing, store, task, wanted, say=lambda line: typer.echo(f"{org}: {line}")
    )
    run = staging.start()
    if wait and not run.ended:
        typer.echo(f"{org}: run {run.key or run.id} is {run.status.lower()}; waiting for its end")
        run = staging.wait(run, patience)
    for line in run.message.splitlines():
        typer.echo(f"{org}: {line}")
    staging.fetch()
    if not run.ended:
        typer.echo(f"{org}: run {run.key or run.id} is {run.status.lower()}; the same command later reads it")
        if not any(kept.whole for kept in store.runs()):
            return
    bound, vectors = staging.vectors()
    if wanted is Purpose.TRAINING:
        rows = write_data_set(out, org, bound, vectors)
        typer.echo(f"{org}: {rows} labelled rows of {len(bound.columns)} features in {out}")
    else:
        write_vectors(out, bound, vectors)
        typer.echo(f"{org}: {len(vectors)} vectors of {len(bound.columns)} features in {out}")


def _purpose(word: str) -> Purpose:
    try:
        return Purpose[word.upper()]
    except KeyError:
        raise typer.BadParameter("training or scoring", param_hint="--purpose") from None
