"""What an org's refusals say: one reader for the four forms they come in, one table for what they mean.

REST answers with an array of {message, errorCode}, OAuth with {error, error_description}, Bulk 1 with XML, and a
gateway in front of all of them with whatever it likes.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

import requests

from fedcrm.errors import AccessDenied, LimitReached, RequestRefused, SalesforceError

__all__ = ["Refusal", "read_refusal"]

SESSION_CODES = frozenset({"INVALID_SESSION_ID", "InvalidSessionId", "INVALID_AUTH_HEADER", "Bad_OAuth_Token"})
LIMIT_CODES = frozenset({"REQUEST_LIMIT_EXCEEDED", "RequestLimitExceeded", "ExceededQuota"})
# Refused before anything was done: even a write may be sent again.
UNDONE_CODES = frozenset({"SERVER_UNAVAILABLE", "UNABLE_TO_LOCK_ROW", "TooManyLockFailure"}) | LIMIT_CODES
TRANSIENT_STATUSES = frozenset({429, 502, 503, 504})
GONE_CODES = frozenset({"INVALIDLOCATOR", "INVALID_LOCATOR", "INVALID_QUERY_LOCATOR", "InvalidLocator"})

_NO_FIELD = re.compile(r"No such column '([\w.]+)' on (?:entity|sobject of type) '?(\w+)'?", re.IGNORECASE)
_NO_RELATION = re.compile(r"Didn't understand relationship '(\w+)'", re.IGNORECASE)
_NO_OBJECT = re.compile(r"s[Oo]bject type '(\w+)' is not supported")
_XML = re.compile(r"<exceptionCode>(.*?)</exceptionCode>.*?<exceptionMessage>(.*?)</exceptionMessage>", re.DOTALL)
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Refusal:
    """A reply of status 300 or above.

    status, code: the org's; code is empty where the reply is not an org's.
    detail:       its words, cut to one line.
    retry_after:  seconds it asks us to wait, or 0.
    """

    status: int
    code: str
    detail: str
    retry_after: float = 0.0

    @property
    def ends_session(self) -> bool:
        """A new session is needed. Bulk 1 says so with status 400."""
        return self.code in SESSION_CODES or self.status == requests.codes.unauthorized

    @property
    def transient(self) -> bool:
        """The same request may succeed a little later."""
        return self.code in UNDONE_CODES or self.status in TRANSIENT_STATUSES

    @property
    def undone(self) -> bool:
        """The org says that it did nothing, so that a write may be sent again."""
        return self.code in UNDONE_CODES

    @property
    def limit(self) -> bool:
        """Too many calls, in a day or at once."""
        return self.code in LIMIT_CODES

    @property
    def results_gone(self) -> bool:
        """A locator, job or result that the org does not know (any more)."""
        return self.code in GONE_CODES or self.status in (requests.codes.not_found, requests.codes.gone)

    def error(self, org: str) -> SalesforceError:
        """The refusal as its place in the error tree."""
        if self.limit:
            return LimitReached(org, used=None, total=None)
        if (match := _NO_FIELD.search(self.detail)) and self.code in ("INVALID_FIELD", "INVALIDJOB"):
            return AccessDenied(org, match[2], (match[1],))
        if match := _NO_OBJECT.search(self.detail):
            return AccessDenied(org, match[1])
        return RequestRefused(org, status=self.status, code=self.code, detail=self.detail)


def read_refusal(reply: requests.Response) -> Refusal:
    """Read a refusal in whichever form it is; a streamed reply is read to its end."""
    text = reply.text
    code, detail = _from_json(text) or _from_xml(text) or ("", f"{reply.reason or 'no reason'}")
    return Refusal(reply.status_code, code, _one_line(detail), _seconds(reply.headers.get("Retry-After", "")))


def _from_json(text: str) -> tuple[str, str] | None:
    try:
        content = json.loads(text)
    except ValueError:
        return None
    entry = content[0] if isinstance(content, list) and content else content
    if not isinstance(entry, dict):
        return None
    if "errorCode" in entry:
        return str(entry["errorCode"]), str(entry.get("message", ""))
    if "exceptionCode" in entry:
        return str(entry["exceptionCode"]), str(entry.get("exceptionMessage", ""))
    if "error" in entry:
        return str(entry["error"]), str(entry.get("error_description") or "")
    if isinstance(entry.get("message"), str):  # a class of the package's own
        return "", entry["message"]
    return None


def _from_xml(text: str) -> tuple[str, str] | None:
    """Two leaves of Bulk 1's <error>; nothing is expanded, so no parser is needed."""
    match = _XML.search(text)
    return (match[1], match[2]) if match else None


def _one_line(text: str) -> str:
    # Words from elsewhere go to a terminal: what is no letter there, such as an escape, becomes a blank.
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def _seconds(value: str) -> float:
    """Retry-After in seconds; its other form, a date, is left to the backoff."""
    return float(value) if value.isdigit() else 0.0
