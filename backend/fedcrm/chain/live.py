"""A working day in an org: records are made and changed over REST, and their scores arrive by themselves.

Nothing here asks for a score. The package's flows do, behind the save; the organisation's own service answers.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.sax.saxutils import escape  # writes; nothing is parsed here  # nosec B406

import requests

from fedcrm.chain.local_orgs import OrgFacts
from fedcrm.errors import LoginRefused, OrgUnreachable, UnexpectedReply
from fedcrm.salesforce import Client, OrgSession, Secret, SessionToken, TokenEndpoint
from fedcrm.salesforce.soql import select, text_literal

__all__ = ["LiveScore", "Person", "live_scores", "log_in"]

_PATIENCE_SECONDS = 90.0
_POLL_SECONDS = 0.3
_SESSION = re.compile(r"<sessionId>([^<]+)<")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who works in an org. token: the session, for a page that is shown as they see it."""

    client: Client
    token: Secret


@dataclass(frozen=True, slots=True)
class LiveScore:
    """A score that came by itself. waited: seconds behind the save."""

    task: str
    sobject: str
    record_id: str
    what: str
    score: float
    interval: tuple[float, float]
    origin: str
    version: str
    waited: float


def log_in(facts: OrgFacts, username: str, password: Secret) -> Person:
    """A person's session by password. Raises LoginRefused, OrgUnreachable."""
    body = (
        '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:p="urn:partner.soap.sforce.com">'
        f"<s:Body><p:login><p:username>{escape(username)}</p:username>"
        f"<p:password>{escape(password.reveal())}</p:password></p:login></s:Body></s:Envelope>"
    )
    try:
        answer = requests.post(
            f"{facts.instance_url}/services/Soap/u/67.0",
            data=body,
            headers={"Content-Type": "text/xml", "SOAPAction": "login"},
            verify=str(facts.ca_file),
            timeout=60,
        )
    except requests.RequestException as error:
        raise OrgUnreachable(facts.alias, "no answer to a login", "run the same command again") from error
    found = _SESSION.search(answer.text)
    if found is None:
        raise LoginRefused(
            facts.alias, f"{username} could not log in", "run the same command again", code="INVALID_LOGIN"
        )
    token, ca = Secret(found[1]), str(facts.ca_file)
    session = OrgSession(TokenEndpoint(facts.alias, facts.instance_url, SessionToken(token), ca_file=ca), ca_file=ca)
    return Person(Client(session), token)


def live_scores(
    person: Person, watcher: Client, tasks: tuple[str, ...], *, say: Callable[[str], None]
) -> tuple[LiveScore, ...]:
    """Make or change one record for each task and wait for its score. Raises UnexpectedReply where none comes.

    watcher: sees predictions as rows, as an administrator does; people see them on the record's page only.
    """
    client = person.client
    asked: list[tuple[str, str, str, str, datetime, float]] = []
    for task in tasks:
        sobject, what, act = _ACTS[task]
        now = datetime.now(UTC) - timedelta(seconds=2)  # the org keeps milliseconds, and its own clock
        record_id = act(client)
        asked.append((task, sobject, record_id, what, now, time.monotonic()))
    found = []
    for task, sobject, record_id, what, since, began in asked:
        row = _wait(watcher, task, sobject, record_id, since)
        waited = time.monotonic() - began
        score = LiveScore(
            task,
            sobject,
            record_id,
            what,
            float(row["Score__c"]),
            (float(row["Interval_Low__c"]), float(row["Interval_High__c"])),
            str(row["Model_Origin__c"]),
            str(row["Model_Version__c"]),
            waited,
        )
        say(f"{what}: score {score.score:.1f} of 100, {waited:.1f} s later")
        found.append(score)
    return tuple(found)


def _wait(client: Client, task: str, sobject: str, record_id: str, since: datetime) -> Mapping[str, Any]:
    fields = ["Score__c", "Interval_Low__c", "Interval_High__c", "Model_Origin__c", "Model_Version__c"]
    of_task = f"Task__c = {text_literal(task)} AND Scored_At__c >= {since:%Y-%m-%dT%H:%M:%SZ}"
    soql = select(fields, "Prediction__c", f"{sobject}__c = {text_literal(record_id)} AND {of_task}")
    until = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < until:
        for row in client.query(soql):
            return row
        time.sleep(_POLL_SECONDS)
    raise UnexpectedReply(client.org, f"no score of {sobject} {record_id} came within {_PATIENCE_SECONDS:.0f} s")


def _create(client: Client, sobject: str, **fields: object) -> str:
    answer = client.session.request("POST", f"{client.base}/sobjects/{sobject}", json=fields).json()
    return str(answer["id"])


def _opportunity(client: Client) -> str:
    account = _create(client, "Account", Name="Northwind", Industry="Banking", NumberOfEmployees=120)
    return _create(
        client,
        "Opportunity",
        Name="Northwind, two sites",
        AccountId=account,
        StageName="Proposal/Price Quote",
        CloseDate=f"{datetime.now(UTC) + timedelta(days=60):%Y-%m-%d}",
        Amount=42_000,
        LeadSource="Web",
        Type="New Customer",
    )


def _lead(client: Client) -> str:
    return _create(
        client,
        "Lead",
        FirstName="Ana",
        LastName="Berg",
        Company="Fabrikam",
        LeadSource="Web",
        Status="Open - Not Contacted",
    )


def _case(client: Client) -> str:
    return _create(client, "Case", Subject="No connection since noon", Status="New", Origin="Phone", Priority="High")


def _account(client: Client) -> str:
    """An account that the night has scored, for which somebody asks now."""
    for row in client.query("SELECT Id FROM Account WHERE Review_Requested__c = FALSE ORDER BY CreatedDate LIMIT 1"):
        path = f"{client.base}/sobjects/Account/{row['Id']}"
        client.session.request("PATCH", path, json={"Review_Requested__c": True}, repeatable=True)
        return str(row["Id"])
    raise UnexpectedReply(client.org, "there is no account")


_ACTS: Mapping[str, tuple[str, str, Callable[[Client], str]]] = {
    "churn": ("Account", "an account for which a review is requested", _account),
    "opportunity_win": ("Opportunity", "a new opportunity", _opportunity),
    "lead_conversion": ("Lead", "a new lead", _lead),
    "case_escalation": ("Case", "a new case", _case),
}
