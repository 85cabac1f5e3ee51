"""`fedcrm schema`: what an org's objects and fields are called, mean and hold, and the mapping that says so."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from fedcrm.cli.org import DEFAULT_ORGS, OrgsOption
from fedcrm.errors import SettingsError
from fedcrm.files import write_atomically
from fedcrm.salesforce import Orgs, Snapshot, deploy, schema_changes, take_snapshot
from fedcrm.schema import (
    Problem,
    SchemaMapping,
    Severity,
    check_mapping,
    package_of,
    read_mapping,
    vocabulary,
)

__all__ = ["schema"]

schema = typer.Typer(no_args_is_help=True, help="The objects and fields of an org.")


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


MappingArgument = Annotated[Path, typer.Argument(metavar="MAPPING", help="The mapping file, TOML.")]
OrgOption = Annotated[str | None, typer.Option("--org", metavar="ALIAS", help="Which org.")]
SnapshotOption = Annotated[
    Path | None, typer.Option("--snapshot", metavar="FILE", help="A snapshot of the org, instead of asking it.")
]


@schema.command()
def check(
    mapping_file: MappingArgument,
    org: OrgOption = None,
    snapshot_file: SnapshotOption = None,
    orgs: OrgsOption = DEFAULT_ORGS,
) -> None:
    """Hold a mapping against its org; anything wrong ends with a non-zero status."""
    mapping = read_mapping(mapping_file, vocabulary())
    found = check_mapping(mapping, _snapshot_of(mapping, org, snapshot_file, orgs), vocabulary())
    _tell(mapping, found)
    if any(problem.severity is Severity.WRONG for problem in found):
        raise typer.Exit(1)


@schema.command()
def apply(
    mapping_file: MappingArgument,
    org: OrgOption = None,
    snapshot_file: SnapshotOption = None,
    dry_run: Annotated[
        Path | None, typer.Option("--dry-run", metavar="ZIP", help="Write the zip that would be deployed, no more.")
    ] = None,
    namespace: Annotated[
        str | None, typer.Option("--namespace", metavar="NAME", help="Of the installed package, if it is managed.")
    ] = None,
    orgs: OrgsOption = DEFAULT_ORGS,
) -> None:
    """Deploy a mapping's feature definitions and field rights into its org, in one piece."""
    mapping = read_mapping(mapping_file, vocabulary())
    taken = _snapshot_of(mapping, org, snapshot_file, orgs)
    found = check_mapping(mapping, taken, vocabulary())
    _tell(mapping, found)
    if any(problem.severity is Severity.WRONG for problem in found):
        raise typer.Exit(1)
    records, package = package_of(mapping, taken, vocabulary(), namespace=namespace)
    if dry_run is not None:
        write_atomically(dry_run, package)
        typer.echo(f"{len(records)} feature definitions in {dry_run}; nothing was deployed.")
        return
    if org is None:
        raise SettingsError("say with --org where to deploy, or with --dry-run where to write the zip")
    deployment = deploy(Orgs.open(orgs).connect(org), package)
    typer.echo(f"{org}: {len(records)} feature definitions deployed (deployment {deployment.id}).")


def _snapshot_of(mapping: SchemaMapping, org: str | None, file: Path | None, orgs: Path) -> Snapshot:
    if file is not None:
        return _read(file)
    if org is None:
        raise SettingsError("say with --org which org to ask, or give a --snapshot of it")
    return take_snapshot(Orgs.open(orgs).connect(org), mapping.objects, fill=False)


def _tell(mapping: SchemaMapping, found: tuple[Problem, ...]) -> None:
    for problem in found:
        typer.echo(f"{problem.severity.value:<9} {problem.feature}: {problem.words}")
    used = sum(1 for entry in mapping.features if entry.known is not None)
    typer.echo(f"{mapping.organisation}: {used} of {len(mapping.features)} features can be used.")


def _read(path: Path) -> Snapshot:
    try:
        return Snapshot.from_json(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: the snapshot cannot be read ({error.strerror})") from error
