"""A participant: answers the coordinator's messages, and refuses what would cost more than was agreed.

The coordinator is taken for an adversary. Whatever it sends is checked before anything is charged; whatever
leaves was charged before its noise was drawn, and is remembered, so that the same request gets the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedcrm.boosting import HistogramRespondent
from fedcrm.errors import MalformedMessage, PeerError, UnexpectedMessage
from fedcrm.features import DataSet, Schema, block_examples, blocks_of, category_values
from fedcrm.federation.books import Books
from fedcrm.federation.messages import Agreement, Envelope, Invitation, Kind, Report, RoundRequest
from fedcrm.learning import Respondent
from fedcrm.privacy import (
    Calibration,
    CalibrationRecords,
    GaussianRelease,
    TrainingBudget,
    calibrate,
    calibration_event,
    counts_event,
    enough_examples,
    noisy_counts,
    plan_domains,
    release_domain,
    rounded_gaussian,
)
from fedcrm.secagg import (
    PRODUCTION,
    AnswerJournal,
    Identity,
    ParticipantAttempt,
    PublicIdentity,
    RingParameters,
    Roster,
)

__all__ = ["DOMAIN_SHARE", "Participant", "Records", "calibration_records", "local_intercept"]

DOMAIN_SHARE = 0.02
"""Share of mu^2 for the names of categories that nobody listed; 0 where all are listed."""

EXAMPLES_SHARE = 0.25
"""Share of the pure allowance for counting examples of feature blocks; 0 where the schema has none.

Everybody calibrates on what is left, also who lacks the blocks: the errors it reports do not tell.
"""

RECENCY_DAYS = 365.0
"""A record touched within a year counts as recent in full; older ones fade over another year."""


@dataclass(frozen=True)
class Records:
    """One organisation's records. Only the training rows take part in anything that leaves.

    training, validation: row numbers in data; validation rows judge and stack models at home.
    unit_rows:            most rows of one privacy unit among the training rows.
    as_of:                days since 1970-01-01, when recency is measured.
    """

    data: DataSet
    training: NDArray[np.int64]
    validation: NDArray[np.int64]
    as_of: float
    unit_rows: int = 1


class Participant:
    """One organisation's side of one training, over whatever channel.

    coordinator:  pinned at enrolment.
    epsilon:      the most this training may spend.
    random_bytes: where privacy noise comes from. key_bytes: where keys and masks come from, a source of its own
        so that a simulation can repeat the noise with and without encryption.
    parameters:   of secure aggregation; the same for everybody.
    """

    def __init__(
        self,
        identity: Identity,
        coordinator: PublicIdentity,
        records: Records,
        books: Books,
        attempts: AnswerJournal,
        *,
        training: str,
        epsilon: float,
        random_bytes: Callable[[int], bytes] = os.urandom,
        key_bytes: Callable[[int], bytes] = os.urandom,
        parameters: RingParameters = PRODUCTION,
    ) -> None:
        self._identity, self._coordinator, self._records = identity, coordinator, records
        self._books, self._journal, self._training, self._epsilon = books, attempts, training, epsilon
        self._random_bytes, self._key_bytes, self._parameters = random_bytes, key_bytes, parameters
        self._roster: Roster | None = None
        self._budget: TrainingBudget | None = None
        self._respondent: Respondent | None = None
        self._attempt: ParticipantAttempt | None = None
        self._request: RoundRequest | None = None
        self.received_model: bytes | None = None

    @property
    def name(self) -> str:
        """The organisation."""
        return self._identity.name

    def handle(self, message: bytes) -> bytes:
        """Answer one envelope of the coordinator's. Raises a FedCRMError and stays as it was on any refusal."""
        envelope = Envelope.unseal(message, self._coordinator, self._training)
        match envelope.kind:
            case Kind.INVITE:
                body, kind = self.report(Invitation.from_bytes(envelope.body)).to_bytes(), Kind.REPORT
            case Kind.AGREE:
                self.agree(Agreement.from_bytes(envelope.body))
                body, kind = b"", Kind.AGREE
            case Kind.OPEN:
                body, kind = self._open(envelope.body), Kind.ATTEMPT
            case Kind.ATTEMPT:
                body, kind = self._continue(envelope.body), Kind.ATTEMPT
            case Kind.CLOSE:
                self._books.close_round(self._training, _round_number(envelope.body))
                body, kind = b"", Kind.CLOSE
            case Kind.MODEL:
                self.received_model = envelope.body
                body, kind = b"", Kind.MODEL
            case Kind.REPORT:
                raise UnexpectedMessage("a report is a participant's message", culprit=self._coordinator.name)
        return Envelope(kind, self._training, self.name, body).seal(self._identity)

    # --- calibration -----------------------------------------------------------------------------

    def report(self, invitation: Invitation) -> Report:
        """Charge and release this organisation's statistics, once; afterwards the same report again."""
        roster = Roster.from_bytes(invitation.roster)
        if roster.coordinator != self._coordinator:
            raise PeerError("a roster under another coordinator", culprit=self._coordinator.name)
        if self._identity.public not in roster.members:
            raise PeerError("a roster without this organisation", culprit=self._coordinator.name)
        schema = _schema(invitation.schema)
        invited = invitation.to_bytes()
        if (self._books.recall(self._training, "invitation") or invited) != invited:
            raise PeerError("a second invitation to the same training on other terms", culprit=self._coordinator.name)
        budget = self._books.plan(self._training, self._epsilon, unit_rows=self._records.unit_rows)
        self._books.remember(self._training, "invitation", invited)
        self._budget, self._roster = budget, roster
        stored = self._books.recall(self._training, "report")
        if stored is None:
            stored = self._books.remember(self._training, "report", self._measure(schema, budget).to_bytes())
        return Report.from_bytes(stored)

    def _measure(self, schema: Schema, budget: TrainingBudget) -> Report:
        counting = EXAMPLES_SHARE * budget.pure_epsilon if schema.blocks else 0.0
        self._settle_blocks(schema, counting, budget.unit_rows)
        epsilon = budget.pure_epsilon - counting
        self._books.charge(
            self._training,
            f"{self._training}/calibration",
            calibration_event(epsilon, unit_rows=budget.unit_rows),
        )
        calibration = calibrate(
            calibration_records(self._records, schema),
            epsilon,
            unit_rows=budget.unit_rows,
            random_bytes=self._random_bytes,
        )
        return Report(
            calibration=calibration,
            categories=self._name_categories(schema, budget),
            epsilon=budget.epsilon,
            delta=budget.delta,
            mu=budget.record_mu,
        )

    def _settle_blocks(self, schema: Schema, epsilon: float, unit_rows: int) -> None:
        """Decide once for which of its feature blocks this organisation has enough examples, by charged noisy counts.

        The decision leaves only as zeros under encryption, but leave it does. Who has none of the blocks has
        nothing to count and pays nothing.
        """
        held = sorted(blocks_of(schema, self._records.data, self.name))
        if held and self._books.recall(self._training, "blocks") is None:
            # A record may count for every block, and a unit has so many records.
            sensitivity = unit_rows * len(held)
            event = counts_event(epsilon, len(held), "counts of examples by feature block", sensitivity=sensitivity)
            self._books.charge(self._training, f"{self._training}/examples", event)
            examples = block_examples(schema, self._records.data, self._records.training)
            exact = [examples[block] for block in held]
            noisy = noisy_counts(exact, epsilon, sensitivity=sensitivity, random_bytes=self._random_bytes)
            enough = [block for block, count in zip(held, noisy, strict=True) if enough_examples(count)]
            self._books.remember(self._training, "blocks", json.dumps(enough).encode())

    def _blocks(self) -> frozenset[str]:
        """The blocks this organisation answers for in this training."""
        return frozenset(json.loads(self._books.recall(self._training, "blocks") or b"[]"))

    def _name_categories(self, schema: Schema, budget: TrainingBudget) -> dict[str, tuple[str, ...]]:
        fields = schema.unknown_categories
        if not fields:
            return {}
        plan = plan_domains(
            mu=budget.learning_mu * math.sqrt(DOMAIN_SHARE),
            fields=len(fields),
            threshold_delta=budget.domain_delta,
            unit_rows=budget.unit_rows,
        )
        self._books.charge(self._training, f"{self._training}/categories", plan.event("names of categories"))
        rows, data = self._records.training, self._records.data
        named = {}
        for field in fields:
            values = [value or None for value in category_values(schema, data, rows, field)]
            named[field] = tuple(release_domain(values, plan, self._random_bytes))
        return named

    def agree(self, agreement: Agreement) -> None:
        """Take the federation's schema; the first agreement of a training stands."""
        if self._budget is None and (invited := self._books.recall(self._training, "invitation")) is not None:
            self.report(Invitation.from_bytes(invited))  # a restart lies between
        if self._budget is None:
            raise UnexpectedMessage("an agreement before an invitation", culprit=self._coordinator.name)
        schema, body = _schema(agreement.schema), agreement.to_bytes()
        if self._books.remember(self._training, "agreement", body) != body:
            raise PeerError("a second agreement that differs from the first", culprit=self._coordinator.name)
        report = Report.from_bytes(self._books.recall(self._training, "report") or b"")
        table = schema.encode(self._records.data, self._records.training)
        self._respondent = HistogramRespondent(
            schema,
            table.X,
            table.y,
            local_intercept(report.calibration, agreement.base_rate),
            self._blocks(),
        )

    # --- rounds ----------------------------------------------------------------------------------

    def contribute(self, request: RoundRequest, contributors: tuple[str, ...]) -> NDArray[np.int64]:
        """This participant's weighted noisy integers for a request, (query.length,); charged before they are drawn.

        The same request with the same contributors gets the very same integers, at no further cost.
        """
        respondent, budget = self._ready()
        weight = request.weights[self.name]
        key = self._key(request, contributors)
        event = GaussianRelease.of_query(
            request.query, mu=budget.learning_mu, blocks=respondent.blocks, unit_rows=budget.unit_rows
        )

        def draw() -> NDArray[np.int64]:
            scale = request.query.noise_scale(budget.record_mu, respondent.blocks)
            noise = rounded_gaussian(scale, request.query.length, self._random_bytes)
            noisy: NDArray[np.int64] = exact + noise
            return noisy

        try:
            exact = respondent.answer(request.query)
        except ValueError as error:
            raise MalformedMessage(
                f"a query that cannot be answered: {error}", culprit=self._coordinator.name
            ) from error
        return weight * self._books.release(self._training, request.round, key, event, draw)

    def _open(self, message: bytes) -> bytes:
        self._ready()
        roster = self._roster
        if roster is None:
            raise UnexpectedMessage("an attempt before an invitation", culprit=self._coordinator.name)
        attempt = ParticipantAttempt(
            self._identity, roster, self._journal, random_bytes=self._key_bytes, parameters=self._parameters
        )
        reply = attempt.handle(message)
        terms = attempt.terms
        if reply is None or terms is None:
            raise UnexpectedMessage("an attempt begins with its terms", culprit=self._coordinator.name)
        request = RoundRequest.from_bytes(terms.request)
        if (request.training, request.round) != (self._training, terms.id.round) or terms.id.training != self._training:
            raise PeerError("a request of another training or round", culprit=self._coordinator.name)
        if terms.coordinates != request.query.length or terms.magnitude != request.magnitude:
            raise PeerError("terms that do not fit their request", culprit=self._coordinator.name)
        if self.name not in request.weights:
            raise PeerError("a request without this organisation's weight", culprit=self._coordinator.name)
        self._attempt, self._request = attempt, request
        return reply

    def _continue(self, message: bytes) -> bytes:
        attempt, request = self._attempt, self._request
        if attempt is None or request is None or attempt.terms is None:
            # Keys and shares live in memory only: after a restart this attempt goes on without us.
            raise UnexpectedMessage("no attempt is open here", culprit=self._coordinator.name)
        reply = attempt.handle(message)
        if reply is not None:
            return reply
        contributors = attempt.contributors
        self._books.admit(self._training, request.round, attempt.terms.id.attempt, self._key(request, contributors))
        return attempt.upload(self.contribute(request, contributors))

    def _key(self, request: RoundRequest, contributors: tuple[str, ...]) -> str:
        """What makes two requests identical: everything asked, and who counts."""
        body = request.to_bytes()
        who = b"".join(hashlib.sha256(name.encode()).digest() for name in sorted(contributors))
        return hashlib.sha256(len(body).to_bytes(8, "big") + body + who).hexdigest()

    def _ready(self) -> tuple[Respondent, TrainingBudget]:
        if self._respondent is None and (agreed := self._books.recall(self._training, "agreement")) is not None:
            self.agree(Agreement.from_bytes(agreed))  # a restart lies between
        if self._respondent is None or self._budget is None:
            raise UnexpectedMessage("a round before an agreement", culprit=self._coordinator.name)
        return self._respondent, self._budget


def calibration_records(records: Records, schema: Schema) -> CalibrationRecords:
    """What calibration counts, a row each: label, share of filled fields, recency, whether the label is an event.

    Fields that the organisation's systems do not have say nothing of how well it keeps its records.
    """
    data, rows = records.data, records.training
    own = [data.columns[c] for c in _sources(schema) if c in data.columns]
    filled = np.zeros(len(rows))
    for column in own:
        filled += column.texts(rows) != ""
    filled /= max(len(own), 1)
    recency = np.ones(len(rows))
    if data.activity_date is not None:
        age = np.maximum(records.as_of - data.activity_date[rows] - RECENCY_DAYS, 0.0)
        recency = np.nan_to_num(np.exp(-age / RECENCY_DAYS))
    definitive = np.ones(len(rows), dtype=bool)
    if data.label_source is not None:
        definitive = data.label_source[rows] == "definitive"
    return CalibrationRecords(data.label[rows] == 1, filled, recency, definitive)


def local_intercept(calibration: Calibration, base_rate: float) -> float:
    """An organisation's own log-odds from its charged counts, shrunk to the federation's by the counts' own noise.

    A hundred rows' worth of the common rate, and more where the noise is worth more rows than that.
    """
    rows = max(calibration.rows.value, 1.0)
    variance = base_rate * (1.0 - base_rate)
    prior = 100.0 + calibration.positives.standard_error**2 / max(rows * variance, 1.0)
    rate = (max(calibration.positives.value, 0.0) + prior * base_rate) / (rows + prior)
    rate = min(max(rate, 0.005), 0.995)
    return math.log(rate / (1.0 - rate))


def _sources(schema: Schema) -> list[str]:
    return sorted({source for field in schema.fields for source in field.source})


def _schema(text: str) -> Schema:
    try:
        return Schema.from_json(text)
    except ValueError as error:
        raise MalformedMessage("not a schema") from error


def _round_number(body: bytes) -> int:
    try:
        return int(body)
    except ValueError as error:
        raise MalformedMessage("not a round number") from error
