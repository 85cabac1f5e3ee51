"""An organisation's own org as its node works with it: runs asked for, read into data sets, scored and written back.

`fedcrm extract`, `fedcrm score` and the nightly work are made of these.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from fedcrm.salesforce import Client, Orgs, Pairing, Purpose, Retry, Staging, write_data_set, write_vectors
from fedcrm.service import RENEW_AFTER, Registry, ScoredRun, bring_scores

__all__ = ["OwnOrg", "Scores", "WrittenVectors", "utc_text"]


def utc_text(moment: datetime) -> str:
    """ISO 8601 with a Z, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class WrittenVectors:
    """What was written of a run. run: its key; rows, features: how many; stays in the organisation."""

    run: str
    rows: int
    features: int


@dataclass(frozen=True, slots=True)
class Scores:
    """What became of a scoring run. version, origin: of the model that scored it."""

    version: str
    origin: str
    done: ScoredRun

    @property
    def words(self) -> str:
        """One line for people."""
        done = self.done
        return (
            f"{done.scored} scored by {self.origin} model {self.version}, {done.written.saved} written "
            f"({done.written.created} new), {len(done.written.failed)} refused by the org"
            + (f", {done.marked.saved} marked stale" if done.marked.saved else "")
        )


@dataclass(frozen=True)
class OwnOrg:
    """One org, its pairing and a client of it. say: told one line for each step, for people."""

    alias: str
    registry: Orgs
    client: Client
    pairing: Pairing
    say: Callable[[str], None]

    @classmethod
    def open(
        cls, orgs: Path, alias: str, *, say: Callable[[str], None] = lambda _: None, retry: Retry | None = None
    ) -> OwnOrg:
        """Nothing is asked of the org yet. Raises SettingsError where it is unknown or not paired."""
        registry = Orgs.open(orgs)
        pairing = registry.pairing(alias).require()
        return cls(alias, registry, registry.connect(alias, retry=retry), pairing, say)

    @property
    def org_id(self) -> str:
        """18 characters; under it the service keeps the organisation's models."""
        return str(self.pairing.org_id)

    def staging(self, task: str, purpose: Purpose) -> Staging:
        """The runs of a task."""
        store = self.registry.blocks(self.alias, task, purpose)
        return Staging(self.client, self.pairing, store, task, purpose, say=self.say)

    def write_training(self, task: str, out: Path, organisation: str) -> WrittenVectors:
        """The labelled vectors read so far as a data set. organisation: whose rows they are, by name.

        Raises BlockRefused where there are none, OSError where the disk refuses; what stood there before stands.
        """
        run, vectors = self.staging(task, Purpose.TRAINING).vectors()
        return WrittenVectors(run.key, write_data_set(out, organisation, run, vectors), len(run.columns))

    def write_scoring(self, task: str, out: Path) -> WrittenVectors:
        """The vectors read so far for scoring. Raises as write_training."""
        run, vectors = self.staging(task, Purpose.SCORING).vectors()
        write_vectors(out, run, vectors)
        return WrittenVectors(run.key, len(vectors), len(run.columns))

    def score(
        self,
        registry: Registry,
        task: str,
        *,
        scored_at: str,
        change: float,
        top: int | None,
        failures: Path | None,
        renew_after: timedelta = RENEW_AFTER,
    ) -> Scores:
        """Score the vectors read so far by the model that serves and write the scores back; see bring_scores.

        Raises ServiceError where no model serves, BlockRefused where nothing was read, SalesforceError.
        """
        model = registry.serving(self.org_id, task)
        run, vectors = self.staging(task, Purpose.SCORING).vectors()
        done = bring_scores(
            self.client,
            self.pairing,
            model,
            run,
            vectors,
            scored_at=scored_at,
            change=change,
            top=top,
            failures=failures,
            renew_after=renew_after,
        )
        return Scores(model.facts.version, model.facts.origin, done)
