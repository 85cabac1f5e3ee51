"""Ledgers on SQLite and on a throw-away PostgreSQL server, so that one contract suite runs over both."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import settings

from fedcrm.privacy import Ledger

# Machines that run several suites at once are slow, not wrong.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """A cluster of its own on a socket of its own; yields the socket's directory."""
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    on_path = shutil.which("postgres")
    found = binaries[-1] if binaries else Path(on_path).resolve() if on_path else None
    if found is None:
        pytest.fail("no PostgreSQL server on this machine; `make setup` installs one")
    folder = Path(tempfile.mkdtemp(prefix="fedcrm-pg-", dir="/tmp"))
    as_user: dict[str, str | int] = {}
    if os.geteuid() == 0:  # the server refuses to run as root
        account = pwd.getpwnam("postgres")
        os.chown(folder, account.pw_uid, account.pw_gid)
        as_user = {"user": "postgres", "group": account.pw_gid}
    data = folder / "data"
    subprocess.run(
        [found.with_name("initdb"), "-D", data, "-U", "postgres", "-A", "trust", "--no-sync"],
        check=True,
        capture_output=True,
        cwd="/",
        **as_user,
    )
    server = subprocess.Popen(
        [found, "-D", data, "-k", folder, "-c", "listen_addresses=", "-c", "max_connections=40", "-c", "fsync=off"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        **as_user,
    )
    try:
        ready = [found.with_name("pg_isready"), "-q", "-h", folder]
        while subprocess.run(ready, check=False).returncode != 0:
            assert server.poll() is None, "the PostgreSQL server ended at once"
            time.sleep(0.05)
        yield str(folder)
    finally:
        server.send_signal(signal.SIGQUIT)  # "immediate": what it holds is thrown away
        server.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


_NUMBERS = itertools.count()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a ledger can be created: a path or a URL of an empty database."""
    if request.param == "sqlite":
        return str(tmp_path / "node.sqlite")
    folder = request.getfixturevalue("postgresql_server")
    name = f"ledger_{next(_NUMBERS)}"
    with psycopg.connect(f"host={folder} user=postgres dbname=postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"postgresql+psycopg://postgres@/{name}?host={folder}"


@pytest.fixture
def new_ledger(place: str) -> Iterator[Callable[..., Ledger]]:
    """Creates the ledger at `place`, with overrides."""
    opened: list[Ledger] = []

    def create(**overrides: object) -> Ledger:
        options = {"organisation": "Alpha", "epsilon_budget": 8.0, "unit": "lead", "period": "2026"}
        ledger = Ledger.create(place, **{**options, **overrides})
        opened.append(ledger)
        return ledger

    yield create
    for ledger in opened:
        ledger.close()


@pytest.fixture
def ledger(new_ledger: Callable[..., Ledger]) -> Ledger:
    """A ledger of epsilon 8 with one training of epsilon 8, "t", opened."""
    made = new_ledger()
    made.open_training("t", made.plan_training(8.0))
    return made
