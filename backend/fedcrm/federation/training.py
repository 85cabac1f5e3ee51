"""One whole training over a channel: enrol, calibrate, agree, run the rounds, hand out the model.

The order is the protocol's; what happens in each step is the coordinator's and the participants' own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from fedcrm.boosting import FederatedModel
from fedcrm.errors import MalformedMessage, SettingsError
from fedcrm.federation.channel import Channel
from fedcrm.federation.checkpoint import Store
from fedcrm.federation.coordinator import Coordinator, RoundFacts
from fedcrm.federation.messages import Agreement, Kind, Report
from fedcrm.federation.post import Post
from fedcrm.federation.rounds import SecureRounds
from fedcrm.secagg import Identity, Roster, default_quorum

__all__ = ["FEWEST_ORGANISATIONS", "Trained", "check_request", "train"]

FEWEST_ORGANISATIONS = 3

Progress = Callable[[RoundFacts, tuple[int, int]], None]


@dataclass(frozen=True)
class Trained:
    """model: the federation's. reports: charged statistics by participant that took part."""

    model: FederatedModel
    agreement: Agreement
    reports: Mapping[str, Report]
    facts: tuple[RoundFacts, ...]


def check_request(organisations: int, epsilon: float, k_min: int) -> None:
    """Hold what somebody asks of a training to what can be; k_min 0: the default.

    Raises SettingsError.
    """
    if not (math.isfinite(epsilon) and epsilon > 0):
        raise SettingsError(f"epsilon is a positive number, not {epsilon}; smaller is stronger privacy")
    if organisations < FEWEST_ORGANISATIONS:
        raise SettingsError(
            f"{organisations} organisations cannot hide each other's updates; a federation has at least "
            f"{FEWEST_ORGANISATIONS}"
        )
    quorum = default_quorum(organisations)
    if k_min and not quorum <= k_min <= organisations:
        raise SettingsError(
            f"k_min {k_min} is outside {quorum}..{organisations}: the quorum and the number of organisations"
        )


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
    post = Post(identity, roster, channel, store, training=training, timeout=timeout)
    reports = _reports(coordinator, post, store, roster)
    agreement = coordinator.agree(reports)
    agreed = _broadcast(post, Kind.AGREE, agreement.to_bytes(), reports)
    standing = {name: reports[name] for name in agreed}
    rounds = SecureRounds(
        identity, roster, channel, store, training=training, quorum=quorum, k_min=k_min, timeout=timeout
    )

    def close(number: int) -> None:
        _broadcast(post, Kind.CLOSE, str(number).encode(), standing)

    model = coordinator.train(
        standing,
        agreement,
        rounds,
        on_round=on_round,
        close=close,
    )
    _broadcast(post, Kind.MODEL, model.to_json().encode(), standing)
    store.note("trained", rounds=len(coordinator.facts), model=model.digest().hex())
    return Trained(model, agreement, standing, coordinator.facts)


def _reports(coordinator: Coordinator, post: Post, store: Store, roster: Roster) -> dict[str, Report]:
    """Ask everybody; keep each first answer, so that a restart goes on with the same figures."""
    body = coordinator.invitation(roster.to_bytes()).to_bytes()
    reports: dict[str, Report] = {}
    for name, reply in _broadcast(post, Kind.INVITE, body, roster.names).items():
        try:
            Report.from_bytes(reply)
        except MalformedMessage as error:
            store.note("bad reply", participant=name, step="calibration", reason=str(error))
            continue
        reports[name] = Report.from_bytes(store.remember(f"report {name}", reply))
    return reports


def _broadcast(post: Post, kind: Kind, body: bytes, names: Iterable[str]) -> Mapping[str, bytes]:
    return post.exchange(kind, dict.fromkeys(names, body), str(kind)).replies
