"""The service over HTTP: routes, and nothing that the modules behind them could do.

Scoring runs in the event loop, one call after the other: it is all computing, so threads would only make calls wait for
each other in a worse order (measured at eight clients: the 99th percentile is 2.3 times the median, with threads 5).
All other handlers run in worker threads.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Depends, FastAPI, Query, Request, Security
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response

from fedcrm import __version__
from fedcrm.errors import ServiceError, StorageError
from fedcrm.service import tables
from fedcrm.service.core import Service
from fedcrm.service.envelope import Envelope
from fedcrm.service.logs import event
from fedcrm.service.messages import (
    ErrorReply,
    FeedbackReply,
    FeedbackRequest,
    KeyRequest,
    PairingReply,
    PairingRequest,
    PredictionReply,
    PredictionRequest,
    RollBackRequest,
    SignerRequest,
    now_text,
)
from fedcrm.service.predictions import model_reply, score_records
from fedcrm.service.registry import ModelFacts, Standing
from fedcrm.service.replies import json_reply, refusal
from fedcrm.service.tenants import Caller, Scope

__all__ = ["create_app"]

REFRESH_SECONDS = 2.0
_MOST_AUDIT = 500

_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorReply, "description": words}
    for status, words in (
        (400, "The request cannot be read."),
        (401, "No credential, or one that is not valid."),
        (403, "A credential that may not do this."),
        (404, "No such model."),
        (413, "The body is too large."),
        (429, "Too much in this minute; Retry-After says when."),
        (503, "Not now; Retry-After says when."),
    )
}
_KEY = APIKeyHeader(name="X-FedCRM-Key", auto_error=False, description="An API key of the organisation.")
_BEARER = HTTPBearer(auto_error=False, description="A token that the organisation signed (RS256 or RS512).")


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


@dataclass(frozen=True, slots=True)
class _Credentials:
    """What a call brought, not yet looked at: that takes the database, and so belongs into the handler's thread."""

    api_key: str | None
    bearer: str | None


async def _credentials(
    api_key: Annotated[str | None, Security(_KEY)],
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)],
) -> _Credentials:
    return _Credentials(api_key, None if bearer is None else bearer.credentials)


Brought = Annotated[_Credentials, Depends(_credentials)]


def _caller(request: Request, brought: _Credentials, *, admin: bool = False) -> Caller:
    """Who calls. Raises ServiceError: 401, or 403 for a credential that is not for administration."""
    caller = _service(request).caller(brought.api_key, brought.bearer, _address(request))
    request.state.org_id = caller.org_id
    if admin and caller.scope is not Scope.ADMIN:
        raise ServiceError(403, "forbidden", "This needs a credential for administration.")
    return caller


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _own(caller: Caller, org_id: str) -> None:
    if org_id != caller.org_id:
        raise ServiceError(403, "org_not_paired", "The credential belongs to another organisation.")


public = APIRouter(responses=_REFUSALS)
admin = APIRouter(prefix="/v1/admin", tags=["administration"], responses=_REFUSALS)


@public.post("/v1/predictions", response_model=PredictionReply, tags=["predictions"], summary="Score up to 200 records")
async def predict(request: Request, body: PredictionRequest, brought: Brought) -> Response:
    """One result a record, in the request's order; a record that cannot be scored is refused on its own."""
    caller = _caller(request, brought)
    service = _service(request)
    _own(caller, body.org_id)
    request.state.records = len(body.records)
    if wait := service.records.take(caller.org_id, len(body.records)):
        message = f"Too many records in this minute; try again in {wait} seconds."
        raise ServiceError(429, "rate_limited", message, retry_after=wait)
    model = service.registry.serving(caller.org_id, body.task)
    scored = score_records(model, body.records, now_text(service.clock()))
    if scored.explained is not None:
        service.watch.observe(caller.org_id, model, scored.explained)
    service.metrics.records.labels("scored").inc(scored.count)
    service.metrics.records.labels("refused").inc(len(body.records) - scored.count)
    return json_reply(
        200,
        {
            "request_id": request.state.request_id,
            "task": body.task,
            "model": model_reply(model.facts),
            "results": scored.results,
        },
    )


@public.get("/v1/models", tags=["models"], summary="Models of one's own organisation")
def models(request: Request, brought: Brought) -> Response:
    """Newest first within each task; `serving` is what answers now."""
    return _models(request, _caller(request, brought))


def _models(request: Request, caller: Caller) -> Response:
    standings = _service(request).registry.models(caller.org_id)
    return json_reply(200, {"request_id": request.state.request_id, "models": [_standing(s) for s in standings]})


@public.get("/v1/models/{version}/card", tags=["models"], summary="Model card")
def card(request: Request, version: str, brought: Brought) -> Response:
    """Exact figures among it: for the organisation itself."""
    caller = _caller(request, brought)
    return json_reply(200, _service(request).registry.card(caller.org_id, version))


@public.post("/v1/feedback", response_model=FeedbackReply, tags=["feedback"], summary="What people thought of scores")
def feedback(request: Request, body: FeedbackRequest, brought: Brought) -> Response:
    """Kept as opinions: an inferred label of low reliability at most, never a definitive one."""
    caller = _caller(request, brought)
    _own(caller, body.org_id)
    accepted = _service(request).store_feedback(caller, body)
    return json_reply(200, {"request_id": request.state.request_id, "accepted": accepted})


@public.post(
    "/v1/pairing", status_code=201, response_model=PairingReply, tags=["pairing"], summary="Redeem a pairing code"
)
def pairing(request: Request, body: PairingRequest) -> Response:
    """Makes the organisation known here and gives it its first key, which is shown this once."""
    service = _service(request)
    address = _address(request)
    if wait := service.failures.waits(address):
        raise ServiceError(429, "rate_limited", "Too many refused codes; wait.", retry_after=wait)
    try:
        made = service.tenants.pair(body.code, body.org_id, body.name or body.org_id, body.public_key)
    except ServiceError:
        service.failures.take(address)
        raise
    caller = Caller(body.org_id, Scope.ADMIN, "pairing code")
    service.record_audit(caller, "pair", made.key_id, request.state.request_id)
    return json_reply(
        201,
        {
            "request_id": request.state.request_id,
            "org_id": body.org_id,
            "key_id": made.key_id,
            "api_key": made.key.reveal(),
            "audience": service.settings.audience,
        },
    )


@public.get("/health/live", tags=["health"], summary="Whether the process answers")
def live() -> Response:
    """Always, while it does."""
    return json_reply(200, {"status": "live"})


@public.get("/health/ready", tags=["health"], summary="Whether it can score")
def ready(request: Request) -> Response:
    """503 while the database does not answer or models are being opened."""
    service = _service(request)
    if not request.app.state.warm:
        raise ServiceError(503, "unavailable", "The model is being loaded; try again in a few seconds.", retry_after=2)
    try:
        service.registry.refresh()
    except StorageError:
        raise ServiceError(503, "unavailable", "The database does not answer.", retry_after=10) from None
    return json_reply(200, {"status": "ready"})


@public.get("/metrics", tags=["health"], summary="Figures for Prometheus", response_class=Response)
def metrics(request: Request) -> Response:
    """Text format; no organisation and no value in it."""
    return Response(_service(request).metrics.text(), media_type="text/plain; version=0.0.4")


# --- administration ----------------------------------------------------------------------------------


@admin.get("/models", summary="Models, with what can be served")
def admin_models(request: Request, brought: Brought) -> Response:
    """As /v1/models."""
    return _models(request, _caller(request, brought, admin=True))


@admin.post("/models/{version}/activate", summary="Serve this version from now on")
def activate(request: Request, version: str, brought: Brought) -> Response:
    """Swapped at once; calls under way end with the model they began with."""
    caller = _caller(request, brought, admin=True)
    service = _service(request)
    facts = service.registry.activate(caller.org_id, version)
    service.record_audit(caller, "activate", facts.version, request.state.request_id)
    return json_reply(200, {"request_id": request.state.request_id, "task": facts.task, "serving": facts.version})


@admin.post("/roll-back", summary="Serve what served before")
def roll_back(request: Request, body: RollBackRequest, brought: Brought) -> Response:
    """Rolling back twice is where one began."""
    caller = _caller(request, brought, admin=True)
    service = _service(request)
    facts = service.registry.roll_back(caller.org_id, body.task)
    service.record_audit(caller, "roll back", facts.version, request.state.request_id)
    return json_reply(200, {"request_id": request.state.request_id, "task": facts.task, "serving": facts.version})


@admin.get("/keys", summary="API keys, without the keys")
def keys(request: Request, brought: Brought) -> Response:
    """Names and times; a key itself is stored nowhere."""
    caller = _caller(request, brought, admin=True)
    found = _service(request).tenants.keys(caller.org_id)
    return json_reply(
        200,
        {
            "request_id": request.state.request_id,
            "keys": [
                {
                    "key_id": k.key_id,
                    "scope": k.scope,
                    "label": k.label,
                    "created_at": now_text(k.created_at),
                    "retired_at": None if k.retired_at is None else now_text(k.retired_at),
                }
                for k in found
            ],
        },
    )


@admin.post("/keys", status_code=201, summary="A new API key", responses={409: {"model": ErrorReply}})
def new_key(request: Request, body: KeyRequest, brought: Brought) -> Response:
    """Shown this once. Two live keys a scope at most, so that one can replace the other."""
    caller = _caller(request, brought, admin=True)
    service = _service(request)
    made = service.tenants.new_key(caller.org_id, Scope(body.scope), body.label or caller.user)
    service.record_audit(caller, "new key", made.key_id, request.state.request_id)
    return json_reply(
        201,
        {
            "request_id": request.state.request_id,
            "key_id": made.key_id,
            "api_key": made.key.reveal(),
            "scope": body.scope,
        },
    )


@admin.delete("/keys/{key_id}", summary="Retire an API key")
def retire_key(request: Request, key_id: str, brought: Brought) -> Response:
    """Invalid at once."""
    caller = _caller(request, brought, admin=True)
    service = _service(request)
    if not service.tenants.retire_key(caller.org_id, key_id):
        raise ServiceError(404, "key_missing", "There is no live key of this name.")
    service.record_audit(caller, "retire key", key_id, request.state.request_id)
    return json_reply(200, {"request_id": request.state.request_id, "key_id": key_id})


@admin.get("/signers", summary="Whose tokens are believed")
def signers(request: Request, brought: Brought) -> Response:
    """Public keys that the organisation's tokens may be signed with."""
    caller = _caller(request, brought, admin=True)
    found = _service(request).tenants.signers(caller.org_id)
    return json_reply(
        200,
        {
            "request_id": request.state.request_id,
            "signers": [
                {"signer_id": s.signer_id, "public_key": s.public_key, "created_at": now_text(s.created_at)}
                for s in found
            ],
        },
    )


@admin.post("/signers", status_code=201, summary="Believe tokens signed with this key")
def new_signer(request: Request, body: SignerRequest, brought: Brought) -> Response:
    """Registering a key again is harmless. Several may be live, so that one can replace another."""
    caller = _caller(request, brought, admin=True)
    service = _service(request)
    signer_id = service.tenants.add_signer(caller.org_id, body.public_key)
    service.record_audit(caller, "new signer", signer_id, request.state.request_id)
    return json_reply(201, {"request_id": request.state.request_id, "signer_id": signer_id})


@admin.delete("/signers/{signer_id}", summary="Believe this key no more")
def retire_signer(request: Request, signer_id: str, brought: Brought) -> Response:
    """At once, for tokens that are still valid as well."""
    caller = _caller(request, brought, admin=True)
    service = _service(request)
    if not service.tenants.retire_signer(caller.org_id, signer_id):
        raise ServiceError(404, "key_missing", "There is no signer of this name.")
    service.record_audit(caller, "retire signer", signer_id, request.state.request_id)
    return json_reply(200, {"request_id": request.state.request_id, "signer_id": signer_id})


@admin.get("/audit", summary="What administrators did")
def audit(request: Request, brought: Brought, limit: Annotated[int, Query(ge=1, le=_MOST_AUDIT)] = 100) -> Response:
    """Newest first."""
    caller = _caller(request, brought, admin=True)
    a = tables.audit.c
    with _service(request).database.reading() as connection:
        rows = connection.execute(
            sa.select(a.at, a.user, a.action, a.target, a.request_id)
            .where(a.org_id == caller.org_id)
            .order_by(a.id.desc())
            .limit(limit)
        ).all()
    entries = [
        {"at": now_text(r.at), "user": r.user, "action": r.action, "target": r.target, "request_id": r.request_id}
        for r in rows
    ]
    return json_reply(200, {"request_id": request.state.request_id, "entries": entries})


@admin.get("/watch", summary="Shift of scores, attributions and features")
def watch(request: Request, brought: Brought) -> Response:
    """Each serving model against the one before it and against its training records."""
    caller = _caller(request, brought, admin=True)
    service = _service(request)
    service.watch.flush()
    reports = service.watch.reports(caller.org_id)
    return json_reply(
        200,
        {
            "request_id": request.state.request_id,
            "reports": [
                {
                    "task": r.task,
                    "version": r.version,
                    "previous": r.previous,
                    "records": r.records,
                    "high_share": r.high_share,
                    "previous_high_share": r.previous_high_share,
                    "score_shift": r.score_shift,
                    "attribution_shares": r.attribution_shares,
                    "previous_attribution_shares": r.previous_attribution_shares,
                    "drift": r.drift,
                    "alerts": [{"kind": a.kind, "name": a.name, "value": a.value, "limit": a.limit} for a in r.alerts],
                    "offer_roll_back": r.offer_roll_back,
                }
                for r in reports
            ],
        },
    )


def _standing(s: Standing) -> dict[str, Any]:
    f: ModelFacts = s.facts
    return {
        **model_reply(f),
        "task": f.task,
        "polarity": f.polarity,
        "vocabulary_digest": f.vocabulary_digest,
        "created_at": now_text(s.created_at),
        "serving": s.serving,
        "previous": s.previous,
    }


# --- putting it together -----------------------------------------------------------------------------


def create_app(service: Service) -> FastAPI:
    """The service as an ASGI application; it closes the service when it ends."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        count = await run_in_threadpool(service.registry.warm)
        service.metrics.models.set(count)
        app.state.warm = True
        event("ready", models=count)
        task = asyncio.create_task(_keep_up(service))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await run_in_threadpool(service.close)

    app = FastAPI(
        title="FedCRM predictions",
        version=__version__,
        description="Scores of an organisation's own records by its own model, explained in points that add up.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.service, app.state.warm = service, False
    app.include_router(public)
    app.include_router(admin)
    app.add_middleware(Envelope, metrics=service.metrics, body_bytes=service.settings.body_bytes)

    @app.exception_handler(ServiceError)
    async def refused(request: Request, error: ServiceError) -> Response:
        request.state.code = error.code
        body = refusal(error.code, error.message, request.state.request_id)
        return json_reply(error.status, body, retry_after=error.retry_after)

    @app.exception_handler(RequestValidationError)
    async def unreadable(request: Request, error: RequestValidationError) -> Response:
        request.state.code = "invalid_request"
        return json_reply(400, refusal("invalid_request", _first_fault(error), request.state.request_id))

    @app.exception_handler(StorageError)
    async def unavailable(request: Request, error: StorageError) -> Response:
        event("storage failed", level=logging.ERROR, kind=type(error).__name__, request_id=request.state.request_id)
        request.state.code = "unavailable"
        body = refusal("unavailable", "The service cannot reach what it stores; try later.", request.state.request_id)
        return json_reply(503, body, retry_after=10)

    @app.exception_handler(HTTPException)
    async def plain(request: Request, error: HTTPException) -> Response:
        request.state.code = "not_found" if error.status_code == 404 else "invalid_request"
        reply = json_reply(error.status_code, refusal(request.state.code, str(error.detail), request.state.request_id))
        reply.headers.update(error.headers or {})
        return reply

    app.openapi = lambda: _document(app)  # type: ignore[method-assign]  # FastAPI's own way to change the document
    return app


def _document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document; a body that cannot be read is answered by 400, not by FastAPI's 422."""
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        for item in made["paths"].values():
            for operation in item.values():
                operation["responses"].pop("422", None)
        for name in ("HTTPValidationError", "ValidationError"):
            made["components"]["schemas"].pop(name, None)
        app.openapi_schema = made
    return app.openapi_schema


def _first_fault(error: RequestValidationError) -> str:
    """Where and what, never the value."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part != "body")
    return f"{where or 'body'}: {first['msg']}."


async def _keep_up(service: Service) -> None:
    """Look for models that another process published, and write down what the watch counted."""
    waited = 0.0
    while True:
        await asyncio.sleep(REFRESH_SECONDS)
        waited += REFRESH_SECONDS
        try:
            await run_in_threadpool(service.keep_up)
            if waited >= service.settings.watch_seconds:
                waited = 0.0
                await run_in_threadpool(service.look)
        except StorageError as error:
            event("storage failed", level=logging.ERROR, kind=type(error).__name__)
