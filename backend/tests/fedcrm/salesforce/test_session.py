"""The session layer: what is sent again, what never, whose token goes where, and when calls run out."""

from __future__ import annotations

import logging

import pytest
import requests

from fedcrm.errors import (
    LimitReached,
    OrgUnavailable,
    OrgUnreachable,
    RequestRefused,
    SessionEnded,
    SettingsError,
    WriteUncertain,
    WrongOrg,
)
from fedcrm.salesforce.auth import JwtBearer, SessionToken, TokenEndpoint
from fedcrm.salesforce.session import OrgSession
from fedcrm.secrets import Secret

LIMITS = "/services/data/v67.0/limits"


def test_a_read_is_sent_again_after_an_overload_with_growing_jittered_delays(session, org, plant, waits):
    plant("/limits", status=503, code="SERVER_UNAVAILABLE", times=3)
    assert session.get(LIMITS).ok
    assert len(org.sent("GET", "/limits")) == 4
    assert waits == [0.5, 1.0, 2.0]


def test_maintenance_that_goes_on_is_named_with_its_remedy(session, org, plant):
    plant("/limits", status=503, code="SERVER_UNAVAILABLE", times=99)
    with pytest.raises(OrgUnavailable) as refused:
        session.get(LIMITS)
    assert (refused.value.status, refused.value.attempts) == (503, 4)
    assert "maintenance" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_the_server_asks_to_wait_is_waited(session, plant, waits):
    plant("/limits", status=503, code="SERVER_UNAVAILABLE", headers={"Retry-After": "7"})
    session.get(LIMITS)
    assert waits == [7.0]


@pytest.mark.parametrize("code", ["REQUEST_LIMIT_EXCEEDED", "UNABLE_TO_LOCK_ROW"])
def test_a_write_the_org_did_not_do_is_sent_again(session, org, plant, code):
    plant("/jobs/ingest", status=403, code=code)
    assert session.post("/services/data/v67.0/jobs/ingest", json={}).ok
    assert len(org.sent("POST", "/jobs/ingest")) == 2


def test_a_write_whose_reply_is_lost_is_never_sent_twice(session, org, plant):
    plant("/jobs/ingest", cut_after=-1)
    with pytest.raises(WriteUncertain):
        session.post("/services/data/v67.0/jobs/ingest", json={})
    assert len(org.sent("POST", "/jobs/ingest")) == 1


def test_a_write_that_a_gateway_gave_up_on_is_never_sent_twice(session, org, plant):
    plant("/jobs/ingest", status=503, html=True)
    with pytest.raises(WriteUncertain):
        session.post("/services/data/v67.0/jobs/ingest", json={})
    assert len(org.sent("POST", "/jobs/ingest")) == 1


def test_a_write_called_repeatable_is_sent_again_after_a_cut(session, org, plant):
    plant("/jobs/ingest", cut_after=-1)
    assert session.request("POST", "/services/data/v67.0/jobs/ingest", json={}, repeatable=True).ok
    assert len(org.sent("POST", "/jobs/ingest")) == 2


def test_a_read_cut_in_the_middle_of_its_body_is_sent_again(session, org, plant):
    plant("/limits", cut_after=10)
    assert "DailyApiRequests" in session.get(LIMITS).json()
    assert len(org.sent("GET", "/limits")) == 2


def test_a_connection_that_never_was_may_be_tried_again_also_for_a_write(session, org):
    token = session.token
    org.stop()
    with pytest.raises(OrgUnreachable) as refused:
        session.post("/services/data/v67.0/jobs/ingest", json={})
    assert "4 attempts" in str(refused.value)
    assert refused.value.__context__ is None  # requests' own error holds the request, and so the token
    assert token.value.reveal() not in str(refused.value)


def test_a_session_that_ended_is_renewed_once_and_the_request_repeated(session, org):
    session.get(LIMITS)
    org.tokens.clear()
    assert session.get(LIMITS).ok
    assert len(org.sent("POST", "oauth2/token")) == 2


def test_also_a_write_is_repeated_with_a_new_session_for_the_old_one_did_nothing(session, org):
    session.get(LIMITS)
    org.tokens.clear()
    assert session.post("/services/data/v67.0/jobs/ingest", json={}).ok


def test_an_org_that_refuses_the_new_session_too_is_not_asked_for_ever(session, org, plant):
    plant("/limits", status=401, code="INVALID_SESSION_ID", times=99)
    with pytest.raises(SessionEnded):
        session.get(LIMITS)
    assert len(org.sent("POST", "oauth2/token")) == 2


def test_a_ready_session_that_ended_says_what_to_do(org, pki, retry):
    endpoint = TokenEndpoint("tiny", org.url, SessionToken(Secret("00DTINY00000001!gone")), ca_file=str(pki.ca_file))
    session = OrgSession(endpoint, ca_file=str(pki.ca_file), retry=retry)
    with pytest.raises(SessionEnded) as refused:
        session.get(LIMITS)
    assert "add the org again" in refused.value.remedy


def test_a_ready_session_works_without_a_login(org, pki, retry):
    endpoint = TokenEndpoint("tiny", org.url, SessionToken(Secret(org.new_token())), ca_file=str(pki.ca_file))
    session = OrgSession(endpoint, ca_file=str(pki.ca_file), retry=retry)
    assert session.get(LIMITS).ok
    assert org.sent("POST", "oauth2") == []


def test_calls_stop_at_the_reserve_before_they_are_made(endpoint, pki, org, retry):
    org.calls_a_day, org.used = 100, 88
    session = OrgSession(endpoint, ca_file=str(pki.ca_file), retry=retry, reserve=0.1)
    session.get(LIMITS)
    session.get(LIMITS)
    before = len(org.requests)
    with pytest.raises(LimitReached) as refused:
        session.get(LIMITS)
    assert (refused.value.used, refused.value.total, refused.value.reserve) == (90, 100, 10)
    assert len(org.requests) == before


def test_an_old_figure_of_calls_lets_one_call_look_again(endpoint, pki, org, retry):
    now = [1_000_000.0]
    org.calls_a_day, org.used = 100, 95
    session = OrgSession(endpoint, ca_file=str(pki.ca_file), retry=retry, reserve=0.1, clock=lambda: now[0])
    session.get(LIMITS)
    with pytest.raises(LimitReached):
        session.get(LIMITS)
    now[0] += 3600
    org.used = 10
    assert session.get(LIMITS).ok
    assert session.get(LIMITS).ok


def test_a_limit_that_is_reached_says_how_many_calls_were_used(session, org, plant):
    session.get(LIMITS)
    plant("/limits", status=403, code="REQUEST_LIMIT_EXCEEDED", message="TotalRequests Limit exceeded.", times=99)
    with pytest.raises(LimitReached) as refused:
        session.get(LIMITS)
    assert refused.value.total == 15_000


def test_any_other_refusal_carries_the_orgs_code_and_is_one_line(session, plant):
    plant("/limits", status=400, code="MALFORMED_QUERY", message="\nunexpected\n  token")
    with pytest.raises(RequestRefused) as refused:
        session.get(LIMITS)
    assert (refused.value.status, refused.value.code) == (400, "MALFORMED_QUERY")
    assert refused.value.detail == "unexpected token"


def test_the_token_goes_to_the_orgs_own_address_and_nowhere_else(session):
    for address in ("https://elsewhere.example/x", "http://localhost/x", session.instance_url + "0/x"):
        with pytest.raises(SettingsError):
            session.get(address)


def test_a_redirect_is_not_followed(session, org, plant):
    plant("/limits", status=302, code="MOVED", headers={"Location": "https://elsewhere.example/"})
    with pytest.raises(RequestRefused):
        session.get(LIMITS)


def test_a_certificate_of_another_authority_is_refused_and_the_token_not_sent(endpoint, org, retry):
    session = OrgSession(endpoint, retry=retry)  # public authorities only
    with pytest.raises(OrgUnreachable, match="--ca-file"):
        session.get(LIMITS)
    assert org.sent("GET", "/limits") == []


def test_the_environment_does_not_choose_the_authorities_or_the_password(session, org, monkeypatch, tmp_path):
    """REQUESTS_CA_BUNDLE beats session.verify in requests, and a ~/.netrc entry replaces the Authorization header."""
    (tmp_path / "netrc").write_text("machine localhost login eve password spy\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", requests.certs.where())
    assert session.get(LIMITS).ok
    assert not any("Basic" in r.headers.get("authorization", "") for r in org.requests)


def test_another_org_behind_the_same_address_is_refused(endpoint, pki, retry, org):
    session = OrgSession(endpoint, ca_file=str(pki.ca_file), retry=retry, organization_id="00DOTHER0000001EAA")
    with pytest.raises(WrongOrg) as refused:
        session.get(LIMITS)
    assert refused.value.expected == "00DOTHER0000001"
    assert org.sent("GET", "/limits") == []


def test_one_login_serves_threads_that_all_saw_the_session_end(session, org):
    from concurrent.futures import ThreadPoolExecutor

    session.get(LIMITS)
    org.tokens.clear()
    with ThreadPoolExecutor(6) as pool:
        assert all(r.ok for r in pool.map(lambda _: session.get(LIMITS), range(24)))
    assert len(org.sent("POST", "oauth2/token")) <= 3


def test_no_log_has_a_secret_in_it_however_much_is_logged(org, plant, caplog, pki, retry):
    caplog.set_level(logging.DEBUG)
    grant = JwtBearer(org.consumer_key, org.username, Secret(pki.client_key))
    endpoint = TokenEndpoint("tiny", org.url, grant, ca_file=str(pki.ca_file), retry=retry)
    session = OrgSession(endpoint, ca_file=str(pki.ca_file), retry=retry)
    plant("/limits", status=503, code="SERVER_UNAVAILABLE")
    plant("/limits", cut_after=5)
    session.get(LIMITS)
    org.tokens.clear()
    session.get(LIMITS)
    assert caplog.text  # urllib3 does log
    for request in org.sent("POST", "token"):
        assert request.body.decode().split("assertion=")[1][:40] not in caplog.text
    assert session.token.value.reveal() not in caplog.text
    assert "PRIVATE" not in caplog.text


def test_words_of_the_org_cannot_steer_a_terminal(session, plant):
    plant("/limits", status=400, code="X", message="\x1b[2Jgone\r\n\x07ok\u202egnp")
    with pytest.raises(RequestRefused) as refused:
        session.get(LIMITS)
    assert refused.value.detail == "[2Jgone ok gnp"
