import base64
import json
from datetime import UTC, datetime, timedelta

import jwt
import pytest
import sqlalchemy as sa
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from fedcrm.errors import ServiceError
from fedcrm.service import Scope, tables

from .conftest import ORG, OTHER, record


def refused(reply):
    assert reply.status_code == 401
    assert reply.json()["error"]["code"] == "unauthorized"
    return True


# --- API keys ---


def test_a_key_is_let_in_and_only_its_hash_is_stored(running):
    assert running.predict().status_code == 200
    with running.service.database.reading() as connection:
        stored = " ".join(str(row) for row in connection.execute(sa.select(tables.keys)))
    assert running.key.split("_")[2] not in stored


@pytest.mark.parametrize(
    "change", [lambda k: k[:-1] + "x", lambda k: "", lambda k: "fcrm_", lambda k: k[5:], str.upper]
)
def test_another_key_is_refused(running, change):
    assert refused(running.predict(headers=running.headers(change(running.key))))


def test_no_credential_is_refused_and_two_at_once_are(running):
    assert refused(running.predict(headers={}))
    assert refused(running.predict(headers=running.headers() | running.bearer()))


def test_two_keys_live_side_by_side_until_the_old_one_is_retired(running):
    new = running.service.tenants.new_key(ORG, Scope.PREDICT, "new").key.reveal()
    with pytest.raises(ServiceError) as third:
        running.service.tenants.new_key(ORG, Scope.PREDICT, "third")
    assert third.value.code == "two_live_keys"
    assert running.predict().status_code == running.predict(headers=running.headers(new)).status_code == 200
    assert running.service.tenants.retire_key(ORG, running.key.split("_")[1])
    assert refused(running.predict())
    assert running.predict(headers=running.headers(new)).status_code == 200


# --- tokens ---


@pytest.mark.parametrize("algorithm", ["RS256", "RS512"])
def test_a_token_the_org_signed_is_let_in(running, algorithm):
    assert running.predict(headers=running.bearer(algorithm=algorithm)).status_code == 200


def test_an_unsigned_token_is_refused(running):
    token = running.token()
    header = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT"}).encode()).rstrip(b"=").decode()
    unsigned = f"{header}.{token.split('.')[1]}."
    assert refused(running.predict(headers={"Authorization": f"Bearer {unsigned}"}))


def test_a_token_signed_with_the_public_key_as_a_shared_secret_is_refused(running, signing_key):
    """The classic confusion: HS256 with what everybody may know."""
    import hashlib
    import hmac

    def part(content):
        return base64.urlsafe_b64encode(content).rstrip(b"=").decode()

    body = running.token().split(".")[1]
    head = part(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    mac = part(hmac.new(signing_key[1].encode(), f"{head}.{body}".encode(), hashlib.sha256).digest())
    assert refused(running.predict(headers={"Authorization": f"Bearer {head}.{body}.{mac}"}))


def test_algorithms_off_the_list_are_refused_even_when_the_signature_holds(running):
    assert refused(running.predict(headers=running.bearer(algorithm="RS384")))
    assert refused(running.predict(headers=running.bearer(algorithm="PS256")))


def test_a_token_of_somebody_elses_key_is_refused(running):
    stranger = rsa.generate_private_key(65537, 2048)
    token = jwt.encode(
        {"iss": ORG, "org_id": ORG, "aud": "fedcrm", "exp": int(running.clock.now) + 60}, stranger, "RS256"
    )
    assert refused(running.predict(headers={"Authorization": f"Bearer {token}"}))


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": 1_800_000_000 - 11},  # over, beyond what clocks may differ
        {"exp": 1_800_000_000 + 131},  # longer than two minutes
        {"exp": "1800000060"},
        {"exp": True},
        {"nbf": 1_800_000_000 + 30},
        {"iat": 1_800_000_000 + 30},
        {"aud": "somebody else"},
        {"iss": OTHER},  # signed by one organisation in another's name
        {"org_id": OTHER},
        {"scope": "everything"},
        {"jti": 7},
        {"sub": ["a"]},
        {"drop": ("exp",)},
        {"drop": ("aud",)},
        {"drop": ("iss",)},
        {"drop": ("org_id",)},
    ],
    ids=str,
)
def test_a_token_with_a_wrong_claim_is_refused(running, claims):
    assert refused(running.predict(headers=running.bearer(**claims)))


@pytest.mark.parametrize("text", ["", "a.b.c", "a" * 9_000, "..", "Bearer"])
def test_what_is_no_token_is_refused(running, text):
    assert running.predict(headers={"Authorization": f"Bearer {text}"}).status_code == 401


def test_a_token_with_an_id_is_good_once(running):
    once = {"Authorization": f"Bearer {running.token(jti='a')}"}
    assert running.predict(headers=once).status_code == 200
    assert refused(running.predict(headers=once))
    assert running.predict(headers=running.bearer(jti="b")).status_code == 200


def test_a_token_without_an_id_may_be_used_until_it_ends(running):
    several = running.bearer()
    assert running.predict(headers=several).status_code == running.predict(headers=several).status_code == 200
    running.clock.now += 75
    assert refused(running.predict(headers=several))


def test_ids_of_tokens_that_ended_are_forgotten(running):
    running.predict(headers=running.bearer(jti="a"))
    running.clock.now += 600
    running.predict(headers=running.bearer(jti="b"))
    with running.service.database.reading() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(tables.tokens)).scalar_one() == 1


def test_a_retired_signer_is_believed_no_more(running):
    [signer] = running.service.tenants.signers(ORG)
    assert not running.service.tenants.retire_signer(OTHER, signer.signer_id)
    assert running.service.tenants.retire_signer(ORG, signer.signer_id)
    assert refused(running.predict(headers=running.bearer()))


@pytest.mark.parametrize("pem", ["", "no key", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"])
def test_what_is_no_public_key_is_refused(running, pem):
    with pytest.raises(ServiceError) as wrong:
        running.service.tenants.add_signer(ORG, pem)
    assert wrong.value.status == 400


def certificate(key, running, *, days=30):
    """PEM of what Salesforce exports for a self-signed certificate of an org; valid from a day ago for `days`."""
    now = datetime.fromtimestamp(running.clock.now, UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "FedCRM_Signing")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=days))
    return made.sign(key, SHA256()).public_bytes(Encoding.PEM).decode()


def signed(key, running, **claims):
    told = {"iss": ORG, "org_id": ORG, "aud": "fedcrm", "exp": int(running.clock.now) + 60, "sub": "005"} | claims
    return {"Authorization": f"Bearer {jwt.encode(told, key, 'RS256')}"}


def test_a_certificate_that_an_administrator_registered_is_believed_until_it_is_retired(running):
    key = rsa.generate_private_key(65537, 2048)
    assert refused(running.predict(headers=signed(key, running)))
    body = {"public_key": certificate(key, running)}
    added = running.client.post("/v1/admin/signers", json=body, headers=running.admin)
    assert added.status_code == 201
    name = added.json()["signer_id"]
    assert running.client.post("/v1/admin/signers", json=body, headers=running.admin).json()["signer_id"] == name
    assert running.predict(headers=signed(key, running)).status_code == 200
    assert running.predict(headers=running.bearer()).status_code == 200  # the first signer still is
    listed = running.client.get("/v1/admin/signers", headers=running.admin).json()["signers"]
    assert name in {one["signer_id"] for one in listed}
    assert len(listed) == 2
    assert running.client.delete(f"/v1/admin/signers/{name}", headers=running.admin).status_code == 200
    assert refused(running.predict(headers=signed(key, running)))
    assert running.client.delete(f"/v1/admin/signers/{name}", headers=running.admin).status_code == 404
    entries = running.client.get("/v1/admin/audit", headers=running.admin).json()["entries"]
    assert [(e["action"], e["target"]) for e in entries[:3]] == [
        ("retire signer", name),
        ("new signer", name),
        ("new signer", name),
    ]


def test_a_signer_speaks_for_the_organisation_that_registered_it_and_for_no_other(running):
    key = rsa.generate_private_key(65537, 2048)
    running.service.tenants.add_signer(OTHER, certificate(key, running))
    assert refused(running.predict(headers=signed(key, running)))  # in the first one's name
    assert refused(running.predict(headers=signed(key, running, iss=OTHER)))
    theirs = signed(key, running, iss=OTHER, org_id=OTHER)
    assert running.predict(headers=theirs).status_code == 403
    assert running.client.get("/v1/models", headers=theirs).json()["models"] == []


@pytest.mark.parametrize("case", ["ended", "not begun", "short", "elliptic", "cut", "private"])
def test_a_certificate_nobody_should_believe_is_refused_in_one_line(running, case):
    key = ec.generate_private_key(ec.SECP256R1()) if case == "elliptic" else None
    key = key or rsa.generate_private_key(65537, 1024 if case == "short" else 2048)
    pem = certificate(key, running)
    if case == "ended":
        running.clock.now += 31 * 86400
    elif case == "not begun":
        running.clock.now -= 2 * 86400
    elif case == "cut":
        pem = pem[:200]
    elif case == "private":
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    reply = running.client.post("/v1/admin/signers", json={"public_key": pem}, headers=running.admin)
    assert reply.status_code == 400
    assert reply.json()["error"]["code"] == "invalid_request"
    assert "PRIVATE" not in reply.text
    assert len(running.service.tenants.signers(ORG)) == 1


# --- who may do what ---


def test_another_organisations_records_and_models_are_out_of_reach(running):
    other = running.headers(running.other_key)
    assert running.predict(headers=other).status_code == 403
    assert running.predict(headers=other).json()["error"]["code"] == "org_not_paired"
    assert running.predict(headers=other, org_id=OTHER).json()["error"]["code"] == "model_missing"
    assert running.client.get("/v1/models", headers=other).json()["models"] == []
    assert running.client.get("/v1/models/churn-r12-0001/card", headers=other).status_code == 404


ADMIN_CALLS = [
    ("GET", "/v1/admin/models", None),
    ("POST", "/v1/admin/models/churn-r12-0001/activate", None),
    ("POST", "/v1/admin/roll-back", {"task": "churn"}),
    ("GET", "/v1/admin/keys", None),
    ("POST", "/v1/admin/keys", {"scope": "predict"}),
    ("DELETE", "/v1/admin/keys/abc", None),
    ("GET", "/v1/admin/signers", None),
    ("POST", "/v1/admin/signers", {"public_key": "-----BEGIN PUBLIC KEY-----"}),
    ("DELETE", "/v1/admin/signers/abc", None),
    ("GET", "/v1/admin/audit", None),
    ("GET", "/v1/admin/watch", None),
]


def test_the_list_of_admin_calls_is_all_of_them(running):
    document = running.client.get("/openapi.json").json()
    described = {(m.upper(), p) for p, item in document["paths"].items() if p.startswith("/v1/admin") for m in item}
    assert len(described) == len(ADMIN_CALLS)


@pytest.mark.parametrize(("method", "path", "body"), ADMIN_CALLS, ids=str)
def test_a_representatives_credential_is_refused_on_admin_routes(running, method, path, body):
    for headers in (running.headers(), running.bearer(), running.bearer(scope="predict")):
        reply = running.client.request(method, path, json=body, headers=headers)
        assert (reply.status_code, reply.json()["error"]["code"]) == (403, "forbidden")
    assert running.client.request(method, path, json=body).status_code == 401


def test_an_admins_credential_is_let_in_and_what_it_did_is_written_down_with_the_user(running):
    made = running.client.post("/v1/admin/keys", json={"label": "new flow"}, headers=running.bearer(scope="admin"))
    assert made.status_code == 201
    assert running.predict(headers=running.headers(made.json()["api_key"])).status_code == 200
    gone = running.client.delete(f"/v1/admin/keys/{made.json()['key_id']}", headers=running.admin)
    assert gone.status_code == 200
    assert refused(running.predict(headers=running.headers(made.json()["api_key"])))
    entries = running.client.get("/v1/admin/audit", headers=running.admin).json()["entries"]
    assert [(e["user"], e["action"], e["target"]) for e in entries] == [
        ("Ada Admin", "retire key", made.json()["key_id"]),
        ("005000000000001AAA", "new key", made.json()["key_id"]),
    ]
    listed = running.client.get("/v1/admin/keys", headers=running.admin).json()["keys"]
    assert {k["label"] for k in listed} == {"flow", "Ada Admin", "new flow"}


def test_an_admin_of_one_organisation_reaches_nothing_of_another(running):
    stranger = {"X-FedCRM-Key": running.service.tenants.new_key(OTHER, Scope.ADMIN, "Eve").key.reveal()}
    key_id = running.key.split("_")[1]
    assert running.client.delete(f"/v1/admin/keys/{key_id}", headers=stranger).status_code == 404
    assert running.client.post("/v1/admin/models/churn-r12-0001/activate", headers=stranger).status_code == 404
    assert running.client.post("/v1/admin/roll-back", json={"task": "churn"}, headers=stranger).status_code == 404
    assert running.client.get("/v1/admin/watch", headers=stranger).json()["reports"] == []
    assert running.predict([record()]).status_code == 200


# --- pairing ---


def pair(running, code, **changes):
    return running.client.post("/v1/pairing", json={"code": code, "org_id": "00D000000000009EAA"} | changes)


def test_a_code_pairs_an_organisation_once_with_a_key_and_a_signer(running, signing_key):
    code = running.service.tenants.new_pairing_code(Scope.PREDICT, 15).reveal()
    reply = pair(running, code, name="Ninth", public_key=signing_key[1])
    assert reply.status_code == 201
    made = reply.json()
    assert made["audience"] == "fedcrm"
    key = {"X-FedCRM-Key": made["api_key"]}
    assert running.client.get("/v1/models", headers=key).json()["models"] == []
    bearer = running.bearer(iss="00D000000000009EAA", org_id="00D000000000009EAA")
    assert running.client.get("/v1/models", headers=bearer).status_code == 200
    again = pair(running, code)
    assert (again.status_code, again.json()["error"]["code"]) == (403, "pairing_refused")


def test_a_code_is_refused_when_it_is_late_or_another_organisations(running):
    late = running.service.tenants.new_pairing_code(Scope.PREDICT, 15).reveal()
    bound = running.service.tenants.new_pairing_code(Scope.PREDICT, 60, org_id=OTHER).reveal()
    running.clock.now += 16 * 60
    for code in (late, bound, "never was one"):
        assert pair(running, code).json()["error"]["code"] == "pairing_refused"


def test_a_code_with_a_bad_key_pairs_nothing_and_can_be_used_again(running):
    code = running.service.tenants.new_pairing_code(Scope.PREDICT, 15).reveal()
    assert pair(running, code, public_key="no key").status_code == 400
    assert not running.service.tenants.known("00D000000000009EAA")
    assert pair(running, code).status_code == 201


# --- limits ---


def test_more_records_than_a_minute_holds_have_to_wait(start):
    running = start(records_per_minute=10)
    assert running.predict([record()] * 8).status_code == 200
    reply = running.predict([record()] * 8)
    assert (reply.status_code, reply.json()["error"]["code"]) == (429, "rate_limited")
    assert 30 <= int(reply.headers["Retry-After"]) <= 40
    assert running.predict([record()] * 2).status_code == 200


def test_one_organisations_hurry_is_not_anothers(start):
    running = start(calls_per_minute=2)
    codes = [running.client.get("/v1/models", headers=running.headers()).status_code for _ in range(3)]
    assert codes == [200, 200, 429]
    assert running.client.get("/v1/models", headers=running.headers(running.other_key)).status_code == 200


def test_guessing_is_slowed_down(start):
    running = start(failures_per_minute=3)
    codes = [running.predict(headers=running.headers("fcrm_a_b")).status_code for _ in range(5)]
    assert codes == [401, 401, 401, 429, 429]
