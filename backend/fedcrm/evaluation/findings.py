"""What a training brought to whom: figures by organisation, and the files they are published in.

Test rows are scored once, here. Everybody's own figures stand in one place only because one person owns all the
directories; a real organisation sees its own and the charged ones.

    OUT/model.ubj, model.json, model_card.md, report.html, results.json
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fedcrm.boosting import FederatedModel, HomeModel, to_booster
from fedcrm.evaluation.at_home import AtHome, Central, Holding
from fedcrm.evaluation.effects import field_effects, pair_names
from fedcrm.evaluation.metrics import auc, mean_over_participants, spearman, spearman_attainable
from fedcrm.evaluation.report import render_model_card, render_report
from fedcrm.evaluation.results import Charges, DemoResults, OrganisationResult
from fedcrm.features import Description, Part, Schema, blocks_of
from fedcrm.federation import Adoption, Gate, Node, Serves, Trained, Verdict, standings_of
from fedcrm.files import write_atomically
from fedcrm.privacy import Cost
from fedcrm.secagg import default_k_min, default_quorum

__all__ = ["Training", "results_of", "write_model", "write_results"]


@dataclass(frozen=True, slots=True)
class Training:
    """What a training was. name: in the ledgers. about: its data, for people. seconds: by step. members: invited."""

    name: str
    about: Description
    seed: int
    fast: bool
    gate: Gate
    k_min: int
    delta: float
    seconds: Mapping[str, float]
    members: int


def write_model(out: Path, model: FederatedModel) -> None:
    """The federation's model, in our form and as a native XGBoost Booster."""
    write_atomically(out / "model.json", model.to_json().encode())
    write_atomically(out / "model.ubj", bytes(to_booster(model).save_raw("ubj")))


def results_of(
    training: Training,
    trained: Trained,
    holdings: Mapping[str, Holding],
    nodes: Mapping[str, Node],
    home: AtHome,
    audit: list[dict[str, object]],
) -> DemoResults:
    """Every organisation that adopted, on its own test rows. audit: the coordinator's log."""
    organisations = tuple(
        _organisation(training, holdings[name], nodes[name], trained, adoption)
        for name, adoption in home.adoptions.items()
    )
    stopped = [str(entry["reason"]) for entry in audit if entry["event"] == "training ends early"]
    n = training.members
    return DemoResults(
        data_set=training.about.name,
        task=training.about.task,
        metric=str(training.about.metric),
        seed=training.seed,
        fast=training.fast,
        delta=training.delta,
        organisations=organisations,
        gate_rule=str(training.gate),
        gate_refused={
            str(rule): sum(not a.verdicts[rule].accepted for a in home.adoptions.values()) / len(home.adoptions)
            for rule in Gate
        },
        left_out=tuple(name for name in home.adoptions if not holdings[name].parts.evaluable(name)),
        means={kind: _mean(organisations, kind) for kind in ("local", "federated", "personal", "chosen")},
        central=mean_over_participants({n: v for n, v in home.central.items() if v is not None}),
        central_by_organisation=home.central,
        rounds=trained.facts,
        stopped_early=stopped[-1] if stopped else None,
        effects=field_effects(trained.model),
        pairs=pair_names(trained.model),
        quorum=default_quorum(n),
        k_min=training.k_min or default_k_min(n, default_quorum(n)),
        seconds=training.seconds,
        model_digest=trained.model.digest().hex(),
    )


def write_results(out: Path, about: Description, results: DemoResults, central: Central) -> None:
    """Model card, report and, last, results.json: whoever finds that one finds everything."""
    write_atomically(out / "model_card.md", render_model_card(results).encode())
    write_atomically(out / "report.html", render_report(results).encode())
    runs = [
        {
            "method": kind,
            "epsilon": None if kind == "local" else _common_epsilon(results),
            "seed": results.seed,
            "mean": results.means[kind],
            "participants": {o.name: v for o in results.organisations if (v := getattr(o, kind)) is not None},
            "spearman": None,
            "spearman_max": None,
        }
        for kind in ("local", "federated", "personal", "chosen")
    ]
    runs.append(
        {
            "method": "central",
            "epsilon": None,
            "seed": results.seed,
            "mean": results.central,
            "participants": {name: value for name, value in central.items() if value is not None},
            "spearman": None,
            "spearman_max": None,
        }
    )
    content = {
        "datasets": [{"name": about.name, "metric": str(about.metric), "runs": runs}],
        "protocol": {"split": "70/10/20 stratified within each organisation", "metric": "AUC, unweighted mean"},
        "demo": results.to_json(),
    }
    write_atomically(out / "results.json", (json.dumps(content, indent=1, allow_nan=False) + "\n").encode())


# --- one organisation --------------------------------------------------------------------------------


def _mean(organisations: tuple[OrganisationResult, ...], kind: str) -> float:
    return mean_over_participants({o.name: v for o in organisations if (v := getattr(o, kind)) is not None})


def _organisation(
    training: Training, holding: Holding, node: Node, trained: Trained, adoption: Adoption
) -> OrganisationResult:
    name, data, parts = holding.organisation, holding.data, holding.parts
    schema = trained.model.schema
    rows_of_test = parts.rows(name, Part.TEST)
    received = trained.model.restricted(blocks_of(schema, data, name))
    margins = {"federated": received.margin(schema.encode(data, rows_of_test).X)}
    own = Schema.from_json((holding.models / "home" / "schema.json").read_text("utf-8"))
    test = own.encode(data, rows_of_test)
    if adoption.choice is Serves.FEDERATED:
        margins["local"], margins["personal"] = np.zeros(len(test.y)), margins["federated"]
    else:
        home = HomeModel.load(holding.models / "home")
        margins["local"], margins["personal"] = home.local.margin(test.X), home.personal.margin(test.X)
    margins["chosen"] = margins[adoption.choice]
    measured = parts.evaluable(name)
    figures = {kind: auc(test.y, margin) if measured else None for kind, margin in margins.items()}
    ranked = measured and data.description.metric.spearman
    rows = data.rows(name)
    verdict = adoption.verdicts[adoption.gate]
    budget, cost = _budget(training, node)
    return OrganisationResult(
        name=name,
        rows=len(rows),
        positives=int(data.label[rows].sum()),
        reported_rows=standings_of(trained.reports)[name].rows if name in trained.reports else 0.0,
        epsilon_budget=budget,
        epsilon_spent=cost.epsilon(node.settings.delta),
        delta=node.settings.delta,
        charges=_charges(training, node),
        spearman=spearman(test.y, margins["chosen"]) if ranked else None,
        spearman_max=spearman_attainable(float(test.y.mean())) if ranked else None,
        choice=adoption.choice,
        gate=_word(verdict),
        gate_drop=verdict.drop,
        bootstrap_gate=_word(adoption.verdicts[Gate.BOOTSTRAP]),
        paper_gate=_word(adoption.verdicts[Gate.PAPER]),
        weights=adoption.weights,
        **figures,
    )


def _word(verdict: Verdict) -> str:
    return "accepted" if verdict.accepted else "refused"


def _budget(training: Training, node: Node) -> tuple[float, Cost]:
    """What this training could cost the organisation, and did; its period's budget where it never began."""
    if training.name not in node.ledger.trainings():
        return node.settings.epsilon_budget, Cost()
    return node.ledger.budget(training.name).epsilon, node.ledger.spent(training.name).cost


def _charges(training: Training, node: Node) -> tuple[Charges, ...]:
    costs: dict[str, Cost] = {}
    counts: dict[str, int] = {}
    for charge in node.ledger:
        if charge.training != training.name:
            continue
        purpose = charge.event.purpose
        costs[purpose] = costs.get(purpose, Cost()) + charge.event.cost
        counts[purpose] = counts.get(purpose, 0) + 1
    return tuple(Charges(p, counts[p], cost.epsilon(node.settings.delta)) for p, cost in costs.items())


def _common_epsilon(results: DemoResults) -> float | None:
    budgets = {o.epsilon_budget for o in results.organisations}
    return budgets.pop() if len(budgets) == 1 else None
