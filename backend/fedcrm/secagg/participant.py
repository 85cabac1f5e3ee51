"""A participant's side of one attempt: bytes in, bytes out, and a refusal that leaves everything as it was.

It trusts neither the coordinator nor the others: it checks every signature, reveals only after all have
committed, accepts one manifest, adds up ciphertexts by itself, and answers once. Keys and shares live in this
object only; a participant that loses it cannot answer in that attempt any more.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from numpy.typing import NDArray

from fedcrm.errors import (
    AlreadyAnswered,
    MalformedMessage,
    PeerError,
    Replayed,
    SettingsError,
    Tampered,
    TooFewParticipants,
    UnacceptableTerms,
    UnexpectedMessage,
)
from fedcrm.secagg import messages as wire
from fedcrm.secagg.bfv import Bfv, bfv_for
from fedcrm.secagg.envelope import Envelope, claimed_sender, head_of, open_envelope, open_head, seal_envelope
from fedcrm.secagg.fusion import answer
from fedcrm.secagg.identity import Identity, Roster, agree
from fedcrm.secagg.journal import AnswerJournal, Step
from fedcrm.secagg.masks import mask, pair_key
from fedcrm.secagg.protocol import PARTICIPANT_NEXT, REPLIES, ParticipantPhase, next_phase
from fedcrm.secagg.ring import PRODUCTION, Residues, RingParameters, from_wire, subtract, to_wire, total
from fedcrm.secagg.sampling import RandomBytes, common_polynomial
from fedcrm.secagg.sealing import seal, unseal
from fedcrm.secagg.selftest import self_test
from fedcrm.secagg.shares import accept_share, deal, key_from_wire, key_to_wire, make_key
from fedcrm.secagg.terms import AttemptTerms, default_k_min, default_quorum

__all__ = ["ParticipantAttempt"]

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Dealt:
    """What this participant made at OPEN and reveals later."""

    ephemeral: X25519PrivateKey = field(repr=False)
    own_share: bytes = field(repr=False)
    key: wire.Blob
    deals: Mapping[str, wire.Blob]


@dataclass(frozen=True, slots=True)
class _Held:
    """What it holds after DEALS: sums over the dealers whose shares opened, and each part, to take out again."""

    share: Residues = field(repr=False)
    key: Residues
    parts: Mapping[str, tuple[bytes, wire.Blob]] = field(repr=False)
    refused: tuple[str, ...]


class ParticipantAttempt:
    """One attempt. `handle` every message of the coordinator; `upload` once after the manifest.

    journal:                   durable; written before a manifest is accepted or an answer released.
    least_quorum, least_k_min: weaker terms are refused; None means the defaults for the roster.
    """

    def __init__(
        self,
        identity: Identity,
        roster: Roster,
        journal: AnswerJournal,
        *,
        least_quorum: int | None = None,
        least_k_min: int | None = None,
        random_bytes: RandomBytes = os.urandom,
        parameters: RingParameters = PRODUCTION,
    ) -> None:
        if roster.member(identity.name) != identity.public:
            raise SettingsError(f"{identity.name}: the roster lists other keys under this name")
        self_test(parameters)
        self._identity, self._roster, self._journal = identity, roster, journal
        self._random_bytes, self._parameters = random_bytes, parameters
        n = len(roster)
        self._least_quorum = default_quorum(n) if least_quorum is None else least_quorum
        self._least_k_min = default_k_min(n, self._least_quorum) if least_k_min is None else least_k_min
        self._phase = ParticipantPhase.IDLE
        self._replies: dict[bytes, Envelope | None] = {}
        self._terms: AttemptTerms | None = None
        self._commits: dict[str, wire.Commit] = {}
        self._dealt: _Dealt | None = None
        self._held: _Held | None = None
        self._contributors: tuple[str, ...] = ()
        self._digests: dict[type[wire.Message], bytes] = {}

    def __repr__(self) -> str:
        return f"ParticipantAttempt({self._identity.name!r}, {self._phase})"

    @property
    def phase(self) -> ParticipantPhase:
        """Where this participant stands."""
        return self._phase

    @property
    def terms(self) -> AttemptTerms | None:
        """The attempt's terms, after OPEN."""
        return self._terms

    @property
    def contributors(self) -> tuple[str, ...]:
        """Who counts in the sum, in the order of the roster; () before MANIFEST."""
        return self._contributors

    @property
    def manifest_digest(self) -> bytes:
        """Digest of the accepted manifest; b"" before it."""
        return self._digests.get(wire.Manifest, b"")

    def handle(self, message: bytes) -> bytes | None:
        """Answer one message of the coordinator; None for MANIFEST, whose answer is `upload`.

        The same signed message again gets the same answer, whenever. After any refusal the phase is as it was.
        Raises PeerError's leaves, TooFewParticipants, AlreadyAnswered, and what AttemptTerms refuses.
        """
        seen = hashlib.sha256(head_of(message, self._roster.coordinator.name)).digest()
        if seen in self._replies:
            return _wire(self._replies[seen])
        attempt = None if self._terms is None else self._terms.id
        envelope = open_envelope(message, self._roster.coordinator, self._parameters.digest, attempt)
        kind, coordinator = type(envelope.message), self._roster.coordinator.name
        if kind is wire.DecryptRequest and self._phase is ParticipantPhase.ANSWERED:
            raise AlreadyAnswered("this key has answered a decryption request; it answers no other")
        if kind not in REPLIES:
            raise UnexpectedMessage(f"{kind.__name__} is not the coordinator's to send", culprit=coordinator)
        after = next_phase(PARTICIPANT_NEXT, self._phase, kind, coordinator)
        reply = self._answer(envelope)
        self._digests[kind] = envelope.digest
        self._phase = after
        self._replies[envelope.digest] = reply
        return _wire(reply)

    def upload(self, values: NDArray[np.int64]) -> bytes:
        """Pack, mask, encrypt and sign the vector: UPLOAD.

        values: int64, (coordinates,), |v| <= magnitude. To be called once the caller has charged its ledger
        and drawn its noise. Raises OutOfLane (the phase stays: another vector may be tried), SettingsError on
        another shape or type, UnexpectedMessage when it is not the moment.
        """
        after = next_phase(PARTICIPANT_NEXT, self._phase, wire.Upload)
        terms, dealt, held = self._opened(), self._require(self._dealt), self._require(self._held)
        if values.dtype != np.int64 or values.shape != (terms.coordinates,):
            raise SettingsError(f"{values.dtype} {values.shape} where int64 ({terms.coordinates},) belongs")
        bfv, degree, plain_bits = self._bfv(), self._parameters.degree, self._parameters.plain_bits
        message = terms.lanes.pack(values, degree)
        keys = self._mask_keys(dealt.ephemeral)
        message += mask(self._roster.point(self._identity.name), keys, len(message), degree, plain_bits)
        message &= np.uint64((1 << plain_bits) - 1)
        common = common_polynomial(self._digests[wire.Open], self._parameters)
        ciphertext = bfv.encrypt(np.stack([held.key, common]), message)
        c0, c1 = (wire.Blob.of(to_wire(ciphertext[:, half])) for half in (0, 1))
        envelope = self._sign(wire.Upload(self._digests[wire.Manifest], c0, c1))
        self._digests[wire.Upload] = envelope.digest
        self._phase = after
        return envelope.to_bytes()

    # --- one method a message ------------------------------------------------------------------------

    def _answer(self, envelope: Envelope) -> Envelope | None:
        match envelope.message:
            case wire.Open():
                return self._commit(envelope, envelope.message)
            case wire.RevealRequest():
                return self._reveal(envelope, envelope.message)
            case wire.Deals():
                return self._accept(envelope, envelope.message)
            case wire.Manifest():
                self._bind(envelope, envelope.message)
                return None
            case wire.DecryptRequest():
                return self._decrypt(envelope, envelope.message)
            case other:
                raise UnexpectedMessage(type(other).__name__, culprit=envelope.sender)

    def _commit(self, envelope: Envelope, opening: wire.Open) -> Envelope:
        """Step 2. Fresh keys, fresh shares; only their digests leave."""
        terms = self._checked_terms(envelope, opening)
        bfv, parameters, me = self._bfv(), self._parameters, self._identity.name
        pair = make_key(common_polynomial(envelope.digest, parameters), bfv, self._random_bytes)
        n, point = len(self._roster), self._roster.point(me)
        shares = deal(point, pair.secret, terms.chunks, n, terms.quorum, bfv, self._random_bytes)
        ephemeral = X25519PrivateKey.from_private_bytes(self._random_bytes(32))
        others = self._roster.others(me)
        deals = {
            name: wire.Blob.of(
                seal(shares[self._roster.point(name)], ephemeral, me, self._roster.member(name), envelope.digest)
            )
            for name in others
        }
        dealt = _Dealt(ephemeral, shares[point], wire.Blob.of(key_to_wire(pair.public)), deals)
        reply = wire.Commit(
            envelope.digest,
            ephemeral.public_key().public_bytes_raw(),
            dealt.key.digest,
            tuple(deals[name].digest for name in others),
        )
        self._terms, self._dealt = terms, dealt
        return self._sign(reply)

    def _checked_terms(self, envelope: Envelope, opening: wire.Open) -> AttemptTerms:
        coordinator = envelope.sender
        if opening.roster != self._roster.digest:
            raise UnacceptableTerms("another roster than the one enrolled", culprit=coordinator)
        if opening.quorum < self._least_quorum or opening.k_min < self._least_k_min:
            raise UnacceptableTerms(
                f"quorum {opening.quorum} and k_min {opening.k_min} where {self._least_quorum} and "
                f"{self._least_k_min} are agreed",
                culprit=coordinator,
            )
        latest = self._journal.latest(envelope.attempt.training)
        if latest is not None and (envelope.attempt.round, envelope.attempt.attempt) <= latest:
            raise Replayed(
                f"{envelope.attempt} is not after round {latest[0]}, attempt {latest[1]}", culprit=coordinator
            )
        try:
            return AttemptTerms(
                envelope.attempt,
                self._roster,
                opening.coordinates,
                opening.magnitude,
                bytes(opening.request.content),
                opening.deadline,
                opening.quorum,
                opening.k_min,
                self._parameters,
            )
        except SettingsError as error:
            raise UnacceptableTerms(str(error), culprit=coordinator) from error

    def _reveal(self, envelope: Envelope, request: wire.RevealRequest) -> Envelope:
        """Step 4. Only now, when everybody's commitment is known, is anything revealed (no rogue key)."""
        dealt = self._require(self._dealt)
        commits: dict[str, wire.Commit] = {}
        for head in request.commits:
            name = claimed_sender(head)
            commit = self._relayed(head, name, envelope.sender).message
            if not isinstance(commit, wire.Commit) or name in commits:
                raise MalformedMessage(f"not one commitment of {name}", culprit=envelope.sender)
            if commit.opening != self._digests[wire.Open]:
                raise Tampered(f"{name} was shown another OPEN", culprit=envelope.sender)
            if len(commit.deals) != len(self._roster) - 1:
                raise MalformedMessage("commits to another number of shares", culprit=name)
            commits[name] = commit
        mine = commits.get(self._identity.name)
        if (
            mine is None
            or mine.key != dealt.key.digest
            or mine.ephemeral != dealt.ephemeral.public_key().public_bytes_raw()
        ):
            raise Tampered("my commitment is not among those shown to all", culprit=envelope.sender)
        self._enough(len(commits))
        self._commits = commits
        return self._sign(wire.Reveal(envelope.digest, dealt.key, tuple(dealt.deals.values())))

    def _accept(self, envelope: Envelope, deals: wire.Deals) -> Envelope:
        """Step 6. Open every share; name the dealers whose shares do not open."""
        terms, dealt, me = self._opened(), self._require(self._dealt), self._identity.name
        if deals.recipient != me or deals.commits != self._digests[wire.RevealRequest]:
            raise Tampered("shares for somebody else, or after other commitments", culprit=envelope.sender)
        if not set(deals.dealers) <= set(self._commits):
            raise Tampered("a dealer that did not commit", culprit=envelope.sender)
        self._enough(len(deals.dealers))
        shares = dict(zip((d for d in deals.dealers if d != me), deals.shares, strict=True))
        for dealer, key in zip(deals.dealers, deals.keys, strict=True):
            committed = self._commits[dealer]
            position = self._roster.others(dealer).index(me) if dealer != me else -1
            if key.digest != committed.key or (dealer != me and shares[dealer].digest != committed.deals[position]):
                raise Tampered(f"what {dealer} reveals is not what it committed to", culprit=envelope.sender)
        parts: dict[str, tuple[bytes, wire.Blob]] = {}
        share_sum: Residues | None = None
        key_sum: Residues | None = None
        refused: list[str] = []
        for dealer, key in zip(deals.dealers, deals.keys, strict=True):
            try:
                plain = dealt.own_share
                if dealer != me:
                    ephemeral = self._commits[dealer].ephemeral
                    plain = unseal(shares[dealer].content, ephemeral, dealer, self._identity, self._digests[wire.Open])
                share = accept_share(plain, terms.chunks, self._parameters)
                public = key_from_wire(key.content, self._parameters)
            except (PeerError, ValueError):
                refused.append(dealer)
                continue
            parts[dealer] = (plain, key)
            # At most 50 terms below 2^50: reduced once, at the end.
            share_sum = share if share_sum is None else np.add(share_sum, share, out=share_sum)
            key_sum = public if key_sum is None else np.add(key_sum, public, out=key_sum)
        if share_sum is None or key_sum is None:
            raise TooFewParticipants(needed=terms.k_min, present=0)
        share_sum %= self._parameters.column
        key_sum %= self._parameters.key_column
        self._held = _Held(share_sum, key_sum, parts, tuple(refused))
        return self._sign(wire.Accept(envelope.digest, tuple(refused)))

    def _bind(self, envelope: Envelope, manifest: wire.Manifest) -> None:
        """Step 4 of the report: one manifest an attempt, never fewer than k_min, never without this participant."""
        terms, held, coordinator = self._opened(), self._require(self._held), envelope.sender
        contributors = manifest.contributors
        if contributors != self._roster.ordered(set(contributors)):
            raise MalformedMessage("contributors out of order, or twice", culprit=coordinator)
        if manifest.opening != self._digests[wire.Open] or manifest.commits != self._digests[wire.RevealRequest]:
            raise Tampered("a manifest for other terms or other commitments", culprit=coordinator)
        if self._identity.name not in contributors:
            raise Tampered("a manifest without this participant", culprit=coordinator)
        unknown = [name for name in contributors if name not in held.parts]
        if unknown:
            raise Tampered(
                f"a manifest with {unknown[0]}, whose share this participant does not hold", culprit=coordinator
            )
        self._enough(len(contributors))
        narrowed = self._narrowed(held, contributors)
        if self._journal.claim(terms.id, Step.MANIFEST, envelope.digest) != envelope.digest:
            raise Replayed("this attempt has accepted another manifest", culprit=coordinator)
        self._contributors, self._held = contributors, narrowed

    def _narrowed(self, held: _Held, contributors: tuple[str, ...]) -> _Held:
        """Take the shares and keys of everybody who does not count out of the sums."""
        share, key = held.share, held.key
        for name, (plain, public) in held.parts.items():
            if name not in contributors:
                one = accept_share(plain, self._opened().chunks, self._parameters)
                share = subtract(share, one, self._parameters.column)
                key = subtract(key, key_from_wire(public.content, self._parameters), self._parameters.key_column)
        return _Held(share, key, {}, held.refused)

    def _decrypt(self, envelope: Envelope, request: wire.DecryptRequest) -> Envelope:
        """Step 7. Check every signed upload, add up c1 here, write down that we answer, answer, forget the shares."""
        terms, held, coordinator = self._opened(), self._require(self._held), envelope.sender
        if request.manifest != self._digests[wire.Manifest] or len(request.uploads) != len(self._contributors):
            raise Tampered("a request for another manifest", culprit=coordinator)
        terms_bytes = terms.chunks * self._parameters.polynomial_bytes
        parts = []
        for name, head, blob in zip(self._contributors, request.uploads, request.c1, strict=True):
            signed = self._relayed(head, name, coordinator)
            upload = signed.message
            if not isinstance(upload, wire.Upload) or upload.manifest != self._digests[wire.Manifest]:
                raise Tampered("not an upload for this manifest", culprit=name)
            if upload.c1.digest != blob.digest or (
                name == self._identity.name and signed.digest != self._digests[wire.Upload]
            ):
                raise Tampered(f"not what {name} uploaded", culprit=coordinator)
            if len(blob.content) != terms_bytes:
                raise MalformedMessage("an upload of another length", culprit=name)
            try:
                parts.append(from_wire(blob.content, self._parameters))
            except ValueError as error:
                raise MalformedMessage(str(error), culprit=name) from error
        c1 = total(parts, self._parameters.column)
        blob = wire.Blob.of(to_wire(answer(held.share, c1, self._parameters)))
        asked = hashlib.sha256(b"".join(part.digest for part in request.c1)).digest()
        if self._journal.claim(terms.id, Step.ANSWER, asked + blob.digest) != asked + blob.digest:
            raise AlreadyAnswered("this attempt has answered another request")
        self._held = self._dealt = None
        return self._sign(wire.Partial(envelope.digest, blob))

    # --- helpers -------------------------------------------------------------------------------------

    def _mask_keys(self, ephemeral: X25519PrivateKey) -> dict[int, bytes]:
        """Pair keys by point, from the ephemeral keys of both COMMITs and the manifest."""
        me, manifest = self._identity.name, self._digests[wire.Manifest]
        keys = {}
        for name in self._contributors:
            if name != me:
                shared = agree(ephemeral, self._commits[name].ephemeral)
                first, second = self._roster.ordered((me, name))
                keys[self._roster.point(name)] = pair_key(shared, manifest, first, second)
        return keys

    def _relayed(self, head: bytes, name: str, coordinator: str) -> Envelope:
        member, attempt = self._roster.member(name), self._opened().id
        return open_head(head, member, self._parameters.digest, attempt, relayed_by=coordinator)

    def _enough(self, present: int) -> None:
        needed = self._opened().k_min
        if present < needed:
            raise TooFewParticipants(needed=needed, present=present)

    def _sign(self, message: wire.Message) -> Envelope:
        return seal_envelope(self._identity, self._parameters.digest, self._opened().id, message)

    def _bfv(self) -> Bfv:
        return bfv_for(self._parameters)

    def _opened(self) -> AttemptTerms:
        return self._require(self._terms)

    def _require(self, value: _T | None) -> _T:
        if value is None:
            raise UnexpectedMessage(f"nothing to work with while {self._phase}")
        return value


def _wire(reply: Envelope | None) -> bytes | None:
    return None if reply is None else reply.to_bytes()
