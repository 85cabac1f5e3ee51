"""One contract over SQLite and PostgreSQL."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest

from fedcrm.errors import BudgetExceeded, MechanismError, SettingsError
from fedcrm.privacy import DomainRelease, GaussianRelease, Ledger, PureRelease, TrainingBudget
from fedcrm.privacy.accountant import gdp_epsilon


def release(mu_squared: float, purpose: str = "round") -> GaussianRelease:
    return GaussianRelease(1 / math.sqrt(mu_squared), 1, 64.2, 1000, purpose)


def test_a_new_ledger_knows_what_it_was_created_with_and_has_spent_nothing(new_ledger, place):
    new_ledger(delta=1e-6)
    again = Ledger.open(place)
    assert (again.organisation, again.unit, again.period) == ("Alpha", "lead", "2026")
    assert (again.epsilon_budget, again.delta) == (8.0, 1e-6)
    assert (len(again), list(again), again.spent().epsilon) == (0, [], 0.0)


def test_a_charge_is_there_when_the_ledger_is_opened_again(ledger, place):
    receipt = ledger.charge(release(0.5), training="t", key="1/1")
    again = Ledger.open(place)
    assert list(again) == [receipt.charge]
    assert again.charged("1/1") == receipt.charge
    assert again.charged("1/2") is None
    assert again.spent("t").cost == ledger.spent("t").cost == release(0.5).cost


def test_spent_is_quoted_by_the_closed_form(ledger):
    ledger.charge(release(0.5), training="t", key="a")
    ledger.charge(release(0.3), training="t", key="b")
    ledger.charge(PureRelease(0.2, 1, "counts"), training="t", key="c")
    ledger.charge(DomainRelease(10.0, 1, 1e-7, "categories"), training="t", key="d")
    expected = 0.2 + gdp_epsilon(math.sqrt(0.81), 1e-5 - 1e-7)
    for spent in (ledger.spent("t"), ledger.spent(), ledger.all_time()):
        assert spent.epsilon == pytest.approx(expected, rel=1e-9)
        assert spent.charges == 4


def test_a_refused_charge_leaves_the_ledger_as_it_was(ledger, place):
    with pytest.raises(BudgetExceeded) as refused:
        ledger.charge(release(4.0), training="t", key="1/1")
    assert refused.value.would_be > refused.value.limit == 8.0
    assert (refused.value.unit, refused.value.scope, refused.value.organisation) == ("epsilon", "training", "Alpha")
    assert list(ledger) == list(Ledger.open(place)) == []
    assert ledger.charged("1/1") is None
    # And the key is still free for something that fits.
    assert not ledger.charge(release(0.1), training="t", key="1/1").repeated


def test_a_training_can_be_spent_to_the_last_drop_and_no_further(ledger):
    budget = ledger.budget("t")
    for i in range(23):
        ledger.charge(release(budget.learning_mu**2 / 23), training="t", key=f"round {i}")
    with pytest.raises(BudgetExceeded):
        ledger.charge(release(1e-6), training="t", key="one more")
    ledger.charge(PureRelease(budget.pure_epsilon, 1, "counts"), training="t", key="counts")
    ledger.charge(release(budget.reserve_mu_squared), training="t", key="retry", reserve=True)
    spent = ledger.spent()
    assert spent.epsilon <= 8.0
    # Delta for unknown domains is left over, so a little less than 8 is quoted.
    assert spent.epsilon == pytest.approx(8.0, rel=0.01)


@pytest.mark.parametrize(
    ("event", "unit"),
    [(PureRelease(0.33, 1, "counts"), "pure epsilon"), (DomainRelease(100.0, 1, 1.2e-6, "x"), "delta")],
)
def test_each_allowance_has_its_own_limit(ledger, event, unit):
    with pytest.raises(BudgetExceeded) as refused:
        ledger.charge(event, training="t", key="k")
    assert refused.value.unit == unit
    assert refused.value.would_be > refused.value.limit
    assert len(ledger) == 0


def test_retries_draw_on_the_reserve_and_stop_when_it_is_gone(ledger):
    reserve = ledger.budget("t").reserve_mu_squared
    ledger.charge(release(0.7 * reserve), training="t", key="retry 1", reserve=True)
    with pytest.raises(BudgetExceeded) as refused:
        ledger.charge(release(0.7 * reserve), training="t", key="retry 2", reserve=True)
    assert refused.value.scope == "reserve"
    assert ledger.reserve_spent("t").mu_squared == pytest.approx(0.7 * reserve)
    # The caller may pay it out of its rounds instead, and makes fewer of them.
    ledger.charge(release(0.7 * reserve), training="t", key="retry 2")


def test_rounds_cannot_take_the_reserve(ledger):
    budget = ledger.budget("t")
    ledger.charge(release(budget.learning_mu**2), training="t", key="all rounds")
    with pytest.raises(BudgetExceeded):
        ledger.charge(release(budget.reserve_mu_squared), training="t", key="another")
    ledger.charge(release(budget.reserve_mu_squared), training="t", key="another", reserve=True)


def test_trainings_share_the_periods_limit(new_ledger):
    ledger = new_ledger()
    ledger.open_training("a", ledger.plan_training(8.0))
    ledger.open_training("b", ledger.plan_training(8.0))
    ledger.charge(release(2.4), training="a", key="a")
    with pytest.raises(BudgetExceeded) as refused:
        ledger.charge(release(2.4), training="b", key="b")
    assert refused.value.scope == "period"
    assert refused.value.would_be > refused.value.limit == 8.0
    assert ledger.spent("b").charges == 0


def test_eight_small_trainings_fit_and_the_ninth_is_not_begun(new_ledger):
    ledger = new_ledger()
    for i in range(8):
        budget = ledger.plan_training(1.0)
        ledger.open_training(f"t{i}", budget)
        ledger.charge(PureRelease(budget.pure_epsilon, 1, "counts"), training=f"t{i}", key=f"p{i}")
        ledger.charge(release(budget.learning_mu**2), training=f"t{i}", key=f"g{i}")
    with pytest.raises(BudgetExceeded) as refused:
        ledger.open_training("t8", ledger.plan_training(1.0))
    assert refused.value.scope == "period"
    assert ledger.trainings() == tuple(f"t{i}" for i in range(8))


def test_the_same_key_twice_is_the_same_charge(ledger):
    first = ledger.charge(release(0.5), training="t", key="3/1")
    again = ledger.charge(release(0.5), training="t", key="3/1")
    assert (first.repeated, again.repeated) == (False, True)
    assert again.charge == first.charge
    assert ledger.spent().cost == release(0.5).cost


def test_a_repeated_charge_is_found_even_when_nothing_is_left(ledger):
    budget = ledger.budget("t")
    ledger.charge(release(budget.learning_mu**2), training="t", key="all")
    assert ledger.charge(release(budget.learning_mu**2), training="t", key="all").repeated


def test_another_release_under_a_known_key_is_refused(ledger):
    ledger.charge(release(0.5), training="t", key="3/1")
    ledger.open_training("u", ledger.plan_training(1.0))
    for event, training in ((release(0.4), "t"), (release(0.5), "u")):
        with pytest.raises(MechanismError):
            ledger.charge(event, training=training, key="3/1")
    assert len(ledger) == 1


def test_opening_a_training_again_changes_nothing_and_differently_is_refused(ledger):
    ledger.charge(release(0.5), training="t", key="1")
    head = ledger.verify()
    ledger.open_training("t", ledger.plan_training(8.0))
    assert ledger.verify() == head
    with pytest.raises(SettingsError):
        ledger.open_training("t", ledger.plan_training(4.0))


def test_a_training_whose_limits_exceed_its_epsilon_is_refused(ledger):
    honest = TrainingBudget.plan(1.0)
    raw = {**honest.to_json(), "mu": 2 * honest.mu}
    with pytest.raises(MechanismError):
        ledger.open_training("generous", TrainingBudget.from_json(raw))


@pytest.mark.parametrize(
    "ask",
    [
        lambda ledger: ledger.charge(release(0.1), training="nobody", key="k"),
        lambda ledger: ledger.spent("nobody"),
        lambda ledger: ledger.budget("nobody"),
        lambda ledger: ledger.reserve_spent("nobody"),
    ],
)
def test_an_unknown_training_is_refused(ledger, ask):
    with pytest.raises(SettingsError, match="nobody"):
        ask(ledger)


def test_a_new_period_has_its_own_limit_but_all_time_goes_on(ledger):
    ledger.charge(release(2.4), training="t", key="last year")
    ledger.start_period("2027", epsilon_budget=8.0)
    assert (ledger.period, ledger.spent().epsilon) == ("2027", 0.0)
    ledger.open_training("u", ledger.plan_training(8.0))
    ledger.charge(release(2.4), training="u", key="this year")
    # The old training's own limit has not been refilled.
    with pytest.raises(BudgetExceeded) as refused:
        ledger.charge(release(0.2), training="t", key="more")
    assert refused.value.scope == "training"
    total = ledger.all_time()
    assert (total.charges, total.cost.mu_squared, total.delta) == (2, pytest.approx(4.8), 2e-5)
    assert total.epsilon > ledger.spent().epsilon


def test_a_period_cannot_be_begun_twice(ledger):
    with pytest.raises(SettingsError):
        ledger.start_period("2026", epsilon_budget=8.0)


def test_charges_come_in_the_order_in_which_they_were_made_and_cannot_be_changed(ledger):
    for i in range(5):
        ledger.charge(release(0.1, f"round {i}"), training="t", key=str(i))
    charges = list(ledger)
    assert [c.event.purpose for c in charges] == [f"round {i}" for i in range(5)]
    assert [c.sequence for c in charges] == [3, 4, 5, 6, 7]
    with pytest.raises(AttributeError):
        charges[0].reserve = True


def test_two_ledgers_on_one_database_see_each_others_charges(ledger, place):
    other = Ledger.open(place)
    ledger.charge(release(1.4), training="t", key="a")
    assert other.spent().cost == ledger.spent().cost
    with pytest.raises(BudgetExceeded):
        other.charge(release(1.4), training="t", key="b")
    assert other.charge(release(1.4), training="t", key="a").repeated


def test_charged_at_is_the_clocks_time(new_ledger, place):
    noon = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
    ledger = new_ledger(clock=lambda: noon)
    ledger.open_training("t", ledger.plan_training(8.0))
    assert ledger.charge(release(0.1), training="t", key="k").charge.charged_at == noon
    assert next(iter(Ledger.open(place))).charged_at == noon


def test_a_second_ledger_in_the_same_place_is_refused(ledger, place):
    ledger.charge(release(0.5), training="t", key="a")
    with pytest.raises(SettingsError, match="already"):
        Ledger.create(place, organisation="Beta", epsilon_budget=100.0)
    assert (ledger.organisation, len(Ledger.open(place))) == ("Alpha", 1)


@pytest.mark.parametrize(
    "wrong", [{"epsilon_budget": 0.0}, {"delta": 0.0}, {"organisation": " "}, {"unit": ""}, {"period": ""}]
)
def test_a_ledger_with_limits_that_make_no_sense_is_not_created(new_ledger, place, wrong):
    with pytest.raises(SettingsError):
        new_ledger(**wrong)
    with pytest.raises(SettingsError):
        Ledger.open(place)
