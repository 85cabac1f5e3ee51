"""A participant alone against a malicious coordinator: every refusal leaves it as it was."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fedcrm.errors import (
    BadSignature,
    MalformedMessage,
    OutOfLane,
    PeerError,
    ProtocolError,
    Replayed,
    SettingsError,
    Tampered,
    TooFewParticipants,
    TooManyCoordinates,
    UnacceptableTerms,
    UnexpectedMessage,
    UnknownParticipant,
)
from fedcrm.secagg import Identity, MemoryJournal, ParticipantAttempt, ParticipantPhase, Step
from fedcrm.secagg.envelope import open_envelope, seal_envelope
from fedcrm.secagg.messages import Accept, Manifest, Open
from fedcrm.secagg.sealing import seal

STEPS = ("open", "reveal request", "deals", "manifest", "decrypt request")


def message_for(one, step, name):
    """The coordinator's true message of this step for this participant, which is ready to receive it."""
    if step == "open":
        return one.coordinator.open()
    if step == "reveal request":
        return one.coordinator.request_reveals(one.commits())
    if step == "deals":
        return one.coordinator.relay_deals(one.reveals())[name]
    if step == "manifest":
        return one.coordinator.manifest(one.accepts())
    return one.coordinator.request_decryption(one.uploads())


def signed(one, message, identity=None) -> bytes:
    identity = identity or one.coordinator_identity
    return seal_envelope(identity, one.terms.parameters.digest, one.terms.id, message).to_bytes()


def true_message(one, data):
    return open_envelope(data, one.roster.coordinator, one.terms.parameters.digest).message


@pytest.fixture
def opened(attempt):
    one = attempt(4)
    return one, one.participants[one.names[0]], one.coordinator.open()


@pytest.mark.parametrize("step", STEPS)
def test_tampering_anywhere_in_any_message_is_refused_and_changes_nothing(attempt, step):
    one = attempt(4)
    name = one.names[1]
    message = message_for(one, step, name)
    honest = one.participants[name]
    before = honest.phase
    rng = np.random.default_rng(9)
    places = {0, 3, 4, 30, len(message) // 2, len(message) - 1, *rng.integers(0, len(message), 20).tolist()}
    for place in places:
        bent = bytearray(message)
        bent[place] ^= 1 << int(rng.integers(8))
        with pytest.raises(PeerError):
            honest.handle(bytes(bent))
        assert honest.phase is before
    for cut in (b"", message[:3], message[: len(message) // 2], message[:-1], message + b"\0", message * 2):
        with pytest.raises(PeerError):
            honest.handle(cut)
        assert honest.phase is before
    honest.handle(message)
    assert honest.phase is not before


@pytest.mark.parametrize("step", STEPS)
def test_a_message_signed_by_anybody_else_is_refused(attempt, identities, step):
    one = attempt(4)
    name = one.names[1]
    message = message_for(one, step, name)
    impostor = Identity.generate("coordinator")
    for forger, refusal in ((impostor, BadSignature), (identities[2], UnknownParticipant)):
        with pytest.raises(refusal):
            one.participants[name].handle(signed(one, true_message(one, message), forger))
    one.participants[name].handle(message)


@pytest.mark.parametrize("step", STEPS)
def test_the_same_message_again_gets_the_same_bytes_whenever(attempt, step):
    one = attempt(4)
    name = one.names[1]
    message = message_for(one, step, name)
    honest = one.participants[name]
    first = honest.handle(message)
    after = honest.phase
    assert honest.handle(message) == first
    assert honest.phase is after
    assert (first is None) == (step == "manifest")


def test_opening_and_answering_are_told_to_the_caller(opened):
    one, honest, opening = opened
    assert honest.terms is None
    honest.handle(opening)
    assert honest.terms == one.terms
    assert honest.terms.request == b"a request"
    assert (honest.contributors, honest.manifest_digest) == ((), b"")


@pytest.mark.parametrize("weaker", [{"quorum": 2}, {"k_min": 3}])
def test_terms_weaker_than_agreed_are_refused(attempt, weaker):
    one = attempt(4, **weaker)
    careful = ParticipantAttempt(
        one.identities[one.names[0]], one.roster, MemoryJournal(), parameters=one.terms.parameters
    )
    with pytest.raises(UnacceptableTerms):
        careful.handle(one.coordinator.open())
    assert careful.phase is ParticipantPhase.IDLE


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"roster": bytes(32)}, UnacceptableTerms),
        ({"k_min": 5}, UnacceptableTerms),
        ({"quorum": 5, "k_min": 5}, UnacceptableTerms),
        ({"quorum": 0}, UnacceptableTerms),
        ({"coordinates": 0}, UnacceptableTerms),
        ({"magnitude": 0}, UnacceptableTerms),
        ({"coordinates": 1_000_001}, TooManyCoordinates),
        ({"magnitude": 1 << 58}, OutOfLane),
    ],
)
def test_impossible_terms_are_refused(opened, change, refusal):
    one, honest, opening = opened
    with pytest.raises(refusal):
        honest.handle(signed(one, replace(true_message(one, opening), **change)))
    assert honest.phase is ParticipantPhase.IDLE
    honest.handle(opening)


def test_a_roster_with_other_keys_under_one_s_name_is_refused_at_once(attempt):
    one = attempt(4)
    with pytest.raises(SettingsError):
        ParticipantAttempt(
            Identity.generate(one.names[0]), one.roster, MemoryJournal(), parameters=one.terms.parameters
        )
    with pytest.raises(UnknownParticipant):
        ParticipantAttempt(Identity.generate("nobody"), one.roster, MemoryJournal(), parameters=one.terms.parameters)


def test_a_message_of_another_attempt_is_a_replay(attempt):
    one, other = attempt(4), attempt(4, number=2)
    name = one.names[0]
    one.commits()
    with pytest.raises(Replayed):
        one.participants[name].handle(other.coordinator.request_reveals(other.commits()))


@pytest.mark.parametrize("number", [1, 2])
def test_an_attempt_that_is_not_after_the_last_accepted_one_is_a_replay(attempt, number):
    later = attempt(4, number=2)
    later.bound()
    one = attempt(4, number=number, journals=later.journals)
    with pytest.raises(Replayed):
        one.participants[one.names[0]].handle(one.coordinator.open())
    attempt(4, number=3, journals=later.journals).bound()


def test_other_ring_parameters_are_refused(attempt, ring):
    one = attempt(4)
    other = replace(ring, smudging_bits=100)
    honest = ParticipantAttempt(one.identities[one.names[0]], one.roster, MemoryJournal(), parameters=other)
    with pytest.raises(MalformedMessage):
        honest.handle(one.coordinator.open())


# --- shares ------------------------------------------------------------------------------------------


def test_a_dealer_whose_share_does_not_open_is_named_and_the_rest_is_kept(attempt, ring):
    """The dealer commits to garbage and reveals it: only who opens it can tell."""
    one = attempt(5, k_min=4)
    dealer, recipient = one.names[4], one.names[0]
    opening = one.coordinator.open()
    commits = one.ask(opening, one.names)
    cheat = one.participants[dealer]
    dealt = cheat._dealt
    garbage = {
        recipient: type(dealt.key).of(b"garbage" * 10),
        one.names[1]: type(dealt.key).of(
            seal(
                b"\xff" * (2 * ring.polynomial_bytes),
                dealt.ephemeral,
                dealer,
                one.roster.members[1],
                cheat._digests[Open],
            )
        ),
    }
    cheat._dealt = replace(dealt, deals={**dealt.deals, **garbage})
    commit = open_envelope(commits[dealer], one.roster.member(dealer), ring.digest).message
    commits[dealer] = signed(
        one,
        replace(commit, deals=tuple(blob.digest for blob in cheat._dealt.deals.values())),
        one.identities[dealer],
    )
    reveals = one.ask(one.coordinator.request_reveals(commits), one.names)
    accepts = one.ask(one.coordinator.relay_deals(reveals), one.names)
    for name in one.names[:4]:
        accept = open_envelope(accepts[name], one.roster.member(name), ring.digest).message
        assert isinstance(accept, Accept)
        assert accept.refused == ((dealer,) if name in garbage else ())
    manifest = one.coordinator.manifest(accepts)
    assert one.coordinator.contributors == one.names[:4]
    assert isinstance(one.coordinator.dropped[dealer], Tampered)
    one.ask(manifest, one.names[:4])
    uploads = {name: one.participants[name].upload(one.values[name]) for name in one.names[:4]}
    answers = one.ask(one.coordinator.request_decryption(uploads), one.names[:4])
    np.testing.assert_array_equal(one.coordinator.finish(answers).sums, one.plain_sum(one.names[:4]))


def test_shares_that_are_somebody_else_s_are_refused(attempt):
    one = attempt(4)
    deals = one.coordinator.relay_deals(one.reveals())
    with pytest.raises(Tampered):
        one.participants[one.names[0]].handle(deals[one.names[1]])
    message = true_message(one, deals[one.names[1]])
    with pytest.raises(Tampered):
        one.participants[one.names[0]].handle(signed(one, replace(message, recipient=one.names[0])))


# --- manifests ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        (lambda m: replace(m, contributors=m.contributors[:3]), TooFewParticipants),
        (lambda m: replace(m, contributors=m.contributors[1:]), Tampered),  # without the participant itself
        (lambda m: replace(m, contributors=m.contributors[::-1]), MalformedMessage),
        (lambda m: replace(m, contributors=(*m.contributors, m.contributors[-1])), MalformedMessage),
        (lambda m: replace(m, contributors=(*m.contributors, "nobody")), UnknownParticipant),
        (lambda m: replace(m, opening=bytes(32)), Tampered),
        (lambda m: replace(m, commits=bytes(32)), Tampered),
        (lambda m: replace(m, contributors=()), Tampered),
    ],
)
def test_a_manifest_that_breaks_a_rule_is_refused_and_not_written_down(attempt, change, refusal):
    one = attempt(5, k_min=4)
    manifest = one.coordinator.manifest(one.accepts())
    name = one.names[0]
    with pytest.raises(refusal):
        one.participants[name].handle(signed(one, change(true_message(one, manifest))))
    assert one.participants[name].phase is ParticipantPhase.ACCEPTED
    assert one.journals[name].latest("training") is None
    one.participants[name].handle(manifest)
    assert one.participants[name].contributors == one.names


def test_a_manifest_with_a_participant_whose_share_is_not_held_is_refused(attempt):
    one = attempt(5, k_min=4)
    present = one.names[:4]
    manifest = true_message(one, one.coordinator.manifest(one.accepts(present)))
    with pytest.raises(Tampered):
        one.participants[present[0]].handle(signed(one, Manifest(manifest.opening, manifest.commits, one.names)))


def test_the_manifest_is_written_down_before_it_is_accepted(attempt):
    class Full(MemoryJournal):
        def claim(self, attempt, step, digest):
            raise OSError("disk full")

    one = attempt(4)
    name = one.names[0]
    one.participants[name]._journal = Full()
    manifest = one.coordinator.manifest(one.accepts())
    with pytest.raises(OSError, match="disk full"):
        one.participants[name].handle(manifest)
    assert one.participants[name].phase is ParticipantPhase.ACCEPTED
    assert one.participants[name].contributors == ()


# --- uploads and answers -----------------------------------------------------------------------------


def test_a_value_out_of_lane_is_refused_and_another_vector_may_be_tried(attempt):
    one = attempt(4).bound()
    honest = one.participants[one.names[0]]
    values = one.values[one.names[0]].copy()
    values[7] = one.terms.magnitude + 1
    with pytest.raises(OutOfLane):
        honest.upload(values)
    assert honest.phase is ParticipantPhase.BOUND
    honest.upload(one.values[one.names[0]])


@pytest.mark.parametrize("values", [np.zeros(3, np.int64), np.zeros(1500), np.zeros((1500, 1), np.int64)])
def test_a_vector_of_another_shape_or_type_is_refused(attempt, values):
    one = attempt(4).bound()
    with pytest.raises(SettingsError):
        one.participants[one.names[0]].upload(values)


def test_there_is_one_upload_an_attempt(attempt):
    """A second one under the same masks would give their difference away."""
    one = attempt(4)
    honest = one.participants[one.names[0]]
    with pytest.raises(UnexpectedMessage):
        honest.upload(one.values[one.names[0]])
    one.bound()
    honest.upload(one.values[one.names[0]])
    with pytest.raises(UnexpectedMessage):
        honest.upload(one.values[one.names[0]])


def test_the_answer_is_written_down_before_it_is_released(attempt):
    one = attempt(4)
    request = one.coordinator.request_decryption(one.uploads())
    name = one.names[0]
    stored = []

    class Watching(MemoryJournal):
        def claim(self, attempt, step, digest):
            stored.append((attempt, step, one.participants[name].phase))
            return super().claim(attempt, step, digest)

    one.participants[name]._journal = Watching()
    one.participants[name].handle(request)
    assert stored == [(one.terms.id, Step.ANSWER, ParticipantPhase.UPLOADED)]


def test_an_answered_attempt_holds_no_secrets_any_more(attempt):
    one = attempt(4)
    one.partials()
    honest = one.participants[one.names[0]]
    assert honest._held is None
    assert honest._dealt is None
    assert "secret" not in repr(honest)


def test_an_upload_is_all_noise_to_the_eye(attempt):
    """The same values twice: no two ciphertext coefficients agree."""
    one = attempt(3)
    one.values = dict.fromkeys(one.names, np.zeros(1500, np.int64))
    uploads = one.uploads()
    messages = [open_envelope(d, one.roster.member(n), one.terms.parameters.digest).message for n, d in uploads.items()]
    assert len({m.c0.digest for m in messages} | {m.c1.digest for m in messages}) == 6


def test_every_refusal_is_one_of_this_package_s(attempt):
    one = attempt(4)
    rng = np.random.default_rng(0)
    for size in (0, 1, 4, 5, 20, 100, 1000):
        with pytest.raises(ProtocolError):
            one.participants[one.names[0]].handle(rng.bytes(size))
