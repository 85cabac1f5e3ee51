"""A score from the service to the screen: the org's own Apex, the running service, a real browser."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow


def test_score_now(world, page):
    world.service.stop()
    deal = world.new_deal()
    world.service.start()
    page.open(deal, sign="No score yet")
    page.do("click", name="Score now")
    said = page.do("image", name="Win probability: .* out of 100")
    stored = world.prediction(deal)
    print(said, stored)
    print(page.do("text"))
    print(world.asked_directly(deal, stored["As_Of__c"]))
