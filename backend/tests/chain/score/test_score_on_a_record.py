"""A score from the service to the screen: the org's own Apex, the running service, a real browser."""

from __future__ import annotations

import json
import re

import pytest

pytestmark = pytest.mark.slow

SCORE = r"Win probability: ([0-9.]+) out of 100, (Low|Medium|High)"


def decimal(text: str) -> float:
    return float(text.replace("\u2212", "-").replace("+", "").replace(",", ""))


def test_a_record_without_a_score_gets_one_on_request_and_it_is_what_the_service_says(world, page, unscored):
    assert world.prediction(unscored) is None
    page.look("none", unscored, sign="No score yet")
    page.do("click", name="Score now")
    shown = re.search(SCORE, page.do("image", name=SCORE))
    stored = world.prediction(unscored)
    said = world.asked_directly(unscored, stored["As_Of__c"])
    assert decimal(shown[1]) == stored["Score__c"] == said["score"]
    assert (stored["Interval_Low__c"], stored["Interval_High__c"]) == (
        said["interval"]["low"],
        said["interval"]["high"],
    )
    assert page.do("part", id="range") == f"Likely range {said['interval']['low']} to {said['interval']['high']}"
    kept = json.loads(stored["Explanation__c"])["attributions"]
    points = [(each["feature"], each["points"]) for each in said["attributions"]]
    assert [(each["feature"], each["points"]) for each in kept] == points


def test_the_points_on_the_page_add_up_to_the_score_on_the_page(page, deal):
    page.open(deal, sign="Why")
    page.do("click", name="Show as table")
    head, average, *factors, total = page.do("table")
    assert head[:2] == ["Factor", "Points"]
    tenths = [round(10 * decimal(row[1])) for row in (average, *factors)]
    assert sum(tenths) == round(10 * decimal(total[1]))
    named = [row for row in factors if row[2]]
    assert all(abs(decimal(r[1]) - decimal(r[2]) - decimal(r[3])) < 0.05 for r in named)
    page.do("click", name="Show as chart")


def test_a_scored_record_shows_history_and_the_facts_behind_the_model(world, page, deal):
    world.rep.update("Opportunity", deal, StageName="Negotiation/Review")
    page.open(deal, sign="Why")
    page.do("click", name="Refresh")
    page.do("see", text="New score")

    def unfold() -> None:
        page.do("click", name="Score history")
        page.do("click", name="Privacy and model facts")
        page.do("see", text="Smaller epsilon means stronger privacy")

    page.look("ready", deal, sign="Why")
    page.look("facts", deal, sign="Why", act=unfold)
    text = page.do("text")
    assert world.prediction(deal)["Model_Version__c"] in text
    assert "\u03b5 = 8, \u03b4 = 1e-5" in text
    assert "94 % of this period" in text
    assert re.search(r"Data as of\s+[A-Z][a-z]{2} \d\d, 20\d\d", text)
    page.do("click", name="Show history as table")
    assert len(page.do("table")) == 1 + 2


def test_what_a_person_thinks_of_a_score_is_stored_once_a_person(world, page, deal):
    page.open(deal, sign="Why")
    page.do("click", name="Yes, it was helpful")
    page.do("see", text="Thank you")
    page.open(deal, sign="Why")
    page.do("click", name="No, it was not helpful")
    page.do("label", text="It is out of date")
    page.do("click", name="Send")
    page.do("see", text="Thank you")
    rows = world.org.query("SELECT Helpful__c, Reason__c, Score__c, Model_Version__c FROM FedCRM_Feedback__c")
    stored = world.prediction(deal)
    assert [(r["Helpful__c"], r["Reason__c"], r["Score__c"]) for r in rows] == [(False, "Outdated", stored["Score__c"])]


def test_a_changed_field_makes_the_score_stale_until_it_is_made_anew(world, page, deal):
    page.open(deal, sign="Why")
    world.rep.update("Opportunity", deal, Type="Existing Customer - Upgrade")
    page.look("stale", deal, sign="changed since")
    page.do("click", name="Refresh")
    page.do("see", text="New score")
    assert page.do("part", id="stale") is None
    world.rep.update("Opportunity", deal, Type="New Customer")


def test_a_value_that_field_permissions_hide_is_not_shown_though_it_counts(world, page, deal):
    page.open(deal, sign="Kind of business")
    where = "Field = 'Opportunity.Type' AND Parent.Profile.Name = 'Standard User'"
    [right] = world.org.query(
        f"SELECT Id, ParentId, PermissionsRead, PermissionsEdit FROM FieldPermissions WHERE {where}"
    )
    world.org.delete("FieldPermissions", right["Id"])
    try:
        page.look("hidden", deal, sign="Hidden by your field permissions")
        page.do("click", name="Show as table")
        [row] = [row for row in page.do("table") if row[0].startswith("Kind of business")]
        assert row[0].endswith("Hidden by your field permissions")
        assert decimal(row[1]) != 0
    finally:
        world.org.create(
            "FieldPermissions",
            ParentId=right["ParentId"],
            SobjectType="Opportunity",
            Field="Opportunity.Type",
            PermissionsRead=True,
            PermissionsEdit=True,
        )


def test_who_may_not_see_scores_is_told_which_permission_set_to_ask_for(world, page, deal):
    nobody = world.org.new_user("Outsider")
    page.look("denied", deal, sign="FedCRM Viewer", user=nobody)
    assert page.do("images") == 0


def test_who_may_see_but_not_ask_is_told_what_asking_takes(world, page):
    viewer = world.org.new_user("Onlooker", "FedCRM_Viewer")
    theirs = world.new_deal()
    world.settled()
    world.org.update("Opportunity", theirs, OwnerId=viewer.user_id)
    page.open(theirs, sign="Why", user=viewer)
    page.do("click", name="Refresh")
    assert "FedCRM Scoring User" in page.do("alert")


def test_taking_a_permission_away_takes_effect_at_the_next_look(world, page):
    someone = world.org.new_user("Leaver")
    held = world.org.give(someone.user_id, "FedCRM_Viewer")
    theirs = world.new_deal()
    world.settled()
    world.org.update("Opportunity", theirs, OwnerId=someone.user_id)
    page.open(theirs, sign="Why", user=someone)
    world.org.take(held)
    page.open(theirs, sign="FedCRM Viewer", user=someone)


@pytest.mark.parametrize("width", [640, 320])
def test_the_page_paints_within_a_second(page, deal, width):
    page.open(deal, sign="Why", width=width)
    took = page.do("firstPaint")
    print(f"first paint {took:.0f} ms")
    assert took < 1000
