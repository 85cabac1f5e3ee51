"""One organisation's node: a directory with its ledger, keys, journal and models.

    NODE/node.json      settings, fixed when the node is created
    NODE/node.sqlite    ledger, journal, noisy answers (or the database named in node.json)
    NODE/keys/          identity and storage key, readable by the owner only
    NODE/models/        received, own and stacked models; what the organisation serves

Everything in it belongs to the organisation; nothing here is ever sent.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from urllib.parse import quote, unquote

from fedcrm.errors import SettingsError, StorageError
from fedcrm.federation.journal import NodeJournal
from fedcrm.files import write_atomically
from fedcrm.node_settings import NodeSettings
from fedcrm.privacy import AttemptCap, Ledger, NoisyAnswers
from fedcrm.secagg import Identity

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
        self.answers = NoisyAnswers(ledger.database, key)
        self.cap = AttemptCap(ledger.database)

    @classmethod
    def create(
        cls, directory: Path, settings: NodeSettings, *, random_bytes: Callable[[int], bytes] = os.urandom
    ) -> Node:
        """Make a new node, whole or not at all. Raises SettingsError where one is already."""
        if directory.exists():
            raise SettingsError(f"{directory} exists already")
        building = directory.with_name(f".{directory.name}.building")
        try:
            shutil.rmtree(building, ignore_errors=True)
            (building / "keys").mkdir(parents=True, mode=0o700)
            (building / "models").mkdir()
            identity = Identity.generate(settings.organisation, random_bytes)
            write_atomically(building / "keys" / "identity", identity.to_secret_bytes(), mode=0o600)
            write_atomically(building / "keys" / "storage", random_bytes(32), mode=0o600)
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
            building.replace(directory)
        except OSError as error:
            raise StorageError(f"{directory}: {error.strerror}") from error
        finally:
            shutil.rmtree(building, ignore_errors=True)
        return cls.open(directory)

    @classmethod
    def open(cls, directory: Path) -> Node:
        """Open a node; its ledger's chain is verified. Raises SettingsError, StorageError or LedgerCorrupted."""
        settings = cls.read_settings(directory)
        try:
            secret = (directory / "keys" / "identity").read_bytes()
            key = (directory / "keys" / "storage").read_bytes()
        except OSError as error:
            raise StorageError(f"{directory}: the node's keys cannot be read ({error.strerror})") from error
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
