"""Made-up organisations with systems of their own: node directories as an extraction leaves them.

Accounts leave more often without activity, with little open value, in retail, and where the product is hardly used;
three of the organisations know how much it is used, two keep a column that nobody else has.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np

from fedcrm.nodes import NodeConfiguration, OrganisationNode, ServicePlace
from fedcrm.salesforce import FeatureColumn, Orgs, Run, Vector, vocabulary_digest, write_data_set
from fedcrm.salesforce.pairing import Pairing

NAMES = ("Aurora", "Borealis", "Cascade & Sons", "Délta", "Escarpment")

COMMON = (
    FeatureColumn("activity.count_90d", "number", "count", 0, None),
    FeatureColumn("opportunity.open_value", "number", "currency", 2, None),
    FeatureColumn("account.industry", "category", "", 0, None),
    FeatureColumn("contract.auto_renew", "flag", "", 0, None),
)
USAGE = FeatureColumn("product.usage_level", "number", "score", 1, None)
INDUSTRIES = ("Banking", "Retail", "Energy")


def columns_of(number: int) -> tuple[FeatureColumn, ...]:
    """What the n-th organisation's package measures: usage in the first three, something private in the last two."""
    if number < 3:
        return (*COMMON, USAGE)
    return (*COMMON, FeatureColumn("own.mood", "category", "", 0, NAMES[number]))


def vectors_of(number: int, columns: Sequence[FeatureColumn], rows: int, *, year: int = 2025) -> list[Vector]:
    """Labelled accounts of the n-th organisation, the same for the same arguments."""
    rng = np.random.default_rng([number, rows])
    found = []
    for i in range(rows):
        activity, usage = int(rng.poisson(4)), float(rng.uniform(0, 100))
        value = float(np.round(np.exp(rng.normal(9, 1)), 2))
        industry, renews = str(rng.choice(INDUSTRIES)), int(rng.random() < 0.5)
        margin = 1.0 - 0.45 * activity + 1.1 * (industry == "Retail") - 0.9 * renews - 0.02 * (usage - 50)
        left = rng.random() < 1 / (1 + np.exp(-margin))
        cells = {
            "activity.count_90d": str(activity),
            "opportunity.open_value": f"{value:.2f}",
            "account.industry": industry,
            "contract.auto_renew": str(renews),
            "product.usage_level": f"{usage:.1f}",
            "own.mood": str(rng.choice(["good", "bad"])),
        }
        pseudonym = sha256(f"{number} {i}".encode()).hexdigest()[:32]
        as_of = f"{year}-{1 + i % 12:02d}-{1 + i % 28:02d}T00:00:00Z"
        found.append(Vector(pseudonym, as_of, str(int(left)), "definitive", tuple(cells[c.name] for c in columns)))
    return found


def write_data(
    node: OrganisationNode, number: int, *, task: str = "churn", rows: int = 260, columns: Sequence[FeatureColumn] = ()
) -> None:
    """What an extraction leaves in the node's directory."""
    columns = tuple(columns) or columns_of(number)
    run = Run(f"00D{number:012d}AAA", "R1", task, "training", vocabulary_digest(task, columns), columns)
    write_data_set(node.data(task), node.configuration.organisation, run, vectors_of(number, columns, rows))


def make_node(
    home: Path, number: int, *, tasks: Sequence[str] = ("churn",), budget: float = 8.0, rows: int = 260
) -> Path:
    """A paired node with its churn data extracted; it is closed again."""
    home.mkdir(exist_ok=True)
    orgs = Orgs.open(home / "orgs") if Orgs.exists(home / "orgs") else Orgs.create(home / "orgs")
    alias = f"org{number}"
    orgs.pairing(alias).write(Pairing(f"00D{number:012d}AAA", None))
    units = {"churn": "account", "opportunity_win": "opportunity"}
    configuration = NodeConfiguration(
        NAMES[number],
        alias,
        home / "orgs",
        tuple(tasks),
        "2026",
        {units[task]: budget for task in tasks},
        service=ServicePlace(),
    )
    directory = home / f"node{number}"
    node = OrganisationNode.create(directory, configuration)
    write_data(node, number, rows=rows)
    node.close()
    return directory


def make_nodes(home: Path, n: int = 5, **settings: object) -> list[Path]:
    """So many organisations, each with a node of its own."""
    return [make_node(home, number, **settings) for number in range(n)]  # type: ignore[arg-type]  # a test's settings
