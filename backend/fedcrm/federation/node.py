"""One organisation's node: a directory with its ledger, keys, journal and models.

    NODE/node.json          settings, fixed when the node is created
    NODE/node.sqlite        ledger, journal, noisy answers (or the database named in node.json)
    NODE/keys/identity      the secrets that sign and agree, sealed under the storage key
    NODE/keys/source.json   where the storage key comes from
    NODE/keys/storage       the storage key, unless it comes from elsewhere; readable by the owner only
    NODE/models/            received, own and stacked models; what the organisation serves

Everything in it belongs to the organisation; nothing here is ever sent. Key shares of an attempt are never written
down: a program that crashed sits the attempt out.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from fedcrm.errors import SettingsError, StorageError
from fedcrm.federation.journal import NodeJournal
from fedcrm.files import directory_made_whole, write_atomically
from fedcrm.node_settings import NodeSettings
from fedcrm.privacy import AttemptCap, Ledger, NoisyAnswers
from fedcrm.secagg import Identity
from fedcrm.secrets import KEY_BYTES, KeyFile, KeySource, SecretBox, key_source_from_json, key_source_to_json

__all__ = ["Node", "NodeSettings", "directory_name", "organisation_name"]


def directory_name(organisation: str) -> str:
    """A file-safe, reversible directory name: percent-encoding, also of a leading dot.

    Raises SettingsError where the file system could not hold it.
    """
    name = quote(organisation, safe=" ()+,-_=@")
    if name.startswith("."):
        name = "%2E" + name[1:]
    if not name or len(name) > 200 or name != name.strip():
        raise SettingsError(f"{organisation!r} is no name for an organisation: empty, blank at an end, or too long")
    return name


def organisation_name(directory: str) -> str:
    """Inverse of directory_name."""
    return unquote(directory)


class Node:
    """An open node directory."""

    def __init__(self, directory: Path, settings: NodeSettings, ledger: Ledger, identity: Identity, key: bytes) -> None:
        self.directory, self.settings, self.ledger, self.identity = directory, settings, ledger, identity
        self.journal = NodeJournal(ledger.database)
        self.answers = NoisyAnswers(ledger.database, _key_of_answers(key))
        self.cap = AttemptCap(ledger.database)

    @classmethod
    def create(
        cls,
        directory: Path,
        settings: NodeSettings,
        *,
        random_bytes: Callable[[int], bytes] = os.urandom,
        storage_key: KeySource | None = None,
    ) -> Node:
        """Make a new node, whole or not at all.

        storage_key: where the key comes from that identity and noisy answers are sealed under; None: a new one in
            a file of the node, which keeps out who has the database or the identity alone, not who has all of it.

        Raises SettingsError where a node is already, or where the key cannot be had.
        """
        if directory.exists():
            raise SettingsError(f"{directory} exists already")
        with directory_made_whole(directory) as building:
            (building / "keys").mkdir(mode=0o700)
            (building / "models").mkdir()
            identity = Identity.generate(settings.organisation, random_bytes)
            if storage_key is None:
                storage_key = KeyFile(building / "keys" / "storage")
                write_atomically(storage_key.path, random_bytes(KEY_BYTES), mode=0o600)
            source = json.dumps(key_source_to_json(storage_key, building / "keys"), indent=1) + "\n"
            write_atomically(building / "keys" / "source.json", source.encode(), mode=0o600)
            box = SecretBox(storage_key, random_bytes)
            sealed = box.seal_bytes(identity.to_secret_bytes(), purpose=_purpose(settings))
            write_atomically(building / "keys" / "identity", sealed, mode=0o600)
            content = json.dumps(asdict(settings), indent=1, ensure_ascii=False) + "\n"
            write_atomically(building / "node.json", content.encode())
            Ledger.create(
                settings.database or building / "node.sqlite",
                organisation=settings.organisation,
                epsilon_budget=settings.epsilon_budget,
                delta=settings.delta,
                unit=settings.unit,
                period=settings.period,
                pure_share=settings.pure_share,
            ).close()
        return cls.open(directory)

    @classmethod
    def open(cls, directory: Path, *, storage_key: KeySource | None = None) -> Node:
        """Open a node; its ledger's chain is verified.

        storage_key: where it comes from now; None: from where the node says.
        Raises SettingsError, SecretsLocked (another storage key), StorageError or LedgerCorrupted.
        """
        settings = cls.read_settings(directory)
        try:
            sealed = (directory / "keys" / "identity").read_bytes()
        except OSError as error:
            raise StorageError(f"{directory}: the node's keys cannot be read ({error.strerror})") from error
        key = (storage_key or _source(directory / "keys" / "source.json")).key()
        secret = SecretBox(_Known(key)).open_bytes(sealed, purpose=_purpose(settings))
        ledger = Ledger.open(settings.database or directory / "node.sqlite")
        if ledger.organisation != settings.organisation:
            raise SettingsError(f"{directory}: the ledger belongs to {ledger.organisation}")
        return cls(directory, settings, ledger, Identity.from_secret_bytes(secret), key)

    @staticmethod
    def read_settings(directory: Path) -> NodeSettings:
        """NodeSettings.read, for whoever has a Node at hand."""
        return NodeSettings.read(directory)

    @property
    def models(self) -> Path:
        """Directory of the node's models."""
        return self.directory / "models"

    def close(self) -> None:
        """Close the database."""
        self.ledger.close()


@dataclass(frozen=True, slots=True)
class _Known:
    """A storage key that was fetched already: a command is asked once an opening, not once a use."""

    value: bytes = field(repr=False)

    def key(self) -> bytes:
        return self.value


def _source(path: Path) -> KeySource:
    try:
        return key_source_from_json(json.loads(path.read_text("utf-8")), path)
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} cannot be read: it says where the storage key comes from") from error


def _purpose(settings: NodeSettings) -> str:
    """What an identity is sealed for: in another node's place it does not open."""
    return f"identity of {settings.organisation}, {settings.unit}"


def _key_of_answers(storage_key: bytes) -> bytes:
    """A key of their own for noisy answers (RFC 5869), so that nothing else is sealed under it."""
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=b"fedcrm noisy answers").derive(storage_key)
