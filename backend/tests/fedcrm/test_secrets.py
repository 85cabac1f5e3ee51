"""Sealing of files; the other half of the module is tested where it came from."""

import pytest

from fedcrm.errors import SecretsLocked
from fedcrm.secrets import KeyFile, Secret, SecretBox


@pytest.fixture
def box(tmp_path):
    (tmp_path / "key").write_bytes(b"k" * 32)
    return SecretBox(KeyFile(tmp_path / "key"))


def test_bytes_come_back_for_the_purpose_they_were_sealed_for_and_no_other(box):
    content = bytes(range(256)) * 40
    sealed = box.seal_bytes(content, purpose="model a")
    assert content[:32] not in sealed
    assert box.open_bytes(sealed, purpose="model a") == content
    with pytest.raises(SecretsLocked):
        box.open_bytes(sealed, purpose="model b")


@pytest.mark.parametrize("at", [0, 4, 10, 20, -1])
def test_one_changed_byte_locks_it(box, at):
    sealed = bytearray(box.seal_bytes(b"content", purpose="p"))
    sealed[at] ^= 1
    with pytest.raises(SecretsLocked):
        box.open_bytes(bytes(sealed), purpose="p")


@pytest.mark.parametrize("content", [b"", b"FCS1", b"FCS1short", b"something else entirely, and long enough"])
def test_what_was_never_sealed_is_locked(box, content):
    with pytest.raises(SecretsLocked):
        box.open_bytes(content, purpose="p")


def test_the_same_content_is_sealed_differently_each_time(box):
    assert box.seal_bytes(b"content", purpose="p") != box.seal_bytes(b"content", purpose="p")


def test_text_and_bytes_are_one_sealing(box):
    assert box.open(box.seal(Secret("pässword"), purpose="p"), purpose="p").reveal() == "pässword"
