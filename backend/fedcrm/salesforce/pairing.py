"""Pairing an org with its node: the transport key that the org encrypts with, made here and handed over once.

A key is on this disk, sealed, before the org hears of it: a break at any point leaves no block that nobody can open.
Rotation overlaps: runs that began under an older key are read with it, and it goes when none is left.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import requests

from fedcrm.errors import AccessDenied, RequestRefused, SettingsError, UnexpectedReply, WrongOrg
from fedcrm.files import write_atomically
from fedcrm.salesforce.blocks import KEY_BYTES, TransportKey
from fedcrm.salesforce.client import Client
from fedcrm.salesforce.soql import text_literal
from fedcrm.secrets import Secret, SecretBox

__all__ = ["Pairing", "PairingFile", "apex", "pair"]

_ID_LETTERS = 15  # of an org's id; the three behind them are a checksum


@dataclass(frozen=True, slots=True)
class Pairing:
    """What a node and its org have agreed on.

    org_id:    18 characters, as the org signs its blocks with it.
    namespace: of the installed package, or None.
    keys:      newest first; the first is in use, unless it was only offered.
    offered:   whether the org has not confirmed the first yet.
    """

    org_id: str | None
    namespace: str | None
    keys: tuple[TransportKey, ...] = ()
    offered: bool = field(default=False)

    def name(self, plain: str) -> str:
        """An object or field of the package, as this org calls it."""
        return f"{self.namespace}__{plain}" if self.namespace else plain


class PairingFile:
    """A pairing on disk, its keys sealed.

    org: the alias; part of what a key is sealed for.
    """

    def __init__(self, path: Path, box: SecretBox, org: str) -> None:
        self._path, self._box, self._org = path, box, org

    def read(self) -> Pairing | None:
        """The pairing, or None. Raises SecretsLocked where the storage key is another, SettingsError."""
        if not self._path.exists():
            return None
        try:
            raw = json.loads(self._path.read_text("utf-8"))
            sealed = [(str(one["id"]), str(one["sealed"])) for one in raw["keys"]]
            keys = tuple(TransportKey(name, self._open(name, text)) for name, text in sealed)
            return Pairing(raw["org_id"], raw["namespace"], keys, bool(raw["offered"]))
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise SettingsError(f"{self._path} cannot be read as a pairing") from error

    def write(self, pairing: Pairing) -> None:
        """Keep it instead of any other."""
        content = {
            "org_id": pairing.org_id,
            "namespace": pairing.namespace,
            "offered": pairing.offered,
            "keys": [{"id": key.id, "sealed": self._seal(key)} for key in pairing.keys],
        }
        write_atomically(self._path, (json.dumps(content, indent=1) + "\n").encode(), mode=0o600)

    def require(self) -> Pairing:
        """The pairing. Raises SettingsError where the org is not paired."""
        pairing = self.read()
        if pairing is None or pairing.org_id is None:
            raise SettingsError(f"{self._org} is not paired with this node: `fedcrm org pair {self._org}`")
        return pairing

    def _seal(self, key: TransportKey) -> str:
        return self._box.seal(Secret(key.secret.hex()), purpose=self._purpose(key.id))

    def _open(self, name: str, sealed: str) -> bytes:
        return bytes.fromhex(self._box.open(sealed, purpose=self._purpose(name)).reveal())

    def _purpose(self, name: str) -> str:
        return f"{self._org}: transport key {name}"


def pair(
    client: Client,
    file: PairingFile,
    *,
    namespace: str | None = None,
    rotate: bool = False,
    random_bytes: Callable[[int], bytes] = os.urandom,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Pairing:
    """Hand the org a transport key; harmless where it has it already.

    namespace: of the installed package; None: as at the pairing before.
    rotate:    a new key even where the org has one.

    Raises AccessDenied where the package is not there or this user may not pair, WrongOrg where another org answers
    than the one that was paired; the pairing on disk then stands.
    """
    before = file.read() or Pairing(None, namespace)
    wanted = replace(before, namespace=namespace or before.namespace)
    if not wanted.keys or (rotate and not wanted.offered):
        key = TransportKey(f"{now():%Y%m%d}-{random_bytes(4).hex()}", random_bytes(KEY_BYTES))
        wanted = replace(wanted, keys=(key, *wanted.keys), offered=True)
    file.write(wanted)
    newest = wanted.keys[0]
    given = {"key_id": newest.id, "key": base64.b64encode(newest.secret).decode("ascii")}
    answer = apex(client, wanted, "pairing", given)
    facts = answer if isinstance(answer, dict) else {}
    found = facts.get("org_id")
    if not isinstance(found, str) or facts.get("key_id") != newest.id:
        raise UnexpectedReply(client.org, "the package's answer to the pairing lacks the org's id or the key's name")
    if wanted.org_id is not None and wanted.org_id[:_ID_LETTERS] != found[:_ID_LETTERS]:
        raise WrongOrg(client.org, expected=wanted.org_id, found=found)
    paired = replace(wanted, org_id=found, offered=False)
    paired = replace(paired, keys=_still_needed(client, paired))
    file.write(paired)
    return paired


def apex(client: Client, pairing: Pairing, path: str, body: dict[str, str]) -> object:
    """POST to one of the package's REST classes and return what it answers; all of them may be called twice.

    Raises AccessDenied where there is no such class for this user.
    """
    root = f"/{pairing.namespace}" if pairing.namespace else ""
    url = f"/services/apexrest{root}/fedcrm/{path}"
    try:
        return client.session.request("POST", url, json=body, repeatable=True).json()
    except RequestRefused as refused:
        closed = refused.status == requests.codes.not_found or refused.code == "FORBIDDEN"
        if closed:
            raise AccessDenied(client.org, f"the FedCRM package's {path}", to="call") from refused
        raise
    except ValueError as error:
        raise UnexpectedReply(client.org, f"the answer of the package's {path} is not JSON") from error


def _still_needed(client: Client, pairing: Pairing) -> tuple[TransportKey, ...]:
    """The key in use, the one before, and older ones that blocks still wait under."""
    run, key_id = pairing.name("Extraction_Run__c"), pairing.name("Key_Id__c")
    open_runs = f"{pairing.name('Acknowledged_At__c')} = NULL AND {pairing.name('Status__c')} != 'Withdrawn'"
    older = [key for key in pairing.keys[2:] if client.count(run, f"{key_id} = {text_literal(key.id)} AND {open_runs}")]
    return (*pairing.keys[:2], *older)
