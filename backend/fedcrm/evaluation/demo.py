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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fedcrm.boosting import Settings
from fedcrm.errors import SettingsError, StorageError
from fedcrm.evaluation.at_home import Holding, adopt_everywhere
from fedcrm.evaluation.findings import Training, results_of, write_model, write_results
from fedcrm.evaluation.locking import only_one
from fedcrm.evaluation.progress import Progress, measured
from fedcrm.evaluation.results import DemoResults
from fedcrm.evaluation.telco import telco_demo
from fedcrm.evaluation.workers import workers
from fedcrm.features import DataSet, Split, load_data_set, propose_schema, split, task_name
from fedcrm.federation import (
    Coordinator,
    CoordinatorDirectory,
    Gate,
    LocalChannel,
    Node,
    NodeBooks,
    NodeSettings,
    Participant,
    Quality,
    Records,
    RoundFacts,
    Trained,
    TrainingTerms,
    WeightSettings,
    check_request,
    directory_name,
    train,
)
from fedcrm.files import write_atomically
from fedcrm.secagg import Roster

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


def run_demo(options: DemoOptions, *, resume: bool = False, progress: Progress | None = None) -> DemoResults:
    """Run, or go on with, a demo. Raises SettingsError on options that cannot be, before anything is made."""
    show = progress or Progress()
    data = telco_demo() if options.data is None else load_data_set(options.data, options.task)
    if options.data is None and options.task is not None and task_name(options.task) != data.description.task:
        raise SettingsError(f"the built-in table is a {data.description.task} task; give --data for {options.task}")
    parts = split(data, options.seed)
    _check(options, data, parts)
    _begin(options, resume=resume)
    with only_one(options.out / ".lock", options.out):
        return _run(options, data, parts, show)


def _run(options: DemoOptions, data: DataSet, parts: Split, show: Progress) -> DemoResults:
    seconds: dict[str, float] = {}
    about = data.description
    training = f"{about.task} {about.name} seed {options.seed}"
    unit_rows = None if options.unit is None else options.max_per_unit
    show.begin("nodes", len(data.participants))
    with _open_nodes(options, data, show) as nodes, CoordinatorDirectory(options.out / "coordinator") as desk:
        holdings = {name: Holding(name, node.models, data, parts) for name, node in nodes.items()}
        records = {name: holding.records(unit_rows=unit_rows, seed=options.seed) for name, holding in holdings.items()}
        with measured(seconds, "training"):
            trained = _train(options, data, records, training, nodes, desk, show)
        write_model(options.out, trained.model)
        with measured(seconds, "at home"), workers(options.jobs) as pool:
            home = adopt_everywhere(
                holdings,
                records,
                trained.model,
                seed=options.seed,
                gate=options.gate,
                pool=pool,
                central=options.out / "comparison" / "central.json",
                show=show,
            )
        for error in home.failed.values():
            raise error
        facts = Training(
            training, about, options.seed, options.fast, options.gate, options.k_min, DELTA, seconds, len(nodes)
        )
        results = results_of(facts, trained, holdings, nodes, home, desk.store.audit())
    write_results(options.out, about, results, home.central)
    return results


# --- before ------------------------------------------------------------------------------------------


def _check(options: DemoOptions, data: DataSet, parts: Split) -> None:
    check_request(len(data.participants), options.epsilon, options.k_min)
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


# --- training ----------------------------------------------------------------------------------------


def _train(
    options: DemoOptions,
    data: DataSet,
    records: Mapping[str, Records],
    training: str,
    nodes: Mapping[str, Node],
    desk: CoordinatorDirectory,
    show: Progress,
) -> Trained:
    participants = {
        name: Participant(
            node.identity,
            desk.identity.public,
            records[name],
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
        propose_schema(data),
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
