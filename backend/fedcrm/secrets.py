"""Secrets: where they come from, how they lie on a disk, and that they are never seen.

At rest every secret is sealed with AES-256-GCM under one storage key, which comes from a file, from a command
or, wrapped, from a key management service. What it is sealed for (`purpose`) is authenticated with it, so that
one org's sealed secret cannot be put in another's place.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import shlex
import subprocess  # the administrator's own commands, never run by a shell  # nosec B404
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fedcrm.errors import SecretsLocked, SettingsError

__all__ = [
    "KEY_BYTES",
    "KeyCommand",
    "KeyFile",
    "KeyService",
    "KeySource",
    "Secret",
    "SecretBox",
    "SecretCommand",
    "key_source_from_json",
    "key_source_to_json",
    "read_secret",
]

KEY_BYTES = 32
COMMAND_SECONDS = 60
_MAGIC = b"FCS1"
_NONCE_BYTES = 12


class Secret:
    """A value that hides: from repr, str, format and pickle. `reveal` is the only way out."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself; for the line that sends or seals it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret has no wire form")


@dataclass(frozen=True, slots=True)
class SecretCommand:
    """A secret that a command prints, fetched anew each time; nothing of it is stored. command: words as in a shell."""

    command: str

    def fetch(self) -> Secret:
        """Run it. Raises SettingsError where it fails or prints nothing."""
        return Secret(_run(self.command).decode("utf-8").strip())


def read_secret(path: Path) -> Secret:
    """A secret from a file, blanks at its ends removed. Raises SettingsError."""
    try:
        text = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: the secret cannot be read") from error
    if not text:
        raise SettingsError(f"{path}: the file is empty")
    return Secret(text)


# --- the storage key -----------------------------------------------------------------------------


class KeySource(Protocol):
    """Where the storage key comes from."""

    def key(self) -> bytes:
        """32 bytes. Raises SettingsError where there is none to be had."""
        ...


@dataclass(frozen=True, slots=True)
class KeyFile:
    """The storage key in a file: 32 raw bytes, or those in base64 or hexadecimal."""

    path: Path

    def key(self) -> bytes:
        """32 bytes. Raises SettingsError."""
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise SettingsError(f"{self.path}: the storage key cannot be read ({error.strerror})") from error
        return _storage_key(content, str(self.path))


@dataclass(frozen=True, slots=True)
class KeyCommand:
    """The storage key as a command prints it, in the same three forms."""

    command: str

    def key(self) -> bytes:
        """32 bytes. Raises SettingsError."""
        return _storage_key(_run(self.command), self.command)


@dataclass(frozen=True, slots=True)
class KeyService:
    """A storage key wrapped by a key management service: only the service can unwrap it.

    command: called with one more word, `wrap` or `unwrap`; reads base64 on standard input, prints base64.
    wrapped: the storage key as the service wrapped it.
    """

    command: str
    wrapped: bytes

    @classmethod
    def create(cls, command: str, random_bytes: Callable[[int], bytes] = os.urandom) -> KeyService:
        """A new storage key, wrapped; tried out before it is trusted. Raises SettingsError."""
        key = random_bytes(KEY_BYTES)
        made = cls(command, _decode(_run(f"{command} wrap", base64.b64encode(key)), command))
        if made.wrapped == key or made.key() != key:
            raise SettingsError(f"{command}: what it wraps it does not unwrap; no storage key was made")
        return made

    def key(self) -> bytes:
        """32 bytes. Raises SettingsError."""
        return _storage_key(_run(f"{self.command} unwrap", base64.b64encode(self.wrapped)), self.command)


def key_source_to_json(source: KeySource, directory: Path) -> dict[str, str]:
    """Where a storage key comes from, as a file of `directory` says it; never the key. Raises SettingsError."""
    match source:
        case KeyFile(path):
            inside = path.parent == directory
            return {"file": path.name if inside else str(path.absolute())}
        case KeyCommand(command):
            return {"command": command}
        case KeyService(command, wrapped):
            return {"service": command, "wrapped": base64.b64encode(wrapped).decode("ascii")}
    raise SettingsError(f"a storage key cannot come from {type(source).__name__}")


def key_source_from_json(raw: object, path: Path) -> KeySource:
    """Inverse of key_source_to_json. path: of the file that says it. Raises SettingsError."""
    match raw:
        case {"file": str(name)}:
            return KeyFile(path.parent / name)  # an absolute name stays what it is
        case {"command": str(command)}:
            return KeyCommand(command)
        case {"service": str(command), "wrapped": str(wrapped)}:
            return KeyService(command, _decode(wrapped.encode(), str(path)))
    raise SettingsError(f"{path} does not say where the storage key comes from")


# --- sealing -------------------------------------------------------------------------------------


class SecretBox:
    """Seals and opens secrets under the storage key, which is fetched when it is first needed."""

    def __init__(self, source: KeySource, random_bytes: Callable[[int], bytes] = os.urandom) -> None:
        self._source, self._random_bytes = source, random_bytes
        self._cipher: AESGCM | None = None

    def seal(self, secret: Secret, *, purpose: str) -> str:
        """ASCII text that opens only with this key and for this purpose."""
        return base64.b64encode(self.seal_bytes(secret.reveal().encode(), purpose=purpose)).decode("ascii")

    def open(self, sealed: str, *, purpose: str) -> Secret:
        """Inverse of seal. Raises SecretsLocked."""
        try:
            return Secret(self.open_bytes(base64.b64decode(sealed, validate=True), purpose=purpose).decode("utf-8"))
        except (binascii.Error, ValueError) as error:
            raise SecretsLocked(purpose) from error

    def seal_bytes(self, content: bytes, *, purpose: str) -> bytes:
        """A file's content that opens only with this key and for this purpose."""
        nonce = self._random_bytes(_NONCE_BYTES)
        return _MAGIC + nonce + self._aead().encrypt(nonce, content, purpose.encode())

    def open_bytes(self, sealed: bytes, *, purpose: str) -> bytes:
        """Inverse of seal_bytes. Raises SecretsLocked."""
        if sealed[: len(_MAGIC)] != _MAGIC:
            raise SecretsLocked(purpose)
        nonce, content = sealed[len(_MAGIC) :][:_NONCE_BYTES], sealed[len(_MAGIC) + _NONCE_BYTES :]
        try:
            return self._aead().decrypt(nonce, content, purpose.encode())
        except (InvalidTag, ValueError) as error:
            raise SecretsLocked(purpose) from error

    def _aead(self) -> AESGCM:
        if self._cipher is None:
            self._cipher = AESGCM(self._source.key())
        return self._cipher


def _storage_key(content: bytes, source: str) -> bytes:
    """32 bytes out of raw bytes, base64 or hexadecimal."""
    if len(content) == KEY_BYTES:
        return content
    text = content.strip()
    for decode in (bytes.fromhex, _from_base64):
        try:
            key = decode(text.decode("ascii"))
        except ValueError:
            continue
        if len(key) == KEY_BYTES:
            return key
    raise SettingsError(f"{source}: a storage key is {KEY_BYTES} bytes, raw or in base64 or hexadecimal")


def _from_base64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _decode(content: bytes, source: str) -> bytes:
    try:
        return base64.b64decode(content.strip(), validate=True)
    except binascii.Error as error:
        raise SettingsError(f"{source}: it did not print base64") from error


def _run(command: str, given: bytes = b"") -> bytes:
    """What a command prints; its output never gets into an error, for it is a secret."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise SettingsError(f"{command}: not a command ({error})") from error
    if not words:
        raise SettingsError("an empty command cannot give a secret")
    try:
        ended = subprocess.run(  # noqa: S603 - the administrator's own words, and no shell  # nosec B603
            words, input=given, capture_output=True, timeout=COMMAND_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise SettingsError(f"{command}: no secret after {COMMAND_SECONDS} seconds") from None
    except OSError as error:
        raise SettingsError(f"{command}: it cannot be run ({error.strerror})") from error
    if ended.returncode or not ended.stdout.strip():
        raise SettingsError(f"{command}: it gave no secret (exit status {ended.returncode})")
    return ended.stdout
