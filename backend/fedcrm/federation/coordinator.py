"""The coordinator: invites, agrees on a schema, and runs rounds until the learner has no more questions.

It sees charged statistics, ciphertexts and opened noisy sums. Every step is checkpointed; started again after
a kill it goes on with the round it was in, and participants that are asked the same thing send the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from fedcrm.boosting import FederatedModel, Settings, TermsLearner, restore_learner, start_learner
from fedcrm.errors import TooFewParticipants, TrainingStopped
from fedcrm.features import Schema
from fedcrm.federation.checkpoint import Checkpoint, Store
from fedcrm.federation.messages import Agreement, Invitation, Report, RoundRequest
from fedcrm.federation.participant import DOMAIN_SHARE
from fedcrm.federation.rounds import RoundResult, Rounds
from fedcrm.federation.weighting import UNIT, Standing, WeightSettings, integer_weights, quality_multipliers
from fedcrm.learning import Aggregate, Query

__all__ = ["Coordinator", "RoundFacts", "TrainingTerms", "merge_categories", "public_magnitude"]

CATEGORY_LIMIT = 60
"""Names a field keeps; what is rarer folds into "other"."""


@dataclass(frozen=True)
class TrainingTerms:
    """What the coordinator fixes before a training. schema: proposed, categories and ranges possibly unknown."""

    training: str
    task: str
    schema: Schema
    learner: Settings = field(default_factory=Settings)
    weights: WeightSettings = field(default_factory=WeightSettings)
    participants_needed: int = 3


@dataclass(frozen=True, slots=True)
class RoundFacts:
    """What the report shows of a round; charged or public figures only."""

    round: int
    purpose: str
    coordinates: int
    share: float
    contributors: int
    attempts: int
    seconds: Mapping[str, float]
    bytes_moved: Mapping[str, int]


class Coordinator:
    """One training. `rounds` carries a request out; `store` remembers."""

    def __init__(self, terms: TrainingTerms, store: Store) -> None:
        self.terms, self._store = terms, store
        self.facts: tuple[RoundFacts, ...] = ()

    def invitation(self, roster: bytes) -> Invitation:
        """What every participant is sent first."""
        return Invitation(self.terms.task, self.terms.schema.to_json(), roster)

    def agree(self, reports: Mapping[str, Report]) -> Agreement:
        """Settle schema and base rate from the participants' reports; the first settlement of a training stands."""
        if len(reports) < self.terms.participants_needed:
            raise TooFewParticipants(needed=self.terms.participants_needed, present=len(reports))
        standings = standings_of(reports)
        positives = math.fsum(max(s.calibration.positives.value, 0.0) for s in standings.values())
        rows = math.fsum(s.rows for s in standings.values())
        schema = self.terms.schema.with_categories(
            merge_categories({name: report.categories for name, report in reports.items()}),
            provenance="released privately by the participants",
        )
        agreement = Agreement(schema.to_json(), min(max(positives / rows, 0.005), 0.995))
        return Agreement.from_bytes(self._store.remember("agreement", agreement.to_bytes()))

    def train(
        self,
        reports: Mapping[str, Report],
        agreement: Agreement,
        rounds: Rounds,
        *,
        on_round: Callable[[RoundFacts, tuple[int, int]], None] = lambda _facts, _progress: None,
        close: Callable[[int], None] = lambda _round: None,
    ) -> FederatedModel:
        """Run the rounds that are left and return the model.

        Stops early, with the model as it stands, where too few participants can still afford a round.
        """
        standings = standings_of(reports)
        checkpoint = self._store.latest()
        if checkpoint is None:
            learner, number = self._new_learner(standings, agreement), 0
        else:
            learner, number = restore_learner(checkpoint.learner), checkpoint.round
            self.facts = tuple(RoundFacts(**facts) for facts in checkpoint.facts)  # type: ignore[arg-type]  # our own JSON
            close(number)
        while (query := learner.next_query()) is not None:
            number += 1
            request = self.request(number, query, standings)
            try:
                result = self._trusted(rounds, request, learner, standings)
            except TrainingStopped as stopped:
                self._store.note("training ends early", round=number, reason=str(stopped))
                if number <= 2:
                    raise
                break
            learner.absorb(_aggregate(request, result, standings))
            fact = RoundFacts(
                number,
                query.purpose,
                query.length,
                query.share(frozenset(s.block for s in query.structures if s.block)),
                len(result.contributors),
                result.attempts,
                dict(result.seconds),
                dict(result.bytes_moved),
            )
            self.facts = (*self.facts, fact)
            self._store.save(Checkpoint(number, learner.state(), tuple(_as_json(f) for f in self.facts)))
            close(number)
            on_round(fact, learner.progress)
        return learner.model()

    def request(self, number: int, query: Query, standings: Mapping[str, Standing]) -> RoundRequest:
        """A round's request: the learner's query with weights and lanes from charged figures."""
        quality = quality_multipliers(standings, self.terms.weights.quality)
        weights = integer_weights(query, standings, self.terms.weights, quality)
        return RoundRequest(
            self.terms.training, number, query, weights, UNIT, public_magnitude(query, standings, weights)
        )

    def _new_learner(self, standings: Mapping[str, Standing], agreement: Agreement) -> TermsLearner:
        signal = math.sqrt(math.fsum((s.rows * s.mu) ** 2 for s in standings.values()))
        return start_learner(
            Schema.from_json(agreement.schema),
            agreement.base_rate,
            self.terms.learner,
            signal,
            math.fsum(s.rows for s in standings.values()),
            1.0 - (DOMAIN_SHARE if self.terms.schema.unknown_categories else 0.0),
        )

    def _trusted(
        self, rounds: Rounds, request: RoundRequest, learner: TermsLearner, standings: Mapping[str, Standing]
    ) -> RoundResult:
        """Run a round, once more where its sum cannot be one of honest histograms, then stop."""
        result = rounds.run(request)
        suspicion = learner.suspicious(_aggregate(request, result, standings))
        if suspicion is None:
            return result
        self._store.note("suspicious sum", round=request.round, reason=suspicion)
        result = rounds.run(request)
        suspicion = learner.suspicious(_aggregate(request, result, standings))
        if suspicion is not None:
            raise TrainingStopped(f"round {request.round}: {suspicion}")
        return result


def standings_of(reports: Mapping[str, Report]) -> dict[str, Standing]:
    """What the reports say of each participant."""
    return {name: Standing(r.calibration, r.mu) for name, r in reports.items()}


def merge_categories(released: Mapping[str, Mapping[str, tuple[str, ...]]]) -> dict[str, tuple[str, ...]]:
    """One list of names a field, sorted: the CATEGORY_LIMIT that most participants released, then by rank and name.

    Sorted, so that a schema says nothing of counts and two that agree on the names have the same codes.
    """
    standing: dict[str, dict[str, tuple[int, int]]] = {}
    for fields in released.values():
        for name, categories in fields.items():
            entry = standing.setdefault(name, {})
            for rank, category in enumerate(categories):
                votes, best = entry.get(category, (0, rank))
                entry[category] = (votes + 1, min(best, rank))
    return {
        name: tuple(sorted(sorted(entry, key=lambda c: (-entry[c][0], entry[c][1], c))[:CATEGORY_LIMIT]))
        for name, entry in standing.items()
    }


def public_magnitude(query: Query, standings: Mapping[str, Standing], weights: Mapping[str, int]) -> int:
    """Bound on any participant's weighted noisy entry, from charged counts; wrong more rarely than 2^-40.

    Row counts get 20 standard errors, which for two geometric noises is past 2^-40; Gaussian noise gets 9,
    which is past 2^-40 over a million entries.
    """
    blocks = frozenset(s.block for s in query.structures if s.block)
    bound = 1
    for name, weight in weights.items():
        standing = standings[name]
        rows = standing.rows + 20.0 * standing.calibration.rows.standard_error
        noise = float(np.max(query.noise_scale(standing.mu, blocks))) if math.isfinite(standing.mu) else 0.0
        bound = max(bound, weight * (math.ceil(rows) * query.magnitude + math.ceil(9.0 * noise)))
    return bound


def _aggregate(request: RoundRequest, result: RoundResult, standings: Mapping[str, Standing]) -> Aggregate:
    query = request.query
    blocks = frozenset(s.block for s in query.structures if s.block)
    variance = np.zeros(query.length)
    for name in result.contributors:
        if math.isfinite(standings[name].mu):
            # Nobody tells who lacks a block, so its noise is taken for everybody's: an upper bound.
            scale = query.noise_scale(standings[name].mu, blocks)
            variance += request.weights[name] ** 2 * (scale**2 + 1.0 / 12.0)
    counted = {name: request.weights[name] for name in result.contributors}
    return Aggregate(result.sums, variance, counted, request.unit)


def _as_json(facts: RoundFacts) -> dict[str, object]:
    return {name: getattr(facts, name) for name in RoundFacts.__slots__}
