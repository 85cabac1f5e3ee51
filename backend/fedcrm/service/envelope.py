"""What surrounds every call: an id, a limit on its body, one line in the log, its figures."""

from __future__ import annotations

import logging
import re
import time
import uuid
from typing import Any

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fedcrm.service.logs import event
from fedcrm.service.metrics import Metrics
from fedcrm.service.replies import json_reply, refusal

__all__ = ["Envelope"]

_ID = re.compile(r"^[A-Za-z0-9-]{8,64}$")


class Envelope:
    """ASGI middleware around the whole service."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics, body_bytes: int) -> None:
        self._app, self._metrics, self._body_bytes = app, metrics, body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is no HTTP call."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        headers = {k.lower(): v for k, v in scope["headers"]}
        given = headers.get(b"x-request-id", b"").decode("latin-1")
        request_id = given if _ID.match(given) else str(uuid.uuid4())
        state: dict[str, Any] = scope.setdefault("state", {})
        state["request_id"] = request_id
        status, started, read = 500, False, 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._body_bytes:
                # An HTTPException, because FastAPI makes anything else that reading raises into a 400.
                raise HTTPException(413, self._words)
            return message

        async def named(message: Message) -> None:
            nonlocal status, started
            if message["type"] == "http.response.start":
                status, started = message["status"], True
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            length = headers.get(b"content-length", b"0")
            if not length.isdigit() or int(length) > self._body_bytes:
                reply = json_reply(413, refusal("invalid_request", self._words, request_id))
                await reply(scope, receive, named)
            else:
                await self._app(scope, counted, named)
        except Exception:  # the last line of defence: whatever it was, the caller gets an answer without its words
            logging.getLogger("fedcrm.service").exception("failed", extra={"facts": {"request_id": request_id}})
            if started:
                raise
            await json_reply(500, refusal("internal", "The service failed; the log knows why.", request_id))(
                scope, receive, named
            )
        finally:
            route = getattr(scope.get("route"), "path", "none")
            seconds = time.perf_counter() - began
            self._metrics.calls.labels(route, str(status)).inc()
            self._metrics.seconds.labels(route).observe(seconds)
            event(
                "call",
                request_id=request_id,
                method=scope["method"],
                route=route,
                status=status,
                ms=round(1000 * seconds, 2),
                org=state.get("org_id"),
                records=state.get("records"),
                code=state.get("code"),
            )

    @property
    def _words(self) -> str:
        return f"The body is larger than {self._body_bytes} bytes; send fewer records."
