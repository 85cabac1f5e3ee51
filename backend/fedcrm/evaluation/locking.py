"""One process at a time in one place: two runs on one --out would undo each other's files."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fedcrm.errors import SettingsError, StorageError

__all__ = ["only_one"]


@contextmanager
def only_one(lock: Path, place: Path, *, remedy: str = "wait for it, or give another --out") -> Iterator[None]:
    """Hold a lock file for the block; the operating system lets go of it however the process ends.

    lock: made where it is absent, and left: removing it would let two in. place, remedy: what the refusal says.

    Raises SettingsError where another process holds it, StorageError where it cannot be made.
    """
    try:
        file = lock.open("a")
    except OSError as error:
        raise StorageError(f"{lock}: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as held:
            raise SettingsError(f"another process is at work in {place}; {remedy}") from held
        yield
