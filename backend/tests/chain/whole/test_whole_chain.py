"""What people get from a chain: who was out and why, scores that come by themselves, words at the end."""

from __future__ import annotations

import json

import pytest

from fedcrm.nodes import State

pytestmark = pytest.mark.slow


def test_an_org_that_refuses_its_extraction_is_named_and_the_others_train(whole):
    late = whole.organisations[3].name
    assert set(whole.out_before) == {late}
    assert whole.out_before[late]["step"] == "extraction"
    assert "org4" in whole.out_before[late]["why"]
    assert whole.report.out == {}


def test_everybody_else_is_in_with_both_models(whole):
    for task, first in (("churn", 3), ("case_escalation", 4)):
        states = {one.organisation: one.state for one in whole.report.outcomes[task]}
        assert all(states[one.name] is State.IN for one in whole.organisations[:first]), states
    assert whole.report.failed == {}


def test_a_wrong_mapping_was_refused_and_said_so_once(whole):
    state = json.loads(whole.places.state.read_text())
    (problem,) = state["steps"]["refused mapping"]["problems"]
    assert "was it renamed or deleted?" in problem
    assert not [line for line in whole.said if "wrong mapping" in line]  # not again at the last run


def test_records_saved_in_an_org_have_their_scores_by_themselves(whole):
    assert {score.task for score in whole.report.live} == {"churn", "case_escalation"}
    for score in whole.report.live:
        assert 0 <= score.interval[0] <= score.score <= score.interval[1] <= 100


def test_every_org_holds_scores_of_all_its_records(whole):
    state = json.loads(whole.places.state.read_text())["organisations"]
    for one in whole.organisations:
        scores = state[one.name]["done"]["scores"]
        assert scores["churn"]["scored"] >= 250
        assert scores["case_escalation"]["scored"] > 0


def test_the_report_is_that_of_the_demo(whole):
    out = whole.places.federation("churn")
    for name in ("report.html", "results.json", "model_card.md", "model.ubj"):
        assert (out / name).stat().st_size > 0
    assert [one.name for one in whole.report.results.organisations] == [o.name for o in whole.organisations[:3]]
