"""Who is who: long-term keys pinned at enrolment, and the roster that puts them in public order.

Ed25519 (RFC 8032) signs every message; X25519 (RFC 7748) opens what is sealed to a participant and agrees on
pairwise masks. A secret identity hides from repr and has no wire form, only one for its owner's encrypted store.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from fedcrm.errors import BadSignature, MalformedMessage, SettingsError, UnknownParticipant
from fedcrm.secagg.encoding import Reader, Writer
from fedcrm.secagg.sampling import RandomBytes

__all__ = ["MAX_PARTICIPANTS", "MIN_PARTICIPANTS", "Identity", "PublicIdentity", "Roster"]

MIN_PARTICIPANTS, MAX_PARTICIPANTS = 3, 50
_KEY_BYTES = 32
_NAME_BYTES = 400
_SECRET_FORM = b"FCRMid1\0"


@dataclass(frozen=True, slots=True)
class PublicIdentity:
    """What others know of a participant or of the coordinator.

    name:    1 to 400 bytes of UTF-8.
    signing: Ed25519 public key, 32 bytes.
    sealing: X25519 public key, 32 bytes.

    Raises SettingsError on anything else.
    """

    name: str
    signing: bytes
    sealing: bytes

    def __post_init__(self) -> None:
        if not 1 <= len(self.name.encode()) <= _NAME_BYTES:
            raise SettingsError(f"a name has 1 to {_NAME_BYTES} bytes")
        if len(self.signing) != _KEY_BYTES or len(self.sealing) != _KEY_BYTES:
            raise SettingsError(f"{self.name}: a public key has {_KEY_BYTES} bytes")

    def verify(self, signature: bytes, data: bytes) -> None:
        """Raises BadSignature unless the signature is this identity's over data."""
        try:
            Ed25519PublicKey.from_public_bytes(self.signing).verify(signature, data)
        except (InvalidSignature, ValueError) as error:
            raise BadSignature("the signature does not hold", culprit=self.name) from error

    def to_bytes(self) -> bytes:
        """Wire form; equal identities have equal bytes."""
        return Writer().text(self.name).raw(self.signing).raw(self.sealing).done()

    @classmethod
    def from_bytes(cls, data: bytes) -> PublicIdentity:
        """Inverse of to_bytes. Raises MalformedMessage."""
        reader = Reader(data)
        name, signing, sealing = reader.text(), reader.raw(_KEY_BYTES), reader.raw(_KEY_BYTES)
        reader.end()
        try:
            return cls(name, signing, sealing)
        except SettingsError as error:
            raise MalformedMessage(str(error)) from error


class Identity:
    """A participant's or the coordinator's secret keys."""

    __slots__ = ("_sealing", "_signing", "public")

    def __init__(self, name: str, signing: Ed25519PrivateKey, sealing: X25519PrivateKey) -> None:
        self._signing, self._sealing = signing, sealing
        self.public = PublicIdentity(
            name, signing.public_key().public_bytes_raw(), sealing.public_key().public_bytes_raw()
        )

    @classmethod
    def generate(cls, name: str, random_bytes: RandomBytes = os.urandom) -> Identity:
        """Fresh keys."""
        return cls(
            name,
            Ed25519PrivateKey.from_private_bytes(random_bytes(_KEY_BYTES)),
            X25519PrivateKey.from_private_bytes(random_bytes(_KEY_BYTES)),
        )

    @property
    def name(self) -> str:
        """The public name."""
        return self.public.name

    def sign(self, data: bytes) -> bytes:
        """64 bytes."""
        return self._signing.sign(data)

    def agree(self, peer: bytes) -> bytes:
        """X25519 with a peer's public key: 32 bytes both sides know. Raises MalformedMessage on a degenerate key."""
        return agree(self._sealing, peer)

    def to_secret_bytes(self) -> bytes:
        """For the owner's encrypted store; never for a message."""
        return (
            Writer()
            .raw(_SECRET_FORM)
            .text(self.name)
            .raw(self._signing.private_bytes_raw())
            .raw(self._sealing.private_bytes_raw())
            .done()
        )

    @classmethod
    def from_secret_bytes(cls, data: bytes) -> Identity:
        """Inverse of to_secret_bytes. Raises MalformedMessage."""
        reader = Reader(data)
        if reader.raw(len(_SECRET_FORM)) != _SECRET_FORM:
            raise MalformedMessage("these bytes are not a secret identity")
        name = reader.text()
        signing = Ed25519PrivateKey.from_private_bytes(reader.raw(_KEY_BYTES))
        sealing = X25519PrivateKey.from_private_bytes(reader.raw(_KEY_BYTES))
        reader.end()
        try:
            return cls(name, signing, sealing)
        except SettingsError as error:
            raise MalformedMessage(str(error)) from error

    def __repr__(self) -> str:
        return f"Identity({self.name!r}, <secret keys>)"


def agree(secret: X25519PrivateKey, peer: bytes) -> bytes:
    """X25519. Raises MalformedMessage where the peer's key is of low order (the result would be all zeros)."""
    try:
        return secret.exchange(X25519PublicKey.from_public_bytes(peer))
    except ValueError as error:
        raise MalformedMessage("a degenerate X25519 key") from error


@dataclass(frozen=True)
class Roster:
    """Who is invited, in public order: the first member is Shamir's point 1.

    Raises SettingsError on fewer than 3 or more than 50 members, a name or key that occurs twice, or a
    coordinator that is a member.
    """

    coordinator: PublicIdentity
    members: tuple[PublicIdentity, ...]

    def __post_init__(self) -> None:
        if not MIN_PARTICIPANTS <= len(self.members) <= MAX_PARTICIPANTS:
            raise SettingsError(
                f"{len(self.members)} participants; secure aggregation needs {MIN_PARTICIPANTS} to {MAX_PARTICIPANTS}"
            )
        everybody = (self.coordinator, *self.members)
        for kind in ("name", "signing", "sealing"):
            if len({getattr(one, kind) for one in everybody}) != len(everybody):
                raise SettingsError(f"two on the roster have the same {kind}")

    def __len__(self) -> int:
        return len(self.members)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """In the order of the points."""
        return tuple(member.name for member in self.members)

    @cached_property
    def _points(self) -> dict[str, int]:
        return {name: point for point, name in enumerate(self.names, start=1)}

    def point(self, name: str) -> int:
        """1..n. Raises UnknownParticipant."""
        if name not in self._points:
            raise UnknownParticipant("not on the roster", culprit=name)
        return self._points[name]

    def member(self, name: str) -> PublicIdentity:
        """Raises UnknownParticipant."""
        return self.members[self.point(name) - 1]

    def others(self, name: str) -> tuple[str, ...]:
        """Everybody but one, in the order of the points."""
        return tuple(other for other in self.names if other != name)

    def ordered(self, names: Iterable[str]) -> tuple[str, ...]:
        """These names in the order of the points. Raises UnknownParticipant."""
        return tuple(sorted(names, key=self.point))

    def to_bytes(self) -> bytes:
        """Wire form; equal rosters have equal bytes."""
        writer = Writer().sized(self.coordinator.to_bytes()).number(len(self.members), 2)
        for member in self.members:
            writer.sized(member.to_bytes())
        return writer.done()

    @classmethod
    def from_bytes(cls, data: bytes) -> Roster:
        """Inverse of to_bytes. Raises MalformedMessage or SettingsError."""
        reader = Reader(data)
        coordinator = PublicIdentity.from_bytes(reader.sized())
        members = tuple(PublicIdentity.from_bytes(reader.sized()) for _ in range(reader.number(2)))
        reader.end()
        return cls(coordinator, members)

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the wire form."""
        return hashlib.sha256(b"fedcrm.secagg roster" + self.to_bytes()).digest()
