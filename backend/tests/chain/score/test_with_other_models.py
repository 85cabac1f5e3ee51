"""Every task from a saved record to the page; a model that the gate refused; a service that takes its time."""

from __future__ import annotations

import re

import pytest
import sqlalchemy as sa

from fedcrm.service import tables

from .conftest import TASK
from .made_up import published, withheld

pytestmark = pytest.mark.slow

KINDS = {
    "case_escalation": ("Case", "Case escalation"),
    "lead_conversion": ("Lead", "Lead conversion"),
    "churn": ("Account", "Churn risk"),
}


@pytest.fixture(scope="module")
def every_task(world, tmp_path_factory):
    """Models of the other tasks, served while these tests run."""
    org_id, home = world.org.org_id, tmp_path_factory.mktemp("every-task")
    told = {task: world.vocabulary(task) for task in KINDS}
    with world.service.opened() as opened:
        for task, (vocabulary, digest) in told.items():
            published(opened, org_id, task, vocabulary, digest, home / task)
    yield
    with world.service.opened() as opened, opened.database.writing() as connection:
        for table in (tables.serving, tables.models):
            connection.execute(sa.delete(table).where(table.c.org_id == org_id, table.c.task.in_(KINDS)))


def saved(world, kind):
    """A new record of a kind, in the way that asks for its score."""
    match kind:
        case "Case":
            return world.rep.create("Case", Subject="It stands still", Status="New", Origin="Phone", Priority="High")
        case "Lead":
            return world.rep.create("Lead", LastName="Doe", Company="Fabrikam", LeadSource="Web", Status="Open")
        case "Account":
            made = world.rep.create("Account", Name="Contoso", Industry="Banking", NumberOfEmployees=40)
            world.org.update("Account", made, Review_Requested__c=True)
            return made


@pytest.mark.parametrize("task", KINDS)
def test_a_saved_record_is_scored_behind_the_save_and_its_page_shows_it(world, page, every_task, task):
    kind, words = KINDS[task]
    made = saved(world, kind)
    world.settled()
    stored = world.prediction(made, task)
    assert stored is not None
    said = world.asked_directly(made, stored["As_Of__c"], task)
    assert stored["Score__c"] == said["score"]
    page.open(made, sign="Why", objectApiName=kind)
    shown = page.do("image", name=f"{words}: ")
    assert re.match(rf"{words}: {re.escape(format(stored['Score__c'], '.1f'))} out of 100", shown)
    page.do("click", name="Show as table")
    rows = page.do("table")
    assert len(rows) >= 4


def test_a_model_that_the_gate_refused_is_not_served_and_the_page_says_so(world, page):
    made = world.new_deal()
    world.settled()
    before = world.prediction(made)
    with world.service.opened() as opened:
        withheld(opened, world.org.org_id, world.trained, *world.vocabulary())
    try:
        page.open(made, sign="Why")
        page.do("click", name="Refresh")
        page.do("see", text="New score")
        page.look("withheld", made, sign="did not pass")
        stored = world.prediction(made)
        assert stored["Status__c"] == "Withheld"
        assert stored["Model_Version__c"] in page.do("part", id="withheld")
        # The last good model speaks: about what it said before, not the opposite.
        assert abs(stored["Score__c"] - before["Score__c"]) < 15
    finally:
        with world.service.opened() as opened:
            opened.registry.roll_back(world.org.org_id, TASK)


def test_while_the_service_takes_its_time_the_page_says_so_and_stays_usable(world, page, unscored):
    page.open(unscored, sign="No score yet")
    with world.service.held():
        page.do("click", name="Score now")
        page.do("see", text="Scoring this record")
        assert page.do("disabled", name="Score now")
        assert page.do("violations") == []
    page.do("image", name="out of 100")


def test_while_the_org_takes_its_time_there_is_a_box_that_says_loading(page, deal):
    page.do("hold")
    try:
        page.look("loading", deal, sign="Loading")
        assert page.do("part", id="loading") is not None
    finally:
        page.do("release")
    page.do("see", text="Why")
