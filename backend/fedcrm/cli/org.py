"""`fedcrm org`: the Salesforce orgs a node knows, and whether all is well with them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from fedcrm.errors import SettingsError
from fedcrm.salesforce import (
    API_VERSION,
    DEFAULT_RESERVE,
    Client,
    ClientCredentials,
    Grant,
    JwtBearer,
    KeyCommand,
    KeyFile,
    KeyService,
    KeySource,
    Orgs,
    OrgSession,
    RegisteredOrg,
    Secret,
    SecretCommand,
    SessionToken,
    TokenEndpoint,
    Verdict,
    check_org,
    read_secret,
)
from fedcrm.salesforce import pair as hand_over

__all__ = ["OrgsOption", "org"]

org = typer.Typer(no_args_is_help=True, help="Salesforce orgs: add, list, check and remove them.")


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError as error:  # a user without a home, as in some containers
        raise SettingsError(f"{path}: there is no home directory; give --orgs") from error


OrgsOption = Annotated[
    Path, typer.Option("--orgs", metavar="DIR", envvar="FEDCRM_ORGS", help="Where orgs are kept.", callback=_expanded)
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object instead of words.")]
AliasArgument = Annotated[str, typer.Argument(metavar="ALIAS", help="Your name for the org.")]
DEFAULT_ORGS = Path("~/.fedcrm/orgs")


@org.command()
def add(
    alias: AliasArgument,
    login_url: Annotated[
        str, typer.Option("--login-url", metavar="URL", help="The org's My Domain: https://NAME.my.salesforce.com.")
    ],
    consumer_key: Annotated[str | None, typer.Option(help="Of the org's external client app.")] = None,
    username: Annotated[str | None, typer.Option(help="The integration user, for a login with a key.")] = None,
    key_file: Annotated[
        Path | None, typer.Option(help="PEM of the private key (and its certificate); a sealed copy is kept.")
    ] = None,
    key_command: Annotated[str | None, typer.Option(help="A command that prints the key; run at each login.")] = None,
    secret_file: Annotated[
        Path | None, typer.Option(help="The app's consumer secret, for client credentials; a sealed copy is kept.")
    ] = None,
    secret_command: Annotated[str | None, typer.Option(help="A command that prints the consumer secret.")] = None,
    token_file: Annotated[Path | None, typer.Option(help="A session token; a sealed copy is kept.")] = None,
    token_command: Annotated[str | None, typer.Option(help="A command that prints a session token.")] = None,
    audience: Annotated[str | None, typer.Option(help="Of the login's assertion, where it is not the usual.")] = None,
    ca_file: Annotated[Path | None, typer.Option(help="PEM of the CA to trust for this org alone.")] = None,
    api_version: Annotated[str, typer.Option(help="Of the org's API.")] = API_VERSION,
    reserve: Annotated[
        float, typer.Option(min=0, max=0.99, help="Share of the org's daily API calls that is left to others.")
    ] = DEFAULT_RESERVE,
    exchange: Annotated[bool, typer.Option("--replace", help="Exchange an org of this alias.")] = False,
    storage_key_file: Annotated[
        Path | None, typer.Option(help="With the first org: the key that seals secrets, 32 bytes.")
    ] = None,
    storage_key_command: Annotated[str | None, typer.Option(help="With the first org: it prints that key.")] = None,
    storage_key_service: Annotated[
        str | None, typer.Option(help="With the first org: a command that wraps and unwraps that key, such as a KMS's.")
    ] = None,
    orgs: OrgsOption = DEFAULT_ORGS,
) -> None:
    """Register an org under an alias. It is logged in to first; where that fails, nothing is kept.

    Keys, secrets and tokens come from a file or a command, never from the command line.
    """
    key = _one_secret("--key", key_file, key_command)
    secret = _one_secret("--secret", secret_file, secret_command)
    token = _one_secret("--token", token_file, token_command)
    added = RegisteredOrg(
        alias=alias,
        login_url=login_url,
        grant=_grant(consumer_key, username, key, secret, token, audience),
        api_version=api_version,
        ca=read_secret(ca_file).reveal() if ca_file else None,
        reserve=reserve,
    )
    source = _storage_key(storage_key_file, storage_key_command, storage_key_service)
    registry = Orgs.open(orgs) if Orgs.exists(orgs) else None
    if registry is not None and source is not None:
        raise SettingsError(f"{orgs} has its storage key already: it is chosen with the first org")
    if registry is not None and alias in registry and not exchange:
        raise SettingsError(f"{alias}: there is an org of this alias already; --replace exchanges it")
    ca = str(ca_file) if ca_file else None
    session = OrgSession(TokenEndpoint(alias, login_url, added.grant, ca_file=ca), ca_file=ca)
    Client(session, version=api_version).limits()  # a login may succeed where the API is closed to the user
    found = session.token
    registry = registry or Orgs.create(orgs, source)
    registry.add(replace(added, organization_id=found.organization_id), replace=exchange)
    _say(f"{alias}: org {found.organization_id} at {found.instance_url}. `fedcrm org check {alias}` tells more.")


@org.command(name="list")
def list_orgs(orgs: OrgsOption = DEFAULT_ORGS, as_json: JsonOption = False) -> None:
    """Every org by its alias; no secrets."""
    registry = Orgs.open(orgs) if Orgs.exists(orgs) else None
    known = [registry.get(alias) for alias in registry] if registry is not None else []
    if as_json:
        _print_json({"orgs": [_facts(one) for one in known]})
        return
    if not known:
        _say("No orgs yet. `fedcrm org add` adds one.")
        return
    table = Table()
    for heading in ("alias", "org", "login URL", "logs in with", "user"):
        table.add_column(heading)
    for one in known:
        facts = _facts(one)
        table.add_row(*(facts[k] or "" for k in ("alias", "organization_id", "login_url", "login", "username")))
    _console().print(table)


@org.command()
def check(alias: AliasArgument, orgs: OrgsOption = DEFAULT_ORGS, as_json: JsonOption = False) -> None:
    """Prove in turn everything that can be wrong with an org; a non-zero exit status if anything is."""
    registry = Orgs.open(orgs)
    registered = registry.get(alias)
    client = registry.connect(alias)
    findings = []
    for finding in check_org(client, registry.endpoint(registered)):
        findings.append(finding)
        if not as_json:
            _say(f"{_MARKS[finding.verdict]} {finding.what}: {finding.words}")
            if finding.remedy:
                _say(f"      {finding.remedy}")
    wrong = any(f.verdict is Verdict.WRONG for f in findings)
    if as_json:
        rows = [
            {"what": f.what, "verdict": f.verdict.value, "words": f.words, "remedy": f.remedy or None} for f in findings
        ]
        _print_json({"alias": alias, "good": not wrong, "findings": rows})
    if wrong:
        raise typer.Exit(1)


@org.command()
def pair(
    alias: AliasArgument,
    rotate: Annotated[
        bool, typer.Option("--rotate", help="A new key; runs under the old one can still be read.")
    ] = False,
    namespace: Annotated[
        str | None, typer.Option("--namespace", metavar="NAME", help="Of the installed package, if it is managed.")
    ] = None,
    orgs: OrgsOption = DEFAULT_ORGS,
) -> None:
    """Hand the org the key that it encrypts feature blocks with; a sealed copy stays here. Harmless to repeat."""
    registry = Orgs.open(orgs)
    paired = hand_over(registry.connect(alias), registry.pairing(alias), namespace=namespace, rotate=rotate)
    _say(f"{alias}: org {paired.org_id} is paired and encrypts with key {paired.keys[0].id}.")


@org.command()
def remove(alias: AliasArgument, orgs: OrgsOption = DEFAULT_ORGS) -> None:
    """Forget an org: its address, its secrets and its session. Nothing changes in the org itself."""
    Orgs.open(orgs).remove(alias)
    _say(f"{alias} is forgotten. Its app's certificate stays in the org until it is removed there.")


_MARKS = {Verdict.GOOD: "ok   ", Verdict.DOUBTFUL: "look ", Verdict.WRONG: "WRONG"}


def _grant(
    consumer_key: str | None,
    username: str | None,
    key: Secret | SecretCommand | None,
    secret: Secret | SecretCommand | None,
    token: Secret | SecretCommand | None,
    audience: str | None,
) -> Grant:
    """The way to log in that these options describe; exactly one."""
    if sum(given is not None for given in (key, secret, token)) != 1:
        raise SettingsError("give a key, a consumer secret or a session token: one of them, from a file or a command")
    if audience is not None and key is None:
        raise SettingsError("--audience belongs to a login with a key")
    if token is not None:
        if consumer_key is not None or username is not None:
            raise SettingsError("a session token needs neither --consumer-key nor --username")
        return SessionToken(token)
    if consumer_key is None:
        raise SettingsError("--consumer-key is missing: it stands in the org's external client app")
    if secret is not None:
        if username is not None:
            raise SettingsError("client credentials run as the user named in the app: --username belongs to a key")
        return ClientCredentials(consumer_key, secret)
    if username is None or key is None:
        raise SettingsError("--username is missing: the integration user that the key logs in")
    return JwtBearer(consumer_key, username, key, audience)


def _one_secret(option: str, file: Path | None, command: str | None) -> Secret | SecretCommand | None:
    if file is not None and command is not None:
        raise SettingsError(f"{option}-file and {option}-command exclude each other")
    if command is not None:
        return SecretCommand(command)
    return read_secret(file) if file is not None else None


def _storage_key(file: Path | None, command: str | None, service: str | None) -> KeySource | None:
    if sum(given is not None for given in (file, command, service)) > 1:
        raise SettingsError("the storage key comes from one place")
    if file is not None:
        return KeyFile(file.absolute())
    if command is not None:
        return KeyCommand(command)
    return KeyService.create(service) if service is not None else None


def _facts(one: RegisteredOrg) -> dict[str, str | None]:
    kinds = {JwtBearer: "key", ClientCredentials: "client credentials", SessionToken: "session token"}
    return {
        "alias": one.alias,
        "organization_id": one.organization_id,
        "login_url": one.login_url,
        "login": kinds[type(one.grant)],
        "username": one.grant.username if isinstance(one.grant, JwtBearer) else None,
        "api_version": one.api_version,
    }


def _print_json(value: dict[str, object]) -> None:
    typer.echo(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False))


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=118)


def _say(text: str) -> None:
    _console().print(text, markup=False, highlight=False, soft_wrap=True)
