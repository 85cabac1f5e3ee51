import json

import pytest

from fedcrm.service import prediction_rows
from fedcrm.service.messages import Record

from .conftest import ORG, facts, record

NOW = "2026-11-24T10:15:02Z"


@pytest.fixture
def model(running):
    return running.service.registry.serving(ORG, "churn")


def asked(*records):
    return [Record.model_validate(r) for r in records]


def test_a_row_holds_what_the_reply_would(running, model):
    reply = running.predict().json()
    prediction = reply["results"][0]["prediction"]
    [row] = prediction_rows(model, asked(record()), NOW)
    assert row["Entity_Key__c"] == f"{'ab' * 16}:churn"
    assert row["Score__c"] == prediction["score"]
    assert (row["Interval_Low__c"], row["Interval_High__c"]) == (
        prediction["interval"]["low"],
        prediction["interval"]["high"],
    )
    explanation = json.loads(row["Explanation__c"])
    assert explanation["model"] == reply["model"]
    assert explanation["attributions"] == prediction["attributions"]
    assert row["Status__c"] == "Current"
    tenths = sum(round(10 * a["points"]) for a in explanation["attributions"])
    assert round(10 * row["Baseline__c"]) + tenths + round(10 * row["Other_Points__c"]) == round(10 * row["Score__c"])


def test_what_cannot_be_scored_is_marked_stale_and_nothing_else_of_it_is_touched(model):
    rows = list(prediction_rows(model, asked(record(vocabulary_digest="0" * 64), record()), NOW))
    assert rows[0] == {"Entity_Key__c": f"{'ab' * 16}:churn", "Status__c": "Stale"}
    assert rows[1]["Status__c"] == "Current"


def test_the_trend_grows_at_its_end_and_forgets_its_beginning(model):
    before = [{"at": f"2026-01-01T00:00:{n:02d}Z", "score": 1.0, "version": "v"} for n in range(60)]
    [row] = prediction_rows(model, asked(record()), NOW, {"ab" * 16: before})
    trend = json.loads(row["Trend__c"])
    assert len(trend) == 60
    assert trend[:59] == before[1:]
    assert trend[-1] == {"at": NOW, "score": row["Score__c"], "version": model.facts.version}


def test_a_withheld_model_says_so_in_every_row(running, small_explainer):
    running.service.registry.publish(ORG, facts(withheld=True), small_explainer, {})
    [row] = prediction_rows(running.service.registry.serving(ORG, "churn"), asked(record()), NOW)
    assert row["Status__c"] == "Withheld"


def test_more_than_a_block_keeps_its_order_and_is_the_same_again(model):
    records = [record((str(n), "3", "level 1", ""), f"{n:032x}") for n in range(2_100)]
    once = list(prediction_rows(model, asked(*records), NOW))
    assert [r["Entity_Key__c"] for r in once] == [f"{n:032x}:churn" for n in range(2_100)]
    assert list(prediction_rows(model, asked(*records), NOW)) == once
    assert list(prediction_rows(model, [], NOW)) == []
