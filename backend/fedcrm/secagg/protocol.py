"""The protocol as two tables. Every transition is in this file; anything else raises UnexpectedMessage.

The diagram in docs/secure-aggregation.md is drawn from these tables (see diagram).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from fedcrm.errors import UnexpectedMessage
from fedcrm.secagg.messages import (
    Accept,
    Commit,
    Deals,
    DecryptRequest,
    Manifest,
    Message,
    Open,
    Partial,
    Reveal,
    RevealRequest,
    Upload,
)

__all__ = [
    "COORDINATOR_NEXT",
    "PARTICIPANT_NEXT",
    "REPLIES",
    "CoordinatorPhase",
    "ParticipantPhase",
    "diagram",
    "next_phase",
]


class ParticipantPhase(StrEnum):
    """Where a participant stands in one attempt."""

    IDLE = "idle"
    COMMITTED = "committed"
    REVEALED = "revealed"
    ACCEPTED = "accepted"
    BOUND = "bound"
    UPLOADED = "uploaded"
    ANSWERED = "answered"


class CoordinatorPhase(StrEnum):
    """Where the coordinator stands in one attempt."""

    NEW = "new"
    OPENED = "opened"
    REVEALING = "revealing"
    DEALING = "dealing"
    UPLOADING = "uploading"
    DECRYPTING = "decrypting"
    DONE = "done"


PARTICIPANT_NEXT: Mapping[ParticipantPhase, Mapping[type[Message], ParticipantPhase]] = {
    ParticipantPhase.IDLE: {Open: ParticipantPhase.COMMITTED},
    ParticipantPhase.COMMITTED: {RevealRequest: ParticipantPhase.REVEALED},
    ParticipantPhase.REVEALED: {Deals: ParticipantPhase.ACCEPTED},
    ParticipantPhase.ACCEPTED: {Manifest: ParticipantPhase.BOUND},
    # Its own message: between the manifest and it stand the caller's charge and noise.
    ParticipantPhase.BOUND: {Upload: ParticipantPhase.UPLOADED},
    ParticipantPhase.UPLOADED: {DecryptRequest: ParticipantPhase.ANSWERED},
    ParticipantPhase.ANSWERED: {},  # one answer per key: a second c1 would cancel the smudging
}
"""By message received, but for Upload, which is sent."""

COORDINATOR_NEXT: Mapping[CoordinatorPhase, Mapping[type[Message], CoordinatorPhase]] = {
    CoordinatorPhase.NEW: {Open: CoordinatorPhase.OPENED},
    CoordinatorPhase.OPENED: {RevealRequest: CoordinatorPhase.REVEALING},
    CoordinatorPhase.REVEALING: {Deals: CoordinatorPhase.DEALING},
    CoordinatorPhase.DEALING: {Manifest: CoordinatorPhase.UPLOADING},
    CoordinatorPhase.UPLOADING: {DecryptRequest: CoordinatorPhase.DECRYPTING},
    CoordinatorPhase.DECRYPTING: {Partial: CoordinatorPhase.DONE},
    CoordinatorPhase.DONE: {},
}
"""By message sent, but for Partial, which is received: a quorum of them ends the attempt."""

REPLIES: Mapping[type[Message], type[Message]] = {
    Open: Commit,
    RevealRequest: Reveal,
    Deals: Accept,
    Manifest: Upload,
    DecryptRequest: Partial,
}
"""What a participant answers."""


_Phase = TypeVar("_Phase", ParticipantPhase, CoordinatorPhase)


def next_phase(
    table: Mapping[_Phase, Mapping[type[Message], _Phase]],
    phase: _Phase,
    message: type[Message],
    culprit: str | None = None,
) -> _Phase:
    """Where a message leads. Raises UnexpectedMessage."""
    after = table[phase].get(message)
    if after is None:
        raise UnexpectedMessage(f"{message.__name__} while {phase}", culprit=culprit)
    return after


def diagram() -> str:
    """Both tables as one Mermaid state diagram, for the documentation."""
    lines = ["stateDiagram-v2"]
    for name, table in (("participant", PARTICIPANT_NEXT), ("coordinator", COORDINATOR_NEXT)):
        lines.append(f"    state {name} {{")
        for phase, leads in table.items():
            for message, after in leads.items():
                reply = REPLIES.get(message)
                label = (
                    message.__name__
                    if name == "coordinator" or reply is None or reply is Upload
                    else f"{message.__name__} / {reply.__name__}"
                )
                lines.append(f"        {name[0]}_{phase} --> {name[0]}_{after}: {label}")
        lines.append("    }")
    return "\n".join(lines) + "\n"
