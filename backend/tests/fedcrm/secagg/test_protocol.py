"""The tables: complete, one-way, drawn in the documentation, and obeyed in any order of messages."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedcrm.errors import AlreadyAnswered, UnexpectedMessage
from fedcrm.secagg import CoordinatorPhase, ParticipantPhase
from fedcrm.secagg.envelope import seal_envelope
from fedcrm.secagg.messages import (
    KINDS,
    Accept,
    Blob,
    Commit,
    Deals,
    DecryptRequest,
    Manifest,
    Open,
    Partial,
    Reveal,
    RevealRequest,
    Upload,
)
from fedcrm.secagg.protocol import COORDINATOR_NEXT, PARTICIPANT_NEXT, REPLIES, diagram, next_phase

EMPTY, ZERO = Blob.of(b""), bytes(32)
FORGERIES = {
    Open: Open(ZERO, 1, 1, 1, 1, 0, EMPTY),
    Commit: Commit(ZERO, ZERO, ZERO, ()),
    RevealRequest: RevealRequest(()),
    Reveal: Reveal(ZERO, EMPTY, ()),
    Deals: Deals(ZERO, "a", ("a",), (EMPTY,), ()),
    Accept: Accept(ZERO, ()),
    Manifest: Manifest(ZERO, ZERO, ()),
    Upload: Upload(ZERO, EMPTY, EMPTY),
    DecryptRequest: DecryptRequest(ZERO, (), ()),
    Partial: Partial(ZERO, EMPTY),
}


@pytest.mark.parametrize("table", [PARTICIPANT_NEXT, COORDINATOR_NEXT])
def test_every_phase_is_reached_once_and_the_last_leads_nowhere(table):
    phases = list(table)
    assert set(phases) == set(type(phases[0]))
    path = [phases[0]]
    while table[path[-1]]:
        (after,) = table[path[-1]].values()
        path.append(after)
    assert path == phases


def test_every_message_has_a_number_and_a_place():
    assert sorted(KINDS) == list(range(1, 11))
    handled = {
        message for table in (PARTICIPANT_NEXT, COORDINATOR_NEXT) for leads in table.values() for message in leads
    }
    assert handled | set(REPLIES.values()) == set(KINDS.values()) == set(FORGERIES)


@pytest.mark.parametrize("phase", ParticipantPhase)
@pytest.mark.parametrize("message", KINDS.values())
def test_what_the_table_does_not_list_is_unexpected(phase, message):
    if message in PARTICIPANT_NEXT[phase]:
        assert next_phase(PARTICIPANT_NEXT, phase, message) is PARTICIPANT_NEXT[phase][message]
    else:
        with pytest.raises(UnexpectedMessage):
            next_phase(PARTICIPANT_NEXT, phase, message)


def test_the_diagram_in_the_documentation_is_drawn_from_the_tables():
    """When this fails: paste what fedcrm.secagg.protocol.diagram() returns."""
    text = (Path(__file__).parents[4] / "docs" / "secure-aggregation.md").read_text(encoding="utf-8")
    assert f"```mermaid\n{diagram()}```" in text


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_wrong_message_at_any_moment_is_unexpected_and_leaves_the_phase_alone(attempt, data):
    """Signed by the coordinator, of the right attempt: only the moment is wrong."""
    one = attempt(3)
    honest = one.participants[one.names[0]]
    others = one.names[1:]
    sent: list[bytes] = []
    replies: list[bytes | None] = []

    def interfere():
        for kind in data.draw(st.lists(st.sampled_from(list(FORGERIES)), max_size=3)):
            before = honest.phase
            if kind in PARTICIPANT_NEXT[before] and kind in REPLIES:
                continue  # the right kind: test_participant bends its contents
            forged = seal_envelope(one.coordinator_identity, one.terms.parameters.digest, one.terms.id, FORGERIES[kind])
            expected = (
                AlreadyAnswered if (kind, before) == (DecryptRequest, ParticipantPhase.ANSWERED) else UnexpectedMessage
            )
            with pytest.raises(expected):
                honest.handle(forged.to_bytes())
            assert honest.phase is before
        for old in data.draw(st.sets(st.integers(0, max(0, len(sent) - 1)), max_size=2)) if sent else ():
            before = honest.phase
            assert honest.handle(sent[old]) == replies[old]
            assert honest.phase is before
        if honest.phase is not ParticipantPhase.BOUND:
            before = honest.phase
            with pytest.raises(UnexpectedMessage):
                honest.upload(one.values[one.names[0]])
            assert honest.phase is before

    def step(message):
        interfere()
        mine = message[one.names[0]] if isinstance(message, dict) else message
        sent.append(mine)
        replies.append(honest.handle(mine))
        return {one.names[0]: replies[-1]} | one.ask(message, others)

    reveals = step(one.coordinator.request_reveals(step(one.coordinator.open())))
    step(one.coordinator.manifest(step(one.coordinator.relay_deals(reveals))))
    interfere()
    uploads = {name: one.participants[name].upload(one.values[name]) for name in one.names}
    opened = one.coordinator.finish(step(one.coordinator.request_decryption(uploads)))
    interfere()
    assert (opened.sums == one.plain_sum()).all()
    assert one.coordinator.phase is CoordinatorPhase.DONE
