"""What an organisation adopted, published into its own prediction service: labels, directions and what it cost.

All of it stays in the organisation. Words come from the shared vocabulary; columns of its own keep their names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from fedcrm.explanation import Meaning, Moves
from fedcrm.federation import Trained, adoption_of
from fedcrm.files import write_atomically
from fedcrm.nodes.configuration import UNIT_OF_TASK
from fedcrm.nodes.training_members import Member
from fedcrm.salesforce import Orgs
from fedcrm.schema import Higher, vocabulary
from fedcrm.service import ModelFacts, Privacy, Service, publish
from fedcrm.service.publish import vocabulary_digest

__all__ = ["HIGH_IS_GOOD", "meanings_of", "publish_adopted"]

HIGH_IS_GOOD: Mapping[str, bool] = {
    "churn": False,
    "lead_conversion": True,
    "opportunity_win": True,
    "case_escalation": False,
}
"""Whether a high score is good news; as `Polarity__c` of the package's tasks."""

_MOVES = {Higher.BETTER: Moves.UP, Higher.WORSE: Moves.DOWN, None: Moves.BOTH}


def publish_adopted(member: Member, trained: Trained, task: str) -> str:
    """Publish what the member serves by; once for each received model. Returns the version.

    Raises SettingsError where its org is not paired yet, StorageError.
    """
    models = member.holding.models
    marker = models / "published.json"
    adoption = adoption_of(models)
    digest = trained.model.digest().hex()
    if adoption is not None and (version := _published(marker.read_bytes() if marker.exists() else b"", digest)):
        return version
    configuration = member.node.configuration
    org_id = Orgs.open(configuration.orgs).pairing(configuration.org).require().org_id or ""
    data, ledger = member.holding.data, member.books.ledger
    declared = data.description.vocabulary
    names = tuple(data.columns) if declared is None else tuple(column.name for column in declared.columns)
    Service.make_storage_key(member.node.service_settings())
    service = Service.open(member.node.service_settings())
    try:
        service.tenants.register(org_id, member.name)
        facts: ModelFacts = publish(
            service.registry,
            org_id,
            models,
            member.records,
            task=task,
            vocabulary=names,
            digest=vocabulary_digest(names) if declared is None else declared.digest,
            meanings=meanings_of(names, task),
            high_is_good=HIGH_IS_GOOD[task],
            round_number=len(trained.facts),
            privacy=Privacy(ledger.epsilon_budget, ledger.delta, len(trained.reports), ledger.spent().epsilon),
        ).facts
    finally:
        service.close()
    write_atomically(marker, (json.dumps({"model": digest, "version": facts.version}) + "\n").encode())
    return facts.version


def meanings_of(columns: Sequence[str], task: str) -> dict[str, Meaning]:
    """What people read for each column of the shared vocabulary, and which way they may be told to move it."""
    words = vocabulary()
    return {
        name: Meaning(
            words[name].name,
            moves=_MOVES[words[name].higher] if UNIT_OF_TASK[task] in words[name].actionable else None,
            whole=words[name].unit == "count",
        )
        for name in columns
        if name in words
    }


def _published(content: bytes, digest: str) -> str | None:
    try:
        raw = json.loads(content)
        return str(raw["version"]) if raw["model"] == digest else None
    except (ValueError, KeyError, TypeError):
        return None
