"""`fedcrm score`: every entity of an org scored by the model its organisation serves, and the scores brought back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from fedcrm.cli.org import DEFAULT_ORGS, OrgsOption
from fedcrm.nodes import OwnOrg, utc_text
from fedcrm.salesforce import Purpose
from fedcrm.service import Service, read_settings

__all__ = ["score"]

_DAY = 24 * 3600.0


def score(
    org: Annotated[str, typer.Option("--org", metavar="ALIAS", help="Which org.")],
    task: Annotated[str, typer.Option("--task", metavar="NAME", help="What is scored: churn, opportunity_win, ...")],
    data: Annotated[Path | None, typer.Option(help="The service's directory; default: FEDCRM_SERVICE_DATA.")] = None,
    change: Annotated[float, typer.Option(min=0, help="Points by which a score must have moved to be written.")] = 1.0,
    top: Annotated[
        int | None, typer.Option(min=0, help="Of entities without a score, only so many with the highest.")
    ] = None,
    failures: Annotated[Path | None, typer.Option(help="A CSV of the rows that the org refused.")] = None,
    renew_after: Annotated[
        float, typer.Option(min=0, help="Days after which a score is written though it did not move.")
    ] = 5.0,
    patience: Annotated[float, typer.Option(help="Seconds to wait for the org's run, at most.", min=0)] = _DAY,
    orgs: OrgsOption = DEFAULT_ORGS,
) -> None:
    """Run the org's scoring extraction, score its vectors and write the scores back; a second time changes nothing."""
    own = OwnOrg.open(orgs, org, say=lambda line: typer.echo(f"{org}: {line}"))
    service = Service.open(read_settings(**({} if data is None else {"data": data})))
    try:
        service.registry.serving(own.org_id, task)  # before the org is troubled
        staging = own.staging(task, Purpose.SCORING)
        staging.wait(staging.start(), patience)
        staging.fetch()
        moment = utc_text(datetime.now(UTC))
        scores = own.score(
            service.registry,
            task,
            scored_at=moment,
            change=change,
            top=top,
            failures=failures,
            renew_after=timedelta(days=renew_after),
        )
    finally:
        service.close()
    own.say(scores.words)
    done = scores.done
    for reason in done.refusals:
        typer.echo(f"{org}: {done.refused} vectors were not scored: {reason}")
    for failure in (*done.written.failed, *done.marked.failed)[:5]:
        typer.echo(f"{org}: {failure.key}: {failure.code} {failure.message}")
    if done.refused or done.written.failed or done.marked.failed:
        raise typer.Exit(1)
