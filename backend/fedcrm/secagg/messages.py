"""The ten messages of an attempt: frozen, typed, validated where bytes enter.

Small fields stand in the body, bulk data in blobs whose digests are signed with it (see envelope).
Names are public names of the roster; digests are SHA-256, 32 bytes.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Self

from fedcrm.errors import MalformedMessage
from fedcrm.secagg.encoding import Reader, Writer

__all__ = [
    "KINDS",
    "Accept",
    "Blob",
    "Commit",
    "Deals",
    "DecryptRequest",
    "Manifest",
    "Message",
    "Open",
    "Partial",
    "Reveal",
    "RevealRequest",
    "Upload",
]

_DIGEST = 32


@dataclass(frozen=True, slots=True)
class Blob:
    """Bulk data and its SHA-256. data is None where a signed head travels without it."""

    digest: bytes
    data: bytes | memoryview | None = field(repr=False)

    @classmethod
    def of(cls, data: bytes | memoryview) -> Blob:
        """Hash the data."""
        return cls(hashlib.sha256(data).digest(), data)

    @property
    def content(self) -> bytes | memoryview:
        """The data. Raises MalformedMessage where it stayed behind."""
        if self.data is None:
            raise MalformedMessage("the data stayed behind")
        return self.data


class Message(ABC):
    """Something that goes over the wire, always signed."""

    __slots__ = ()
    KIND: ClassVar[int]

    @abstractmethod
    def body(self) -> bytes:
        """The small fields."""

    @property
    def blobs(self) -> tuple[Blob, ...]:
        """The bulk data."""
        return ()

    @classmethod
    @abstractmethod
    def parse(cls, reader: Reader, blobs: tuple[Blob, ...]) -> Self:
        """Inverse of body and blobs; the caller checks that nothing is left. Raises MalformedMessage."""


@dataclass(frozen=True, slots=True)
class Open(Message):
    """1, coordinator to all: the terms. request is what is asked for, opaque here."""

    KIND: ClassVar[int] = 1
    roster: bytes
    coordinates: int
    magnitude: int
    quorum: int
    k_min: int
    deadline: int
    request: Blob

    def body(self) -> bytes:
        return (
            Writer()
            .raw(self.roster)
            .number(self.coordinates, 4)
            .number(self.magnitude, 8)
            .number(self.quorum, 2)
            .number(self.k_min, 2)
            .number(self.deadline, 8)
            .done()
        )

    @property
    def blobs(self) -> tuple[Blob, ...]:
        return (self.request,)

    @classmethod
    def parse(cls, reader: Reader, blobs: tuple[Blob, ...]) -> Self:
        _count(blobs, 1, reader)
        return cls(
            roster=reader.raw(_DIGEST),
            coordinates=reader.number(4),
            magnitude=reader.number(8),
            quorum=reader.number(2),
            k_min=reader.number(2),
            deadline=reader.number(8),
            request=blobs[0],
        )


@dataclass(frozen=True, slots=True)
class Commit(Message):
    """2, participant: the digest of everything it will reveal.

    opening:   digest of OPEN. ephemeral: this attempt's X25519 key, for sealed shares and masks.
    key:       digest of b_i on the wire. deals: digest of each sealed share, by point, the sender's own left out.
    """

    KIND: ClassVar[int] = 2
    opening: bytes
    ephemeral: bytes
    key: bytes
    deals: tuple[bytes, ...]

    def body(self) -> bytes:
        return _digests(Writer().raw(self.opening).raw(self.ephemeral).raw(self.key), self.deals).done()

    @classmethod
    def parse(cls, reader: Reader, blobs: tuple[Blob, ...]) -> Self:
        _count(blobs, 0, reader)
        return cls(reader.raw(_DIGEST), reader.raw(32), reader.raw(_DIGEST), _read_digests(reader))


@dataclass(frozen=True, slots=True)
class RevealRequest(Message):
    """3, coordinator to who committed: every signed COMMIT, so that nobody reveals before all have committed."""

    KIND: ClassVar[int] = 3
    commits: tuple[bytes, ...]

    def body(self) -> bytes:
        return _sized(Writer(), self.commits).done()

    @classmethod
    def parse(cls, reader: Reader, blobs: tuple[Blob, ...]) -> Self:
        _count(blobs, 0, reader)
        return cls(_read_sized(reader))


@dataclass(frozen=True, slots=True)
class Reveal(Message):
    """4, participant: b_i and the sealed shares, in the order of COMMIT. commits: digest of RevealRequest."""

    KIND: ClassVar[int] = 4
    commits: bytes
    key: Blob
    deals: tuple[Blob, ...]

    def body(self) -> bytes:
        return self.commits

    @property
    def blobs(self) -> tuple[Blob, ...]:
        return (self.key, *self.deals)

    @classmethod
    def parse(cls, reader: Reader, blobs: tuple[Blob, ...]) -> Self:
        if not blobs:
            raise reader.malformed("no key")
        return cls(reader.raw(_DIGEST), blobs[0], blobs[1:])


@dataclass(frozen=True, slots=True)
class Deals(Message):
    """5, coordinator to one recipient: everybody's b_i, and the shares sealed to it.

    commits: digest of RevealRequest. dealers: who revealed. keys: one b_i a dealer.
    shares: one a dealer, the recipient left out.
    """

    KIND: ClassVar[int] = 5
    commits: bytes
    recipient: str
    dealers: tuple[str, ...]
    keys: tuple[Blob, ...]
    shares: tuple[Blob, ...]

    def body(self) -> bytes:
        return _names(Writer().raw(self.commits).text(self.recipient), self.dealers).done()

    @property
    def blobs(self) -> tuple[Blob, ...]:
        return (*self.keys, *self.shares)

    @classmethod
    def parse(cls, reader: Reader, blobs: tuple[Blob, ...]) -> Self:
        commits, recipient, dealers = reader.raw(_DIGEST), reader.text(), _read_names(reader)
        if recipient not in dealers or len(set(dealers)) != len(dealers):
            raise reader.malformed("the recipient is not among the dealers, or one is named twice")
        _count(blobs, 2 * len(dealers) - 1, reader)
        return cls(commits, recipient, dealers, blobs[: len(dealers)], blobs[len(dealers) :])


@dataclass(frozen=True, slots=True)
class Accept(Message):
    """6, participant: which dealers' shares did not open. deals: digest of Deals."""

    KIND: ClassVar[int] = 6
    deals: bytes
    refused: tuple[str, ...]

    def body(self) -> bytes:
        return _names(Writer().raw(self.deals), self.refused).done()

    @classmethod
    def parse(cls, reader: Reader, blobs: tuple[Blob, ...]) -> Self:
        _count(blobs, 0, reader)
        return cls(reader.raw(_DIGEST), _read_names(reader))


@dataclass(frozen=True, slots=True)
class Manifest(Message):
    """7, coordinator to who counts: dealers and contributors at once, in the order of the roster.

    opening, commits: digests of OPEN and RevealRequest.
    """

    KIND: ClassVar[int] = 7
    opening: bytes
    commits: bytes
    contributors: tuple[str, ...]

    def body(self) -> bytes:
        return _names(Writer().raw(self.opening).raw(self.commits), self.contributors).done()

    @classmethod
    def parse(cls, reader: Reader, blobs: tuple[Blob, ...]) -> Self:
        _count(blobs, 0, reader)
        return cls(reader.raw(_DIGEST), reader.raw(_DIGEST), _read_names(reader))


@dataclass(frozen=True, slots=True)
class Upload(Message):
    """8, contributor: the masked, encrypted vector; c0 and c1 of every chunk. manifest: digest of Manifest."""

    KIND: ClassVar[int] = 8
    manifest: bytes
    c0: Blob
    c1: Blob

    def body(self) -> bytes:
        return self.manifest

    @property
    def blobs(self) -> tuple[Blob, ...]:
        return (self.c0, self.c1)

    @classmethod
    def parse(cls, reader: Reader, blobs: tuple[Blob, ...]) -> Self:
        _count(blobs, 2, reader)
        return cls(reader.raw(_DIGEST), *blobs)


@dataclass(frozen=True, slots=True)
class DecryptRequest(Message):
    """9, coordinator to all contributors: every signed UPLOAD, of its data only c1.

    There is no sum in it: who answers adds up by itself. manifest: digest of Manifest.
    uploads: heads, in the order of the manifest. c1: likewise.
    """

    KIND: ClassVar[int] = 9
    manifest: bytes
    uploads: tuple[bytes, ...]
    c1: tuple[Blob, ...]

    def body(self) -> bytes:
        return _sized(Writer().raw(self.manifest), self.uploads).done()

    @property
    def blobs(self) -> tuple[Blob, ...]:
        return self.c1

    @classmethod
    def parse(cls, reader: Reader, blobs: tuple[Blob, ...]) -> Self:
        manifest, uploads = reader.raw(_DIGEST), _read_sized(reader)
        _count(blobs, len(uploads), reader)
        return cls(manifest, uploads, blobs)


@dataclass(frozen=True, slots=True)
class Partial(Message):
    """10, contributor: its partial decryption. request: digest of DecryptRequest."""

    KIND: ClassVar[int] = 10
    request: bytes
    answer: Blob

    def body(self) -> bytes:
        return self.request

    @property
    def blobs(self) -> tuple[Blob, ...]:
        return (self.answer,)

    @classmethod
    def parse(cls, reader: Reader, blobs: tuple[Blob, ...]) -> Self:
        _count(blobs, 1, reader)
        return cls(reader.raw(_DIGEST), blobs[0])


KINDS: Mapping[int, type[Message]] = {
    kind.KIND: kind
    for kind in (Open, Commit, RevealRequest, Reveal, Deals, Accept, Manifest, Upload, DecryptRequest, Partial)
}


def _count(blobs: Sequence[Blob], expected: int, reader: Reader) -> None:
    if len(blobs) != expected:
        raise reader.malformed(f"{len(blobs)} blobs where {expected} belong")


def _digests(writer: Writer, digests: Sequence[bytes]) -> Writer:
    return writer.number(len(digests), 2).raw(b"".join(digests))


def _read_digests(reader: Reader) -> tuple[bytes, ...]:
    return tuple(reader.raw(_DIGEST) for _ in range(reader.number(2)))


def _names(writer: Writer, names: Sequence[str]) -> Writer:
    writer.number(len(names), 2)
    for name in names:
        writer.text(name)
    return writer


def _read_names(reader: Reader) -> tuple[str, ...]:
    return tuple(reader.text() for _ in range(reader.number(2)))


def _sized(writer: Writer, parts: Sequence[bytes]) -> Writer:
    writer.number(len(parts), 2)
    for part in parts:
        writer.sized(part)
    return writer


def _read_sized(reader: Reader) -> tuple[bytes, ...]:
    return tuple(reader.sized() for _ in range(reader.number(2)))
