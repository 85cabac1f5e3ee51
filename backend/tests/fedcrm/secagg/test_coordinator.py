"""The whole attempt, end to end: exact sums, drop-outs, wrong answers."""

from __future__ import annotations

import copy
import itertools

import numpy as np
import pytest

from fedcrm.errors import (
    AttemptVoid,
    BadSignature,
    ContributorsMissing,
    InconsistentAnswers,
    MalformedMessage,
    QuorumNotReached,
    Replayed,
    SettingsError,
    Tampered,
    TooFewParticipants,
    UnexpectedMessage,
    UnknownParticipant,
)
from fedcrm.secagg import CoordinatorAttempt, CoordinatorPhase
from fedcrm.secagg.envelope import open_envelope, seal_envelope
from fedcrm.secagg.messages import Accept, Blob, Partial
from fedcrm.secagg.ring import from_wire, to_wire


def forged(one, name, change):
    """The participant's own reply, changed and signed again by itself: a participant that lies."""

    def sign(data):
        identity = one.identities[name]
        message = open_envelope(data, identity.public, one.terms.parameters.digest, one.terms.id).message
        return seal_envelope(identity, one.terms.parameters.digest, one.terms.id, change(message)).to_bytes()

    return sign


def wrong_partial(one, name, data, place=(0, 0, 7)):
    def change(message):
        answer = from_wire(message.answer.content, one.terms.parameters)
        answer[place] ^= np.uint64(1)
        return Partial(message.request, Blob.of(to_wire(answer)))

    return forged(one, name, change)(data)


@pytest.mark.parametrize("n", [3, 4, 9, 12])
def test_the_opened_sum_is_the_plain_numpy_sum(attempt, n):
    one = attempt(n)
    opened = one.run()
    np.testing.assert_array_equal(opened.sums, one.plain_sum())
    assert opened.sums.dtype == np.int64
    assert opened.contributors == opened.answered == one.names


@pytest.mark.slow
def test_fifty_participants_get_the_exact_sum(attempt):
    one = attempt(50, coordinates=2500)
    np.testing.assert_array_equal(one.run().sums, one.plain_sum())


@pytest.mark.parametrize("magnitude", [1, 3, 1 << 24, (1 << 28) - 1, 1 << 30, ((1 << 59) - 1) // 8])
@pytest.mark.parametrize("sign", [1, -1])
def test_sums_are_exact_at_the_bound_in_one_lane_and_in_two(attempt, magnitude, sign):
    one = attempt(4, magnitude=magnitude, coordinates=2049)
    extreme = np.full(2049, sign * magnitude, np.int64)
    one.values = dict.fromkeys(one.names, extreme)
    np.testing.assert_array_equal(one.run().sums, 4 * extreme)


@pytest.mark.parametrize("coordinates", [1, 2047, 2048, 2049, 10_000])
def test_vectors_of_any_length_around_a_chunk_are_exact(attempt, coordinates):
    one = attempt(3, coordinates=coordinates)
    np.testing.assert_array_equal(one.run().sums, one.plain_sum())


def test_every_six_of_nine_give_the_same_bits_and_five_give_nothing(attempt):
    one = attempt(9, coordinates=4000)
    partials = one.partials()
    answers = {}
    for names in itertools.combinations(one.names, 6):
        # finish ends an attempt, so each six open a copy of it
        opened = copy.copy(one.coordinator).finish({name: partials[name] for name in names})
        answers[names] = opened.sums.tobytes()
        assert opened.answered == names
    assert set(answers.values()) == {one.plain_sum().tobytes()}
    for names in itertools.combinations(one.names, 5):
        with pytest.raises(QuorumNotReached) as refused:
            one.coordinator.finish({name: partials[name] for name in names})
        assert refused.value.needed == 6
        assert len(refused.value.answered) == 5


def test_who_drops_out_before_the_manifest_is_left_out(attempt):
    one = attempt(9)
    present = one.names
    commits = one.commits(present[:8])
    reveals = one.ask(one.coordinator.request_reveals(commits), present[:8])
    del reveals[present[3]]
    deals = one.coordinator.relay_deals(reveals)
    stay = [name for name in present[:8] if name != present[3]]
    assert sorted(deals) == sorted(stay)
    accepts = one.ask(deals, stay)
    del accepts[present[0]]
    manifest = one.coordinator.manifest(accepts)
    stay.remove(present[0])
    assert one.coordinator.contributors == tuple(stay)
    one.ask(manifest, stay)
    uploads = {name: one.participants[name].upload(one.values[name]) for name in stay}
    partials = one.ask(one.coordinator.request_decryption(uploads), stay)
    opened = one.coordinator.finish(partials)
    np.testing.assert_array_equal(opened.sums, one.plain_sum(stay))
    assert opened.contributors == tuple(stay)


@pytest.mark.parametrize("step", ["commits", "reveals", "accepts"])
def test_fewer_than_k_min_is_refused_and_late_replies_are_still_welcome(attempt, step):
    one = attempt(9)
    replies = getattr(one, step)()
    following = {"commits": "request_reveals", "reveals": "relay_deals", "accepts": "manifest"}[step]
    before = one.coordinator.phase
    few = {name: replies[name] for name in one.names[:5]}
    with pytest.raises(TooFewParticipants) as refused:
        getattr(one.coordinator, following)(few)
    assert (refused.value.needed, refused.value.present) == (6, 5)
    assert one.coordinator.phase is before
    getattr(one.coordinator, following)(replies)


def test_a_missing_upload_voids_the_attempt_and_names_who_is_missing(attempt):
    one = attempt(9)
    uploads = one.uploads()
    late = {name: uploads.pop(name) for name in (one.names[2], one.names[7])}
    with pytest.raises(ContributorsMissing) as refused:
        one.coordinator.request_decryption(uploads)
    assert isinstance(refused.value, AttemptVoid)
    assert refused.value.missing == tuple(late)
    assert one.coordinator.phase is CoordinatorPhase.UPLOADING
    one.coordinator.request_decryption(uploads | late)


def test_one_wrong_answer_among_seven_is_detected_and_among_eight_located(attempt):
    one = attempt(9)
    partials = one.partials()
    liar = one.names[3]
    partials[liar] = wrong_partial(one, liar, partials[liar])
    with pytest.raises(InconsistentAnswers):
        one.coordinator.finish({name: partials[name] for name in one.names[:7]})
    assert one.coordinator.phase is CoordinatorPhase.DECRYPTING
    opened = one.coordinator.finish({name: partials[name] for name in one.names[:8]})
    np.testing.assert_array_equal(opened.sums, one.plain_sum())
    assert liar not in opened.answered
    assert isinstance(one.coordinator.dropped[liar], InconsistentAnswers)


def test_two_liars_among_twelve_are_located_wherever_they_lie(attempt):
    one = attempt(12)
    partials = one.partials()
    for name, place in ((one.names[0], (0, 3, 0)), (one.names[9], (0, 1, 1023))):
        partials[name] = wrong_partial(one, name, partials[name], place)
    opened = one.coordinator.finish(partials)
    np.testing.assert_array_equal(opened.sums, one.plain_sum())
    assert set(one.coordinator.dropped) == {one.names[0], one.names[9]}


def test_a_wrong_answer_without_spare_ones_does_not_pass_as_a_sum(attempt):
    """Six answers of nine cannot be compared; but garbage does not keep to its lanes."""
    one = attempt(9)
    partials = one.partials()
    six = {name: partials[name] for name in one.names[:6]}
    liar = one.names[0]
    six[liar] = wrong_partial(one, liar, six[liar])
    with pytest.raises(Tampered):
        one.coordinator.finish(six)
    opened = one.coordinator.finish(partials)
    np.testing.assert_array_equal(opened.sums, one.plain_sum())


@pytest.mark.parametrize("step", ["commits", "reveals", "accepts"])
def test_a_bad_reply_drops_its_sender_and_nobody_else(attempt, step):
    one = attempt(9)
    replies = getattr(one, step)()
    following = {"commits": "request_reveals", "reveals": "relay_deals", "accepts": "manifest"}[step]
    garbage, flipped, swapped = one.names[0], one.names[1], one.names[2]
    replies[garbage] = b"\x00garbage"
    replies[flipped] = replies[flipped][:-1] + bytes([replies[flipped][-1] ^ 1])
    replies[swapped] = replies[one.names[3]]
    getattr(one.coordinator, following)(replies)
    assert set(one.coordinator.dropped) == {garbage, flipped, swapped}
    assert isinstance(one.coordinator.dropped[garbage], MalformedMessage)
    assert isinstance(one.coordinator.dropped[flipped], (BadSignature, Tampered))
    assert isinstance(one.coordinator.dropped[swapped], UnknownParticipant)


def test_a_bad_answer_drops_its_sender_and_the_others_open_the_sum(attempt):
    one = attempt(9)
    partials = one.partials()
    partials[one.names[0]] = partials[one.names[0]][:-3]
    partials[one.names[1]] = b""
    partials[one.names[2]] = partials[one.names[3]]
    np.testing.assert_array_equal(one.coordinator.finish(partials).sums, one.plain_sum())
    assert set(one.coordinator.dropped) == set(one.names[:3])


def test_replies_of_an_earlier_attempt_are_replays(attempt):
    earlier, now = attempt(9), attempt(9, number=2)
    old = earlier.commits()
    fresh = now.commits()
    replayer = now.names[4]
    fresh[replayer] = old[replayer]
    now.coordinator.request_reveals(fresh)
    assert isinstance(now.coordinator.dropped[replayer], Replayed)


def test_a_reply_under_an_unknown_name_is_refused(attempt):
    one = attempt(4)
    commits = one.commits()
    with pytest.raises(UnknownParticipant):
        one.coordinator.request_reveals(commits | {"nobody": b""})


def test_a_dealer_whose_shares_do_not_open_is_dropped_before_anybody_is_bound(attempt):
    """Two recipients say so; the dealer is in most complaints and leaves, the attempt goes on."""
    one = attempt(9)
    accepts = one.accepts()
    dealer = one.names[5]
    for complainer in one.names[:2]:
        accepts[complainer] = forged(one, complainer, lambda m: Accept(m.deals, (dealer,)))(accepts[complainer])
    manifest = one.coordinator.manifest(accepts)
    stay = [name for name in one.names if name != dealer]
    assert one.coordinator.contributors == tuple(stay)
    one.ask(manifest, stay)
    uploads = {name: one.participants[name].upload(one.values[name]) for name in stay}
    opened = one.coordinator.finish(one.ask(one.coordinator.request_decryption(uploads), stay))
    np.testing.assert_array_equal(opened.sums, one.plain_sum(stay))


def test_who_complains_about_everybody_leaves_alone(attempt):
    one = attempt(9)
    accepts = one.accepts()
    grumbler = one.names[0]
    accepts[grumbler] = forged(one, grumbler, lambda m: Accept(m.deals, one.names[1:]))(accepts[grumbler])
    one.coordinator.manifest(accepts)
    assert one.coordinator.contributors == one.names[1:]
    assert set(one.coordinator.dropped) == {grumbler}


def test_an_answer_to_another_request_is_dropped(attempt):
    one = attempt(9)
    partials = one.partials()
    name = one.names[8]
    partials[name] = forged(one, name, lambda m: Partial(bytes(32), m.answer))(partials[name])
    one.coordinator.finish(partials)
    assert isinstance(one.coordinator.dropped[name], Tampered)


def test_steps_out_of_order_are_refused(attempt):
    one = attempt(4)
    for step in ("request_reveals", "relay_deals", "manifest", "request_decryption", "finish"):
        with pytest.raises(UnexpectedMessage):
            getattr(one.coordinator, step)({})
    assert one.coordinator.phase is CoordinatorPhase.NEW
    one.run()
    with pytest.raises(UnexpectedMessage):
        one.coordinator.open()
    assert one.coordinator.phase is CoordinatorPhase.DONE


def test_only_the_roster_s_coordinator_may_coordinate(attempt, identities):
    one = attempt(4)
    with pytest.raises(SettingsError):
        CoordinatorAttempt(identities[0], one.terms)


def test_two_runs_of_the_same_values_share_no_ciphertext_and_differ_in_transcript(attempt):
    first, second = attempt(3), attempt(3, number=2)
    second.values = first.values
    one, two = first.run(), second.run()
    np.testing.assert_array_equal(one.sums, two.sums)
    assert one.transcript != two.transcript
