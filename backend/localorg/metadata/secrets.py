"""Secrets of external credentials' principals: set by the Connect API, used by callouts, shown to nobody.

They lie in the org's file as they are: whoever can read a local org's data directory can read them. A real org
encrypts them; nothing of value belongs in a local one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localorg.errors import OrgError
from localorg.org import Transaction

__all__ = ["put_secrets", "remove_secrets", "secret_names", "secrets_of"]


def put_secrets(
    transaction: Transaction, credential: str, principal: str, values: Mapping[str, str], *, merge: bool = False
) -> None:
    """Set a principal's secrets by name; `merge` keeps those not named. Raises OrgError for an unknown principal."""
    key = _key(transaction, credential, principal)
    held: dict[str, str] = transaction.setting(key) or {} if merge else {}
    transaction.put_setting(key, {**held, **values})


def secrets_of(transaction: Transaction, credential: str, principal: str) -> dict[str, str]:
    """A principal's secrets, for the callout that needs them; empty where none were set."""
    found: dict[str, str] = transaction.setting(_key(transaction, credential, principal)) or {}
    return found


def secret_names(transaction: Transaction, credential: str, principal: str) -> list[str]:
    """Which secrets are set."""
    return sorted(secrets_of(transaction, credential, principal))


def remove_secrets(transaction: Transaction, credential: str, principal: str) -> bool:
    """Forget a principal's secrets; False where none were set."""
    key = _key(transaction, credential, principal)
    if transaction.setting(key) is None:
        return False
    transaction.put_setting(key, None)
    return True


def _key(transaction: Transaction, credential: str, principal: str) -> str:
    held: Any = transaction.setting(f"principal:{credential}:{principal}")
    if held is None:
        raise OrgError(
            "INVALID_INPUT", f"There is no principal {principal} of an external credential {credential}", status=400
        )
    return f"secret:{credential}:{principal}"
