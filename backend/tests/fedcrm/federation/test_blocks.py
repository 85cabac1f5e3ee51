"""A field that only some organisations have: a block, from the schema to the encrypted sum and home again."""

import dataclasses
import json
import warnings

import numpy as np
import pytest

from fedcrm.evaluation.metrics import auc
from fedcrm.features import DataSet, DataSetWarning, block_examples, blocks_of, propose_schema, split
from fedcrm.features.description import PublicRange
from fedcrm.federation import LocalChannel, NodeBooks, Participant, RoundRequest, train
from fedcrm.federation.checkpoint import MemoryStore
from fedcrm.federation.rounds import SecureRounds

BLOCK = "block of seats"


def give_seats(federation, examples):
    """A field "seats" that tells much of the label, blank but for so many records of each holder."""
    data, rng = federation.data, np.random.default_rng(3)
    seats = np.full(len(data), "", dtype=object)
    for name, count in examples.items():
        rows = data.rows(name)[:count]
        seats[rows] = [str(v) for v in 20 + 30 * data.label[rows] + rng.integers(0, 15, count)]
    description = dataclasses.replace(
        data.description,
        numeric=("visits", "score", "seats"),
        ranges={**data.description.ranges, "seats": PublicRange(0, 100)},
    )
    columns = {name: list(column.texts()) for name, column in data.columns.items()}
    columns |= {"seats": list(seats), "left": ["yes" if y else "no" for y in data.label]}
    federation.data = DataSet.from_columns(description, columns, list(data.participant))
    federation.parts = split(federation.data, seed=1)


class Watched(Participant):
    """Remembers what it contributed, as integers before masks and keys."""

    def contribute(self, request: RoundRequest, contributors):
        vector = super().contribute(request, contributors)
        self.__dict__.setdefault("seen", []).append((request, vector))
        return vector


def watched(federation):
    return {
        name: Watched(
            node.identity,
            federation.identity.public,
            federation.records(name),
            NodeBooks(node),
            node.journal,
            training=federation.training,
            epsilon=federation.epsilon[name],
        )
        for name, node in federation.nodes.items()
    }


def trained_with(federation, participants):
    store = federation.store()
    try:
        chair = federation.coordinator(store)
        return train(chair, federation.identity, federation.roster, LocalChannel(participants), store)
    finally:
        store.close()


def of_block(request):
    """Which coordinates of a request belong to the block."""
    return np.repeat([s.block == BLOCK for s in request.query.structures], [s.length for s in request.query.structures])


@pytest.fixture
def five(federate):
    """Three share the block, one of them with 20 examples only; two lack it."""
    federation = federate(n=5, rows=700)
    give_seats(federation, {"Northwind": 700, "Contoso": 700, "Fabrikam": 700, "Litware": 20})
    return federation


def test_an_encrypted_training_learns_from_a_block_that_three_share(five):
    participants = watched(five)
    trained = trained_with(five, participants)
    assert {f.contributors for f in trained.facts} == {5}
    field = trained.model.schema.index("seats")
    assert any(field in term.grid.fields for term in trained.model.terms)

    for name, participant in participants.items():
        assert len(participant.seen) == 3
        for request, vector in participant.seen:
            inside = of_block(request)
            assert inside.any()
            assert not inside.all()
            assert np.all(vector[~inside] % request.weights[name] == 0)
            # Who does not share uploads these coordinates all the same: zeros, and no noise on them.
            assert np.any(vector[inside]) == (name in ("Northwind", "Contoso", "Fabrikam"))
            assert np.any(vector[~inside])


def test_who_lacks_a_block_or_leaves_it_out_is_charged_for_the_rest_only(five):
    trained_with(five, watched(five))
    events = {name: {c.event.purpose: c.event for c in node.ledger} for name, node in five.nodes.items()}
    assert ["counts of examples by feature block" in events[name] for name in five.nodes] == [True] * 3 + [False, True]
    sharing, lacking, leaving = events["Contoso"], events["Adventure/Works"], events["Litware"]
    for purpose in ("cells", "fields"):
        assert sharing[purpose].cost.mu_squared > lacking[purpose].cost.mu_squared
        assert leaving[purpose] == lacking[purpose]
    for name, node in five.nodes.items():
        assert node.ledger.spent().epsilon <= five.epsilon[name]


def test_a_report_does_not_tell_who_has_the_block(five):
    """The calibration's error shows the epsilon it was made with; that is the same whether one has the block or not."""
    reports = trained_with(five, watched(five)).reports
    errors = {round(report.calibration.rows.standard_error, 6) for report in reports.values()}
    assert len(errors) == 1
    assert not any(BLOCK in json.dumps(report.to_bytes().decode()) for report in reports.values())


def test_what_is_opened_is_the_sum_of_what_all_five_contributed(five, monkeypatch):
    participants, opened, run = watched(five), [], SecureRounds.run

    def kept(rounds, request):
        opened.append(run(rounds, request))
        return opened[-1]

    monkeypatch.setattr(SecureRounds, "run", kept)
    trained_with(five, participants)
    assert len(opened) == 3
    for number, result in enumerate(opened):
        assert np.array_equal(result.sums, sum(p.seen[number][1] for p in participants.values()))


def test_at_home_a_block_counts_for_those_who_have_it_and_helps_them(five):
    model = trained_with(five, watched(five)).model
    for name, helps in (("Contoso", True), ("Adventure/Works", False)):
        mine = model.restricted(blocks_of(model.schema, five.data, name))
        table = model.schema.encode(five.data, five.data.rows(name))
        without = model.restricted(frozenset())
        assert (auc(table.y, mine.margin(table.X)) > auc(table.y, without.margin(table.X)) + 0.05) == helps


def test_which_blocks_are_answered_for_is_decided_once_and_survives_a_restart(five):
    trained_with(five, watched(five))
    five.reopen()
    before = {name: len(node.ledger) for name, node in five.nodes.items()}
    for name, participant in five.participants().items():
        stored = json.loads(five.nodes[name].journal.recall(five.training, "blocks") or b"null")
        assert stored == {"Adventure/Works": None, "Litware": []}.get(name, [BLOCK])
        invitation = five.coordinator(MemoryStore()).invitation(five.roster.to_bytes())
        participant.report(invitation)
        assert json.loads(five.nodes[name].journal.recall(five.training, "blocks") or b"null") == stored
    assert {name: len(node.ledger) for name, node in five.nodes.items()} == before


def test_near_the_threshold_the_noisy_count_decides_and_not_the_exact_one(federate):
    """Forty-odd examples at a small epsilon: of many decisions some are yes and some are no."""
    federation = federate(n=5, rows=100, epsilon=0.5, budget=50.0)
    give_seats(federation, dict.fromkeys(federation.nodes, 60) | {"Litware": 0})
    rows = federation.records("Contoso").training
    assert block_examples(propose_schema(federation.data), federation.data, rows)[BLOCK] < 50
    decisions = set()
    for i in range(8):
        federation.training = f"try {i}"
        invitation = federation.coordinator(MemoryStore()).invitation(federation.roster.to_bytes())
        for name, participant in federation.participants().items():
            participant.report(invitation)
            decisions.add(federation.nodes[name].journal.recall(federation.training, "blocks"))
    assert decisions == {b"[]", json.dumps([BLOCK]).encode(), None}


def test_a_field_that_two_have_is_no_block_and_says_so(federate):
    federation = federate(n=5, rows=200)
    give_seats(federation, {"Northwind": 200, "Contoso": 200})
    with pytest.warns(DataSetWarning, match="2 participants have it; 3 are needed"):
        schema = propose_schema(federation.data)
    assert "seats" not in schema.names
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert propose_schema(federation.data, block_min=2).blocks == (BLOCK,)


def test_a_schema_without_blocks_costs_no_count(federate):
    federation = federate(n=3, rows=200)
    trained_with(federation, watched(federation))
    for node in federation.nodes.values():
        assert not any("examples" in charge.event.purpose for charge in node.ledger)
