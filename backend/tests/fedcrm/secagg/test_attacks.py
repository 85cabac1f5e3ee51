"""The attacks that shaped the protocol, each run against a build without the defence, then against ours.

The builds without a defence are made here, from the shipped parts. In all of them the coordinator is the
adversary, with at most one participant on its side.
"""

from __future__ import annotations

import copy
import itertools
import math
import os
import random
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from fedcrm.errors import AlreadyAnswered, Replayed, Tampered, TooFewParticipants, UnexpectedMessage
from fedcrm.secagg import ParticipantAttempt, ParticipantPhase, Step, participant
from fedcrm.secagg.bfv import bfv_for
from fedcrm.secagg.envelope import open_envelope, seal_envelope
from fedcrm.secagg.fusion import answer, fuse
from fedcrm.secagg.messages import Blob, Commit, DecryptRequest, Manifest, Open, RevealRequest, Upload
from fedcrm.secagg.ring import add, from_wire, multiply, negate, subtract, to_wire, total
from fedcrm.secagg.sampling import common_polynomial, error, residues_of, ternary
from fedcrm.secagg.shares import accept_share, collective_key, deal, key_from_wire, key_to_wire, make_key

SHIFT = 40  # where the attacker writes the key: above the honest sum, below 2^59


def no_mask(me, keys, chunks, degree, plain_bits):
    return np.zeros((chunks, degree), np.uint64)


def opened_by(one, data, name):
    identity = one.identities[name]
    return open_envelope(data, identity.public, one.terms.parameters.digest, one.terms.id)


def signed_by(one, identity, message) -> bytes:
    return seal_envelope(identity, one.terms.parameters.digest, one.terms.id, message).to_bytes()


def signed_by_coordinator(one, message) -> bytes:
    return signed_by(one, one.coordinator_identity, message)


def delta(ring):
    """round(q / T) * 2^40 as a constant polynomial, evaluation form: a coordinate-wise constant."""
    constant = (ring.modulus >> ring.plain_bits) << SHIFT
    return np.array([constant % p for p in ring.primes], np.uint64)[:, None]


def key_read_off(messages):
    """The ternary sum that stands at bit 40 of every coefficient."""
    high = (messages + np.uint64(1 << SHIFT - 1)) >> np.uint64(SHIFT)
    signed = high.astype(np.int64)
    return np.where(signed >= 1 << 18, signed - (1 << 19), signed)


@pytest.fixture
def stolen_keys(monkeypatch):
    """The participants' true secret keys, to tell whether an attack found them."""
    keys = []
    honest = participant.make_key

    def remember(*arguments):
        keys.append(honest(*arguments))
        return keys[-1]

    monkeypatch.setattr(participant, "make_key", remember)
    return keys


def coefficients_of_ternary(secret, ring):
    """Undo the transform of a sum of ternary keys: encrypting is not needed, decoding a scaled one is."""
    scaled = multiply(secret, np.broadcast_to(delta(ring), secret.shape), ring.column)
    return key_read_off(bfv_for(ring).decode(scaled[None]))[0]


# --- a malformed upload ------------------------------------------------------------------------------


@pytest.mark.parametrize("masked", [False, True], ids=["without masks", "as shipped"])
def test_a_malformed_upload_steals_the_key_and_still_opens_no_update(attempt, ring, stolen_keys, monkeypatch, masked):
    """One contributor uploads Enc(0) with c1 += Delta * 2^40: the honest quorum decrypts s * 2^40 for it.

    Without masks the coordinator then opens any single upload. With them the key is of no use: a single upload
    is one-time padded.
    """
    if not masked:
        monkeypatch.setattr(participant, "mask", no_mask)
    one = attempt(4, coordinates=1000)
    accomplice, victim = one.names[3], one.names[0]
    one.values[accomplice] = np.zeros(1000, np.int64)
    uploads = one.uploads()
    upload = opened_by(one, uploads[accomplice], accomplice).message
    bent = to_wire(
        add(from_wire(upload.c1.content, ring), np.broadcast_to(delta(ring), (1, 4, ring.degree)), ring.column)
    )
    malformed = Upload(upload.manifest, upload.c0, Blob.of(bent))
    uploads[accomplice] = signed_by(one, one.identities[accomplice], malformed)
    # The accomplice answers as if that were its upload; three honest answers are a quorum without it.
    honest = one.names[:3]
    partials = one.ask(one.coordinator.request_decryption(uploads), honest)

    parts = {name: opened_by(one, data, name).message for name, data in uploads.items()}
    c0 = total([from_wire(part.c0.content, ring) for part in parts.values()], ring.column)
    answers = {
        one.roster.point(name): from_wire(opened_by(one, data, name).message.answer.content, ring)
        for name, data in partials.items()
    }
    messages = bfv_for(ring).decode(add(c0, fuse(answers, one.terms.quorum, ring), ring.column))
    secret = total([key.secret for key in stolen_keys], ring.column)
    np.testing.assert_array_equal(key_read_off(messages)[0], coefficients_of_ternary(secret, ring))  # the key is out

    c0, c1 = (from_wire(half.content, ring) for half in (parts[victim].c0, parts[victim].c1))
    alone = bfv_for(ring).decode(add(c0, multiply(c1, np.broadcast_to(secret, c1.shape), ring.column), ring.column))
    width, magnitude = one.terms.lanes.width, one.terms.magnitude
    guess = (alone[0] & np.uint64((1 << width) - 1)).astype(np.int64)[:1000] - magnitude
    right = int((guess == one.values[victim]).sum())
    assert right == (0 if masked else 1000)


# --- a c1 of the coordinator's choice ----------------------------------------------------------------


def test_answering_blindly_hands_the_coordinator_the_key(attempt, ring, stolen_keys):
    """Without the defence: participants multiply whatever c1 they are sent. Nobody need be corrupt."""
    one = attempt(4)
    one.uploads()
    chosen = np.broadcast_to(delta(ring), (1, 4, ring.degree)).copy()
    held = {one.roster.point(name): p._held.share for name, p in one.participants.items()}
    answers = {point: answer(share, chosen, ring) for point, share in held.items()}
    read = key_read_off(bfv_for(ring).decode(fuse(answers, one.terms.quorum, ring)))[0]
    secret = total([key.secret for key in stolen_keys], ring.column)
    np.testing.assert_array_equal(read, coefficients_of_ternary(secret, ring))


def test_a_chosen_c1_is_refused_and_the_true_request_is_still_answered(attempt, ring):
    one = attempt(4)
    request = one.coordinator.request_decryption(one.uploads())
    true = open_envelope(request, one.roster.coordinator, ring.digest, one.terms.id).message
    chosen = Blob.of(to_wire(np.broadcast_to(delta(ring), (1, 4, ring.degree))))
    zero = Blob.of(to_wire(np.zeros((1, 4, ring.degree), np.uint64)))
    forgeries = [
        DecryptRequest(true.manifest, true.uploads, (chosen, zero, zero, zero)),
        DecryptRequest(true.manifest, true.uploads, (*true.c1[:3], chosen)),
        DecryptRequest(true.manifest, true.uploads[:3], true.c1[:3]),
        DecryptRequest(true.manifest, (true.uploads[0],) * 4, (true.c1[0],) * 4),
    ]
    for name, forged in itertools.product(one.names, forgeries):
        with pytest.raises(Tampered):
            one.participants[name].handle(signed_by_coordinator(one, forged))
        assert one.participants[name].phase is ParticipantPhase.UPLOADED
        assert one.journals[name].claim(one.terms.id, Step.ANSWER, b"nothing yet") == b"nothing yet"
        del one.journals[name]._claims[one.terms.id, Step.ANSWER]
    opened = one.coordinator.finish(one.ask(request, one.names))
    np.testing.assert_array_equal(opened.sums, one.plain_sum())


# --- a second c1 under one key -----------------------------------------------------------------------


def test_two_answers_under_one_share_give_the_share_away(attempt, ring):
    """Why the noise is good for one c1 only: the difference of two answers has no noise left in it."""
    one = attempt(4)
    one.uploads()
    share = one.participants[one.names[0]]._held.share
    rng = np.random.default_rng(1)
    first, second = (
        np.stack([rng.integers(1, p, (1, ring.degree)).astype(np.uint64) for p in ring.primes], 1) for _ in "12"
    )
    noiseless = subtract(answer(share, first, ring), answer(share, second, ring), ring.column)
    distance = subtract(first, second, ring.column)
    for j, p in enumerate(ring.primes):
        for x in range(0, ring.degree, 37):
            if distance[0, j, x]:
                recovered = int(noiseless[0, j, x]) * pow(int(distance[0, j, x]), -1, p) % p
                assert recovered == share[0, j, x]


@pytest.fixture
def two_requests(attempt, ring):
    """One contributor signs two uploads, and the coordinator makes two valid requests of them."""
    one = attempt(4)
    uploads = one.uploads()
    accomplice = one.names[3]
    first = one.coordinator.request_decryption(uploads)
    message = open_envelope(first, one.roster.coordinator, ring.digest, one.terms.id).message
    c1 = Blob.of(to_wire(add(from_wire(message.c1[3].content, ring), np.ones((1, 4, 1), np.uint64), ring.column)))
    c0 = opened_by(one, uploads[accomplice], accomplice).message.c0
    second_upload = seal_envelope(
        one.identities[accomplice], ring.digest, one.terms.id, Upload(message.manifest, c0, c1)
    )
    second = DecryptRequest(message.manifest, (*message.uploads[:3], second_upload.head), (*message.c1[:3], c1))
    return one, first, signed_by_coordinator(one, second)


def test_a_second_c1_is_refused_and_the_first_answer_may_be_sent_again(two_requests):
    one, first, second = two_requests
    honest = one.participants[one.names[0]]
    reply = honest.handle(first)
    with pytest.raises(AlreadyAnswered):
        honest.handle(second)
    assert honest.handle(first) == reply


def test_a_second_c1_is_refused_after_a_restart_from_a_copy_of_memory(two_requests):
    """Say the process was restored from a snapshot taken before it answered: the journal still knows."""
    one, first, second = two_requests
    honest = one.participants[one.names[0]]
    snapshot = copy.copy(honest)
    snapshot._replies = dict(honest._replies)
    reply = honest.handle(first)
    with pytest.raises(AlreadyAnswered):
        snapshot.handle(second)
    assert snapshot.phase is ParticipantPhase.UPLOADED
    assert snapshot.handle(first) == reply  # the same request: the same bytes, nothing new is learnt


def test_after_a_crash_the_attempt_cannot_be_joined_again(attempt):
    """Keys are gone with the process; new ones under the same attempt could only serve a second manifest."""
    one = attempt(4)
    opening = one.coordinator.open()
    commits = one.ask(opening, one.names)
    accepts = one.ask(
        one.coordinator.relay_deals(one.ask(one.coordinator.request_reveals(commits), one.names)), one.names
    )
    one.ask(one.coordinator.manifest(accepts), one.names)
    name = one.names[0]
    restarted = ParticipantAttempt(
        one.identities[name], one.roster, one.journals[name], least_k_min=3, parameters=one.terms.parameters
    )
    with pytest.raises(Replayed):
        restarted.handle(opening)
    assert restarted.phase is ParticipantPhase.IDLE


def test_a_second_manifest_is_refused_also_by_a_copy_of_memory(attempt, ring):
    """Two manifests with one participant's difference would give that participant's update away."""
    one = attempt(5, k_min=4)
    manifest = one.coordinator.manifest(one.accepts())
    whole = open_envelope(manifest, one.roster.coordinator, ring.digest, one.terms.id).message
    smaller = signed_by_coordinator(one, Manifest(whole.opening, whole.commits, whole.contributors[:4]))
    honest = one.participants[one.names[0]]
    snapshot = copy.copy(honest)
    snapshot._replies, snapshot._digests = dict(honest._replies), dict(honest._digests)
    honest.handle(manifest)
    with pytest.raises(UnexpectedMessage):
        honest.handle(smaller)
    with pytest.raises(Replayed):
        snapshot.handle(smaller)
    assert honest.contributors == one.names
    assert snapshot.contributors == ()


# --- retries with another active set -----------------------------------------------------------------


def weight_at_zero(point, active, q):
    """Lagrange weight of one point: (numerator, denominator) in lowest terms, and modulo q."""
    value = Fraction(1)
    for other in active:
        if other != point:
            value *= Fraction(other, other - point)
    return value, value.numerator * pow(value.denominator, -1, q) % q


def lll(rows):
    """Lenstra, Lenstra & Lovasz (1982) with delta 3/4, exact: small lattices only."""
    basis = [list(row) for row in rows]
    dot = lambda a, b: sum(x * y for x, y in zip(a, b, strict=True))  # noqa: E731 - reads as a formula

    def orthogonal():
        stars, mu = [], [[Fraction(0)] * len(basis) for _ in basis]
        for i, row in enumerate(basis):
            star = [Fraction(x) for x in row]
            for j, other in enumerate(stars):
                mu[i][j] = dot(row, other) / dot(other, other)
                star = [x - mu[i][j] * y for x, y in zip(star, other, strict=True)]
            stars.append(star)
        return [dot(s, s) for s in stars], mu

    norms, mu = orthogonal()
    k = 1
    while k < len(basis):
        for j in range(k - 1, -1, -1):
            if r := round(mu[k][j]):
                basis[k] = [x - r * y for x, y in zip(basis[k], basis[j], strict=True)]
                for i in range(j):
                    mu[k][i] -= r * mu[j][i]
                mu[k][j] -= r
        if norms[k] >= (Fraction(3, 4) - mu[k][k - 1] ** 2) * norms[k - 1]:
            k += 1
            continue
        m, upper = mu[k][k - 1], norms[k] + mu[k][k - 1] ** 2 * norms[k - 1]
        mu[k][k - 1], norms[k], norms[k - 1] = m * norms[k - 1] / upper, norms[k - 1] * norms[k] / upper, upper
        basis[k], basis[k - 1] = basis[k - 1], basis[k]
        for j in range(k - 1):
            mu[k][j], mu[k - 1][j] = mu[k - 1][j], mu[k][j]
        for i in range(k + 1, len(basis)):
            mu[i][k], mu[i][k - 1] = (
                mu[i][k - 1] - m * mu[i][k],
                mu[k][k - 1] * (mu[i][k - 1] - m * mu[i][k]) + mu[i][k],
            )
        k = max(k - 1, 1)
    return basis


def textbook_retry(n, quorum, point, retries, smudging_bits, ring, rng):
    """Lagrange before smudging: h_j = lambda_j * v + e_j mod q, for retries with random active sets.

    Returns v, the lattice's guess of it, and D, the common denominator of the weights used.
    """
    q = ring.modulus
    others = [x for x in range(1, n + 1) if x != point]
    weights = [weight_at_zero(point, [point, *rng.sample(others, quorum - 1)], q) for _ in range(retries)]
    v = rng.randrange(q)
    answers = [(w * v + rng.randrange(-(1 << smudging_bits), 1 << smudging_bits)) % q for _, w in weights]
    inverse = pow(weights[0][1], -1, q)
    rows = [[q if c == r else 0 for c in range(retries)] + [0] for r in range(retries)]
    rows[0] = [1] + [w * inverse % q for _, w in weights[1:]] + [0]
    rows.append([*answers, 1 << smudging_bits])
    errors = next(row for row in lll(rows) if abs(row[-1]) == 1 << smudging_bits)
    sign = 1 if errors[-1] > 0 else -1
    guess = (answers[0] - sign * errors[0]) * inverse % q
    return v, guess, math.lcm(*(exact.denominator for exact, _ in weights))


def test_textbook_retries_with_another_active_set_give_the_share_away(ring):
    """50 participants, 8 retries, 40 bits of smudging: every coefficient of s_i' * c1, hence of the share."""
    rng = random.Random(7)
    for _ in range(3):
        v, guess, _ = textbook_retry(50, 30, 25, 8, 40, ring, rng)
        assert guess == v


def test_textbook_retries_leak_low_bits_even_behind_110_bits_of_smudging(ring):
    """9 participants, 6 retries: v modulo the common denominator of the weights."""
    rng = random.Random(7)
    for _ in range(3):
        v, guess, denominator = textbook_retry(9, 6, 5, 6, 110, ring, rng)
        assert denominator > 4
        assert guess != v
        assert (
            (guess - v) % denominator == 0
            or (guess - v - ring.modulus) % denominator == 0
            or (guess - v + ring.modulus) % denominator == 0
        )


def test_ours_has_no_active_set_to_change(attempt):
    """An answer is fixed before anybody knows who else answers; asking again returns the same bytes."""
    one = attempt(9)
    request = one.coordinator.request_decryption(one.uploads())
    assert not hasattr(open_envelope(request, one.roster.coordinator, one.terms.parameters.digest).message, "active")
    first = one.ask(request, one.names)
    for _ in range(8):
        assert one.ask(request, one.names) == first
    for active in itertools.islice(itertools.combinations(one.names, 6), 0, 84, 17):
        opened = copy.copy(one.coordinator).finish({name: first[name] for name in active})
        np.testing.assert_array_equal(opened.sums, one.plain_sum())


def test_ours_shares_the_noise_so_an_answer_alone_is_uniform(ring):
    """E_i' is a Shamir share: the same key share and c1 give answers spread over all of Z_q, not near s_i' * c1."""
    bfv = bfv_for(ring)
    key = make_key(common_polynomial(b"attack", ring), bfv, os.urandom)
    c1 = bfv.transform(residues_of(ternary(ring.degree, os.urandom), ring.column)[None])
    share = accept_share(deal(1, key.secret, 1, 4, 3, bfv, os.urandom)[4], 1, ring)
    noise = subtract(answer(share, c1, ring), multiply(c1, share[:1], ring.column), ring.column)
    spread = noise[0, 0].astype(float) / ring.primes[0]
    assert 0.45 < spread.mean() < 0.55
    assert 0.27 < spread.std() < 0.31  # 1 / sqrt(12) = 0.289


# --- a rogue key -------------------------------------------------------------------------------------


def rogue_key(common, others, ring):
    """b* = b - sum of the others': then the collective key is b, whose secret the attacker knows."""
    column = ring.key_column
    drawn = np.stack([residues_of(draw(ring.degree, os.urandom), column) for draw in (ternary, error)])
    secret, noise = bfv_for(ring).transform(drawn)
    mine = negate(add(multiply(common, secret, column), noise, column), column)
    return secret[:4], subtract(mine, total(others, column), column)


def test_without_commitments_the_last_to_speak_owns_the_collective_key(ring):
    common = common_polynomial(b"rogue", ring)
    honest = [make_key(common, bfv_for(ring), os.urandom).public for _ in range(3)]
    secret, rogue = rogue_key(common, honest, ring)
    message = np.random.default_rng(2).integers(0, 1 << 59, (1, ring.degree)).astype(np.uint64)
    ciphertext = bfv_for(ring).encrypt(collective_key([*honest, rogue], common, ring), message)
    phase = add(ciphertext[:, 0], multiply(ciphertext[:, 1], secret[None], ring.column), ring.column)
    np.testing.assert_array_equal(bfv_for(ring).decode(phase), message)  # alone, with no quorum


def test_a_key_that_was_not_committed_to_is_refused_by_every_participant(attempt, ring):
    """The coordinator swaps its accomplice's key for a rogue one, made after it saw all the others."""
    one = attempt(4)
    reveals = one.reveals()
    deals = one.coordinator.relay_deals(reveals)
    for name in one.names[:3]:
        honest = open_envelope(deals[name], one.roster.coordinator, ring.digest, one.terms.id)
        opening = one.participants[name]._digests[Open]
        publics = [key_from_wire(key.content, ring) for key in honest.message.keys[:3]]
        _, rogue = rogue_key(common_polynomial(opening, ring), publics, ring)
        keys = (*honest.message.keys[:3], Blob.of(key_to_wire(rogue)))
        with pytest.raises(Tampered):
            one.participants[name].handle(signed_by_coordinator(one, replace(honest.message, keys=keys)))
        assert one.participants[name].phase is ParticipantPhase.REVEALED
        one.participants[name].handle(deals[name])


def test_nothing_is_revealed_before_enough_have_committed_or_to_who_hides_a_commitment(attempt, ring):
    one = attempt(5, k_min=4)
    request = one.coordinator.request_reveals(one.commits())
    commits = open_envelope(request, one.roster.coordinator, ring.digest, one.terms.id).message.commits
    honest = one.participants[one.names[0]]
    for chosen, refusal in ((commits[:3], TooFewParticipants), (commits[1:], Tampered)):
        forged = signed_by_coordinator(one, RevealRequest(chosen))
        with pytest.raises(refusal):
            honest.handle(forged)
        assert honest.phase is ParticipantPhase.COMMITTED
    assert honest.handle(request) is not None


def test_a_commitment_shown_differently_to_others_ends_at_the_manifest(attempt, ring):
    """The accomplice signs two commitments; the coordinator shows one to the first participant, one to the rest."""
    one = attempt(4)
    commits = one.commits()
    accomplice = one.names[3]
    first = opened_by(one, commits[accomplice], accomplice).message
    other = Commit(first.opening, first.ephemeral, bytes(32), first.deals)
    request = one.coordinator.request_reveals(commits)
    shown = open_envelope(request, one.roster.coordinator, ring.digest).message.commits
    twisted = seal_envelope(one.identities[accomplice], ring.digest, one.terms.id, other).head
    victim = one.participants[one.names[0]]
    victim_name = one.names[0]
    reveal = victim.handle(signed_by_coordinator(one, RevealRequest((*shown[:3], twisted))))
    revealed = opened_by(one, reveal, victim_name).message
    reveals = one.ask(request, one.names[1:])
    # Its reveal answers the twisted request; the coordinator passes it on as if it answered the true one.
    true = opened_by(one, reveals[one.names[1]], one.names[1]).message.commits
    reveals[victim_name] = signed_by(one, one.identities[victim_name], replace(revealed, commits=true))
    with pytest.raises(Tampered):
        victim.handle(one.coordinator.relay_deals(reveals)[victim_name])
    assert victim.phase is ParticipantPhase.REVEALED
