"""Messages and envelopes: round trips, and refusals for every other byte string."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedcrm.errors import BadSignature, MalformedMessage, PeerError, Replayed, Tampered, UnknownParticipant
from fedcrm.secagg import AttemptId, Identity
from fedcrm.secagg.encoding import Reader, Writer
from fedcrm.secagg.envelope import claimed_sender, open_envelope, open_head, seal_envelope
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

RING = b"8 bytes!"
ATTEMPT = AttemptId("training", 7, 2)
SENDER = Identity.generate("Ærø & søn")

digests = st.binary(min_size=32, max_size=32)
blobs = st.binary(max_size=40).map(Blob.of)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
several = st.lists(names, max_size=4, unique=True).map(tuple)
heads = st.lists(st.binary(max_size=30), max_size=4).map(tuple)


@st.composite
def deals(draw):
    dealers = draw(st.lists(names, min_size=1, max_size=4, unique=True))
    keys = tuple(draw(blobs) for _ in dealers)
    shares = tuple(draw(blobs) for _ in dealers[1:])
    return Deals(draw(digests), draw(st.sampled_from(dealers)), tuple(dealers), keys, shares)


@st.composite
def requests(draw):
    uploads = draw(heads)
    return DecryptRequest(draw(digests), uploads, tuple(draw(blobs) for _ in uploads))


messages = st.one_of(
    st.builds(
        Open,
        digests,
        *(st.integers(0, (1 << 8 * size) - 1) for size in (4, 8, 2, 2, 8)),
        blobs,
    ),
    st.builds(Commit, digests, digests, digests, st.lists(digests, max_size=4).map(tuple)),
    st.builds(RevealRequest, heads),
    st.builds(Reveal, digests, blobs, st.lists(blobs, max_size=4).map(tuple)),
    deals(),
    st.builds(Accept, digests, several),
    st.builds(Manifest, digests, digests, several),
    st.builds(Upload, digests, blobs, blobs),
    requests(),
    st.builds(Partial, digests, blobs),
)


def sealed(message):
    return seal_envelope(SENDER, RING, ATTEMPT, message)


@settings(deadline=None)
@given(messages)
def test_every_message_survives_the_wire(message):
    envelope = open_envelope(sealed(message).to_bytes(), SENDER.public, RING, ATTEMPT)
    assert envelope.message == message
    assert (envelope.sender, envelope.attempt) == (SENDER.name, ATTEMPT)
    assert envelope.digest == sealed(message).digest


@settings(deadline=None)
@given(messages, st.data())
def test_one_flipped_bit_anywhere_is_refused(message, data):
    wire = bytearray(sealed(message).to_bytes())
    place = data.draw(st.integers(0, 8 * len(wire) - 1))
    wire[place // 8] ^= 1 << place % 8
    with pytest.raises(PeerError) as refused:
        open_envelope(bytes(wire), SENDER.public, RING, ATTEMPT)
    assert refused.value.culprit == SENDER.name


@settings(deadline=None)
@given(messages, st.data())
def test_truncated_and_oversized_messages_are_refused(message, data):
    wire = sealed(message).to_bytes()
    cut = data.draw(st.integers(0, len(wire) - 1))
    for bad in (wire[:cut], wire + b"\0", wire + wire):
        with pytest.raises(PeerError):
            open_envelope(bad, SENDER.public, RING, ATTEMPT)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_not_a_message(data):
    with pytest.raises(MalformedMessage):
        open_envelope(data, SENDER.public, RING, ATTEMPT)


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(sorted(KINDS)), st.binary(max_size=120), st.integers(0, 3))
def test_arbitrary_bodies_parse_to_a_message_or_are_malformed(kind, body, count):
    """Even with a signature that holds: the sender may be malicious."""
    reader = Reader(body)
    try:
        message = KINDS[kind].parse(reader, (Blob.of(b""),) * count)
        reader.end()
    except MalformedMessage:
        return
    assert message.body() == body


@pytest.mark.parametrize(
    ("opened", "refusal"),
    [
        ({"parameters": b"others!!"}, MalformedMessage),
        ({"attempt": AttemptId("training", 7, 3)}, Replayed),
        ({"attempt": AttemptId("another", 7, 2)}, Replayed),
        ({"sender": Identity.generate(SENDER.name).public}, BadSignature),
        ({"sender": Identity.generate("somebody else").public}, UnknownParticipant),
    ],
)
def test_a_message_holds_for_its_sender_ring_and_attempt_alone(opened, refusal):
    wire = sealed(Accept(bytes(32), ())).to_bytes()
    with pytest.raises(refusal):
        open_envelope(wire, **({"sender": SENDER.public, "parameters": RING, "attempt": ATTEMPT} | opened))


def test_a_head_travels_without_its_data_and_still_proves_the_digests():
    upload = Upload(bytes(32), Blob.of(b"c0"), Blob.of(b"c1"))
    head = sealed(upload).head
    alone = open_head(head, SENDER.public, RING, ATTEMPT, relayed_by="coordinator")
    assert [blob.digest for blob in alone.message.blobs] == [blob.digest for blob in upload.blobs]
    assert alone.digest == sealed(upload).digest
    assert claimed_sender(head) == SENDER.name
    with pytest.raises(MalformedMessage):
        _ = alone.message.c0.content


def test_who_passes_on_a_bad_head_is_the_culprit():
    head = bytearray(sealed(Accept(bytes(32), ())).head)
    head[-1] ^= 1
    with pytest.raises(Tampered) as refused:
        open_head(bytes(head), SENDER.public, RING, ATTEMPT, relayed_by="coordinator")
    assert refused.value.culprit == "coordinator"


def test_numbers_that_do_not_fit_their_field_are_our_own_fault():
    with pytest.raises(OverflowError):
        Writer().number(1 << 16, 2)
