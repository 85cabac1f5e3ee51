"""Every method on every data set and seed, a pool of processes, and a results file that survives being stopped.

One (set, seed) is one piece of work: its methods share schema, splits and own models. The file is written, whole,
after each of them; started again with the same options a comparison does only what is missing. Pieces do not
depend on each other or on how many processes work, so neither do the figures.
"""

from __future__ import annotations

import hashlib
import math
import multiprocessing
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from functools import lru_cache
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Any

from fedcrm import __version__
from fedcrm.errors import DataSetError, FedCRMError, FederationError, SettingsError
from fedcrm.evaluation.locking import only_one
from fedcrm.evaluation.methods import WEIGHTS, Judged, Plan, compare
from fedcrm.evaluation.runs import Comparison, Method, SetRuns
from fedcrm.evaluation.workers import one_thread_each, settle_in
from fedcrm.features import DataSet, DataSetWarning, load_data_set, propose_schema, split
from fedcrm.privacy import TrainingBudget

__all__ = ["ComparisonOptions", "Step", "run_comparison"]

DELTA = 1e-5
FEWEST, MOST = 3, 50
"""Participants of a federation; the bounds of secure aggregation hold for its plain stand-in too."""

_FILES = ("dataset.json", "data.csv.gz", "participants.csv.gz")
_POLL = 0.2  # seconds between looks at the workers' progress


@dataclass(frozen=True)
class ComparisonOptions:
    """What was asked for.

    directories: data sets. task: what each must be, None for any. out: results file.
    epsilons:    of whole trainings, > 0. seeds: how many splits, numbered from 0. jobs: processes.
    encrypted:   run the private trainings over the whole encrypted protocol.
    """

    directories: tuple[Path, ...]
    out: Path
    epsilons: tuple[float, ...] = (8.0, 1.0)
    seeds: int = 5
    task: str | None = None
    by_time: bool = False
    encrypted: bool = False
    jobs: int = 2

    def __post_init__(self) -> None:
        """Raises SettingsError on values that cannot be."""
        if not self.directories:
            raise SettingsError("name at least one data set directory")
        if not self.epsilons or any(not (math.isfinite(e) and e > 0) for e in self.epsilons):
            raise SettingsError("--epsilon takes finite numbers above 0, separated by commas")
        if len(set(self.epsilons)) < len(self.epsilons):
            raise SettingsError("--epsilon names a number twice")
        if self.seeds < 1 or self.jobs < 1:
            raise SettingsError("--seeds and --jobs are at least 1")
        for epsilon in self.epsilons:
            TrainingBudget.plan(epsilon, DELTA)

    @property
    def plan(self) -> Plan:
        """What is run on every split."""
        return Plan(self.epsilons, DELTA, self.by_time, self.encrypted)


@dataclass(frozen=True, slots=True)
class Step:
    """One row more. done, total: rows of this and former runs together, and of the whole comparison."""

    name: str
    seed: int
    method: Method
    epsilon: float | None
    done: int
    total: int


def run_comparison(options: ComparisonOptions, on_step: Callable[[Step], None] = lambda _step: None) -> Comparison:
    """Run what the results file lacks, and return everything.

    Raises SettingsError, DataSetError or StorageError before anything is run where options, data sets or the
    results file cannot be used, and a FedCRMError where a piece fails; what was finished before is in the file.
    """
    _check_place(options.out)
    with only_one(options.out.with_name(f".{options.out.name}.lock"), options.out):
        return _run(options, on_step)


def _run(options: ComparisonOptions, on_step: Callable[[Step], None]) -> Comparison:
    found = [_Found.check(directory, options) for directory in options.directories]
    twice = [name for name, count in Counter(f.runs.name for f in found).items() if count > 1]
    if twice:
        raise SettingsError(f"two data sets are called {twice[0]}; their figures could not be told apart")
    plan, seeds = options.plan, range(options.seeds)
    fresh = Comparison(_protocol(options, plan, found), tuple(f.runs for f in found))
    comparison = fresh.resumed(options.out, lambda s: _complete(s, plan, seeds))
    comparison.save(options.out)  # a disk that refuses is noticed now and not after the first piece
    sizes = {f.runs.name: f for f in found}
    # Largest first, so that no process is left with a large one at the end.
    pieces = sorted(comparison.missing(seeds), key=lambda piece: -sizes[piece[0]].rows)
    total = len(found) * len(seeds) * len(plan.rows)
    done = total - len(pieces) * len(plan.rows)

    def announce(word: _Word) -> None:
        nonlocal done
        done += 1
        on_step(Step(word.name, word.seed, word.method, word.epsilon, done, total))

    tasks = [(sizes[name].directory, name, seed) for name, seed in pieces]
    for name, seed, judged in _in_processes(tasks, options.task, plan, options.jobs, announce):
        comparison = comparison.with_seed(name, seed, judged.left_out, judged.runs)
        comparison.save(options.out)
    return comparison


# --- before anything runs ------------------------------------------------------------------------


@dataclass(frozen=True)
class _Found:
    """A data set that can be compared on. digest: of its files."""

    directory: Path
    digest: str
    rows: int
    runs: SetRuns

    @classmethod
    def check(cls, directory: Path, options: ComparisonOptions) -> _Found:
        data = load_data_set(directory, options.task)
        if not FEWEST <= len(data.participants) <= MOST:
            raise DataSetError(directory, f"{len(data.participants)} participants; a federation has {FEWEST} to {MOST}")
        propose_schema(data)
        for seed in range(options.seeds):
            parts = split(data, seed, options.by_time)
            if len(parts.left_out) == len(parts.participants):
                raise DataSetError(
                    directory, f"no participant has five positives and five negatives in its test part (seed {seed})"
                )
        description = data.description
        runs = SetRuns(description.name, description.metric.value, data.participants)
        return cls(directory, _digest(directory), len(data), runs)


def _digest(directory: Path) -> str:
    digest = hashlib.sha256()
    for name in _FILES:
        try:
            content = (directory / name).read_bytes()
        except OSError as error:
            raise DataSetError(directory / name, error.strerror or "cannot be read") from error
        digest.update(len(content).to_bytes(8, "big") + content)
    return digest.hexdigest()


def _check_place(out: Path) -> None:
    if out.is_dir():
        raise SettingsError(f"{out} is a directory; --out names a file")
    if not out.absolute().parent.is_dir():
        raise SettingsError(f"{out.absolute().parent} does not exist; --out names a file in an existing directory")


def _protocol(options: ComparisonOptions, plan: Plan, found: Sequence[_Found]) -> dict[str, Any]:
    """Everything the figures depend on, and in words what they mean; equal protocols are comparable."""
    return {
        "version": __version__,
        "metric": "unweighted mean over participants of AUC (0..1) on each one's own test rows",
        "epsilon": list(options.epsilons),
        "delta": plan.delta,
        "privacy_unit": "one record, added or removed",
        "seeds": list(range(options.seeds)),
        "split": "oldest 70/10/20 by participant" if options.by_time else "random 70/10/20 by participant, stratified",
        "task": options.task,
        "channel": "encrypted" if options.encrypted else "plain sum",
        "noise": "simulated: drawn from a generator with a seed, so that results repeat",
        "rows": {
            "federated": "train",
            "local, central, personal, chosen": "train and validation; stacks are weighted on validation rows",
            "test": "scored once, never chosen by",
        },
        "encoding": {
            "private": "names and ranges of the description, else released privately within the budget",
            "without privacy": "names and ranges of the description, else those in the rows",
        },
        "learner": asdict(plan.learner),
        "weights": {method.value: asdict(weights) for method, weights in WEIGHTS.items()},
        "data": {f.runs.name: f.digest for f in found},
    }


def _complete(found: SetRuns, plan: Plan, seeds: range) -> bool:
    return all(
        seed in seeds and tuple((run.method, run.epsilon) for run in runs) == plan.rows
        for seed, runs in found.runs.items()
    )


# --- processes -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Word:
    """What a worker says after a row."""

    name: str
    seed: int
    method: Method
    epsilon: float | None


@dataclass(frozen=True, slots=True)
class _Failed:
    """An error on its way between processes, where exceptions with arguments of their own cannot travel."""

    reason: str


_Task = tuple[Path, str, int]


def _in_processes(
    tasks: Sequence[_Task], task: str | None, plan: Plan, jobs: int, announce: Callable[[_Word], None]
) -> Iterator[tuple[str, int, Judged]]:
    """(set, seed, what was found), as they are finished. Leaves no process behind, however it ends."""
    if not tasks:
        return
    spawn = multiprocessing.get_context("spawn")
    words: SimpleQueue[_Word] = spawn.SimpleQueue()
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(min(jobs, len(tasks)), spawn, _begin, (words,))
    try:
        with one_thread_each():
            running = {pool.submit(_piece, *t, task, plan): t for t in tasks}
        waiting: set[Future[Judged | _Failed]] = set(running)
        while waiting:
            finished, waiting = wait(waiting, _POLL, FIRST_COMPLETED)
            while not words.empty():
                announce(words.get())
            for future in finished:
                _, name, seed = running[future]
                outcome = future.result()
                if isinstance(outcome, _Failed):
                    raise FederationError(f"{name}, seed {seed}: {outcome.reason}")
                yield name, seed, outcome
    except BrokenProcessPool as error:
        raise FederationError("a worker process died; start again with the same options to go on") from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in set(multiprocessing.active_children()) - others:
            child.terminate()


_words: SimpleQueue[_Word] | None = None


def _begin(words: SimpleQueue[_Word]) -> None:
    """Ready a worker: it leaves interrupts to its parent, and does not outlive it."""
    global _words  # an initializer has no other way of handing something to later calls
    _words = words
    settle_in()
    warnings.simplefilter("ignore", DataSetWarning)  # the parent has shown them


@lru_cache(maxsize=1)
def _load(directory: Path, task: str | None) -> DataSet:
    return load_data_set(directory, task)


def _piece(directory: Path, name: str, seed: int, task: str | None, plan: Plan) -> Judged | _Failed:
    """One (set, seed), in a worker."""

    def say(method: Method, epsilon: float | None) -> None:
        if _words is not None:
            _words.put(_Word(name, seed, method, epsilon))

    try:
        return compare(_load(directory, task), seed, plan, say)
    except FedCRMError as error:
        return _Failed(str(error))
