"""A service to try: the demo's largest organisation, its model trained by `fedcrm demo --fast` and kept for next time.

No Salesforce org is needed: the vectors are rows of the demo's table that no model has seen.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from fedcrm.evaluation.demo import DELTA, DemoOptions, Progress, run_demo
from fedcrm.evaluation.telco import telco_demo
from fedcrm.explanation import Meaning, Moves
from fedcrm.features import DataSet, Part, split
from fedcrm.federation import Node, Records, directory_name
from fedcrm.service.core import Service
from fedcrm.service.publish import publish, vocabulary_digest
from fedcrm.service.registry import ModelFacts, Privacy
from fedcrm.service.tenants import Scope

__all__ = ["ORG_ID", "DemoService", "open_demo"]

ORG_ID = "00D000000000DEMEAQ"
RECORDS = 200
_SEED = 1

_ADD_ON = Meaning(moves=Moves.BOTH, choices=("Yes", "No"))
MEANINGS = {
    "contract": Meaning("Contract", moves=Moves.BOTH, choices=("Month-to-month", "One year", "Two year")),
    "tenure": Meaning("Months as a customer"),
    "monthly_charges": Meaning("Monthly charges", moves=Moves.DOWN),
    "total_charges": Meaning("Charges so far"),
    "payment_method": Meaning("Payment method", moves=Moves.BOTH),
    "paperless_billing": Meaning("Paperless billing", moves=Moves.BOTH),
    "internet_service": Meaning("Internet service"),
    "tech_support": Meaning("Technical support", moves=Moves.BOTH, choices=_ADD_ON.choices),
    "online_security": Meaning("Online security", moves=Moves.BOTH, choices=_ADD_ON.choices),
    "online_backup": Meaning("Online backup", moves=Moves.BOTH, choices=_ADD_ON.choices),
    "device_protection": Meaning("Device protection", moves=Moves.BOTH, choices=_ADD_ON.choices),
}


@dataclass(frozen=True, slots=True)
class DemoService:
    """example: body of a call with RECORDS different records."""

    service: Service
    facts: ModelFacts
    api_key: str
    admin_key: str
    example: dict[str, Any]


def open_demo(service: Service, out: Path, progress: Progress | None = None) -> DemoService:
    """Train where nothing is cached in `out`, publish where the service does not serve it yet, make new keys.

    Keys of an earlier start are retired: only their hashes were kept, so nobody could print them again.
    """
    data = telco_demo()
    organisation = data.participants[0]
    vocabulary = tuple(c for c in data.columns if c != data.description.label)
    digest = vocabulary_digest(vocabulary)
    service.tenants.register(ORG_ID, organisation)
    standing = [s for s in service.registry.models(ORG_ID) if s.serving and s.facts.vocabulary_digest == digest]
    parts = split(data, _SEED)
    if standing:
        facts = standing[0].facts
    else:
        results = run_demo(DemoOptions(out, fast=True, seed=_SEED), resume=out.exists(), progress=progress)
        node = Node.open(out / "nodes" / directory_name(organisation))
        try:
            records = Records(
                data, parts.rows(organisation, Part.TRAIN), parts.rows(organisation, Part.VALIDATION), as_of=0.0
            )
            spent = round(node.ledger.spent().epsilon, 3)
            facts = publish(
                service.registry,
                ORG_ID,
                node.models,
                records,
                task=data.description.task,
                vocabulary=vocabulary,
                digest=digest,
                meanings=MEANINGS,
                high_is_good=False,
                round_number=len(results.rounds),
                privacy=Privacy(node.settings.epsilon_budget, DELTA, len(results.organisations), spent),
                segments=("senior_citizen", "contract"),
            ).facts
        finally:
            node.close()
    for key in service.tenants.keys(ORG_ID):
        if key.retired_at is None:
            service.tenants.retire_key(ORG_ID, key.key_id)
    api_key = service.tenants.new_key(ORG_ID, Scope.PREDICT, "demo").key.reveal()
    admin_key = service.tenants.new_key(ORG_ID, Scope.ADMIN, "demo administrator").key.reveal()
    example = {
        "org_id": ORG_ID,
        "task": facts.task,
        "records": _different(data, parts.rows(organisation, Part.TEST), vocabulary, digest, service.clock()),
    }
    return DemoService(service, facts, api_key, admin_key, example)


def _different(
    data: DataSet, rows: np.ndarray[Any, np.dtype[np.int64]], vocabulary: tuple[str, ...], digest: str, now: float
) -> list[dict[str, Any]]:
    """RECORDS records, no two with the same vector."""
    as_of = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    texts = [data.columns[name].texts(rows) for name in vocabulary]
    vectors = dict.fromkeys(tuple(str(column[i]) for column in texts) for i in range(len(rows)))
    return [
        {
            "pseudonym": hashlib.sha256("\n".join(vector).encode()).hexdigest()[:32],
            "vocabulary_digest": digest,
            "as_of": as_of,
            "vector": list(vector),
        }
        for vector in list(vectors)[:RECORDS]
    ]
