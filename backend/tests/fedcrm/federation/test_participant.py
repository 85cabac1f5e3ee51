"""The coordinator is an adversary here: whatever it sends, nothing leaves that was not agreed and charged."""

from dataclasses import replace

import numpy as np
import pytest

from fedcrm.errors import (
    BadSignature,
    MalformedMessage,
    PeerError,
    TrainingStopped,
    UnexpectedMessage,
)
from fedcrm.features import propose_schema
from fedcrm.federation.coordinator import public_magnitude, standings_of
from fedcrm.federation.messages import Agreement, Envelope, Invitation, Kind, RoundRequest
from fedcrm.federation.participant import calibration_records
from fedcrm.learning import Structure
from fedcrm.secagg import AttemptId, AttemptTerms, CoordinatorAttempt, Identity, Roster, Step


class Adversary:
    """A coordinator that goes by the protocol until a test makes it stop doing so."""

    def __init__(self, federation):
        self.federation = federation
        self.clients = federation.participants()
        self.store = federation.store()
        self.coordinator = federation.coordinator(self.store)
        self.reports = {}

    def send(self, name, kind, body, identity=None, training=None):
        identity = identity or self.federation.identity
        envelope = Envelope(kind, training or self.federation.training, identity.name, body)
        return self.clients[name].handle(envelope.seal(identity))

    def invite(self):
        invitation = self.coordinator.invitation(self.federation.roster.to_bytes())
        self.reports = {name: client.report(invitation) for name, client in self.clients.items()}
        self.agreement = self.coordinator.agree(self.reports)
        for client in self.clients.values():
            client.agree(self.agreement)
        learner = self.coordinator._new_learner(standings_of(self.reports), self.agreement)
        return self.coordinator.request(1, learner.next_query(), standings_of(self.reports))

    def open(self, name, request, attempt=1):
        terms = AttemptTerms(
            id=AttemptId(self.federation.training, request.round, attempt),
            roster=self.federation.roster,
            coordinates=request.query.length,
            magnitude=request.magnitude,
            request=request.to_bytes(),
            deadline=0,
        )
        return self.send(name, Kind.OPEN, CoordinatorAttempt(self.federation.identity, terms).open())


@pytest.fixture
def adversary(federate):
    made = Adversary(federate(n=3))
    yield made
    made.store.close()


def charges(adversary, name="Contoso"):
    return [c.event.purpose for c in adversary.federation.nodes[name].ledger]


def test_messages_of_a_stranger_or_of_another_training_are_refused(adversary):
    stranger = Identity.generate("coordinator")
    body = adversary.coordinator.invitation(adversary.federation.roster.to_bytes()).to_bytes()
    with pytest.raises(BadSignature):
        adversary.send("Contoso", Kind.INVITE, body, identity=stranger)
    with pytest.raises(MalformedMessage):
        adversary.send("Contoso", Kind.INVITE, body, training="another")
    assert charges(adversary) == []


def test_garbage_is_refused_without_a_trace(adversary):
    for junk in (b"", b"\0" * 64, b"x" * 500):
        with pytest.raises(PeerError):
            adversary.clients["Contoso"].handle(junk)
    with pytest.raises(MalformedMessage):
        adversary.send("Contoso", Kind.INVITE, b"{}")
    assert charges(adversary) == []


def test_a_second_invitation_on_other_terms_buys_no_second_report(adversary):
    adversary.invite()
    before = charges(adversary)
    schema = propose_schema(adversary.federation.data)
    fewer = replace(schema, fields=schema.fields[:1])
    invitation = Invitation("churn", fewer.to_json(), adversary.federation.roster.to_bytes())
    with pytest.raises(PeerError):
        adversary.clients["Contoso"].report(invitation)
    assert charges(adversary) == before


def test_a_refused_invitation_leaves_the_roster_as_it_was(adversary):
    """Once it did not: the second roster, full of the coordinator's own, was refused and used all the same."""
    request, client = adversary.invite(), adversary.clients["Contoso"]
    puppets = tuple(Identity.generate(f"sock puppet {i}").public for i in range(2))
    before = adversary.federation.roster
    mine = next(member for member in before.members if member.name == "Contoso")
    invitation = Invitation("churn", propose_schema(adversary.federation.data).to_json(), b"")
    with pytest.raises(PeerError):
        client.report(replace(invitation, roster=Roster(before.coordinator, (*puppets, mine)).to_bytes()))
    assert adversary.open("Contoso", request)
    assert client._roster == before


def test_the_same_invitation_gets_the_very_same_report_also_after_a_restart(adversary):
    adversary.invite()
    before = charges(adversary)
    invitation = adversary.coordinator.invitation(adversary.federation.roster.to_bytes())
    again = adversary.federation.participants()["Contoso"].report(invitation)
    assert again == adversary.reports["Contoso"]
    assert charges(adversary) == before


def test_a_roster_without_this_organisation_or_under_another_coordinator_is_refused(adversary):
    members = adversary.federation.roster.members
    other = Identity.generate("elsewhere").public
    outsiders = tuple(Identity.generate(f"sock puppet {i}").public for i in range(2))
    for roster in (
        Roster(other, members),
        Roster(adversary.federation.identity.public, (*outsiders, members[0])),
    ):
        invitation = adversary.coordinator.invitation(roster.to_bytes())
        with pytest.raises(PeerError):
            adversary.clients["Contoso"].report(invitation)
    assert charges(adversary) == []


def test_a_round_before_an_agreement_is_refused(adversary):
    request = adversary.invite()
    adversary.federation.training = "summer"  # of which these clients have not heard
    adversary.clients = adversary.federation.participants()
    with pytest.raises(UnexpectedMessage):
        adversary.open("Contoso", replace(request, training="summer"))


def test_a_participant_that_was_restarted_goes_on_with_what_was_agreed(adversary):
    request, names = adversary.invite(), tuple(adversary.clients)
    first = adversary.clients["Contoso"].contribute(request, names)
    before = charges(adversary)
    adversary.federation.reopen()
    adversary.clients = adversary.federation.participants()
    assert adversary.open("Contoso", request)
    assert np.array_equal(adversary.clients["Contoso"].contribute(request, names), first)
    assert charges(adversary) == before


def test_restarted_between_invitation_and_agreement_it_takes_the_agreement(adversary):
    invitation = adversary.coordinator.invitation(adversary.federation.roster.to_bytes())
    reports = {name: client.report(invitation) for name, client in adversary.clients.items()}
    before = charges(adversary)
    adversary.federation.reopen()
    adversary.clients = adversary.federation.participants()
    for client in adversary.clients.values():
        client.agree(adversary.coordinator.agree(reports))
    assert charges(adversary) == before


@pytest.mark.parametrize("answered", [False, True])
def test_a_restart_forgives_the_attempt_it_interrupted_and_no_other(adversary, answered):
    request, names = adversary.invite(), tuple(adversary.clients)
    training, name = adversary.federation.training, "Contoso"
    journal = adversary.federation.nodes[name].journal

    def admitted(*attempts):
        client = adversary.clients[name]
        for attempt in attempts:
            journal.claim(AttemptId(training, 1, attempt), Step.MANIFEST, b"m")
            client._books.admit(training, 1, attempt, client._key(request, names))

    admitted(1, 2, 3)
    if answered:
        journal.claim(AttemptId(training, 1, 3), Step.ANSWER, b"a")
    adversary.federation.reopen()
    journal = adversary.federation.nodes[name].journal
    adversary.clients = adversary.federation.participants()
    for _ in range(5):  # however often it is invited, one process forgives once
        adversary.clients[name].report(adversary.coordinator.invitation(adversary.federation.roster.to_bytes()))
    admitted(*((4, 5, 6) if answered else (4, 5, 6, 7)))
    with pytest.raises(TrainingStopped, match="6 attempts"):
        admitted(8)


def test_a_client_that_is_made_to_crash_again_and_again_is_not_asked_for_ever(adversary):
    request, names = adversary.invite(), tuple(adversary.clients)
    training, made = adversary.federation.training, []

    def ask_and_crash():
        for attempt in range(50):
            client = adversary.clients["Contoso"]
            client.report(adversary.coordinator.invitation(adversary.federation.roster.to_bytes()))
            adversary.federation.nodes["Contoso"].journal.claim(AttemptId(training, 1, attempt), Step.MANIFEST, b"m")
            client._books.admit(training, 1, attempt, client._key(request, names))
            made.append(attempt)
            adversary.federation.reopen()
            adversary.clients = adversary.federation.participants()

    with pytest.raises(TrainingStopped):
        ask_and_crash()
    assert len(made) == 12  # six, and six forgiven


def test_an_agreement_that_is_no_schema_does_not_stand_in_the_way_of_the_right_one(adversary):
    invitation = adversary.coordinator.invitation(adversary.federation.roster.to_bytes())
    reports = {name: client.report(invitation) for name, client in adversary.clients.items()}
    with pytest.raises(MalformedMessage):
        adversary.clients["Contoso"].agree(Agreement("{}", 0.3))
    adversary.clients["Contoso"].agree(adversary.coordinator.agree(reports))


def test_a_second_agreement_that_differs_is_refused(adversary):
    adversary.invite()
    with pytest.raises(PeerError):
        adversary.clients["Contoso"].agree(replace(adversary.agreement, base_rate=0.31))
    with pytest.raises(MalformedMessage):
        Agreement.from_bytes(b"[]")


@pytest.mark.parametrize("fault", ["sensitivity", "magnitude", "structures", "body"])
def test_a_query_that_would_be_given_too_little_noise_is_refused_before_it_is_charged(adversary, fault):
    request = adversary.invite()
    query, before = request.query, charges(adversary)
    altered = {
        "sensitivity": replace(query, sensitivity=query.sensitivity / 1000),
        "magnitude": replace(query, magnitude=1),
        "structures": replace(query, structures=(Structure("all", query.length, 0.5),)),
        "body": replace(query, body=b"{}"),
    }[fault]
    with pytest.raises(MalformedMessage):
        adversary.clients["Contoso"].contribute(replace(request, query=altered), tuple(adversary.clients))
    assert charges(adversary) == before


def test_terms_that_do_not_fit_their_request_are_refused(adversary):
    request = adversary.invite()
    for bad in (
        replace(request, training="another"),
        replace(request, weights={n: w for n, w in request.weights.items() if n != "Contoso"}),
    ):
        with pytest.raises(PeerError):
            adversary.open("Contoso", bad)
    with pytest.raises(MalformedMessage):
        RoundRequest.from_bytes(replace(request, weights={"Contoso": 0}).to_bytes())
    assert charges(adversary) == charges(adversary)[:1]


def test_the_same_request_gets_the_same_integers_and_one_charge(adversary):
    request, names = adversary.invite(), tuple(adversary.clients)
    first = adversary.clients["Contoso"].contribute(request, names)
    before = charges(adversary)
    again = adversary.federation.participants()
    invitation = adversary.coordinator.invitation(adversary.federation.roster.to_bytes())
    again["Contoso"].report(invitation)
    again["Contoso"].agree(adversary.agreement)
    assert np.array_equal(again["Contoso"].contribute(request, names), first)
    assert charges(adversary) == before


@pytest.mark.parametrize("change", ["contributors", "weights", "magnitude"])
def test_anything_else_gets_fresh_noise_and_a_charge(adversary, change):
    request, names = adversary.invite(), tuple(adversary.clients)
    first = adversary.clients["Contoso"].contribute(request, names)
    before = len(charges(adversary))
    if change == "contributors":
        names = ("Contoso", "Northwind")
    else:
        request = {
            "weights": replace(request, weights={**request.weights, "Northwind": 7}),
            "magnitude": replace(request, magnitude=request.magnitude + 1),
        }[change]
    second = adversary.clients["Contoso"].contribute(request, names)
    assert len(charges(adversary)) == before + 1
    assert not np.array_equal(first, second)


def test_two_answers_to_one_request_differ_by_noise_only(adversary):
    """What is sent is the exact histogram plus noise of the announced scale."""
    request, names = adversary.invite(), tuple(adversary.clients)
    client = adversary.clients["Contoso"]
    exact = client._respondent.answer(request.query)
    sent = client.contribute(request, names) // request.weights["Contoso"]
    scale = request.query.noise_scale(adversary.reports["Contoso"].mu, frozenset())
    z = (sent - exact) / scale
    assert abs(float(np.mean(z))) < 5 / np.sqrt(len(z))
    assert 0.8 < float(np.std(z)) < 1.2


def test_a_coordinator_that_voids_attempt_after_attempt_is_stopped_before_it_drains_the_budget(adversary):
    """Each retry differs in something, so each costs a charge, until the participant has had enough."""
    request, names = adversary.invite(), tuple(adversary.clients)
    client, node = adversary.clients["Contoso"], adversary.federation.nodes["Contoso"]
    made = []

    def void_and_ask_again():
        for attempt in range(1, 50):
            altered = replace(request, magnitude=request.magnitude + attempt)
            client._books.admit(adversary.federation.training, 1, attempt, client._key(altered, names))
            client.contribute(altered, names)
            made.append(attempt)

    with pytest.raises(TrainingStopped) as stopped:
        void_and_ask_again()
    assert "attempt" in str(stopped.value)
    assert 1 <= len(made) <= 10
    assert node.ledger.spent().epsilon < adversary.federation.epsilon["Contoso"]


def test_the_lanes_hold_whatever_honest_participants_may_send(adversary):
    request = adversary.invite()
    names = tuple(adversary.clients)
    standings = standings_of(adversary.reports)
    assert request.magnitude == public_magnitude(request.query, standings, request.weights)
    for client in adversary.clients.values():
        assert int(np.max(np.abs(client.contribute(request, names)))) <= request.magnitude


def test_an_attempt_message_without_an_open_attempt_is_refused(adversary):
    adversary.invite()
    with pytest.raises(UnexpectedMessage):
        adversary.send("Contoso", Kind.ATTEMPT, b"anything")


def test_a_column_that_an_organisations_systems_lack_says_nothing_of_how_it_keeps_its_records(federate):
    """Nodes have tables of their own: a schema's column may be missing altogether, not only blank."""
    federation = federate(n=3)
    schema, records = propose_schema(federation.data), federation.records("Contoso")
    full = calibration_records(records, schema)
    columns = {name: column for name, column in federation.data.columns.items() if name != "plan"}
    lacking = replace(records, data=replace(federation.data, columns=columns))
    assert np.array_equal(calibration_records(lacking, schema).filled, full.filled)
