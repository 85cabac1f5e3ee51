"""The coordinator's letters: signed envelopes out, verified replies back, and a note of whoever did not answer."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from fedcrm.errors import FedCRMError
from fedcrm.federation.channel import Channel
from fedcrm.federation.messages import Envelope, Kind
from fedcrm.secagg import Identity, Roster

__all__ = ["Exchange", "Notes", "Post"]

_log = logging.getLogger(__name__)


class Notes(Protocol):
    """Where the coordinator writes down what happened."""

    def note(self, event: str, **facts: object) -> None:
        """Append to the audit log."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """replies: verified bodies by participant. silent: who gave no answer in time. moved: bytes both ways."""

    replies: Mapping[str, bytes]
    silent: tuple[str, ...]
    moved: int


class Post:
    """Exchanges of one training over a channel. timeout: seconds to wait for the replies of one."""

    def __init__(
        self, identity: Identity, roster: Roster, channel: Channel, notes: Notes, *, training: str, timeout: float
    ) -> None:
        self._identity, self._channel, self._notes = identity, channel, notes
        self._training, self._timeout = training, timeout
        self._members = {member.name: member for member in roster.members}

    def exchange(self, kind: Kind, bodies: Mapping[str, bytes], step: str) -> Exchange:
        """Send each participant its body and take the replies that hold. step: what the notes call it."""
        sealed = {
            body: Envelope(kind, self._training, self._identity.name, body).seal(self._identity)
            for body in set(bodies.values())
        }
        messages = {name: sealed[body] for name, body in bodies.items()}
        outcome = self._channel.call(messages, timeout=self._timeout)
        for name, reason in outcome.failed.items():
            _log.info("%s did not answer (%s)", name, reason)
            self._notes.note("no answer", participant=name, step=step, reason=reason)
        replies: dict[str, bytes] = {}
        for name, reply in outcome.replies.items():
            try:
                replies[name] = Envelope.unseal(reply, self._members[name], self._training).body
            except FedCRMError as error:
                self._notes.note("bad reply", participant=name, step=step, reason=str(error))
        moved = sum(map(len, messages.values())) + sum(map(len, outcome.replies.values()))
        return Exchange(replies, tuple(outcome.failed), moved)
