"""One request as a handler sees it, and the table entry that leads to the handler.

Handlers are plain functions `(Call) -> Response`, run on a thread: SQLite blocks, and so may they.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from starlette.responses import Response

from localorg.access import Context
from localorg.errors import OrgError
from localorg.org import Org, Transaction

if TYPE_CHECKING:
    from localorg.http.server import Server
    from localorg.http.sessions import Session

__all__ = ["Body", "Call", "Handler", "Json", "Refusal", "Route"]

Json = dict[str, Any]
Handler = Callable[["Call"], Response]
Refusal = Callable[[OrgError], Response]

_IN_MEMORY = 4 << 20  # bytes of a body above which it waits on disk
_PLACEHOLDER = re.compile(r"\{(\w+)(:path)?\}")


class Body:
    """What the caller sent, already unzipped, spooled to disk when long; read once or many times."""

    def __init__(self) -> None:
        self.file: IO[bytes] = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed with the request

    def bytes(self) -> bytes:
        """All of it."""
        self.file.seek(0)
        return self.file.read()

    def text(self) -> str:
        """All of it, as UTF-8; raises OrgError on anything else."""
        try:
            return self.bytes().decode("utf-8-sig")
        except UnicodeDecodeError as broken:
            raise OrgError("JSON_PARSER_ERROR", "The request body is not valid UTF-8") from broken

    def json(self) -> Any:
        """The parsed JSON document; raises OrgError the way the platform words it."""
        try:
            return json.loads(self.text())
        except json.JSONDecodeError as broken:
            raise OrgError(
                "JSON_PARSER_ERROR", f"{broken.msg} at [line:{broken.lineno}, column:{broken.colno}]"
            ) from broken

    def object(self) -> Json:
        """The parsed JSON document, which must be an object."""
        document = self.json()
        if not isinstance(document, dict):
            raise OrgError("JSON_PARSER_ERROR", "A JSON object is expected at [line:1, column:1]")
        return document

    def form(self) -> dict[str, str]:
        """URL-encoded fields; of a repeated one the last counts."""
        return dict(parse_qsl(self.text(), keep_blank_values=True))


@dataclass(slots=True)
class Call:
    """A request that found its route.

    params:  what the route's placeholders stand for, percent-decoded.
    query:   the query string's fields.
    headers: by lower-case name.
    base_url: scheme, host and port as the caller wrote them: what URLs in answers start with.
    """

    server: Server
    method: str
    path: str
    params: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    base_url: str
    body: Body = field(default_factory=Body)
    session: Session | None = None
    within: Transaction | None = None  # of the composite request this call is a part of

    def transaction(self) -> AbstractContextManager[Transaction]:
        """A transaction of this call's user: its own, or the composite's."""
        return self.org.transaction(self.context) if self.within is None else nullcontext(self.within)

    @property
    def version(self) -> str:
        """API version asked for, as "67.0"."""
        return self.params["version"]

    @property
    def org(self) -> Org:
        """The org of the session; raises OrgError where there is none."""
        return self.signed_in.org

    @property
    def context(self) -> Context:
        """Who asks, with API users' rights."""
        return self.signed_in.context

    @property
    def signed_in(self) -> Session:
        """The session; raises OrgError INVALID_SESSION_ID where there is none."""
        if self.session is None:
            raise OrgError("INVALID_SESSION_ID", "Session expired or invalid", status=401)
        return self.session


@dataclass(frozen=True, slots=True)
class Route:
    """One entry of a family's table.

    methods: "GET" or "GET|POST".
    pattern: path with {placeholders}; {name:path} also takes slashes.
    open:    no session is needed.
    refuse:  how this family writes an error; None: the REST array.
    """

    methods: str
    pattern: str
    handler: Handler
    open: bool = False
    refuse: Refusal | None = None

    def compiled(self) -> re.Pattern[str]:
        """The pattern as a regular expression over the whole path; placeholders are named groups."""
        out, at = [], 0
        for match in _PLACEHOLDER.finditer(self.pattern):
            out.append(re.escape(self.pattern[at : match.start()]))
            out.append(f"(?P<{match[1]}>{'.+' if match[2] else '[^/]+'})")
            at = match.end()
        return re.compile("".join(out) + re.escape(self.pattern[at:]) + "/?", re.IGNORECASE)
