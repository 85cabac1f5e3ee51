"""Whole trainings over the in-process channel: real keys, real noise, real ledgers."""

import numpy as np
import pytest

from fedcrm.errors import BudgetExceeded, TooFewParticipants, TrainingStopped
from fedcrm.federation import LocalChannel, train


def run(federation, channel=None, **arguments):
    store = federation.store()
    try:
        return train(
            federation.coordinator(store),
            federation.identity,
            federation.roster,
            channel or federation.channel(),
            store,
            **arguments,
        ), store.audit()
    finally:
        store.close()


def test_a_training_gives_a_model_and_spends_what_was_agreed(federate):
    federation = federate()
    trained, _ = run(federation)
    assert [f.purpose for f in trained.facts] == ["cells", "fields", "fields"]
    assert {f.contributors for f in trained.facts} == {4}
    for name, node in federation.nodes.items():
        spent = node.ledger.spent()
        assert spent.epsilon <= federation.epsilon[name]
        node.ledger.verify()
        # Calibration, then one charge a round.
        assert [c.event.purpose for c in node.ledger][1:] == ["cells", "fields", "fields"]


@pytest.mark.parametrize("compact", [False, True])
def test_the_model_finds_the_signal(federate, compact):
    federation = federate(rows=2000, compact=compact)
    trained, _ = run(federation)
    table = trained.model.schema.encode(federation.data, federation.data.rows("Contoso"))
    margin = trained.model.margin(table.X)
    ones, zeros = margin[table.y == 1], margin[table.y == 0]
    assert np.mean(ones[:, None] > zeros[None, :]) > 0.75


def test_every_participant_receives_the_models_own_bytes(federate):
    federation = federate()
    participants = federation.participants()
    trained, _ = run(federation, LocalChannel(participants))
    assert {p.received_model for p in participants.values()} == {trained.model.to_json().encode()}


class Killed(BaseException):
    """Stands for SIGKILL: nothing handles it."""


class KillAfter:
    """Let so many messages arrive, then kill everything."""

    def __init__(self, messages):
        self.left = messages

    def __call__(self, _name, data):
        if self.left == 0:
            raise Killed
        self.left -= 1
        return data


@pytest.mark.slow
@pytest.mark.parametrize("where", ["requests", "replies"])
@pytest.mark.parametrize("after", [0, 2, 5, 9, 13, 17, 22, 26, 29, 33, 37, 47, 60])
def test_killed_anywhere_a_training_goes_on_without_spending_twice(federate, where, after):
    federation = federate()
    with pytest.raises(Killed):
        run(federation, federation.channel(**{where: KillAfter(after)}))
    federation.reopen()
    trained, _ = run(federation)
    assert len(trained.facts) == 3
    for node in federation.nodes.values():
        node.ledger.verify()
        assert len(node.ledger) == 4
        assert not any(charge.reserve for charge in node.ledger)


@pytest.mark.slow
def test_killed_again_and_again_it_still_ends(federate):
    federation = federate()
    for after in (30, 45, 12, 50):
        try:
            run(federation, federation.channel(requests=KillAfter(after)))
            break
        except Killed:
            federation.reopen()
    federation.reopen()
    trained, _ = run(federation)
    assert len(trained.facts) == 3
    assert all(len(node.ledger) == 4 for node in federation.nodes.values())


class Silent:
    """One participant does not answer messages of one kind, counted from the first of that kind."""

    def __init__(self, name, steps):
        self.name, self.steps, self.seen = name, steps, 0

    def __call__(self, name, data):
        if name != self.name:
            return data
        self.seen += 1
        return None if self.seen in self.steps else data


def test_silent_before_the_manifest_is_left_out_of_the_round(federate):
    federation = federate(n=5)
    # Messages to one participant: invite, agree, then open, reveals, deals, manifest, decryption, close.
    trained, _ = run(federation, federation.channel(requests=Silent("Contoso", {3})))
    assert [f.contributors for f in trained.facts] == [4, 5, 5]
    assert [f.attempts for f in trained.facts] == [1, 1, 1]


def test_silent_after_the_upload_changes_nothing(federate):
    federation = federate(n=5)
    trained, _ = run(federation, federation.channel(requests=Silent("Contoso", {7})))
    assert [f.contributors for f in trained.facts] == [5, 5, 5]
    assert [f.attempts for f in trained.facts] == [1, 1, 1]


def test_an_upload_that_is_lost_voids_the_attempt_and_the_retry_without_its_sender_pays_from_the_reserve(federate):
    federation = federate(n=5)
    trained, audit = run(federation, federation.channel(replies=Silent("Contoso", {6})))
    assert [f.contributors for f in trained.facts] == [4, 5, 5]
    assert trained.facts[0].attempts == 2
    assert "attempt void" in {entry["event"] for entry in audit}
    for name, node in federation.nodes.items():
        charges = [(c.event.purpose, c.reserve) for c in node.ledger][1:]
        if name == "Contoso":
            assert charges == [("cells", False), ("fields", False), ("fields", False)]
        else:
            assert charges == [("cells", False), ("cells", True), ("fields", False), ("fields", False)]
        assert node.ledger.spent().epsilon <= federation.epsilon[name]


def test_an_attempt_void_for_another_reason_resends_the_same_integers_for_nothing(federate):
    """Too few answers at decryption: the next attempt has the same contributors and asks the same thing."""
    federation = federate(n=5)
    seen = dict.fromkeys(federation.nodes, 0)

    def deaf_to_the_first_decryption_request(name, data):
        seen[name] += 1
        return None if seen[name] == 7 and name not in ("Contoso", "Fabrikam") else data

    trained, _ = run(federation, federation.channel(requests=deaf_to_the_first_decryption_request))
    assert trained.facts[0].attempts == 2
    assert trained.facts[0].contributors == 5
    for node in federation.nodes.values():
        charges = [(c.event.purpose, c.reserve) for c in node.ledger][1:]
        assert charges == [("cells", False), ("fields", False), ("fields", False)]


def test_too_few_participants_stop_the_training_before_anything_is_charged_for_a_round(federate):
    federation = federate(n=4)
    with pytest.raises(TooFewParticipants):
        run(federation, federation.channel(requests=lambda name, data: data if name == "Contoso" else None))
    for node in federation.nodes.values():
        assert all(c.event.purpose not in ("cells", "fields") for c in node.ledger)


def test_a_budget_that_is_used_up_refuses_a_second_training(federate):
    federation = federate(epsilon=2.0, budget=2.0)
    run(federation)
    federation.training = "autumn"
    (federation.home / "coordinator.sqlite").unlink()
    before = {name: len(node.ledger) for name, node in federation.nodes.items()}
    with pytest.raises((TrainingStopped, TooFewParticipants, BudgetExceeded)):
        run(federation)
    assert {name: len(node.ledger) for name, node in federation.nodes.items()} == before


def test_participants_may_have_budgets_of_their_own(federate):
    federation = federate(n=4, budget=8.0)
    federation.epsilon["Contoso"] = 0.5
    trained, _ = run(federation)
    assert trained.reports["Contoso"].epsilon == 0.5
    assert federation.nodes["Contoso"].ledger.spent().epsilon <= 0.5
    assert trained.reports["Contoso"].mu < trained.reports["Fabrikam"].mu


def test_ranges_and_categories_nobody_listed_are_released_privately_and_charged(federate):
    federation = federate(n=4, rows=3000, public=False)
    trained, _ = run(federation)
    assert trained.facts[0].purpose == "ranges"
    schema = trained.model.schema
    plan = next(field for field in schema.fields if field.name == "plan")
    assert set(plan.categories) == {"monthly", "yearly", "trial"}
    for name, node in federation.nodes.items():
        assert "names of categories" in [c.event.purpose for c in node.ledger]
        assert node.ledger.spent().epsilon <= federation.epsilon[name]
    visits = next(field for field in schema.fields if field.name == "visits")
    assert visits.low is not None
    assert visits.low <= 5
    assert visits.high >= 50


def test_nothing_in_the_coordinators_database_is_a_participants_vector(federate):
    """The coordinator keeps sums and charged figures; one participant's integers are nowhere in its file."""
    federation = federate()
    run(federation)
    content = (federation.home / "coordinator.sqlite").read_bytes()
    for name, node in federation.nodes.items():
        rows = federation.records(name).training
        label = federation.data.label[rows]
        exact = f'"positives":{int(label.sum())}'.encode()
        assert exact not in content
        assert node.identity.to_secret_bytes()[-32:] not in content
