"""What a broken connection means: whether the other side is trusted, and whether it saw the request."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import requests
from urllib3.exceptions import NewConnectionError

from fedcrm.errors import OrgUnreachable

__all__ = ["never_sent", "not_trusted", "untrusted"]


def untrusted(error: requests.RequestException) -> bool:
    """Whether the server's certificate was refused. (A TLS connection cut short is an SSLError, too.)"""
    return any(isinstance(one, ssl.SSLCertVerificationError) for one in _causes(error))


def never_sent(error: requests.RequestException) -> bool:
    """Whether no connection was made, so that nobody can have acted on the request."""
    return isinstance(error, requests.ConnectTimeout) or any(isinstance(e, NewConnectionError) for e in _causes(error))


def not_trusted(org: str, address: str) -> OrgUnreachable:
    """For a server whose certificate was refused."""
    return OrgUnreachable(
        org,
        f"the certificate of {address} is not trusted",
        "check the address; for an org behind a CA of its own give --ca-file",
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what is inside it: requests and urllib3 keep the cause in .args or .reason."""
    seen: list[BaseException] = [error]
    for one in seen:
        yield one
        inner = (*one.args, getattr(one, "reason", None), one.__cause__, one.__context__)
        seen.extend(e for e in inner if isinstance(e, BaseException) and e not in seen)
