import numpy as np
import pytest

from fedcrm.explanation import stability_index

from .conftest import ORG, facts, record


def records(rng, shift=0.0, n=200):
    """As the world of the model draws them, gaps included; shift: of the amounts, in factors of e."""

    def one():
        cells = (
            f"{np.exp(6 + shift + 1.2 * rng.normal()):.2f}",
            f"{rng.uniform(0, 10):.2f}",
            f"level {rng.integers(4)}",
        )
        return record(tuple("" if rng.random() < 0.05 else c for c in (*cells, f"{rng.normal():.2f}")))

    return [one() for _ in range(n)]


def report(running):
    [found] = running.client.get("/v1/admin/watch", headers=running.admin).json()["reports"]
    return found


def test_usual_records_raise_no_alert_about_amounts(running):
    rng = np.random.default_rng(0)
    for _ in range(3):
        running.predict(records(rng))
    found = report(running)
    assert found["records"] == 600
    assert found["drift"]["amount"] < 0.1
    assert "amount" not in {a["name"] for a in found["alerts"]}
    assert not found["offer_roll_back"]  # nothing served before


def test_records_that_moved_away_raise_one_and_it_is_the_index_of_the_counts(running, small_explainer):
    rng = np.random.default_rng(0)
    sent = records(rng, shift=2.0)
    running.predict(sent)
    found = report(running)
    [alert] = [a for a in found["alerts"] if a["name"] == "amount"]
    assert alert["kind"] == "drift"
    profile = small_explainer.background.profile
    X = small_explainer.schema.encode_records([{"amount": r["vector"][0]} for r in sent])
    counts = np.bincount(profile.fields[0].cells(X[:, 0]), minlength=len(profile.fields[0].counts))
    assert alert["value"] == pytest.approx(stability_index(profile.fields[0].counts, counts))


def test_few_records_are_no_ground_for_an_alert(running):
    running.predict(records(np.random.default_rng(0), shift=3.0, n=50))
    assert report(running)["alerts"] == []


def test_a_model_that_scores_otherwise_than_the_one_before_offers_to_go_back(running, other_explainer):
    rng = np.random.default_rng(0)
    running.predict(records(rng))
    before = report(running)
    running.service.registry.publish(ORG, facts(), other_explainer, {})
    running.predict(records(rng))
    found = report(running)
    assert found["previous"] == before["version"]
    assert found["previous_high_share"] == pytest.approx(before["high_share"])
    assert {a["kind"] for a in found["alerts"]} & {"scores", "high_share", "attribution"}
    assert found["offer_roll_back"]
    assert sum(found["attribution_shares"].values()) == pytest.approx(1)


def test_counts_survive_the_service_and_go_on(start):
    running = start()
    rng = np.random.default_rng(0)
    running.predict(records(rng, n=120))
    running.service.watch.flush()
    running.predict(records(rng, n=100))
    running.service.watch.flush()
    running.service.watch.flush()
    assert report(running)["records"] == 220


def test_alerts_that_stand_are_logged_and_counted(running, caplog):
    running.predict(records(np.random.default_rng(0), shift=2.0))
    with caplog.at_level("WARNING", logger="fedcrm.service"):
        running.service.look()
    facts_of = [r.facts for r in caplog.records if r.getMessage() == "alert"]
    assert ("drift", "amount") in {(f["kind"], f["name"]) for f in facts_of}
    assert f"fedcrm_watch_alerts {len(facts_of)}.0" in running.client.get("/metrics").text
    running.service.keep_up()
    assert "fedcrm_models_serving 1.0" in running.client.get("/metrics").text
