"""One whole training over a channel: enrol, calibrate, agree, run the rounds, hand out the model.

The order is the protocol's; what happens in each step is the coordinator's and the participants' own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fedcrm.boosting import FederatedModel
from fedcrm.errors import FedCRMError, MalformedMessage
from fedcrm.federation.channel import Channel
from fedcrm.federation.checkpoint import Store
from fedcrm.federation.coordinator import Coordinator, RoundFacts
from fedcrm.federation.messages import Agreement, Envelope, Kind, Report
from fedcrm.federation.rounds import SecureRounds
from fedcrm.secagg import Identity, Roster

__all__ = ["Trained", "train"]

Progress = Callable[[RoundFacts, tuple[int, int]], None]


@dataclass(frozen=True)
class Trained:
    """model: the federation's. reports: charged statistics by participant that took part."""

    model: FederatedModel
    agreement: Agreement
    reports: Mapping[str, Report]
    facts: tuple[RoundFacts, ...]


def train(
    coordinator: Coordinator,
    identity: Identity,
    roster: Roster,
    channel: Channel,
    store: Store,
    *,
    k_min: int = 0,
    quorum: int = 0,
    timeout: float = 60.0,
    on_round: Progress = lambda _facts, _progress: None,
) -> Trained:
    """Train, or go on with a training that was interrupted. Raises a FedCRMError where it cannot be finished."""
    training = coordinator.terms.training
    post = _Post(identity, roster, channel, store, training, timeout)
    reports = _reports(coordinator, post, store, roster)
    agreement = coordinator.agree(reports)
    agreed = post.broadcast(Kind.AGREE, agreement.to_bytes(), reports)
    standing = {name: reports[name] for name in agreed}
    rounds = SecureRounds(
        identity, roster, channel, store, training=training, quorum=quorum, k_min=k_min, timeout=timeout
    )
    model = coordinator.train(
        standing,
        agreement,
        rounds,
        on_round=on_round,
        close=lambda number: _close(post, number, standing),
    )
    post.broadcast(Kind.MODEL, model.to_json().encode(), standing)
    store.note("trained", rounds=len(coordinator.facts), model=model.digest().hex())
    return Trained(model, agreement, standing, coordinator.facts)


def _reports(coordinator: Coordinator, post: _Post, store: Store, roster: Roster) -> dict[str, Report]:
    """Ask everybody; keep each first answer, so that a restart goes on with the same figures."""
    body = coordinator.invitation(roster.to_bytes()).to_bytes()
    reports: dict[str, Report] = {}
    for name, reply in post.broadcast(Kind.INVITE, body, roster.names).items():
        try:
            Report.from_bytes(reply)
        except MalformedMessage as error:
            store.note("bad reply", participant=name, step="calibration", reason=str(error))
            continue
        reports[name] = Report.from_bytes(store.remember(f"report {name}", reply))
    return reports


def _close(post: _Post, number: int, participants: Mapping[str, Report]) -> None:
    post.broadcast(Kind.CLOSE, str(number).encode(), participants)


class _Post:
    """Signed envelopes to many participants and their verified replies."""

    def __init__(
        self,
        identity: Identity,
        roster: Roster,
        channel: Channel,
        store: Store,
        training: str,
        timeout: float,
    ) -> None:
        self._identity, self._channel, self._store = identity, channel, store
        self._training, self._timeout = training, timeout
        self._members = {member.name: member for member in roster.members}

    def broadcast(self, kind: Kind, body: bytes, names: Mapping[str, object] | tuple[str, ...]) -> dict[str, bytes]:
        sealed = Envelope(kind, self._training, self._identity.name, body).seal(self._identity)
        outcome = self._channel.call(dict.fromkeys(names, sealed), timeout=self._timeout)
        for name, reason in outcome.failed.items():
            self._store.note("no answer", participant=name, step=str(kind), reason=reason)
        replies = {}
        for name, reply in outcome.replies.items():
            try:
                replies[name] = Envelope.unseal(reply, self._members[name], self._training).body
            except FedCRMError as error:
                self._store.note("bad reply", participant=name, step=str(kind), reason=str(error))
        return replies
