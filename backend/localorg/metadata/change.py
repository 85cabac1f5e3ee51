"""A deployment under way: the schema as it will be, rows already written, what failed, what is still to check.

Nothing here reaches the org before the deployment commits: the schema is a working copy, rows live in the
transaction. So a failed or checkOnly deployment is undone by letting go of both.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from localorg.errors import OrgError
from localorg.metadata.package import SourceFile
from localorg.metadata.results import ComponentResult
from localorg.metadata.tracking import note_component
from localorg.metadata.xmltree import Node, XmlProblem
from localorg.org import Transaction
from localorg.schema import Schema, SObjectType
from localorg.schema.catalogue import prefixed
from localorg.store import quoted

__all__ = ["TOKEN", "Change", "Refused", "StoredComponent"]

_COMPONENT = "component:"


class Refused(Exception):
    """One component cannot be deployed. line, column: 1-based, 0: no place in its file."""

    def __init__(self, message: str, at: Node | None = None, *, line: int = 0, column: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.line = at.line if at is not None else line
        self.column = at.column if at is not None else column


@dataclass(frozen=True, slots=True)
class StoredComponent:
    """A deployed component's source, kept so that retrieve gives it back.

    file_name: in a package; content: its main file; meta: its description file; files: a bundle's.
    """

    kind: str
    full_name: str
    id: str
    file_name: str
    content: bytes
    created: str
    modified: str
    namespace: str = ""
    meta: bytes | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """For the org's settings."""
        return {
            "id": self.id,
            "file": self.file_name,
            "content": base64.b64encode(self.content).decode(),
            "created": self.created,
            "modified": self.modified,
            "namespace": self.namespace,
            "meta": None if self.meta is None else base64.b64encode(self.meta).decode(),
            "files": {path: base64.b64encode(body).decode() for path, body in self.files.items()},
        }

    @classmethod
    def from_json(cls, kind: str, full_name: str, document: Mapping[str, Any]) -> StoredComponent:
        """What `to_json` wrote."""
        meta = document["meta"]
        return cls(
            kind,
            full_name,
            document["id"],
            document["file"],
            base64.b64decode(document["content"]),
            document["created"],
            document["modified"],
            document["namespace"],
            None if meta is None else base64.b64decode(meta),
            {path: base64.b64decode(body) for path, body in document["files"].items()},
        )


class Change:
    """What handlers work on.

    namespace:  of the components being deployed, "" for unmanaged ones in an org without a namespace.
    version:    API version of the package, as "67.0".
    now:        the org's time, as stored.
    installing: the components come in an installed package, which may hold what a deployment may not.
    """

    def __init__(
        self, transaction: Transaction, *, namespace: str = "", version: str = "67.0", installing: bool = False
    ) -> None:
        session = transaction.platform_session()
        self.transaction = transaction
        self.namespace = namespace
        self.version = version
        self.now = session.now
        self.installing = installing
        self.results: list[ComponentResult] = []
        self._store = session.store
        self._connection = session.connection
        self._user_id = transaction.context.user_id
        self._checks: list[tuple[str, str, str, Callable[[], None]]] = []

    @property
    def schema(self) -> Schema:
        """As the deployment has left it so far."""
        return self.transaction.schema

    # -- names

    def full(self, name: str) -> str:
        """A custom name with the package's namespace; others as they are."""
        return prefixed(name, self.namespace or None) or name

    def developer_name(self, name: str) -> str:
        """A name without a suffix (class, label, permission) with the package's namespace, as listings show it."""
        return f"{self.namespace}__{name}" if self.namespace and "__" not in name else name

    def sobject(self, name: str) -> SObjectType | None:
        """The object of that name as the deployment will leave it."""
        return self.schema.get(name, within=self.namespace or None)

    # -- components

    @contextmanager
    def component(self, kind: str, full_name: str, file_name: str) -> Iterator[None]:
        """Deploy one component inside: a refusal becomes its result. Reports nothing where all goes well."""
        try:
            yield
        except (Refused, XmlProblem) as refused:
            self.fail(kind, full_name, file_name, refused.message, refused.line, refused.column)
        except OrgError as refused:
            self.fail(kind, full_name, file_name, refused.message)

    def fail(self, kind: str, full_name: str, file_name: str, message: str, line: int = 0, column: int = 0) -> None:
        """Note a failure."""
        self.results.append(ComponentResult(kind, full_name, file_name, problem=message, line=line, column=column))

    def succeed(
        self, kind: str, full_name: str, file_name: str, component_id: str, *, created: bool, changed: bool = True
    ) -> None:
        """Note that a component went in."""
        self.results.append(ComponentResult(kind, full_name, file_name, component_id, created=created, changed=changed))

    def later(self, kind: str, full_name: str, file_name: str, check: Callable[[], None]) -> None:
        """Check something when every component is in: what a component refers to may come after it."""
        self._checks.append((kind, full_name, file_name, check))

    def run_checks(self) -> None:
        """Run what was put off; a failing check fails its component, which then counts as not deployed."""
        failed: set[tuple[str, str]] = set()
        for kind, full_name, file_name, check in self._checks:
            before = len(self.results)
            with self.component(kind, full_name, file_name):
                check()
            if len(self.results) > before:
                failed.add((kind, full_name))
        self._checks.clear()
        self.results = [r for r in self.results if not (r.success and (r.kind, r.full_name) in failed)]

    def keep(
        self, source: SourceFile, full_name: str | None = None, *, component_id: str = "", content: bytes | None = None
    ) -> tuple[str, bool]:
        """Store a component's source for retrieve; returns its id and whether it is new."""
        name = full_name or self.developer_name(source.full_name)
        return self.keep_as(
            source.kind.name,
            name,
            source.path,
            source.content if content is None else content,
            component_id=component_id,
            meta=source.meta if source.kind.meta_file else None,
            files=source.files,
        )

    def keep_as(
        self,
        kind: str,
        full_name: str,
        file_name: str,
        content: bytes,
        *,
        component_id: str = "",
        meta: bytes | None = None,
        files: Mapping[str, bytes] | None = None,
    ) -> tuple[str, bool]:
        """Store a component under its own kind and name; returns its id and whether it is new."""
        held = self.stored(kind, full_name)
        made_id = component_id or (held.id if held is not None else self.new_id(_PREFIXES.get(kind, "0Ft")))
        stored = StoredComponent(
            kind,
            full_name,
            made_id,
            file_name,
            content,
            self.now if held is None else held.created,
            self.now,
            self.namespace,
            meta,
            files or {},
        )
        self._store.put_setting(self._connection, f"{_COMPONENT}{kind}:{full_name}", stored.to_json())
        note_component(self, kind, full_name, is_new=held is None)
        return made_id, held is None

    def stored(self, kind: str, full_name: str) -> StoredComponent | None:
        """A component's kept source."""
        document = self._store.setting(self._connection, f"{_COMPONENT}{kind}:{full_name}")
        return None if document is None else StoredComponent.from_json(kind, full_name, document)

    def all_stored(self, kind: str) -> list[StoredComponent]:
        """Every kept component of a kind, by name."""
        prefix = f"{_COMPONENT}{kind}:"
        found = self._store.settings(self._connection, prefix)
        return [StoredComponent.from_json(kind, key[len(prefix) :], document) for key, document in found.items()]

    def forget(self, kind: str, full_name: str) -> bool:
        """Drop a component's source; False where there was none."""
        if self.stored(kind, full_name) is None:
            return False
        self._store.put_setting(self._connection, f"{_COMPONENT}{kind}:{full_name}", None)
        note_component(self, kind, full_name, is_new=False, gone=True)
        return True

    def new_id(self, prefix: str) -> str:
        """A fresh id, 18 characters, of something that has no row."""
        return self._store.next_ids(self._connection, prefix, 1)[0]

    def next_number(self, name: str) -> int:
        """The next number of a sequence the org keeps."""
        return self._store.next_number(self._connection, name)

    # -- rows of setup objects, written past the rights that hold for people

    def put_row(self, object_name: str, key: Mapping[str, object], values: Mapping[str, object]) -> tuple[str, bool]:
        """Make the row that `key` finds have `values`, or make it; returns its id and whether it is new."""
        found = self.find_row(object_name, key)
        stamps = {"LastModifiedDate": self.now, "LastModifiedById": self._user_id, "SystemModstamp": self.now}
        sobject = self.schema.object(object_name)
        if found is not None:
            changed = self._known(sobject, {**values, **stamps})
            sets = ", ".join(f"{quoted(name)} = ?" for name in changed)
            self._connection.execute(
                f"UPDATE {quoted(sobject.api_name)} SET {sets} WHERE Id = ?",  # noqa: S608 - quoted() admits API names only
                (*changed.values(), found),
            )
            return found, False
        (new_id,) = self._store.next_ids(self._connection, sobject.key_prefix or "000", 1)
        defaults = {f.api_name: _plain(f.default) for f in sobject if f.stored and f.default is not None}
        whole = {**defaults, **key, **values, **stamps, "CreatedDate": self.now, "CreatedById": self._user_id}
        row = {**self._known(sobject, whole), "Id": new_id}
        names = ", ".join(map(quoted, row))
        self._connection.execute(
            f"INSERT INTO {quoted(sobject.api_name)} ({names}) VALUES ({', '.join('?' * len(row))})",  # noqa: S608 - quoted() admits API names only
            list(row.values()),
        )
        return new_id, True

    def find_row(self, object_name: str, key: Mapping[str, object]) -> str | None:
        """Id of the row with these values (None matches null), or None."""
        tests = " AND ".join(f"{quoted(name)} IS ?" for name in key)
        row = self._connection.execute(
            f"SELECT Id FROM {quoted(object_name)} WHERE {tests}",  # noqa: S608 - quoted() admits API names only
            list(map(_plain, key.values())),
        ).fetchone()
        return None if row is None else str(row[0])

    def read_rows(self, object_name: str, key: Mapping[str, object], names: tuple[str, ...]) -> list[tuple[Any, ...]]:
        """Columns of the rows with these values."""
        tests = " AND ".join(f"{quoted(name)} IS ?" for name in key) or "1"
        columns = ", ".join(map(quoted, names))
        return self._connection.execute(
            f"SELECT {columns} FROM {quoted(object_name)} WHERE {tests}",  # noqa: S608 - quoted() admits API names only
            list(map(_plain, key.values())),
        ).fetchall()

    def delete_rows(self, object_name: str, key: Mapping[str, object]) -> int:
        """Remove the rows with these values; returns how many."""
        tests = " AND ".join(f"{quoted(name)} IS ?" for name in key)
        return self._connection.execute(
            f"DELETE FROM {quoted(object_name)} WHERE {tests}",  # noqa: S608 - quoted() admits API names only
            list(map(_plain, key.values())),
        ).rowcount

    def put_setting(self, key: str, value: Any) -> None:
        """Keep a JSON value in the org's file; None removes it."""
        self._store.put_setting(self._connection, key, value)

    def setting(self, key: str) -> Any:
        """A JSON value of the org's file, or None."""
        return self._store.setting(self._connection, key)

    def _known(self, sobject: SObjectType, values: Mapping[str, object]) -> dict[str, object]:
        return {name: _plain(value) for name, value in values.items() if sobject.get(name) is not None}


def _plain(value: object) -> object:
    return int(value) if isinstance(value, bool) else value


_PREFIXES = {
    "ApexClass": "01p",
    "ApexTrigger": "01q",
    "ApexPage": "066",
    "ApexComponent": "099",
    "CustomField": "00N",
    "CustomObject": "01I",
    "CustomLabel": "101",
    "CustomTab": "01r",
    "CustomApplication": "02u",
    "Flow": "301",
    "FlexiPage": "0M0",
    "Layout": "00h",
    "LightningComponentBundle": "0Rb",
    "AuraDefinitionBundle": "0Ab",
    "ListView": "00B",
    "ValidationRule": "03d",
    "StaticResource": "081",
    "RemoteSiteSetting": "0rp",
    "ReportType": "070",
    "QuickAction": "09D",
    "InstalledPackage": "0A3",
    "ExternalClientApplication": "0xI",
}

TOKEN = re.compile(r"%%%(?:NAMESPACE|NAMESPACED_ORG|NAMESPACED_RT|MANAGED)\w*%%%|___NAMESPACE\w*___", re.IGNORECASE)
