"""Every method on one split of one data set, under the same conditions.

All methods see the same rows: federated training the train rows, everything else (own models, stacks, pooled
training) train and validation rows; test rows are scored once, here. Methods with privacy encode by the schema
that was agreed privately, methods without by public ranges and categories, or by those in the rows where there
are none. What an organisation does at home with its own rows is not held to what it may tell others.

Participants whose test part has fewer than five of either class take part but are not judged.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedcrm.boosting import FederatedModel, HomeModel, LocalModel, Settings, home_folds
from fedcrm.errors import DataSetError
from fedcrm.evaluation.baselines import fit_central
from fedcrm.evaluation.metrics import auc, mean_over_participants, spearman, spearman_attainable
from fedcrm.evaluation.runs import Method, Run
from fedcrm.evaluation.simulation import Federation, train_noiseless, train_private
from fedcrm.features import (
    DataSet,
    Part,
    Schema,
    blocks_of,
    observed_categories,
    observed_ranges,
    propose_schema,
    split,
)
from fedcrm.federation.home_schema import home_schema, unit_numbers
from fedcrm.federation.weighting import WeightSettings

__all__ = ["WEIGHTS", "Judged", "Plan", "compare"]

WEIGHTS: Mapping[Method, WeightSettings] = {
    Method.FEDERATED: WeightSettings(),
    Method.FEDERATED_VOLUME: WeightSettings(inverse_variance=False),
    Method.FEDERATED_UNIFORM: WeightSettings(inverse_variance=False, alpha=-1.0),
}
"""The three ways of weighing participants: the product's, by rows alone, and every organisation alike."""

SEEN_ONCE = 2
"""Names with fewer rows than this in the whole federation teach nobody anything; methods without privacy skip them."""


@dataclass(frozen=True)
class Plan:
    """What is compared. epsilons: of whole trainings. delta: of each. encrypted: run the whole protocol."""

    epsilons: tuple[float, ...]
    delta: float = 1e-5
    by_time: bool = False
    encrypted: bool = False
    learner: Settings = field(default_factory=Settings)

    @property
    def rows(self) -> tuple[tuple[Method, float | None], ...]:
        """(method, epsilon) of every row of a seed, in order."""
        private = [*WEIGHTS, Method.PERSONAL, Method.CHOSEN]
        without = (Method.LOCAL, Method.CENTRAL, Method.FEDERATED_NOISELESS, Method.PERSONAL, Method.CHOSEN)
        return (*((m, None) for m in without), *((m, e) for e in self.epsilons for m in private))


@dataclass(frozen=True, slots=True)
class Judged:
    """One seed: its rows, in the plan's order, and who was not judged."""

    left_out: tuple[str, ...]
    runs: tuple[Run, ...]


def compare(
    data: DataSet, seed: int, plan: Plan, advance: Callable[[Method, float | None], None] = lambda _m, _e: None
) -> Judged:
    """Run every method of the plan. advance: called after each row.

    Deterministic in (data, seed, plan), but for the seconds. Raises DataSetError where nobody can be judged,
    and a FedCRMError where a training cannot be finished.
    """
    return _Bench(data, seed, plan, advance).run()


class _Bench:
    """One split and what several methods share."""

    def __init__(self, data: DataSet, seed: int, plan: Plan, advance: Callable[[Method, float | None], None]) -> None:
        self.data, self.seed, self.plan, self.advance = data, seed, plan, advance
        self.split = split(data, seed, plan.by_time)
        self.judged = tuple(name for name in self.split.participants if self.split.evaluable(name))
        if not self.judged:
            raise DataSetError(data.origin, f"no participant's test part (seed {seed}) has five of either class")
        self.home = {
            name: np.concatenate([self.split.rows(name, part) for part in (Part.TRAIN, Part.VALIDATION)])
            for name in self.split.participants
        }
        self.proposed = propose_schema(data)
        self.open = _open_schema(self.proposed, data, np.concatenate(list(self.home.values())))
        self.own: dict[tuple[str, bytes], LocalModel] = {}
        self.runs: list[Run] = []
        self.started = time.process_time()

    def run(self) -> Judged:
        """Every row of the plan, in its order."""
        self._local()
        self._central()
        weights = WEIGHTS[Method.FEDERATED]
        model = train_noiseless(self._federation(self.open), weights=weights)
        self._federated(Method.FEDERATED_NOISELESS, None, weights, model)
        self._at_home(Method.FEDERATED_NOISELESS, None, model)
        for epsilon in self.plan.epsilons:
            models = {}
            for method, weights in WEIGHTS.items():
                models[method] = train_private(
                    self._federation(self.proposed),
                    epsilon=epsilon,
                    delta=self.plan.delta,
                    weights=weights,
                    encrypted=self.plan.encrypted,
                )
                self._federated(method, epsilon, weights, models[method])
            self._at_home(Method.FEDERATED, epsilon, models[Method.FEDERATED])
        return Judged(self.split.left_out, tuple(self.runs))

    # --- methods -----------------------------------------------------------------------------------

    def _local(self) -> None:
        margins = {}
        for name in self.judged:
            own = home_schema(self.open, self.data, self.home[name])
            model = self._own_model(name, own)
            X = self._test(name, own)
            # One class only in its own rows: the organisation has nothing to rank by.
            margins[name] = np.zeros(len(X)) if model is None else model.margin(X)
        self._score(Method.LOCAL, None, margins, {"rows": "train and validation, own"})

    def _central(self) -> None:
        tables = {name: self.open.encode(self.data, rows) for name, rows in self.home.items()}
        units = {name: unit_numbers(self.data, rows) for name, rows in self.home.items()}
        model = fit_central(tables, self.open, self.seed, units)
        margins = {name: model.margin(self._test(name, self.open), name) for name in self.judged}
        self._score(Method.CENTRAL, None, margins, {"rows": "train and validation, pooled"})

    def _federated(self, method: Method, epsilon: float | None, weights: WeightSettings, model: FederatedModel) -> None:
        margins = {name: self._as_used_by(name, model).margin(self._test(name, model.schema)) for name in self.judged}
        self._score(method, epsilon, margins, {"weights": asdict(weights), "terms": len(model.terms)})

    def _at_home(self, method: Method, epsilon: float | None, model: FederatedModel) -> None:
        """The stack, and what each organisation serves by its own cross-validation."""
        stacked, served, choices = {}, {}, {}
        for name in self.judged:
            received, schema = self._as_used_by(name, model), home_schema(model.schema, self.data, self.home[name])
            X, own = self._test(name, schema), self._own_model(name, schema)
            if own is None:
                # Without both classes there is nothing to stack with: it serves what it received.
                stacked[name] = served[name] = received.margin(X)
                choices[name] = "federated"
                continue
            table = schema.encode(self.data, self.home[name])
            trained = len(self.split.rows(name, Part.TRAIN))
            home = HomeModel.fit(
                received,
                table.X[:trained],
                table.y[:trained].astype(np.float64),
                table.X[trained:],
                table.y[trained:].astype(np.float64),
                self.seed,
                own,
                unit_numbers(self.data, self.home[name]),
            )
            stacked[name], served[name], choices[name] = home.personal.margin(X), home.margin(X), str(home.chosen)
        with_ = {"federated": method.value, "epsilon": epsilon}
        self._score(Method.PERSONAL, epsilon, stacked, with_)
        self._score(Method.CHOSEN, epsilon, served, {**with_, "chosen": choices})

    # --- shared ------------------------------------------------------------------------------------

    def _federation(self, schema: Schema) -> Federation:
        return Federation(self.data, self.split, schema, self.plan.learner, self.seed)

    def _as_used_by(self, name: str, model: FederatedModel) -> FederatedModel:
        return model.restricted(blocks_of(model.schema, self.data, name))

    def _test(self, name: str, schema: Schema) -> NDArray[np.float32]:
        return schema.encode(self.data, self.split.rows(name, Part.TEST)).X

    def _own_model(self, name: str, schema: Schema) -> LocalModel | None:
        """The organisation's own strong model; fitted once for all schemas that encode its rows alike."""
        table = schema.encode(self.data, self.home[name])
        y = table.y.astype(np.float64)
        if min(y.sum(), len(y) - y.sum()) < 2:
            return None
        key = (name, hashlib.sha256(table.X.tobytes()).digest())
        if key not in self.own:
            units = unit_numbers(self.data, self.home[name])
            folds = home_folds(y, len(self.split.rows(name, Part.TRAIN)), self.seed, units)
            self.own[key] = LocalModel.fit(table.X, y, self.seed, schema, units, folds)
        return self.own[key]

    def _score(
        self,
        method: Method,
        epsilon: float | None,
        margins: Mapping[str, NDArray[np.float64]],
        with_: Mapping[str, Any],
    ) -> None:
        labels = {name: self.data.label[self.split.rows(name, Part.TEST)] for name in self.judged}
        areas = {name: auc(labels[name], margins[name]) for name in self.judged}
        ranks = limit = None
        if self.data.description.metric.spearman:
            ranks = mean_over_participants({n: spearman(labels[n], margins[n]) for n in self.judged})
            limit = mean_over_participants({n: spearman_attainable(float(labels[n].mean())) for n in self.judged})
        now = time.process_time()
        self.runs.append(Run(method, epsilon, self.seed, areas, ranks, limit, dict(with_), now - self.started))
        self.started = now
        self.advance(method, epsilon)


def _open_schema(proposed: Schema, data: DataSet, rows: NDArray[np.int64]) -> Schema:
    """The schema of methods without privacy; names sorted, as in a schema that was agreed."""
    names = observed_categories(proposed, data, rows, SEEN_ONCE)
    schema = proposed.with_categories({field: sorted(found) for field, found in names.items()}, provenance="observed")
    return schema.with_ranges(observed_ranges(proposed, data, rows), provenance="observed")
