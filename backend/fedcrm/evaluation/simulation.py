"""One training among simulated organisations, all in this process: privately, or without any noise.

A private training runs the coordinator and participants that a federation runs, over plain sums or over the
whole encrypted protocol. Its noise is a simulation: the bytes come from a seeded generator, so that results
repeat and methods are compared under the same noise. Nothing trained here may be released.

The training without noise is the ceiling that noise is measured against. It is written here, beside the
participants and not in them: what ships has no way of answering without noise.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedcrm.boosting import FederatedModel, HistogramRespondent, Settings, start_learner
from fedcrm.errors import TrainingStopped
from fedcrm.features import DataSet, Part, Schema, Split, block_examples
from fedcrm.federation.books import SimulatedBooks
from fedcrm.federation.checkpoint import MemoryStore
from fedcrm.federation.coordinator import Coordinator, TrainingTerms
from fedcrm.federation.participant import Participant, Records, calibration_records, local_intercept
from fedcrm.federation.rounds import PlainRounds
from fedcrm.federation.training import train
from fedcrm.federation.transport.local import LocalChannel
from fedcrm.federation.weighting import UNIT, Standing, WeightSettings, integer_weights, quality_multipliers
from fedcrm.learning import Aggregate
from fedcrm.privacy import Calibration, CalibrationRecords, Estimate, enough_examples
from fedcrm.secagg import Identity, MemoryJournal, Roster

__all__ = ["Federation", "exact_calibration", "seeded_bytes", "train_noiseless", "train_private"]

_TRAINING = "evaluation"
_COORDINATOR = "coordinator of the evaluation"


@dataclass(frozen=True)
class Federation:
    """Who trains on what. Only train rows take part; validation and test rows are never touched here.

    seed: chooses noise and keys; the same seed, epsilon and weights give the same model.
    """

    data: DataSet
    split: Split
    schema: Schema
    learner: Settings = field(default_factory=Settings)
    seed: int = 0

    def records(self, participant: str) -> Records:
        """One organisation's records as a participant holds them."""
        dates = self.data.activity_date
        known = np.array([]) if dates is None else dates[np.isfinite(dates)]
        return Records(
            self.data,
            self.split.rows(participant, Part.TRAIN),
            self.split.rows(participant, Part.VALIDATION),
            as_of=float(known.max()) if len(known) else 0.0,  # a table of the past is as of its newest record
        )


def seeded_bytes(*words: object) -> Callable[[int], bytes]:
    """A stream of bytes that these words determine. For simulations only: anybody could draw it again."""
    digest = hashlib.sha256("\0".join(map(str, words)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest, "big")).bytes


# --- with privacy --------------------------------------------------------------------------------


def train_private(
    federation: Federation,
    *,
    epsilon: float,
    delta: float,
    weights: WeightSettings,
    encrypted: bool = False,
    k_min: int = 0,
    quorum: int = 0,
) -> FederatedModel:
    """Train as a federation does, each participant under a budget of (epsilon, delta), its unit one record.

    Noise depends on the seed, the epsilon and the participant only, so that weightings are compared under the
    same noise and statistics. k_min, quorum: of the encrypted protocol, 0 for the defaults.

    Raises a FedCRMError where the training cannot be finished by everybody.
    """
    noise = ("noise", federation.data.description.name, federation.seed, epsilon)
    keys = ("keys", federation.data.description.name, federation.seed, epsilon)
    coordinator = Identity.generate(_COORDINATOR, seeded_bytes(*keys, _COORDINATOR))
    books = {name: SimulatedBooks(name, delta=delta) for name in federation.split.participants}
    participants: dict[str, Participant] = {}
    identities: dict[str, Identity] = {}
    for name in federation.split.participants:
        source = seeded_bytes(*keys, name)
        identities[name] = Identity.generate(name, source)
        participants[name] = Participant(
            identities[name],
            coordinator.public,
            federation.records(name),
            books[name],
            MemoryJournal(),
            training=_TRAINING,
            epsilon=epsilon,
            random_bytes=seeded_bytes(*noise, name),
            key_bytes=source,
        )
    roster = Roster(coordinator.public, tuple(identity.public for identity in identities.values()))
    store = MemoryStore()
    terms = TrainingTerms(_TRAINING, federation.data.description.task, federation.schema, federation.learner, weights)
    chair = Coordinator(terms, store)
    if encrypted:
        channel = LocalChannel(participants)
        trained = train(chair, coordinator, roster, channel, store, k_min=k_min, quorum=quorum)
        model, reports = trained.model, trained.reports
    else:
        invitation = chair.invitation(roster.to_bytes())
        reports = {name: participant.report(invitation) for name, participant in participants.items()}
        agreement = chair.agree(reports)
        for participant in participants.values():
            participant.agree(agreement)

        def close(number: int) -> None:
            for book in books.values():
                book.close_round(_TRAINING, number)

        model = chair.train(reports, agreement, PlainRounds(participants), close=close)
    _everybody_took_part(chair, participants, reports, store)
    return model


def _everybody_took_part(
    chair: Coordinator, participants: Mapping[str, object], reports: Mapping[str, object], store: MemoryStore
) -> None:
    """An evaluation is of the whole federation: a model of some of it would be filed under the wrong name."""
    if len(reports) == len(participants) and all(f.contributors == len(participants) for f in chair.facts):
        return
    why = "; ".join(str(facts.get("reason", "")) for _, facts in store.notes) or "no reason was given"
    raise TrainingStopped(f"a simulated training was not finished by everybody: {why}")


# --- without ---------------------------------------------------------------------------------------


def train_noiseless(federation: Federation, *, weights: WeightSettings) -> FederatedModel:
    """The same learner on exact sums, with exact calibration figures.

    The schema must have its categories; ranges that it lacks are asked for, as in a private training.
    """
    schema, names = federation.schema, federation.split.participants
    records = {name: federation.records(name) for name in names}
    calibrations = {name: exact_calibration(calibration_records(records[name], schema)) for name in names}
    standings = {name: Standing(calibrations[name], math.inf) for name in names}
    rows = math.fsum(s.rows for s in standings.values())
    positives = math.fsum(c.positives.value for c in calibrations.values())
    learner = start_learner(schema, positives / rows, federation.learner, math.inf, rows)
    respondents = {}
    for name in names:
        table = schema.encode(federation.data, records[name].training)
        intercept = local_intercept(calibrations[name], positives / rows)
        counts = block_examples(schema, federation.data, records[name].training)
        blocks = frozenset(block for block, count in counts.items() if enough_examples(Estimate(count, 0.0)))
        respondents[name] = HistogramRespondent(schema, table.X, table.y, intercept, blocks)
    quality = quality_multipliers(standings, weights.quality)
    while (query := learner.next_query()) is not None:
        factors = integer_weights(query, standings, weights, quality)
        sums = np.zeros(query.length, dtype=np.int64)
        for name, respondent in respondents.items():
            sums += factors[name] * respondent.answer(query)
        learner.absorb(Aggregate(sums, np.zeros(query.length), factors, UNIT))
    return learner.model()


def exact_calibration(records: CalibrationRecords) -> Calibration:
    """The figures of `fedcrm.privacy.calibrate` without its noise and without shrinkage. NOT private."""
    rows, positives = len(records.positive), int(np.sum(records.positive))

    def mean(values: NDArray[Any]) -> Estimate:
        return Estimate(float(np.mean(values)) if rows else 1.0, 0.0)

    return Calibration(
        positives=Estimate(float(positives), 0.0),
        negatives=Estimate(float(rows - positives), 0.0),
        completeness=mean(records.filled),
        recency=mean(records.recency),
        label_reliability=mean(records.definitive),
    )
