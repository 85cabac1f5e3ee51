"""The whole chain: from empty local orgs to scores on records, one organisation at a time and all of them together.

Each organisation goes through its steps by itself, those of one `localorg` process one after the other; what one of
them cannot do puts it aside, with the reason, and the others go on. Everything may be killed and begun again.
"""

from __future__ import annotations

import resource
import threading
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
    """One chain at work in its directory. what: `chain.json`, open."""

    def __init__(self, options: ChainOptions, state: ChainState, show: Show) -> None:
        self.options, self.state, self.show = options, state, show
        self.places = Places(options.out.absolute())
        self.organisations = organisations(options.orgs)
        self.clock = Clock()
        authority = Authority.open(self.places.authority)
        self.joining = Joining(
            self.places,
            repository(),
            authority,
            self._start_orgs(authority),
            options.tasks,
            {"": options.epsilon, **options.budgets},
        )

    def present(self) -> tuple[Organisation, ...]:
        """Whoever is not put aside."""
        return tuple(one for one in self.organisations if not self.state.is_out(one.name))

    # --- each organisation by itself --------------------------------------------------------------

    def join(self) -> None:
        """Every organisation from an empty org to a node that could extract."""
        Orgs.exists(self.places.administrators) or Orgs.create(self.places.administrators)
        self._show_a_refusal()
        self.each("records", self._fill)
        self.each("package", self.joining.install)
        self.each("users", self.joining.admit)
        self.each("node", self.joining.make_node)
        self.each("mapping", self.joining.apply_mapping)
        self.each("check", self.joining.check)
        self.each("service", self.joining.pair_service)

    def each(self, step: str, work: Callable[[Organisation], Mapping[str, object]], *, again: bool = False) -> None:
        """One step of every organisation that is present; two at a time, never two of one `localorg` process.

        again: also where it was done before.
        """
        waiting = [one for one in self.present() if again or self.state.facts(one.name, step) is None]
        done = _Count(self.show, step, len(self.organisations), len(self.organisations) - len(waiting))

        def walk(of: Sequence[Organisation]) -> None:
            for one in of:
                try:
                    facts = work(one)
                except (FedCRMError, OSError) as reason:
                    self.put_aside(one, step, reason)
                else:
                    self.state.done(one.name, step, facts)
                done.one_more()

        with self.clock.measure(step), ThreadPoolExecutor(SERVERS) as pool:
            queues = [[one for one in waiting if one.server == server] for server in range(1, SERVERS + 1)]
            for finished in [pool.submit(walk, queue) for queue in queues]:
                finished.result()

    def put_aside(self, one: Organisation, step: str, reason: Exception) -> None:
        """Go on without an organisation, and say why."""
        why = " ".join(str(reason).split())
        self.state.leave_out(one.name, step, why)
        self.show.say(f"{one.name} is out at step {step!r}: {why}")

    def _fill(self, one: Organisation) -> Mapping[str, object]:
        planted = fill(self.places, one.server, [one], self.options.rows, self.options.seed)[one.alias]
        return {"records": planted["records"], "language": planted["language"]}

    def _show_a_refusal(self) -> None:
        """Once, to be seen: a mapping that names a deleted field is refused before anything is deployed."""

    # --- the orgs' processes ----------------------------------------------------------------------

    def _start_orgs(self, authority: Authority) -> dict[int, dict[str, OrgFacts]]:
        with self.clock.measure("orgs"):
            known = self.state.step("orgs") or {}
            ports = {int(server): int(port) for server, port in known.get("ports", {}).items()}
            found = start_orgs(self.places, authority.certificate, ports)
            ports = {server: urlsplit(next(iter(orgs.values())).instance_url).port for server, orgs in found.items()}
            self.state.step_done("orgs", {"ports": {str(server): port for server, port in ports.items()}})
            return found


class Clock:
    """Seconds and CPU seconds of this process and its ended children, by step."""

    def __init__(self) -> None:
        self.steps: dict[str, dict[str, float]] = {}

    @contextmanager
    def measure(self, step: str) -> Iterator[None]:
        """Add what a block takes."""
        began, cpu = time.monotonic(), _cpu()
        try:
            yield
        finally:
            spent = self.steps.setdefault(step, {"seconds": 0.0, "cpu_seconds": 0.0})
            spent["seconds"] += time.monotonic() - began
            spent["cpu_seconds"] += _cpu() - cpu


class _Count:
    """How far a step is, told from several threads."""

    def __init__(self, show: Show, step: str, total: int, done: int) -> None:
        self._show, self._step, self._total, self._done = show, step, total, done
        self._lock = threading.Lock()
        show.begin(step, total)
        show.advance(step, done, total)

    def one_more(self) -> None:
        with self._lock:
            self._done += 1
            self._show.advance(self._step, self._done, self._total)


def _cpu() -> float:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _check(options: ChainOptions) -> None:
    if not 3 <= options.orgs <= ORGS:
        raise SettingsError(f"--orgs {options.orgs}: a federation has at least 3 organisations, the table has {ORGS}")
    strange = [task for task in options.tasks if task not in TASKS]
    if strange or not options.tasks:
        raise SettingsError(f"--tasks: {', '.join(strange) or 'none'}; known are {', '.join(TASKS)}")
