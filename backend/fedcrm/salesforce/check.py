"""`fedcrm org check`: everything an administrator can get wrong in connecting an org, proved one by one.

Each finding says in plain words what was tried, what came of it and what to do; a later check that needs an
earlier one is left out where that failed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

from fedcrm.errors import (
    AccessDenied,
    FedCRMError,
    LimitReached,
    LoginRefused,
    OrgUnavailable,
    OrgUnreachable,
    RequestRefused,
    SalesforceError,
)
from fedcrm.salesforce.auth import JwtBearer, SessionToken, Token, TokenEndpoint
from fedcrm.salesforce.client import Client
from fedcrm.salesforce.soql import select, text_literal

__all__ = ["NEEDED_FIELDS", "Finding", "Verdict", "check_org"]

CLOCK_SECONDS = 60.0
CERTIFICATE_DAYS = 30
VISIBLE_SHARE = 0.99
TOO_MUCH = frozenset({"full", "web", "visualforce"})
VERSION_PARTS = ("MajorVersion", "MinorVersion", "PatchVersion")
NAMESPACE, MARK_OBJECT = "fedcrm", "Feature_Block__c"

# Standard fields that the features of the package are computed from.
NEEDED_FIELDS: Mapping[str, tuple[str, ...]] = {
    "Account": ("Id", "Industry", "Type", "AnnualRevenue", "NumberOfEmployees", "OwnerId", "CreatedDate"),
    "Contact": ("Id", "AccountId", "Title", "CreatedDate"),
    "Lead": ("Id", "Status", "LeadSource", "IsConverted", "CreatedDate"),
    "Opportunity": ("Id", "AccountId", "Amount", "StageName", "CloseDate", "IsClosed", "IsWon", "CreatedDate"),
    "Case": ("Id", "AccountId", "Status", "Priority", "IsEscalated", "IsClosed", "CreatedDate"),
    "Task": ("Id", "WhatId", "WhoId", "ActivityDate", "CreatedDate"),
    "Event": ("Id", "WhatId", "WhoId", "ActivityDateTime", "CreatedDate"),
}


class Verdict(Enum):
    """How a check ended."""

    GOOD = "good"
    DOUBTFUL = "doubtful"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check. what: it was about. words: what came of it. remedy: empty where all is well."""

    what: str
    verdict: Verdict
    words: str
    remedy: str = ""


def check_org(
    client: Client,
    endpoint: TokenEndpoint,
    *,
    needed: Mapping[str, Sequence[str]] = NEEDED_FIELDS,
    clock: Callable[[], float] = time.time,
) -> Iterator[Finding]:
    """Findings in the order in which they were made. Refusals become findings; nothing is raised for them.

    endpoint: logs in afresh, whatever session is kept.
    needed:   fields by object that must be readable.
    """
    yield from _certificate(endpoint, clock)
    token = None
    try:
        token = endpoint.log_in()
    except FedCRMError as refused:
        yield _wrong("login", refused)
    if endpoint.offset is not None:
        yield _clock(endpoint.offset)
    if token is None:
        return
    how = "a ready session of" if isinstance(endpoint.grant, SessionToken) else "logged in to"
    yield Finding("login", Verdict.GOOD, f"{how} org {token.organization_id} at {token.instance_url}")
    yield from _scopes(token)
    checks = [("the org", check(client)) for check in (_limits, _versions, _package)]
    checks += [(object_name, _fields(client, object_name, fields)) for object_name, fields in needed.items()]
    checks.append(("visible records", _visible(client, needed)))
    for what, found in checks:
        try:
            yield from found
        except (LimitReached, LoginRefused, OrgUnavailable, OrgUnreachable) as refused:
            yield _wrong("the org", refused)  # every further call would say the same
            return
        except SalesforceError as refused:
            yield _wrong(what, refused)


def _wrong(what: str, refused: FedCRMError) -> Finding:
    if isinstance(refused, SalesforceError):
        return Finding(what, Verdict.WRONG, refused.reason, refused.remedy)
    return Finding(what, Verdict.WRONG, str(refused), "correct it and add the org again")


def _certificate(endpoint: TokenEndpoint, clock: Callable[[], float]) -> Iterator[Finding]:
    if not isinstance(endpoint.grant, JwtBearer):
        return
    try:
        end = endpoint.certificate_end()
    except FedCRMError as refused:
        yield _wrong("certificate", refused)
        return
    if end is None:
        return
    days = (end - datetime.fromtimestamp(clock(), UTC)).days
    remedy = "make a new one, upload it to the org's app and add the org again" if days < CERTIFICATE_DAYS else ""
    verdict = Verdict.WRONG if days < 0 else Verdict.DOUBTFUL if remedy else Verdict.GOOD
    yield Finding("certificate", verdict, f"it ends on {end:%Y-%m-%d}, {days} days from now", remedy)


def _clock(offset: float) -> Finding:
    words = f"this machine and the org are {abs(offset):.0f} s apart"
    if abs(offset) > CLOCK_SECONDS:
        return Finding("clock", Verdict.WRONG, words, "set this machine's clock; a login is good for three minutes")
    return Finding("clock", Verdict.GOOD, words)


def _scopes(token: Token) -> Iterator[Finding]:
    if not token.scopes:
        return
    if "api" not in token.scopes and "full" not in token.scopes:
        yield Finding(
            "scopes", Verdict.WRONG, f"the app grants {', '.join(token.scopes)}, not api", "add the scope api"
        )
    elif excess := sorted(TOO_MUCH & set(token.scopes)):
        remedy = "leave only api and refresh_token in the app's scopes"
        yield Finding("scopes", Verdict.DOUBTFUL, f"the app grants more than is needed: {', '.join(excess)}", remedy)
    else:
        yield Finding("scopes", Verdict.GOOD, f"the app grants {', '.join(token.scopes)}")


def _versions(client: Client) -> Iterator[Finding]:
    versions = client.versions()
    if client.version in versions:
        yield Finding("API version", Verdict.GOOD, f"the org speaks {client.version}")
    else:
        newest = versions[-1] if versions else "none"
        remedy = f"add the org again with --api-version {newest}"
        yield Finding("API version", Verdict.WRONG, f"{client.version} is not among those up to {newest}", remedy)


def _limits(client: Client) -> Iterator[Finding]:
    limits = client.limits()
    calls = limits.get("DailyApiRequests")
    if calls is None:
        yield Finding("API calls", Verdict.DOUBTFUL, "the org does not say how many are left", "look in Setup")
    else:
        kept = round(client.session.budget.reserve * calls.maximum)
        words = f"{calls.remaining} of {calls.maximum} calls are left today, {kept} of them kept for others"
        if calls.remaining <= kept:
            yield Finding("API calls", Verdict.WRONG, words, "wait, raise the limit, or lower --reserve")
        elif calls.remaining < 2 * kept:
            yield Finding("API calls", Verdict.DOUBTFUL, words, "see what else calls this org")
        else:
            yield Finding("API calls", Verdict.GOOD, words)
    storage = limits.get("DataStorageMB")
    if storage is not None and storage.remaining < 0.05 * storage.maximum:
        words = f"{storage.remaining} of {storage.maximum} MB are left"
        yield Finding("storage", Verdict.DOUBTFUL, words, "free data storage: blocks and predictions need room")


def _package(client: Client) -> Iterator[Finding]:
    for prefix in (f"{NAMESPACE}__", ""):
        if not _described(client, prefix + MARK_OBJECT):
            continue
        if not prefix:
            yield Finding("package", Verdict.GOOD, "deployed without a namespace")
            return
        yield Finding("package", Verdict.GOOD, f"installed, {_installed(client)}")
        return
    yield Finding(
        "package",
        Verdict.DOUBTFUL,
        "not there, or this user may not see it",
        "install it and assign its permission sets Extractor and Integration to the integration user",
    )


def _installed(client: Client) -> str:
    """Version of the managed package, as far as this user may read it."""
    try:
        where = f"SubscriberPackage.NamespacePrefix = {text_literal(NAMESPACE)}"
        parts = [f"SubscriberPackageVersion.{part}" for part in VERSION_PARTS]
        rows = client.tooling(select(parts, "InstalledSubscriberPackage", where))
    except (RequestRefused, AccessDenied):
        rows = []
    version = rows[0].get("SubscriberPackageVersion") if rows else None
    if not isinstance(version, Mapping):
        return "its version cannot be read by this user"
    return "version " + ".".join(str(version.get(part)) for part in VERSION_PARTS)


def _fields(client: Client, object_name: str, fields: Sequence[str]) -> Iterator[Finding]:
    described = client.describe(object_name)
    hidden = [name for name in fields if described.field(name) is None]
    if hidden:
        words = f"this user does not see {', '.join(hidden)}"
        yield Finding(object_name, Verdict.WRONG, words, "give read access to these fields in its permission set")
    else:
        yield Finding(object_name, Verdict.GOOD, f"all {len(fields)} fields that features need are readable")


def _described(client: Client, object_name: str) -> bool:
    try:
        client.describe(object_name)
    except AccessDenied:
        return False
    return True


def _visible(client: Client, objects: Iterable[str]) -> Iterator[Finding]:
    """Records hidden by sharing would bias a training without anybody seeing it."""
    readable = [o for o in objects if _described(client, o)]
    totals = client.record_counts(readable) if readable else {}
    for name, total in sorted(totals.items()):
        visible = client.count(name)
        words = f"{visible} of {total} records of {name} are visible"
        if visible < VISIBLE_SHARE * total:
            remedy = f"give the integration user View All on {name}: hidden records bias the training"
            yield Finding("visible records", Verdict.WRONG, words, remedy)
        else:
            yield Finding("visible records", Verdict.GOOD, words)
