from __future__ import annotations

import json
import math

import numpy as np
import pytest

from fedcrm.errors import MechanismError
from fedcrm.learning import Query, Structure
from fedcrm.privacy.accountant import Cost
from fedcrm.privacy.events import DomainRelease, GaussianRelease, PureRelease, event_from_json, event_to_json

EVENTS = [
    GaussianRelease(4.0, 3, 64.2, 1000, "round 3"),
    PureRelease(0.02, 2, "counts", 1e-12),
    DomainRelease(20.0, 3, 1e-6, "categories"),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda e: e.kind)
def test_an_event_survives_json(event):
    assert event_from_json(json.loads(json.dumps(event_to_json(event)))) == event


def test_events_written_by_the_first_version_stay_valid():
    # Verbatim from a ledger of format 1. These lines never change; new fields need defaults.
    old = [
        '{"kind":"gaussian","noise_multiplier":4.0,"count":3,"sensitivity":64.2,"samples":1000,"purpose":"round 3"}',
        '{"kind":"pure","epsilon":0.02,"count":2,"purpose":"counts"}',
        '{"kind":"domain","noise_multiplier":20.0,"fields":3,"threshold_delta":1e-06,"purpose":"categories"}',
    ]
    costs = [event_from_json(json.loads(line)).cost for line in old]
    assert costs == [
        Cost(mu_squared=3 / 16, samples=3000),
        Cost(pure_epsilon=0.04),
        Cost(mu_squared=1 / 400, delta=1e-6, samples=2**32),
    ]


def test_what_a_newer_program_wrote_is_refused_and_not_guessed():
    with pytest.raises(MechanismError, match="unknown kind"):
        event_from_json({"kind": "laplace", "epsilon": 1.0})
    with pytest.raises(MechanismError, match="no field"):
        event_from_json({"kind": "pure", "epsilon": 1.0, "count": 1, "purpose": "x", "subsampled": 0.1})


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"kind": "pure", "epsilon": 1.0, "count": 1},
        {"kind": "pure", "epsilon": "1.0", "count": 1, "purpose": "x"},
        {"kind": "pure", "epsilon": True, "count": 1, "purpose": "x"},
        {"kind": "pure", "epsilon": 1.0, "count": 1.5, "purpose": "x"},
        {"kind": "pure", "epsilon": 1.0, "count": 1, "purpose": 3},
    ],
)
def test_json_that_is_no_event_is_refused(raw):
    with pytest.raises(MechanismError):
        event_from_json(raw)


@pytest.mark.parametrize(
    "make",
    [
        lambda: GaussianRelease(0.0, 1, 1.0, 1, "x"),
        lambda: GaussianRelease(math.nan, 1, 1.0, 1, "x"),
        lambda: GaussianRelease(math.inf, 1, 1.0, 1, "x"),
        lambda: GaussianRelease(-1.0, 1, 1.0, 1, "x"),
        lambda: GaussianRelease(1.0, 0, 1.0, 1, "x"),
        lambda: GaussianRelease(1.0, 1, 0.0, 1, "x"),
        lambda: GaussianRelease(1.0, 1, 1.0, -1, "x"),
        lambda: PureRelease(0.0, 1, "x"),
        lambda: PureRelease(-0.1, 1, "x"),
        lambda: PureRelease(0.1, -1, "x"),
        lambda: PureRelease(0.1, 1, "x", -1e-9),
        lambda: DomainRelease(1.0, 0, 1e-6, "x"),
        lambda: DomainRelease(1.0, 1, 0.0, "x"),
    ],
)
def test_a_release_that_would_refund_something_cannot_be_made(make):
    with pytest.raises(MechanismError):
        make()


def query(blocks: list[str | None]) -> Query:
    structures = tuple(Structure(f"f{i}", 10, 0.01 * (i + 1), block) for i, block in enumerate(blocks))
    return Query("round 1", structures, 64.2, 64, b"")


def test_a_query_costs_what_its_noise_is_scaled_to():
    asked, mu = query([None, None, "b"]), 1.5
    for blocks in (frozenset[str](), frozenset({"b"})):
        event = GaussianRelease.of_query(asked, mu=mu, blocks=blocks)
        scale = asked.noise_scale(mu, blocks)
        # From the noise itself: each structure is (sensitivity / scale)-GDP, a record is in one place of each.
        per_structure = [64.2 / s for s in scale[::10] if s > 0]
        assert event.cost.mu_squared == pytest.approx(sum(m**2 for m in per_structure), rel=1e-12)
        assert event.samples == int((scale > 0).sum())


def test_a_unit_of_k_rows_pays_for_all_of_them_in_the_same_place():
    asked, mu, k = query([None, None]), 1.5, 4
    event = GaussianRelease.of_query(asked, mu=mu, blocks=frozenset(), unit_rows=k)
    scale = asked.noise_scale(mu / k, frozenset())
    worst = k * np.array([64.2, 64.2]) / scale[::10]
    assert event.cost.mu_squared == pytest.approx(float((worst**2).sum()), rel=1e-12)
    assert event.sensitivity == k * 64.2


def test_a_participant_without_the_features_pays_nothing():
    assert GaussianRelease.of_query(query(["b"]), mu=1.0, blocks=frozenset()) is None
