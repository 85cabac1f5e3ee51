"""A demo's results, made up: nine organisations with names of every kind."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import settings

from fedcrm.evaluation.results import Charges, DemoResults, FieldEffect, OrganisationResult
from fedcrm.federation import RoundFacts

settings.register_profile("fedcrm", deadline=None)  # a busy machine is not a failure
settings.load_profile("fedcrm")

NAMES = (
    "Aurora Telecom",
    "Borealis Broadband",
    "Cascade Mobile & Sons",
    "Delta Networks (North)",
    "Élan Télécommunications",
    "Fjordnett",
    "Grand Union Cable",
    "Hinterland Connect",
    "Ida Valley Phone Cooperative",
)


def made_up(names: tuple[str, ...] = NAMES, **changes: object) -> DemoResults:
    """Nine organisations, eighteen rounds, a dozen fields; nothing of it was measured."""
    rng = np.random.default_rng(7)
    sizes = [1602, 1247, 1158, 745, 660, 650, 611, 259, 121]
    organisations, central = [], {}
    for name, size in zip(names, sizes, strict=True):
        tiny = size < 150
        local = 0.80 + 0.04 * rng.standard_normal() - 6 / size
        personal, federated = local + 0.011 + 0.01 * rng.standard_normal(), local + 0.004 + 0.02 * rng.standard_normal()
        choice = "local" if size == 745 else "personal"
        central[name] = None if tiny else local + 0.014 + 0.008 * rng.standard_normal()
        organisations.append(
            OrganisationResult(
                name=name,
                rows=size,
                positives=round(size * 0.27),
                reported_rows=0.7 * size + 4.3 * rng.standard_normal(),
                epsilon_budget=8.0,
                epsilon_spent=7.61,
                delta=1e-5,
                charges=(
                    Charges("calibration: counts by class, completeness, recency, label reliability", 1, 0.32),
                    Charges("ranges", 1, 0.55),
                    Charges("cells", 1, 0.55),
                    Charges("fields", 18, 6.9),
                    Charges("pairs", 1, 2.6),
                ),
                local=None if tiny else local,
                federated=None if tiny else federated,
                personal=None if tiny else personal,
                chosen=None if tiny else (personal if choice == "personal" else local),
                spearman=None,
                spearman_max=None,
                choice=choice,
                gate="refused" if size == 259 else "accepted",
                gate_drop=0.053 if size == 259 else -0.02 + 0.01 * rng.standard_normal(),
                bootstrap_gate="refused" if size == 259 else "accepted",
                paper_gate="refused" if size in (259, 745, 121) else "accepted",
                weights={"A": 0.42, "R": 0.49, "Lx": 0.07, "Ll": 0.04, "F": 0.21},
            )
        )
    purposes = ["ranges", "cells", *["fields"] * 8, "candidates", *["pairs"] * 7]
    shares = [0.01, 0.01, *[0.045] * 8, 0.2, *[0.056] * 7]
    rounds = tuple(
        RoundFacts(
            round=n,
            purpose=purpose,
            coordinates={"ranges": 96, "cells": 412, "fields": 1210, "candidates": 4060, "pairs": 1210}[purpose],
            share=share,
            contributors=9,
            attempts=2 if n == 5 else 1,
            seconds={"keys": 0.31, "shares": 0.62, "uploads": 0.55, "decryption": 0.41},
            bytes_moved={"keys": 6_100_000, "shares": 22_400_000, "uploads": 7_600_000, "decryption": 6_900_000},
        )
        for n, (purpose, share) in enumerate(zip(purposes, shares, strict=True), 1)
    )
    edges = [f"up to {k * 6}" for k in range(1, 13)] + ["above 72", "missing"]
    curve = (*(1.1 - 0.14 * k + 0.05 * math.sin(k) for k in range(13)), 0.0)
    effects = [
        FieldEffect(
            "contract",
            "contract",
            ("month to month", "one year", "two years", "other"),
            (0.61, -0.35, -0.98, 0.0),
            (0.05, 0.08, 0.1, 0.4),
        ),
        FieldEffect("tenure", "tenure in months", tuple(edges), curve, tuple([0.08] * 13 + [0.3])),
        FieldEffect("paperless", "paperless billing", ("no", "yes", "other"), (-0.12, 0.1, 0.0), (0.04, 0.04, 0.4)),
        FieldEffect(
            "charges",
            "monthly charges",
            tuple(edges),
            (*(0.03 * k - 0.2 for k in range(13)), 0.0),
            tuple([0.06] * 13 + [0.3]),
        ),
        FieldEffect(
            "support",
            "technical support",
            ("yes", "no", "no internet", "other"),
            (-0.25, 0.22, -0.1, 0.0),
            (0.05, 0.05, 0.07, 0.4),
        ),
        FieldEffect(
            "payment",
            "payment method",
            ("bank transfer", "credit card", "electronic check", "mailed check", "other"),
            (-0.1, -0.12, 0.28, -0.06, 0.0),
            (0.05, 0.05, 0.05, 0.06, 0.4),
        ),
    ]
    values: dict[str, object] = {
        "data_set": "made-up churn",
        "task": "churn",
        "metric": "auc",
        "seed": 1,
        "fast": False,
        "delta": 1e-5,
        "organisations": tuple(organisations),
        "gate_rule": "bootstrap",
        "gate_refused": {"bootstrap": 1 / 9, "paper": 3 / 9},
        "left_out": (names[-1],),
        "means": {
            key: float(np.mean([getattr(o, key) for o in organisations if getattr(o, key) is not None]))
            for key in ("local", "federated", "personal", "chosen")
        },
        "central": float(np.mean([c for c in central.values() if c is not None])),
        "central_by_organisation": central,
        "rounds": rounds,
        "stopped_early": None,
        "effects": tuple(effects),
        "pairs": ("contract × tenure", "monthly charges × technical support"),
        "quorum": 6,
        "k_min": 6,
        "seconds": {
            "data and schema": 1.4,
            "local models": 21.0,
            "calibration": 0.8,
            "rounds": 34.3,
            "models at home": 48.5,
            "central": 9.1,
        },
        "model_digest": "5d41402abc4b2a76b9719d911017c592a3f1c6e2d9b04788c1e0e6ff0c1b7a55",
    }
    return DemoResults(**{**values, **changes})  # type: ignore[arg-type]  # a table of fields


@pytest.fixture
def make_results() -> Callable[..., DemoResults]:
    """made_up: other names, other values."""
    return made_up


@pytest.fixture
def results() -> DemoResults:
    """Nine plain organisations."""
    return made_up()
