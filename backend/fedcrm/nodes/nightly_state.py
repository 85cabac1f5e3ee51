"""How the nightly work stands: `NODE/nightly.json`, written after every step, read by the next run and by people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from fedcrm.errors import StorageError
from fedcrm.files import write_atomically
from fedcrm.nodes.own_org import utc_text
from fedcrm.salesforce import Purpose

__all__ = ["SAME_NIGHT", "STEPS", "DataSetFacts", "Failure", "Job", "Night", "ScoreFacts", "Step"]

SAME_NIGHT = timedelta(hours=12)
"""How long a night that was broken off is gone on with; later everything is asked for anew."""


class Step(StrEnum):
    """One step of a job; each may be done again without harm."""

    ASK = "ask"
    READ = "read"
    SCORE = "score"
    TIDY = "tidy"


STEPS: Mapping[Purpose, tuple[Step, ...]] = {
    Purpose.TRAINING: (Step.ASK, Step.READ, Step.TIDY),
    Purpose.SCORING: (Step.ASK, Step.READ, Step.SCORE, Step.TIDY),
}


@dataclass(frozen=True, slots=True)
class Failure:
    """What a job could not do. line: one line, with the remedy. at: UTC."""

    step: Step
    line: str
    at: str


@dataclass(frozen=True, slots=True)
class DataSetFacts:
    """The training data set last written. at: UTC."""

    at: str
    run: str
    rows: int
    features: int


@dataclass(frozen=True, slots=True)
class ScoreFacts:
    """The scores last brought. at: the moment they say of themselves, UTC."""

    at: str
    version: str
    origin: str
    scored: int
    written: int


@dataclass(frozen=True, slots=True)
class Job:
    """One task's work of one purpose.

    done:     steps of this night, in order. run: the org's id of the run asked for, once it was asked.
    moment:   what the scores of this night say of themselves, UTC.
    left_out: why there is nothing to do, in plain words.
    failure:  what stopped it this night.
    data, scores: the last that succeeded, in whichever night.
    """

    done: tuple[Step, ...] = ()
    run: str | None = None
    moment: str | None = None
    left_out: str | None = None
    failure: Failure | None = None
    data: DataSetFacts | None = None
    scores: ScoreFacts | None = None

    def next(self, purpose: Purpose) -> Step | None:
        """The first step that is not done; None where there is nothing left."""
        if self.left_out is not None:
            return None
        return next((step for step in STEPS[purpose] if step not in self.done), None)

    def anew(self) -> Job:
        """As it begins a night: what succeeded before is remembered."""
        return Job(data=self.data, scores=self.scores)


@dataclass(frozen=True)
class Night:
    """A night's work. began, ended: UTC; ended is None while something is to be done and nothing has failed."""

    began: str
    ended: str | None = None
    jobs: Mapping[tuple[str, Purpose], Job] = field(default_factory=dict)

    def job(self, task: str, purpose: Purpose) -> Job:
        """A task's job, as it stands."""
        return self.jobs.get((task, purpose), Job())

    def put(self, task: str, purpose: Purpose, job: Job) -> Night:
        """With one job exchanged."""
        return replace(self, jobs={**self.jobs, (task, purpose): job})

    @property
    def failures(self) -> tuple[tuple[str, Purpose, Failure], ...]:
        """What failed, in the order of the jobs."""
        return tuple((task, purpose, job.failure) for (task, purpose), job in self.jobs.items() if job.failure)

    @classmethod
    def begin(cls, before: Night | None, now: datetime) -> Night:
        """The night to work on.

        One that was broken off goes on where it was; one that ended with failures tries those anew, and what was left
        out; after SAME_NIGHT, or when all went well, everything begins anew.
        """
        if before is None:
            return cls(utc_text(now))
        if timedelta() <= now - datetime.fromisoformat(before.began) < SAME_NIGHT:
            if before.ended is None:
                return before
            if before.failures:
                jobs = {key: job.anew() if job.failure or job.left_out else job for key, job in before.jobs.items()}
                return cls(before.began, None, jobs)
        return cls(utc_text(now), None, {key: job.anew() for key, job in before.jobs.items()})

    # --- on disk ----------------------------------------------------------------------------------

    @classmethod
    def read(cls, path: Path) -> Night | None:
        """The last night, or None before the first. Raises StorageError where the file is none of ours."""
        try:
            raw = json.loads(path.read_text("utf-8"))
            jobs = {(one["task"], Purpose(one["purpose"])): _job(one["job"]) for one in raw["jobs"]}
            datetime.fromisoformat(raw["began"]).astimezone(UTC)
            return cls(raw["began"], raw["ended"], jobs)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError(f"{path}: {error.strerror}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise StorageError(f"{path} cannot be read; remove it, and the next night begins anew") from error

    def write(self, path: Path) -> None:
        """Keep it instead of any other. Raises StorageError."""
        jobs = [{"task": task, "purpose": p.value, "job": asdict(job)} for (task, p), job in self.jobs.items()]
        content = {"began": self.began, "ended": self.ended, "jobs": jobs}
        write_atomically(path, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode(), mode=0o600)


def _job(raw: dict[str, object]) -> Job:
    known = {**raw, "done": tuple(Step(step) for step in _rows(raw["done"]))}
    for name, kind in (("failure", Failure), ("data", DataSetFacts), ("scores", ScoreFacts)):
        if isinstance(found := raw[name], dict):
            known[name] = kind(**found)
    if isinstance(failure := known["failure"], Failure):
        known["failure"] = replace(failure, step=Step(failure.step))
    return Job(**known)  # type: ignore[arg-type]  # written by `write`; a wrong name is a TypeError, told above


def _rows(raw: object) -> list[str]:
    if not isinstance(raw, list):
        raise TypeError("a list is meant")
    return raw
