"""What a comparison found: one row a method, epsilon and seed, and the file they are kept in.

    {"datasets": [{"name", "metric", "participants", "left_out", "runs": [
         {"method", "epsilon", "seed", "mean", "participants", "spearman", "spearman_max", "with", "cpu_seconds"}]}],
     "protocol": {...}}

`mean` and `participants` are AUC as fractions on each participant's own test rows; epsilon is null where there is
no privacy, the two Spearman figures are null where the data set does not ask for them. The file is written after
every finished (set, seed), whole or not at all, so that a comparison goes on where it was stopped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from fedcrm.errors import SettingsError, StorageError
from fedcrm.evaluation.metrics import mean_over_participants
from fedcrm.files import write_atomically

__all__ = ["Comparison", "Method", "Run", "SetRuns"]


class Method(StrEnum):
    """What is compared. Results files use these names; later methods add names, none changes its meaning."""

    LOCAL = "local"
    CENTRAL = "central"
    FEDERATED_NOISELESS = "federated_noiseless"
    FEDERATED = "federated"
    FEDERATED_VOLUME = "federated_volume"
    FEDERATED_UNIFORM = "federated_uniform"
    PERSONAL = "personal"
    CHOSEN = "chosen"


@dataclass(frozen=True, slots=True)
class Run:
    """One method on one split.

    epsilon:      of the whole training; None without privacy.
    participants: AUC by judged participant, 0..1.
    spearman, spearman_max: means over the same participants; None where not asked.
    with_:        what the method was run with, plain values.
    cpu_seconds:  of this process, for this method alone; shared steps count once, where they were needed first.
    """

    method: Method
    epsilon: float | None
    seed: int
    participants: Mapping[str, float]
    spearman: float | None = None
    spearman_max: float | None = None
    with_: Mapping[str, Any] = field(default_factory=dict)
    cpu_seconds: float = 0.0

    @property
    def mean(self) -> float:
        """Unweighted mean over participants."""
        return mean_over_participants(self.participants)

    def to_raw(self) -> dict[str, Any]:
        """Plain values, as in the file."""
        return {
            "method": self.method.value,
            "epsilon": self.epsilon,
            "seed": self.seed,
            "mean": self.mean,
            "participants": dict(self.participants),
            "spearman": self.spearman,
            "spearman_max": self.spearman_max,
            "with": dict(self.with_),
            "cpu_seconds": round(self.cpu_seconds, 2),
        }

    @classmethod
    def from_raw(cls, raw: Mapping[str, Any]) -> Run:
        """Inverse of to_raw. Raises ValueError, KeyError or TypeError on anything else."""
        participants = {str(name): float(value) for name, value in raw["participants"].items()}
        run = cls(
            Method(raw["method"]),
            None if raw["epsilon"] is None else float(raw["epsilon"]),
            int(raw["seed"]),
            participants,
            raw["spearman"],
            raw["spearman_max"],
            dict(raw["with"]),
            float(raw["cpu_seconds"]),
        )
        if any(not 0 <= value <= 1 for value in participants.values()) or abs(run.mean - raw["mean"]) > 1e-9:
            raise ValueError("figures that do not fit each other")
        return run


@dataclass(frozen=True, slots=True)
class SetRuns:
    """One data set. runs: by seed, whole or not there. left_out: by seed, participants too few to judge."""

    name: str
    metric: str
    participants: tuple[str, ...]
    left_out: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    runs: Mapping[int, tuple[Run, ...]] = field(default_factory=dict)

    def with_seed(self, seed: int, left_out: Iterable[str], runs: Iterable[Run]) -> SetRuns:
        """The same with one more seed, seeds ascending."""
        return SetRuns(
            self.name,
            self.metric,
            self.participants,
            dict(sorted({**self.left_out, seed: tuple(left_out)}.items())),
            dict(sorted({**self.runs, seed: tuple(runs)}.items())),
        )

    def to_raw(self) -> dict[str, Any]:
        """Plain values, as in the file."""
        return {
            "name": self.name,
            "metric": self.metric,
            "participants": list(self.participants),
            "left_out": {str(seed): list(names) for seed, names in self.left_out.items()},
            "runs": [run.to_raw() for runs in self.runs.values() for run in runs],
        }

    @classmethod
    def from_raw(cls, raw: Mapping[str, Any]) -> SetRuns:
        """Inverse of to_raw. Raises ValueError, KeyError, TypeError or AttributeError on anything else."""
        runs: dict[int, list[Run]] = {}
        for entry in raw["runs"]:
            run = Run.from_raw(entry)
            runs.setdefault(run.seed, []).append(run)
        return cls(
            str(raw["name"]),
            str(raw["metric"]),
            tuple(map(str, raw["participants"])),
            {int(seed): tuple(map(str, names)) for seed, names in raw["left_out"].items()},
            {seed: tuple(found) for seed, found in sorted(runs.items())},
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything found so far. protocol: what every figure depends on, plain values; equal means comparable."""

    protocol: Mapping[str, Any]
    datasets: tuple[SetRuns, ...]

    def with_seed(self, name: str, seed: int, left_out: Iterable[str], runs: Iterable[Run]) -> Comparison:
        """The same with one more (set, seed)."""
        return Comparison(
            self.protocol,
            tuple(s.with_seed(seed, left_out, runs) if s.name == name else s for s in self.datasets),
        )

    def missing(self, seeds: Iterable[int]) -> list[tuple[str, int]]:
        """(set, seed) pairs that are not there yet."""
        return [(s.name, seed) for s in self.datasets for seed in seeds if seed not in s.runs]

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all. Raises StorageError."""
        raw = {"datasets": [s.to_raw() for s in self.datasets], "protocol": dict(self.protocol)}
        write_atomically(path, (json.dumps(raw, indent=1, ensure_ascii=False) + "\n").encode())

    @classmethod
    def load(cls, path: Path) -> Comparison:
        """Read what `save` wrote. Raises SettingsError on any other file, StorageError where it cannot be read."""
        try:
            raw = json.loads(path.read_text("utf-8"))
            return cls(dict(raw["protocol"]), tuple(SetRuns.from_raw(entry) for entry in raw["datasets"]))
        except OSError as error:
            raise StorageError(f"{path}: {error.strerror}") from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise SettingsError(f"{path} exists and is not a results file of `fedcrm evaluate`") from error

    def resumed(self, path: Path, complete: Callable[[SetRuns], bool]) -> Comparison:
        """What the file at path holds already, if it is this very comparison; this one where there is no file.

        complete: whether a set's seeds that are there have all their rows.
        Raises SettingsError on a file that is not of this protocol, or that somebody changed.
        """
        if not path.exists():
            return self
        found = Comparison.load(path)
        differing = sorted(
            key
            for key in self.protocol.keys() | found.protocol.keys()
            if self.protocol.get(key) != found.protocol.get(key)
        )
        if differing:
            raise SettingsError(
                f"{path} was made under another protocol ({', '.join(differing)} differ); give another --out"
            )
        heads = [(s.name, s.metric, s.participants) for s in self.datasets]
        if sorted(heads) != sorted((s.name, s.metric, s.participants) for s in found.datasets):
            raise SettingsError(f"{path} holds other data sets than its protocol says; give another --out")
        if not all(complete(s) and s.left_out.keys() == s.runs.keys() for s in found.datasets):
            raise SettingsError(f"{path} lacks some rows of a seed or has too many; give another --out")
        return Comparison(self.protocol, tuple(next(f for f in found.datasets if f.name == name) for name, *_ in heads))
