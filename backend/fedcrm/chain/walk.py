"""One step after the other, each for every organisation: what one of them cannot do puts it aside, the others go on."""

from __future__ import annotations

import resource
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from fedcrm.chain.places import SERVERS, Organisation
from fedcrm.chain.state import ChainState
from fedcrm.errors import FedCRMError
from fedcrm.evaluation.progress import Progress

__all__ = ["Clock", "Show", "Walk"]


class Show(Progress):
    """What a caller may show while a chain runs; this one shows nothing. May be called from two threads."""

    def say(self, line: str) -> None:
        """Something worth knowing, in plain words."""


class Walk:
    """The organisations on their way. clock: what each step took."""

    def __init__(self, organisations: Sequence[Organisation], state: ChainState, show: Show) -> None:
        self.organisations, self.state, self.show = tuple(organisations), state, show
        self.clock = Clock()

    def present(self) -> tuple[Organisation, ...]:
        """Whoever is not put aside."""
        return tuple(one for one in self.organisations if not self.state.is_out(one.name))

    def each(self, step: str, work: Callable[[Organisation], Mapping[str, object]]) -> None:
        """One step of every organisation that has it before it; two at a time, never two of one `localorg` process."""
        waiting = [one for one in self.present() if self.state.facts(one.name, step) is None]
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
