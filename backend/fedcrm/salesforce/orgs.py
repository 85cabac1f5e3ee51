"""The orgs a node knows, by alias: how to reach each and how to log in.

    ORGS/registry.json       where the storage key comes from, fixed when the directory is made
    ORGS/storage.key         the storage key, unless it comes from elsewhere
    ORGS/ALIAS.json          one org; its key, secret or token sealed inside, or the command that gives it
    ORGS/ALIAS.ca.pem        certificates to trust for this org alone, where it has its own
    ORGS/ALIAS.session       the session at work, sealed; may be deleted at any time
    ORGS/ALIAS.pairing       what the org's blocks are opened with, sealed
    ORGS/ALIAS.blocks/       blocks that were opened, sealed

Readable by the owner only, each file written whole or not at all.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedcrm.errors import SecretsLocked, SettingsError, StorageError
from fedcrm.files import write_atomically
from fedcrm.salesforce.auth import (
    ClientCredentials,
    Grant,
    JwtBearer,
    SessionToken,
    Token,
    TokenEndpoint,
    https_address,
)
from fedcrm.salesforce.block_store import BlockStore, Purpose
from fedcrm.salesforce.client import API_VERSION, Client
from fedcrm.salesforce.pairing import PairingFile
from fedcrm.salesforce.retry import Retry
from fedcrm.salesforce.session import OrgSession
from fedcrm.secrets import (
    KEY_BYTES,
    KeyFile,
    KeySource,
    Secret,
    SecretBox,
    SecretCommand,
    key_source_from_json,
    key_source_to_json,
)

__all__ = ["DEFAULT_RESERVE", "Orgs", "RegisteredOrg"]

DEFAULT_RESERVE = 0.2
VERSION = 1
_ALIAS = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class RegisteredOrg:
    """One org.

    organization_id: first 15 characters of the id that answered when it was added; another is refused.
    ca:              PEM of the certificates to trust instead of the public ones, or None.
    reserve:         share of the org's daily API calls that FedCRM leaves to others.
    """

    alias: str
    login_url: str
    grant: Grant
    organization_id: str | None = None
    api_version: str = API_VERSION
    ca: str | None = None
    reserve: float = DEFAULT_RESERVE

    def __post_init__(self) -> None:
        if not _ALIAS.fullmatch(self.alias):
            raise SettingsError(f"{self.alias!r} is no alias: letters, digits, - and _, at most 64")
        https_address(self.login_url)
        if not 0 <= self.reserve < 1:
            raise SettingsError(f"{self.alias}: a reserve of {self.reserve:g} is no share of the org's calls")


class Orgs:
    """An open directory of orgs."""

    def __init__(self, directory: Path, source: KeySource) -> None:
        self.directory, self._box = directory, SecretBox(source)

    @classmethod
    def create(
        cls, directory: Path, source: KeySource | None = None, *, random_bytes: Callable[[int], bytes] = os.urandom
    ) -> Orgs:
        """Make the directory. source: of the storage key; None: a new one in a file of the directory.

        Raises SettingsError where there is one already, or the key is not to be had.
        """
        if cls.exists(directory):
            raise SettingsError(f"{directory} holds orgs already; their storage key cannot be exchanged")
        if source is not None:
            source.key()
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StorageError(f"{directory}: {error.strerror}") from error
        if source is None:
            own = directory / "storage.key"
            write_atomically(own, base64.b64encode(random_bytes(KEY_BYTES)) + b"\n", mode=0o600)
            source = KeyFile(own)
        content = {"version": VERSION, "storage_key": key_source_to_json(source, directory)}
        _write_json(directory / "registry.json", content)
        return cls(directory, source)

    @staticmethod
    def exists(directory: Path) -> bool:
        """Whether orgs are kept there."""
        return (directory / "registry.json").exists()

    @classmethod
    def open(cls, directory: Path) -> Orgs:
        """Open a directory of orgs. Raises SettingsError unless it is one."""
        path = directory / "registry.json"
        if not cls.exists(directory):
            raise SettingsError(f"{directory} holds no orgs: `fedcrm org add` makes it")
        return cls(directory, key_source_from_json(_read_json(path).get("storage_key"), path))

    def add(self, org: RegisteredOrg, *, replace: bool = False) -> None:
        """Register an org. Raises SettingsError where the alias is taken and not to be replaced."""
        path = self._path(org.alias)
        if path.exists() and not replace:
            raise SettingsError(f"{org.alias}: there is an org of this alias already; --replace exchanges it")
        content = {
            "version": VERSION,
            "login_url": org.login_url,
            "organization_id": org.organization_id,
            "api_version": org.api_version,
            "reserve": org.reserve,
            "grant": self._grant_to_json(org),
        }
        self._session(org.alias).unlink(missing_ok=True)
        if org.ca is None:
            self._ca(org.alias).unlink(missing_ok=True)
        else:
            write_atomically(self._ca(org.alias), org.ca.encode(), mode=0o600)
        _write_json(path, content)

    def get(self, alias: str) -> RegisteredOrg:
        """One org. Raises SettingsError where there is none, SecretsLocked where the storage key is another."""
        path = self._path(alias)
        if not path.exists():
            known = ", ".join(self) or "none"
            raise SettingsError(f"no org of the alias {alias!r}; known: {known}")
        raw = _read_json(path)
        try:
            return RegisteredOrg(
                alias=alias,
                login_url=str(raw["login_url"]),
                grant=self._grant_from_json(alias, raw["grant"]),
                organization_id=raw["organization_id"],
                api_version=str(raw["api_version"]),
                ca=self._ca(alias).read_text("utf-8") if self._ca(alias).exists() else None,
                reserve=float(raw["reserve"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise SettingsError(f"{path} cannot be read as an org") from error

    def __iter__(self) -> Iterator[str]:
        """Aliases in alphabetical order."""
        found = (p.stem for p in self.directory.glob("*.json") if p.stem != "registry" and _ALIAS.fullmatch(p.stem))
        return iter(sorted(found))

    def remove(self, alias: str) -> None:
        """Forget an org with all that was read from it. Raises SettingsError where there is none."""
        path = self._path(alias)
        if not path.exists():
            raise SettingsError(f"no org of the alias {alias!r}")
        for one in (self._session(alias), self._ca(alias), self._pairing(alias), path):
            one.unlink(missing_ok=True)
        shutil.rmtree(self.directory / f"{alias}.blocks", ignore_errors=True)

    def endpoint(self, org: RegisteredOrg, *, retry: Retry | None = None) -> TokenEndpoint:
        """Where a registered org is logged in to."""
        return TokenEndpoint(org.alias, org.login_url, org.grant, ca_file=self._trusted(org), retry=retry)

    def connect(self, alias: str, *, retry: Retry | None = None) -> Client:
        """A client of a registered org; opens nothing yet."""
        org = self.get(alias)
        session = OrgSession(
            self.endpoint(org, retry=retry),
            ca_file=self._trusted(org),
            organization_id=org.organization_id,
            reserve=org.reserve,
            cache=_SealedToken(self._session(alias), self._box, alias),
            retry=retry,
        )
        return Client(session, version=org.api_version)

    def pairing(self, alias: str) -> PairingFile:
        """Where the pairing of an org is kept."""
        return PairingFile(self._pairing(alias), self._box, alias)

    def blocks(self, alias: str, task: str, purpose: Purpose) -> BlockStore:
        """Where the opened blocks of an org's runs are kept."""
        return BlockStore(self.directory / f"{alias}.blocks" / f"{task}-{purpose.value.lower()}", self._box, alias)

    def _trusted(self, org: RegisteredOrg) -> str | None:
        return str(self._ca(org.alias)) if org.ca is not None else None

    # --- files ------------------------------------------------------------------------------------

    def _path(self, alias: str) -> Path:
        if not _ALIAS.fullmatch(alias) or alias == "registry":
            raise SettingsError(f"{alias!r} is no alias")
        return self.directory / f"{alias}.json"

    def _ca(self, alias: str) -> Path:
        return self.directory / f"{alias}.ca.pem"

    def _pairing(self, alias: str) -> Path:
        return self.directory / f"{alias}.pairing"

    def _session(self, alias: str) -> Path:
        return self.directory / f"{alias}.session"

    def _grant_to_json(self, org: RegisteredOrg) -> dict[str, object]:
        match org.grant:
            case JwtBearer(consumer_key, username, key, audience):
                return {
                    "kind": "jwt",
                    "consumer_key": consumer_key,
                    "username": username,
                    "audience": audience,
                    "key": self._secret_to_json(org.alias, "key", key),
                }
            case ClientCredentials(consumer_key, secret):
                kept = self._secret_to_json(org.alias, "secret", secret)
                return {"kind": "client_credentials", "consumer_key": consumer_key, "secret": kept}
            case SessionToken(token):
                return {"kind": "session", "token": self._secret_to_json(org.alias, "token", token)}

    def _grant_from_json(self, alias: str, raw: dict[str, Any]) -> Grant:
        match raw["kind"]:
            case "jwt":
                key = self._secret_from_json(alias, "key", raw["key"])
                return JwtBearer(str(raw["consumer_key"]), str(raw["username"]), key, raw["audience"])
            case "client_credentials":
                return ClientCredentials(
                    str(raw["consumer_key"]), self._secret_from_json(alias, "secret", raw["secret"])
                )
            case "session":
                return SessionToken(self._secret_from_json(alias, "token", raw["token"]))
            case other:
                raise ValueError(other)

    def _secret_to_json(self, alias: str, what: str, secret: Secret | SecretCommand) -> dict[str, str]:
        if isinstance(secret, SecretCommand):
            return {"command": secret.command}
        return {"sealed": self._box.seal(secret, purpose=f"{alias}: {what}")}

    def _secret_from_json(self, alias: str, what: str, raw: dict[str, str]) -> Secret | SecretCommand:
        if "command" in raw:
            return SecretCommand(raw["command"])
        return self._box.open(raw["sealed"], purpose=f"{alias}: {what}")


class _SealedToken:
    """The session at work in a file, for the next program. One that cannot be read is as good as none."""

    def __init__(self, path: Path, box: SecretBox, alias: str) -> None:
        self._path, self._box, self._purpose = path, box, f"{alias}: session"

    def load(self) -> Token | None:
        """The session kept, or None."""
        try:
            raw = json.loads(self._box.open(self._path.read_text("ascii"), purpose=self._purpose).reveal())
            return Token(
                Secret(raw["token"]), raw["instance_url"], raw["organization_id"], raw["user_id"], tuple(raw["scopes"])
            )
        except (OSError, ValueError, KeyError, TypeError, SecretsLocked):
            return None

    def store(self, token: Token) -> None:
        """Keep it instead of any other."""
        content = {
            "token": token.value.reveal(),
            "instance_url": token.instance_url,
            "organization_id": token.organization_id,
            "user_id": token.user_id,
            "scopes": token.scopes,
        }
        sealed = self._box.seal(Secret(json.dumps(content)), purpose=self._purpose)
        write_atomically(self._path, sealed.encode("ascii"), mode=0o600)

    def drop(self) -> None:
        """Forget it."""
        self._path.unlink(missing_ok=True)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        raw = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} cannot be read") from error
    if not isinstance(raw, dict) or raw.get("version") != VERSION:
        raise SettingsError(f"{path} is not of version {VERSION}")
    return raw


def _write_json(path: Path, content: dict[str, object]) -> None:
    write_atomically(path, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode(), mode=0o600)
