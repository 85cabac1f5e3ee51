"""What Apex reaches outside its database, handed in by whoever runs the org."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from localorg.org import Transaction

__all__ = ["CalloutRefused", "OutgoingRequest", "OutgoingResponse", "Services"]

_LABELS = "label:"


@dataclass(frozen=True, slots=True)
class OutgoingRequest:
    """A callout as the program made it. url may begin with `callout:Name`; timeout in milliseconds."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    timeout: int
    user_id: str


@dataclass(frozen=True, slots=True)
class OutgoingResponse:
    """What the other side answered."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes


class CalloutRefused(Exception):
    """The callout may not or cannot be made; the message is what System.CalloutException says."""


def _no_network(request: OutgoingRequest) -> OutgoingResponse:
    raise CalloutRefused(
        f"Unauthorized endpoint, please check Setup->Security->Remote site settings. endpoint = {request.url}"
    )


def _stored_labels(transaction: Transaction) -> dict[str, str]:
    """Labels as a deployment keeps them; in a namespace they are found by their bare name too."""
    found: dict[str, str] = {}
    for key, value in transaction.settings_under(_LABELS).items():
        name = key.removeprefix(_LABELS).lower()
        found[name] = found[name.partition("__")[2] or name] = value["value"]
    return found


@dataclass(frozen=True)
class Services:
    """callout: sends a request, resolving named credentials. random_bytes: keys, IVs, Crypto.getRandom....

    labels: custom labels by lowered name.
    """

    callout: Callable[[OutgoingRequest], OutgoingResponse] = _no_network
    random_bytes: Callable[[int], bytes] = field(default=os.urandom)
    labels: Callable[[Transaction], dict[str, str]] = _stored_labels
