"""Files that are whole or not there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fedcrm.errors import StorageError

__all__ = ["directory_made_whole", "write_atomically"]


def write_atomically(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write a whole file or nothing, durably. Raises StorageError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StorageError(f"{path}: {error.strerror}") from error


@contextmanager
def directory_made_whole(directory: Path, *, mode: int = 0o777) -> Iterator[Path]:
    """A directory to build in, which takes its name when all was built; nothing of it stays where that fails.

    Raises StorageError; OSErrors of the block are told as it.
    """
    building = directory.with_name(f".{directory.name}.building")
    try:
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(parents=True, mode=mode)
        yield building
        building.replace(directory)
    except OSError as error:
        raise StorageError(f"{directory}: {error.strerror}") from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
