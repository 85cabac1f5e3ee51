"""`fedcrm schema`: what an org's objects and fields are called, mean and hold."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from fedcrm.cli.org import DEFAULT_ORGS, OrgsOption
from fedcrm.errors import SettingsError
from fedcrm.files import write_atomically
from fedcrm.salesforce import Orgs, Snapshot, schema_changes, take_snapshot

__all__ = ["schema"]

schema = typer.Typer(no_args_is_help=True, help="The objects and fields of an org.")


@schema.callback()
def _schema() -> None:
    """Keeps `snapshot` a word of its own while it is the only command."""


@schema.command()
def snapshot(
    org: Annotated[str, typer.Option("--org", metavar="ALIAS", help="Which org.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where the snapshot goes, as JSON.")],
    object_names: Annotated[
        list[str] | None,
        typer.Option("--object", metavar="NAME", help="Only this object; may be given several times."),
    ] = None,
    fill: Annotated[bool, typer.Option(help="Also how often each field is filled, at a few calls an object.")] = True,
    since: Annotated[
        Path | None, typer.Option("--since", metavar="FILE", help="An earlier snapshot, to say what changed.")
    ] = None,
    orgs: OrgsOption = DEFAULT_ORGS,
) -> None:
    """Write down an org's objects and fields: names, help, types, picklists, relationships, counts, fill rates."""
    earlier = _read(since) if since is not None else None
    client = Orgs.open(orgs).connect(org)
    console = Console(stderr=True)
    with console.status("") as status:
        taken = take_snapshot(
            client, tuple(object_names or ()), fill=fill, progress=lambda name: status.update(f"{org}: {name}")
        )
    write_atomically(out, taken.to_json().encode())
    fields = sum(len(one["fields"]) for one in taken.objects.values())
    typer.echo(f"{org}: {len(taken.objects)} objects with {fields} fields in {out}")
    if taken.hidden:
        typer.echo(f"Not visible to this user: {', '.join(taken.hidden)}")
    if earlier is not None:
        for line in schema_changes(earlier, taken) or ("Nothing changed.",):
            typer.echo(line)


def _read(path: Path) -> Snapshot:
    try:
        return Snapshot.from_json(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: the snapshot cannot be read ({error.strerror})") from error
