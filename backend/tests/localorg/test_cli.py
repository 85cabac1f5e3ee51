"""The command: one background process a data directory, however it ended before; one line on what is wrong."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

pytestmark = pytest.mark.slow

BACKEND = Path(__file__).resolve().parents[2]


def localorg(*arguments, stdin=""):
    return subprocess.run(
        [sys.executable, "-m", "localorg.cli", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(BACKEND)},
        capture_output=True, text=True, check=False, timeout=180, input=stdin,
    )  # fmt: skip


@pytest.fixture
def data(tmp_path):
    directory = tmp_path / "data"
    yield directory
    localorg("down", "--data", directory)


def up(data, *more):
    done = localorg("up", "--orgs", "2", "--data", data, "--json", *more)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def names(document, org):
    headers = {"Authorization": f"Bearer {org['access_token']}"}
    query = {"q": "SELECT Name FROM Account ORDER BY Name"}
    answer = requests.get(
        f"{org['instance_url']}/services/data/v60.0/query", params=query, headers=headers, timeout=30,
        verify=document["ca_file"],
    )  # fmt: skip
    return [row["Name"] for row in answer.json()["records"]]


def create(document, org, name):
    requests.post(
        f"{org['instance_url']}/services/data/v60.0/sobjects/Account", json={"Name": name}, timeout=30,
        headers={"Authorization": f"Bearer {org['access_token']}"}, verify=document["ca_file"],
    ).raise_for_status()  # fmt: skip


def test_json_is_one_object_with_all_a_tool_needs(data):
    document = up(data)
    assert set(document) == {"ca_file", "orgs"}
    assert [org["alias"] for org in document["orgs"]] == ["org1", "org2"]
    for org in document["orgs"]:
        assert set(org) == {
            "alias", "instance_url", "org_id", "username", "access_token", "consumer_key", "key_file",
        }  # fmt: skip
        assert org["instance_url"].startswith("https://localhost:")
        assert Path(org["key_file"]).stat().st_mode & 0o077 == 0
        assert names(document, org) == []
    again = up(data)
    assert again["orgs"][0]["instance_url"] == document["orgs"][0]["instance_url"]
    told = localorg("up", "--orgs", "2", "--data", data)
    assert "REQUESTS_CA_BUNDLE" in told.stdout
    assert "sf org login jwt" in told.stdout


def test_a_killed_server_loses_nothing_and_starts_again(data):
    document = up(data)
    first, _ = document["orgs"]
    create(document, first, "Before the kill")
    pid = json.loads((data / "server.json").read_text())["pid"]
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while localorg("status", "--data", data).returncode == 0:
        assert time.monotonic() < deadline
    again = up(data)
    assert names(again, again["orgs"][0]) == ["Before the kill"]
    assert names(again, again["orgs"][1]) == []
    # Sessions survive too: they are on disk, as hashes.
    port = again["orgs"][0]["instance_url"]
    assert names(again, {**first, "instance_url": port}) == ["Before the kill"]
    assert again["ca_file"] == document["ca_file"]


def test_it_listens_on_loopback_only(data):
    document = up(data)
    port = int(document["orgs"][0]["instance_url"].rsplit(":", 1)[1])
    listening = [
        line.split()[1].split(":")
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if line.split()[3] == "0A"
    ]
    mine = [address for address, number in listening if int(number, 16) == port]
    assert mine == ["0100007F"]


def test_what_is_wrong_is_one_line(data, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = localorg("up", "--data", data, "--port", port)
    assert refused.returncode == 2
    assert refused.stderr.strip() == f"localorg: port {port} is in use; give another --port, or none to take a free one"
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("mine")
    for command in (("up",), ("reset", "--yes")):
        refused = localorg(*command, "--data", foreign)
        assert refused.returncode == 2
        assert len(refused.stderr.strip().splitlines()) == 1
        assert (foreign / "thesis.txt").read_text() == "mine"
    refused = localorg("seed", "--data-set", tmp_path, "--data", data)
    assert refused.returncode == 2
    assert "localorg up" in refused.stderr


def test_down_and_reset(data):
    up(data)
    assert localorg("down", "--data", data).stdout.strip() == "ended"
    assert localorg("status", "--data", data).returncode == 1
    assert localorg("reset", "--data", data, stdin="n\n").returncode == 1
    assert data.exists()
    assert localorg("reset", "--data", data, "--yes").returncode == 0
    assert not data.exists()


def test_orgs_are_seeded_from_a_table(data, tmp_path):
    import csv
    import gzip

    table = tmp_path / "table"
    table.mkdir()
    about = {"name": "toy", "task": "churn", "label": "left", "positive": ["yes"], "missing": [""]}
    (table / "dataset.json").write_text(json.dumps(about))
    with gzip.open(table / "data.csv.gz", "wt", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["MonthlyCharges", "Contract", "left"])
        writer.writerows([n * 1.5, ("one", "two", "three")[n % 3], ("yes", "no")[n % 2]] for n in range(40))
    document = up(data)
    refused = localorg("seed", "--data-set", table, "--data", data, "--rate", "wonders=1")
    assert (refused.returncode, "there is no rate 'wonders'" in refused.stderr) == (2, True)
    done = localorg("seed", "--data-set", table, "--data", data, "--rate", "leads=0", "--json")
    assert done.returncode == 0, done.stderr
    seeded = json.loads(done.stdout)["orgs"]
    assert [org["records"]["Account"] for org in seeded] == [20, 20]
    assert len(names(document, document["orgs"][0])) == 20
    assert [org["new"] for org in seeded] == [True, True]
    assert all("Lead" not in org["records"] and "Task" in org["records"] for org in seeded)
    again = localorg("seed", "--data-set", table, "--data", data, "--participants", 4, "--seed", 9, "--json")
    assert json.loads(again.stdout)["orgs"] == [{**org, "new": False} for org in seeded]
    said = localorg("seed", "--data-set", table, "--data", data).stdout
    assert said.count("seeded before, unchanged") == 2
    assert len(names(document, document["orgs"][0])) == 20
