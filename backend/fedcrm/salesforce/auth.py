"""Logging in to an org: JWT bearer, client credentials, or a session that is there already.

Salesforce Help, "OAuth 2.0 JWT Bearer Flow for Server-to-Server Integration" and "OAuth 2.0 Client Credentials
Flow"; RFC 7523 for the assertion. No refresh token comes back: when a session ends, a new assertion begins
another.
"""

from __future__ import annotations

import email.utils
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol
from urllib.parse import urlsplit

import jwt
import requests
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from fedcrm.errors import (
    CertificateExpired,
    LoginRefused,
    OrgUnavailable,
    OrgUnreachable,
    SettingsError,
    UnapprovedConsumer,
    UnexpectedReply,
    WrongKey,
)
from fedcrm.salesforce.connection import not_trusted, untrusted
from fedcrm.salesforce.replies import Refusal, read_refusal
from fedcrm.salesforce.retry import Retry
from fedcrm.secrets import Secret, SecretCommand

__all__ = [
    "ClientCredentials",
    "Grant",
    "JwtBearer",
    "MemoryTokens",
    "SessionToken",
    "Token",
    "TokenCache",
    "TokenEndpoint",
    "clock_offset",
    "https_address",
    "read_rsa_key",
]

TIMEOUT = (10.0, 60.0)
ASSERTION_SECONDS = 150  # Salesforce accepts up to three minutes
SMALLEST_KEY_BITS = 2048
JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_SESSION = re.compile(r"00D[A-Za-z0-9]{12}(?:[A-Za-z0-9]{3})?![!-~]+")
_PRINTABLE = re.compile(r"[!-~]+")
PRODUCTION, SANDBOX = "https://login.salesforce.com", "https://test.salesforce.com"


def https_address(text: str, what: str = "login URL") -> str:
    """`https://host[:port]`, and nothing else. Raises SettingsError."""
    parts = urlsplit(text.strip())
    try:
        port = parts.port
    except ValueError as error:
        raise SettingsError(f"{what} {text!r}: {error}") from error
    if parts.scheme != "https":
        raise SettingsError(f"{what} {text!r}: only https:// is used")
    if not parts.hostname or parts.username or parts.password or parts.path not in ("", "/") or parts.query:
        raise SettingsError(f"{what} {text!r}: write https://HOST or https://HOST:PORT")
    return f"https://{parts.hostname}" + (f":{port}" if port else "")


# --- what we log in with -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class JwtBearer:
    """An RS256 assertion, signed with the private half of the certificate uploaded to the org.

    key:      PEM of an RSA key of at least 2048 bits; its certificate may stand in the same text, for its end.
    audience: whom the assertion is for; None: told from the login URL.
    """

    consumer_key: str
    username: str
    key: Secret | SecretCommand
    audience: str | None = None


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """Consumer key and secret; only a My Domain URL accepts them."""

    consumer_key: str
    secret: Secret | SecretCommand


@dataclass(frozen=True, slots=True)
class SessionToken:
    """A session somebody else began (`sf org display`); when it ends nothing here can begin another."""

    token: Secret | SecretCommand


Grant = JwtBearer | ClientCredentials | SessionToken


@dataclass(frozen=True, slots=True)
class Token:
    """A session.

    instance_url:    where the org's API is, `https://host[:port]`.
    organization_id: first 15 characters of the org's id.
    user_id:         empty where the org did not say.
    scopes:          as granted; empty for a ready session.
    """

    value: Secret
    instance_url: str
    organization_id: str
    user_id: str = ""
    scopes: tuple[str, ...] = ()


class TokenCache(Protocol):
    """Keeps one org's session between programs."""

    def load(self) -> Token | None:
        """The session kept, or None."""
        ...

    def store(self, token: Token) -> None:
        """Keep it instead of any other."""
        ...

    def drop(self) -> None:
        """Forget it."""
        ...


class MemoryTokens:
    """Keeps the session for as long as the program runs."""

    def __init__(self) -> None:
        self._token: Token | None = None

    def load(self) -> Token | None:
        """The session kept, or None."""
        return self._token

    def store(self, token: Token) -> None:
        """Keep it instead of any other."""
        self._token = token

    def drop(self) -> None:
        """Forget it."""
        self._token = None


def read_rsa_key(pem: str, org: str) -> RSAPrivateKey:
    """The private key of a PEM text. Raises SettingsError, or CertificateExpired where its certificate is beside it."""
    try:
        key = load_pem_private_key(pem.encode(), None)
    except TypeError:
        raise SettingsError(
            f"{org}: the private key is encrypted with a passphrase; give a command that prints it decrypted"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise SettingsError(f"{org}: no private key in PEM form") from None
    if not isinstance(key, RSAPrivateKey) or key.key_size < SMALLEST_KEY_BITS:
        raise SettingsError(f"{org}: the login needs an RSA key of at least {SMALLEST_KEY_BITS} bits")
    return key


def _certificate_end(pem: str, key: RSAPrivateKey) -> datetime | None:
    """End of the certificate that stands beside its key, UTC; None where there is none."""
    if "BEGIN CERTIFICATE" not in pem:
        return None
    try:
        certificates = x509.load_pem_x509_certificates(pem.encode())
    except ValueError:
        return None
    own = key.public_key()
    return next((c.not_valid_after_utc for c in certificates if c.public_key() == own), None)


# --- the login itself ----------------------------------------------------------------------------


class TokenEndpoint:
    """Logs in to one org. Its replies are the only place where a session begins.

    ca_file: certificates to trust instead of the public ones; None: those.
    """

    def __init__(
        self,
        org: str,
        login_url: str,
        grant: Grant,
        *,
        ca_file: str | None = None,
        retry: Retry | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.org, self.grant = org, grant
        self.login_url = https_address(login_url)
        self._verify: str | bool = ca_file or True
        self._retry, self._clock = retry or Retry(), clock
        self.offset: float | None = None

    @property
    def renewable(self) -> bool:
        """Whether a session that ended can be followed by another."""
        return not isinstance(self.grant, SessionToken)

    def log_in(self) -> Token:
        """Begin a session. Raises LoginRefused (or a leaf), OrgUnreachable, OrgUnavailable or SettingsError."""
        match self.grant:
            case SessionToken(token):
                value = _fetch(token)
                if not _SESSION.fullmatch(value.reveal()):
                    raise SettingsError(f"{self.org}: that is no session token (00D...!...)")
                return Token(value, self.login_url, value.reveal()[:15])
            case ClientCredentials(consumer_key, secret):
                return self._ask(
                    {
                        "grant_type": "client_credentials",
                        "client_id": consumer_key,
                        "client_secret": _fetch(secret).reveal(),
                    }
                )
            case JwtBearer():
                return self._assert(self.grant)

    def certificate_end(self) -> datetime | None:
        """End of the certificate kept beside the key, UTC; None where there is none."""
        if not isinstance(self.grant, JwtBearer):
            return None
        pem = _fetch(self.grant.key).reveal()
        return _certificate_end(pem, read_rsa_key(pem, self.org))

    def _assert(self, grant: JwtBearer) -> Token:
        pem = _fetch(grant.key).reveal()
        key = read_rsa_key(pem, self.org)
        end = _certificate_end(pem, key)
        if end is not None and end.timestamp() <= self._clock():
            raise self._expired(f"the certificate of this key ended on {end:%Y-%m-%d}")
        *likely, last = self._audiences(grant)
        for audience in likely:
            try:
                return self._ask(self._assertion(grant, key, audience))
            except LoginRefused as refused:
                if "audience" not in refused.reason:
                    raise
        return self._ask(self._assertion(grant, key, last))

    def _assertion(self, grant: JwtBearer, key: RSAPrivateKey, audience: str) -> dict[str, str]:
        expires = int(self._clock()) + ASSERTION_SECONDS
        claims = {"iss": grant.consumer_key, "sub": grant.username, "aud": audience, "exp": expires}
        return {"grant_type": JWT_GRANT, "assertion": jwt.encode(claims, key, algorithm="RS256")}

    def _audiences(self, grant: JwtBearer) -> tuple[str, ...]:
        """The likeliest first: an org tells a wrong audience apart from every other fault."""
        if grant.audience:
            return (grant.audience,)
        host = urlsplit(self.login_url).hostname or ""
        if not host.endswith((".salesforce.com", ".force.com")):
            return (self.login_url,)
        sandbox = host.startswith("test.") or ".sandbox." in host
        central = SANDBOX if sandbox else PRODUCTION
        return tuple(dict.fromkeys((central, self.login_url)))

    def _ask(self, form: dict[str, str]) -> Token:
        """Send the form; it may be sent again, for a second session does no harm."""
        attempt = 0
        while True:
            attempt += 1
            cut = None
            try:
                reply = requests.post(
                    f"{self.login_url}/services/oauth2/token",
                    data=form,
                    timeout=TIMEOUT,
                    verify=self._verify,
                    allow_redirects=False,
                    headers={"Accept": "application/json"},
                    auth=_as_it_is,
                )
            except requests.RequestException as error:
                cut = error
            if cut is not None:  # out here, for the error holds the request, and the request the assertion
                self._after_a_cut(cut, attempt)
                continue
            self.offset = clock_offset(reply, self._clock())
            if reply.status_code == requests.codes.ok:
                return self._read(reply)
            refusal = read_refusal(reply)
            if not refusal.transient:
                raise self._refused(refusal)
            if not self._retry.left(attempt):
                raise OrgUnavailable(self.org, status=refusal.status, attempts=attempt)
            self._retry.wait(attempt, asked=refusal.retry_after)

    def _after_a_cut(self, error: requests.RequestException, attempt: int) -> None:
        """Wait and return where another attempt may follow. Raises OrgUnreachable."""
        if untrusted(error):
            raise not_trusted(self.org, self.login_url)
        if not self._retry.left(attempt):
            raise OrgUnreachable(
                self.org,
                f"no answer from {self.login_url} ({type(error).__name__})",
                "check the login URL, the network and the proxy",
            )
        self._retry.wait(attempt)

    def _read(self, reply: requests.Response) -> Token:
        try:
            content = reply.json()
            value, instance = str(content["access_token"]), str(content["instance_url"])
            identity = str(content.get("id", "")).rstrip("/").split("/")
            scopes = tuple(str(content.get("scope", "")).split())
        except (ValueError, KeyError, TypeError, AttributeError):
            raise UnexpectedReply(self.org, f"{self.login_url} did not answer with a session") from None
        if not _PRINTABLE.fullmatch(value):  # it goes into a header
            raise UnexpectedReply(self.org, f"{self.login_url} did not answer with a session token")
        # A token may be a JWT, which does not begin with the org's id.
        organization, user = (identity[-2], identity[-1]) if len(identity) >= 2 else (value, "")
        if not organization.startswith("00D"):
            raise UnexpectedReply(self.org, f"{self.login_url} did not say which org the session is for")
        return Token(Secret(value), https_address(instance, "instance URL"), organization[:15], user, scopes)

    def _refused(self, refusal: Refusal) -> LoginRefused:
        """The org's words as one of our types: the first row of the table whose two words both occur."""
        said = f"{refusal.code} {refusal.detail}".lower()
        reason = f"the org refused the login ({refusal.code or refusal.status}: {refusal.detail})"
        if 300 <= refusal.status < 400:
            return LoginRefused(self.org, reason, "give the login URL that it redirects to", code=refusal.code)
        if "certificate" in said and "expired" in said:
            return self._expired(reason, refusal.code)
        matches = (row for row in _REFUSALS if all(word in said for word in row[0]))
        _, kind, remedy = next(matches, ((), LoginRefused, _SEE_HISTORY))
        if "expired" in said and self.offset is not None and abs(self.offset) > 60:
            remedy = f"this machine's clock is {abs(self.offset):.0f} s off the org's: set it"
        return kind(self.org, reason, remedy, code=refusal.code)

    def _expired(self, reason: str, code: str = "invalid_grant") -> CertificateExpired:
        return CertificateExpired(
            self.org, reason, "make a new certificate, upload it to the org's app and add the org again", code=code
        )


_SEE_HISTORY = "see the user's login history in the org's Setup"
_APPROVE = "approve the app for the user's profile or permission set (Setup, the app's policies)"
_REFUSALS: tuple[tuple[tuple[str, ...], type[LoginRefused], str], ...] = (
    (("approved", "consumer"), UnapprovedConsumer, _APPROVE),
    (("admin approved",), UnapprovedConsumer, _APPROVE),
    (("invalid_app_access",), UnapprovedConsumer, _APPROVE),
    (("invalid assertion",), WrongKey, "the key does not match the certificate uploaded to the org's app"),
    (("signature",), WrongKey, "the key does not match the certificate uploaded to the org's app"),
    (("invalid client credentials",), WrongKey, "copy consumer key and secret from the org's app again"),
    (("client identifier",), LoginRefused, "copy the consumer key from the org's app again"),
    (("invalid_client",), WrongKey, "copy consumer key and secret from the org's app again"),
    (("audience",), LoginRefused, "give --audience as the org's administrator names it"),
    (("expired",), LoginRefused, "set this machine's clock; an assertion is good for three minutes"),
    (("ip restricted",), LoginRefused, "add this machine's address to the user's login IP ranges"),
    (("inactive",), LoginRefused, "activate the integration user"),
    (("unsupported_grant_type",), LoginRefused, "client credentials work at the org's My Domain URL only"),
)


def clock_offset(reply: requests.Response, now: float) -> float | None:
    """Our clock less the server's, seconds (to a second or two); None where it did not say."""
    try:
        theirs = email.utils.parsedate_to_datetime(reply.headers["Date"])
    except (KeyError, ValueError, TypeError):
        return None
    return now - theirs.replace(tzinfo=theirs.tzinfo or UTC).timestamp()


def _fetch(source: Secret | SecretCommand) -> Secret:
    return source.fetch() if isinstance(source, SecretCommand) else source


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keeps requests from putting a ~/.netrc password into a login."""
    return request
