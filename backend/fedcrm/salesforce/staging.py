"""From an org's extractor to this node: ask for a run, wait for it, read its blocks, acknowledge them.

Blocks are opened as they come (`blocks`) and kept sealed (`block_store`), so that a break costs nothing and reading
again repeats nothing. Only when every block of a run is here is the run acknowledged; the org may purge it then.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from fedcrm.errors import AccessDenied, BlockRefused, ResultsLost, RunRefused, UnexpectedReply
from fedcrm.salesforce.block_store import BlockStore, KeptRun, Purpose
from fedcrm.salesforce.blocks import (
    FeatureColumn,
    Run,
    RunClose,
    StagedBlock,
    Vector,
    check_close,
    open_block,
    vocabulary_digest,
)
from fedcrm.salesforce.bulk2 import Bulk2Extractor, poll, too_slow
from fedcrm.salesforce.client import Client
from fedcrm.salesforce.extractor import Block, Extraction
from fedcrm.salesforce.pairing import Pairing, apex
from fedcrm.salesforce.soql import select, text_literal

__all__ = ["OrgRun", "Staging", "Status"]

# A block's payload is up to 131,072 characters: small pages, so that memory stays small.
_PAGE_ROWS, _BLOCK_ROWS = 500, 20
_RUN_FIELDS = (
    "Run_Key__c",
    "Status__c",
    "Message__c",
    "Blocks__c",
    "Entities_Staged__c",
    "Started_At__c",
    "Watermark__c",
    "Key_Id__c",
    "Run_Mac__c",
    "Vocabulary_Digest__c",
    "Vocabulary__c",
    "Job_Id__c",
)
_BLOCK_FIELDS = (
    "Block_Key__c",
    "Sequence__c",
    "Entity_Count__c",
    "Format__c",
    "Task__c",
    "Purpose__c",
    "Key_Id__c",
    "Vocabulary_Digest__c",
    "Payload__c",
    "Mac__c",
)


class Status:
    """Where a run stands, in the org's words."""

    REQUESTED, RUNNING, COMPLETED = "Requested", "Running", "Completed"
    FAILED, STOPPED, WITHDRAWN = "Failed", "Stopped", "Withdrawn"


@dataclass(frozen=True, slots=True)
class OrgRun:
    """A row of `Extraction_Run__c`.

    key:          None until the run began.
    message:      for the org's admin.
    began, since: its start and the watermark, in the org's words; since is "" where it reads every entity.
    """

    id: str
    key: str | None
    status: str
    message: str
    blocks: int
    entities: int
    began: str
    since: str
    key_id: str
    mac: str
    digest: str
    vocabulary: str
    job: str

    @property
    def ended(self) -> bool:
        """Whether the org has done with it."""
        return self.status not in (Status.REQUESTED, Status.RUNNING)


class Staging:
    """The runs of one task and purpose in one org.

    say: told one line for each step, for people.
    """

    def __init__(
        self,
        client: Client,
        pairing: Pairing,
        store: BlockStore,
        task: str,
        purpose: Purpose,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._client, self._pairing, self._store = client, pairing, store
        self._task, self._purpose, self._now, self._say = task, purpose, now, say

    # --- runs -------------------------------------------------------------------------------------

    def start(self) -> OrgRun:
        """Begin a run, or find the one under way or asked for.

        Without the right to extract this only asks: the org's scheduled job begins it.
        Raises RunRefused where the org stopped it before it read a record, with the reason.
        """
        for waiting in self._query(self._of_status(Status.REQUESTED)):
            return waiting
        asked = {"task": self._task, "purpose": self._purpose.value}
        answer = apex(self._client, self._pairing, "extractions", asked)
        if not isinstance(answer, str):
            raise UnexpectedReply(self._client.org, "the package's answer is not the id of a run")
        return self._checked(self._by_id(answer))

    def find(self, run_id: str) -> OrgRun:
        """A run that was begun or asked for before. Raises UnexpectedReply where the org no longer has it."""
        return self._by_id(run_id)

    def wait(self, run: OrgRun, patience: float) -> OrgRun:
        """The run when it has completed. patience: seconds.

        Raises RunRefused where it ended in another way; JobFailed when patience is over.
        """
        for _ in poll(self._client, patience):
            # In this order: a job that ends between the two questions has closed its run.
            aborted = self._is_aborted(run)
            run = self._checked(self._by_id(run.id))
            if run.ended:
                return run
            if aborted:
                reason = "its job was aborted in the org"
                raise RunRefused(self._client.org, run=run.key or run.id, status=Status.FAILED, reason=reason)
        raise too_slow(self._client.org, run.id, patience)

    def _is_aborted(self, run: OrgRun) -> bool:
        """An aborted job never closes its run. Whether there is one, this user may not be allowed to see."""
        soql = select(["Status"], "AsyncApexJob", f"Id = {text_literal(run.job)}")
        try:
            return bool(run.job) and any(job["Status"] in ("Aborted", "Failed") for job in self._client.query(soql))
        except AccessDenied:
            return False

    def _checked(self, run: OrgRun) -> OrgRun:
        if run.ended and run.status != Status.COMPLETED:
            reason = " ".join(run.message.split()) or "the org gave no reason"
            raise RunRefused(self._client.org, run=run.key or run.id, status=run.status, reason=reason)
        return run

    def _by_id(self, run_id: str) -> OrgRun:
        found = list(self._query(f"Id = {text_literal(run_id)}"))
        if not found:
            raise UnexpectedReply(self._client.org, f"the run {run_id} is not there")
        return found[0]

    def _query(self, where: str) -> Iterator[OrgRun]:
        name = self._pairing.name
        for row in self._client.query(select(["Id", *map(name, _RUN_FIELDS)], name("Extraction_Run__c"), where)):
            yield _run_of({field: row[name(field)] for field in _RUN_FIELDS}, str(row["Id"]))

    # --- blocks -----------------------------------------------------------------------------------

    def fetch(self) -> int:
        """Read every completed run that is not here yet, oldest first, and acknowledge it; returns how many blocks.

        What the org has withdrawn, and what a newer whole run replaces, is forgotten here as well.

        Raises BlockRefused or Tampered at the first block that does not belong or was changed; what was read before
        it stays, and the run is not acknowledged.
        """
        with self._store.held():
            self._forget_withdrawn()
            unread = f"{self._of_status(Status.COMPLETED)} AND {self._name('Acknowledged_At__c')} = NULL"
            runs = sorted(self._query(unread), key=lambda run: run.key or "")
            # A run of an older vocabulary is of no use any more: the first of the new one reads every entity.
            newest = self._kept(runs[-1]).run.digest if runs else ""
            read = 0
            for run in runs:
                if run.digest == newest:
                    read += self._read_run(run)
                self._acknowledge(run)
            self._forget_replaced()
            return read

    @property
    def has_whole_run(self) -> bool:
        """Whether `vectors` has something to give."""
        return any(kept.whole for kept in self._store.runs())

    def vectors(self) -> tuple[Run, tuple[Vector, ...]]:
        """The newest vector of every entity, with the run that speaks for all of them.

        Raises BlockRefused where there is no whole run yet, or one that a later run builds upon is not here.
        """
        whole = [kept for kept in self._store.runs() if kept.whole]
        if not whole:
            raise BlockRefused(f"{self._client.org}: no completed run of {self._task} was read yet")
        last = whole[-1].run
        newest: dict[str, Vector] = {}
        begun: set[str] = set()
        for kept in (kept for kept in whole if kept.run.digest == last.digest):
            if kept.since and kept.since not in begun:
                raise BlockRefused(
                    f"{self._client.org}: run {kept.run.key} holds only what changed since a run that is not here; set "
                    "this task's runs to Withdrawn in the org, then extract again: the next one reads every record"
                )
            begun.add(kept.began)
            newest |= {vector.pseudonym: vector for vector in self._store.vectors(kept.run.key)}
        return last, tuple(newest[pseudonym] for pseudonym in sorted(newest))

    def tidy(self) -> None:
        """Forget what `vectors` does not need: withdrawn and replaced runs, parts of runs that never became whole.

        Raises SettingsError where another process reads.
        """
        with self._store.held():
            self._forget_withdrawn()
            self._forget_replaced()
            unread = {run.key for run in self._query(f"{self._name('Acknowledged_At__c')} = NULL")}
            for kept in self._store.runs():
                if not kept.whole and kept.run.key not in unread:
                    self._store.drop(kept.run.key)

    def _read_run(self, run: OrgRun) -> int:
        """Read what is missing of a run; returns how many blocks came."""
        kept = self._kept(run)
        key = kept.run.key
        if kept.whole:
            return 0
        self._store.keep_run(kept)
        before = self._store.sequences(key)
        if len(before) < run.blocks:
            try:
                self._take(run, kept.run)
            except ResultsLost:
                # The bulk job behind the bookmark is gone; ask again, for what is missing only.
                self._store.keep_bookmark(key, None)
                self._take(run, kept.run)
        self._store.keep_bookmark(key, None)
        missing = set(range(1, run.blocks + 1)) ^ self._store.sequences(key)
        if missing:
            listed = ", ".join(str(number) for number in sorted(missing)[:5])
            raise BlockRefused(f"run {key} has {run.blocks} blocks, and these do not fit: {listed}; extract again")
        self._store.keep_run(replace(kept, whole=True))
        come = self._store.sequences(key) - before
        self._say(f"run {key}: {len(come)} of {run.blocks} blocks read, {run.entities} vectors in all")
        return len(come)

    def _kept(self, run: OrgRun) -> KeptRun:
        columns = _columns(run.vocabulary, self._client.org)
        if vocabulary_digest(self._task, columns) != run.digest:
            raise BlockRefused(f"the vocabulary of run {run.key} is not the one that its digest names: extract anew")
        org_id = str(self._pairing.org_id)
        bound = Run(org_id, run.key or "", self._task, self._purpose.value, run.digest, columns)
        close = RunClose(run.key_id, _to_second(run.began), _to_second(run.since), run.blocks, run.entities, run.mac)
        check_close(close, bound, self._pairing.keys)
        return self._store.run(bound.key) or KeptRun(bound, run.began, run.since, whole=False)

    def _take(self, org_run: OrgRun, run: Run) -> None:
        held = self._store.sequences(run.key)
        behind = next(number for number in range(org_run.blocks + 1) if number + 1 not in held)
        where = f"{self._name('Run__c')} = {text_literal(org_run.id)} AND {self._name('Sequence__c')} > {behind}"
        wanted = Extraction(self._name("Feature_Block__c"), tuple(map(self._name, _BLOCK_FIELDS)), where)
        reader = Bulk2Extractor(self._client, page_rows=_PAGE_ROWS, block_rows=_BLOCK_ROWS)
        for rows in reader.blocks(wanted, after=self._store.bookmark(run.key)):
            for block in self._staged(rows):
                vectors = open_block(block, block.sequence, run, self._pairing.keys)
                self._store.put(run.key, block.sequence, vectors)
            self._store.keep_bookmark(run.key, rows.bookmark)

    def _staged(self, rows: Block) -> Iterator[StagedBlock]:
        columns = (rows.values[self._name(field)].values for field in _BLOCK_FIELDS)
        for row in zip(*columns, strict=True):
            cell = dict(zip(_BLOCK_FIELDS, row, strict=True))
            yield StagedBlock(
                key=_text(cell["Block_Key__c"]),
                sequence=_whole(cell["Sequence__c"]),
                entities=_whole(cell["Entity_Count__c"]),
                format=_whole(cell["Format__c"]),
                task=_text(cell["Task__c"]),
                purpose=_text(cell["Purpose__c"]),
                key_id=_text(cell["Key_Id__c"]),
                digest=_text(cell["Vocabulary_Digest__c"]),
                payload=_text(cell["Payload__c"]),
                mac=_text(cell["Mac__c"]),
            )

    def _of_status(self, status: str) -> str:
        """The condition on runs of this task and purpose that stand there."""
        wanted = {"Task__c": self._task, "Purpose__c": self._purpose.value, "Status__c": status}
        return " AND ".join(f"{self._name(field)} = {text_literal(value)}" for field, value in wanted.items())

    def _name(self, plain: str) -> str:
        return self._pairing.name(plain)

    def _acknowledge(self, run: OrgRun) -> None:
        path = f"{self._client.base}/sobjects/{self._name('Extraction_Run__c')}/{run.id}"
        moment = self._now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        # The same again is the same: it may be sent twice.
        self._client.session.request("PATCH", path, json={self._name("Acknowledged_At__c"): moment}, repeatable=True)

    def _forget_withdrawn(self) -> None:
        gone = {run.key for run in self._query(self._of_status(Status.WITHDRAWN))}
        for kept in self._store.runs():
            if kept.run.key in gone:
                self._store.drop(kept.run.key)
                self._say(f"run {kept.run.key}: withdrawn in the org, and forgotten here")

    def _forget_replaced(self) -> None:
        """What stands before the last whole run that read every entity, or speaks another vocabulary than it."""
        runs = self._store.runs()
        full = [number for number, kept in enumerate(runs) if kept.whole and not kept.since]
        for kept in runs[: full[-1]] if full else ():
            self._store.drop(kept.run.key)


def _run_of(row: Mapping[str, Any], run_id: str) -> OrgRun:
    return OrgRun(
        id=run_id,
        key=row["Run_Key__c"],
        status=_text(row["Status__c"]),
        message=_text(row["Message__c"]),
        blocks=_whole(row["Blocks__c"]),
        entities=_whole(row["Entities_Staged__c"]),
        began=_text(row["Started_At__c"]),
        since=_text(row["Watermark__c"]),
        key_id=_text(row["Key_Id__c"]),
        mac=_text(row["Run_Mac__c"]),
        digest=_text(row["Vocabulary_Digest__c"]),
        vocabulary=_text(row["Vocabulary__c"]),
        job=_text(row["Job_Id__c"]),
    )


def _columns(vocabulary: str, org: str) -> tuple[FeatureColumn, ...]:
    """A run's vocabulary."""
    try:
        return tuple(
            FeatureColumn(str(c["name"]), str(c["kind"]), str(c["unit"]), int(c["decimals"]), c["block"])
            for c in json.loads(vocabulary)
        )
    except (ValueError, KeyError, TypeError) as error:
        raise UnexpectedReply(org, "the vocabulary of a run cannot be read") from error


def _to_second(moment: str) -> str:
    """A moment of the REST API, which begins and ends with the second it names, as the package writes it; "" stays."""
    return f"{moment[:19]}Z" if moment else ""


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _whole(value: object) -> int:
    """A number field as a whole number; -1, which no block has, where there is none."""
    number = float(str(value)) if value is not None else math.nan
    return -1 if math.isnan(number) or number != int(number) else int(number)
