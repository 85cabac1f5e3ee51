"""Logins: what a client asserts, what the org checks, what it answers."""

from __future__ import annotations

import datetime as dt

import pytest


def test_a_jwt_signed_with_the_orgs_key_gives_a_session(served):
    answer = served.login()
    assert answer.status_code == 200
    granted = answer.json()
    org = served.org()
    assert granted["access_token"].startswith(org["org_id"][:15] + "!")
    assert granted["instance_url"] == served.url
    assert granted["id"].startswith(f"{served.url}/id/{org['org_id']}/005")
    assert "refresh_token" not in granted
    me = served.call("GET", "/services/oauth2/userinfo", token=granted["access_token"]).json()
    assert me["preferred_username"] == org["username"]
    assert me["organization_id"] == org["org_id"]


def _in(**span):
    return dt.datetime.now(dt.UTC) + dt.timedelta(**span)


@pytest.mark.parametrize(
    ("changed", "error", "description"),
    [
        ({"iss": "3MVGunknown"}, "invalid_client_id", "client identifier invalid"),
        ({"aud": "https://evil.example"}, "invalid_grant", "audience is invalid"),
        ({"aud": "http://login.salesforce.com"}, "invalid_grant", "audience is invalid"),
        ({"exp": _in(minutes=-10)}, "invalid_grant", "expired authorization code"),
        ({"exp": None}, "invalid_grant", "expiry is missing or invalid"),
        ({"sub": "nobody@example.com"}, "invalid_grant", "user hasn't approved this consumer"),
    ],
)
def test_a_wrong_claim_is_refused_with_the_platforms_words(served, changed, error, description):
    answer = served.login(**changed)
    assert answer.status_code == 400
    assert answer.json() == {"error": error, "error_description": description}


@pytest.mark.parametrize("host", ["https://login.salesforce.com", "https://test.salesforce.com"])
def test_the_login_hosts_are_accepted_as_audience(served, host):
    assert served.login(aud=host).status_code == 200


def test_an_expiry_in_milliseconds_is_accepted_since_the_sf_command_sends_it(served):
    assert served.login(exp=int(dt.datetime.now(dt.UTC).timestamp() * 1000) + 300).status_code == 200


def test_another_orgs_key_signs_nothing_here(served):
    foreign = served.org("org2")
    answer = served.login("org1", iss=foreign["consumer_key"])
    assert answer.json()["error_description"] == "invalid assertion"


def test_an_expired_certificate_is_named(served):
    served.call("POST", "/_local/clock", json={"advance_s": 900 * 86400})
    try:
        answer = served.login(exp=_in(days=900, minutes=2))
    finally:
        served.call("DELETE", "/_local/clock")
    assert "certificate expired" in answer.json()["error_description"]


def test_a_revoked_session_opens_nothing(served):
    token = served.login().json()["access_token"]
    assert served.call("GET", "/services/data/v60.0/limits", token=token).status_code == 200
    assert served.session.post(served.url + "/services/oauth2/revoke", data={"token": token}).status_code == 200
    answer = served.call("GET", "/services/data/v60.0/limits", token=token)
    assert answer.status_code == 401
    assert answer.json() == [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]


def test_a_session_ends_two_hours_after_its_last_use(served):
    token = served.login().json()["access_token"]
    try:
        served.call("POST", "/_local/clock", json={"advance_s": 6000})
        assert served.call("GET", "/services/data/v60.0/limits", token=token).status_code == 200
        served.call("POST", "/_local/clock", json={"advance_s": 6000})
        assert served.call("GET", "/services/data/v60.0/limits", token=token).status_code == 200
        served.call("POST", "/_local/clock", json={"advance_s": 8000})
        assert served.call("GET", "/services/data/v60.0/limits", token=token).status_code == 401
    finally:
        served.call("DELETE", "/_local/clock")


def test_no_token_can_be_read_from_the_data_directory(served):
    token = served.login().json()["access_token"]
    for file in served.server.directory.rglob("*"):
        if file.is_file():
            assert token.split("!")[1].encode() not in file.read_bytes(), file


def test_soap_and_password_logins_need_a_password_that_was_set(served):
    org = served.org("org2")
    envelope = (
        '<env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/"><env:Body>'
        '<n1:login xmlns:n1="urn:partner.soap.sforce.com">'
        f"<n1:username>{org['username']}</n1:username><n1:password>{{}}</n1:password></n1:login></env:Body></env:Envelope>"
    )
    path = served.url + "/services/Soap/u/60.0"
    refused = served.session.post(path, envelope.format("wrong-password"), headers={"content-type": "text/xml"})
    assert refused.status_code == 500
    assert "<sf:exceptionCode>INVALID_LOGIN</sf:exceptionCode>" in refused.text
    user = served.call("GET", "/services/oauth2/userinfo", alias="org2").json()["user_id"]
    changed = served.call(
        "POST",
        f"/services/data/v60.0/sobjects/User/{user}/password",
        alias="org2",
        json={"NewPassword": "correct horse"},
    )
    assert changed.status_code == 204
    granted = served.session.post(path, envelope.format("correct horse"), headers={"content-type": "text/xml"})
    assert granted.status_code == 200
    assert f"<sessionId>{org['org_id'][:15]}!" in granted.text


def test_client_credentials_need_the_secret_and_a_run_as_user(served):
    org = served.org()

    def token(key, secret, *, basic=False):
        form = {"grant_type": "client_credentials"}
        if not basic:
            form |= {"client_id": key, "client_secret": secret}
        auth = (key, secret) if basic else None
        return served.session.post(served.url + "/services/oauth2/token", data=form, auth=auth, timeout=30)

    app = served.call("POST", "/_local/apps", json={"org": "org1", "run_as": org["username"]}).json()
    for basic in (True, False):
        granted = token(app["consumer_key"], app["consumer_secret"], basic=basic)
        assert granted.status_code == 200
        assert granted.json()["access_token"].startswith(org["org_id"][:15])
    assert token(app["consumer_key"], "wrong").json()["error"] == "invalid_client"
    assert token("3MVGunknown", "x").json()["error"] == "invalid_client_id"
    bare = served.call("POST", "/_local/apps", json={"org": "org1"}).json()
    refused = token(bare["consumer_key"], bare["consumer_secret"]).json()
    assert refused["error_description"] == "no client credentials user enabled"
    assert served.call("POST", "/_local/apps", json={"org": "org1", "run_as": "nobody"}).status_code == 400
