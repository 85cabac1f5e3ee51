"""From a data directory to a listening server: orgs made where missing, certificate, uvicorn over TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from localorg.http.app import App
from localorg.http.engines import Engines
from localorg.http.resuming import resume
from localorg.http.server import OrgKeys, Server
from localorg.tls import ServerIdentity, server_identity

__all__ = ["connection_document", "ensure_orgs", "identity_of", "serve_forever", "served_in_thread"]


def ensure_orgs(server: Server, count: int, namespace: str | None = None) -> list[OrgKeys]:
    """Make `org1` .. `org<count>` where they are missing; returns all orgs that no Dev Hub made."""
    present = {entry.alias.lower() for entry in server.registry.entries()}
    for number in range(1, count + 1):
        if f"org{number}" not in present:
            server.create_org(f"org{number}", namespace=namespace)
    return [server.keys(entry) for entry in server.registry.entries() if not entry.hub]


def identity_of(server: Server) -> ServerIdentity:
    """The server's certificate, good for localhost and `<alias>.localhost` of every org."""
    names = [f"{entry.alias.lower()}.localhost" for entry in server.registry.entries() if not entry.hub]
    return server_identity(server.directory / "tls", names)


def connection_document(server: Server, url: str) -> dict[str, object]:
    """What `localorg up --json` prints: each org's address, admin, a fresh session and the keys to make more."""
    ca_file = server.directory / "tls" / "ca.pem"
    entries = [entry for entry in server.registry.entries() if not entry.hub]
    return {
        "ca_file": str(ca_file),
        "orgs": [
            {
                "alias": entry.alias,
                "instance_url": url,
                "org_id": entry.org_id,
                "username": entry.username,
                "access_token": server.admin_token(entry),
                "consumer_key": server.keys(entry).consumer_key,
                "key_file": str(server.keys(entry).key_file),
            }
            for entry in entries
        ],
    }


def serve_forever(server: Server, listener: socket.socket) -> None:
    """Serve on the open socket until SIGTERM or SIGINT."""
    resume(server)
    _uvicorn(server).run(sockets=[listener])


@contextmanager
def served_in_thread(
    directory: Path,
    *,
    orgs: int = 1,
    engines: Engines | None = None,
    prepare: Callable[[Server], object] = lambda _: None,
) -> Iterator[tuple[Server, str]]:
    """A server in this process, for tests: yields it and its address; `directory/tls/ca.pem` is the CA to trust.

    prepare: called before any org is made or opened.
    """
    server = Server(directory, engines=engines)
    prepare(server)
    ensure_orgs(server, orgs)
    resume(server)
    running = _uvicorn(server)
    # With the protocol named, asyncio switches Nagle's algorithm off; without, every short answer takes 40 ms.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        thread = threading.Thread(target=lambda: asyncio.run(running.serve(sockets=[listener])), daemon=True)
        thread.start()
        try:
            yield server, f"https://localhost:{listener.getsockname()[1]}"
        finally:
            running.should_exit = True
            thread.join(10)
            server.close()


def _uvicorn(server: Server) -> uvicorn.Server:
    identity = identity_of(server)
    config = uvicorn.Config(
        App(server),
        log_level="critical",  # a connection cut on purpose is no error; the app logs its own
        access_log=False,
        server_header=False,
        ssl_certfile=str(identity.certificate_file),
        ssl_keyfile=str(identity.key_file),
        ssl_version=ssl.PROTOCOL_TLS_SERVER,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
        h11_max_incomplete_event_size=1 << 20,  # long SOQL travels in the query string
    )
    return uvicorn.Server(config)
