"""`fedcrm org check`: one finding for each thing that can be wrong, with its remedy."""

from __future__ import annotations

import pytest

from fedcrm.salesforce.auth import JwtBearer, SessionToken, TokenEndpoint
from fedcrm.salesforce.check import Verdict, check_org
from fedcrm.salesforce.client import Client
from fedcrm.salesforce.session import OrgSession
from fedcrm.secrets import Secret

NEEDED = {"Account": ("Id", "Name", "CreatedDate")}


@pytest.fixture
def findings(client, endpoint, org):
    """Findings about one thing, or all; also what a test changes first."""
    org.types = {"Id": "id", "Name": "string", "CreatedDate": "datetime"}

    def findings(what=None, *, at=endpoint, of=client):
        return [f for f in check_org(of, at, needed=NEEDED) if what is None or f.what == what]

    return findings


def test_an_org_with_which_all_is_well_has_nothing_wrong(findings, org):
    org.rows = [{"Id": "001"}] * 3
    found = findings()
    assert [f.what for f in found if f.verdict is Verdict.WRONG] == []
    for what in ("login", "clock", "scopes", "API version", "API calls", "Account", "visible records"):
        assert [f.verdict for f in found if f.what == what] == [Verdict.GOOD]


def test_every_finding_that_is_not_good_has_a_remedy(findings, org):
    org.scopes, org.visible, org.total, org.used, org.calls_a_day = "web", 5, 10, 7_500, 10_000
    org.types = {"Id": "id"}
    found = findings()
    assert sum(f.verdict is Verdict.WRONG for f in found) >= 3
    assert all(bool(f.remedy) == (f.verdict is not Verdict.GOOD) for f in found)


def test_a_refused_login_is_the_last_finding(findings, org):
    org.login_refusal = (400, "invalid_grant", "user hasn't approved this consumer")
    found = findings()
    assert [f.what for f in found] == ["login", "clock"]
    assert found[0].verdict is Verdict.WRONG
    assert "approve" in found[0].remedy


def test_a_clock_that_is_off_is_found_also_where_the_login_failed(findings, org):
    org.clock_skew = 600.0
    org.login_refusal = (400, "invalid_grant", "expired authorization code")
    (clock,) = findings("clock")
    assert clock.verdict is Verdict.WRONG
    assert "600 s" in clock.words or "599 s" in clock.words


@pytest.mark.parametrize(
    ("scopes", "verdict"),
    [
        ("api", Verdict.GOOD),
        ("refresh_token", Verdict.WRONG),
        ("api full", Verdict.DOUBTFUL),
        ("api web", Verdict.DOUBTFUL),
    ],
)
def test_scopes_that_are_too_few_or_too_many_are_found(findings, org, scopes, verdict):
    org.scopes = scopes
    (found,) = findings("scopes")
    assert found.verdict is verdict


def test_fields_that_the_user_does_not_see_are_named(findings, org):
    del org.types["CreatedDate"]
    (found,) = findings("Account")
    assert (found.verdict, "CreatedDate" in found.words) == (Verdict.WRONG, True)
    assert "permission set" in found.remedy


@pytest.mark.parametrize(("visible", "verdict"), [(1000, Verdict.GOOD), (990, Verdict.GOOD), (989, Verdict.WRONG)])
def test_records_hidden_by_sharing_are_found(findings, org, visible, verdict):
    org.visible, org.total = visible, 1000
    (found,) = findings("visible records")
    assert found.verdict is verdict
    assert f"{visible} of 1000" in found.words


@pytest.mark.parametrize(("used", "verdict"), [(0, Verdict.GOOD), (700, Verdict.DOUBTFUL), (799, Verdict.WRONG)])
def test_calls_are_held_against_the_reserve(findings, org, used, verdict):
    org.used, org.calls_a_day = used, 1_000
    found, *_ = [f for f in findings() if f.what in ("API calls", "the org")]
    assert found.verdict is verdict


def test_calls_that_run_out_end_the_check_with_one_finding(findings, org):
    org.used, org.calls_a_day = 900, 1_000
    assert [f.what for f in findings() if f.verdict is Verdict.WRONG] == ["API calls", "the org"]


def test_an_api_version_the_org_does_not_speak_is_found(findings, session):
    (found,) = findings("API version", of=Client(session, version="99.0"))
    assert (found.verdict, "67.0" in found.remedy) == (Verdict.WRONG, True)


def test_a_package_that_is_not_there_is_doubtful(findings):
    (found,) = findings("package")
    assert (found.verdict, "permission sets" in found.remedy) == (Verdict.DOUBTFUL, True)


def test_a_package_without_namespace_is_found(findings, org):
    org.parents["Feature_Block__c"] = {"Id": "id"}
    (found,) = findings("package")
    assert (found.verdict, "without a namespace" in found.words) == (Verdict.GOOD, True)


def test_a_ready_session_that_ended_ends_the_check(findings, org, pki, retry):
    at = TokenEndpoint("tiny", org.url, SessionToken(Secret("00DTINY00000001!gone")), ca_file=str(pki.ca_file))
    found = findings(at=at, of=Client(OrgSession(at, ca_file=str(pki.ca_file), retry=retry)))
    assert [(f.what, f.verdict) for f in found] == [("login", Verdict.GOOD), ("the org", Verdict.WRONG)]
    assert "new session token" in found[-1].remedy


def test_an_installed_package_is_found_with_its_version(findings, org):
    org.parents["fedcrm__Feature_Block__c"] = {"Id": "id"}
    assert "version cannot be read" in findings("package")[0].words
    version = {"MajorVersion": 1, "MinorVersion": 4, "PatchVersion": 0}
    org.tooling_rows = [{"SubscriberPackageVersion": version}]
    (found,) = findings("package")
    assert (found.verdict, found.words) == (Verdict.GOOD, "installed, version 1.4.0")


def test_the_end_of_a_certificate_is_found(findings, org, pki, expired_certificate, retry):
    def at(pem):
        grant = JwtBearer(org.consumer_key, org.username, Secret(pem))
        return TokenEndpoint("tiny", org.url, grant, ca_file=str(pki.ca_file), retry=retry)

    (soon,) = findings("certificate", at=at(pki.client_key + pki.client_certificate))
    assert soon.verdict is Verdict.DOUBTFUL
    (over,) = findings("certificate", at=at(pki.client_key + expired_certificate))
    assert over.verdict is Verdict.WRONG
    (none,) = findings("certificate", at=at("no key"))
    assert none.verdict is Verdict.WRONG
