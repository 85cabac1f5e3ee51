import json
import threading
from pathlib import Path

import numpy as np
import pytest

from fedcrm.service.messages import PredictionReply, PredictionRequest

from .conftest import DIGEST, NAMES, ORG, facts, record

FIXTURES = Path(__file__).parents[2] / "fixtures" / "predictions"


def keys_of(value, path=""):
    """Every name in a JSON value with its way there; lists by their first entries."""
    if isinstance(value, dict):
        return {f"{path}.{k}" for k in value} | {x for k, v in value.items() for x in keys_of(v, f"{path}.{k}")}
    if isinstance(value, list):
        return {x for v in value for x in keys_of(v, f"{path}[]")}
    return set()


def assert_adds_up(prediction):
    tenths = [round(10 * a["points"]) for a in prediction["attributions"]]
    whole = round(10 * prediction["baseline"]) + sum(tenths) + round(10 * prediction["other_points"])
    assert whole == round(10 * prediction["score"])


def test_a_reply_has_every_name_of_the_contract(running):
    expected = json.loads((FIXTURES / "reply.json").read_text("utf-8"))
    vectors = [("30", "9", "level 0", "0"), ("3000", "", "level 1", "-9"), ("3000", "1", "nobody knows", "3")]
    reply = running.predict([record(v) for v in vectors]).json()
    assert keys_of(expected) - keys_of(reply) == set()
    PredictionReply.model_validate(reply)


def test_the_contracts_requests_are_understood_and_its_replies_follow_our_description():
    for name in ("request.json", "request_partial.json"):
        PredictionRequest.model_validate_json((FIXTURES / name).read_bytes())
    for name in ("reply.json", "reply_partial.json", "reply_withheld.json"):
        raw = json.loads((FIXTURES / name).read_text("utf-8"))
        for result in raw["results"]:
            if result["prediction"] is not None:
                assert_adds_up(result["prediction"])


def test_a_record_is_scored_by_the_model_that_serves(running, small_explainer):
    X = small_explainer.schema.encode_records([dict(zip(NAMES, record()["vector"], strict=True))])
    expected = float(small_explainer.probability(X)[0])
    reply = running.predict().json()
    [result] = reply["results"]
    assert result["prediction"]["score"] == pytest.approx(100 * expected, abs=0.051)
    assert_adds_up(result["prediction"])
    assert reply["model"]["version"] == "churn-r12-0001"
    assert reply["model"]["privacy"]["participants"] == 9


def test_every_shown_score_adds_up_whatever_the_record(running):
    rng = np.random.default_rng(0)
    records = [
        record((f"{np.exp(rng.normal(6, 3)):.2f}", f"{rng.uniform(-5, 15):.1f}", f"level {rng.integers(6)}", ""))
        for _ in range(200)
    ]
    for result in running.predict(records).json()["results"]:
        p = result["prediction"]
        assert_adds_up(p)
        assert p["interval"]["low"] <= p["score"] <= p["interval"]["high"]
        for a in p["attributions"]:
            assert round(10 * a["federation_points"]) + round(10 * a["own_points"]) == round(10 * a["points"])


def test_the_same_record_twice_is_answered_twice_in_order(running):
    records = [record(pseudonym="aa" * 16), record(("9", "9", "level 2", ""), "bb" * 16), record(pseudonym="aa" * 16)]
    results = running.predict(records).json()["results"]
    assert [r["pseudonym"] for r in results] == ["aa" * 16, "bb" * 16, "aa" * 16]
    assert results[0] == results[2]


def test_one_bad_record_is_refused_and_the_others_are_scored(running):
    records = [
        record(),
        record(vocabulary_digest="0" * 64),
        record(("1", "2", "level 0")),
        record(("twelve", "2", "level 0", "1")),
        record(),
    ]
    reply = running.predict(records)
    results = reply.json()["results"]
    assert reply.status_code == 200
    assert [r["status"] for r in results] == ["scored", "refused", "refused", "refused", "scored"]
    assert [r["error"]["code"] for r in results[1:4]] == [
        "vocabulary_digest_mismatch",
        "vector_length",
        "malformed_value",
    ]
    assert "twelve" not in reply.text
    assert results[0]["prediction"] == results[4]["prediction"]


def test_missing_is_missing_and_an_unknown_category_is_other(running, small_explainer):
    nothing = running.predict([record(("", "", "", ""))]).json()["results"][0]["prediction"]
    X = np.full((1, 4), np.nan, np.float32)
    assert nothing["score"] == pytest.approx(100 * float(small_explainer.probability(X)[0]), abs=0.051)
    assert "missing_features" in nothing["confidence_reasons"]
    other = running.predict([record(("420.5", "3.25", "Mars", "0.1"))]).json()["results"][0]["prediction"]
    X[0] = [420.5, 3.25, 4, 0.1]
    assert other["score"] == pytest.approx(100 * float(small_explainer.probability(X)[0]), abs=0.051)
    assert "out_of_range" in other["confidence_reasons"]


def test_counterfactuals_say_what_the_changed_record_scores(running):
    rng = np.random.default_rng(1)
    seen = 0
    for _ in range(10):
        vector = [f"{np.exp(rng.normal(6, 1)):.2f}", f"{rng.uniform(0, 10):.1f}", "level 1", "0"]
        prediction = running.predict([record(tuple(vector))]).json()["results"][0]["prediction"]
        for change in prediction["counterfactuals"]:
            at = NAMES.index(change["feature"])
            assert change["from"] == vector[at]
            made = [*vector]
            made[at] = change["to"]
            again = running.predict([record(tuple(made))]).json()["results"][0]["prediction"]
            assert again["score"] == pytest.approx(change["score"], abs=0.051)
            seen += 1
    assert seen > 3


def test_no_model_for_a_task_is_said_so(running):
    reply = running.predict(task="case_escalation")
    assert reply.status_code == 404
    assert reply.json()["error"]["code"] == "model_missing"


def test_a_withheld_model_says_that_it_is_the_last_good_one(running, small_explainer):
    running.service.registry.publish(ORG, facts(withheld=True), small_explainer, {})
    assert running.predict().json()["model"]["status"] == "withheld"


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"records": []}, "records"),
        ({"records": [record()] * 201}, "records"),
        ({"records": [record(pseudonym="nobody")]}, "records.0.pseudonym"),
        ({"records": [record(as_of="yesterday")]}, "records.0.as_of"),
        ({"records": [record() | {"vector": [1, 2, 3, 4]}]}, "records.0.vector"),
        ({"task": "Churn; DROP TABLE"}, "task"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_request_of_another_form_is_refused_whole_and_says_where(running, body, where):
    reply = running.client.post(
        "/v1/predictions",
        json={"org_id": ORG, "task": "churn", "records": [record()]} | body,
        headers=running.headers(),
    )
    assert reply.status_code == 400
    assert reply.json()["error"]["code"] == "invalid_request"
    assert reply.json()["error"]["message"].startswith(where)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe"])
def test_what_is_no_json_is_refused(running, content):
    reply = running.client.post(
        "/v1/predictions", content=content, headers=running.headers() | {"Content-Type": "application/json"}
    )
    assert reply.status_code == 400
    assert reply.json()["error"]["code"] == "invalid_request"


def test_a_swap_loses_no_call_and_every_reply_is_of_one_model(running, other_explainer, small_explainer):
    versions, failures = set(), []
    stop = threading.Event()

    def ask():
        while not stop.is_set():
            reply = running.predict([record()] * 20)
            if reply.status_code != 200:
                failures.append(reply.text)
                continue
            body = reply.json()
            versions.add((body["model"]["version"], *{r["prediction"]["score"] for r in body["results"]}))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(6):
        explainer = other_explainer if number % 2 else small_explainer
        running.service.registry.publish(ORG, facts(), explainer, {})
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert all(len(v) == 2 for v in versions)  # one version, one score for twenty equal records


def test_digests_are_told_so_that_the_org_can_see_which_to_follow(running):
    [listed] = running.client.get("/v1/models", headers=running.headers()).json()["models"]
    assert listed["vocabulary_digest"] == DIGEST
    assert listed["serving"]
    assert listed["polarity"] == "HIGH_IS_BAD"
    card = running.client.get(f"/v1/models/{listed['version']}/card", headers=running.headers())
    assert card.json() == {"scope": "never leaves"}
