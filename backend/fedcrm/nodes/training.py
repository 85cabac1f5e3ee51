"""One training over organisations' node directories: `fedcrm federation run`.

Coordinator and participants run in this process and talk through a `Channel`, in exactly the bytes a network would
carry; nothing else passes between them. Each node has its own data set, ledger and service; there is no pooled table.
Only `compare` puts rows side by side, afterwards, for somebody who owns all the directories anyway.

    OUT/federation.json      the options, fixed when the training began
    OUT/coordinator/         identity, checkpoints, reports, audit log
    OUT/participants.json    who is in, who is out, since when and why
    OUT/model.json, model.ubj
    OUT/comparison/, results.json, report.html, model_card.md    with `compare`

Killed at any moment it goes on where it was, and no noise is paid for twice.
"""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import dataclass, replace

from fedcrm.boosting import Settings
from fedcrm.errors import (
    FedCRMError,
    ParticipantsMissing,
    TooFewParticipants,
    TrainingStopped,
)
from fedcrm.evaluation.at_home import AtHome, adopt_everywhere
from fedcrm.evaluation.findings import Training, results_of, write_model, write_results
from fedcrm.evaluation.locking import only_one
from fedcrm.evaluation.progress import Progress, measured
from fedcrm.evaluation.results import DemoResults
from fedcrm.evaluation.workers import finished, workers
from fedcrm.features import DataSetWarning, schema_of, task_name
from fedcrm.federation import (
    FEWEST_ORGANISATIONS,
    Channel,
    Coordinator,
    CoordinatorDirectory,
    LocalChannel,
    RoundFacts,
    Trained,
    TrainingTerms,
    WeightSettings,
    train,
)
from fedcrm.federation.transport.local import Endpoint as AnyEndpoint
from fedcrm.nodes.training_members import (
    Absence,
    Endpoint,
    Member,
    Noise,
    Unreachable,
    agree_on_systems,
    assemble,
)
from fedcrm.nodes.training_options import FederationOptions, Opening, begin
from fedcrm.nodes.training_publish import publication_of, publish_adopted
from fedcrm.nodes.training_record import Outcome, State, write_participants
from fedcrm.secagg import Roster

__all__ = ["FederationOptions", "FederationResult", "run_federation"]


@dataclass(frozen=True)
class FederationResult:
    """What a training brought.

    remarks:       columns left out and why, where the schema was agreed in this call.
    stopped_early: why it ended before its last round. results: with `compare`.
    """

    training: str
    outcomes: tuple[Outcome, ...]
    rounds: tuple[RoundFacts, ...]
    model_digest: str
    seconds: Mapping[str, float]
    remarks: tuple[str, ...] = ()
    stopped_early: str | None = None
    results: DemoResults | None = None


def run_federation(
    options: FederationOptions,
    *,
    resume: bool = False,
    progress: Progress | None = None,
    noise: Noise = lambda _organisation: os.urandom,
    connect: Callable[[Mapping[str, AnyEndpoint]], Channel] = LocalChannel,
) -> FederationResult:
    """Train over these nodes, or go on with it; then every node adopts and publishes.

    noise:   by organisation, where its privacy noise comes from. connect: makes the channel.

    Raises SettingsError on options that cannot be, before anything is made; ParticipantsMissing where too many
    are out, or no further attempt would help: it says who is out and why, and so does `participants.json`.
    """
    options = replace(options, task=task_name(options.task))
    begin(options, resume=resume)
    lock = only_one(options.out / ".lock", options.out)
    with lock, CoordinatorDirectory(options.out / "coordinator") as desk, ExitStack() as stack:
        run = _Run(options, desk, progress or Progress(), stack)
        try:
            return run.go(noise, connect)
        except (TooFewParticipants, TrainingStopped) as error:
            out = {one.organisation: f"{one.when}: {one.why}" for one in run.outcomes() if one.why}
            raise ParticipantsMissing(str(error), out) from error
        finally:
            run.write_participants()


# --- the run -----------------------------------------------------------------------------------------


class _Run:
    """One call of `run_federation`, and what became of everybody so far."""

    def __init__(
        self, options: FederationOptions, desk: CoordinatorDirectory, show: Progress, stack: ExitStack
    ) -> None:
        self.options, self.desk, self.show, self.stack = options, desk, show, stack
        # The coordinator's keys are this training's own, and so is a name made from them.
        self.training = f"{options.task} {desk.identity.public.signing.hex()[:16]}"
        self.seconds: dict[str, float] = {}
        self.members: dict[str, Member] = {}
        self.absences: list[Absence] = []
        self.endpoints: dict[str, Endpoint] = {}
        self.home = AtHome({})
        self.versions: dict[str, str] = {}
        self.remarks: tuple[str, ...] = ()
        self.later: set[str] = set()

    def go(self, noise: Noise, connect: Callable[[Mapping[str, AnyEndpoint]], Channel]) -> FederationResult:
        options = self.options
        opening = self.open()
        trained = self.train(opening, noise, connect)
        write_model(options.out, trained.model)
        received = {
            name: endpoint.member
            for name, endpoint in self.endpoints.items()
            if endpoint.participant.received_model is not None
        }
        with workers(options.jobs) as pool:
            self.adopt(received, trained, pool)
            self.take_in_later(trained, pool)
            self.publish(trained, pool)
        audit = self.desk.store.audit()
        stopped = [str(entry["reason"]) for entry in audit if entry["event"] == "training ends early"]
        return FederationResult(
            self.training,
            self.outcomes(),
            trained.facts,
            trained.model.digest().hex(),
            self.seconds,
            self.remarks,
            stopped[-1] if stopped else None,
            self.compare(trained, opening, audit)
            if options.compare and set(self.home.adoptions) - self.later
            else None,
        )

    # --- who takes part ------------------------------------------------------------------------------

    def open(self) -> Opening:
        """Open the nodes; the first time also agree on the schema and the roster, which then stand."""
        options, store = self.options, self.desk.store
        self.show.begin("nodes", len(options.nodes))
        self.members, self.absences = assemble(
            options.nodes, options.task, self.training, epsilon=options.epsilon, seed=options.seed, stack=self.stack
        )
        self.show.advance("nodes", len(self.members), len(options.nodes))
        stored = store.recall("opening")
        if stored is None:
            self.members, joined, contradicting = agree_on_systems(self.members, options.task)
            self.absences += contradicting
            self.enough(len(self.members))
            roster = Roster(self.desk.identity.public, tuple(m.books.identity.public for m in self.members.values()))
            directories = {name: str(m.node.directory.resolve()) for name, m in self.members.items()}
            strangers = {name: sorted(columns) for name, columns in joined.strangers.items()}
            with warnings.catch_warnings(record=True, category=DataSetWarning) as remarks:
                warnings.simplefilter("always", DataSetWarning)
                opening = Opening(roster, schema_of(joined.systems), directories, strangers)
            self.remarks = tuple(str(remark.message) for remark in remarks)
            return Opening.from_bytes(store.remember("opening", opening.to_bytes()))
        opening = Opening.from_bytes(stored)
        self.later = set(self.members) - set(opening.directories)
        names = {directory: name for name, directory in opening.directories.items()}
        self.absences = [
            replace(absence, organisation=absence.organisation or names.get(str(absence.directory.resolve())))
            for absence in self.absences
        ]
        self.members = {
            name: member.without(frozenset(opening.strangers.get(name, ()))) for name, member in self.members.items()
        }
        return opening

    def enough(self, present: int) -> None:
        """Raise TooFewParticipants where a training cannot begin with so many."""
        needed = max(FEWEST_ORGANISATIONS, self.options.k_min)
        if present < needed:
            raise TooFewParticipants(needed=needed, present=present)

    def absent(self, name: str, when: str, error: FedCRMError) -> None:
        """Somebody fell out on the way."""
        self.absences.append(Absence(self.members[name].node.directory, name, when, str(error)))

    # --- steps ---------------------------------------------------------------------------------------

    def train(self, opening: Opening, noise: Noise, connect: Callable[[Mapping[str, AnyEndpoint]], Channel]) -> Trained:
        """The rounds, over the channel."""
        options, desk, roster = self.options, self.desk, opening.roster
        why = {absence.organisation: absence.why for absence in self.absences}
        self.endpoints = {
            name: Endpoint(self.members[name], desk.identity.public, self.training, noise(name))
            for name in roster.names
            if name in self.members
        }
        ends: dict[str, AnyEndpoint] = {
            name: self.endpoints.get(name) or Unreachable(why.get(name, "its node cannot be opened"))
            for name in roster.names
        }
        terms = TrainingTerms(
            self.training,
            options.task,
            opening.schema,
            learner=Settings.fast() if options.fast else Settings(),
            weights=WeightSettings(quality=options.quality),
        )
        self.show.begin("rounds", 1)
        with measured(self.seconds, "training"):
            return train(
                Coordinator(terms, desk.store),
                desk.identity,
                roster,
                connect(ends),
                desk.store,
                k_min=options.k_min,
                on_round=lambda _facts, done: self.show.advance("rounds", *done),
            )

    def adopt(self, received: Mapping[str, Member], trained: Trained, pool: Executor) -> None:
        """Everybody who has the model judges it and chooses, on its own rows."""
        options = self.options
        with measured(self.seconds, "at home"):
            self.home = adopt_everywhere(
                {name: member.holding for name, member in received.items()},
                {name: member.records for name, member in received.items()},
                trained.model,
                seed=options.seed,
                gate=options.gate,
                pool=pool,
                central=options.out / "comparison" / "central.json" if options.compare else None,
                show=self.show,
            )
        for name, error in self.home.failed.items():
            self.absent(name, "at home", error)

    def take_in_later(self, trained: Trained, pool: Executor) -> None:
        """Who came behind the beginning takes the model as it is: its own records are in the next training."""
        members, home = {name: self.members[name] for name in sorted(self.later)}, self.home
        found = adopt_everywhere(
            {name: member.holding for name, member in members.items()},
            {name: member.records for name, member in members.items()},
            trained.model,
            seed=self.options.seed,
            gate=self.options.gate,
            pool=pool,
            central=None,
            show=Progress(),
        )
        self.home = replace(home, adoptions={**home.adoptions, **found.adoptions})
        for name, error in found.failed.items():
            self.absent(name, "at home", error)

    def publish(self, trained: Trained, pool: Executor) -> None:
        """Every organisation that adopted publishes into its own service."""
        names = list(self.home.adoptions)
        self.show.begin("publishing", len(names))
        waiting = {}
        with measured(self.seconds, "publishing"):
            for name in names:
                try:
                    given = publication_of(self.members[name], trained, self.options.task)
                except FedCRMError as error:
                    self.absent(name, "publishing", error)
                else:
                    waiting[name] = pool.submit(publish_adopted, given)
            self.versions, failed = finished(waiting, lambda done: self.show.advance("publishing", done, len(names)))
        for name, refusal in failed.items():
            self.absent(name, "publishing", refusal)

    def compare(self, trained: Trained, opening: Opening, audit: list[dict[str, object]]) -> DemoResults:
        """What each could do alone and all with pooled rows; figures no organisation sees of another."""
        options, members = (
            self.options,
            {name: self.members[name] for name in self.home.adoptions if name not in self.later},
        )
        first = next(iter(members.values()))
        about = dataclasses.replace(
            first.holding.data.description, name=f"{options.task} of {len(members)} organisations"
        )
        training = Training(
            self.training,
            about,
            options.seed,
            options.fast,
            options.gate,
            options.k_min,
            max(member.books.settings.delta for member in members.values()),
            self.seconds,
            len(opening.roster.members),
        )
        holdings = {name: member.holding for name, member in members.items()}
        nodes = {name: member.books for name, member in members.items()}
        adoptions = {name: adoption for name, adoption in self.home.adoptions.items() if name in members}
        home = replace(self.home, adoptions=adoptions)
        results = results_of(training, trained, holdings, nodes, home, audit)
        write_results(options.out, about, results, self.home.central)
        return results

    # --- what became of everybody --------------------------------------------------------------------

    def outcomes(self) -> tuple[Outcome, ...]:
        """Everybody whose node was named, in the order of the nodes."""
        found = {}
        for name, member in self.members.items():
            found[member.node.directory] = self.outcome(name, member)
        for absence in self.absences:
            if absence.directory not in found:
                found[absence.directory] = Outcome(
                    absence.name, absence.directory, absence.state, absence.when, absence.why
                )
        return tuple(found[directory] for directory in self.options.nodes if directory in found)

    def outcome(self, name: str, member: Member) -> Outcome:
        """One member's: in with a model, out at the first step that failed for good."""
        endpoint, adoption = self.endpoints.get(name), self.home.adoptions.get(name)
        problems = dict(endpoint.problems) if endpoint else {}
        problems |= {absence.when: absence.why for absence in self.absences if absence.organisation == name}
        when, why = next(iter(problems.items()), ("", ""))
        if adoption is None:
            state, when = State.OUT, when or "the training did not come to an end"
        elif name in self.later and not problems:
            state, when = State.LATER, "behind the training"
            why = "it serves the model that the others trained; its own records are in the next training"
        else:
            state = State.PARTLY if problems else State.IN
        ledger = member.books.ledger
        begun = self.training in ledger.trainings()
        spent = ledger.spent(self.training).epsilon if begun else None
        return Outcome(
            name, member.node.directory, state, when, why, member.epsilon, spent, adoption, self.versions.get(name)
        )

    def write_participants(self) -> None:
        """Also after a failure: then it says who was missing."""
        if self.members or self.absences:
            path = self.options.out / "participants.json"
            write_participants(path, self.options.task, self.training, self.outcomes())
