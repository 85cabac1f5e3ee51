"""The protocol as two tables. Every transition is in this file; anything else raises UnexpectedMessage.

The diagram in docs/secure-aggregation.md is drawn from these tables (see diagram).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from fedcrm.errors import UnexpectedMessage
from fedcrm.secagg import messages as wire

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


PARTICIPANT_NEXT: Mapping[ParticipantPhase, Mapping[type[wire.Message], ParticipantPhase]] = {
    ParticipantPhase.IDLE: {wire.Open: ParticipantPhase.COMMITTED},
    ParticipantPhase.COMMITTED: {wire.RevealRequest: ParticipantPhase.REVEALED},
    ParticipantPhase.REVEALED: {wire.Deals: ParticipantPhase.ACCEPTED},
    ParticipantPhase.ACCEPTED: {wire.Manifest: ParticipantPhase.BOUND},
    # Its own message: between the manifest and it stand the caller's charge and noise.
    ParticipantPhase.BOUND: {wire.Upload: ParticipantPhase.UPLOADED},
    ParticipantPhase.UPLOADED: {wire.DecryptRequest: ParticipantPhase.ANSWERED},
    ParticipantPhase.ANSWERED: {},  # one answer per key: a second c1 would cancel the smudging
}
"""By message received, but for Upload, which is sent."""

COORDINATOR_NEXT: Mapping[CoordinatorPhase, Mapping[type[wire.Message], CoordinatorPhase]] = {
    CoordinatorPhase.NEW: {wire.Open: CoordinatorPhase.OPENED},
    CoordinatorPhase.OPENED: {wire.RevealRequest: CoordinatorPhase.REVEALING},
    CoordinatorPhase.REVEALING: {wire.Deals: CoordinatorPhase.DEALING},
    CoordinatorPhase.DEALING: {wire.Manifest: CoordinatorPhase.UPLOADING},
    CoordinatorPhase.UPLOADING: {wire.DecryptRequest: CoordinatorPhase.DECRYPTING},
    CoordinatorPhase.DECRYPTING: {wire.Partial: CoordinatorPhase.DONE},
    CoordinatorPhase.DONE: {},
}
"""By message sent, but for Partial, which is received: a quorum of them ends the attempt."""

REPLIES: Mapping[type[wire.Message], type[wire.Message]] = {
    wire.Open: wire.Commit,
    wire.RevealRequest: wire.Reveal,
    wire.Deals: wire.Accept,
    wire.Manifest: wire.Upload,
    wire.DecryptRequest: wire.Partial,
}
"""What a participant answers."""


_Phase = TypeVar("_Phase", ParticipantPhase, CoordinatorPhase)


def next_phase(
    table: Mapping[_Phase, Mapping[type[wire.Message], _Phase]],
    phase: _Phase,
    message: type[wire.Message],
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
                    if name == "coordinator" or reply is None or reply is wire.Upload
                    else f"{message.__name__} / {reply.__name__}"
                )
                lines.append(f"        {name[0]}_{phase} --> {name[0]}_{after}: {label}")
        lines.append("    }")
    return "\n".join(lines) + "\n"
