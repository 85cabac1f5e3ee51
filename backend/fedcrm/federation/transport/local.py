"""Everybody in one process: the default transport, passing exactly the bytes a network would.

Faults are injected from outside (a `tamper` function over requests and replies), so that drop-outs, delays,
duplicates and corruption are tested against the shipped code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from fedcrm.errors import FedCRMError
from fedcrm.federation.channel import Outcome

__all__ = ["Delivery", "Endpoint", "LocalChannel"]

Delivery = Callable[[str, bytes], bytes | None]
"""(participant, bytes) -> the bytes that arrive, or None when they are lost."""


class Endpoint(Protocol):
    """A participant as a channel sees it."""

    def handle(self, message: bytes) -> bytes:
        """Answer one message."""


class LocalChannel:
    """A channel to endpoints of this process, in order of their names.

    requests, replies: what happens to bytes on the way there and back; by default nothing.
    """

    def __init__(
        self,
        endpoints: Mapping[str, Endpoint],
        *,
        requests: Delivery = lambda _name, data: data,
        replies: Delivery = lambda _name, data: data,
    ) -> None:
        self._endpoints, self._requests, self._replies = endpoints, requests, replies
        self.bytes_sent = self.bytes_received = 0

    def call(self, messages: Mapping[str, bytes], *, timeout: float) -> Outcome:  # noqa: ARG002 - nothing waits here
        """Deliver in turn. An endpoint that raises has not answered; its words stay with it but for the outcome."""
        replies: dict[str, bytes] = {}
        failed: dict[str, str] = {}
        for name, message in messages.items():
            self.bytes_sent += len(message)
            arrived = self._requests(name, message)
            if arrived is None:
                failed[name] = "no answer in time"
                continue
            try:
                reply = self._replies(name, self._endpoints[name].handle(arrived))
            except FedCRMError as error:
                failed[name] = str(error)
                continue
            if reply is None:
                failed[name] = "no answer in time"
            else:
                self.bytes_received += len(reply)
                replies[name] = reply
        return Outcome(replies, failed)
