"""How a training over nodes begins: what was asked for, and what then stands for as long as it lasts."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fedcrm.errors import SettingsError, StorageError
from fedcrm.features import Schema
from fedcrm.federation import Gate, Quality, check_request
from fedcrm.files import write_atomically
from fedcrm.nodes.configuration import UNIT_OF_TASK
from fedcrm.secagg import Roster

__all__ = ["FederationOptions", "Opening", "begin"]


@dataclass(frozen=True)
class FederationOptions:
    """What a training was asked for. nodes: directories of organisations' nodes.

    epsilon: most that the training costs any of them; whoever has less left of its period spends that.
    compare: also what each could do alone and all with pooled rows; jobs: processes for the steps at home.
    """

    nodes: tuple[Path, ...]
    task: str
    out: Path
    epsilon: float = 8.0
    seed: int = 1
    fast: bool = False
    k_min: int = 0
    gate: Gate = Gate.BOOTSTRAP
    quality: Quality = Quality.MEASURED
    compare: bool = False
    jobs: int = 2

    def fixed(self) -> dict[str, object]:
        """What must be the same when the training is resumed."""
        return {
            "nodes": [str(directory.resolve()) for directory in self.nodes],
            "task": self.task,
            "epsilon": self.epsilon,
            "seed": self.seed,
            "fast": self.fast,
            "k_min": self.k_min,
            "gate": str(self.gate),
            "quality": str(self.quality),
        }


@dataclass(frozen=True)
class Opening:
    """How a training began; the same for as long as it lasts.

    directories: by organisation on the roster. strangers: by organisation, columns it keeps out.
    """

    roster: Roster
    schema: Schema
    directories: Mapping[str, str]
    strangers: Mapping[str, list[str]]

    def to_bytes(self) -> bytes:
        """What the coordinator remembers."""
        raw = {
            "roster": b64encode(self.roster.to_bytes()).decode(),
            "schema": self.schema.to_json(),
            "directories": dict(self.directories),
            "strangers": dict(self.strangers),
        }
        return json.dumps(raw, sort_keys=True).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Opening:
        """Inverse of to_bytes; our own bytes."""
        raw = json.loads(data)
        roster = Roster.from_bytes(b64decode(raw["roster"]))
        return cls(roster, Schema.from_json(raw["schema"]), raw["directories"], raw["strangers"])


def begin(options: FederationOptions, *, resume: bool) -> None:
    """Make OUT, or check that it is the training to go on with.

    Raises SettingsError on options that cannot be, before anything is made; StorageError.
    """
    _check(options)
    path = options.out / "federation.json"
    fixed = json.dumps(options.fixed(), indent=1, sort_keys=True) + "\n"
    if not path.exists():
        if options.out.exists() and any(options.out.iterdir()):
            raise SettingsError(f"{options.out} exists and holds no training; give another --out")
        try:
            options.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"{options.out}: {error.strerror}") from error
        write_atomically(path, fixed.encode())
        return
    if not resume:
        raise SettingsError(f"{options.out} holds a training; give another --out, or --resume to go on with it")
    if path.read_text("utf-8") != fixed:
        raise SettingsError(f"{options.out} was begun with other options; see {path}")


def _check(options: FederationOptions) -> None:
    n = len(options.nodes)
    if options.task not in UNIT_OF_TASK:
        raise SettingsError(f"{options.task!r} is no task; known: {', '.join(UNIT_OF_TASK)}")
    if len({directory.resolve() for directory in options.nodes}) < n:
        raise SettingsError("a node is named twice")
    check_request(n, options.epsilon, options.k_min)
