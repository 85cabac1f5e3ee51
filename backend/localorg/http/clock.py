"""The server's time: the machine's, moved by as much as somebody asked for. Every org and session lives by it."""

from __future__ import annotations

import datetime as dt

from starlette.responses import Response

from localorg.errors import OrgError
from localorg.http.answers import json_answer
from localorg.http.calls import Call, Route
from localorg.serverfile import ServerFile

__all__ = ["ROUTES", "MovableClock"]


class MovableClock:
    """UTC now plus an offset that survives a restart."""

    def __init__(self, file: ServerFile) -> None:
        file.define("CREATE TABLE IF NOT EXISTS clock (id INTEGER PRIMARY KEY CHECK (id = 1), offset_s REAL NOT NULL)")
        self._file = file
        row = file.row("SELECT offset_s FROM clock")
        self._offset = dt.timedelta(seconds=0 if row is None else row[0])

    def __call__(self) -> dt.datetime:
        """The time, UTC, with its zone."""
        return dt.datetime.now(dt.UTC) + self._offset

    def now(self) -> dt.datetime:
        """The same, by name."""
        return self()

    def move_to(self, moment: dt.datetime) -> None:
        """Let it be `moment` now, and go on from there."""
        self.move_by(moment - self())

    def move_by(self, span: dt.timedelta) -> None:
        """Move on, or back."""
        self._set(self._offset + span)

    def reset(self) -> None:
        """The machine's own time again."""
        self._set(dt.timedelta())

    @property
    def offset(self) -> dt.timedelta:
        """How far this clock is ahead of the machine's."""
        return self._offset

    def _set(self, offset: dt.timedelta) -> None:
        self._file.execute("INSERT OR REPLACE INTO clock VALUES (1, ?)", (offset.total_seconds(),))
        self._offset = offset


def _read(call: Call) -> Response:
    clock = call.server.clock
    return json_answer({"now": clock().isoformat(), "offset_s": clock.offset.total_seconds()})


def _move(call: Call) -> Response:
    document = call.body.object()
    try:
        if set(document) == {"now"}:
            moment = dt.datetime.fromisoformat(str(document["now"]))
            call.server.clock.move_to(moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC))
        elif set(document) == {"advance_s"}:
            call.server.clock.move_by(dt.timedelta(seconds=float(document["advance_s"])))
        else:
            raise OrgError("INVALID_FIELD", 'Give {"now": "2026-11-24T10:00:00Z"} or {"advance_s": 3600}')
    except (ValueError, TypeError, OverflowError) as wrong:
        raise OrgError("INVALID_FIELD", f"Not a time: {wrong}") from wrong
    return _read(call)


def _reset(call: Call) -> Response:
    call.server.clock.reset()
    return _read(call)


ROUTES = (
    Route("GET", "/_local/clock", _read, open=True),
    Route("POST", "/_local/clock", _move, open=True),
    Route("DELETE", "/_local/clock", _reset, open=True),
)
