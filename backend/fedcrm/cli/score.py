"""`fedcrm score`: every entity of an org scored by the model its organisation serves, and the scores brought back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from fedcrm.cli.org import DEFAULT_ORGS, OrgsOption
from fedcrm.salesforce import Orgs, Purpose, Staging
from fedcrm.service import Service, bring_scores, read_settings

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
    registry = Orgs.open(orgs)
    pairing = registry.pairing(org).require()
    client = registry.connect(org)
    service = Service.open(read_settings(**({} if data is None else {"data": data})))
    try:
        model = service.registry.serving(str(pairing.org_id), task)
        store = registry.blocks(org, task, Purpose.SCORING)
        staging = Staging(client, pairing, store, task, Purpose.SCORING, say=lambda line: typer.echo(f"{org}: {line}"))
        staging.wait(staging.start(), patience)
        staging.fetch()
        run, vectors = staging.vectors()
        moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        done = bring_scores(
            client,
            pairing,
            model,
            run,
            vectors,
            scored_at=moment,
            change=change,
            top=top,
            failures=failures,
            renew_after=timedelta(days=renew_after),
        )
    finally:
        service.close()
    typer.echo(
        f"{org}: {done.scored} scored by {model.facts.origin} model {model.facts.version}, "
        f"{done.written.saved} written ({done.written.created} new), {len(done.written.failed)} refused by the org"
    )
    if done.marked.saved:
        typer.echo(f"{org}: {done.marked.saved} marked stale: they could not be scored anew")
    for reason in done.refusals:
        typer.echo(f"{org}: {done.refused} vectors were not scored: {reason}")
    for failure in (*done.written.failed, *done.marked.failed)[:5]:
        typer.echo(f"{org}: {failure.key}: {failure.code} {failure.message}")
    if done.refused or done.written.failed or done.marked.failed:
        raise typer.Exit(1)
