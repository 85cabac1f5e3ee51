"""Who takes part in a training: nodes that can, what each brings, and why the others are out.

Everything here is one organisation's own: its directory, its rows, its ledger. What it tells the others before a
training is what its systems have (`features.systems`), no record and no count.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from fedcrm.errors import FedCRMError, SettingsError, StorageError, TooFewExamples
from fedcrm.evaluation.at_home import Holding
from fedcrm.evaluation.locking import only_one
from fedcrm.features import DataSet, Joined, Systems, join, load_data_set, split, systems_of
from fedcrm.federation import Node, NodeBooks, Participant, Records
from fedcrm.federation.messages import Envelope, Kind
from fedcrm.nodes.organisation import OrganisationNode
from fedcrm.nodes.training_record import State
from fedcrm.privacy import largest_training, trainings_left
from fedcrm.salesforce import FeatureColumn, vocabulary_digest
from fedcrm.secagg import PublicIdentity

__all__ = [
    "FEWEST_ROWS",
    "LEAST_EPSILON",
    "Absence",
    "Endpoint",
    "Member",
    "Noise",
    "Unreachable",
    "agree_on_systems",
    "assemble",
]

FEWEST_ROWS = 50
"""Training rows below which an organisation stays out: as few examples as no feature block may have either."""

LEAST_EPSILON = 0.1
"""What must be left of a period's budget: with less, what an organisation adds is noise."""

Noise = Callable[[str], Callable[[int], bytes]]
"""By organisation, where its privacy noise comes from."""


@dataclass(frozen=True, slots=True)
class Absence:
    """Somebody who is out. organisation: None where not even the name could be read. when: the step that failed."""

    directory: Path
    organisation: str | None
    when: str
    why: str
    state: State = State.OUT

    @property
    def name(self) -> str:
        """The organisation, or the directory that should have said."""
        return self.organisation or self.directory.name


@dataclass(frozen=True, eq=False)
class Member:
    """One organisation that can take part. epsilon: of this training, at most what is left of its period."""

    node: OrganisationNode
    books: Node
    holding: Holding
    records: Records
    systems: Systems
    epsilon: float

    @property
    def name(self) -> str:
        """The organisation."""
        return self.holding.organisation

    def without(self, columns: frozenset[str]) -> Member:
        """The same with some columns kept out of the training."""
        data = self.holding.data
        kept = replace(data, columns={name: column for name, column in data.columns.items() if name not in columns})
        return replace(self, holding=replace(self.holding, data=kept), records=replace(self.records, data=kept))


def assemble(
    directories: Iterable[Path], task: str, training: str, *, epsilon: float, seed: int, stack: ExitStack
) -> tuple[dict[str, Member], list[Absence]]:
    """Open every node that can take part, by organisation; the rest with the reason.

    training: its name in the ledgers; who began it already may go on whatever is left. stack: closes and unlocks.
    """
    members: dict[str, Member] = {}
    out: list[Absence] = []
    for directory in directories:
        name: str | None = None
        try:
            node = _open(directory, stack)
            name = node.configuration.organisation
            if name in members:
                raise SettingsError(f"{members[name].node.directory} is {name}'s node already")
            members[name] = _member(node, task, training, epsilon, seed)
        except FedCRMError as error:
            state = State.SMALL if isinstance(error, TooFewExamples) else State.OUT
            out.append(Absence(directory, name, "before the training", str(error), state))
        except OSError as error:
            out.append(
                Absence(directory, name, "before the training", f"{error.filename or directory}: {error.strerror}")
            )
    return members, out


def agree_on_systems(members: Mapping[str, Member], task: str) -> tuple[dict[str, Member], Joined, list[Absence]]:
    """Join what everybody's systems have; whoever contradicts most others is out."""
    joined = join([member.systems for member in members.values()], task)
    out = [
        Absence(members[name].node.directory, name, "before the training", why) for name, why in joined.left_out.items()
    ]
    staying = {
        name: member.without(joined.strangers.get(name, frozenset()))
        for name, member in members.items()
        if name not in joined.left_out
    }
    return staying, joined, out


class Endpoint:
    """A member's end of the channel: what it answers, and a line in its own log for everything that leaves.

    problems: step -> why, for every step in which it did not answer, in order; a step that worked later is not in it.
    """

    def __init__(
        self, member: Member, coordinator: PublicIdentity, training: str, noise: Callable[[int], bytes]
    ) -> None:
        self.member, self._coordinator, self._training = member, coordinator, training
        self.participant = Participant(
            member.books.identity,
            coordinator,
            member.records,
            NodeBooks(member.books),
            member.books.journal,
            training=training,
            epsilon=member.epsilon,
            random_bytes=noise,
        )
        self.problems: dict[str, str] = {}
        # From the first charge on: one that a kill kept out of the log is told now, and none is told twice.
        self._closed = self._noted = 0

    def handle(self, message: bytes) -> bytes:
        """Answer one message; a disk that fails is a refusal like any other, and told as one."""
        envelope = Envelope.unseal(message, self._coordinator, self._training)
        step = self._step(envelope)
        try:
            reply = self.participant.handle(message)
            self._note(envelope.kind, step, len(reply))
        except FedCRMError as error:
            self.problems.setdefault(step, str(error))
            raise
        except OSError as error:
            self.problems.setdefault(step, str(error.strerror or error))
            raise StorageError(f"{error.filename or self.member.node.directory}: {error.strerror or error}") from error
        self.problems.pop(step, None)
        if envelope.kind is Kind.CLOSE:
            self._closed = int(envelope.body)  # the participant took it for a number
        return reply

    def _step(self, envelope: Envelope) -> str:
        match envelope.kind:
            case Kind.INVITE | Kind.REPORT:
                return "calibration"
            case Kind.AGREE:
                return "agreement"
            case Kind.MODEL:
                return "the model"
            case Kind.CLOSE:
                return "the end of a round"
            case Kind.OPEN | Kind.ATTEMPT:
                return f"round {self._closed + 1}"

    def _note(self, kind: Kind, step: str, size: int) -> None:
        what = {
            Kind.INVITE: "noisy statistics and names of categories",
            Kind.OPEN: "keys of an attempt",
            Kind.ATTEMPT: "secure aggregation, encrypted",
        }.get(kind, "a receipt")
        charges = [
            charge
            for charge in self.member.books.ledger
            if charge.sequence > self._noted and charge.training == self._training
        ]
        note, task, to = (
            self.member.node.note_outgoing,
            self.member.holding.data.description.task,
            self._coordinator.name,
        )
        for charge in charges:
            note(f"{step}: {charge.event.purpose}", to, task=task, charge=charge)
            self._noted = charge.sequence
        note(f"{step}: {what}, {size:,} bytes", to, task=task)


class Unreachable:
    """The end of the channel where a node of the roster cannot be opened now."""

    def __init__(self, why: str) -> None:
        self._why = why

    def handle(self, message: bytes) -> bytes:
        """Raises StorageError: nobody answers here."""
        del message
        raise StorageError(self._why)


# --- one node --------------------------------------------------------------------------------------


def _open(directory: Path, stack: ExitStack) -> OrganisationNode:
    if not (directory / "node.toml").exists():
        raise SettingsError(f"{directory} is no organisation's node: `fedcrm node init` makes one")
    stack.enter_context(only_one(directory / "training.lock", directory))
    node = OrganisationNode.open(directory)
    stack.callback(node.close)
    return node


def _member(node: OrganisationNode, task: str, training: str, epsilon: float, seed: int) -> Member:
    books, name = node.books(task), node.configuration.organisation
    place = node.data(task)
    if not place.exists():
        raise SettingsError(f"{place}: no data set was extracted for {task} yet")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the description's remarks on its own file; told where it is extracted
        data = load_data_set(place, task)
    if data.participants != (name,):
        raise SettingsError(f"{place} holds rows of {', '.join(data.participants)}, not of {name} alone")
    _check_vocabulary(place, data)
    holding = Holding(name, node.models(task), data, split(data, seed))
    records = holding.records(unit_rows=1, seed=seed)
    if len(records.training) < FEWEST_ROWS:
        # How many there are is the organisation's own knowledge.
        raise TooFewExamples(f"too few examples: fewer than {FEWEST_ROWS} to train on")
    return Member(node, books, holding, records, systems_of(data), _affordable(books, training, epsilon))


def _check_vocabulary(place: Path, data: DataSet) -> None:
    vocabulary = data.description.vocabulary
    if vocabulary is None:
        return
    columns = [FeatureColumn(c.name, c.kind, c.unit, c.decimals, c.block or None) for c in vocabulary.columns]
    if vocabulary_digest(data.description.task, columns) != vocabulary.digest:
        raise SettingsError(f"{place}: its columns are not those that its vocabulary's digest names; extract anew")


def _affordable(books: Node, training: str, epsilon: float) -> float:
    ledger = books.ledger
    if training in ledger.trainings():
        return ledger.budget(training).epsilon
    spent, least = ledger.spent(), min(LEAST_EPSILON, epsilon)
    left = largest_training(ledger.period_budget, spent.cost)
    if left < least:
        scarcest = trainings_left(ledger.period_budget, spent.cost, least).limited_by
        raise SettingsError(
            f"the budget of period {ledger.period} is used up: {spent.epsilon:.3f} of epsilon "
            f"{ledger.epsilon_budget:g} is spent, and what is left of {scarcest} pays for no training"
        )
    return min(epsilon, left)
