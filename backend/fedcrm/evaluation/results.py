"""What a demo found, as one value: results.json, the report and the model card are made from it.

All metrics are AUC as fractions on an organisation's own test rows, None where its test part has fewer than
five of either class. The nine organisations' own figures stand side by side only because one person owns all
nine directories; a real organisation sees its own and the charged ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from fedcrm.federation import RoundFacts

__all__ = ["Charges", "DemoResults", "FieldEffect", "OrganisationResult"]


@dataclass(frozen=True, slots=True)
class Charges:
    """One line of an organisation's ledger, summed by purpose. epsilon: quoted, if this purpose stood alone."""

    purpose: str
    charges: int
    epsilon: float


@dataclass(frozen=True, slots=True)
class OrganisationResult:
    """One organisation. rows: all of its own, exact (its own knowledge). reported_rows: the charged count.

    local, federated, personal: AUC on its test rows. choice: "local" or "personal" (what it serves).
    gate: "accepted" or "refused", by the rule in force; bootstrap_gate, paper_gate: by either rule.
    gate_drop: the last good model's metric minus the received one's, on its hold-out, by the rule in force.
    weights: of its stack, by part.
    """

    name: str
    rows: int
    positives: int
    reported_rows: float
    epsilon_budget: float
    epsilon_spent: float
    delta: float
    charges: tuple[Charges, ...]
    local: float | None
    federated: float | None
    personal: float | None
    chosen: float | None
    spearman: float | None
    spearman_max: float | None
    choice: str
    gate: str
    gate_drop: float
    bootstrap_gate: str
    paper_gate: str
    weights: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class FieldEffect:
    """One field's curve in the federated model: points is log-odds by bin or level, deviation its posterior one.

    labels: what the bins mean, "missing" last.
    """

    field: str
    words: str
    labels: tuple[str, ...]
    points: tuple[float, ...]
    deviation: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class DemoResults:
    """Everything a demo's report shows.

    gate_rule: in force. gate_refused: by rule, the share of organisations that it refuses the model for.
    effects:   the field that moves scores most first.
    """

    data_set: str
    task: str
    metric: str
    seed: int
    fast: bool
    delta: float
    organisations: tuple[OrganisationResult, ...]
    gate_rule: str
    gate_refused: Mapping[str, float]
    left_out: tuple[str, ...]
    means: Mapping[str, float]
    central: float
    central_by_organisation: Mapping[str, float | None]
    rounds: tuple[RoundFacts, ...]
    stopped_early: str | None
    effects: tuple[FieldEffect, ...]
    pairs: tuple[str, ...]
    quorum: int
    k_min: int
    seconds: Mapping[str, float]
    model_digest: str

    def to_json(self) -> dict[str, object]:
        """The `demo` part of results.json."""
        return asdict(self)
