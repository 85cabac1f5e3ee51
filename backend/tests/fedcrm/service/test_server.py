"""The service as a process, and over PostgreSQL: what only a real one can show."""

import datetime
import json
import os
import signal
import subprocess
import sys
import threading
import time

import httpx
import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from fedcrm.service import Scope, Service, read_settings

from .conftest import ORG, facts, record


def started(*words, **environment):
    """A `fedcrm` process and the line of JSON it says when it answers."""
    code = "from fedcrm.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {k: str(v) for k, v in environment.items()},
    )
    line = process.stdout.readline()
    assert line, process.stderr.read()[-2000:]
    return process, json.loads(line)


@pytest.fixture
def prepared(tmp_path, small_explainer):
    """A service's directory with one organisation, its model and a key."""
    settings = read_settings(data=tmp_path / "service")
    Service.make_storage_key(settings)
    service = Service.open(settings)
    service.tenants.register(ORG, "One")
    service.registry.publish(ORG, facts(), small_explainer, {})
    key = service.tenants.new_key(ORG, Scope.PREDICT, "flow").key.reveal()
    service.close()
    return tmp_path / "service", key


def ask(client, key, count=1):
    body = {"org_id": ORG, "task": "churn", "records": [record()] * count}
    return client.post("/v1/predictions", json=body, headers={"X-FedCRM-Key": key})


@pytest.mark.slow
def test_a_process_answers_eight_clients_at_once_and_ends_cleanly_on_sigterm(prepared):
    data, key = prepared
    process, said = started("serve", "--data", data, "--port", 0)
    try:
        statuses, times = [], []

        def client():
            with httpx.Client(base_url=said["url"], timeout=60) as http:
                for _ in range(25):
                    began = time.perf_counter()
                    statuses.append(ask(http, key, 20).status_code)
                    times.append(time.perf_counter() - began)

        threads = [threading.Thread(target=client) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert statuses == [200] * 200
        times.sort()
        print(f"p50 {1000 * times[100]:.1f} ms, p99 {1000 * times[198]:.1f} ms for 20 records at 8 clients")
    finally:
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=30)
    # The server ends what it has begun, then lets the signal end the process.
    assert process.returncode in (0, -signal.SIGTERM), log[-2000:]
    assert all(json.loads(line) for line in log.splitlines())
    # What was counted is written down before the end.
    service = Service.open(read_settings(data=data))
    assert service.watch.reports(ORG)[0].records == 200 * 20
    service.close()


@pytest.mark.slow
def test_it_ends_tls_itself_where_it_was_given_a_certificate(prepared, tmp_path):
    data, key = prepared
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(private, hashes.SHA256())
    )
    (tmp_path / "c.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (tmp_path / "k.pem").write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    process, said = started(
        "serve", "--data", data, "--port", 0,
        FEDCRM_SERVICE_TLS_CERTIFICATE=tmp_path / "c.pem",
        FEDCRM_SERVICE_TLS_KEY=tmp_path / "k.pem",
    )  # fmt: skip
    try:
        url = said["url"].replace("127.0.0.1", "localhost")
        assert url.startswith("https://")
        with httpx.Client(base_url=url, verify=str(tmp_path / "c.pem"), timeout=30) as http:
            assert ask(http, key).status_code == 200
        with pytest.raises(httpx.ConnectError), httpx.Client(base_url=url) as stranger:
            stranger.get("/health/live")
    finally:
        process.terminate()
        process.communicate(timeout=30)


@pytest.mark.slow
def test_a_taken_port_is_one_line_and_no_traceback(prepared):
    data, _ = prepared
    process, said = started("serve", "--data", data, "--port", 0)
    try:
        port = said["url"].rsplit(":", 1)[1]
        second = subprocess.run(
            [sys.executable, "-c", "from fedcrm.cli import main; main()", "serve", "--data", data, "--port", port],
            capture_output=True,
            text=True,
            check=False,
        )
        assert second.returncode == 2
        assert second.stderr.startswith(f"fedcrm: 127.0.0.1:{port}:")
        assert len(second.stderr.splitlines()) == 1
    finally:
        process.terminate()
        process.communicate(timeout=30)


@pytest.mark.slow
def test_everything_works_over_postgresql_too(start, request, signing_key):
    folder = request.getfixturevalue("postgresql_server")
    with psycopg.connect(f"host={folder} user=postgres dbname=postgres", autocommit=True) as connection:
        connection.execute("CREATE DATABASE whole_service")
    running = start(database=f"postgresql+psycopg://postgres@/whole_service?host={folder}")
    once = {"Authorization": f"Bearer {running.token(jti='a')}"}
    assert [running.predict(headers=once).status_code for _ in range(2)] == [200, 401]
    assert running.predict([record()] * 200).status_code == 200
    opinion = {
        "pseudonym": "ab" * 16,
        "task": "churn",
        "model_version": "churn-r12-0001",
        "helpful": True,
        "at": "2026-11-24T10:20:00Z",
    }
    for _ in range(2):
        reply = running.client.post(
            "/v1/feedback", json={"org_id": ORG, "feedback": [opinion]}, headers=running.headers()
        )
        assert reply.status_code == 200
    code = running.service.tenants.new_pairing_code(Scope.ADMIN, 15).reveal()
    paired = running.client.post(
        "/v1/pairing", json={"code": code, "org_id": "00D000000000009EAA", "public_key": signing_key[1]}
    )
    assert paired.status_code == 201
    watch = running.client.get("/v1/admin/watch", headers=running.admin).json()
    assert watch["reports"][0]["records"] == 201
    assert running.client.get("/v1/admin/audit", headers={"X-FedCRM-Key": paired.json()["api_key"]}).json()["entries"]


@pytest.mark.slow
def test_the_demo_says_all_that_is_needed_to_try_it_and_starts_faster_the_second_time(tmp_path):
    first = time.monotonic()
    process, said = started("serve", "--demo", "--data", tmp_path / "demo")
    first = time.monotonic() - first
    try:
        assert set(said) >= {"url", "api_key", "org_id", "task", "example"}
        [records] = [v for v in said["example"].values() if isinstance(v, list)]
        assert len({json.dumps(r["vector"]) for r in records}) == len({r["pseudonym"] for r in records}) == 200
        with httpx.Client(base_url=said["url"], headers={"X-FedCRM-Key": said["api_key"]}, timeout=60) as http:
            reply = http.post("/v1/predictions", json=said["example"]).json()
            assert {r["status"] for r in reply["results"]} == {"scored"}
            assert reply["model"]["round"]
            card = http.get(reply["model"]["card"]).json()
        assert card["importance"]
        assert {row["segment"] for row in card["fairness"]["contract"]} >= {"Month-to-month"}
    finally:
        process.terminate()
        process.communicate(timeout=30)
    again = time.monotonic()
    process, said_again = started("serve", "--demo", "--data", tmp_path / "demo")
    again = time.monotonic() - again
    try:
        assert said_again["api_key"] != said["api_key"]
        with httpx.Client(base_url=said_again["url"], timeout=60) as http:
            old = http.get("/v1/models", headers={"X-FedCRM-Key": said["api_key"]})
            assert old.status_code == 401
        assert again < first
        print(f"first start {first:.0f} s, second {again:.0f} s")
    finally:
        process.terminate()
        process.communicate(timeout=30)
