"""OAuth 2.0 as Salesforce speaks it: token, revoke, userinfo, identity; and the SOAP login that predates it.

JWT bearer follows RFC 7523 with Salesforce's rules: RS256 only, `aud` the login host or the org's own address,
`exp` not yet over, the user approved beforehand. Refusals are OAuth's own form, not the REST array.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
from collections.abc import Callable, Mapping
from urllib.parse import unquote, urlsplit

import jwt
from cryptography import x509
from starlette.responses import Response

from localorg.errors import OrgError
from localorg.http.answers import json_answer, nothing
from localorg.http.calls import Call, Route
from localorg.http.consumers import Consumer
from localorg.http.sessions import Grant, Use
from localorg.http.users import UserFacts, user_by_id, user_by_name
from localorg.org import Org

__all__ = ["ROUTES"]

_LOGIN_HOSTS = frozenset({"login.salesforce.com", "test.salesforce.com"})
_SKEW = 5.0  # s
_SCOPE = "api refresh_token"
_BEARER, _INTROSPECTED = "Bearer", "access_token"


class _Denied(Exception):
    """An OAuth refusal: `{error, error_description}`, 400 unless said otherwise."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = description
        self.status = status


def _token(call: Call) -> Response:
    fields = call.body.form() or dict(call.query)
    grants: Mapping[str, Callable[[Call, Mapping[str, str]], Response]] = {
        "urn:ietf:params:oauth:grant-type:jwt-bearer": _jwt_bearer,
        "client_credentials": _client_credentials,
        "password": _password,
        "refresh_token": _refresh,
        "authorization_code": _code,
    }
    try:
        return grants.get(fields.get("grant_type", ""), _unsupported)(call, fields)
    except _Denied as denied:
        return json_answer({"error": denied.error, "error_description": denied.description}, denied.status)


def _unsupported(_: Call, __: Mapping[str, str]) -> Response:
    raise _Denied("unsupported_grant_type", "grant type not supported")


def _jwt_bearer(call: Call, fields: Mapping[str, str]) -> Response:
    assertion = fields.get("assertion", "")
    try:
        claimed = jwt.decode(assertion, options={"verify_signature": False})
    except jwt.InvalidTokenError as broken:
        raise _Denied("invalid_grant", "invalid assertion") from broken
    consumer = call.server.consumers.find(str(claimed.get("iss", "")))
    if consumer is None:
        raise _Denied("invalid_client_id", "client identifier invalid")
    org = _org_of(call, consumer)
    # The time is the org's: a client whose clock is wrong meets the platform's refusal, not ours.
    now = call.server.clock.now()
    if not consumer.certificate_valid_at(now):
        raise _Denied("invalid_grant", "certificate expired or missing: upload a new one to the external client app")
    claims = _verified(assertion, consumer, now)
    if not _audience_fits(claims.get("aud"), call):
        raise _Denied("invalid_grant", "audience is invalid")
    org, user = _subject(call, org, str(claims.get("sub", "")))
    if user is None:
        raise _Denied("invalid_grant", "user hasn't approved this consumer")
    if not user.active:
        raise _Denied("invalid_grant", "inactive user")
    if not _approved(call, consumer, org, user):
        raise _Denied("invalid_grant", "user hasn't approved this consumer")
    # Salesforce returns no refresh token here: the client asserts anew.
    return _granted(call, org, user, consumer.consumer_key, refresh=False)


def _approved(call: Call, consumer: Consumer, org: Org, user: UserFacts) -> bool:
    """By name, or as the holder of one of the app's permission sets."""
    if call.server.consumers.approved(consumer, user.user_id):
        return True
    if not consumer.permission_sets or consumer.org_id != org.org_id:
        return False
    binds = {"user": user.user_id, "sets": list(consumer.permission_sets)}
    soql = "SELECT COUNT() FROM PermissionSetAssignment WHERE AssigneeId = :user AND PermissionSet.Name IN :sets"
    with org.transaction(org.admin_context()) as transaction:
        return transaction.query(soql, binds=binds).total_size > 0


def _subject(call: Call, org: Org, username: str) -> tuple[Org, UserFacts | None]:
    """The user of that name in the consumer's org, or in a scratch org that it made."""
    user = user_by_name(org, username)
    if user is not None:
        return org, user
    for entry in call.server.registry.entries():
        if entry.hub == org.org_id and entry.username.lower() == username.lower():
            scratch = call.server.registry.org(entry.org_id)
            if scratch is not None:
                return scratch, user_by_name(scratch, username)
    return org, None


def _verified(assertion: str, consumer: Consumer, now: dt.datetime) -> Mapping[str, object]:
    key = x509.load_pem_x509_certificate(consumer.certificate.encode()).public_key()
    try:
        claims: Mapping[str, object] = jwt.decode(
            assertion,
            key,  # type: ignore[arg-type]  # the type of an X.509 key; jwt refuses all but RSA for RS256
            algorithms=["RS256"],
            options={"verify_aud": False, "verify_exp": False, "verify_iat": False, "verify_nbf": False},
        )
    except (jwt.InvalidTokenError, TypeError) as broken:
        raise _Denied("invalid_grant", "invalid assertion") from broken
    try:
        expires = float(str(claims["exp"]))
    except (KeyError, ValueError) as missing:
        raise _Denied("invalid_grant", "expiry is missing or invalid") from missing
    # No upper bound: the sf command writes milliseconds there, and the platform lets it.
    if not expires > now.timestamp() - _SKEW:
        raise _Denied("invalid_grant", "expired authorization code")
    return claims


def _audience_fits(audience: object, call: Call) -> bool:
    for one in audience if isinstance(audience, list) else [audience]:
        parts = urlsplit(str(one).rstrip("/"))
        if parts.scheme != "https" or parts.path or parts.query:
            continue
        if parts.netloc.lower() in _LOGIN_HOSTS or str(one).rstrip("/").lower() == call.base_url.lower():
            return True
    return False


def _client_credentials(call: Call, fields: Mapping[str, str]) -> Response:
    consumer = _authenticated_consumer(call, fields)
    org = _org_of(call, consumer)
    user = user_by_id(org, consumer.run_as) if consumer.run_as else None
    if user is None or not user.active:
        raise _Denied("invalid_grant", "no client credentials user enabled")
    return _granted(call, org, user, consumer.consumer_key, refresh=False)


def _password(call: Call, fields: Mapping[str, str]) -> Response:
    consumer = _authenticated_consumer(call, fields)
    org = _org_of(call, consumer)
    user = call.server.with_password(org, fields.get("username", ""), fields.get("password", ""))
    if user is None:
        raise _Denied("invalid_grant", "authentication failure")
    return _granted(call, org, user, consumer.consumer_key, refresh=False)


def _code(call: Call, fields: Mapping[str, str]) -> Response:
    """The code of a new scratch org: what a tool has that logged in to the hub without a key of its own."""
    code = fields.get("code", "")
    grant = call.server.sessions.find(code, Use.CODE)
    if grant is None or not call.server.sessions.end(code):
        raise _Denied("invalid_grant", "expired authorization code")
    org = call.server.registry.org(grant.org_id)
    user = None if org is None else user_by_id(org, grant.user_id)
    if org is None or user is None or not user.active:
        raise _Denied("invalid_grant", "inactive user")
    return _granted(call, org, user, fields.get("client_id") or grant.consumer_key, refresh=True)


def _refresh(call: Call, fields: Mapping[str, str]) -> Response:
    grant = call.server.sessions.find(fields.get("refresh_token", ""), Use.REFRESH)
    # Tools send their client id; the platform checks it only against the token.
    if grant is None or fields.get("client_id", grant.consumer_key) != grant.consumer_key:
        raise _Denied("invalid_grant", "expired access/refresh token")
    org = call.server.registry.org(grant.org_id)
    user = None if org is None else user_by_id(org, grant.user_id)
    if org is None or user is None or not user.active:
        raise _Denied("invalid_grant", "inactive user")
    return _granted(call, org, user, grant.consumer_key, refresh=False)


def _authenticated_consumer(call: Call, fields: Mapping[str, str]) -> Consumer:
    key, secret = fields.get("client_id", ""), fields.get("client_secret", "")
    scheme, _, encoded = call.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            key, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError) as broken:
            raise _Denied("invalid_client", "invalid client credentials") from broken
    consumer = call.server.consumers.find(unquote(key))
    if consumer is None:
        raise _Denied("invalid_client_id", "client identifier invalid")
    if not call.server.consumers.secret_matches(consumer, secret):
        raise _Denied("invalid_client", "invalid client credentials")
    return consumer


def _org_of(call: Call, consumer: Consumer) -> Org:
    org = call.server.registry.org(consumer.org_id)
    if org is None or not call.server.host_fits(call, org):
        raise _Denied("invalid_client_id", "client identifier invalid")
    return org


def _granted(call: Call, org: Org, user: UserFacts, consumer_key: str, *, refresh: bool) -> Response:
    grant = Grant(org.org_id, user.user_id, consumer_key, _SCOPE)
    document = {
        "access_token": call.server.sessions.issue(grant),
        "scope": _SCOPE,
        "instance_url": call.base_url,
        "id": f"{call.base_url}/id/{org.org_id}/{user.user_id}",
        "token_type": _BEARER,
        "issued_at": str(int(call.server.clock.now().timestamp() * 1000)),
    }
    if refresh:
        document["refresh_token"] = call.server.sessions.issue(grant, Use.REFRESH)
    return json_answer(document)


def _revoke(call: Call) -> Response:
    token = call.body.form().get("token") or call.query.get("token", "")
    if not call.server.sessions.end(token):
        return json_answer({"error": "unsupported_token_type", "error_description": "this token is not known"}, 400)
    return nothing(200)


def _introspect(call: Call) -> Response:
    grant = call.server.sessions.find(call.body.form().get("token", ""))
    if grant is None:
        return json_answer({"active": False})
    return json_answer(
        {"active": True, "scope": grant.scope, "client_id": grant.consumer_key, "token_type": _INTROSPECTED}
    )


def _userinfo(call: Call) -> Response:
    user = user_by_id(call.org, call.context.user_id)
    if user is None:
        raise OrgError("INVALID_SESSION_ID", "Session expired or invalid", status=401)
    return json_answer(
        {
            "sub": f"{call.base_url}/id/{call.org.org_id}/{user.user_id}",
            "user_id": user.user_id,
            "organization_id": call.org.org_id,
            "preferred_username": user.username,
            "nickname": user.username.split("@", 1)[0],
            "name": user.name,
            "email": user.email,
            "email_verified": True,
            "given_name": user.first_name,
            "family_name": user.last_name,
            "zoneinfo": user.time_zone,
            "locale": user.locale,
            "user_type": "STANDARD",
            "active": user.active,
            "utcOffset": 0,
            "urls": _urls(call),
        }
    )


def _identity(call: Call) -> Response:
    same_org = call.params["org"][:15] == call.org.org_id[:15]
    user = user_by_id(call.org, call.params["user"]) if same_org else None
    if user is None:
        raise OrgError("NOT_FOUND", "The requested resource does not exist", status=404)
    return json_answer(
        {
            "id": f"{call.base_url}/id/{call.org.org_id}/{user.user_id}",
            "asserted_user": True,
            "user_id": user.user_id,
            "organization_id": call.org.org_id,
            "username": user.username,
            "nick_name": user.username.split("@", 1)[0],
            "display_name": user.name,
            "email": user.email,
            "first_name": user.first_name,
            "last_name": user.last_name,
            "timezone": user.time_zone,
            "active": user.active,
            "user_type": "STANDARD",
            "language": user.language,
            "locale": user.locale,
            "utcOffset": 0,
            "urls": _urls(call),
        }
    )


def _urls(call: Call) -> dict[str, str]:
    base = call.base_url
    return {
        "enterprise": f"{base}/services/Soap/c/{{version}}/{call.org.org_id[:15]}",
        "metadata": f"{base}/services/Soap/m/{{version}}/{call.org.org_id[:15]}",
        "partner": f"{base}/services/Soap/u/{{version}}/{call.org.org_id[:15]}",
        "rest": f"{base}/services/data/v{{version}}/",
        "sobjects": f"{base}/services/data/v{{version}}/sobjects/",
        "search": f"{base}/services/data/v{{version}}/search/",
        "query": f"{base}/services/data/v{{version}}/query/",
        "tooling_soap": f"{base}/services/Soap/T/{{version}}/{call.org.org_id[:15]}",
        "tooling_rest": f"{base}/services/data/v{{version}}/tooling/",
        "profile": f"{base}/{call.context.user_id}",
        "custom_domain": base,
    }


ROUTES = (
    Route("POST", "/services/oauth2/token", _token, open=True),
    Route("GET|POST", "/services/oauth2/revoke", _revoke, open=True),
    Route("POST", "/services/oauth2/introspect", _introspect, open=True),
    Route("GET|POST", "/services/oauth2/userinfo", _userinfo),
    Route("GET", "/id/{org}/{user}", _identity),
)
