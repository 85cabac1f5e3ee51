"""Every message in its envelope: who, when, what, signed.

head   = magic, ring parameters, training, round, attempt, sender, kind, body, digest of every blob
on the wire: head, Ed25519 signature over head, then the blobs, each after its length

Bulk data rides as blobs, so a signed head can be passed on without them (an upload's c0 is of no use to those who
check its c1), and every byte is hashed once.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property

from fedcrm.errors import MalformedMessage, PeerError, Replayed, SettingsError, Tampered, UnknownParticipant
from fedcrm.secagg.encoding import Reader, Writer
from fedcrm.secagg.identity import Identity, PublicIdentity
from fedcrm.secagg.messages import KINDS, Blob, Message
from fedcrm.secagg.terms import AttemptId

__all__ = ["Envelope", "claimed_sender", "head_of", "open_envelope", "open_head", "seal_envelope"]

_MAGIC = b"FedCRM secagg 1\0"
_SIGNATURE_BYTES, _DIGEST_BYTES, _PARAMETERS_BYTES = 64, 32, 8


@dataclass(frozen=True)
class Envelope:
    """A message whose signature holds.

    head: the signed bytes and the signature: proof without the bulk.
    """

    attempt: AttemptId
    sender: str
    message: Message
    head: bytes = field(repr=False)

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the head: what other messages refer to this one by."""
        return hashlib.sha256(self.head).digest()

    def to_bytes(self) -> bytes:
        """The wire form."""
        parts: list[bytes | memoryview] = [Writer().sized(self.head).done()]
        for blob in self.message.blobs:
            parts += [len(blob.content).to_bytes(8, "little"), blob.content]
        return b"".join(parts)


def seal_envelope(identity: Identity, parameters: bytes, attempt: AttemptId, message: Message) -> Envelope:
    """Sign a message for one attempt. parameters: the ring's digest."""
    blobs = message.blobs
    signed = (
        Writer()
        .raw(_MAGIC)
        .raw(parameters)
        .text(attempt.training)
        .number(attempt.round, 4)
        .number(attempt.attempt, 4)
        .text(identity.name)
        .number(message.KIND, 1)
        .sized(message.body())
        .number(len(blobs), 2)
        .raw(b"".join(blob.digest for blob in blobs))
        .done()
    )
    return Envelope(attempt, identity.name, message, signed + identity.sign(signed))


def open_envelope(data: bytes, sender: PublicIdentity, parameters: bytes, attempt: AttemptId | None = None) -> Envelope:
    """Check form, attempt, sender, signature and the digest of every blob.

    attempt: the one that is running, or None to take whichever the message names (an OPEN).
    Raises MalformedMessage, Replayed (another attempt's), UnknownParticipant, BadSignature, Tampered; the
    culprit is `sender`, who is known by the channel the bytes came through.
    """
    reader = Reader(data, culprit=sender.name)
    head = reader.sized()
    digests = _Head.read(head, sender.name).digests
    blobs = []
    for digest in digests:
        blob = Blob.of(reader.view(reader.number(8)))
        if blob.digest != digest:
            raise Tampered("data does not match its signed digest", culprit=sender.name)
        blobs.append(blob)
    reader.end()
    return _checked(head, tuple(blobs), sender, parameters, attempt)


def open_head(
    head: bytes, sender: PublicIdentity, parameters: bytes, attempt: AttemptId, *, relayed_by: str
) -> Envelope:
    """The same for a signed head that travels alone: its message's blobs are digests without data.

    Raises Tampered; the culprit is who relayed it, who should not have passed on what does not hold.
    """
    try:
        digests = _Head.read(head, sender.name).digests
        return _checked(head, tuple(Blob(digest, None) for digest in digests), sender, parameters, attempt)
    except PeerError as error:
        raise Tampered(f"passes on what {sender.name} did not sign for this attempt", culprit=relayed_by) from error


def head_of(data: bytes, culprit: str) -> bytes:
    """The head of a message, unchecked. Raises MalformedMessage where the bytes end before it does."""
    return Reader(data, culprit=culprit).sized()


def claimed_sender(head: bytes) -> str:
    """Whom a head says it is from; nothing is checked."""
    return _Head.read(head, None).sender


@dataclass(frozen=True, slots=True)
class _Head:
    """A head's fields, unchecked."""

    parameters: bytes
    attempt: AttemptId
    sender: str
    kind: int
    body: bytes
    digests: tuple[bytes, ...]

    @classmethod
    def read(cls, head: bytes, culprit: str | None) -> _Head:
        reader = Reader(head, culprit=culprit)
        if reader.raw(len(_MAGIC)) != _MAGIC:
            raise reader.malformed("not a message of this protocol")
        parameters, training = reader.raw(_PARAMETERS_BYTES), reader.text()
        try:
            attempt = AttemptId(training, reader.number(4), reader.number(4))
        except SettingsError as error:
            raise reader.malformed("no training is named") from error
        sender, kind, body = reader.text(), reader.number(1), reader.sized()
        digests = tuple(reader.raw(_DIGEST_BYTES) for _ in range(reader.number(2)))
        reader.raw(_SIGNATURE_BYTES)
        reader.end()
        return cls(parameters, attempt, sender, kind, body, digests)


def _checked(
    head: bytes, blobs: tuple[Blob, ...], sender: PublicIdentity, parameters: bytes, attempt: AttemptId | None
) -> Envelope:
    fields = _Head.read(head, sender.name)
    if fields.parameters != parameters:
        raise MalformedMessage("other ring parameters", culprit=sender.name)
    if fields.sender != sender.name:
        raise UnknownParticipant(f"a message from {fields.sender!r}", culprit=sender.name)
    sender.verify(head[-_SIGNATURE_BYTES:], head[:-_SIGNATURE_BYTES])
    if attempt is not None and fields.attempt != attempt:
        raise Replayed(f"a message of {fields.attempt}", culprit=sender.name)
    if fields.kind not in KINDS:
        raise MalformedMessage(f"message kind {fields.kind}", culprit=sender.name)
    reader = Reader(fields.body, culprit=sender.name)
    message = KINDS[fields.kind].parse(reader, blobs)
    reader.end()
    return Envelope(fields.attempt, sender.name, message, head)
