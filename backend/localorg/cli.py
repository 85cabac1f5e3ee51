"""The `localorg` command: Salesforce orgs on this machine, up and down.

localorg up [--orgs 9] [--port N] [--data DIR] [--json]     start them, or say where they are
localorg status | down | reset [--data DIR]
localorg seed --data-set DIR [--org ALIAS] [--rows N]        records from a real table, each org in its own words
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer

from localorg import process
from localorg.errors import LocalOrgError, SettingsError
from localorg.http.server import Server
from localorg.http.serving import connection_document, ensure_orgs, identity_of, serve_forever
from localorg.runtimes import Runtimes

__all__ = ["app", "main"]

app = typer.Typer(
    help="Salesforce orgs on this machine.", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)

DEFAULT_DATA = Path(os.environ.get("LOCALORG_DATA", Path.home() / ".localorg"))

Data = Annotated[Path, typer.Option("--data", help="Data directory; LOCALORG_DATA changes the default.")]
Orgs = Annotated[int, typer.Option("--orgs", min=1, max=200, help="How many orgs there are at least: org1, org2, ...")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, nothing else.")]


@app.command()
def up(
    orgs: Orgs = 9,
    port: Annotated[int | None, typer.Option("--port", min=1, max=65535, help="A free one where not given.")] = None,
    namespace: Annotated[str, typer.Option("--namespace", help="Namespace that new orgs own, as fedcrm.")] = "",
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Start the orgs in the background and say how to reach them; harmless where they run already."""
    data = data.absolute()
    process.claim(data)
    running = process.find(data)
    if running is None:
        with process.free_port(port) as listener:
            arguments = ["--data", str(data), "--orgs", str(orgs), "--namespace", namespace]
            running = process.start(data, arguments, listener)
    elif port not in (None, running.port):
        raise SettingsError(f"the orgs of {data} run on port {running.port} already; `localorg down` first")
    server = Server(data)
    if len([entry for entry in server.registry.entries() if not entry.hub]) < orgs:
        raise SettingsError(f"the running server has fewer than {orgs} orgs; `localorg down`, then up again")
    document = connection_document(server, running.url)
    typer.echo(json.dumps(document) if as_json else _told(document))


@app.command()
def status(data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """Whether the orgs run, and where; exits 1 where they do not."""
    running = process.find(data)
    if as_json:
        typer.echo(json.dumps({"running": running is not None, "url": running.url if running else None}))
    elif running is None:
        typer.echo(f"no local org server runs on {data}")
    else:
        typer.echo(f"{running.url} (process {running.pid}), trust {running.ca_file}")
    if running is None:
        raise typer.Exit(1)


@app.command()
def down(data: Data = DEFAULT_DATA) -> None:
    """End the server; the orgs stay on disk."""
    typer.echo("ended" if process.stop(data) else f"no local org server runs on {data}")


@app.command()
def reset(data: Data = DEFAULT_DATA, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """End the server and delete the orgs with everything in them."""
    if not data.exists():
        typer.echo(f"{data} does not exist")
        return
    if not process.is_data_directory(data):
        raise SettingsError(f"{data} is no data directory of localorg; nothing was deleted")
    if not yes and not typer.confirm(f"Delete every org under {data}?"):
        raise typer.Exit(1)
    process.stop(data)
    shutil.rmtree(data)
    typer.echo(f"deleted {data}")


@app.command()
def seed(
    data_set: Annotated[Path, typer.Option("--data-set", help="Directory with dataset.json, data.csv.gz.")],
    org: Annotated[
        list[str] | None, typer.Option("--org", help="Alias; may be given several times. All of them.")
    ] = None,
    rows: Annotated[int | None, typer.Option("--rows", min=1, help="Of each org, at most.")] = None,
    participants: Annotated[
        int | None,
        typer.Option(
            "--participants",
            min=1,
            help="Parts the table falls into: the data's own participants, largest first, where that is how many there "
            "are; else dealt out. org1 takes the first. As many as there are orgs.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Decides names, picklists, gaps, dates.")] = 1,
    rate: Annotated[
        list[str] | None,
        typer.Option(
            "--rate",
            help="How much there is an account, as cases=0.55; also contacts, tasks, events, opportunities, leads.",
        ),
    ] = None,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Fill running orgs with the rows of a real table, each org's under its own names, picklists and gaps."""
    running = process.find(data)
    if running is None:
        raise SettingsError(f"no local org server runs on {data}; `localorg up` first")
    orgs = process.ask(running, "GET", "/_local/orgs")
    planted = []
    for alias in org or [str(each["alias"]) for each in orgs["orgs"]]:
        asked: dict[str, object] = {"org": alias, "data_set": str(data_set.absolute()), "rows": rows, "seed": seed}
        asked |= {"rates": dict(each.partition("=")[::2] for each in rate or ())}
        asked |= {} if participants is None else {"of": participants}
        planted.append(process.ask(running, "POST", "/_local/seed", asked))
        if not as_json:
            told = ", ".join(f"{count} {name}" for name, count in planted[-1]["records"].items())
            before = "" if planted[-1]["new"] else "seeded before, unchanged: "
            typer.echo(f"{alias}: {before}{told}")
    if as_json:
        typer.echo(json.dumps({"orgs": planted}))


@app.command(hidden=True)
def serve(
    data: Data,
    orgs: Orgs,
    descriptor: Annotated[int, typer.Option("--descriptor", help="Open listening socket, handed over by `up`.")],
    namespace: Annotated[str, typer.Option("--namespace")] = "",
) -> None:
    """Be the background process."""
    held = process.lock(data)
    server = Server(data)
    Runtimes.install(server)
    ensure_orgs(server, orgs, namespace or None)
    ca_file = identity_of(server).ca_file
    with socket.socket(fileno=descriptor) as listener:
        process.write_state(data, process.Running(os.getpid(), listener.getsockname()[1], str(ca_file)))
        try:
            serve_forever(server, listener)
        finally:
            server.close()
            os.close(held)


def _told(document: dict[str, object]) -> str:
    orgs = document["orgs"]
    if not isinstance(orgs, list) or not orgs:
        return "no orgs"
    first = orgs[0]
    lines = [f"{first['instance_url']}   trust {document['ca_file']}", ""]
    for org in orgs:
        lines += [f"{org['alias']:8} {org['username']}", f"{'':8} key {org['key_file']}"]
    lines += [
        "",
        "simple-salesforce, salesforce-bulk, CumulusCI:",
        f"  export REQUESTS_CA_BUNDLE={document['ca_file']}",
        "sf:",
        f"  export NODE_EXTRA_CA_CERTS={document['ca_file']}",
        f"  sf org login jwt --username {first['username']} --client-id {first['consumer_key']} \\",
        f"    --jwt-key-file {first['key_file']} --instance-url {first['instance_url']}",
        "",
        "`localorg up --json` prints sessions and consumer keys of all orgs; docs/localorg.md shows each tool.",
    ]
    return "\n".join(lines)


def main() -> None:
    """Run the command; a refusal is one line on standard error and exit status 2."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        app()
    except LocalOrgError as refused:
        typer.echo(f"localorg: {refused}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
