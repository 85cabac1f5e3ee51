"""Logging in: three ways in, and a word of its own for each way of being refused."""

from __future__ import annotations

import time
import traceback

import jwt
import pytest

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
from fedcrm.salesforce.auth import ClientCredentials, JwtBearer, SessionToken, TokenEndpoint, https_address
from fedcrm.secrets import Secret, SecretCommand


@pytest.fixture
def ask(org, pki, retry):
    """Logs in with a grant."""

    def ask(grant, **more):
        return TokenEndpoint("tiny", org.url, grant, ca_file=str(pki.ca_file), retry=retry, **more).log_in()

    return ask


@pytest.fixture
def bearer(org, pki):
    def bearer(**changed):
        given = {"consumer_key": org.consumer_key, "username": org.username, "key": Secret(pki.client_key)}
        return JwtBearer(**(given | changed))

    return bearer


def test_a_key_logs_in_with_an_assertion_of_three_minutes_at_most(ask, bearer, org, pki):
    token = ask(bearer())
    assert token.instance_url == org.url
    assert token.organization_id == "00DTINY00000001"
    assert token.user_id.startswith("005TINY")
    assert token.scopes == ("api", "refresh_token")
    form = org.sent("POST", "token")[0].body.decode()
    assertion = form.split("assertion=")[1]
    claims = jwt.decode(assertion, pki.public_key, algorithms=["RS256"], audience=org.url)
    assert (claims["iss"], claims["sub"]) == (org.consumer_key, org.username)
    assert 60 < claims["exp"] - time.time() <= 180
    assert jwt.get_unverified_header(assertion)["alg"] == "RS256"


def test_a_secret_logs_in_by_client_credentials(ask, org):
    assert ask(ClientCredentials(org.consumer_key, Secret("s3cret"))).scopes == ("api", "refresh_token")


def test_a_session_that_is_there_needs_no_request(ask, org):
    token = ask(SessionToken(Secret("00DTINY00000001!abc")))
    assert (token.organization_id, token.instance_url) == ("00DTINY00000001", org.url)
    assert org.requests == []


def test_a_token_that_is_a_jwt_is_as_good(ask, bearer, org, monkeypatch):
    reply = f'{{"access_token": "eyJx.y.z", "instance_url": "{org.url}", "id": "x/id/00DTINY00000001EAA/005"}}'
    monkeypatch.setattr(org, "_log_in", lambda form: (200, {}, reply.encode()))
    assert ask(bearer()).organization_id == "00DTINY00000001"


@pytest.mark.parametrize("reply", ['{"access_token": "a\\nb", "id": "x/id/00D/005"', '{"access_token": "eyJx.y.z"'])
def test_a_token_with_a_line_end_or_of_no_org_is_refused(ask, bearer, org, monkeypatch, reply):
    monkeypatch.setattr(org, "_log_in", lambda form: (200, {}, f'{reply}, "instance_url": "{org.url}"}}'.encode()))
    with pytest.raises(UnexpectedReply):
        ask(bearer())


@pytest.mark.parametrize("text", ["abc", "00D!x", "00DTINY00000001!a b", "00DTINY00000001!a\nb", "0" * 40])
def test_what_is_no_session_token_is_refused_without_being_shown(ask, text):
    with pytest.raises(SettingsError) as refused:
        ask(SessionToken(Secret(text)))
    assert text not in str(refused.value)


def test_a_key_from_a_command_is_asked_for_at_each_login(ask, bearer, pki, tmp_path):
    (tmp_path / "key.pem").write_text(pki.client_key)
    grant = bearer(key=SecretCommand(f"cat {tmp_path}/key.pem"))
    ask(grant)
    (tmp_path / "key.pem").write_text(pki.other_key)
    with pytest.raises(WrongKey):
        ask(grant)


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"username": "stranger@tiny.example"}, UnapprovedConsumer),
        ({"consumer_key": "3MVGother"}, LoginRefused),
        ({"audience": "https://login.salesforce.com"}, LoginRefused),
    ],
)
def test_what_is_wrong_with_a_login_has_a_type_and_a_remedy(ask, bearer, changed, kind):
    with pytest.raises(kind) as refused:
        ask(bearer(**changed))
    assert refused.value.code in ("invalid_grant", "invalid_client_id")
    assert refused.value.remedy
    assert "\n" not in str(refused.value)


def test_a_key_the_org_does_not_know_is_told_apart(ask, bearer, pki):
    with pytest.raises(WrongKey, match="certificate uploaded"):
        ask(bearer(key=Secret(pki.other_key)))


def test_a_wrong_client_secret_is_told_apart(ask, org):
    with pytest.raises(WrongKey):
        ask(ClientCredentials(org.consumer_key, Secret("guess")))


@pytest.mark.parametrize(
    ("error", "description", "kind"),
    [
        ("invalid_grant", "user hasn't approved this consumer", UnapprovedConsumer),
        ("invalid_app_access", "user is not admin approved to access this app", UnapprovedConsumer),
        ("invalid_grant", "certificate expired or missing: 2026-01-01", CertificateExpired),
        ("invalid_grant", "ip restricted", LoginRefused),
        ("inactive_user", "user is inactive", LoginRefused),
        ("inactive_org", "organization is inactive", LoginRefused),
        ("something_new", "that nobody heard of", LoginRefused),
        ("something_new", "", LoginRefused),
    ],
)
def test_each_refusal_the_platform_knows_is_its_own_type(ask, bearer, org, error, description, kind):
    org.login_refusal = (400, error, description)
    with pytest.raises(LoginRefused) as refused:
        ask(bearer())
    assert type(refused.value) is kind
    assert refused.value.code == error


def test_a_certificate_that_ended_is_seen_before_anything_is_sent(ask, bearer, pki, org, expired_certificate):
    with pytest.raises(CertificateExpired):
        ask(bearer(key=Secret(pki.client_key + expired_certificate)))
    assert org.requests == []


def test_the_end_of_a_certificate_beside_its_key_is_known(bearer, pki, org):
    endpoint = TokenEndpoint("tiny", org.url, bearer(key=Secret(pki.client_certificate + pki.client_key)))
    assert 28 <= (endpoint.certificate_end().timestamp() - time.time()) / 86400 <= 30
    assert TokenEndpoint("tiny", org.url, bearer()).certificate_end() is None


def test_a_clock_that_is_off_is_named_as_the_reason(ask, bearer, org):
    with pytest.raises(LoginRefused) as refused:
        ask(bearer(), clock=lambda: time.time() - 1000)
    assert "clock is 1000 s off" in refused.value.remedy or "clock is 999 s off" in refused.value.remedy


def test_the_usual_audience_is_tried_before_the_orgs_own(bearer, pki):
    def tried(url, **more):
        return TokenEndpoint("x", url, bearer(**more))._audiences(bearer(**more))

    assert tried("https://login.salesforce.com") == ("https://login.salesforce.com",)
    assert tried("https://acme.my.salesforce.com") == ("https://login.salesforce.com", "https://acme.my.salesforce.com")
    assert tried("https://acme--uat.sandbox.my.salesforce.com")[0] == "https://test.salesforce.com"
    assert tried("https://localhost:8443") == ("https://localhost:8443",)
    assert tried("https://acme.my.salesforce.com", audience="https://a.example") == ("https://a.example",)


def test_a_refused_audience_is_followed_by_the_next_likely_one(ask, bearer, org, monkeypatch):
    likely = ("https://login.salesforce.com", org.url)
    monkeypatch.setattr(TokenEndpoint, "_audiences", lambda self, grant: likely)
    assert ask(bearer())
    assert len(org.sent("POST", "token")) == 2


def test_a_login_is_tried_again_after_an_overload(ask, bearer, org, plant, waits):
    plant("token", status=503, code="server_error", message="retry your request", times=2)
    assert ask(bearer())
    assert waits == [0.5, 1.0]


def test_an_org_in_maintenance_is_named(ask, bearer, plant):
    plant("token", status=503, code="", times=99)
    with pytest.raises(OrgUnavailable):
        ask(bearer())


def test_a_reply_that_is_no_session_is_refused(ask, bearer, org, monkeypatch):
    monkeypatch.setattr(org, "_log_in", lambda form: (200, {}, b"<html>welcome</html>"))
    with pytest.raises(UnexpectedReply):
        ask(bearer())


def test_an_instance_without_https_is_refused(ask, bearer, org, monkeypatch):
    reply = b'{"access_token": "00D!x", "instance_url": "http://a.example", "id": "x/id/00D/005"}'
    monkeypatch.setattr(org, "_log_in", lambda form: (200, {}, reply))
    with pytest.raises(SettingsError, match="https"):
        ask(bearer())


def test_neither_key_nor_assertion_nor_secret_is_in_what_is_said_when_nobody_answers(bearer, pki, org, retry):
    org.stop()
    for grant in (bearer(), ClientCredentials("3MVG", Secret("s3cret"))):
        with pytest.raises(OrgUnreachable) as refused:
            TokenEndpoint("tiny", org.url, grant, ca_file=str(pki.ca_file), retry=retry).log_in()
        text = "".join(traceback.format_exception(refused.value)) + repr(grant)
        assert "s3cret" not in text
        assert "PRIVATE" not in text
        assert refused.value.__cause__ is refused.value.__context__ is None


@pytest.mark.parametrize(
    "pem",
    ["", "nonsense", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "elliptic", "short", "locked"],
)
def test_what_is_no_rsa_key_is_refused_before_anything_is_sent(ask, bearer, org, pem):
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    made = {
        "elliptic": lambda: ec.generate_private_key(ec.SECP256R1()),
        "short": lambda: rsa.generate_private_key(65537, 1024),
        "locked": lambda: ec.generate_private_key(ec.SECP256R1()),
    }
    if pem in made:
        lock = BestAvailableEncryption(b"x") if pem == "locked" else NoEncryption()
        pem = made[pem]().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock).decode()
    with pytest.raises(SettingsError):
        ask(bearer(key=Secret(pem)))
    assert org.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "http://a.example",
        "a.example",
        "https://",
        "https://u:p@a.example",
        "https://a.example/x",
        "https://a.example:x",
    ],
)
def test_only_a_plain_https_address_is_a_login_url(url):
    with pytest.raises(SettingsError):
        https_address(url)


def test_a_slash_at_the_end_of_a_login_url_does_no_harm():
    assert https_address("https://A.example:8443/") == "https://a.example:8443"
