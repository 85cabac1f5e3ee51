"""The orgs a node knows: kept whole, sealed, private, and pinned to the org that answered."""

from __future__ import annotations

import json
import stat
import sys

import pytest

from fedcrm.errors import SecretsLocked, SettingsError, WrongOrg
from fedcrm.salesforce.auth import ClientCredentials, JwtBearer, SessionToken
from fedcrm.salesforce.orgs import Orgs, RegisteredOrg
from fedcrm.secrets import KeyCommand, KeyFile, KeyService, Secret, SecretCommand


@pytest.fixture
def orgs(tmp_path):
    return Orgs.create(tmp_path / "orgs")


@pytest.fixture
def north(org, pki):
    grant = JwtBearer(org.consumer_key, org.username, Secret(pki.client_key))
    return RegisteredOrg("north", org.url, grant, organization_id="00DTINY00000001", ca=pki.ca_file.read_text())


@pytest.mark.parametrize(
    "grant",
    [
        JwtBearer("3MVG", "a@b.example", Secret("-----BEGIN"), "https://login.salesforce.com"),
        JwtBearer("3MVG", "a@b.example", SecretCommand("vault read key")),
        ClientCredentials("3MVG", Secret("s3cr3t")),
        SessionToken(SecretCommand("sf org display")),
    ],
)
def test_what_is_added_is_read_again_by_another_program(orgs, grant):
    added = RegisteredOrg("a-1_B", "https://a.example", grant, "00D", "60.0", "CERTIFICATE", 0.5)
    orgs.add(added)
    assert Orgs.open(orgs.directory).get("a-1_B") == added
    assert list(Orgs.open(orgs.directory)) == ["a-1_B"]


def test_no_file_shows_a_secret_and_none_is_for_others_to_read(orgs, north, client):
    orgs.add(north)
    orgs.connect("north").limits()
    names = {p.name for p in orgs.directory.iterdir()}
    assert names == {"registry.json", "storage.key", "north.json", "north.ca.pem", "north.session"}
    assert stat.S_IMODE(orgs.directory.stat().st_mode) == 0o700
    for path in orgs.directory.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        text = path.read_text()
        assert "PRIVATE KEY" not in text
        assert "!" not in text  # every session token has one


def test_nothing_printed_of_an_org_shows_its_secret(north):
    assert "PRIVATE" not in repr(north)


def test_a_session_is_kept_for_the_next_program(orgs, north, org):
    orgs.add(north)
    orgs.connect("north").limits()
    Orgs.open(orgs.directory).connect("north").limits()
    assert len(org.sent("POST", "token")) == 1


@pytest.mark.parametrize("content", ["", "nonsense", None])
def test_a_kept_session_that_cannot_be_read_is_as_good_as_none(orgs, north, content):
    orgs.add(north)
    orgs.connect("north").limits()
    path = orgs.directory / "north.session"
    path.write_text(content) if content is not None else path.unlink()
    assert orgs.connect("north").limits()


def test_an_alias_is_exchanged_only_where_that_is_meant(orgs, north):
    orgs.add(north)
    with pytest.raises(SettingsError, match="--replace"):
        orgs.add(north)
    orgs.add(RegisteredOrg("north", "https://b.example", SessionToken(Secret("x"))), replace=True)
    assert orgs.get("north").login_url == "https://b.example"
    assert orgs.get("north").ca is None


def test_removing_an_org_removes_every_file_of_it(orgs, north):
    orgs.add(north)
    orgs.connect("north").limits()
    orgs.remove("north")
    assert list(orgs) == []
    assert {p.name for p in orgs.directory.iterdir()} == {"registry.json", "storage.key"}
    with pytest.raises(SettingsError):
        orgs.remove("north")


def test_an_org_that_is_not_known_is_refused_with_those_that_are(orgs, north):
    orgs.add(north)
    with pytest.raises(SettingsError, match="known: north"):
        orgs.get("south")


@pytest.mark.parametrize("alias", ["", "../x", "a/b", ".x", "a b", "x" * 65, "registry"])
def test_an_alias_is_never_a_path(orgs, alias):
    with pytest.raises(SettingsError):
        orgs.get(alias)


def test_another_org_at_the_same_address_is_refused_also_from_a_kept_session(orgs, north, org):
    from dataclasses import replace

    orgs.add(replace(north, organization_id="00DOTHER0000001"))
    with pytest.raises(WrongOrg):
        orgs.connect("north").limits()
    assert not (orgs.directory / "north.session").exists()


def test_another_storage_key_opens_nothing_and_says_so(orgs, north):
    orgs.add(north)
    (orgs.directory / "storage.key").write_bytes(bytes(32))
    with pytest.raises(SecretsLocked):
        Orgs.open(orgs.directory).get("north")


def test_the_storage_key_may_lie_elsewhere_or_come_from_a_command(tmp_path, north):
    (tmp_path / "key").write_bytes(bytes(range(32)))
    for name, source in {"a": KeyFile(tmp_path / "key"), "b": KeyCommand(f"cat {tmp_path}/key")}.items():
        Orgs.create(tmp_path / name, source).add(north)
        assert Orgs.open(tmp_path / name).get("north") == north
        assert not (tmp_path / name / "storage.key").exists()


def test_the_storage_key_may_be_wrapped_by_a_key_service(tmp_path, north):
    script = tmp_path / "kms"
    script.write_text(
        f"#!{sys.executable}\n"
        "import base64, sys\n"
        "print(base64.b64encode(base64.b64decode(sys.stdin.read())[::-1]).decode())\n"
    )
    script.chmod(0o700)
    Orgs.create(tmp_path / "orgs", KeyService.create(str(script))).add(north)
    assert Orgs.open(tmp_path / "orgs").get("north") == north
    assert not (tmp_path / "orgs" / "storage.key").exists()
    script.unlink()
    with pytest.raises(SettingsError, match="cannot be run"):
        Orgs.open(tmp_path / "orgs").get("north")


def test_a_storage_key_that_is_not_to_be_had_makes_no_directory(tmp_path):
    with pytest.raises(SettingsError):
        Orgs.create(tmp_path / "orgs", KeyFile(tmp_path / "missing"))
    assert not (tmp_path / "orgs").exists()


def test_a_directory_of_orgs_is_made_once(orgs):
    with pytest.raises(SettingsError):
        Orgs.create(orgs.directory)


@pytest.mark.parametrize("content", ["", "[]", '{"version": 99}', '{"version": 1}'])
def test_a_registry_that_cannot_be_read_is_refused(tmp_path, content):
    (tmp_path / "registry.json").write_text(content)
    with pytest.raises(SettingsError):
        Orgs.open(tmp_path)


def test_an_org_file_that_lost_a_fact_is_refused(orgs, north):
    orgs.add(north)
    path = orgs.directory / "north.json"
    raw = json.loads(path.read_text())
    for gone in ("login_url", "grant", "reserve"):
        path.write_text(json.dumps({k: v for k, v in raw.items() if k != gone}))
        with pytest.raises(SettingsError):
            orgs.get("north")
