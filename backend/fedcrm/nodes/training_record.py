"""What became of everybody in a training: a table for people, `OUT/participants.json` for programs.

The file lies with the coordinator, so it holds what the coordinator may know: who took part, since when somebody is
out and why, public epsilons. What an organisation chose to serve is its own knowledge and stays out of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from fedcrm.federation import Adoption
from fedcrm.files import write_atomically

__all__ = ["Outcome", "State", "write_participants"]


class State(StrEnum):
    """OUT: it has no model of this training. SMALL: nor has it, for having too few examples. PARTLY: it has, but
    something on the way failed. LATER: it has, and came when the training had begun."""

    IN = "in"
    PARTLY = "partly"
    LATER = "later"
    SMALL = "too small"
    OUT = "out"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One organisation's training.

    when, why:      the first step that failed, and the reason; "" where none did.
    epsilon, spent: of this training: most it may cost, and what it has; None where it never began.
    adoption:       its own decision, and version: what its service serves since; None where it did not come to that.
    """

    organisation: str
    directory: Path
    state: State
    when: str = ""
    why: str = ""
    epsilon: float | None = None
    spent: float | None = None
    adoption: Adoption | None = None
    version: str | None = None


def write_participants(path: Path, task: str, training: str, outcomes: Iterable[Outcome]) -> None:
    """Write the file, whole or not at all. Raises StorageError."""
    content = {
        "task": task,
        "training": training,
        "participants": [
            {
                "organisation": one.organisation,
                "directory": str(one.directory),
                "state": str(one.state),
                "when": one.when,
                "why": one.why,
                "epsilon": one.epsilon,
                "epsilon_spent": one.spent,
            }
            for one in outcomes
        ],
    }
    write_atomically(path, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())
