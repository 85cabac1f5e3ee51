"""One org's HTTPS session: everything between FedCRM and an org goes through it.

It pools connections, limits time, puts the current token into each request, renews the token once when the org
says it is over, sends again what may be sent again, and watches the org's daily calls. simple-salesforce and
salesforce-bulk are handed this session in place of their own, so that what holds here holds for them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from fedcrm.errors import (
    LimitReached,
    OrgUnavailable,
    OrgUnreachable,
    SalesforceError,
    SessionEnded,
    SettingsError,
    WriteUncertain,
    WrongOrg,
)
from fedcrm.salesforce.auth import MemoryTokens, Token, TokenCache, TokenEndpoint
from fedcrm.salesforce.connection import never_sent, not_trusted, untrusted
from fedcrm.salesforce.replies import TRANSIENT_STATUSES, Refusal, read_refusal
from fedcrm.salesforce.retry import Retry
from fedcrm.salesforce.usage import CallBudget

__all__ = ["OrgSession"]

CONNECT_SECONDS, READ_SECONDS = 10.0, 120.0
READS = frozenset({"GET", "HEAD"})
AUTHORISED = "Authorization"
_CUTS = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)


class OrgSession(requests.Session):
    """A requests.Session that knows its org. One may serve several threads.

    organization_id: the org's id, or its first 15 characters, as registered; another org's session is refused.
    reserve:         share of the org's daily calls left to others.
    """

    def __init__(
        self,
        endpoint: TokenEndpoint,
        *,
        ca_file: str | None = None,
        organization_id: str | None = None,
        reserve: float = 0.2,
        cache: TokenCache | None = None,
        retry: Retry | None = None,
        clock: Callable[[], float] = time.time,
        pool: int = 8,
    ) -> None:
        super().__init__()
        self.org = endpoint.org
        self.budget = CallBudget(self.org, reserve=reserve, clock=clock)
        self._endpoint, self._cache = endpoint, cache or MemoryTokens()
        self._pinned = organization_id[:15] if organization_id else None
        self._ca: str | bool = ca_file or True
        self.retry = retry or Retry()
        self._token: Token | None = None
        self._renewing = threading.Lock()
        self.mount("https://", HTTPAdapter(pool_connections=2, pool_maxsize=pool, pool_block=True))

    @property
    def token(self) -> Token:
        """The current session; logs in where there is none. Raises LoginRefused, WrongOrg, OrgUnreachable."""
        with self._renewing:
            if self._token is None:
                self._token = self._checked(self._cache.load() or self._endpoint.log_in())
                self._cache.store(self._token)
            return self._token

    @property
    def instance_url(self) -> str:
        """Where the org's API is."""
        return self.token.instance_url

    def request(  # one more word than requests': what follows is handed to it unread
        self, method: str | bytes, url: str | bytes, *args: Any, repeatable: bool | None = None, **kwargs: Any
    ) -> requests.Response:
        """Send a request and return its reply of status 2xx.

        url:        of the org itself, https; or a path, taken from its instance URL.
        repeatable: whether it may be sent twice; None: only what reads.

        Raises a SalesforceError for any other status, and where no reply came.
        """
        verb = method.decode() if isinstance(method, bytes) else method.upper()
        target = self._target(url.decode() if isinstance(url, bytes) else url)
        again = verb in READS if repeatable is None else repeatable
        what = f"{verb} {urlsplit(target).path}"
        kwargs = {"timeout": (CONNECT_SECONDS, READ_SECONDS), **kwargs, "allow_redirects": False, "verify": self._ca}
        attempt, renewed = 0, False
        while True:
            attempt += 1
            self.budget.spend()
            token, cut = self.token, None
            try:
                reply = super().request(verb, target, *args, **{**kwargs, "auth": _Bearer(token)})
            except _CUTS as error:
                cut = error
            if cut is not None:  # out here, for the error holds the request, and the request the token
                self._after_a_cut(cut, what, again, attempt)
                continue
            self.budget.note(reply.headers.get("Sforce-Limit-Info"))
            if reply.status_code < 300:
                return reply
            refusal = self._read(reply)
            if refusal.ends_session and not renewed:
                self._renew(token)
                renewed, attempt = True, attempt - 1
                continue
            if (refusal.undone or (refusal.transient and again)) and self.retry.left(attempt):
                self.retry.wait(attempt, asked=refusal.retry_after)
                continue
            raise self._error(refusal, what, again, attempt)

    def _target(self, url: str) -> str:
        if url.startswith("/"):
            return self.instance_url + url
        parts = urlsplit(url)
        if f"{parts.scheme}://{parts.netloc}" != self.instance_url:
            # The token goes to the org it belongs to, whatever a reply or a library asks for.
            raise SettingsError(f"{self.org}: {parts.scheme}://{parts.netloc} is not the org's own address")
        return url

    def _checked(self, token: Token) -> Token:
        if self._pinned and token.organization_id[:15] != self._pinned:
            self._cache.drop()
            raise WrongOrg(self.org, expected=self._pinned, found=token.organization_id)
        return token

    def _renew(self, ended: Token) -> None:
        """Begin another session, once for all threads that saw this one end."""
        with self._renewing:
            if self._token is not ended:
                return
            self._token = None
            self._cache.drop()
            if not self._endpoint.renewable:
                raise self._ended()

    def _after_a_cut(self, error: requests.RequestException, what: str, again: bool, attempt: int) -> None:
        """Wait and return where the request may be sent again. Raises what is to be said otherwise."""
        if untrusted(error):
            raise not_trusted(self.org, self.instance_url)
        if not again and not never_sent(error):
            raise WriteUncertain(self.org, what)
        if not self.retry.left(attempt):
            raise OrgUnreachable(
                self.org,
                f"no answer to {what} ({type(error).__name__}, {attempt} attempts)",
                "check the network and the proxy and run the same command again",
            )
        self.retry.wait(attempt)

    def _read(self, reply: requests.Response) -> Refusal:
        try:
            return read_refusal(reply)
        except requests.RequestException:  # the refusal itself was cut; its status is known
            return Refusal(reply.status_code, "", str(reply.reason))
        finally:
            reply.close()

    def _error(self, refusal: Refusal, what: str, again: bool, attempt: int) -> SalesforceError:
        if refusal.ends_session:
            return self._ended()
        if refusal.limit:
            usage = self.budget.usage
            return LimitReached(self.org, used=usage.used if usage else None, total=usage.total if usage else None)
        if refusal.transient and not refusal.undone and not again:
            return WriteUncertain(self.org, what)  # a gateway gave up: whether the org did, nobody knows
        if refusal.status in TRANSIENT_STATUSES:
            return OrgUnavailable(self.org, status=refusal.status, attempts=attempt)
        return refusal.error(self.org)

    def _ended(self) -> SessionEnded:
        if self._endpoint.renewable:
            return SessionEnded(
                self.org,
                "the org refuses also the session it has just given",
                "look at the user's session settings and at the app's IP restrictions",
            )
        return SessionEnded(
            self.org, "the session has ended", "add the org again with a new session token, or with a key"
        )


class _Bearer(requests.auth.AuthBase):
    """Puts the token into whichever header the request's library uses."""

    def __init__(self, token: Token) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Called by requests last, after the library's own headers."""
        value = self._token.value.reveal()
        if "X-SFDC-Session" in request.headers:
            request.headers["X-SFDC-Session"] = value
        request.headers[AUTHORISED] = f"Bearer {value}"
        return request
