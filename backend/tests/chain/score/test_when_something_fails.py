"""Service down, no model, another vocabulary, not paired: the designed state, the last score kept, nothing blocked."""

from __future__ import annotations

import re
import time

import pytest

from .conftest import PACKAGE, install

pytestmark = pytest.mark.slow


@pytest.fixture
def service_down(world):
    world.service.stop()
    yield
    world.service.start()


def test_with_the_service_down_the_last_score_stays_and_the_page_says_why(world, page, deal, service_down):
    before = world.prediction(deal)

    def refresh() -> None:
        page.do("click", name="Refresh")
        assert "node cannot be reached" in page.do("alert")

    page.look("unreachable", deal, sign="Why", act=refresh)
    assert page.do("image", name=f"{before['Score__c']} out of 100")
    assert world.prediction(deal) == before


def test_with_the_service_down_a_record_is_saved_at_once_and_scored_on_the_next_request(world, page, service_down):
    began = time.monotonic()
    made = world.new_deal()
    world.rep.update("Opportunity", made, Amount=1000)
    assert time.monotonic() - began < 5
    world.settled()
    assert world.prediction(made) is None
    page.open(made, sign="No score yet")
    page.do("click", name="Score now")
    assert "node cannot be reached" in page.do("alert")
    world.service.start()
    page.do("click", name="Score now")
    page.do("image", name="out of 100")
    assert world.prediction(made) is not None
    world.service.stop()


def test_a_task_without_a_model_says_so_and_blocks_no_case(world, page):
    case = world.rep.create("Case", Subject="Broken", Status="New", Origin="Web")
    world.settled()
    page.open(case, sign="No score yet", objectApiName="Case")

    def ask() -> None:
        page.do("click", name="Score now")
        assert re.search(r"no model|model_missing", page.do("alert"), re.IGNORECASE)

    page.look("model-missing", case, sign="No score yet", act=ask)


def test_another_vocabulary_is_refused_and_the_last_score_stays(world, page, deal):
    before = world.prediction(deal)
    name = "Feature_Definition__mdt.win_support_open_cases.md"
    shipped = (PACKAGE / f"customMetadata/{name}-meta.xml").read_text("utf-8")
    changed = shipped.replace(">support.open_cases<", ">support.open_cases_too<")
    assert changed != shipped
    world.org.change("CustomMetadata", f"customMetadata/{name}", changed)
    try:
        page.open(deal, sign="Why")
        page.do("click", name="Refresh")
        assert "vocabulary" in page.do("alert")
        assert page.do("image", name=f"{before['Score__c']} out of 100")
        assert world.prediction(deal) == before
    finally:
        world.org.change("CustomMetadata", f"customMetadata/{name}", shipped)


def test_a_key_that_the_service_no_longer_takes_is_an_admins_business(world, page, deal):
    world.enter_key("no-key-that-anybody-gave-out")
    try:
        page.open(deal, sign="Why")
        page.do("click", name="Refresh")
        assert "unauthorized" in page.do("alert")
        assert page.do("image", name="out of 100")
    finally:
        world.enter_key(world.key)


def test_an_org_that_is_not_paired_says_what_to_do(world, page):
    org = world.other
    install(org)
    [admin] = org.query("SELECT Id FROM User WHERE Username LIKE 'admin@%'")
    org.give(admin["Id"], "FedCRM_Scoring_User")
    account = org.create("Account", Name="Fabrikam")
    deal = org.create("Opportunity", Name="Deal", AccountId=account, StageName="Qualification", CloseDate="2027-01-31")
    page.look("not-paired", deal, sign="pair", user=org)
