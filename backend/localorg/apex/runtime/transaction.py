"""One transaction of Apex: its classes with their statics, its user, its limits, its database.

Generated code knows this object as `rt`.
"""

from __future__ import annotations

import datetime
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import FrameType
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from localorg.access import Context, Mode, Rights
from localorg.apex.compiling.classes import CompiledClass
from localorg.apex.compiling.scope import USER_MODE_SINCE
from localorg.apex.faults import CompileError
from localorg.apex.program import ANONYMOUS, Program
from localorg.apex.runtime.limits import Counters
from localorg.apex.runtime.vocabulary import VOCABULARY
from localorg.apex.types.classes import ClassInfo
from localorg.apex.types.model import Class, Type
from localorg.apex.types.names import Names
from localorg.apex.values.exceptions import apex_error
from localorg.apex.values.records import SObject
from localorg.schema import Schema

if TYPE_CHECKING:
    from localorg.apex.runtime.jobs import Job
    from localorg.apex.runtime.services import Services
    from localorg.apex.runtime.testing import TestState
    from localorg.org import Savepoint, Transaction

__all__ = ["DebugLine", "Runtime"]

_SYSTEM_ENTRIES = frozenset({"anonymous"})


@dataclass(frozen=True, slots=True)
class DebugLine:
    """One System.debug. line: where in the Apex it stands."""

    moment: datetime.datetime
    line: int
    level: str
    text: str


@dataclass
class RestExchange:
    """RestContext: the request being answered, and the answer."""

    request: Any = None
    response: Any = None


class Runtime:
    """Everything one transaction can see and change.

    kind:     what is running: anonymous, rest, aura, action, test, batch, queueable, scheduled.
    database: see `database()`.
    services: what lies outside the database: callouts, chance.
    scheduling: the module `jobs`, handed in because it needs this one.
    """

    def __init__(
        self,
        program: Program,
        transaction: Transaction,
        services: Services,
        scheduling: Any,
        *,
        kind: str,
        asynchronous: bool = False,
    ) -> None:
        self.program = program
        self.transaction = transaction
        self.services = services
        self.scheduling = scheduling
        self.kind = kind
        self.user_id = transaction.context.user_id
        self.namespace = program.namespace
        self.limits = Counters(asynchronous=asynchronous)
        self.debug: list[DebugLine] = []
        self.test: TestState | None = None
        self.jobs: list[Job] = []
        self.rest = RestExchange()
        self.job_id: str | None = None
        self.batch_phase = ""
        self.undoes_writes = False
        self.before_writes: Savepoint | None = None
        self.caches: dict[str, Any] = {}
        self.coverage: dict[str, bytearray] = {}
        self._loaded: dict[str, ClassInfo] = {}
        self._wanted: list[ClassInfo] = []
        self._databases: dict[tuple[bool, bool], Transaction] = {}
        self._context = replace(transaction.context, namespace=program.namespace)
        self.globals: dict[str, Any] = dict(VOCABULARY)
        self.globals["rt"] = self
        self.globals["tick"] = self.limits.tick
        self.globals["hold"] = self.limits.hold
        self.globals["apex_lines"] = {}

    def use_limits(self, limits: Counters) -> None:
        """Count against another set of limits from now on."""
        self.limits = limits
        self.globals["tick"] = limits.tick
        self.globals["hold"] = limits.hold

    @contextmanager
    def lent_to(self, kind: str) -> Iterator[None]:
        """Go on as another kind of code with limits of its own, as a job does inside a test."""
        before = (self.kind, self.limits, self.batch_phase, self.job_id, self.user_id)
        self.kind, self.batch_phase = kind, ""
        self.use_limits(Counters(asynchronous=True))
        try:
            yield
        finally:
            self.kind, limits, self.batch_phase, self.job_id, user = before
            self.use_limits(limits)
            if self.user_id != user:
                self.become(user)

    # ---- classes ------------------------------------------------------------------------------------------------

    def load(self, info: ClassInfo) -> Any:
        """A class in this transaction, made on first use together with all it refers to."""
        self._make(info)
        while self._wanted:
            self._make(self._wanted.pop())
        return self.globals[info.python]

    def _make(self, info: ClassInfo) -> None:
        """Make a class and those above it; what its bodies refer to may wait until it stands."""
        if info.key in self._loaded:
            return
        self._loaded[info.key] = info
        compiled = self._compiled(info)
        for each in info.supertypes():
            if isinstance(each, Class):
                self._make(each.info)
        self.globals.update(compiled.constants)
        self._cover(info)
        self.globals["apex_lines"][compiled.file] = (compiled.apex_lines, compiled.names)
        exec(compiled.code, self.globals)  # noqa: S102 - code this package has generated from a checked program
        self._wanted.extend(compiled.uses)

    def _compiled(self, info: ClassInfo) -> CompiledClass:
        try:
            return self.program.compiled(info)
        except CompileError as error:
            if info.top.name == ANONYMOUS:
                raise
            at = f"Class {info.top.name} : {error.message} : {error.at.line}"
            raise apex_error("TypeException", f"Dependent class is invalid and needs recompilation:\n {at}") from None

    def call_static(self, info: ClassInfo, python: str, *arguments: Any) -> Any:
        """Call a static method by its Python name."""
        return getattr(self.load(info), python)(*arguments)

    def _cover(self, info: ClassInfo) -> None:
        name = f"cov_{info.top.python}"
        if name not in self.globals:
            self.coverage[info.top.key] = self.globals[name] = bytearray(info.top.last_line + 2)

    def find_type(self, name: str) -> Type | None:
        """Type.forName."""
        return self.program.names.written(name)

    @property
    def names(self) -> Names:
        """The program's names."""
        return self.program.names

    # ---- the org ------------------------------------------------------------------------------------------------

    @property
    def schema(self) -> Schema:
        """The org's schema."""
        return self.transaction.schema

    @property
    def zone(self) -> ZoneInfo:
        """The user's time zone."""
        return ZoneInfo(self._context.time_zone)

    @property
    def context(self) -> Context:
        """The running user."""
        return self._context

    @property
    def rights(self) -> Rights:
        """What the running user may do."""
        return self.database(user_mode=True, sharing=True).rights

    def now(self) -> datetime.datetime:
        """The org's time."""
        return self.transaction.now()

    def database(self, *, user_mode: bool, sharing: bool) -> Transaction:
        """The transaction as one mode and sharing see it. User mode always has sharing."""
        key = (user_mode, sharing or user_mode)
        found = self._databases.get(key)
        if found is None:
            mode = Mode.USER if user_mode else Mode.SYSTEM
            context = replace(self._context, mode=mode, sharing=sharing or user_mode)
            found = self._databases[key] = self.transaction.acting_as(context)
        return found

    def about_to_write(self) -> None:
        """In somebody else's transaction, remember where this code's own writes begin: a failure undoes only them."""
        if self.undoes_writes and self.before_writes is None:
            self.before_writes = self.transaction.savepoint()

    def transaction_has_writes(self) -> bool:
        """Whether something is uncommitted, so that a callout has to wait (a test's own set-up does not count)."""
        return self.limits.used.get("dml_statements", 0) > 0

    @property
    def system(self) -> Transaction:
        """The transaction without rights or sharing: the platform's own reads and writes."""
        return self.database(user_mode=False, sharing=False)

    @property
    def platform(self) -> Transaction:
        """The transaction as the platform itself: it also writes job rows."""
        return self.transaction.acting_as(self._context.as_platform())

    def become(self, user_id: str) -> None:
        """Go on as another user (System.runAs)."""
        text = "SELECT TimeZoneSidKey FROM User WHERE Id = :u"
        row = next(iter(self.system.query(text, binds={"u": user_id})), None)
        zone = "UTC" if row is None else row["TimeZoneSidKey"] or "UTC"
        self.user_id = user_id
        self._context = Context(user_id, namespace=self.namespace, time_zone=zone)
        self._databases.clear()

    def sharing(self, written: str) -> bool:
        """Whether sharing holds: a class that inherits it asks its caller, an entry point has it."""
        if written != "inherited":
            return written == "with"
        for info, _ in self._callers():
            for each in ("without", "with"):
                if f"{each} sharing" in info.modifiers:
                    return each == "with"
            if "inherited sharing" not in info.modifiers and self.program.version(info) >= USER_MODE_SINCE:
                return True
        return self.kind not in _SYSTEM_ENTRIES

    def _callers(self) -> Iterator[tuple[ClassInfo, FrameType]]:
        """Classes on the stack from the inside out, with their frames."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            file = frame.f_code.co_filename
            if file.startswith("apex:"):
                info = self._loaded.get(file[5:].lower())
                if info is not None:
                    yield info, frame
            frame = frame.f_back

    def caller_sharing(self) -> bool:
        """Whether sharing holds for a call of the library from the innermost class."""
        for info, _ in self._callers():
            for each in ("without", "with"):
                if f"{each} sharing" in info.modifiers:
                    return each == "with"
            break
        return self.sharing("inherited")

    def caller_in_user_mode(self) -> bool:
        """The mode of the innermost class where a call names none: its API version decides."""
        for info, _ in self._callers():
            return self.program.version(info) >= USER_MODE_SINCE
        return False

    def caller_variable(self, name: str) -> tuple[bool, Any]:
        """A variable of the innermost method, or a field of its class, for a bind of dynamic SOQL."""
        head, *rest = name.lower().split(".")
        for info, frame in self._callers():
            found, value = self._variable(info, frame, head)
            for part in rest:
                value = _field(value, part)
            return found, value
        return False, None

    def _variable(self, info: ClassInfo, frame: FrameType, name: str) -> tuple[bool, Any]:
        if f"v_{name}" in frame.f_locals:
            return True, frame.f_locals[f"v_{name}"]
        field = info.field(name)
        if field is None:
            return False, None
        if field.static:
            return True, getattr(self.globals[field.owner.python], field.python)
        return True, getattr(frame.f_locals.get("self"), field.python, None)

    # ---- what a program leaves behind ---------------------------------------------------------------------------

    def debug_line(self, level: str, text: str, line: int) -> None:
        """System.debug."""
        self.debug.append(DebugLine(self.now(), line, level, text))

    def object_token(self, name: str) -> Any:
        """Schema.SObjectType of an object."""
        make: Callable[[Any, str], Any] = self.globals["object_token"]
        return make(self, name)

    def labels(self) -> dict[str, str]:
        """Custom labels by lowered name."""
        found = self.caches.get("labels")
        if found is None:
            found = self.caches["labels"] = self.services.labels(self.transaction)
        return found


def _field(holder: Any, name: str) -> Any:
    """A field of a record or of an object, by lowered name."""
    if isinstance(holder, SObject):
        return next((value for key, value in holder.values.items() if key.lower() == name), None)
    known = holder.info.field(name) if hasattr(holder, "info") else None
    return None if known is None else getattr(holder, known.python)
