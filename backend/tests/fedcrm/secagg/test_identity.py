"""Identities and rosters: round trips, refusals, and secrets that do not show."""

from __future__ import annotations

import pytest

from fedcrm.errors import BadSignature, MalformedMessage, SettingsError, UnknownParticipant
from fedcrm.secagg import Identity, PublicIdentity, Roster


@pytest.fixture(scope="module")
def members(identities):
    return tuple(one.public for one in identities[:5])


@pytest.fixture
def roster(members, coordinator_identity):
    return Roster(coordinator_identity.public, members)


def test_a_secret_identity_does_not_show(identities):
    secret = identities[0].to_secret_bytes()
    assert repr(identities[0]) == "Identity('organisation 1', <secret keys>)"
    assert not hasattr(identities[0], "to_bytes")
    assert not hasattr(identities[0], "__dict__")
    assert identities[0].public.to_bytes() not in secret


def test_both_kinds_of_identity_survive_their_stores(identities):
    again = Identity.from_secret_bytes(identities[0].to_secret_bytes())
    assert again.public == identities[0].public == PublicIdentity.from_bytes(identities[0].public.to_bytes())
    again.public.verify(identities[0].sign(b"data"), b"data")
    assert again.agree(identities[1].public.sealing) == identities[1].agree(again.public.sealing)


@pytest.mark.parametrize("change", [lambda b: b"", lambda b: b[:-1], lambda b: b + b"\0", lambda b: b"\xff" + b[1:]])
def test_other_bytes_are_no_identity(identities, change):
    with pytest.raises(MalformedMessage):
        Identity.from_secret_bytes(change(identities[0].to_secret_bytes()))
    with pytest.raises(MalformedMessage):
        PublicIdentity.from_bytes(change(identities[0].public.to_bytes()))


def test_a_signature_holds_for_its_data_and_signer_alone(identities):
    signature = identities[0].sign(b"data")
    for signer, data, sig in (
        (1, b"data", signature),
        (0, b"date", signature),
        (0, b"data", bytes(64)),
        (0, b"data", b""),
    ):
        with pytest.raises(BadSignature) as refused:
            identities[signer].public.verify(sig, data)
        assert refused.value.culprit == identities[signer].name


def test_a_key_of_low_order_is_refused(identities):
    with pytest.raises(MalformedMessage):
        identities[0].agree(bytes(32))


def test_keys_come_from_the_bytes_that_are_handed_in():
    make = lambda: Identity.generate("x", lambda count: bytes(range(count)))  # noqa: E731 - reads as a formula
    assert make().public == make().public != Identity.generate("x").public


@pytest.mark.parametrize("name", ["", "x" * 401, "é" * 201])
def test_a_name_has_1_to_400_bytes(name):
    with pytest.raises(SettingsError):
        Identity.generate(name)


def test_a_public_key_has_32_bytes():
    with pytest.raises(SettingsError):
        PublicIdentity("x", bytes(31), bytes(32))


def test_points_are_the_public_order(roster, members):
    assert [roster.point(name) for name in roster.names] == [1, 2, 3, 4, 5]
    assert roster.ordered({members[3].name, members[0].name}) == (members[0].name, members[3].name)
    assert roster.others(members[1].name) == (roster.names[0], *roster.names[2:])
    for call in (roster.point, roster.member, lambda name: roster.ordered([name])):
        with pytest.raises(UnknownParticipant):
            call("nobody")


def test_a_roster_survives_the_wire_and_its_digest_covers_everything(roster, members, coordinator_identity):
    assert Roster.from_bytes(roster.to_bytes()) == roster
    assert len(roster.digest) == 32
    others = (Roster(coordinator_identity.public, members[::-1]), Roster(coordinator_identity.public, members[:4]))
    assert len({roster.digest, *(other.digest for other in others)}) == 3
    with pytest.raises(MalformedMessage):
        Roster.from_bytes(roster.to_bytes()[:-1])


@pytest.mark.parametrize("count", [0, 1, 2, 51])
def test_three_to_fifty_take_part(count, coordinator_identity):
    members = tuple(Identity.generate(str(number)).public for number in range(count))
    with pytest.raises(SettingsError):
        Roster(coordinator_identity.public, members)


def test_nobody_is_on_a_roster_twice(members, coordinator_identity):
    same_signing = PublicIdentity("other", members[0].signing, bytes(32))
    same_sealing = PublicIdentity("other", bytes(32), members[0].sealing)
    for twice in (members[0], same_signing, same_sealing, coordinator_identity.public):
        with pytest.raises(SettingsError):
            Roster(coordinator_identity.public, (*members, twice))
