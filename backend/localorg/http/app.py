"""The ASGI application: finds the route, checks who asks, lets faults strike, runs the handler on a thread.

What every answer has in common happens here and nowhere else: `X-Local-Org: 1`, `Sforce-Limit-Info`, the form
of a refusal, paths with doubled or trailing slashes, bodies sent gzipped.
"""

from __future__ import annotations

import logging
import re
import time
import zlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from localorg.errors import OrgError
from localorg.http.answers import rest_refusal
from localorg.http.calls import Body, Call, Refusal, Route
from localorg.http.families import ROUTES
from localorg.http.faults import AT_THE_DOOR, Fault, Kind
from localorg.http.server import Server

__all__ = ["App"]

OLDEST_VERSION, NEWEST_VERSION = 31.0, 67.0  # CumulusCI runs tests at 38.0; 30.0 and below are retired
_LONGEST_BODY = 160 << 20  # bytes, unzipped: the platform's longest upload is 150 MB
_PIECE = 1 << 20  # bytes unzipped at a time

_log = logging.getLogger("localorg")


class App:
    """One server's wire side."""

    def __init__(self, server: Server) -> None:
        self._server = server
        server.answer_within = self._answer_part
        self._routes = [(frozenset(route.methods.split("|")), route.compiled(), route) for route in ROUTES]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's request."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = re.sub("/{2,}", "/", scope["path"])
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        route, params = self._find(scope["method"], path)
        refuse: Refusal = rest_refusal if route is None or route.refuse is None else route.refuse
        host = headers.get("host", "localhost")
        call = Call(self._server, scope["method"], path, params, query, headers, f"{scope['scheme']}://{host}")
        fault: Fault | None = None
        try:
            await _read_body(Request(scope, receive), call.body, headers)
            response, fault = await anyio.to_thread.run_sync(self._answer, call, route, refuse)
        except OrgError as error:
            response = refuse(error)
        finally:
            call.body.file.close()
        self._mark(response, call)
        if fault is not None and fault.kind in (Kind.CUT, Kind.TRUNCATE):
            await _cut_short(response, fault, scope, receive, send)
            return
        await response(scope, receive, send)

    def _answer(self, call: Call, route: Route | None, refuse: Refusal) -> tuple[Response, Fault | None]:
        fault: Fault | None = None
        try:
            self._admit(call, route)
            fault = self._strike(call)
            if fault is not None and fault.kind is Kind.ERROR and not fault.after:
                return _struck(fault, refuse), fault
            response = (_nowhere if route is None else route.handler)(call)
            if fault is not None and fault.kind is Kind.ERROR:
                return _struck(fault, refuse), fault
        except OrgError as error:
            return refuse(error), fault
        except RecursionError:
            return refuse(OrgError("JSON_PARSER_ERROR", "The request is nested too deeply")), fault
        except Exception:  # noqa: BLE001 - the last line of defence: one org's trouble must not take the others down
            _log.exception("%s %s failed", call.method, call.path)
            return refuse(
                OrgError("UNKNOWN_EXCEPTION", "An unexpected error occurred in the local org", status=500)
            ), fault
        return response, fault

    def _answer_part(self, call: Call) -> Response:
        """Answer a part of a composite request: no new session, no second count against the day."""
        route, call.params = self._find(call.method, re.sub("/{2,}", "/", call.path))
        try:
            known = route is not None and _known_version(call.params.get("version", ""))
            return (route.handler if route is not None and known else _nowhere)(call)
        except OrgError as error:
            return rest_refusal(error)

    def _admit(self, call: Call, route: Route | None) -> None:
        version = call.params.get("version")
        call.session = self._server.session(_token_of(call.headers))
        if call.session is not None and not self._server.host_fits(call, call.session.org):
            call.session = None
        if route is not None and not route.open and call.session is None:
            raise OrgError("INVALID_SESSION_ID", "Session expired or invalid", status=401)
        if version is not None and not _known_version(version):
            raise OrgError("NOT_FOUND", "The requested resource does not exist", status=404)
        if call.session is not None and route is not None and not route.open:
            self._server.admit_to(call)

    def _strike(self, call: Call) -> Fault | None:
        org = None if call.session is None else call.session.org.alias
        if call.path.startswith("/_local/"):
            return None
        fault = self._server.faults.take(AT_THE_DOOR, org=org, method=call.method, path=call.path)
        if fault is None:
            return None
        time.sleep(fault.delay)
        if fault.kind is Kind.EXPIRE:
            self._server.sessions.end(_token_of(call.headers))
            raise OrgError("INVALID_SESSION_ID", "Session expired or invalid", status=401)
        if fault.kind is Kind.LIMIT:
            raise OrgError("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", status=403)
        if fault.kind is Kind.MAINTENANCE:
            raise OrgError(
                "SERVER_UNAVAILABLE", "We are down for maintenance. Sorry for the inconvenience.", status=503
            )
        return fault

    def _find(self, method: str, path: str) -> tuple[Route | None, Mapping[str, str]]:
        method = "GET" if method == "HEAD" else method
        for methods, pattern, route in self._routes:
            match = pattern.fullmatch(path) if method in methods else None
            if match is not None:
                return route, {name: unquote(value) for name, value in match.groupdict().items()}
        return None, {}

    def _mark(self, response: Response, call: Call) -> None:
        response.headers["X-Local-Org"] = "1"
        if call.session is not None:
            usage, org_id = self._server.usage, call.session.org.org_id
            response.headers["Sforce-Limit-Info"] = f"api-usage={usage.used(org_id)}/{usage.allowed(org_id)}"


def _nowhere(_: Call) -> Response:
    raise OrgError("NOT_FOUND", "The requested resource does not exist", status=404)


def _token_of(headers: Mapping[str, str]) -> str:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() in {"bearer", "oauth"}:
        return token.strip()
    return headers.get("x-sfdc-session", "")


def _known_version(version: str) -> bool:
    return re.fullmatch(r"\d\d\.\d", version) is not None and OLDEST_VERSION <= float(version) <= NEWEST_VERSION


def _struck(fault: Fault, refuse: Refusal) -> Response:
    response = refuse(OrgError(fault.code, fault.message, status=fault.status))
    response.headers.update(fault.headers)
    return response


async def _read_body(request: Request, body: Body, headers: Mapping[str, str]) -> None:
    inflater = zlib.decompressobj(wbits=47) if headers.get("content-encoding", "").lower() == "gzip" else None
    length = 0
    try:
        async for chunk in request.stream():
            waiting = chunk
            while waiting:
                plain = inflater.decompress(waiting, _PIECE) if inflater else waiting
                waiting = inflater.unconsumed_tail if inflater else b""
                length += len(plain)
                if length > _LONGEST_BODY:
                    raise OrgError("REQUEST_TOO_LARGE", "The request body is too large", status=413)
                body.file.write(plain)
    except zlib.error as broken:
        raise OrgError("INVALID_CONTENT", "The body is not valid gzip") from broken


async def _cut_short(response: Response, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
    """Send the first `fault.bytes` bytes; then end as if that were all (TRUNCATE) or break off (CUT)."""
    left = fault.bytes

    async def send_some(message: Message) -> None:
        nonlocal left
        if message["type"] == "http.response.start" and fault.kind is Kind.TRUNCATE:
            message = {**message, "headers": [h for h in message["headers"] if h[0].lower() != b"content-length"]}
        if message["type"] == "http.response.body":
            body = message.get("body", b"")[:left]
            left -= len(body)
            if fault.kind is Kind.CUT and (left == 0 or not message.get("more_body")):
                await send({"type": "http.response.body", "body": body, "more_body": True})
                raise _BreakOff
            message = {**message, "body": body}
        await send(message)

    try:
        await response(scope, receive, send_some)
    except* _BreakOff:
        # Returning without a last body message makes the server drop the connection.
        pass


class _BreakOff(Exception):
    pass


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message: Any = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await send({"type": "lifespan.shutdown.complete"})
            return
