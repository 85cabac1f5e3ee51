"""Encryption changes nothing: under the same noise bytes the plain sum gives the very same model."""

import hashlib

import numpy as np
import pytest

from fedcrm.federation import LocalChannel, Participant, PlainRounds, SimulatedBooks, train
from fedcrm.federation.checkpoint import MemoryStore
from fedcrm.secagg import MemoryJournal


def seeded(name):
    return np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest(), "big")).bytes


def participants_of(federation):
    """Keys and masks from the operating system, noise from a source that gives the same bytes each time."""
    return {
        name: Participant(
            node.identity,
            federation.identity.public,
            federation.records(name),
            SimulatedBooks(name),
            MemoryJournal(),
            training=federation.training,
            epsilon=federation.epsilon[name],
            random_bytes=seeded(name),
        )
        for name, node in federation.nodes.items()
    }


@pytest.mark.parametrize("compact", [False, True])
def test_the_plain_model_is_bit_identical_to_the_encrypted_one(federate, compact):
    federation = federate(n=3, compact=compact)
    store = MemoryStore()
    chair, channel = federation.coordinator(store), LocalChannel(participants_of(federation))
    encrypted = train(chair, federation.identity, federation.roster, channel, store).model

    chair, plain = federation.coordinator(MemoryStore()), participants_of(federation)
    invitation = chair.invitation(federation.roster.to_bytes())
    reports = {name: participant.report(invitation) for name, participant in plain.items()}
    agreement = chair.agree(reports)
    for participant in plain.values():
        participant.agree(agreement)
    model = chair.train(reports, agreement, PlainRounds(plain))

    assert model.to_json() == encrypted.to_json()
    assert [f.contributors for f in chair.facts] == [3, 3, 3]
    assert model.terms
