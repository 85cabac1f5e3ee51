"""`make faults`: trainings in which every message may be lost, late, doubled or damaged, and everybody may crash.

What runs is what ships: coordinator, participants, ledgers, journals and stores; only the channel between them is
bad, and processes die. A training is gone on with until it ends. Throughout it is checked that

    no budget is overrun        every ledger holds, and every training's epsilon stays within what was agreed
    nothing is drawn twice      whoever is asked for the same again sends the very same integers
    no sum is small or wrong    what is opened is the sum of what at least k_min contributors sent, to the bit
    nothing is stuck            every training ends, by itself or by a typed refusal, after a bounded number of calls

Everything is seeded, keys and noise apart: a seed that fails is run again with --seed.
The ring is small and INSECURE unless --real is given: what is tested is who may do what when, not the lattice.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedcrm.boosting import FederatedModel, Settings
from fedcrm.errors import FedCRMError, TooFewParticipants, TrainingStopped
from fedcrm.features import DataSet, Part, propose_schema, split
from fedcrm.features.description import Description, PublicCategories, PublicRange
from fedcrm.federation import (
    Agreement,
    Coordinator,
    CoordinatorStore,
    Node,
    NodeBooks,
    NodeSettings,
    Participant,
    Records,
    Report,
    RoundRequest,
    TrainingTerms,
    train,
)
from fedcrm.federation.channel import Outcome
from fedcrm.federation.rounds import RoundResult, Rounds, SecureRounds
from fedcrm.secagg import PRODUCTION, Identity, RingParameters, Roster, default_k_min, default_quorum

INSECURE_1024 = RingParameters(
    degree=1024,
    primes=(1125899906732033, 1125899906738177, 1125899906820097, 1125899906826241),
    key_prime=249857,
    insecure=True,
)
TRAINING = "faults"
EPSILON, BUDGET = 6.0, 6.0
MOST_RESUMES = 60
"""Starts of a coordinator in one training; at the rates below hardly one in a million needs half of them."""

KINDS = ("request lost", "reply lost", "request late", "request twice", "request damaged", "reply damaged")
CRASHES = ("participant dies before", "participant dies after", "participant dies drawing", "coordinator dies")


class Died(BaseException):
    """A process is gone, as by kill -9: nothing of ours handles it."""


@dataclass
class Tally:
    """What happened so far."""

    rounds: int = 0
    attempts: int = 0
    trainings: int = 0
    ended_early: int = 0
    never_began: int = 0
    resumed: int = 0
    faults: Counter[str] = field(default_factory=Counter)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**vars(self), "faults": dict(sorted(self.faults.items()))}


class _Client:
    """A participant's process: dies and starts again from its node's files."""

    def __init__(self, make: Callable[[Node], Participant], node: Path) -> None:
        self._make, self._path = make, node
        self.start()

    def start(self) -> None:
        self.node = Node.open(self._path)
        self.participant = self._make(self.node)
        self.late: list[bytes] = []

    def restart(self) -> None:
        self.node.close()
        self.start()

    def handle(self, message: bytes) -> bytes:
        return self.participant.handle(message)


class _BadChannel:
    """A channel that does to each message what a draw says; whoever dies in it is started again for the next one."""

    def __init__(self, clients: Mapping[str, _Client], rng: np.random.Generator, rate: float, tally: Tally) -> None:
        self._clients, self._rng, self._rate, self._tally = clients, rng, rate, tally

    def call(self, messages: Mapping[str, bytes], *, timeout: float) -> Outcome:
        """See fedcrm.federation.Channel; nothing waits here."""
        del timeout
        replies: dict[str, bytes] = {}
        failed: dict[str, str] = {}
        for name, message in messages.items():
            reply = self._deliver(self._clients[name], message)
            if isinstance(reply, bytes):
                replies[name] = reply
            else:
                failed[name] = str(reply)
        return Outcome(replies, failed)

    def _deliver(self, client: _Client, message: bytes) -> bytes | FedCRMError | None:
        """The reply that arrives in time, a refusal, or None."""
        for late in client.late:
            self._handled(client, late)  # its reply comes too late for anybody
        client.late.clear()
        fault = self._draw()
        if fault == "coordinator dies":
            raise Died
        if fault == "request lost":
            return None
        if fault == "request late":
            client.late.append(message)
            return None
        if fault == "participant dies before":
            client.restart()
            return None
        if fault == "request damaged":
            message = self._damaged(message)
        if fault == "request twice":
            self._handled(client, message)
        if fault == "participant dies drawing":
            client.participant.__dict__["dying"] = True
        reply = self._handled(client, message)
        client.participant.__dict__["dying"] = False
        if fault == "participant dies after":
            client.restart()
            return None
        if fault == "reply lost":
            return None
        return self._damaged(reply) if fault == "reply damaged" and isinstance(reply, bytes) else reply

    def _handled(self, client: _Client, message: bytes) -> bytes | FedCRMError | None:
        try:
            return client.handle(message)
        except FedCRMError as refused:
            return refused
        except Died:
            client.restart()
            return None

    def _draw(self) -> str | None:
        if self._rng.random() >= self._rate:
            return None
        fault = str(self._rng.choice([*KINDS, *CRASHES]))
        self._tally.faults[fault] += 1
        return fault

    def _damaged(self, message: bytes) -> bytes:
        damaged = bytearray(message)
        damaged[int(self._rng.integers(len(damaged)))] ^= int(self._rng.integers(1, 256))
        return bytes(damaged[: int(self._rng.integers(1, len(damaged)))] if self._rng.random() < 0.2 else damaged)


class _Watched(Participant):
    """Holds every contribution against the ones before, and dies where it is told to: between charge and noise."""

    dying = False
    sent: dict[tuple[str, bytes, tuple[str, ...]], NDArray[np.int64]]

    def contribute(self, request: RoundRequest, contributors: tuple[str, ...]) -> NDArray[np.int64]:
        vector = super().contribute(request, contributors)
        key = (self.name, request.to_bytes(), contributors)
        before = self.sent.setdefault(key, vector)
        if not np.array_equal(before, vector):
            raise AssertionError(f"{self.name} drew fresh noise for a request it had answered")
        return vector


@dataclass
class _Checked:
    """Rounds whose every opened sum is held against what its contributors sent."""

    rounds: Rounds
    k_min: int
    sent: Mapping[tuple[str, bytes, tuple[str, ...]], NDArray[np.int64]]

    def run(self, request: RoundRequest) -> RoundResult:
        result = self.rounds.run(request)
        if len(result.contributors) < self.k_min:
            raise AssertionError(f"a sum of {len(result.contributors)} was opened; k_min is {self.k_min}")
        body = request.to_bytes()
        sums = [self.sent[name, body, tuple(result.contributors)] for name in result.contributors]
        if not np.array_equal(result.sums, np.sum(sums, axis=0)):
            raise AssertionError(f"round {request.round}: what was opened is not the sum of what was sent")
        return result


class _Chair(Coordinator):
    """A coordinator whose rounds run on this simulation's ring and are checked."""

    rounds_of: Callable[[], Rounds]

    def train(
        self, reports: Mapping[str, Report], agreement: Agreement, rounds: Rounds, **arguments: Any
    ) -> FederatedModel:
        del rounds
        return super().train(reports, agreement, self.rounds_of(), **arguments)


def one_training(home: Path, seed: int, rate: float, parameters: RingParameters, rounds: int, tally: Tally) -> None:
    """Enrol, train with faults until it ends, check. Raises AssertionError where something does not hold."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(4, 7))
    names = [f"organisation {i}" for i in range(n)]
    data = _made_up(names, 80, rng)
    parts, schema = split(data, seed), propose_schema(data)
    identity = Identity.generate("coordinator")
    sent: dict[tuple[str, bytes, tuple[str, ...]], NDArray[np.int64]] = {}

    def make(node: Node) -> Participant:
        name = node.settings.organisation
        records = Records(data, parts.rows(name, Part.TRAIN), parts.rows(name, Part.VALIDATION), as_of=0.0)

        def noise(count: int) -> bytes:
            if client.dying:
                raise Died
            return bytes(rng.bytes(count))

        client = _Watched(
            node.identity,
            identity.public,
            records,
            NodeBooks(node),
            node.journal,
            training=TRAINING,
            epsilon=EPSILON,
            random_bytes=noise,
            parameters=parameters,
        )
        client.sent = sent
        return client

    clients: dict[str, _Client] = {}
    for i, name in enumerate(names):
        Node.create(home / f"node {i}", NodeSettings(name, BUDGET, 1e-5, "record", "first")).close()
        clients[name] = _Client(make, home / f"node {i}")
    roster = Roster(identity.public, tuple(client.node.identity.public for client in clients.values()))
    k_min = default_k_min(n, default_quorum(n))
    settings = Settings(main_rounds=rounds, free_rounds=2, pair_rounds=0, pair_signal=1e18)
    channel = _BadChannel(clients, rng, rate, tally)
    tally.trainings += 1
    for _ in range(MOST_RESUMES):
        store = CoordinatorStore(home / "coordinator.sqlite")
        chair = _Chair(TrainingTerms(TRAINING, "churn", schema, learner=settings), store)

        def checked(store: CoordinatorStore = store) -> Rounds:
            secure = SecureRounds(identity, roster, channel, store, training=TRAINING, parameters=parameters)
            return _Checked(secure, k_min, sent)

        chair.rounds_of = checked
        try:
            trained = train(chair, identity, roster, channel, store)
        except Died:
            tally.resumed += 1
            continue
        except (TooFewParticipants, TrainingStopped):
            tally.never_began += 1
        else:
            tally.ended_early += any(entry["event"] == "training ends early" for entry in store.audit())
            tally.rounds += len(trained.facts)
            tally.attempts += sum(f.attempts for f in trained.facts)
        finally:
            store.close()
        break
    else:
        raise AssertionError(f"the training did not end after {MOST_RESUMES} starts")
    for client in clients.values():
        _within_budget(client.node)
        client.node.close()


def _within_budget(node: Node) -> None:
    node.ledger.verify()
    spent = node.ledger.spent()
    if spent.epsilon > min(EPSILON, BUDGET):
        raise AssertionError(f"{node.settings.organisation} spent {spent.epsilon} of {EPSILON}")
    keys = [charge.key for charge in node.ledger]
    if len(set(keys)) < len(keys):
        raise AssertionError(f"{node.settings.organisation} was charged twice for one request")


def _made_up(names: list[str], rows: int, rng: np.random.Generator) -> DataSet:
    n = rows * len(names)
    number, choice = rng.normal(size=n).round(2), rng.choice(["a", "b"], n)
    label = np.where(rng.random(n) < 1 / (1 + np.exp(-number)), "yes", "no")
    description = Description(
        name="made up",
        task="churn",
        label="label",
        positive=frozenset({"yes"}),
        numeric=("number",),
        ranges={"number": PublicRange(-4, 4)},
        categories={"choice": PublicCategories(("a", "b"))},
    )
    columns = {"number": list(number), "choice": list(choice), "label": list(label)}
    return DataSet.from_columns(description, columns, [name for name in names for _ in range(rows)])


def simulate(
    rounds: int,
    *,
    seed: int = 0,
    rate: float = 0.015,
    parameters: RingParameters = INSECURE_1024,
    a_training: int = 18,
    say: Callable[[int, Tally], None] = lambda _seed, _tally: None,
) -> Tally:
    """Trainings of so many rounds each, until `rounds` are done. rate: of faults, a message of one participant.

    Raises AssertionError, with the seed, at the first thing that does not hold.
    """
    tally = Tally()
    while tally.rounds < rounds:
        home = Path(tempfile.mkdtemp(prefix="fedcrm-faults-", dir=_memory()))
        try:
            one_training(home, seed, rate, parameters, a_training, tally)
        except AssertionError as wrong:
            raise AssertionError(f"seed {seed}: {wrong}") from wrong
        finally:
            shutil.rmtree(home, ignore_errors=True)
        say(seed, tally)
        seed += 1
    return tally


def _memory() -> str | None:
    """A file system in memory, where there is one: a disk's fsync is not what is tested here."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  # a fresh directory of our own in it


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__.splitlines()[0])
    parser.add_argument("rounds", type=int, nargs="?", default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rate", type=float, default=0.015)
    parser.add_argument("--real", action="store_true", help="the production ring")
    given = parser.parse_args()
    began = time.monotonic()

    def say(seed: int, tally: Tally) -> None:
        if tally.trainings % 25 == 0:
            print(f"seed {seed}: {tally.rounds} rounds, {time.monotonic() - began:.0f} s", flush=True)  # noqa: T201  # a command's output

    ring = PRODUCTION if given.real else INSECURE_1024
    tally = simulate(given.rounds, seed=given.seed, rate=given.rate, parameters=ring, say=say)
    found = {**tally.to_json(), "ring": "production" if given.real else "INSECURE, 1024", "rate": given.rate}
    print(json.dumps({**found, "seconds": round(time.monotonic() - began)}, indent=1))  # noqa: T201  # a command's output


if __name__ == "__main__":
    main()
