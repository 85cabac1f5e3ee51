import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from typer.testing import CliRunner

from fedcrm.cli import app
from fedcrm.errors import ServiceError, SettingsError
from fedcrm.privacy import Database
from fedcrm.service import Scope, Service, read_settings
from fedcrm.service.migrations import HEAD, revision_of

ORG = "00D000000000001EAA"


def run(*words):
    result = CliRunner().invoke(app, list(map(str, words)))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def data(tmp_path):
    service = Service.open(read_settings(data=tmp_path / "service"))
    service.tenants.register(ORG, "One")
    service.close()
    return tmp_path / "service"


def test_a_code_pairs_and_a_key_is_a_key(data):
    code = run("service", "pair", "--org-id", "00D000000000009EAA", "--data", data).stdout.strip()
    key = run("service", "key", ORG, "--scope", "admin", "--label", "Ada", "--data", data).stdout.strip()
    service = Service.open(read_settings(data=data))
    caller = service.tenants.caller_of(key)
    assert (caller.org_id, caller.scope, caller.user) == (ORG, Scope.ADMIN, "Ada")
    with pytest.raises(ServiceError):
        service.tenants.pair(code, ORG, "One", None)
    assert service.tenants.pair(code, "00D000000000009EAA", "Nine", None).key_id
    service.close()


def test_a_key_for_a_stranger_is_refused(data):
    with pytest.raises(SettingsError, match="not paired"):
        run("service", "key", "00D000000000005EAA", "--data", data)


def test_a_signer_is_registered_listed_and_retired(data, tmp_path):
    key = rsa.generate_private_key(65537, 2048).public_key()
    pem = tmp_path / "signing.pem"
    pem.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    name = run("service", "signer", ORG, "--certificate", pem, "--data", data).stdout.strip()
    assert run("service", "signer", ORG, "--data", data).stdout == f"{name}\n"
    run("service", "signer", ORG, "--retire", name, "--data", data)
    assert run("service", "signer", ORG, "--data", data).stdout == ""
    with pytest.raises(SettingsError, match="no signer"):
        run("service", "signer", ORG, "--retire", name, "--data", data)
    with pytest.raises(SettingsError, match="not paired"):
        run("service", "signer", "00D000000000005EAA", "--certificate", pem, "--data", data)
    pem.write_text("no key at all")
    with pytest.raises(SettingsError, match="neither a public key nor a certificate"):
        run("service", "signer", ORG, "--certificate", pem, "--data", data)


def test_the_database_goes_down_and_up(data):
    assert run("service", "migrate", "--to", 0, "--data", data).stdout == f"revision {HEAD} -> 0\n"
    assert run("service", "migrate", "--data", data).stdout == f"revision 0 -> {HEAD}\n"
    database = Database.open(data / "service.sqlite")
    assert revision_of(database) == HEAD
    database.close()
    with pytest.raises(SettingsError, match="revision"):
        run("service", "migrate", "--to", HEAD + 1, "--data", data)


def test_the_settings_are_a_table():
    assert "| `FEDCRM_SERVICE_AUDIENCE` | `fedcrm` |" in run("settings").stdout
