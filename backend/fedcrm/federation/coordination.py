"""The coordinator's directory of one training: who it is, and what it keeps.

DIR/identity              its signing and sealing keys, readable by the owner only
DIR/coordinator.sqlite    checkpoints, reports, audit log
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from fedcrm.errors import StorageError
from fedcrm.federation.checkpoint import CoordinatorStore
from fedcrm.files import write_atomically
from fedcrm.secagg import Identity

__all__ = ["CoordinatorDirectory"]


class CoordinatorDirectory:
    """Identity and store, made where they are missing; a context manager, since the store is an open database."""

    def __init__(self, directory: Path, *, random_bytes: Callable[[int], bytes] = os.urandom) -> None:
        path = directory / "identity"
        try:
            directory.mkdir(exist_ok=True, mode=0o700)
            if not path.exists():
                write_atomically(path, Identity.generate("coordinator", random_bytes).to_secret_bytes(), mode=0o600)
            self.identity = Identity.from_secret_bytes(path.read_bytes())
        except OSError as error:
            raise StorageError(f"{directory}: {error.strerror}") from error
        self.store = CoordinatorStore(directory / "coordinator.sqlite")

    def __enter__(self) -> CoordinatorDirectory:
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()
