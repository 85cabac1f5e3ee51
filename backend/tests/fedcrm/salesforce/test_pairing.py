"""A transport key handed over: kept before it is sent, sent again after a break, rotated with overlap."""

from __future__ import annotations

import base64
import os
from types import SimpleNamespace

import pytest

from fedcrm.errors import AccessDenied, OrgUnreachable, RequestRefused, SecretsLocked, SettingsError, WrongOrg
from fedcrm.salesforce.pairing import PairingFile, pair
from fedcrm.secrets import KeyFile, SecretBox

ORG = "00D000000000001EAA"


class Org:
    """A client whose org keeps the keys it is given, as the package does. open: how many runs wait under a key."""

    org = "north"

    def __init__(self, org_id=ORG):
        self.keys, self.org_id, self.trouble, self.open, self.paths = [], org_id, None, {}, []
        self.session = self

    def request(self, method, url, *, json, repeatable):
        assert method == "POST"
        assert repeatable
        self.paths.append(url)
        if self.trouble:
            raise self.trouble
        given = (json["key_id"], base64.b64decode(json["key"]))
        if not self.keys or self.keys[-1] != given:
            self.keys.append(given)
        return SimpleNamespace(json=lambda: {"org_id": self.org_id, "key_id": given[0], "is_paired": True})

    def count(self, _, where):
        return next((many for key, many in self.open.items() if key in where), 0)


@pytest.fixture
def file(tmp_path):
    (tmp_path / "key").write_bytes(os.urandom(32))
    return PairingFile(tmp_path / "north.pairing", SecretBox(KeyFile(tmp_path / "key")), "north")


def test_the_org_gets_a_new_key_and_the_node_keeps_it_sealed(file, tmp_path):
    org = Org()
    paired = pair(org, file)
    ((name, secret),) = org.keys
    assert (paired.org_id, paired.keys[0].id, paired.keys[0].secret) == (ORG, name, secret)
    assert len(secret) == 32
    assert file.require() == paired
    kept = (tmp_path / "north.pairing").read_bytes()
    assert secret.hex().encode() not in kept
    assert secret not in kept
    assert secret.hex() not in repr(paired)
    assert pair(org, file) == paired
    assert len(org.keys) == 1


def test_a_break_before_the_answer_loses_no_key(file):
    org = Org()
    org.trouble = OrgUnreachable("north", "no answer", "again")
    with pytest.raises(OrgUnreachable):
        pair(org, file)
    (offered,) = file.read().keys
    with pytest.raises(SettingsError, match="not paired"):
        file.require()
    org.trouble = None
    assert pair(org, file, rotate=True).keys == (offered,)  # the one that may be in the org already
    assert org.keys == [(offered.id, offered.secret)]


def test_rotation_keeps_the_key_before_and_older_ones_that_blocks_wait_under(file):
    org = Org()
    first = pair(org, file).keys[0]
    second = pair(org, file, rotate=True).keys[0]
    org.open = {first.id: 1}
    third = pair(org, file, rotate=True).keys[0]
    assert file.require().keys == (third, second, first)
    org.open = {}
    assert first not in pair(org, file).keys


def test_a_managed_packages_names_carry_its_namespace_from_then_on(file):
    org = Org()
    paired = pair(org, file, namespace="fedcrm")
    assert paired.name("Feature_Block__c") == "fedcrm__Feature_Block__c"
    assert pair(org, file) == paired
    assert set(org.paths) == {"/services/apexrest/fedcrm/fedcrm/pairing"}


def test_another_org_than_the_paired_one_is_refused_and_the_pairing_stands(file):
    paired = pair(Org(), file)
    with pytest.raises(WrongOrg):
        pair(Org("00D000000000009EAA"), file)
    assert file.require() == paired


def test_without_the_package_the_words_say_so(file):
    org = Org()
    org.trouble = RequestRefused("north", status=404, code="NOT_FOUND", detail="Could not find a match for URL")
    with pytest.raises(AccessDenied, match="may not call the FedCRM package's pairing"):
        pair(org, file)


def test_another_storage_key_opens_no_pairing(file, tmp_path):
    pair(Org(), file)
    (tmp_path / "key").write_bytes(os.urandom(32))
    other = PairingFile(tmp_path / "north.pairing", SecretBox(KeyFile(tmp_path / "key")), "north")
    with pytest.raises(SecretsLocked):
        other.read()
    (tmp_path / "north.pairing").write_text("{}")
    with pytest.raises(SettingsError):
        other.read()
