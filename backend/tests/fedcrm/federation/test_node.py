import stat
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedcrm.errors import FedCRMError, SecretsLocked, SettingsError, StorageError
from fedcrm.federation import Node, NodeSettings, directory_name, organisation_name
from fedcrm.files import write_atomically
from fedcrm.secrets import KeyCommand, KeyFile

SETTINGS = NodeSettings("Fiber optic/echeck", 8.0, 1e-5, "record", "2026")


@given(st.text(min_size=1, max_size=20).filter(lambda s: s == s.strip()))
def test_a_directory_name_is_flat_and_reversible(name):
    try:
        encoded = directory_name(name)
    except SettingsError:
        return
    assert organisation_name(encoded) == name
    assert "/" not in encoded
    assert not encoded.startswith(".")


@pytest.mark.parametrize("name", ["", " padded", "x" * 300, "\U0001f600" * 60])
def test_names_no_file_system_could_hold_are_refused(name):
    with pytest.raises(SettingsError):
        directory_name(name)


def test_the_share_for_counts_is_the_nodes_own_and_written_down(tmp_path):
    node = Node.create(tmp_path / "node", replace(SETTINGS, pure_share=0.1))
    assert node.ledger.period_budget.pure_epsilon == pytest.approx(0.8)
    assert node.ledger.plan_training(2.0).pure_epsilon == pytest.approx(0.2)
    node.close()
    assert Node.read_settings(tmp_path / "node").pure_share == 0.1
    with pytest.raises(SettingsError, match="share of pure releases"):
        Node.create(tmp_path / "other", replace(SETTINGS, pure_share=1.0))
    assert not (tmp_path / "other").exists()


def test_a_node_keeps_its_identity_over_a_restart_and_its_keys_to_its_owner(tmp_path):
    node = Node.create(tmp_path / "node", SETTINGS)
    public = node.identity.public
    node.close()
    again = Node.open(tmp_path / "node")
    assert again.identity.public == public
    assert again.settings == SETTINGS
    for key in (tmp_path / "node" / "keys").iterdir():
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
    again.close()


def test_no_secret_of_a_node_lies_in_the_open(tmp_path):
    key, told = b"\x07" * 32, tmp_path / "elsewhere" / "key"
    told.parent.mkdir()
    told.write_bytes(key)
    node = Node.create(tmp_path / "node", SETTINGS, storage_key=KeyCommand(f"cat {told}"))
    node.answers.put("k", "t", "1", np.arange(4))
    secret = node.identity.to_secret_bytes()
    node.close()
    halves = [secret[n : n + 32] for n in range(len(secret) - 31)]
    for file in (f for f in (tmp_path / "node").rglob("*") if f.is_file()):
        content = file.read_bytes()
        assert key not in content
        assert not any(half in content for half in halves)
    assert not (tmp_path / "node" / "keys" / "storage").exists()
    again = Node.open(tmp_path / "node")
    assert again.identity.to_secret_bytes() == secret
    assert again.answers.get("k").tolist() == [0, 1, 2, 3]
    again.close()


def test_another_storage_key_opens_nothing_and_none_is_one_clear_line(tmp_path):
    Node.create(tmp_path / "node", SETTINGS).close()
    other = tmp_path / "other"
    other.write_bytes(b"\x01" * 32)
    with pytest.raises(SecretsLocked):
        Node.open(tmp_path / "node", storage_key=KeyFile(other))
    (tmp_path / "node" / "keys" / "storage").unlink()
    with pytest.raises(SettingsError, match="storage key cannot be read"):
        Node.open(tmp_path / "node")
    with pytest.raises(SettingsError, match="no secret"):
        Node.create(tmp_path / "third", SETTINGS, storage_key=KeyCommand("false"))
    assert not (tmp_path / "third").exists()


def test_an_identity_does_not_open_in_another_nodes_place(tmp_path):
    key = tmp_path / "key"
    key.write_bytes(b"\x02" * 32)
    for name in ("A", "B"):
        Node.create(tmp_path / name, replace(SETTINGS, organisation=name), storage_key=KeyFile(key)).close()
    (tmp_path / "A" / "keys" / "identity").write_bytes((tmp_path / "B" / "keys" / "identity").read_bytes())
    with pytest.raises(SecretsLocked):
        Node.open(tmp_path / "A")


def test_an_existing_node_is_never_made_anew(tmp_path):
    Node.create(tmp_path / "node", SETTINGS).close()
    with pytest.raises(SettingsError):
        Node.create(tmp_path / "node", SETTINGS)


def test_a_node_that_could_not_be_made_leaves_nothing(tmp_path):
    with pytest.raises(FedCRMError):
        Node.create(tmp_path / "node", NodeSettings("A", -1.0, 1e-5, "record", "2026"))
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_is_no_node_is_said_to_be_none(tmp_path):
    with pytest.raises(SettingsError, match="not a node"):
        Node.open(tmp_path)
    (tmp_path / "node.json").write_text("{")
    with pytest.raises(SettingsError, match="cannot be read"):
        Node.open(tmp_path)


def test_an_atomic_write_that_fails_leaves_the_old_content(tmp_path):
    path = tmp_path / "choice.json"
    write_atomically(path, b"before")
    with pytest.raises(StorageError):
        write_atomically(tmp_path / "missing" / "choice.json", b"x")
    assert path.read_bytes() == b"before"
    assert [p.name for p in tmp_path.iterdir()] == ["choice.json"]
