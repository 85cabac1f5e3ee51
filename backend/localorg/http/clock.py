"""The server's time: the machine's, moved by as much as somebody asked for. Every org and session lives by it."""

from __future__ import annotations

import datetime as dt

from starlette.responses import Response

from localorg.clock import Clock
from localorg.errors import OrgError
from localorg.http.answers import json_answer
from localorg.http.calls import Call, Route
from localorg.serverfile import ServerFile

__all__ = ["ROUTES", "kept_clock"]


def kept_clock(file: ServerFile) -> Clock:
    """A clock that stands where it was moved to before the last restart."""
    file.define("CREATE TABLE IF NOT EXISTS clock (id INTEGER PRIMARY KEY CHECK (id = 1), offset_s REAL NOT NULL)")
    clock = Clock()
    row = file.row("SELECT offset_s FROM clock")
    if row is not None:
        clock.move(dt.timedelta(seconds=row[0]))
    return clock


def _keep(call: Call) -> None:
    offset = call.server.clock.offset.total_seconds()
    call.server.file.execute("INSERT OR REPLACE INTO clock VALUES (1, ?)", (offset,))


def _read(call: Call) -> Response:
    clock = call.server.clock
    return json_answer({"now": clock.now().isoformat(), "offset_s": clock.offset.total_seconds()})


def _move(call: Call) -> Response:
    document = call.body.object()
    try:
        if set(document) == {"now"}:
            call.server.clock.move_to(dt.datetime.fromisoformat(str(document["now"])))
        elif set(document) == {"advance_s"}:
            call.server.clock.move(dt.timedelta(seconds=float(document["advance_s"])))
        else:
            raise OrgError("INVALID_FIELD", 'Give {"now": "2026-11-24T10:00:00Z"} or {"advance_s": 3600}')
    except (ValueError, TypeError, OverflowError) as wrong:
        raise OrgError("INVALID_FIELD", f"Not a time: {wrong}") from wrong
    _keep(call)
    return _read(call)


def _reset(call: Call) -> Response:
    call.server.clock.reset()
    _keep(call)
    return _read(call)


ROUTES = (
    Route("GET", "/_local/clock", _read, open=True),
    Route("POST", "/_local/clock", _move, open=True),
    Route("DELETE", "/_local/clock", _reset, open=True),
)
