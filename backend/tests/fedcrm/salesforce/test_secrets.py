"""Secrets: sealed at rest, opened only by their key and for their purpose, and never seen."""

from __future__ import annotations

import base64
import copy
import pickle
import stat
import sys
import traceback

import pytest

from fedcrm.errors import SecretsLocked, SettingsError
from fedcrm.secrets import (
    KeyCommand,
    KeyFile,
    KeyService,
    Secret,
    SecretBox,
    SecretCommand,
    read_secret,
)

KEY = bytes(range(32))


@pytest.fixture
def box(tmp_path):
    (tmp_path / "key").write_bytes(KEY)
    return SecretBox(KeyFile(tmp_path / "key"))


def test_a_sealed_secret_opens_with_its_key_and_purpose(box):
    sealed = box.seal(Secret("tökén"), purpose="north: token")
    assert box.open(sealed, purpose="north: token").reveal() == "tökén"
    assert "tökén".encode() not in base64.b64decode(sealed)


def test_two_seals_of_one_secret_differ(box):
    assert box.seal(Secret("x"), purpose="a") != box.seal(Secret("x"), purpose="a")


def test_one_orgs_secret_does_not_open_in_anothers_place(box):
    sealed = box.seal(Secret("token"), purpose="north: token")
    with pytest.raises(SecretsLocked):
        box.open(sealed, purpose="south: token")


def test_any_changed_byte_is_noticed(box):
    raw = bytearray(base64.b64decode(box.seal(Secret("token"), purpose="a")))
    for i in range(len(raw)):
        raw[i] ^= 1
        with pytest.raises(SecretsLocked):
            box.open(base64.b64encode(raw).decode(), purpose="a")
        raw[i] ^= 1


def test_another_key_does_not_open_it_and_says_so(box, tmp_path):
    sealed = box.seal(Secret("token"), purpose="north: token")
    (tmp_path / "other").write_bytes(bytes(32))
    with pytest.raises(SecretsLocked) as refused:
        SecretBox(KeyFile(tmp_path / "other")).open(sealed, purpose="north: token")
    assert refused.value.what == "north: token"


@pytest.mark.parametrize("text", ["", "!!", "AAAA", base64.b64encode(b"FCS1").decode()])
def test_what_is_not_sealed_is_refused(box, text):
    with pytest.raises(SecretsLocked):
        box.open(text, purpose="a")


@pytest.mark.parametrize("content", [KEY, base64.b64encode(KEY) + b"\n", KEY.hex().encode() + b"\n"])
def test_a_storage_key_may_be_raw_or_base64_or_hexadecimal(tmp_path, content):
    (tmp_path / "key").write_bytes(content)
    assert KeyFile(tmp_path / "key").key() == KEY


@pytest.mark.parametrize("content", [b"", KEY[:31], b"hello", b"\xff" * 40])
def test_anything_else_is_no_storage_key(tmp_path, content):
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(SettingsError, match="32 bytes"):
        KeyFile(tmp_path / "key").key()


def test_a_key_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(SettingsError, match="key"):
        KeyFile(tmp_path / "key").key()


def python(code: str) -> str:
    return f"{sys.executable} -c '{code}'"


def test_a_storage_key_may_come_from_a_command():
    assert KeyCommand(python(f'print("{KEY.hex()}")')).key() == KEY


@pytest.mark.parametrize(
    "command",
    [
        python('print("s3cr3t"); import sys; sys.stderr.write("s3cr3t"); sys.exit(3)'),
        python("pass"),
        "/nowhere/at/all",
        "",
        "'unclosed",
    ],
)
def test_a_command_that_gives_nothing_is_refused_without_its_output(command):
    with pytest.raises(SettingsError) as refused:
        SecretCommand(command).fetch()
    assert "s3cr3t" not in "".join(traceback.format_exception(refused.value)).replace(command, "")


def test_a_command_is_not_run_by_a_shell(tmp_path):
    SecretCommand(f"echo a; touch {tmp_path}/shell").fetch()
    assert not (tmp_path / "shell").exists()


@pytest.fixture
def service(tmp_path):
    """A key service that wraps by reversing; a real one would call a KMS."""
    script = tmp_path / "kms"
    script.write_text(
        f"#!{sys.executable}\n"
        "import base64, sys\n"
        "print(base64.b64encode(base64.b64decode(sys.stdin.read())[::-1]).decode())\n"
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return str(script)


def test_a_key_service_keeps_a_key_that_only_it_unwraps(service):
    made = KeyService.create(service, random_bytes=lambda n: KEY[:n])
    assert made.wrapped == KEY[::-1]
    assert KeyService(service, made.wrapped).key() == KEY


def test_a_key_service_that_does_not_wrap_is_refused(tmp_path):
    with pytest.raises(SettingsError):
        KeyService.create(python("import sys; sys.stdout.write(sys.stdin.read())") + " ")


def test_a_secret_hides_from_everything_that_prints_copies_or_pickles_it():
    secret = Secret("s3cr3t")
    for text in (repr(secret), str(secret), f"{secret}", "%s" % secret, repr([secret]), repr(secret.__class__)):  # noqa: UP031
        assert "s3cr3t" not in text
    for wire in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError):
            wire(secret)


def test_secrets_compare_by_value():
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"


def test_a_secret_file_is_read_without_the_blanks_around_it(tmp_path):
    (tmp_path / "s").write_text("  s3cr3t\n")
    assert read_secret(tmp_path / "s").reveal() == "s3cr3t"
    (tmp_path / "empty").write_text("\n")
    for name in ("empty", "missing"):
        with pytest.raises(SettingsError):
            read_secret(tmp_path / name)
