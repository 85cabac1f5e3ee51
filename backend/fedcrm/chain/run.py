"""The whole chain: from empty local orgs to scores on records, one organisation at a time and all of them together.

Each organisation goes through its steps by itself, those of one `localorg` process one after the other; what one of
them cannot do puts it aside, with the reason, and the others go on. Everything may be killed and begun again.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fedcrm.chain.certificates import Authority
from fedcrm.chain.joining import Joining, wrong_mapping_file
from fedcrm.chain.local_orgs import OrgFacts, fill, start_orgs, stop_orgs
from fedcrm.chain.places import ORGS, SERVERS, TASKS, Organisation, Places, organisations
from fedcrm.chain.services import ServiceProcess
from fedcrm.chain.source_format import repository
from fedcrm.chain.state import ChainState
from fedcrm.chain.table import write_table
from fedcrm.errors import FedCRMError, MappingError, SettingsError
from fedcrm.evaluation.locking import only_one
from fedcrm.salesforce import Orgs

__all__ = ["Chain", "ChainOptions", "Show", "stop_chain"]

_WHAT = (FedCRMError, OSError)


@dataclass(frozen=True)
class ChainOptions:
    """What a chain was asked for.

    orgs:    how many organisations, 3 to 9, largest first.
    rows:    accounts of each org, at most; None: all.
    epsilon: of each training, and each privacy unit's budget. budgets: of an organisation by name, where it differs.
    fast:    fewer rounds for every task; the tasks beside the first have few in any case.
    """

    out: Path
    orgs: int = ORGS
    tasks: tuple[str, ...] = TASKS
    rows: int | None = None
    epsilon: float = 8.0
    budgets: Mapping[str, float] = field(default_factory=dict)
    seed: int = 1
    fast: bool = False

    def fixed(self) -> dict[str, object]:
        """What must be the same when the chain goes on."""
        return {
            "orgs": self.orgs,
            "tasks": list(self.tasks),
            "rows": self.rows,
            "epsilon": self.epsilon,
            "budgets": dict(self.budgets),
            "seed": self.seed,
            "fast": self.fast,
        }


class Show:
    """What a caller may show while a chain runs; this one shows nothing. May be called from two threads."""

    def begin(self, step: str, total: int) -> None:
        """A step of so many parts begins."""

    def advance(self, step: str, done: int, total: int) -> None:
        """So many parts of a step are done."""

    def say(self, line: str) -> None:
        """Something worth knowing, in plain words."""


class Chain:
    """One chain at work in its directory."""

    def __init__(self, options: ChainOptions, show: Show) -> None:
        _check(options)
        self.options, self.show = options, show
        self.places = Places(options.out.absolute())
        self.organisations = organisations(options.orgs)
        self._clock = _Clock()

    def prepare(self) -> None:
        ...
