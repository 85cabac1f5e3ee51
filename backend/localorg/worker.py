"""A thread that does what is due: woken when there may be work, and looking by itself twice a second."""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["Worker"]

_LOOKS_EVERY = 0.5  # seconds; the clock may have moved


class Worker:
    """Does pieces of work one after another, in a thread of its own once started, or for whoever calls `run_due`.

    step: does the next piece that is due, False where there is none. Never two at once.
    """

    def __init__(self, name: str, step: Callable[[], bool]) -> None:
        self._name = name
        self._step = step
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._running = threading.Lock()

    def wake(self) -> None:
        """Look for work."""
        self._wake.set()

    @property
    def started(self) -> bool:
        """Has a thread of its own."""
        return self._thread is not None

    def start(self) -> None:
        """Begin, unless begun."""
        if self._thread is None:
            self._stopping = False
            self._thread = threading.Thread(target=self._loop, name=self._name, daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End when the present piece is done, and wait for that."""
        self._stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def run_due(self) -> int:
        """Everything that is due; how many pieces it was."""
        count = 0
        with self._running:
            while not self._stopping and self._step():
                count += 1
        return count

    def _loop(self) -> None:
        while not self._stopping:
            self.run_due()
            self._wake.wait(timeout=_LOOKS_EVERY)
            self._wake.clear()
