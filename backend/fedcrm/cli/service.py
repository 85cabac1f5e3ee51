"""`fedcrm service`: what an administrator does to a service from its own machine."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from fedcrm.errors import ServiceError, SettingsError
from fedcrm.secrets import read_secret
from fedcrm.service import HEAD, Scope, Service, migrate, open_database, read_settings

__all__ = ["service"]

service = typer.Typer(no_args_is_help=True, help="Pair organisations with a prediction service, and look after it.")

Data = Annotated[Path | None, typer.Option(help="The service's directory; default: FEDCRM_SERVICE_DATA.")]


@service.command()
def pair(
    scope: Annotated[Scope, typer.Option(help="What the key that the code buys may do.")] = Scope.PREDICT,
    org_id: Annotated[str | None, typer.Option(help="The only organisation that may use the code.")] = None,
    data: Data = None,
) -> None:
    """Print a one-time code; whoever brings it to /v1/pairing in time is paired."""
    with _open(data) as opened:
        minutes = opened.settings.pairing_minutes
        code = opened.tenants.new_pairing_code(scope, minutes, org_id)
        sys.stdout.write(f"{code.reveal()}\n")
        sys.stderr.write(f"valid once, for {minutes} minutes\n")


@service.command()
def key(
    org_id: Annotated[str, typer.Argument(help="A paired organisation.")],
    scope: Annotated[Scope, typer.Option(help="What the key may do.")] = Scope.PREDICT,
    label: Annotated[str, typer.Option(help="Whose key it is; the audit log shows it.")] = "command line",
    data: Data = None,
) -> None:
    """Print a new API key; it is shown this once."""
    with _open(data) as opened:
        if not opened.tenants.known(org_id):
            raise SettingsError(f"{org_id} is not paired with this service")
        sys.stdout.write(f"{opened.tenants.new_key(org_id, scope, label).key.reveal()}\n")


@service.command()
def signer(
    org_id: Annotated[str, typer.Argument(help="A paired organisation.")],
    certificate: Annotated[
        Path | None, typer.Option(help="PEM of the certificate (or RSA public key) that the org signs its tokens with.")
    ] = None,
    retire: Annotated[str | None, typer.Option(metavar="NAME", help="Believe this one no more, at once.")] = None,
    data: Data = None,
) -> None:
    """Believe tokens that an org signs with a certificate, or stop; without an option: list whom it believes."""
    if certificate is not None and retire is not None:
        raise SettingsError("--certificate or --retire, not both")
    with _open(data) as opened:
        tenants = opened.tenants
        if certificate is not None:
            try:
                added = tenants.add_signer(org_id, read_secret(certificate).reveal())
            except ServiceError as refused:
                raise SettingsError(f"{certificate}: {refused.message}") from refused
            sys.stdout.write(f"{added}\n")
        elif retire is not None:
            if not tenants.retire_signer(org_id, retire):
                raise SettingsError(f"{org_id} has no signer {retire}")
        else:
            sys.stdout.writelines(f"{one.signer_id}\n" for one in tenants.signers(org_id))


@service.command(name="migrate")
def migrate_database(
    to: Annotated[int, typer.Option(help="Revision; 0 removes the service's tables and all they hold.")] = HEAD,
    data: Data = None,
) -> None:
    """Bring the database to a revision; the service itself only ever goes up."""
    settings = read_settings(**({} if data is None else {"data": data}))
    database = open_database(settings)
    try:
        before = migrate(database, to)
    except ValueError as wrong:
        raise SettingsError(str(wrong)) from wrong
    finally:
        database.close()
    sys.stdout.write(f"revision {before} -> {to}\n")


@contextmanager
def _open(data: Path | None) -> Iterator[Service]:
    opened = Service.open(read_settings(**({} if data is None else {"data": data})))
    try:
        yield opened
    finally:
        opened.close()
