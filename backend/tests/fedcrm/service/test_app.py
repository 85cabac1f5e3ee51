import json
import logging

import pytest
import sqlalchemy as sa

from fedcrm.errors import SettingsError, StorageError
from fedcrm.service import ServiceSettings, logs, read_settings, settings_table, tables
from fedcrm.service.limits import Buckets

from .conftest import ORG, OTHER, record


def opinion(**changes):
    return {
        "pseudonym": "ab" * 16,
        "task": "churn",
        "model_version": "churn-r12-0001",
        "helpful": False,
        "reason": "outdated",
        "at": "2026-11-24T10:20:00Z",
    } | changes


def give(running, *opinions, **changes):
    return running.client.post(
        "/v1/feedback", json={"org_id": ORG, "feedback": list(opinions)} | changes, headers=running.headers()
    )


def stored(running):
    f = tables.feedback.c
    with running.service.database.reading() as connection:
        return [tuple(r) for r in connection.execute(sa.select(f.org_id, f.pseudonym, f.helpful, f.reason))]


# --- feedback ---


def test_feedback_is_kept_and_a_second_thought_replaces_the_first(running):
    assert give(running, opinion(), opinion(pseudonym="cd" * 16, helpful=True, reason=None)).json()["accepted"] == 2
    assert give(running, opinion(helpful=True, reason=None)).status_code == 200
    assert sorted(stored(running)) == [(ORG, "ab" * 16, True, None), (ORG, "cd" * 16, True, None)]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"model_version": "churn-r99-0001"}, 404),
        ({"reason": "because"}, 400),
        ({"at": "2026-02-31T10:20:00Z"}, 400),
        ({"pseudonym": "0015000000xyz"}, 400),
    ],
)
def test_feedback_that_makes_no_sense_is_refused_whole(running, change, status):
    assert give(running, opinion(pseudonym="cd" * 16), opinion(**change)).status_code == status
    assert stored(running) == []


def test_feedback_in_another_organisations_name_is_refused(running):
    assert give(running, opinion(), org_id=OTHER).status_code == 403


# --- health, figures, logs ---


def test_health_and_figures_need_no_credential_and_tell_no_value(running):
    assert running.client.get("/health/live").json() == {"status": "live"}
    assert running.client.get("/health/ready").json() == {"status": "ready"}
    running.predict([record(), record(vocabulary_digest="0" * 64)])
    text = running.client.get("/metrics").text
    assert 'fedcrm_records_total{outcome="scored"} 1.0' in text
    assert 'fedcrm_records_total{outcome="refused"} 1.0' in text
    assert 'fedcrm_calls_total{route="/v1/predictions",status="200"} 1.0' in text
    assert ORG not in text


def test_a_service_that_is_not_warm_says_so(running):
    running.client.app.state.warm = False
    reply = running.client.get("/health/ready")
    assert (reply.status_code, reply.json()["error"]["code"], reply.headers["Retry-After"]) == (503, "unavailable", "2")


def test_a_database_that_is_gone_is_unavailable_and_not_a_crash(running, monkeypatch):
    def fail(*_):
        raise StorageError("disk full")

    monkeypatch.setattr(running.service.tenants, "caller_of", fail)
    reply = running.predict()
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "unavailable")
    assert "disk full" not in reply.text


def test_a_fault_of_ours_is_logged_and_answered_without_its_words(running, monkeypatch):
    def fail(*_):
        raise RuntimeError("secret value 4711")

    monkeypatch.setattr(running.service.tenants, "caller_of", fail)
    reply = running.predict()
    assert (reply.status_code, reply.json()["error"]["code"]) == (500, "internal")
    assert "4711" not in reply.text


def test_logs_are_json_lines_with_ids_and_without_values_keys_or_words_of_exceptions(start, capsys):
    running = start()
    logs.set_up("info")
    running.predict(
        [record(("421.75", "3.25", "level 1", "0.1"))], headers=running.headers() | {"X-Request-Id": "call-00001"}
    )
    running.predict(headers=running.headers("fcrm_0011_guess"))
    try:
        float("421.75 EUR")
    except ValueError:
        logs.LOGGER.exception("failed")
    lines = capsys.readouterr().err.strip().splitlines()
    logging.getLogger("fedcrm.service").handlers.clear()
    parsed = [json.loads(line) for line in lines]
    [call] = [p for p in parsed if p.get("request_id") == "call-00001"]
    assert call["route"] == "/v1/predictions"
    assert call["status"] == 200
    assert call["org"] == ORG
    assert call["records"] == 1
    assert [p["code"] for p in parsed if p.get("status") == 401] == ["unauthorized"]
    assert parsed[-1]["exception"] == "ValueError"
    everything = "\n".join(lines)
    for secret in ("421.75", running.key, "guess", "ab" * 16):
        assert secret not in everything


def test_a_callers_request_id_comes_back_and_a_strange_one_is_replaced(running):
    given = running.client.get("/health/live", headers={"X-Request-Id": "6b1e3a52-0d0e-4a57-9d27-3f4b8b1f2a10"})
    assert given.headers["X-Request-Id"] == "6b1e3a52-0d0e-4a57-9d27-3f4b8b1f2a10"
    strange = running.client.get("/health/live", headers={"X-Request-Id": "a b\tc"})
    assert len(strange.headers["X-Request-Id"]) == 36
    assert (
        running.predict(headers=running.headers() | {"X-Request-Id": "call-00001"}).json()["request_id"] == "call-00001"
    )


# --- bodies ---


def test_a_body_beyond_the_limit_is_refused_before_it_is_read(start):
    running = start(body_bytes=10_000)
    reply = running.predict([record((("x" * 3_000),) * 4)])
    assert (reply.status_code, reply.json()["error"]["code"]) == (413, "invalid_request")


def test_a_body_that_does_not_say_its_length_is_stopped_while_it_is_read(start):
    running = start(body_bytes=10_000)

    def endless():
        for _ in range(100):
            yield b" " * 1_000

    reply = running.client.post(
        "/v1/predictions", content=endless(), headers=running.headers() | {"Content-Type": "application/json"}
    )
    assert reply.status_code == 413


def test_unknown_paths_and_methods_have_the_form_of_every_refusal(running):
    assert running.client.get("/v2").json()["error"]["code"] == "not_found"
    reply = running.client.get("/v1/predictions")
    assert reply.status_code == 405
    assert reply.headers["Allow"] == "POST"
    assert set(reply.json()) == {"error", "request_id"}


# --- settings ---


def test_the_documented_table_is_the_code(request):
    path = request.config.rootpath.parent / "docs" / "settings.md"
    assert settings_table() in path.read_text("utf-8")


def test_settings_come_from_the_environment_and_what_is_given_goes_first(monkeypatch):
    monkeypatch.setenv("FEDCRM_SERVICE_RECORDS_PER_MINUTE", "77")
    monkeypatch.setenv("FEDCRM_SERVICE_PORT", "1")
    found = read_settings(port=2)
    assert (found.records_per_minute, found.port) == (77, 2)


@pytest.mark.parametrize("given", [{"port": 70_000}, {"records_per_minute": 0}, {"surprise": 1}, {"log_level": "loud"}])
def test_a_setting_that_cannot_be_is_named(given):
    with pytest.raises(SettingsError, match=next(iter(given))):
        read_settings(**given)


def test_every_setting_says_what_it_is_for():
    assert all(f.description for f in ServiceSettings.model_fields.values())


def test_two_sources_of_the_storage_key_are_one_too_many(tmp_path):
    settings = read_settings(storage_key_file=tmp_path / "k", storage_key_command="cat k")
    with pytest.raises(SettingsError, match="not both"):
        settings.key_source()


# --- buckets ---


def test_a_bucket_fills_evenly_and_never_beyond_a_minute():
    now = [0.0]
    bucket = Buckets(60, clock=lambda: now[0])
    assert bucket.take("a", 60) == 0
    assert bucket.take("a", 1) == 1
    now[0] = 10
    assert bucket.take("a", 10) == 0
    assert bucket.take("a", 30) == 30
    now[0] = 10_000
    assert bucket.take("a", 61) == 1
    assert bucket.take("a", 60) == 0


def test_buckets_of_callers_who_left_are_forgotten():
    now = [0.0]
    bucket = Buckets(60, clock=lambda: now[0])
    for n in range(10_000):
        bucket.take(str(n))
    now[0] = 120
    bucket.take("new")
    assert len(bucket._held) < 10
