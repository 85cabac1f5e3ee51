"""The main job on one machine: nine organisations train one model, each under its own budget, and compare.

Every step leaves what it made behind before the next begins, so a run that was killed goes on where it was:

    OUT/demo.json           the options, fixed when the run began
    OUT/nodes/NAME/         one node an organisation
    OUT/coordinator/        checkpoints, reports, audit log
    OUT/comparison/         pooled training without privacy, for comparison only
    OUT/results.json, model.ubj, model.json, model_card.md, report.html
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from fedcrm.boosting import FederatedModel, HomeModel, Settings, to_booster
from fedcrm.errors import SettingsError, StorageError
from fedcrm.evaluation.baselines import fit_central
from fedcrm.evaluation.effects import field_effects, pair_names
from fedcrm.evaluation.locking import only_one
from fedcrm.evaluation.metrics import auc, mean_over_participants, spearman, spearman_attainable
from fedcrm.evaluation.report import render_model_card, render_report
from fedcrm.evaluation.results import Charges, DemoResults, OrganisationResult
from fedcrm.evaluation.telco import telco_demo
from fedcrm.evaluation.workers import one_thread_each, settle_in
from fedcrm.features import DataSet, Part, Schema, Split, blocks_of, load_data_set, propose_schema, split
from fedcrm.federation import (
    Adoption,
    Coordinator,
    CoordinatorStore,
    Gate,
    LocalChannel,
    Node,
    NodeBooks,
    NodeSettings,
    Participant,
    Quality,
    Records,
    RoundFacts,
    Serves,
    Trained,
    TrainingTerms,
    Verdict,
    WeightSettings,
    adopt,
    directory_name,
    standings_of,
    train,
    unit_names,
    unit_numbers,
)
from fedcrm.files import write_atomically
from fedcrm.privacy import Cost, bound_rows_per_unit
from fedcrm.secagg import Identity, Roster, default_k_min, default_quorum

__all__ = ["DemoOptions", "Progress", "run_demo"]

DELTA = 1e-5


@dataclass(frozen=True)
class DemoOptions:
    """What a demo was asked for. data: directory of a data set, None for the built-in telco table.

    epsilon: of one training, by organisation where epsilon_per_org names it; each new node's budget too.
    unit:    the data set's column of privacy units, to protect whole units of at most max_per_unit rows;
             None: the unit is one record.
    """

    out: Path
    task: str | None = None
    data: Path | None = None
    epsilon: float = 8.0
    epsilon_per_org: Mapping[str, float] = field(default_factory=dict)
    seed: int = 1
    fast: bool = False
    k_min: int = 0
    gate: Gate = Gate.BOOTSTRAP
    quality: Quality = Quality.MEASURED
    unit: str | None = None
    max_per_unit: int = 1
    jobs: int = 2

    def fixed(self) -> dict[str, object]:
        """What must be the same when the run is resumed."""
        return {
            "task": self.task,
            "data": None if self.data is None else str(self.data.resolve()),
            "epsilon": self.epsilon,
            "epsilon_per_org": dict(self.epsilon_per_org),
            "seed": self.seed,
            "fast": self.fast,
            "k_min": self.k_min,
            "gate": str(self.gate),
            "quality": str(self.quality),
            "unit": self.unit,
            "max_per_unit": self.max_per_unit,
        }


class Progress:
    """What a caller may show while a demo runs; this one shows nothing."""

    def begin(self, step: str, total: int) -> None:
        """A step of so many parts begins."""

    def advance(self, step: str, done: int, total: int) -> None:
        """So many parts of a step are done; total may have changed."""


def run_demo(options: DemoOptions, *, resume: bool = False, progress: Progress | None = None) -> DemoResults:
    """Run, or go on with, a demo. Raises SettingsError on options that cannot be, before anything is made."""
    show = progress or Progress()
    data = telco_demo() if options.data is None else load_data_set(options.data, options.task)
    if options.data is None and options.task not in (None, data.description.task):
        raise SettingsError(f"the built-in table is a {data.description.task} task; give --data for {options.task}")
    _check(options, data)
    _begin(options, resume=resume)
    with only_one(options.out / ".lock", options.out):
        return _run(options, data, show)


def _run(options: DemoOptions, data: DataSet, show: Progress) -> DemoResults:
    clock = _Clock()
    parts = split(data, options.seed)
    schema = propose_schema(data)
    training = f"{data.description.task} {data.description.name} seed {options.seed}"
    show.begin("nodes", len(data.participants))
    with _open_nodes(options, data, show) as nodes, _Coordinating(options.out) as desk:
        with clock.measure("training"):
            trained = _train(options, data, parts, schema, training, nodes, desk, show)
        _write_model(options.out, trained.model)
        records = {name: _records(options, data, parts, name) for name in nodes}
        with clock.measure("at home"):
            adoptions, central = _at_home(options, trained.model, nodes, records, data, parts, show)
        results = _results(options, data, parts, trained, nodes, adoptions, central, desk, clock)
    _publish(options.out, data, results, central)
    return results


# --- before ------------------------------------------------------------------------------------------


def _check(options: DemoOptions, data: DataSet) -> None:
    n = len(data.participants)
    if not (math.isfinite(options.epsilon) and options.epsilon > 0):
        raise SettingsError(f"epsilon is a positive number, not {options.epsilon}; smaller is stronger privacy")
    if n < 3:
        raise SettingsError(f"{n} organisations cannot hide each other's updates; a federation has at least 3")
    if options.k_min and not default_quorum(n) <= options.k_min <= n:
        raise SettingsError(
            f"k_min {options.k_min} is outside {default_quorum(n)}..{n}: the quorum and the number of organisations"
        )
    if strangers := sorted(set(options.epsilon_per_org) - set(data.participants)):
        raise SettingsError(f"no such organisation: {', '.join(strangers)}")
    for name, epsilon in options.epsilon_per_org.items():
        if not (math.isfinite(epsilon) and epsilon > 0):
            raise SettingsError(f"{name}: epsilon is a positive number, not {epsilon}")
    for name in data.participants:
        directory_name(name)
    if options.unit is not None and options.unit != data.description.unit:
        raise SettingsError(
            f"the data set's privacy unit is {data.description.unit or 'the record'}, not {options.unit}"
        )
    if options.max_per_unit < 1 or (options.max_per_unit > 1 and options.unit is None):
        raise SettingsError("--max-per-unit is at least 1 and goes with --unit")
    parts = split(data, options.seed)
    if not any(parts.evaluable(name) for name in data.participants):
        raise SettingsError(
            "no organisation has five positives and five negatives in its test part: nothing to compare"
        )


def _begin(options: DemoOptions, *, resume: bool) -> None:
    """Make OUT, or check that it is the run to go on with."""
    path = options.out / "demo.json"
    fixed = json.dumps(options.fixed(), indent=1, sort_keys=True) + "\n"
    if not options.out.exists():
        try:
            options.out.mkdir(parents=True)
        except OSError as error:
            raise StorageError(f"{options.out}: {error.strerror}") from error
        write_atomically(path, fixed.encode())
        return
    if not resume:
        raise SettingsError(f"{options.out} exists; give another --out, or --resume to go on with it")
    try:
        before = path.read_text("utf-8")
    except FileNotFoundError as error:
        raise SettingsError(f"{options.out} holds no demo to go on with") from error
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}") from error
    if before != fixed:
        raise SettingsError(f"{options.out} was begun with other options; see {path}")


@contextmanager
def _open_nodes(options: DemoOptions, data: DataSet, show: Progress) -> Iterator[dict[str, Node]]:
    home = options.out / "nodes"
    home.mkdir(exist_ok=True)
    nodes: dict[str, Node] = {}
    try:
        for name in data.participants:
            directory = home / directory_name(name)
            if directory.exists():
                nodes[name] = Node.open(directory)
            else:
                settings = NodeSettings(
                    organisation=name,
                    epsilon_budget=options.epsilon_per_org.get(name, options.epsilon),
                    delta=DELTA,
                    unit=options.unit or "record",
                    period="demo",
                )
                nodes[name] = Node.create(directory, settings)
            show.advance("nodes", len(nodes), len(data.participants))
        yield nodes
    finally:
        for node in nodes.values():
            node.close()


class _Coordinating:
    """The coordinator's directory: its identity and its store."""

    def __init__(self, out: Path) -> None:
        home = out / "coordinator"
        home.mkdir(exist_ok=True, mode=0o700)
        path = home / "identity"
        if not path.exists():
            write_atomically(path, Identity.generate("coordinator").to_secret_bytes(), mode=0o600)
        self.identity = Identity.from_secret_bytes(path.read_bytes())
        self.store = CoordinatorStore(home / "coordinator.sqlite")

    def __enter__(self) -> _Coordinating:
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()


def _records(options: DemoOptions, data: DataSet, parts: Split, name: str) -> Records:
    training = parts.rows(name, Part.TRAIN)
    if options.unit is not None:
        # Which rows of a unit take part is a split, not a secret: seeded, so that a resumed run draws the same.
        units = unit_names(data, training)
        if units is not None:
            kept = bound_rows_per_unit(units, options.max_per_unit, np.random.default_rng(options.seed))
            training = training[kept]
    return Records(
        data,
        training,
        parts.rows(name, Part.VALIDATION),
        as_of=_as_of(data),
        unit_rows=options.max_per_unit,
    )


def _as_of(data: DataSet) -> float:
    """When recency is measured: for a table of the past, its newest activity; one person owns all of it here."""
    dates = data.activity_date
    known = np.array([]) if dates is None else dates[np.isfinite(dates)]
    return float(known.max()) if len(known) else 0.0


# --- training ----------------------------------------------------------------------------------------


def _train(
    options: DemoOptions,
    data: DataSet,
    parts: Split,
    schema: Schema,
    training: str,
    nodes: Mapping[str, Node],
    desk: _Coordinating,
    show: Progress,
) -> Trained:
    participants = {
        name: Participant(
            node.identity,
            desk.identity.public,
            _records(options, data, parts, name),
            NodeBooks(node),
            node.journal,
            training=training,
            epsilon=node.settings.epsilon_budget,
        )
        for name, node in nodes.items()
    }
    terms = TrainingTerms(
        training,
        data.description.task,
        schema,
        learner=Settings.fast() if options.fast else Settings(),
        weights=WeightSettings(quality=options.quality),
    )
    roster = Roster(desk.identity.public, tuple(node.identity.public for node in nodes.values()))

    def on_round(_facts: RoundFacts, done: tuple[int, int]) -> None:
        show.advance("rounds", *done)

    show.begin("rounds", 1)
    return train(
        Coordinator(terms, desk.store),
        desk.identity,
        roster,
        LocalChannel(participants),
        desk.store,
        k_min=options.k_min,
        on_round=on_round,
    )


def _write_model(out: Path, model: FederatedModel) -> None:
    write_atomically(out / "model.json", model.to_json().encode())
    write_atomically(out / "model.ubj", bytes(to_booster(model).save_raw("ubj")))


# --- at home, and the comparison ---------------------------------------------------------------------


def _at_home(
    options: DemoOptions,
    model: FederatedModel,
    nodes: Mapping[str, Node],
    records: Mapping[str, Records],
    data: DataSet,
    parts: Split,
    show: Progress,
) -> tuple[dict[str, Adoption], dict[str, float | None]]:
    """Every organisation's own step, side by side with the pooled comparison (which no organisation could make)."""
    show.begin("at home", len(nodes) + 1)
    done = 0
    spawn = get_context("spawn")
    with one_thread_each(), ProcessPoolExecutor(options.jobs, spawn, settle_in) as pool:
        pooled = pool.submit(
            _central, options.out / "comparison" / "central.json", model.schema, data, parts, options.seed
        )
        # The largest first: the last one to finish decides how long it takes.
        largest = sorted(nodes, key=lambda name: -len(records[name].training))
        waiting = {
            name: pool.submit(
                adopt, nodes[name].models, model, name, records[name], seed=options.seed, gate=options.gate
            )
            for name in largest
        }
        adoptions = {}
        for name, future in waiting.items():
            adoptions[name] = future.result()
            done += 1
            show.advance("at home", done, len(nodes) + 1)
        central = pooled.result()
        show.advance("at home", done + 1, len(nodes) + 1)
    return {name: adoptions[name] for name in nodes}, central


def _central(path: Path, schema: Schema, data: DataSet, parts: Split, seed: int) -> dict[str, float | None]:
    """AUC by participant of tuned XGBoost on everybody's pooled rows, without privacy."""
    if path.exists():
        cached: dict[str, float | None] = json.loads(path.read_text("utf-8"))
        return cached
    rows = {n: parts.rows(n, Part.TRAIN, Part.VALIDATION) for n in data.participants}
    units = {n: unit_numbers(data, own) for n, own in rows.items()}
    model = fit_central({n: schema.encode(data, own) for n, own in rows.items()}, schema, seed, units)
    found: dict[str, float | None] = {}
    for name in data.participants:
        test = schema.encode(data, parts.rows(name, Part.TEST))
        found[name] = auc(test.y, model.margin(test.X, name)) if parts.evaluable(name) else None
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, (json.dumps(found, indent=1) + "\n").encode())
    return found


# --- results -----------------------------------------------------------------------------------------


def _results(
    options: DemoOptions,
    data: DataSet,
    parts: Split,
    trained: Trained,
    nodes: Mapping[str, Node],
    adoptions: Mapping[str, Adoption],
    central: Mapping[str, float | None],
    desk: _Coordinating,
    clock: _Clock,
) -> DemoResults:
    organisations = tuple(
        _organisation(name, node, data, parts, trained, adoptions[name]) for name, node in nodes.items()
    )
    audit = desk.store.audit()
    stopped = [str(entry["reason"]) for entry in audit if entry["event"] == "training ends early"]
    n = len(nodes)
    return DemoResults(
        data_set=data.description.name,
        task=data.description.task,
        metric=str(data.description.metric),
        seed=options.seed,
        fast=options.fast,
        delta=DELTA,
        organisations=organisations,
        gate_rule=str(options.gate),
        gate_refused={
            str(rule): sum(not a.verdicts[rule].accepted for a in adoptions.values()) / len(adoptions) for rule in Gate
        },
        left_out=parts.left_out,
        means={kind: _mean(organisations, kind) for kind in ("local", "federated", "personal", "chosen")},
        central=mean_over_participants({n: v for n, v in central.items() if v is not None}),
        central_by_organisation=central,
        rounds=trained.facts,
        stopped_early=stopped[-1] if stopped else None,
        effects=field_effects(trained.model),
        pairs=pair_names(trained.model),
        quorum=default_quorum(n),
        k_min=options.k_min or default_k_min(n, default_quorum(n)),
        seconds=clock.seconds,
        model_digest=trained.model.digest().hex(),
    )


def _mean(organisations: tuple[OrganisationResult, ...], kind: str) -> float:
    return mean_over_participants({o.name: v for o in organisations if (v := getattr(o, kind)) is not None})


def _organisation(
    name: str, node: Node, data: DataSet, parts: Split, trained: Trained, adoption: Adoption
) -> OrganisationResult:
    schema = trained.model.schema
    rows_of_test = parts.rows(name, Part.TEST)
    received = trained.model.restricted(blocks_of(schema, data, name))
    margins = {"federated": received.margin(schema.encode(data, rows_of_test).X)}
    test = Schema.from_json((node.models / "home" / "schema.json").read_text("utf-8")).encode(data, rows_of_test)
    if adoption.choice is Serves.FEDERATED:
        margins["local"], margins["personal"] = np.zeros(len(test.y)), margins["federated"]
    else:
        home = HomeModel.load(node.models / "home")
        margins["local"], margins["personal"] = home.local.margin(test.X), home.personal.margin(test.X)
    margins["chosen"] = margins[adoption.choice]
    measured = parts.evaluable(name)
    figures = {kind: auc(test.y, margin) if measured else None for kind, margin in margins.items()}
    ranked = measured and data.description.metric.spearman
    spent = node.ledger.spent()
    rows = data.rows(name)
    verdict = adoption.verdicts[adoption.gate]
    return OrganisationResult(
        name=name,
        rows=len(rows),
        positives=int(data.label[rows].sum()),
        reported_rows=standings_of(trained.reports)[name].rows if name in trained.reports else 0.0,
        epsilon_budget=node.settings.epsilon_budget,
        epsilon_spent=spent.epsilon,
        delta=spent.delta,
        charges=_charges(node),
        spearman=spearman(test.y, margins["chosen"]) if ranked else None,
        spearman_max=spearman_attainable(float(test.y.mean())) if ranked else None,
        choice=adoption.choice,
        gate=_word(verdict),
        gate_drop=verdict.drop,
        bootstrap_gate=_word(adoption.verdicts[Gate.BOOTSTRAP]),
        paper_gate=_word(adoption.verdicts[Gate.PAPER]),
        weights=adoption.weights,
        **figures,
    )


def _word(verdict: Verdict) -> str:
    return "accepted" if verdict.accepted else "refused"


def _charges(node: Node) -> tuple[Charges, ...]:
    costs: dict[str, Cost] = {}
    counts: dict[str, int] = {}
    for charge in node.ledger:
        purpose = charge.event.purpose
        costs[purpose] = costs.get(purpose, Cost()) + charge.event.cost
        counts[purpose] = counts.get(purpose, 0) + 1
    return tuple(Charges(p, counts[p], cost.epsilon(node.settings.delta)) for p, cost in costs.items())


def _publish(out: Path, data: DataSet, results: DemoResults, central: Mapping[str, float | None]) -> None:
    write_atomically(out / "model_card.md", render_model_card(results).encode())
    write_atomically(out / "report.html", render_report(results).encode())
    runs = [
        {
            "method": kind,
            "epsilon": None if kind == "local" else _common_epsilon(results),
            "seed": results.seed,
            "mean": results.means[kind],
            "participants": {o.name: v for o in results.organisations if (v := getattr(o, kind)) is not None},
            "spearman": None,
            "spearman_max": None,
        }
        for kind in ("local", "federated", "personal", "chosen")
    ]
    runs.append(
        {
            "method": "central",
            "epsilon": None,
            "seed": results.seed,
            "mean": results.central,
            "participants": {name: value for name, value in central.items() if value is not None},
            "spearman": None,
            "spearman_max": None,
        }
    )
    content = {
        "datasets": [{"name": data.description.name, "metric": str(data.description.metric), "runs": runs}],
        "protocol": {"split": "70/10/20 stratified within each organisation", "metric": "AUC, unweighted mean"},
        "demo": results.to_json(),
    }
    # Last: whoever finds results.json finds everything.
    write_atomically(out / "results.json", (json.dumps(content, indent=1, allow_nan=False) + "\n").encode())


def _common_epsilon(results: DemoResults) -> float | None:
    budgets = {o.epsilon_budget for o in results.organisations}
    return budgets.pop() if len(budgets) == 1 else None


class _Clock:
    """Wall seconds by step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def measure(self, step: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds[step] = time.monotonic() - began
