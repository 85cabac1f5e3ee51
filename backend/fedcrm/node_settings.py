"""What a node directory says about itself: node.json, fixed when the node is created."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from fedcrm.errors import SettingsError

__all__ = ["NodeSettings"]


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """Fixed when the node is created.

    epsilon_budget, delta: limit of one governance period.
    unit:                  the privacy unit.
    database:              URL of the node's database; None: node.sqlite beside this file.
    pure_share:            of epsilon, for counts and calibration; in [0, 1).
    """

    organisation: str
    epsilon_budget: float
    delta: float
    unit: str
    period: str
    database: str | None = None
    pure_share: float = 0.04

    @classmethod
    def read(cls, directory: Path) -> NodeSettings:
        """Raises SettingsError unless the directory holds a node.json of the right form."""
        path = directory / "node.json"
        try:
            raw = json.loads(path.read_text("utf-8"))
            return cls(**raw)
        except FileNotFoundError as error:
            raise SettingsError(f"{directory} is not a node: it has no node.json") from error
        except (OSError, ValueError, TypeError) as error:
            raise SettingsError(f"{path} cannot be read as a node's settings") from error
