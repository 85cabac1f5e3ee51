"""The coordinator's side of one attempt: it relays, adds and opens, and sees no update.

Each method takes the replies that did arrive and gives the next messages. A reply that is bad or absent drops
its sender where fewer may do, and `dropped` says why. After a refusal the phase is as it was: the same method
may be called again with more replies, or the attempt given up.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from fedcrm.errors import (
    ContributorsMissing,
    FedCRMError,
    InconsistentAnswers,
    MalformedMessage,
    PeerError,
    SettingsError,
    Tampered,
    TooFewParticipants,
    UnexpectedMessage,
)
from fedcrm.secagg import messages as wire
from fedcrm.secagg.bfv import bfv_for
from fedcrm.secagg.encoding import Writer
from fedcrm.secagg.envelope import Envelope, open_envelope, seal_envelope
from fedcrm.secagg.fusion import fuse, locate_liars
from fedcrm.secagg.identity import Identity
from fedcrm.secagg.protocol import COORDINATOR_NEXT, CoordinatorPhase, next_phase
from fedcrm.secagg.ring import Residues, add, from_wire, total
from fedcrm.secagg.selftest import self_test
from fedcrm.secagg.shares import key_from_wire
from fedcrm.secagg.terms import AttemptTerms

__all__ = ["CoordinatorAttempt", "Opened"]

_M = TypeVar("_M", bound=wire.Message)


@dataclass(frozen=True)
class Opened:
    """The sum, and who made and opened it.

    sums:         int64, (coordinates,): exactly the numpy sum of the contributors' values.
    contributors: who counts in it. answered: whose answers opened it and agree. Both in the order of the roster.
    transcript:   SHA-256 over OPEN, manifest, uploads and the sum.
    """

    sums: NDArray[np.int64]
    contributors: tuple[str, ...]
    answered: tuple[str, ...]
    transcript: bytes


class CoordinatorAttempt:
    """One attempt. open, request_reveals, relay_deals, manifest, request_decryption, finish: in this order."""

    def __init__(self, identity: Identity, terms: AttemptTerms) -> None:
        if identity.public != terms.roster.coordinator:
            raise SettingsError(f"{identity.name} is not the coordinator of this roster")
        self_test(terms.parameters)
        self._identity, self._terms = identity, terms
        self._parameters, self._roster = terms.parameters, terms.roster
        self._phase = CoordinatorPhase.NEW
        self._dropped: dict[str, FedCRMError] = {}
        self._sent: dict[type[wire.Message], Envelope] = {}
        self._commits: dict[str, Envelope] = {}
        self._reveals: dict[str, wire.Reveal] = {}
        self._deals: dict[str, bytes] = {}
        self._contributors: tuple[str, ...] = ()
        self._uploads: dict[str, Envelope] = {}
        self._c0: Residues | None = None

    @property
    def phase(self) -> CoordinatorPhase:
        """Where the attempt stands."""
        return self._phase

    @property
    def terms(self) -> AttemptTerms:
        """What the attempt is about."""
        return self._terms

    @property
    def dropped(self) -> Mapping[str, FedCRMError]:
        """Whose reply could not be used, and why. Who did not reply at all is not in here."""
        return dict(self._dropped)

    @property
    def committed(self) -> tuple[str, ...]:
        """Who committed; () before request_reveals."""
        return tuple(self._commits)

    @property
    def contributors(self) -> tuple[str, ...]:
        """Who counts; () before the manifest."""
        return self._contributors

    def open(self) -> bytes:
        """Step 1, to everybody on the roster."""
        terms = self._terms
        after = next_phase(COORDINATOR_NEXT, self._phase, wire.Open)
        opening = wire.Open(
            self._roster.digest,
            terms.coordinates,
            terms.magnitude,
            terms.quorum,
            terms.k_min,
            terms.deadline,
            wire.Blob.of(terms.request),
        )
        return self._send(opening, after)

    def request_reveals(self, commits: Mapping[str, bytes]) -> bytes:
        """Step 3, to everybody in `committed`. Raises TooFewParticipants."""
        after = next_phase(COORDINATOR_NEXT, self._phase, wire.RevealRequest)
        good: dict[str, Envelope] = {}
        for name, envelope, commit in self._replies(commits, wire.Commit, self._roster.names):
            if commit.opening != self._sent[wire.Open].digest or len(commit.deals) != len(self._roster) - 1:
                self._drop(Tampered("commits to another attempt", culprit=name))
            else:
                good[name] = envelope
        self._enough(good)
        self._commits = good
        return self._send(wire.RevealRequest(tuple(envelope.head for envelope in good.values())), after)

    def relay_deals(self, reveals: Mapping[str, bytes]) -> dict[str, bytes]:
        """Step 5, one message for everybody who revealed. Raises TooFewParticipants."""
        after = next_phase(COORDINATOR_NEXT, self._phase, wire.Deals)
        request = self._sent[wire.RevealRequest].digest
        good: dict[str, wire.Reveal] = {}
        for name, _, reveal in self._replies(reveals, wire.Reveal, tuple(self._commits)):
            commit = self._commits[name].message
            revealed = (reveal.key.digest, tuple(blob.digest for blob in reveal.deals))
            if (
                not isinstance(commit, wire.Commit)
                or reveal.commits != request
                or revealed != (commit.key, commit.deals)
            ):
                self._drop(Tampered("reveals something else than it committed to", culprit=name))
                continue
            try:
                key_from_wire(reveal.key.content, self._parameters)
            except ValueError as error:
                self._drop(MalformedMessage(str(error), culprit=name))
                continue
            good[name] = reveal
        self._enough(good)
        envelopes = {name: self._seal(self._deals_for(name, good, request)) for name in good}
        self._reveals, self._deals = good, {name: envelope.digest for name, envelope in envelopes.items()}
        self._phase = after
        return {name: envelope.to_bytes() for name, envelope in envelopes.items()}

    def manifest(self, accepts: Mapping[str, bytes]) -> bytes:
        """Step 7, to everybody in `contributors`: those who hold the shares of all others. Raises TooFewParticipants.

        A complaint has a bad dealer or a bad complainer behind it, and nobody can tell which: whoever is in most
        complaints leaves first.
        """
        after = next_phase(COORDINATOR_NEXT, self._phase, wire.Manifest)
        complaints: dict[str, set[str]] = {}
        for name, _, accept in self._replies(accepts, wire.Accept, tuple(self._deals)):
            if accept.deals != self._deals[name]:
                self._drop(Tampered("accepts other shares than it was sent", culprit=name))
            else:
                complaints[name] = set(accept.refused)
        members = set(complaints)
        while True:
            involved = [
                name for one in members for other in complaints[one] & members if other != one for name in (one, other)
            ]
            involved += [name for name in members if name in complaints[name]]
            if not involved:
                break
            worst = max(self._roster.ordered(set(involved)), key=involved.count)
            members.remove(worst)
            self._drop(Tampered("its shares do not open, or it says so of others'", culprit=worst))
        self._enough(members)
        self._contributors = self._roster.ordered(members)
        message = wire.Manifest(self._sent[wire.Open].digest, self._sent[wire.RevealRequest].digest, self._contributors)
        self._reveals = {}
        return self._send(message, after)

    def request_decryption(self, uploads: Mapping[str, bytes]) -> bytes:
        """Step 9, to everybody in `contributors`. Raises ContributorsMissing: masks cancel in the full sum only."""
        after = next_phase(COORDINATOR_NEXT, self._phase, wire.DecryptRequest)
        manifest = self._sent[wire.Manifest].digest
        size = self._terms.chunks * self._parameters.polynomial_bytes
        good: dict[str, Envelope] = {}
        messages: list[wire.Upload] = []
        parts: list[Residues] = []
        for name, envelope, upload in self._replies(uploads, wire.Upload, self._contributors):
            try:
                if upload.manifest != manifest or len(upload.c0.content) != size or len(upload.c1.content) != size:
                    raise Tampered("an upload for another manifest, or of another length", culprit=name)
                parts.append(from_wire(upload.c0.content, self._parameters))
                from_wire(upload.c1.content, self._parameters)
            except (PeerError, ValueError) as error:
                self._drop(error if isinstance(error, PeerError) else MalformedMessage(str(error), culprit=name))
                continue
            good[name] = envelope
            messages.append(upload)
        missing = tuple(name for name in self._contributors if name not in good)
        if missing:
            raise ContributorsMissing(missing=missing)
        self._uploads, self._c0 = good, total(parts, self._parameters.column)
        heads = tuple(envelope.head for envelope in good.values())
        return self._send(wire.DecryptRequest(manifest, heads, tuple(upload.c1 for upload in messages)), after)

    def finish(self, partials: Mapping[str, bytes]) -> Opened:
        """Open the sum from any quorum of answers.

        Raises QuorumNotReached; InconsistentAnswers where answers disagree and more are needed to say whose is
        wrong; Tampered where no honest values could have the opened sum.
        """
        after = next_phase(COORDINATOR_NEXT, self._phase, wire.Partial)
        terms, parameters = self._terms, self._parameters
        request = self._sent[wire.DecryptRequest].digest
        size = terms.chunks * parameters.polynomial_bytes
        answers: dict[int, Residues] = {}
        for name, _, partial in self._replies(partials, wire.Partial, self._contributors):
            try:
                if partial.request != request or len(partial.answer.content) != size:
                    raise Tampered("an answer to another request, or of another length", culprit=name)
                answers[self._roster.point(name)] = from_wire(partial.answer.content, parameters)
            except (PeerError, ValueError) as error:
                self._drop(error if isinstance(error, PeerError) else MalformedMessage(str(error), culprit=name))
        if len(answers) > terms.quorum:
            for point in locate_liars(answers, terms.quorum, parameters):
                del answers[point]
                name = self._roster.names[point - 1]
                self._drop(InconsistentAnswers("its partial decryption is not on the others' polynomial", culprit=name))
        opened = fuse(answers, terms.quorum, parameters)
        if self._c0 is None:
            raise UnexpectedMessage("nothing to open")
        messages = bfv_for(parameters).decode(add(self._c0, opened, parameters.column))
        sums = terms.lanes.unpack(messages, terms.coordinates, len(self._contributors))
        self._phase = after
        return Opened(
            sums,
            self._contributors,
            tuple(self._roster.names[point - 1] for point in sorted(answers)),
            self._transcript(sums),
        )

    # --- helpers -------------------------------------------------------------------------------------

    def _deals_for(self, recipient: str, reveals: Mapping[str, wire.Reveal], request: bytes) -> wire.Deals:
        shares = tuple(
            reveal.deals[self._roster.others(dealer).index(recipient)]
            for dealer, reveal in reveals.items()
            if dealer != recipient
        )
        return wire.Deals(request, recipient, tuple(reveals), tuple(reveal.key for reveal in reveals.values()), shares)

    def _replies(
        self, replies: Mapping[str, bytes], kind: type[_M], senders: tuple[str, ...]
    ) -> Iterable[tuple[str, Envelope, _M]]:
        """Replies that hold, in the order of the roster; whoever sent another is dropped."""
        self._dropped = {name: error for name, error in self._dropped.items() if name not in replies}
        for name in replies:
            self._roster.point(name)
        for name in senders:
            if name not in replies:
                continue
            try:
                envelope = open_envelope(
                    replies[name], self._roster.member(name), self._parameters.digest, self._terms.id
                )
                if not isinstance(envelope.message, kind):
                    raise UnexpectedMessage(f"{type(envelope.message).__name__} for {kind.__name__}", culprit=name)
            except PeerError as error:
                self._drop(error)
            else:
                yield name, envelope, envelope.message

    def _drop(self, error: PeerError) -> None:
        if error.culprit is not None:
            self._dropped[error.culprit] = error

    def _enough(self, present: Iterable[str]) -> None:
        count = len(list(present))
        if count < self._terms.k_min:
            raise TooFewParticipants(needed=self._terms.k_min, present=count)

    def _seal(self, message: wire.Message) -> Envelope:
        return seal_envelope(self._identity, self._parameters.digest, self._terms.id, message)

    def _send(self, message: wire.Message, after: CoordinatorPhase) -> bytes:
        envelope = self._seal(message)
        data = envelope.to_bytes()
        self._sent[type(message)] = envelope
        self._phase = after
        return data

    def _transcript(self, sums: NDArray[np.int64]) -> bytes:
        writer = Writer().raw(self._sent[wire.Open].digest).raw(self._sent[wire.Manifest].digest)
        for envelope in self._uploads.values():
            writer.raw(envelope.digest)
        return hashlib.sha256(writer.raw(sums.astype("<i8").tobytes()).done()).digest()
