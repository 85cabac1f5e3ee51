"""Models by version: sealed files, facts in the database, one of them serving for each task of an organisation.

A model becomes visible when its row is written, after its sealed file lies whole on the disk; what serves changes by
one row. A request holds the model it began with, so a swap loses none. Models are opened in memory only.
"""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from fedcrm.errors import ServiceError, StorageError
from fedcrm.explanation import Explainer, pack, unpack
from fedcrm.files import write_atomically
from fedcrm.privacy import Database
from fedcrm.secrets import SecretBox
from fedcrm.service import tables
from fedcrm.service.encoder import Encoder

__all__ = ["LoadedModel", "ModelFacts", "Privacy", "Registry", "Standing"]

MOST_LOADED = 32


@dataclass(frozen=True, slots=True)
class Privacy:
    """What a federated model cost: (epsilon, delta) allowed, epsilon spent, organisations that took part."""

    epsilon: float
    delta: float
    participants: int
    budget_spent: float


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What a caller learns about a model.

    origin:     local, federated or personal. round: federated round it rests on, None for local.
    trained_at: UTC, ISO 8601.
    withheld:   the last round failed the local check; this is the last good model.
    vocabulary: names of the cells of a vector, in order; digest: the package's name for them.
    polarity:   HIGH_IS_GOOD or HIGH_IS_BAD.
    version:    given by the registry.
    """

    task: str
    origin: str
    round: int | None
    trained_at: str
    withheld: bool
    vocabulary: tuple[str, ...]
    vocabulary_digest: str
    polarity: str
    privacy: Privacy | None
    version: str = ""

    def to_json(self) -> str:
        """Canonical text; from_json is the inverse."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> ModelFacts:
        """Raises StorageError for anything that to_json does not write."""
        try:
            raw: dict[str, Any] = json.loads(text)
            privacy = None if raw["privacy"] is None else Privacy(**raw["privacy"])
            return cls(**{**raw, "vocabulary": tuple(raw["vocabulary"]), "privacy": privacy})
        except (ValueError, KeyError, TypeError) as wrong:
            raise StorageError("a model's facts cannot be read") from wrong


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model ready to score. What it answers never changes."""

    facts: ModelFacts
    explainer: Explainer
    encoder: Encoder


@dataclass(frozen=True, slots=True)
class Standing:
    """A model as an administrator sees it."""

    facts: ModelFacts
    created_at: float
    serving: bool
    previous: bool


class Registry:
    """Models of all organisations; every question names one."""

    def __init__(
        self, database: Database, directory: Path, box: SecretBox, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._database, self._directory, self._box, self._clock = database, directory, box, clock
        self._lock = threading.Lock()
        self._loaded: OrderedDict[tuple[str, str], LoadedModel] = OrderedDict()
        self._serving: dict[tuple[str, str], str] = {}

    def publish(
        self, org_id: str, facts: ModelFacts, explainer: Explainer, card: Mapping[str, Any], *, activate: bool = True
    ) -> ModelFacts:
        """Store a model under a new version and, unless told otherwise, serve it. Raises StorageError."""
        content = pack(explainer)
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        m = tables.models.c
        with self._database.writing() as connection:
            latest = connection.execute(
                sa.select(sa.func.max(m.number)).where(m.org_id == org_id, m.task == facts.task)
            ).scalar()
            number = (latest or 0) + 1
            made = "local" if facts.round is None else f"r{facts.round}"
            facts = replace(facts, version=f"{facts.task[:50]}-{made}-{number:04d}")
            name = f"{org_id}.{facts.version}.sealed"
            # Before the row: a file without a row is rubbish, a row without a file would be a broken model.
            write_atomically(
                self._directory / name,
                self._box.seal_bytes(content, purpose=_purpose(org_id, facts.version)),
                mode=0o600,
            )
            connection.execute(
                sa.insert(tables.models).values(
                    org_id=org_id,
                    version=facts.version,
                    task=facts.task,
                    number=number,
                    facts=facts.to_json(),
                    card=json.dumps(card, sort_keys=True),
                    file=name,
                    created_at=self._clock(),
                )
            )
            if activate:
                self._serve(connection, org_id, facts.task, facts.version)
        if activate:
            self._serving[org_id, facts.task] = facts.version
        return facts

    def serving(self, org_id: str, task: str) -> LoadedModel:
        """The model that answers now. Raises ServiceError (404) where there is none."""
        version = self._serving.get((org_id, task))
        if version is None:
            s = tables.serving.c
            with self._database.reading() as connection:
                version = connection.execute(sa.select(s.version).where(s.org_id == org_id, s.task == task)).scalar()
            if version is None:
                raise ServiceError(404, "model_missing", f"No model serves the task {task} yet.")
            self._serving[org_id, task] = version
        return self.load(org_id, version)

    def load(self, org_id: str, version: str) -> LoadedModel:
        """A model by version. Raises ServiceError (404), StorageError or SecretsLocked."""
        with self._lock:
            found = self._loaded.get((org_id, version))
            if found is not None:
                self._loaded.move_to_end((org_id, version))
                return found
        facts, name = self._row(org_id, version)
        try:
            sealed = (self._directory / name).read_bytes()
        except OSError as error:
            raise StorageError(f"{name}: the model cannot be read ({error.strerror})") from error
        explainer = unpack(self._box.open_bytes(sealed, purpose=_purpose(org_id, version)))
        model = LoadedModel(facts, explainer, Encoder(explainer.schema, facts.vocabulary))
        with self._lock:
            self._loaded[org_id, version] = model
            while len(self._loaded) > MOST_LOADED:
                self._loaded.popitem(last=False)
        return model

    def refresh(self) -> None:
        """Look again which models serve: another process may have published or rolled back."""
        s = tables.serving.c
        with self._database.reading() as connection:
            rows = connection.execute(sa.select(s.org_id, s.task, s.version)).all()
        self._serving = {(r.org_id, r.task): r.version for r in rows}

    @property
    def count(self) -> int:
        """Models that serve, as of the last look."""
        return len(self._serving)

    @property
    def organisations(self) -> tuple[str, ...]:
        """Whose models serve, as of the last look."""
        return tuple(dict.fromkeys(org_id for org_id, _ in self._serving))

    def warm(self) -> int:
        """Open every model that serves, so that no request has to wait for it. Returns how many."""
        self.refresh()
        for (org_id, _), version in list(self._serving.items()):
            self.load(org_id, version)
        return len(self._serving)

    def card(self, org_id: str, version: str) -> dict[str, Any]:
        """Model card. Raises ServiceError (404)."""
        m = tables.models.c
        with self._database.reading() as connection:
            text = connection.execute(sa.select(m.card).where(m.org_id == org_id, m.version == version)).scalar()
        if text is None:
            raise _unknown(version)
        card: dict[str, Any] = json.loads(text)
        return card

    def models(self, org_id: str) -> tuple[Standing, ...]:
        """Every model of an organisation, the newest of each task first."""
        m, s = tables.models.c, tables.serving.c
        with self._database.reading() as connection:
            served = {
                r.task: r
                for r in connection.execute(sa.select(s.task, s.version, s.previous).where(s.org_id == org_id))
            }
            rows = connection.execute(
                sa.select(m.version, m.task, m.facts, m.created_at)
                .where(m.org_id == org_id)
                .order_by(m.task, m.number.desc())
            ).all()
        return tuple(
            Standing(
                ModelFacts.from_json(r.facts),
                r.created_at,
                r.task in served and served[r.task].version == r.version,
                r.task in served and served[r.task].previous == r.version,
            )
            for r in rows
        )

    def activate(self, org_id: str, version: str) -> ModelFacts:
        """Serve this version from now on. Raises ServiceError (404), or StorageError where it does not open."""
        facts = self.load(org_id, version).facts
        with self._database.writing() as connection:
            self._serve(connection, org_id, facts.task, version)
        self._serving[org_id, facts.task] = version
        return facts

    def roll_back(self, org_id: str, task: str) -> ModelFacts:
        """Serve what served before. Raises ServiceError (404 without a model, 409 where nothing served before)."""
        s = tables.serving.c
        with self._database.reading() as connection:
            row = connection.execute(sa.select(s.previous).where(s.org_id == org_id, s.task == task)).first()
        if row is None:
            raise ServiceError(404, "model_missing", f"No model serves the task {task} yet.")
        if row.previous is None:
            raise ServiceError(409, "nothing_before", f"No model served the task {task} before this one.")
        return self.activate(org_id, row.previous)

    def _serve(self, connection: sa.Connection, org_id: str, task: str, version: str) -> None:
        s = tables.serving.c
        before = connection.execute(sa.select(s.version).where(s.org_id == org_id, s.task == task)).scalar()
        if before is None:
            connection.execute(
                sa.insert(tables.serving).values(org_id=org_id, task=task, version=version, since=self._clock())
            )
        elif before != version:
            connection.execute(
                sa.update(tables.serving)
                .where(s.org_id == org_id, s.task == task)
                .values(version=version, previous=before, since=self._clock())
            )

    def _row(self, org_id: str, version: str) -> tuple[ModelFacts, str]:
        m = tables.models.c
        with self._database.reading() as connection:
            row = connection.execute(sa.select(m.facts, m.file).where(m.org_id == org_id, m.version == version)).first()
        if row is None:
            raise _unknown(version)
        return ModelFacts.from_json(row.facts), row.file


def _purpose(org_id: str, version: str) -> str:
    return f"model {org_id} {version}"


def _unknown(version: str) -> ServiceError:
    return ServiceError(404, "model_missing", f"There is no model {version[:80]}.")
