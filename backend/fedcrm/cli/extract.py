"""`fedcrm extract`: what an org's extractor measured, read into a data set that training takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fedcrm.cli.org import DEFAULT_ORGS, OrgsOption
from fedcrm.nodes import OwnOrg
from fedcrm.salesforce import Purpose

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
    own = OwnOrg.open(orgs, org, say=lambda line: typer.echo(f"{org}: {line}"))
    staging = own.staging(task, wanted)
    run = staging.start()
    if wait and not run.ended:
        own.say(f"run {run.key or run.id} is {run.status.lower()}; waiting for its end")
        run = staging.wait(run, patience)
    for line in run.message.splitlines():
        own.say(line)
    staging.fetch()
    if not run.ended:
        own.say(f"run {run.key or run.id} is {run.status.lower()}; the same command later reads it")
        if not staging.has_whole_run:
            return
    if wanted is Purpose.TRAINING:
        written = own.write_training(task, out, org)
        own.say(f"{written.rows} labelled rows of {written.features} features in {out}")
    else:
        written = own.write_scoring(task, out)
        own.say(f"{written.rows} vectors of {written.features} features in {out}")


def _purpose(word: str) -> Purpose:
    try:
        return Purpose[word.upper()]
    except KeyError:
        raise typer.BadParameter("training or scoring", param_hint="--purpose") from None
