"""Worker processes that behave: one thread each, deaf to Ctrl-C, and never outliving their parent."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from fedcrm.errors import FedCRMError, StorageError

__all__ = ["finished", "one_thread_each", "settle_in", "workers"]

T = TypeVar("T")


@contextmanager
def workers(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """A pool of so many new processes that behave."""
    with one_thread_each(), ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), settle_in) as pool:
        yield pool


def finished(
    waiting: Mapping[str, Future[T]], advance: Callable[[int], None]
) -> tuple[dict[str, T], dict[str, FedCRMError]]:
    """Results and refusals by name: what one of them cannot do is its own, the others finish.

    advance: told how many have ended.
    """
    results: dict[str, T] = {}
    failed: dict[str, FedCRMError] = {}
    for done, (name, future) in enumerate(waiting.items(), 1):
        try:
            results[name] = future.result()
        except FedCRMError as error:
            failed[name] = error
        except OSError as error:
            failed[name] = StorageError(f"{error.filename or name}: {error.strerror or error}")
        advance(done)
    return results, failed


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Children inherit these. Two processes with as many threads as there are cores each only wait for each other."""
    ours = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def settle_in() -> None:
    """A pool's initializer: a worker leaves interrupts to its parent, and ends when it does, also by SIGKILL."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
