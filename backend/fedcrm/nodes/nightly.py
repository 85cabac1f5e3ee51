"""The nightly work of a node: read its org, keep the training data sets fresh, score and write back, tidy up.

Two jobs a task, apart from each other: one keeps its training data set, one its scores. Runs are asked for first,
all of them, so that the org works on them at once; then each is waited for, read and used. What was done is on the disk
after each step, so that a kill costs the step it fell into and nothing else. What fails stops its own job only.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from fedcrm.errors import FedCRMError, StorageError
from fedcrm.evaluation.locking import only_one
from fedcrm.nodes.nightly_state import STEPS, DataSetFacts, Failure, Job, Night, ScoreFacts, Step
from fedcrm.nodes.organisation import OrganisationNode
from fedcrm.nodes.own_org import OwnOrg, utc_text
from fedcrm.nodes.serving import facts_by_task, open_registry
from fedcrm.salesforce import Purpose, Retry, Staging
from fedcrm.service import Registry

__all__ = ["Nightly", "planned_steps"]

_NO_MODEL = "no model serves this task yet, so nothing is scored; train and publish one (`fedcrm federation run`)"
_DISK = "make room or mend the disk, then `fedcrm node run` goes on"


@dataclass
class Nightly:
    """One run of the nightly work.

    say:   told one line for each step, for people.
    tasks: of the node's; empty: all of them.
    retry: how the org is asked again; None: patiently.
    now:   the clock, UTC.
    """

    node: OrganisationNode
    say: Callable[[str], None]
    tasks: tuple[str, ...] = ()
    retry: Retry | None = None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _night: Night = field(init=False)

    def run(self) -> Night:
        """Do what is to be done; what failed stands in the night's failures.

        Raises SettingsError where the org is unknown or not paired, where another run is under way, and for a task
        that is not the node's; StorageError where the state cannot be kept.
        """
        node, tasks = self.node, _own(self.node, self.tasks)
        with only_one(node.directory / "nightly.lock", node.directory, remedy="wait for it"):
            own = OwnOrg.open(
                node.configuration.orgs,
                node.configuration.org,
                say=lambda line: self.say(f"{node.configuration.org}: {line}"),
                retry=self.retry,
            )
            _note_pairing(node, own)
            self._night = Night.begin(Night.read(self._path), self.now())
            with open_registry(node) as registry:
                # Every run is asked for before the first is waited for.
                for last in (Step.ASK, Step.TIDY):
                    for task in tasks:
                        for purpose in Purpose:
                            self._work(own, registry, task, purpose, last)
            self._night = replace(self._night, ended=utc_text(self.now()))
            self._night.write(self._path)
            return self._night

    @property
    def _path(self) -> Path:
        return self.node.directory / "nightly.json"

    def _work(self, own: OwnOrg, registry: Registry | None, task: str, purpose: Purpose, last: Step) -> None:
        """Do what is left of a job's steps up to `last`."""
        work = _JobWork(self.node, own, registry, task, purpose, self.now)
        for step in STEPS[purpose]:
            job = self._night.job(task, purpose)
            if job.failure is not None or job.left_out is not None:
                return
            if step not in job.done:
                self._do(work, step, job)
            if step is last:
                return

    def _do(self, work: _JobWork, step: Step, job: Job) -> None:
        name = f"{work.task}, {work.purpose.value.lower()}"
        try:
            job = work.do(step, job)
            if job.failure is None:
                job = replace(job, done=(*job.done, step))
            self._keep(work, job)
        except (FedCRMError, OSError) as error:
            job = replace(job, failure=Failure(step, one_line(error), utc_text(self.now())))
            self._keep_failure(work, job)
        if job.failure is not None:
            self.say(f"{name}: {job.failure.line}")
        elif job.left_out is not None:
            self.say(f"{name}: {job.left_out}")

    def _keep(self, work: _JobWork, job: Job) -> None:
        night = self._night.put(work.task, work.purpose, job)
        night.write(self._path)
        self._night = night

    def _keep_failure(self, work: _JobWork, job: Job) -> None:
        """A full disk may be the failure: then it is at least told, and the next run finds the step undone."""
        self._night = self._night.put(work.task, work.purpose, job)
        try:
            self._night.write(self._path)
        except StorageError as error:
            self.say(f"how the night stands cannot be kept: {error}")


@dataclass(frozen=True)
class _JobWork:
    """What the steps of one job do. Each takes the job as it stands and returns it with what came of the step."""

    node: OrganisationNode
    own: OwnOrg
    registry: Registry | None
    task: str
    purpose: Purpose
    now: Callable[[], datetime]

    def do(self, step: Step, job: Job) -> Job:
        """One step. Raises FedCRMError, OSError; then it may be done again."""
        return {Step.ASK: self._ask, Step.READ: self._read, Step.SCORE: self._score, Step.TIDY: self._tidy}[step](job)

    def _ask(self, job: Job) -> Job:
        if self.purpose is Purpose.SCORING and not self._has_model():
            return replace(job, left_out=_NO_MODEL)
        return replace(job, run=self._staging.start().id)

    def _has_model(self) -> bool:
        models = () if self.registry is None else self.registry.models(self.own.org_id)
        return any(one.serving and one.facts.task == self.task for one in models)

    def _read(self, job: Job) -> Job:
        staging = self._staging
        run = staging.wait(staging.find(job.run or ""), self.node.configuration.nightly.patience_hours * 3600)
        for line in run.message.splitlines():
            self.own.say(line)
        staging.fetch()
        moment = utc_text(self.now())
        if self.purpose is Purpose.SCORING:
            return replace(job, moment=moment)
        place = self.node.data(self.task)
        written = self.own.write_training(self.task, place, self.node.configuration.organisation)
        self.own.say(f"{self.task}: {written.rows} labelled rows of {written.features} features in {place}")
        return replace(job, data=DataSetFacts(moment, written.run, written.rows, written.features))

    def _score(self, job: Job) -> Job:
        if self.registry is None or job.moment is None:
            return replace(job, left_out=_NO_MODEL)
        self.node.note_outgoing(
            f"scores of {self.task} with their reasons",
            f"org {self.own.alias}, the organisation's own: they stay inside its own systems",
            task=self.task,
            key=f"scores of {self.task} of {job.moment}",
        )
        settings, refused = self.node.configuration.nightly, self.node.data(self.task).with_suffix(".refused.csv")
        refused.unlink(missing_ok=True)
        scores = self.own.score(
            self.registry,
            self.task,
            scored_at=job.moment,
            change=settings.change,
            top=settings.top,
            failures=refused,
        )
        done = scores.done
        self.own.say(f"{self.task}: {scores.words}")
        facts = ScoreFacts(job.moment, scores.version, scores.origin, done.scored, done.written.saved)
        job = replace(job, scores=facts if done.scored else job.scores)
        wrong = ""
        if done.refused:
            wrong = f"{done.refused} vectors were not scored: {' '.join(done.refusals)}"
            wrong += " A model fits the vocabulary that it was trained with; train again after a change of the mapping."
        elif done.written.failed:
            first = done.written.failed[0]
            wrong = f"the org refused {len(done.written.failed)} scores, the first with {first.code} {first.message}; "
            wrong += f"{refused} lists them"
        return replace(job, failure=Failure(Step.SCORE, wrong, utc_text(self.now()))) if wrong else job

    def _tidy(self, job: Job) -> Job:
        self._staging.tidy()
        if self.purpose is Purpose.TRAINING:
            place = self.node.data(self.task)
            for left in (".writing", ".old"):
                shutil.rmtree(place.with_name(f".{place.name}{left}"), ignore_errors=True)
        return job

    @property
    def _staging(self) -> Staging:
        return self.own.staging(self.task, self.purpose)


def planned_steps(node: OrganisationNode, tasks: tuple[str, ...] = (), *, now: datetime) -> list[str]:
    """What a run would do, a line each. Asks the org nothing and writes nothing. Raises as Nightly.run."""
    wanted, alias = _own(node, tasks), node.configuration.org
    own = OwnOrg.open(node.configuration.orgs, alias)
    serving = facts_by_task(node, own.org_id)
    before = Night.read(node.directory / "nightly.json")
    night = Night.begin(before, now)
    lines = []
    if before is not None and night.began == before.began:
        lines.append(f"go on with the night of {night.began}")
    for task in wanted:
        for purpose in Purpose:
            job = night.job(task, purpose)
            left = [step for step in STEPS[purpose] if step not in job.done]
            if job.failure is not None:
                failed = f"failed this night ({job.failure.line}), and the run after this one tries it anew"
                lines.append(f"{task}, {purpose.value.lower()}: {failed}")
            elif purpose is Purpose.SCORING and task not in serving:
                lines.append(f"{task}, scoring: {_NO_MODEL}")
            elif not left:
                lines.append(f"{task}, {purpose.value.lower()}: done already")
            else:
                words = _WORDS[purpose]
                model = f" by {serving[task].origin} model {serving[task].version}" if task in serving else ""
                said = [words[step].format(org=alias, place=node.data(task), model=model) for step in left]
                lines.append(f"{task}, {purpose.value.lower()}: {'; '.join(said)}")
    return lines


_WORDS: Mapping[Purpose, Mapping[Step, str]] = {
    Purpose.TRAINING: {
        Step.ASK: "ask {org} for a training run",
        Step.READ: "wait for it, read it, acknowledge it, write {place}",
        Step.TIDY: "forget blocks that are no longer needed",
    },
    Purpose.SCORING: {
        Step.ASK: "ask {org} for a scoring run",
        Step.READ: "wait for it, read it, acknowledge it",
        Step.SCORE: "score{model} and write back to {org} what is new or has moved",
        Step.TIDY: "forget blocks that are no longer needed",
    },
}


def one_line(error: FedCRMError | OSError) -> str:
    """An error with its remedy."""
    if isinstance(error, FedCRMError):
        said = " ".join(str(error).split())
        return f"{said}; {_DISK}" if isinstance(error, StorageError) else said
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}; {_DISK}"


def _own(node: OrganisationNode, tasks: tuple[str, ...]) -> tuple[str, ...]:
    for task in tasks:
        node.data(task)  # refuses a task of somebody else
    return tasks or node.configuration.tasks


def _note_pairing(node: OrganisationNode, own: OwnOrg) -> None:
    """Transport keys were handed over by `fedcrm org pair`, which knows no node."""
    for key in own.pairing.keys:
        node.note_outgoing(
            f"transport key {key.id}, by which the org encrypts what it stages",
            f"org {own.alias}, the organisation's own: it stays inside its own systems",
            key=f"transport key {key.id}",
        )
