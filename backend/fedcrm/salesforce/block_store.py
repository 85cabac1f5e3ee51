"""What was read from an org's runs and is kept: every opened block sealed, the place to go on from, what is whole.

    STORE/RUN KEY/run           the run's vocabulary and whether all of its blocks are here
    STORE/RUN KEY/000001        a block's vectors
    STORE/RUN KEY/bookmark      where the org's bulk job goes on
    STORE/lock                  held by the one process that writes

All but the bookmark sealed under the node's storage key: transport keys rotate, and what is kept here stays.
"""

from __future__ import annotations

import fcntl
import json
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, astuple, dataclass
from enum import Enum
from pathlib import Path

from fedcrm.errors import BlockRefused, SettingsError, StorageError
from fedcrm.files import write_atomically
from fedcrm.salesforce.blocks import FeatureColumn, Run, Vector
from fedcrm.salesforce.extractor import Bookmark
from fedcrm.secrets import SecretBox

__all__ = ["BlockStore", "KeptRun", "Purpose"]

_RUN_KEY = re.compile(r"[A-Za-z0-9_]+-[a-z]+-\d{17}")


class Purpose(Enum):
    """What a run's vectors are for, as the org calls it."""

    TRAINING = "Training"
    SCORING = "Scoring"


@dataclass(frozen=True, slots=True)
class KeptRun:
    """A run of which something is kept.

    began: when, in the org's words.
    since: the start of the run that it builds upon, in the same words; "": it holds every entity.
    whole: whether every block is here.
    """

    run: Run
    began: str
    since: str
    whole: bool


class BlockStore:
    """The runs of one org, task and purpose. Run keys grow with time, so their order is that of the runs.

    org: the alias; part of what a block is sealed for.
    """

    def __init__(self, directory: Path, box: SecretBox, org: str) -> None:
        self.directory, self._box, self._org = directory, box, org

    @contextmanager
    def held(self) -> Iterator[None]:
        """Be the only one that writes. Raises SettingsError where another process is at it."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            with (self.directory / "lock").open("wb") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as taken:
                    raise SettingsError(f"{self._org}: another extraction of this task is under way") from taken
                yield
        except OSError as error:
            raise StorageError(f"{self.directory}: {error.strerror}") from error

    def runs(self) -> tuple[KeptRun, ...]:
        """Every run of which something is kept, oldest first."""
        found = (self.run(path.parent.name) for path in sorted(self.directory.glob("*/run")))
        return tuple(run for run in found if run is not None)

    def run(self, key: str) -> KeptRun | None:
        """A run, or None where nothing of it is kept."""
        path = self._folder(key) / "run"
        if not path.exists():
            return None
        raw = json.loads(self._open(path, f"{key}: run"))
        columns = tuple(FeatureColumn(*column) for column in raw["run"].pop("columns"))
        return KeptRun(Run(**raw["run"], columns=columns), raw["began"], raw["since"], raw["whole"])

    def keep_run(self, kept: KeptRun) -> None:
        """Note a run, or that it is whole."""
        run = {**asdict(kept.run), "columns": [astuple(column) for column in kept.run.columns]}
        folder = self._folder(kept.run.key)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        content = json.dumps({"run": run, "began": kept.began, "since": kept.since, "whole": kept.whole})
        self._seal(folder / "run", f"{kept.run.key}: run", content)

    def put(self, key: str, sequence: int, vectors: Sequence[Vector]) -> None:
        """Keep an opened block."""
        path = self._folder(key) / f"{sequence:06d}"
        self._seal(path, f"{key}: {sequence}", json.dumps([astuple(vector) for vector in vectors]))

    def sequences(self, key: str) -> set[int]:
        """The blocks of a run that are here."""
        return {int(path.name) for path in self._folder(key).glob("[0-9]" * 6)}

    def vectors(self, key: str) -> Iterator[Vector]:
        """What the blocks of a run hold, in their order."""
        for sequence in sorted(self.sequences(key)):
            text = self._open(self._folder(key) / f"{sequence:06d}", f"{key}: {sequence}")
            for pseudonym, as_of, label, source, cells in json.loads(text):
                yield Vector(pseudonym, as_of, label, source, tuple(cells))

    def bookmark(self, key: str) -> Bookmark | None:
        """Where reading a run goes on; one that cannot be read is as good as none."""
        try:
            return Bookmark.from_json((self._folder(key) / "bookmark").read_text("utf-8"))
        except (OSError, SettingsError):
            return None

    def keep_bookmark(self, key: str, bookmark: Bookmark | None) -> None:
        """Note where reading a run goes on, or that it begins anew."""
        path = self._folder(key) / "bookmark"
        if bookmark is None:
            path.unlink(missing_ok=True)
        else:
            write_atomically(path, bookmark.to_json().encode(), mode=0o600)

    def drop(self, key: str) -> None:
        """Forget a run with everything that was read of it."""
        shutil.rmtree(self._folder(key))

    def _folder(self, key: str) -> Path:
        if not _RUN_KEY.fullmatch(key):  # it comes from the org, and becomes a path
            raise BlockRefused(f"{key!r} is no key of a run")
        return self.directory / key

    def _seal(self, path: Path, what: str, content: str) -> None:
        sealed = self._box.seal_bytes(content.encode(), purpose=f"{self._org}: {what}")
        write_atomically(path, sealed, mode=0o600)

    def _open(self, path: Path, what: str) -> str:
        return self._box.open_bytes(path.read_bytes(), purpose=f"{self._org}: {what}").decode("utf-8")
